"""What a company declares about identity: which identifiers are exact, how pairs are found, compared and judged."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cdp_pipelines.channel.contract import Model

Identifier = Literal["account_id", "device_id", "advertising_id", "loyalty_card", "serial", "handle", "email", "phone"]
Compared = Literal["first_name", "middle_name", "last_name", "birth_date", "street", "email", "phone"]
Probability = Annotated[float, Field(gt=0, lt=1)]


class Comparison(Model):
    """How one field of a pair is compared, into levels: exact, close, initial, other; missing says nothing."""

    close: Probability | None = Field(None, description="Jaro-Winkler similarity from which two values are close")
    initial: bool = Field(False, description="A single letter agrees with a word that begins with it")
    term_frequency: bool = Field(False, description="An exact agreement on a rare value says more than on a common one")
    weights: dict[Literal["exact", "close", "initial", "other"], float] = Field(
        description="Match weights (log2 of m/u) by level, for data with too few pairs to learn them from"
    )


class IdentityPolicy(Model):
    """Rules of identity resolution."""

    exact: tuple[Identifier, ...] = Field(
        description="Identifiers that belong to one person: records that share a value are one customer"
    )
    shareable: tuple[Identifier, ...] = Field(
        description="Identifiers that several people may share: they join a record without a first name to the one "
        "customer who has them, and to nobody where several have them"
    )
    blocking: tuple[Annotated[tuple[Compared, ...], Field(min_length=1)], ...] = Field(
        description="Blocking rules: records that agree on all fields of any of them are compared"
    )
    max_block: int = Field(50, ge=2, description="Larger blocks say nothing of identity and are skipped and reported")
    comparisons: dict[Compared, Comparison] = Field(description="Fields that are compared")
    threshold: Probability = Field(0.9, description="Probability of being one person from which a pair is linked")
    prior: Probability = Field(
        0.5, description="Share of matches among blocked pairs: where learning begins, or what is taken without it"
    )
    min_pairs: int = Field(500, ge=1, description="Pairs that are needed to learn weights")
    max_pairs: int = Field(200_000, ge=1, description="Pairs that are enough to learn weights")
