"""Every decision and mart of a lake against the brute force, now or on other clocks.

Here belongs the comparison of a lake. The brute force itself is `warehouse.verify`, which shares no code with us.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cdp_pipelines.schema.duration import end_of_knowledge
from cdp_pipelines.services.decisions import decide_lake
from cdp_pipelines.services.declarations import COMPANY, find_purpose_of_mart
from cdp_pipelines.services.document import Document, Section
from warehouse.delta.lake import Lake
from warehouse.verify.marts import find_last_night, verify_decisions, verify_lake

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class MartVerification:
    """The answer, and whether there is no difference."""

    document: Document
    is_equal: bool


def verify_marts(
    lake: Lake, purposes: Sequence[str], as_of: datetime | None, known_at: datetime | None, progress: Progress
) -> MartVerification:
    """Compare all marts, or those of some purposes; `UnknownNameError` where a purpose has no mart.

    With a clock the engine first decides for it: `as_of` by default that of the last run, `known_at` by default the end
    of the night of `as_of`. `progress` receives the current step, its number and the count of steps.
    """
    for key in purposes:
        find_purpose_of_mart(key)
    started = time.perf_counter()
    if as_of is None and known_at is None:
        report = verify_lake(lake.path, COMPANY, tuple(purposes), progress)
    else:
        moment = as_of or find_last_night(lake.path)
        known = known_at or end_of_knowledge(moment)
        report = verify_decisions(
            lake.path, COMPANY, moment, known, decide_lake(lake, moment, known).to_dicts(), progress
        )
    seconds = time.perf_counter() - started
    answer = (
        f"{report.decision_count:,} decisions, {report.record_count:,} records at the merge gate and "
        f"{sum(report.row_counts.values()):,} rows of {len(report.row_counts)} marts recomputed in {seconds:.0f} s: "
        f"{len(report.differences):,} differences."
    )
    document = Document(
        "Marts against the brute force",
        answer,
        [
            Section(
                "marts",
                [
                    {"mart": key, "row_count": count, "earlier_night": report.earlier_nights.get(key)}
                    for key, count in report.row_counts.items()
                ],
            ),
            Section("differences", [{"difference": each} for each in report.differences]),
        ],
    )
    return MartVerification(document, is_equal=not report.differences)
