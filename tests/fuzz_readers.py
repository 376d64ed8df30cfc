"""Fuzz the readers of all formats: no exception, and received = accepted + refused, for every file.

    python -m tests.fuzz_readers --records 100000 --damaged 3000 --seed 1

Whole files are read back and compared with what was written. Then bytes of Parquet and gzip files, and of the whole
files, are changed, cut out or doubled. A short form runs in the tests.
"""

import argparse
import csv
import gzip
import io
import json
import random
import sys
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from cdp_pipelines.channels.contract import ChannelContract, load_contract
from cdp_pipelines.channels.records import read_records
from cdp_pipelines.standardise.admission import admit_records

FIELDS = ("id", "at", "note", "amount", "Straße")
CHARACTERS = "ab 1,;\t\"'\\\n\r|=@{}[]:é\u00a0\u200b\u2028ß漢字🙂\x00\x1b~%"
DELIVERY = {"file": "f", "file_sha256": "0" * 64, "drop_date": date(2024, 6, 1)}
FORMATS = ("csv", "ndjson", "json_array", "parquet")
ROWS = 100


def declare(rng: random.Random) -> ChannelContract:
    """A channel with a random format and dialect."""
    format_ = rng.choice(FORMATS)
    declared: dict[str, Any] = {
        "title": "T", "owner": "team:t", "system": "t", "region": "US", "files": "t.*", "format": format_, "key": "id",
        "event_time": {"fields": ["at"], "formats": ["%Y-%m-%d"]}, "collected_for": ["analytics"], "retention": "P1Y",
        "compression": rng.choice(["none", "gzip"]), "records": rng.choice(["event", "state"]),
        "fields": {name: {"description": name} for name in FIELDS} | {
            "amount": {"description": "n", "type": rng.choice(["number", "integer"]), "minimum": -5}},
    }  # fmt: skip
    if format_ == "csv":
        declared |= {"delimiter": rng.choice(",;\t|"), "quote": rng.choice("\"'"), "escape": rng.choice([None, "~"])}
    if format_ != "parquet":
        declared["encoding"] = rng.choice(["utf-8", "utf-16", "gb18030", "utf-8-sig", "utf-7"])
    return load_contract("t", declared, "t/defs.yaml")


def make_rows(rng: random.Random) -> list[dict[str, str]]:
    """Rows of random texts; ids repeat now and then."""

    def text() -> str:
        return "".join(rng.choices(CHARACTERS, k=rng.randrange(12)))

    return [
        {"id": str(rng.randrange(ROWS * 4)), "at": rng.choice(["2024-05-01", "2031-01-01", text()]), "note": text(),
         "amount": rng.choice(["1", "-9", "1e400", text()]), "Straße": text()}
        for _ in range(ROWS)
    ]  # fmt: skip


def write(contract: ChannelContract, rows: list[dict[str, str]]) -> bytes:
    """The rows in the format of the channel."""
    if contract.format == "parquet":
        out = io.BytesIO()
        pl.DataFrame(rows).write_parquet(out)
        data = out.getvalue()
    else:
        text = io.StringIO(newline="")
        if contract.format == "csv":
            writer = csv.writer(
                text, delimiter=contract.delimiter, quotechar=contract.quote, escapechar=contract.escape,
                doublequote=contract.escape is None, quoting=csv.QUOTE_ALL,
            )  # fmt: skip
            writer.writerows([FIELDS, *(row.values() for row in rows)])
        elif contract.format == "ndjson":
            text.writelines(json.dumps(row) + "\n" for row in rows)
        else:
            json.dump(rows, text, ensure_ascii=False)
        data = text.getvalue().encode(contract.encoding)
    return gzip.compress(data) if contract.compression == "gzip" else data


def damage(rng: random.Random, data: bytes) -> bytes:
    """The bytes with a few of them changed, cut out or doubled."""
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 5)):
        place = rng.randrange(len(changed) + 1)
        match rng.randrange(4):
            case 0:
                changed[place : place + 1] = bytes([rng.randrange(256)])
            case 1:
                del changed[place : place + rng.randrange(40)]
            case 2:
                changed[place:place] = changed[place : place + rng.randrange(40)]
            case _:
                changed[place:place] = rng.randbytes(rng.randrange(5))
    return bytes(changed)


def account(data: bytes, contract: ChannelContract, counts: Counter) -> pl.DataFrame:
    """Read and admit a file; `AssertionError` where a row is neither accepted nor refused."""
    frame = read_records(data, contract).frame
    delivered = frame.with_columns(
        *(pl.lit(value).alias(name) for name, value in DELIVERY.items()),
        pl.lit(datetime(2024, 6, 2, tzinfo=UTC)).alias("ingested_at"),
    )
    admitted = admit_records(delivered, contract.raw.empty(), contract)
    assert admitted.accepted.height + admitted.refused.height == frame.height
    counts.update(files=1, received=frame.height, accepted=admitted.accepted.height, refused=admitted.refused.height)
    return frame


def compare(frame: pl.DataFrame, rows: list[dict[str, str]], contract: ChannelContract) -> None:
    """`AssertionError` where a whole file is not read as it was written; an empty text is no value."""
    columns = [contract.columns[name] for name in FIELDS]
    faultless = frame.filter(pl.col("rule").is_null())
    assert frame.height == faultless.height == len(rows)
    found = [tuple(value or None for value in row) for row in faultless.select(columns).rows()]
    assert found == [tuple(value or None for value in row.values()) for row in rows]


def fuzz(record_count: int, damaged_count: int, seed: int) -> Counter:
    """Counts of files, and of rows received, accepted and refused."""
    counts: Counter = Counter()
    number = 0
    while counts["received"] < record_count or counts["damaged"] < damaged_count:
        number += 1
        rng = random.Random(f"{seed}-{number}")  # noqa: S311  the seed repeats a failure
        contract, rows = declare(rng), make_rows(rng)
        data = write(contract, rows)
        try:
            compare(account(data, contract, counts), rows, contract)
            for _ in range(4):
                account(damage(rng, data), contract, counts)
                counts["damaged"] += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}-{number}: {contract.format} {contract.encoding}") from error
    return counts


def main() -> int:
    """Print the counts; 1 where a file raised an error or lost a row."""
    parser = argparse.ArgumentParser(description="Fuzz the readers of all formats.")
    for name, default in (("records", 100_000), ("damaged", 3_000), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    counts = fuzz(options.records, options.damaged, options.seed)
    print(", ".join(f"{name}: {count:,}" for name, count in counts.items()))
    print("0 exceptions; received = accepted + refused in every file")
    return 0


if __name__ == "__main__":
    sys.exit(main())
