"""What TC strings state about purposes that name a vendor, and where Global Privacy Control counts.

The strings are written out; `tests/compare_privacy_strings.py` compares the decoders with those of IAB Tech Lab.
"""

import polars as pl
import pytest

from cdp_pipelines import standardise
from cdp_pipelines.channels.consent_mapping import TcfMapping
from cdp_pipelines.errors import PolicyError
from cdp_pipelines.standardise import gpc, privacy_string
from tests.cdp_pipelines.standardise.test_privacy_string import (
    SUBJECT,
    base64,
    channel,
    current,
    fibonacci,
    field,
    gpp_string,
    number,
    ranges,
    us_section,
)


def core(consents=(), interests=(), vendors=(), vendor_interests=(), restrictions=(), version=2):
    """The core segment; `restrictions`: (purpose, type, ranges of vendors). Vendors are bit fields."""

    def bit_field(ids):
        return number(max(ids, default=0), 16) + "0" + field(ids, max(ids, default=0))

    is_eu = version == 2
    return base64(
        number(version, 6)
        + "0" * (36 + 36 + 12 + 12 + 6 + 12 + 12)
        + number(4, 6)
        + ("10" if is_eu else "0")
        + "0" * 12
        + field(consents, 24)
        + field(interests, 24)
        + ("0" * 13 if is_eu else "")
        + bit_field(vendors)
        + bit_field(vendor_interests)
        + number(len(restrictions), 12)
        + "".join(number(purpose, 6) + number(kind, 2) + ranges(pairs) for purpose, kind, pairs in restrictions),
        multiple=8,
    )


def disclosed(*pairs):
    return base64("001" + number(max(last for _, last in pairs), 16) + "1" + ranges(pairs), multiple=8)


def publisher(consents=(), interests=(), custom="", custom_interests=""):
    return base64(
        "011" + field(consents, 24) + field(interests, 24) + number(len(custom), 6) + custom + custom_interests
    )


TCF = {
    "from": "tcf",
    "purposes": {"1": ["advertising"], "3": ["advertising"]},
    "legitimate_interests": {"7": ["fraud_prevention"]},
    "vendors": {"755": ["advertising", "fraud_prevention"]},
}
ALL_BITS = {"consents": (1, 3), "interests": (7,), "vendors": (12, 755), "vendor_interests": (755,)}
WHOLE = core(**ALL_BITS)
GRANTED = {"advertising": "granted"}
REFUSED = {"advertising": "denied", "fraud_prevention": "objected"}


# Strings that every decoder must read alike, and what they state.
VENDOR_CASES = [
    pytest.param(WHOLE, GRANTED, id="all_bits"),
    pytest.param(core(**{**ALL_BITS, "vendors": (12, 754)}), {"advertising": "denied"}, id="another_vendor"),
    pytest.param(
        core(**{**ALL_BITS, "vendor_interests": (754,)}),
        GRANTED | {"fraud_prevention": "objected"},
        id="interest_of_another_vendor",
    ),
    pytest.param(f"{WHOLE}.{disclosed((700, 800))}", GRANTED, id="disclosed"),
    pytest.param(f"{WHOLE}.{disclosed((1, 754))}", REFUSED, id="not_disclosed"),
    pytest.param(core(**ALL_BITS, restrictions=[(3, 0, [(755, 755)])]), {"advertising": "denied"}, id="not_allowed"),
    pytest.param(core(**ALL_BITS, restrictions=[(3, 1, [(755, 755)])]), GRANTED, id="consent_required"),
    pytest.param(
        core(**ALL_BITS, restrictions=[(7, 1, [(700, 900)])]),
        GRANTED | {"fraud_prevention": "objected"},
        id="consent_required_for_an_interest",
    ),
    pytest.param(core(**ALL_BITS, restrictions=[(3, 0, [(1, 754), (756, 756)])]), GRANTED, id="of_other_vendors"),
    pytest.param(gpp_string({2: WHOLE}), GRANTED, id="within_gpp"),
    pytest.param(WHOLE[:40], REFUSED, id="cut_before_its_vendors"),
]


