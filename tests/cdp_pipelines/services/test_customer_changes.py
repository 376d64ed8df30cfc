"""Decisions and golden records of the customers who have changed: the same tables as deciding and building all anew."""

import random
from datetime import timedelta

import polars as pl
import pytest

from cdp_pipelines.consent.history import HIDDEN_PREFIX
from cdp_pipelines.golden.rectification import record_rectification
from cdp_pipelines.schema import (
    ABOUT_SUBJECT,
    CLUSTER,
    CONFLICT,
    CONTACT_POINT,
    CROSSWALK,
    CUSTOMER,
    DECISION,
    HOUSEHOLD,
    LEDGER,
    PARTY,
    PREFERENCE,
    PROVENANCE,
    RECTIFICATION,
)
from cdp_pipelines.services import customer_changes, decision_history, golden_record
from cdp_pipelines.services.customer_changes import find_customer_changes, split_customers, store_customer_digests
from cdp_pipelines.services.declarations import load_survivorship
from cdp_pipelines.services.nights import read_nights
from tests.conftest import copy_lake
from warehouse.state_file import forget_states

TABLES = (DECISION, CROSSWALK, PROVENANCE, CUSTOMER, CONTACT_POINT, HOUSEHOLD, CONFLICT)


def update(lake, as_of) -> None:
    decision_history.update_decisions(lake, as_of.date(), as_of)
    golden_record.update_golden_record(lake, load_survivorship(), as_of.date(), as_of)


@pytest.fixture
def changed(monkeypatch):
    """How many customers each step computed again, of how many; None where it computed all."""
    found = []

    def note(lake, tables, digests, as_of):
        changes = find_customer_changes(lake, tables, digests, as_of)
        found.append((None if changes.ids is None else changes.ids.n_unique(), digests.height))
        return changes

    for module in (decision_history, golden_record):
        monkeypatch.setattr(module, "find_customer_changes", note)
    return found


def take(rows, rng, count):
    """Some of these rows."""
    return rows[rng.sample(range(rows.height), min(count, rows.height))]


class Happenings:
    """What may happen to a lake between two runs, each to a few random people."""

    def __init__(self, lake, rng) -> None:
        self.lake, self.rng = lake, rng

    def records_end(self, _) -> None:
        gone = take(self.lake.read(PARTY), self.rng, 5)
        self.lake.replace(PARTY, self.lake.read(PARTY).join(gone, on=PARTY.key, how="anti"))

    def values_change(self, _) -> None:
        party = self.lake.read(PARTY)
        some = take(party, self.rng, 5)
        # Their contact points become those of others, so that two customers share them.
        others = take(party.filter(pl.col("email").is_not_null()), self.rng, 5)
        emails = [others["email"][number % others.height] for number in range(some.height)]
        some = some.with_columns(pl.Series("email", emails), pl.lit("Newtown").alias("city"))
        self.lake.replace(PARTY, pl.concat([party.join(some, on=PARTY.key, how="anti"), some]))

    def people_merge(self, _) -> None:
        cluster = self.lake.read(CLUSTER)
        one, other = self.rng.sample(cluster["customer_id"].unique().sort().to_list(), 2)
        self.lake.replace(CLUSTER, cluster.with_columns(pl.col("customer_id").replace({other: one})))

    def a_person_splits(self, _) -> None:
        cluster = self.lake.read(CLUSTER)
        several = cluster.filter(pl.len().over("customer_id") > 1)
        one = take(several, self.rng, 1).with_columns(pl.lit(f"c_{self.rng.getrandbits(64):016x}").alias("customer_id"))
        self.lake.replace(CLUSTER, pl.concat([cluster.join(one, on=CLUSTER.key, how="anti"), one]))

    def people_state_their_will(self, as_of) -> None:
        ledger = self.lake.read(LEDGER)
        some = take(ledger.filter(pl.col("status").is_in(["granted", "denied", "withdrawn", "objected"])), self.rng, 8)
        count = range(some.height)
        self.lake.append(
            LEDGER,
            some.with_columns(
                pl.Series("status", [self.rng.choice(["granted", "withdrawn", "objected"]) for _ in count]),
                pl.Series("event_id", [f"test:{self.rng.getrandbits(64):016x}" for _ in count]),
                pl.Series("position", [ledger["position"].max() + 1 + number for number in count], pl.Int64),
                pl.lit(as_of - timedelta(hours=1), ledger.schema["event_at"]).alias("event_at"),
                pl.lit(as_of - timedelta(hours=1), ledger.schema["recorded_at"]).alias("recorded_at"),
            ),
        )

    def a_contact_point_bounces(self, as_of) -> None:
        email = take(self.lake.read(PROVENANCE).filter(attribute="email"), self.rng, 1)["value"][0]
        event = {
            "event_id": f"test:{self.rng.getrandbits(64):016x}", "channel": "test", "source_record_id": "1",
            "subject_kind": "email", "subject_value": email, "purpose": ABOUT_SUBJECT, "status": "bounced",
            "event_at": as_of - timedelta(hours=1), "recorded_at": as_of - timedelta(hours=1), "drop_date": as_of.date(),
            "position": self.lake.read(LEDGER)["position"].max() + 1,
        }  # fmt: skip
        self.lake.append(LEDGER, pl.DataFrame([event], schema=LEDGER.schema))

    def a_value_is_rectified(self, as_of) -> None:
        record = take(self.lake.scan(CROSSWALK).filter("is_profiled").collect().sort(CROSSWALK.key), self.rng, 1)
        before, key = self.lake.read(RECTIFICATION), (record["channel"][0], record["source_record_id"][0])
        rows = record_rectification(before, key, {"first_name": "Zoe"}, None, "clerk", "she called", as_of)
        self.lake.append(RECTIFICATION, rows)

    def preferences_change(self, _) -> None:
        preference = self.lake.read(PREFERENCE)
        profiled = self.lake.scan(CROSSWALK).filter("is_profiled").collect()
        other = pl.when(pl.col("preferred_channel") == "sms").then(pl.lit("email")).otherwise(pl.lit("sms"))
        some = take(preference.join(profiled, on=PREFERENCE.key, how="semi"), self.rng, 3)
        some = some.with_columns(other.alias("preferred_channel"))
        self.lake.replace(PREFERENCE, pl.concat([preference.join(some, on=PREFERENCE.key, how="anti"), some]))

    def nothing(self, _) -> None:
        pass


