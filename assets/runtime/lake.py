"""The lake as a Dagster resource, and what every asset of ours has in common: its spec, its gate, its night."""

import inspect
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
from deltalake.exceptions import CommitFailedError

from cdp_pipelines.errors import CdpError
from cdp_pipelines.reports.quality import write_quality_page
from cdp_pipelines.schema import RUN, Table
from cdp_pipelines.services import checked_write
from cdp_pipelines.services.checked_write import (
    GATE,
    CheckFailedError,
    StagedWrite,
    TableCheck,
    TableWrite,
    WriteReport,
)
from expectations.result import GateResult
from warehouse.delta.lake import Lake

DROPS = dg.DynamicPartitionsDefinition(name="drop_date")
# What may fail by chance, a full disk or another writer's commit, is worth another try; a failed gate is not.
RETRY_POLICY = dg.RetryPolicy(max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL)
TRANSIENT_ERRORS = (OSError, CommitFailedError)
Build = Callable[[dg.AssetExecutionContext, "LakeResource"], WriteReport | Iterator]


class LakeResource(dg.ConfigurableResource):
    """Where the drops come from and where the lake lies. A run holds the lake as its only writer."""

    drops: str
    lake: str

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["LakeResource"]:
        """Keep other writers out while a run goes on; the sensor only looks, and holds nothing."""
        if context.run is None:
            yield self
            return
        with self.open.lock_writer():
            yield self

    @property
    def open(self) -> Lake:
        """The lake."""
        return Lake(Path(self.lake).absolute())

    @property
    def drop_folder(self) -> Path:
        """The drop folder."""
        return Path(self.drops).absolute()

    def night(self, context: dg.AssetExecutionContext) -> date:
        """The night that the run brings the lake to: its newest partition, and never one before the lake's own."""
        known = self.open.scan(RUN).select(pl.col("night").max()).collect().item()
        return max([date.fromisoformat(key) for key in context.partition_keys] + ([known] if known else []))

    def as_of(self, context: dg.AssetExecutionContext) -> datetime:
        """Logical time of the run: the end of its night, in UTC."""
        return end_of(self.night(context))


def lake_resource() -> LakeResource:
    """The lake named by CDP_LAKE and CDP_DROPS in the environment; `cdp` sets both."""
    return LakeResource(drops=dg.EnvVar("CDP_DROPS"), lake=dg.EnvVar("CDP_LAKE"))


def read_setting(name: str, default: str) -> str:
    """A setting that must be known when the definitions load."""
    return os.environ.get(name, default)


def end_of(night: date) -> datetime:
    """The instant at which a night's data is complete: midnight UTC after it."""
    return datetime(night.year, night.month, night.day, tzinfo=UTC) + timedelta(days=1)


def asset_key(table: str) -> dg.AssetKey:
    """The asset of a table: the same words."""
    return dg.AssetKey(table.split("/"))


def build_spec(
    table: Table, *, deps: Sequence[str], owner: str, kinds: Sequence[str] = ("polars", "deltalake"), **tags: str
) -> dg.AssetSpec:
    """The asset spec of a table, with its column schema, each column's description naming its sources."""
    return dg.AssetSpec(
        key=asset_key(table.name),
        deps=[asset_key(name) for name in deps],
        description=table.description,
        group_name=table.name.split("/")[0],
        owners=[owner],
        kinds=set(kinds),
        tags={"layer": table.name.split("/")[0], **tags},
        partitions_def=DROPS,
        code_version="1",
        metadata={
            "key": ", ".join(table.key),
            "personal columns": ", ".join(sorted(table.personal)) or "none",
            "dagster/column_schema": _schema(table),
        },
    )


def _gate_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        GATE,
        asset=key,
        blocking=True,
        description=f"The suite of expectations/ for {'/'.join(key.path)}, run on the rows before they are written",
    )


def lake_assets(
    specs: Sequence[dg.AssetSpec], checks: Sequence[dg.AssetCheckSpec] = (), name: str | None = None
) -> Callable[[Build], dg.AssetsDefinition]:
    """Make `build(context, lake)`, which gives a `WriteReport`, the asset of these tables, each behind its gate.

    It takes part in backfills as a single run over all their nights, and is tried again after what chance may cause.
    Any other error reaches Dagster's log by its type and place alone: messages of the table libraries show rows.
    """

    def decorate(build: Build) -> dg.AssetsDefinition:
        @dg.multi_asset(
            name=name or build.__name__,
            specs=specs,
            check_specs=[*(_gate_spec(each.key) for each in specs), *checks],
            backfill_policy=dg.BackfillPolicy.single_run(),
            retry_policy=RETRY_POLICY,
        )
        def asset(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
            with redact_errors():
                if inspect.isgeneratorfunction(build):
                    yield from build(context, lake)
                else:
                    yield from report_writes(lake.open, lambda: build(context, lake))

        return asset

    return decorate


@contextmanager
def redact_errors() -> Iterator[None]:
    """Tell of an error no more than its type and place, but for those whose text is ours."""
    try:
        yield
    except (dg.Failure, dg.RetryRequested, CdpError):
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, its message may quote a person
        describe_failure = f"{type(error).__module__}.{type(error).__name__} at {_place(error)}"
        is_chance = isinstance(error, TRANSIENT_ERRORS)
    else:
        return
    # Python makes the first error the context of whatever a with block's end raises, and Dagster writes contexts down.
    raise dg.Failure(describe_failure, allow_retries=is_chance) from None


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-6:]))


