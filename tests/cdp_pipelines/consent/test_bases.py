"""Every basis and every reason, allow and deny, at the boundary instants; purposes are those of `register/`."""

from datetime import date, timedelta

import polars as pl
import pytest

from cdp_pipelines.consent.decide import REASONS
from cdp_pipelines.purposes.purpose import Register
from tests.cdp_pipelines.consent.worlds import REGISTER, at, world_of

NOW = at("2011-06-15 12:00")
TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)

# Ada has an e-mail, a card and a phone for sure, a second e-mail over a probable link, and shares a phone with Ben.
ADA = {"email": "ada@x", "loyalty_card": "card", "phone": "+1"}
PEOPLE = (
    ("ada", ADA, True),
    ("ada", {"email": "old@x", "phone": "+2"}, False),
    ("ada", {"phone": "+9", "device_id": "dev"}, True),
    ("ben", {"email": "ben@x", "phone": "+9", "account_id": "acc"}, True),
)


def will(status, purpose, kind="loyalty_card", value="card", moment=NOW - DAY, **more):
    return {
        "status": status,
        "purpose": purpose,
        "subject_kind": kind,
        "subject_value": value,
        "event_at": moment,
        **more,
    }


def person(**fields):
    return (*PEOPLE, ("ada", fields, True))


def case(purpose, starts=NOW - DAY, ends=None, declared=NOW - DAY, kind="loyalty_card", value="card", id_="recall"):
    return {
        "case_id": id_,
        "purpose": purpose,
        "subject_kind": kind,
        "subject_value": value,
        "starts_at": starts,
        "ends_at": ends,
        "declared_at": declared,
    }


def request(moment):
    subject = {"subject_kind": "email", "subject_value": "old@x"}
    return {"channel": "q", "source_record_id": "1", "received_at": moment, "ingested_at": moment, **subject}


def order(moment, amount=100, kind="order", customer="ada", **more):
    return (customer, kind, moment, {"amount_minor": amount, "currency_code": "GBP", **more})


# Ada without card and account, and with one more record.
HOLDER = (("ada", {"email": "ada@x"}, True),)


def holder(**fields):
    return (*HOLDER, ("ada", fields, False))


