"""Whether the ledger of wills is the one that was sealed; if not, where it differs. Runs alone, for an auditor.

    python verify_ledger.py LAKE [--head FILE] [--public-key FILE]
    python verify_ledger.py LAKE --proof EVENT_ID [--output FILE]
    python verify_ledger.py --check-proof FILE [--head FILE] [--public-key FILE]

Here belongs everything that checking needs and nothing of the pipeline: it imports the standard library, deltalake,
pyarrow and cryptography, and reads `consent/ledger`, `consent/seal` and `audit/ledger_head.json` alone (and, to name
an event that is gone, `standardised/consent_event`). That is why it is longer than a module should be. The formats are
those of `cdp_pipelines/consent/seal.py`: leaves are RFC 8785 JSON of an event's non-null columns hashed as in
RFC 9162, heads SHA-256 over RFC 8785 JSON of a link, signatures Ed25519 (RFC 8032) over the 32 bytes of a head.

What it can know: with a head kept elsewhere, that nothing up to that batch was changed or cut off; with a public key
kept elsewhere, that nobody else signed. Without either it trusts the lake's own head, and who can write to the whole
lake and has a key of their own can seal it anew. Exit code: 0 all is as sealed, 1 it is not, 2 it cannot be told.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

LEDGER, BATCH, EVENT, HEAD = "consent/ledger", "consent/seal", "standardised/consent_event", "audit/ledger_head.json"
LINK = ("batch", "first_position", "last_position", "previous", "root")
NO_HEAD = "0" * 64
DIGEST = 32
# So many places are told apart as changed, moved, dropped or inserted; what is beyond is counted.
TOLD = 300
# So many are printed.
SHOWN = 50
# A moved event is first looked for so near.
NEAR = 9
Row = dict[str, Any]


class UnusableError(Exception):
    """What was asked for is not there or cannot be read."""


@dataclass(frozen=True, order=True)
class Finding:
    """One departure from what was sealed: where (0 and "" where that is not known), and what."""

    batch: int
    position: int
    event_id: str
    what: str

    def __str__(self) -> str:
        place = [f"batch {self.batch}"] if self.batch else []
        place += [f"position {self.position}"] if self.position else []
        place += [f"event {self.event_id}"] if self.event_id else []
        return ", ".join(place or ["the ledger"]) + ": " + self.what


@dataclass
class Verdict:
    """What was checked, in how many seconds, and every departure found, in order of place."""

    seal_count: int
    event_count: int
    keys: list[str]
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def lines(self) -> list[str]:
        """The verdict for people."""
        told = "the ledger is as it was sealed" if not self.findings else "THE LEDGER IS NOT AS IT WAS SEALED"
        checked = f"{self.seal_count:,} batches, {self.event_count:,} events checked in {self.seconds:.2f} s: {told}"
        findings = [str(finding) for finding in self.findings[:SHOWN]]
        if len(self.findings) > SHOWN:
            findings.append(f"and {len(self.findings) - SHOWN:,} more places")
        return [checked, *findings, *(f"signed by {key}" for key in self.keys), *self.notes]


def verify(lake: Path, head: Path | None = None, public_key: Path | None = None) -> Verdict:
    """Recompute the whole ledger of `lake` and compare it with its seals and with a signed head.

    `head` is one that was kept elsewhere (else the lake's own is taken), `public_key` the only keys that may have
    signed (else that of the head). `UnusableError` where there is no ledger or a file cannot be read.
    """
    started = time.perf_counter()
    ledger, rows = _table(lake, LEDGER), _batches(lake)
    if ledger is None and not rows and not (head or lake / HEAD).exists():
        raise UnusableError(f"{lake} holds no ledger")
    events = _Events.of(ledger)
    verdict = Verdict(len(rows), len(events.positions), sorted({str(row["public_key"]) for row in rows}))
    told = _read_head(head or lake / HEAD) if head or (lake / HEAD).exists() else None
    trusted = public_keys(public_key) if public_key else {told["public_key"]} if told else set()
    if told is None and rows:
        verdict.findings.append(Finding(0, 0, "", f"{HEAD} is missing: a cut-off newest batch could not be seen"))
    if told is not None:
        verdict.findings += _head_findings(told, rows, trusted)
    if not public_key:
        verdict.notes.append("no public key was given: whose key signed is not known; compare it, or name a copy of it")
    sealed = _Sealed()
    verdict.findings += _chain_findings(rows, trusted, events, sealed)
    if told is not None and told["batch"] > max((row["batch"] for row in rows), default=0):
        # What a cut-off batch had sealed is told as that batch alone.
        sealed.gaps.append(range(max(sealed.batches, default=0) + 1, told["last_position"] + 1))
    verdict.findings += _event_findings(events, sealed, lake)
    verdict.findings.sort()
    verdict.seconds = time.perf_counter() - started
    return verdict


@dataclass
class _Events:
    """The ledger in order of position: positions, event ids, drop dates and each event as canonical JSON and hash."""

    positions: list[int]
    ids: list[str]
    dates: list[str]
    entries: list[bytes]
    hashes: list[bytes]

    @classmethod
    def of(cls, table: pa.Table | None) -> _Events:
        if table is None or not len(table):
            return cls([], [], [], [], [])
        place = pc.fill_null(table["position"], 0)
        order = pc.sort_indices(place)
        entries = entries_of(table.take(order))
        dates = pc.fill_null(table["drop_date"].cast(pa.string()), "").take(order).to_pylist()
        ids = pc.fill_null(table["event_id"], "").take(order).to_pylist()
        hashes = [sha256(b"\x00" + entry).digest() for entry in entries]
        return cls(place.take(order).to_pylist(), ids, dates, entries, hashes)

    def at(self, position: int) -> range:
        """Indices of the events that stand at a position."""
        return range(bisect_left(self.positions, position), bisect_right(self.positions, position))

    def would_be(self, index: int, position: int) -> bytes:
        """Leaf hash of an event, were it at another position."""
        return sha256(b"\x00" + canonical({**json.loads(self.entries[index]), "position": position})).digest()


@dataclass
class _Sealed:
    """What was sealed: the leaf hash of every position, the batch that holds it, and positions of removed batches."""

    leaves: dict[int, bytes] = field(default_factory=dict)
    batches: dict[int, int] = field(default_factory=dict)
    gaps: list[range] = field(default_factory=list)


def canonical(members: Row) -> bytes:
    """Canonical JSON (RFC 8785) of an object of text and integers."""
    return json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def entries_of(table: pa.Table) -> list[bytes]:
    """Each row as canonical JSON of its non-null columns, in the order of the rows."""
    members = [_members(name, table[name].combine_chunks()) for name in sorted(table.column_names)]
    joined = pc.binary_join_element_wise(*members, _text(","), null_handling="skip")
    return [b"{" + text + b"}" for text in joined.cast(pa.large_binary()).to_pylist()]


def _members(name: str, column: pa.Array) -> pa.Array:
    """`"name":value` of every row; null where the value is."""
    begin, quote, nothing = _text(f'"{name}":'), _text('"'), _text("")
    if pa.types.is_integer(column.type):
        return pc.binary_join_element_wise(begin, column.cast(pa.large_string()), nothing)
    if pa.types.is_timestamp(column.type):
        text = column.cast(pa.timestamp("us")).cast(pa.large_string())
        column = pc.binary_join_element_wise(pc.replace_substring(text, " ", "T"), _text("Z"), _text(""))
    column = column.cast(pa.large_string())
    if pc.any(pc.match_substring_regex(column, r'["\\\x00-\x1f]')).as_py():
        values = column.to_pylist()
        column = pa.array([v and json.dumps(v, ensure_ascii=False)[1:-1] for v in values], pa.large_string())
    return pc.binary_join_element_wise(begin, quote, column, quote, nothing)


def _text(value: str) -> pa.Scalar:
    return pa.scalar(value, pa.large_string())


def merkle_root(leaves: list[bytes]) -> bytes:
    """Root over leaf hashes (RFC 9162, 2.1.1)."""
    while len(leaves) > 1:
        leaves = _level_above(leaves)
    return leaves[0] if leaves else sha256(b"").digest()


def _level_above(level: list[bytes]) -> list[bytes]:
    odd = level[-1:] if len(level) % 2 else []
    return [sha256(b"\x01" + level[n] + level[n + 1]).digest() for n in range(0, len(level) - 1, 2)] + odd


def _chain_findings(rows: list[Row], trusted: set[str], events: _Events, sealed: _Sealed) -> list[Finding]:
    """What is wrong with the batches themselves; fills in `sealed`."""
    found: list[Finding] = []
    expected, previous, begin = 1, NO_HEAD, 1
    for row in rows:
        number, is_intact = row["batch"], _head_of(row) == row["head"]
        if number < expected:
            found.append(Finding(number, 0, "", "inserted: there is another batch of this number"))
            continue
        leaves = _cut(row["leaves"] or b"")
        first = row["first_position"]
        if row["last_position"] != (first or 0) + len(leaves) - 1 or first in sealed.batches:
            first = begin
        if number > expected and is_intact:
            gone = f"the batch was removed (with it the seals of positions {begin} to {first - 1})"
            found += [Finding(each, 0, "", gone) for each in range(expected, number)]
            sealed.gaps.append(range(begin, first))
        elif row["previous"] != previous:
            what = f"changed: previous is not the head of batch {expected - 1}, or that batch was exchanged"
            found.append(Finding(number, 0, "", what))
        problems = [
            None if is_intact else "changed: its number, positions, root and previous head do not give its head",
            _signature_problem(row, trusted),
            *_batch_problems(row, first, leaves, events),
        ]
        found += [Finding(number, 0, "", problem) for problem in problems if problem]
        last = first + len(leaves) - 1
        sealed.leaves.update(enumerate(leaves, first))
        sealed.batches.update(dict.fromkeys(range(first, last + 1), number))
        expected, previous, begin = number + 1, row["head"], max(begin, last + 1)
    return found


def _batch_problems(row: Row, first: int, leaves: list[bytes], events: _Events) -> list[str]:
    """What a batch says of its events that is not so; puts right `leaves` where its events are as they were sealed."""
    problems = []
    if row["event_count"] != len(leaves) or (row["first_position"], row["last_position"]) != (
        first,
        first + len(leaves) - 1,
    ):
        problems.append(f"changed: it tells other positions or another number than its {len(leaves)} leaf hashes do")
    if merkle_root(leaves).hex() != row["root"]:
        stand = slice(events.at(first).start, events.at(row["last_position"] or 0).stop)
        if merkle_root(events.hashes[stand]).hex() == row["root"]:
            problems.append("changed: its leaf hashes do not give its root; its events are as they were sealed")
            leaves[:] = events.hashes[stand]
        else:
            problems.append("changed: its leaf hashes do not give its root")
    if {events.dates[at] for at in events.at(first) if events.hashes[at] in leaves[:1]} - {str(row["drop_date"])}:
        problems.append("changed: drop_date is not that of its events")
    return problems


def _cut(leaves: bytes) -> list[bytes]:
    return [leaves[start : start + DIGEST] for start in range(0, len(leaves), DIGEST)]


def _head_of(row: Row) -> str:
    return sha256(canonical({name: row[name] for name in LINK})).hexdigest()


def _signature_problem(row: Row, trusted: set[str]) -> str | None:
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(row["public_key"]))
        key.verify(bytes.fromhex(row["signature"]), bytes.fromhex(row["head"]))
    except (InvalidSignature, ValueError, TypeError):
        return "wrong signature: it is not of this head by the public key that is named"
    if trusted and row["public_key"] not in trusted:
        return f"wrong signature: it is by {row['public_key']}, which is none of the keys that may sign"
    return None


def _event_findings(events: _Events, sealed: _Sealed, lake: Path) -> list[Finding]:
    """Events that are not what was sealed at their position: changed, moved, dropped, inserted."""
    right = {
        place for place, leaf in zip(events.positions, events.hashes, strict=True) if sealed.leaves.get(place) == leaf
    }
    if len(right) == len(sealed.leaves) == len(events.positions):
        return []
    empty = sorted(sealed.leaves.keys() - right)
    seen: set[int] = set()
    wrong = []
    for index, place in enumerate(events.positions):
        is_right = sealed.leaves.get(place) == events.hashes[index] and place not in seen
        seen |= {place} if is_right else set()
        if not is_right and not any(place in gap for gap in sealed.gaps):
            wrong.append(index)
    origins = {index: _origin(events, sealed, index, empty) for index in wrong[:TOLD]}
    homes = {origin for origin in origins.values() if origin}
    found, changed = [], set()
    for index, origin in origins.items():
        place = events.positions[index]
        batch = sealed.batches.get(place, 0)
        if origin:
            what = f"moved: it was sealed at position {origin} (batch {sealed.batches[origin]})"
        elif place in right or place in homes or place in changed:
            what = "inserted: another event was sealed at this position"
        elif not batch:
            what = "inserted: it is in no batch (or its run was cut short, which the next run makes good)"
        else:
            changed.add(place)
            what = "changed: it is not the event that was sealed at this position"
        found.append(Finding(batch, place, events.ids[index], what))
    # Of what is beyond the places that were told apart, no more is known than the number.
    known = events.positions[wrong[TOLD]] - NEAR if len(wrong) > TOLD else max(sealed.leaves, default=0) + 1
    gone = [place for place in empty if place < known and place not in homes and place not in changed]
    names = _named(lake, events, sealed, gone[:SHOWN])
    found += [
        Finding(sealed.batches[place], place, names.get(place, ""), "dropped: it was sealed here") for place in gone
    ]
    if len(wrong) > TOLD:
        found.append(Finding(0, 0, "", f"{len(wrong) - TOLD:,} more events are not where or what they were"))
    return found


def _origin(events: _Events, sealed: _Sealed, index: int, empty: list[int]) -> int | None:
    """Where an event was sealed, of the positions that lack theirs: those around its own, then the first of all."""
    at = bisect_left(empty, events.positions[index])
    for place in dict.fromkeys([*empty[max(0, at - NEAR) : at + NEAR], *empty[:TOLD]]):
        if place != events.positions[index] and events.would_be(index, place) == sealed.leaves[place]:
            return place
    return None


def _named(lake: Path, events: _Events, sealed: _Sealed, gone: list[int]) -> dict[int, str]:
    """Ids of dropped events, where the source's own table still has them."""
    source, ledger = (_table(lake, name) for name in (EVENT, LEDGER))
    if not gone or source is None or ledger is None:
        return {}
    known = set(events.ids)
    source = source.select([name for name in ledger.column_names if name in source.column_names])
    source = source.filter(pa.array([each not in known for each in source["event_id"].to_pylist()]))
    dropped = [json.loads(entry) for entry in entries_of(source)] if len(source) else []
    names = {}
    for place in gone:
        for event in dropped[:TOLD]:
            if sha256(b"\x00" + canonical({**event, "position": place})).digest() == sealed.leaves[place]:
                names[place] = event["event_id"]
    return names


def _read_head(path: Path) -> Row:
    told = json.loads(path.read_text())
    missing = {"batch", "last_position", "head", "signature", "public_key"} - set(told)
    if missing:
        raise UnusableError(f"{path} is no signed head: it lacks {', '.join(sorted(missing))}")
    return told


def _head_findings(told: Row, rows: list[Row], trusted: set[str]) -> list[Finding]:
    """How the batches differ from a signed head."""
    number = told["batch"]
    if problem := _signature_problem(told, trusted):
        return [Finding(number, 0, "", f"the signed head cannot be relied upon: {problem}")]
    row = next((row for row in rows if row["batch"] == number), None)
    if row is None:
        newest = max((row["batch"] for row in rows), default=0)
        what = f"cut off: the signed head is of batch {number}, up to position {told['last_position']}"
        return [Finding(each, 0, "", what) for each in range(newest + 1, number + 1)] if newest < number else []
    same = all(row[name] == told[name] for name in ("last_position", "head", "signature", "public_key"))
    return [] if same else [Finding(number, 0, "", "changed: it is not the batch of the signed head")]


def public_keys(path: Path) -> set[str]:
    """The Ed25519 public keys of a file, in hex: PEM blocks one after the other, or 64 hex digits a line."""
    text = path.read_text()
    blocks = re.findall(r"-----BEGIN.*?-----END[^\n]*-----", text, re.DOTALL)
    keys = {load_pem_public_key(block.encode()).public_bytes_raw().hex() for block in blocks} or set(text.split())
    if not keys or not all(re.fullmatch(r"[0-9a-f]{64}", key) for key in keys):
        raise UnusableError(f"{path} holds no Ed25519 public key: neither PEM nor 64 hex digits")
    return keys


def _table(lake: Path, name: str) -> pa.Table | None:
    return DeltaTable(lake / name).to_pyarrow_table() if DeltaTable.is_deltatable(str(lake / name)) else None


def _batches(lake: Path) -> list[Row]:
    table = _table(lake, BATCH)
    rows = table.to_pylist() if table is not None else []
    return sorted(({**row, "batch": row["batch"] or 0} for row in rows), key=lambda row: row["batch"])


def prove(lake: Path, event_id: str) -> Row:
    """Proof that every will of an event is in the ledger, for the subject to keep; checked by `proof_problems`.

    `UnusableError` where the ledger has no such event, or no batch holds it.
    """
    ledger = _table(lake, LEDGER)
    wills = ledger.filter(pc.equal(ledger["event_id"], event_id)) if ledger is not None else []
    if not len(wills):
        raise UnusableError(f"{lake} holds no event of this id")
    proofs, rows = [], _batches(lake)
    for event in map(json.loads, entries_of(wills)):
        place = event["position"]
        row = next((row for row in rows if row["first_position"] <= place <= row["last_position"]), None)
        if row is None:
            raise UnusableError(f"position {place} is in no batch; the next run makes it good")
        leaves, index, path = _cut(row["leaves"]), place - row["first_position"], []
        size = len(leaves)
        while len(leaves) > 1:
            if index ^ 1 < len(leaves):
                path.append(leaves[index ^ 1].hex())
            leaves, index = _level_above(leaves), index // 2
        link = {name: row[name] for name in (*LINK, "head", "signature", "public_key")}
        index = place - row["first_position"]
        proofs.append({"event": event, "leaf_index": index, "tree_size": size, "audit_path": path, "batch": link})
    return {"event_id": event_id, "proofs": proofs}


def proof_problems(proof: Row, head: Path | None = None, public_key: Path | None = None) -> list[str]:
    """Why a proof does not hold, in words; nothing where it does. Needs no lake."""
    trusted = public_keys(public_key) if public_key else set()
    told = _read_head(head) if head else None
    problems = [] if proof["proofs"] else ["it proves nothing"]
    for each in proof["proofs"]:
        event, link = each["event"], each["batch"]
        leaf = sha256(b"\x00" + canonical(event)).digest()
        path = [bytes.fromhex(node) for node in each["audit_path"]]
        checks = [
            (event["event_id"] == proof["event_id"], "it is of another event"),
            (event["position"] - link["first_position"] == each["leaf_index"], "its place in the batch is another"),
            (link["last_position"] - link["first_position"] + 1 == each["tree_size"], "the batch has another size"),
            (
                _root_by_path(leaf, each["leaf_index"], each["tree_size"], path) == link["root"],
                "the event is not under the batch's root",
            ),
            (_head_of(link) == link["head"], "the batch does not give its head"),
            (not (problem := _signature_problem(link, trusted)), problem or ""),
            (not told or told["batch"] != link["batch"] or told["head"] == link["head"], "the signed head is another"),
        ]
        problems += [f"position {event['position']}: {what}" for holds, what in checks if not holds]
    return problems


def _root_by_path(leaf: bytes, index: int, size: int, path: list[bytes]) -> str | None:
    """The root to which an audit path leads (RFC 9162, 2.1.3.2), in hex; None where it has another length."""
    found, last, nodes = leaf, size - 1, iter(path)
    if not 0 <= index < size:
        return None
    while last:
        if index % 2 or index < last:
            node = next(nodes, None)
            if node is None:
                return None
            found = sha256(b"\x01" + (node + found if index % 2 else found + node)).digest()
        index, last = index // 2, last // 2
    return found.hex() if next(nodes, None) is None else None


def main(arguments: list[str] | None = None) -> int:
    """The command line of this module; gives the exit code."""
    parser = argparse.ArgumentParser(description="Check a sealed ledger of wills, or a proof from it.")
    parser.add_argument("lake", nargs="?", type=Path, help="folder of the lake")
    parser.add_argument("--head", type=Path, help="a signed head that was kept elsewhere")
    parser.add_argument("--public-key", type=Path, help="the only keys that may have signed: PEM, or hex")
    parser.add_argument("--proof", metavar="EVENT_ID", help="prove that an event is in the ledger")
    parser.add_argument("--output", type=Path, help="where to write the proof; default: print it")
    parser.add_argument("--check-proof", type=Path, metavar="FILE", help="check a proof; needs no lake")
    return check(**vars(parser.parse_args(arguments)))


def check(
    lake: Path | None,
    head: Path | None = None,
    public_key: Path | None = None,
    proof: str | None = None,
    output: Path | None = None,
    check_proof: Path | None = None,
) -> int:
    """Do what the command line asks; print what was found, and give the exit code."""
    try:
        if check_proof:
            problems = proof_problems(json.loads(check_proof.read_text()), head, public_key)
            lines = [f"the proof does not hold: {each}" for each in problems] or ["the proof holds"]
        elif proof:
            made = prove(_existing(lake), proof)
            problems = proof_problems(made, head, public_key)
            text = json.dumps(made, indent=2, ensure_ascii=False)
            lines = [f"the ledger cannot prove it: {each}" for each in problems] or [text]
            if output and not problems:
                output.write_text(text + "\n")
                lines = [f"{len(made['proofs'])} proofs written to {output}"]
        else:
            verdict = verify(_existing(lake), head, public_key)
            lines, problems = verdict.lines(), verdict.findings
    except (UnusableError, DeltaError, pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"it cannot be told: {type(error).__name__}: {error}\n")
        return 2
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if problems else 0


def _existing(lake: Path | None) -> Path:
    if lake is None or not lake.is_dir():
        raise UnusableError(f"there is no lake at {lake}" if lake else "name the folder of a lake")
    return lake


if __name__ == "__main__":
    sys.exit(main())
