"""Evaluation: how well a crosswalk agrees with a truth, in pairwise precision, recall and F1.

Measures alone belong here; where crosswalk and truth come from belongs in `services.evaluation`.
"""

from __future__ import annotations

import polars as pl

from cdp_pipelines.schema import RECORD_KEY


def evaluate(crosswalk: pl.DataFrame, persons: pl.DataFrame) -> pl.DataFrame:
    """One row: records, customers, persons, pairs_found, pairs_true, pairs_right, precision, recall, f1.

    `crosswalk`: (channel, source_record_id, customer_id); `persons`: (channel, source_record_id, person). Records that
    only one of them has are left out. Pairs are counted by the sizes of groups, none is built. Precision is 1 if no
    pair is found, recall is 1 if no pair is true.
    """
    both = crosswalk.join(persons, on=list(RECORD_KEY))
    found, true, right = (_count_pairs(both, by) for by in (["customer_id"], ["person"], ["customer_id", "person"]))
    precision = right / found if found else 1.0
    recall = right / true if true else 1.0
    return pl.DataFrame(
        {
            "records": [both.height],
            "customers": [both["customer_id"].n_unique()],
            "persons": [both["person"].n_unique()],
            "pairs_found": [found],
            "pairs_true": [true],
            "pairs_right": [right],
            "precision": [precision],
            "recall": [recall],
            "f1": [2 * precision * recall / (precision + recall) if precision + recall else 0.0],
        }
    )


def _count_pairs(records: pl.DataFrame, by: list[str]) -> int:
    size = pl.col("len").cast(pl.Int64)
    return int(records.group_by(by).len().select((size * (size - 1) // 2).sum()).item())
