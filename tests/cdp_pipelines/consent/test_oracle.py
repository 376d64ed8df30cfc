"""The engine against brute force: every decision of random inputs, at several instants and states of knowledge."""

from collections import Counter
from pathlib import Path

from cdp_pipelines.consent.checks import REASONS
from cdp_pipelines.purposes import load_register
from tests.cdp_pipelines.consent.inputs import LATER, ORACLE_REGISTER, REGISTER, at, random_input
from warehouse.verify.decisions import read_register

PURPOSES = Path(__file__).parents[3] / "assets" / "defs" / "demonstration" / "purposes"
SEEDS = range(6)
INSTANTS = [
    ("2009-12-31", "2030-01-01"),
    ("2010-12-01", "2010-12-01"),
    ("2011-03-01", "2011-09-01"),
    ("2011-06-01 12:00", "2011-06-01 12:00"),
    ("2011-10-15", "2011-05-01"),
    ("2011-10-15", "2030-01-01"),
]


def compare_with_oracle(register, oracle_register, seeds, instants) -> Counter:
    """Decisions by reason, each equal in the engine and by brute force."""
    print(f"seeds {seeds}")
    reasons = Counter()
    for seed in seeds:
        frames = random_input(seed, register=register)
        # Boundary instants: those at which something happens, and just before.
        happened = sorted(set(frames.ledger["event_at"]))
        clocks = [(at(as_of), at(known_at)) for as_of, known_at in instants]
        for as_of, known_at in [*clocks, (happened[len(happened) // 2], LATER), (happened[-1], happened[-5])]:
            decided = frames.decide(as_of, known_at, register).to_dicts()
            decisions = {(row.pop("customer_id"), row.pop("purpose"), row.pop("contact_point")): row for row in decided}
            expected = frames.decide_by_oracle(as_of, known_at, oracle_register)
            assert decisions.keys() == expected.keys()
            for key, decision in expected.items():
                assert decisions[key] == decision, (seed, as_of, known_at, key)
                reasons[decision["reason"]] += 1
    print(f"{reasons.total():,} decisions compared, 0 differences: {dict(reasons.most_common())}")
    return reasons


def test_every_decision_equals_that_of_brute_force():
    reasons = compare_with_oracle(REGISTER, ORACLE_REGISTER, SEEDS, INSTANTS)
    assert {reason.partition(":")[0] for reason in reasons} == {*REASONS, "requires"}


def test_every_decision_of_the_demonstration_register_equals_that_of_brute_force():
    reasons = compare_with_oracle(load_register(PURPOSES), read_register(PURPOSES), range(10, 13), INSTANTS[3:])
    assert reasons["allowed"] > 0
    assert set(REASONS) - set(reasons) == {"purpose_not_in_force", "age_unknown"}
