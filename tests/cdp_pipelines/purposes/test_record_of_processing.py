"""The record of Art. 30(1): what it says of a purpose, in which version, and who answers for it."""

from dataclasses import asdict
from datetime import date
from pathlib import Path

import pytest
import yaml

from cdp_pipelines.errors import PolicyError
from cdp_pipelines.purposes.controller import Controller, load_controller
from cdp_pipelines.purposes.record_of_processing import NOBODY, NONE, PARTS, build_record_of_processing
from cdp_pipelines.schema.duration import describe_duration
from tests.cdp_pipelines.consent.worlds import REGISTER

SHOP = {"name": "Shop", "address": "1 High Street", "contact": "privacy@shop.example", "security": ["locks"]}
CONTROLLER = Controller.model_validate(SHOP)


def of(key: str, day: date):
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
def test_the_version_of_the_day(key, day, version):
    found = of(key, day)
    assert (found and found.version) == version


def test_what_is_nobody_or_nothing_is_said():
    found = of("delivery", date(2011, 1, 1))
    assert (found.recipients, found.transfers) == ((NOBODY,), (NONE,))
    assert found.retention == "3 years from the latest record"
    assert found.basis_reference == "opened by order; lasts 1 month"


def test_every_part_of_every_purpose_is_answered():
    for each in build_record_of_processing(REGISTER, CONTROLLER, date(2030, 1, 1)):
        told = asdict(each)
        assert {letter for letter, _ in PARTS.values()} == set("abcdefg")
        assert all(told[name] and all(told[name]) for name in (*told, *PARTS)), each.key


def test_controller_names_who_is_there():
    told = Controller.model_validate(SHOP | {"data_protection_officer": "dpo@shop.example"})
    assert build_record_of_processing(REGISTER, told, date(2030, 1, 1))[0].controller == (
        "Shop",
        "1 High Street",
        "contact: privacy@shop.example",
        "data protection officer: dpo@shop.example",
    )


@pytest.mark.parametrize(
    ("duration", "words"),
    [("P1Y", "1 year"), ("P13M", "13 months"), ("P1Y6M", "1 year, 6 months"), ("P180D", "180 days"), ("P1D", "1 day")],
)
def test_durations_for_people(duration, words):
    assert describe_duration(duration) == words


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(None, "(the whole): there is none; a register names its controller", id="no_file"),
        pytest.param("name: [", "(the whole): is no YAML", id="no_yaml"),
        pytest.param(
            yaml.safe_dump(SHOP | {"contact": ""}), "contact: String should have at least 1 character", id="empty"
        ),
        pytest.param(
            yaml.safe_dump(SHOP | {"security": []}), "security: Tuple should have at least 1 item", id="unsafe"
        ),
        pytest.param(yaml.safe_dump(SHOP | {"colour": "red"}), "colour: Extra inputs are not permitted", id="unknown"),
    ],
)
def test_a_broken_controller_says_why(text, message, tmp_path: Path):
    file = tmp_path / "controller.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(PolicyError) as raised:
        load_controller(file)
    assert str(raised.value).startswith(f"{file}: {message}")


def test_every_field_of_the_controller_says_which_article_it_serves():
    assert all("Art. " in field.description for field in Controller.model_fields.values())
