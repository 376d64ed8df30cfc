"""The audience funnel of a purpose: how many customers each check leaves, down to those in its mart.

Here belongs the answer on a lake; the steps of a decision are counted in `cdp_pipelines.consent.audience_funnel`, those
of a mart in `cdp_pipelines.marts.mart`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.consent.audience_funnel import build_funnel, extend_funnel
from cdp_pipelines.errors import CdpError
from cdp_pipelines.marts.mart import HAS_PROFILE, HAS_VALUE, OWN_POINT, select_members
from cdp_pipelines.marts.membership import NO_VALUE
from cdp_pipelines.schema import CUSTOMER, DECISION, MEMBERSHIP, PROVENANCE
from cdp_pipelines.schema.interval import valid_at
from cdp_pipelines.services.decisions import decide_lake
from cdp_pipelines.services.declarations import find_purpose
from cdp_pipelines.services.document import Document, Section
from cdp_pipelines.services.nights import read_nights

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cdp_pipelines.purposes import Purpose
    from cdp_pipelines.schema import DecisionFrame
    from warehouse.delta.lake import Lake

IN_MART = "in the mart"
REASONS = {
    HAS_PROFILE: "not profiled",
    HAS_VALUE: NO_VALUE,
    OWN_POINT: "shared with a customer in the mart",
    IN_MART: "left out by the mart",
}


def report_funnel(lake: Lake, key: str, as_of: datetime | None) -> Document:
    """The audience funnel of a purpose, as of the last night of the lake or of another instant.

    For an instant before, it is that of the decisions and the mart of its night. For one after the last night the lake
    is decided anew, so that what expires until then is out; the mart of that night does not exist yet.
    """
    purpose, nights = find_purpose(key), read_nights(lake)
    instant = as_of or nights.last_as_of
    if instant < nights.first_as_of:
        raise CdpError(
            f"there are no decisions as of {instant:%Y-%m-%d %H:%M} UTC; "
            f"the first night decided as of {nights.first_as_of:%Y-%m-%d %H:%M}"
        )
    if instant > nights.last_as_of:
        decisions = decide_lake(lake, instant).lazy()
        steps = count_steps(purpose, decisions, _count_in_profiles(lake, purpose, decisions))
    elif instant == nights.last_as_of:
        decisions, member_count = valid_at(lake.scan(DECISION), instant), _count_members(lake, key, instant)
        steps = count_steps(purpose, decisions, _count_in_profiles(lake, purpose, decisions), member_count)
    else:
        steps = build_funnel(valid_at(lake.scan(DECISION), instant), key)
        if purpose.columns:
            remaining = {IN_MART: _count_members(lake, key, instant)}
            steps = extend_funnel(steps, remaining, REASONS | {IN_MART: NO_VALUE})
    total, left = steps["customer_count"][0], steps["customer_count"][-1]
    where = " and are in its mart" if steps["step"][-1] == IN_MART else ""
    return Document(
        f"Audience funnel of {key}",
        f"{left:,} of {total:,} customers may be reached{where}, as of {instant:%Y-%m-%d %H:%M} UTC.",
        [
            Section(
                "steps",
                steps.to_dicts(),
                "A customer drops out at the step that denies the last of their contact points",
                bar="customer_count",
            )
        ],
    )


def count_steps(
    purpose: Purpose, decisions: DecisionFrame, remaining: Mapping[str, int], member_count: int | None = None
) -> pl.DataFrame:
    """The funnel on these decisions; columns of `audience_funnel.FUNNEL`.

    `decisions`: one row for each customer, purpose and contact point; `remaining`: see `Members.counts`;
    `member_count`: customers in the mart, if known.
    """
    steps = build_funnel(decisions, purpose.key)
    if not purpose.columns:
        return steps
    return extend_funnel(steps, {**remaining, **({} if member_count is None else {IN_MART: member_count})}, REASONS)


def _count_in_profiles(lake: Lake, purpose: Purpose, decisions: DecisionFrame) -> dict[str, int]:
    in_force = decisions.with_columns(valid_to=pl.lit(None, pl.Datetime("us", "UTC")))
    return select_members(purpose, in_force, lake.scan(PROVENANCE), lake.scan(CUSTOMER)).counts


def _count_members(lake: Lake, key: str, instant: datetime) -> int:
    members = valid_at(lake.scan(MEMBERSHIP).filter(pl.col("purpose") == key), instant)
    return int(members.select(pl.len()).collect().item())
