"""Decision units: what one purpose is decided on, with the order ranks of the latest events that reach each unit.

A unit is a customer or, for a purpose about contact points, a contact point of a customer. Denials reach a unit from
any identifier of the customer and, on a shared contact point, from all customers who have it. Grants reach it only from
exclusive and certain identifiers. What follows from the ranks belongs in `checks` and `basis`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.consent.events import NEVER

if TYPE_CHECKING:
    from cdp_pipelines.consent.events import ConsentState
    from cdp_pipelines.consent.subject_index import SubjectIndex
    from cdp_pipelines.purposes.purpose import Purpose

UNIT_KEY = ["customer", "subject"]
PURPOSE_RANKS = ("denied", "objected", "granted", "objection_withdrawn")
POINT_RANKS = ("point_granted", "point_objection_withdrawn", "unsubscribed", "complained", "bounced", "verified")
PERSON_RANKS = ("erased", "restricted", "restriction_lifted")


def build_subject_states(subjects: SubjectIndex, state: ConsentState, birth_dates: pl.DataFrame) -> pl.DataFrame:
    """What every purpose needs of each customer: blocks of the person and date of birth; key customer, sorted."""
    return (
        subjects.customers.select("customer")
        .join(state.by_customer, on="customer", how="left", maintain_order="left")
        .join(birth_dates, on="customer", how="left", maintain_order="left")
        .with_columns(pl.col(PERSON_RANKS).fill_null(NEVER))
    )


def build_decision_units(
    purpose: Purpose, subject_states: pl.DataFrame, subjects: SubjectIndex, state: ConsentState
) -> pl.DataFrame:
    """Decision units of a purpose; key (customer, subject), sorted; `subject_states`: see `build_subject_states`.

    A person-wide purpose has one unit per customer, with a null subject. A purpose about contact points has one unit
    per contact point of its kind, and one with a null subject for a customer who has none.
    """
    by_purpose = state.by_purpose.filter(pl.col("purpose") == purpose.key).drop("purpose")
    if purpose.kind is None:
        units = subject_states.with_columns(pl.lit(None, pl.UInt32).alias("subject"))
        units = units.join(by_purpose, on="customer", how="left", maintain_order="left").with_columns(
            pl.col(PURPOSE_RANKS).fill_null(NEVER)
        )
    else:
        points = subjects.identifiers.filter(pl.col("kind") == purpose.kind).drop("kind")
        units = subject_states.join(points, on="customer", how="left", maintain_order="left_right")
        units = _add_point_ranks(units, points, by_purpose, state, purpose)
    ended = pl.max_horizontal("granted", "objection_withdrawn")
    return units.with_columns(
        pl.when(pl.col("objected") > ended).then("objected").otherwise(NEVER).alias("live_objection")
    )


def _add_point_ranks(
    units: pl.DataFrame, points: pl.DataFrame, by_purpose: pl.DataFrame, state: ConsentState, purpose: Purpose
) -> pl.DataFrame:
    """Units of contact points with the ranks of the events that reach each of them."""
    shared = (
        points.filter(~pl.col("is_exclusive"))
        .join(by_purpose, on="customer")
        .group_by("subject")
        .agg(pl.col("denied", "objected").max().name.prefix("shared_"))
    )
    on_point = state.by_point_purpose.filter(pl.col("purpose") == purpose.key).drop("purpose")
    units = units.join(by_purpose, on="customer", how="left", maintain_order="left")
    for ranks in (shared, on_point, state.by_subject):
        units = units.join(ranks, on="subject", how="left", maintain_order="left")
    is_sure = pl.col("is_exclusive") & pl.col("is_certain")
    return (
        units.with_columns(pl.col(*PURPOSE_RANKS, *POINT_RANKS, "shared_denied", "shared_objected").fill_null(NEVER))
        .with_columns(
            *(
                pl.when("is_exclusive").then(name).otherwise(f"shared_{name}").alias(name)
                for name in ("denied", "objected")
            ),
            *(
                pl.max_horizontal(f"point_{name}", pl.when(is_sure).then(name).otherwise(NEVER)).alias(name)
                for name in ("granted", "objection_withdrawn")
            ),
        )
        .drop("is_exclusive", "is_certain", "shared_denied", "shared_objected", "point_objection_withdrawn")
    )
