"""Records to customers: exact identifiers, then probable pairs, then records that say an identifier alone.

A wrong link is a breach of privacy, a missing one a customer asked twice: where the evidence is ambiguous, records
stay apart. The result depends on the records alone, not on their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cdp_pipelines.identity.clusters import without_contradiction
from cdp_pipelines.identity.model import learn
from cdp_pipelines.identity.pairs import block, compare
from cdp_pipelines.identity.stable import named_after
from cdp_pipelines.tables import CLUSTER, LINK, TEXTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdp_pipelines.identity.policy import IdentityPolicy

_RECORD = ["drop_date", "channel", "source_record_id"]
_LINK = {
    "left": pl.Int64,
    "right": pl.Int64,
    "rule": pl.String,
    "is_exact": pl.Boolean,
    "match_weight": pl.Float64,
    "evidence": TEXTS,
}
_NAMES = ("first_name", "middle_name", "last_name")
_SAYS = (*_NAMES, "birth_date", "street")


@dataclass(frozen=True, slots=True)
class Resolution:
    """`link` (`LINK`), `cluster` (`CLUSTER`), and counts that tell how it came about."""

    link: pl.DataFrame
    cluster: pl.DataFrame
    report: dict[str, object]


def resolve(party: pl.DataFrame, policy: IdentityPolicy) -> Resolution:
    """Customers of the records of `party` (`PARTY`).

    A customer is named after its earliest record (drop date, channel, id), so that its name stays when later records
    come to it. Records that say the same of a person are one node; links between nodes stand for their earliest
    records, and records of one node are linked to it as `same`.
    """
    records, nodes = _nodes(party, policy)
    exact = _stars(nodes, policy.exact)
    customers = _components(nodes.height, exact)
    named = nodes.filter(pl.col("first_name").is_not_null())
    pairs, blocks = block(named, policy)
    compared = compare(pairs, named, policy)
    model = learn(compared, named, policy)
    likely = _probable(model.score(compared), policy)
    probable = without_contradiction(nodes, exact, likely)
    links = pl.concat([exact, probable])
    for identifier in policy.shareable:
        customers = _components(nodes.height, links)
        links = pl.concat([links, _attached(nodes.with_columns(customers), identifier)])
    customers = _components(nodes.height, links)
    firm = _components(nodes.height, links.filter("is_exact"))
    cluster = _cluster(records, customers, firm)
    return Resolution(
        _named(links, records),
        cluster,
        {
            "records": party.height,
            "nodes": nodes.height,
            "pairs compared": compared.height,
            "blocking": blocks,
            "links": links.height,
            "links refused as contradictory": likely.height - probable.height,
            "weights": model.origin,
            "share of matches": model.prior,
            "match weights": {name: {k: round(v, 2) for k, v in each.items()} for name, each in model.weights.items()},
            "customers": cluster["customer_id"].n_unique(),
            "largest customer": cluster["customer_id"].value_counts()["count"].max() or 0,
        },
    )


def _nodes(party: pl.DataFrame, policy: IdentityPolicy) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Records with their node, and nodes with what they say, names in plain letters."""

    def plain(name: str) -> pl.Expr:
        letters = pl.col(name).str.to_lowercase().str.normalize("NFD").str.replace_all(r"[^\p{L}]", "")
        return pl.when(letters != "").then(letters).alias(name)

    says = [*_SAYS, *policy.exact, *policy.shareable]
    read = party.sort(_RECORD).select(
        *_RECORD,
        plain("first_name"),
        plain("middle_name").str.head(1),
        plain("last_name"),
        "birth_date",
        # A street without a number is shared by too many to say anything.
        pl.when(pl.col("street").str.contains(r"\d")).then("street").alias("street"),
        *policy.exact,
        *policy.shareable,
    )
    nodes = (
        read.unique(says, keep="first", maintain_order=True)
        .select(says)
        .with_row_index("node")
        .cast({"node": pl.Int64})
    )
    records = read.join(nodes, on=says, nulls_equal=True, maintain_order="left").select(*_RECORD, "node")
    return records, nodes


def _stars(nodes: pl.DataFrame, identifiers: Sequence[str]) -> pl.DataFrame:
    """Links from every node that has a value to the first one that has it."""
    return pl.concat(
        [
            _linked(
                nodes.filter(pl.col(name).is_not_null()).select(
                    pl.col("node").min().over(name).alias("left"), pl.col("node").alias("right")
                ),
                name,
            )
            for name in identifiers
        ]
    )


def _linked(pairs: pl.DataFrame, identifier: str) -> pl.DataFrame:
    return (
        pairs.filter(pl.col("left") != pl.col("right"))
        .select(
            "left",
            "right",
            pl.lit(identifier).alias("rule"),
            pl.lit(True).alias("is_exact"),
            pl.lit(None, pl.Float64).alias("match_weight"),
            pl.lit([f"{identifier}:exact"], TEXTS).alias("evidence"),
        )
        .cast(_LINK)
    )


