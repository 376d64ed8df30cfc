"""Consent fails closed on spelling: a denial is read in any form, and a grant only where it is certain."""

from datetime import UTC, date, datetime
from pathlib import Path

import orjson
import polars as pl
import pytest

from cdp_pipelines import standardise
from cdp_pipelines.channels.records import read_records
from cdp_pipelines.services.declarations import load_all_contracts
from cdp_pipelines.standardise.admission import admit_records

CASES = Path(__file__).parents[4] / "shared" / "cases"
FILE = {
    "file": "f",
    "file_sha256": "x",
    "drop_date": date(2024, 7, 1),
    "ingested_at": datetime(2024, 7, 2, tzinfo=UTC),
}


@pytest.fixture(scope="module")
def contracts():
    return load_all_contracts()


@pytest.fixture(scope="module")
def cases():
    if not CASES.exists():
        pytest.skip(f"the shared cases are not on this machine: there is no {CASES}")
    return CASES


def take_in(contract, data):
    """The current rows of a file, and its refused ones."""
    records = read_records(data, contract).frame.with_columns(pl.lit(value).alias(name) for name, value in FILE.items())
    admitted = admit_records(records, contract.raw.empty(), contract)
    return standardise.select_latest(admitted.accepted.lazy(), contract), admitted.refused


def consent_events(contract, data):
    """{(subject, purpose, status)} of a file."""
    current, _ = take_in(contract, data)
    events = standardise.build_consent_event(current, contract).collect()
    assert events.select("event_id", "purpose", "status").is_unique().all()
    return {*events.select("subject_value", "purpose", "status").iter_rows()}


def account(accepts, name="w"):
    """A web shop's account whose box says `accepts`; as JSON has it."""
    record = {
        "id": name,
        "created_at": "2024-06-01T10:00:00Z",
        "email": "ann@post.example",
        "accepts_marketing": accepts,
    }
    return orjson.dumps(record)


NO = ["False", "FALSE", " false ", "0", 0, 0.0, "0.0", False, "no", "No", "N", "f", "off", "unchecked", "opt-out",
      "opted_out", "unsubscribed", "declined", "nein", "non", "n\u00e3o", "\u043d\u0435\u0442", "\u3044\u3044\u3048",
      "\uff10", "\ufefffalse", "fal\u200bse", "denied", "refused", "withdrawn", "\u2717"]  # fmt: skip
YES = ["True", "TRUE", "1", 1, 1.0, True, "yes", "Y", "t", "on", "checked", "opt-in", "ja", "oui", "s\u00ed", "sim", "tak",
       "\u0434\u0430", "\u306f\u3044", "\uff11", "\u2713"]  # fmt: skip
UNCERTAIN = ["maybe", "2", 2, "-1", "true?", "yes/no", "tru", "[object Object]", ["true"], {"value": True}, "ja nein"]
OPEN = [None, "", "  ", "null", "N/A", "-"]


@pytest.mark.parametrize("value", NO, ids=repr)
def test_no_is_a_denial(contracts, value):
    assert consent_events(contracts["webshop_customers"], account(value)) == {
        ("ann@post.example", "email_marketing", "denied")
    }


@pytest.mark.parametrize("value", YES, ids=repr)
def test_yes_is_a_grant(contracts, value):
    assert consent_events(contracts["webshop_customers"], account(value)) == {
        ("ann@post.example", "email_marketing", "granted")
    }


@pytest.mark.parametrize("value", UNCERTAIN, ids=repr)
def test_an_uncertain_answer_is_never_a_grant(contracts, value):
    """It is refused by the channel's own rule, or counts as a denial."""
    contract = contracts["webshop_customers"]
    current, refused = take_in(contract, account(value))
    statuses = standardise.build_consent_event(current, contract).collect()["status"].to_list()
    assert statuses == (["denied"] if refused.is_empty() else [])


