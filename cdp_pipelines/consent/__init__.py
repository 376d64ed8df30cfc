"""Consent: the ledger of consent events and its seals, the decision on each customer and purpose, and the merge gate.

What a company declares about its purposes belongs in `cdp_pipelines.purposes`.
"""

from cdp_pipelines.consent.decide import DecisionInput, decide
from cdp_pipelines.consent.history import update_decision_history
from cdp_pipelines.consent.identifiers import list_identifiers
from cdp_pipelines.consent.ledger import extend_ledger
from cdp_pipelines.consent.merge_gate import build_crosswalk, list_non_linking
from cdp_pipelines.consent.seal import seal_events
from cdp_pipelines.consent.unresolved import (
    complete_events,
    complete_requests,
    find_unresolved,
    select_current_resolutions,
)

__all__ = [
    "DecisionInput",
    "build_crosswalk",
    "complete_events",
    "complete_requests",
    "decide",
    "extend_ledger",
    "find_unresolved",
    "list_identifiers",
    "list_non_linking",
    "seal_events",
    "select_current_resolutions",
    "update_decision_history",
]
