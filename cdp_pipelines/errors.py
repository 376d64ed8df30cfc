"""Errors of the product: one shallow tree. They keep their fields and never carry a cell's value."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class CdpError(Exception):
    """Anything that this product refuses to do; its text is for people."""


class PolicyError(CdpError):
    """A declared policy (channel, purpose, survivorship, identity) is wrong: which file, which field, why."""

    def __init__(self, file: str, problems: tuple[tuple[str, str], ...]) -> None:
        self.file = file
        self.problems = problems
        super().__init__("\n".join(f"{file}: {field}: {problem}" for field, problem in problems))

    @classmethod
    def from_validation(cls, file: str, error: ValidationError) -> PolicyError:
        """From a pydantic error; a policy holds no personal data, so what was found may be shown."""
        problems = []
        for each in error.errors():
            field = ".".join(str(part) for part in each["loc"]) or "(the whole)"
            found = "" if each["type"] in {"missing", "value_error"} else f" (found {each['input']!r:.80})"
            problems.append((field, each["msg"].removeprefix("Value error, ") + found))
        return cls(file, tuple(problems))


class LakeError(CdpError):
    """The lake cannot be used as asked: not there, busy, or not written by this product."""


class ServerError(CdpError):
    """A database server does not do what publication asks of it; says why without its address, password or a value.

    `is_passing`: it may do so in a moment.
    """

    def __init__(self, told: str, *, is_passing: bool = False) -> None:
        self.is_passing = is_passing
        super().__init__(f"PostgreSQL: {told}")