@pytest.mark.parametrize("value", OPEN, ids=repr)
def test_an_open_answer_states_nothing(contracts, value):
    assert consent_events(contracts["webshop_customers"], account(value)) == set()


def visit(**context):
    record = {"messageId": "m", "type": "track", "anonymousId": "dev1", "timestamp": "2024-06-01T10:00:00.000Z",
              "receivedAt": "2024-06-01T10:00:01.000Z", "event": "x", "context": context}  # fmt: skip
    return orjson.dumps(record)


@pytest.mark.parametrize("value", [True, "true", "1", 1, "True", "yes", "maybe"], ids=repr)
def test_global_privacy_control_in_any_spelling_objects(contracts, value):
    plain = contracts["app_events"].model_copy(update={"compression": "none"})
    assert {(purpose, status) for _, purpose, status in consent_events(plain, visit(gpc=value))} == {
        ("advertising", "objected"),
        ("third_party_sharing", "objected"),
    }


def unsubscribe(contact, reason="STOP", list_="sms"):
    return f'id,contact,list,reason,ts\nu1,"{contact}",{list_},{reason},2024-06-01 10:00:00\n'.encode()


@pytest.mark.parametrize(("list_", "reason"), [("SMS", "stop"), (" sms", "STOP "), ("Sms", "\u200bSTOP")])
def test_listed_words_are_read_whatever_their_case_and_blanks(contracts, list_, reason):
    assert ("+12064816607", "sms_marketing", "withdrawn") in consent_events(
        contracts["unsubscribes"], unsubscribe("2064816607", reason, list_)
    )


def test_a_denial_on_several_contact_points_is_a_denial_on_each(contracts):
    found = consent_events(contracts["unsubscribes"], unsubscribe("206-481-6607 / 206-481-6608"))
    assert {(subject, status) for subject, purpose, status in found if purpose == "sms_marketing"} == {
        ("+12064816607", "withdrawn"),
        ("+12064816608", "withdrawn"),
    }


def test_a_grant_on_several_contact_points_is_certain_on_none(contracts):
    data = account(True).replace(b"ann@post.example", b"ann@post.example; ben@post.example")
    assert consent_events(contracts["webshop_customers"], data) == set()
    denied = consent_events(contracts["webshop_customers"], data.replace(b":true", b":false"))
    assert {subject for subject, _, _ in denied} == {"ann@post.example", "ben@post.example"}


def test_an_unreadable_subject_keeps_its_text(contracts):
    found = consent_events(contracts["unsubscribes"], unsubscribe("2.06E+09"))
    assert {subject for subject, _, _ in found} == {"2.06E+09"}


@pytest.mark.parametrize(
    ("text", "born"),
    [
        pytest.param("12/25/2012", date(2012, 12, 25), id="four_digits"),
        pytest.param("12/25/12", date(2012, 12, 25), id="two_digits_of_this_century"),
        pytest.param("12/25/45", date(1945, 12, 25), id="two_digits_of_the_last_century"),
        pytest.param("12/25/24", date(1924, 12, 25), id="two_digits_after_the_record"),
        pytest.param("12/25/2025", None, id="after_the_record"),
        pytest.param("12/25/1899", None, id="before_1900"),
        pytest.param("12/25/0012", None, id="of_antiquity"),
        pytest.param("02/30/1980", None, id="impossible"),
    ],
)
def test_a_child_is_never_a_century_older(contracts, text, born):
    header = "customer_no,first_name,middle_initial,last_name,date_of_birth,street,city,state,zip,email,phone,loyalty_card,created_at,privacy_notice\n"
    row = f"Q1,Kida,,Alvarez,{text},1 elm st,Bend,MA,02138,kida@post.example,,,06/01/2024 10:00 AM,2011-06\n"
    current, _ = take_in(contracts["crm_west"], (header + row).encode())
    party = standardise.build_party(current, contracts["crm_west"]).collect()
    assert party["birth_date"].to_list() == [born]
    assert party["defects"].to_list() == [[] if born else ["birth_date:unreadable"]]


