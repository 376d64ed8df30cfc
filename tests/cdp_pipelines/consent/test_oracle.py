"""The engine against brute force: every cell of random worlds, at several instants and states of knowledge."""

from collections import Counter
from pathlib import Path

from cdp_pipelines.consent.decide import REASONS
from cdp_pipelines.purposes import load_register
from tests.cdp_pipelines.consent.worlds import LATER, ORACLE_REGISTER, REGISTER, at, random_world
from warehouse.verify.decisions import read_register

PURPOSES = Path(__file__).parents[3] / "assets" / "defs" / "demonstration" / "purposes"
SEEDS = range(6)
MOMENTS = [
    ("2009-12-31", "2030-01-01"),
    ("2010-12-01", "2010-12-01"),
    ("2011-03-01", "2011-09-01"),
    ("2011-06-01 12:00", "2011-06-01 12:00"),
    ("2011-10-15", "2011-05-01"),
    ("2011-10-15", "2030-01-01"),
]


def compared(register, by_oracle, seeds, moments) -> Counter:
    """Cells by reason, each the same in the engine and by brute force."""
    print(f"seeds {seeds}")
    cells = Counter()
    for seed in seeds:
        world = random_world(seed, register=register)
        # Boundary instants: those at which something happens, and just before.
        happened = sorted(set(world.ledger["event_at"]))
        told = [(at(as_of), at(known_at)) for as_of, known_at in moments]
        for as_of, known_at in [*told, (happened[len(happened) // 2], LATER), (happened[-1], happened[-5])]:
            decided = world.decide(as_of, known_at, register).to_dicts()
            found = {(row.pop("customer_id"), row.pop("purpose"), row.pop("contact_point")): row for row in decided}
            expected = world.by_oracle(as_of, known_at, by_oracle)
            assert found.keys() == expected.keys()
            for key, cell in expected.items():
                assert found[key] == cell, (seed, as_of, known_at, key)
                cells[cell["reason"]] += 1
    print(f"{cells.total():,} cells compared, 0 differences: {dict(cells.most_common())}")
    return cells


def test_every_cell_is_what_brute_force_says():
    cells = compared(REGISTER, ORACLE_REGISTER, SEEDS, MOMENTS)
    assert {reason.partition(":")[0] for reason in cells} == {*REASONS, "requires"}


def test_every_cell_of_the_register_of_the_company():
    cells = compared(load_register(PURPOSES), read_register(PURPOSES), range(10, 13), MOMENTS[3:])
    assert cells["allowed"] > 0
    assert set(REASONS) - set(cells) == {"purpose_not_in_force", "age_unknown"}
