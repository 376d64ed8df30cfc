"""RFC 9162 hashing: the known vectors of Certificate Transparency, the RFC's own recursion as oracle, proofs."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp_pipelines.consent.merkle import build_inclusion_proof, compute_merkle_root, hash_leaf, hash_node, is_included

# Entries and roots of certificate-transparency's merkle_tree_test.cc: the root over the first n entries.
ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def leaves_of(entries):
    return [hash_leaf(entry) for entry in entries]


def recursive(entries):
    """MTH as the RFC writes it."""
    n = len(entries)
    if n < 2:
        return sha256(b"\x00" + entries[0]).digest() if entries else sha256(b"").digest()
    k = 1 << (n - 1).bit_length() - 1
    return sha256(b"\x01" + recursive(entries[:k]) + recursive(entries[k:])).digest()


@pytest.mark.parametrize("n", range(9))
def test_known_roots(n):
    assert compute_merkle_root(leaves_of(ENTRIES[:n])).hex() == ROOTS[n]


def test_known_proofs():
    """Section 2.1.5: of seven leaves, the paths of d0, d3, d4 and d6."""
    a, b, c, d, e, f, j = leaves = leaves_of(ENTRIES[:7])
    g, h, i = hash_node(a, b), hash_node(c, d), hash_node(e, f)
    k, ell = hash_node(g, h), hash_node(i, j)
    assert build_inclusion_proof(leaves, 0) == [b, h, ell]
    assert build_inclusion_proof(leaves, 3) == [c, g, ell]
    assert build_inclusion_proof(leaves, 4) == [f, j, k]
    assert build_inclusion_proof(leaves, 6) == [i, k]


@given(st.lists(st.binary(max_size=4), max_size=40))
def test_the_root_is_the_rfcs_recursion(entries):
    assert compute_merkle_root(leaves_of(entries)) == recursive(entries)


@given(st.integers(1, 40), st.data())
def test_a_proof_holds_for_its_own_leaf_place_size_and_path_alone(size, data):
    leaves = leaves_of([bytes([n]) for n in range(size)])
    index = data.draw(st.integers(0, size - 1))
    path, top = build_inclusion_proof(leaves, index), compute_merkle_root(leaves)
    assert is_included(leaves[index], index, size, path, top)
    assert not is_included(hash_leaf(b"other"), index, size, path, top)
    assert not is_included(leaves[index], index, size, path, hash_leaf(b"other"))
    assert not any(is_included(leaves[index], other, size, path, top) for other in range(size) if other != index)
    assert not is_included(leaves[index], index, size, [*path, top], top)
    assert not is_included(leaves[index], size, size, path, top)
    if path:
        assert not is_included(leaves[index], index, size, path[:-1], top)


def test_no_proof_of_a_leaf_that_is_not_there():
    with pytest.raises(IndexError, match="no leaf 2 in a tree of 2 leaves"):
        build_inclusion_proof(leaves_of(ENTRIES[:2]), 2)
