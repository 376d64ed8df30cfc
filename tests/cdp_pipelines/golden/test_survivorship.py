"""The golden record: which value survives, what survives together, and which purposes each value carries."""

from datetime import timedelta

import polars as pl
import pytest
from pydantic import ValidationError

from cdp_pipelines.golden.customer import select_best_values
from cdp_pipelines.schema import CUSTOMER, PROVENANCE
from tests.cdp_pipelines.golden.records import START, golden, policy_of, put_right, will

ANNA = ("crm", 1, {"first_name": "Anna"})
CASES = [
    pytest.param(("source_priority",), [("shop", 9, {"first_name": "Ann"}), ANNA], "Anna", id="source_priority"),
    pytest.param(
        ("source_priority",),
        [("call", 9, {"first_name": "Ann"}), ("shop", 1, {"first_name": "Anne"})],
        "Anne",
        id="an_unlisted_source_comes_last",
    ),
    pytest.param(("recency",), [ANNA, ("shop", 9, {"first_name": "Ann"})], "Ann", id="recency"),
    pytest.param(
        ("frequency",),
        [ANNA, ("shop", 2, {"first_name": "Ann"}), ("call", 3, {"first_name": "Ann"})],
        "Ann",
        id="frequency",
    ),
    pytest.param(("longest",), [("crm", 9, {"first_name": "A"}), ANNA], "Anna", id="longest"),
    pytest.param(
        ("completeness",),
        [("crm", 9, {"first_name": "Ann"}), ("shop", 1, {"first_name": "Anna", "city": "Rome"})],
        "Anna",
        id="completeness_of_the_record",
    ),
    pytest.param(
        ("longest", "source_priority"), [("shop", 9, {"first_name": "Anne"}), ANNA], "Anna", id="next_rule_where_equal"
    ),
    pytest.param(
        ("recency",),
        [("crm", 1, {"first_name": None}), ("shop", 1, {"first_name": "Ann"})],
        "Ann",
        id="missing_is_no_candidate",
    ),
]


@pytest.mark.parametrize(("rules", "records", "expected"), CASES)
def test_survivorship(rules, records, expected):
    candidates, record = golden(records, policy_of(rules))
    assert record["first_name"].to_list() == [expected]
    assert record.schema == CUSTOMER.schema
    first = candidates.filter(attribute="first_name", rank=1)
    assert first["value"].to_list() == [expected]
    # Every golden value names the record it came from, and that record says so.
    number = int(first["source_record_id"][0][1:])
    assert records[number][2]["first_name"] == expected


OLD, NEW = "old@x.de", "new@x.de"
STATES = [
    pytest.param([], NEW, id="nothing_known"),
    pytest.param([will(1, "email", OLD, "verified", 3)], OLD, id="verified_first"),
    pytest.param([will(1, "email", NEW, "bounced", 3)], OLD, id="bounced_last"),
    pytest.param([will(1, "email", NEW, "bounced", 3), will(2, "email", NEW, "verified", 4)], NEW, id="verified_since"),
    pytest.param([will(1, "email", OLD, "verified", 3), will(2, "email", OLD, "bounced", 4)], NEW, id="bounced_since"),
    pytest.param([will(1, "email", OLD, "granted", 3, "letters", method="link")], OLD, id="a_grant_by_its_link"),
    pytest.param(
        [will(1, "email", OLD, "granted", 3, "letters", method="form")], NEW, id="a_grant_that_proves_nothing"
    ),
    pytest.param([will(1, "phone", OLD, "verified", 3)], NEW, id="of_another_kind"),
    pytest.param([will(1, "email", OLD, "verified", 2000)], NEW, id="not_yet"),
]


@pytest.mark.parametrize(("ledger", "expected"), STATES)
def test_verified_first_and_bounced_last(ledger, expected):
    records = [("shop", 1, {"email": OLD}), ("crm", 2, {"email": NEW})]
    policy = policy_of(("verified", "recency"), verified_by=("link",))
    assert golden(records, policy, ledger=ledger)[1]["email"].to_list() == [expected]


NAME = ("first_name", "middle_name", "last_name")
TOGETHER = [
    pytest.param(
        ("recency",),
        [("crm", 1, {"first_name": "Ann", "last_name": "Ervin"}), ("shop", 2, {"first_name": "Anna"})],
        ("Anna", None, None),
        id="a_part_that_the_record_lacks_is_null",
    ),
    pytest.param(
        ("completeness", "recency"),
        [("crm", 1, {"first_name": "Ann", "last_name": "Ervin"}), ("shop", 2, {"first_name": "Anna"})],
        ("Ann", None, "Ervin"),
        id="completeness_counts_parts",
    ),
    pytest.param(
        ("longest",),
        [
            ("crm", 1, {"first_name": "Annabel", "last_name": "Li"}),
            ("shop", 2, {"first_name": "Al", "last_name": "Erv"}),
        ],
        ("Annabel", None, "Li"),
        id="longest_counts_all_parts",
    ),
    pytest.param(
        ("frequency",),
        [
            ("crm", 1, {"first_name": "Anne", "last_name": "Ervin"}),
            ("shop", 2, {"first_name": "Ann", "middle_name": "B", "last_name": "Ervin"}),
            ("call", 3, {"first_name": "Ann"}),
        ],
        ("Ann", "B", "Ervin"),
        id="frequency_counts_each_part",
    ),
]


