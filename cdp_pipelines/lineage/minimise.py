"""Minimisation by lineage: no column of a mart derives from data that its purpose does not permit.

Here belong the check and its exemptions; the graph is `graph`. Sources: GDPR Art. 5(1)(c) and 25(2). A column of a mart
is judged by the data categories of every raw field that it derives from, however far back and through any hash, score,
count or join. Two facts that every mart needs derive from more data than the mart may hold. They are processing of
their own, with a purpose and a basis of their own. They are declared here, each with its reason; where another purpose
answers for one, the categories of that purpose must cover it:

- *whose* a row is: customers are resolved under `profile_unification`;
- *whether* and on which basis a row is there: decisions must have a lawful basis and must be able to show it.

Neither puts a value into a mart. The contact point of a decision is a value, so it is not exempt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdp_pipelines.errors import PolicyError
from cdp_pipelines.lineage.graph import ColumnGraph, LineageError, LineagePath, build_column_graph, build_purpose_graph
from cdp_pipelines.marts.mart import build_mart_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cdp_pipelines.channels.contract import ChannelContract
    from cdp_pipelines.purposes.purpose import Purpose


@dataclass(frozen=True, slots=True)
class Exemption:
    """Columns that a mart may derive from, whatever their own sources are, and why.

    `under` is the purpose that answers for them: its data categories must cover them. None where a duty of the
    controller requires them.
    """

    columns: tuple[str, ...]
    under: str | None
    reason: str


EXEMPTIONS = (
    Exemption(
        ("identity/cluster.customer_id",),
        "profile_unification",
        "Whose a row is. Customers are resolved under profile_unification, on its own basis; the customer id reveals "
        "no value of any record.",
    ),
    Exemption(
        ("standardised/party.source_record_id",),
        None,
        "The id of a record of a person, used only to find the record again and to derive a customer id from it. The "
        "fields of the record are judged one by one.",
    ),
    Exemption(
        tuple(
            f"consent/decision.{name}"
            for name in ("is_allowed", "reason", "since_at", "evidence", "ledger_position", "valid_from", "valid_to")
        ),
        None,
        "Whether a row may be there, since when and on which evidence. The controller must have a lawful basis for "
        "each person and be able to show it (Art. 5(2), 6(1), 7(1), 24); a mart receives only the result.",
    ),
)
STOPS = {column: each for each in EXEMPTIONS for column in each.columns}


def check_minimised(purpose: Purpose, contracts: Mapping[str, ChannelContract], file: str) -> None:
    """Refuse a purpose whose mart has a column that derives from a category that the purpose does not name.

    `PolicyError` names the file, each such column, and the path to the raw field.
    """
    if not purpose.columns:
        return
    try:
        graph = build_purpose_graph(purpose, contracts)
        found = [
            (column.name, path)
            for column in build_mart_table(purpose).columns
            for path in _beyond(graph, f"mart/{purpose.key}.{column.name}", purpose.data_categories)
        ]
    except LineageError as error:
        raise PolicyError(file, (("columns", str(error)),)) from None
    permitted = ", ".join(purpose.data_categories)
    if found:
        raise PolicyError(
            file,
            tuple(
                ("columns", f"{name} derives from {path.category}; data_categories has: {permitted}. The path: {path}")
                for name, path in found
            ),
        )


def check_all_minimised(
    register: Mapping[str, Purpose], contracts: Mapping[str, ChannelContract], files: Callable[[str], str]
) -> None:
    """Refuse a register in which a mart, or an exemption under a purpose, derives from categories not named.

    `files` returns the file of a purpose, for the message.
    """
    for key, purpose in register.items():
        check_minimised(purpose, contracts, files(key))
    graph = build_column_graph(contracts)
    for each in EXEMPTIONS:
        if each.under is not None and each.under in register:
            permitted = register[each.under].data_categories
            beyond = [path for column in each.columns for path in _beyond(graph, column, permitted)]
            if beyond:
                problem = f"{beyond[0].category} is missing; {beyond[0].columns[0]} derives from it: {beyond[0]}"
                raise PolicyError(files(each.under), (("data_categories", problem),))


def describe_origins(purpose: Purpose, contracts: Mapping[str, ChannelContract]) -> list[str]:
    """One line per column of a mart: the raw fields that it derives from, with their categories."""
    graph = build_purpose_graph(purpose, contracts)
    lines = []
    for column in build_mart_table(purpose).columns:
        paths = graph.find_paths(f"mart/{purpose.key}.{column.name}", STOPS)
        ends = [f"{path.end} ({path.category or ('exempt' if path.end in STOPS else 'no category')})" for path in paths]
        lines.append(f"{column.name}: {', '.join(ends) or 'no raw field'}")
    return lines


def _beyond(graph: ColumnGraph, column: str, permitted: Iterable[str]) -> list[LineagePath]:
    """A shortest path from a column to each category that is not permitted; paths end at exempt columns."""
    first: dict[str | None, LineagePath] = {}
    for path in graph.find_paths(column, STOPS):
        first.setdefault(path.category, path)
    return [path for category, path in first.items() if category is not None and category not in permitted]
