"""One row for each element of a list: records are split as `one_row_per` of their contract says.

Here belong splitting a record that a reader has found, and the ids of its rows. Reading files is in `formats`; which
values are acceptable is decided in `cdp_pipelines.standardise.admission`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from cdp_pipelines.channels.field import column_name, list_paths, path_of_list
from cdp_pipelines.channels.formats.file_records import FAULT_COLUMNS, FileRecords, RecordCollector
from cdp_pipelines.channels.formats.json_records import DECODER, TOO_DEEP, Flattener, TooDeepError, skip_blanks, to_text

if TYPE_CHECKING:
    from cdp_pipelines.channels.contract import ChannelContract
    from cdp_pipelines.channels.formats.file_records import Fault

# Each row repeats what its record has outside of the list: so many characters at least, and so often its own length.
_MOST_REPEATED, _MOST_COPIES = 1 << 20, 64
_NUMBER = r"#(\d+)$"


class _Element(NamedTuple):
    """A row of a record: the record with this element alone, the fields of the lists by name, and a fault."""

    record: str
    values: dict[str, str | None]
    fault: Fault | None = None


class _List(NamedTuple):
    """One list of `one_row_per`: its path, its place in the object around it, and the fields of its elements.

    `fields`: name within the element to the declared name; the element itself is named by an empty text.
    """

    path: str
    place: str
    fields: dict[str, str]
    flattener: Flattener


def split_elements(records: FileRecords, contract: ChannelContract) -> FileRecords:
    """A row for each element of the contract's list, with `element_number` from 1; others stay as they are.

    `records` are read by `with_whole_list` of the contract. A record whose list is missing, null or empty is one row
    with the number 0; within a list, such an element is one row too. So no record and no element is lost. Its row has
    the record with this element alone, so that each row is about its own element. A value where a list is declared is
    read as its only element, with the warning `value_for_list`. Faults: `broken_element` where an element is not an
    object or has none of its declared fields; `too_many_elements` where the rows would repeat too much.
    """
    if contract.one_row_per is None:
        return records
    splitter = _Splitter(contract)
    origins: list[int] = []
    numbers: list[int | None] = []
    elements: list[_Element] = []
    for origin, (record, rule) in enumerate(records.frame.select("record", "rule").iter_rows()):
        split = splitter.split(record) if rule is None else None
        found = [_Element(record, {})] if split is None else split
        numbers.extend([None] if rule is not None else [0] if split is None else range(1, len(found) + 1))
        origins.extend([origin] * len(found))
        elements.extend(found)
    faults = [element.fault for element in elements]
    whole = contract.with_whole_list.fields.keys() - contract.fields.keys()
    frame = (
        records.frame[origins]
        .drop(map(column_name, whole))
        .with_columns(
            pl.Series("record", [element.record for element in elements], pl.String),
            pl.int_range(1, len(elements) + 1, dtype=pl.Int64).alias("row_number"),
            pl.Series("element_number", numbers, pl.Int64),
            *(
                pl.coalesce(pl.Series(name, [fault and fault[at] for fault in faults], pl.String), name)
                for at, name in enumerate(FAULT_COLUMNS)
            ),
            *(
                pl.Series(column_name(name), [element.values.get(name) for element in elements], pl.String)
                for name in contract.fields
                if "[]" in name
            ),
        )
    )
    collector = RecordCollector(warnings=records.warnings)
    splitter.warn(collector)
    return FileRecords(frame, collector.warnings)


def name_records(records: FileRecords, contract: ChannelContract) -> FileRecords:
    """The records with `source_record_id`: their key, with the number of the element where rows share a key."""
    name = pl.col(column_name(contract.key))
    if contract.has_numbered_rows:
        name = pl.coalesce(pl.format("{}#{}", name, "element_number"), name)
    frame = records.frame.with_columns(name.alias("source_record_id"))
    return FileRecords(frame.drop("element_number", strict=False), records.warnings)


def record_id(contract: ChannelContract) -> pl.Expr:
    """The id that the rows of one record share, over rows of `raw/<channel>`."""
    row = pl.col("source_record_id")
    return row.str.replace(_NUMBER, "") if contract.has_numbered_rows else row


def delivery_of_row(contract: ChannelContract) -> pl.Expr:
    """What the rows of one record in one file share: drop date, file, and the row number of the record's beginning."""
    number = pl.col("source_record_id").str.extract(_NUMBER).cast(pl.Int64) if contract.has_numbered_rows else pl.lit(1)
    return pl.struct("drop_date", "file", pl.col("row_number") - pl.max_horizontal(number, 1))


