"""The register of processing: a purpose, what it may read, and the lawful basis chosen for it beforehand."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from cdp_pipelines.channel.contract import Model
from cdp_pipelines.errors import PolicyError
from cdp_pipelines.golden.measures import MEASURES
from cdp_pipelines.tables import CUSTOMER, DECISION

if TYPE_CHECKING:
    from pathlib import Path

# What a column of a mart may come from, by the word before the dot in its declaration.
COLUMN_SOURCES = {"customer": CUSTOMER, "decision": DECISION, "measure": MEASURES}
DURATION = r"^P(\d+Y)?(\d+M)?(\d+D)?$"


class MartColumn(Model):
    """One column of a purpose's mart."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Its name in the mart")
    source: str = Field(description="customer.<attribute>, decision.<column> or measure.<name>")
    description: str = Field("", description="What it means, where the source's own description is not enough")

    @model_validator(mode="after")
    def _exists(self) -> MartColumn:
        word, _, name = self.source.partition(".")
        if word not in COLUMN_SOURCES:
            raise ValueError(f"source {self.source!r} begins with none of: {', '.join(COLUMN_SOURCES)}")
        if name not in COLUMN_SOURCES[word].schema:
            raise ValueError(f"there is no {self.source!r}; {word} has: {', '.join(COLUMN_SOURCES[word].schema)}")
        return self


class ContractTerms(Model):
    """What makes a contract live (Art. 6(1)(b))."""

    opened_by: Annotated[tuple[str, ...], Field(min_length=1)] = Field(description="Interaction types that open one")
    closed_by: tuple[str, ...] = Field((), description="Interaction types that end one by giving back its whole amount")
    lasts: str = Field(pattern=DURATION, description="ISO 8601 duration from its opening")


class Purpose(Model):
    """One purpose with exactly one lawful basis. Never edited in place: a change is a new version."""

    key: str = Field("", description="Its name: that of its folder")
    title: str = Field(description="What is done, for people (Art. 13(1)(c))")
    lawful_basis: Literal["consent", "contract"] = Field(description="Art. 6(1): (a) consent, (b) contract")
    effective_from: date = Field(description="Nothing before it is allowed: a basis is chosen before processing starts")
    version: str = Field(description="Version of this text")
    scope: Literal["person", "email", "phone"] = Field(
        "person", description="The person, or each contact point of a kind"
    )
    direct_marketing: bool = Field(False, description="An objection ends it whatever its basis (Art. 21(3))")
    notice: str | None = Field(None, description="Oldest notice version under which a consent still counts (Art. 7(1))")
    contract: ContractTerms | None = Field(None, description="What makes a contract live, for the basis contract")
    data_categories: tuple[str, ...] = Field(description="Categories of data that it needs (Art. 5(1)(c), 30(1)(c))")
    recipients: tuple[str, ...] = Field(description="Who receives it (Art. 30(1)(d))")
    retention: str = Field(pattern=DURATION, description="How long it may look back (Art. 5(1)(e), 30(1)(f))")
    columns: tuple[MartColumn, ...] = Field((), description="Columns of its mart, and no others (Art. 25(2))")

    @model_validator(mode="after")
    def _has_what_its_basis_needs(self) -> Purpose:
        if self.lawful_basis == "consent" and self.notice is None:
            raise ValueError("lawful_basis consent needs notice: the oldest version under which a consent counts")
        if self.lawful_basis == "contract" and self.contract is None:
            raise ValueError("lawful_basis contract needs contract: what opens and ends it")
        names = [column.name for column in self.columns]
        if len(set(names)) < len(names):
            raise ValueError(
                f"two columns have one name: {', '.join(sorted({n for n in names if names.count(n) > 1}))}"
            )
        if self.columns and not any(column.source == "customer.customer_id" for column in self.columns):
            raise ValueError("columns need one with source customer.customer_id")
        return self


def load_register(folder: Path) -> dict[str, Purpose]:
    """All purposes of a `purposes/` folder by key; `PolicyError` names file, field, what was found, what is allowed."""
    register = {}
    for path in sorted(folder.glob("*/defs.yaml")):
        attributes = (yaml.safe_load(path.read_text()) or {}).get("attributes")
        try:
            register[path.parent.name] = Purpose.model_validate(attributes).model_copy(update={"key": path.parent.name})
        except ValidationError as error:
            raise PolicyError.from_validation(str(path), error) from None
    return register
