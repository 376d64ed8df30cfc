"""TC strings of TCF v2 and GPP strings: published examples, round trips, and texts that are neither."""

import string
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp_pipelines import standardise
from cdp_pipelines.channels.contract import load_contract
from cdp_pipelines.errors import PolicyError
from cdp_pipelines.standardise import privacy_string

CORE = "CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA"
ALL = privacy_string.OPT_OUTS

TC_STRINGS = [
    pytest.param(CORE, (2022, 4, 20, 22), 2, [], [], [], id="example_of_the_gpp_specification"),
    pytest.param(
        "COvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA.ZAAgH9794ulA",
        (2020, 2, 20, 23, 57, 39, 300_000),
        2,
        [],
        [1, 2, 3],
        [],
        id="example_of_the_tcf_specification_with_publisher_segment",
    ),
    pytest.param(
        "CLcVDxRMWfGmWAVAHCENAXCkAKDAADnAABRgA5mdfCKZuYJez-NQm0TBMYA4oCAAGQYIAAAAAAEAIAEgAA.argAC0gAAAAAAAAAAAA",
        (2008, 12, 7, 10, 4, 17, 700_000),
        2,
        [2],
        [1, 3, 9, 10],
        [3, 4, 5, 8, 9, 10],
        id="example_of_iabtcf_java_with_ranges",
    ),
]

GPP_STRINGS = [
    pytest.param(f"DBABMA~{CORE}", [], id="specification_example_1_tcfeuv2"),
    pytest.param(f"DBACNYA~{CORE}~1YNN", [], id="specification_example_2_tcfeuv2_and_uspv1"),
    pytest.param(f"DBABjw~{CORE}~1YNN", [], id="specification_example_3_a_range_of_sections"),
    pytest.param("DBABTA~1YYN", ["sale"], id="uspv1_opted_out"),
    pytest.param("DBABTA~1---", [], id="uspv1_not_applicable"),
    pytest.param("DBAA", [], id="no_section"),
    pytest.param("DBABLA~BVVVVVVVVWA", ALL, id="usnat_opted_out"),
    pytest.param("DBABzw~1YNN~BVVqAAEABCA.QA", [], id="usnat_did_not_opt_out_and_no_gpc"),
    pytest.param("DBABBg~BVqqqqpY.YA", ALL, id="usca_did_not_opt_out_but_gpc"),
    pytest.param("DBABRg~BVVVVWY", ["sale", "targeted_advertising"], id="usva_opted_out"),
    pytest.param("DBABFg~BVVVVVmA", ["sale", "targeted_advertising"], id="usut_opted_out"),
]


@pytest.mark.parametrize(("text", "updated", "policy", "special", "consents", "interests"), TC_STRINGS)
def test_tcf(text, updated, policy, special, consents, interests):
    found = privacy_string.decode_tcf(text)
    assert found["created"] == datetime(*updated, tzinfo=UTC)
    assert found["policy_version"] == policy
    assert found["special_features"] == set(special)
    assert found["consents"] == set(consents)
    assert found["legitimate_interests"] == set(interests)


@pytest.mark.parametrize(("text", "opt_outs"), GPP_STRINGS)
def test_gpp(text, opt_outs):
    assert privacy_string.decode_gpp(text)["opt_outs"] == set(opt_outs)


def test_gpp_carries_a_tc_string():
    assert privacy_string.decode_gpp(f"DBABMA~{CORE}")["tcf"] == privacy_string.decode_tcf(CORE)
    assert privacy_string.decode_gpp("DBABTA~1YYN")["tcf"] is None


def number(value, bits):
    return f"{value:0{bits}b}"


def field(ids, bits):
    return "".join("1" if place in ids else "0" for place in range(1, bits + 1))


def base64(bits, multiple=6):
    bits += "0" * (-len(bits) % multiple)
    bits += "0" * (-len(bits) % 6)
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    return "".join(alphabet[int(bits[at : at + 6], 2)] for at in range(0, len(bits), 6))


