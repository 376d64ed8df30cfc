r"""The seals of the ledger: which events a batch holds, what an event and a link of the chain are as bytes.

A batch is what one run appended to the ledger for one drop date, so nights one by one are sealed as nights at once.

**An event as bytes** (the Merkle leaf) is a JSON object in the canonical form of RFC 8785: one member per column of
`consent/ledger` that is not null, keys sorted, no blanks, UTF-8, only `"`, `\` and control characters escaped (`\b`,
`\t`, `\n`, `\f`, `\r`, else `\u00xx` in lower case). Integers are in digits, dates `YYYY-MM-DD`, instants
`YYYY-MM-DDTHH:MM:SS.ffffffZ` in UTC. That nulls are left out keeps the hashes of old events when a column is added.

**A link as bytes** is the same kind of object of `batch`, `first_position`, `last_position`, `previous` and `root`
(hashes in lower-case hex); its SHA-256 is the head, whose 32 bytes are signed. An object begins with `{`, a leaf or a
node with 0x00 or 0x01: none can pass for another.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

import polars as pl

from cdp_pipelines.consent.merkle import leaf_hash, merkle_root
from cdp_pipelines.schema import LEDGER, SEAL, UTC

if TYPE_CHECKING:
    from collections.abc import Iterator

# What stands for the head before the first batch.
NO_HEAD = "0" * 64
# Columns of `BATCH` that the next batch goes on from.
LINK = ("batch", "last_position", "head")
# What JSON writes in another way within text.
ESCAPES = {char: json.dumps(char)[1:-1] for char in (*map(chr, range(0x20)), '"', "\\")}


class Signer(Protocol):
    """Who signs heads; the same head must always get the same signature (Ed25519 does so)."""

    @property
    def public_key(self) -> str:
        """The public key, in hex."""

    def sign(self, message: bytes) -> bytes:
        """The signature of `message`."""


def seal_events(links: pl.DataFrame, ledger: pl.DataFrame, events: pl.DataFrame, signer: Signer) -> pl.DataFrame:
    """The rows to append: seals of `events`, which are to follow `ledger` (both `LEDGER`); columns of `BATCH`.

    Key (batch). `links` are the batches so far, of which `LINK` is read. What the ledger holds beyond the last of them,
    because a run was cut short, is sealed first and apart, as that run would have done.
    """
    last = links.sort("batch").tail(1)
    newest, sealed, head = last.select(LINK).row(0) if last.height else (0, 0, NO_HEAD)
    rows = []
    for batch, night in enumerate(_nights(ledger.filter(pl.col("position") > sealed), events), newest + 1):
        leaves = [leaf_hash(entry) for entry in encode_events(night)]
        link = {
            "batch": batch,
            "first_position": night["position"][0],
            "last_position": night["position"][-1],
            "root": merkle_root(leaves).hex(),
            "previous": head,
        }
        digest = sha256(json.dumps(link, sort_keys=True, separators=(",", ":")).encode()).digest()
        head = digest.hex()
        rows.append(
            {
                **link,
                "drop_date": night["drop_date"][0],
                "event_count": night.height,
                "head": head,
                "signature": signer.sign(digest).hex(),
                "public_key": signer.public_key,
                "leaves": b"".join(leaves),
            }
        )
    return pl.DataFrame(rows, schema_overrides=SEAL.schema).select(*SEAL.schema) if rows else SEAL.empty()


def encode_events(events: pl.DataFrame) -> list[bytes]:
    """Each event (`LEDGER`) as bytes, in the order of the rows."""
    members = [_member(name, dtype) for name, dtype in sorted(LEDGER.schema.items())]
    objects = pl.concat_str(pl.lit("{"), pl.concat_str(members, separator=",", ignore_nulls=True), pl.lit("}"))
    return events.select(objects.cast(pl.Binary)).to_series().to_list()


def _member(name: str, dtype: pl.DataType) -> pl.Expr:
    """`"name":value` in canonical JSON; null where the column is."""
    value = pl.col(name)
    if dtype == pl.Int64:
        return pl.format(f'"{name}":{{}}', value)
    if dtype == UTC:
        value = value.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    elif dtype == pl.Date:
        value = value.dt.strftime("%Y-%m-%d")
    else:
        value = value.str.replace_many(ESCAPES)
    return pl.format(f'"{name}":"{{}}"', value)


def _nights(*appended: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Each frame in order of position, cut where the drop date changes."""
    for events in appended:
        cut = events.sort("position").with_columns(pl.col("drop_date").rle_id().alias("cut"))
        for night in cut.partition_by("cut", maintain_order=True):
            yield night.drop("cut")