NAMES = [name for name in vars(Happenings) if not name.startswith("_")]


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 8))])
def test_whatever_happens_the_tables_are_those_of_a_run_that_computes_everything(
    seed, sample_first_night, tmp_path, changed, monkeypatch
):
    rng = random.Random(seed)  # noqa: S311
    lake = copy_lake(sample_first_night, tmp_path / "lake")
    as_of, happenings = read_nights(lake).last_as_of, Happenings(lake, rng)
    names = rng.sample(NAMES, k=len(NAMES))
    few, pairs = 0, [names[start : start + 2] for start in range(0, len(names), 2)]
    for number, pair in enumerate(pairs):
        as_of += timedelta(days=rng.choice([0, 1, 3, 40]))
        for name in pair:
            getattr(happenings, name)(as_of)
        anew = copy_lake(lake, tmp_path / str(number))
        forget_states(anew.path)
        changed.clear()
        update(lake, as_of)
        assert all(count is not None for count, _ in changed)
        few += all(count < total / 4 for count, total in changed)
        with monkeypatch.context() as patched:
            # All customers, in several buckets.
            patched.setattr(customer_changes, "BUCKET_CUSTOMERS", 100)
            update(anew, as_of)
        for table in TABLES:
            assert lake.read(table).equals(anew.read(table)), (number, pair, table.name)
    assert few > len(pairs) / 3
    assert lake.scan(DECISION).filter(valid_to=as_of).select(pl.len()).collect().item() > 0


def test_a_contact_point_that_nobody_has_any_more_is_hidden_in_the_history_of_every_former_holder(
    sample_first_night, tmp_path, changed
):
    lake, day = copy_lake(sample_first_night, tmp_path / "lake"), timedelta(days=1)
    as_of, party = read_nights(lake).last_as_of, lake.read(PARTY)
    clusters = lake.scan(CLUSTER).select(*PARTY.key, "customer_id").collect()
    owned = party.join(clusters, on=PARTY.key).filter(pl.col("email").is_not_null())
    email, first = owned.filter(pl.len().over("email") == 1).select("email", "customer_id").row(0)
    second = owned.filter(pl.col("customer_id") != first).row(0, named=True)
    is_second = (pl.col("channel") == second["channel"]) & (pl.col("source_record_id") == second["source_record_id"])

    def give(holder: pl.Expr, at) -> None:
        others = pl.when(pl.col("email") == email).then(None).otherwise("email")
        lake.replace(PARTY, party.with_columns(pl.when(holder).then(pl.lit(email)).otherwise(others).alias("email")))
        decision_history.update_decisions(lake, at.date(), at)

    def list_points() -> set[str]:
        return set(lake.read(DECISION).filter(customer_id=first)["contact_point"])

    give(is_second, as_of + day)
    assert email in list_points()
    give(pl.lit(value=False), as_of + 2 * day)
    assert email not in list_points()
    assert any(point.startswith(HIDDEN_PREFIX) for point in list_points())
    assert all(count is not None for count, _ in changed)


