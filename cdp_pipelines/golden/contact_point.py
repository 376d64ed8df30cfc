"""`golden/contact_point`: every e-mail and phone of a customer with its state and its permitted purposes.

Here belong state and use of contact points. Their values are ranked in `survivorship`; the decisions about them are
made in `cdp_pipelines.consent`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.consent.events import NEVER, rank_events, select_effective
from cdp_pipelines.schema import ABOUT_SUBJECT, CONTACT_POINT, CONTACT_POINT_KINDS, RECORD_KEY

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from cdp_pipelines.schema import (
        ContactPointFrame,
        CrosswalkFrame,
        CustomerFrame,
        DecisionFrame,
        InteractionFrame,
        LedgerFrame,
        PartyFrame,
        ProvenanceFrame,
        RectificationFrame,
    )

# Preferred channel to the kind of contact point that it uses.
KIND_OF_CHANNEL = {"email": "email", "sms": "phone"}
_STATUSES = ("verified", "bounced", "complained", "unsubscribed")


def build_contact_point_states(ledger: LedgerFrame, verified_by: Collection[str], as_of: datetime) -> pl.LazyFrame:
    """State of each e-mail and phone by the consent events known at `as_of`; key (kind, value).

    Columns state, verified_at, bounced_at, complained_at, unsubscribed_at (the latest of each), and doubt: 0 verified,
    1 unknown, 2 bounced. `verified_by`: methods of a grant that verify. A bounce or complaint ends with a later
    verification, an unsubscribe with a later grant on the same contact point; "later" is in the total order of consent
    events.
    """
    events = ledger.filter(pl.col("subject_kind").is_in(CONTACT_POINT_KINDS))
    known = select_effective(events, as_of, as_of).select(
        pl.col("subject_kind").alias("kind"),
        pl.col("subject_value").alias("value"),
        "purpose", "status", "method", "event_id", "event_at", "recorded_at",
    )  # fmt: skip
    ranked = rank_events(known.collect(), ())
    status, is_grant = pl.col("status"), pl.col("status") == "granted"
    matches = {name: (pl.col("purpose") == ABOUT_SUBJECT) & (status == name) for name in _STATUSES}
    matches["verified"] |= is_grant & pl.col("method").is_in(list(verified_by))
    matches["granted"] = is_grant
    latest = (
        ranked.lazy()
        .group_by("kind", "value", maintain_order=True)
        .agg(
            *(
                pl.col("order_rank").filter(is_match).max().fill_null(NEVER).alias(name)
                for name, is_match in matches.items()
            ),
            *(pl.col("event_at").filter(matches[name]).last().alias(f"{name}_at") for name in _STATUSES),
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
    provenance: ProvenanceFrame,
    customer: CustomerFrame,
    states: pl.LazyFrame,
    rectified: RectificationFrame,
    used: pl.LazyFrame,
    decisions: DecisionFrame,
) -> ContactPointFrame:
    """Every e-mail and phone of customers with a profile; key (customer_id, kind, value), columns of `CONTACT_POINT`.

    `states`: see `build_contact_point_states`; `rectified`: see `rectification.select_current`; `used`: see
    `find_last_use`; `decisions`: the current ones.
    """
    key = ["customer_id", "kind", "value"]
    points = (
        provenance.filter(pl.col("attribute").is_in(CONTACT_POINT_KINDS))
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
    permissions = decisions.filter("is_allowed")
    allowed = (
        points.select(*key, pl.col("collected_for").alias("purpose"))
        .explode("purpose")
        .join(permissions.select("customer_id", "purpose", "contact_point"), on=["customer_id", "purpose"])
        .filter((pl.col("contact_point") == "") | (pl.col("contact_point") == pl.col("value")))
        .group_by(key)
        .agg(pl.col("purpose").unique().sort().alias("allowed_for"))
    )
    preferred = customer.select(
        "customer_id", pl.col("preferred_channel").replace_strict(KIND_OF_CHANNEL, default=None)
    )
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
    party: PartyFrame, interaction: InteractionFrame, crosswalk: CrosswalkFrame, as_of: datetime
) -> pl.LazyFrame:
    """Time of the last interaction with each e-mail or phone; key (customer_id, kind, value), last_used_at.

    Counts interactions before `as_of` of records that have the contact point and may join a profile.
    """
    interactions = interaction.filter(pl.col("occurred_at") < as_of).select(*RECORD_KEY, "occurred_at")
    return (
        party.select(*RECORD_KEY, *CONTACT_POINT_KINDS)
        .unpivot(index=list(RECORD_KEY), on=list(CONTACT_POINT_KINDS), variable_name="kind", value_name="value")
        .filter(pl.col("value").is_not_null())
        .join(interactions, on=list(RECORD_KEY))
        .join(crosswalk.filter("is_profiled").select(*RECORD_KEY, "customer_id"), on=list(RECORD_KEY))
        .group_by("customer_id", "kind", "value")
        .agg(pl.col("occurred_at").max().alias("last_used_at"))
    )
