"""Parts of a purpose: what its lawful basis rests on, and where its data goes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cdp_pipelines.policy import PolicyModel

Duration = Annotated[str, Field(pattern=r"^P([0-9]+Y([0-9]+M)?([0-9]+D)?|[0-9]+M([0-9]+D)?|[0-9]+D)$")]
InteractionType = Literal[
    "order", "refund", "receipt", "event", "call", "post", "survey", "reading", "visit", "warranty"
]
# A record that names an account, and one that names a loyalty card; each when it was observed.
HeldType = Literal["account", "membership"]
OpeningType = Literal[InteractionType, HeldType]
# A record that says something of the person; any will that counts; any request of a data subject.
RecordType = Literal[OpeningType, "record", "will", "request"]


class Transfer(PolicyModel):
    """Data that goes to a third country or an international organisation (Art. 30(1)(e))."""

    country: str = Field(min_length=2, description="ISO 3166-1 alpha-2, or the organisation's name")
    recipient: str = Field(min_length=1, description="Which of the purpose's recipients is there")
    safeguard: str = Field(
        min_length=1, description="What makes it lawful: an adequacy decision, or clauses (Art. 45, 46)"
    )


class ContractTerms(PolicyModel):
    """What makes a contract live (Art. 6(1)(b))."""

    opened_by: Annotated[tuple[OpeningType, ...], Field(min_length=1)] = Field(
        description="Interaction types that open one; account or membership for a record that names one"
    )
    closed_by: tuple[InteractionType, ...] = Field(
        (), description="Interaction types that end one by giving back its whole amount"
    )
    lasts: Duration = Field(description="ISO 8601 duration from its opening")

    @model_validator(mode="after")
    def _closes_what_it_does_not_open(self) -> ContractTerms:
        if both := sorted({*self.opened_by} & {*self.closed_by}):
            raise ValueError(f"opened_by and closed_by both have: {', '.join(both)}")
        return self


class ObligationTerms(PolicyModel):
    """What the law obliges the company to keep (Art. 6(1)(c)); it ends `retention` after its latest record."""

    created_by: Annotated[tuple[RecordType, ...], Field(min_length=1)] = Field(
        description="Interaction types that create it; account, membership, record, will, request besides"
    )


class InterestTerms(PolicyModel):
    """How long a legitimate interest lives (Art. 6(1)(f)): it lapses `retention` after the last contact."""

    contacts: Annotated[tuple[RecordType, ...], Field(min_length=1)] = Field(
        description="Interaction types that are a contact; account, membership, record, will, request besides"
    )
