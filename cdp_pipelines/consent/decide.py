"""The decision: may this customer be processed for this purpose, as of one instant, by what was known at another.

Checks come in a fixed order and the first that denies gives the reason: in force, subject blocks, contact point
blocks, objection, basis. Denials travel far and grants only on certain ground, for a wrong link must never widen what
a person allowed. Sources: GDPR Art. 6, 7, 17, 18, 21.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.consent.contracts import live_contracts
from cdp_pipelines.tables import DECISION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdp_pipelines.consent.purpose import Purpose

# Of two wills at one instant the more restrictive decides.
_RESTRICTION = {"granted": 0, "objection_withdrawn": 0, "restriction_lifted": 0, "verified": 0, "denied": 1}
_MOST = 2
_FUTURE_TOLERANCE = timedelta(hours=24)


def decide(
    register: Mapping[str, Purpose],
    ledger: pl.DataFrame,
    identifiers: pl.LazyFrame,
    interaction: pl.LazyFrame,
    crosswalk: pl.LazyFrame,
    *,
    as_of: datetime,
    known_at: datetime,
) -> pl.DataFrame:
    """Decisions of every customer and purpose; columns of `DECISION`, in order of its key.

    `ledger`: `LEDGER`; `identifiers`: see there; `interaction` and `crosswalk`: their tables. Both clocks are UTC. For
    a purpose about a contact point there is a row per point of the customer, and one with an empty point and reason
    `no_contact_point` where there is none.
    """
    events = _in_order(ledger, as_of, known_at)
    points = identifiers.collect()
    customers = crosswalk.select("customer_id").unique().collect()
    reach = events.join(points, left_on=["subject_kind", "subject_value"], right_on=["kind", "value"])
    position = ledger["position"].max() or 0
    decisions = [
        _of_purpose(purpose, events, points, customers, reach, interaction, crosswalk, as_of).with_columns(
            pl.lit(purpose.key).alias("purpose"),
            pl.lit(purpose.lawful_basis).alias("lawful_basis"),
            pl.lit(purpose.version).alias("purpose_version"),
            pl.lit(position, pl.Int64).alias("ledger_position"),
            (pl.col("reason") == "allowed").alias("is_allowed"),
        )
        for purpose in register.values()
    ]
    return DECISION.conform(pl.concat(decisions).lazy()).collect().sort(DECISION.key)


def _in_order(ledger: pl.DataFrame, as_of: datetime, known_at: datetime) -> pl.DataFrame:
    """Wills that count, each with its place (`place`, Int64) in the total order of consent.md.

    A grant dated later than it was recorded, by more than the tolerance, counts as none, and so does one that does not
    say which notice was shown (Art. 7(1)). A denial so dated counts from its recorded time.
    """
    is_grant = pl.col("status") == "granted"
    late = pl.col("event_at") > pl.col("recorded_at") + _FUTURE_TOLERANCE
    return (
        ledger.filter(pl.col("recorded_at") <= known_at, ~(is_grant & (late | pl.col("notice_version").is_null())))
        .with_columns(pl.when(late).then("recorded_at").otherwise("event_at").alias("event_at"))
        .filter(pl.col("event_at") <= as_of)
        .with_columns(pl.col("status").replace_strict(_RESTRICTION, default=_MOST).alias("restriction"))
        .sort("event_at", "recorded_at", "restriction", "event_id")
        .with_columns(pl.int_range(pl.len()).alias("place"))
    )


def _of_purpose(
    purpose: Purpose,
    events: pl.DataFrame,
    points: pl.DataFrame,
    customers: pl.DataFrame,
    reach: pl.DataFrame,
    interaction: pl.LazyFrame,
    crosswalk: pl.LazyFrame,
    as_of: datetime,
) -> pl.DataFrame:
    """Rows (customer_id, contact_point, reason, since_at, evidence) of one purpose."""
    own = reach.filter(pl.col("purpose") == purpose.key)
    if purpose.scope == "person":
        subjects = customers.with_columns(pl.lit("").alias("contact_point"))
        consent = _person_wide(own)
    else:
        subjects = customers.join(
            points.filter(pl.col("kind") == purpose.scope).select(
                "customer_id", pl.col("value").alias("contact_point")
            ),
            on="customer_id",
            how="left",
        ).with_columns(pl.col("contact_point").fill_null(""))
        consent = _of_contact_points(own, points, purpose.scope)
    key = ["customer_id", "contact_point"]
    told = (
        subjects.join(consent, on=key, how="left")
        .join(_blocks(reach, own), on="customer_id", how="left")
        .join(_suppressions(events, own, purpose), on="contact_point", how="left")
    )
    deciding = events.select("place", "status", "event_id", "event_at", "expires_at", "notice_version")
    told = told.join(deciding, on="place", how="left")
    if purpose.lawful_basis == "contract":
        live = live_contracts(interaction, crosswalk, purpose.contract, as_of).collect()
        told = told.join(live, on="customer_id", how="left")
        basis = pl.when(pl.col("opened_at").is_null()).then(pl.lit("no_live_contract"))
        event, since = pl.col("evidence"), pl.col("opened_at")
    else:
        basis = (
            pl.when(pl.col("place").is_null())
            .then(pl.lit("no_consent"))
            .when(pl.col("status") != "granted")
            .then("status")
            .when(pl.col("expires_at") <= as_of)
            .then(pl.lit("expired"))
            .when(pl.col("notice_version") < purpose.notice)
            .then(pl.lit("notice_outdated"))
        )
        event, since = pl.col("event_id"), pl.col("event_at")
    in_force = datetime.combine(purpose.effective_from, datetime.min.time(), UTC) <= as_of
    blocks = [
        ("erased", "erased"),
        ("restricted", "restricted"),
        ("unsubscribed", "suppressed"),
        ("complained", "suppressed"),
        ("bounced", "undeliverable"),
    ]
    if purpose.direct_marketing:
        blocks.append(("objected", "objected"))
    reasons = [
        pl.when(pl.lit(not in_force)).then(pl.lit("purpose_not_in_force")),
        *(pl.when(pl.col(f"{name}_id").is_not_null()).then(pl.lit(reason)) for name, reason in blocks),
    ]
    if purpose.scope != "person":
        reasons.append(pl.when(pl.col("contact_point") == "").then(pl.lit("no_contact_point")))
    ids = [pl.when(pl.lit(in_force)).then(pl.col(f"{name}_id")) for name, _ in blocks]
    times = [pl.when(pl.lit(in_force)).then(pl.col(f"{name}_at")) for name, _ in blocks]
    return told.select(
        *key,
        pl.coalesce(*reasons, basis, pl.lit("allowed")).alias("reason"),
        pl.coalesce(*times, since).alias("since_at"),
        pl.concat_list(pl.coalesce(*ids, event)).list.drop_nulls().alias("evidence"),
    )


def _person_wide(own: pl.DataFrame) -> pl.DataFrame:
    """The place of the deciding will per customer: denials on any identifier, grants on certain and exclusive ones."""
    is_grant = pl.col("status") == "granted"
    reaching = own.filter(
        (is_grant & pl.col("is_certain") & pl.col("is_exclusive")) | pl.col("status").is_in(["denied", "withdrawn"])
    )
    return reaching.group_by("customer_id").agg(pl.col("place").max()).with_columns(pl.lit("").alias("contact_point"))


def _of_contact_points(own: pl.DataFrame, points: pl.DataFrame, kind: str) -> pl.DataFrame:
    """The place of the deciding will per customer and contact point.

    Denials reach it from any identifier of any customer who has it; grants on itself; and, where it is exclusive and
    certain, grants on the customer's other exclusive and certain identifiers that are no contact point of its kind.
    """
    of_kind = points.filter(pl.col("kind") == kind).rename({"value": "contact_point"})
    is_sure = pl.col("is_certain") & pl.col("is_exclusive")
    is_grant = pl.col("status") == "granted"
    denials = (
        own.filter(pl.col("status").is_in(["denied", "withdrawn"])).group_by("customer_id").agg(pl.col("place").max())
    )
    denied = of_kind.join(denials, on="customer_id").group_by("contact_point").agg(pl.col("place").max())
    itself = (
        own.filter(is_grant, pl.col("subject_kind") == kind)
        .group_by(pl.col("subject_value").alias("contact_point"))
        .agg(pl.col("place").max())
    )
    other = (
        own.filter(is_grant, is_sure, pl.col("subject_kind") != kind).group_by("customer_id").agg(pl.col("place").max())
    )
    columns = ["customer_id", "contact_point", "place"]
    return (
        pl.concat(
            [
                of_kind.join(denied, on="contact_point").select(columns),
                of_kind.join(itself, on="contact_point").select(columns),
                of_kind.filter(is_sure).join(other, on="customer_id").select(columns),
            ]
        )
        .group_by("customer_id", "contact_point")
        .agg(pl.col("place").max())
    )


def _blocks(reach: pl.DataFrame, own: pl.DataFrame) -> pl.DataFrame:
    """Per customer, the event of each block that holds: erased, restricted, objected (`<block>_id`, `<block>_at`)."""
    person = reach.filter(pl.col("purpose") == "*")
    # An erasure never ends; the others end with what undoes them. A grant undoes only on certain ground.
    undone = own.filter(
        (pl.col("status") == "objection_withdrawn")
        | ((pl.col("status") == "granted") & pl.col("is_certain") & pl.col("is_exclusive"))
    )
    erased = _holds(person, "erased", person.clear(), "customer_id")
    restricted = _holds(person, "restricted", person.filter(pl.col("status") == "restriction_lifted"), "customer_id")
    objected = _holds(own, "objected", undone, "customer_id")
    return erased.join(restricted, on="customer_id", how="full", coalesce=True).join(
        objected, on="customer_id", how="full", coalesce=True
    )


def _suppressions(events: pl.DataFrame, own: pl.DataFrame, purpose: Purpose) -> pl.DataFrame:
    """Per contact point, the event of each block that holds: unsubscribed, complained, bounced."""
    on_points = events.filter(pl.col("subject_kind") == purpose.scope).rename({"subject_value": "contact_point"})
    granted = own.filter(pl.col("status") == "granted").rename({"subject_value": "contact_point"})
    verified = on_points.filter(pl.col("status") == "verified")
    unsubscribed = _holds(on_points, "unsubscribed", granted, "contact_point")
    complained = _holds(on_points, "complained", verified, "contact_point")
    bounced = _holds(on_points, "bounced", verified, "contact_point")
    return unsubscribed.join(complained, on="contact_point", how="full", coalesce=True).join(
        bounced, on="contact_point", how="full", coalesce=True
    )


def _holds(events: pl.DataFrame, status: str, undone: pl.DataFrame, by: str) -> pl.DataFrame:
    """The latest event of a status per `by`, where nothing later undoes it; columns `<status>_id`, `<status>_at`."""
    latest = events.filter(pl.col("status") == status).sort("place").group_by(by).last()
    ends = undone.group_by(by).agg(pl.col("place").max().alias("ended"))
    return (
        latest.join(ends, on=by, how="left")
        .filter(pl.col("ended").is_null() | (pl.col("ended") < pl.col("place")))
        .select(by, pl.col("event_id").alias(f"{status}_id"), pl.col("event_at").alias(f"{status}_at"))
    )
