"""A mart that derives from what its purpose does not permit is refused, with the path on which the data comes."""

from dataclasses import replace

import polars as pl
import pytest

from cdp_pipelines.errors import PolicyError
from cdp_pipelines.lineage import (
    EXEMPTIONS,
    STOPS,
    build_purpose_graph,
    check_all_minimised,
    check_minimised,
    graph,
    minimise,
)
from cdp_pipelines.marts.mart import build_mart_table
from cdp_pipelines.purposes.mart_terms import COLUMN_SOURCES, MartColumn
from cdp_pipelines.schema import CONFLICT, CUSTOMER, TABLES, Column
from cdp_pipelines.schema.mart import AGGREGATE_LIFECYCLE, MEASURES
from cdp_pipelines.services.declarations import load_all_contracts, load_company_register

FILE = "purposes/x/defs.yaml"


def with_column(table, *columns):
    return replace(table, columns=(*table.columns, *columns))


@pytest.fixture
def planted(monkeypatch):
    """Tables with derived columns that somebody might think harmless."""
    score = Column(
        "score", pl.Float64(), "A score", sources=("measures/of_orders.total", "golden/customer.language_code")
    )
    hashed = Column("email_sha256", pl.String(), "A hash", is_personal=True, sources=("golden/customer.email",))
    joined = Column("area", pl.String(), "Average of an area", sources=("golden/area.average",))
    area = replace(
        CUSTOMER,
        name="golden/area",
        key=(),
        lifecycle=CONFLICT.lifecycle,
        columns=(
            Column(
                "average",
                pl.Float64(),
                "What people of one postal code spend",
                sources=("standardised/party.postal_code", "standardised/interaction.amount_minor"),
            ),
        ),
    )
    of_orders = replace(
        MEASURES,
        name="measures/of_orders",
        columns=(Column("total", pl.Int64(), "Sum", sources=("standardised/interaction.amount_minor",)),),
    )
    customer = with_column(CUSTOMER, score, hashed, joined)
    monkeypatch.setitem(COLUMN_SOURCES, "customer", customer)
    for table in (customer, area, of_orders):
        monkeypatch.setitem(TABLES, table.name, table)


CASES = [
    pytest.param(
        "postal_marketing",
        {"name": "visitor", "source": "customer.email_sha256"},
        "contact",
        "mart/postal_marketing.visitor <- golden/customer.email_sha256 <- golden/customer.email <- "
        "standardised/party.email <- raw/app_events.traits_email [contact]",
        id="through_a_hash",
    ),
    pytest.param(
        "email_marketing", {"name": "affinity", "source": "customer.score"}, "purchase", None, id="through_a_score"
    ),
    pytest.param(
        "life_threatening_alert", {"name": "area", "source": "customer.area"}, "address", None, id="through_a_join"
    ),
    pytest.param(
        "loyalty_programme",
        {"name": "segment", "source": "customer.postal_code"},
        "address",
        None,
        id="through_another_name",
    ),
    pytest.param(
        "postal_marketing", {"name": "buys", "source": "measure.order_count"}, "purchase", None, id="through_a_count"
    ),
    pytest.param(
        "postal_marketing",
        {"name": "reached_on", "source": "decision.contact_point"},
        "contact",
        None,
        id="a_contact_point_of_a_decision_is_no_exception",
    ),
]


def found(purpose):
    """Problems of a purpose, if any."""
    try:
        check_minimised(purpose, load_all_contracts(), FILE)
    except PolicyError as error:
        return error.problems
    return ()


def asked(key, column, **changed):
    purpose = load_company_register()[key]
    return purpose.model_copy(update={"columns": (*purpose.columns, MartColumn(**column)), **changed})


# Purposes for whose channels the category cannot even come are widened by a channel that has it.
def everything_for(key):
    return {
        name: each.model_copy(update={"collected_for": (*each.collected_for, key)})
        for name, each in load_all_contracts().items()
    }


@pytest.mark.parametrize(("key", "column", "category", "path"), CASES)
def test_refused(planted, key, column, category, path):
    with pytest.raises(PolicyError) as raised:
        check_minimised(asked(key, column), everything_for(key), FILE)
    problems = [problem for field, problem in raised.value.problems if problem.startswith(column["name"] + " ")]
    of_category = [
        each for each in problems if each.startswith(f"{column['name']} derives from {category}; data_categories")
    ]
    assert len(of_category) == 1
    assert str(raised.value).startswith(f"{FILE}: columns: ")
    way = of_category[0].partition("The path: ")[2]
    assert way.startswith(f"mart/{key}.{column['name']} <- ")
    assert way.endswith(f"[{category}]")
    assert way.split(" <- ")[-1].startswith("raw/")
    if path is not None:
        assert way == path


@pytest.mark.parametrize(("key", "column", "category", "path"), CASES)
def test_permitted_where_the_purpose_names_the_category(planted, key, column, category, path):
    every = tuple({field.category for each in load_all_contracts().values() for field in each.fields.values()})
    check_minimised(asked(key, column, data_categories=every), everything_for(key), FILE)


