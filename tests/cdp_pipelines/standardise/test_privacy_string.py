"""TC strings of TCF v2 and GPP strings: published examples, round trips, and texts that are neither."""

from datetime import UTC, datetime

import pytest

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
    found = privacy_string.tcf(text)
    assert found["created"] == datetime(*updated, tzinfo=UTC)
    assert found["policy_version"] == policy
    assert found["special_features"] == set(special)
    assert found["consents"] == set(consents)
    assert found["legitimate_interests"] == set(interests)


@pytest.mark.parametrize(("text", "opt_outs"), GPP_STRINGS)
def test_gpp(text, opt_outs):
    assert privacy_string.gpp(text)["opt_outs"] == set(opt_outs)


def test_gpp_carries_a_tc_string():
    assert privacy_string.gpp(f"DBABMA~{CORE}")["tcf"] == privacy_string.tcf(CORE)
    assert privacy_string.gpp("DBABTA~1YYN")["tcf"] is None
