"""Every basis and every reason, allow and deny, at the boundary instants; purposes are those of `register/`."""

from datetime import date, timedelta

import polars as pl
import pytest

from cdp_pipelines.consent.checks import REASONS
from cdp_pipelines.purposes.register import Register
from tests.cdp_pipelines.consent.inputs import REGISTER, at, build_test_input

NOW = at("2011-06-15 12:00")
TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)

# Ada has an e-mail, a card and a phone for certain, a second e-mail over a probable link, and shares a phone with Ben.
ADA = {"email": "ada@x", "loyalty_card": "card", "phone": "+1"}
PEOPLE = (
    ("ada", ADA, True),
    ("ada", {"email": "old@x", "phone": "+2"}, False),
    ("ada", {"phone": "+9", "device_id": "dev"}, True),
    ("ben", {"email": "ben@x", "phone": "+9", "account_id": "acc"}, True),
)


def build_event(status, purpose, kind="loyalty_card", value="card", moment=NOW - DAY, **more):
    return {
        "status": status,
        "purpose": purpose,
        "subject_kind": kind,
        "subject_value": value,
        "event_at": moment,
        **more,
    }


def with_record(**fields):
    return (*PEOPLE, ("ada", fields, True))


def build_case(
    purpose, starts=NOW - DAY, ends=None, declared=NOW - DAY, kind="loyalty_card", value="card", id_="recall"
):
    return {
        "case_id": id_,
        "purpose": purpose,
        "subject_kind": kind,
        "subject_value": value,
        "starts_at": starts,
        "ends_at": ends,
        "declared_at": declared,
    }


def build_request(moment):
    subject = {"subject_kind": "email", "subject_value": "old@x"}
    return {"channel": "q", "source_record_id": "1", "received_at": moment, "ingested_at": moment, **subject}


def build_order(moment, amount=100, kind="order", customer="ada", **more):
    return (customer, kind, moment, {"amount_minor": amount, "currency_code": "GBP", **more})


# Ada without card and account; `build_holder_records` adds one more record.
WITHOUT_HOLDINGS = (("ada", {"email": "ada@x"}, True),)


def build_holder_records(**fields):
    return (*WITHOUT_HOLDINGS, ("ada", fields, False))


