"""The record of processing of Art. 30(1): the parts of each purpose, its version on a day, and the controller."""

from dataclasses import asdict
from datetime import date
from pathlib import Path

import pytest
import yaml

from cdp_pipelines.errors import PolicyError
from cdp_pipelines.purposes.controller import Controller, load_controller
from cdp_pipelines.purposes.record_of_processing import NO_RECIPIENTS, NONE, PARTS, build_record_of_processing
from tests.cdp_pipelines.consent.inputs import REGISTER

SHOP = {
    "name": "Shop",
    "address": "1 High Street",
    "contact": "privacy@shop.example",
    "supervisory_authority": "Commissioner, 2 High Street",
    "security": ["locks"],
}
CONTROLLER = Controller.model_validate(SHOP)


def find_activity(key: str, day: date):
    return next((each for each in build_record_of_processing(REGISTER, CONTROLLER, day) if each.key == key), None)


@pytest.mark.parametrize(
    ("key", "day", "version"),
    [
        pytest.param("renewed", date(2009, 12, 31), None, id="before_the_first_version"),
        pytest.param("renewed", date(2010, 1, 1), "1", id="on_its_first_day"),
        pytest.param("renewed", date(2011, 2, 28), "1", id="last_day_of_the_first"),
        pytest.param("renewed", date(2011, 3, 1), "2", id="first_day_of_the_second"),
        pytest.param("planned", date(2011, 8, 31), None, id="the_day_before"),
        pytest.param("planned", date(2011, 9, 1), "1", id="planned_for_that_day"),
    ],
)
def test_the_version_in_force_on_a_day(key, day, version):
    found = find_activity(key, day)
    assert (found and found.version) == version


def test_missing_recipients_and_transfers_are_stated():
    found = find_activity("delivery", date(2011, 1, 1))
    assert (found.recipients, found.transfers) == ((NO_RECIPIENTS,), (NONE,))
    assert found.retention == "3 years from the latest record"
    assert found.basis_reference == "opened by order; lasts 1 month"


def test_every_purpose_has_every_part_of_the_record():
    for activity in build_record_of_processing(REGISTER, CONTROLLER, date(2030, 1, 1)):
        values = asdict(activity)
        assert {letter for letter, _ in PARTS.values()} == set("abcdefg")
        assert all(values[name] and all(values[name]) for name in (*values, *PARTS)), activity.key


def test_the_controller_lists_the_contacts_that_are_declared():
    controller = Controller.model_validate(SHOP | {"data_protection_officer": "dpo@shop.example"})
    assert build_record_of_processing(REGISTER, controller, date(2030, 1, 1))[0].controller == (
        "Shop",
        "1 High Street",
        "contact: privacy@shop.example",
        "data protection officer: dpo@shop.example",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(None, "(the whole): the file is missing: the register needs a controller", id="no_file"),
        pytest.param("name: [", "(the whole): is not valid YAML", id="no_yaml"),
        pytest.param(
            yaml.safe_dump(SHOP | {"contact": ""}), "contact: String should have at least 1 character", id="empty"
        ),
        pytest.param(
            yaml.safe_dump(SHOP | {"security": []}), "security: Tuple should have at least 1 item", id="unsafe"
        ),
        pytest.param(yaml.safe_dump(SHOP | {"colour": "red"}), "colour: Extra inputs are not permitted", id="unknown"),
    ],
)
def test_a_broken_controller_is_refused_with_its_error(text, message, tmp_path: Path):
    file = tmp_path / "controller.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(PolicyError) as raised:
        load_controller(file)
    assert str(raised.value).startswith(f"{file}: {message}")


def test_every_field_of_the_controller_names_its_article():
    assert all("Art. " in field.description for field in Controller.model_fields.values())
