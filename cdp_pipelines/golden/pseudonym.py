"""The names that people have in one mart alone: HMAC-SHA-256 under the key of its purpose (RFC 2104, FIPS 198-1).

Who has two marts and no key cannot tell which rows of them are about one person. Keys are text, as `warehouse.keys`
gives them; nothing here keeps one.
"""

from __future__ import annotations

import polars as pl
import polars_hash as plh

from cdp_pipelines.tables import Column, Table

SEPARATOR = "\x1f"
SUBJECT = Table(
    "subject",
    "Under what name a person is in a mart. Never stored: computed for each mart, under the key of its purpose.",
    ("key",),
    (
        Column(
            "key",
            pl.String(),
            "The person in this mart: HMAC-SHA-256 of the customer under the purpose's own key",
            is_personal=True,
            sources=("identity/cluster.customer_id",),
        ),
        Column(
            "evidence",
            pl.String(),
            "Reference of the decision and its evidence, in this mart alone; `cdp audit mart` resolves it",
            is_personal=True,
            sources=("consent/decision.evidence",),
        ),
    ),
    subject=("key",),
)


def subject_key(customer: str, key: str) -> pl.Expr:
    """Name in a mart of the customer whose id the column `customer` holds; 64 hex digits."""
    return plh.col(customer).chash.hmac_sha256(key=key)


def evidence_reference(decision: pl.LazyFrame, key: str, name: str = "evidence_reference") -> pl.LazyFrame:
    """`decision` with the reference of each row's decision: of whom, on what, under which text, by what evidence.

    Reads customer_id, contact_point, purpose_version and evidence (a set: its order does not matter).
    """
    evidence = pl.col("evidence").list.sort().list.join(SEPARATOR)
    told = pl.concat_str(
        pl.lit("evidence"), "customer_id", "contact_point", "purpose_version", evidence, separator=SEPARATOR
    )
    return decision.with_columns(told.alias(name)).with_columns(plh.col(name).chash.hmac_sha256(key=key).alias(name))


def holders(rows: pl.LazyFrame, customers: pl.LazyFrame, key: str) -> pl.LazyFrame:
    """`rows` of a mart with the customer_id of each, out of the ids of `customers`; rows of nobody are left out."""
    named = customers.select(pl.col("customer_id").unique()).with_columns(subject_key=subject_key("customer_id", key))
    return rows.join(named, on="subject_key")
