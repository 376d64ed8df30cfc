"""Every column leads back to raw fields, over declared columns alone, as another graph library finds it too."""

from dataclasses import replace
from datetime import UTC, datetime

import networkx as nx
import polars as pl
import pytest

from cdp_pipelines.identity.policy import Compared
from cdp_pipelines.lineage import STOPS, LineageError, build_column_graph, build_purpose_graph, list_tables
from cdp_pipelines.marts.mart import build_mart_table
from cdp_pipelines.marts.measures import compute_measures
from cdp_pipelines.schema import CUSTOMER, INTERACTION, LINK, LINK_IDENTIFIERS, TABLES, Column, Table
from cdp_pipelines.schema.mart import AGGREGATE_LIFECYCLE, MEASURES, TYPES
from cdp_pipelines.services.declarations import load_all_contracts, load_company_register

MARTS = {key: each for key, each in load_company_register().items() if each.columns}
# Columns that derive from nothing that anybody delivered: numbers in sequence, digests and seals, what a clerk, the
# register, a file's name or the night says, and constants of the mapping.
MADE = {
    "identity/review.is_same",
    "identity/review.decided_by",
    "identity/review.decided_at",
    "identity/history.occurred_at",
    "golden/provenance.attribute",
    "golden/provenance.attribute_group",
    "golden/rectification.rectification_number",
    "golden/rectification.attribute",
    "golden/rectification.withdraws_number",
    "golden/rectification.rectified_by",
    "golden/rectification.reason",
    "golden/rectification.rectified_at",
    "consent/decision.purpose",
    "consent/decision.lawful_basis",
    "consent/decision.purpose_version",
    "consent/decision.valid_to",
    "consent/resolution.resolution_number",
    "consent/resolution.subject_kind",
    "consent/resolution.resolved_by",
    "consent/resolution.reason",
    "consent/resolution.resolved_at",
    "consent/seal.seal_number",
    "consent/seal.merkle_root",
    "consent/seal.previous_head",
    "consent/seal.head",
    "consent/seal.signature",
    "consent/seal.public_key",
    "consent/seal.leaf_hashes",
    "audit/run.as_of",
    "audit/version.table_name",
    "audit/version.delta_version",
    "audit/version.row_count",
    "audit/version.code_version",
    "audit/retention.table",
    "audit/retention.field",
    "audit/retention.rule",
    "audit/retention.retention",
    "audit/retention.hold",
    "audit/retention.ended_date",
    "audit/retention.removed_count",
    "audit/membership.valid_to",
    "audit/correction.recipient",
    "audit/correction.change",
    "audit/correction.columns",
    "identity/frequency.field",
    "identity/model.field",
    "identity/model.level",
    "identity/model.origin",
    "identity/model.configuration_digest",
    "identity/model.table_versions",
}


def test_every_column_of_every_table_names_its_sources_or_is_made():
    for table in list_tables(load_all_contracts(), load_company_register().values()).values():
        if table.name.split("/")[0] in {"raw", "quarantine"} or table.name == "audit/file":
            continue
        without = {f"{table.name}.{each.name}" for each in table.columns if not each.sources}
        if table.name.startswith("standardised/"):
            without = {name for name in without if not name.endswith((".channel", ".country_code", ".jurisdiction"))}
        assert without <= MADE, table.name


def test_every_source_is_a_column_of_a_table():
    tables = list_tables(load_all_contracts(), load_company_register().values())
    columns = {f"{table.name}.{each.name}" for table in tables.values() for each in table.columns}
    for table in tables.values():
        for each in table.columns:
            assert set(each.sources) <= columns, (table.name, each.name)


def test_what_identity_compares_is_what_links_derive_from():
    compared = {f"standardised/party.{name}" for name in (*Compared.__args__, *LINK_IDENTIFIERS)}
    for column in LINK.columns[4:]:
        assert compared <= {*column.sources}, column.name


@pytest.mark.parametrize("key", MARTS)
def test_paths_end_where_another_graph_library_says_that_they_do(key):
    graph = build_purpose_graph(MARTS[key], load_all_contracts())
    other = nx.DiGraph()
    for column, sources in graph.sources.items():
        other.add_node(column)
        # What is exempt is not walked through.
        other.add_edges_from((column, source) for source, _ in sources if column not in STOPS)
    for column in build_mart_table(MARTS[key]).schema:
        name = f"mart/{key}.{column}"
        expected = {each for each in nx.descendants(other, name) if each in graph.raw or each in STOPS}
        paths = graph.find_paths(name, STOPS)
        assert {path.end for path in paths} == expected
        for path in paths:
            assert path.columns[0] == name
            assert nx.is_path(other, path.columns)
            assert len(path.columns) == nx.shortest_path_length(other, name, path.end) + 1
        # The register says the basis, and some channels' mapping the country.
        assert paths or column in {"lawful_basis", "country_code"}


