"""Put hostile values into the files of the sample, run the night, and ask both verifiers about the lake.

    python -m tests.fuzz_nights --nights 10 --seed 1

Each night passes, whatever a few or many cells of its files hold: a record that cannot be used is refused, and stops
neither its file nor the night. Of the records that were taken in, every statement is accounted for, and every decision
and every row of a mart equals that of brute force.
"""

import argparse
import csv
import gzip
import io
import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import polars as pl

from cdp_pipelines.services.sample_files import write_sample
from tests.kill_nights import KEYS, Nights

PEOPLE, NIGHTS = 40, 2
# Shares of the cells that become hostile, in turn.
SHARES = (0.02, 0.1, 0.4)
HOSTILE = (
    "", " ", "\u00a0", "\u200b", "\u200b \u200b", "-", ".", ",", "0", "-0", "00", "000000", "1e3", "1E5", "1e14", "1e400",
    "9" * 20, "9" * 400, "0." + "1" * 40, "1,5", "1.234,50", "1 234", "-5", "+5", " 7 ", "\u0663", "\u00bd", "NaN", "inf",
    "-Infinity", "0x1f", "1_000", "true", "TRUE", " Yes", "maybe", "null", "None", "n/a", "2024-02-30", "0001-01-01",
    "9999-12-31", "1969-12-31T23:59:59Z", "2023-06-01", "2023-06-01T00:00:00.0Z", "2023-06-01T00:00:00.123456789+14:00",
    "01.06.2023", "06/01/2023 00:00:00", "1685577600", "1685577600000", "-1", "@", "@x", "a@b", "A@B.CO", "a@b.c d",
    "\u00e9@\u00fc.de", "a@@b.co", ".a@b.co", "a@b..co", "a@b.co;c@d.co", "mailto:a@b.co", "a" * 300, "a" * 300 + "@b.co",
    "+1", "+12065550100", "+0123456789", "206-555-0100 x5", "00442071838750", "\U0001f642", "\x00", "\x1b[31m", "a\nb",
    "a\tb", "<b>&amp;</b>", "=1+1", "'", '"', "\\", "granted", "denied", "GRANTED", "withdrawn", "[]", "{}", '["a"]', "[",
    "en_US", "xx", "US", "us", "\u00d6", "Mr.", "Dr.", "Jr.", "St.", "O'", "12345-", "00000", "10:00-09:00", "22:00", "25:61",
    "22:00-07:00", ":", "x:", ":x", "x:y", "DBABMA~", "C", "\ufffd", "\u202e", "e\u0301", "\u1e9e", "\u0130",
)  # fmt: skip
# Values of JSON that are not text.
NOT_TEXT = (None, True, 0, -1, 10**20, 1.5e300, [], {}, ["a"], {"a": 1}, [[["a"]]])


class Spoiler:
    """Replaces a share of the cells of files."""

    def __init__(self, rng: random.Random, share: float) -> None:
        self.rng, self.share = rng, share

    def spoil_text(self, value: str) -> str:
        """A cell of a table."""
        return self.rng.choice(HOSTILE) if self.rng.random() < self.share else value

    def spoil_value(self, value: object) -> object:
        """A JSON value, and all in it."""
        if isinstance(value, dict):
            return {name: self.spoil_value(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.spoil_value(item) for item in value]
        if self.rng.random() >= self.share:
            return value
        return self.rng.choice(NOT_TEXT) if self.rng.random() < 0.2 else self.rng.choice(HOSTILE)

    def spoil_line(self, line: str) -> str:
        """A line of JSON; one that is broken already stays as it is."""
        try:
            return json.dumps(self.spoil_value(json.loads(line)))
        except ValueError:
            return line

    def spoil_table(self, text: str) -> str:
        """CSV below its header."""
        delimiter = max(",;\t|", key=text.partition("\n")[0].count)
        header, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        out = io.StringIO(newline="")
        writer = csv.writer(out, delimiter=delimiter)
        writer.writerows([header, *([self.spoil_text(cell) for cell in row] for row in rows)])
        return out.getvalue()

    def spoil_parquet(self, data: bytes) -> bytes:
        """The texts of Parquet."""
        frame = pl.read_parquet(io.BytesIO(data))
        rows = [
            {name: self.spoil_text(cell) if isinstance(cell, str) else cell for name, cell in row.items()}
            for row in frame.to_dicts()
        ]
        out = io.BytesIO()
        pl.DataFrame(rows, schema=frame.schema).write_parquet(out)
        return out.getvalue()

    def spoil_file(self, name: str, data: bytes) -> bytes:
        """A file of any of the sample's formats, by its name."""
        if name.endswith(".gz"):
            return gzip.compress(self.spoil_file(name.removesuffix(".gz"), gzip.decompress(data)))
        if name.endswith(".parquet"):
            return self.spoil_parquet(data)
        # Bytes that are not UTF-8 come through as they are; another encoding refuses or replaces what is spoilt.
        text = data.decode("utf-8", "surrogateescape")
        if name.endswith((".csv", ".tsv")):
            text = self.spoil_table(text)
        else:
            text = "\n".join(map(self.spoil_line, text.split("\n")))
        return text.encode("utf-8", "surrogateescape")


def spoil_drops(drops: Path, spoilt: Path, spoiler: Spoiler) -> None:
    """A copy of the drop folder with hostile cells."""
    for file in sorted(drops.glob("*/*")):
        folder = spoilt / file.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file.name).write_bytes(spoiler.spoil_file(file.name, file.read_bytes()))


def fuzz_nights(count: int, seed: int, folder: Path, report: Callable[[str], None] = print) -> int:
    """The number of lakes of which a command had a complaint."""
    os.environ.update(KEYS)
    os.environ.pop("CDP_POSTGRES", None)
    failed_count = 0
    for number in range(count):
        share = SHARES[number % len(SHARES)]
        rng = random.Random(f"{seed}-{number}")  # noqa: S311  the seed repeats a failure
        work = folder / "night"
        write_sample(work / "company", PEOPLE, NIGHTS, rng.randrange(10**6))
        drops, lake = work / "drops", work / "lake"
        spoil_drops(work / "company" / "drops", drops, Spoiler(rng, share))
        nights, complaints = Nights(drops), []
        for command in (
            ("run", "--drops", drops, "--lake", lake),
            ("verify", "marts", "--lake", lake),
            ("verify", "consent", "--lake", lake, "--drops", drops),
        ):
            code, output = nights.command(*command)
            if code:
                complaints += [f"cdp {' '.join(map(str, command))} ended with {code}", output]
        failed_count += bool(complaints)
        report(f"{seed}-{number}: {share:.0%} of the cells are hostile: {'NOT ' * bool(complaints)}as promised")
        for complaint in complaints:
            report(complaint)
        shutil.rmtree(work)
    return failed_count


def main() -> int:
    """Print a line for each night and the counts; 1 where a command had a complaint."""
    parser = argparse.ArgumentParser(description="Run nights over files with hostile values, and verify the lakes.")
    parser.add_argument("--nights", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        failed = fuzz_nights(options.nights, options.seed, Path(folder), lambda line: print(line, flush=True))
    print(f"{options.nights} nights, {failed} not as promised")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