class _Splitter:
    """Splits the records of one file, and collects what does not have the declared form."""

    def __init__(self, contract: ChannelContract) -> None:
        self._lists = _list_lists(contract)
        self._single: set[str] = set()

    def split(self, record: str) -> list[_Element] | None:
        """The rows of a record, given as JSON text; None where it has no element."""
        try:
            return self._split(record, 0)
        except _TooManyElementsError:
            fault = ("too_many_elements", self._lists[0].path, "has too many elements for a record of this length")
            return [_Element(record, {}, fault)]
        except (TooDeepError, RecursionError):
            return [_Element(record, {}, TOO_DEEP)]
        except ValueError:
            # Polars writes NaN into the JSON of a row of Parquet.
            return [_Element(record, {}, ("broken_json", None, "is not valid JSON"))]

    def warn(self, collector: RecordCollector) -> None:
        """Add warnings about undeclared fields of elements, about objects in them, and about lists that are none."""
        for path in sorted(self._single):
            collector.warnings.append(f"value_for_list: {path} is not a list, as declared: read as its only element")
        for each in self._lists:
            each.flattener.warn(collector)

    def _split(self, text: str, level: int) -> list[_Element] | None:
        here = self._lists[level]
        span = _find_value(text, here.place)
        if span is None:
            return None
        start, end = span
        spans, (opening, closing) = _list_spans(text[start:end]), "[]"
        if spans is None:
            if text[start:end] in ("null", '""'):
                return None
            self._single.add(here.path)
            spans, opening, closing = [(0, end - start)], "", ""
        outside = len(text) - sum(last - first for first, last in spans)
        if outside * len(spans) > max(_MOST_REPEATED, _MOST_COPIES * len(text)):
            raise _TooManyElementsError
        return [
            child._replace(record=f"{text[:start]}{opening}{child.record}{closing}{text[end:]}")
            for first, last in spans
            for child in self._read(text[start + first : start + last], level)
        ] or None

    def _read(self, text: str, level: int) -> list[_Element]:
        """The rows of one element of a list."""
        here = self._lists[level]
        value = DECODER.decode(text)
        whole = {here.fields[""]: to_text(value)} if "" in here.fields else {}
        if not isinstance(value, dict):
            broken = ("broken_element", here.path, "is an element that is not an object")
            return [_Element(text, whole, None if whole else broken)]
        texts, fault = here.flattener.flatten(value)
        names = [name for name in here.fields if name]
        values = whole | {here.fields[name]: own for name, own in zip(names, texts, strict=False)}
        children = self._split(text, level + 1) if level + 1 < len(self._lists) else None
        has_field = whole or children or any(texts) or any(_find_value(text, name) for name in names)
        if fault is None and not has_field:
            fault = ("broken_element", here.path, "is an element without any of its declared fields")
        return [
            child._replace(values=values | child.values, fault=fault or child.fault)
            for child in children or [_Element(text, {})]
        ]


class _TooManyElementsError(ValueError):
    """The rows of a record would repeat too much; never leaves this module."""


def _list_lists(contract: ChannelContract) -> list[_List]:
    """The lists of `one_row_per`, from the outermost."""
    paths = list_paths(contract.one_row_per or "")
    consent_fields = contract.consent_fields
    lists = []
    for number, path in enumerate(paths):
        around = paths[number - 1] + "." if number else ""
        fields = {
            name.removeprefix(path).removeprefix("."): name for name in contract.fields if path_of_list(name) == path
        }
        inner = [paths[number + 1].removeprefix(path + ".").removesuffix("[]")] if number + 1 < len(paths) else []
        flattener = Flattener(
            [*(name for name in fields if name), *inner],
            consent_fields=[name for name, full in fields.items() if full in consent_fields],
        )
        lists.append(_List(path, path.removeprefix(around).removesuffix("[]"), fields, flattener))
    return lists


def _find_value(text: str, path: str) -> tuple[int, int] | None:
    """Where the value at a path of keys stands in the text of a JSON object; of equal keys the last, as readers do."""
    found = None
    position = skip_blanks(text, skip_blanks(text, 0) + 1)
    while text[position] != "}":
        key, position = DECODER.raw_decode(text, position)
        start = skip_blanks(text, skip_blanks(text, position) + 1)
        value, end = DECODER.raw_decode(text, start)
        if key == path:
            found = start, end
        elif path.startswith(f"{key}.") and isinstance(value, dict):
            inner = _find_value(text[start:end], path.removeprefix(f"{key}."))
            found = found if inner is None else (start + inner[0], start + inner[1])
        position = skip_blanks(text, end)
        if text[position] == ",":
            position = skip_blanks(text, position + 1)
    return found


def _list_spans(text: str) -> list[tuple[int, int]] | None:
    """Where the elements of the text of a JSON list stand; None where the text is not a list."""
    if not text.startswith("["):
        return None
    spans = []
    position = skip_blanks(text, 1)
    while text[position] != "]":
        _, end = DECODER.raw_decode(text, position)
        spans.append((position, end))
        position = skip_blanks(text, end)
        if text[position] == ",":
            position = skip_blanks(text, position + 1)
    return spans
