"""Minimisation by lineage: no column of a mart derives from data that its purpose does not permit.

Sources: GDPR Art. 5(1)(c) and 25(2). A mart's column is judged by the data categories of every raw field that it
derives from, however far back and through whatever hash, score, count or join. Two things that every mart needs derive
from more than the mart may hold, and are processing of their own with a purpose and a basis of their own; they are
declared here, each with its reason, and where another purpose answers for one, its own categories must cover it:

- *whose* a row is: customers are found under `profile_unification`;
- *whether* and by what right a row is there: decisions are made to have a lawful basis and to be able to show it.

Neither gives a mart a value: a contact point of a decision is one, and is no exception.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdp_pipelines.errors import PolicyError
from cdp_pipelines.lineage.graph import ColumnGraph, LineageError, LineagePath, column_graph, purpose_graph
from cdp_pipelines.marts.mart import build_mart_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cdp_pipelines.channels.contract import ChannelContract
    from cdp_pipelines.purposes.purpose import Purpose


@dataclass(frozen=True, slots=True)
class Exemption:
    """Columns that a mart may derive from, whatever they derive from themselves, and why.

    `under` is the purpose that answers for them, by whose data categories they are judged instead; None where a duty
    of the controller does.
    """

    columns: tuple[str, ...]
    under: str | None
    because: str


EXEMPTIONS = (
    Exemption(
        ("identity/cluster.customer_id",),
        "profile_unification",
        "Whose a row is. Which records are one customer is found for profile_unification, on its own basis; the id "
        "that comes of it says nothing that any record says.",
    ),
    Exemption(
        ("standardised/party.source_record_id",),
        None,
        "The name of a record of a person, used as a name alone: to find the record again and to name a customer after "
        "it. What the record says is judged field by field.",
    ),
    Exemption(
        tuple(
            f"consent/decision.{name}"
            for name in ("is_allowed", "reason", "since_at", "evidence", "ledger_position", "valid_from", "valid_to")
        ),
        None,
        "Whether a row may be there, since when and on what evidence. The controller must have a lawful basis for each "
        "person and be able to show it (Art. 5(2), 6(1), 7(1), 24), whatever that takes; a mart gets the answer.",
    ),
)
STOPS = {column: each for each in EXEMPTIONS for column in each.columns}


def check_minimised(purpose: Purpose, contracts: Mapping[str, ChannelContract], file: str) -> None:
    """Refuse a purpose whose mart has a column that derives from a category that it does not name.

    `PolicyError` names the file, each such column, and the path on which the data comes.
    """
    if not purpose.columns:
        return
    try:
        graph = purpose_graph(purpose, contracts)
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
    """Refuse a register of which any purpose's mart, or what the marts are exempt for, takes more than it names.

    `files` gives the file of a purpose, for the message.
    """
    for key, purpose in register.items():
        check_minimised(purpose, contracts, files(key))
    graph = column_graph(contracts)
    for each in EXEMPTIONS:
        if each.under in register:
            permitted = register[each.under].data_categories
            beyond = [path for column in each.columns for path in _beyond(graph, column, permitted)]
            if beyond:
                told = f"{beyond[0].category} is needed for {beyond[0].columns[0]}, and is not among them: {beyond[0]}"
                raise PolicyError(files(each.under), (("data_categories", told),))


def describe_origins(purpose: Purpose, contracts: Mapping[str, ChannelContract]) -> list[str]:
    """Each column of a mart with the raw fields that it derives from, and their categories, in a line."""
    graph = purpose_graph(purpose, contracts)
    lines = []
    for column in build_mart_table(purpose).columns:
        paths = graph.back(f"mart/{purpose.key}.{column.name}", STOPS)
        ends = [f"{path.end} ({path.category or ('exempt' if path.end in STOPS else 'no category')})" for path in paths]
        lines.append(f"{column.name}: {', '.join(ends) or 'made of nothing that was delivered'}")
    return lines


def _beyond(graph: ColumnGraph, column: str, permitted: Iterable[str]) -> list[LineagePath]:
    """A shortest path from a column to each category that is not permitted, no further back than what is exempt."""
    first: dict[str | None, LineagePath] = {}
    for path in graph.back(column, STOPS):
        first.setdefault(path.category, path)
    return [path for category, path in first.items() if category is not None and category not in permitted]