def fibonacci(value):
    weights = [1, 2]
    while weights[-1] <= value:
        weights.append(weights[-1] + weights[-2])
    word = ""
    for weight in reversed(weights[:-1]):
        word = ("1" if weight <= value else "0") + word
        value -= weight if weight <= value else 0
    return word.rstrip("0") + "1"


def ranges(pairs):
    return number(len(pairs), 12) + "".join(
        "0" + number(first, 16) if first == last else "1" + number(first, 16) + number(last, 16)
        for first, last in pairs
    )


def tc_string(consents=(), interests=(), special=(), policy=4, at=(0, 0), vendors="", restrictions=()):
    """As the specification of TCF v2 lays it out; `vendors` is a bit field, `restrictions` are ranges of vendors."""
    vendor_section = number(len(vendors), 16) + "0" + vendors
    return base64(
        number(2, 6)
        + number(at[0], 36)
        + number(at[1], 36)
        + number(31, 12)
        + number(1, 12)
        + number(1, 6)
        + number(4, 6)
        + number(13, 6)
        + number(126, 12)
        + number(policy, 6)
        + "10"
        + field(special, 12)
        + field(consents, 24)
        + field(interests, 24)
        + "0"
        + number(3, 6)
        + number(4, 6)
        + vendor_section
        + number(9, 16)
        + "1"
        + ranges([(2, 2), (5, 9)])
        + number(len(restrictions), 12)
        + "".join(number(1, 6) + number(1, 2) + ranges([pair]) for pair in restrictions),
        multiple=8,
    )


def gpp_string(sections):
    """The header and the sections by id; two consecutive ids or more are encoded as a group."""
    items, last, ids = [], 0, sorted(sections)
    while ids:
        first = end = ids.pop(0)
        while ids and ids[0] == end + 1:
            end = ids.pop(0)
        group = fibonacci(end - first) if end > first else ""
        items.append(("1" if group else "0") + fibonacci(first - last) + group)
        last = end
    header = base64(number(3, 6) + number(1, 6) + number(len(items), 12) + "".join(items))
    return "~".join([header, *(sections[key] for key in sorted(sections))])


# Of each US section: its version and notices in bits, its opt-outs, and the bits behind them.
US_SECTIONS = {
    7: (18, ("sale", "sharing", "targeted_advertising"), 36),
    8: (12, ("sale", "sharing"), 30),
    9: (12, ("sale", "targeted_advertising"), 24),
    10: (12, ("sale", "targeted_advertising"), 22),
    11: (14, ("sale", "targeted_advertising"), 24),
    12: (12, ("sale", "targeted_advertising"), 28),
    # usfl, usmt, usor, ustx, usde; usia with a fourth notice; usne, usnh, usnj, ustn, usmn
    **dict.fromkeys((13, 14, 15, 16, 17, 19, 20, 21, 22, 23), (12, ("sale", "targeted_advertising"), 30)),
    18: (14, ("sale", "targeted_advertising"), 24),
    # usmd, usin, usky, usri, which begin with two fields of the MSPA
    **dict.fromkeys((24, 25, 26, 27), (16, ("sale", "targeted_advertising"), 12)),
}


def us_section(key, values, gpc=None):
    before, names, behind = US_SECTIONS[key]
    core = base64(number(1, 6).ljust(before, "0") + "".join(number(values[name], 2) for name in names) + "0" * behind)
    return core if gpc is None else core + "." + base64("01" + number(gpc, 1))


