"""The error of an invalid purpose names the file, the field, what was found and what is allowed."""

from pathlib import Path

import pytest
import yaml

from cdp_pipelines.errors import PolicyError
from cdp_pipelines.purposes import load_register

PURPOSES = Path(__file__).parents[3] / "assets" / "defs" / "demonstration" / "purposes"
VALID = yaml.safe_load((PURPOSES / "email_marketing" / "defs.yaml").read_text())["attributes"]

BROKEN = [
    pytest.param(
        {"lawful_basis": "habit"},
        "lawful_basis: Input should be 'consent', 'contract', 'legal_obligation', 'vital_interests', 'public_interest' "
        "or 'legitimate_interests' (found 'habit')",
        id="basis",
    ),
    pytest.param({"notice": None}, "(the whole): lawful_basis consent needs notice", id="consent_without_notice"),
    pytest.param(
        {"lawful_basis": "contract"}, "(the whole): lawful_basis contract needs contract", id="contract_without_terms"
    ),
    pytest.param({"colour": "red"}, "colour: Extra inputs are not permitted (found 'red')", id="unknown_key"),
    pytest.param({"effective_from": "soon"}, "effective_from: Input should be a valid date", id="effective_from"),
    pytest.param(
        {"columns": [{"name": "x", "source": "customer.shoe_size"}]},
        "source 'customer.shoe_size' does not exist; customer has: customer_id",
        id="unknown_column",
    ),
    pytest.param(
        {"columns": [{"name": "x", "source": "raw.email"}]},
        "source 'raw.email' must begin with one of: customer, decision, measure, subject",
        id="unknown_source",
    ),
    pytest.param(
        {"columns": [{"name": "x", "source": "customer.email"}] * 2},
        "two columns have the same name: x",
        id="duplicate_column_name",
    ),
    pytest.param({"retention": "for ever"}, "retention: String should match pattern", id="retention"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN)
def test_an_invalid_purpose_is_refused(change, message, tmp_path):
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "defs.yaml").write_text(
        yaml.safe_dump({"type": "assets.components.Purpose", "attributes": {**VALID, **change}})
    )
    with pytest.raises(PolicyError) as raised:
        load_register(tmp_path)
    assert f"{folder / 'defs.yaml'}: " in str(raised.value)
    assert message in str(raised.value)
