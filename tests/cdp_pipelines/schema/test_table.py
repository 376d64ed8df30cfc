"""Declarations: every table says how it lives, and a table that omits or contradicts something cannot be built."""

from dataclasses import MISSING, fields, replace

import polars as pl
import pytest

from cdp_pipelines.errors import SchemaError
from cdp_pipelines.lineage import list_tables
from cdp_pipelines.schema import (
    CUSTOMER_SUBJECT,
    DELETE_DERIVED,
    LAYERS,
    TABLES,
    UTC,
    Column,
    Erasure,
    Lifecycle,
    Subject,
    Table,
    no_person,
)
from cdp_pipelines.services.declarations import load_all_contracts, load_company_register

EVERY_TABLE = list_tables(load_all_contracts(), load_company_register().values())
LIFE = Lifecycle(
    kind="derived",
    subjects=(CUSTOMER_SUBJECT,),
    write_mode="replace",
    unit="customer",
    on_erasure=DELETE_DERIVED,
    retention="sources",
)
COLUMNS = (
    Column("customer_id", pl.String(), "Customer", is_personal=True),
    Column("email", pl.String(), "E-mail", is_personal=True),
    Column("seen_at", UTC, "When"),
)


def build(**changes):
    table = {"name": "golden/thing", "description": "A thing", "key": ("customer_id",), "columns": COLUMNS}
    life = replace(LIFE, **{name: value for name, value in changes.items() if name in Lifecycle.__dataclass_fields__})
    own = {name: value for name, value in changes.items() if name not in Lifecycle.__dataclass_fields__}
    return Table(**{**table, "lifecycle": life, **own})


@pytest.mark.parametrize("name", [each.name for each in fields(Lifecycle)])
def test_a_lifecycle_without_one_of_its_parts_cannot_be_built(name):
    parts = {each.name: getattr(LIFE, each.name) for each in fields(Lifecycle) if each.name != name}
    with pytest.raises(TypeError, match=name):
        Lifecycle(**parts)


def test_a_table_without_a_lifecycle_cannot_be_built():
    assert next(each for each in fields(Table) if each.name == "lifecycle").default is MISSING
    with pytest.raises(TypeError, match="lifecycle"):
        Table("golden/thing", "A thing", ("customer_id",), COLUMNS)
    with pytest.raises(SchemaError, match="table golden/thing: lifecycle is missing: declare kind, subjects"):
        build(lifecycle=None)


DIGEST = "replace_by_digest"
OMISSIONS = [
    pytest.param({"name": "people"}, "name must be layer/table; layers are raw", id="no_layer"),
    pytest.param({"name": "gold/people"}, "name must be layer/table", id="unknown_layer"),
    pytest.param({"kind": None}, "kind is None; allowed are source, derived, log, state", id="no_kind"),
    pytest.param({"write_mode": "upsert"}, "write_mode is 'upsert'; allowed are append", id="unknown_write_mode"),
    pytest.param({"unit": ""}, "unit is ''; allowed are record, customer, purpose, whole", id="no_unit"),
    pytest.param({"retention": None}, "retention is None; allowed are channel", id="no_retention"),
    pytest.param(
        {"subjects": (Subject("person", ("customer_id",)),)}, "subject customer_id is 'person'", id="unknown_subject"
    ),
    pytest.param(
        {"subjects": ()}, r"columns are personal \(customer_id, email\) and no subject is declared", id="no_subject"
    ),
    pytest.param(
        {"subjects": (Subject("customer", ("member_id",)),)}, "subjects names member_id", id="subject_is_not_a_column"
    ),
    pytest.param({"key": ("id",)}, "key names id, which the table does not have", id="key_is_not_a_column"),
    pytest.param({"found_by": ("id",)}, "found_by names id", id="found_by_is_not_a_column"),
    pytest.param({"write_mode": "versioned"}, "versioned names valid_from, valid_to", id="versioned_without_period"),
    pytest.param(
        {"columns": (*COLUMNS, Column("odd", pl.String(), ""))}, "columns without a description: odd", id="no_meaning"
    ),
    pytest.param({"on_erasure": no_person("Counts")}, "on_erasure cannot be no_person", id="person_denied"),
    pytest.param({"on_erasure": Erasure("forget", "So")}, "on_erasure is 'forget'; allowed are", id="unknown_erasure"),
    pytest.param({"on_erasure": Erasure("delete_row", "")}, "on_erasure has no reason", id="no_reason"),
    pytest.param({"on_erasure": Erasure("keep", "Tax law")}, "keep needs a named obligation", id="no_obligation"),
    pytest.param(
        {"on_erasure": Erasure("delete_row", "So", obligation="Art. 6(1)(c)")}, "no other action has one", id="two_ends"
    ),
    pytest.param({"on_erasure": Erasure(DIGEST, "So")}, "replace_by_digest need columns", id="no_columns"),
    pytest.param(
        {"on_erasure": Erasure("null_columns", "So", ("email", "id"))}, "on_erasure names id", id="unknown_column"
    ),
    pytest.param(
        {"on_erasure": Erasure(DIGEST, "So", ("customer_id",))},
        "on_erasure leaves personal columns as they are: email",
        id="personal_column_left",
    ),
    pytest.param(
        {"subjects": (), "key": ("seen_at",), "columns": COLUMNS[2:]},
        "on_erasure is delete_row, which needs a subject",
        id="nobody_to_find",
    ),
]


