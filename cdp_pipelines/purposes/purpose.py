"""The register of processing (Art. 30): purposes, each with the lawful basis that was chosen for it beforehand.

`<folder>/<key>/defs.yaml` is the newest version of a purpose; those that it replaced stay beside it, unchanged, as
`<key>/versions/<any name>.yaml`, for history must still say which text was in force.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Annotated, Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from cdp_pipelines.errors import PolicyError
from cdp_pipelines.policy import PolicyModel
from cdp_pipelines.purposes.mart_terms import COLUMN_SOURCES, AggregateTerms, MartColumn, ShapedColumn, check_mart
from cdp_pipelines.purposes.terms import ContractTerms, Duration, InterestTerms, ObligationTerms, RecordType, Transfer

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["COLUMN_SOURCES", "Purpose", "Register", "load_purpose", "load_register", "order_by_requirement"]

# Identifiers are named by kind; a scope names the contact point as people do.
KIND_OF_SCOPE = {"email": "email", "phone": "phone", "device": "device_id"}
LawfulBasis = Literal[
    "consent", "contract", "legal_obligation", "vital_interests", "public_interest", "legitimate_interests"
]
# What each basis cannot do without, and what it is for.
NEEDS = {
    "consent": {"notice": "the oldest version of the notice under which a consent counts (Art. 7(1))"},
    "contract": {"contract": "what opens and ends one (Art. 6(1)(b))"},
    "legal_obligation": {
        "law": "the law that obliges (Art. 6(3))",
        "obligation": "the records that create it (Art. 6(1)(c))",
    },
    "vital_interests": {},
    "public_interest": {"law": "the law that lays the task down (Art. 6(3))"},
    "legitimate_interests": {
        "assessment": "the reference of the balancing test (Art. 6(1)(f))",
        "interest": "what counts as a contact (Art. 5(1)(e))",
    },
}
# Versions of notices: 2011-06, 2011-06-15, or 7.
DATE, NUMBER = "[0-9]{4}-[0-9]{2}(-[0-9]{2})?", "[1-9][0-9]{0,8}"
# What joins records to profiles, unless a purpose asks for links of its own.
UNIFICATION = "profile_unification"
# Art. 9(2) knows neither a contract nor legitimate interests; Art. 22(2) knows consent, contract and law.
NO_SPECIAL_CATEGORY = ("contract", "legitimate_interests")
# What a purpose is told by where its file lies.
SET_BY_PLACE = {"key": "the folder's name", "sql": "the mart.sql beside it"}
AUTOMATED = ("consent", "contract", "legal_obligation")


class Purpose(PolicyModel):
    """One purpose with exactly one lawful basis. Never edited in place: a change is a new version."""

    key: str = Field("", description="Its name: that of its folder (Art. 30(1)(b))")
    title: str = Field(min_length=1, description="What is done, for people (Art. 13(1)(c))")
    lawful_basis: LawfulBasis = Field(description="Art. 6(1)(a) to (f): exactly one")
    effective_from: date = Field(
        description="From its first instant in UTC; a basis is chosen before processing starts (Art. 13(1)(c))"
    )
    version: str = Field(min_length=1, description="Version of this text (Art. 5(2))")
    replaces: str | None = Field(None, description="Version that this one replaces (Art. 5(2))")
    scope: Literal["person", "email", "phone", "device"] = Field(
        "person", description="What is decided on: the person, or each contact point of a kind"
    )
    data_subjects: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        ("customers",), description="Categories of the people whom it is about (Art. 30(1)(c))"
    )
    data_categories: tuple[str, ...] = Field(
        min_length=1, description="Categories of data that it needs (Art. 5(1)(c), 30(1)(c))"
    )
    columns: tuple[MartColumn, ...] = Field((), description="Columns of its mart, and no others (Art. 5(1)(c), 25(2))")
    identified_because: str | None = Field(
        None,
        pattern=r"Art\. ?[0-9]",
        description="Why its mart names people or singles them out, by which article (Art. 5(1)(c), 25)",
    )
    minimum_group: int = Field(
        10, ge=2, description="Else: fewest people of whom its mart says the same, or whom it counts together (Art. 25)"
    )
    shape: tuple[ShapedColumn, ...] = Field(
        (), description="Columns that the mart.sql beside it makes of its columns (Art. 5(1)(c))"
    )
    aggregate: AggregateTerms | None = Field(None, description="Its mart counts people and holds none (Art. 89(1))")
    sql: str | None = Field(None, description="The text of mart.sql (Art. 5(1)(c))")
    recipients: tuple[str, ...] = Field(description="Who receives it; empty for nobody (Art. 30(1)(d))")
    transfers: tuple[Transfer, ...] = Field(
        (), description="Which recipients are in third countries, and by what right (Art. 30(1)(e))"
    )
    security: tuple[str, ...] = Field((), description="Measures besides those of the controller (Art. 30(1)(g), 32)")
    retention: Duration = Field(description="How long data serves it (Art. 5(1)(e), 30(1)(f)), from retention_from")
    retention_from: str = Field(
        "the record", min_length=1, description="What starts the retention, for people (Art. 30(1)(f))"
    )
    jurisdictions: dict[str, Literal["opt_in", "opt_out"]] = Field(
        {}, description="Law by its code (EU, UK, US-CA): consent beforehand (Art. 7), or objection; others are opt_in"
    )
    minimum_age: int | None = Field(None, ge=1, le=150, description="Age from which it is allowed (Art. 8(1))")
    requires_known_age: bool = Field(False, description="An unknown age denies too (Art. 8(2))")
    notice: str | None = Field(
        None,
        pattern=f"^({DATE}|{NUMBER})$",
        description="Oldest notice version, a date or a number, under which a consent counts (Art. 7(1))",
    )
    contract: ContractTerms | None = Field(None, description="What makes a contract live (Art. 6(1)(b))")
    obligation: ObligationTerms | None = Field(None, description="What creates the obligation (Art. 6(1)(c))")
    law: str | None = Field(None, min_length=1, description="The law that it rests on (Art. 6(3))")
    interest: InterestTerms | None = Field(None, description="What keeps the interest alive (Art. 6(1)(f))")
    assessment: str | None = Field(None, min_length=1, description="Reference of the balancing test (Art. 6(1)(f))")
    unification: str = Field(
        UNIFICATION, description="Purpose whose data may link the records that it sees as one person (Art. 5(1)(b))"
    )
    requires: tuple[str, ...] = Field((), description="Purposes that must be allowed too (Art. 6(4))")
    direct_marketing: bool = Field(False, description="An objection ends it whatever its basis (Art. 21(2)-(3))")
    automated_decision: bool = Field(False, description="It decides alone and with effect (Art. 22)")
    special_category: bool = Field(False, description="It needs data of Art. 9(1)")

    @property
    def mart_kind(self) -> Literal["none", "identified", "pseudonymous", "aggregate"]:
        """What its mart holds: nothing, people who can be named, people who cannot, or numbers of people."""
        if not self.columns:
            return "none"
        if self.aggregate:
            return "aggregate"
        return "identified" if self.identified_because else "pseudonymous"

    @property
    def in_force_at(self) -> datetime:
        """First instant at which it may be processed for."""
        return datetime.combine(self.effective_from, time(), UTC)

    @property
    def kind(self) -> str | None:
        """Kind of the identifiers that are its contact points; none for a person-wide purpose."""
        return KIND_OF_SCOPE.get(self.scope)

    @property
    def can_be_objected(self) -> bool:
        """Art. 21(1): two bases; Art. 21(2): direct marketing whatever its basis."""
        return self.direct_marketing or self.lawful_basis in {"legitimate_interests", "public_interest"}

    @property
    def kept_by(self) -> tuple[RecordType, ...]:
        """Types of the records that keep its obligation or interest alive."""
        if self.obligation:
            return self.obligation.created_by
        return self.interest.contacts if self.interest else ()

    def accepts(self, notice_version: str) -> bool:
        """Is a consent given under this notice still one? Dates compare with dates, numbers with numbers."""
        if re.fullmatch(NUMBER, self.notice):
            return re.fullmatch(NUMBER, notice_version) is not None and int(notice_version) >= int(self.notice)
        return re.fullmatch(DATE, notice_version) is not None and notice_version >= self.notice

    @field_validator("columns")
    @classmethod
    def _are_distinct(cls, columns: tuple[MartColumn, ...]) -> tuple[MartColumn, ...]:
        names = [column.name for column in columns]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two columns have one name: {', '.join(twice)}")
        return columns

    @model_validator(mode="after")
    def _holds_no_more_of_persons_than_it_may(self) -> Purpose:
        check_mart(self.columns, self.shape, self.aggregate, self.identified_because)
        return self

    @model_validator(mode="after")
    def _transfers_to_its_recipients(self) -> Purpose:
        if others := sorted({each.recipient for each in self.transfers} - {*self.recipients}):
            raise ValueError(f"transfers to {', '.join(others)}; recipients has: {', '.join(self.recipients)}")
        return self

    @model_validator(mode="after")
    def _has_what_its_basis_needs(self) -> Purpose:
        needed = NEEDS[self.lawful_basis]
        for name, what in needed.items():
            if getattr(self, name) is None:
                raise ValueError(f"lawful_basis {self.lawful_basis} needs {name}: {what}")
        for basis, fields in NEEDS.items():
            for name in fields:
                # A notice and a law may be named with any basis; the rest would seem to rule and rule nothing.
                if name not in {*needed, "notice", "law"} and getattr(self, name) is not None:
                    raise ValueError(f"{name} is for lawful_basis {basis}; this one is {self.lawful_basis}")
        return self

    @model_validator(mode="after")
    def _keeps_to_what_its_basis_allows(self) -> Purpose:
        opt_out = [law for law, rule in self.jurisdictions.items() if rule == "opt_out"]
        if opt_out and self.lawful_basis != "consent":
            raise ValueError(
                f"jurisdictions {', '.join(opt_out)} are opt_out, which is for consent, not {self.lawful_basis}"
            )
        if opt_out and (self.special_category or self.automated_decision):
            raise ValueError(
                f"jurisdictions {', '.join(opt_out)} are opt_out; special_category and automated_decision need opt_in "
                "(Art. 9(2)(a), 22(2)(c))"
            )
        if self.special_category and self.lawful_basis in NO_SPECIAL_CATEGORY:
            raise ValueError(f"special_category cannot rest on {self.lawful_basis} (Art. 9(2))")
        if self.automated_decision and self.lawful_basis not in AUTOMATED:
            raise ValueError(
                f"automated_decision cannot rest on {self.lawful_basis}; on: {', '.join(AUTOMATED)} (Art. 22(2))"
            )
        if self.unification != UNIFICATION and self.scope != "person":
            raise ValueError(f"unification {self.unification} is for scope person; this one is {self.scope}")
        if self.requires_known_age and self.minimum_age is None:
            raise ValueError("requires_known_age needs minimum_age")
        return self


class Register(Mapping[str, Purpose]):
    """Purposes by key, in order of their keys, each in its newest version; `at` gives those in force at an instant."""

    def __init__(self, versions: Mapping[str, tuple[Purpose, ...]]) -> None:
        """`versions`: all versions of each purpose, the earliest first."""
        self.versions = {key: tuple(versions[key]) for key in sorted(versions)}

    def __getitem__(self, key: str) -> Purpose:
        return self.versions[key][-1]

    def __iter__(self) -> Iterator[str]:
        return iter(self.versions)

    def __len__(self) -> int:
        return len(self.versions)

    def at(self, as_of: datetime) -> dict[str, Purpose]:
        """Per key the latest version in force at `as_of`; where none is yet, the first, which then allows nothing."""
        return {
            key: next((each for each in reversed(versions) if each.in_force_at <= as_of), versions[0])
            for key, versions in self.versions.items()
        }


def load_register(folder: Path) -> Register:
    """All purposes below a folder; `PolicyError` names file, field, what was found and what is allowed."""
    newest: dict[str, Path] = {}
    for path in sorted(folder.rglob("defs.yaml")):
        if (other := newest.setdefault(path.parent.name, path)) != path:
            raise PolicyError(str(path), (("key", f"{path.parent.name!r} is declared in {other} already"),))
    loaded = {
        key: [(load_purpose(key, file), str(file)) for file in (*sorted(path.parent.glob("versions/*.yaml")), path)]
        for key, path in newest.items()
    }
    register = Register({key: _chain(versions) for key, versions in loaded.items()})
    for versions in loaded.values():
        for purpose, file in versions:
            _stands(purpose, register, file)
    try:
        order_by_requirement(register.versions)
    except CycleError as error:
        circle = error.args[1]
        problem = f"go in a circle, which none could ever leave: {' -> '.join(reversed(circle))}"
        raise PolicyError(str(newest[circle[0]]), (("requires", problem),)) from None
    return register


def order_by_requirement(purposes: Mapping[str, Iterable[Purpose]]) -> list[str]:
    """Keys in an order in which each comes after those that any of its versions requires."""
    required = {
        key: sorted({name for each in versions for name in each.requires}) for key, versions in purposes.items()
    }
    return list(TopologicalSorter(required).static_order())


def load_purpose(key: str, path: Path) -> Purpose:
    """One purpose from its file; `PolicyError` names file, field, what was found and what is allowed."""
    file = str(path)
    if not re.fullmatch(r"[a-z]+(_[a-z]+)*", key):
        raise PolicyError(file, (("key", f"the folder is {key!r}; a key is of words of a to z, joined by _"),))
    try:
        declared = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        where = error.problem_mark.line + 1 if getattr(error, "problem_mark", None) else 1
        raise PolicyError(file, ((f"line {where}", "is no YAML"),)) from None
    if not isinstance(declared, dict) or not isinstance(declared.get("attributes"), dict):
        raise PolicyError(
            file, (("attributes", "there are none; a purpose is declared by a mapping under attributes"),)
        )
    attributes = declared["attributes"]
    for field, what in SET_BY_PLACE.items():
        if field in attributes:
            raise PolicyError(file, ((field, f"found {attributes[field]!r}; it is {what}: leave it out"),))
    try:
        purpose = Purpose.model_validate(attributes).model_copy(update={"key": key})
    except ValidationError as error:
        wrong = PolicyError.from_validation(file, error)
        allowed = ", ".join(name for name in Purpose.model_fields if name not in SET_BY_PLACE)
        kinds = [(each["type"], len(each["loc"])) for each in error.errors()]
        raise PolicyError(
            file,
            tuple(
                (field, f"{problem}; there are: {allowed}" if kind == ("extra_forbidden", 1) else problem)
                for kind, (field, problem) in zip(kinds, wrong.problems, strict=True)
            ),
        ) from None
    return _with_sql(purpose, path)


def _with_sql(purpose: Purpose, path: Path) -> Purpose:
    """The purpose with the SQL beside `defs.yaml`; older versions have theirs no more."""
    if path.name != "defs.yaml":
        return purpose
    beside = path.with_name("mart.sql")
    if beside.exists() != bool(purpose.shape):
        problem = "there is no mart.sql beside it" if purpose.shape else f"{beside} is there: declare what it gives"
        raise PolicyError(str(path), (("shape", problem),))
    return purpose.model_copy(update={"sql": beside.read_text(encoding="utf-8")}) if purpose.shape else purpose


def _chain(loaded: list[tuple[Purpose, str]]) -> tuple[Purpose, ...]:
    """The versions of one purpose, the earliest first, each replacing the one before it."""
    in_order = sorted(loaded, key=lambda each: each[0].effective_from)
    before: Purpose | None = None
    for purpose, file in in_order:
        for field, is_wrong, allowed in _against(purpose, before):
            if is_wrong:
                raise PolicyError(file, ((field, f"found {str(getattr(purpose, field))!r}; {allowed}"),))
        before = purpose
    if in_order[-1] is not loaded[-1]:
        problem = (
            f"found {loaded[-1][0].effective_from}; defs.yaml has the newest, and there is {before.effective_from}"
        )
        raise PolicyError(loaded[-1][1], (("effective_from", problem),))
    return tuple(purpose for purpose, _ in in_order)


def _against(purpose: Purpose, before: Purpose | None) -> list[tuple[str, bool, str]]:
    """What may not be between a version and the one before it: field, is it so, what is allowed."""
    if before is None:
        return [("replaces", purpose.replaces is not None, "it is the first version: leave it out")]
    swaps = before.lawful_basis == "consent" != purpose.lawful_basis
    return [
        ("version", purpose.version == before.version, "the version before it has the same name"),
        ("replaces", purpose.replaces != before.version, f"the version before it is {before.version!r}"),
        ("effective_from", purpose.effective_from == before.effective_from, "the version before it is of the same day"),
        ("scope", purpose.scope != before.scope, f"it was {before.scope!r}: another scope is another purpose"),
        ("lawful_basis", swaps, "consent is not swapped for another basis (Art. 7(3)): that is another purpose"),
    ]


def _stands(purpose: Purpose, register: Register, file: str) -> None:
    """Refuse to stand on purposes that are not there, or that decide on something else than it or the person."""
    if purpose.unification not in {UNIFICATION, *register}:
        problem = f"there is no purpose {purpose.unification!r}; there are: {', '.join(register)}"
        raise PolicyError(file, (("unification", problem),))
    allowed = {"person", purpose.scope}
    for name in purpose.requires:
        if name not in register:
            problem = f"there is no purpose {name!r}; there are: {', '.join(register)}"
        elif register[name].scope not in allowed:
            problem = f"{name!r} has scope {register[name].scope!r}; allowed: {', '.join(sorted(allowed))}"
        else:
            continue
        raise PolicyError(file, (("requires", problem),))
