"""`cdp evaluate`: the crosswalk against the truth."""

import json
import sys
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from cdp_pipelines.errors import LakeError
from cdp_pipelines.identity import evaluate
from cdp_pipelines.schema import CROSSWALK, PARTY
from warehouse.delta.lake import Lake

# Those that say who somebody is; the other channels carry an identifier or two.
IDENTITY_CHANNELS = ("crm_west", "crm_east", "webshop_customers", "call_centre", "app_events")


def evaluate_crosswalk(lake: Lake, truth: Path) -> pl.DataFrame:
    """Pairwise precision, recall and F1, three times.

    Ours on all records of party, ours on the records that say who somebody is, and on these exact e-mail matching.
    """
    persons = truth / "persons.parquet"
    if not persons.exists():
        raise LakeError(f"there is no {persons}")
    known, crosswalk, party = pl.read_parquet(persons), lake.read(CROSSWALK), lake.read(PARTY)
    if crosswalk.is_empty():
        raise LakeError(f"{lake.path} has no crosswalk; `cdp run` makes it")
    says_who = party.filter(
        pl.col("channel").is_in(IDENTITY_CHANNELS),
        pl.any_horizontal(pl.col(name).is_not_null() for name in ("first_name", "last_name")),
    )
    named = crosswalk.join(says_who, on=["channel", "source_record_id"], how="semi")
    alone = pl.concat_str("channel", "source_record_id", separator=":")
    by_email = says_who.select("channel", "source_record_id", pl.coalesce("email", alone).alias("customer_id"))
    return pl.concat(
        [
            evaluate(frame, known).select(pl.lit(name).alias("crosswalk"), pl.all())
            for name, frame in (
                ("all records of party", crosswalk),
                ("records that say who somebody is", named),
                ("these, by exact e-mail alone", by_email),
            )
        ]
    )


def print_evaluation(lake: Path, truth: Path, format_: str, out: Console) -> None:
    """Print the evaluation as a table or as JSON."""
    found = evaluate_crosswalk(Lake(lake.absolute()), truth)
    if format_ == "json":
        json.dump(found.to_dicts(), sys.stdout)
        sys.stdout.write("\n")
        return
    table = Table("", *found["crosswalk"], title="Pairwise, against the truth", title_justify="left")
    for name in found.columns[1:]:
        table.add_row(
            name.replace("_", " "),
            *(f"{value:.4f}" if isinstance(value, float) else f"{value:,}" for value in found[name]),
        )
    out.print(table)
