"""Everything that admission lets through standardises, and passes every row-level expectation of the gates behind it.

Records of the sample get hostile values, one or two in each record. A gate that refuses what admission accepts would
stop the channel in every later night.
"""

import random

import polars as pl
import pytest

from cdp_pipelines import standardise
from cdp_pipelines.schema import CONSENT_EVENT
from cdp_pipelines.services.declarations import load_all_contracts
from cdp_pipelines.services.standardisation import STANDARD_TABLES
from cdp_pipelines.standardise.admission import admit_records
from expectations.gate import validate_frame
from tests.fuzz_nights import HOSTILE

RECORDS = 120


def spoil(rows: list[dict], fields: list[str], rng: random.Random) -> list[dict]:
    """Copies of the rows with hostile values in one or two fields, each as a record of its own."""
    spoilt = []
    for number, row in enumerate(rng.choices(rows, k=RECORDS), 1):
        changes = {field: rng.choice(HOSTILE) or None for field in rng.sample(fields, rng.choice((1, 1, 2)))}
        spoilt.append(row | {"row_number": number} | changes)
    return spoilt


@pytest.fixture(scope="module")
def admitted(sample) -> dict[str, pl.DataFrame]:
    """Channel to the accepted rows of its spoilt records."""
    found = {}
    for name, contract in load_all_contracts().items():
        rng = random.Random(name)  # noqa: S311  the name repeats a failure
        rows = sample.lake.read(contract.raw).to_dicts()
        columns = [*contract.columns.values()]
        received = pl.DataFrame(spoil(rows, columns, rng), schema_overrides=contract.raw.schema).with_columns(
            pl.col(contract.columns[contract.key]).alias("source_record_id"),
            *(pl.lit(None, pl.String).alias(column) for column in ("rule", "field", "reason")),
        )
        found[name] = admit_records(received, contract.raw.empty(), contract).accepted
    return found


def find_failures(table: str, rows: pl.DataFrame) -> list[str]:
    """The expectations that fail, where a failure stops the table."""
    failures = validate_frame(table, rows).failures
    return [f"{each.expectation} of {each.column}" for each in failures if each.severity == "critical"]


@pytest.mark.parametrize("name", load_all_contracts())
def test_admitted_rows_pass_the_gate_of_raw(admitted, name):
    assert admitted[name].height > RECORDS / 10
    assert find_failures(load_all_contracts()[name].raw.name, admitted[name]) == []


@pytest.mark.parametrize("standard", STANDARD_TABLES, ids=lambda standard: standard.table.name)
def test_admitted_rows_standardise_and_pass_the_gate(admitted, standard):
    frames = [
        standard.build(standardise.select_latest(admitted[name].lazy(), contract), contract)
        for name, contract in standard.contracts.items()
    ]
    rows = standard.table.conform(pl.concat(frames, how="diagonal")).collect()
    assert rows.height > RECORDS / 10
    assert find_failures(standard.table.name, rows) == []


def test_admitted_consents_standardise_and_pass_the_gate(admitted):
    frames = [
        standardise.build_consent_event(standardise.select_latest(admitted[name].lazy(), contract), contract)
        for name, contract in load_all_contracts().items()
        if contract.consents
    ]
    rows = CONSENT_EVENT.conform(pl.concat(frames, how="diagonal")).collect()
    assert rows.height > RECORDS / 10
    assert find_failures(CONSENT_EVENT.name, rows) == []
