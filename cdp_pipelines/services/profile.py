"""How a customer's profile came about and what was derived from it: the logic involved of GDPR Art. 15(1)(h).

Here belong joined records and values in marts. What channels delivered is in `subject_records`.
"""

from collections.abc import Iterable

import polars as pl

from cdp_pipelines.marts.mart import build_mart_table
from cdp_pipelines.purposes import Purpose
from cdp_pipelines.schema import LINK
from cdp_pipelines.schema.mart import MEASURES
from cdp_pipelines.services.declarations import load_all_contracts, load_company_register
from cdp_pipelines.services.marts import select_rows_of
from warehouse.delta.lake import Lake
from warehouse.lookup import match_records

# Measures are derived; the rest of a row was delivered or decided.
MEASURE = "measure."


def list_joined_records(lake: Lake, records: pl.DataFrame) -> list[dict[str, object]]:
    """Links among a customer's records, each with its rule, match weight in bits and comparison levels."""
    left, right = ("left_channel", "left_source_record_id"), ("right_channel", "right_source_record_id")
    from_left = lake.scan(LINK).filter(match_records(records, *left)).collect()
    links = from_left.filter(match_records(records, *right)).sort(LINK.key)
    return links.select(
        pl.concat_str(*left, separator=":").alias("left_record"),
        pl.concat_str(*right, separator=":").alias("right_record"),
        "rule",
        pl.col("match_weight").round(2),
        "evidence",
    ).to_dicts()


def list_values(purpose: Purpose, rows: pl.DataFrame) -> list[dict[str, object]]:
    """Every value of some rows of a mart with its source: a declared one, or the mart's own SQL."""
    sources = {each.name: each.source for each in purpose.columns}
    return [
        {"column": name, "value": value, "source": sources.get(name, "mart.sql")}
        for row in rows.iter_rows(named=True)
        for name, value in row.items()
    ]


def list_mart_rows(lake: Lake, customer_id: str, purposes: Iterable[str]) -> list[dict[str, object]]:
    """Every value of a customer's row in each of these marts that has rows of people, with its source."""
    customer = pl.DataFrame({"customer_id": [customer_id]})
    declared = [load_company_register()[key] for key in purposes if key in load_company_register()]
    return [
        {"purpose": purpose.key, **value}
        for purpose in declared
        if purpose.columns and not purpose.aggregate
        for value in list_values(purpose, select_rows_of(lake, purpose, lake.scan(build_mart_table(purpose)), customer))
    ]


def list_derived(mart_rows: Iterable[dict[str, object]]) -> list[dict[str, object]]:
    """The computed values of `list_mart_rows`: method, channels, use, and whether a decision is automated."""
    rows: list[dict[str, object]] = []
    for row in mart_rows:
        source = str(row["source"])
        if not source.startswith(MEASURE) or row["value"] is None:
            continue
        purpose = load_company_register()[str(row["purpose"])]
        measure = next(each for each in MEASURES.columns if each.name == source.removeprefix(MEASURE))
        channels = [name for name, each in load_all_contracts().items() if purpose.key in each.collected_for]
        rows.append(
            {
                "purpose": purpose.key,
                "column": row["column"],
                "value": row["value"],
                "method": f"{measure.description}, within {purpose.retention}",
                "channels": channels,
                "use": purpose.title,
                "is_automated_decision": purpose.automated_decision,
            }
        )
    return rows
