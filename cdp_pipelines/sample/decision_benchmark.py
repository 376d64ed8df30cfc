"""Input of `cdp bench decide`: any number of consent events, customers and purposes.

Here belong made-up rows of the tables that decisions read. Whole lakes are in `benchmark_lake`, the demonstration
company in `generate`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from cdp_pipelines.purposes.purpose import Purpose
from cdp_pipelines.purposes.terms import ContractTerms, InterestTerms
from cdp_pipelines.schema import CLUSTER, INTERACTION, LEDGER, PARTY, Table

AS_OF = datetime(2024, 7, 1, tzinfo=UTC)
KINDS = ("email", "phone", "device_id", "loyalty_card")
_STATUSES = ("granted", "withdrawn", "denied", "objected")
# Of four purposes one is about a contact point, one has a contract as its basis and one a legitimate interest.
_SCOPES = ("email", "phone", "device", "person")


def build_purposes(purpose_count: int) -> dict[str, Purpose]:
    """`purpose_count` purposes by key: by turns consent of the person, consent on a contact point, contract, interest."""
    shared = {
        "title": "Measured",
        "effective_from": date(2020, 1, 1),
        "version": "1",
        "retention": "P3Y",
        "data_categories": ("contact",),
        "recipients": (),
    }
    of_kind = (
        {"lawful_basis": "consent", "notice": "2023-01"},
        {"lawful_basis": "consent", "notice": "2023-01", "direct_marketing": True},
        {
            "lawful_basis": "contract",
            "contract": ContractTerms(opened_by=("order",), closed_by=("refund",), lasts="P90D"),
        },
        {
            "lawful_basis": "legitimate_interests",
            "assessment": "LIA",
            "interest": InterestTerms(contacts=("order", "consent_event")),
        },
    )
    return {
        f"purpose_{number:02}": Purpose(
            key=f"purpose_{number:02}",
            scope=_SCOPES[number // 4 % 4] if number % 4 == 1 else "person",
            **shared,
            **of_kind[number % 4],
        )
        for number in range(purpose_count)
    }


def build_ledger(event_count: int, customer_count: int, purpose_count: int, seed: int = 1) -> pl.DataFrame:
    """`event_count` consent events of `LEDGER`, each about one of four identifiers of a customer, over two years."""
    rng = np.random.default_rng(seed)
    seconds = pl.Series(rng.integers(0, 730 * 86_400, event_count))
    granted = (AS_OF - timedelta(days=730)) + (seconds * 1_000_000).cast(pl.Duration("us"))
    numbers = pl.Series(np.arange(event_count))
    customer = pl.Series(rng.integers(0, customer_count, event_count)).cast(pl.String).str.zfill(8)

    def one_of(values: list[str], weights: tuple[float, ...] | None = None) -> pl.Series:
        return pl.Series(values).gather(rng.choice(len(values), event_count, p=weights))

    return _rows(
        LEDGER,
        position=numbers + 1,
        event_id="cr-" + numbers.cast(pl.String).str.zfill(9),
        channel=pl.lit("consent_receipts"),
        source_record_id=numbers.cast(pl.String),
        drop_date=pl.lit(AS_OF.date()),
        subject_kind=(kind := one_of(list(KINDS))),
        subject_value=kind + "-" + customer,
        purpose=one_of(list(build_purposes(purpose_count))),
        status=one_of(list(_STATUSES), (0.6, 0.25, 0.13, 0.02)),
        event_at=granted,
        recorded_at=granted + timedelta(minutes=1),
        notice_version=one_of(["2022-01", "2023-01", "2024-01"]),
        method=pl.lit("web_form"),
    )


def build_customers(customer_count: int) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """`PARTY`, `CLUSTER` and `INTERACTION` of customers with one record, four identifiers and one order each."""
    numbers = pl.int_range(customer_count, eager=True).cast(pl.String).str.zfill(8)
    record = {"channel": pl.lit("crm"), "source_record_id": numbers}
    ingested_at = pl.lit(AS_OF - timedelta(days=1))
    return (
        _rows(
            PARTY,
            **record,
            ingested_at=ingested_at,
            observed_at=pl.lit(AS_OF - timedelta(days=400)),
            **{kind: f"{kind}-" + numbers for kind in KINDS},
        ),
        _rows(CLUSTER, **record, customer_id="c_" + numbers, is_exact=pl.lit(value=True)),
        _rows(
            INTERACTION,
            **record,
            ingested_at=ingested_at,
            interaction_type=pl.lit("order"),
            occurred_at=pl.lit(AS_OF - timedelta(days=30)),
            amount_minor=pl.lit(1000),
            currency_code=pl.lit("EUR"),
        ),
    )


def _rows(table: Table, **columns: pl.Series | pl.Expr) -> pl.DataFrame:
    """Rows of a table; columns that are not given are null."""
    return table.conform(pl.select(**{name: pl.lit(None) for name in table.schema} | columns).lazy()).collect()
