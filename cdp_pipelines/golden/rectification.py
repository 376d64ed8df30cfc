"""`golden/rectification`: values that data subjects or clerks put right (GDPR Art. 5(1)(d), 16), and what holds.

A rectification hangs on a record, not on a customer, so that it follows its person through merges and splits. It holds
all attributes that survive together, for half an address that was put right would go with another's other half.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.schema import CUSTOMER, PREFERENCE_COLUMNS, RECORD_KEY, RECTIFICATION

if TYPE_CHECKING:
    from collections.abc import Mapping

# What stands for a channel where a value was put right.
CHANNEL = "rectification"


def select_open(rectification: pl.LazyFrame, crosswalk: pl.LazyFrame, unit_of: Mapping[str, str]) -> pl.LazyFrame:
    """Rectifications of records that may join a profile, but for those that were withdrawn.

    Key (number, attribute), columns of `RECTIFICATION`, customer_id and `together`. `unit_of`: attribute to the first
    of those that it survives with.
    """
    ended = rectification.filter(pl.col("ends").is_not_null()).select(pl.col("ends").alias("number"))
    return (
        rectification.filter(pl.col("ends").is_null())
        .join(ended, on="number", how="anti")
        .join(crosswalk.filter("is_profiled").select(*RECORD_KEY, "customer_id"), on=list(RECORD_KEY))
        .with_columns(pl.col("attribute").replace_strict(unit_of, return_dtype=pl.String).alias("together"))
    )


def select_current(rectification: pl.LazyFrame, crosswalk: pl.LazyFrame, unit_of: Mapping[str, str]) -> pl.LazyFrame:
    """Rectifications that hold: of those not withdrawn (see there) the latest of each customer and unit.

    Of e-mails and phones, of which a customer may have several, the latest for each that is replaced.
    """
    slot = ["customer_id", "together", "replaces"]
    return select_open(rectification, crosswalk, unit_of).filter(pl.col("number") == pl.col("number").max().over(slot))


def parse_value(attribute: str, text: str, phone_region: str) -> str | None:
    """A value in the form of its standard column, as text; None where it cannot be read.

    Dates are in ISO 8601; phones as people of `phone_region` (ISO 3166-1 alpha-2) write them, or in E.164.
    """
    text = text.strip()
    if attribute in PREFERENCE_COLUMNS:
        told = text.lower() or None
        if CUSTOMER.schema[attribute] != pl.Int64:
            return told
        return str(int(text)) if text.isascii() and text.isdigit() else None
    if CUSTOMER.schema[attribute] == pl.Date:
        try:
            return dt.date.fromisoformat(text).isoformat()
        except ValueError:
            return None
    # The parsers of names, phones and e-mails take a while to load: who only reads this module needs none of them.
    from cdp_pipelines.standardise.party import spell_value

    return pl.select(spell_value(attribute, pl.lit(text, pl.String), phone_region)).item()


def record_rectification(
    rectification: pl.DataFrame, record: tuple[str, str], values: Mapping[str, str | None], replaces: str | None,
    by: str, because: str, at: dt.datetime,
) -> pl.DataFrame:  # fmt: skip
    """The rows of a new rectification of a record's person; columns of `RECTIFICATION`.

    `values`: every attribute of the unit that is to have one.
    """
    rows = [{"attribute": name, "value": value, "replaces": replaces} for name, value in values.items()]
    return _numbered(rectification, rows, record, by, because, at)


def record_withdrawal(
    rectification: pl.DataFrame, ended: pl.DataFrame, by: str, because: str, at: dt.datetime
) -> pl.DataFrame:
    """The rows that withdraw those of `ended` (`RECTIFICATION`); columns of `RECTIFICATION`."""
    rows = RECTIFICATION.empty()
    for row in ended.unique("number").sort("number").iter_rows(named=True):
        end = [{"attribute": row["attribute"], "ends": row["number"]}]
        before = pl.concat([rectification, rows])
        record = row["channel"], row["source_record_id"]
        rows = pl.concat([rows, _numbered(before, end, record, by, because, at)])
    return rows


def _numbered(
    before: pl.DataFrame, rows: list[dict], record: tuple[str, str], by: str, because: str, at: dt.datetime
) -> pl.DataFrame:
    told = {
        "number": (before["number"].max() or 0) + 1,
        **dict(zip(RECORD_KEY, record, strict=True)),
        "rectified_by": by,
        "because": because,
        "rectified_at": at,
    }
    return pl.DataFrame([told | row for row in rows], schema=RECTIFICATION.schema)
