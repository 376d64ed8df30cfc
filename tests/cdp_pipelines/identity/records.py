"""Records, reviews and nights that the tests of identity resolution share."""

from datetime import UTC, date, datetime, timedelta
from itertools import product

import polars as pl

from cdp_pipelines.identity import IdentityState, ResolutionInput, resolve
from cdp_pipelines.identity.policy import Refit
from cdp_pipelines.identity.state import merge_rows
from cdp_pipelines.identity.values import build_distinct_records
from cdp_pipelines.sample.duplicates import generate_duplicates
from cdp_pipelines.schema import CLUSTER, LINK, PARTY, RECORD_STATE, REVIEW
from cdp_pipelines.services.declarations import load_identity_policy

POLICY = load_identity_policy()
NONE = pl.DataFrame(schema={"channel": pl.String, "source_record_id": pl.String})


def party(*records):
    base = {
        **dict.fromkeys(PARTY.schema),
        "channel": "t",
        "drop_date": date(2024, 1, 1),
        "observed_at": datetime(2024, 1, 1, tzinfo=UTC),
    }
    return pl.DataFrame(
        [{**base, "source_record_id": f"r{i}", **record} for i, record in enumerate(records)], schema=PARTY.schema
    )


def distinct_of(*records):
    return build_distinct_records(party(*records), POLICY, NONE)


def invented(n, **shared):
    words = ["".join(letters) for letters in product("abcdefg", repeat=3)][:n]
    return [{"first_name": word, "last_name": f"{word[::-1]}son", **shared} for word in words]


def review(*decisions):
    rows = [
        {"left_channel": "t", "left_source_record_id": left, "right_channel": "t", "right_source_record_id": right,
         "is_same": is_same, "decided_by": "clerk", "decided_at": datetime(2024, 1, 2, tzinfo=UTC)}
        for left, right, is_same in decisions
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=REVIEW.schema)


def find_customers(frame, policy=POLICY, **inputs):
    return resolve(ResolutionInput(frame, policy, **{"review": REVIEW.empty(), **inputs}))


def people_of(cluster):
    """Records of each customer, sorted."""
    groups = cluster.group_by("customer_id").agg("source_record_id")["source_record_id"].to_list()
    return sorted(sorted(ids) for ids in groups)


ANN = {
    "first_name": "Ann",
    "last_name": "Ervin",
    "birth_date": date(1980, 1, 2),
    "street": "5 oak st",
    "phone": "+12065550101",
}
BOB = {
    "first_name": "Bob",
    "last_name": "Ervin",
    "birth_date": date(1978, 5, 6),
    "street": "5 oak st",
    "phone": "+12065550101",
}

# Small blocks, so that some are refined, grow too large and shrink again; few pairs, so that the model is trained, and
# few records until it is kept.
SMALL = POLICY.model_copy(
    update={
        "max_block": 4,
        "max_sharers": 6,
        "min_pairs": 5,
        "random_pairs": 3000,
        "refit": Refit(min_records=100, frozen_above=1),
    }
)
PEOPLE = generate_duplicates(1500)[0]


class Lake:
    """Links and clusters of all records, night by night, as the lake keeps them."""

    def __init__(self, policy=SMALL):
        self.policy = policy
        self.link, self.cluster, self.state, self.night = LINK.empty(), CLUSTER.empty(), None, None

    def bring(self, frame, reviewed=None):
        mixed = frame.sample(fraction=1, shuffle=True, seed=5)
        reviewed = REVIEW.empty() if reviewed is None else reviewed
        self.night = find_customers(mixed, self.policy, review=reviewed, previous=self.state)
        self.link = merge_rows(self.link, self.night.link, self.night.resolved, "left_").sort(LINK.key)
        self.cluster = merge_rows(self.cluster, self.night.cluster, self.night.resolved).sort(CLUSTER.key)
        self.state = self.night.state
        return self

    def is_as(self, fresh):
        """All is as it is where all records are resolved at once."""
        assert self.cluster.equals(fresh.cluster)
        assert self.link.equals(fresh.link)
        assert self.state.records.sort(RECORD_STATE.key).equals(fresh.state.records.sort(RECORD_STATE.key))
        assert self.state.model.equals(fresh.state.model)
        assert self.state.frequency.equals(fresh.state.frequency)
        assert self.night.report["over-shared identifiers"] == fresh.report["over-shared identifiers"]

    @property
    def model_alone(self):
        """A state with which all records are resolved by the same model."""
        return IdentityState(self.state.records.clear(), self.state.model, self.state.frequency)


def add_some(frame, rng):
    del rng
    fresh = PEOPLE.filter(~pl.col("source_record_id").is_in(frame["source_record_id"].implode())).head(25)
    return pl.concat([frame, fresh.with_columns(pl.col("drop_date") + timedelta(days=1))])


def add_late(frame, rng):
    """Records that arrive now but sort before all others: all numbers of distinct records move."""
    return pl.concat([frame, add_some(frame, rng).tail(25).with_columns(pl.lit(date(2020, 1, 1)).alias("drop_date"))])


def change_some(frame, rng):
    is_one = pl.Series(rng.random(frame.height) < 0.03)
    moved = pl.when(is_one).then(pl.lit("7 elm rd")).otherwise("street")
    wed = pl.when(is_one).then(pl.col("last_name").shift(1)).otherwise("last_name")
    return frame.with_columns(moved.alias("street"), wed.alias("last_name"))


def remove_some(frame, rng):
    return frame.filter(pl.Series(rng.random(frame.height) > 0.02))


def crowd(frame, rng):
    """Many records get one phone and one birth date, whose blocks become too large."""
    is_one = pl.Series(rng.random(frame.height) < 0.01)
    return frame.with_columns(
        pl.when(is_one).then(pl.lit("+12065550100")).otherwise("phone").alias("phone"),
        pl.when(is_one).then(pl.lit(date(1900, 1, 1))).otherwise("birth_date").alias("birth_date"),
    )


def scatter(frame, rng):
    """Most of them lose it again."""
    is_kept = pl.Series(rng.random(frame.height) < 0.1)
    is_crowd = (pl.col("phone") == "+12065550100") & ~is_kept
    return frame.with_columns(
        pl.when(is_crowd.fill_null(value=False)).then(None).otherwise(name).alias(name)
        for name in ("phone", "birth_date")
    )