@pytest.mark.parametrize(("rules", "records", "expected"), TOGETHER)
def test_what_survives_together_comes_from_one_record(rules, records, expected):
    candidates, record = golden(records, policy_of(rules, attribute_groups=(NAME,)))
    assert record.select(NAME).row(0) == expected
    assert expected in [tuple(says.get(name) for name in NAME) for _, _, says in records]
    assert set(candidates["attribute_group"]) == {"first_name"}
    assert candidates.select(PROVENANCE.key).is_unique().all()


def test_a_purpose_gets_all_parts_from_the_best_record_that_it_may_use():
    records = [
        ("shop", 9, {"first_name": "Anna", "middle_name": "B", "last_name": "Ervin-Li"}),
        ("crm", 1, {"first_name": "Ann", "last_name": "Ervin"}),
    ]
    candidates, _ = golden(records, policy_of(attribute_groups=(NAME,)))
    usable = candidates.lazy().filter(pl.col("collected_for").list.contains("letters"))
    assert select_best_values(usable).select(NAME).collect().rows() == [("Ann", None, "Ervin")]


def test_ranks_have_no_ties_and_records_outside_of_profiles_give_nothing():
    records = [ANNA, ("shop", 1, {"first_name": "Ann", "email": "a@x.de"}), ("call", 1, {"first_name": "Ann"})]
    candidates, _ = golden(records, policy_of())
    assert candidates.filter(attribute="first_name").sort("rank")["rank"].to_list() == [1, 2, 3]
    right = [put_right(1, ("crm", "r0"), "first_name", "Hanna")]
    candidates, record = golden(records, policy_of(), profiled=False, rectified=right)
    assert candidates.is_empty()
    assert record.is_empty()


def test_values_carry_the_purposes_of_their_channel_and_those_granted_on_them():
    granted = {"status": "granted", "purpose": "letters", "notice_version": "1", "channel": "receipts"}
    event = {**granted, "event_id": "receipts:r1", "source_record_id": "r1", "subject_kind": "email"}
    candidates, _ = golden(
        [("shop", 1, {"email": "shop@x.de"}), ("receipts", 2, {"email": "a@x.de", "first_name": "Ann"})],
        policy_of(),
        consents=[{**event, "subject_value": "a@x.de"}],
    )
    carried = dict(candidates.select("value", "collected_for").iter_rows())
    assert carried == {"shop@x.de": ["service"], "a@x.de": ["evidence", "letters"], "Ann": ["evidence"]}


def test_preferences_come_into_the_golden_record_and_quiet_hours_stay_together():
    choices = [(1, "en", 22, 7, 3), (2, "ro", 20, None, None)]
    preferences = [
        {
            "channel": "prefs", "source_record_id": f"p{day}", "updated_at": START + timedelta(days=day),
            "language_code": code, "quiet_from": begin, "quiet_until": end, "max_per_week": most,
        }
        for day, code, begin, end, most in choices
    ]  # fmt: skip
    _, record = golden([ANNA], policy_of(attribute_groups=(("quiet_from", "quiet_until"),)), preferences=preferences)
    names = ("language_code", "quiet_from", "quiet_until", "max_per_week")
    assert record.select(names).row(0) == ("ro", 20, None, 3)


WRONG = [
    pytest.param({"attributes": {"shoe_size": ("recency",)}}, "unknown attributes: shoe_size", id="unknown_attribute"),
    pytest.param({"attribute_groups": (("street", "moon"),)}, "unknown attributes: moon", id="unknown_in_a_group"),
    pytest.param({"attribute_groups": (("city", "street"), ("street", "phone"))}, "twice: street", id="in_two_groups"),
    pytest.param(
        {"attribute_groups": (("email", "phone"),)}, "email, phone: each purpose decides", id="contact_points"
    ),
    pytest.param(
        {"attribute_groups": (("city", "quiet_from"),)}, "either personal attributes or preferences", id="of_two_tables"
    ),
    pytest.param(
        {"attribute_groups": (NAME,), "attributes": {"last_name": ("recency",)}},
        "by the rules of first_name",
        id="rules_of_a_part",
    ),
    pytest.param({"attributes": {"city": ("best",)}}, "source_priority", id="unknown_rule"),
]


@pytest.mark.parametrize(("declared", "message"), WRONG)
def test_a_wrong_policy_fails_with_a_message(declared, message):
    with pytest.raises(ValidationError) as error:
        policy_of(**declared)
    assert message in str(error.value)
