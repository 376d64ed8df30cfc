"""Merkle trees as in RFC 9162, section 2.1, over SHA-256: one hash for many entries, and proof that one is among them.

Only hashing belongs here: bytes in, bytes out. How an event of the ledger is written as bytes is in
`cdp_pipelines.consent.seal`. Leaves and inner nodes differ in their first byte, so an inner node cannot be mistaken for
an entry. The verifier (`warehouse.verify.ledger`) has its own implementation on purpose; tests compare the two.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAF, NODE = b"\x00", b"\x01"
EMPTY_ROOT = sha256(b"").digest()


def hash_leaf(entry: bytes) -> bytes:
    """Hash of one entry: SHA-256(0x00 || entry)."""
    return sha256(LEAF + entry).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(0x01 || left || right)."""
    return sha256(NODE + left + right).digest()


def compute_merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Root over leaf hashes, in order; without leaves, the SHA-256 of the empty text.

    Pairing neighbours level by level and carrying an odd one up gives the tree of section 2.1.1, which splits at the
    largest power of two below n.
    """
    level = list(leaves)
    while len(level) > 1:
        level = _build_next_level(level)
    return level[0] if level else EMPTY_ROOT


def build_inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The nodes that lead from the leaf at `index` (from 0) to the root, lowest first (section 2.1.3.1).

    `IndexError` where the tree has no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"no leaf {index} in a tree of {len(leaves)} leaves")
    level, path = list(leaves), []
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        level, index = _build_next_level(level), index // 2
    return path


def is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], expected_root: bytes) -> bool:
    """Whether `path` proves that `leaf` stands at `index` in the tree of `size` leaves (section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    position, last, root = index, size - 1, leaf
    for node in path:
        if last == 0:
            return False
        if position % 2 or position == last:
            root = hash_node(node, root)
            while position % 2 == 0 and position:
                position, last = position // 2, last // 2
        else:
            root = hash_node(root, node)
        position, last = position // 2, last // 2
    return last == 0 and root == expected_root


def _build_next_level(level: list[bytes]) -> list[bytes]:
    paired = [sha256(NODE + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
    return paired + level[-1:] if len(level) % 2 else paired
