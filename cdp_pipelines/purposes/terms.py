"""Terms that a purpose declares: contracts, obligations, interests and transfers.

The purpose itself belongs in `purpose`, the columns of its mart in `mart_terms`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cdp_pipelines.policy import PolicyModel
from cdp_pipelines.schema.vocabulary import InteractionType

Duration = Annotated[str, Field(pattern=r"^P([0-9]+Y([0-9]+M)?([0-9]+D)?|[0-9]+M([0-9]+D)?|[0-9]+D)$")]
# A record that carries an account, and one that carries a loyalty card; each from when it was observed.
HoldingType = Literal["account", "membership"]
OpeningType = Literal[InteractionType, HoldingType]
# A record about the person, a consent event that counts, and a request of a data subject.
RecordType = Literal[OpeningType, "record", "consent_event", "request"]


class Transfer(PolicyModel):
    """Data that goes to a third country or an international organisation (Art. 30(1)(e))."""

    country: str = Field(
        min_length=2, description="ISO 3166-1 alpha-2 code of the country, or name of the organisation"
    )
    recipient: str = Field(min_length=1, description="The recipient there, one of the recipients of the purpose")
    safeguard: str = Field(
        min_length=1,
        description="Why it is lawful, such as an adequacy decision or standard contractual clauses (Art. 45, 46)",
    )


class ContractTerms(PolicyModel):
    """What makes a contract live (Art. 6(1)(b))."""

    opened_by: Annotated[tuple[OpeningType, ...], Field(min_length=1)] = Field(
        description="Interaction types that open a contract; also account or membership: a record that carries one"
    )
    closed_by: tuple[InteractionType, ...] = Field(
        (), description="Interaction types that end a contract by returning its whole amount"
    )
    lasts: Duration = Field(description="ISO 8601 duration of a contract from its opening")

    @model_validator(mode="after")
    def _check_types(self) -> ContractTerms:
        if shared := sorted({*self.opened_by} & {*self.closed_by}):
            raise ValueError(f"a type cannot be in opened_by and closed_by; both have: {', '.join(shared)}")
        return self


class ObligationTerms(PolicyModel):
    """What creates a legal obligation (Art. 6(1)(c)); it ends `retention` after the latest such record."""

    created_by: Annotated[tuple[RecordType, ...], Field(min_length=1)] = Field(
        description="Interaction types that create it; also account, membership, record, consent_event, request"
    )


class InterestTerms(PolicyModel):
    """What keeps a legitimate interest alive (Art. 6(1)(f)); it lapses `retention` after the last contact."""

    contacts: Annotated[tuple[RecordType, ...], Field(min_length=1)] = Field(
        description="Interaction types that are a contact; also account, membership, record, consent_event, request"
    )
