"""What a table of the lake declares: its key, its columns, whom its rows are about, and how it lives.

Here belong the types of the declarations and the rules that each declaration keeps. The tables themselves are in the
module of their layer; the words that columns take are in `vocabulary`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import polars as pl

from cdp_pipelines.errors import SchemaError
from cdp_pipelines.schema.vocabulary import LAYERS

if TYPE_CHECKING:
    from collections.abc import Iterable

UTC = pl.Datetime("us", "UTC")
TEXTS = pl.List(pl.String)

# source: received or entered by staff. derived: computed from other tables. log: what happened, which no other table
# can give again. state: what the next run reuses to save work.
Kind = Literal["source", "derived", "log", "state"]
# append: rows are added. replace: a run writes the whole content. merge: a run replaces the rows of the keys that it
# brings. versioned: a run closes the current row of a key (`valid_to`) and adds the next one (`valid_from`).
WriteMode = Literal["append", "replace", "merge", "versioned"]
# The smallest part of the table that can be computed again without the rest.
RecomputationUnit = Literal["record", "customer", "purpose", "whole"]
# channel: as its channel's contract and the purposes in force say; removed by audit/retention. purpose: as the purpose
# of the mart says. sources: as long as the rows it is computed from. record: as long as the record that it is about.
# evidence: as proof (GDPR Art. 5(2)), without a declared end.
RetentionTerm = Literal["channel", "purpose", "sources", "record", "evidence"]
# How a column leads to a person: it holds a customer_id; it names a source record, by channel and id (the channel is
# the table's own where it has no such column); it is an identifier, by kind and value; it is a digest of one of these.
SubjectPath = Literal["customer", "record", "identifier", "digest"]
ErasureAction = Literal["delete_row", "null_columns", "replace_by_digest", "keep", "no_person"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its Polars type, its meaning, whether it can identify or describe a person, and its sources.

    `sources` are full names, `layer/table.column`; raw fields of all channels are filled in from the contracts.
    `category` is the data category of a raw field; that of other columns follows from their sources.
    """

    name: str
    dtype: pl.DataType
    description: str
    is_personal: bool = False
    sources: tuple[str, ...] = ()
    category: str | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """Rows of declared columns; no two rows share the columns of `key`. A `Table` is a relation that is stored."""

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Column name to Polars type, in order."""
        return {column.name: column.dtype for column in self.columns}

    @property
    def personal(self) -> frozenset[str]:
        """Names of the columns that can identify or describe a person."""
        return frozenset(column.name for column in self.columns if column.is_personal)

    def empty(self) -> pl.DataFrame:
        """A frame of this relation without rows."""
        return pl.DataFrame(schema=self.schema)

    def conform(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Select the declared columns in their order and types; a missing column is a Polars error that names it."""
        return frame.select(pl.col(name).cast(dtype) for name, dtype in self.schema.items())


@dataclass(frozen=True, slots=True)
class Subject:
    """Columns that lead from a row to a person, and how."""

    kind: SubjectPath
    columns: tuple[str, ...]


