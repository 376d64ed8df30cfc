"""The audience funnel of a purpose: how many customers each check leaves.

Here belongs the answer on a lake; the steps themselves are counted in `cdp_pipelines.consent.audience_funnel`.
"""

from datetime import datetime

from cdp_pipelines.consent.audience_funnel import build_funnel
from cdp_pipelines.errors import CdpError
from cdp_pipelines.schema import DECISION
from cdp_pipelines.schema.interval import valid_at
from cdp_pipelines.services.declarations import find_purpose
from cdp_pipelines.services.document import Document, Section
from cdp_pipelines.services.nights import read_nights
from warehouse.delta.lake import Lake


def report_funnel(lake: Lake, key: str, as_of: datetime | None) -> Document:
    """The audience funnel of a purpose on the decisions of the lake, as of its last night or of an instant before."""
    find_purpose(key)
    nights = read_nights(lake)
    instant = as_of or nights.last_as_of
    if instant < nights.first_as_of:
        raise CdpError(
            f"there are no decisions as of {instant:%Y-%m-%d %H:%M} UTC; "
            f"the first night decided as of {nights.first_as_of:%Y-%m-%d %H:%M}"
        )
    steps = build_funnel(valid_at(lake.scan(DECISION), instant), key)
    total, allowed = steps["customer_count"][0], steps["customer_count"][-1]
    return Document(
        f"Audience funnel of {key}",
        f"{allowed:,} of {total:,} customers may be reached, as of {instant:%Y-%m-%d %H:%M} UTC.",
        [
            Section(
                "steps",
                steps.to_dicts(),
                "A customer drops out at the step that denies the last of their contact points",
                bar="customer_count",
            )
        ],
    )
