"""One purpose of the register of processing (Art. 30): its lawful basis, chosen beforehand, and the rules it follows.

The rules of one purpose belong here; versions, the register and its files belong in `register`, the columns of its mart
in `mart_terms`.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from cdp_pipelines.policy import PolicyModel
from cdp_pipelines.purposes.mart_terms import AggregateTerms, MartColumn, ShapedColumn, check_mart
from cdp_pipelines.purposes.terms import ContractTerms, Duration, InterestTerms, ObligationTerms, RecordType, Transfer
from cdp_pipelines.schema.vocabulary import LawfulBasis

# The kind of identifier that a scope is about; a scope has the everyday word.
KIND_OF_SCOPE = {"email": "email", "phone": "phone", "device": "device_id"}
# The fields that each basis needs, and what each of them is.
BASIS_FIELDS: dict[LawfulBasis, dict[str, str]] = {
    "consent": {"notice": "the oldest version of the notice under which a consent counts (Art. 7(1))"},
    "contract": {"contract": "what opens and ends a contract (Art. 6(1)(b))"},
    "legal_obligation": {
        "law": "the law that obliges (Art. 6(3))",
        "obligation": "the records that create the obligation (Art. 6(1)(c))",
    },
    "vital_interests": {},
    "public_interest": {"law": "the law that defines the task (Art. 6(3))"},
    "legitimate_interests": {
        "assessment": "the reference of the balancing test (Art. 6(1)(f))",
        "interest": "what counts as a contact (Art. 5(1)(e))",
    },
}
# Versions of notices, such as 2011-06, 2011-06-15 or 7.
DATE, NUMBER = "[0-9]{4}-[0-9]{2}(-[0-9]{2})?", "[1-9][0-9]{0,8}"
# The purpose that links records into profiles, unless a purpose declares another one.
UNIFICATION = "profile_unification"
# Art. 9(2) permits neither contract nor legitimate interests; Art. 22(2) permits consent, contract and law.
NO_SPECIAL_CATEGORY = ("contract", "legitimate_interests")
AUTOMATED = ("consent", "contract", "legal_obligation")


class Purpose(PolicyModel):
    """One purpose with exactly one lawful basis. It is never edited in place: a change is a new version."""

    key: str = Field("", description="Its name; set from the name of its folder (Art. 30(1)(b))")
    title: str = Field(min_length=1, description="What is done with the data, in plain words (Art. 13(1)(c))")
    lawful_basis: LawfulBasis = Field(description="Exactly one of Art. 6(1)(a) to (f)")
    effective_from: date = Field(
        description="First day on which it is in force, UTC; a basis is chosen before processing starts (Art. 13(1)(c))"
    )
    version: str = Field(min_length=1, description="Version of this text (Art. 5(2))")
    replaces: str | None = Field(None, description="Version that this one replaces (Art. 5(2))")
    scope: Literal["person", "email", "phone", "device"] = Field(
        "person", description="What is decided: the person as a whole, or each contact point of one kind"
    )
    data_subjects: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        ("customers",), description="Categories of data subjects (Art. 30(1)(c))"
    )
    data_categories: tuple[str, ...] = Field(
        min_length=1, description="Categories of data that it needs (Art. 5(1)(c), 30(1)(c))"
    )
    columns: tuple[MartColumn, ...] = Field((), description="Columns of its mart, and no others (Art. 5(1)(c), 25(2))")
    identified_because: str | None = Field(
        None,
        pattern=r"Art\. ?[0-9]",
        description="Why its mart must identify people, with the article that permits it (Art. 5(1)(c), 25)",
    )
    minimum_group: int = Field(
        10,
        ge=2,
        description="Otherwise the size of the smallest group of people that its mart may show or count (Art. 25)",
    )
    shape: tuple[ShapedColumn, ...] = Field(
        (), description="Columns that the mart.sql beside it returns (Art. 5(1)(c))"
    )
    aggregate: AggregateTerms | None = Field(
        None, description="Its mart has counts and sums, and no rows about people (Art. 89(1))"
    )
    sql: str | None = Field(None, description="Text of mart.sql; set from the file (Art. 5(1)(c))")
    recipients: tuple[str, ...] = Field(description="Recipients of the data; empty if there are none (Art. 30(1)(d))")
    transfers: tuple[Transfer, ...] = Field(
        (), description="Recipients in third countries, each with its safeguard (Art. 30(1)(e))"
    )
    security: tuple[str, ...] = Field(
        (), description="Security measures in addition to those of the controller (Art. 30(1)(g), 32)"
    )
    retention: Duration = Field(
        description="How long data may be used for it, from retention_from (Art. 5(1)(e), 30(1)(f))"
    )
    retention_from: str = Field(
        "the record", min_length=1, description="What starts the retention, in plain words (Art. 30(1)(f))"
    )
    jurisdictions: dict[str, Literal["opt_in", "opt_out"]] = Field(
        {},
        description="By law, such as EU, UK or US-CA: opt_in (consent first, Art. 7; the default) or opt_out",
    )
    minimum_age: int | None = Field(None, ge=1, le=150, description="Lowest age at which it is allowed (Art. 8(1))")
    requires_known_age: bool = Field(False, description="Whether an unknown age denies (Art. 8(2))")
    notice: str | None = Field(
        None,
        pattern=f"^({DATE}|{NUMBER})$",
        description="Oldest notice version, a date or a number, under which a consent counts (Art. 7(1))",
    )
    contract: ContractTerms | None = Field(None, description="What opens and ends a contract (Art. 6(1)(b))")
    obligation: ObligationTerms | None = Field(None, description="Records that create the obligation (Art. 6(1)(c))")
    law: str | None = Field(None, min_length=1, description="Law that it is based on (Art. 6(3))")
    interest: InterestTerms | None = Field(None, description="Records that keep the interest alive (Art. 6(1)(f))")
    assessment: str | None = Field(None, min_length=1, description="Reference of the balancing test (Art. 6(1)(f))")
    unification: str = Field(
        UNIFICATION, description="Purpose that permits linking the records of one person for it (Art. 5(1)(b))"
    )
    requires: tuple[str, ...] = Field((), description="Purposes that must also be allowed (Art. 6(4))")
    direct_marketing: bool = Field(
        False, description="Whether it is direct marketing: an objection ends it on any basis (Art. 21(2)-(3))"
    )
    automated_decision: bool = Field(
        False, description="Whether it makes decisions with legal effect by automated means alone (Art. 22)"
    )
    special_category: bool = Field(False, description="Whether it needs special categories of data (Art. 9(1))")

    @property
    def mart_kind(self) -> Literal["none", "identified", "pseudonymous", "aggregate"]:
        """The kind of its mart: none, about identified people, about pseudonymous people, or aggregate."""
        if not self.columns:
            return "none"
        if self.aggregate:
            return "aggregate"
        return "identified" if self.identified_because else "pseudonymous"

    @property
    def in_force_at(self) -> datetime:
        """First instant at which it is in force."""
        return datetime.combine(self.effective_from, time(), UTC)

    @property
    def kind(self) -> str | None:
        """The identifier kind of its contact points; None for a person-wide purpose."""
        return KIND_OF_SCOPE.get(self.scope)

    @property
    def can_be_objected(self) -> bool:
        """Whether an objection ends it: two bases (Art. 21(1)), and direct marketing on any basis (Art. 21(2))."""
        return self.direct_marketing or self.lawful_basis in {"legitimate_interests", "public_interest"}

    @property
    def retaining_types(self) -> tuple[RecordType, ...]:
        """Types of the records that create its obligation or keep its interest alive."""
        if self.obligation:
            return self.obligation.created_by
        return self.interest.contacts if self.interest else ()

    def accepts(self, notice_version: str) -> bool:
        """Whether a consent under this notice version counts; dates compare with dates, numbers with numbers."""
        if self.notice is None:
            return False
        if re.fullmatch(NUMBER, self.notice):
            return re.fullmatch(NUMBER, notice_version) is not None and int(notice_version) >= int(self.notice)
        return re.fullmatch(DATE, notice_version) is not None and notice_version >= self.notice

    @field_validator("columns")
    @classmethod
    def _check_column_names(cls, columns: tuple[MartColumn, ...]) -> tuple[MartColumn, ...]:
        names = [column.name for column in columns]
        if duplicates := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two columns have the same name: {', '.join(duplicates)}")
        return columns

    @model_validator(mode="after")
    def _check_mart(self) -> Purpose:
        check_mart(self.columns, self.shape, self.aggregate, self.identified_because)
        return self

    @model_validator(mode="after")
    def _check_transfers(self) -> Purpose:
        if unknown := sorted({transfer.recipient for transfer in self.transfers} - {*self.recipients}):
            raise ValueError(
                f"transfers to {', '.join(unknown)}; allowed are its recipients: {', '.join(self.recipients)}"
            )
        return self

    @model_validator(mode="after")
    def _check_fields_of_the_basis(self) -> Purpose:
        needed = BASIS_FIELDS[self.lawful_basis]
        for name, meaning in needed.items():
            if getattr(self, name) is None:
                raise ValueError(f"lawful_basis {self.lawful_basis} needs {name}: {meaning}")
        for basis, fields in BASIS_FIELDS.items():
            for name in fields:
                # A notice and a law may stand with any basis; the other fields would have no effect.
                if name not in {*needed, "notice", "law"} and getattr(self, name) is not None:
                    raise ValueError(f"{name} is for lawful_basis {basis}; this purpose has {self.lawful_basis}")
        return self

    @model_validator(mode="after")
    def _check_limits_of_the_basis(self) -> Purpose:
        opt_out = [law for law, rule in self.jurisdictions.items() if rule == "opt_out"]
        if opt_out and self.lawful_basis != "consent":
            raise ValueError(
                f"jurisdictions {', '.join(opt_out)} are opt_out, which needs consent; found {self.lawful_basis}"
            )
        if opt_out and (self.special_category or self.automated_decision):
            raise ValueError(
                f"jurisdictions {', '.join(opt_out)} are opt_out; special_category and automated_decision need opt_in "
                "(Art. 9(2)(a), 22(2)(c))"
            )
        if self.special_category and self.lawful_basis in NO_SPECIAL_CATEGORY:
            raise ValueError(f"special_category is not allowed with lawful_basis {self.lawful_basis} (Art. 9(2))")
        if self.automated_decision and self.lawful_basis not in AUTOMATED:
            raise ValueError(
                f"automated_decision is not allowed with lawful_basis {self.lawful_basis}; allowed: "
                f"{', '.join(AUTOMATED)} (Art. 22(2))"
            )
        if self.unification != UNIFICATION and self.scope != "person":
            raise ValueError(f"unification {self.unification} needs scope person; this purpose has scope {self.scope}")
        if self.requires_known_age and self.minimum_age is None:
            raise ValueError("requires_known_age needs minimum_age")
        return self
