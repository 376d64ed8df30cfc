"""What decisions are asked of: a cell per customer and, for a purpose about contact points, per point of its kind.

Each cell has the places of the latest wills that it hears (`wills.Heard`). A denial is heard on any identifier of the
customer and, on a shared contact point, of all who have it; a grant on certain ground alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.consent.events import NEVER

if TYPE_CHECKING:
    from cdp_pipelines.consent.events import ConsentState
    from cdp_pipelines.consent.subject_index import SubjectIndex
    from cdp_pipelines.purposes.purpose import Purpose

OF_CUSTOMER = ("denied", "objected", "granted", "objection_withdrawn")
OF_POINT = ("point_granted", "point_objection_withdrawn", "unsubscribed", "complained", "bounced", "verified")
OF_PERSON = ("erased", "restricted", "restriction_lifted")


def build_subject_states(people: SubjectIndex, hearing: ConsentState, born: pl.DataFrame) -> pl.DataFrame:
    """What all purposes ask of each customer: blocks of the person and date of birth; key customer, in its order."""
    return (
        people.customers.select("customer")
        .join(hearing.person, on="customer", how="left", maintain_order="left")
        .join(born, on="customer", how="left", maintain_order="left")
        .with_columns(pl.col(OF_PERSON).fill_null(NEVER))
    )


def build_decision_units(
    purpose: Purpose, everybody: pl.DataFrame, people: SubjectIndex, hearing: ConsentState
) -> pl.DataFrame:
    """Cells of a purpose; key (customer, subject), in its order; `everybody`: see `subjects`.

    A person-wide purpose has one per customer; so has, for a customer without a contact point of its kind, one about
    contact points. There `subject` is null.
    """
    heard = hearing.of_customer.filter(pl.col("purpose") == purpose.key).drop("purpose")
    if purpose.kind is None:
        found = everybody.with_columns(pl.lit(None, pl.UInt32).alias("subject"))
        found = found.join(heard, on="customer", how="left", maintain_order="left").with_columns(
            pl.col(OF_CUSTOMER).fill_null(NEVER)
        )
    else:
        points = people.points.filter(pl.col("kind") == purpose.kind).drop("kind")
        found = everybody.join(points, on="customer", how="left", maintain_order="left_right")
        found = _on_points(found, points, heard, hearing, purpose)
    ended = pl.max_horizontal("granted", "objection_withdrawn")
    return found.with_columns(
        pl.when(pl.col("objected") > ended).then("objected").otherwise(NEVER).alias("live_objection")
    )


def _on_points(
    found: pl.DataFrame, points: pl.DataFrame, heard: pl.DataFrame, hearing: ConsentState, purpose: Purpose
) -> pl.DataFrame:
    """Cells of contact points, with what is heard on each."""
    holders = (
        points.filter(~pl.col("is_exclusive"))
        .join(heard, on="customer")
        .group_by("subject")
        .agg(pl.col("denied", "objected").max().name.prefix("shared_"))
    )
    on_point = hearing.on_subject.filter(pl.col("purpose") == purpose.key).drop("purpose")
    found = found.join(heard, on="customer", how="left", maintain_order="left")
    for frame in (holders, on_point, hearing.point):
        found = found.join(frame, on="subject", how="left", maintain_order="left")
    is_sure = pl.col("is_exclusive") & pl.col("is_certain")
    return (
        found.with_columns(pl.col(*OF_CUSTOMER, *OF_POINT, "shared_denied", "shared_objected").fill_null(NEVER))
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
