"""A column, and every raw field that it derives from.

Here belongs the answer about one column or table. The graph itself is in `cdp_pipelines.lineage`.
"""

from cdp_pipelines.errors import UnknownNameError
from cdp_pipelines.lineage import STOPS, ColumnGraph, LineagePath, build_column_graph, build_purpose_graph
from cdp_pipelines.services.declarations import load_all_contracts, load_company_register
from cdp_pipelines.services.document import Document, Section


def trace_lineage(column: str) -> Document:
    """The paths of a column, or of all columns of a table; `UnknownNameError` where there is none of this name."""
    graph = _graph(column)
    names = [name for name in graph.sources if column in {name, name.rpartition(".")[0]}]
    if not names:
        raise UnknownNameError("table or column", column, _names(graph, with_columns="." in column))
    paths = {name: graph.find_paths(name, STOPS) for name in names}
    ends = [path for each in paths.values() for path in each]
    rows = [{"column": name, **row} for name, each in paths.items() for row in _rows(each)]
    exempt = dict.fromkeys(path.end for path in ends if path.end in STOPS)
    raw = {path.end: path.category for path in ends if path.end not in STOPS}
    categories = ", ".join(sorted({each for each in raw.values() if each})) or "none"
    return Document(
        f"Lineage of {column}",
        f"{len(raw)} raw fields; data categories: {categories}.",
        [
            Section("paths", rows, "Each step back to the raw field, with the data category of the field"),
            Section(
                "exempt",
                [{"column": name, "reason": STOPS[name].reason} for name in exempt],
                "Columns where the check of data categories ends, and why",
            ),
        ],
    )


def _names(graph: ColumnGraph, *, with_columns: bool) -> set[str]:
    marts = {f"mart/{key}" for key, purpose in load_company_register().items() if purpose.columns}
    tables = marts | {name.rpartition(".")[0] for name in graph.sources}
    return tables | set(graph.sources) if with_columns else tables


def _graph(column: str) -> ColumnGraph:
    """That of its purpose where the column is of a mart, else that of the whole lake."""
    layer, _, rest = column.partition("/")
    purpose = load_company_register().get(rest.partition(".")[0]) if layer == "mart" else None
    if purpose and purpose.columns:
        return build_purpose_graph(purpose, load_all_contracts())
    return build_column_graph(load_all_contracts())


def _rows(paths: list[LineagePath]) -> list[dict[str, object]]:
    if not paths:
        return [{"data_category": None, "path": "a constant, or a value of the register or of the night"}]
    return [
        {
            "data_category": "exempt" if path.end in STOPS else path.category,
            "path": " <- ".join(path.columns[1:]),
        }
        for path in paths
    ]
