"""A mart: the people whom a purpose may process, times the columns that it declares. Nothing else reaches it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.consent.history import standing
from cdp_pipelines.consent.purpose import COLUMN_SOURCES
from cdp_pipelines.golden.measures import MEASURES
from cdp_pipelines.golden.survivorship import best_values
from cdp_pipelines.tables import DECISION, Column, Table

if TYPE_CHECKING:
    from cdp_pipelines.consent.purpose import Purpose


def mart_table(purpose: Purpose) -> Table:
    """The table `mart/<purpose>`, with types, descriptions and sources from where its columns come from."""
    columns = []
    for column in purpose.columns:
        word, _, name = column.source.partition(".")
        source = next(each for each in COLUMN_SOURCES[word].columns if each.name == name)
        origin = source.sources if word == "measure" else (f"{COLUMN_SOURCES[word].name}.{name}",)
        columns.append(
            Column(column.name, source.dtype, column.description or source.description, source.is_personal, origin)
        )
    return Table(f"mart/{purpose.key}", purpose.title, ("customer_id",), tuple(columns), subject=("customer_id",))


def mart(
    purpose: Purpose, decision: pl.LazyFrame, provenance: pl.LazyFrame, customer: pl.LazyFrame, measures: pl.LazyFrame
) -> pl.LazyFrame:
    """Rows of `mart/<purpose>`; key customer_id, columns as declared.

    A value is the best ranked among those collected for the purpose. Where the purpose is about a contact point, that
    column holds the best ranked one on which it is allowed, and a customer without any is left out. Counts are 0 and
    other measures null for a customer who did nothing within the window.
    """
    allowed = (
        standing(decision)
        .filter(pl.col("purpose") == purpose.key, "is_allowed")
        .join(customer.select("customer_id"), on="customer_id", how="semi")
    )
    usable = provenance.filter(pl.col("collected_for").list.contains(purpose.key))
    if purpose.scope != "person":
        point = pl.col("attribute") == purpose.scope
        contacts = (
            usable.filter(point)
            .join(allowed.select("customer_id", pl.col("contact_point").alias("value")), on=["customer_id", "value"])
            .sort("customer_id", "rank")
            .unique("customer_id", keep="first", maintain_order=True)
        )
        allowed = allowed.join(
            contacts.select("customer_id", pl.col("value").alias("contact_point")), on=["customer_id", "contact_point"]
        )
        usable = pl.concat([usable.filter(~point), contacts.select(usable.collect_schema().names())])
    counts = [column.name for column in MEASURES.columns if column.name.endswith("_count")]
    joined = (
        allowed.select(pl.col("customer_id"), *(pl.col(name).alias(f"decision.{name}") for name in DECISION.schema))
        .join(
            best_values(usable).select("customer_id", pl.all().exclude("customer_id").name.prefix("customer.")),
            on="customer_id",
            how="left",
        )
        .join(
            measures.select("customer_id", pl.all().exclude("customer_id").name.prefix("measure.")),
            on="customer_id",
            how="left",
        )
        .with_columns(pl.col(f"measure.{name}").fill_null(0) for name in counts)
        .with_columns(
            pl.col("customer_id").alias("customer.customer_id"), pl.col("customer_id").alias("measure.customer_id")
        )
    )
    return mart_table(purpose).conform(
        joined.select(pl.col(column.source).alias(column.name) for column in purpose.columns)
    )


def justified(purpose: Purpose, rows: pl.LazyFrame, decisions: pl.LazyFrame) -> pl.LazyFrame:
    """Rows of a mart whose customer the purpose may process by these decisions (on that contact point, if it has one).

    `decisions`: customer_id, purpose, contact_point, is_allowed.
    """
    allowed = decisions.filter(pl.col("purpose") == purpose.key, "is_allowed")
    named = {column.source: column.name for column in purpose.columns}
    keys = {"customer_id": named["customer.customer_id"]}
    if point := named.get(f"customer.{purpose.scope}", named.get("decision.contact_point")):
        keys["contact_point"] = point
    return rows.join(allowed, left_on=list(keys.values()), right_on=list(keys), how="semi")