def check_and_write(
    lake: Lake, night: date, *staged: StagedWrite
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    """Check every frame, then write them all; a failed check leaves every table as it was and fails the step."""
    yield from report_writes(lake, lambda: checked_write.check_and_write(lake, night, *staged))


def report_writes(lake: Lake, write: Callable[[], WriteReport]) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    """Run a step that checks and writes, draw the quality page anew, and report the step to Dagster."""
    try:
        report = write()
    except CheckFailedError as error:
        yield from _report_checks(lake, error.checks)
        failure = str(error)
    else:
        yield from _report_checks(lake, report.checks)
        yield from (_materialize_result(each, report.night) for each in report.writes)
        return
    raise dg.Failure(failure, allow_retries=False)


def _report_checks(lake: Lake, checks: Sequence[TableCheck]) -> Iterator[dg.AssetCheckResult]:
    if any(check.result for check in checks):
        write_quality_page(lake)
    yield from (_check_result(check) for check in checks)


def _materialize_result(write: TableWrite, night: date | None) -> dg.MaterializeResult:
    return dg.MaterializeResult(
        asset_key=asset_key(write.table.name),
        metadata={
            "dagster/row_count": write.written.row_count,
            "bytes": write.written.byte_count,
            "delta version": write.written.version,
            "changed": write.written.is_changed,
            "night": str(night),
            "dagster/column_schema": _schema(write.table),
            "dagster/column_lineage": _lineage(write.table),
            **{label: _metadata_value(value) for label, value in write.metadata.items()},
        },
    )


def _metadata_value(value: object) -> object:
    """Counts by name become a list for people, what is nested becomes JSON; the rest is as it was."""
    match value:
        case dict() if all(isinstance(each, int | str) for each in value.values()):
            lines = (
                f"- {name}: {each:,}" if isinstance(each, int) else f"- {name}: {each}" for name, each in value.items()
            )
            return dg.MetadataValue.md("\n".join(lines) or "none")
        case dict() | list():
            return dg.MetadataValue.json(value)
        case Path():
            return dg.MetadataValue.path(value)
        case _:
            return value


def count_by_channel(rows: pl.DataFrame) -> dg.MetadataValue:
    """How many rows each channel gave."""
    counted = rows["channel"].value_counts().sort("channel")
    return dg.MetadataValue.md("\n".join(f"- {channel}: {n:,}" for channel, n in counted.iter_rows()))


def _check_result(check: TableCheck) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=asset_key(check.table.name),
        check_name=check.name,
        passed=check.is_passed,
        description=check.description,
        metadata=_describe_result(check.result) if check.result else dict(check.metadata),
    )


def _describe_result(result: GateResult) -> dict[str, object]:
    columns = ("expectation", "column", "severity", "rows failed")
    failed = [
        (
            each.expectation,
            each.column or "",
            each.severity,
            "" if each.failed_count is None else str(each.failed_count),
        )
        for each in result.broken
    ]
    return {
        "rows checked": result.row_count,
        "expectations": result.expectation_count,
        "passed": result.passed_count,
        "broken": dg.TableMetadataValue(
            records=[dg.TableRecord(dict(zip(columns, row, strict=True))) for row in failed],
            schema=dg.TableSchema([dg.TableColumn(name) for name in columns]),
        ),
    }


def _schema(table: Table) -> dg.TableSchema:
    return dg.TableSchema(
        [
            dg.TableColumn(
                column.name,
                str(column.dtype),
                description=column.description
                + (f". From {', '.join(column.sources)}" if column.sources else "")
                + (". Personal" if column.is_personal else ""),
            )
            for column in table.columns
        ]
    )


def _lineage(table: Table) -> dg.TableColumnLineage:
    return dg.TableColumnLineage(
        {
            column.name: [
                dg.TableColumnDep(asset_key(source.rpartition(".")[0]), source.rpartition(".")[2])
                for source in column.sources
            ]
            for column in table.columns
            if column.sources
        }
    )