def statements(mapping, text):
    of = channel({**SUBJECT, "tcf": mapping})
    rows = standardise.build_consent_event(current(of, tcf=text), of).collect().select("purpose", "status").rows()
    assert len(rows) == len(dict(rows))
    return dict(rows)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *VENDOR_CASES,
        pytest.param(core(**{**ALL_BITS, "consents": (1,)}), {"advertising": "denied"}, id="one_purpose_is_missing"),
        pytest.param(
            core(**{**ALL_BITS, "interests": ()}), GRANTED | {"fraud_prevention": "objected"}, id="no_transparency"
        ),
        pytest.param(f"{WHOLE}.{disclosed((700, 800))[:-3]}", REFUSED, id="disclosed_vendors_cut_short"),
        pytest.param(f"{WHOLE}.", REFUSED, id="empty_segment"),
        pytest.param(f"{WHOLE}.*", REFUSED, id="segment_of_other_letters"),
        pytest.param(f"{WHOLE}.{base64('100' + '0' * 40)}", REFUSED, id="segment_of_an_unknown_type"),
        pytest.param(f"{WHOLE}.{disclosed((700, 800))}.{disclosed((1, 9))}", REFUSED, id="segment_twice"),
        pytest.param(f"{WHOLE}.{publisher()[:-2]}", REFUSED, id="publisher_segment_cut_short"),
        pytest.param(f"{WHOLE}.{publisher()}", GRANTED, id="publisher_segment_of_no_consent"),
        pytest.param(
            core(**ALL_BITS, restrictions=[(3, 2, [(700, 900)])]), {"advertising": "denied"}, id="interest_required"
        ),
        pytest.param(
            core(**ALL_BITS, restrictions=[(3, 3, [(755, 755)])]), {"advertising": "denied"}, id="undefined_type"
        ),
        pytest.param(core(**ALL_BITS, restrictions=[(2, 0, [(755, 755)])]), GRANTED, id="of_another_purpose"),
        pytest.param(
            core(**ALL_BITS, restrictions=[(7, 1, [(755, 755)])]),
            GRANTED | {"fraud_prevention": "objected"},
            id="consent_required_for_an_interest",
        ),
        pytest.param(core(**ALL_BITS, restrictions=[(7, 2, [(755, 755)])]), GRANTED, id="interest_required_for_it"),
        pytest.param(WHOLE[:-4], REFUSED, id="core_cut_short"),
        pytest.param(gpp_string({2: f"{WHOLE}.*"}), REFUSED, id="damaged_within_gpp"),
        pytest.param(gpp_string({2: WHOLE, 5: core(**ALL_BITS, version=1)}), GRANTED, id="two_regions"),
        pytest.param(gpp_string({2: WHOLE, 5: core(version=1)}), REFUSED, id="two_regions_of_which_one_refuses"),
        pytest.param(gpp_string({2: WHOLE, 5: "B"}), REFUSED, id="two_regions_of_which_one_is_unreadable"),
        pytest.param(gpp_string({5: core(**{**ALL_BITS, "consents": (3,)}, version=1)}), GRANTED, id="canada_has_no_1"),
        pytest.param(
            gpp_string({5: core(interests=(3, 7), vendor_interests=(755,), version=1)}),
            {"advertising": "denied"},
            id="implied_consent_is_not_consent",
        ),
        pytest.param(
            gpp_string({5: core(consents=(3, 7), vendors=(755,), version=1)}), GRANTED, id="express_consent_is_implied"
        ),
    ],
)
def test_purposes_of_a_vendor(text, expected):
    assert statements(TCF, text) == expected


PUBLISHER = {
    "from": "tcf",
    "publisher_purposes": {"2": ["advertising"]},
    "publisher_custom_purposes": {"3": ["analytics"]},
    "publisher_legitimate_interests": {"9": ["audience"]},
}


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        pytest.param(
            "." + publisher((2,), (9,), "001", "000"), {"advertising": "granted", "analytics": "granted"}, id="all"
        ),
        pytest.param(
            "." + publisher((1,), (8,), "110", "001"),
            {"advertising": "denied", "analytics": "denied", "audience": "objected"},
            id="others",
        ),
        pytest.param("", {"advertising": "denied", "analytics": "denied", "audience": "objected"}, id="no_segment"),
    ],
)
def test_purposes_of_the_publisher(segment, expected):
    everything = tuple(range(1, 25))
    assert statements(PUBLISHER, core(everything, everything) + segment) == expected


def test_two_vendors_of_a_purpose_are_both_needed():
    both = {**TCF, "vendors": {"12": ["advertising"], "13": ["advertising"]}}
    assert statements(both, core(consents=(1, 3), interests=(7,), vendors=(12, 13))) == GRANTED
    assert statements(both, core(consents=(1, 3), interests=(7,), vendors=(12,))) == {"advertising": "denied"}