MONTH, HALF_YEAR = at("2011-05-15 12:00"), at("2010-12-15 12:00")
CASES = [
    # purpose in force
    ("first_instant", "renewed", "2011-03-01", {"wills": [will("granted", "renewed", moment=at("2011-02-01"), notice_version="2011-06")]}, "allowed"),
    ("before_its_first_instant", "planned", "2011-08-31 23:59", {"wills": [will("granted", "planned")]}, "purpose_not_in_force"),
    ("from_its_first_instant", "planned", "2011-09-01", {"wills": [will("granted", "planned")]}, "allowed"),
    ("older_text_takes_older_notice", "renewed", "2011-02-28 23:59", {"wills": [will("granted", "renewed", moment=at("2011-02-01"))]}, "allowed"),
    ("newer_text_asks_again", "renewed", "2011-03-01", {"wills": [will("granted", "renewed", moment=at("2011-02-01"))]}, "notice_outdated"),
    # consent, person-wide
    ("nothing_said", "profiles", NOW, {}, "no_consent"),
    ("granted", "profiles", NOW, {"wills": [will("granted", "profiles", moment=NOW)]}, "allowed"),
    ("granted_later", "profiles", NOW, {"wills": [will("granted", "profiles", moment=NOW + TICK)]}, "no_consent"),
    ("denied", "profiles", NOW, {"wills": [will("denied", "profiles", "email", "old@x")]}, "denied"),
    ("withdrawn", "profiles", NOW, {"wills": [will("granted", "profiles", moment=NOW - 2 * DAY), will("withdrawn", "profiles", "phone", "+9", moment=NOW)]}, "withdrawn"),
    ("objection_is_a_withdrawal", "profiles", NOW, {"wills": [will("granted", "profiles", moment=NOW - 2 * DAY), will("objected", "profiles", "phone", "+9")]}, "withdrawn"),
    ("objection_withdrawn_restores", "profiles", NOW, {"wills": [will("granted", "profiles", moment=NOW - 2 * DAY), will("objected", "profiles"), will("objection_withdrawn", "profiles", moment=NOW)]}, "allowed"),
    ("objection_withdrawn_on_shared_ground_does_not", "profiles", NOW, {"wills": [will("granted", "profiles", moment=NOW - 2 * DAY), will("objected", "profiles", "phone", "+9"), will("objection_withdrawn", "profiles", "phone", "+9", moment=NOW)]}, "withdrawn"),
    ("tie_of_times_restrictive_wins", "profiles", NOW, {"wills": [will("withdrawn", "profiles", event_id="a"), will("granted", "profiles", event_id="b")]}, "withdrawn"),
    ("tie_of_event_time_recorded_later_wins", "profiles", NOW, {"wills": [will("withdrawn", "profiles"), will("granted", "profiles", recorded_at=NOW)]}, "allowed"),
    ("expired", "profiles", NOW, {"wills": [will("granted", "profiles", expires_at=NOW)]}, "expired"),
    ("not_yet_expired", "profiles", NOW, {"wills": [will("granted", "profiles", expires_at=NOW + TICK)]}, "allowed"),
    ("expired_under_old_notice_is_expired", "profiles", NOW, {"wills": [will("granted", "profiles", expires_at=NOW, notice_version="2010-05")]}, "expired"),
    ("notice_outdated", "profiles", NOW, {"wills": [will("granted", "profiles", notice_version="2010-05")]}, "notice_outdated"),
    ("notice_that_is_no_date", "profiles", NOW, {"wills": [will("granted", "profiles", notice_version="v3")]}, "notice_outdated"),
    ("no_notice_is_no_consent", "profiles", NOW, {"wills": [will("granted", "profiles", notice_version=None)]}, "no_consent"),
    ("no_method_is_no_consent", "profiles", NOW, {"wills": [will("granted", "profiles", method=None)]}, "no_consent"),
    ("pre_ticked_is_no_consent", "profiles", NOW, {"wills": [will("granted", "profiles", method="pre_ticked")]}, "no_consent"),
    ("shared_ground", "profiles", NOW, {"wills": [will("granted", "profiles", "phone", "+9")]}, "no_consent"),
    ("uncertain_ground", "profiles", NOW, {"wills": [will("granted", "profiles", "email", "old@x")]}, "no_consent"),
    ("ground_is_certain_by_one_of_its_records", "profiles", NOW, {"records": (*PEOPLE, ("ada", {"loyalty_card": "card"}, False)), "wills": [will("granted", "profiles")]}, "allowed"),
    ("grant_for_another_purpose", "profiles", NOW, {"wills": [will("granted", "sharing")]}, "no_consent"),
    ("unknown_subject_reaches_nobody", "profiles", NOW, {"wills": [will("granted", "profiles", "email", "nobody@x")]}, "no_consent"),
    ("future_within_tolerance", "profiles", NOW, {"wills": [will("granted", "profiles", recorded_at=NOW - 2 * DAY)]}, "allowed"),
    ("future_beyond_tolerance", "profiles", NOW, {"wills": [will("granted", "profiles", recorded_at=NOW - 2 * DAY - TICK)]}, "no_consent"),
    ("future_withdrawal_counts_when_recorded", "profiles", NOW, {"wills": [will("granted", "profiles", moment=NOW - 3 * DAY), will("withdrawn", "profiles", moment=NOW + 9 * DAY, recorded_at=NOW - DAY)]}, "withdrawn"),
    # opt-out jurisdictions
    ("opt_out_law", "sharing", NOW, {"records": person(country_code="US", region_code="CA")}, "allowed"),
    ("opt_out_law_once_denied", "sharing", NOW, {"records": person(country_code="CH"), "wills": [will("denied", "sharing")]}, "denied"),
    ("opt_out_law_objected", "sharing", NOW, {"records": person(country_code="CH"), "wills": [will("objected", "sharing")]}, "objected"),
    ("opt_in_law", "sharing", NOW, {"records": person(country_code="DE")}, "no_consent"),
    ("law_not_listed", "sharing", NOW, {"records": person(country_code="US")}, "no_consent"),
    ("listed_for_another_purpose", "profiles", NOW, {"records": person(country_code="CH")}, "no_consent"),
    ("two_laws_the_stricter", "sharing", NOW, {"records": (*person(country_code="CH"), ("ada", {"country_code": "FR"}, False))}, "no_consent"),
    ("law_stated_by_a_will", "sharing", NOW, {"records": person(country_code="CH"), "wills": [will("denied", "profiles", jurisdiction="EU")]}, "no_consent"),
    ("address_known_too_late", "sharing", NOW, {"records": person(country_code="CH", observed_at=NOW)}, "no_consent"),
    # subject blocks
    ("erased", "profiles", NOW, {"wills": [will("erased", "*", "email", "old@x"), will("granted", "profiles", moment=NOW)]}, "erased"),
    ("erased_before_restricted", "profiles", NOW, {"wills": [will("restricted", "*"), will("erased", "*")]}, "erased"),
    ("restricted", "profiles", NOW, {"wills": [will("granted", "profiles"), will("restricted", "*", "phone", "+9")]}, "restricted"),
    ("restriction_lifted", "profiles", NOW, {"wills": [will("granted", "profiles"), will("restricted", "*"), will("restriction_lifted", "*", moment=NOW)]}, "allowed"),
    ("lifted_on_shared_ground", "profiles", NOW, {"wills": [will("granted", "profiles"), will("restricted", "*"), will("restriction_lifted", "*", "phone", "+9", moment=NOW)]}, "restricted"),
    ("lifted_and_restricted_at_once", "profiles", NOW, {"wills": [will("granted", "profiles"), will("restriction_lifted", "*"), will("restricted", "*")]}, "restricted"),
    ("under_age", "games", NOW, {"records": person(birth_date=date(1995, 6, 16)), "wills": [will("granted", "games")]}, "under_age"),
    ("of_age_on_the_day", "games", NOW, {"records": person(birth_date=date(1995, 6, 15)), "wills": [will("granted", "games")]}, "allowed"),
    ("leap_day_not_on_28_february", "games", "2013-02-28", {"records": person(birth_date=date(1997, 2, 28)), "wills": [will("granted", "games")]}, "allowed"),
    ("leap_day_on_1_march", "games", "2012-02-28 23:59", {"records": person(birth_date=date(1996, 2, 29)), "wills": [will("granted", "games")]}, "under_age"),
    ("youngest_of_two_dates", "games", NOW, {"records": (*person(birth_date=date(1970, 1, 1)), ("ada", {"birth_date": date(2001, 1, 1)}, False)), "wills": [will("granted", "games")]}, "under_age"),
    ("unknown_age_does_not_deny", "games", NOW, {"wills": [will("granted", "games")]}, "allowed"),
    ("unknown_age_denies_where_asked", "health", NOW, {"wills": [will("granted", "health")]}, "age_unknown"),
    ("known_age", "health", NOW, {"records": person(birth_date=date(1980, 1, 1)), "wills": [will("granted", "health")]}, "allowed"),
    # objection
    ("objected", "sharing", NOW, {"wills": [will("granted", "sharing", moment=NOW - 2 * DAY), will("objected", "sharing", "phone", "+9")]}, "objected"),
    ("granted_after_objection", "sharing", NOW, {"wills": [will("objected", "sharing"), will("granted", "sharing", moment=NOW)]}, "allowed"),
    ("shared_grant_does_not_end_objection", "sharing", NOW, {"wills": [will("objected", "sharing"), will("granted", "sharing", "phone", "+9", moment=NOW)]}, "objected"),
    ("objected_to_interest", "unification", NOW, {"wills": [will("objected", "unification")]}, "objected"),
    ("objected_to_task", "tracing", NOW, {"cases": [case("tracing")], "wills": [will("objected", "tracing")]}, "objected"),
    ("no_objection_to_contract", "delivery", NOW, {"done": [order(NOW - DAY)], "wills": [will("objected", "delivery")]}, "allowed"),
    # contract
    ("no_contract", "delivery", NOW, {}, "no_live_contract"),
    ("live", "delivery", NOW, {"done": [order(MONTH + TICK)]}, "allowed"),
    ("over_after_a_month", "delivery", NOW, {"done": [order(MONTH)]}, "no_live_contract"),
    ("short_month", "delivery", "2011-02-27", {"done": [order(at("2011-01-31"))]}, "allowed"),
    ("end_of_short_month", "delivery", "2011-02-28", {"done": [order(at("2011-01-31"))]}, "no_live_contract"),
    ("months_then_days", "order_mails", "2011-03-15", {"done": [order(at("2010-12-31"))]}, "no_live_contract"),
    ("refunded", "delivery", NOW, {"done": [order(NOW - 2 * DAY), order(NOW - DAY, -100, "refund")]}, "no_live_contract"),
    ("refunded_at_once", "delivery", NOW, {"done": [order(NOW - DAY), order(NOW - DAY, -100, "refund")]}, "no_live_contract"),
    ("refunded_in_another_currency", "delivery", NOW, {"done": [order(NOW - 2 * DAY), order(NOW - DAY, -100, "refund", currency_code="EUR")]}, "allowed"),
    ("refund_known_later", "delivery", NOW, {"done": [order(NOW - 2 * DAY), order(NOW - DAY, -100, "refund", ingested_at=NOW + TICK)]}, "allowed"),
    ("two_orders_one_refund", "delivery", NOW, {"done": [order(NOW - 3 * DAY), order(NOW - 2 * DAY), order(NOW - DAY, -100, "refund")]}, "allowed"),
    ("two_orders_two_refunds", "delivery", NOW, {"done": [order(NOW - 4 * DAY), order(NOW - 3 * DAY), order(NOW - 2 * DAY, -100, "refund"), order(NOW - DAY, -100, "refund")]}, "no_live_contract"),
    ("a_refund_before_ends_nothing_after", "delivery", NOW, {"done": [order(NOW - 3 * DAY, -100, "refund"), order(NOW - 2 * DAY)]}, "allowed"),
    ("order_of_another", "delivery", NOW, {"done": [order(NOW - DAY, customer="ben")]}, "no_live_contract"),
    # what a record holds: a card, an account
    ("membership_lives", "card", NOW, {"records": holder(loyalty_card="card2", observed_at=MONTH + TICK)}, "allowed"),
    ("membership_over", "card", NOW, {"records": holder(loyalty_card="card2", observed_at=MONTH)}, "no_live_contract"),
    ("membership_from_the_next_instant", "card", NOW, {"records": holder(loyalty_card="card2", observed_at=NOW)}, "no_live_contract"),
    ("membership_has_begun", "card", NOW + TICK, {"records": holder(loyalty_card="card2", observed_at=NOW)}, "allowed"),
    ("membership_known_now", "card", NOW, {"records": holder(loyalty_card="card2", observed_at=NOW - DAY, ingested_at=NOW)}, "allowed"),
    ("membership_known_later", "card", NOW, {"records": holder(loyalty_card="card2", observed_at=NOW - DAY, ingested_at=NOW + TICK)}, "no_live_contract"),
    ("an_account_is_no_membership", "card", NOW, {"records": holder(account_id="acc2", observed_at=NOW - DAY)}, "no_live_contract"),
    ("a_refund_ends_no_membership", "card", NOW, {"records": holder(loyalty_card="card2", observed_at=NOW - 2 * DAY), "done": [order(NOW - DAY, None, "refund", currency_code=None)]}, "allowed"),
    ("warranty_is_a_contract", "card", NOW, {"records": HOLDER, "done": [("ada", "warranty", MONTH + TICK, {})]}, "allowed"),
    ("warranty_over", "card", NOW, {"records": HOLDER, "done": [("ada", "warranty", MONTH, {})]}, "no_live_contract"),
    ("account_lives", "account", NOW, {"records": holder(account_id="acc2", observed_at=at("2011-04-15 12:00") + TICK)}, "allowed"),
    ("account_over", "account", NOW, {"records": holder(account_id="acc2", observed_at=at("2011-04-15 12:00"))}, "no_live_contract"),
    ("a_card_is_no_account", "account", NOW, {"records": holder(loyalty_card="card2", observed_at=NOW - DAY)}, "no_live_contract"),
    ("account_outlives_a_refunded_order", "account", NOW, {"records": holder(account_id="acc2", observed_at=NOW - 9 * DAY), "done": [order(NOW - 2 * DAY), order(NOW - DAY, -100, "refund")]}, "allowed"),
    ("account_is_a_contact", "security", NOW, {"records": holder(account_id="acc2", observed_at=at("2011-03-15 12:00") + TICK)}, "allowed"),
    ("contact_by_account_lapsed", "security", NOW, {"records": holder(account_id="acc2", observed_at=at("2011-03-15 12:00"))}, "interest_lapsed"),
    ("another_record_is_no_account", "security", NOW, {"records": holder(phone="+3", observed_at=NOW - DAY)}, "interest_lapsed"),
    ("membership_obliges", "product_safety", NOW, {"records": holder(loyalty_card="card2", observed_at=HALF_YEAR + TICK)}, "allowed"),
    ("membership_obliges_no_more", "product_safety", NOW, {"records": holder(loyalty_card="card2", observed_at=HALF_YEAR)}, "obligation_ended"),
    # legal obligation
    ("obliged", "invoices", NOW, {"done": [order(HALF_YEAR + TICK)]}, "allowed"),
    ("obligation_ended", "invoices", NOW, {"done": [order(HALF_YEAR)]}, "obligation_ended"),
    ("no_record", "invoices", NOW, {}, "obligation_ended"),
    ("obligation_outlives_erasure_and_restriction", "invoices", NOW, {"done": [order(NOW - DAY)], "wills": [will("erased", "*"), will("restricted", "*")]}, "allowed"),
    ("will_obliges", "evidence", NOW, {"wills": [will("denied", "profiles", "email", "old@x")]}, "allowed"),
    ("request_obliges", "evidence", NOW, {"requests": [request(NOW - DAY)]}, "allowed"),
    ("request_of_long_ago", "evidence", NOW, {"requests": [request(at("2011-03-15 12:00"))]}, "obligation_ended"),
    # legitimate interests
    ("contact_lasts", "unification", NOW, {"done": [("ada", "visit", at("2010-09-15 12:00") + TICK, {})]}, "allowed"),
    ("interest_lapsed", "unification", NOW, {"done": [("ada", "visit", at("2010-09-15 12:00"), {})]}, "interest_lapsed"),
    ("opening_a_mail_is_no_contact", "unification", NOW, {"done": [("ada", "event", NOW - DAY, {})]}, "interest_lapsed"),
    ("record_is_a_contact", "unification", NOW, {"records": person(observed_at=NOW - DAY)}, "allowed"),
    # vital and public interest
    ("no_case", "tracing", NOW, {}, "no_case"),
    ("case_begins", "tracing", NOW, {"records": person(observed_at=NOW - DAY), "cases": [case("tracing", starts=NOW)]}, "allowed"),
    ("case_not_begun", "tracing", NOW, {"cases": [case("tracing", starts=NOW + TICK)]}, "no_case"),
    ("case_ends", "tracing", NOW, {"cases": [case("tracing", ends=NOW)]}, "no_case"),
    ("case_for_another_purpose", "tracing", NOW, {"cases": [case("alert")]}, "no_case"),
    ("case_not_declared_yet", "tracing", NOW, {"cases": [case("tracing", declared=NOW + TICK)]}, "no_case"),
    # requires
    ("required_is_denied", "tracing", NOW, {"cases": [case("tracing")]}, "requires:unification"),
]  # fmt: skip
POINTS = [
    # purpose about a contact point: kind and value of the cell come with the purpose
    ("granted_on_itself", "newsletter", "ada@x", {"wills": [will("granted", "newsletter", "email", "ada@x")]}, "allowed"),
    ("granted_on_the_card", "newsletter", "ada@x", {"wills": [will("granted", "newsletter")]}, "allowed"),
    ("card_does_not_reach_an_uncertain_point", "newsletter", "old@x", {"wills": [will("granted", "newsletter")]}, "no_consent"),
    ("an_uncertain_point_may_grant_for_itself", "newsletter", "old@x", {"wills": [will("granted", "newsletter", "email", "old@x")]}, "allowed"),
    ("granted_on_another_point_of_the_kind", "newsletter", "ada@x", {"wills": [will("granted", "newsletter", "email", "old@x")]}, "no_consent"),
    ("granted_on_a_shared_phone", "newsletter", "ada@x", {"wills": [will("granted", "newsletter", "phone", "+9")]}, "no_consent"),
    ("withdrawal_on_another_ends_an_older_grant", "newsletter", "ada@x", {"wills": [will("granted", "newsletter", "email", "ada@x", NOW - 2 * DAY), will("withdrawn", "newsletter", "email", "old@x")]}, "withdrawn"),
    ("a_newer_grant_stands", "newsletter", "ada@x", {"wills": [will("withdrawn", "newsletter", "email", "old@x"), will("granted", "newsletter", "email", "ada@x", NOW)]}, "allowed"),
    ("shared_point_hears_denials_of_all_holders", "texts", "+9", {"wills": [will("granted", "profiles"), will("granted", "texts", "phone", "+9", NOW - 2 * DAY), will("denied", "texts", "account_id", "acc")]}, "denied"),
    ("shared_point_grants_for_itself", "texts", "+9", {"wills": [will("granted", "profiles"), will("granted", "texts", "phone", "+9")]}, "allowed"),
    ("shared_point_hears_no_card", "texts", "+9", {"wills": [will("granted", "profiles"), will("granted", "texts")]}, "no_consent"),
    ("required_purpose", "texts", "+1", {"wills": [will("granted", "texts", "phone", "+1")]}, "requires:profiles"),
    ("first_of_two_required", "push", "dev", {"wills": [will("granted", "push", "device_id", "dev")]}, "requires:profiles"),
    ("second_of_two_required", "push", "dev", {"wills": [will("granted", "push", "device_id", "dev"), will("granted", "profiles")]}, "requires:delivery"),
    ("unsubscribed", "newsletter", "ada@x", {"wills": [will("granted", "newsletter", "email", "ada@x", NOW - 2 * DAY), will("unsubscribed", "*", "email", "ada@x")]}, "suppressed"),
    ("unsubscribed_on_another", "newsletter", "ada@x", {"wills": [will("granted", "newsletter", "email", "ada@x"), will("unsubscribed", "*", "email", "old@x")]}, "allowed"),
    ("granted_again", "newsletter", "ada@x", {"wills": [will("unsubscribed", "*", "email", "ada@x"), will("granted", "newsletter", "email", "ada@x", NOW)]}, "allowed"),
    ("granted_and_unsubscribed_at_once", "newsletter", "ada@x", {"wills": [will("granted", "newsletter", "email", "ada@x"), will("unsubscribed", "*", "email", "ada@x")]}, "suppressed"),
    ("granted_again_for_something_else", "newsletter", "ada@x", {"wills": [will("granted", "newsletter", "email", "ada@x", NOW - 2 * DAY), will("unsubscribed", "*", "email", "ada@x"), will("granted", "similar", "email", "ada@x", NOW)]}, "suppressed"),
    ("granted_again_elsewhere", "newsletter", "ada@x", {"wills": [will("unsubscribed", "*", "email", "ada@x"), will("granted", "newsletter", moment=NOW)]}, "suppressed"),
    ("complained_then_granted", "newsletter", "ada@x", {"wills": [will("complained", "*", "email", "ada@x"), will("granted", "newsletter", "email", "ada@x", NOW)]}, "suppressed"),
    ("complained_then_verified", "newsletter", "ada@x", {"wills": [will("granted", "newsletter", "email", "ada@x"), will("complained", "*", "email", "ada@x"), will("verified", "*", "email", "ada@x", NOW)]}, "allowed"),
    ("verified_does_not_subscribe", "newsletter", "ada@x", {"wills": [will("granted", "newsletter", "email", "ada@x", NOW - 2 * DAY), will("unsubscribed", "*", "email", "ada@x"), will("verified", "*", "email", "ada@x", NOW)]}, "suppressed"),
    ("bounced", "newsletter", "ada@x", {"wills": [will("bounced", "*", "email", "ada@x"), will("granted", "newsletter", "email", "ada@x", NOW)]}, "undeliverable"),
    ("bounced_and_complained", "newsletter", "ada@x", {"wills": [will("bounced", "*", "email", "ada@x"), will("complained", "*", "email", "ada@x")]}, "suppressed"),
    ("bounced_before_objected", "similar", "ada@x", {"wills": [will("objected", "similar"), will("bounced", "*", "email", "ada@x")]}, "undeliverable"),
    ("objected_on_the_card", "similar", "ada@x", {"done": [order(NOW - DAY)], "wills": [will("objected", "similar")]}, "objected"),
    ("marketing_of_similar_products", "similar", "ada@x", {"done": [order(NOW - DAY)]}, "allowed"),
    ("suppressed_though_a_contract_lives", "order_mails", "ada@x", {"done": [order(NOW - DAY)], "wills": [will("unsubscribed", "*", "email", "ada@x")]}, "suppressed"),
    ("vital_interest_outlives_restriction", "alert", "+1", {"cases": [case("alert")], "wills": [will("restricted", "*")]}, "allowed"),
    ("vital_interest_over_a_probable_link", "alert", "+1", {"cases": [case("alert", kind="email", value="old@x")]}, "allowed"),
    ("vital_interest_ends_with_erasure", "alert", "+1", {"cases": [case("alert")], "wills": [will("erased", "*")]}, "erased"),
    ("no_contact_point", "push", "", {"records": (("ada", {"email": "ada@x"}, True),)}, "no_contact_point"),
]  # fmt: skip


