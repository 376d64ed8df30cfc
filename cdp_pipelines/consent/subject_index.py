"""Customers and their identifiers as whole numbers, and what their records say of age and jurisdiction.

Numbers are places in the order of the texts they stand for, so that sorting by them is sorting by the texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.consent.identifiers import CONTRACT_IDENTIFIERS, KINDS, RECORD

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date, datetime

KIND = pl.Enum(KINDS)
# Members of the European Economic Area, where the GDPR is the law.
EEA = (
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class SubjectIndex:
    """Whom decisions are about.

    `customers`: customer (number), customer_id, sorted. `members`: channel, source_record_id, customer. `values`: n,
    value, sorted: values of identifiers. `points`: key (customer, subject), kind, is_certain, is_exclusive; a subject
    is an identifier, n * number of kinds + number of its kind, so that within a kind it sorts as its value.
    """

    customers: pl.DataFrame
    members: pl.DataFrame
    values: pl.DataFrame
    points: pl.DataFrame

    @classmethod
    def of(cls, crosswalk: pl.LazyFrame, identifiers: pl.LazyFrame) -> SubjectIndex:
        """Everybody of the crosswalk; an identifier of anybody else is nobody's."""
        members = crosswalk.select(*RECORD, "customer_id").collect()
        customers = _numbered(members["customer_id"], "customer")
        found = identifiers.collect().join(customers, on="customer_id")
        values = _numbered(found["value"], "n")
        points = found.join(values, on="value").select(
            "customer", _subject("kind"), pl.col("kind").cast(KIND), "is_certain", "is_exclusive"
        )
        return cls(
            customers,
            members.join(customers, on="customer_id").drop("customer_id"),
            values,
            points.sort("customer", "subject"),
        )

    def reached(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """The rows of a frame whose subject (subject_kind, subject_value) may be somebody's, as `subject`."""
        return (
            frame.join(self.values.lazy(), left_on="subject_value", right_on="value")
            .with_columns(_subject("subject_kind"))
            .drop("subject_kind", "subject_value", "n")
        )

    def value_of(self, subject: pl.Series) -> pl.Series:
        """Values of identifiers by number."""
        return self.values["value"].gather(subject // len(KINDS))


def _numbered(texts: pl.Series, name: str) -> pl.DataFrame:
    # A column alone is sorted several times faster than a frame by it.
    return texts.unique().sort().to_frame().with_row_index(name)


def _subject(kind: str) -> pl.Expr:
    number = pl.col(kind).cast(KIND, strict=False).to_physical().cast(pl.UInt32)
    return (pl.col("n") * len(KINDS) + number).alias("subject")


def read_subject_facts(party: pl.LazyFrame, people: SubjectIndex, known_at: datetime) -> pl.LazyFrame:
    """What records known at an instant say of customers: customer, record_id, record_at, birth_date, jurisdiction.

    Besides names_account and names_membership: does it carry an account, a loyalty card?

    The jurisdiction is that of the address: EU for all of the EEA, UK, US-<state>, or the country's code.
    """
    country, region = pl.col("country_code"), pl.col("region_code")
    return (
        party.filter(pl.col("ingested_at") <= known_at)
        .join(people.members.lazy(), on=RECORD)
        .select(
            "customer",
            record_reference(),
            pl.col("observed_at").alias("record_at"),
            "birth_date",
            *(pl.col(kind).is_not_null().alias(f"names_{type_}") for type_, kind in CONTRACT_IDENTIFIERS.items()),
            pl.when(country.is_in(EEA))
            .then(pl.lit("EU"))
            .when(country == "GB")
            .then(pl.lit("UK"))
            .when(country == "US", region.is_not_null())
            .then(pl.concat_str(pl.lit("US-"), region))
            .otherwise(country)
            .alias("jurisdiction"),
        )
    )


def record_reference() -> pl.Expr:
    """A record as evidence: channel:source_record_id, as an event's id."""
    return pl.concat_str(*RECORD, separator=":").alias("record_id")


def select_birth_dates(records: pl.LazyFrame) -> pl.DataFrame:
    """Date of birth per customer: birth_date, birth_id, birth_at; key customer; `records`: see `told`.

    Of several dates the latest: a child is protected though one record makes it older. Of its records the earliest,
    and of those of one instant the smallest id.
    """
    return (
        records.filter(pl.col("birth_date").is_not_null())
        .sort("birth_date", pl.col("record_at"), "record_id", descending=[True, False, False], nulls_last=True)
        .group_by("customer", maintain_order=True)
        .agg(
            pl.col("birth_date").first(),
            pl.col("record_id").first().alias("birth_id"),
            pl.col("record_at").first().alias("birth_at"),
        )
        .collect()
    )


def is_of_age(years: int, day: date) -> pl.Expr:
    """Has who was born on `birth_date` completed these years on that day? Of 29 February, on 1 March (in UTC)."""
    born = pl.col("birth_date")
    number = (born.dt.year() + years) * 10_000 + born.dt.month().cast(pl.Int32) * 100 + born.dt.day().cast(pl.Int32)
    return number <= day.year * 10_000 + day.month * 100 + day.day


def find_opt_out_subjects(
    records: pl.LazyFrame, stated: pl.DataFrame, laws: Collection[str], as_of: datetime
) -> pl.DataFrame:
    """Customers whose every known jurisdiction is among these `laws`; key customer, with record_id and record_at.

    `records`: see `told`; `stated`: customer and jurisdiction of wills. One address or one will under another law, and
    the stricter one holds. A jurisdiction that only a will states is none of the customer's. The record is the
    earliest with an address, and of those of one instant the smallest id.
    """
    known = records.filter(pl.col("jurisdiction").is_not_null(), pl.col("record_at") < as_of).collect()
    elsewhere = pl.concat([known.select("customer", "jurisdiction"), stated]).filter(
        ~pl.col("jurisdiction").is_in(list(laws))
    )
    return (
        known.join(elsewhere, on="customer", how="anti")
        .sort("record_at", "record_id")
        .group_by("customer", maintain_order=True)
        .agg(pl.col("record_id").first(), pl.col("record_at").first())
    )
