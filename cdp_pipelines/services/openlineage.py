"""The last night as OpenLineage events (https://openlineage.io), for lineage servers such as Marquez.

Each table is the output of a run of its own job, and each gate is a job that reads the table and asserts what its suite
expects. A run is named by job and night and its times are the night's, so that the same night gives the same events.
What OpenLineage has no words for, data categories and purposes, are facets of our own, whose schemas lie beside this
file in `openlineage_facets/`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from importlib.metadata import version
from uuid import NAMESPACE_URL, uuid5

import attr
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    DatasetFacet,
    InputDatasetFacet,
    column_lineage_dataset,
    data_quality_assertions_dataset,
    documentation_dataset,
    nominal_time_run,
    output_statistics_output_dataset,
    ownership_dataset,
    schema_dataset,
)
from openlineage.client.serde import Serde

from cdp_pipelines.errors import CdpError
from cdp_pipelines.services.catalogue import Facts, TableFacts, collect_facts
from expectations.result import GateResult
from warehouse.delta.lake import Lake

PRODUCER = f"urn:cdp_pipelines:{version('cdp-pipelines')}"
FACETS = "urn:cdp_pipelines:facet"


@attr.define
class DataCategoriesDatasetFacet(DatasetFacet):
    """Data categories that each column derives from, which are personal, and which are exempt and why."""

    fields: dict[str, dict[str, object]]

    @staticmethod
    def _get_schema() -> str:
        return f"{FACETS}:DataCategoriesDatasetFacet:1-0-0"


@attr.define
class PurposesDatasetFacet(DatasetFacet):
    """Purposes that a table is collected or used for, and how long it is kept."""

    purposes: list[str]
    retention: str

    @staticmethod
    def _get_schema() -> str:
        return f"{FACETS}:PurposesDatasetFacet:1-0-0"


@dataclass(frozen=True)
class ExportedEvents:
    """The events of a night, one JSON object a line."""

    night: date
    count: int
    text: str


def export_last_night(lake: Lake, owners: Mapping[str, str], namespace: str) -> ExportedEvents:
    """The lake's last night as text; `owners` by full name of the table; `CdpError` where there was no night."""
    facts = collect_facts(lake, owners)
    if facts.night is None:
        raise CdpError(f"{lake.path} has no night yet; `cdp run` makes one")
    events = build_events(facts, facts.night, namespace)
    return ExportedEvents(facts.night, len(events), render_lines(events))


def build_events(facts: Facts, night: date, namespace: str) -> list[RunEvent]:
    """START and COMPLETE of the run of each table's job and of each gate, as of a night."""
    events: list[RunEvent] = []
    for each in facts.tables:
        if each.rows is None:
            continue
        tables = dict.fromkeys(source.rpartition(".")[0] for column in each.table.columns for source in column.sources)
        inputs = [InputDataset(namespace, name) for name in tables if name != each.table.name]
        events += _run(night, namespace, each.table.name, inputs, [_output(each, namespace)])
        if each.quality:
            asserted: dict[str, InputDatasetFacet] = {"dataQualityAssertions": _assertions(each.quality)}
            read = [InputDataset(namespace, each.table.name, inputFacets=asserted)]
            events += _run(night, namespace, f"expectations/{each.table.name}", read, [])
    return events


def render_lines(events: Iterable[RunEvent]) -> str:
    """One JSON object a line, keys sorted."""
    return "".join(Serde.to_json(each) + "\n" for each in events)


def _run(
    night: date, namespace: str, job: str, inputs: list[InputDataset], outputs: list[OutputDataset]
) -> list[RunEvent]:
    begin = datetime.combine(night, time(), UTC)
    end = begin + timedelta(days=1)
    nominal = nominal_time_run.NominalTimeRunFacet(begin.isoformat(), end.isoformat(), producer=PRODUCER)
    run = Run(str(uuid5(NAMESPACE_URL, f"{namespace}/{job}/{night}")), {"nominalTime": nominal})
    start = RunEvent(
        eventTime=end.isoformat(), producer=PRODUCER, run=run, job=Job(namespace, job), eventType=RunState.START
    )
    done = attr.evolve(start, eventType=RunState.COMPLETE, inputs=inputs, outputs=outputs)
    return [start, done]


def _output(each: TableFacts, namespace: str) -> OutputDataset:
    table = each.table
    schema = [
        schema_dataset.SchemaDatasetFacetFields(
            column.name, str(column.dtype), column.description, ordinal_position=place
        )
        for place, column in enumerate(table.columns, start=1)
    ]
    lineage = {
        column.name: column_lineage_dataset.Fields(
            [
                column_lineage_dataset.InputField(namespace, table_name, name)
                for table_name, _, name in (source.rpartition(".") for source in column.sources)
            ]
        )
        for column in table.columns
        if column.sources
    }
    categories = {
        column.column.name: {"categories": list(column.categories), "personal": column.column.is_personal}
        | ({"exempt": column.exempt} if column.exempt else {})
        for column in each.columns
    }
    owners = [ownership_dataset.Owner(each.owner)] if each.owner else []
    facets = {
        "schema": schema_dataset.SchemaDatasetFacet(schema, producer=PRODUCER),
        "documentation": documentation_dataset.DocumentationDatasetFacet(table.description, producer=PRODUCER),
        "ownership": ownership_dataset.OwnershipDatasetFacet(owners, producer=PRODUCER),
        "cdp_dataCategories": DataCategoriesDatasetFacet(categories, producer=PRODUCER),
        "cdp_purposes": PurposesDatasetFacet(list(each.purposes), each.retention, producer=PRODUCER),
    }
    if lineage:
        facets["columnLineage"] = column_lineage_dataset.ColumnLineageDatasetFacet(lineage, producer=PRODUCER)
    counted = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=each.rows, producer=PRODUCER)
    return OutputDataset(namespace, table.name, facets=facets, outputFacets={"outputStatistics": counted})


def _assertions(result: GateResult) -> data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet:
    return data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(
        [
            data_quality_assertions_dataset.Assertion(
                assertion=each.type,
                success=each.passed,
                column=each.column,
                severity="error" if each.severity == "critical" else "warn",
                description=each.why,
            )
            for each in result.results
        ],
        producer=PRODUCER,
    )
