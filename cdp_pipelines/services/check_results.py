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
    path = _result_path(lake, result.table)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps({"night": str(night), "result": result.to_json()}))


def read_result(lake: Lake, table: str) -> GateResult | None:
    """The latest result of one table."""
    path = _result_path(lake, table)
    return GateResult.from_json(json.loads(path.read_text())["result"]) if path.exists() else None


def list_held_back(lake: Lake, night: date) -> set[str]:
    """Names of the tables whose new content was held back in this night, because it did not pass its gate."""
    return {table for table, (result, at) in latest_results(lake).items() if at == night and not result.passed}


def latest_results(lake: Lake) -> dict[str, tuple[GateResult, date]]:
    """Each table's latest result and its night, by name of the table."""
    stored = [json.loads(path.read_text()) for path in sorted((lake.path / FOLDER).glob("*.json"))]
    results = [(GateResult.from_json(each["result"]), date.fromisoformat(each["night"])) for each in stored]
    return {result.table: (result, night) for result, night in results}


def _result_path(lake: Lake, table: str) -> Path:
    return lake.path / FOLDER / f"{table.replace('/', '.')}.json"
