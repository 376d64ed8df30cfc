"""Decisions on a whole lake, for the nightly job, publication and the command line.

One decision belongs in `cdp_pipelines.consent`, the explanation of one in `decision_explanation`.
"""

from datetime import datetime

import polars as pl

from cdp_pipelines.consent import DecisionInput, decide, list_identifiers
from cdp_pipelines.consent.cases import list_covered_subjects
from cdp_pipelines.consent.history import DECISION_KEY
from cdp_pipelines.purposes import Register
from cdp_pipelines.schema import CLUSTER, DECISION, INTERACTION, LEDGER, PARTY, PRIVACY_REQUEST, DecisionRows
from cdp_pipelines.schema.duration import end_of_knowledge
from cdp_pipelines.schema.interval import current
from cdp_pipelines.services.declarations import load_company_cases, load_company_register
from cdp_pipelines.services.silence import find_silences
from cdp_pipelines.services.step_memory import describe_environment, read_memory
from warehouse.delta.lake import Lake

# The step that writes consent/decision.
DECIDE = "decide_all"


def select_allowed_now(lake: Lake, as_of: datetime) -> pl.LazyFrame:
    """The decisions that allow, on the lake as it is at this moment; customer_id, purpose, contact_point, is_allowed.

    Those of consent/decision, where they were made as of the same instant and nothing has changed since that they rest
    on; else they are made anew, and not written. They are read once.
    """
    is_as_decided = read_memory(lake, DECIDE, describe_environment(lake, as_of))
    decisions = current(lake.scan(DECISION)) if is_as_decided else decide_lake(lake, as_of).lazy()
    return decisions.filter("is_allowed").select(*DECISION_KEY, "is_allowed").collect().lazy()


def decide_lake(
    lake: Lake, as_of: datetime, known_at: datetime | None = None, register: Register | None = None
) -> DecisionRows:
    """Decisions on the lake as it is, by what was known at `known_at` (default: in the night of `as_of`); see `decide`.

    `register`: the purposes to decide on; default: those of the company.
    """
    return decide(read_decision_input(lake, as_of, known_at, register))


def read_decision_input(
    lake: Lake, as_of: datetime, known_at: datetime | None = None, register: Register | None = None
) -> DecisionInput:
    """What decisions on the lake as it is rest on; see `decide_lake`."""
    known_at = known_at or end_of_knowledge(as_of)
    party, cluster, interactions = lake.scan(PARTY), lake.scan(CLUSTER), lake.scan(INTERACTION)
    return DecisionInput(
        register=load_company_register() if register is None else register,
        ledger=lake.scan(LEDGER),
        identifiers=list_identifiers(party, cluster),
        interactions=interactions,
        crosswalk=cluster,
        as_of=as_of,
        known_at=known_at,
        silent=find_silences(lake, known_at),
        party=party,
        requests=lake.scan(PRIVACY_REQUEST),
        cases=list_covered_subjects(load_company_cases(), interactions, party),
    )
