"""`reports/identity.html`: how the night's customers were found, drawn; counts and weights, never a value.

The page of one resolution belongs here; the resolution itself belongs in `cdp_pipelines.identity`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from cdp_pipelines.reports.document import render_document
from cdp_pipelines.services.document import Document, Section

if TYPE_CHECKING:
    from cdp_pipelines.identity import IdentityPolicy, Resolution

PAGE = Path("reports") / "identity.html"
# Match weights are counted in steps of this many bits up to this many.
STEP, HIGHEST = 4, 40
# Customers are counted by their number of records, up to each of these.
STEPS = (1, 2, 3, 5, 10, 20, 50, 100, 1000)


def write_identity_page(
    lake: Path, resolution: Resolution, sizes: pl.DataFrame, policy: IdentityPolicy, night: str
) -> Path:
    """Write the page of a night's resolution into the lake; its path."""
    page = lake / PAGE
    page.parent.mkdir(parents=True, exist_ok=True)
    document = build_identity_document(resolution, sizes, policy, f"the night of {night}")
    page.write_text(render_document(document), encoding="utf-8")
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
                "match_weights",
                _count_weights(resolution.scored),
                f"log2 of how much likelier the comparison is in one person than in two; pairs {pairs}",
                bar="pair_count",
            ),
            Section(
                "cluster_sizes",
                _count_sizes(sizes),
                "All customers; check the largest first",
                title="Customers by number of records",
                bar="customer_count",
            ),
            Section(
                "over_shared_identifiers",
                [
                    {"identifier": name, "value_count": count}
                    for name, count in report["over-shared identifiers"].items()
                ],
                f"A value that more than {policy.max_sharers:,} distinct records share joins nobody",
            ),
            Section(
                "blocking",
                [{name.replace(" ", "_"): value for name, value in row.items()} for row in report["blocking"]],
                f"Candidate pairs by blocking rule, and blocks that were too large; pairs {pairs}"
                if is_all
                else "The blocks that tonight's changes affect, and the pairs that they add",
            ),
            Section(
                "model",
                _list_levels(resolution),
                "Probability of each comparison level in one person (m), one household (h) and two people (u)",
            ),
        ],
    )


def _count_weights(scored: pl.DataFrame) -> list[dict[str, object]]:
    step = (pl.col("match_weight").clip(-HIGHEST, HIGHEST) // STEP * STEP).cast(pl.Int64).alias("from_weight")
    counted = scored.group_by(step).agg(pl.len(), pl.col("is_linked").sum().cast(pl.Int64)).sort("from_weight")
    return [
        {"from_weight": low, "to_weight": low + STEP, "pair_count": count, "linked_count": linked_count}
        for low, count, linked_count in counted.iter_rows()
    ]


def _count_sizes(sizes: pl.DataFrame) -> list[dict[str, object]]:
    step = pl.Series("step", np.searchsorted(STEPS, sizes["size"].to_numpy()))
    counted = sizes.group_by(step).agg(pl.len().alias("count"), pl.col("size").max()).sort("step")
    return [
        {"max_record_count": STEPS[place] if place < len(STEPS) else size, "customer_count": count}
        for place, count, size in counted.iter_rows()
    ]


def _list_levels(resolution: Resolution) -> list[dict[str, object]]:
    return [
        {
            "field": field,
            "level": level,
            "m": _round(m),
            "h": _round(h),
            "u": _round(u),
            "match_weight": round(weight, 2),
        }
        for field, level, m, h, u, weight in resolution.model.list_levels().iter_rows()
    ]


def _round(probability: float | None) -> float | None:
    """Four significant digits; a classifier without probabilities has none."""
    return None if probability is None else float(f"{probability:.4g}")
