"""The engine against brute force: every cell of random worlds, at several instants and states of knowledge."""

from collections import Counter

from cdp_pipelines.consent.decide import REASONS
from tests.cdp_pipelines.consent.worlds import LATER, at, random_world

SEEDS = range(6)
MOMENTS = [
    ("2009-12-31", "2030-01-01"),
    ("2010-12-01", "2010-12-01"),
    ("2011-03-01", "2011-09-01"),
    ("2011-06-01 12:00", "2011-06-01 12:00"),
    ("2011-10-15", "2011-05-01"),
    ("2011-10-15", "2030-01-01"),
]


def test_every_cell_is_what_brute_force_says():
    print(f"seeds {SEEDS}")
    cells = Counter()
    for seed in SEEDS:
        world = random_world(seed)
        # Boundary instants: those at which something happens, and just before.
        happened = sorted(set(world.ledger["event_at"]))
        moments = [(at(as_of), at(known_at)) for as_of, known_at in MOMENTS]
        for as_of, known_at in [*moments, (happened[len(happened) // 2], LATER), (happened[-1], happened[-5])]:
            decided = world.decide(as_of, known_at).to_dicts()
            found = {(row.pop("customer_id"), row.pop("purpose"), row.pop("contact_point")): row for row in decided}
            expected = world.by_oracle(as_of, known_at)
            assert found.keys() == expected.keys()
            for key, cell in expected.items():
                assert found[key] == cell, (seed, as_of, known_at, key)
                cells[cell["reason"]] += 1
    print(f"{cells.total():,} cells compared, 0 differences: {dict(cells.most_common())}")
    assert {reason.partition(":")[0] for reason in cells} == {*REASONS, "requires"}
