"""The index from identifiers to customers, for questions about one person.

Writing identity/identifier belongs here; what counts as an identifier is `consent`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdp_pipelines.consent import list_identifiers
from cdp_pipelines.schema import CLUSTER, IDENTIFIER, PARTY
from cdp_pipelines.services.checked_write import StagedWrite, WriteReport, check_and_write

if TYPE_CHECKING:
    from datetime import date

    from warehouse.delta.lake import Lake


def update_identifier_index(lake: Lake, night: date) -> WriteReport:
    """List every identifier of every customer, as decisions use them."""
    rows = IDENTIFIER.conform(list_identifiers(lake.scan(PARTY), lake.scan(CLUSTER))).collect()
    counts = dict(rows["kind"].value_counts().sort("kind").iter_rows())
    return check_and_write(
        lake, night, StagedWrite(IDENTIFIER, rows, lambda: lake.replace(IDENTIFIER, rows), {"identifiers": counts})
    )
