"""`cdp lineage trace`: a column, and every raw field that it derives from."""

from cdp_pipelines.errors import CdpError
from cdp_pipelines.lineage import STOPS, ColumnGraph, LineagePath, column_graph, purpose_graph
from cdp_pipelines.services.declarations import load_all_contracts, load_company_register
from cdp_pipelines.services.document import Document, Section


def trace_lineage(column: str) -> Document:
    """The paths of a column, or of all columns of a table; `CdpError` where there is no such."""
    graph = _graph(column)
    names = [name for name in graph.sources if column in {name, name.rpartition(".")[0]}]
    if not names:
        raise CdpError(f"no table has {column!r}; a full name is layer/table.column, or layer/table")
    ways = {name: graph.back(name, STOPS) for name in names}
    paths = [path for each in ways.values() for path in each]
    sections = [
        Section(name, [_row(path) for path in each], empty="a constant, or said by the register or the night")
        for name, each in ways.items()
    ]
    exempt = dict.fromkeys(path.end for path in paths if path.end in STOPS)
    if exempt:
        sections.append(Section("Exempt", [{"column": name, "because": STOPS[name].because} for name in exempt]))
    raw = {path.end: path.category for path in paths if path.end not in STOPS}
    categories = ", ".join(sorted({each for each in raw.values() if each})) or "none"
    return Document(f"Where {column} comes from", f"{len(raw)} raw fields; data categories: {categories}", sections)


def _graph(column: str) -> ColumnGraph:
    """That of its purpose where the column is of a mart, else that of the whole lake."""
    layer, _, rest = column.partition("/")
    purpose = load_company_register().get(rest.partition(".")[0]) if layer == "mart" else None
    return (
        purpose_graph(purpose, load_all_contracts())
        if purpose and purpose.columns
        else column_graph(load_all_contracts())
    )


def _row(path: LineagePath) -> dict[str, str]:
    category = "exempt" if path.end in STOPS else path.category or ""
    return {"category": category, "path": " <- ".join(path.columns[1:])}