MONTH, HALF_YEAR = at("2011-05-15 12:00"), at("2010-12-15 12:00")
CASES = [
    # purpose in force
    ("first_instant", "renewed", "2011-03-01", {"events": [build_event("granted", "renewed", moment=at("2011-02-01"), notice_version="2011-06")]}, "allowed"),
    ("before_its_first_instant", "planned", "2011-08-31 23:59", {"events": [build_event("granted", "planned")]}, "purpose_not_in_force"),
    ("from_its_first_instant", "planned", "2011-09-01", {"events": [build_event("granted", "planned")]}, "allowed"),
    ("older_text_takes_older_notice", "renewed", "2011-02-28 23:59", {"events": [build_event("granted", "renewed", moment=at("2011-02-01"))]}, "allowed"),
    ("newer_text_asks_again", "renewed", "2011-03-01", {"events": [build_event("granted", "renewed", moment=at("2011-02-01"))]}, "notice_outdated"),
    # consent, person-wide
    ("nothing_said", "profiles", NOW, {}, "no_consent"),
    ("granted", "profiles", NOW, {"events": [build_event("granted", "profiles", moment=NOW)]}, "allowed"),
    ("granted_later", "profiles", NOW, {"events": [build_event("granted", "profiles", moment=NOW + TICK)]}, "no_consent"),
    ("denied", "profiles", NOW, {"events": [build_event("denied", "profiles", "email", "old@x")]}, "denied"),
    ("withdrawn", "profiles", NOW, {"events": [build_event("granted", "profiles", moment=NOW - 2 * DAY), build_event("withdrawn", "profiles", "phone", "+9", moment=NOW)]}, "withdrawn"),
    ("objection_is_a_withdrawal", "profiles", NOW, {"events": [build_event("granted", "profiles", moment=NOW - 2 * DAY), build_event("objected", "profiles", "phone", "+9")]}, "withdrawn"),
    ("objection_withdrawn_restores", "profiles", NOW, {"events": [build_event("granted", "profiles", moment=NOW - 2 * DAY), build_event("objected", "profiles"), build_event("objection_withdrawn", "profiles", moment=NOW)]}, "allowed"),
    ("objection_withdrawn_on_shared_ground_does_not", "profiles", NOW, {"events": [build_event("granted", "profiles", moment=NOW - 2 * DAY), build_event("objected", "profiles", "phone", "+9"), build_event("objection_withdrawn", "profiles", "phone", "+9", moment=NOW)]}, "withdrawn"),
    ("tie_of_times_restrictive_wins", "profiles", NOW, {"events": [build_event("withdrawn", "profiles", event_id="a"), build_event("granted", "profiles", event_id="b")]}, "withdrawn"),
    ("tie_of_event_time_recorded_later_wins", "profiles", NOW, {"events": [build_event("withdrawn", "profiles"), build_event("granted", "profiles", recorded_at=NOW)]}, "allowed"),
    ("expired", "profiles", NOW, {"events": [build_event("granted", "profiles", expires_at=NOW)]}, "expired"),
    ("not_yet_expired", "profiles", NOW, {"events": [build_event("granted", "profiles", expires_at=NOW + TICK)]}, "allowed"),
    ("expired_under_old_notice_is_expired", "profiles", NOW, {"events": [build_event("granted", "profiles", expires_at=NOW, notice_version="2010-05")]}, "expired"),
    ("notice_outdated", "profiles", NOW, {"events": [build_event("granted", "profiles", notice_version="2010-05")]}, "notice_outdated"),
    ("notice_that_is_no_date", "profiles", NOW, {"events": [build_event("granted", "profiles", notice_version="v3")]}, "notice_outdated"),
    ("no_notice_is_no_consent", "profiles", NOW, {"events": [build_event("granted", "profiles", notice_version=None)]}, "no_consent"),
    ("no_method_is_no_consent", "profiles", NOW, {"events": [build_event("granted", "profiles", method=None)]}, "no_consent"),
    ("pre_ticked_is_no_consent", "profiles", NOW, {"events": [build_event("granted", "profiles", method="pre_ticked")]}, "no_consent"),
    ("shared_ground", "profiles", NOW, {"events": [build_event("granted", "profiles", "phone", "+9")]}, "no_consent"),
    ("uncertain_ground", "profiles", NOW, {"events": [build_event("granted", "profiles", "email", "old@x")]}, "no_consent"),
    ("ground_is_certain_by_one_of_its_records", "profiles", NOW, {"records": (*PEOPLE, ("ada", {"loyalty_card": "card"}, False)), "events": [build_event("granted", "profiles")]}, "allowed"),
    ("grant_for_another_purpose", "profiles", NOW, {"events": [build_event("granted", "sharing")]}, "no_consent"),
    ("unknown_subject_reaches_nobody", "profiles", NOW, {"events": [build_event("granted", "profiles", "email", "nobody@x")]}, "no_consent"),
    ("future_within_tolerance", "profiles", NOW, {"events": [build_event("granted", "profiles", recorded_at=NOW - 2 * DAY)]}, "allowed"),
    ("future_beyond_tolerance", "profiles", NOW, {"events": [build_event("granted", "profiles", recorded_at=NOW - 2 * DAY - TICK)]}, "no_consent"),
    ("future_withdrawal_counts_when_recorded", "profiles", NOW, {"events": [build_event("granted", "profiles", moment=NOW - 3 * DAY), build_event("withdrawn", "profiles", moment=NOW + 9 * DAY, recorded_at=NOW - DAY)]}, "withdrawn"),
    # opt-out jurisdictions
    ("opt_out_law", "sharing", NOW, {"records": with_record(country_code="US", region_code="CA")}, "allowed"),
    ("opt_out_law_once_denied", "sharing", NOW, {"records": with_record(country_code="CH"), "events": [build_event("denied", "sharing")]}, "denied"),
    ("opt_out_law_objected", "sharing", NOW, {"records": with_record(country_code="CH"), "events": [build_event("objected", "sharing")]}, "objected"),
    ("opt_in_law", "sharing", NOW, {"records": with_record(country_code="DE")}, "no_consent"),
    ("law_not_listed", "sharing", NOW, {"records": with_record(country_code="US")}, "no_consent"),
    ("listed_for_another_purpose", "profiles", NOW, {"records": with_record(country_code="CH")}, "no_consent"),
    ("two_laws_the_stricter", "sharing", NOW, {"records": (*with_record(country_code="CH"), ("ada", {"country_code": "FR"}, False))}, "no_consent"),
    ("law_stated_by_an_event", "sharing", NOW, {"records": with_record(country_code="CH"), "events": [build_event("denied", "profiles", jurisdiction="EU")]}, "no_consent"),
    ("address_known_too_late", "sharing", NOW, {"records": with_record(country_code="CH", observed_at=NOW)}, "no_consent"),
    # subject blocks
    ("erased", "profiles", NOW, {"events": [build_event("erased", "*", "email", "old@x"), build_event("granted", "profiles", moment=NOW)]}, "erased"),
    ("erased_before_restricted", "profiles", NOW, {"events": [build_event("restricted", "*"), build_event("erased", "*")]}, "erased"),
    ("restricted", "profiles", NOW, {"events": [build_event("granted", "profiles"), build_event("restricted", "*", "phone", "+9")]}, "restricted"),
    ("restriction_lifted", "profiles", NOW, {"events": [build_event("granted", "profiles"), build_event("restricted", "*"), build_event("restriction_lifted", "*", moment=NOW)]}, "allowed"),
    ("lifted_on_shared_ground", "profiles", NOW, {"events": [build_event("granted", "profiles"), build_event("restricted", "*"), build_event("restriction_lifted", "*", "phone", "+9", moment=NOW)]}, "restricted"),
    ("lifted_and_restricted_at_once", "profiles", NOW, {"events": [build_event("granted", "profiles"), build_event("restriction_lifted", "*"), build_event("restricted", "*")]}, "restricted"),
    ("under_age", "games", NOW, {"records": with_record(birth_date=date(1995, 6, 16)), "events": [build_event("granted", "games")]}, "under_age"),
    ("of_age_on_the_day", "games", NOW, {"records": with_record(birth_date=date(1995, 6, 15)), "events": [build_event("granted", "games")]}, "allowed"),
    ("leap_day_not_on_28_february", "games", "2013-02-28", {"records": with_record(birth_date=date(1997, 2, 28)), "events": [build_event("granted", "games")]}, "allowed"),
    ("leap_day_on_1_march", "games", "2012-02-28 23:59", {"records": with_record(birth_date=date(1996, 2, 29)), "events": [build_event("granted", "games")]}, "under_age"),
    ("youngest_of_two_dates", "games", NOW, {"records": (*with_record(birth_date=date(1970, 1, 1)), ("ada", {"birth_date": date(2001, 1, 1)}, False)), "events": [build_event("granted", "games")]}, "under_age"),
    ("unknown_age_does_not_deny", "games", NOW, {"events": [build_event("granted", "games")]}, "allowed"),
    ("unknown_age_denies_where_required", "health", NOW, {"events": [build_event("granted", "health")]}, "age_unknown"),
    ("known_age", "health", NOW, {"records": with_record(birth_date=date(1980, 1, 1)), "events": [build_event("granted", "health")]}, "allowed"),
    # objection
    ("objected", "sharing", NOW, {"events": [build_event("granted", "sharing", moment=NOW - 2 * DAY), build_event("objected", "sharing", "phone", "+9")]}, "objected"),
    ("granted_after_objection", "sharing", NOW, {"events": [build_event("objected", "sharing"), build_event("granted", "sharing", moment=NOW)]}, "allowed"),
    ("shared_grant_does_not_end_objection", "sharing", NOW, {"events": [build_event("objected", "sharing"), build_event("granted", "sharing", "phone", "+9", moment=NOW)]}, "objected"),
    ("objected_to_interest", "unification", NOW, {"events": [build_event("objected", "unification")]}, "objected"),
    ("objected_to_task", "tracing", NOW, {"cases": [build_case("tracing")], "events": [build_event("objected", "tracing")]}, "objected"),
    ("no_objection_to_contract", "delivery", NOW, {"interactions": [build_order(NOW - DAY)], "events": [build_event("objected", "delivery")]}, "allowed"),
    # contract
    ("no_contract", "delivery", NOW, {}, "no_live_contract"),
    ("live", "delivery", NOW, {"interactions": [build_order(MONTH + TICK)]}, "allowed"),
    ("over_after_a_month", "delivery", NOW, {"interactions": [build_order(MONTH)]}, "no_live_contract"),
    ("short_month", "delivery", "2011-02-27", {"interactions": [build_order(at("2011-01-31"))]}, "allowed"),
    ("end_of_short_month", "delivery", "2011-02-28", {"interactions": [build_order(at("2011-01-31"))]}, "no_live_contract"),
    ("months_then_days", "order_mails", "2011-03-15", {"interactions": [build_order(at("2010-12-31"))]}, "no_live_contract"),
    ("refunded", "delivery", NOW, {"interactions": [build_order(NOW - 2 * DAY), build_order(NOW - DAY, -100, "refund")]}, "no_live_contract"),
    ("refunded_at_once", "delivery", NOW, {"interactions": [build_order(NOW - DAY), build_order(NOW - DAY, -100, "refund")]}, "no_live_contract"),
    ("refunded_in_another_currency", "delivery", NOW, {"interactions": [build_order(NOW - 2 * DAY), build_order(NOW - DAY, -100, "refund", currency_code="EUR")]}, "allowed"),
    ("refund_known_later", "delivery", NOW, {"interactions": [build_order(NOW - 2 * DAY), build_order(NOW - DAY, -100, "refund", ingested_at=NOW + TICK)]}, "allowed"),
    ("two_orders_one_refund", "delivery", NOW, {"interactions": [build_order(NOW - 3 * DAY), build_order(NOW - 2 * DAY), build_order(NOW - DAY, -100, "refund")]}, "allowed"),
    ("two_orders_two_refunds", "delivery", NOW, {"interactions": [build_order(NOW - 4 * DAY), build_order(NOW - 3 * DAY), build_order(NOW - 2 * DAY, -100, "refund"), build_order(NOW - DAY, -100, "refund")]}, "no_live_contract"),
    ("a_refund_before_ends_nothing_after", "delivery", NOW, {"interactions": [build_order(NOW - 3 * DAY, -100, "refund"), build_order(NOW - 2 * DAY)]}, "allowed"),
    ("order_of_another", "delivery", NOW, {"interactions": [build_order(NOW - DAY, customer="ben")]}, "no_live_contract"),
    # contract holdings: a card, an account
    ("membership_lives", "card", NOW, {"records": build_holder_records(loyalty_card="card2", observed_at=MONTH + TICK)}, "allowed"),
    ("membership_over", "card", NOW, {"records": build_holder_records(loyalty_card="card2", observed_at=MONTH)}, "no_live_contract"),
    ("membership_from_the_next_instant", "card", NOW, {"records": build_holder_records(loyalty_card="card2", observed_at=NOW)}, "no_live_contract"),
    ("membership_has_begun", "card", NOW + TICK, {"records": build_holder_records(loyalty_card="card2", observed_at=NOW)}, "allowed"),
    ("membership_known_now", "card", NOW, {"records": build_holder_records(loyalty_card="card2", observed_at=NOW - DAY, ingested_at=NOW)}, "allowed"),
    ("membership_known_later", "card", NOW, {"records": build_holder_records(loyalty_card="card2", observed_at=NOW - DAY, ingested_at=NOW + TICK)}, "no_live_contract"),
    ("an_account_is_no_membership", "card", NOW, {"records": build_holder_records(account_id="acc2", observed_at=NOW - DAY)}, "no_live_contract"),
    ("a_refund_ends_no_membership", "card", NOW, {"records": build_holder_records(loyalty_card="card2", observed_at=NOW - 2 * DAY), "interactions": [build_order(NOW - DAY, None, "refund", currency_code=None)]}, "allowed"),
    ("warranty_is_a_contract", "card", NOW, {"records": WITHOUT_HOLDINGS, "interactions": [("ada", "warranty", MONTH + TICK, {})]}, "allowed"),
    ("warranty_over", "card", NOW, {"records": WITHOUT_HOLDINGS, "interactions": [("ada", "warranty", MONTH, {})]}, "no_live_contract"),
    ("account_lives", "account", NOW, {"records": build_holder_records(account_id="acc2", observed_at=at("2011-04-15 12:00") + TICK)}, "allowed"),
    ("account_over", "account", NOW, {"records": build_holder_records(account_id="acc2", observed_at=at("2011-04-15 12:00"))}, "no_live_contract"),
    ("a_card_is_no_account", "account", NOW, {"records": build_holder_records(loyalty_card="card2", observed_at=NOW - DAY)}, "no_live_contract"),
    ("account_outlives_a_refunded_order", "account", NOW, {"records": build_holder_records(account_id="acc2", observed_at=NOW - 9 * DAY), "interactions": [build_order(NOW - 2 * DAY), build_order(NOW - DAY, -100, "refund")]}, "allowed"),
    ("account_is_a_contact", "security", NOW, {"records": build_holder_records(account_id="acc2", observed_at=at("2011-03-15 12:00") + TICK)}, "allowed"),
    ("contact_by_account_lapsed", "security", NOW, {"records": build_holder_records(account_id="acc2", observed_at=at("2011-03-15 12:00"))}, "interest_lapsed"),
    ("another_record_is_no_account", "security", NOW, {"records": build_holder_records(phone="+3", observed_at=NOW - DAY)}, "interest_lapsed"),
    ("membership_obliges", "product_safety", NOW, {"records": build_holder_records(loyalty_card="card2", observed_at=HALF_YEAR + TICK)}, "allowed"),
    ("membership_obliges_no_more", "product_safety", NOW, {"records": build_holder_records(loyalty_card="card2", observed_at=HALF_YEAR)}, "obligation_ended"),
    # legal obligation
    ("obliged", "invoices", NOW, {"interactions": [build_order(HALF_YEAR + TICK)]}, "allowed"),
    ("obligation_ended", "invoices", NOW, {"interactions": [build_order(HALF_YEAR)]}, "obligation_ended"),
    ("no_record", "invoices", NOW, {}, "obligation_ended"),
    ("obligation_outlives_erasure_and_restriction", "invoices", NOW, {"interactions": [build_order(NOW - DAY)], "events": [build_event("erased", "*"), build_event("restricted", "*")]}, "allowed"),
    ("event_obliges", "evidence", NOW, {"events": [build_event("denied", "profiles", "email", "old@x")]}, "allowed"),
    ("request_obliges", "evidence", NOW, {"requests": [build_request(NOW - DAY)]}, "allowed"),
    ("request_of_long_ago", "evidence", NOW, {"requests": [build_request(at("2011-03-15 12:00"))]}, "obligation_ended"),
    # legitimate interests
    ("contact_lasts", "unification", NOW, {"interactions": [("ada", "visit", at("2010-09-15 12:00") + TICK, {})]}, "allowed"),
    ("interest_lapsed", "unification", NOW, {"interactions": [("ada", "visit", at("2010-09-15 12:00"), {})]}, "interest_lapsed"),
    ("opening_a_mail_is_no_contact", "unification", NOW, {"interactions": [("ada", "event", NOW - DAY, {})]}, "interest_lapsed"),
    ("record_is_a_contact", "unification", NOW, {"records": with_record(observed_at=NOW - DAY)}, "allowed"),
    # vital and public interest
    ("no_case", "tracing", NOW, {}, "no_case"),
    ("case_begins", "tracing", NOW, {"records": with_record(observed_at=NOW - DAY), "cases": [build_case("tracing", starts=NOW)]}, "allowed"),
    ("case_not_begun", "tracing", NOW, {"cases": [build_case("tracing", starts=NOW + TICK)]}, "no_case"),
    ("case_ends", "tracing", NOW, {"cases": [build_case("tracing", ends=NOW)]}, "no_case"),
    ("case_for_another_purpose", "tracing", NOW, {"cases": [build_case("alert")]}, "no_case"),
    ("case_not_declared_yet", "tracing", NOW, {"cases": [build_case("tracing", declared=NOW + TICK)]}, "no_case"),
    # requires
    ("required_is_denied", "tracing", NOW, {"cases": [build_case("tracing")]}, "requires:unification"),
]  # fmt: skip
POINTS = [
    # purpose about a contact point: its kind comes with the purpose
    ("granted_on_itself", "newsletter", "ada@x", {"events": [build_event("granted", "newsletter", "email", "ada@x")]}, "allowed"),
    ("granted_on_the_card", "newsletter", "ada@x", {"events": [build_event("granted", "newsletter")]}, "allowed"),
    ("card_does_not_reach_an_uncertain_point", "newsletter", "old@x", {"events": [build_event("granted", "newsletter")]}, "no_consent"),
    ("an_uncertain_point_may_grant_for_itself", "newsletter", "old@x", {"events": [build_event("granted", "newsletter", "email", "old@x")]}, "allowed"),
    ("granted_on_another_point_of_the_kind", "newsletter", "ada@x", {"events": [build_event("granted", "newsletter", "email", "old@x")]}, "no_consent"),
    ("granted_on_a_shared_phone", "newsletter", "ada@x", {"events": [build_event("granted", "newsletter", "phone", "+9")]}, "no_consent"),
    ("withdrawal_on_another_ends_an_older_grant", "newsletter", "ada@x", {"events": [build_event("granted", "newsletter", "email", "ada@x", NOW - 2 * DAY), build_event("withdrawn", "newsletter", "email", "old@x")]}, "withdrawn"),
    ("a_newer_grant_stands", "newsletter", "ada@x", {"events": [build_event("withdrawn", "newsletter", "email", "old@x"), build_event("granted", "newsletter", "email", "ada@x", NOW)]}, "allowed"),
    ("denials_of_all_holders_reach_a_shared_point", "texts", "+9", {"events": [build_event("granted", "profiles"), build_event("granted", "texts", "phone", "+9", NOW - 2 * DAY), build_event("denied", "texts", "account_id", "acc")]}, "denied"),
    ("shared_point_grants_for_itself", "texts", "+9", {"events": [build_event("granted", "profiles"), build_event("granted", "texts", "phone", "+9")]}, "allowed"),
    ("a_card_does_not_reach_a_shared_point", "texts", "+9", {"events": [build_event("granted", "profiles"), build_event("granted", "texts")]}, "no_consent"),
    ("required_purpose", "texts", "+1", {"events": [build_event("granted", "texts", "phone", "+1")]}, "requires:profiles"),
    ("first_of_two_required", "push", "dev", {"events": [build_event("granted", "push", "device_id", "dev")]}, "requires:profiles"),
    ("second_of_two_required", "push", "dev", {"events": [build_event("granted", "push", "device_id", "dev"), build_event("granted", "profiles")]}, "requires:delivery"),
    ("unsubscribed", "newsletter", "ada@x", {"events": [build_event("granted", "newsletter", "email", "ada@x", NOW - 2 * DAY), build_event("unsubscribed", "*", "email", "ada@x")]}, "suppressed"),
    ("unsubscribed_on_another", "newsletter", "ada@x", {"events": [build_event("granted", "newsletter", "email", "ada@x"), build_event("unsubscribed", "*", "email", "old@x")]}, "allowed"),
    ("granted_again", "newsletter", "ada@x", {"events": [build_event("unsubscribed", "*", "email", "ada@x"), build_event("granted", "newsletter", "email", "ada@x", NOW)]}, "allowed"),
    ("granted_and_unsubscribed_at_once", "newsletter", "ada@x", {"events": [build_event("granted", "newsletter", "email", "ada@x"), build_event("unsubscribed", "*", "email", "ada@x")]}, "suppressed"),
    ("granted_again_for_something_else", "newsletter", "ada@x", {"events": [build_event("granted", "newsletter", "email", "ada@x", NOW - 2 * DAY), build_event("unsubscribed", "*", "email", "ada@x"), build_event("granted", "similar", "email", "ada@x", NOW)]}, "suppressed"),
    ("granted_again_elsewhere", "newsletter", "ada@x", {"events": [build_event("unsubscribed", "*", "email", "ada@x"), build_event("granted", "newsletter", moment=NOW)]}, "suppressed"),
    ("complained_then_granted", "newsletter", "ada@x", {"events": [build_event("complained", "*", "email", "ada@x"), build_event("granted", "newsletter", "email", "ada@x", NOW)]}, "suppressed"),
    ("complained_then_verified", "newsletter", "ada@x", {"events": [build_event("granted", "newsletter", "email", "ada@x"), build_event("complained", "*", "email", "ada@x"), build_event("verified", "*", "email", "ada@x", NOW)]}, "allowed"),
    ("verified_does_not_subscribe", "newsletter", "ada@x", {"events": [build_event("granted", "newsletter", "email", "ada@x", NOW - 2 * DAY), build_event("unsubscribed", "*", "email", "ada@x"), build_event("verified", "*", "email", "ada@x", NOW)]}, "suppressed"),
    ("bounced", "newsletter", "ada@x", {"events": [build_event("bounced", "*", "email", "ada@x"), build_event("granted", "newsletter", "email", "ada@x", NOW)]}, "undeliverable"),
    ("bounced_and_complained", "newsletter", "ada@x", {"events": [build_event("bounced", "*", "email", "ada@x"), build_event("complained", "*", "email", "ada@x")]}, "suppressed"),
    ("bounced_before_objected", "similar", "ada@x", {"events": [build_event("objected", "similar"), build_event("bounced", "*", "email", "ada@x")]}, "undeliverable"),
    ("objected_on_the_card", "similar", "ada@x", {"interactions": [build_order(NOW - DAY)], "events": [build_event("objected", "similar")]}, "objected"),
    ("marketing_of_similar_products", "similar", "ada@x", {"interactions": [build_order(NOW - DAY)]}, "allowed"),
    ("suppressed_though_a_contract_lives", "order_mails", "ada@x", {"interactions": [build_order(NOW - DAY)], "events": [build_event("unsubscribed", "*", "email", "ada@x")]}, "suppressed"),
    ("vital_interest_outlives_restriction", "alert", "+1", {"cases": [build_case("alert")], "events": [build_event("restricted", "*")]}, "allowed"),
    ("vital_interest_over_a_probable_link", "alert", "+1", {"cases": [build_case("alert", kind="email", value="old@x")]}, "allowed"),
    ("vital_interest_ends_with_erasure", "alert", "+1", {"cases": [build_case("alert")], "events": [build_event("erased", "*")]}, "erased"),
    ("no_contact_point", "push", "", {"records": (("ada", {"email": "ada@x"}, True),)}, "no_contact_point"),
]  # fmt: skip


