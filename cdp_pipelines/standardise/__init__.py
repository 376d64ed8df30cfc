"""From raw records to the standard tables, as each channel's contract maps them.

Every `build_` function takes the current raw rows of one channel and its contract, and returns that channel's rows of
one table. Reading files is in `cdp_pipelines.channels`.
"""

from cdp_pipelines.standardise.consent_event import (
    build_consent_event,
    build_preference,
    build_privacy_request,
    find_unnamed_events,
)
from cdp_pipelines.standardise.contacts import read_subject
from cdp_pipelines.standardise.interaction import build_interaction
from cdp_pipelines.standardise.latest import select_latest
from cdp_pipelines.standardise.party import build_party

__all__ = [
    "build_consent_event",
    "build_interaction",
    "build_party",
    "build_preference",
    "build_privacy_request",
    "find_unnamed_events",
    "read_subject",
    "select_latest",
]