purposes = st.frozensets(st.integers(1, 24))
instants = st.integers(0, 2**36 - 1)
vendor_pairs = st.tuples(st.integers(1, 900), st.integers(0, 90)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(
    purposes,
    purposes,
    st.frozensets(st.integers(1, 12)),
    st.integers(0, 63),
    st.tuples(instants, instants),
    st.text("01", max_size=40),
    st.lists(vendor_pairs, max_size=3),
)
def test_tcf_round_trip(consents, interests, special, policy, at, vendors, restrictions):
    text = tc_string(consents, interests, special, policy, at, vendors, restrictions)
    found = privacy_string.decode_tcf(text + ".YAAAAAAAAAA")
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    restricted = {vendor for first, last in restrictions for vendor in range(first, last + 1)}
    assert found == {
        "created": epoch + timedelta(milliseconds=100 * at[0]),
        "last_updated": epoch + timedelta(milliseconds=100 * at[1]),
        "policy_version": policy,
        "special_features": special,
        "consents": consents,
        "legitimate_interests": interests,
        "vendor_consents": {vendor for vendor, bit in enumerate(vendors, 1) if bit == "1"},
        "vendor_legitimate_interests": {2, 5, 6, 7, 8, 9},
        "restrictions": {(1, 1): restricted} if restrictions else {},
        "disclosed_vendors": None,
        "publisher": dict.fromkeys(
            ("consents", "legitimate_interests", "custom_consents", "custom_legitimate_interests"), frozenset()
        ),
        "damaged_segments": (),
        "unused_purposes": frozenset(),
    }
    # Two characters hold more than the padding: a string that is cut is none.
    assert privacy_string.decode_tcf(text[:-2]) is None


two_bits = st.fixed_dictionaries(dict.fromkeys(ALL, st.integers(0, 2)))


@given(st.dictionaries(st.sampled_from(sorted(US_SECTIONS)), st.tuples(two_bits, st.sampled_from([None, 0, 1]))))
def test_gpp_round_trip(sections):
    text = gpp_string(
        {5: "not.read", **{key: us_section(key, *each) for key, each in sections.items()}, 28: "nor this"}
    )
    chosen = {name for key, (values, _) in sections.items() for name in US_SECTIONS[key][1] if values[name] == 1}
    gpc_sections = tuple(key for key, (_, gpc) in sorted(sections.items()) if gpc)
    assert privacy_string.decode_gpp(text) == {
        "opt_outs": set(ALL) if gpc_sections else chosen,
        "chosen_opt_outs": chosen,
        "gpc_sections": gpc_sections,
        "tcf": None,
        "tcf_canada": None,
        "unread_sections": (5, 28),
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "CPX",
        CORE[:40],
        "B" + CORE[1:],
        CORE + "=",
        CORE.replace("A", "+"),
        "BOONm0NOONm0NABABAENAa-AAAARh7______b9_3__7_9uz_Kv_K7Vf7nnG072lPVA9LTOQ6gEaY",
        "DBABMA",
        f"DBABMA~{CORE}~1YNN",
    ],
)
def test_malformed(text):
    assert privacy_string.list_defects(text) == ["unreadable"]


@pytest.mark.parametrize(
    ("text", "opt_outs", "unread"),
    [
        pytest.param(f"DBABMA~{CORE[:40]}", [], [2], id="tcfeuv2_cut_short"),
        pytest.param(f"DBACNYA~{CORE}~2YNN", ["sale"], [6], id="unknown_version_of_uspv1"),
        pytest.param(f"DBACNYA~{CORE}~1YN", ["sale"], [6], id="uspv1_cut_short"),
        pytest.param("DBACNYA~CPX~1YYN", ["sale"], [2], id="a_bad_section_hides_no_other"),
        pytest.param("DBABLA~BVV", ALL, [7], id="usnat_cut_before_its_opt_outs"),
        pytest.param("DBABLA~BVVVVVVV", ALL, [], id="usnat_cut_behind_its_opt_outs"),
        pytest.param("DBABLA~CVVVAAAAAQA.YA", ALL, [], id="usnat_2_in_the_length_of_1"),
        pytest.param("DBABLA~DVVVVVVVVWA", ALL, [], id="usnat_of_a_later_version"),
        pytest.param("DBABLA~B_______8WA", ALL, [7], id="values_that_do_not_exist"),
        pytest.param("DBABLA~BVVVVVVVVWA.", ALL, [7], id="empty_gpc_segment"),
        pytest.param("DBABEw~BFUAAAQA.YA", ALL, [], id="ustx_with_gpc"),
        pytest.param("DBABAw~BFUAAABA", ["sale", "targeted_advertising"], [], id="usfl"),
    ],
)
def test_what_is_readable_counts_and_the_rest_is_listed(text, opt_outs, unread):
    found = privacy_string.decode_gpp(text)
    assert (found["opt_outs"], found["unread_sections"]) == (set(opt_outs), tuple(unread))
    assert privacy_string.list_defects(text) == [f"section_{each}" for each in unread]


