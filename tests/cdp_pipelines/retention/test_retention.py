"""What may be used, what must leave, and by which rule: against cases, a calendar of its own, and night by night."""

import calendar
import re
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp_pipelines.channels.contract import load_contract as channel_contract
from cdp_pipelines.errors import PolicyError
from cdp_pipelines.policy import load_policy_file
from cdp_pipelines.purposes.purpose import Purpose
from cdp_pipelines.retention import (
    RetentionPolicy,
    RetentionRule,
    compute_quarantine_rule,
    compute_retention_rules,
    count_removed_rows,
    extend_retention_log,
    find_expired_quarantine,
    find_expired_rectifications,
    find_expired_values,
    find_orphaned_rectifications,
    select_refused_within_hold,
    select_usable,
    select_within_hold,
)
from cdp_pipelines.schema import RECTIFICATION, RETENTION

HOLD = "P30D"
BASE = {"title": "T", "effective_from": date(2010, 1, 1), "version": "1", "recipients": ()}
INTEREST = {"lawful_basis": "legitimate_interests", "assessment": "A", "interest": {"contacts": ["record"]}}


def purpose(key, retention, *categories, **more):
    terms = more or INTEREST
    declaration = {**BASE, **terms, "retention": retention, "data_categories": categories}
    return key, Purpose.model_validate(declaration).model_copy(update={"key": key})


def obliged(*types):
    return {"lawful_basis": "legal_obligation", "law": "L", "obligation": {"created_by": types}}


PURPOSES = dict(
    [
        purpose("mailing", "P1Y", "contact"),
        purpose("profiling", "P6M", "behaviour", "contact"),
        purpose("service", "P2Y", "contact", lawful_basis="contract", contract={"opened_by": ["call"], "lasts": "P3Y"}),
        purpose("tax", "P10Y", "purchase", "identity", **obliged("order")),
        purpose("profile_unification", "P10Y", "contact", "identity", "device"),
    ]
)


def channel(retention="P5Y", collected_for=("mailing", "profiling", "profile_unification"), type_="call", **more):
    return channel_contract(
        "shop",
        {
            "title": "Shop",
            "owner": "team:shop",
            "system": "shop",
            "region": "EU",
            "files": "*.csv",
            "format": "csv",
            "key": "id",
            "event_time": {"fields": ["at"], "formats": ["%Y-%m-%d %H:%M"]},
            "collected_for": collected_for,
            "retention": retention,
            "fields": {
                "id": {"description": "i", "category": "identity"},
                "at": {"description": "a"},
                "mail": {"description": "m", "category": "contact"},
                "viewed": {"description": "v", "category": "behaviour"},
                "name": {"description": "n", "category": "identity"},
                "paid": {"description": "p", "category": "purchase"},
                "note": {"description": "no category"},
            },
            "interaction": {"type": {"constant": type_}},
            **more,
        },
        "shop.yaml",
    )


# (channel, the span of its rows, spans of values that end before their row)
SPANS = [
    pytest.param(
        channel(),
        ("mailing", "P1Y"),
        {("no_purpose", "P0D"): ("paid",), ("profiling", "P6M"): ("viewed",)},
        id="the_longest_purpose_of_each_category",
    ),
    pytest.param(
        channel("P30D"), ("channel", "P30D"), {("no_purpose", "P0D"): ("paid",)}, id="the_company_promised_less"
    ),
    pytest.param(
        channel("P1Y", ("service", "profile_unification")),
        ("service", "P3Y"),
        {("no_purpose", "P0D"): ("viewed", "paid")},
        id="a_contract_that_its_records_open_outlives_the_promise_and_its_own_retention",
    ),
    pytest.param(
        channel("P1Y", ("service", "profile_unification"), "order"),
        ("channel", "P1Y"),
        {("no_purpose", "P0D"): ("viewed", "paid")},
        id="a_contract_that_others_open_does_not",
    ),
    pytest.param(
        channel("P1Y", ("tax", "mailing"), "order"),
        ("tax", "P10Y"),
        {("mailing", "P1Y"): ("mail",), ("no_purpose", "P0D"): ("viewed",)},
        id="an_obligation_that_its_records_create_outlives_the_promise_for_its_own_data_alone",
    ),
    pytest.param(
        channel("P1Y", ("profile_unification",)),
        ("channel", "P1Y"),
        {("no_purpose", "P0D"): ("viewed", "paid")},
        id="unification_alone_keeps_what_the_company_promised",
    ),
]


