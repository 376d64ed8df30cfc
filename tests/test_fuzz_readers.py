"""The short form of `python -m tests.fuzz_readers`, with other seeds every time."""

import random
from collections import Counter

import pytest

from tests.fuzz_readers import account, compare, damage, declare, fuzz, make_rows, write


def test_no_file_raises_an_error_or_loses_a_row():
    seed = random.SystemRandom().randrange(10**9)
    print("seed", seed)
    counts = fuzz(6_000, 40, seed)
    assert counts["received"] == counts["accepted"] + counts["refused"] >= 6_000
    assert counts["accepted"] > 500
    assert counts["damaged"] >= 40


def test_a_file_that_is_read_wrongly_is_noticed():
    rng = random.Random(5)  # noqa: S311  the seed repeats a failure
    contract, rows = declare(rng), make_rows(rng)
    frame = account(write(contract, rows), contract, Counter())
    compare(frame, rows, contract)
    for wrong in (frame.head(-1), frame.reverse()):
        with pytest.raises(AssertionError):
            compare(wrong, rows, contract)
    assert damage(rng, b"0" * 100) != b"0" * 100