def decided(told, as_of, purpose):
    """Decisions on one purpose and those that it requires."""
    as_of = at(as_of) if isinstance(as_of, str) else as_of
    register = Register({key: REGISTER.versions[key] for key in (purpose, *REGISTER[purpose].requires)})
    return world_of(**{"records": PEOPLE} | told).decide(as_of, as_of, register)


@pytest.mark.parametrize(("purpose", "as_of", "told", "expected"), [pytest.param(*c[1:], id=c[0]) for c in CASES])
def test_of_a_person(purpose, as_of, told, expected):
    found = decided(told, as_of, purpose).filter(customer_id="ada", purpose=purpose)
    assert found["reason"].to_list() == [expected] * found.height
    assert found["is_allowed"].all() == (expected == "allowed")
    assert all(found.filter("is_allowed")["evidence"].list.len() == 1)
    assert found.filter("is_allowed")["since_at"].null_count() == 0


@pytest.mark.parametrize(("purpose", "point", "told", "expected"), [pytest.param(*c[1:], id=c[0]) for c in POINTS])
def test_of_a_contact_point(purpose, point, told, expected):
    found = decided(told, NOW, purpose).filter(customer_id="ada", purpose=purpose, contact_point=point)
    assert found["reason"].to_list() == [expected]


def test_every_reason_has_a_case():
    expected = {case[-1].partition(":")[0] for case in (*CASES, *POINTS)}
    assert expected == {*REASONS, "requires"}


