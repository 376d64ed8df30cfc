"""Customers of the benchmark lake: how many there are, their numbers and ids, and what each of them has.

Here belong numbers, constants and helpers; the tables are built in `benchmark_lake`. A customer has two numbers: `k`
sorts customer ids, `v` sorts records and identifiers. They are unrelated, as a digest is unrelated to a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from cdp_pipelines.schema import Table

NIGHT = date(2024, 6, 30)
AS_OF = datetime(2024, 7, 1, tzinfo=UTC)
NIGHT_BEFORE, OBSERVED_AT = AS_OF - timedelta(days=1), AS_OF - timedelta(days=90)
CHUNK = 50_000
# Channel and format of its record ids; a customer has one record for each entry.
RECORDS = (
    ("app_events", "app_events-{}"),
    ("consent_receipts", "cr-{}-1"),
    ("consent_receipts", "cr-{}-2"),
    ("crm_west", "W{}"),
    ("pos_receipts", "R{}"),
    ("webshop_customers", "gid://shop/Customer/{}"),
    ("webshop_orders", "gid://shop/Order/{}-1"),
)
INTERACTION_TYPES = {"app_events": "event", "pos_receipts": "receipt", "webshop_orders": "order"}
# In order of their values.
VALUES = (
    ("phone", "+1206{}"),
    ("loyalty_card", "LC{}"),
    ("account_id", "account-{}"),
    ("device_id", "device-{}"),
    ("email", "mail{}@mail.example"),
)
# Kind of identifier, position of its record in RECORDS, purpose, status.
CONSENT_EVENTS = (
    ("phone", 3, "sms_marketing", "denied"),
    ("device_id", 1, "analytics", "granted"),
    ("email", 2, "email_marketing", "granted"),
    ("email", 3, "postal_marketing", "objected"),
    ("email", 5, "email_marketing", "denied"),
    ("email", 5, "profiling", "granted"),
)
LINKS = ((0, 5), (1, 3), (2, 3), (3, 4), (3, 5), (5, 6))
ATTRIBUTES = ("city", "country_code", "email", "first_name", "last_name", "loyalty_card", "phone", "postal_code",
              "region_code", "street")  # fmt: skip
# Of so many customers one is in a mart, and one decision in so many was another before.
MEMBER_EVERY, CHANGED = 9, 11


@dataclass(frozen=True)
class BenchmarkCustomers:
    """`n` customers. `step` has no divisor in common with `n`, so that every `v` belongs to a customer."""

    n: int

    def numbers(self, first: int) -> np.ndarray:
        """The next chunk of numbers."""
        return np.arange(first, min(first + CHUNK, self.n), dtype=np.int64)

    @property
    def step(self) -> int:
        """Factor from `k` to `v`."""
        return next(step for step in range(7_368_787 % self.n or 1, 2 * self.n + 2) if np.gcd(step, self.n) == 1)

    def v_of(self, k: np.ndarray) -> np.ndarray:
        """`v` of customers."""
        return k * self.step % self.n

    def k_of(self, v: np.ndarray) -> np.ndarray:
        """`k` of customers."""
        return v * pow(self.step, -1, self.n) % self.n

    def ids(self, k: np.ndarray) -> pl.Series:
        """Customer ids: spread over all digests, in order of `k`."""
        span = 2**60 // self.n
        return pl.Series("customer_id", [f"c_{x:016x}" for x in k * span + k * 2_654_435_761 % span])


def format_ids(form: str, v: np.ndarray) -> pl.Series:
    """Ids in a format with one `{}`, which gets the number with eight digits."""
    return pl.select(pl.format(form, pl.Series(v).cast(pl.String).str.zfill(8))).to_series()


def build_rows(table: Table, **columns: object) -> pl.DataFrame:
    """Rows of a table; columns that are not given are null."""
    values = {
        name: value if isinstance(value, pl.Series | pl.Expr) else pl.lit(value) for name, value in columns.items()
    }
    return table.conform(pl.select(**{name: pl.lit(None) for name in table.schema} | values).lazy()).collect()


def interleave(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """Rows of frames of one height, the first of each, then the second of each."""
    order = np.arange(len(parts) * parts[0].height).reshape(len(parts), -1).T.ravel()
    return pl.concat(parts)[order]
