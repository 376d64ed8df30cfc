"""The register that the company declares: the basis of every purpose, and what its marts may hold."""

import html
import re
from datetime import date

import pytest

from cdp_pipelines.errors import PolicyError
from cdp_pipelines.reports.record_of_processing import render_record
from cdp_pipelines.services.declarations import check_collected_for, load_all_contracts, load_company_register
from cdp_pipelines.services.processing_record import report_processing

# Basis and retention of the demonstration register, as its table has them.
TABLE = {
    "order_fulfilment": ("contract", "P3Y"),
    "payment": ("contract", "P13M"),
    "invoicing_tax": ("legal_obligation", "P10Y"),
    "customer_account": ("contract", "P2Y"),
    "returns_refunds": ("contract", "P3Y"),
    "statutory_warranty": ("legal_obligation", "P3Y"),
    "extended_warranty": ("contract", "P3Y"),
    "customer_service": ("contract", "P3Y"),
    "safety_recall": ("legal_obligation", "P10Y"),
    "life_threatening_alert": ("vital_interests", "P1Y"),
    "loyalty_programme": ("contract", "P3Y"),
    "loyalty_personalisation": ("consent", "P24M"),
    "email_marketing": ("consent", "P3Y"),
    "similar_products_email": ("legitimate_interests", "P3Y"),
    "sms_marketing": ("consent", "P3Y"),
    "push_marketing": ("consent", "P3Y"),
    "postal_marketing": ("legitimate_interests", "P3Y"),
    "advertising": ("consent", "P180D"),
    "third_party_sharing": ("consent", "P24M"),
    "analytics": ("consent", "P13M"),
    "personalisation": ("consent", "P12M"),
    "location_services": ("consent", "P30D"),
    "profiling": ("consent", "P24M"),
    "customer_value_reporting": ("legitimate_interests", "P36M"),
    "surveys_reviews": ("legitimate_interests", "P12M"),
    "fraud_prevention": ("legitimate_interests", "P24M"),
    "service_security": ("legitimate_interests", "P12M"),
    "connected_device_support": ("contract", "P1Y"),
    "product_improvement": ("legitimate_interests", "P24M"),
    "privacy_requests": ("legal_obligation", "P3Y"),
    "consent_evidence": ("legal_obligation", "P3Y"),
    "profile_unification": ("legitimate_interests", "P10Y"),
    "public_health_tracing": ("public_interest", "P21D"),
}
# Category of what a mart takes from the golden record; counts and times of purchases and events are those of measures.
CATEGORY = {
    **dict.fromkeys(("honorific", "first_name", "last_name", "loyalty_card"), "identity"),
    **dict.fromkeys(("email", "phone"), "contact"),
    **dict.fromkeys(("street", "city", "region_code", "postal_code", "country_code"), "address"),
    **dict.fromkeys(("language_code", "preferred_channel"), "preference"),
}
MEASURED = {
    "purchase": r"(order|refund|receipt|last_order)_.*|currency_code",
    "behaviour": r"(event|call|reading)_count|(first|last)_event_at|last_reading_at",
    "location": r"visit_count",
}


def test_every_purpose_has_the_basis_and_the_retention_of_the_table():
    assert {key: (each.lawful_basis, each.retention) for key, each in load_company_register().items()} == TABLE
    assert {each.effective_from for each in load_company_register().values()} == {date(2010, 1, 1)}


def test_what_is_about_a_contact_point():
    scoped = {key: each.scope for key, each in load_company_register().items() if each.scope != "person"}
    assert scoped == {
        **dict.fromkeys(("email_marketing", "similar_products_email", "surveys_reviews"), "email"),
        "sms_marketing": "phone",
        "push_marketing": "device",
    }


def test_channels_and_register_speak_of_the_same_purposes_and_categories():
    purposes = {key for contract in load_all_contracts().values() for key in contract.collected_for}
    assert purposes <= set(load_company_register())
    categories = {field.category for contract in load_all_contracts().values() for field in contract.fields.values()}
    assert {name for each in load_company_register().values() for name in each.data_categories} <= categories


