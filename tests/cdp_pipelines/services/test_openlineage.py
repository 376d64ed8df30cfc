"""The last night as OpenLineage events: valid by the specification's own classes, closed, and the same each time.

The client's classes are generated from the JSON Schema of the specification (2-0-2 and the facets' own), which is not
shipped; `schema_of` turns them back into JSON Schema, closed against unknown fields, and the written lines are held
against it. Facets of our own are held against the schemas that we ship.
"""

import enum
import json
import types
import typing
from copy import deepcopy
from datetime import datetime
from importlib.resources import files
from urllib.parse import urlparse
from uuid import UUID

import attr
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openlineage.client.event_v2 import RunEvent
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    data_quality_assertions_dataset,
    documentation_dataset,
    nominal_time_run,
    output_statistics_output_dataset,
    ownership_dataset,
    schema_dataset,
)
from typer.testing import CliRunner

from cdp_pipelines.cli import app
from cdp_pipelines.lineage import list_tables
from cdp_pipelines.services.declarations import load_all_contracts, load_company_register

FORMATS = {
    "eventTime": "date-time",
    "nominalStartTime": "date-time",
    "nominalEndTime": "date-time",
    "runId": "uuid",
    "producer": "uri",
    "schemaURL": "uri",
    "_producer": "uri",
    "_schemaURL": "uri",
}
# Set by the client where they are left out; required by the specification.
ALWAYS = {"producer", "schemaURL", "_producer", "_schemaURL"}
PLAIN = {str: "string", bool: "boolean", int: "integer", float: "number"}
SHIPPED = {
    path.name.removesuffix(".json"): json.loads(path.read_text())
    for path in (files("cdp_pipelines.services") / "openlineage_facets").iterdir()
}
FACETS = {
    "schema": schema_dataset.SchemaDatasetFacet,
    "documentation": documentation_dataset.DocumentationDatasetFacet,
    "ownership": ownership_dataset.OwnershipDatasetFacet,
    "columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet,
    "nominalTime": nominal_time_run.NominalTimeRunFacet,
    "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
    "dataQualityAssertions": data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet,
    "cdp_dataCategories": SHIPPED["DataCategoriesDatasetFacet"],
    "cdp_purposes": SHIPPED["PurposesDatasetFacet"],
}
formats = FormatChecker(())


@formats.checks("date-time", ValueError)
def _is_instant(value):
    return datetime.fromisoformat(value).tzinfo is not None


@formats.checks("uuid", ValueError)
def _is_uuid(value):
    return str(UUID(value)) == value


@formats.checks("uri", ValueError)
def _is_uri(value):
    return bool(urlparse(value).scheme)


def _of_field(kind, name, hint):
    # Structs within a column: our tables have none.
    is_nested = kind is schema_dataset.SchemaDatasetFacetFields and name == "fields"
    return {"type": "array", "maxItems": 0} if is_nested else schema_of(hint, name)


def _of_class(kind):
    hints = typing.get_type_hints(kind)
    fields = attr.fields(kind)
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {each.name: _of_field(kind, each.name, hints[each.name]) for each in fields},
        "required": [each.name for each in fields if each.default is attr.NOTHING or each.name in ALWAYS],
    }


def _of_mapping(value, name):
    if name not in {"facets", "inputFacets", "outputFacets"}:
        return {"type": "object", "additionalProperties": schema_of(value)}
    known = {key: each if isinstance(each, dict) else schema_of(each) for key, each in FACETS.items()}
    return {"type": "object", "additionalProperties": False, "properties": known}


def schema_of(kind, name=""):
    """JSON Schema of a class of the client, or of the type of one of its fields."""
    parts = typing.get_args(kind)
    match typing.get_origin(kind):
        case origin if origin in {types.UnionType, typing.Union}:
            found = schema_of(next(each for each in parts if each is not types.NoneType), name)
        case origin if origin is list:
            found = {"type": "array", "items": schema_of(parts[0])}
        case origin if origin is dict:
            found = _of_mapping(parts[1], name)
        case _ if attr.has(kind):
            found = _of_class(kind)
        case _ if isinstance(kind, type) and issubclass(kind, enum.Enum):
            found = {"enum": [each.value for each in kind]}
        case _:
            found = {"type": PLAIN[kind]} if kind in PLAIN else {}
    return found | ({"format": FORMATS[name]} if name in FORMATS else {})


