"""`reports/identity.html`: how the night's customers were found, drawn; counts and weights, never a value.

The page of one resolution belongs here; the resolution itself belongs in `cdp_pipelines.identity`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from cdp_pipelines.services.document import Document, Section, render_html

if TYPE_CHECKING:
    from cdp_pipelines.identity import IdentityPolicy, Resolution

PAGE = Path("reports") / "identity.html"
# Match weights are counted in steps of this many bits up to this many; the longest bar has so many blocks.
STEP, HIGHEST, LONGEST = 4, 40, 40
# Customers are counted by their number of records, up to each of these.
STEPS = (1, 2, 3, 5, 10, 20, 50, 100, 1000)


def write_identity_page(
    lake: Path, resolution: Resolution, sizes: pl.DataFrame, policy: IdentityPolicy, night: str
) -> Path:
    """Write the page of a night's resolution into the lake; its path."""
    page = lake / PAGE
    page.parent.mkdir(parents=True, exist_ok=True)
    document = build_identity_document(resolution, sizes, policy, f"the night of {night}")
    page.write_text(render_html(document), encoding="utf-8")
    return page


def build_identity_document(
    resolution: Resolution, sizes: pl.DataFrame, policy: IdentityPolicy, about: str
) -> Document:
    """Match weights, cluster sizes, over-shared identifiers, blocking, and the model's probabilities.

    `sizes`: number of records of each customer (`size`); `about`: which records were resolved, for the title.
    """
    report: dict[str, Any] = resolution.report
    is_all = resolution.resolved is None
    shares = ", ".join(f"{name} {share:.2g}" for name, share in report["shares of pairs"].items())
    changed, resolved_count = report["records new or changed"], report["records resolved"]
    resolved = (
        "All of them were resolved"
        if is_all
        else f"{changed:,} of them are new or changed; "
        f"with the records that these affect, {resolved_count:,} were resolved"
    )
    pairs = "of all records" if is_all else "of the records resolved tonight"
    return Document(
        f"Identity resolution: {about}",
        f"{report['records']:,} records are {sizes.height:,} customers. "
        f"{resolved}, over {report['links resolved']:,} links; {report['pairs compared']:,} pairs were compared. "
        f"Model: {report['model origin']}, from {report['training records']:,} records until "
        f"{report['trained until']}. A pair is linked from a probability of {policy.threshold:g}; "
        f"{report['links refused']:,} such links were refused because other evidence contradicts them. "
        f"Shares of all pairs: {shares}.",
        [
            Section(
                "Match weights",
                _count_weights(resolution.scored),
                f"log2 of how much likelier the comparison is in one person than in two; pairs {pairs}",
            ),
            Section("Customers by number of records", _count_sizes(sizes), "All customers; check the largest first"),
            Section(
                "Over-shared identifiers",
                [
                    {"identifier": name, "values": f"{count:,}"}
                    for name, count in report["over-shared identifiers"].items()
                ],
                f"A value that more than {policy.max_sharers:,} distinct records share joins nobody",
            ),
            Section(
                "Blocking",
                report["blocking"],
                f"Candidate pairs by blocking rule, and blocks that were too large; pairs {pairs}"
                if is_all
                else "The blocks that tonight's changes affect, and the pairs that they add",
            ),
            Section(
                "Model",
                _list_levels(resolution),
                "Probability of each comparison level in one person (m), one household (h) and two people (u)",
            ),
        ],
    )


def _draw_bar(count: int, most: int) -> str:
    return "█" * max(1, round(LONGEST * count / most)) if count else ""


def _count_weights(scored: pl.DataFrame) -> list[dict[str, object]]:
    step = (pl.col("match_weight").clip(-HIGHEST, HIGHEST) // STEP * STEP).cast(pl.Int64).alias("from")
    counted = scored.group_by(step).agg(pl.len(), pl.col("is_linked").sum().cast(pl.Int64)).sort("from")
    most = max(counted["len"].to_list(), default=1)
    return [
        {"weight": f"{low} to {low + STEP}", "pairs": f"{n:,}", "linked": f"{linked:,}", "": _draw_bar(n, most)}
        for low, n, linked in counted.iter_rows()
    ]


def _count_sizes(sizes: pl.DataFrame) -> list[dict[str, object]]:
    step = pl.Series("step", np.searchsorted(STEPS, sizes["size"].to_numpy()))
    counted = sizes.group_by(step).agg(pl.len().alias("n"), pl.col("size").max()).sort("step")
    most = max(counted["n"].to_list(), default=1)
    return [
        {
            "records": f"up to {STEPS[place] if place < len(STEPS) else size:,}",
            "customers": f"{n:,}",
            "": _draw_bar(n, most),
        }
        for place, n, size in counted.iter_rows()
    ]


def _list_levels(resolution: Resolution) -> list[dict[str, object]]:
    return [
        {
            "field": field,
            "level": level,
            "m": "" if m is None else f"{m:.4f}",
            "h": "" if h is None else f"{h:.4f}",
            "u": "" if u is None else f"{u:.2g}",
            "match weight": f"{weight:+.1f}",
        }
        for field, level, m, h, u, weight in resolution.model.list_levels().iter_rows()
    ]
