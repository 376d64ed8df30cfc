"""On which attributes sources disagree, and which channel loses against which.

Here belongs the report on the conflict statistics. The statistics themselves are made with the golden record.
"""

import polars as pl

from cdp_pipelines.errors import LakeError, UnknownNameError
from cdp_pipelines.schema import CONFLICT
from cdp_pipelines.services.document import Document, Section
from warehouse.delta.lake import Lake


def report_conflicts(lake: Lake, attribute: str | None) -> Document:
    """The conflict statistics of one attribute or of all: by attribute, and by pairs of channels."""
    rows = lake.read(CONFLICT)
    if rows.is_empty():
        raise LakeError(f"{lake.path} has no golden record; `cdp run` makes it")
    if attribute is not None:
        if attribute not in (known := rows["attribute"].unique().to_list()):
            raise UnknownNameError("attribute", attribute, known)
        rows = rows.filter(pl.col("attribute") == attribute)
    is_own = pl.col("winner") == pl.col("loser")
    winners = (
        rows.filter(is_own)
        .select("attribute", pl.col("winner").alias("channel"), "customer_count")
        .sort("attribute", "customer_count", "channel", descending=[False, True, False])
    )
    losers = (
        rows.filter(~is_own)
        .select("attribute", "winner", "loser", "customer_count", "differing_count",
                (100 * pl.col("differing_count") / pl.col("customer_count")).round(1).alias("differing_percent"))
        .sort("differing_count", "attribute", "winner", "loser", descending=[True, False, False, False])
    )  # fmt: skip
    totals = winners.group_by("attribute").agg(pl.col("customer_count").sum()).sort("attribute")
    counts = ", ".join(f"{name} {count:,}" for name, count in totals.iter_rows())
    return Document(
        "Conflicts between sources",
        f"Customers with a golden value: {counts}.",
        [
            Section("winners", winners.to_dicts(), "Customers whose golden value comes from the channel"),
            Section(
                "losers",
                losers.to_dicts(),
                "Customers of whom both channels have the attribute, and how often the losing channel has another "
                "value than the golden record",
            ),
        ],
    )
