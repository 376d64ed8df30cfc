"""`cdp conflicts`: on which attributes sources disagree, and which channel loses against which."""

import polars as pl

from cdp_pipelines.errors import CdpError, LakeError
from cdp_pipelines.schema import CONFLICT
from cdp_pipelines.services.document import Document, Section
from warehouse.delta.lake import Lake


def report_conflicts(lake: Lake, attribute: str | None) -> Document:
    """The conflict statistics of the golden record as a document: by attribute, and by pairs of channels."""
    rows = lake.read(CONFLICT)
    if rows.is_empty():
        raise LakeError(f"{lake.path} has no golden record; `cdp run` makes it")
    if attribute is not None:
        if attribute not in (known := rows["attribute"].unique().sort()):
            raise CdpError(f"nobody has {attribute!r}; there are: {', '.join(known)}")
        rows = rows.filter(pl.col("attribute") == attribute)
    own = pl.col("winner") == pl.col("loser")
    share = (100 * pl.col("differing_count") / pl.col("customer_count")).round(1).alias("percent")
    won = (
        rows.filter(own)
        .select("attribute", pl.col("winner").alias("channel"), pl.col("customer_count").alias("golden values"))
        .sort("attribute", "golden values", "channel", descending=[False, True, False])
    )
    lost = (
        rows.filter(~own)
        .select("attribute", "winner", "loser", "customer_count", "differing_count", share)
        .rename({"customer_count": "both have it", "differing_count": "they differ"})
        .sort("they differ", "attribute", "winner", "loser", descending=[True, False, False, False])
    )
    customers = won.group_by("attribute").agg(pl.col("golden values").sum()).sort("attribute")
    told = ", ".join(f"{name} {n:,}" for name, n in customers.iter_rows())
    return Document(
        "Where sources disagree",
        f"Customers with a golden value: {told}.",
        [
            Section("Who gives the golden value", won.to_dicts()),
            Section(
                "Who loses against whom",
                lost.to_dicts(),
                "Customers of whom both channels have the attribute, and of these those of whom the loser says "
                "something else than the golden value",
            ),
        ],
    )