def test_each_customer_is_in_one_bucket_and_always_in_the_same(monkeypatch):
    ids = pl.Series([f"c{number}" for number in range(1000)])
    assert [bucket.len() for bucket in split_customers(ids)] == [1000]
    assert [bucket.len() for bucket in split_customers(ids.clear())] == [0]
    monkeypatch.setattr(customer_changes, "BUCKET_CUSTOMERS", 100)
    buckets = split_customers(ids)
    assert len(buckets) == 10
    assert max(bucket.len() for bucket in buckets) < 200
    assert pl.concat(buckets).sort().equals(ids.sort())
    assert all(
        one.sort().equals(other.sort()) for one, other in zip(buckets, split_customers(ids.reverse()), strict=True)
    )


def test_a_quiet_night_decides_again_where_a_right_ends(sample_first_night, tmp_path, changed):
    lake = copy_lake(sample_first_night, tmp_path / "lake")
    later = read_nights(lake).last_as_of + timedelta(days=400)
    decision_history.update_decisions(lake, later.date(), later)
    count, total = changed[0]
    ended = lake.read(DECISION).filter(valid_to=later)
    assert 0 < ended["customer_id"].n_unique() <= count < total


def test_a_second_run_computes_no_customer_again(sample_first_night, tmp_path, changed):
    lake = copy_lake(sample_first_night, tmp_path / "lake")
    tables = lake.tables()
    update(lake, read_nights(lake).last_as_of)
    assert [count for count, _ in changed] == [0, 0, 0]
    assert lake.tables() == tables


DIGESTS = pl.DataFrame(
    {"customer_id": ["ann", "ben"], "digest": [1, 2]}, {"customer_id": pl.String, "digest": pl.UInt64}
)


@pytest.fixture
def noted(sample_first_night, tmp_path):
    """A lake, and an instant, as of which the numbers of two customers were noted."""
    lake, as_of = copy_lake(sample_first_night, tmp_path / "lake"), read_nights(sample_first_night).last_as_of
    store_customer_digests(lake, (CUSTOMER,), DIGESTS, as_of)
    return lake, as_of


def test_new_changed_and_gone_customers_are_found(noted):
    lake, as_of = noted
    now = pl.DataFrame({"customer_id": ["ann", "cyd"], "digest": [1, 2]}, DIGESTS.schema)
    assert sorted(find_customer_changes(lake, (CUSTOMER,), now, as_of).ids) == ["ben", "cyd"]
    other = DIGESTS.with_columns(digest=pl.lit(9, pl.UInt64))
    assert sorted(find_customer_changes(lake, (CUSTOMER,), other, as_of).ids) == ["ann", "ben"]


def test_nothing_is_known_of_a_table_that_another_wrote_of_a_later_run_or_of_other_declarations(noted, monkeypatch):
    lake, as_of = noted
    assert find_customer_changes(lake, (CUSTOMER,), DIGESTS, as_of).ids.is_empty()
    assert find_customer_changes(lake, (CUSTOMER,), DIGESTS, as_of - timedelta(days=1)).ids is None
    with monkeypatch.context() as patch:
        patch.setattr("cdp_pipelines.services.step_memory.digest_declarations", lambda: "others")
        assert find_customer_changes(lake, (CUSTOMER,), DIGESTS, as_of).ids is None
    state = lake.path / ".state" / f"customers.{CUSTOMER.name.replace('/', '.')}.frame"
    content = state.read_bytes()
    for damaged in (b"", b"PAR1 broken", content[:-1], content[:90] + bytes([content[90] ^ 255]) + content[91:]):
        state.write_bytes(damaged)
        assert find_customer_changes(lake, (CUSTOMER,), DIGESTS, as_of).ids is None
    store_customer_digests(lake, (CUSTOMER,), DIGESTS, as_of)
    lake.replace(CUSTOMER, lake.read(CUSTOMER).tail(-1))
    assert find_customer_changes(lake, (CUSTOMER,), DIGESTS, as_of).ids is None
