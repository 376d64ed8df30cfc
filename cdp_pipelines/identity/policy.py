"""What a company declares about identity: which identifiers are exact, how pairs are found, compared and judged."""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from cdp_pipelines.policy import PolicyModel, load_policy_file

if TYPE_CHECKING:
    from pathlib import Path

Identifier = Literal["account_id", "device_id", "advertising_id", "loyalty_card", "serial", "handle", "email", "phone"]
Compared = Literal[
    "first_name", "middle_name", "last_name", "birth_date", "street", "email", "phone", "loyalty_card", "account_id"
]
# What blocking may use besides: parts of fields, so that a slip of the pen elsewhere in them does no harm.
Part = Literal["postal_code", "first_initial", "first_sound", "last_sound", "house_number", "email_local", "phone_tail"]
Kind = Literal["name", "initial", "date", "address", "email", "number"]
Probability = Annotated[float, Field(gt=0, lt=1)]
# Outcomes of a comparison in the order in which they are asked; the first that holds is the level.
LEVELS: dict[Kind, tuple[str, ...]] = {
    "name": ("exact", "initial", "nickname", "part", "close", "similar", "swapped", "other"),
    "initial": ("exact", "other"),
    "date": ("exact", "typo", "part", "other"),
    "address": ("exact", "flat", "close", "area", "other"),
    "email": ("exact", "local", "typo", "other"),
    "number": ("exact", "typo", "other"),
}


class Comparison(PolicyModel):
    """How one field of a pair is compared, into levels; missing on either side says nothing."""

    kind: Kind = Field(
        description="name: exact, initial, nickname, part (of a double name), close, similar, swapped (with the other "
        "name), other. date: exact, typo (a digit, or day and month swapped), part (two of three), other. address: "
        "exact, flat (but for the flat), close (a typo), area (postal code alone), other. email: exact, local (another "
        "domain), typo, other. number: exact, typo, other. initial: exact, other"
    )
    of_household: bool | Probability = Field(
        False,
        description="People of one household share it, so it tells them not apart: how often is learned, or "
        "declared as a probability (a name that fathers hand on, a birth date that twins share)",
    )
    contradicts: bool = Field(
        False,
        description="Where it is other in a pair that is not held to be one person, groups of records with these two "
        "never come together, unless others of theirs agree in it",
    )
    term_frequency: bool = Field(False, description="An exact agreement on a rare value says more than on a common one")
    levels: dict[str, tuple[Probability, Probability]] = Field(
        description="By level its probability among records of one person (m) and of two (u): what holds for data with "
        "too few pairs to learn from, and what m begins with, as if seen on `min_pairs` pairs"
    )

    @model_validator(mode="after")
    def _knows_each_level(self) -> Comparison:
        if {*self.levels} != {*LEVELS[self.kind]}:
            raise ValueError(f"levels has {', '.join(self.levels)}; {self.kind} has {', '.join(LEVELS[self.kind])}")
        return self

    def declared(self, which: Literal["m", "u"]) -> tuple[float, ...]:
        """Probabilities of the levels in their order; they sum to 1."""
        told = [self.levels[level]["mu".index(which)] for level in LEVELS[self.kind]]
        return tuple(each / sum(told) for each in told)


class IdentityPolicy(PolicyModel):
    """Rules of identity resolution."""

    exact: tuple[Identifier, ...] = Field(
        description="Identifiers that belong to one person: records that share a value are one customer"
    )
    shareable: tuple[Identifier, ...] = Field(
        description="Identifiers that several people may share: they join a record without a first name to the one "
        "customer who has them, and to nobody where several have them"
    )
    blocking: tuple[Annotated[tuple[Compared | Part, ...], Field(min_length=1)], ...] = Field(
        max_length=15, description="Blocking rules: records that agree on all fields of any of them are compared"
    )
    max_block: int = Field(50, ge=2, description="Larger blocks are cut down by `cut_by`")
    cut_by: tuple[Compared | Part, ...] = Field(
        ("first_name", "last_name", "postal_code", "birth_date"),
        description="Fields that records of a block that is too large must agree on as well, one after another until "
        "it is small enough; one that never is, is skipped and reported",
    )
    max_sharers: int = Field(
        100,
        ge=2,
        description="A value of an identifier that records say so many different things with, and more, joins nobody: "
        "it is a placeholder, a till's own card, a tablet in the shop; such values are counted and reported",
    )
    comparisons: dict[Compared, Comparison] = Field(description="Fields that are compared")
    threshold: Probability = Field(0.9, description="Probability of being one person from which a pair is linked")
    prior: Probability = Field(
        0.5,
        description="Share of matches among blocked pairs where there are too few to learn it from; half of the rest "
        "are taken for people of one household",
    )
    min_pairs: int = Field(500, ge=1, description="Pairs that are needed to learn weights")
    random_pairs: int = Field(300_000, ge=1, description="Random pairs on which chance agreement is counted")
    settled: int = Field(
        10_000,
        ge=1,
        description="Records from which on the weights stay until the records have grown by `growth`; with fewer, a "
        "night with new records learns them anew and resolves all",
    )
    steady: int = Field(
        500_000,
        ge=1,
        description="Records from which on the weights stay even where a record that they were learned from changes or "
        "leaves, or a clerk decides on one; with fewer, such a night learns them anew and resolves all",
    )
    growth: float = Field(1.25, gt=1, description="By how much the records grow before the weights are learned anew")

    @property
    def identifiers(self) -> list[Identifier]:
        """Those by which records are linked, exact ones first; each once."""
        return list(dict.fromkeys([*self.exact, *self.shareable]))

    @property
    def log_odds(self) -> float:
        """The threshold as log2 of odds."""
        return log2(self.threshold / (1 - self.threshold))


def load_policy(path: Path) -> IdentityPolicy:
    """The policy of a YAML file; `PolicyError` names file, field, what was found and what is allowed."""
    return load_policy_file(path, IdentityPolicy)