def test_a_column_that_sql_makes_of_others_derives_from_each_of_them(monkeypatch):
    """`mart.sql` may rename or mix what it sees: its columns come from all of it, measures from those of their type."""
    planted = asked("loyalty_programme", {"name": "postal_code", "source": "customer.postal_code"})
    seen = build_mart_table(planted)
    sources = tuple(dict.fromkeys(source for column in seen.columns for source in column.sources))
    segment = Column("segment", pl.String(), "Of what they buy", sources=sources)
    shaped = replace(seen, key=("segment",), columns=(segment,), lifecycle=AGGREGATE_LIFECYCLE)
    for module in (graph, minimise):
        monkeypatch.setattr(module, "build_mart_table", lambda _: shaped)
    assert found(planted) == (
        (
            "columns",
            "segment derives from address; data_categories has: identity, purchase. The path: "
            "mart/loyalty_programme.segment <- golden/customer.postal_code <- standardised/party.postal_code <- "
            "raw/crm_west.zip [address]",
        ),
    )
    ends = {
        path.end
        for path in build_purpose_graph(planted, load_all_contracts()).find_paths(
            "mart/loyalty_programme.segment", STOPS
        )
    }
    assert {end for end in ends if end.startswith("raw/pos_receipts.")} == {
        "raw/pos_receipts.receipt_no",
        "raw/pos_receipts.loyalty_card",
    }


def test_a_column_that_sql_makes_is_not_told_by_its_name(monkeypatch):
    planted = load_company_register()["customer_value_reporting"]
    planted = planted.model_copy(
        update={
            "columns": tuple(
                MartColumn(name=each, source=f"measure.{each}") for each in ("order_count", "receipt_count")
            )
        }
    )
    seen = build_mart_table(planted)
    sources = tuple(dict.fromkeys(source for column in seen.columns for source in column.sources))
    shaped = replace(seen, key=(), columns=(Column("receipt_count", pl.Int64(), "Of both", sources=sources),))
    monkeypatch.setattr(graph, "build_mart_table", lambda _: shaped)
    paths = build_purpose_graph(planted, load_all_contracts()).find_paths(
        "mart/customer_value_reporting.receipt_count", STOPS
    )
    assert {path.end for path in paths} >= {"raw/webshop_orders.id", "raw/pos_receipts.receipt_no"}


def test_the_declared_register_passes():
    check_all_minimised(load_company_register(), load_all_contracts(), str)


@pytest.mark.parametrize("key", [key for key, each in load_company_register().items() if each.columns])
def test_no_mart_of_the_register_could_do_with_less(key):
    """Each category that any column needs is refused where it is taken from the purpose."""
    purpose = load_company_register()[key]
    refused = set()
    for category in purpose.data_categories:
        less = purpose.model_copy(
            update={"data_categories": tuple(each for each in purpose.data_categories if each != category)}
        )
        problems = found(less)
        assert all(f"derives from {category}" in problem for _, problem in problems)
        refused |= {category for _ in problems}
    taken = {column.source for column in purpose.columns if column.source.startswith(("customer.", "measure."))}
    assert refused or taken <= {"customer.customer_id"}


def test_a_text_extracted_from_a_note_is_judged_as_what_it_is_and_the_note_as_a_note():
    mapped = load_all_contracts()["call_centre"].party.email
    assert (mapped.from_, mapped.category) == (("notes",), "contact")
    careless = load_all_contracts()["call_centre"]
    careless = careless.model_copy(
        update={"party": careless.party.model_copy(update={"email": mapped.model_copy(update={"category": None})})}
    )
    with pytest.raises(PolicyError, match=r"raw/call_centre.notes \[free_text\]"):
        check_minimised(
            load_company_register()["order_fulfilment"], {**load_all_contracts(), "call_centre": careless}, FILE
        )


def test_a_field_of_no_category_at_all_is_refused():
    """Its own or that of its record: what is not known is not permitted."""
    contract = load_all_contracts()["webshop_orders"]
    fields = {**contract.fields, contract.key: contract.fields[contract.key].model_copy(update={"category": "other"})}
    careless = {**load_all_contracts(), "webshop_orders": contract.model_copy(update={"fields": fields})}
    with pytest.raises(PolicyError, match=r"derives from other; .* raw/webshop_orders.id \[other\]"):
        check_minimised(load_company_register()["similar_products_email"], careless, FILE)


def test_what_is_exempt_is_judged_by_the_purpose_that_answers_for_it():
    narrow = load_company_register()["profile_unification"].model_copy(
        update={"data_categories": ("identity", "contact", "device")}
    )
    with pytest.raises(PolicyError) as raised:
        check_all_minimised({**load_company_register(), "profile_unification": narrow}, load_all_contracts(), str)
    (problem,) = raised.value.problems
    assert problem[0] == "data_categories"
    assert problem[1].startswith("address is missing; identity/cluster.customer_id derives from it: ")


def test_what_is_exempt_is_there_and_says_why():
    names = {f"{table.name}.{column}" for table in TABLES.values() for column in table.schema}
    for each in EXEMPTIONS:
        assert {*each.columns} <= names
        assert len(each.reason) > 50
    assert "consent/decision.contact_point" in names - {name for each in EXEMPTIONS for name in each.columns}