def test_canadian_ranges_in_fibonacci_numbers():
    vendors = number(900, 16) + "1" + number(2, 12) + "0" + fibonacci(12) + "1" + fibonacci(688) + fibonacci(200)
    text = base64(
        number(1, 6)
        + "0" * (36 + 36 + 12 + 12 + 6 + 12 + 12)
        + number(4, 6)
        + "0" * 13
        + field((3,), 24)
        + field((), 24)
        + vendors
        + number(0, 17)
        + number(1, 12)
        + number(3, 6)
        + number(0, 2)
        + vendors,
        multiple=8,
    )
    found = privacy_string.decode_gpp(gpp_string({5: text}))["tcf_canada"]
    assert found["vendor_consents"] == {12, *range(700, 901)}
    assert found["restrictions"] == {(3, 0): {12, *range(700, 901)}}


def test_a_vendor_beyond_the_greatest_id_has_no_consent():
    bits = "0" * (36 + 36 + 12 + 12 + 6 + 12 + 12) + number(4, 6) + "10" + "0" * 12 + field((1, 3), 24) + "0" * 37
    text = base64(number(2, 6) + bits + number(700, 16) + "1" + ranges([(1, 65535)]) + number(0, 17) + number(0, 12))
    assert privacy_string.decode_tcf(text)["vendor_consents"] == set(range(1, 701))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        pytest.param({"vendors": {"755": ["analytics"]}}, "vendors names analytics", id="vendor_of_an_unknown_purpose"),
        pytest.param({"vendors": {"0": ["advertising"]}}, "vendors", id="no_such_vendor"),
        pytest.param({"legitimate_interests": {"2": ["advertising"]}}, "not both", id="two_bases"),
        pytest.param(
            {"purposes": {}, "legitimate_interests": {}, "vendors": {}}, "needs a purpose under", id="nothing"
        ),
    ],
)
def test_broken_declaration(changed, message):
    with pytest.raises(PolicyError, match=message):
        channel({**SUBJECT, "tcf": {**TCF, **changed}})


def test_only_purposes_on_consent_can_be_granted():
    assert TcfMapping.model_validate(TCF).needs.keys() == {"advertising"}
    of = channel({**SUBJECT, "tcf": {**TCF, "notices": {"4": "n4"}}})
    assert [of.can_grant(purpose) for purpose in ("advertising", "fraud_prevention")] == [True, False]


@pytest.mark.parametrize(
    ("text", "defects"),
    [
        pytest.param(f"{WHOLE}.{publisher()}.*", ["segment_3"], id="of_a_tc_string"),
        pytest.param(
            gpp_string({2: f"{WHOLE}.*", 5: "B", 7: "B"}), ["section_2", "section_5", "section_7"], id="of_gpp"
        ),
        pytest.param(gpp_string({5: core(version=1)}), [], id="sound_canadian_section"),
    ],
)
def test_defects(text, defects):
    assert privacy_string.list_defects(text) == defects


@pytest.mark.parametrize(
    ("section", "has_gpc", "is_whole"),
    [
        pytest.param(
            us_section(26, dict.fromkeys(("sale", "targeted_advertising"), 2)) + ".YAA", False, True, id="sensitive"
        ),
        pytest.param(us_section(9, dict.fromkeys(("sale", "targeted_advertising"), 2)) + ".Y", True, True, id="gpc"),
        pytest.param(
            us_section(9, dict.fromkeys(("sale", "targeted_advertising"), 2)) + ".*", True, False, id="damaged"
        ),
        pytest.param(
            us_section(9, dict.fromkeys(("sale", "targeted_advertising"), 2)) + ".g", False, False, id="other_type"
        ),
    ],
)
def test_later_subsections(section, has_gpc, is_whole):
    key = 26 if section.endswith("YAA") else 9
    found = privacy_string.decode_gpp(gpp_string({key: section}))
    assert (bool(found["gpc_sections"]), not found["unread_sections"]) == (has_gpc, is_whole)


HONOURING = ("US-CA", "US-CO", "US-CT", "US-TX", "US-MT", "US-OR", "US-DE", "US-NJ", "US-NH", "US-MN", "US-MD", "US-NE")


