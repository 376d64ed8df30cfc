"""How well a lake's crosswalk agrees with the truth.

Reading both, and the baseline that they are held against, belong here; the measures belong in
`cdp_pipelines.identity.evaluate`.
"""

from pathlib import Path

import polars as pl

from cdp_pipelines.errors import LakeError
from cdp_pipelines.identity import evaluate
from cdp_pipelines.schema import CROSSWALK, PARTY, RECORD_KEY
from cdp_pipelines.services.declarations import load_company
from cdp_pipelines.services.document import Document, Section
from warehouse.delta.lake import Lake


def select_identity_records(party: pl.DataFrame) -> pl.DataFrame:
    """Records of the identity channels that name a person."""
    is_named = pl.any_horizontal(pl.col(name).is_not_null() for name in ("first_name", "last_name"))
    return party.filter(pl.col("channel").is_in(load_company().identity_channels), is_named)


def evaluate_crosswalk(lake: Lake, truth: Path) -> pl.DataFrame:
    """Pairwise precision, recall and F1, three times; `truth`: a folder with `persons.parquet`.

    The crosswalk on all records of party, the crosswalk on records that name a person, and exact e-mail matching on
    these.
    """
    persons = truth / "persons.parquet"
    if not persons.exists():
        raise LakeError(f"Missing file {persons}: the truth is one row per record (channel, source_record_id, person)")
    known, crosswalk = pl.read_parquet(persons), lake.read(CROSSWALK)
    if crosswalk.is_empty():
        raise LakeError(f"{lake.path} has no crosswalk; `cdp run` makes it")
    named_records = select_identity_records(lake.read(PARTY))
    named = crosswalk.join(named_records, on=list(RECORD_KEY), how="semi")
    own_id = pl.concat_str(*RECORD_KEY, separator=":")
    by_email = named_records.select(*RECORD_KEY, pl.coalesce("email", own_id).alias("customer_id"))
    return pl.concat(
        [
            evaluate(frame, known).select(pl.lit(name).alias("crosswalk"), pl.all())
            for name, frame in (
                ("all records of party", crosswalk),
                ("records that name a person", named),
                ("these, by exact e-mail alone", by_email),
            )
        ]
    )


def report_evaluation(lake: Lake, truth: Path) -> Document:
    """The evaluation as a document: counts, precision, recall and F1 of each crosswalk."""
    found = evaluate_crosswalk(lake, truth)
    return Document(
        "The crosswalk against the truth",
        "Pairwise precision, recall and F1.",
        [Section("crosswalks", found.to_dicts())],
    )