@pytest.fixture(scope="module")
def lines(sample, tmp_path_factory):
    output = tmp_path_factory.mktemp("events") / "events.ndjson"
    arguments = ["lineage", "export", "--lake", str(sample.lake.path), "--output", str(output)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    first = output.read_bytes()
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert output.read_bytes() == first
    return first.decode().splitlines()


@pytest.fixture(scope="module")
def events(lines):
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def validator():
    return Draft202012Validator(schema_of(RunEvent), format_checker=formats)


def test_every_event_is_valid(events, validator):
    assert len(events) > 200
    for event in events:
        validator.validate(event)
    used = {name for event in events for each in event["outputs"] for name in each["facets"]}
    assert used == {"schema", "documentation", "ownership", "columnLineage", "cdp_dataCategories", "cdp_purposes"}


BROKEN = [
    pytest.param(lambda event: event.pop("eventTime"), id="no_time"),
    pytest.param(lambda event: event.update(eventTime="2024-06-30T00:00:00"), id="time_without_zone"),
    pytest.param(lambda event: event.update(eventType="DONE"), id="unknown_type"),
    pytest.param(lambda event: event["run"].update(runId="night"), id="run_is_no_uuid"),
    pytest.param(lambda event: event["job"].pop("namespace"), id="job_without_namespace"),
    pytest.param(lambda event: event["outputs"][0].update(rows=1), id="unknown_field"),
    pytest.param(lambda event: event["outputs"][0]["facets"]["schema"].pop("_producer"), id="facet_without_producer"),
    pytest.param(
        lambda event: next(iter(event["outputs"][0]["facets"]["columnLineage"]["fields"].values())).pop("inputFields"),
        id="lineage_without_inputs",
    ),
    pytest.param(
        lambda event: event["outputs"][0]["facets"]["cdp_purposes"].update(purposes="email_marketing"),
        id="purposes_are_no_list",
    ),
    pytest.param(
        lambda event: event["outputs"][0]["facets"]["cdp_dataCategories"]["fields"].update(email={"personal": True}),
        id="column_without_categories",
    ),
]


@pytest.mark.parametrize("spoil", BROKEN)
def test_a_wrong_event_is_noticed(events, validator, spoil):
    event = deepcopy(next(each for each in events if each["job"]["name"] == "mart/email_marketing" and each["outputs"]))
    assert validator.is_valid(event)
    spoil(event)
    assert not validator.is_valid(event)


def test_each_run_starts_and_completes_once_and_has_one_job(events):
    runs = {}
    for event in events:
        runs.setdefault(event["run"]["runId"], []).append((event["eventType"], event["job"]["name"]))
    for states in runs.values():
        assert [kind for kind, _ in states] == ["START", "COMPLETE"]
        assert len({job for _, job in states}) == 1


def test_lineage_is_that_of_the_declared_tables_and_ends_in_columns_that_are_told(events):
    facets_of = {each["name"]: each["facets"] for event in events for each in event["outputs"]}
    tables = list_tables(load_all_contracts(), load_company_register().values())
    # What nobody said yet was never written, and is no output of the night: what clerks decide and put right.
    columns = {(name, column) for name in tables.keys() - facets_of.keys() for column in tables[name].schema}
    assert {name for name, _ in columns} == {"consent/resolution", "golden/rectification", "identity/review"}
    columns |= {(name, field["name"]) for name, facets in facets_of.items() for field in facets["schema"]["fields"]}
    n = 0
    for name, facets in facets_of.items():
        fields = facets.get("columnLineage", {"fields": {}})["fields"]
        given = {
            column: [f"{each['name']}.{each['field']}" for each in field["inputFields"]]
            for column, field in fields.items()
        }
        assert given == {each.name: list(each.sources) for each in tables[name].columns if each.sources}
        for sources in given.values():
            assert {tuple(source.rsplit(".", 1)) for source in sources} <= columns
            n += len(sources)
    assert n > 500
    mail = facets_of["mart/email_marketing"]
    assert mail["cdp_purposes"]["purposes"] == ["email_marketing"]
    assert mail["cdp_dataCategories"]["fields"]["email"] == {"categories": ["contact"], "personal": True}
    assert mail["ownership"]["owners"] == [{"name": "team:privacy"}]


def test_each_gate_asserts_what_its_suite_expects(events):
    gates = {
        event["job"]["name"]: event["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
        for event in events
        if event["job"]["name"].startswith("expectations/") and event["eventType"] == "COMPLETE"
    }
    assert {"expectations/golden/customer", "expectations/mart/email_marketing"} <= {*gates}
    assert all(gates.values())
    assert {each["success"] for assertions in gates.values() for each in assertions if each["severity"] == "error"} == {
        True
    }


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["mart/sms_marketing.phone"], "raw/crm_west.phone", id="column"),
        pytest.param(["mart/sms_marketing"], "raw/preferences.language", id="table"),
        pytest.param(["golden/customer.customer_id"], "identity/cluster.customer_id", id="exempt"),
    ],
)
def test_trace(arguments, expected):
    done = CliRunner().invoke(app, ["lineage", "trace", *arguments, "--format", "json"])
    assert done.exit_code == 0, done.output
    assert expected in json.dumps(json.loads(done.stdout))


def test_trace_of_what_is_not_there():
    done = CliRunner().invoke(app, ["lineage", "trace", "mart/sms_marketing.email"])
    assert done.exit_code == 2
