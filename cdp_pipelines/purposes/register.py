"""The register of processing (Art. 30): all versions of all purposes, read from their files and checked together.

`<folder>/<key>/defs.yaml` is the newest version of a purpose. The versions that it replaced remain beside it as
`<key>/versions/<any name>.yaml`, unchanged, because history must still show which text was in force. The rules of one
purpose belong in `purpose`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import yaml
from pydantic import ValidationError

from cdp_pipelines.errors import PolicyError
from cdp_pipelines.policy import read_yaml
from cdp_pipelines.purposes.purpose import UNIFICATION, Purpose

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

# Fields that are set from the place of the file, or from a file beside it.
SET_FROM_FILES = {"key": "the name of the folder", "sql": "the mart.sql beside it"}


class Register(Mapping[str, Purpose]):
    """Purposes by key, in order of their keys, each in its newest version; `at`: those in force at an instant."""

    def __init__(self, versions: Mapping[str, tuple[Purpose, ...]]) -> None:
        """`versions`: all versions of each purpose, the earliest first."""
        self.versions = {key: tuple(versions[key]) for key in sorted(versions)}

    @classmethod
    def from_purposes(cls, purposes: Iterable[Purpose]) -> Register:
        """A register of purposes that have one version each."""
        return cls({purpose.key: (purpose,) for purpose in purposes})

    def __getitem__(self, key: str) -> Purpose:
        return self.versions[key][-1]

    def __iter__(self) -> Iterator[str]:
        return iter(self.versions)

    def __len__(self) -> int:
        return len(self.versions)

    def at(self, as_of: datetime) -> dict[str, Purpose]:
        """Per key the latest version in force at `as_of`; before the first version, the first, which allows nothing."""
        return {
            key: next((version for version in reversed(versions) if version.in_force_at <= as_of), versions[0])
            for key, versions in self.versions.items()
        }


def load_register(folder: Path) -> Register:
    """All purposes below a folder; `PolicyError` names the file, the field, what was found and what is allowed."""
    newest: dict[str, Path] = {}
    for path in sorted(folder.rglob("defs.yaml")):
        if (other := newest.setdefault(path.parent.name, path)) != path:
            raise PolicyError(
                str(path),
                (("key", f"{path.parent.name!r} is already declared in {other}: rename one of the two folders"),),
            )
    loaded = {
        key: [(load_purpose(key, file), str(file)) for file in (*sorted(path.parent.glob("versions/*.yaml")), path)]
        for key, path in newest.items()
    }
    register = Register({key: _order_versions(versions) for key, versions in loaded.items()})
    for versions in loaded.values():
        for purpose, file in versions:
            _check_references(purpose, register, file)
    try:
        order_by_requirement(register.versions)
    except CycleError as error:
        cycle = error.args[1]
        problem = f"purposes require each other, so none could be allowed: {' -> '.join(reversed(cycle))}"
        raise PolicyError(str(newest[cycle[0]]), (("requires", problem),)) from None
    return register


def order_by_requirement(purposes: Mapping[str, Iterable[Purpose]]) -> list[str]:
    """Keys ordered so that each comes after those that any of its versions requires."""
    required = {
        key: sorted({name for version in versions for name in version.requires}) for key, versions in purposes.items()
    }
    return list(TopologicalSorter(required).static_order())


def load_purpose(key: str, path: Path) -> Purpose:
    """One purpose from its file; `PolicyError` names the file, the field, what was found and what is allowed."""
    file = str(path)
    if not re.fullmatch(r"[a-z]+(_[a-z]+)*", key):
        raise PolicyError(
            file, (("key", f"found {key!r}; allowed are words of the letters a to z, joined by _: rename the folder"),)
        )
    try:
        declared = read_yaml(path)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise PolicyError(file, ((f"line {line}", "is not valid YAML"),)) from None
    if not isinstance(declared, dict) or not isinstance(declared.get("attributes"), dict):
        raise PolicyError(file, (("attributes", "missing: a purpose is declared as a mapping under attributes"),))
    attributes = declared["attributes"]
    for field, source in SET_FROM_FILES.items():
        if field in attributes:
            raise PolicyError(file, ((field, f"found {attributes[field]!r}; it is set from {source}: remove it"),))
    try:
        purpose = Purpose.model_validate(attributes).model_copy(update={"key": key})
    except ValidationError as error:
        invalid = PolicyError.from_validation(file, error)
        allowed = ", ".join(name for name in Purpose.model_fields if name not in SET_FROM_FILES)
        kinds = [(detail["type"], len(detail["loc"])) for detail in error.errors()]
        raise PolicyError(
            file,
            tuple(
                (field, f"{problem}; allowed: {allowed}" if kind == ("extra_forbidden", 1) else problem)
                for kind, (field, problem) in zip(kinds, invalid.problems, strict=True)
            ),
        ) from None
    return _add_sql(purpose, path)


def _add_sql(purpose: Purpose, path: Path) -> Purpose:
    """The purpose with the SQL beside `defs.yaml`; older versions have none."""
    if path.name != "defs.yaml":
        return purpose
    sql = path.with_name("mart.sql")
    if sql.exists() != bool(purpose.shape):
        problem = f"{sql.name} is missing beside it" if purpose.shape else f"missing: declare the columns of {sql}"
        raise PolicyError(str(path), (("shape", problem),))
    return purpose.model_copy(update={"sql": sql.read_text(encoding="utf-8")}) if purpose.shape else purpose


def _order_versions(loaded: list[tuple[Purpose, str]]) -> tuple[Purpose, ...]:
    """The versions of one purpose, the earliest first; each must replace the one before it."""
    ordered = sorted(loaded, key=lambda version: version[0].effective_from)
    before: Purpose | None = None
    for purpose, file in ordered:
        for field, is_wrong, allowed in _compare_versions(purpose, before):
            if is_wrong:
                raise PolicyError(file, ((field, f"found {str(getattr(purpose, field))!r}; {allowed}"),))
        before = purpose
    newest, file = loaded[-1]
    if ordered[-1] is not loaded[-1]:
        problem = (
            f"found {newest.effective_from}; defs.yaml must have the newest version, and another one has "
            f"{ordered[-1][0].effective_from}"
        )
        raise PolicyError(file, (("effective_from", problem),))
    return tuple(purpose for purpose, _ in ordered)


def _compare_versions(purpose: Purpose, before: Purpose | None) -> list[tuple[str, bool, str]]:
    """The rules between a version and the one before it: field, whether the rule is broken, what is allowed."""
    if before is None:
        return [("replaces", purpose.replaces is not None, "it is the first version: remove it")]
    is_swapped = before.lawful_basis == "consent" != purpose.lawful_basis
    return [
        ("version", purpose.version == before.version, "the version before it has the same name: choose a new one"),
        ("replaces", purpose.replaces != before.version, f"allowed: {before.version!r}, the version before it"),
        (
            "effective_from",
            purpose.effective_from == before.effective_from,
            "the version before it has the same day: choose a later one",
        ),
        ("scope", purpose.scope != before.scope, f"allowed: {before.scope!r}; another scope needs a new purpose"),
        ("lawful_basis", is_swapped, "allowed: 'consent'; another basis needs a new purpose (Art. 7(3))"),
    ]


def _check_references(purpose: Purpose, register: Register, file: str) -> None:
    """`PolicyError` where it names an unknown purpose, or requires one with another kind of contact point."""
    if purpose.unification not in {UNIFICATION, *register}:
        problem = f"found {purpose.unification!r}; allowed: {', '.join(register)}"
        raise PolicyError(file, (("unification", problem),))
    allowed = {"person", purpose.scope}
    for name in purpose.requires:
        if name not in register:
            problem = f"found {name!r}; allowed: {', '.join(register)}"
        elif register[name].scope not in allowed:
            problem = f"{name!r} has scope {register[name].scope!r}; allowed scopes: {', '.join(sorted(allowed))}"
        else:
            continue
        raise PolicyError(file, (("requires", problem),))
