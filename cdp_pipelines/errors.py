"""Errors of the product: one shallow tree.

Here belongs every exception whose text is for people. Errors keep their fields and never carry the value of a cell.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import ValidationError


class CdpError(Exception):
    """Base of all errors of this product; the text says what failed and what to do."""


class PolicyError(CdpError):
    """A declared policy (channel, purpose, survivorship, identity) is wrong: which file, which field, why."""

    def __init__(self, file: str, problems: tuple[tuple[str, str], ...]) -> None:
        self.file = file
        self.problems = problems
        super().__init__("\n".join(f"{file}: {field}: {problem}" for field, problem in problems))

    @classmethod
    def from_validation(cls, file: str, error: ValidationError) -> PolicyError:
        """From a pydantic error; a policy holds no personal data, so the message may show the value that was found."""
        problems = []
        for each in error.errors():
            field = ".".join(str(part) for part in each["loc"]) or "(the whole)"
            found = "" if each["type"] in {"missing", "value_error"} else f" (found {each['input']!r:.80})"
            problems.append((field, each["msg"].removeprefix("Value error, ") + found))
        return cls(file, tuple(problems))


class TrainingError(CdpError):
    """A supervised classifier of identity resolution has too few reviewed pairs of either kind to learn from."""

    def __init__(self, classifier: str, needed: int, same: int, different: int) -> None:
        self.classifier, self.needed, self.same, self.different = classifier, needed, same, different
        super().__init__(
            f"identity: classifier {classifier} learns from reviews and needs {needed} pairs reviewed as same and "
            f"{needed} as different, each of two records with different fields; found {same} and {different}. Review "
            "pairs with `cdp link review`, or declare classifier: fellegi_sunter or ecm, which need none"
        )


class UnknownNameError(CdpError):
    """Nothing of this kind (purpose, mart, table, column, attribute, channel) has this name; suggests near ones.

    Never for customers: their names are identifiers of people.
    """

    # More names than these are counted instead of listed.
    MAX_LISTED = 40

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind = kind
        self.name = name
        self.known = tuple(sorted(known))
        near = " or ".join(repr(each) for each in get_close_matches(name, self.known, n=2, cutoff=0.6))
        names = ", ".join(self.known) if len(self.known) <= self.MAX_LISTED else f"{len(self.known):,} names"
        meant = f" Did you mean {near}?" if near else ""
        super().__init__(f"there is no {kind} {name!r:.80}.{meant} Known: {names or 'none'}")


class SchemaError(CdpError):
    """A table is declared incompletely or in contradiction to itself: which table, and every problem."""

    def __init__(self, table: str, problems: tuple[str, ...]) -> None:
        self.table = table
        self.problems = problems
        super().__init__("\n".join(f"table {table}: {problem}" for problem in problems))


class LakeError(CdpError):
    """The lake cannot be used: it does not exist, another process writes it, or it lacks what was requested."""


class ServerError(CdpError):
    """A database server refuses a step of publication; the text has no address, password or value.

    `is_passing`: a later attempt may succeed.
    """

    def __init__(self, message: str, *, is_passing: bool = False) -> None:
        self.is_passing = is_passing
        super().__init__(f"PostgreSQL: {message}")
