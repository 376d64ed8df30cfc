"""The result of a gate, as data that can be stored: counts, names and declared rules, never a value of a cell.

The form of a result belongs here; how it is computed is in `gate`, and where it is stored in `services`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from expectations.suite import Severity


@dataclass(frozen=True, slots=True)
class FailedExpectation:
    """A failed expectation: its type, its columns, and on how many of how many rows it failed.

    `column` is None for an expectation of the whole table; counts are None where rows are not counted.
    """

    expectation: str
    column: str | None
    failed_count: int | None
    checked_count: int | None
    severity: Severity


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one expectation. `kwargs`: as declared; `detail`: what counts cannot express, without values."""

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
    """The outcomes of all expectations of one table.

    `digest`: of suite and rows; equal ones have equal outcomes. `suite_digest`: of the suite alone.
    """

    table: str
    description: str
    row_count: int
    seconds: float
    results: tuple[Outcome, ...]
    digest: str = ""
    suite_digest: str = ""

    @property
    def passed(self) -> bool:
        """No critical expectation failed."""
        return not any(failure.severity == "critical" for failure in self.failures)

    @property
    def expectation_count(self) -> int:
        """Number of expectations in the suite."""
        return len(self.results)

    @property
    def passed_count(self) -> int:
        """Number of expectations that passed."""
        return sum(outcome.passed for outcome in self.results)

    @property
    def failures(self) -> tuple[FailedExpectation, ...]:
        """The failed expectations, critical ones first."""
        failed = sorted((each for each in self.results if not each.passed), key=lambda outcome: outcome.severity)
        return tuple(
            FailedExpectation(each.type, each.column, each.failed_count, each.checked_count, each.severity)
            for each in failed
        )

    def to_json(self) -> str:
        """The result as text for `from_json`."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The result from the text of `to_json`."""
        fields = json.loads(text)
        return cls(**{**fields, "results": tuple(Outcome(**outcome) for outcome in fields["results"])})
