"""Why two records are one person or not, and which pairs a clerk should look at.

Here belong answers about pairs of records. A clerk's decision is written by `cdp_pipelines.services.review`.
"""

import polars as pl

from cdp_pipelines.errors import CdpError, LakeError, UnknownNameError
from cdp_pipelines.identity.explain import build_waterfall, find_least_certain_pairs
from cdp_pipelines.schema import CLUSTER, PARTY, Table
from cdp_pipelines.services.declarations import load_identity_policy
from cdp_pipelines.services.document import Document, Section
from cdp_pipelines.services.identity_resolution import resolve_lake, weigh_records
from warehouse.delta.lake import Lake

# The channel, and the id of the record there.
Record = tuple[str, str]


def open_records(lake: Lake) -> Lake:
    """The lake; `LakeError` where it has no records."""
    if lake.read(PARTY).is_empty():
        raise LakeError(f"{lake.path} has no records; `cdp run` reads them from a drop folder")
    return lake


def read_record(text: str) -> Record:
    """A record as people write it; `CdpError` where it is not CHANNEL:ID."""
    channel, _, record = text.partition(":")
    if not channel or not record:
        raise CdpError(f"{text!r} is not a record; a record is CHANNEL:ID")
    return channel, record


def explain_link(lake: Lake, left: Record, right: Record) -> Document:
    """The match weight of two records as a waterfall: the bits that each comparison adds or takes off."""
    customer_count = check_records(lake, [left, right], CLUSTER)["customer_id"].n_unique()
    verdict = "The last night made them one customer." if customer_count == 1 else (
        "The last night made them two customers."
    )  # fmt: skip
    title = f"{':'.join(left)} and {':'.join(right)}"
    policy = load_identity_policy()
    records, model = weigh_records(lake, policy, [left, right])
    if records.count == 1:
        return Document(title, f"Both records have the same values. {verdict}", [])
    steps = build_waterfall(records, model, policy, 0, 1)
    odds = steps["total"][-1]
    return Document(
        title,
        f"Log odds {odds:+.1f}: the probability of one person is {1 / (1 + 2.0**-odds):.4f}. Records are linked from "
        f"{policy.threshold:g}. {verdict} Links to other records count as well.",
        [
            Section(
                "match_weight",
                steps.with_columns(pl.col("weight", "total").round(2)).to_dicts(),
                "In bits: log2 of how much more likely the agreement is for one person than for two",
                is_waterfall=True,
            )
        ],
    )


def list_reviews(lake: Lake, limit: int) -> Document:
    """Pairs whose decision is least certain, at most `limit`."""
    pairs = find_least_certain_pairs(resolve_lake(lake, load_identity_policy(), all_records=True), limit)
    rows = pairs.select(
        pl.concat_str("left_channel", "left_source_record_id", separator=":").alias("left_record"),
        pl.concat_str("right_channel", "right_source_record_id", separator=":").alias("right_record"),
        pl.col("probability").round(4),
        "is_linked",
        "evidence",
    ).to_dicts()
    return Document(
        "Pairs to review",
        "The pairs nearest to even odds come first. `cdp link explain RECORD RECORD` shows the weights of a pair; "
        "`cdp link review RECORD RECORD same|different` records a decision.",
        [Section("pairs", rows)],
    )


def check_records(lake: Lake, records: list[Record], table: Table = PARTY) -> pl.DataFrame:
    """The rows of a table of these records; an error that names the channel or the record that it does not have."""
    rows = []
    for channel, record in records:
        is_here = pl.col("channel") == channel, pl.col("source_record_id") == record
        rows.append(lake.scan(table).filter(*is_here).collect())
        if rows[-1].is_empty():
            channels = lake.scan(table).select(pl.col("channel").unique()).collect()["channel"].to_list()
            if channel not in channels:
                raise UnknownNameError("channel", channel, channels)
            raise LakeError(f"{lake.path} has no record {channel}:{record} in {table.name}")
    return pl.concat(rows)
