"""Rows to the bytes of a channel's file, in the format in which that channel delivers."""

from __future__ import annotations

import gzip
import io

import polars as pl

FILES = {
    "crm_west": "crm_west.csv",
    "crm_east": "crm_east.csv",
    "webshop_customers": "webshop_customers.ndjson",
    "webshop_orders": "webshop_orders.ndjson",
    "pos_receipts": "pos_receipts.csv",
    "app_events": "app_events.ndjson.gz",
    "call_centre": "call_centre.tsv",
    "social": "social.json",
    "surveys": "surveys.csv",
    "iot": "iot.parquet",
    "beacons": "beacons.csv.gz",
    "consent_receipts": "consent_receipts.ndjson",
    "unsubscribes": "unsubscribes.csv",
    "preferences": "preferences.csv",
    "privacy_requests": "privacy_requests.ndjson",
}
_SEPARATORS = {"crm_east": ";", "call_centre": "\t"}
# Keys that a message leaves out where it has nothing to say.
_OPTIONAL = ("gpc", "name", "event", "properties", "traits", "expires_at")


def encode(channel: str, rows: pl.DataFrame) -> bytes:
    """The file of one channel and night; columns that begin with an underscore are about the rows, not in the file."""
    told = rows.select(name for name in rows.columns if not name.startswith("_"))
    name = FILES[channel]
    if name.endswith(".parquet"):
        written = io.BytesIO()
        told.write_parquet(written, compression="snappy")
        return written.getvalue()
    if name.endswith(".json"):
        return ("[" + ", ".join(_lines(told)) + "]").encode()
    if ".ndjson" in name:
        is_broken = rows["_defect"].eq_missing("broken_json")
        lines = _lines(told)
        # Cut in the middle, behind the id: that much can still be told.
        lines = pl.select(
            pl.when(is_broken).then(lines.str.head(lines.str.len_chars() * 11 // 20)).otherwise(lines)
        ).to_series()
        text = "\n".join(lines) + "\n" if lines.len() else ""
    else:
        text = told.write_csv(separator=_SEPARATORS.get(channel, ","), null_value="")
    if channel == "crm_east":
        data = text.encode("latin-1", "replace")
    else:
        data = (b"\xef\xbb\xbf" if channel == "pos_receipts" else b"") + text.encode()
    return gzip.compress(data, 6, mtime=0) if name.endswith(".gz") else data


def _lines(told: pl.DataFrame) -> pl.Series:
    lines = told.to_struct().struct.json_encode()
    for name in _OPTIONAL:
        lines = lines.str.replace_all(f',"{name}":null', "", literal=True)
    return lines
