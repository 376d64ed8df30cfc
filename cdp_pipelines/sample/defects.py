"""Planted defects: rows that are spoilt on purpose, one defect each, of the kinds that real exports have.

Here belong defects and their shares. Typing errors in values, which refuse no record, are in `noise`.
"""

from __future__ import annotations

import numpy as np
import polars as pl

# Per channel: kind of defect, share of the rows, column it spoils, and the value it leaves there.
PLANTED: dict[str, tuple[tuple[str, float, str, str | None], ...]] = {
    "app_events": (
        ("bad_date", 0.0015, "timestamp", "0000-00-00"),
        ("missing_id", 0.0016, "messageId", None),
        ("unknown_type", 0.0013, "type", "banana"),
        ("broken_json", 0.0007, "", None),
    ),
    "call_centre": (("bad_date", 0.0027, "opened", "n/a"), ("missing_id", 0.0013, "ticket", None)),
    "consent_receipts": (
        ("bad_date", 0.0009, "event_time", "soon"),
        ("missing_subject", 0.001, "subject", None),
        ("unknown_purpose", 0.0011, "purpose", "world_domination"),
        ("unknown_status", 0.001, "status", "maybe"),
        ("duplicate", 0.01, "", None),
    ),
    "crm_east": (("bad_date", 0.002, "inregistrat", "2011/13/45"), ("missing_id", 0.0015, "id_client", None)),
    "crm_west": (
        ("bad_date", 0.0014, "created_at", "31/31/2011"),
        ("future", 0.002, "created_at", "01/01/2091 09:00 AM"),
        ("missing_id", 0.0009, "customer_no", None),
    ),
    "pos_receipts": (
        ("bad_amount", 0.0014, "Amount", "#REF!"),
        ("bad_date", 0.0012, "Date", "20111399"),
        ("missing_id", 0.0012, "Receipt No", None),
    ),
    "surveys": (("missing_id", 0.0026, "response_id", None), ("out_of_range", 0.0008, "nps", "42")),
    "webshop_orders": (
        ("bad_amount", 0.0013, "total_price", "twelve"),
        ("bad_date", 0.0018, "created_at", "yesterday"),
        ("missing_id", 0.0017, "id", None),
    ),
}


def plant_defects(channel: str, rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """`rows` with planted defects, listed in `_defect` (kind or null) and `_copy` (0; 1 for the second of two).

    At least one row of each kind is spoilt, and no row twice. What spoils a whole line (`broken_json`) is only marked:
    the line is not written yet.
    """
    kinds = np.full(rows.height, None, dtype=object)
    free = rng.permutation(rows.height)
    for kind, share, column, value in PLANTED.get(channel, ()):
        n = max(1, round(rows.height * share))
        spoilt, free = free[:n], free[n:]
        kinds[spoilt] = kind
        if column:
            is_spoilt = np.zeros(rows.height, dtype=bool)
            is_spoilt[spoilt] = True
            left = pl.lit(value, rows.schema[column])
            rows = rows.with_columns(pl.when(pl.Series(is_spoilt)).then(left).otherwise(column).alias(column))
    rows = rows.with_columns(pl.Series("_defect", kinds.tolist(), dtype=pl.String))
    times = pl.when(pl.col("_defect") == "duplicate").then(2).otherwise(1)
    return rows.with_columns(pl.int_ranges(times).alias("_copy")).explode("_copy")
