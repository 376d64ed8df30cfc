"""A mart: the people whom a purpose may process, times the columns that it declares. Nothing else reaches it.

Here belong its two steps, between which `mart.sql` may run: `build_permitted` selects permitted people and values,
`protect` limits what the mart reveals. An identified mart is published as it is, a pseudonymous mart in groups
(`anonymity`), an aggregate as numbers (`aggregate`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.errors import CdpError
from cdp_pipelines.golden.customer import select_best_values
from cdp_pipelines.marts.aggregate import PEOPLE, aggregate_mart
from cdp_pipelines.marts.anonymity import suppress_small_groups
from cdp_pipelines.marts.coarsening import coarsen, coarsened_dtype
from cdp_pipelines.marts.pseudonym import pseudonymise, reference_evidence
from cdp_pipelines.purposes.mart_terms import BASIS, COLUMN_SOURCES, EVIDENCE, KEY, REQUIRED_SOURCES, TYPES
from cdp_pipelines.schema import DECISION, RECORD_KEY, Column, Table
from cdp_pipelines.schema.interval import current
from cdp_pipelines.schema.mart import AGGREGATE_LIFECYCLE, MEASURES, declare_mart_lifecycle

if TYPE_CHECKING:
    from cdp_pipelines.purposes.purpose import Purpose
    from cdp_pipelines.schema import (
        CustomerFrame,
        DecisionFrame,
        DecisionRows,
        MartFrame,
        MartRows,
        ProvenanceFrame,
        ProvenanceRows,
    )

# Steps from an allowed customer to a row of a mart.
HAS_PROFILE, HAS_VALUE, OWN_POINT = (
    "has a profile",
    "contact point collected for this purpose",
    "contact point in no other row",
)


def build_permitted_table(purpose: Purpose) -> Table:
    """The permitted frame of a purpose: its columns, with types, descriptions and sources from where they come."""
    columns = []
    for column in purpose.columns:
        group, _, name = column.source.partition(".")
        source = next(candidate for candidate in COLUMN_SOURCES[group].columns if candidate.name == name)
        origin = source.sources if group in {"measure", "subject"} else (f"{COLUMN_SOURCES[group].name}.{name}",)
        description = column.description or source.description
        dtype = coarsened_dtype(column)
        # A row is about one person, and so is each of its values, whatever it says.
        columns.append(Column(column.name, dtype, description, is_personal=True, sources=origin))
    key = tuple(column.name for column in purpose.columns if column.source == KEY)
    return Table(f"mart/{purpose.key}", purpose.title, key, tuple(columns), declare_mart_lifecycle(key))


def build_mart_table(purpose: Purpose) -> Table:
    """The table `mart/<purpose>`. A column made by `mart.sql` may come from any column of the permitted frame."""
    table = build_permitted_table(purpose)
    if purpose.shape:
        origin = tuple(dict.fromkeys(source for column in table.columns for source in column.sources))
        shaped = (
            Column(column.name, TYPES[column.type], column.description, is_personal=True, sources=origin)
            for column in purpose.shape
        )
        table = replace(table, columns=tuple(shaped))
    if purpose.aggregate is None:
        return table
    by_name = {column.name: column for column in table.columns}
    dimensions, sums = purpose.aggregate.dimensions, purpose.aggregate.sums
    columns = [
        *(
            Column(name, pl.String(), f"{by_name[name].description}; all for any", sources=by_name[name].sources)
            for name in dimensions
        ),
        Column(
            PEOPLE,
            pl.Int64(),
            f"People; null where they are fewer than {purpose.minimum_group} or would give such a number away",
            sources=("identity/cluster.customer_id",),
        ),
        *(
            Column(
                name,
                pl.Int64(),
                f"{by_name[name].description}, of all of them; null where one person makes most of it",
                sources=by_name[name].sources,
            )
            for name in sums
        ),
        Column("lawful_basis", pl.String(), "Lawful basis of the purpose", sources=("consent/decision.lawful_basis",)),
    ]
    return Table(table.name, table.description, tuple(dimensions), tuple(columns), AGGREGATE_LIFECYCLE)


def find_column(purpose: Purpose, source: str) -> str:
    """Name of the column of a mart that has this source."""
    return next(column.name for column in purpose.columns if column.source == source)


def quasi_identifiers(purpose: Purpose) -> list[str]:
    """Columns of a mart about persons by which it could be joined with another mart: without key, evidence, basis."""
    excluded = {find_column(purpose, source) for source in (KEY, EVIDENCE, BASIS)}
    return [name for name in build_mart_table(purpose).schema if name not in excluded]


@dataclass(frozen=True)
class Members:
    """The customers of a mart before protection.

    `allowed`: columns of `DECISION`, one row per customer_id; if the purpose is about a contact point, the row is that
    of the best ranked allowed one. `usable`: columns of `PROVENANCE`, the values that the purpose may use. `counts`:
    the customers whom each step leaves, in order, by the name of the step.
    """

    allowed: DecisionRows
    usable: ProvenanceFrame
    counts: dict[str, int]


def select_members(
    purpose: Purpose, decision: DecisionFrame, provenance: ProvenanceFrame, customer: CustomerFrame
) -> Members:
    """Customers whom a purpose may process, and the values that it may use.

    If the purpose is about a contact point, customers without one are left out, and of customers who share one all but
    that with the most known attributes.
    """
    profiled = current(decision).filter(pl.col("purpose") == purpose.key, "is_allowed")
    allowed = profiled.join(customer.select("customer_id"), on="customer_id", how="semi").collect()
    usable = provenance.filter(pl.col("collected_for").list.contains(purpose.key))
    counts = {HAS_PROFILE: allowed["customer_id"].n_unique()}
    if purpose.scope == "person":
        return Members(allowed, usable, counts)
    point = pl.col("attribute") == purpose.scope
    contacts = _select_contacts(usable.filter(point), allowed.lazy()).collect()
    chosen = _select_one_per_point(contacts, usable)
    on_point = chosen.select("customer_id", pl.col("value").alias("contact_point"))
    return Members(
        allowed.join(on_point, on=["customer_id", "contact_point"]),
        pl.concat([usable.filter(~point), chosen.lazy()]),
        {**counts, HAS_VALUE: contacts.height, OWN_POINT: chosen.height},
    )


def _select_contacts(points: ProvenanceFrame, allowed: DecisionFrame) -> ProvenanceFrame:
    """The best ranked allowed contact point of each customer."""
    return (
        points.join(allowed.select("customer_id", pl.col("contact_point").alias("value")), on=["customer_id", "value"])
        .sort("customer_id", "rank")
        .unique("customer_id", keep="first", maintain_order=True)
    )


def _select_one_per_point(contacts: ProvenanceRows, usable: ProvenanceFrame) -> ProvenanceRows:
    """One customer for each contact point, so that nobody gets a message twice: that with the most known attributes.

    Of equal ones the record decides and not the customer id, which depends on the order in which records arrived.
    """
    is_shared = contacts["value"].is_duplicated()
    shared = contacts.filter(is_shared)
    of_them = usable.filter(pl.col("customer_id").is_in(shared["customer_id"].implode()))
    known = of_them.group_by("customer_id").agg(pl.col("attribute").n_unique().alias("known_count"))
    chosen = (
        shared.join(known.collect(), on="customer_id")
        .sort("value", "known_count", *RECORD_KEY, descending=[False, True, False, False])
        .unique("value", keep="first", maintain_order=True)
        .drop("known_count")
    )
    return pl.concat([contacts.filter(~is_shared), chosen])


def build_permitted(purpose: Purpose, members: Members, measures: pl.LazyFrame, key: str) -> pl.LazyFrame:
    """The permitted frame: a row per person whom the purpose may process, columns as declared.

    A value is the best ranked among those collected for the purpose. A customer without interactions in the window has
    counts of 0, and null in other measures. `key`: the key of the purpose (see `pseudonym`).
    """
    counts = [column.name for column in MEASURES.columns if column.name.endswith("_count")]
    shown = [column.source.removeprefix("customer.") for column in purpose.columns]
    # Of attributes that no column shows, only those matter that must come from the same record.
    groups = members.usable.filter(pl.col("attribute").is_in(shown)).select("attribute_group").unique()
    values = members.usable.join(groups, on="attribute_group", how="semi")
    joined = (
        reference_evidence(members.allowed.lazy(), key, "subject.evidence")
        .with_columns(pseudonymise("customer_id", key).alias("subject.key"))
        .select("customer_id", "^subject[.].*$", *(pl.col(name).alias(f"decision.{name}") for name in DECISION.schema))
        .join(
            select_best_values(values).select("customer_id", pl.all().exclude("customer_id").name.prefix("customer.")),
            on="customer_id",
            how="left",
        )
        .join(
            measures.select("customer_id", pl.all().exclude("customer_id").name.prefix("measure.")),
            on="customer_id",
            how="left",
        )
        .with_columns(pl.col(f"measure.{name}").fill_null(0) for name in counts)
    )
    return build_permitted_table(purpose).conform(
        joined.select(coarsen(column, pl.col(column.source)).alias(column.name) for column in purpose.columns)
    )


def protect(purpose: Purpose, rows: pl.DataFrame, permitted: pl.DataFrame | None = None) -> MartRows:
    """Rows of `mart/<purpose>` out of its permitted frame, or out of the result of `mart.sql`; see `build_mart_table`.

    `permitted`: the permitted frame that the SQL read, if any; `CdpError` if a row of the result belongs to none of its
    people. Protected rows are returned unchanged.
    """
    if purpose.aggregate is not None:
        counted = aggregate_mart(rows, purpose.aggregate.dimensions, purpose.aggregate.sums, purpose.minimum_group)
        rows = counted.with_columns(pl.lit(purpose.lawful_basis).alias("lawful_basis"))
    else:
        if permitted is not None:
            own = [find_column(purpose, source) for source in REQUIRED_SOURCES]
            foreign = rows.join(permitted, on=own, how="anti", nulls_equal=True).height
            if count := foreign or rows[own[0]].is_duplicated().sum():
                raise CdpError(
                    f"mart.sql of {purpose.key}: {count} rows belong to no permitted person, or share one; "
                    f"keep {', '.join(own)} unchanged, and one row per person"
                )
        if purpose.mart_kind == "pseudonymous":
            rows = suppress_small_groups(rows, quasi_identifiers(purpose), purpose.minimum_group)
    return build_mart_table(purpose).conform(rows.lazy()).collect()


def select_justified(purpose: Purpose, rows: MartFrame, decisions: DecisionFrame, key: str) -> MartFrame:
    """Rows of a mart whose person the purpose may process by these decisions (on that contact point, if it has one).

    `decisions`: customer_id, purpose, contact_point, is_allowed; `key`: the key of the purpose. Rows of an aggregate
    are about no single person: see `find_counted_without_right`.
    """
    if purpose.aggregate is not None:
        return rows
    allowed = decisions.filter(pl.col("purpose") == purpose.key, "is_allowed").with_columns(
        pseudonymise("customer_id", key).alias("subject.key")
    )
    name_of = {column.source: column.name for column in purpose.columns}
    keys = {"subject.key": name_of[KEY]}
    point = name_of.get(f"customer.{purpose.scope}", name_of.get("decision.contact_point"))
    if point is not None and point in build_mart_table(purpose).schema:
        keys["contact_point"] = point
    return rows.join(allowed, left_on=list(keys.values()), right_on=list(keys), how="semi")


def find_counted_without_right(purpose: Purpose, counted: pl.LazyFrame, decisions: DecisionFrame) -> pl.LazyFrame:
    """Counted people of an aggregate (customer_id, contact_point) whom these decisions do not allow."""
    allowed = decisions.filter(pl.col("purpose") == purpose.key, "is_allowed")
    return counted.join(allowed, on=["customer_id", "contact_point"], how="anti")
