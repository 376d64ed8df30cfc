"""The names that people have in one mart alone: HMAC-SHA-256 under the key of its purpose (RFC 2104, FIPS 198-1).

Who has two marts and no key cannot tell which rows of them are about one person. Keys are text, as `warehouse.keys`
gives them; nothing here keeps one.
"""

from __future__ import annotations

import polars as pl
import polars_hash as plh

SEPARATOR = "\x1f"


def pseudonymise(customer: str, key: str) -> pl.Expr:
    """Name in a mart of the customer whose id the column `customer` holds; 64 hex digits."""
    return plh.col(customer).chash.hmac_sha256(key=key)


def reference_evidence(decision: pl.LazyFrame, key: str, name: str = "evidence_reference") -> pl.LazyFrame:
    """`decision` with the reference of each row's decision: of whom, on what, under which text, by what evidence.

    Reads customer_id, contact_point, purpose_version and evidence (a set: its order does not matter).
    """
    evidence = pl.col("evidence").list.sort().list.join(SEPARATOR)
    told = pl.concat_str(
        pl.lit("evidence"), "customer_id", "contact_point", "purpose_version", evidence, separator=SEPARATOR
    )
    return decision.with_columns(told.alias(name)).with_columns(plh.col(name).chash.hmac_sha256(key=key).alias(name))


def find_holders(rows: pl.LazyFrame, customers: pl.LazyFrame, key: str) -> pl.LazyFrame:
    """`rows` of a mart with the customer_id of each, out of the ids of `customers`; rows of nobody are left out."""
    named = customers.select(pl.col("customer_id").unique()).with_columns(subject_key=pseudonymise("customer_id", key))
    return rows.join(named, on="subject_key")
