"""What a gate found, as data that can be kept: counts, names and declared rules, never a value of a cell."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from expectations.suite import Severity


@dataclass(frozen=True, slots=True)
class Broken:
    """A failed expectation: which, of which column or columns, and on how many of how many rows.

    `column` is None for what is expected of the table as a whole; counts are None where rows are not counted.
    """

    expectation: str
    column: str | None
    failed_count: int | None
    checked_count: int | None
    severity: Severity


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one expectation. `kwargs` are those declared; `detail` says without values what counts cannot."""

    type: str
    column: str | None
    kwargs: dict[str, Any]
    severity: Severity
    why: str
    passed: bool
    failed_count: int | None
    checked_count: int | None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class GateResult:
    """What became of one table at its gate."""

    table: str
    description: str
    row_count: int
    seconds: float
    results: tuple[Outcome, ...]

    @property
    def passed(self) -> bool:
        """No critical expectation failed."""
        return not any(each.severity == "critical" for each in self.broken)

    @property
    def expectation_count(self) -> int:
        """How many expectations the suite has."""
        return len(self.results)

    @property
    def passed_count(self) -> int:
        """How many of them hold."""
        return sum(each.passed for each in self.results)

    @property
    def broken(self) -> tuple[Broken, ...]:
        """The failed expectations, critical ones first."""
        failed = sorted((each for each in self.results if not each.passed), key=lambda each: each.severity)
        return tuple(
            Broken(each.type, each.column, each.failed_count, each.checked_count, each.severity) for each in failed
        )

    def to_json(self) -> str:
        """As text that `from_json` reads."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """From the text of `to_json`."""
        told = json.loads(text)
        return cls(**{**told, "results": tuple(Outcome(**each) for each in told["results"])})
