"""`golden/household`: customers who have one family name at one address.

It is a guess about people from what they told for other reasons, and so it is kept small: only customers with a golden
record (unification is allowed for them, GDPR Art. 5(1)(b)) are in one; no profile, will, decision or value of one
member is another's; no mart can name it (it is no `customer.` column); each row carries only the purposes for which
both of its values were collected.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.identity.values import abbreviate_streets, normalise_names
from cdp_pipelines.schema import HOUSEHOLD

if TYPE_CHECKING:
    from collections.abc import Callable

SAME = ["name", "house", "postal_code", "country_code"]


def build_households(
    customer: pl.DataFrame, provenance: pl.LazyFrame, history: pl.LazyFrame, max_members: int
) -> pl.DataFrame:
    """Households of two to `max_members` customers; key customer_id, columns of `HOUSEHOLD`.

    `customer`, `provenance`, `history`: `CUSTOMER`, `PROVENANCE`, `HISTORY`. Family names compare in plain letters;
    addresses by street with house number (and flat, where it is told), postal code and country. A household is named
    after its oldest customer; of those born in one night the smaller id.
    """
    lives = _compared(_compared(customer, "last_name", "name", normalise_names), "street", "house", abbreviate_streets)
    born = history.filter(pl.col("event") == "born").group_by("customer_id").agg(pl.col("occurred_at").min())
    members = (
        lives.drop_nulls(["name", "house", "postal_code"])
        .join(born.collect(), on="customer_id", how="left")
        .sort("occurred_at", "customer_id", nulls_last=True)
        .with_columns(
            pl.len().over(SAME).alias("member_count"),
            pl.col("customer_id").first().over(SAME).alias("oldest"),
        )
        .filter(pl.col("member_count").is_between(2, max_members))
    )
    golden = provenance.filter(pl.col("rank") == 1)
    both = (
        golden.filter(pl.col("attribute") == name).select("customer_id", pl.col("collected_for").alias(name))
        for name in ("last_name", "street")
    )
    name, address = both
    named = members.with_columns(pl.Series("household_id", [_named(each) for each in members["oldest"]], pl.String))
    return HOUSEHOLD.conform(
        named.lazy()
        .select("customer_id", "household_id", "member_count")
        .join(name.join(address, on="customer_id"), on="customer_id")
        .with_columns(pl.col("last_name").list.set_intersection("street").list.sort().alias("collected_for"))
    ).collect()


def _compared(frame: pl.DataFrame, column: str, name: str, spell: Callable[[pl.Series], pl.Series]) -> pl.DataFrame:
    return frame.with_columns(spell(frame[column].fill_null("")).alias(name))


def _named(customer_id: str) -> str:
    """The id of a household by that of its oldest customer."""
    return f"h_{sha256(f'household:{customer_id}'.encode()).hexdigest()[:16]}"
