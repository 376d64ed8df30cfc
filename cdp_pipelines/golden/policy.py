"""The declared policy of the golden record: which value survives, which attributes come from one record.

Here belong the typed model of `golden/defs.yaml` and its checks. The policy is applied in `survivorship`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cdp_pipelines.policy import PolicyModel
from cdp_pipelines.schema import CONTACT_POINT_KINDS, GOLDEN_ATTRIBUTES, PREFERENCE_COLUMNS

GOLDEN_COLUMNS = (*GOLDEN_ATTRIBUTES, *PREFERENCE_COLUMNS)
Rule = Literal["source_priority", "recency", "frequency", "completeness", "verified", "longest"]
Rules = Annotated[tuple[Rule, ...], Field(min_length=1)]


class SurvivorshipPolicy(PolicyModel):
    """Which value survives. Rules apply in order; the smaller record id decides between values that tie in all."""

    source_priority: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        description="Channels from the most to the least trusted; other channels come after them"
    )
    default: Rules = Field(
        description="Rules of attributes without rules of their own: source_priority, recency (latest observed), "
        "frequency (reported by most records; in an attribute group, each part counts), completeness (in an attribute "
        "group most parts, else the record with most attributes), verified (verified contact points first, bounced "
        "ones last), longest"
    )
    attributes: dict[str, Rules] = Field(
        {}, description="Rules per attribute of golden/customer; of an attribute group, under its first attribute"
    )
    attribute_groups: tuple[Annotated[tuple[str, ...], Field(min_length=2)], ...] = Field(
        (), description="Attributes that come from one record or not at all, so that no address has mixed parts"
    )
    verified_by: tuple[str, ...] = Field(
        (), description="Methods of a grant that prove that its e-mail or phone reaches the person"
    )
    household_max: int = Field(
        12, ge=2, description="Greatest household; more customers with one family name at one address are not one"
    )

    @model_validator(mode="after")
    def _check_attributes(self) -> SurvivorshipPolicy:
        grouped = [name for group in self.attribute_groups for name in group]
        if unknown := sorted({*self.attributes, *grouped} - {*GOLDEN_COLUMNS}):
            raise ValueError(f"unknown attributes: {', '.join(unknown)}; there are: {', '.join(GOLDEN_COLUMNS)}")
        if repeated := sorted({name for name in grouped if grouped.count(name) > 1}):
            raise ValueError(f"attribute_groups names twice: {', '.join(repeated)}; an attribute has one group")
        for group in self.attribute_groups:
            if points := [name for name in group if name in CONTACT_POINT_KINDS]:
                raise ValueError(
                    f"attribute_groups contains {', '.join(points)}: each purpose decides on contact points one by one"
                )
            if len({name in PREFERENCE_COLUMNS for name in group}) > 1:
                raise ValueError(
                    f"attribute_groups contains {', '.join(group)}: a record has either personal attributes or "
                    "preferences, so a group has one of the two"
                )
            if with_rules := [name for name in group[1:] if name in self.attributes]:
                raise ValueError(
                    f"attributes has rules for {', '.join(with_rules)}, which survive by the rules of {group[0]}"
                )
        return self

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Attribute groups in order of their first attributes; an attribute outside of all is a group of its own."""
        declared = {name: group for group in self.attribute_groups for name in group}
        return tuple(dict.fromkeys(declared.get(name, (name,)) for name in GOLDEN_COLUMNS))

    @property
    def group_of(self) -> dict[str, str]:
        """Attribute to the first attribute of its group."""
        return {name: group[0] for group in self.groups for name in group}

    def rules(self, attribute: str) -> tuple[Rule, ...]:
        """The rules of an attribute that is the first of its group, in order."""
        return self.attributes.get(attribute, self.default)
