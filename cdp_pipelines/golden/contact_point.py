"""`golden/contact_point`: every e-mail and phone of a customer with its own state, and what it may be used for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.consent.events import ABOUT_SUBJECT, NEVER, rank_events, select_effective
from cdp_pipelines.schema import CONTACT_POINT, RECORD_KEY

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

KINDS = ("email", "phone")
# Over which contact point a preferred channel reaches.
REACHES = {"email": "email", "sms": "phone"}
_STATUSES = ("verified", "bounced", "complained", "unsubscribed")


def build_contact_point_states(ledger: pl.LazyFrame, verified_by: Collection[str], as_of: datetime) -> pl.LazyFrame:
    """What wills known at `as_of` say of each e-mail and phone; key (kind, value).

    Columns state, verified_at, bounced_at, complained_at, unsubscribed_at (the latest of each), and doubt: 0 verified,
    1 not known, 2 bounced. `verified_by`: methods of a grant that verify. A bounce or complaint ends with a later
    verification, an unsubscribe with a later grant on the very point; later is in the total order of wills.
    """
    mine = ledger.filter(pl.col("subject_kind").is_in(KINDS))
    known = select_effective(mine, as_of, as_of).select(
        pl.col("subject_kind").alias("kind"),
        pl.col("subject_value").alias("value"),
        "purpose", "status", "method", "event_id", "event_at", "recorded_at",
    )  # fmt: skip
    wills = rank_events(known.collect(), ())
    status, is_grant = pl.col("status"), pl.col("status") == "granted"
    said = {each: (pl.col("purpose") == ABOUT_SUBJECT) & (status == each) for each in _STATUSES}
    said["verified"] |= is_grant & pl.col("method").is_in(list(verified_by))
    said["granted"] = is_grant
    latest = (
        wills.lazy()
        .group_by("kind", "value", maintain_order=True)
        .agg(
            *(pl.col("place").filter(is_it).max().fill_null(NEVER).alias(name) for name, is_it in said.items()),
            *(pl.col("event_at").filter(said[name]).last().alias(f"{name}_at") for name in _STATUSES),
        )
    )
    bounced = pl.col("bounced") > pl.col("verified")
    state = (
        pl.when(bounced)
        .then(pl.lit("bounced"))
        .when(pl.col("complained") > pl.col("verified"))
        .then(pl.lit("complained"))
        .when(pl.col("unsubscribed") > pl.col("granted"))
        .then(pl.lit("unsubscribed"))
        .when(pl.col("verified") > NEVER)
        .then(pl.lit("verified"))
        .otherwise(pl.lit("unverified"))
    )
    doubt = pl.when(bounced).then(2).when(pl.col("verified") > NEVER).then(0).otherwise(1).cast(pl.Int64)
    times = (f"{name}_at" for name in _STATUSES)
    return latest.select("kind", "value", *times, state.alias("state"), doubt.alias("doubt"))


def build_contact_points(
    provenance: pl.LazyFrame,
    customer: pl.LazyFrame,
    states: pl.LazyFrame,
    rectified: pl.LazyFrame,
    used: pl.LazyFrame,
    decisions: pl.LazyFrame,
) -> pl.LazyFrame:
    """Every e-mail and phone of customers with a profile; key (customer_id, kind, value), columns of `CONTACT_POINT`.

    `provenance`, `customer`: `PROVENANCE`, `CUSTOMER`; `states`: see above; `rectified`: see `rectification.standing`;
    `used`: see `last_used`; `decisions`: those that stand (`DECISION`).
    """
    key = ["customer_id", "kind", "value"]
    points = (
        provenance.filter(pl.col("attribute").is_in(KINDS))
        .rename({"attribute": "kind"})
        .group_by(key)
        .agg(
            (pl.col("rank") == 1).any().alias("is_golden"),
            pl.col("observed_at").max().alias("last_reported_at"),
            pl.col("collected_for").explode().drop_nulls().unique().sort(),
        )
    )
    replaced = rectified.filter(pl.col("replaces").is_not_null()).select(
        "customer_id",
        pl.col("attribute").alias("kind"),
        pl.col("replaces").alias("value"),
        pl.lit("replaced").alias("replaced"),
    )
    may_be = decisions.filter("is_allowed")
    allowed = (
        points.select(*key, pl.col("collected_for").alias("purpose"))
        .explode("purpose")
        .join(may_be.select("customer_id", "purpose", "contact_point"), on=["customer_id", "purpose"])
        .filter((pl.col("contact_point") == "") | (pl.col("contact_point") == pl.col("value")))
        .group_by(key)
        .agg(pl.col("purpose").unique().sort().alias("allowed_for"))
    )
    preferred = customer.select("customer_id", pl.col("preferred_channel").replace_strict(REACHES, default=None))
    return CONTACT_POINT.conform(
        points.join(states, on=["kind", "value"], how="left")
        .join(replaced.unique(), on=key, how="left")
        .join(used, on=key, how="left")
        .join(allowed, on=key, how="left")
        .join(preferred, on="customer_id", how="left")
        .with_columns(
            pl.coalesce("replaced", "state", pl.lit("unverified")).alias("state"),
            (pl.col("is_golden") & (pl.col("preferred_channel") == pl.col("kind")).fill_null(value=False)).alias(
                "is_preferred"
            ),
            pl.col("allowed_for").fill_null([]),
            pl.len().over("kind", "value").alias("customer_count"),
        )
    )


def find_last_use(
    party: pl.LazyFrame, interaction: pl.LazyFrame, crosswalk: pl.LazyFrame, as_of: datetime
) -> pl.LazyFrame:
    """When customers last did something under an e-mail or phone; key (customer_id, kind, value), last_used_at.

    Counts interactions before `as_of` of records that carry it and may join a profile.
    """
    done = interaction.filter(pl.col("occurred_at") < as_of).select(*RECORD_KEY, "occurred_at")
    return (
        party.select(*RECORD_KEY, *KINDS)
        .unpivot(index=list(RECORD_KEY), on=list(KINDS), variable_name="kind", value_name="value")
        .filter(pl.col("value").is_not_null())
        .join(done, on=list(RECORD_KEY))
        .join(crosswalk.filter("is_profiled").select(*RECORD_KEY, "customer_id"), on=list(RECORD_KEY))
        .group_by("customer_id", "kind", "value")
        .agg(pl.col("occurred_at").max().alias("last_used_at"))
    )
