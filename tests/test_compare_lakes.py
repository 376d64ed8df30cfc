"""What is planted between two lakes is found, what was renamed is not, and no value of a cell is printed."""

import ast
import shutil
from datetime import UTC, datetime

import duckdb
import polars as pl
import pytest
import yaml
from deltalake import write_deltalake

from tests import compare_lakes
from tests.compare_lakes import RENAMES, CompareError, Renames, main

VALUE = "ada@example.org"
PEOPLE = pl.DataFrame(
    {
        "id": ["a", "b", "c", "d", "d"],
        "email": [VALUE, "b@x", "c@x", "d@x", "d@x"],
        "state": ["denied", "granted", "denied", None, None],
        "is_known": [True, False, True, False, False],
        "evidence": [["email:exact", "phone:exact"], [], None, ["other"], ["other"]],
        "at": [datetime(2024, 6, day, tzinfo=UTC) for day in (1, 2, 3, 4, 4)],
    }
)
TABLE = "golden/customer"


def write(lake, tables):
    for name, frame in tables.items():
        (lake / name).mkdir(parents=True)
        write_deltalake(str(lake / name), frame.to_arrow())
    return lake


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    return write(tmp_path_factory.mktemp("a lake") / "as it was", {TABLE: PEOPLE})


@pytest.fixture
def compare(before, tmp_path, capsys):
    """Exit code and output of the command: `before` against these tables, through this map."""

    def compared(tables, renames=None, old=before):
        after = tables if not isinstance(tables, dict) else write(tmp_path / "as it is", tables)
        (tmp_path / "map.yaml").write_text(yaml.safe_dump(renames or {}))
        code = main([str(old), str(after), "--renames", str(tmp_path / "map.yaml")])
        output = capsys.readouterr()
        return code, output.out + output.err

    return compared


def with_cell(column, row, value):
    values = PEOPLE[column].to_list()
    values[row] = value
    return PEOPLE.with_columns(pl.Series(column, values, dtype=PEOPLE.schema[column]))


def rows(*numbers):
    return PEOPLE[list(numbers)]


SAME = {
    "the same": PEOPLE,
    "rows in another order": PEOPLE.reverse(),
    "columns in another order": PEOPLE.select(reversed(PEOPLE.columns)),
    "the time in another zone": PEOPLE.with_columns(pl.col("at").dt.convert_time_zone("Europe/Bucharest")),
}
# For each case, every line of the report.
DIFFERENT = {
    "a cell": (with_cell("email", 0, "eve@example.org"), [f"{TABLE}.email: 1 row differs"]),
    "a cell that is gone": (with_cell("state", 0, None), [f"{TABLE}.state: 1 row differs"]),
    "an empty list for none": (with_cell("evidence", 2, []), [f"{TABLE}.evidence: 1 row differs"]),
    "a list in another order": (
        with_cell("evidence", 0, ["phone:exact", "email:exact"]),
        [f"{TABLE}.evidence: 1 row differs"],
    ),
    "values that changed places": (
        PEOPLE.with_columns(is_known=pl.Series([False, True, True, False, False])),
        [f"{TABLE}.is_known: 2 rows differ"],
    ),
    "two columns in different rows": (
        with_cell("email", 0, "x@x").with_columns(state=pl.Series(["denied", "denied", "denied", None, None])),
        [f"{TABLE}.email: 1 row differs", f"{TABLE}.state: 1 row differs"],
    ),
    "two columns in one row, a third in another": (
        with_cell("email", 0, "x@x").with_columns(
            state=pl.Series(["granted", "granted", "denied", None, None]),
            is_known=pl.Series([True, True, True, False, False]),
        ),
        [f"{TABLE}.{column}: 1 row differs" for column in ("email", "state", "is_known")],
    ),
    "a row dropped": (rows(0, 1, 3, 4), [f"{TABLE}: 1 row is in BEFORE only"]),
    "a row added": (rows(0, 1, 2, 3, 4, 0), [f"{TABLE}: 1 row is in AFTER only"]),
    "one of two rows that are alike": (rows(0, 1, 2, 3), [f"{TABLE}: 1 row is in BEFORE only"]),
    "another row twice": (
        rows(0, 1, 2, 2, 3),
        [f"{TABLE}: 1 row is in BEFORE only", f"{TABLE}: 1 row is in AFTER only"],
    ),
    "a row dropped and a cell": (
        with_cell("email", 0, "x@x")[:4],
        [f"{TABLE}.email: 1 row differs", f"{TABLE}: 1 row is in BEFORE only"],
    ),
    "no rows": (PEOPLE.clear(), [f"{TABLE}: 5 rows are in BEFORE only"]),
    "a column added": (PEOPLE.with_columns(extra=pl.lit(1)), [f"{TABLE}.extra: only AFTER has this column"]),
    "a column dropped": (PEOPLE.drop("at"), [f"{TABLE}.at: only BEFORE has this column"]),
    "another type": (
        PEOPLE.with_columns(pl.col("is_known").cast(pl.Int64)),
        [f"{TABLE}.is_known: Boolean in BEFORE, Int64 in AFTER"],
    ),
}


