"""The vocabulary: every list of words that stands elsewhere (suites, contracts, checkers) is the list of the schema."""

import pytest
import yaml

from cdp_pipelines.schema import (
    CONTACT_POINT_KINDS,
    CONTACT_POINT_STATES,
    CUSTOMER_EVENTS,
    GOLDEN_ATTRIBUTES,
    IDENTIFIER_KINDS,
    INTERACTION_TYPES,
    LAWFUL_BASES,
    LINK_IDENTIFIERS,
    PARTY,
    PREFERENCE_COLUMNS,
    PREFERRED_CHANNELS,
    PURPOSE_STATUSES,
    RECORD_KEY,
    REQUEST_KINDS,
    SUBJECT_KINDS,
    SUBJECT_STATUSES,
    TABLES,
)
from expectations.suite import SUITES
from warehouse.verify import decisions

WORDS = [
    pytest.param("standardised/interaction", "interaction_type", INTERACTION_TYPES, id="interaction_types"),
    pytest.param("standardised/privacy_request", "kind", REQUEST_KINDS, id="request_kinds"),
    pytest.param("identity/identifier", "kind", IDENTIFIER_KINDS, id="identifier_kinds"),
    pytest.param("identity/history", "event", CUSTOMER_EVENTS, id="customer_events"),
    pytest.param("golden/contact_point", "kind", CONTACT_POINT_KINDS, id="contact_point_kinds"),
    pytest.param("golden/contact_point", "state", CONTACT_POINT_STATES, id="contact_point_states"),
    pytest.param("golden/customer", "preferred_channel", PREFERRED_CHANNELS, id="preferred_channels"),
    pytest.param("golden/rectification", "attribute", (*GOLDEN_ATTRIBUTES, *PREFERENCE_COLUMNS), id="attributes"),
    pytest.param("mart/default", "lawful_basis", LAWFUL_BASES, id="lawful_bases"),
]


def value_sets(table, column):
    suite = yaml.safe_load((SUITES / f"{table}.yaml").read_text(encoding="utf-8"))
    return [
        {*each["kwargs"]["value_set"]}
        for each in suite["expectations"]
        if "value_set" in each.get("kwargs", {}) and column in {each["kwargs"].get("column"), *each.get("columns", ())}
    ]


@pytest.mark.parametrize(("table", "column", "words"), WORDS)
def test_a_suite_allows_the_words_of_the_vocabulary(table, column, words):
    assert value_sets(table, column) == [{*words}]


@pytest.mark.parametrize("table", ["standardised/consent_event", "consent/ledger"])
def test_the_suites_allow_the_statuses_of_the_vocabulary(table):
    # The ledger also holds digests of the reports that were given.
    kinds, statuses = ({"sha256"}, {"answered"}) if table == "consent/ledger" else (set(), set())
    assert value_sets(table, "subject_kind") == [{*SUBJECT_KINDS} | kinds]
    assert {*SUBJECT_STATUSES} in value_sets(table, "status")
    assert {*PURPOSE_STATUSES} | statuses in value_sets(table, "status")


def test_the_independent_checker_knows_the_same_kinds_of_identifiers():
    assert decisions.KINDS == IDENTIFIER_KINDS


def test_identifiers_are_columns_of_party_and_the_record_key_is_its_key():
    assert {*LINK_IDENTIFIERS} <= {*PARTY.schema}
    assert {*SUBJECT_KINDS} < {*IDENTIFIER_KINDS} < {*LINK_IDENTIFIERS}
    assert PARTY.key == RECORD_KEY
    assert all(
        table.schema[name] == PARTY.schema[name]
        for table in TABLES.values()
        for name in RECORD_KEY
        if name in table.schema
    )
