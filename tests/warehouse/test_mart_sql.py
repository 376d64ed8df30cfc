"""`mart.sql`: it sees the permitted frame and nothing else, gives what is declared, and tells no value."""

from datetime import date

import duckdb
import polars as pl
import pytest

from cdp_pipelines.errors import CdpError, PolicyError
from cdp_pipelines.marts.mart import protect
from cdp_pipelines.purposes import Purpose, load_purpose
from warehouse.mart_functions import ALLOWED
from warehouse.mart_sql import MartSqlError, run_mart_sql

SECRET_VARIABLE = pl.DataFrame({"n": [1, 2, 3]})
ROWS = pl.DataFrame(
    {"orders": [2, 0, 5], "amount": [30, 0, 12], "city": ["Zo@example.com", "A", None]},
    schema={"orders": pl.Int64, "amount": pl.Int64, "city": pl.String},
)


def purpose(sql, *shape, **more):
    declared = {
        "key": "report",
        "title": "T",
        "lawful_basis": "public_interest",
        "law": "a law",
        "effective_from": date(2010, 1, 1),
        "version": "1",
        "data_categories": ("purchase",),
        "recipients": (),
        "retention": "P1Y",
        "columns": (
            {"name": "orders", "source": "measure.order_count"},
            {"name": "amount", "source": "measure.order_amount_minor"},
            {"name": "city", "source": "customer.city"},
        ),
        "shape": tuple({"name": name, "type": type_, "description": "D"} for name, type_ in shape),
        "aggregate": {"dimensions": (shape[0][0],)},
    }
    return Purpose.model_validate(declared | more).model_copy(update={"sql": sql})


def test_it_gives_what_is_declared_whatever_the_order_of_rows():
    asked = purpose(
        "WITH busy AS (SELECT * FROM permitted WHERE orders > 0) "
        "SELECT city AS place, sum(amount)::BIGINT AS total, first(orders) AS orders FROM busy GROUP BY ALL",
        ("place", "text"), ("total", "integer"), ("orders", "integer"),
    )  # fmt: skip
    found = run_mart_sql(asked, ROWS)
    assert sorted(found.rows(), key=str) == [("Zo@example.com", 30, 2), (None, 12, 5)]
    assert run_mart_sql(asked, ROWS.reverse()).sort("total").equals(found.sort("total"))
    assert run_mart_sql(asked, ROWS.clear()).schema == {"place": pl.String, "total": pl.Int64, "orders": pl.Int64}