@pytest.mark.parametrize("frame", SAME.values(), ids=SAME)
def test_no_difference(compare, frame):
    code, output = compare({TABLE: frame})
    assert code == 0
    assert output.rstrip().endswith("1 tables, 5 rows: 0 differences")


@pytest.mark.parametrize(("frame", "differences"), DIFFERENT.values(), ids=DIFFERENT)
def test_difference(compare, frame, differences):
    code, output = compare({TABLE: frame})
    found = [line.removeprefix("differs: ") for line in output.splitlines() if line.startswith("differs: ")]
    assert sorted(found) == sorted(differences)
    assert code == 1
    assert f"5 rows: {len(differences)} difference" in output
    assert VALUE not in output


def test_numbers_of_another_width_are_compared(tmp_path):
    whole = pl.Series("n", [1, 2]), pl.Series("x", [0.5, None])
    narrow = pl.DataFrame([whole[0].cast(pl.Int32), whole[1].cast(pl.Float32)])
    assert not compare_lakes.of_table("t", pl.DataFrame(whole), narrow, Renames()).differences
    other = narrow.with_columns(n=pl.Series([1, 3], dtype=pl.Int32))
    assert compare_lakes.of_table("t", pl.DataFrame(whole), other, Renames()).differences == ["t.n: 1 row differs"]


@pytest.mark.parametrize(
    ("tables", "side"),
    [({TABLE: PEOPLE, "raw/new": PEOPLE}, "raw/new: only AFTER"), ({"raw/new": PEOPLE}, f"{TABLE}: only BEFORE")],
    ids=["a table added", "a table removed"],
)
def test_table_of_one_lake(compare, tables, side):
    code, output = compare(tables)
    assert code == 1
    assert f"differs: {side} has this table" in output


RENAMED = PEOPLE.rename({"email": "address", "state": "answer"}).with_columns(
    answer=pl.Series(["refused", "granted", "refused", None, None]),
    evidence=pl.Series([["address:exact", "phone:exact"], [], None, ["another"], ["another"]]),
)
MAP = {
    "tables": {TABLE: "golden/person"},
    "columns": {TABLE: {"email": "address", "state": "answer"}},
    "values": {TABLE: {"state": {"denied": "refused"}, "evidence": {"email:*": "address:*", "other": "another"}}},
}


def test_what_was_renamed_is_no_difference(compare):
    code, output = compare({"golden/person": RENAMED}, MAP)
    assert code == 0, output
    assert f"golden/person (was {TABLE})" in output


@pytest.mark.parametrize("left_out", ["tables", "columns", "values"])
def test_what_was_renamed_is_a_difference_without_the_map(compare, left_out):
    assert compare({"golden/person": RENAMED}, {**MAP, left_out: {}})[0] == 1


def test_new_names_do_as_well_as_old_ones(compare):
    values = {"golden/person": {"answer": MAP["values"][TABLE]["state"], "evidence": MAP["values"][TABLE]["evidence"]}}
    assert compare({"golden/person": RENAMED}, {**MAP, "values": values})[0] == 0


def test_a_value_that_becomes_one_with_another_is_a_difference(compare):
    merged = PEOPLE.with_columns(state=pl.Series(["granted", "granted", "granted", None, None]))
    code, output = compare({TABLE: merged}, {"values": {TABLE: {"state": {"denied": "granted"}}}})
    assert code == 1
    assert f"{TABLE}.state: 1 row of BEFORE has a new value already" in output


