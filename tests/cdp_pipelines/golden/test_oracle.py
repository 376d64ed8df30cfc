"""The ranking beside the brute force of `cdp verify marts`, on random customers whose records tie as often as may be."""

import random
from datetime import date, timedelta

import polars as pl
import pytest

from cdp_pipelines.golden.customer import select_best_values
from cdp_pipelines.golden.policy import GOLDEN_COLUMNS
from cdp_pipelines.golden.survivorship import build_provenance
from cdp_pipelines.schema import CONSENT_EVENT, LEDGER, PREFERENCE, RECTIFICATION
from tests.cdp_pipelines.golden.records import (
    COLLECTED,
    NOW,
    START,
    crosswalk_of,
    frame,
    input_of,
    party_of,
    policy_of,
    put_right,
    will,
)
from warehouse.delta.lake import Lake
from warehouse.verify.decisions import Facts
from warehouse.verify.profiles import Profiles

N_CUSTOMERS, N_RECORDS = 150, 900
SAYS = {
    "first_name": ["Ann", "Anna", "Al"],
    "middle_name": ["B", "C"],
    "last_name": ["Li", "Ervin"],
    "birth_date": [date(1970, 1, 1), date(1971, 1, 1)],
    "email": ["a@x.de", "b@x.de", "c@x.de"],
    "phone": ["+12065550100", "+12065550101"],
    "street": ["5 oak st", "7 elm st"],
    "city": ["Rome", "Pisa"],
}
GROUPS = (("first_name", "middle_name", "last_name"), ("street", "city"), ("quiet_from", "quiet_until"))
POLICIES = [
    pytest.param(("source_priority", "recency", "frequency"), (), id="alone"),
    pytest.param(("frequency", "completeness", "longest"), GROUPS, id="grouped"),
    pytest.param(("verified", "completeness"), GROUPS, id="verified"),
    pytest.param(("longest", "recency"), GROUPS, id="longest"),
]


def random_tables(seed):
    rng = random.Random(seed)  # noqa: S311
    records = [
        (
            rng.choice([*COLLECTED]),
            rng.randrange(3),
            {name: rng.choice(values) for name, values in SAYS.items() if rng.random() < 0.6},
        )
        for _ in range(N_RECORDS)
    ]
    party = party_of(records).with_columns(pl.lit(START).alias("ingested_at"))
    preferences = [
        {
            "channel": "crm", "source_record_id": f"p{at}", "updated_at": START + timedelta(days=rng.randrange(2)),
            "language_code": rng.choice(["en", "ro", None]), "quiet_from": rng.choice([20, 22, None]),
            "quiet_until": rng.choice([7, None]), "max_per_week": rng.choice([1, 3, None]),
        }
        for at in range(150)
    ]  # fmt: skip
    preference = frame(PREFERENCE, preferences)
    ids = [f"r{at}" for at in range(N_RECORDS)] + [f"p{at}" for at in range(len(preferences))]
    customers = {each: f"c_{rng.randrange(N_CUSTOMERS):016x}" for each in ids}
    crosswalk = crosswalk_of(party, preference, customers=customers).with_columns(
        pl.when(pl.col("source_record_id").str.ends_with("7")).then(False).otherwise("is_profiled").alias("is_profiled")
    )
    points = [(kind, value) for kind in ("email", "phone") for value in SAYS[kind]]
    ledger = [
        will(at, *rng.choice(points), rng.choice(["verified", "bounced", "complained"]), rng.randrange(3))
        for at in range(1, 8)
    ]
    ledger.append(will(9, "email", "c@x.de", "granted", 2, "letters", method="link"))
    consents = [
        {
            "event_id": f"{channel}:r{at}", "channel": channel, "source_record_id": f"r{at}", "subject_kind": "email",
            "subject_value": says["email"], "purpose": "letters", "status": "granted", "notice_version": "1",
        }
        for at, (channel, _, says) in enumerate(records) if "email" in says and at % 5 == 0
    ]  # fmt: skip
    rectified = []
    for number in range(1, 60):
        at = rng.randrange(N_RECORDS)
        name = rng.choice(["first_name", "birth_date", "email", "city"])
        more = {"replaces": rng.choice(SAYS["email"])} if name == "email" else {}
        value = {"first_name": "Hanna", "birth_date": "1972-02-29", "email": "z@x.de", "city": "Oslo"}[name]
        if number % 10 == 0:
            value, more = None, {"withdraws_number": rng.randrange(1, number)}
        rectified.append(put_right(number, (records[at][0], f"r{at}"), name, value, **more))
    return party, preference, crosswalk, ledger, consents, rectified


@pytest.mark.parametrize(("rules", "groups"), POLICIES)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_value_of_every_purpose_is_what_brute_force_says(seed, rules, groups, tmp_path):
    policy = policy_of(rules, attribute_groups=groups, verified_by=("link",))
    party, preference, crosswalk, ledger, consents, rectified = random_tables(seed)
    # The order of rows never matters.
    shuffled = party.collect().sample(fraction=1, shuffle=True, seed=seed).lazy()
    stated = {"consents": consents, "ledger": ledger[::-1], "rectified": rectified[::-1]}
    golden_input = input_of(shuffled, preference, crosswalk, policy, **stated)
    candidates = build_provenance(golden_input, COLLECTED, policy)
    lake = Lake(tmp_path)
    lake.replace(PREFERENCE, preference.collect())
    lake.replace(CONSENT_EVENT, frame(CONSENT_EVENT, consents).collect())
    lake.replace(RECTIFICATION, frame(RECTIFICATION, rectified).collect())
    cluster = crosswalk.collect().to_dicts()
    facts = Facts(
        frame(LEDGER, ledger).collect().to_dicts(), party.collect().to_dicts(), [], cluster, NOW, NOW
    )  # fmt: skip
    joined = {(row["channel"], row["source_record_id"]) for row in cluster if row["is_profiled"]}
    channels = {key: {"collected_for": purposes} for key, purposes in COLLECTED.items()}
    profiles = Profiles(lake.path, facts, joined, channels, policy.model_dump())
    n = 0
    for purpose in ("service", "letters", "evidence"):
        usable = candidates.filter(pl.col("collected_for").list.contains(purpose))
        selected = {row["customer_id"]: row for row in select_best_values(usable).collect().iter_rows(named=True)}
        for customer in facts.customers:
            mine = selected.get(customer, dict.fromkeys(GOLDEN_COLUMNS))
            theirs = {name: profiles.choose_value(customer, name, purpose) for name in GOLDEN_COLUMNS}
            assert {name: mine[name] for name in GOLDEN_COLUMNS} == theirs
            n += sum(value is not None for value in theirs.values())
    assert n > 1000