# (the query, what the error says)
ATTACKS = [
    pytest.param("SELECT column0 AS n FROM read_csv('/etc/passwd')", "reads the function read_csv", id="a_file"),
    pytest.param("SELECT * FROM '/etc/passwd'", "reads the table", id="a_file_by_its_name"),
    pytest.param("SELECT content AS n FROM read_text('/etc/passwd')", "reads the function read_text", id="a_text"),
    pytest.param("SELECT * FROM glob('/*')", "reads the function glob", id="a_folder"),
    pytest.param("SELECT n FROM SECRET_VARIABLE", "reads the table SECRET_VARIABLE", id="a_variable_of_python"),
    pytest.param("SELECT n FROM local_frame", "reads the table local_frame", id="a_local_variable_of_python"),
    pytest.param("SELECT orders AS n FROM main.permitted", "reads the table permitted", id="a_table_elsewhere"),
    pytest.param("SELECT table_name AS n FROM information_schema.tables", "reads the table tables", id="the_catalogue"),
    pytest.param("SELECT name AS n FROM duckdb_settings()", "reads the function duckdb_settings", id="the_settings"),
    pytest.param("ATTACH '/tmp/x.db' AS x", "is not one SELECT statement", id="another_database"),
    pytest.param("SET enable_external_access = true", "is not one SELECT statement", id="a_setting"),
    pytest.param("SELECT 1 AS n; SET threads = 2", "is not one SELECT statement", id="two_statements"),
    pytest.param("COPY permitted TO '/tmp/permitted.csv'", "is not one SELECT statement", id="out_to_a_file"),
    pytest.param("INSTALL httpfs", "is not one SELECT statement", id="an_extension"),
    pytest.param("PRAGMA database_list", "is not one SELECT statement", id="a_pragma"),
    pytest.param("CREATE TABLE x AS FROM permitted", "is not one SELECT statement", id="a_new_table"),
    pytest.param("SELECT random() AS n FROM permitted", "calls random", id="chance"),
    pytest.param("SELECT epoch(now())::BIGINT AS n FROM permitted", "calls now", id="the_clock"),
    pytest.param("SELECT current_setting('threads') AS n FROM permitted", "calls current_setting", id="one_setting"),
    pytest.param("SELECT city::BIGINT AS n FROM permitted", "fails with ConversionException", id="a_value_in_an_error"),
    pytest.param("SELECT error(city) AS n FROM permitted", "calls error()", id="a_value_as_an_error"),
    pytest.param("SELECT year(current_date) AS n FROM permitted", "reads current_date, which", id="a_clock_by_name"),
    pytest.param("SELECT n FROM (SELECT localtimestamp AS n)", "reads localtimestamp, which", id="a_clock_within"),
    pytest.param("SELECT length(user) AS n FROM permitted", "reads user, which", id="the_user"),
    pytest.param("SELECT year(age(DATE '2000-01-01')) AS n FROM permitted", "calls age()", id="an_age_until_today"),
    pytest.param("SELECT year(today()) AS n FROM permitted", "calls today()", id="today"),
    pytest.param("SELECT orders AS n FROM permitted USING SAMPLE 1", "takes a sample", id="a_sample"),
    pytest.param("SELECT orders AS n FROM permitted TABLESAMPLE 50%", "takes a sample", id="a_sample_of_a_table"),
    pytest.param("SELECT n FROM (SELECT orders AS n FROM permitted TABLESAMPLE 1%)", "takes a sample", id="a_sample_within"),
    pytest.param("SHOW TABLES", "reads SHOW_REF", id="a_show"),
    pytest.param("SELECT 1 AS n FROM (DESCRIBE permitted)", "reads SHOW_REF", id="a_description"),
    pytest.param("FROM (SUMMARIZE permitted)", "reads SHOW_REF", id="a_summary"),
    pytest.param("SELECT reservoir_quantile(orders, 0.5)::BIGINT AS n FROM permitted", "calls reservoir_quantile()", id="a_sampled_quantile"),
    pytest.param("SELECT approx_quantile(orders, 0.5)::BIGINT AS n FROM permitted", "calls approx_quantile()", id="an_approximation"),
    pytest.param("SELECT hash(city)::BIGINT AS n FROM permitted", "calls hash()", id="a_hash_of_this_version"),
    pytest.param("SELECT list_aggregate([orders], 'reservoir_quantile', 0.5)::BIGINT AS n FROM permitted", "calls list_aggregate()", id="a_function_by_name"),
    pytest.param("SELECT count(*) OVER (ORDER BY random()) AS n FROM permitted", "calls random()", id="chance_in_a_window"),
    pytest.param("SELECT orders AS n FROM permitted ORDER BY uuid()", "calls uuid()", id="chance_in_an_order"),
    pytest.param("SELEC 1", "syntax error", id="no_sql"),
    pytest.param("SELECT shoe_size AS n FROM permitted", "shoe_size", id="no_such_column"),
    pytest.param("SELECT orders, amount AS n FROM permitted", "returns the columns orders, n; declared: n", id="other_columns"),
    pytest.param("SELECT city AS n FROM permitted", "returns n as String, declared Int64; cast them", id="another_type"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "message"), ATTACKS)
