"""`golden/household`: customers with one family name at one address.

A household is an inference from data that was collected for other reasons, so its effect is limited. Only customers
with a golden record (unification is allowed for them, GDPR Art. 5(1)(b)) are in one. Members share no profile, consent
event, decision or value. No mart can contain it (it is not a `customer.` column). Each row lists only the purposes for
which both of its values were collected.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.identity.values import abbreviate_streets, normalise_names
from cdp_pipelines.schema import HOUSEHOLD

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdp_pipelines.schema import CustomerRows, HistoryFrame, HouseholdRows, ProvenanceFrame

ADDRESS_KEY = ["name", "house", "postal_code", "country_code"]


def build_households(
    customer: CustomerRows, provenance: ProvenanceFrame, history: HistoryFrame, max_members: int
) -> HouseholdRows:
    """Households of two to `max_members` customers; key customer_id, columns of `HOUSEHOLD`.

    Family names compare in plain letters; addresses by street with house number (and flat, where the address has
    one), postal code and country. The oldest customer gives the household its id; of customers of one night, the
    smaller id.
    """
    names = _add_normalised(customer, "last_name", "name", normalise_names)
    addresses = _add_normalised(names, "street", "house", abbreviate_streets)
    born = history.filter(pl.col("event") == "created").group_by("customer_id").agg(pl.col("occurred_at").min())
    members = (
        addresses.drop_nulls(["name", "house", "postal_code"])
        .join(born.collect(), on="customer_id", how="left")
        .sort("occurred_at", "customer_id", nulls_last=True)
        .with_columns(
            pl.len().over(ADDRESS_KEY).alias("member_count"),
            pl.col("customer_id").first().over(ADDRESS_KEY).alias("oldest"),
        )
        .filter(pl.col("member_count").is_between(2, max_members))
    )
    golden = provenance.filter(pl.col("rank") == 1)
    purposes = (
        golden.filter(pl.col("attribute") == name).select("customer_id", pl.col("collected_for").alias(name))
        for name in ("last_name", "street")
    )
    name, address = purposes
    household_ids = [_household_id(customer_id) for customer_id in members["oldest"]]
    identified = members.with_columns(pl.Series("household_id", household_ids, pl.String))
    return HOUSEHOLD.conform(
        identified.lazy()
        .select("customer_id", "household_id", "member_count")
        .join(name.join(address, on="customer_id"), on="customer_id")
        .with_columns(pl.col("last_name").list.set_intersection("street").list.sort().alias("collected_for"))
    ).collect()


def _add_normalised(
    frame: pl.DataFrame, column: str, name: str, normalise: Callable[[pl.Series], pl.Series]
) -> pl.DataFrame:
    return frame.with_columns(normalise(frame[column].fill_null("")).alias(name))


def _household_id(customer_id: str) -> str:
    """The id of a household, derived from the id of its oldest customer."""
    return f"h_{sha256(f'household:{customer_id}'.encode()).hexdigest()[:16]}"
