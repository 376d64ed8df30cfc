"""A wrong contract says which file, which field, what was found and what is allowed."""

from pathlib import Path

import pytest
import yaml

from cdp_pipelines.channels.contract import load_contract, load_contracts
from cdp_pipelines.channels.field import column_name
from cdp_pipelines.errors import PolicyError

CHANNELS = Path(__file__).parents[3] / "assets" / "defs" / "demonstration" / "channels"
SOUND = yaml.safe_load((CHANNELS / "surveys" / "defs.yaml").read_text())["attributes"]

BROKEN = [
    pytest.param(
        {"key": "nope"}, "key names field 'nope', which is not declared; there are: response_id", id="undeclared_key"
    ),
    pytest.param(
        {"format": "xlsx"},
        "format: Input should be 'csv', 'ndjson', 'json_array' or 'parquet' (found 'xlsx')",
        id="format",
    ),
    pytest.param({"colour": "red"}, "colour: Extra inputs are not permitted (found 'red')", id="unknown_key"),
    pytest.param({"retention": "2 years"}, "retention: String should match pattern", id="retention"),
    pytest.param({"party": {"email": "mail"}}, "party.email names field 'mail'", id="undeclared_mapping"),
    pytest.param(
        {"party": {"email": {"match": "@"}}}, "party.email: needs either from or constant", id="value_from_nowhere"
    ),
    pytest.param(
        {"fields": {**SOUND["fields"], "Response ID": {"description": "x"}}},
        "'response_id' and 'Response ID' would both be column 'response_id'",
        id="two_fields_one_column",
    ),
    pytest.param(
        {"fields": {**SOUND["fields"], "day": {"description": "x", "type": "date"}}},
        "type date needs formats",
        id="date_without_format",
    ),
    pytest.param({"title": None}, "title: Input should be a valid string", id="no_title"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN)
def test_broken(change, message):
    with pytest.raises(PolicyError) as raised:
        load_contract("surveys", {**SOUND, **change}, "channels/surveys/defs.yaml")
    assert "channels/surveys/defs.yaml: " in str(raised.value)
    assert message in str(raised.value)


def test_every_channel_loads():
    found = load_contracts(CHANNELS, "US")
    assert len(found) == 15
    assert all(each.name == name and each.raw.name == f"raw/{name}" for name, each in found.items())


@pytest.mark.parametrize(
    ("field", "column"),
    [
        ("E-mail for receipt", "e_mail_for_receipt"),
        ("context.device.advertisingId", "context_device_advertising_id"),
        ("messageId", "message_id"),
        ("reason", "reason_"),
        ("Record", "record_"),
    ],
)
def test_column_name(field, column):
    assert column_name(field) == column
