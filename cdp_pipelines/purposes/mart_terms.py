"""The mart that a purpose declares: its columns, how exact each may be, the result of its SQL, and its counts.

The purpose itself belongs in `purpose`; marts are built in `cdp_pipelines.marts`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import polars as pl
from pydantic import Field, model_validator

from cdp_pipelines.policy import PolicyModel
from cdp_pipelines.schema import CUSTOMER, DECISION, TEXTS, UTC
from cdp_pipelines.schema.mart import MEASURES, SUBJECT

# The tables that a column of a mart may come from, by the word before the dot in `source`.
COLUMN_SOURCES = {"customer": CUSTOMER, "decision": DECISION, "measure": MEASURES, "subject": SUBJECT}
KEY, EVIDENCE, BASIS, SINCE = "subject.key", "subject.evidence", "decision.lawful_basis", "decision.since_at"
# Sources that every mart about people must have, and why.
REQUIRED_SOURCES = {
    KEY: "a row must name its subject",
    BASIS: "a row must name its lawful basis (Art. 6(1))",
    SINCE: "a row must state since when it is allowed",
    EVIDENCE: "a row must name its evidence (Art. 5(2))",
}
# Sources that would let two marts be joined, and the source to use instead.
REPLACEMENTS = {
    **dict.fromkeys(("customer.customer_id", "decision.customer_id", "measure.customer_id"), KEY),
    "decision.evidence": EVIDENCE,
}
# Sources that identify a person directly (Art. 4(1)).
DIRECT_IDENTIFIERS = {
    *(f"customer.{name}" for name in ("first_name", "middle_name", "last_name", "birth_date", "email", "phone")),
    *(f"customer.{name}" for name in ("street", "loyalty_card")),
    "decision.contact_point",
}
TYPES = {
    "text": pl.String(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "date": pl.Date(),
    "time": UTC,
    "flag": pl.Boolean(),
    "texts": TEXTS,
}
Period = Literal["date", "month", "quarter", "year"]


class MartColumn(PolicyModel):
    """One column of a purpose's mart (Art. 5(1)(c))."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Name of the column in the mart")
    source: str = Field(
        description="subject.key, subject.evidence, customer.<attribute>, decision.<column> or measure.<name>"
    )
    description: str = Field("", description="Meaning, if the description of the source is not enough")
    bands: tuple[int, ...] = Field(
        (), description="Shows a number only as its band: the lower bounds of the bands (Art. 25)"
    )
    cut_to: Period | None = Field(None, description="Shows a time only as its date, month, quarter or year (Art. 25)")

    @property
    def source_dtype(self) -> pl.DataType:
        """Type of its source."""
        table, _, name = self.source.partition(".")
        return COLUMN_SOURCES[table].schema[name]

    @property
    def is_exact(self) -> bool:
        """Whether it shows a number or a time without bands or cut_to."""
        return self.source_dtype in {pl.Int64(), UTC} and not self.bands and self.cut_to is None

    @model_validator(mode="after")
    def _check_source(self) -> MartColumn:
        table, _, name = self.source.partition(".")
        if table not in COLUMN_SOURCES:
            raise ValueError(f"source {self.source!r} must begin with one of: {', '.join(COLUMN_SOURCES)}")
        if name not in COLUMN_SOURCES[table].schema:
            raise ValueError(
                f"source {self.source!r} does not exist; {table} has: {', '.join(COLUMN_SOURCES[table].schema)}"
            )
        if replacement := REPLACEMENTS.get(self.source):
            raise ValueError(f"source {self.source!r} would let marts be joined; use {replacement!r} instead")
        return self

    @model_validator(mode="after")
    def _check_coarsening(self) -> MartColumn:
        if self.bands and self.source_dtype != pl.Int64():
            raise ValueError(f"bands are for whole numbers; {self.source} has another type")
        if list(self.bands) != sorted(set(self.bands)):
            raise ValueError(f"bands must increase; found: {', '.join(map(str, self.bands))}")
        if self.cut_to and self.source_dtype != UTC:
            raise ValueError(f"cut_to is for times; {self.source} has another type")
        if self.source == SINCE and not self.cut_to:
            raise ValueError(f"the instant of {SINCE} would let marts be joined; set cut_to to date or coarser")
        return self


