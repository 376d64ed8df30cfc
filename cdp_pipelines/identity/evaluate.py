"""How well a crosswalk agrees with a truth: pairwise precision, recall and F1, without making a pair."""

from __future__ import annotations

import polars as pl


def evaluate(crosswalk: pl.DataFrame, persons: pl.DataFrame) -> pl.DataFrame:
    """One row: records, customers, persons, pairs found, true and both, and precision, recall, f1.

    `crosswalk`: (channel, source_record_id, customer_id); `persons`: (channel, source_record_id, person). Records that
    only one of them has are left out. Without any pair found precision is 1, without any true pair recall is.
    """
    both = crosswalk.join(persons, on=["channel", "source_record_id"])
    found, true, right = (_pairs(both, by) for by in (["customer_id"], ["person"], ["customer_id", "person"]))
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


def _pairs(records: pl.DataFrame, by: list[str]) -> int:
    size = pl.col("len").cast(pl.Int64)
    return records.group_by(by).len().select((size * (size - 1) // 2).sum()).item()
