"""From a file's bytes to its records: every record whole, with its position, and split into the declared fields.

Here belongs the choice of the reader by contract; the formats are in `formats`. Bad input raises nothing and loses
nothing: a record that cannot be split is a record with a fault, and a fault of the whole file is a fault of each of its
records. Which *values* are acceptable is decided in `cdp_pipelines.standardise.admission`.
"""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

from cdp_pipelines.channels.elements import name_records, split_elements
from cdp_pipelines.channels.formats.csv_records import read_csv
from cdp_pipelines.channels.formats.encoding import decode_text
from cdp_pipelines.channels.formats.file_records import refuse_file
from cdp_pipelines.channels.formats.gzip_stream import decompress
from cdp_pipelines.channels.formats.json_array import read_json_array
from cdp_pipelines.channels.formats.json_records import read_ndjson
from cdp_pipelines.channels.formats.parquet_records import read_parquet

if TYPE_CHECKING:
    from cdp_pipelines.channels.contract import ChannelContract
    from cdp_pipelines.channels.formats.file_records import FileRecords

_TEXT_READERS = {"csv": read_csv, "ndjson": read_ndjson, "json_array": read_json_array}


def matches_channel(contract: ChannelContract, file: str) -> bool:
    """Whether a file of this name belongs to the channel and is none of its markers or manifests."""
    return fnmatch.fnmatchcase(file, contract.files) and not is_sign(contract, file)


def is_sign(contract: ChannelContract, file: str) -> bool:
    """Whether a file of this name is a marker or a manifest of the channel."""
    return contract.complete_when is not None and contract.complete_when.is_sign(file, contract.files)


def read_records(data: bytes, contract: ChannelContract) -> FileRecords:
    """Split a file into records, and each record into the elements of its `one_row_per`, if the contract has one.

    Faults: `unreadable_file`, `truncated_file`, `wrong_encoding`, `missing_column`, `broken_csv`,
    `wrong_field_count`, `field_too_long`, `broken_json`, `repeated_name`, `list_for_object`, `value_for_object`, and
    those of `split_elements`. Sources: RFC 4180 (CSV), RFC 8259 (JSON), RFC 1952 (gzip).
    """
    records = _read_whole_records(data, contract.with_whole_list)
    return name_records(split_elements(records, contract), contract)


def _read_whole_records(data: bytes, contract: ChannelContract) -> FileRecords:
    damage: str | None = None
    if contract.compression == "gzip":
        content, damage = decompress(data, contract.largest_file)
        if content is None or (damage is not None and not content):
            return refuse_file(data, contract, damage or "is not readable gzip")
        data = content
    if len(data) > contract.largest_file:
        return refuse_file(data, contract, f"has more than {contract.largest_file:,} bytes")
    if contract.format == "parquet":
        return read_parquet(data, contract)
    warnings: list[str] = []
    text, encoding_fault, notice = decode_text(data, contract.encoding)
    warnings += [notice] if notice else []
    collector = _TEXT_READERS[contract.format](text, contract)
    if damage is not None:
        warnings.append(f"truncated_file: the file {damage}; its complete records were taken in")
        if collector.faults and not text.endswith("\n"):
            collector.faults[-1] = ("truncated_file", None, "the file ends within this record")
    if encoding_fault is not None and not collector.faults:
        return refuse_file(data, contract, encoding_fault[2].removeprefix("the file "))
    if encoding_fault is not None:
        warnings.append(f"{encoding_fault[0]}: {encoding_fault[2]}")
        collector.faults = [encoding_fault] * len(collector.faults)
    collector.warnings[:0] = warnings
    return collector.to_file_records(contract)