@pytest.mark.parametrize(("added", "code"), [({"age": "years since birth"}, 0), ({"size": "another one"}, 1)])
def test_an_added_column_is_declared(compare, added, code):
    assert compare({TABLE: PEOPLE.with_columns(age=pl.lit(7))}, {"added": {TABLE: added}})[0] == code


def test_what_is_ignored_is_told_with_its_reason_and_must_be_there(compare, tmp_path):
    ignored = {"ignored": {TABLE: {"email": "made up anew each time"}}}
    write(tmp_path / "other", {TABLE: with_cell("email", 0, "x@x")})
    code, output = compare(tmp_path / "other", ignored)
    assert (code, f"ignored: {TABLE}.email: made up anew each time" in output) == (0, True)
    code, output = compare({TABLE: PEOPLE.drop("email")}, ignored)
    assert (code, f"{TABLE}.email: only BEFORE has this column" in output) == (1, True)


SERVED = "serving/marts.duckdb"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    lake = write(tmp_path_factory.mktemp("served"), {TABLE: PEOPLE})
    (lake / SERVED).parent.mkdir()
    with duckdb.connect(str(lake / SERVED)) as connection:
        connection.execute("CREATE SCHEMA ads; CREATE TABLE ads.customer AS SELECT 'a' AS id, 7 AS n")
    return lake


@pytest.mark.parametrize(
    ("statement", "difference"),
    [
        ("COMMENT ON TABLE ads.customer IS 'other'", None),
        ("UPDATE ads.customer SET n = 8", "serving/ads.customer.n: 1 row differs"),
        ("INSERT INTO ads.customer VALUES ('b', 7)", "serving/ads.customer: 1 row is in AFTER only"),
        ("CREATE TABLE ads.more (n INT)", "serving/ads.more: only AFTER has this table"),
        ("CREATE SCHEMA more", "serving/more: only AFTER has this table"),
    ],
    ids=["a comment", "a cell", "a row", "a table", "a schema"],
)
def test_served_file(compare, served, tmp_path, statement, difference):
    after = shutil.copytree(served, tmp_path / "after")
    with duckdb.connect(str(after / SERVED)) as connection:
        connection.execute(statement)
    code, output = compare(after, old=served)
    assert code == bool(difference), output
    assert f"differs: {difference}" in output or difference is None


@pytest.mark.parametrize("broken", ["nowhere", "empty", "log", "data", "duckdb", "itself"])
def test_a_lake_that_cannot_be_read_is_one_line(compare, before, tmp_path, broken):
    lake = tmp_path / broken
    if broken == "empty":
        lake.mkdir()
    elif broken != "nowhere":
        write(lake, {TABLE: PEOPLE})
    if broken == "log":
        next((lake / TABLE / "_delta_log").glob("*.json")).write_text("{")
    if broken == "data":
        next((lake / TABLE).glob("*.parquet")).write_bytes(b"no parquet")
    if broken == "duckdb":
        (lake / SERVED).parent.mkdir()
        (lake / SERVED).write_text("no DuckDB file " * 1000)
    code, output = compare(before if broken == "itself" else lake)
    assert code == 2
    assert output.startswith("error: ")
    assert output.count("\n") == 1
    assert str(before if broken == "itself" else lake) in output


@pytest.mark.parametrize(
    "document",
    [
        ["tables"],
        {"table": {}},
        {"tables": {"a": "x", "b": "x"}},
        {"columns": {"a": {"b": 1}}},
        {"values": {"a": {"b": {True: "yes"}}}},
        {"values": {"a": {"b": {"old:*": "new"}}}},
        {"ignored": {"a": {"b": " "}}},
        {"ignored": {"a": ["b"]}},
    ],
    ids=["no mapping", "other key", "two of one name", "number", "boolean", "beginning", "no reason", "list"],
)
def test_a_map_that_says_nothing_clear_is_refused(document):
    with pytest.raises(CompareError, match=r"^map\.yaml"):
        Renames.of(document, "map.yaml")


def test_the_map_of_this_repository_is_one():
    assert all(Renames.read(RENAMES).ignored.values())


def test_nothing_of_the_project_is_imported():
    tree = ast.walk(ast.parse(RENAMES.with_name("compare_lakes.py").read_text()))
    names = {each.module for each in tree if isinstance(each, ast.ImportFrom)}
    assert not {name.split(".")[0] for name in names} & {
        "assets",
        "cdp_pipelines",
        "expectations",
        "warehouse",
        "tests",
    }