@pytest.mark.parametrize(("changes", "message"), OMISSIONS)
def test_a_table_that_omits_or_contradicts_something_cannot_be_built(changes, message):
    assert build().layer == "golden"
    with pytest.raises(SchemaError, match=message):
        build(**changes)


def test_every_problem_is_named_at_once_with_the_table():
    with pytest.raises(SchemaError) as raised:
        build(kind="", subjects=())
    assert raised.value.table == "golden/thing"
    assert len(raised.value.problems) == len(str(raised.value).splitlines()) == 3


@pytest.mark.parametrize("table", EVERY_TABLE.values(), ids=EVERY_TABLE)
def test_every_table_declares_how_it_lives(table):
    life = table.lifecycle
    assert table.description
    assert table.key
    # A retention that a contract or purpose declares is looked up under the name of the table.
    assert (life.retention == "channel") == (table.layer in {"raw", "quarantine"})
    assert (life.retention == "purpose") == (table.layer == "mart")
    assert (life.kind == "source") == (table.layer in {"raw", "quarantine"} or table.is_entered)
    # Rows that other tables give again need no proof kept, and what is computed again follows its sources.
    assert life.kind not in {"derived", "state"} or life.on_erasure.action in {"delete_row", "no_person"}
    assert life.kind != "log" or life.retention == "evidence"
    assert bool(table.personal) == bool(life.subjects) == (life.on_erasure.action != "no_person")


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_column_that_copies_a_personal_column_is_personal(table):
    for column in table.columns:
        copied = [source for source in column.sources if source.endswith(f".{column.name}")]
        for source in copied if len(column.sources) == 1 else ():
            origin, _, name = source.rpartition(".")
            assert not (name in TABLES[origin].personal and not column.is_personal), f"{table.name}.{column.name}"


def test_every_raw_field_has_a_data_category():
    for contract in load_all_contracts().values():
        category = {column.name: column.category for column in contract.raw.columns}
        assert category["record"] == "whole_record"
        assert category["source_record_id"] == contract.category(contract.key)
        assert all(category[name] == contract.category(field) for field, name in contract.columns.items())


def test_the_registry_holds_the_tables_of_all_layers_in_the_order_of_the_night():
    layers = list(dict.fromkeys(table.layer for table in TABLES.values()))
    assert layers == [layer for layer in LAYERS if layer in layers]
    assert {*layers} == {*LAYERS} - {"raw", "quarantine", "mart"}
    assert {table.name for table in TABLES.values() if table.is_entered} == {
        "identity/review",
        "consent/resolution",
        "golden/rectification",
    }
