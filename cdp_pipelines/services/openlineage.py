"""The last night as OpenLineage events (https://openlineage.io), for lineage servers such as Marquez.

Each table is the output of a run of its own job, and each gate is a job that reads the table and asserts what its suite
expects. A run is named by job and night and its times are the night's, so that the same night gives the same events.
What OpenLineage has no words for, data categories and purposes, are facets of our own, whose schemas lie beside this
file in `openlineage_facets/`.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from importlib.metadata import version
from uuid import NAMESPACE_URL, uuid5

import attr
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    DatasetFacet,
    column_lineage_dataset,
    data_quality_assertions_dataset,
    documentation_dataset,
    nominal_time_run,
    output_statistics_output_dataset,
    ownership_dataset,
    schema_dataset,
)
from openlineage.client.serde import Serde

from cdp_pipelines.services.catalogue import Facts, TableFacts
from expectations.result import GateResult

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


def build_events(facts: Facts, namespace: str) -> list[RunEvent]:
    """START and COMPLETE of the run of each table's job and of each gate, as of the lake's last night."""
    found = []
    for each in facts.tables:
        if each.rows is None:
            continue
        tables = dict.fromkeys(source.rpartition(".")[0] for column in each.table.columns for source in column.sources)
        inputs = [InputDataset(namespace, name) for name in tables if name != each.table.name]
        found += _run(facts, namespace, each.table.name, inputs, [_output(each, namespace)])
        if each.quality:
            asserted = {"dataQualityAssertions": _assertions(each.quality)}
            read = [InputDataset(namespace, each.table.name, inputFacets=asserted)]
            found += _run(facts, namespace, f"expectations/{each.table.name}", read, [])
    return found


def render_lines(build_events: Iterable[RunEvent]) -> str:
    """One JSON object a line, keys sorted."""
    return "".join(Serde.to_json(each) + "\n" for each in build_events)


def _run(
    facts: Facts, namespace: str, job: str, inputs: list[InputDataset], outputs: list[OutputDataset]
) -> list[RunEvent]:
    begin = datetime.combine(facts.night, time(), UTC)
    end = begin + timedelta(days=1)
    nominal = nominal_time_run.NominalTimeRunFacet(begin.isoformat(), end.isoformat(), producer=PRODUCER)
    run = Run(str(uuid5(NAMESPACE_URL, f"{namespace}/{job}/{facts.night}")), {"nominalTime": nominal})
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
            [column_lineage_dataset.InputField(namespace, *source.rsplit(".", 1)) for source in column.sources]
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
    of = {"producer": PRODUCER}
    facets = {
        "schema": schema_dataset.SchemaDatasetFacet(schema, **of),
        "documentation": documentation_dataset.DocumentationDatasetFacet(table.description, **of),
        "ownership": ownership_dataset.OwnershipDatasetFacet(owners, **of),
        "cdp_dataCategories": DataCategoriesDatasetFacet(categories, **of),
        "cdp_purposes": PurposesDatasetFacet(list(each.purposes), each.retention, **of),
    }
    if lineage:
        facets["columnLineage"] = column_lineage_dataset.ColumnLineageDatasetFacet(lineage, **of)
    counted = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=each.rows, **of)
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