def _probable(scored: pl.DataFrame, policy: IdentityPolicy) -> pl.DataFrame:
    """Pairs likely enough, unless first names differ, or family names or birth dates do and no e-mail is shared."""

    def differs(name: str) -> pl.Expr:
        return (pl.col(name) == "other").fill_null(False)

    same_email = (pl.col("email") == "exact").fill_null(False)
    kept = scored.filter(
        pl.col("probability") >= policy.threshold,
        ~differs("first_name"),
        ~(differs("last_name") | differs("birth_date")) | same_email,
    )
    evidence = [
        pl.when(pl.col(name).is_not_null()).then(pl.concat_str(pl.lit(f"{name}:"), pl.col(name)))
        for name in policy.comparisons
    ]
    return kept.select(
        "left",
        "right",
        "rule",
        same_email.alias("is_exact"),
        "match_weight",
        pl.concat_list(evidence).list.drop_nulls().alias("evidence"),
    ).cast(_LINK)


def _attached(nodes: pl.DataFrame, identifier: str) -> pl.DataFrame:
    """Links of the nodes without a first name that `identifier` joins: to the one customer who has its value.

    A family name, where the node says one, must be that customer's. Where nobody, or more than one customer, has the
    value, such nodes stay with each other alone.
    """
    bare = nodes.filter(pl.col(identifier).is_not_null(), pl.col("first_name").is_null())
    owners = nodes.filter(pl.col(identifier).is_not_null(), pl.col("first_name").is_not_null()).select(
        identifier, "customer", pl.col("node").alias("left"), pl.col("last_name").alias("last_name_of_owner")
    )
    # What already joins the node to someone with a name stands.
    taken = nodes.filter(pl.col("first_name").is_not_null())["customer"].unique()
    bare = bare.filter(~pl.col("customer").is_in(taken.implode()))
    fitting = (
        bare.select("node", identifier, "last_name")
        .join(owners, on=identifier)
        .filter(pl.col("last_name").is_null() | (pl.col("last_name") == pl.col("last_name_of_owner")).fill_null(False))
    )
    sole = (
        fitting.group_by("node")
        .agg(pl.col("customer").n_unique().alias("n"), pl.col("left").min())
        .filter(pl.col("n") == 1)
    )
    rest = bare.join(sole, on="node", how="anti").with_columns(pl.col("last_name").fill_null(""))
    together = rest.select(
        pl.col("node").min().over(identifier, "last_name").alias("left"), pl.col("node").alias("right")
    )
    return _linked(pl.concat([sole.select("left", pl.col("node").alias("right")), together]), identifier)


def _components(n_nodes: int, links: pl.DataFrame) -> pl.Series:
    """The component of each node, named after its first node."""
    graph = coo_array(
        (np.ones(links.height, dtype=bool), (links["left"].to_numpy(), links["right"].to_numpy())),
        shape=(n_nodes, n_nodes),
    )
    _, label = connected_components(graph, directed=False)
    numbered = pl.DataFrame({"node": pl.int_range(n_nodes, eager=True), "label": label})
    return numbered.select(pl.col("node").min().over("label").alias("customer")).to_series()


def _cluster(records: pl.DataFrame, customers: pl.Series, firm: pl.Series) -> pl.DataFrame:
    of_node = pl.DataFrame({"node": pl.int_range(customers.len(), eager=True), "customer": customers, "firm": firm})
    found = records.join(of_node, on="node", maintain_order="left")
    earliest = found.select("customer", "channel", "source_record_id").unique(
        "customer", keep="first", maintain_order=True
    )
    digests = [named_after(*record) for record in earliest.select("channel", "source_record_id").iter_rows()]
    named = earliest.select("customer", pl.Series("customer_id", digests, dtype=pl.String))
    return (
        CLUSTER.conform(
            found.join(named, on="customer")
            .with_columns(
                # Firm ground is what exact matches connect to the record that the customer is named after.
                (pl.col("firm") == pl.col("customer")).alias("is_exact")
            )
            .lazy()
        )
        .collect()
        .sort(CLUSTER.key)
    )


def _named(links: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    """Links between nodes as links between their earliest records, and each further record to its node's earliest."""
    first = records.group_by("node", maintain_order=True).first()
    left = first.select(
        pl.col("node").alias("left"),
        pl.col("channel").alias("left_channel"),
        pl.col("source_record_id").alias("left_source_record_id"),
    )
    right = first.select(
        pl.col("node").alias("right"),
        pl.col("channel").alias("right_channel"),
        pl.col("source_record_id").alias("right_source_record_id"),
    )
    between = links.join(left, on="left").join(right, on="right")
    same = (
        records.join(first, on=["node", *_RECORD], how="anti")
        .join(left, left_on="node", right_on="left")
        .select(
            "left_channel",
            "left_source_record_id",
            pl.col("channel").alias("right_channel"),
            pl.col("source_record_id").alias("right_source_record_id"),
            pl.lit("same").alias("rule"),
            pl.lit(True).alias("is_exact"),
            pl.lit(None, pl.Float64).alias("match_weight"),
            pl.lit(["all:exact"], TEXTS).alias("evidence"),
        )
    )
    every = pl.concat([LINK.conform(between.lazy()), LINK.conform(same.lazy())]).collect()
    return every.unique(LINK.key, keep="first", maintain_order=True).sort(LINK.key)
