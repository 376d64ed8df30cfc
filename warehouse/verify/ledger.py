"""Checks that the ledger of consent events is the one that was sealed, and locates every difference. Runs alone.

    python ledger.py LAKE [--head FILE] [--public-key FILE]
    python ledger.py LAKE --proof EVENT_ID [--output FILE]
    python ledger.py --check-proof FILE [--head FILE] [--public-key FILE]

This module has everything that the check needs, and no code of the pipeline: an auditor copies this one file and runs
it. That is why it is longer than 400 lines. It imports the standard library, deltalake, pyarrow and cryptography, and
reads `consent/ledger`, `consent/seal` and `audit/ledger_head.json` (and `standardised/consent_event`, to name a dropped
event). The formats are those of `cdp_pipelines/consent/seal.py`: a leaf is the RFC 8785 JSON of the non-null columns of
an event, hashed as in RFC 9162; a head is the SHA-256 of the RFC 8785 JSON of a link; a signature is Ed25519 (RFC 8032)
over the 32 bytes of a head.

What the check can prove: with a head stored outside the lake, that nothing up to that seal was changed or cut off; with
a public key stored outside the lake, that nobody else signed. Without either it trusts the head in the lake, and a
person who can write to the whole lake can seal it again with a key of their own. Exit code: 0 the ledger is as it was
sealed, 1 it is not, 2 the check cannot be done.
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

LEDGER, SEAL, EVENT, HEAD = "consent/ledger", "consent/seal", "standardised/consent_event", "audit/ledger_head.json"
# The members of a link as they are hashed, each with its column in `consent/seal`.
LINK = {
    "batch": "seal_number",
    "first_position": "first_position",
    "last_position": "last_position",
    "previous": "previous_head",
    "root": "merkle_root",
}
# What a head that is stored outside the lake repeats of its seal.
SIGNED = ("last_position", "head", "signature", "public_key")
NO_HEAD = "0" * 64
HASH_SIZE = 32
# At most this many differences are classified as changed, moved, dropped or inserted; the others are only counted.
MAX_CLASSIFIED = 300
# At most this many differences are printed.
MAX_PRINTED = 50
# A moved event is first searched for within this many positions.
SEARCH_DISTANCE = 9
Row = dict[str, Any]


class UnusableError(Exception):
    """A file or table that the check needs is missing or cannot be read."""


@dataclass(frozen=True, order=True)
class Finding:
    """One difference from what was sealed: where (0 or "" where unknown), and the problem."""

    seal_number: int
    position: int
    event_id: str
    problem: str

    def __str__(self) -> str:
        place = [f"seal {self.seal_number}"] if self.seal_number else []
        place += [f"position {self.position}"] if self.position else []
        place += [f"event {self.event_id}"] if self.event_id else []
        return ", ".join(place or ["the ledger"]) + ": " + self.problem


@dataclass
class Verdict:
    """What was checked, in how many seconds, and every difference, in order of place."""

    seal_count: int
    event_count: int
    public_keys: list[str]
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    duration_s: float = 0.0

    def format_lines(self) -> list[str]:
        """The verdict as lines of text."""
        answer = "THE LEDGER IS NOT AS IT WAS SEALED" if self.findings else "the ledger is as it was sealed"
        checked = f"{self.seal_count:,} seals, {self.event_count:,} events checked in {self.duration_s:.2f} s: {answer}"
        findings = [str(finding) for finding in self.findings[:MAX_PRINTED]]
        if len(self.findings) > MAX_PRINTED:
            findings.append(f"and {len(self.findings) - MAX_PRINTED:,} more differences")
        return [checked, *findings, *(f"signed by {key}" for key in self.public_keys), *self.notes]


def verify_ledger(lake: Path, head: Path | None = None, public_key: Path | None = None) -> Verdict:
    """Compute the whole ledger of `lake` again and compare it with its seals and with a signed head.

    `head`: one that was stored outside the lake (default: the lake's own); `public_key`: the only keys that may sign
    (default: the key of the head). `UnusableError` where the lake has no ledger or a file cannot be read.
    """
    started = time.perf_counter()
    ledger, seals = _read_table(lake, LEDGER), _read_seals(lake)
    if ledger is None and not seals and not (head or lake / HEAD).exists():
        raise UnusableError(f"{lake} has no ledger: {LEDGER}, {SEAL} and {HEAD} are missing")
    events = _Events.read(ledger)
    verdict = Verdict(len(seals), len(events.positions), sorted({str(row["public_key"]) for row in seals}))
    signed = _read_head(head or lake / HEAD) if head or (lake / HEAD).exists() else None
    trusted = read_public_keys(public_key) if public_key else {signed["public_key"]} if signed else set()
    if signed is None and seals:
        verdict.findings.append(Finding(0, 0, "", f"{HEAD} is missing: a removed newest seal cannot be detected"))
    if signed is not None:
        verdict.findings += _check_head(signed, seals, trusted)
    if not public_key:
        verdict.notes.append("no public key was given, so the signer is unknown: compare the key with a stored copy")
    sealed = _Sealed()
    verdict.findings += _check_chain(seals, trusted, events, sealed)
    if signed is not None and signed["seal_number"] > max((row["seal_number"] for row in seals), default=0):
        # The events of a removed newest seal are reported as that one seal.
        sealed.removed.append(range(max(sealed.seal_numbers, default=0) + 1, signed["last_position"] + 1))
    verdict.findings += _check_events(events, sealed, lake)
    verdict.findings.sort()
    verdict.duration_s = time.perf_counter() - started
    return verdict


@dataclass
class _Events:
    """The ledger in order of position: positions, event ids, drop dates, canonical JSON and leaf hash of each event."""

    positions: list[int]
    ids: list[str]
    dates: list[str]
    entries: list[bytes]
    hashes: list[bytes]

    @classmethod
    def read(cls, table: pa.Table | None) -> _Events:
        if table is None or not len(table):
            return cls([], [], [], [], [])
        position = pc.fill_null(table["position"], 0)
        order = pc.sort_indices(position)
        entries = encode_events(table.take(order))
        dates = pc.fill_null(table["drop_date"].cast(pa.string()), "").take(order).to_pylist()
        ids = pc.fill_null(table["event_id"], "").take(order).to_pylist()
        return cls(position.take(order).to_pylist(), ids, dates, entries, [_hash_leaf(entry) for entry in entries])

    def indices_at(self, position: int) -> range:
        """Indices of the events at a position."""
        return range(bisect_left(self.positions, position), bisect_right(self.positions, position))

    def hash_at(self, index: int, position: int) -> bytes:
        """Leaf hash that an event would have at another position."""
        return _hash_leaf(canonical_json({**json.loads(self.entries[index]), "position": position}))


@dataclass
class _Sealed:
    """What was sealed: leaf hash and seal number of every position, and the positions of removed seals."""

    leaf_hashes: dict[int, bytes] = field(default_factory=dict)
    seal_numbers: dict[int, int] = field(default_factory=dict)
    removed: list[range] = field(default_factory=list)


def canonical_json(members: Row) -> bytes:
    """Canonical JSON (RFC 8785) of an object of texts and integers."""
    return json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def encode_events(table: pa.Table) -> list[bytes]:
    """Each row as canonical JSON of its non-null columns, in the order of the rows."""
    members = [_encode_member(name, table[name].combine_chunks()) for name in sorted(table.column_names)]
    joined = pc.binary_join_element_wise(*members, _text(","), null_handling="skip")
    return [b"{" + text + b"}" for text in joined.cast(pa.large_binary()).to_pylist()]


def _encode_member(name: str, column: pa.Array) -> pa.Array:
    """`"name":value` of every row; null where the value is null."""
    begin, quote, empty = _text(f'"{name}":'), _text('"'), _text("")
    if pa.types.is_integer(column.type):
        return pc.binary_join_element_wise(begin, column.cast(pa.large_string()), empty)
    if pa.types.is_timestamp(column.type):
        text = column.cast(pa.timestamp("us")).cast(pa.large_string())
        column = pc.binary_join_element_wise(pc.replace_substring(text, " ", "T"), _text("Z"), empty)
    column = column.cast(pa.large_string())
    if pc.any(pc.match_substring_regex(column, r'["\\\x00-\x1f]')).as_py():
        values = column.to_pylist()
        escaped = [value and json.dumps(value, ensure_ascii=False)[1:-1] for value in values]
        column = pa.array(escaped, pa.large_string())
    return pc.binary_join_element_wise(begin, quote, column, quote, empty)


def _text(value: str) -> pa.Scalar:
    return pa.scalar(value, pa.large_string())


def _hash_leaf(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def compute_merkle_root(leaf_hashes: list[bytes]) -> bytes:
    """Merkle root over leaf hashes (RFC 9162, 2.1.1)."""
    while len(leaf_hashes) > 1:
        leaf_hashes = _build_next_level(leaf_hashes)
    return leaf_hashes[0] if leaf_hashes else sha256(b"").digest()


def _build_next_level(level: list[bytes]) -> list[bytes]:
    odd = level[-1:] if len(level) % 2 else []
    return [sha256(b"\x01" + level[n] + level[n + 1]).digest() for n in range(0, len(level) - 1, 2)] + odd


def _check_chain(seals: list[Row], trusted: set[str], events: _Events, sealed: _Sealed) -> list[Finding]:
    """What is wrong with the seals themselves; fills `sealed`."""
    findings: list[Finding] = []
    expected_number, previous_head, next_position = 1, NO_HEAD, 1
    for row in seals:
        number, is_intact = row["seal_number"], _compute_head(row) == row["head"]
        if number < expected_number:
            findings.append(Finding(number, 0, "", "inserted: there is another seal of this number"))
            continue
        leaf_hashes = _split_hashes(row["leaf_hashes"] or b"")
        first = row["first_position"]
        if row["last_position"] != (first or 0) + len(leaf_hashes) - 1 or first in sealed.seal_numbers:
            first = next_position
        if number > expected_number and is_intact:
            problem = f"the seal was removed (positions {next_position} to {first - 1} have no seal any more)"
            findings += [Finding(missing, 0, "", problem) for missing in range(expected_number, number)]
            sealed.removed.append(range(next_position, first))
        elif row["previous_head"] != previous_head:
            problem = f"changed: previous_head is not the head of seal {expected_number - 1}, or that seal was replaced"
            findings.append(Finding(number, 0, "", problem))
        problems = [
            None if is_intact else "changed: its number, positions, merkle_root and previous_head do not give its head",
            _check_signature(row, trusted),
            *_check_seal(row, first, leaf_hashes, events),
        ]
        findings += [Finding(number, 0, "", problem) for problem in problems if problem]
        last = first + len(leaf_hashes) - 1
        sealed.leaf_hashes.update(enumerate(leaf_hashes, first))
        sealed.seal_numbers.update(dict.fromkeys(range(first, last + 1), number))
        expected_number, previous_head, next_position = number + 1, row["head"], max(next_position, last + 1)
    return findings


def _check_seal(row: Row, first: int, leaf_hashes: list[bytes], events: _Events) -> list[str]:
    """Problems of one seal; corrects `leaf_hashes` where its events are as they were sealed."""
    problems = []
    last = first + len(leaf_hashes) - 1
    if row["event_count"] != len(leaf_hashes) or (row["first_position"], row["last_position"]) != (first, last):
        problems.append(f"changed: its positions or event_count do not match its {len(leaf_hashes)} leaf hashes")
    if compute_merkle_root(leaf_hashes).hex() != row["merkle_root"]:
        stored = slice(events.indices_at(first).start, events.indices_at(row["last_position"] or 0).stop)
        if compute_merkle_root(events.hashes[stored]).hex() == row["merkle_root"]:
            problems.append("changed: its leaf_hashes do not give its merkle_root; its events are as they were sealed")
            leaf_hashes[:] = events.hashes[stored]
        else:
            problems.append("changed: its leaf_hashes do not give its merkle_root")
    intact = [index for index in events.indices_at(first) if events.hashes[index] in leaf_hashes[:1]]
    if {events.dates[index] for index in intact} - {str(row["drop_date"])}:
        problems.append("changed: drop_date is not the drop_date of its events")
    return problems


def _split_hashes(hashes: bytes) -> list[bytes]:
    return [hashes[start : start + HASH_SIZE] for start in range(0, len(hashes), HASH_SIZE)]


def _compute_head(row: Row) -> str:
    return sha256(canonical_json({member: row[column] for member, column in LINK.items()})).hexdigest()


def _check_signature(row: Row, trusted: set[str]) -> str | None:
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(row["public_key"]))
        key.verify(bytes.fromhex(row["signature"]), bytes.fromhex(row["head"]))
    except (InvalidSignature, ValueError, TypeError):
        return "wrong signature: the key in public_key did not sign this head"
    if trusted and row["public_key"] not in trusted:
        return f"wrong signature: signed by {row['public_key']}, which is not a trusted key"
    return None


def _check_events(events: _Events, sealed: _Sealed, lake: Path) -> list[Finding]:
    """Events that are not what was sealed at their position: changed, moved, dropped, inserted."""
    intact = {
        position
        for position, leaf_hash in zip(events.positions, events.hashes, strict=True)
        if sealed.leaf_hashes.get(position) == leaf_hash
    }
    if len(intact) == len(sealed.leaf_hashes) == len(events.positions):
        return []
    vacant = sorted(sealed.leaf_hashes.keys() - intact)
    seen: set[int] = set()
    wrong = []
    for index, position in enumerate(events.positions):
        is_intact = sealed.leaf_hashes.get(position) == events.hashes[index] and position not in seen
        seen |= {position} if is_intact else set()
        if not is_intact and not any(position in positions for positions in sealed.removed):
            wrong.append(index)
    origins = {index: _find_origin(events, sealed, index, vacant) for index in wrong[:MAX_CLASSIFIED]}
    moved_from = {origin for origin in origins.values() if origin}
    findings, changed = [], set()
    for index, origin in origins.items():
        position = events.positions[index]
        number = sealed.seal_numbers.get(position, 0)
        if origin:
            problem = f"moved: it was sealed at position {origin} (seal {sealed.seal_numbers[origin]})"
        elif position in intact or position in moved_from or position in changed:
            problem = "inserted: another event was sealed at this position"
        elif not number:
            problem = "inserted: no seal covers it (or its run was interrupted: the next run seals it)"
        else:
            changed.add(position)
            problem = "changed: another event was sealed at this position"
        findings.append(Finding(number, position, events.ids[index], problem))
    # Beyond the classified differences only the number is known.
    limit = max(sealed.leaf_hashes, default=0) + 1
    if len(wrong) > MAX_CLASSIFIED:
        limit = events.positions[wrong[MAX_CLASSIFIED]] - SEARCH_DISTANCE
    dropped = [
        position for position in vacant if position < limit and position not in moved_from and position not in changed
    ]
    ids = _find_dropped_ids(lake, events, sealed, dropped[:MAX_PRINTED])
    findings += [
        Finding(sealed.seal_numbers[position], position, ids.get(position, ""), "dropped: an event was sealed here")
        for position in dropped
    ]
    if len(wrong) > MAX_CLASSIFIED:
        problem = f"{len(wrong) - MAX_CLASSIFIED:,} more events are not what was sealed at their positions"
        findings.append(Finding(0, 0, "", problem))
    return findings


def _find_origin(events: _Events, sealed: _Sealed, index: int, vacant: list[int]) -> int | None:
    """Where an event was sealed: tries the vacant positions near its own, then the first ones of all."""
    nearest = bisect_left(vacant, events.positions[index])
    near = vacant[max(0, nearest - SEARCH_DISTANCE) : nearest + SEARCH_DISTANCE]
    for position in dict.fromkeys([*near, *vacant[:MAX_CLASSIFIED]]):
        is_other = position != events.positions[index]
        if is_other and events.hash_at(index, position) == sealed.leaf_hashes[position]:
            return position
    return None


def _find_dropped_ids(lake: Path, events: _Events, sealed: _Sealed, positions: list[int]) -> dict[int, str]:
    """Ids of dropped events by position, where `standardised/consent_event` still has them."""
    source, ledger = (_read_table(lake, name) for name in (EVENT, LEDGER))
    if not positions or source is None or ledger is None:
        return {}
    known = set(events.ids)
    source = source.select([name for name in ledger.column_names if name in source.column_names])
    source = source.filter(pa.array([event_id not in known for event_id in source["event_id"].to_pylist()]))
    missing = [json.loads(entry) for entry in encode_events(source)] if len(source) else []
    ids = {}
    for position in positions:
        for event in missing[:MAX_CLASSIFIED]:
            if _hash_leaf(canonical_json({**event, "position": position})) == sealed.leaf_hashes[position]:
                ids[position] = event["event_id"]
    return ids


def _read_head(path: Path) -> Row:
    head = json.loads(path.read_text())
    missing = {"seal_number", *SIGNED} - set(head)
    if missing:
        raise UnusableError(f"{path} is not a signed head: it lacks {', '.join(sorted(missing))}")
    return head


def _check_head(signed: Row, seals: list[Row], trusted: set[str]) -> list[Finding]:
    """How the seals differ from a signed head."""
    number = signed["seal_number"]
    if problem := _check_signature(signed, trusted):
        return [Finding(number, 0, "", f"the signed head cannot be relied upon: {problem}")]
    row = next((row for row in seals if row["seal_number"] == number), None)
    if row is None:
        newest = max((row["seal_number"] for row in seals), default=0)
        problem = f"cut off: the signed head is of seal {number}, up to position {signed['last_position']}"
        return [Finding(missing, 0, "", problem) for missing in range(newest + 1, number + 1)]
    is_same = all(row[name] == signed[name] for name in SIGNED)
    return [] if is_same else [Finding(number, 0, "", "changed: it is not the seal of the signed head")]


def read_public_keys(path: Path) -> set[str]:
    """The Ed25519 public keys of a file, in hex: PEM blocks one after the other, or 64 hex digits a line."""
    text = path.read_text()
    blocks = re.findall(r"-----BEGIN.*?-----END[^\n]*-----", text, re.DOTALL)
    keys = {load_pem_public_key(block.encode()).public_bytes_raw().hex() for block in blocks} or set(text.split())
    if not keys or not all(re.fullmatch(r"[0-9a-f]{64}", key) for key in keys):
        raise UnusableError(f"{path} has no Ed25519 public key: expected PEM, or 64 hex digits a line")
    return keys


def _read_table(lake: Path, name: str) -> pa.Table | None:
    return DeltaTable(lake / name).to_pyarrow_table() if DeltaTable.is_deltatable(str(lake / name)) else None


def _read_seals(lake: Path) -> list[Row]:
    table = _read_table(lake, SEAL)
    rows = table.to_pylist() if table is not None else []
    numbered = ({**row, "seal_number": row["seal_number"] or 0} for row in rows)
    return sorted(numbered, key=lambda row: row["seal_number"])


def prove_event(lake: Path, event_id: str) -> Row:
    """Proof that every ledger row of an event is sealed, for the subject to keep; see `find_proof_problems`.

    `UnusableError` where the ledger has no such event, or no seal covers it.
    """
    ledger = _read_table(lake, LEDGER)
    rows = ledger.filter(pc.equal(ledger["event_id"], event_id)) if ledger is not None else []
    if not len(rows):
        raise UnusableError(f"the ledger of {lake} has no event of this id")
    proofs, seals = [], _read_seals(lake)
    for event in map(json.loads, encode_events(rows)):
        position = event["position"]
        seal = next((row for row in seals if row["first_position"] <= position <= row["last_position"]), None)
        if seal is None:
            raise UnusableError(f"no seal covers position {position}; the next run seals it")
        level, index, path = _split_hashes(seal["leaf_hashes"]), position - seal["first_position"], []
        size = len(level)
        while len(level) > 1:
            if index ^ 1 < len(level):
                path.append(level[index ^ 1].hex())
            level, index = _build_next_level(level), index // 2
        link = {name: seal[name] for name in (*LINK.values(), "head", "signature", "public_key")}
        index = position - seal["first_position"]
        proofs.append({"event": event, "leaf_index": index, "tree_size": size, "audit_path": path, "seal": link})
    return {"event_id": event_id, "proofs": proofs}


def find_proof_problems(proof: Row, head: Path | None = None, public_key: Path | None = None) -> list[str]:
    """Why a proof does not hold, as sentences; empty where it holds. Needs no lake."""
    trusted = read_public_keys(public_key) if public_key else set()
    signed = _read_head(head) if head else None
    problems = [] if proof["proofs"] else ["it has no proofs"]
    for part in proof["proofs"]:
        event, seal = part["event"], part["seal"]
        path = [bytes.fromhex(node) for node in part["audit_path"]]
        root = _compute_root(_hash_leaf(canonical_json(event)), part["leaf_index"], part["tree_size"], path)
        is_other_seal = not signed or signed["seal_number"] != seal["seal_number"]
        checks = [
            (event["event_id"] == proof["event_id"], "it is of another event"),
            (
                event["position"] - seal["first_position"] == part["leaf_index"],
                "leaf_index is not its place",
            ),
            (seal["last_position"] - seal["first_position"] + 1 == part["tree_size"], "the seal has another size"),
            (root == seal["merkle_root"], "the event is not under the merkle_root of the seal"),
            (_compute_head(seal) == seal["head"], "the seal does not give its head"),
            (not (problem := _check_signature(seal, trusted)), problem or ""),
            (is_other_seal or signed["head"] == seal["head"], "the signed head is another"),
        ]
        problems += [f"position {event['position']}: {problem}" for holds, problem in checks if not holds]
    return problems


def _compute_root(leaf_hash: bytes, index: int, size: int, path: list[bytes]) -> str | None:
    """The root to which an audit path leads (RFC 9162, 2.1.3.2), in hex; None where the path has another length."""
    root, last, nodes = leaf_hash, size - 1, iter(path)
    if not 0 <= index < size:
        return None
    while last:
        if index % 2 or index < last:
            node = next(nodes, None)
            if node is None:
                return None
            root = sha256(b"\x01" + (node + root if index % 2 else root + node)).digest()
        index, last = index // 2, last // 2
    return root.hex() if next(nodes, None) is None else None


def main(arguments: list[str] | None = None) -> int:
    """The command line of this module; returns the exit code."""
    parser = argparse.ArgumentParser(description="Check a sealed ledger of consent events, or a proof from it.")
    parser.add_argument("lake", nargs="?", type=Path, help="folder of the lake")
    parser.add_argument("--head", type=Path, help="a signed head that was stored outside the lake")
    parser.add_argument("--public-key", type=Path, help="the only keys that may sign: PEM, or hex")
    parser.add_argument("--proof", metavar="EVENT_ID", help="prove that an event is in the ledger")
    parser.add_argument("--output", type=Path, help="where to write the proof; default: print it")
    parser.add_argument("--check-proof", type=Path, metavar="FILE", help="check a proof; needs no lake")
    return run_check(**vars(parser.parse_args(arguments)))


def run_check(
    lake: Path | None,
    head: Path | None = None,
    public_key: Path | None = None,
    proof: str | None = None,
    output: Path | None = None,
    check_proof: Path | None = None,
) -> int:
    """Do what the command line asks for, print the result, and return the exit code."""
    try:
        if check_proof:
            problems = find_proof_problems(json.loads(check_proof.read_text()), head, public_key)
            lines = [f"the proof does not hold: {problem}" for problem in problems] or ["the proof holds"]
        elif proof:
            made = prove_event(_require_lake(lake), proof)
            problems = find_proof_problems(made, head, public_key)
            text = json.dumps(made, indent=2, ensure_ascii=False)
            lines = [f"the ledger cannot prove it: {problem}" for problem in problems] or [text]
            if output and not problems:
                output.write_text(text + "\n")
                lines = [f"{len(made['proofs'])} proofs written to {output}"]
        else:
            verdict = verify_ledger(_require_lake(lake), head, public_key)
            lines, problems = verdict.format_lines(), verdict.findings
    except (UnusableError, DeltaError, pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"the check cannot be done: {type(error).__name__}: {error}\n")
        return 2
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if problems else 0


def _require_lake(lake: Path | None) -> Path:
    if lake is None or not lake.is_dir():
        raise UnusableError(f"there is no lake at {lake}" if lake else "name the folder of a lake")
    return lake


if __name__ == "__main__":
    sys.exit(main())
