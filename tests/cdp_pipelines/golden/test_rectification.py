"""What was put right outranks all sources and stays; it follows its person; what it replaces serves nothing."""

from itertools import pairwise

import polars as pl
import pytest

from cdp_pipelines.golden.customer import select_best_values
from cdp_pipelines.golden.rectification import parse_value, record_rectification, record_withdrawal
from cdp_pipelines.schema import RECTIFICATION
from tests.cdp_pipelines.golden.records import COLLECTED, NOW, C, frame, golden, policy_of, put_right

OTHER = "c_000000000000000b"
CRM, SHOP = ("crm", "r0"), ("shop", "r1")
RECORDS = [("crm", 1, {"first_name": "Ann", "email": "a@x.de"}), ("shop", 2, {"first_name": "Anna", "email": "b@x.de"})]
ADDRESS = ("street", "city")


def served(candidates, purpose, *names):
    """The best values for a purpose."""
    usable = candidates.lazy().filter(pl.col("collected_for").list.contains(purpose))
    return select_best_values(usable).select(names).collect().rows()


def test_it_outranks_all_rules_and_stays_whatever_sources_say_later():
    right = [put_right(1, CRM, "first_name", "Hanna")]
    later = [*RECORDS]
    for rule, more in pairwise(["source_priority", "recency", "frequency", "completeness", "verified", "longest"]):
        later.append(("crm", 2000 + len(later), {"first_name": "Annabella-Louise", "city": "Rome"}))
        candidates, record = golden(later, policy_of((rule, more)), rectified=right)
        assert record["first_name"].to_list() == ["Hanna"]
        first = candidates.filter(attribute="first_name", rank=1)
        assert first.select("channel", "source_record_id", "observed_at").row(0) == ("rectification", "1", NOW)


def test_it_may_serve_what_all_values_that_it_replaces_could_and_these_serve_nothing():
    candidates, _ = golden(RECORDS, policy_of(), rectified=[put_right(1, SHOP, "first_name", "Hanna")])
    of_name = dict(candidates.filter(attribute="first_name").select("value", "collected_for").iter_rows())
    assert of_name == {"Hanna": ["letters", "service"], "Anna": [], "Ann": []}
    assert served(candidates, "letters", "first_name") == served(candidates, "service", "first_name") == [("Hanna",)]


def test_where_nothing_is_replaced_it_may_serve_what_its_record_was_collected_for():
    candidates, _ = golden(RECORDS, policy_of(), rectified=[put_right(1, SHOP, "city", "Rome")])
    assert candidates.filter(attribute="city")["collected_for"].to_list() == [[*COLLECTED["shop"]]]


def test_of_contact_points_it_replaces_one():
    right = [put_right(1, CRM, "email", "z@x.de", replaces="a@x.de")]
    candidates, record = golden(RECORDS, policy_of(), rectified=right)
    assert record["email"].to_list() == ["z@x.de"]
    of_email = dict(candidates.filter(attribute="email").select("value", "collected_for").iter_rows())
    assert of_email == {"z@x.de": ["letters", "service"], "b@x.de": ["service"], "a@x.de": []}
    again = [*right, put_right(2, CRM, "email", "y@x.de", replaces="a@x.de")]
    assert set(golden(RECORDS, policy_of(), rectified=again)[0].filter(attribute="email")["value"]) == {
        "y@x.de", "b@x.de", "a@x.de",
    }  # fmt: skip


def test_half_an_address_that_was_put_right_is_not_completed_from_elsewhere():
    records = [("crm", 1, {"street": "5 oak st", "city": "Rome"}), ("shop", 9, {"street": "7 elm st", "city": "Pisa"})]
    right = [put_right(1, CRM, "street", "6 oak st")]
    _, record = golden(records, policy_of(attribute_groups=(ADDRESS,)), rectified=right)
    assert record.select(ADDRESS).row(0) == ("6 oak st", None)


FOLLOWS = [
    pytest.param({}, {C: "Hanna"}, id="one_customer"),
    pytest.param({"r1": OTHER}, {C: "Hanna", OTHER: "Anna"}, id="split_stays_with_its_record"),
    pytest.param({"r0": OTHER}, {C: "Anna", OTHER: "Hanna"}, id="split_goes_with_its_record"),
    pytest.param({"r0": OTHER, "r1": OTHER}, {OTHER: "Hanna"}, id="merged_into_another"),
]


@pytest.mark.parametrize(("customers", "expected"), FOLLOWS)
def test_it_follows_its_person_through_merges_and_splits(customers, expected):
    right = [put_right(1, CRM, "first_name", "Hanna")]
    _, record = golden(RECORDS, policy_of(), rectified=right, customers=customers)
    assert dict(record.select("customer_id", "first_name").iter_rows()) == expected


HOLDS = [
    pytest.param([put_right(2, CRM, "first_name", "Joan")], "Joan", id="the_latest_of_one_record"),
    pytest.param([put_right(2, SHOP, "first_name", "Joan")], "Joan", id="the_latest_of_two_records"),
    pytest.param([put_right(2, CRM, "first_name", None, withdraws_number=1)], "Anna", id="withdrawn"),
    pytest.param(
        [put_right(2, CRM, "first_name", None, withdraws_number=1), put_right(3, CRM, "first_name", "Joan")],
        "Joan",
        id="anew",
    ),
    pytest.param([put_right(2, ("crm", "r9"), "first_name", "Joan")], "Hanna", id="a_record_that_is_gone"),
]


@pytest.mark.parametrize(("more", "expected"), HOLDS)
def test_the_latest_that_was_not_withdrawn_holds(more, expected):
    right = [put_right(1, CRM, "first_name", "Hanna"), *more]
    for rows in (right, right[::-1]):
        assert golden(RECORDS, policy_of(), rectified=rows)[1]["first_name"].to_list() == [expected]


def test_rows_are_numbered_and_a_withdrawal_ends_each():
    none = frame(RECTIFICATION, []).collect()
    first = record_rectification(none, CRM, {"street": "5 oak st", "city": "Rome"}, None, "carl", "asked", NOW)
    second = record_rectification(first, SHOP, {"first_name": "Hanna"}, None, "carl", "asked", NOW)
    both = pl.concat([first, second])
    assert both["rectification_number"].to_list() == [1, 1, 2]
    ends = record_withdrawal(both, both, "carl", "wrong person", NOW)
    assert ends.select("rectification_number", "source_record_id", "withdraws_number", "value").rows() == [
        (3, "r0", 1, None),
        (4, "r1", 2, None),
    ]


READ = [
    pytest.param("email", " Ann@X.de ", "ann@x.de", id="email"),
    pytest.param("email", "ann at x", None, id="no_email"),
    pytest.param("phone", "(206) 555-0100", "+12065550100", id="phone"),
    pytest.param("phone", "12", None, id="no_phone"),
    pytest.param("first_name", "ann  marie", "Ann Marie", id="name"),
    pytest.param("first_name", "  ", None, id="blank"),
    pytest.param("street", "5  Oak St", "5 oak st", id="street"),
    pytest.param("birth_date", "1970-12-31", "1970-12-31", id="date"),
    pytest.param("birth_date", "31.12.1970", None, id="date_in_another_form"),
    pytest.param("language_code", "EN", "en", id="language"),
    pytest.param("quiet_from", "07", "7", id="hour"),
    pytest.param("quiet_from", "seven", None, id="no_hour"),
]


@pytest.mark.parametrize(("attribute", "text", "expected"), READ)
def test_a_value_is_read_as_its_standard_column_is(attribute, text, expected):
    assert parse_value(attribute, text, "US") == expected
