"""The quality report: each gate's latest result is kept in the lake, and the page is drawn anew from all of them."""

import json
import os
from datetime import date
from pathlib import Path

from expectations.gate import GateResult
from expectations.report import render
from warehouse.lake import Lake

PAGE = Path("reports") / "quality.html"


def keep(lake: Lake, result: GateResult, night: date) -> None:
    """Keep a gate's result and draw `reports/quality.html` anew. Results hold counts and names, never a value."""
    folder = lake.path / PAGE.parent / "checks"
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(
        folder / f"{result.table.replace('/', '.')}.json", json.dumps({"night": str(night), "result": result.to_json()})
    )
    results = kept(lake)
    page = render(
        results.values(),
        title="Data quality",
        generated_for=f"the lake as of the night of {max(night for _, night in results.values())}",
    )
    write_whole(lake.path / PAGE, page)


def kept(lake: Lake) -> dict[str, tuple[GateResult, date]]:
    """Each table's latest result and its night, by name of the table."""
    told = [json.loads(path.read_text()) for path in sorted((lake.path / PAGE.parent / "checks").glob("*.json"))]
    results = [(GateResult.from_json(each["result"]), date.fromisoformat(each["night"])) for each in told]
    return {result.table: (result, night) for result, night in results}


def write_whole(path: Path, text: str) -> None:
    """Whole or not at all: a reader never sees half a page."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.replace(path)
