"""Validity intervals of history tables: current rows, rows valid at an instant, and the update of a history.

A history has `valid_from` (included) and `valid_to` (excluded, null while the row is current), both UTC. What a table's
rows mean, and which of their columns are compared, belongs in the module of the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.schema import UTC

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

VALID_FROM, VALID_TO = "valid_from", "valid_to"


def is_current() -> pl.Expr:
    """Whether a row of a history is current: it is not closed."""
    return pl.col(VALID_TO).is_null()


def current(history: pl.LazyFrame) -> pl.LazyFrame:
    """Current rows of a history; same columns."""
    return history.filter(is_current())


def valid_at(history: pl.LazyFrame, instant: datetime) -> pl.LazyFrame:
    """Rows of a history that were valid at an instant; same columns."""
    return history.filter(pl.col(VALID_FROM) <= instant, is_current() | (pl.col(VALID_TO) > instant))


def apply_scd2(
    history: pl.DataFrame, rows: pl.DataFrame, as_of: datetime, key: Sequence[str], compared: Sequence[str] = ()
) -> pl.DataFrame:
    """The history after a night with `rows`: a slowly changing dimension of type 2, sorted by key and valid_from.

    `history`: the columns of `rows`, `valid_from` and `valid_to`, in any order; at most one current row for each key.
    `rows`: one row for each key. A current row with the same key and the same `compared` columns does not change. Every
    other current row is closed at `as_of`; every row without a current row like it is opened at `as_of`. Changes that
    the history has from `as_of` on are undone first, so a second run of one night changes nothing. Null equals null;
    lists of texts are compared in order, and their texts hold no line breaks.
    """
    before = history.filter(pl.col(VALID_FROM) < as_of).with_columns(
        pl.when(pl.col(VALID_TO) < as_of).then(VALID_TO).alias(VALID_TO)
    )
    open_rows = before.filter(is_current())
    # Lists cannot be joined on.
    like = [
        pl.col(name).list.join("\n") if isinstance(rows.schema[name], pl.List) else pl.col(name)
        for name in (*key, *compared)
    ]
    unchanged = open_rows.join(rows, on=like, how="semi", nulls_equal=True)
    closed = open_rows.join(rows, on=like, how="anti", nulls_equal=True)
    opened = rows.join(open_rows, on=like, how="anti", nulls_equal=True)
    return pl.concat(
        each.select(history.columns)
        for each in (
            before.filter(~is_current()),
            unchanged,
            closed.with_columns(pl.lit(as_of, UTC).alias(VALID_TO)),
            opened.with_columns(pl.lit(as_of, UTC).alias(VALID_FROM), pl.lit(None, UTC).alias(VALID_TO)),
        )
    ).sort(*key, VALID_FROM)
