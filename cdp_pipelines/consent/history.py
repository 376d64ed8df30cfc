"""Decisions over time: a decision that changes is closed and another takes its place; one that stays is not touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.consent.decide import COLUMNS
from cdp_pipelines.schema import DECISION, UTC

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

QUESTION = ["customer_id", "purpose", "contact_point"]
# What a decision says. Another position of the ledger alone makes no other decision.
# How a contact point begins that nobody has any more, and that is told by a keyed digest alone.
HIDDEN = "gone:"
ANSWER = [name for name in COLUMNS if name not in {*QUESTION, "evidence", "ledger_position"}]


def current(decision: pl.LazyFrame) -> pl.LazyFrame:
    """Decisions that stand: one for each question; columns of `DECISION`."""
    return decision.filter(pl.col("valid_to").is_null())


def decisions_at(decision: pl.LazyFrame, moment: datetime) -> pl.LazyFrame:
    """Decisions that stood at an instant; columns of `DECISION`."""
    ended = pl.col("valid_to").is_null() | (pl.col("valid_to") > moment)
    return decision.filter(pl.col("valid_from") <= moment, ended)


def update_decision_history(history: pl.DataFrame, decisions: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """History (`DECISION`) after a night that decided `decisions` (`COLUMNS`) as of `as_of`; columns of `DECISION`.

    A decision with the same answer stays as it is; one with another answer, and one on a question that is not asked
    any more, is closed at `as_of`. What was decided as of that very instant before is decided anew, not closed: of one
    night there is one decision. Source: GDPR Art. 5(2).
    """
    before = history.filter(pl.col("valid_from") < as_of).with_columns(
        pl.when(pl.col("valid_to") < as_of).then("valid_to").alias("valid_to")
    )
    open_rows, now = (_comparable(each) for each in (before.filter(pl.col("valid_to").is_null()), decisions))
    same = [*QUESTION, *ANSWER, "evidence_ids"]
    kept, ended, begun = (
        one.join(other, on=same, how=how, nulls_equal=True).drop("evidence_ids")
        for one, other, how in ((open_rows, now, "semi"), (open_rows, now, "anti"), (now, open_rows, "anti"))
    )
    return pl.concat(
        [
            before.filter(pl.col("valid_to").is_not_null()),
            kept,
            ended.with_columns(pl.lit(as_of, UTC).alias("valid_to")),
            begun.with_columns(pl.lit(as_of, UTC).alias("valid_from"), pl.lit(None, UTC).alias("valid_to")),
        ]
    ).sort(DECISION.key)


def hide_unused_contact_points(
    history: pl.DataFrame, decisions: pl.DataFrame, hide: Callable[[str], str]
) -> pl.DataFrame:
    """History (`DECISION`) in which no ended decision names a contact point that nobody has any more.

    `decisions`: tonight's, which ask about every contact point that anybody has. What was decided stays to be proven:
    who asks with the contact point at hand finds it under `hide` of it, which begins with `HIDDEN` (GDPR Art. 5(1)(e)
    and (2)).
    """
    point = pl.col("contact_point")
    ended = history.filter(pl.col("valid_to").is_not_null(), point != "", ~point.str.starts_with(HIDDEN))
    gone = ended.select(point).unique().join(decisions.select(point).unique(), on="contact_point", how="anti")
    hidden = {value: hide(value) for value in gone["contact_point"].sort()}
    return history.with_columns(point.replace(hidden)).sort(DECISION.key) if hidden else history


def _comparable(decisions: pl.DataFrame) -> pl.DataFrame:
    # Lists cannot be joined on; ids hold no line breaks.
    return decisions.with_columns(pl.col("evidence").list.join("\n").alias("evidence_ids"))
