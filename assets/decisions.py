"""Decisions of a whole lake: what the nightly job, publication and the command line all ask the engine for."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from assets.policies import cases, register
from cdp_pipelines.consent import Purpose, decide, identifiers
from cdp_pipelines.consent.cases import covered
from cdp_pipelines.tables import CLUSTER, INTERACTION, LEDGER, PARTY, PRIVACY_REQUEST
from warehouse.lake import Lake


def decided(
    lake: Lake, as_of: datetime, known_at: datetime | None = None, purposes: Mapping[str, Purpose] | None = None
) -> pl.DataFrame:
    """Decisions on the lake as it is, by what was known at `known_at` (as of the same instant, where none is given).

    All purposes of the register, or other `purposes`. Gives `consent.decide.COLUMNS`.
    """
    party, cluster, interaction = lake.scan(PARTY), lake.scan(CLUSTER), lake.scan(INTERACTION)
    return decide(
        register() if purposes is None else purposes,
        lake.scan(LEDGER),
        identifiers(party, cluster),
        interaction,
        cluster,
        as_of=as_of,
        known_at=known_at or as_of,
        party=party,
        requests=lake.scan(PRIVACY_REQUEST),
        cases=covered(cases(), interaction, party),
    )
