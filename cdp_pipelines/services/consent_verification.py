"""Every consent event and request of the drop files, and what became of it in a lake.

Here belongs the answer for people. The check is `warehouse.verify.consent`, which reads the raw files itself and shares
no code with us.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdp_pipelines.errors import LakeError
from cdp_pipelines.services.declarations import COMPANY
from cdp_pipelines.services.document import Document, Section
from warehouse.verify.consent import ConsentReport, verify_consent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from warehouse.delta.lake import Lake


@dataclass(frozen=True)
class ConsentVerification:
    """The answer, and whether everything is accounted for."""

    document: Document
    is_accounted: bool


def verify_consent_of_drops(lake: Lake, drops: Path, progress: Callable[[str, int, int], None]) -> ConsentVerification:
    """Account for each statement of the drop files; `LakeError` where the folder has no record of these channels.

    `progress` receives the current step, its number and the count of steps.
    """
    started = time.perf_counter()
    report = verify_consent(lake.path, drops, COMPANY, progress) if drops.is_dir() else ConsentReport()
    if not report.record_count:
        raise LakeError(f"{drops} has no record of a channel with consents. Name the folder with one folder per night")
    seconds = time.perf_counter() - started
    totals = Counter[str]()
    for (_, outcome, _), count in report.outcomes.items():
        totals[outcome] += count
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(totals.items()))
    answer = (
        f"{report.outcomes.total():,} statements in {report.record_count:,} records read in {seconds:.0f} s: {counts}. "
        f"{len(report.unaccounted):,} unaccounted, {len(report.differences):,} differences."
    )
    document = Document(
        "Consent of the drop files",
        answer,
        [
            Section(
                "outcomes",
                [
                    {"channel": channel, "outcome": outcome, "reason": reason, "statement_count": count}
                    for (channel, outcome, reason), count in sorted(report.outcomes.items())
                ],
            ),
            Section("unaccounted", [{"statement": each} for each in report.unaccounted]),
            Section("differences", [{"difference": each} for each in report.differences]),
        ],
    )
    return ConsentVerification(document, is_accounted=not report.unaccounted and not report.differences)
