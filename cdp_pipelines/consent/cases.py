"""Declared cases of vital or public interest (Art. 6(1)(d), (e)): a recall, an order of an authority.

A case lies beside its purpose as `cases/<case>.yaml` and says what it covers, never whom: persons are found by what
they did.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl
import yaml
from pydantic import AwareDatetime, Field, ValidationError, model_validator

from cdp_pipelines.consent.basis import CASE
from cdp_pipelines.consent.identifiers import KINDS, RECORD
from cdp_pipelines.errors import PolicyError
from cdp_pipelines.policy import PolicyModel
from cdp_pipelines.purposes.terms import InteractionType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cdp_pipelines.purposes.purpose import Purpose

BASES_OF_CASES = ("vital_interests", "public_interest")


class CaseCoverage(PolicyModel):
    """Interactions whose persons a case covers; what is left out does not matter."""

    interaction_type: InteractionType = Field(description="What they did")
    name: str | None = Field(None, description="Product, page or topic of the interaction")
    location_code: str | None = Field(None, description="Where it was")
    since: AwareDatetime = Field(datetime(1, 1, 1, tzinfo=UTC), description="From this instant")
    until: AwareDatetime = Field(datetime(9999, 1, 1, tzinfo=UTC), description="Until before this instant")


class Case(PolicyModel):
    """One declared case."""

    case_id: str = Field("", description="Its name: that of its file")
    purpose: str = Field("", description="Purpose that it allows: that of its folder")
    title: str = Field(min_length=1, description="What happened, for people")
    ordered_by: str = Field(min_length=1, description="Who declared it: an authority, the company's safety officer")
    declared_at: AwareDatetime = Field(description="When it was declared; nothing before it was known")
    starts_at: AwareDatetime = Field(description="From when it covers persons")
    ends_at: AwareDatetime | None = Field(None, description="When it ends; open where it is not known yet")
    covers: CaseCoverage = Field(description="Whom it covers, by what they did")

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Case:
        if self.ends_at is not None and self.ends_at <= self.starts_at:
            raise ValueError("ends_at is not after starts_at")
        return self


def load_cases(folder: Path, register: Mapping[str, Purpose]) -> tuple[Case, ...]:
    """All cases below a `purposes/` folder; `PolicyError` names file, field, what was found and what is allowed."""
    cases = []
    for path in sorted(folder.rglob("cases/*.yaml")):
        purpose = register.get(path.parent.parent.name)
        if purpose is None or purpose.lawful_basis not in BASES_OF_CASES:
            found = "no purpose" if purpose is None else f"lawful_basis {purpose.lawful_basis}"
            problem = f"{path.parent.parent.name!r} has {found}; a case is for: {', '.join(BASES_OF_CASES)}"
            raise PolicyError(str(path), (("purpose", problem),))
        try:
            case = Case.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
        except ValidationError as error:
            raise PolicyError.from_validation(str(path), error) from None
        cases.append(case.model_copy(update={"case_id": path.stem, "purpose": purpose.key}))
    return tuple(cases)


def list_covered_subjects(cases: Sequence[Case], interaction: pl.LazyFrame, party: pl.LazyFrame) -> pl.DataFrame:
    """Identifiers that each case covers; columns of `CASE`, key (case_id, subject_kind, subject_value).

    A person is covered on every identifier of the record of what they did. `interaction`, `party`: their tables.
    """
    found = [_of(case, interaction, party) for case in cases]
    return pl.concat(pl.collect_all(found)) if found else pl.DataFrame(schema=CASE)


def _of(case: Case, interaction: pl.LazyFrame, party: pl.LazyFrame) -> pl.LazyFrame:
    covers = case.covers
    done = interaction.filter(
        pl.col("interaction_type") == covers.interaction_type,
        pl.col("occurred_at") >= covers.since,
        pl.col("occurred_at") < covers.until,
        *(pl.col(name) == value for name in ("name", "location_code") if (value := getattr(covers, name)) is not None),
    )
    told = {name: pl.lit(getattr(case, name), dtype) for name, dtype in CASE.items() if name in Case.model_fields}
    return (
        party.join(done.select(RECORD), on=RECORD, how="semi")
        .select(KINDS)
        .unpivot(on=list(KINDS), variable_name="subject_kind", value_name="subject_value")
        .filter(pl.col("subject_value").is_not_null())
        .unique()
        .with_columns(**told)
        .select(*CASE)
    )