def test_every_basis_is_allowed_and_denied_in_some_case():
    outcomes = {(REGISTER[c[1]].lawful_basis, c[-1] == "allowed") for c in (*CASES, *POINTS)}
    assert len(outcomes) == 12


def test_evidence_time_version_and_position():
    wills = [will("granted", "renewed", moment=NOW - DAY, notice_version="2011-06", event_id="receipt:7")]
    wills += [will("withdrawn", "profiles", moment=NOW + DAY)]
    row = decided({"wills": wills}, NOW, "renewed").row(
        by_predicate=(pl.col("customer_id") == "ada") & (pl.col("purpose") == "renewed"), named=True
    )
    assert (row["evidence"], row["since_at"], row["purpose_version"], row["ledger_position"]) == (["receipt:7"], NOW - DAY, "2", 1)  # fmt: skip


def test_the_refund_that_ends_takes_the_latest_order_before_it():
    done = [order(NOW - 4 * DAY), order(NOW - 3 * DAY), order(NOW - 2 * DAY, -100, "refund"), order(NOW - DAY, 7)]
    found = decided({"done": done[:3]}, NOW, "delivery").filter(customer_id="ada", purpose="delivery")
    assert found["evidence"].item().to_list() == ["shop:i00"]
    assert (
        decided({"done": done}, NOW, "delivery").filter(customer_id="ada", purpose="delivery")["since_at"].item()
        == NOW - DAY
    )
