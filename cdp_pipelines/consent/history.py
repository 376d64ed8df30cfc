"""The history of decisions: a changed decision is closed and another one opened; an unchanged one is not touched.

The interval logic itself is `cdp_pipelines.schema.interval`; how a decision is made is `cdp_pipelines.consent.decide`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.consent.decide import COLUMNS
from cdp_pipelines.schema import DECISION
from cdp_pipelines.schema.interval import apply_scd2, is_current

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from cdp_pipelines.schema import DecisionFrame, DecisionRows

DECISION_KEY = ["customer_id", "purpose", "contact_point"]
# A decision that differs in one of these is another decision; a different ledger position alone is not.
COMPARED = [name for name in COLUMNS if name not in {*DECISION_KEY, "ledger_position"}]
# The beginning of a contact point that no customer has any more: a keyed digest replaces its value.
HIDDEN_PREFIX = "gone:"


def update_decision_history(history: DecisionRows, decisions: DecisionRows, as_of: datetime) -> DecisionRows:
    """History (`DECISION`) after a night that decided `decisions` (`COLUMNS`) as of `as_of`; columns of `DECISION`.

    A decision equal in all of `COMPARED` does not change. A different decision closes the one before it at `as_of`, and
    so does the absence of a decision. A second run of the same night replaces its own decisions. Source: GDPR
    Art. 5(2).
    """
    return apply_scd2(history, decisions, as_of, DECISION_KEY, COMPARED)


def find_unused_contact_points(history: DecisionFrame, in_use: pl.Series) -> DecisionRows:
    """Closed decisions of a history (`DECISION`) that name a contact point which no customer has any more.

    `in_use`: the contact points that some customer has.
    """
    point = pl.col("contact_point")
    closed = history.filter(~is_current(), point != "", ~point.str.starts_with(HIDDEN_PREFIX)).collect()
    return closed.join(in_use.to_frame("contact_point"), on="contact_point", how="anti")


def hide_unused_contact_points(history: DecisionRows, in_use: pl.Series, hide: Callable[[str], str]) -> DecisionRows:
    """History (`DECISION`) in which no decision is one of `find_unused_contact_points`.

    `hide`: contact point to `HIDDEN_PREFIX` and its keyed digest. A closed decision can still be proven: a person who
    presents the contact point finds the decision under its digest (GDPR Art. 5(1)(e) and (2)).
    """
    unused = find_unused_contact_points(history.lazy(), in_use)["contact_point"].unique().sort()
    digests = {value: hide(value) for value in unused}
    return history.with_columns(pl.col("contact_point").replace(digests)).sort(DECISION.key) if digests else history
