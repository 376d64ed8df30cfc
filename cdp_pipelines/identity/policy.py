"""The identity policy: what a company declares about exact identifiers, blocking, comparison and classification.

Only the declaration belongs here, as frozen models with their validation. How it is carried out belongs in the other
modules of this package.
"""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from cdp_pipelines.policy import PolicyModel, load_policy_file
from cdp_pipelines.schema.vocabulary import LinkIdentifier

if TYPE_CHECKING:
    from pathlib import Path

Compared = Literal[
    "first_name", "middle_name", "last_name", "birth_date", "street", "email", "phone", "loyalty_card", "account_id"
]
# Parts of fields for blocking: a typing error elsewhere in the field does no harm.
Part = Literal["postal_code", "first_initial", "first_sound", "last_sound", "house_number", "email_local", "phone_tail"]
Kind = Literal["name", "initial", "date", "address", "email", "number"]
Classifier = Literal["fellegi_sunter", "ecm", "naive_bayes", "logistic_regression", "svm"]
Probability = Annotated[float, Field(gt=0, lt=1)]
# Comparison levels of each kind in the order in which they are tested; the first that holds is the level.
LEVELS: dict[Kind, tuple[str, ...]] = {
    "name": ("exact", "initial", "nickname", "part", "close", "similar", "swapped", "other"),
    "initial": ("exact", "other"),
    "date": ("exact", "typo", "part", "other"),
    "address": ("exact", "flat", "close", "area", "other"),
    "email": ("exact", "local", "typo", "other"),
    "number": ("exact", "typo", "other"),
}


class Comparison(PolicyModel):
    """How one field of a pair is compared, into levels; a value missing on either side is neutral."""

    kind: Kind = Field(
        description="name: exact, initial, nickname, part (of a double name), close, similar, swapped (with the other "
        "name), other. date: exact, typo (a digit, or day and month swapped), part (two of three), other. address: "
        "exact, flat (equal except for the flat), close (a typo), area (postal code alone), other. email: exact, local "
        "(another domain), typo, other. number: exact, typo, other. initial: exact, other"
    )
    of_household: bool | Probability = Field(
        False,
        description="People of one household share this field, so it does not separate them. true: how often they "
        "agree is learned; a number: the declared probability that they agree (a first name passed from father to son, "
        "a birth date shared by twins)",
    )
    contradicts: bool = Field(
        False,
        description="A pair at level `other` that is not a match contradicts: the groups of its two records are never "
        "joined, unless other records of the two groups agree in this field",
    )
    term_frequency: bool = Field(
        False, description="An exact agreement on a rare value weighs more than on a common one"
    )
    levels: dict[str, tuple[Probability, Probability]] = Field(
        description="For each level its m and u probability: how often records of one person and of two people reach "
        "it. They hold for data with too few pairs to learn from, and m starts with them, weighted as `min_pairs` pairs"
    )

    @model_validator(mode="after")
    def _has_each_level(self) -> Comparison:
        if {*self.levels} != {*LEVELS[self.kind]}:
            raise ValueError(f"levels has {', '.join(self.levels)}; {self.kind} has {', '.join(LEVELS[self.kind])}")
        return self

    def declared(self, probability: Literal["m", "u"]) -> tuple[float, ...]:
        """Declared m or u probabilities of the levels in their order; they sum to 1."""
        declared = [self.levels[level]["mu".index(probability)] for level in LEVELS[self.kind]]
        return tuple(value / sum(declared) for value in declared)


class Refit(PolicyModel):
    """When the model is trained anew. Each training resolves all records."""

    min_records: int = Field(
        default=10_000,
        ge=1,
        description="From this number of records on, the model is kept until the records have grown by `growth`; with "
        "fewer, a night with new records trains it anew",
    )
    growth: float = Field(
        default=1.25, gt=1, description="Factor by which the records grow before the model is trained anew"
    )
    frozen_above: int = Field(
        default=500_000,
        ge=1,
        description="From this number of records on, the model is kept even when a training record changes or leaves, "
        "or a clerk reviews one; with fewer, such a night trains it anew",
    )


class IdentityPolicy(PolicyModel):
    """Rules of identity resolution."""

    exact: tuple[LinkIdentifier, ...] = Field(
        description="Identifiers that belong to one person: records that share a value are one customer"
    )
    shareable: tuple[LinkIdentifier, ...] = Field(
        description="Identifiers that several people may share: they join a record without a first name to the one "
        "customer who has the value, and to nobody if several customers have it"
    )
    blocking: tuple[Annotated[tuple[Compared | Part, ...], Field(min_length=1)], ...] = Field(
        max_length=15, description="Blocking rules: records that agree on all fields of one rule are compared"
    )
    max_block: int = Field(50, ge=2, description="Larger blocks are refined by `refine_by`")
    refine_by: tuple[Compared | Part, ...] = Field(
        ("first_name", "last_name", "postal_code", "birth_date"),
        description="Fields that the records of a too large block must also agree on, added one after another until "
        "the block is small enough; a block that stays too large is skipped and reported",
    )
    max_sharers: int = Field(
        100,
        ge=2,
        description="A value of an identifier that more distinct records share is over-shared and joins nobody: it is "
        "a placeholder, the card of a till, a tablet in the shop; over-shared values are counted and reported",
    )
    comparisons: dict[Compared, Comparison] = Field(min_length=1, description="Fields that are compared")
    classifier: Classifier = Field(
        "fellegi_sunter",
        description="What turns comparison levels into the odds of a match. fellegi_sunter: the built-in three-class "
        "model, trained without labels. ecm, naive_bayes, logistic_regression, svm: the classifiers of recordlinkage; "
        "ecm is trained without labels, the others on the clerks' reviews",
    )
    threshold: Probability = Field(0.9, description="Probability of being one person from which a pair is linked")
    prior: Probability = Field(
        0.5,
        description="Share of matches among candidate pairs if there are too few to learn it from; half of the rest "
        "count as people of one household",
    )
    min_pairs: int = Field(500, ge=1, description="Candidate pairs that training needs")
    random_pairs: int = Field(
        300_000, ge=1, description="Random pairs on which chance agreement is counted; training of `ecm` reads as many"
    )
    refit: Refit = Field(Refit(), description="When the model is trained anew")

    @property
    def identifiers(self) -> list[str]:
        """The identifiers that link records, exact ones first, each once."""
        return list(dict.fromkeys([*self.exact, *self.shareable]))

    @property
    def compared(self) -> dict[str, Comparison]:
        """The comparisons by name of field, as plain text."""
        return {str(name): comparison for name, comparison in self.comparisons.items()}

    @property
    def min_log_odds(self) -> float:
        """The threshold as log2 odds."""
        return log2(self.threshold / (1 - self.threshold))


def load_policy(path: Path) -> IdentityPolicy:
    """The policy of a YAML file; `PolicyError` names the file, the field, what was found and what is allowed."""
    return load_policy_file(path, IdentityPolicy)
