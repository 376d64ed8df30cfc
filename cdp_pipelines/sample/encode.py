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
# Keys that a message leaves out where it has nothing to say; all others are null there.
_OPTIONAL = frozenset({"gpc", "name", "event", "properties", "traits", "expires_at"})
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}


def encode_records(channel: str, rows: pl.DataFrame) -> bytes:
    """The file of one channel and night; columns that begin with an underscore are about the rows, not in the file."""
    visible = rows.select(name for name in rows.columns if not name.startswith("_"))
    name = FILES[channel]
    if name.endswith(".parquet"):
        written = io.BytesIO()
        visible.write_parquet(written, compression="snappy")
        return written.getvalue()
    if name.endswith(".json"):
        text = "[" + ", ".join(_encode_objects(visible)) + "]"
    elif ".ndjson" in name:
        lines, is_broken = _encode_objects(visible), rows["_defect"].eq_missing("broken_json")
        # Cut in the middle, behind the id: that much can still be read.
        cut = pl.when(is_broken).then(lines.str.head(lines.str.len_chars() * 11 // 20)).otherwise(lines)
        text = pl.select(pl.concat_str(cut, pl.lit("\n"))).to_series().str.join().item()
    else:
        text = _encode_table(visible, _SEPARATORS.get(channel, ","))
    if channel == "crm_east":
        data = text.encode("latin-1")
    else:
        data = (b"\xef\xbb\xbf" if channel == "pos_receipts" else b"") + text.encode()
    return gzip.compress(data, 6, mtime=0) if name.endswith(".gz") else data


def _encode_table(visible: pl.DataFrame, separator: str) -> str:
    # Polars would write an empty text as a pair of quotes, and exports write nothing.
    empty = visible.with_columns(pl.when(pl.col(pl.String) != "").then(pl.col(pl.String)))
    return empty.write_csv(separator=separator, line_terminator="\r\n")


def _encode_objects(visible: pl.DataFrame) -> pl.Series:
    """Each row as a JSON object, with a blank after colons and commas as most serializers put it."""
    whole = pl.struct(pl.all())
    return visible.select(_encode_json(whole, pl.Struct(visible.schema)).alias("line")).to_series()


def _encode_json(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Struct):
        fields = []
        for field in dtype.fields:
            inner = value.struct.field(field.name)
            member = pl.concat_str(
                pl.lit(f'{", " if fields else ""}"{field.name}": '), _encode_json(inner, field.dtype)
            )
            fields.append(
                pl.when(inner.is_not_null()).then(member).otherwise(pl.lit("")) if field.name in _OPTIONAL else member
            )
        text = pl.concat_str(pl.lit("{"), *fields, pl.lit("}"))
        return pl.when(value.is_not_null()).then(text).otherwise(pl.lit("null"))
    if dtype == pl.String:
        text = pl.concat_str(pl.lit('"'), value.str.replace_many(list(_ESCAPES), list(_ESCAPES.values())), pl.lit('"'))
    elif dtype == pl.Boolean:
        text = pl.when(value).then(pl.lit("true")).when(~value).then(pl.lit("false"))
    else:
        text = value.cast(pl.String)
    return text.fill_null("null")
