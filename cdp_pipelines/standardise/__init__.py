"""From raw records to the standard tables, by what each channel's contract maps; one module per table.

Every function takes the raw rows of one channel and its contract, and gives that channel's rows of one table.
"""

from cdp_pipelines.standardise.interaction import interaction
from cdp_pipelines.standardise.party import party
from cdp_pipelines.standardise.records import current
from cdp_pipelines.standardise.will import consent_event, preference, privacy_request

__all__ = ["consent_event", "current", "interaction", "party", "preference", "privacy_request"]
