"""Pseudonyms of customers in a mart: HMAC-SHA-256 under the key of its purpose (RFC 2104, FIPS 198-1).

Without a key, nobody can find the rows of two marts that are about one person. Keys are text, as `warehouse.keys`
derives them; nothing here stores one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import polars_hash as plh

if TYPE_CHECKING:
    from cdp_pipelines.schema import DecisionFrame, MartFrame

SEPARATOR = "\x1f"


def pseudonymise(customer: str, key: str) -> pl.Expr:
    """Pseudonym of the customer whose id is in the column `customer`; 64 hex digits."""
    return plh.col(customer).chash.hmac_sha256(key=key)


def reference_evidence(decision: DecisionFrame, key: str, name: str = "evidence_reference") -> pl.LazyFrame:
    """`decision` with a keyed reference to each row's evidence.

    Digests customer_id, contact_point, purpose_version and evidence (a set: its order does not matter).
    """
    evidence = pl.col("evidence").list.sort().list.join(SEPARATOR)
    text = pl.concat_str(
        pl.lit("evidence"), "customer_id", "contact_point", "purpose_version", evidence, separator=SEPARATOR
    )
    return decision.with_columns(text.alias(name)).with_columns(plh.col(name).chash.hmac_sha256(key=key).alias(name))


def find_holders(rows: MartFrame, customers: pl.LazyFrame, key: str) -> pl.LazyFrame:
    """`rows` of a mart with the customer_id of each, by the ids of `customers`; other rows are dropped."""
    pseudonyms = customers.select(pl.col("customer_id").unique()).with_columns(
        subject_key=pseudonymise("customer_id", key)
    )
    return rows.join(pseudonyms, on="subject_key")
