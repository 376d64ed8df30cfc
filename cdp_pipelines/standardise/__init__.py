"""From raw records to the standard tables, by what each channel's contract maps; one module per table.

Every function takes the raw rows of one channel and its contract, and gives that channel's rows of one table.
"""

from cdp_pipelines.standardise.consent_event import build_consent_event, build_preference, build_privacy_request
from cdp_pipelines.standardise.interaction import build_interaction
from cdp_pipelines.standardise.latest import select_latest
from cdp_pipelines.standardise.party import build_party

__all__ = [
    "build_consent_event",
    "build_interaction",
    "build_party",
    "build_preference",
    "build_privacy_request",
    "select_latest",
]