def test_a_mart_is_of_channels_that_may_serve_it():
    paths = build_purpose_graph(MARTS["sms_marketing"], load_all_contracts()).find_paths(
        "mart/sms_marketing.phone", STOPS
    )
    assert {path.end for path in paths} == {
        "raw/crm_west.phone",
        "raw/crm_east.telefon",
        "raw/webshop_customers.phone",
        "raw/consent_receipts.subject_type",
        "raw/consent_receipts.subject_value",
    }
    # Where no purpose is asked for, any channel may be its source.
    anyhow = {
        path.end
        for path in build_column_graph(load_all_contracts(), MARTS.values()).find_paths(
            "mart/sms_marketing.phone", STOPS
        )
    }
    assert "raw/call_centre.caller_number" in anyhow


def test_a_measure_is_of_interactions_of_its_type():
    fraud = build_purpose_graph(MARTS["fraud_prevention"], load_all_contracts())
    named = {column.source: column.name for column in MARTS["fraud_prevention"].columns}
    for measure, expected in {
        "measure.order_count": ("raw/webshop_orders", "purchase"),
        "measure.event_count": ("raw/app_events", "behaviour"),
    }.items():
        paths = fraud.find_paths(f"mart/fraud_prevention.{named[measure]}", STOPS)
        assert {(path.end.split(".")[0], path.category) for path in paths} == {expected}


@pytest.mark.parametrize("name", TYPES)
def test_the_type_of_a_measure_is_the_one_that_changes_it(name):
    """Not by what is declared: one interaction of each type is added to nothing, and the measure looked at."""
    at = datetime(2024, 1, 1, tzinfo=UTC)
    crosswalk = pl.LazyFrame({"channel": ["c"], "source_record_id": ["1"], "customer_id": ["x"], "is_profiled": [True]})

    def measured(type_):
        row = {
            **dict.fromkeys(INTERACTION.schema),
            "channel": "c",
            "source_record_id": "1",
            "interaction_type": type_,
            "occurred_at": at,
            "amount_minor": 7,
            "currency_code": "EUR",
        }
        frame = pl.LazyFrame([row], schema=INTERACTION.schema)
        found = compute_measures(frame, crosswalk, ["c"], at, datetime(2024, 1, 2, tzinfo=UTC)).collect()
        return found[name].item()

    nothing = measured("warranty")
    changed = {
        type_
        for type_ in ("order", "refund", "receipt", "event", "call", "post", "survey", "reading", "visit")
        if measured(type_) != nothing
    }
    assert changed == {TYPES[name]}
    assert {*TYPES} == {*MEASURES.schema} - {"customer_id"}


def test_a_source_that_no_table_has_is_refused_with_the_way_to_it():
    column = Column("id", pl.String(), "Id", sources=("golden/customer.shoe_size",))
    odd = Table("mart/odd", "Odd", ("id",), (column,), AGGREGATE_LIFECYCLE)
    with pytest.raises(LineageError, match=r"mart/odd.id <- golden/customer.shoe_size: there is no such column"):
        build_column_graph(load_all_contracts()).with_table(odd).find_paths("mart/odd.id")


def test_a_record_in_the_whole_is_of_no_category_that_a_purpose_could_name():
    whole = replace(CUSTOMER.columns[0], name="whole", sources=("raw/crm_west.record",))
    graph = build_column_graph(load_all_contracts()).with_table(replace(CUSTOMER, columns=(*CUSTOMER.columns, whole)))
    (path,) = graph.find_paths("golden/customer.whole")
    assert str(path) == "golden/customer.whole <- raw/crm_west.record [whole_record]"
    assert not any("whole_record" in each.data_categories for each in load_company_register().values())


def test_a_field_of_which_two_categories_are_taken_is_told_with_both():
    both = replace(CUSTOMER.columns[0], name="both", sources=("standardised/party.email", f"{INTERACTION.name}.detail"))
    graph = build_column_graph(load_all_contracts()).with_table(replace(CUSTOMER, columns=(*CUSTOMER.columns, both)))
    categories = {
        path.category for path in graph.find_paths("golden/customer.both") if path.end == "raw/call_centre.notes"
    }
    assert categories == {"contact", "free_text"}


@pytest.mark.parametrize(
    ("channel", "types"),
    [
        pytest.param("webshop_orders", {"order", "refund"}, id="by_a_map"),
        pytest.param("pos_receipts", {"receipt", "refund"}, id="a_negative_receipt_is_a_refund"),
        pytest.param("beacons", {"visit"}, id="a_constant"),
    ],
)
def test_what_a_channel_may_tell(channel, types):
    every = ("order", "refund", "receipt", "event", "call", "post", "survey", "reading", "visit", "warranty")
    assert {each for each in every if load_all_contracts()[channel].interaction.can_be(each)} == types


def test_the_graph_covers_every_declared_table():
    graph = build_column_graph(load_all_contracts(), MARTS.values())
    names = {name.rpartition(".")[0] for name in graph.sources}
    assert names == {*TABLES} | {f"mart/{key}" for key in MARTS}
