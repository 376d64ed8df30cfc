"""Whether all answers about a mart agree: its funnel, its rows, the history of membership, and the served file.

Here belongs the comparison of counts. Whether each row is right is `mart_verification`'s question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.marts.mart import select_members
from cdp_pipelines.schema import CUSTOMER, DECISION, MEMBERSHIP, PROVENANCE
from cdp_pipelines.schema.interval import current
from cdp_pipelines.services.declarations import load_company_register
from warehouse.serving import mart_file

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from warehouse.delta.lake import Lake


def find_disagreements(
    lake: Lake, row_counts: Mapping[str, int], served_counts: Mapping[str, int], held_back: Collection[str]
) -> dict[str, str]:
    """Purpose to the counts that disagree, in words; empty where all agree.

    `row_counts`: rows of each mart in the lake, `served_counts`: those to be served; `held_back`: marts with rows of an
    earlier night, whose funnel is tonight's. A mart that its SQL shapes may have fewer rows than its funnel.
    """
    register = load_company_register()
    members = dict(current(lake.scan(MEMBERSHIP)).group_by("purpose").len().collect().iter_rows())
    in_file = mart_file.count_rows(lake)
    scans = current(lake.scan(DECISION)).filter("is_allowed"), lake.scan(PROVENANCE), lake.scan(CUSTOMER)
    # Read once for all purposes.
    decision, provenance, customer = (frame.lazy() for frame in pl.collect_all(scans))
    found = {}
    for key, row_count in row_counts.items():
        purpose = register[key]
        *_, left = select_members(purpose, decision, provenance, customer).counts.values()
        # Cells of an aggregate are no customers: its membership lists those whom they count.
        in_mart = left if purpose.aggregate else row_count
        counts = {"membership": members.get(key, 0), "mart": in_mart}
        if key not in held_back and not (purpose.shape and not purpose.aggregate):
            counts["funnel"] = left
        served = {"file": in_file.get(key), "rows to be served": served_counts[key]}
        for group in (counts, served):
            if len(set(group.values())) > 1:
                found[key] = ", ".join(f"{name}: {count}" for name, count in group.items())
    return found
