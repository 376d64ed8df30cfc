"""Asset specs from declared tables: key, description, owner, column schema and column lineage.

What Dagster shows of a table before any run belongs here; what a run reports is in `results`.
"""

from collections.abc import Iterable

import dagster as dg

from cdp_pipelines.schema import Table
from cdp_pipelines.services.checked_write import GATE
from cdp_pipelines.services.declarations import load_company

DROPS = dg.DynamicPartitionsDefinition(name="drop_date")
# For errors that another try may remove. A failed check is not one of them.
RETRY_POLICY = dg.RetryPolicy(max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL)


def asset_key(table: str) -> dg.AssetKey:
    """The asset key of a table, by its full name."""
    return dg.AssetKey(table.split("/"))


def find_owner(table: str) -> str:
    """The owner that the company declares for a table, by its full name."""
    return load_company().find_owner(table)


def build_spec(
    table: Table,
    *,
    deps: Iterable[Table | str],
    owner: str | None = None,
    kinds: Iterable[str] = ("polars", "deltalake"),
    **tags: str,
) -> dg.AssetSpec:
    """The asset spec of a table. `deps`: tables, or full names. `owner`: by default the company's."""
    layer = table.name.split("/", maxsplit=1)[0]
    return dg.AssetSpec(
        key=asset_key(table.name),
        deps=[asset_key(each if isinstance(each, str) else each.name) for each in deps],
        description=table.description,
        group_name=layer,
        owners=[owner or find_owner(table.name)],
        kinds=set(kinds),
        tags={"layer": layer, **tags},
        partitions_def=DROPS,
        code_version="1",
        metadata={
            "key": ", ".join(table.key),
            "personal columns": ", ".join(sorted(table.personal)) or "none",
            "dagster/column_schema": describe_schema(table),
        },
    )


def build_gate_spec(key: dg.AssetKey, *, is_blocking: bool) -> dg.AssetCheckSpec:
    """The check that runs a table's suite before each write. `is_blocking`: its failure stops what follows."""
    return dg.AssetCheckSpec(
        GATE,
        asset=key,
        blocking=is_blocking,
        description=f"The suite of expectations/ for {'/'.join(key.path)}, run on the rows before they are written",
    )


def describe_schema(table: Table) -> dg.TableSchema:
    """The columns of a table; each description also names the column's sources and whether it is personal."""
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


def describe_lineage(table: Table) -> dg.TableColumnLineage:
    """The source columns of each column of a table."""
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
