"""Rectify a value of the golden record for a data subject (GDPR Art. 16), or withdraw what was rectified.

What is read and written between two nights belongs here; which rectification is in force is `golden.rectification`'s.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.errors import CdpError, LakeError, UnknownNameError
from cdp_pipelines.golden import rectification
from cdp_pipelines.golden.policy import GOLDEN_COLUMNS
from cdp_pipelines.schema import (
    CONTACT_POINT_KINDS,
    CROSSWALK,
    PARTY,
    PREFERENCE,
    PREFERENCE_COLUMNS,
    PROVENANCE,
    RECORD_KEY,
    RECTIFICATION,
)
from cdp_pipelines.services.checked_write import CheckFailedError, StagedWrite, check_and_write
from cdp_pipelines.services.declarations import load_all_contracts, load_survivorship
from expectations.gate import validate_frame

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warehouse.delta.lake import Lake

Record = tuple[str, str]


def check_attribute(attribute: str) -> None:
    """`UnknownNameError` for an attribute that the golden record does not have."""
    if attribute not in GOLDEN_COLUMNS:
        raise UnknownNameError("attribute", attribute, GOLDEN_COLUMNS)


def rectify_value(
    lake: Lake, customer_id: str, attribute: str, text: str, *, by: str, because: str, instead_of: str | None = None
) -> list[int]:
    """Record the right value of a customer's attribute; the numbers of the rectifications made.

    The other attributes of its group (the parts of a name, of an address) are recorded with it, as they are now.
    `text`: the value as a person writes it; dates in ISO 8601. `instead_of`: the e-mail address or phone number that is
    wrong; by default that of the golden record. Raises `CdpError` for a value that cannot be read, that is not a change
    or that the suite of the standard table refuses, `LakeError` where the customer has no golden record.
    """
    with lake.lock_writer():
        group, before, now = _AttributeGroup(lake, customer_id, attribute), lake.read(RECTIFICATION), datetime.now(UTC)
        replaced = group.find_replaced(instead_of) if attribute in CONTACT_POINT_KINDS else None
        record = group.find_record(replaced)
        values = group.current_values() | {attribute: _parse(attribute, text, record)}
        if attribute in CONTACT_POINT_KINDS and values[attribute] == replaced:
            raise CdpError(f"{attribute} has this value already; to return to the value of the sources, use --withdraw")
        _check_values(values, record, now)
        present = {name: value for name, value in values.items() if value is not None}
        rows = rectification.record_rectification(before, record, present, replaced, by, because, now)
        return _append(lake, before, rows)


def withdraw_rectification(lake: Lake, customer_id: str, attribute: str, *, by: str, because: str) -> list[int]:
    """End all rectifications in force of an attribute's group; the numbers of the withdrawals.

    Raises `LakeError` where there is none.
    """
    with lake.lock_writer():
        group, before, now = _AttributeGroup(lake, customer_id, attribute), lake.read(RECTIFICATION), datetime.now(UTC)
        rows = rectification.record_withdrawal(before, group.open_rows(), by, because, now)
        if rows.is_empty():
            raise LakeError(f"{customer_id} has no rectified {attribute}; there is nothing to withdraw")
        return _append(lake, before, rows)


def _append(lake: Lake, before: pl.DataFrame, rows: pl.DataFrame) -> list[int]:
    staged = StagedWrite(RECTIFICATION, pl.concat([before, rows]), lambda: lake.append(RECTIFICATION, rows))
    try:
        check_and_write(lake, None, staged)
    except CheckFailedError as error:
        raise CdpError(f"the rectification does not pass the suite of {RECTIFICATION.name}: {error}") from None
    return rows["rectification_number"].unique().sort().to_list()


class _AttributeGroup:
    """The attributes of one customer that survive together with one attribute, as the lake has them."""

    def __init__(self, lake: Lake, customer_id: str, attribute: str) -> None:
        self.attribute, self.customer_id = attribute, customer_id
        self.group_of = load_survivorship().group_of
        self.name = self.group_of[attribute]
        crosswalk = lake.scan(CROSSWALK).filter("is_profiled", pl.col("customer_id") == customer_id)
        self.records = crosswalk.select(*RECORD_KEY).collect().sort(RECORD_KEY)
        if self.records.is_empty():
            raise LakeError(f"{customer_id} has no golden record: none of its records may join a profile")
        self.frames = (lake.scan(RECTIFICATION), crosswalk, self.group_of)
        candidates = lake.scan(PROVENANCE).filter(
            pl.col("customer_id") == customer_id, pl.col("attribute_group") == self.name
        )
        self.candidates = candidates.collect().sort("rank", "attribute")
        self.current = (
            rectification.select_current(*self.frames)
            .filter(pl.col("attribute_group") == self.name)
            .collect()
            .sort("rectification_number", descending=True)
        )

    def open_rows(self) -> pl.DataFrame:
        """Rectifications of the group that are not withdrawn; columns of `RECTIFICATION`."""
        own = rectification.select_open(*self.frames).filter(pl.col("attribute_group") == self.name)
        return RECTIFICATION.conform(own).collect()

    def current_values(self) -> dict[str, str | None]:
        """Attribute to value: of the latest rectification, else of the golden record."""
        names = [name for name, group in self.group_of.items() if group == self.name]
        latest = self.current.filter(pl.col("rectification_number") == pl.col("rectification_number").max())
        if latest.is_empty():
            latest = self.candidates.filter(pl.col("rank") == 1)
        return dict.fromkeys(names) | dict(latest.select("attribute", "value").iter_rows())

    def find_replaced(self, value: str | None) -> str | None:
        """The e-mail address or phone number of the sources that is replaced; None where the customer has none."""
        of_sources = self.candidates.filter(pl.col("channel") != rectification.CHANNEL)["value"].unique().to_list()
        replaced_by: dict[str | None, str | None] = dict(self.current.select("value", "replaces").iter_rows())
        value = self.current_values()[self.attribute] if value is None else value.strip().lower()
        if value in replaced_by:
            return replaced_by[value]
        if value is not None and value not in of_sources:
            raise LakeError(f"{self.customer_id} has no such {self.attribute}; phones are in the form +12065550100")
        return value

    def find_record(self, replaced: str | None) -> Record:
        """The record that the rectification is attached to: the replaced value's source, else the customer's first."""
        sources = self.candidates.filter(pl.col("channel") != rectification.CHANNEL)
        sources = sources if replaced is None else sources.filter(pl.col("value") == replaced)
        if replaced is None and self.current.height:
            sources = self.current
        return (sources if sources.height else self.records).select(RECORD_KEY).row(0)


def _parse(attribute: str, text: str, record: Record) -> str:
    value = rectification.parse_value(attribute, text, load_all_contracts()[record[0]].phone_region)
    if value is None:
        raise CdpError(f"the {attribute} cannot be read; dates are in the form 1970-12-31, phones +12065550100")
    return value


def _check_values(values: Mapping[str, str | None], record: Record, now: datetime) -> None:
    """`CdpError` where the suite of the standard table refuses these values: it is run on one row of them."""
    table = PREFERENCE if {*values} <= {*PREFERENCE_COLUMNS} else PARTY
    row: dict[str, object] = {
        **dict(zip(RECORD_KEY, record, strict=True)),
        "drop_date": now.date(), "ingested_at": now, "observed_at": now, "updated_at": now, "defects": [], **values,
    }  # fmt: skip
    frame = pl.DataFrame({name: [row.get(name)] for name in table.schema}, strict=False)
    if "birth_date" in values:
        frame = frame.with_columns(pl.col("birth_date").str.to_date())
    result = validate_frame(table.name, frame.cast(dict(table.schema.items())), columns=list(table.schema))
    if result.failures:
        failed = ", ".join(f"{each.expectation}({each.column or 'table'})" for each in result.failures)
        raise CdpError(f"the value does not pass the suite of {table.name}: {failed}")