class ShapedColumn(PolicyModel):
    """One column that `mart.sql` returns."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Name of the column in the mart")
    type: Literal["text", "integer", "number", "date", "time", "flag", "texts"] = Field(
        description="Type of its values"
    )
    description: str = Field(min_length=1, description="Meaning of its values")


class AggregateTerms(PolicyModel):
    """A mart without rows about people: counts and sums for each combination of dimensions (recital 26)."""

    dimensions: Annotated[tuple[str, ...], Field(min_length=1, max_length=3)] = Field(
        description="Columns whose values people are counted by: each alone, each combination, and in total"
    )
    sums: tuple[str, ...] = Field((), description="Columns of whole numbers that are summed")

    @model_validator(mode="after")
    def _check_names(self) -> AggregateTerms:
        names = [*self.dimensions, *self.sums]
        if duplicates := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"dimensions and sums name a column twice: {', '.join(duplicates)}")
        if taken := sorted({"people", "lawful_basis"} & {*names}):
            raise ValueError(f"{', '.join(taken)} is already a column of every aggregate; choose another name")
        return self


def check_mart(
    columns: tuple[MartColumn, ...],
    shape: tuple[ShapedColumn, ...],
    aggregate: AggregateTerms | None,
    identified_because: str | None,
) -> None:
    """`ValueError` where a mart shows more about people than its kind permits (see `Purpose.mart_kind`)."""
    if not columns:
        mart_fields = {"shape": shape, "aggregate": aggregate, "identified_because": identified_because}
        for field, value in mart_fields.items():
            if value:
                raise ValueError(f"{field} needs a mart; declare columns or remove it")
        return
    if aggregate:
        if identified_because:
            raise ValueError("an aggregate has no rows about people; remove identified_because")
        _check_aggregate(columns, shape, aggregate)
    else:
        _check_required_sources(columns, shape)
        if not identified_because:
            _check_pseudonymous(columns)


def _check_aggregate(
    columns: tuple[MartColumn, ...], shape: tuple[ShapedColumn, ...], aggregate: AggregateTerms
) -> None:
    if personal := [column.name for column in columns if column.source in {*DIRECT_IDENTIFIERS, KEY, EVIDENCE}]:
        raise ValueError(f"an aggregate has no rows about people; remove the columns {', '.join(personal)}")
    available = {column.name: TYPES[column.type] for column in shape} or {
        column.name: pl.String() if column.bands else column.source_dtype for column in columns
    }
    if unknown := [name for name in (*aggregate.dimensions, *aggregate.sums) if name not in available]:
        raise ValueError(f"aggregate names {', '.join(unknown)}; allowed: {', '.join(available)}")
    if not_whole := [name for name in aggregate.sums if available[name] != pl.Int64()]:
        raise ValueError(f"aggregate sums {', '.join(not_whole)}; only columns of whole numbers can be summed")


def _check_required_sources(columns: tuple[MartColumn, ...], shape: tuple[ShapedColumn, ...]) -> None:
    names = {column.source: column.name for column in columns}
    for source, reason in REQUIRED_SOURCES.items():
        if source not in names:
            raise ValueError(f"columns: add one with the source {source}: {reason}")
        if shape and names[source] not in {column.name for column in shape}:
            raise ValueError(f"shape: add {names[source]}: {reason}")


def _check_pseudonymous(columns: tuple[MartColumn, ...]) -> None:
    if direct := [column.name for column in columns if column.source in DIRECT_IDENTIFIERS]:
        raise ValueError(
            f"{', '.join(direct)} would identify people; remove it, or declare identified_because (Art. 5(1)(c))"
        )
    if exact := [column.name for column in columns if column.is_exact]:
        raise ValueError(f"{', '.join(exact)} would single people out; declare bands, cut_to or identified_because")
