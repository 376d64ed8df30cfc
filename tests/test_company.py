"""The company is separate from the product: no word of the demonstration stands in the product's Python."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from assets.definitions import check_company
from cdp_pipelines.errors import PolicyError
from cdp_pipelines.policy import load_policy_file
from cdp_pipelines.purposes.company import Company
from cdp_pipelines.purposes.purpose import UNIFICATION
from cdp_pipelines.services.declarations import COMPANY, load_all_contracts, load_company, load_company_register

ROOT = Path(__file__).parents[1]
# Whole files or folders in which words of the demonstration may stand.
EXEMPT = {
    "cdp_pipelines/sample": "generates the exports of the demonstration company",
    "cdp_pipelines/benchmarks": "measures the product on the generated company",
}
# Strings that are words of the demonstration by chance.
ALLOWED = {
    ("cdp_pipelines/schema/vocabulary.py", "social"): "a way to contact a person, beside email, sms, push and post",
}
# A line of a help text that shows a command or an example; it fits the demonstration, so that a reader can paste it.
EXAMPLE = re.compile(r"\bcdp [a-z]|\bfor example\b")


def product_files() -> list[Path]:
    folders = ("cdp_pipelines", "assets", "expectations", "warehouse")
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in files if not any(path.is_relative_to(ROOT / folder) for folder in EXEMPT)]


def demonstration_words() -> set[str]:
    """Keys of its channels and purposes, its owners, its time zone and its name."""
    company, contracts = load_company(), load_all_contracts()
    name = yaml.safe_load((COMPANY / "controller.yaml").read_text())["name"]
    owners = {company.owner, *company.owners.values(), *(contract.owner for contract in contracts.values())}
    return {*contracts, *load_company_register(), *owners, company.time_zone, name} - {UNIFICATION}


def found_words(source: str, words: set[str]) -> set[str]:
    """Words of the demonstration in a module's strings.

    A key of several words counts anywhere; a key that is a word of English counts as a whole string, or in the name
    of a table.
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            continue
        text = "\n".join(line for line in node.value.splitlines() if not EXAMPLE.search(line))
        tokens = {*re.findall(r"[\w:/-]+", text), *re.findall(r"\w+_\w+", text)}
        tables = {*re.findall(r"(?:raw|quarantine|mart)/(\w+)", text)}
        found |= ({token for token in tokens if not token.isalpha() or token == text} | tables) & words
    return found


@pytest.mark.parametrize("path", product_files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_word_of_the_demonstration_stands_in_the_product(path):
    name = path.relative_to(ROOT).as_posix()
    words = found_words(path.read_text(), demonstration_words())
    assert {word for word in words if (name, word) not in ALLOWED} == set()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        pytest.param('"crm_west"', {"crm_west"}, id="channel"),
        pytest.param('f"{x}: read crm_west first"', {"crm_west"}, id="in_a_sentence"),
        pytest.param('{"iot": 1}', {"iot"}, id="key_of_one_word"),
        pytest.param('"raw/iot"', {"iot"}, id="name_of_a_table"),
        pytest.param('"payment of an order"', set(), id="word_of_english"),
        pytest.param('owner="team:data"', {"team:data"}, id="owner"),
        pytest.param('x(zone="Europe/Berlin")', {"Europe/Berlin"}, id="time_zone"),
        pytest.param('"""Text.\n\n  cdp why a@b.c email_marketing\n"""', set(), id="example_of_a_command"),
        pytest.param('"profile_unification"', set(), id="built_in"),
    ],
)
def test_words_are_found(source, words):
    assert found_words(source, demonstration_words()) == words


def test_exemptions_and_allowed_words_are_still_needed():
    words = demonstration_words()
    for folder in EXEMPT:
        assert any(found_words(path.read_text(), words) for path in (ROOT / folder).rglob("*.py")), folder
    for name, word in ALLOWED:
        assert word in found_words((ROOT / name).read_text(), words), name


def test_the_roles_that_the_company_declares_exist():
    company = load_company()
    assert set(company.identity_channels) <= set(load_all_contracts())
    assert {company.evidence_purpose, company.request_purpose} <= set(load_company_register())


def test_another_company_is_read_from_its_folder(tmp_path):
    folder = tmp_path / "company"
    shutil.copytree(COMPANY, folder)
    shutil.rmtree(folder / "channels" / "iot")
    declared = folder / "company.yaml"
    declared.write_text(declared.read_text().replace("phone_region: US", "phone_region: DE"))
    code = (
        "from cdp_pipelines.services.declarations import load_all_contracts as load\n"
        "print(len(load()), *{contract.phone_region for contract in load().values()})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "CDP_COMPANY": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [str(len(load_all_contracts()) - 1), "DE"], done.stderr


def test_dagster_and_the_commands_read_the_same_company(tmp_path):
    check_company(COMPANY.parent, COMPANY)
    with pytest.raises(PolicyError, match=r"CDP_COMPANY.*Both must be the same one"):
        check_company(COMPANY.parent, tmp_path)


BAD = {
    "time_zone": ("Europe/Atlantis", "a name of the IANA time zone database"),
    "phone_region": ("usa", "pattern"),
    "owner": ("nobody", "pattern"),
    "currency": ("EUR", "Extra inputs are not permitted"),
}


@pytest.mark.parametrize("field", BAD)
def test_a_wrong_company_names_file_field_and_what_is_allowed(tmp_path, field):
    value, allowed = BAD[field]
    attributes = yaml.safe_load((COMPANY / "company.yaml").read_text())["attributes"]
    file = tmp_path / "company.yaml"
    file.write_text(yaml.safe_dump({"attributes": attributes | {field: value}}))
    with pytest.raises(PolicyError) as raised:
        load_policy_file(file, Company)
    assert all(part in str(raised.value) for part in (str(file), field, allowed))
