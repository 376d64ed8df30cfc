"""Reports of checks and writes, translated to Dagster's results.

The form of reports in Dagster belongs here; checking and writing is in `cdp_pipelines.services`.
"""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import dagster as dg

from assets.runtime.specs import asset_key, describe_lineage, describe_schema
from cdp_pipelines.errors import ServerError
from cdp_pipelines.services.checked_write import CheckFailedError, TableCheck, TableWrite, WriteReport
from cdp_pipelines.services.mart_publication import MartPublication
from expectations.result import GateResult
from warehouse.serving.postgres import Publication

Results = Iterator[dg.AssetCheckResult | dg.MaterializeResult]


def report_writes(write: Callable[[], WriteReport]) -> Results:
    """Run a step that checks and writes, and report it to Dagster.

    A failed check becomes a `Failure` without another try: the same rows would fail again.
    """
    try:
        report = write()
    except CheckFailedError as error:
        yield from map(_report_check, error.checks)
        description = str(error)
    else:
        yield from map(_report_check, report.checks)
        yield from (_report_write(each, report.night) for each in report.writes)
        return
    raise dg.Failure(description, allow_retries=False)


def convert_metadata(value: object) -> object:
    """A value of a service as Dagster's metadata: counts by name as a list for people, other nested values as JSON."""
    match value:
        case dict() if all(isinstance(each, int | str) for each in value.values()):
            lines = (f"- {name}: {f'{each:,}' if isinstance(each, int) else each}" for name, each in value.items())
            return dg.MetadataValue.md("\n".join(lines) or "none")
        case list() | tuple() if all(isinstance(each, str) for each in value):
            return dg.MetadataValue.md("\n".join(f"- {each}" for each in value) or "none")
        case dict() | list() | tuple():
            return dg.MetadataValue.json(value)
        case str() if "\n" in value:
            return dg.MetadataValue.md(value)
        case Path():
            return dg.MetadataValue.path(value)
        case _:
            return value


def _report_check(check: TableCheck) -> dg.AssetCheckResult:
    metadata = {label: convert_metadata(value) for label, value in check.metadata.items()}
    return dg.AssetCheckResult(
        asset_key=asset_key(check.table.name),
        check_name=check.name,
        passed=check.is_passed,
        severity=dg.AssetCheckSeverity.WARN if check.is_warning else dg.AssetCheckSeverity.ERROR,
        description=check.description,
        metadata=_describe_gate(check.result) if check.result else metadata,
    )


def _describe_gate(result: GateResult) -> dict[str, object]:
    columns = ("expectation", "column", "severity", "rows failed")
    failed = [
        (
            each.expectation,
            each.column or "",
            each.severity,
            "" if each.failed_count is None else str(each.failed_count),
        )
        for each in result.failures
    ]
    return {
        "rows checked": result.row_count,
        "expectations": result.expectation_count,
        "expectations passed": result.passed_count,
        "expectations failed": dg.TableMetadataValue(
            records=[dg.TableRecord(dict(zip(columns, row, strict=True))) for row in failed],
            schema=dg.TableSchema([dg.TableColumn(name) for name in columns]),
        ),
    }


def _report_write(write: TableWrite, night: date | None) -> dg.MaterializeResult:
    # The columns are those of the run that wrote them: storing them again takes longer than a step without work.
    columns = {
        "dagster/column_schema": describe_schema(write.table),
        "dagster/column_lineage": describe_lineage(write.table),
    }
    recalled = {"recalled": "Nothing that these rows rest on has changed since they were written"}
    return dg.MaterializeResult(
        asset_key=asset_key(write.table.name),
        metadata={
            "dagster/row_count": write.written.row_count,
            "bytes": write.written.byte_count,
            "delta version": write.written.version,
            "changed": write.written.is_changed,
            "night": str(night),
            **(recalled if write.is_recalled else columns),
            **{label: convert_metadata(value) for label, value in write.metadata.items()},
        },
    )


def report_mart_publication(publication: MartPublication) -> dg.MaterializeResult:
    """The served file, with a check that warns of withheld rows, and two that fail.

    They fail where a mart is not tonight's, and where answers about a mart disagree.
    """
    withheld = {key: count for key, count in publication.withheld_counts.items() if count}
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(publication.path),
            "bytes": publication.path.stat().st_size,
            "changed": publication.is_changed,
            "rows": convert_metadata(publication.row_counts),
            "dagster/row_count": sum(publication.row_counts.values()),
        },
        check_results=[
            dg.AssetCheckResult(
                passed=not publication.held_back,
                check_name="current",
                description="; ".join(
                    f"{key} was held back and is served with the rows of {night or 'no night'}, without people whose "
                    "right has ended since"
                    for key, night in publication.held_back.items()
                )
                or None,
            ),
            dg.AssetCheckResult(
                passed=not publication.disagreements,
                check_name="reconciled",
                description="; ".join(f"{key}: {counts}" for key, counts in publication.disagreements.items()) or None,
            ),
            dg.AssetCheckResult(
                passed=not withheld,
                check_name="rights",
                severity=dg.AssetCheckSeverity.WARN,
                description=", ".join(f"{key}: {count} rows withheld" for key, count in withheld.items()) or None,
                metadata={"withheld": convert_metadata(publication.withheld_counts)},
            ),
        ],
    )


def report_server_publication(publish: Callable[[], Publication]) -> dg.MaterializeResult:
    """What a publication changed on the server. An error of the server is tried again only if it may pass by itself."""
    try:
        publication = publish()
    except ServerError as error:
        raise dg.Failure(
            f"{error}. Every mart on the server is complete, either tonight's or the one before.",
            allow_retries=error.is_passing,
        ) from None
    return dg.MaterializeResult(
        metadata={
            "database": publication.database,
            "changed": ", ".join(publication.changed) or "nothing",
            "rows": convert_metadata(publication.rows),
            "rows inserted": publication.inserted_count,
            "rows deleted": publication.deleted_count,
            "dagster/row_count": sum(publication.rows.values()),
        }
    )
