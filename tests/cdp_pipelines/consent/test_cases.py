"""Declared cases: the identifiers that they cover, and broken files."""

from datetime import UTC, datetime

import pytest

from cdp_pipelines.consent.cases import CASE, list_covered_subjects, load_cases
from cdp_pipelines.errors import PolicyError
from cdp_pipelines.schema import INTERACTION, PARTY
from tests.cdp_pipelines.consent.inputs import REGISTER, at, build_rows

GOOD = """
title: A heater that catches fire
ordered_by: Product safety authority
declared_at: 2011-06-02T00:00:00Z
starts_at: 2011-06-02T00:00:00Z
covers: {interaction_type: reading, name: heater, since: 2011-01-01T00:00:00Z}
"""


def load(folder, purpose, text):
    (folder / purpose / "cases").mkdir(parents=True)
    (folder / purpose / "cases" / "recall.yaml").write_text(text)
    return load_cases(folder, REGISTER)


def test_a_case_covers_every_identifier_on_the_records_of_its_interactions(tmp_path):
    cases = load(tmp_path, "alert", GOOD)
    readings = [
        ("1", "reading", "heater", "2011-03-01"),
        ("2", "reading", "lamp", "2011-03-01"),
        ("3", "reading", "heater", "2010-03-01"),
    ]
    record = {"channel": "iot"}
    interactions = build_rows(
        INTERACTION,
        [
            record | {"source_record_id": id_, "interaction_type": kind, "name": name, "occurred_at": at(moment)}
            for id_, kind, name, moment in readings
        ],
    )
    party = build_rows(
        PARTY, [record | {"source_record_id": id_, "device_id": f"d{id_}", "email": f"{id_}@x"} for id_ in "123"]
    )
    found = list_covered_subjects(cases, interactions.lazy(), party.lazy())
    assert dict(found.schema) == CASE
    assert sorted(found.select("subject_kind", "subject_value").rows()) == [("device_id", "d1"), ("email", "1@x")]
    assert set(found["case_id"]) == {"recall"}
    assert set(found["starts_at"]) == {datetime(2011, 6, 2, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("purpose", "text", "message"),
    [
        pytest.param("newsletter", GOOD, "'newsletter' has lawful_basis consent; allowed: vital_interests", id="basis"),
        pytest.param("nothing", GOOD, "'nothing' is not a purpose", id="no_purpose"),
        pytest.param("alert", GOOD.replace("ordered_by", "by"), "ordered_by", id="missing"),
        pytest.param("alert", GOOD.replace("T00:00:00Z\nstarts", "\nstarts"), "declared_at", id="no_zone"),
        pytest.param("alert", GOOD + "ends_at: 2011-06-02T00:00:00Z\n", "must be later than starts_at", id="ends"),
    ],
)
def test_a_broken_case_is_refused(tmp_path, purpose, text, message):
    with pytest.raises(PolicyError, match=r"recall\.yaml") as raised:
        load(tmp_path, purpose, text)
    assert message in str(raised.value)
