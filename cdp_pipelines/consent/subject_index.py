"""Customers and their identifiers as integers, and what their records state about age, address and holdings.

A number is the position of a text in sorted order, so sorting numbers sorts the texts. Consent events do not belong
here: see `events`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.schema import EEA_COUNTRIES, IDENTIFIER_KINDS, RECORD_KEY

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date, datetime

    from cdp_pipelines.schema import ClusterFrame, PartyFrame

KIND = pl.Enum(IDENTIFIER_KINDS)
# A record that carries the identifier shows that the customer holds the contract.
HOLDING_IDENTIFIERS = {"account": "account_id", "membership": "loyalty_card"}


@dataclass(frozen=True)
class SubjectIndex:
    """The customers whom decisions are about, with numbers for customers and identifiers.

    `customers`: customer (its number), customer_id, sorted. `records`: channel, source_record_id, customer. `values`:
    value_number, value, sorted: the values of identifiers. `identifiers`: key (customer, subject), kind, is_certain,
    is_exclusive. A subject is the number of an identifier: value_number * number of kinds + number of its kind, so
    subjects of one kind sort as their values do.
    """

    customers: pl.DataFrame
    records: pl.DataFrame
    values: pl.DataFrame
    identifiers: pl.DataFrame

    @classmethod
    def build(cls, crosswalk: ClusterFrame, identifiers: pl.LazyFrame) -> SubjectIndex:
        """All customers of the crosswalk; `identifiers` (`list_identifiers`) of other customers are left out."""
        members = crosswalk.select(*RECORD_KEY, "customer_id").collect()
        customers = _number_texts(members["customer_id"], "customer")
        known = identifiers.collect().join(customers, on="customer_id")
        values = _number_texts(known["value"], "value_number")
        numbered = known.join(values, on="value").select(
            "customer", _number_subject("kind"), pl.col("kind").cast(KIND), "is_certain", "is_exclusive"
        )
        return cls(
            customers,
            members.join(customers, on="customer_id").drop("customer_id"),
            values,
            numbered.sort("customer", "subject"),
        )

    def add_subject(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """`frame` with the number `subject` in place of its kind and value; rows with unknown values drop out."""
        return (
            frame.join(self.values.lazy(), left_on="subject_value", right_on="value")
            .with_columns(_number_subject("subject_kind"))
            .drop("subject_kind", "subject_value", "value_number")
        )

    def look_up_values(self, subjects: pl.Series) -> pl.Series:
        """The values of identifiers by their numbers."""
        return self.values["value"].gather(subjects // len(IDENTIFIER_KINDS))

    def digest_values(self, subjects: pl.Series) -> pl.Series:
        """A number for the value of each identifier, which does not depend on what other identifiers there are."""
        return self._digests.gather(subjects // len(IDENTIFIER_KINDS))

    @cached_property
    def _digests(self) -> pl.Series:
        return self.values["value"].hash()


def _number_texts(texts: pl.Series, name: str) -> pl.DataFrame:
    # Sorting a column alone is several times faster than sorting a frame by it.
    return texts.unique().sort().to_frame().with_row_index(name)


def _number_subject(kind: str) -> pl.Expr:
    number = pl.col(kind).cast(KIND, strict=False).to_physical().cast(pl.UInt32)
    return (pl.col("value_number") * len(IDENTIFIER_KINDS) + number).alias("subject")


def read_subject_facts(party: PartyFrame, subjects: SubjectIndex, known_at: datetime) -> pl.LazyFrame:
    """What the records known at an instant state about customers; one row for each record.

    Columns customer, record_id, record_at, birth_date, jurisdiction, and has_account and has_membership (whether the
    record carries an account or a loyalty card). The jurisdiction is that of the address: EU for all of the EEA, UK,
    US-<state>, or the code of the country.
    """
    country, region = pl.col("country_code"), pl.col("region_code")
    return (
        party.filter(pl.col("ingested_at") <= known_at)
        .join(subjects.records.lazy(), on=RECORD_KEY)
        .select(
            "customer",
            record_reference(),
            pl.col("observed_at").alias("record_at"),
            "birth_date",
            *(pl.col(kind).is_not_null().alias(f"has_{holding}") for holding, kind in HOLDING_IDENTIFIERS.items()),
            pl.when(country.is_in(EEA_COUNTRIES))
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
    """A record as evidence: channel:source_record_id, in the form of an event id."""
    return pl.concat_str(*RECORD_KEY, separator=":").alias("record_id")


def select_birth_dates(facts: pl.LazyFrame) -> pl.DataFrame:
    """Date of birth per customer: birth_date, birth_id, birth_at; key customer; `facts`: see `read_subject_facts`.

    Of several dates the latest, to protect a child whom one record makes older. Of the records with that date the
    earliest, and of several at one instant the smallest id.
    """
    return (
        facts.filter(pl.col("birth_date").is_not_null())
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
    """Whether a person born on `birth_date` is `years` old on that day; born on 29 February, from 1 March (UTC)."""
    born = pl.col("birth_date")
    number = (born.dt.year() + years) * 10_000 + born.dt.month().cast(pl.Int32) * 100 + born.dt.day().cast(pl.Int32)
    return number <= day.year * 10_000 + day.month * 100 + day.day


def find_opt_out_subjects(
    facts: pl.LazyFrame, stated: pl.DataFrame, laws: Collection[str], as_of: datetime
) -> pl.DataFrame:
    """Customers whose every known jurisdiction is one of `laws`; key customer, with record_id and record_at.

    `facts`: see `read_subject_facts`; `stated`: customer and jurisdiction of consent events. One address or event under
    another law is enough: the stricter law applies. A jurisdiction that only an event states is not a jurisdiction of
    the customer. The record is the earliest with an address, and of several at one instant the smallest id.
    """
    known = facts.filter(pl.col("jurisdiction").is_not_null(), pl.col("record_at") < as_of).collect()
    elsewhere = pl.concat([known.select("customer", "jurisdiction"), stated]).filter(
        ~pl.col("jurisdiction").is_in(list(laws))
    )
    return (
        known.join(elsewhere, on="customer", how="anti")
        .sort("record_at", "record_id")
        .group_by("customer", maintain_order=True)
        .agg(pl.col("record_id").first(), pl.col("record_at").first())
    )
