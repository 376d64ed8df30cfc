"""The checks before the lawful basis: in force, blocks of the person, blocks of the contact point, objection.

Each step yields its reasons to deny, in order; `CHECK_STEPS` has the order of the steps. The checks of a lawful basis
belong in `basis`, the required purposes in `decision_state`. Sources: GDPR Art. 6, 8, 17, 18, 21.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from cdp_pipelines.consent.events import NEVER
from cdp_pipelines.consent.subject_index import is_of_age

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from cdp_pipelines.purposes.purpose import Purpose

# Every reason but `requires:<purpose>`, in the order of the checks.
REASONS = (
    "allowed",
    "purpose_not_in_force",
    *("erased", "restricted", "under_age", "age_unknown"),
    *("no_contact_point", "suppressed", "undeliverable"),
    "objected",
    *("no_consent", "denied", "withdrawn", "expired", "notice_outdated"),
    *("no_live_contract", "obligation_ended", "interest_lapsed", "no_case"),
)
# Lawful bases that an erasure and a restriction do not end.
SURVIVES_ERASURE = ("legal_obligation",)
SURVIVES_RESTRICTION = ("legal_obligation", "vital_interests")


class Check(NamedTuple):
    """One reason: for which decision units it holds, and its evidence.

    The evidence is an event (`order_rank`), or a record (`record`: the columns with its id and its time), or nothing.
    """

    reason: str
    denies: pl.Expr
    order_rank: pl.Expr | None = None
    record: tuple[str, str] | None = None


def check_in_force(purpose: Purpose, as_of: datetime) -> Iterator[Check]:
    """Step 1. The purpose is in force."""
    yield Check("purpose_not_in_force", pl.lit(purpose.in_force_at > as_of))


def check_person(purpose: Purpose, as_of: datetime) -> Iterator[Check]:
    """Step 2. Blocks of the person: erasure, restriction, age (Art. 17, 18, 8)."""
    if purpose.lawful_basis not in SURVIVES_ERASURE:
        yield Check("erased", pl.col("erased") > NEVER, pl.col("erased"))
    if purpose.lawful_basis not in SURVIVES_RESTRICTION:
        yield Check("restricted", pl.col("restricted") > pl.col("restriction_lifted"), pl.col("restricted"))
    if purpose.minimum_age is not None:
        of_age = is_of_age(purpose.minimum_age, as_of.astimezone(dt.UTC).date())
        yield Check("under_age", ~of_age.fill_null(value=True), record=("birth_id", "birth_at"))
    if purpose.requires_known_age:
        yield Check("age_unknown", pl.col("birth_date").is_null())


def check_contact_point(purpose: Purpose, _as_of: datetime) -> Iterator[Check]:
    """Step 3. Blocks of the contact point, for a purpose about one.

    A later grant on that contact point ends an unsubscribe; only a new verification ends a complaint or a bounce.
    """
    if not purpose.kind:
        return
    yield Check("no_contact_point", pl.col("subject").is_null())
    unsubscribed = pl.when(pl.col("unsubscribed") > pl.col("point_granted")).then("unsubscribed").otherwise(NEVER)
    complained = pl.when(pl.col("complained") > pl.col("verified")).then("complained").otherwise(NEVER)
    suppressed = pl.max_horizontal(unsubscribed, complained)
    yield Check("suppressed", suppressed > NEVER, suppressed)
    yield Check("undeliverable", pl.col("bounced") > pl.col("verified"), pl.col("bounced"))


def check_objection(purpose: Purpose, _as_of: datetime) -> Iterator[Check]:
    """Step 4. An objection that has not ended (Art. 21)."""
    if purpose.can_be_objected:
        yield Check("objected", pl.col("live_objection") > NEVER, pl.col("live_objection"))


CHECK_STEPS: tuple[Callable[[Purpose, datetime], Iterator[Check]], ...] = (
    check_in_force,
    check_person,
    check_contact_point,
    check_objection,
)
