r"""Seals of the ledger: which events a seal covers, and how an event and a link of the chain are written as bytes.

Hashing of trees is `cdp_pipelines.consent.merkle`, keys are `warehouse.keys`, the check is `warehouse.verify.ledger`.
One seal covers what one run appended to the ledger for one drop date, so nights run one by one and nights run at once
get the same seals.

**An event as bytes** (the Merkle leaf) is a JSON object in the canonical form of RFC 8785: one member for each column
of `consent/ledger` that is not null, keys sorted, no blanks, UTF-8, only `"`, `\` and control characters escaped (`\b`,
`\t`, `\n`, `\f`, `\r`, else `\u00xx` in lower case). Integers are in digits, dates `YYYY-MM-DD`, instants
`YYYY-MM-DDTHH:MM:SS.ffffffZ` in UTC. Nulls are left out, so a new column does not change the hashes of old events.

**A link as bytes** is the same kind of object with the members `batch` (the seal number), `first_position`,
`last_position`, `previous` (the head before) and `root` (the Merkle root); hashes are in lower-case hex. Its SHA-256 is
the head, whose 32 bytes are signed. An object begins with `{`, a leaf or an inner node with 0x00 or 0x01: none can be
mistaken for another.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

import polars as pl

from cdp_pipelines.consent.merkle import compute_merkle_root, hash_leaf
from cdp_pipelines.schema import LEDGER, SEAL, UTC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdp_pipelines.schema import LedgerRows, SealRows

# Stands for the previous head of the first seal.
NO_HEAD = "0" * 64
# Columns of `SEAL` from which the next seal continues.
CHAIN_COLUMNS = ("seal_number", "last_position", "head")
# Characters that JSON escapes within a text.
ESCAPES = {char: json.dumps(char)[1:-1] for char in (*map(chr, range(0x20)), '"', "\\")}


class Signer(Protocol):
    """Signs heads. The same head always gets the same signature (Ed25519 is deterministic)."""

    @property
    def public_key(self) -> str:
        """The public key, in hex."""

    def sign(self, message: bytes) -> bytes:
        """The signature of `message`."""


def seal_events(seals: SealRows, ledger: LedgerRows, events: LedgerRows, signer: Signer) -> SealRows:
    """The rows to append to `SEAL`: seals of `events`, which follow `ledger` (both `LEDGER`); key seal_number.

    `seals`: the seals so far, of which `CHAIN_COLUMNS` are read. An interrupted run can leave events without a seal at
    the end of the ledger: they are sealed first and by themselves, as that run would have done.
    """
    newest = seals.sort("seal_number").tail(1)
    last_number, last_position, head = newest.select(CHAIN_COLUMNS).row(0) if newest.height else (0, 0, NO_HEAD)
    unsealed = ledger.filter(pl.col("position") > last_position)
    rows = []
    for seal_number, night in enumerate(_split_by_night(unsealed, events), last_number + 1):
        leaf_hashes = [hash_leaf(entry) for entry in encode_events(night)]
        first, last = night["position"][0], night["position"][-1]
        root, previous_head = compute_merkle_root(leaf_hashes).hex(), head
        digest = sha256(encode_link(seal_number, first, last, previous_head, root)).digest()
        head = digest.hex()
        rows.append(
            {
                "seal_number": seal_number,
                "drop_date": night["drop_date"][0],
                "first_position": first,
                "last_position": last,
                "event_count": night.height,
                "merkle_root": root,
                "previous_head": previous_head,
                "head": head,
                "signature": signer.sign(digest).hex(),
                "public_key": signer.public_key,
                "leaf_hashes": b"".join(leaf_hashes),
            }
        )
    return pl.DataFrame(rows, schema_overrides=SEAL.schema).select(*SEAL.schema) if rows else SEAL.empty()


def encode_events(events: LedgerRows) -> list[bytes]:
    """Each event (`LEDGER`) as bytes, in the order of the rows."""
    members = [_encode_member(name, dtype) for name, dtype in sorted(LEDGER.schema.items())]
    objects = pl.concat_str(pl.lit("{"), pl.concat_str(members, separator=",", ignore_nulls=True), pl.lit("}"))
    return events.select(objects.cast(pl.Binary)).to_series().to_list()


def encode_link(seal_number: int, first_position: int, last_position: int, previous_head: str, root: str) -> bytes:
    """A link of the chain as bytes; the names of its members are part of the format."""
    link = {
        "batch": seal_number,
        "first_position": first_position,
        "last_position": last_position,
        "previous": previous_head,
        "root": root,
    }
    return json.dumps(link, sort_keys=True, separators=(",", ":")).encode()


def _encode_member(name: str, dtype: pl.DataType) -> pl.Expr:
    """`"name":value` in canonical JSON; null where the column is null."""
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


def _split_by_night(*appended: LedgerRows) -> Iterator[LedgerRows]:
    """Each frame in order of position, split where the drop date changes."""
    for events in appended:
        numbered = events.sort("position").with_columns(pl.col("drop_date").rle_id().alias("part"))
        for night in numbered.partition_by("part", maintain_order=True):
            yield night.drop("part")
