"""The latest result of each table's gate, kept in the lake beside the reports. Results hold counts and names only."""

import json
from datetime import date
from pathlib import Path

from expectations.result import GateResult
from warehouse.atomic_file import write_atomically
from warehouse.delta.lake import Lake

FOLDER = Path("reports") / "checks"


def store_result(lake: Lake, result: GateResult, night: date) -> None:
    """Keep the result of a gate in place of the table's earlier one."""
    folder = lake.path / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"night": str(night), "result": result.to_json()})
    write_atomically(folder / f"{result.table.replace('/', '.')}.json", text)


def latest_results(lake: Lake) -> dict[str, tuple[GateResult, date]]:
    """Each table's latest result and its night, by name of the table."""
    stored = [json.loads(path.read_text()) for path in sorted((lake.path / FOLDER).glob("*.json"))]
    results = [(GateResult.from_json(each["result"]), date.fromisoformat(each["night"])) for each in stored]
    return {result.table: (result, night) for result, night in results}