@pytest.mark.parametrize(("of", "row", "values"), SPANS)
def test_which_purpose_ends_what(of, row, values):
    found = compute_retention_rules(of, PURPOSES)
    assert found.row[:2] == row
    assert {each[:2]: each.columns for each in found.values} == values


def test_a_channel_without_categories_keeps_its_promise():
    plain = channel().model_copy(
        update={
            "fields": {name: each.model_copy(update={"category": "other"}) for name, each in channel().fields.items()}
        }
    )
    assert compute_retention_rules(plain, PURPOSES) == (RetentionRule("channel", "P5Y"), ())


def later(moment: datetime, duration: str) -> datetime:
    """A calendar of its own: months first, to the end of a shorter one, then days."""
    parts = {unit: int(number) for number, unit in re.findall(r"(\d+)([YMD])", duration)}
    month = moment.month - 1 + parts.get("M", 0) + 12 * parts.get("Y", 0)
    year, month = moment.year + month // 12, month % 12 + 1
    day = min(moment.day, calendar.monthrange(year, month)[1])
    return moment.replace(year=year, month=month, day=day) + timedelta(days=parts.get("D", 0))


def raw(of, rows):
    """Rows as (id, at, mail, viewed, paid); each has its own number, and a night of its own."""
    frame = pl.LazyFrame(
        {
            "source_record_id": [row[0] for row in rows],
            "id": [row[0] for row in rows],
            "at": [f"{row[1]:%Y-%m-%d %H:%M}" for row in rows],
            "mail": [row[2] for row in rows],
            "viewed": [row[3] for row in rows],
            "paid": [row[4] for row in rows],
            "name": ["Ann"] * len(rows),
            "note": ["n"] * len(rows),
            "record": ["whole"] * len(rows),
            "file": ["f"] * len(rows),
            "file_sha256": ["ab"[number % 2] * 64 for number in range(len(rows))],
            "row_number": list(range(1, len(rows) + 1)),
            "line_number": [None] * len(rows),
            "drop_date": [date(2011, 1, 1) + timedelta(days=number) for number in range(len(rows))],
            "ingested_at": [datetime(2011, 1, 2, tzinfo=UTC) + timedelta(days=number) for number in range(len(rows))],
            "is_duplicate": [False] * len(rows),
        },
        schema_overrides={"mail": pl.String, "viewed": pl.String, "paid": pl.String},
    )
    return of.raw.conform(frame)


MOMENT = datetime(2010, 8, 31, 12, 0, tzinfo=UTC)


# (as of, what may be used of mail, viewed and paid, what is held of them and of the record)
DECAY = [
    pytest.param("2010-08-31 11:59", "mail view paid", "mail view paid whole", id="before_it_happened"),
    pytest.param("2010-08-31 12:00", "mail view", "mail view paid whole", id="what_nobody_may_use_ends_at_once"),
    pytest.param("2010-09-30 12:00", "mail view", "mail view", id="and_is_gone_when_its_hold_is"),
    pytest.param("2011-02-28 11:59", "mail view", "mail view", id="the_last_minute"),
    pytest.param("2011-02-28 12:00", "mail", "mail view", id="six_months_end_with_a_shorter_month"),
    pytest.param("2011-03-30 12:00", "mail", "mail", id="its_hold_ended"),
    pytest.param("2011-08-31 12:00", None, "mail", id="the_row_ends_with_its_last_value"),
    pytest.param("2011-09-30 11:59", None, "mail", id="the_last_minute_of_the_hold"),
    pytest.param("2011-09-30 12:00", None, None, id="gone"),
]