def decide_purpose(values, as_of, purpose):
    """Decisions on one purpose and those that it requires."""
    as_of = at(as_of) if isinstance(as_of, str) else as_of
    register = Register({key: REGISTER.versions[key] for key in (purpose, *REGISTER[purpose].requires)})
    return build_test_input(**{"records": PEOPLE} | values).decide(as_of, as_of, register)


@pytest.mark.parametrize(("purpose", "as_of", "values", "expected"), [pytest.param(*c[1:], id=c[0]) for c in CASES])
def test_decision_on_a_person(purpose, as_of, values, expected):
    found = decide_purpose(values, as_of, purpose).filter(customer_id="ada", purpose=purpose)
    assert found["reason"].to_list() == [expected] * found.height
    assert found["is_allowed"].all() == (expected == "allowed")
    assert all(found.filter("is_allowed")["evidence"].list.len() == 1)
    assert found.filter("is_allowed")["since_at"].null_count() == 0


@pytest.mark.parametrize(("purpose", "point", "values", "expected"), [pytest.param(*c[1:], id=c[0]) for c in POINTS])
def test_decision_on_a_contact_point(purpose, point, values, expected):
    found = decide_purpose(values, NOW, purpose).filter(customer_id="ada", purpose=purpose, contact_point=point)
    assert found["reason"].to_list() == [expected]