@pytest.mark.parametrize("text", ["3", "3.0", "3.00", " 3", "+3", "3e0"])
def test_whole_numbers(contracts, text):
    row = f"p1,ann@post.example,Email,EN,22-07,{text},2024-06-01T10:00:00\n"
    header = "id,email,preferred_channel,language,quiet_hours,max_per_week,updated\n"
    current, _ = take_in(contracts["preferences"], (header + row).encode())
    found = standardise.build_preference(current, contracts["preferences"]).collect()
    assert found.select("max_per_week", "preferred_channel", "language_code").rows() == [(3, "email", "en")]


@pytest.mark.parametrize("currency", ["XOF", "XAF", "JPY", "KRW", "GNF", "UGX", "RWF"])
def test_currencies_without_minor_units(contracts, currency):
    order = {"id": "o", "customer": {"id": "c"}, "email": "ann@post.example", "created_at": "2024-06-01T10:00:00Z",
             "currency": currency, "total_price": 1000, "units": 1, "kind": "sale"}  # fmt: skip
    current, _ = take_in(contracts["webshop_orders"], orjson.dumps(order))
    found = standardise.build_interaction(current, contracts["webshop_orders"]).collect()
    assert found["amount_minor"].to_list() == [1000]


def test_an_amount_beyond_64_bits_is_refused(contracts):
    header = "Receipt No,Store,Date,Time,Loyalty Card,E-mail for receipt,Amount,Items\n"
    rows = "1,S01,20240601,1014,LC1,,1.9143100000101E+18,1\n2,S01,20240601,1014,LC1,,12.50,1\n3,S01,20240601,1014,LC1,,99999999999999999999,1\n"
    current, refused = take_in(contracts["pos_receipts"], (header + rows).encode())
    assert refused.select("source_record_id", "rule").rows() == [("1", "out_of_range"), ("3", "out_of_range")]
    assert standardise.build_interaction(current, contracts["pos_receipts"]).collect()["amount_minor"].to_list() == [
        1250
    ]


@pytest.mark.parametrize("text", ["0", "NULL", "null", "00000000000", "N/A", "none", " ", "0000-0000", "guest", "-"])
def test_a_placeholder_names_nobody(contracts, text):
    order = {"id": "o", "customer": {"id": text}, "email": "ann@post.example", "created_at": "2024-06-01T10:00:00Z",
             "currency": "GBP", "total_price": 10, "units": 1, "kind": "sale"}  # fmt: skip
    current, _ = take_in(contracts["webshop_orders"], orjson.dumps(order))
    assert standardise.build_party(current, contracts["webshop_orders"]).collect()["account_id"].to_list() == [None]


EXPECTED = {
    "contacts/E1_E2/unsubscribes.csv": {f"a{number}@post.example" for number in range(1, 8)},
    "contacts/E3/unsubscribes.csv": {"+12064816607", "+12064816608", "+525512345678"},
    "csv/C1/unsubscribes.csv": {"ann@post.example"},
    "consent/K1/webshop_customers.ndjson": {f"ann{number}@post.example" for number in range(5)},
}


@pytest.mark.parametrize("case", EXPECTED)
def test_each_denial_of_a_case_reaches_its_subject(cases, contracts, case):
    found = consent_events(contracts[Path(case).name.split(".")[0]], (cases / case).read_bytes())
    assert {subject for subject, _, _ in found} == EXPECTED[case]
    assert not any(status == "granted" for _, _, status in found)


def test_the_case_of_newer_gpp_sections(cases, contracts):
    found = consent_events(contracts["app_events"], (cases / "consent/K4_K5/app_events.ndjson.gz").read_bytes())
    assert {subject for subject, _, _ in found} == {"dev1", "dev2", "dev3"}
    assert {status for _, _, status in found} == {"objected"}
