"""The catalogue as a document: all tables in short, or one table with its columns.

Here belongs what a terminal and programs get of the catalogue. The facts are collected by `catalogue`.
"""

from cdp_pipelines.errors import UnknownNameError
from cdp_pipelines.services.catalogue import Facts, TableFacts
from cdp_pipelines.services.document import Document, Section


def list_catalogue(facts: Facts) -> Document:
    """Every table with its rows, owner and retention, and where each category of data is."""
    return Document(
        f"Data catalogue of {facts.controller}",
        f"{len(facts.tables)} tables with {sum(len(each.columns) for each in facts.tables):,} columns; "
        + (f"the lake as of the night of {facts.night}." if facts.night else "the lake is still empty."),
        [
            Section("tables", [_table(each) for each in facts.tables]),
            Section(
                "locations",
                [
                    {"data_category": each.category, "kind": each.kind, "system": each.system, "region": each.region,
                     "holding_count": len(each.holds)}
                    for each in facts.places
                ],
                "Fields, tables or marts with each category of data, by system and region",
            ),
        ],
    )  # fmt: skip


def describe_table(facts: Facts, name: str) -> Document:
    """One table and its columns; `UnknownNameError` where the lake declares no such table."""
    tables = {each.table.name: each for each in facts.tables}
    if name not in tables:
        raise UnknownNameError("table", name, tables)
    table = tables[name]
    columns = [
        {
            "column": each.column.name,
            "type": str(each.column.dtype),
            "is_personal": each.column.is_personal,
            "data_categories": each.categories,
            "description": each.column.description,
            "sources": each.column.sources,
            "used_for": each.used_for,
        }
        for each in table.columns
    ]
    return Document(name, table.table.description, [Section("table", [_table(table)]), Section("columns", columns)])


def _table(facts: TableFacts) -> dict[str, object]:
    return {
        "table": facts.table.name,
        "row_count": facts.rows,
        "night": facts.night,
        "owner": facts.owner,
        "retention": facts.retention,
    }