def test_nothing_else_is_seen_and_no_message_has_a_value(sql, message):
    local_frame = SECRET_VARIABLE
    assert local_frame.height == 3
    with pytest.raises(MartSqlError) as raised:
        run_mart_sql(purpose(sql, ("n", "integer")), ROWS)
    assert str(raised.value).startswith("mart.sql of report")
    assert message in str(raised.value)
    assert "Zo@example.com" not in f"{raised.value!r} {raised.value.__cause__!r} {raised.value.__context__!r}"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sum(orders) OVER (ORDER BY city, amount)::BIGINT AS n FROM permitted",
        "SELECT count(*) FILTER (WHERE city LIKE '%@%') AS n FROM permitted",
        "SELECT CASE WHEN city IS NULL THEN 0 ELSE coalesce(length(city), 1) END AS n FROM permitted",
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT n::BIGINT AS n FROM t",
        "SELECT a.orders AS n FROM permitted AS a JOIN permitted AS b USING (city)",
        "SELECT date_diff('year', DATE '2000-01-01', DATE '2020-01-01') + orders AS n FROM permitted",
        "SELECT sum(amount)::BIGINT AS n FROM permitted GROUP BY ROLLUP (city)",
        "SELECT orders AS n FROM permitted UNION SELECT amount FROM permitted",
        "SELECT list_sum([x + 1 FOR x IN [orders, amount]])::BIGINT AS n FROM permitted",
    ],
)
def test_what_depends_on_the_frame_alone_is_allowed(sql):
    assert run_mart_sql(purpose(sql, ("n", "integer")), ROWS).schema == {"n": pl.Int64}


def test_every_allowed_function_exists_and_is_consistent():
    known = duckdb.sql("SELECT function_name, coalesce(stability, 'CONSISTENT') FROM duckdb_functions()").fetchall()
    stabilities = {name: {stability for each, stability in known if each == name} for name, _ in known}
    windows = {"row_number", "rank", "dense_rank", "rank_dense", "percent_rank", "cume_dist", "ntile", "lag", "lead"}
    windows |= {"first_value", "last_value", "nth_value"}
    assert sorted(ALLOWED - set(stabilities) - windows) == []
    assert [name for name in ALLOWED & set(stabilities) if stabilities[name] != {"CONSISTENT"}] == []


PERSONS = {
    "aggregate": None,
    "columns": (
        {"name": "key", "source": "subject.key"},
        {"name": "basis", "source": "decision.lawful_basis"},
        {"name": "since", "source": "decision.since_at", "cut_to": "year"},
        {"name": "evidence", "source": "subject.evidence"},
    ),
}
OWN = (("key", "text"), ("basis", "text"), ("since", "date"), ("evidence", "text"))
PEOPLE = pl.DataFrame(
    {"key": ["k1", "k2"], "basis": ["public_interest"] * 2, "since": [date(2011, 1, 1)] * 2, "evidence": ["e1", "e2"]}
)
SWAPS = [
    pytest.param("SELECT * FROM permitted WHERE key <> 'k1'", None, id="fewer_people"),
    pytest.param("SELECT * REPLACE ('k1' AS key) FROM permitted", "1 rows", id="somebody_elses_key"),
    pytest.param("SELECT * REPLACE ('x' AS evidence) FROM permitted", "2 rows", id="other_evidence"),
    pytest.param("SELECT * FROM permitted UNION ALL FROM permitted", "4 rows", id="people_twice"),
]


@pytest.mark.parametrize(("sql", "message"), SWAPS)
def test_rows_stay_those_of_their_people(sql, message):
    asked = purpose(sql, *OWN, **PERSONS)
    rows = run_mart_sql(asked, PEOPLE)
    if message is None:
        assert protect(asked, rows, PEOPLE).height == rows.height == 1
    else:
        with pytest.raises(CdpError, match=message):
            protect(asked, rows, PEOPLE)


def test_sql_that_nobody_declared_is_refused(tmp_path):
    file = tmp_path / "letters" / "defs.yaml"
    file.parent.mkdir()
    file.write_text(
        "attributes: {title: T, lawful_basis: public_interest, law: L, effective_from: 2010-01-01, version: '1', "
        "data_categories: [contact], recipients: [], retention: P1Y}"
    )
    (file.parent / "mart.sql").write_text("SELECT 1")
    with pytest.raises(PolicyError, match=r"shape: .*missing: declare the columns of .*mart.sql"):
        load_purpose("letters", file)
