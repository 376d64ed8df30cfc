"""Declared cases of vital or public interest (Art. 6(1)(d), (e)): a recall, an order of an authority.

A case is the file `cases/<case>.yaml` beside its purpose. It names interactions, never persons; the persons are found
from the interactions. What a case permits belongs in `basis`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl
from pydantic import AwareDatetime, Field, ValidationError, model_validator

from cdp_pipelines.errors import PolicyError
from cdp_pipelines.policy import PolicyModel, read_yaml
from cdp_pipelines.schema import IDENTIFIER_KINDS, RECORD_KEY
from cdp_pipelines.schema import UTC as INSTANT
from cdp_pipelines.schema.vocabulary import InteractionType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cdp_pipelines.purposes.purpose import Purpose
    from cdp_pipelines.schema import InteractionFrame, PartyFrame

CASE_BASES = ("vital_interests", "public_interest")
# Columns of the identifiers that cases cover; key (case_id, subject_kind, subject_value).
CASE = {
    "case_id": pl.String(),
    "purpose": pl.String(),
    "subject_kind": pl.String(),
    "subject_value": pl.String(),
    "starts_at": INSTANT,
    "ends_at": INSTANT,
    "declared_at": INSTANT,
}
CaseRows = pl.DataFrame


class CaseCoverage(PolicyModel):
    """Interactions whose persons a case covers; an absent field is not compared."""

    interaction_type: InteractionType = Field(description="Type of the interaction")
    name: str | None = Field(None, description="Product, page or topic of the interaction")
    location_code: str | None = Field(None, description="Where it took place")
    since: AwareDatetime = Field(datetime(1, 1, 1, tzinfo=UTC), description="First instant")
    until: AwareDatetime = Field(datetime(9999, 1, 1, tzinfo=UTC), description="Instant before which it took place")


class Case(PolicyModel):
    """One declared case."""

    case_id: str = Field("", description="Its name; set from the name of its file")
    purpose: str = Field("", description="Purpose that it permits; set from its folder")
    title: str = Field(min_length=1, description="What happened, in plain words")
    ordered_by: str = Field(min_length=1, description="Who declared it, such as an authority or the safety officer")
    declared_at: AwareDatetime = Field(description="When it was declared; it is unknown before")
    starts_at: AwareDatetime = Field(description="First instant at which it covers persons")
    ends_at: AwareDatetime | None = Field(None, description="When it ends; empty if not known yet")
    covers: CaseCoverage = Field(description="Interactions whose persons it covers")

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Case:
        if self.ends_at is not None and self.ends_at <= self.starts_at:
            raise ValueError(f"ends_at {self.ends_at} must be later than starts_at {self.starts_at}")
        return self


def load_cases(folder: Path, register: Mapping[str, Purpose]) -> tuple[Case, ...]:
    """All cases below a `purposes/` folder; `PolicyError` names file, field, what was found and what is allowed."""
    cases = []
    for path in sorted(folder.rglob("cases/*.yaml")):
        purpose = register.get(path.parent.parent.name)
        if purpose is None or purpose.lawful_basis not in CASE_BASES:
            found = "is not a purpose" if purpose is None else f"has lawful_basis {purpose.lawful_basis}"
            problem = f"{path.parent.parent.name!r} {found}; allowed: {', '.join(CASE_BASES)}"
            raise PolicyError(str(path), (("purpose", problem),))
        try:
            case = Case.model_validate(read_yaml(path) or {})
        except ValidationError as error:
            raise PolicyError.from_validation(str(path), error) from None
        cases.append(case.model_copy(update={"case_id": path.stem, "purpose": purpose.key}))
    return tuple(cases)


def list_covered_subjects(cases: Sequence[Case], interactions: InteractionFrame, party: PartyFrame) -> CaseRows:
    """Identifiers that each case covers; columns of `CASE`.

    A case covers every identifier on the records of its interactions.
    """
    covered = [_list_identifiers(case, interactions, party) for case in cases]
    return pl.concat(pl.collect_all(covered)) if covered else pl.DataFrame(schema=CASE)


def _list_identifiers(case: Case, interactions: InteractionFrame, party: PartyFrame) -> pl.LazyFrame:
    covers = case.covers
    covered = interactions.filter(
        pl.col("interaction_type") == covers.interaction_type,
        pl.col("occurred_at") >= covers.since,
        pl.col("occurred_at") < covers.until,
        *(pl.col(name) == value for name in ("name", "location_code") if (value := getattr(covers, name)) is not None),
    )
    constants = {name: pl.lit(getattr(case, name), dtype) for name, dtype in CASE.items() if name in Case.model_fields}
    return (
        party.join(covered.select(RECORD_KEY), on=RECORD_KEY, how="semi")
        .select(IDENTIFIER_KINDS)
        .unpivot(on=list(IDENTIFIER_KINDS), variable_name="subject_kind", value_name="subject_value")
        .filter(pl.col("subject_value").is_not_null())
        .unique()
        .with_columns(**constants)
        .select(*CASE)
    )