def test_every_reason_has_a_case():
    expected = {case[-1].partition(":")[0] for case in (*CASES, *POINTS)}
    assert expected == {*REASONS, "requires"}


def test_every_basis_is_allowed_and_denied_in_some_case():
    outcomes = {(REGISTER[c[1]].lawful_basis, c[-1] == "allowed") for c in (*CASES, *POINTS)}
    assert len(outcomes) == 12


def test_evidence_time_version_and_position():
    events = [build_event("granted", "renewed", moment=NOW - DAY, notice_version="2011-06", event_id="receipt:7")]
    events += [build_event("withdrawn", "profiles", moment=NOW + DAY)]
    row = decide_purpose({"events": events}, NOW, "renewed").row(
        by_predicate=(pl.col("customer_id") == "ada") & (pl.col("purpose") == "renewed"), named=True
    )
    assert (row["evidence"], row["since_at"], row["purpose_version"], row["ledger_position"]) == (["receipt:7"], NOW - DAY, "2", 1)  # fmt: skip


def test_a_refund_ends_the_latest_order_before_it():
    interactions = [
        build_order(NOW - 4 * DAY),
        build_order(NOW - 3 * DAY),
        build_order(NOW - 2 * DAY, -100, "refund"),
        build_order(NOW - DAY, 7),
    ]
    found = decide_purpose({"interactions": interactions[:3]}, NOW, "delivery").filter(
        customer_id="ada", purpose="delivery"
    )
    assert found["evidence"].item().to_list() == ["shop:i00"]
    assert (
        decide_purpose({"interactions": interactions}, NOW, "delivery")
        .filter(customer_id="ada", purpose="delivery")["since_at"]
        .item()
        == NOW - DAY
    )