@pytest.mark.parametrize(
    ("place", "honoured_in", "expected"),
    [
        *((place, HONOURING, gpc.HONOURED) for place in ("US-CA", "us_ca", " US - TX", "CA", "ne", "US")),
        *((place, HONOURING, gpc.ELSEWHERE) for place in ("US-VA", "VA", "EU", "UK", "DE-BY", "FR", "WA")),
        *((place, HONOURING, gpc.UNKNOWN) for place in ("California", "US-ZZ", "", "?", "Virginia", "ZZ", "12")),
        ("UK", ("GB",), gpc.HONOURED),
        ("GB-SCT", ("UK",), gpc.HONOURED),
        ("FR", ("EU",), gpc.HONOURED),
        ("NO", ("EU",), gpc.HONOURED),
        ("CH", ("EU",), gpc.ELSEWHERE),
        ("UK", ("EU",), gpc.ELSEWHERE),
        ("Atlantis", ("EU",), gpc.UNKNOWN),
        ("EU", ("FR",), gpc.HONOURED),
        ("EU", ("UK", "US-CA"), gpc.ELSEWHERE),
        ("EU", ("EU",), gpc.HONOURED),
        ("US-VA", ("EU",), gpc.ELSEWHERE),
        ("US", ("EU",), gpc.ELSEWHERE),
    ],
)
def test_places(place, honoured_in, expected):
    assert gpc.judge_place(place, honoured_in) == expected


def section_with_gpc(key):
    return us_section(key, dict.fromkeys(privacy_string.OPT_OUTS, 2), gpc=1)


FLAG = {"purposes": ["advertising"], "status": {"from": "gpc", "map": {"true": "objected"}}}
GPP = {"gpp": {"from": "gpp", "sale": ["advertising"]}}
ALL_PLACES = (None, "US-CA", "US-VA", "California")


@pytest.mark.parametrize(
    ("mapping", "values", "counting"),
    [
        pytest.param(FLAG, {"gpc": "true"}, (None, "US-CA", "California"), id="flag"),
        pytest.param(FLAG, {"gpc": "what?"}, (None, "US-CA", "California"), id="unreadable_flag"),
        pytest.param(FLAG, {"gpc": "false"}, (), id="no_flag"),
        pytest.param(GPP, {"gpp": gpp_string({7: section_with_gpc(7)})}, (None, "US-CA", "California"), id="national"),
        pytest.param(
            GPP, {"gpp": gpp_string({8: section_with_gpc(8)})}, ALL_PLACES, id="section_of_an_honouring_state"
        ),
        pytest.param(GPP, {"gpp": gpp_string({9: section_with_gpc(9)})}, ("US-CA",), id="section_of_another_state"),
        pytest.param(
            GPP,
            {"gpp": gpp_string({9: us_section(9, {"sale": 1, "targeted_advertising": 1}, gpc=1)})},
            ALL_PLACES,
            id="a_choice_beside_it",
        ),
    ],
)
def test_global_privacy_control_by_jurisdiction(mapping, values, counting):
    declared = {**SUBJECT, **mapping, "jurisdiction": "expected"}
    everywhere, some = channel(declared), channel({**declared, "gpc_honoured_in": list(HONOURING)})
    for place in ALL_PLACES:
        for of, counts in ((everywhere, bool(counting)), (some, place in counting)):
            found = standardise.build_consent_event(current(of, **values, expected=place), of).collect()
            assert found["status"].to_list() == ["objected"] * counts, place


def test_without_a_jurisdiction_global_privacy_control_counts():
    of = channel({**SUBJECT, **FLAG, "gpc_honoured_in": list(HONOURING)})
    found = standardise.build_consent_event(current(of, gpc="true"), of).collect()
    assert found["status"].to_list() == ["objected"]


@pytest.mark.parametrize(
    "mapping",
    [
        pytest.param({"purposes": ["p"], "status": {"constant": "granted"}}, id="grant"),
        pytest.param(
            {"purposes": ["p"], "status": {"from": "gpc", "map": {"true": "objected", "false": "granted"}}}, id="both"
        ),
        pytest.param({"purposes": ["p"], "status": "gpc"}, id="any_status"),
        pytest.param({"tcf": TCF}, id="tc_string"),
    ],
)
def test_only_objections_depend_on_the_jurisdiction(mapping):
    with pytest.raises(PolicyError, match="gpc_honoured_in needs gpp, or a status that can only be objected"):
        channel({**SUBJECT, **mapping, "gpc_honoured_in": ["US-CA"]})


def test_a_source_field_named_gpc_stays_readable():
    of = channel({**SUBJECT, **GPP, "method": "gpc", "gpc_honoured_in": ["US-CA"]})
    found = standardise.build_consent_event(current(of, gpc="browser", gpp="DBABTA~1YYN"), of).collect()
    assert found.select(pl.col("method"), pl.col("status")).rows() == [("browser", "objected")]
