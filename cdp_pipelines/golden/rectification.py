"""`golden/rectification`: values that data subjects or clerks corrected (GDPR Art. 5(1)(d), 16), and which are current.

Here belong recording, withdrawing and selecting rectifications; their effect on ranks is in `survivorship`. A
rectification refers to a record, not to a customer, so that it follows its person through merges and splits. It covers
a whole attribute group, because half a rectified address would mix with the other half of another one.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import polars as pl

from cdp_pipelines.schema import CUSTOMER, PREFERENCE_COLUMNS, RECORD_KEY, RECTIFICATION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdp_pipelines.schema import CrosswalkFrame, RectificationFrame, RectificationRows

# Channel of rectified values in golden/provenance.
CHANNEL = "rectification"


def select_open(
    rectification: RectificationFrame, crosswalk: CrosswalkFrame, group_of: Mapping[str, str]
) -> RectificationFrame:
    """Rectifications of records that may join a profile, without withdrawn ones.

    Key (rectification_number, attribute), columns of `RECTIFICATION`, customer_id and `attribute_group`. `group_of`:
    attribute to the first attribute of its group.
    """
    ended = rectification.filter(pl.col("withdraws_number").is_not_null()).select(
        pl.col("withdraws_number").alias("rectification_number")
    )
    return (
        rectification.filter(pl.col("withdraws_number").is_null())
        .join(ended, on="rectification_number", how="anti")
        .join(crosswalk.filter("is_profiled").select(*RECORD_KEY, "customer_id"), on=list(RECORD_KEY))
        .with_columns(pl.col("attribute").replace_strict(group_of, return_dtype=pl.String).alias("attribute_group"))
    )


def select_current(
    rectification: RectificationFrame, crosswalk: CrosswalkFrame, group_of: Mapping[str, str]
) -> RectificationFrame:
    """Current rectifications: the latest open one (see `select_open`) of each customer and attribute group.

    A customer may have several e-mails and phones: there, the latest one for each replaced value.
    """
    slot = ["customer_id", "attribute_group", "replaces"]
    return select_open(rectification, crosswalk, group_of).filter(
        pl.col("rectification_number") == pl.col("rectification_number").max().over(slot)
    )


def parse_value(attribute: str, text: str, phone_region: str | None) -> str | None:
    """A value in the form of its standard column, as text; None where it is unreadable.

    Dates are in ISO 8601; phones as written in `phone_region` (ISO 3166-1 alpha-2), or in E.164.
    """
    text = text.strip()
    if attribute in PREFERENCE_COLUMNS:
        lower = text.lower() or None
        if CUSTOMER.schema[attribute] != pl.Int64:
            return lower
        return str(int(text)) if text.isascii() and text.isdigit() else None
    if CUSTOMER.schema[attribute] == pl.Date:
        try:
            return dt.date.fromisoformat(text).isoformat()
        except ValueError:
            return None
    # The parsers of names, phones and e-mails load slowly, and most importers of this module do not need them.
    from cdp_pipelines.standardise.party import spell_value

    value: str | None = pl.select(spell_value(attribute, pl.lit(text, pl.String), phone_region)).item()
    return value


def record_rectification(
    rectification: RectificationRows, record: tuple[str, str], values: Mapping[str, str | None], replaces: str | None,
    by: str, because: str, at: dt.datetime,
) -> RectificationRows:  # fmt: skip
    """The rows of a new rectification of a record's person; columns of `RECTIFICATION`.

    `values`: the attributes of the group that get a value.
    """
    rows = [{"attribute": name, "value": value, "replaces": replaces} for name, value in values.items()]
    return _assign_number(rectification, rows, record, by, because, at)


def record_withdrawal(
    rectification: RectificationRows, ended: RectificationRows, by: str, because: str, at: dt.datetime
) -> RectificationRows:
    """The rows that withdraw those of `ended` (`RECTIFICATION`); columns of `RECTIFICATION`."""
    rows = RECTIFICATION.empty()
    for row in ended.unique("rectification_number").sort("rectification_number").iter_rows(named=True):
        end = [{"attribute": row["attribute"], "withdraws_number": row["rectification_number"]}]
        before = pl.concat([rectification, rows])
        record = row["channel"], row["source_record_id"]
        rows = pl.concat([rows, _assign_number(before, end, record, by, because, at)])
    return rows


def _assign_number(
    before: RectificationRows,
    rows: list[dict[str, Any]],
    record: tuple[str, str],
    by: str,
    because: str,
    at: dt.datetime,
) -> RectificationRows:
    shared = {
        "rectification_number": before.select(pl.col("rectification_number").max().fill_null(0) + 1).item(),
        **dict(zip(RECORD_KEY, record, strict=True)),
        "rectified_by": by,
        "reason": because,
        "rectified_at": at,
    }
    return pl.DataFrame([shared | row for row in rows], schema=RECTIFICATION.schema)