def test_a_header_that_claims_billions_is_malformed_at_once():
    header = base64(number(3, 6) + number(1, 6) + number(1, 12) + "1" + fibonacci(1) + "0" * 200 + "11")
    assert privacy_string.decode_gpp(f"{header}~1YNN") is None


@given(st.one_of(st.text(), st.text(string.ascii_letters + string.digits + "-_.~", min_size=4, max_size=120)))
def test_nothing_raises(text):
    for each in (text, "C" + text, "DBABLA~B" + text, "DBACNYA~C" + text, "D" + text):
        privacy_string.list_defects(each)


SUBJECT = {"subject_kind": {"constant": "device_id"}, "subject_value": "device"}
TCF = {"from": "tcf", "purposes": {"1": ["analytics", "advertising"], "3": ["advertising"], "4": ["advertising"]}}
GPP = {"from": "gpp", "sale": ["third_party_sharing"], "targeted_advertising": ["advertising"]}
FIELDS = ("id", "at", "device", "tcf", "gpp", "expected", "gpc", "version")


def channel(*consents):
    return load_contract(
        "web",
        {
            "title": "Web",
            "owner": "team:web",
            "system": "web",
            "region": "US",
            "files": "web.csv",
            "format": "csv",
            "key": "id",
            "event_time": {"fields": ["at"], "formats": ["%Y-%m-%d"]},
            "fields": {name: {"description": name} for name in FIELDS},
            "collected_for": ["analytics"],
            "retention": "P1Y",
            "party": {"device_id": "device"},
            "consents": list(consents),
        },
        "web/defs.yaml",
    )


def current(of, **values):
    record = {"id": "1", "at": "2024-05-01", "device": "d", **values}
    shown = {**record, "source_record_id": "1", "is_duplicate": False}
    return standardise.select_latest(
        pl.LazyFrame([{name: shown.get(name) for name in of.raw.schema}], of.raw.schema), of
    )


@pytest.mark.parametrize(("device", "subject"), [("\u200b", "\u200b"), ("D-\u200b1", "D-1")])
def test_a_subject_without_a_visible_sign_is_its_own_text(device, subject):
    of = channel({**SUBJECT, "purposes": ["analytics"], "status": "gpc"})
    events = standardise.build_consent_event(current(of, device=device, gpc="denied"), of).collect()
    assert events.select("subject_value", "status").rows() == [(subject, "denied")]


WILLS = [
    pytest.param({}, {}, id="no_string"),
    pytest.param(
        {"tcf": tc_string([1, 3, 4])}, {"analytics": "granted", "advertising": "granted"}, id="all_needed_consented"
    ),
    pytest.param({"tcf": tc_string([1, 3])}, {"analytics": "granted", "advertising": "denied"}, id="one_needed_is_not"),
    pytest.param(
        {"tcf": tc_string([3, 4], [1])}, {"analytics": "denied", "advertising": "denied"}, id="interest_is_no_consent"
    ),
    pytest.param({"tcf": CORE[:40]}, {"analytics": "denied", "advertising": "denied"}, id="cut_tc_string"),
    pytest.param({"tcf": "DBABTA~1YYN"}, {}, id="gpp_string_without_tcf"),
    pytest.param(
        {"tcf": gpp_string({2: tc_string([1])})}, {"analytics": "granted", "advertising": "denied"}, id="tcf_in_gpp"
    ),
    pytest.param({"gpp": "DBABTA~1YYN"}, {"third_party_sharing": "objected"}, id="sale"),
    pytest.param({"gpp": "DBABTA~1YNN"}, {}, id="did_not_opt_out"),
    pytest.param(
        {"gpp": "DBABBg~BVqqqqpY.YA"},
        {"third_party_sharing": "objected", "advertising": "objected"},
        id="global_privacy_control",
    ),
    pytest.param({"gpp": "nonsense"}, {"third_party_sharing": "objected", "advertising": "objected"}, id="nonsense"),
    *(
        pytest.param({name: text}, {}, id=f"{name}_{text or 'empty'}")
        for name in ("tcf", "gpp")
        for text in ("", " ", "null", "N/A", "-")
    ),
]


