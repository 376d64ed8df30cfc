"""`reports/identity.html`: how the night's customers were found, drawn; counts and weights, never a value."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from cdp_pipelines.identity.policy import LEVELS
from cdp_pipelines.services.document import Document, Section, render_html

if TYPE_CHECKING:
    from cdp_pipelines.identity import IdentityPolicy, Resolution

PAGE = Path("reports") / "identity.html"
# Weights are told in steps of so many bits; a bar of so many blocks is the longest.
STEP, LONGEST = 4, 40
# Customers are counted by records up to each of these.
STEPS = (1, 2, 3, 5, 10, 20, 50, 100, 1000)


def write_identity_page(lake: Path, found: Resolution, sizes: pl.DataFrame, policy: IdentityPolicy, night: str) -> Path:
    """Write the page of a night's resolution into the lake; its path."""
    page = lake / PAGE
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(
        render_html(build_identity_document(found, sizes, policy, f"the night of {night}")), encoding="utf-8"
    )
    return page


def build_identity_document(found: Resolution, sizes: pl.DataFrame, policy: IdentityPolicy, about: str) -> Document:
    """Match weights, cluster sizes, blocking, and the model's probabilities.

    `sizes`: size of each customer there is, in records; `about`: which records were resolved, for the title.
    """
    report, model = found.report, found.model
    shares = ", ".join(f"{name} {share:.2g}" for name, share in report["share of pairs"].items())
    new, resolved_count = report["records new or changed"], report["records resolved"]
    brought = (
        "All were"
        if found.touched is None
        else f"{new:,} came or changed; with what they touch {resolved_count:,} were"
    )
    tonight = "of all records" if found.touched is None else "of the records resolved tonight"
    return Document(
        f"Who is one person: {about}",
        f"{report['records']:,} records are {sizes.height:,} customers. "
        f"{brought} resolved, over {report['links resolved']:,} links; "
        f"{report['pairs compared']:,} pairs were compared. "
        f"Weights: {model.origin}, from the {report['learned from']:,} records until {report['learned until']}. "
        f"A pair is linked from a probability of {policy.threshold:g}; "
        f"{report['links refused']:,} such links were refused because of what else is known. "
        f"Of all pairs: {shares}.",
        [
            Section(
                "Match weights",
                _weights(found.scored),
                f"log2 of how much likelier the agreement is in one person; pairs {tonight}",
            ),
            Section("Customers by number of records", _sizes(sizes), "Of all; the largest is looked at first"),
            Section(
                "Identifiers that too many share",
                [{"identifier": name, "values": f"{n:,}"} for name, n in report["crowded identifiers"].items()],
                f"A value with more than {policy.max_sharers:,} different records joins nobody",
            ),
            Section(
                "Blocking",
                report["blocking"],
                f"Which were compared, and what was too large to be; pairs {tonight}"
                if found.touched is None
                else "The blocks that tonight's changes touch, and the pairs that they add",
            ),
            Section("Model", _model(found), "Probability of a level in one person (m), one household (h), two (u)"),
        ],
    )


def _bar(count: int, most: int) -> str:
    return "█" * max(1, round(LONGEST * count / most)) if count else ""


def _weights(scored: pl.DataFrame) -> list[dict[str, object]]:
    step = (pl.col("match_weight").clip(-40, 40) // STEP * STEP).cast(pl.Int64).alias("from")
    counted = scored.group_by(step).agg(pl.len(), pl.col("is_linked").sum().cast(pl.Int64)).sort("from")
    most = counted["len"].max() or 1
    return [
        {"weight": f"{low} to {low + STEP}", "pairs": f"{n:,}", "linked": f"{linked:,}", "": _bar(n, most)}
        for low, n, linked in counted.iter_rows()
    ]


def _sizes(sizes: pl.DataFrame) -> list[dict[str, object]]:
    up_to = pl.col("size").map_batches(lambda each: pl.Series(np.searchsorted(STEPS, each.to_numpy())))
    counted = sizes.group_by(up_to.alias("step")).agg(pl.len().alias("n"), pl.col("size").max()).sort("step")
    most = counted["n"].max() or 1
    return [
        {"records": f"up to {STEPS[step] if step < len(STEPS) else size:,}", "customers": f"{n:,}", "": _bar(n, most)}
        for step, n, size in counted.iter_rows()
    ]


def _model(found: Resolution) -> list[dict[str, object]]:
    model = found.model
    return [
        {"field": name, "level": level, "m": f"{model.m[name][at]:.4f}", "h": f"{model.h[name][at]:.4f}",
         "u": f"{model.u[name][at]:.2g}", "match weight": f"{model.weights[name][level]:+.1f}"}
        for name, kind in model.kinds.items()
        for at, level in enumerate(LEVELS[kind])
    ]  # fmt: skip
