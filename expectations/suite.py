"""Suites: the typed model of `expectations/<layer>/<name>.yaml`, and the file that is the suite of a table.

The form of a suite belongs here; running it is in `gate`. The suite of a table is the file with its name, or else the
`default.yaml` of its layer. A suite has, in this order:

- `description`: one sentence;
- `extends: default`: the expectations of the layer's default come first, those that follow are added;
- `derived`: columns computed only for the check, as SQL over the table's columns (`raw_count + quarantined_count`);
- `expectations`: each has a type of Great Expectations, its kwargs, a severity and a reason. `columns: [a, b]` instead
  of `kwargs: {column: a}` means one expectation for each column.

Great Expectations gets two types in another form than they are stored, and suites use that form: a list is its entries
as text, joined by a comma, and a date is a time stamp at midnight UTC.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator, model_validator

from cdp_pipelines.errors import CdpError, PolicyError
from cdp_pipelines.policy import read_yaml

SUITES = Path(__file__).parent
Severity = Literal["critical", "warning"]

COLUMN_SET = "expect_table_columns_to_match_set"
ROW_COUNT = "expect_table_row_count_to_be_between"


class NoSuiteError(CdpError):
    """A table without a suite, in a layer without a default."""

    def __init__(self, table: str, looked_for: tuple[str, ...]) -> None:
        self.table = table
        self.looked_for = looked_for
        super().__init__(f"table {table!r} has no suite: neither {' nor '.join(looked_for)} exists; write one of them")


class Model(BaseModel):
    """Frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Expectation(Model):
    """One expectation of a table."""

    type: str = Field(pattern="^expect_[a-z0-9_]+$", description="Type of Great Expectations")
    kwargs: dict[str, JsonValue] = Field(default_factory=dict, description="Its arguments; dates as quoted text")
    columns: tuple[str, ...] = Field((), description="One expectation for each of these columns")
    severity: Severity = Field("critical", description="critical: the table is not written; warning: only reported")
    why: str = Field(min_length=1, description="One short sentence, shown in the report")

    @field_validator("kwargs")
    @classmethod
    def _without_result_format(cls, kwargs: dict[str, Any]) -> dict[str, Any]:
        if "result_format" in kwargs:
            raise ValueError("result_format is set by the gate: another could put values of cells into results")
        return kwargs

    @model_validator(mode="after")
    def _one_column(self) -> Expectation:
        if self.columns and "column" in self.kwargs:
            raise ValueError("columns and kwargs.column exclude each other")
        return self

    def expand(self) -> tuple[Expectation, ...]:
        """One expectation for each column of `columns`, or itself."""
        return tuple(
            self.model_copy(update={"columns": (), "kwargs": {"column": column, **self.kwargs}})
            for column in self.columns
        ) or (self,)

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns of the table whose values it reads, without those of its row condition."""
        named = (self.kwargs.get("column"), self.kwargs.get("column_A"), self.kwargs.get("column_B"))
        return (*(name for name in named if name is not None), *self.kwargs.get("column_list", ()))


class Suite(Model):
    """All expectations of one table."""

    description: str = Field(min_length=1, description="One sentence")
    extends: Literal["default"] | None = Field(None, description="Start from the layer's default.yaml")
    derived: dict[str, str] = Field(default_factory=dict, description="Name to SQL over the table's columns")
    expectations: tuple[Expectation, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _checks_row_count(self) -> Suite:
        # Every expectation of rows passes on a table without rows.
        if self.extends is None and ROW_COUNT not in {each.type for each in self.expectations}:
            raise ValueError(f"has no {ROW_COUNT}: all others pass on a table without rows")
        return self


@cache
def load_suite(table: str, root: Path = SUITES) -> Suite:
    """The suite of `layer/name`, with the layer's default and one expectation for each column.

    Raises `NoSuiteError`, and `PolicyError` with file and field where the file is wrong.
    """
    layer, _, name = table.partition("/")
    own, default = (root / layer / f"{stem}.yaml" for stem in (name, "default"))
    if not layer.isidentifier() or not name.isidentifier() or not (own.exists() or default.exists()):
        raise NoSuiteError(table, tuple(path.relative_to(root.parent).as_posix() for path in (own, default)))
    suite = _read(own if own.exists() else default)
    base = load_suite(f"{layer}/default", root) if suite.extends and own != default else None
    return suite.model_copy(
        update={
            "derived": {**(base.derived if base else {}), **suite.derived},
            "expectations": (
                *(base.expectations if base else ()),
                *(expanded for declared in suite.expectations for expanded in declared.expand()),
            ),
        }
    )


def _read(path: Path) -> Suite:
    try:
        return Suite.model_validate(read_yaml(path))
    except yaml.YAMLError as error:
        raise PolicyError(str(path), (("(the whole)", f"is not valid YAML: {error}"),)) from None
    except ValidationError as error:
        raise PolicyError.from_validation(str(path), error) from None
