"""How a customer's profile came about and what was derived from it: the logic involved of GDPR Art. 15(1)(h)."""

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

# Measures are derived; the rest of a row is what was said, or decided.
DERIVED = "measure."


def list_joined_records(lake: Lake, records: pl.DataFrame) -> list[dict]:
    """Links among a customer's records, each with its rule, match weight and comparison levels."""
    sides = (("left_channel", "left_source_record_id"), ("right_channel", "right_source_record_id"))
    mine = lake.scan(LINK).filter(match_records(records, *sides[0])).collect()
    both = mine.filter(match_records(records, *sides[1])).sort(LINK.key)
    one, other = (pl.concat_str(*side, separator=":") for side in sides)
    told = both.select(
        one.alias("record"), other.alias("and record"), "rule", pl.col("match_weight").round(2), "evidence"
    )
    return told.rename({"match_weight": "match weight, bits"}).to_dicts()


def list_values(purpose: Purpose, rows: pl.DataFrame) -> list[dict]:
    """Every value of some rows of a mart, and where it is from: a declared source, or the mart's own SQL."""
    source = {each.name: each.source for each in purpose.columns}
    return [
        {"column": name, "value": value, "from": source.get(name, "mart.sql")}
        for row in rows.iter_rows(named=True)
        for name, value in row.items()
    ]


def list_mart_rows(lake: Lake, customer_id: str, purposes: Iterable[str]) -> list[dict]:
    """Every value of a customer's row in each of these marts that tell of persons, and where it is from."""
    me = pl.DataFrame({"customer_id": [customer_id]})
    declared = [load_company_register()[key] for key in purposes if key in load_company_register()]
    return [
        {"purpose": purpose.key, **told}
        for purpose in declared
        if purpose.columns and not purpose.aggregate
        for told in list_values(purpose, select_rows_of(lake, purpose, lake.scan(build_mart_table(purpose)), me))
    ]


def list_derived(held: Iterable[dict]) -> list[dict]:
    """Of the values in marts (see `in_marts`) those that were worked out: how, of what, and whether it decides."""
    told = []
    for row in held:
        if not row["from"].startswith(DERIVED) or row["value"] is None:
            continue
        purpose = load_company_register()[row["purpose"]]
        measure = next(each for each in MEASURES.columns if each.name == row["from"].removeprefix(DERIVED))
        channels = [name for name, each in load_all_contracts().items() if purpose.key in each.collected_for]
        told.append(
            {
                "purpose": purpose.key,
                "value": f"{row['column']} = {row['value']}",
                "how": f"{measure.description}, within {purpose.retention}, of the records of {', '.join(channels)}",
                "what for": purpose.title,
                "decides alone": "yes (Art. 22)" if purpose.automated_decision else "no",
            }
        )
    return told
