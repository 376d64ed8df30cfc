"""The catalogue page: complete, right, safe to hand out, and the same for the same lake."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from itertools import pairwise

import polars as pl
import pytest
import yaml

from cdp_pipelines.lineage import STOPS, build_purpose_graph, list_locations, list_tables
from cdp_pipelines.marts.mart import build_mart_table
from cdp_pipelines.reports.catalogue import PAGE
from cdp_pipelines.reports.catalogue.drawing import draw_lineage
from cdp_pipelines.schema import CUSTOMER, PARTY
from cdp_pipelines.services.declarations import (
    COMPANY,
    load_all_contracts,
    load_company_controller,
    load_company_register,
)
from tests.commands import run_command

VOID = {"meta", "input", "br"}


class Page(HTMLParser):
    """Text by element, and whether every element that is opened is closed in its turn."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.outside, self.tables, self.texts = [], [], [], {}, []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.outside += [value for name, value in attributes if name in {"src", "href", "action"}]
        if "id" in given:
            self.ids.append(given["id"])
        if tag not in VOID:
            self.open.append((tag, given))

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if any(tag in {"script", "style"} for tag, _ in self.open):
            return
        self.texts.append(data)
        tables = [given["id"] for tag, given in self.open if tag == "details" and given.get("class") == "table"]
        if tables:
            self.tables.setdefault(tables[-1], []).append(data)


@pytest.fixture(scope="module")
def text(sample):
    return (sample.lake.path / PAGE).read_text()


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_every_table_and_column_is_told_with_its_meaning_owner_retention_and_count(page, sample):
    tables = list_tables(load_all_contracts(), load_company_register().values())
    assert len(page.ids) == len(set(page.ids))
    assert {*tables} <= {*page.ids}
    for name, table in tables.items():
        texts = page.tables[name]
        for column in table.columns:
            assert column.name in texts, (name, column.name)
            assert column.description in texts, (name, column.name)
        labels = dict(pairwise(texts))
        assert labels["Owner"].startswith("team:"), name
        assert re.search(r"year|month|day|as long as|evidence", labels["Retention"]), name
        state = sample.lake.describe(table)
        assert labels["Rows"] == (f"{state.row_count:,}" if state else "never written")


def test_owner_retention_and_purposes_of_a_channel_and_a_mart_are_as_declared(page):
    texts = page.tables["raw/beacons"]
    labels = dict(pairwise(texts))
    assert (labels["Owner"], labels["Retention"]) == (
        "team:stores",
        "rows 30 days from the event (channel), and a hold of 30 days",
    )
    assert {"location_services", "analytics", "profile_unification"} <= {*texts}
    texts = page.tables["quarantine/beacons"]
    assert "30 days from the night that refused it, and a hold of 30 days" in texts
    mart = page.tables["mart/email_marketing"]
    assert (
        "3 years from the withdrawal, or the last contact if that is earlier (opening an e-mail does not count as a contact)"
        in mart
    )
    assert "the night of 2024-06-30" in mart


def test_the_page_needs_nothing_from_elsewhere_and_runs_no_script_but_its_own(text, page):
    assert page.outside == []
    assert "://" not in re.sub(r"\s", "", text)
    assert "@import" not in text
    assert "url(" not in text
    assert "default-src 'none'" in text
    assert len(re.findall(r"<script", text)) == 1
    assert not re.search(r"\son[a-z]+=", text)


def test_the_page_tells_no_value_of_a_person(text, sample):
    party, customer = sample.lake.read(PARTY), sample.lake.read(CUSTOMER)
    values = [
        *(party[name] for name in ("email", "phone", "street", "loyalty_card", "account_id", "device_id", "handle")),
        customer["customer_id"],
        customer["last_name"],
    ]
    shown = {value for each in values for value in each.drop_nulls().cast(pl.String) if len(value) > 3}
    assert len(shown) > 500
    words = {*re.findall(r"[\w@.+:'-]+", text)}
    assert not [value for value in shown if value in words]


def test_the_command_writes_the_page_that_the_night_wrote(text, sample, tmp_path):
    words = ("catalogue", "--lake", sample.lake.path, "--format", "html", "--output", tmp_path / "c.html")
    done = run_command(*words)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "c.html").read_text() == text


@pytest.mark.parametrize("key", [key for key, each in load_company_register().items() if each.columns])
def test_a_picture_shows_each_column_and_each_field_that_it_comes_from(key):
    graph = build_purpose_graph(load_company_register()[key], load_all_contracts())
    paths = {
        name: graph.find_paths(f"mart/{key}.{name}", STOPS)
        for name in build_mart_table(load_company_register()[key]).schema
    }
    picture = ET.fromstring(draw_lineage(f"mart/{key}", paths))  # noqa: S314
    rows = {}
    for text in picture.iter("text"):
        rows.setdefault(text.get("class"), []).append(text.text)
    ends = {path.end for each in paths.values() for path in each}
    assert sorted(rows["c"]) == sorted(
        next(path.category or "exempt" for each in paths.values() for path in each if path.end == end) for end in ends
    )
    assert {end.rpartition(".")[0] for end in ends} <= {*rows["h"]}
    assert {*paths} | {end.rpartition(".")[2] for end in ends} <= {*rows[None]}
    # Nothing is drawn outside, and no box lies over another.
    width, height = (float(each) for each in picture.get("viewBox").split()[2:])
    boxes = [[float(each.get(name)) for name in ("x", "y", "width", "height")] for each in picture.iter("rect")]
    for at, (x, y, w, h) in enumerate(boxes):
        assert x >= 0
        assert x + w <= width
        assert y + h <= height
        for other_x, other_y, _, other_h in boxes[at + 1 :]:
            assert x != other_x or y + h <= other_y or other_y + other_h <= y


def test_where_data_is_collected_is_what_the_channels_declare():
    """From the YAML alone."""
    expected = set()
    for path in COMPANY.glob("channels/*/defs.yaml"):
        channel = yaml.safe_load(path.read_text())["attributes"]
        of_key = channel["fields"][channel["key"]].get("category", "other")
        for field in channel["fields"].values():
            expected.add((field.get("category", of_key), channel["system"], channel["region"]))
    found = list_locations(load_all_contracts(), load_company_register(), load_company_controller().region)
    assert {(each.category, each.system, each.region) for each in found if each.kind == "collected"} == expected
    assert not any(category == "other" for category, _, _ in expected)


def test_where_data_goes_is_what_the_purposes_declare():
    found = list_locations(load_all_contracts(), load_company_register(), "XX")
    received = {(each.system, each.region, mart) for each in found if each.kind == "received" for mart in each.holds}
    for key, purpose in load_company_register().items():
        countries = {each.recipient: each.country for each in purpose.transfers}
        for recipient in purpose.recipients if purpose.columns else ():
            of_mart = [each for each in found if each.kind == "served" and f"mart/{key}" in each.holds]
            if of_mart:
                assert (recipient, countries.get(recipient), f"mart/{key}") in received
            assert {each.category for each in of_mart} <= {*purpose.data_categories}
    assert {each.region for each in found if each.kind in {"kept", "served"}} == {"XX"}
