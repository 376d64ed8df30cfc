"""The history of mart membership: who was in which mart from when to when, and why (GDPR Art. 5(2), 15(1)(c)).

The interval logic itself is `cdp_pipelines.schema.interval`; what a mart holds is `cdp_pipelines.marts.mart`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.schema import MEMBERSHIP
from cdp_pipelines.schema.interval import VALID_TO, apply_scd2, is_current

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cdp_pipelines.schema import DecisionFrame, MartRows, MembershipRows

MEMBERSHIP_KEY = ["purpose", "customer_id"]
# Exit reasons of members whom no denial ended: no decision exists any more, or the mart needs a value that is missing.
NOT_DECIDED = "not_decided_any_more"
NO_VALUE = "no_usable_value"


def update_membership(
    history: MembershipRows, marts: Mapping[str, MartRows], decision: DecisionFrame, as_of: datetime
) -> MembershipRows:
    """`history` (`MEMBERSHIP`) after the night that made `marts`; columns of `MEMBERSHIP`.

    `marts`: purpose to its rows, of which `customer_id` is read; `decision`: current decisions (`DECISION`). A
    membership opens at `as_of` with the evidence of the decision that allows it, and closes with the reason of the
    decision that denies it. A second run of the same night replaces its own changes.
    """
    members = pl.concat(
        [
            pl.DataFrame(schema=dict.fromkeys(MEMBERSHIP_KEY, pl.String)),
            *(rows.select(pl.lit(key).alias("purpose"), "customer_id") for key, rows in marts.items()),
        ]
    )
    before = history.filter(is_current() | (pl.col(VALID_TO) >= as_of)).select(MEMBERSHIP_KEY)
    of_interest = pl.concat([members, before]).unique().lazy()
    # Of the contact points of a customer an allowed one decides.
    decided = (
        decision.filter(pl.col("purpose").is_in(list(marts)))
        .join(of_interest, on=MEMBERSHIP_KEY, how="semi")
        .sort("is_allowed", "contact_point", descending=[True, False])
        .unique(MEMBERSHIP_KEY, keep="first", maintain_order=True)
        .select(*MEMBERSHIP_KEY, "reason", "lawful_basis", "purpose_version", "evidence")
        .collect()
    )
    rows = members.join(decided.drop("reason"), on=MEMBERSHIP_KEY, how="left").with_columns(exit_reason=pl.lit(None))
    denial = pl.col("reason").fill_null(NOT_DECIDED).replace({"allowed": NO_VALUE})
    updated = apply_scd2(history, rows, as_of, MEMBERSHIP_KEY).join(
        decided.select(*MEMBERSHIP_KEY, "reason"), on=MEMBERSHIP_KEY, how="left", maintain_order="left"
    )
    return updated.select(
        *(name for name in MEMBERSHIP.schema if name != "exit_reason"),
        pl.when(pl.col("valid_to") == as_of)
        .then(denial)
        .when(pl.col("valid_to") < as_of)
        .then("exit_reason")
        .alias("exit_reason"),
    ).select(*MEMBERSHIP.schema)