def test_a_mart_holds_no_category_that_its_purpose_does_not_name():
    for key, purpose in load_company_register().items():
        for column in purpose.columns:
            word, _, name = column.source.partition(".")
            if word in {"decision", "subject"}:
                continue
            found = CATEGORY.get(name) or next(each for each, form in MEASURED.items() if re.fullmatch(form, name))
            assert found in purpose.data_categories, (key, column.name)


# Purposes with pseudonymous and with aggregate marts; the other marts identify people.
PSEUDONYMOUS = {"advertising", "fraud_prevention", "location_services", "personalisation", "profiling", "service_security"}  # fmt: skip
AGGREGATE = {"analytics", "customer_value_reporting", "product_improvement"}


def test_which_marts_name_people_and_why_is_in_the_record():
    kinds = {key: each.mart_kind for key, each in load_company_register().items()}
    assert {key for key, kind in kinds.items() if kind == "pseudonymous"} == PSEUDONYMOUS
    assert {key for key, kind in kinds.items() if kind == "aggregate"} == AGGREGATE
    record = report_processing(date(2011, 12, 9))
    forms = {each.key: each.mart for each in record.activities}
    for key, purpose in load_company_register().items():
        if purpose.mart_kind == "identified":
            assert forms[key] == f"identified people: {purpose.identified_because}"
    assert forms["profiling"] == "people under pseudonyms of this mart, in groups of at least 5"
    assert forms["analytics"] == "counts of at least 10 people, and no rows about people"
    assert html.escape(load_company_register()["payment"].identified_because) in render_record(record)


def test_every_value_of_a_mart_is_collected_for_its_purpose_by_some_channel():
    split = {"full_name": ("honorific", "first_name", "last_name"), "language": ("language_code",)}
    for key, purpose in load_company_register().items():
        parts = [
            part
            for each in load_all_contracts().values()
            if key in each.collected_for
            for part in (each.party, each.preference)
            if part
        ]
        fields = {name for part in parts for name in part.model_dump(exclude_none=True)}
        given = {each for name in fields for each in split.get(name, (name,))}
        taken = {column.source for column in purpose.columns if column.source.startswith("customer.")}
        assert taken <= {f"customer.{name}" for name in given}, key


def test_a_phone_given_for_a_delivery_or_a_call_is_none_for_sms():
    with_phone = {key: each for key, each in load_all_contracts().items() if each.party and each.party.phone}
    for_sms = {key for key, each in with_phone.items() if "sms_marketing" in each.collected_for}
    assert for_sms == {"crm_west", "crm_east", "webshop_customers"}
    assert "order_fulfilment" in with_phone["call_centre"].collected_for


def test_an_objection_ends_all_direct_marketing():
    objected = {
        purpose
        for mapping in load_all_contracts()["privacy_requests"].consents
        if "objected" in (mapping.status.map or {}).values()
        for purpose in mapping.purposes
    }
    assert {key for key, each in load_company_register().items() if each.direct_marketing} <= objected


def test_opt_out_is_for_california_and_where_its_law_says_so():
    rules = {
        key: [law for law, rule in each.jurisdictions.items() if rule == "opt_out"]
        for key, each in load_company_register().items()
    }
    assert {key: laws for key, laws in rules.items() if laws} == {
        "advertising": ["US-CA"],
        "third_party_sharing": ["US-CA"],
    }


def test_nothing_that_the_law_obliges_stands_on_a_will():
    for each in load_company_register().values():
        for name in each.requires:
            assert (each.lawful_basis, load_company_register()[name].lawful_basis) == ("consent", "contract"), each.key


def test_a_channel_that_is_collected_for_an_unknown_purpose_is_named_with_its_field():
    crm = load_all_contracts()["crm_west"]
    wrong = crm.model_copy(update={"collected_for": (*crm.collected_for, "email_marketin")})
    with pytest.raises(PolicyError, match=r"channels/crm_west/defs\.yaml: collected_for: .*'email_marketing'"):
        check_collected_for([wrong], load_company_register())
