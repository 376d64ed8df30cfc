"""The catalogue: every table and column of the lake with its meaning and its sources, on one page.

Here belongs writing the page. Its HTML is in `page`, its pictures are in `drawing`.
"""

from pathlib import Path
from typing import Any

from cdp_pipelines.reports.catalogue.page import render_catalogue
from cdp_pipelines.services.catalogue import collect_facts
from warehouse.atomic_file import write_atomically
from warehouse.delta.lake import Lake

PAGE = Path("reports") / "catalogue.html"

__all__ = ["PAGE", "read_owners", "write_catalogue"]


def read_owners(graph: Any) -> dict[str, str]:
    """The owner of each asset of a Dagster asset graph, by its full name."""
    return {"/".join(node.key.path): ", ".join(node.owners) for node in graph.asset_nodes}


def write_catalogue(lake: Lake, owners: dict[str, str], page: Path | None = None) -> Path:
    """Write the page of a lake as it is, by default into the lake; its path. `owners`: by full name of the table."""
    page = page or lake.path / PAGE
    page.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(page, render_catalogue(collect_facts(lake, owners)))
    return page