CUSTOMER_SUBJECT = Subject("customer", ("customer_id",))
RECORD_SUBJECT = Subject("record", ("channel", "source_record_id"))
IDENTIFIER_SUBJECT = Subject("identifier", ("subject_kind", "subject_value"))


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erasure (GDPR Art. 17) must do to the rows of its subject, and why.

    `columns`: those to null or to replace by a keyed digest. `obligation`: the article that keeps the rows. An
    obligation of a purpose in force (Art. 17(3)(b)) is not a property of a table: it comes before any of these.
    """

    action: ErasureAction
    reason: str
    columns: tuple[str, ...] = ()
    obligation: str | None = None


DELETE_SOURCE = Erasure("delete_row", "The row is what the person's record says")
DELETE_DERIVED = Erasure("delete_row", "The row is computed from records that are erased")


def no_person(reason: str) -> Erasure:
    """An erasure does not touch a table whose rows are about nobody."""
    return Erasure("no_person", reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """How a table lives; every part is mandatory.

    `subjects`: whom a row is about; empty where it is about nobody. Everything that must reach every table (erasure,
    retention, incremental runs, catalogue, lineage) reads this and keeps no list of tables.
    """

    kind: Kind
    subjects: tuple[Subject, ...]
    write_mode: WriteMode
    unit: RecomputationUnit
    on_erasure: Erasure
    retention: RetentionTerm


@dataclass(frozen=True, slots=True)
class Table(Relation):
    """One table of the lake: `name` is `layer/table`. `SchemaError` where a declaration is missing or contradicts.

    `found_by`: columns by which one person's rows are looked up; rows lie in the files in their order, and then in
    that of the key, so that a look-up of one person reads few groups of rows.
    """

    lifecycle: Lifecycle
    found_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if problems := list(_find_problems(self)):
            raise SchemaError(self.name, tuple(problems))

    @property
    def layer(self) -> str:
        """The layer, which is the first part of the name."""
        return self.name.partition("/")[0]

    @property
    def order(self) -> list[str]:
        """Columns in whose order the rows lie in the files: `found_by`, then the rest of the key."""
        return [*self.found_by, *(name for name in self.key if name not in self.found_by)]

    @property
    def is_entered(self) -> bool:
        """Whether staff enter the rows by a command, so that no night writes the table."""
        return self.lifecycle.kind == "source" and self.layer not in {"raw", "quarantine"}


def _find_problems(table: Table) -> Iterable[str]:
    if not isinstance(table.lifecycle, Lifecycle):
        yield "lifecycle is missing: declare kind, subjects, write_mode, unit, on_erasure and retention"
        return
    life, names = table.lifecycle, {*table.schema}
    if table.layer not in LAYERS or not table.name.removeprefix(table.layer).strip("/"):
        yield f"name must be layer/table; layers are {', '.join(LAYERS)}"
    words = {
        "kind": (life.kind, Kind),
        "write_mode": (life.write_mode, WriteMode),
        "unit": (life.unit, RecomputationUnit),
        "retention": (life.retention, RetentionTerm),
        "on_erasure": (life.on_erasure.action, ErasureAction),
        **{f"subject {', '.join(each.columns)}": (each.kind, SubjectPath) for each in life.subjects},
    }
    for part, (word, allowed) in words.items():
        if word not in get_args(allowed):
            yield f"{part} is {word!r}; allowed are {', '.join(get_args(allowed))}"
    mentioned = {
        "key": table.key,
        "found_by": table.found_by,
        "subjects": tuple(name for each in life.subjects for name in each.columns),
        "on_erasure": life.on_erasure.columns,
        **({"write_mode versioned": ("valid_from", "valid_to")} if life.write_mode == "versioned" else {}),
    }
    for part, columns in mentioned.items():
        if unknown := [name for name in columns if name not in names]:
            yield f"{part} names {', '.join(unknown)}, which the table does not have"
    if unclear := [column.name for column in table.columns if not column.description]:
        yield f"columns without a description: {', '.join(unclear)}"
    yield from _find_erasure_problems(table, life.on_erasure)


def _find_erasure_problems(table: Table, erasure: Erasure) -> Iterable[str]:
    personal = ", ".join(sorted(table.personal))
    if table.personal and not table.lifecycle.subjects:
        yield f"columns are personal ({personal}) and no subject is declared: which columns lead to the person?"
    if not erasure.reason:
        yield "on_erasure has no reason"
    if table.personal and erasure.action == "no_person":
        yield f"columns are personal ({personal}), so on_erasure cannot be no_person"
    if not table.lifecycle.subjects and erasure.action in {"delete_row", "null_columns", "replace_by_digest"}:
        yield f"on_erasure is {erasure.action}, which needs a subject to find the rows by"
    if (erasure.action == "keep") != bool(erasure.obligation):
        yield "on_erasure keep needs a named obligation, and no other action has one"
    if (erasure.action in {"null_columns", "replace_by_digest"}) != bool(erasure.columns):
        yield "on_erasure null_columns and replace_by_digest need columns, and no other action has any"
    if erasure.columns and (left := sorted(table.personal.difference(erasure.columns))):
        yield f"on_erasure leaves personal columns as they are: {', '.join(left)}"


def carry_columns(source: Relation, *names: str) -> tuple[Column, ...]:
    """Columns carried over unchanged from another table."""
    carried = {column.name: column for column in source.columns}
    return tuple(replace(carried[name], sources=(f"{source.name}.{name}",), category=None) for name in names)


def index_by_name(tables: Iterable[Table]) -> dict[str, Table]:
    """Tables by full name."""
    return {table.name: table for table in tables}
