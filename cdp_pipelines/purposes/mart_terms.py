"""What a purpose's mart holds: its columns, how exact each may be, what SQL makes of them, and what is counted."""

from __future__ import annotations

from typing import Annotated, Literal

import polars as pl
from pydantic import Field, model_validator

from cdp_pipelines.policy import PolicyModel
from cdp_pipelines.schema import CUSTOMER, DECISION, TEXTS, UTC
from cdp_pipelines.schema.mart import MEASURES, SUBJECT

# What a column of a mart may come from, by the word before the dot in its declaration.
COLUMN_SOURCES = {"customer": CUSTOMER, "decision": DECISION, "measure": MEASURES, "subject": SUBJECT}
KEY, EVIDENCE, BASIS, SINCE = "subject.key", "subject.evidence", "decision.lawful_basis", "decision.since_at"
# What every row about a person carries: whose it is, by what right, since when, and on what evidence.
OF_PERSON = {
    KEY: "a row must say whose it is",
    BASIS: "a row must say by what right it is there (Art. 6(1))",
    SINCE: "a row must say since when",
    EVIDENCE: "a row must say on what evidence (Art. 5(2))",
}
# What would join every mart with every other, and what takes its place.
INSTEAD = {
    **dict.fromkeys(("customer.customer_id", "decision.customer_id", "measure.customer_id"), KEY),
    "decision.evidence": EVIDENCE,
}
# Any one of these names a person, or reaches one (Art. 4(1)).
DIRECT = {
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
Cut = Literal["date", "month", "quarter", "year"]


class MartColumn(PolicyModel):
    """One column of a purpose's mart (Art. 5(1)(c))."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Its name in the mart")
    source: str = Field(
        description="subject.key, subject.evidence, customer.<attribute>, decision.<column> or measure.<name>"
    )
    description: str = Field("", description="What it means, where the source's own description is not enough")
    bands: tuple[int, ...] = Field(
        (), description="Of a number, no more than the band it lies in: the least number of each band (Art. 25)"
    )
    cut_to: Cut | None = Field(None, description="Of a time, no more than its date, month, quarter or year (Art. 25)")

    @property
    def source_dtype(self) -> pl.DataType:
        """Type of what it comes from."""
        word, _, name = self.source.partition(".")
        return COLUMN_SOURCES[word].schema[name]

    @property
    def is_exact(self) -> bool:
        """Whether it is a number or a time as it was."""
        return self.source_dtype in {pl.Int64(), UTC} and not self.bands and self.cut_to is None

    @model_validator(mode="after")
    def _exists(self) -> MartColumn:
        word, _, name = self.source.partition(".")
        if word not in COLUMN_SOURCES:
            raise ValueError(f"source {self.source!r} begins with none of: {', '.join(COLUMN_SOURCES)}")
        if name not in COLUMN_SOURCES[word].schema:
            raise ValueError(f"there is no {self.source!r}; {word} has: {', '.join(COLUMN_SOURCES[word].schema)}")
        if self.source in INSTEAD:
            raise ValueError(f"{self.source!r} would join this mart with others; there is {INSTEAD[self.source]!r}")
        return self

    @model_validator(mode="after")
    def _is_coarsened_as_its_type_allows(self) -> MartColumn:
        if self.bands and self.source_dtype != pl.Int64():
            raise ValueError(f"bands are for whole numbers; {self.source} is none")
        if list(self.bands) != sorted(set(self.bands)):
            raise ValueError(f"bands do not rise: {', '.join(map(str, self.bands))}")
        if self.cut_to and self.source_dtype != UTC:
            raise ValueError(f"cut_to is for times; {self.source} is none")
        if self.source == SINCE and not self.cut_to:
            raise ValueError(f"the instant of {SINCE} would join this mart with others: cut_to date or coarser")
        return self


class ShapedColumn(PolicyModel):
    """One column that `mart.sql` gives."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Its name in the mart")
    type: Literal["text", "integer", "number", "date", "time", "flag", "texts"] = Field(description="Its type")
    description: str = Field(min_length=1, description="What it means")


class AggregateTerms(PolicyModel):
    """A mart without any person: how many there are of each kind, and sums over them (recital 26)."""

    dimensions: Annotated[tuple[str, ...], Field(min_length=1, max_length=3)] = Field(
        description="Columns by whose values people are counted, each alone and with the others, and all in all"
    )
    sums: tuple[str, ...] = Field((), description="Columns of whole numbers that are summed up")

    @model_validator(mode="after")
    def _are_distinct(self) -> AggregateTerms:
        names = [*self.dimensions, *self.sums]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"dimensions and sums name twice: {', '.join(twice)}")
        if taken := sorted({"people", "lawful_basis"} & {*names}):
            raise ValueError(f"{', '.join(taken)} is a column of every aggregate: call it something else")
        return self


def check_mart(
    columns: tuple[MartColumn, ...],
    shape: tuple[ShapedColumn, ...],
    aggregate: AggregateTerms | None,
    identified_because: str | None,
) -> None:
    """`ValueError` where a mart would hold more of persons than its kind may: identified, pseudonymous or aggregate."""
    if not columns:
        for field, found in (("shape", shape), ("aggregate", aggregate), ("identified_because", identified_because)):
            if found:
                raise ValueError(f"{field} is about a mart; without columns there is none")
        return
    if aggregate:
        if identified_because:
            raise ValueError("aggregate holds no person: leave out identified_because")
        _check_aggregate(columns, shape, aggregate)
    else:
        _check_persons(columns, shape)
        if not identified_because:
            _check_pseudonymous(columns)


def _check_aggregate(
    columns: tuple[MartColumn, ...], shape: tuple[ShapedColumn, ...], aggregate: AggregateTerms
) -> None:
    if persons := [column.name for column in columns if column.source in {*DIRECT, KEY, EVIDENCE}]:
        raise ValueError(f"aggregate holds no person: leave out {', '.join(persons)}")
    there = {each.name: TYPES[each.type] for each in shape} or {
        column.name: pl.String() if column.bands else column.source_dtype for column in columns
    }
    if missing := [name for name in (*aggregate.dimensions, *aggregate.sums) if name not in there]:
        raise ValueError(f"aggregate names {', '.join(missing)}; there are: {', '.join(there)}")
    if wrong := [name for name in aggregate.sums if there[name] != pl.Int64()]:
        raise ValueError(f"aggregate sums {', '.join(wrong)}, which is no column of whole numbers")


def _check_persons(columns: tuple[MartColumn, ...], shape: tuple[ShapedColumn, ...]) -> None:
    named = {column.source: column.name for column in columns}
    for source, why in OF_PERSON.items():
        if source not in named:
            raise ValueError(f"columns: none has the source {source}: {why}")
        if shape and named[source] not in {each.name for each in shape}:
            raise ValueError(f"shape: there is no {named[source]}: {why}")


def _check_pseudonymous(columns: tuple[MartColumn, ...]) -> None:
    if direct := [column.name for column in columns if column.source in DIRECT]:
        raise ValueError(
            f"{', '.join(direct)} would name people: say why in identified_because, or leave it out (Art. 5(1)(c))"
        )
    if exact := [column.name for column in columns if column.is_exact]:
        raise ValueError(
            f"{', '.join(exact)} would single people out: declare bands or cut_to, or say why in identified_because"
        )
