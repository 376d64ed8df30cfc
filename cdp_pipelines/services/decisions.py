"""Decisions of a whole lake: what the nightly job, publication and the command line all ask the engine for."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from cdp_pipelines.consent import decide, list_identifiers
from cdp_pipelines.consent.cases import list_covered_subjects
from cdp_pipelines.purposes import Purpose
from cdp_pipelines.schema import CLUSTER, INTERACTION, LEDGER, PARTY, PRIVACY_REQUEST
from cdp_pipelines.services.declarations import load_company_cases, load_company_register
from warehouse.delta.lake import Lake


def decide_lake(
    lake: Lake, as_of: datetime, known_at: datetime | None = None, purposes: Mapping[str, Purpose] | None = None
) -> pl.DataFrame:
    """Decisions on the lake as it is, by what was known at `known_at` (as of the same instant, where none is given).

    All purposes of the register, or other `purposes`. Gives `consent.decide.COLUMNS`.
    """
    party, cluster, interaction = lake.scan(PARTY), lake.scan(CLUSTER), lake.scan(INTERACTION)
    return decide(
        load_company_register() if purposes is None else purposes,
        lake.scan(LEDGER),
        list_identifiers(party, cluster),
        interaction,
        cluster,
        as_of=as_of,
        known_at=known_at or as_of,
        party=party,
        requests=lake.scan(PRIVACY_REQUEST),
        cases=list_covered_subjects(load_company_cases(), interaction, party),
    )