@pytest.mark.parametrize(("as_of", "used", "kept"), DECAY)
def test_values_end_one_by_one_and_the_record_with_the_first(as_of, used, kept):
    of = channel()
    rows, lives = raw(of, [("1", MOMENT, "mail", "view", "paid")]), compute_retention_rules(of, PURPOSES)
    moment = datetime.strptime(as_of, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    columns = ["mail", "viewed", "paid", "record"]
    for frame, expected in (
        (select_usable(rows, of, lives, moment).drop("record"), used),
        (select_within_hold(rows, of, lives, HOLD, moment), kept),
    ):
        found = frame.collect()
        assert found.height == (expected is not None)
        if expected is not None:
            names = [name for name in columns if name in found.columns]
            assert [value for value in found.select(names).row(0) if value] == expected.split()
            assert found.select("source_record_id", "name", "note").row(0) == ("1", "Ann", "n")


@pytest.mark.parametrize("records", ["event", "state"])
def test_an_older_state_never_outlives_the_newest(records):
    of = channel(records=records)
    rows = raw(of, [("1", MOMENT + timedelta(days=90), "old", None, None), ("1", MOMENT, "new", None, None)])
    as_of = later(later(MOMENT, "P1Y"), HOLD)
    left = select_within_hold(rows, of, compute_retention_rules(of, PURPOSES), HOLD, as_of).collect()["mail"].to_list()
    assert left == (["old"] if records == "event" else [])


values = st.one_of(st.none(), st.sampled_from(["x", "y"]))
histories = st.lists(
    st.tuples(
        st.sampled_from("12345"),
        st.integers(0, 730 * 24 * 60).map(
            lambda minutes: datetime(2009, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
        ),
        values,
        values,
        values,
    ),
    min_size=1,
    max_size=8,
)
days = st.lists(st.integers(0, 900), min_size=1, max_size=5).map(sorted)


@settings(max_examples=40, deadline=None)
@given(rows=histories, nights=days, records=st.sampled_from(["event", "state"]))
def test_night_by_night_is_all_at_once_and_every_count_adds_up(rows, nights, records):
    of = channel(records=records)
    lives, whole = compute_retention_rules(of, PURPOSES), raw(of, rows).collect()
    first = datetime(2011, 1, 20, tzinfo=UTC)
    step, history = whole, RETENTION.empty()
    for night in nights:
        as_of = first + timedelta(days=night)
        new = extend_retention_log(history, find_expired_values(step.lazy(), of, lives, HOLD, as_of).collect())
        # A run that was cut short before it took anything out counts nothing again.
        history = pl.concat([history, new])
        assert extend_retention_log(
            history, find_expired_values(step.lazy(), of, lives, HOLD, as_of).collect()
        ).is_empty()
        step = select_within_hold(step.lazy(), of, lives, HOLD, as_of).collect()
    once = select_within_hold(whole.lazy(), of, lives, HOLD, as_of).collect()
    assert step.sort("row_number").equals(once.sort("row_number"))
    at_once = find_expired_values(whole.lazy(), of, lives, HOLD, as_of).collect()
    assert history.drop("removed_at").sort(RETENTION.key).equals(at_once.drop("removed_at").sort(RETENTION.key))
    left = count_removed_rows(history.lazy(), [of.raw.name]).collect()
    assert left["removed_count"].sum() == whole.height - once.height
    # Only the record as it came may differ: nothing reads it.
    used = [select_usable(frame.drop("record").lazy(), of, lives, as_of).collect() for frame in (once, whole)]
    assert used[0].equals(used[1])


@settings(max_examples=40, deadline=None)
@given(rows=histories, night=st.integers(0, 900))
def test_what_is_held_is_what_a_calendar_says(rows, night):
    """Written another way: plain Python, from the declarations."""
    of, as_of = channel(), datetime(2011, 1, 20, tzinfo=UTC) + timedelta(days=night)
    durations = {"mail": "P1Y", "viewed": "P6M", "paid": "P0D"}
    expected = {}
    for number, (_, moment, *cells) in enumerate(rows, 1):
        if later(later(moment, "P1Y"), HOLD) > as_of:
            kept = [
                cell if later(later(moment, duration), HOLD) > as_of else None
                for cell, duration in zip(cells, durations.values(), strict=True)
            ]
            expected[number] = (*kept, "whole" if kept == cells else None)
    found = (
        select_within_hold(raw(of, rows), of, compute_retention_rules(of, PURPOSES), HOLD, as_of)
        .select("row_number", *durations, "record")
        .collect()
    )
    assert {number: tuple(row) for number, *row in found.iter_rows()} == expected


@pytest.mark.parametrize(
    ("age", "removed_count"), [pytest.param(0, 0, id="held"), pytest.param(1, 2, id="with_its_record")]
)
def test_what_was_put_right_of_a_record_leaves_with_it(age, removed_count):
    of = channel(records="state")
    rows = raw(of, [("1", MOMENT, "old", None, None), ("1", MOMENT + timedelta(days=9), "new", None, None)])
    rectified = RECTIFICATION.conform(
        pl.LazyFrame({name: [None] * 3 for name in RECTIFICATION.schema}).with_columns(
            rectification_number=pl.Series([1, 1, 2]),
            attribute=pl.Series(["city", "street", "city"]),
            channel=pl.Series(["shop", "shop", "other"]),
            source_record_id=pl.lit("1"),
        )
    )
    lives = compute_retention_rules(of, PURPOSES)
    as_of = later(later(MOMENT + timedelta(days=9), "P1Y"), HOLD) - timedelta(minutes=1 - age)
    hanging = find_orphaned_rectifications(rectified, rows, of, lives, HOLD, as_of)
    assert hanging.collect().height == removed_count
    counted = find_expired_rectifications(hanging, lives, HOLD, as_of).collect()
    assert counted["removed_count"].sum() == removed_count
    assert set(counted["file_sha256"]) <= {"b" * 64}


def test_a_refused_record_is_kept_from_the_night_that_refused_it():
    of, policy = channel("P30D"), RetentionPolicy(hold=HOLD, quarantine="P1Y")
    assert compute_quarantine_rule(of, policy) == RetentionRule("channel", "P30D")
    span = compute_quarantine_rule(channel("P5Y"), policy)
    assert span == RetentionRule("quarantine", "P1Y")
    night = datetime(2011, 1, 31, tzinfo=UTC)
    rows = of.quarantine.conform(
        pl.LazyFrame({name: [None] for name in of.quarantine.schema}).with_columns(
            ingested_at=pl.lit(night), file_sha256=pl.lit("a" * 64)
        )
    )
    for as_of, n in ((datetime(2012, 2, 29, tzinfo=UTC), 1), (datetime(2012, 3, 1, tzinfo=UTC), 0)):
        assert select_refused_within_hold(rows, span, HOLD, as_of).collect().height == n
        counted = find_expired_quarantine(rows, of, span, HOLD, as_of).collect()
        assert counted.height == 1 - n
    assert counted.row(0, named=True) == {
        "table": "quarantine/shop",
        "file_sha256": "a" * 64,
        "field": "",
        "rule": "quarantine",
        "retention": "P1Y",
        "hold": HOLD,
        "ended_date": date(2012, 1, 31),
        "removed_count": 1,
        "removed_at": datetime(2012, 3, 1, tzinfo=UTC),
    }


@pytest.mark.parametrize(
    ("text", "field"),
    [
        pytest.param("attributes: {hold: P30D}", "quarantine", id="one_is_missing"),
        pytest.param("attributes: {hold: 30 days, quarantine: P1Y}", "hold", id="no_duration"),
        pytest.param("attributes: {hold: P30D, quarantine: P1Y, raw: P1Y}", "raw", id="unknown_key"),
        pytest.param("", "(the whole)", id="empty"),
    ],
)
def test_a_wrong_policy_is_refused_with_its_field(tmp_path, text, field):
    path = tmp_path / "retention.yaml"
    path.write_text(text)
    with pytest.raises(PolicyError, match=re.escape(f"{path}: {field}: ")):
        load_policy_file(path, RetentionPolicy)
