"""Who was in which mart from when to when, and what let them in and out (GDPR Art. 5(2), 15(1)(c))."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.schema import MEMBERSHIP, UTC

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

KEY = ["purpose", "customer_id"]
NOT_ASKED = "not_decided_any_more"
NO_VALUE = "no_usable_value"


def members_at(history: pl.LazyFrame, moment: datetime) -> pl.LazyFrame:
    """Rows of `MEMBERSHIP` of those who were in a mart at an instant; key (purpose, customer_id)."""
    ended = pl.col("valid_to").is_null() | (pl.col("valid_to") > moment)
    return history.filter(pl.col("valid_from") <= moment, ended)


def update_membership(
    history: pl.DataFrame, marts: Mapping[str, pl.DataFrame], decision: pl.LazyFrame, as_of: datetime
) -> pl.DataFrame:
    """`history` (`MEMBERSHIP`) after the night that made `marts`; columns of `MEMBERSHIP`.

    `marts`: purpose to its rows, of which `customer_id` is read; `decision`: decisions that stand (`DECISION`). Who
    stays is not touched; who comes begins a stay at `as_of` with the evidence that let them in; who is gone ends it
    with the reason of the decision that let them out. What was told as of `as_of` before is told anew.
    """
    before = history.filter(pl.col("valid_from") < as_of).with_columns(
        pl.when(pl.col("valid_to") < as_of).then(pl.col(name)).alias(name) for name in ("exit_reason", "valid_to")
    )
    staying = before.filter(pl.col("valid_to").is_null())
    now = pl.concat(
        [
            pl.DataFrame(schema=dict.fromkeys(KEY, pl.String)),
            *(rows.select(pl.lit(key).alias("purpose"), "customer_id") for key, rows in marts.items()),
        ]
    )
    answers = (
        decision.filter(pl.col("purpose").is_in(list(marts)))
        .sort("is_allowed", "contact_point", descending=[True, False])
        .unique(KEY, keep="first", maintain_order=True)
        .select(*KEY, "reason", "lawful_basis", "purpose_version", "evidence")
        .collect()
    )
    gone = staying.join(now, on=KEY, how="anti").join(answers.select(*KEY, "reason"), on=KEY, how="left")
    why = pl.col("reason").fill_null(NOT_ASKED).replace({"allowed": NO_VALUE})
    left = gone.with_columns(why.alias("exit_reason"), pl.lit(as_of, UTC).alias("valid_to")).drop("reason")
    come = now.join(staying, on=KEY, how="anti").join(answers.drop("reason"), on=KEY, how="left")
    begun = come.with_columns(
        pl.lit(as_of, UTC).alias("valid_from"),
        pl.lit(None, UTC).alias("valid_to"),
        pl.lit(None, pl.String).alias("exit_reason"),
    )
    kept = staying.join(now, on=KEY, how="semi")
    told = [before.filter(pl.col("valid_to").is_not_null()), kept, left, begun]
    return pl.concat([MEMBERSHIP.conform(each.lazy()).collect() for each in told]).sort(MEMBERSHIP.key)