@pytest.mark.parametrize(("values", "expected"), WILLS)
def test_consent_event(values, expected):
    of = channel({**SUBJECT, "tcf": TCF}, {**SUBJECT, "gpp": GPP})
    found = standardise.build_consent_event(current(of, **values), of).collect()
    assert dict(found.select("purpose", "status").rows()) == expected
    assert found.height == len(expected)
    assert set(found["event_at"]) <= {datetime(2024, 5, 1, tzinfo=UTC)}
    assert found["notice_version"].null_count() == found.height


@pytest.mark.parametrize(
    ("mapped", "expected"),
    [
        pytest.param({"tcf": {**TCF, "notices": {"4": "n4"}}}, "n4", id="of_the_policy_version"),
        pytest.param({"tcf": {**TCF, "notices": {"5": "n5"}}}, None, id="of_another_policy_version"),
        pytest.param({"tcf": {**TCF, "notices": {"4": "n4"}}, "notice_version": "version"}, "v1", id="of_the_record"),
    ],
)
def test_notice_of_a_tcf_grant(mapped, expected):
    of = channel({**SUBJECT, **mapped})
    found = standardise.build_consent_event(current(of, tcf=tc_string([1]), version="v1"), of).collect()
    assert set(found["notice_version"]) == {expected}


def test_a_repeated_choice_counts_once():
    objects = {**SUBJECT, "purposes": ["advertising"], "status": {"from": "gpc", "map": {"true": "objected"}}}
    of = channel({**objects, "method": {"constant": "first"}}, {**SUBJECT, "gpp": GPP})
    found = standardise.build_consent_event(current(of, gpc="true", gpp="DBABBg~BVqqqqpY.YA"), of).collect()
    assert found.sort("purpose").select("purpose", "method").rows() == [
        ("advertising", "first"),
        ("third_party_sharing", None),
    ]


@pytest.mark.parametrize(
    ("values", "defects"),
    [
        pytest.param({}, [], id="absent"),
        pytest.param({"tcf": tc_string([1]), "gpp": "DBABTA~1YYN"}, [], id="sound"),
        pytest.param({"tcf": CORE[:40], "gpp": "DBABTA"}, ["tcf:unreadable", "gpp:unreadable"], id="unreadable"),
    ],
)
def test_an_unreadable_string_is_a_defect(values, defects):
    of = channel({**SUBJECT, "tcf": TCF}, {**SUBJECT, "gpp": GPP})
    assert standardise.build_party(current(of, **values), of).collect()["defects"].to_list() == [defects]


@pytest.mark.parametrize(
    ("consent", "message"),
    [
        pytest.param({"tcf": TCF, "gpp": GPP}, "needs one of purposes, purpose, tcf and gpp", id="two_ways"),
        pytest.param({"purposes": ["p"]}, "needs status with purposes or purpose", id="no_status"),
        pytest.param({"tcf": TCF, "status": "given"}, "and none with tcf or gpp", id="status_beside_a_string"),
        pytest.param({"tcf": {**TCF, "from": "nope"}}, "names field 'nope'", id="undeclared_field"),
        pytest.param({"tcf": {"from": "tcf", "purposes": {"25": ["p"]}}}, "25", id="no_such_tcf_purpose"),
        pytest.param({"gpp": {"from": "gpp"}}, "needs a purpose under sale, sharing", id="gpp_without_purpose"),
    ],
)
def test_broken_contract(consent, message):
    with pytest.raises(PolicyError, match=message):
        channel({**SUBJECT, **consent})
