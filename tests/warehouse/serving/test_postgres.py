"""The marts on a server: equal to the file, each role to its own, and no reader ever sees anything but a whole night."""

import re
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from urllib.parse import quote

import adbc_driver_duckdb
import duckdb
import polars as pl
import psycopg
import pytest
import sqlalchemy as sa
from adbc_driver_manager import dbapi as adbc
from adbc_driver_postgresql import dbapi as adbc_postgres

from cdp_pipelines.errors import LakeError, ServerError
from warehouse.delta.lake import Lake
from warehouse.serving import mart_file as serving
from warehouse.serving import postgres
from warehouse.serving.postgres import publish
from warehouse.serving.roles import role_name
from warehouse.serving.sql import quote_literal, quote_name

PUBLISHER, PASSWORD = "publisher", "p%s/w@rd"
NAMES = (f"marts_{n}" for n in count())


@pytest.fixture(scope="module")
def admin(postgres_server):
    """As the server's superuser, each statement for itself."""
    with adbc_postgres.connect(postgres_server.dsn(), autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {PUBLISHER} LOGIN CREATEROLE PASSWORD {quote_literal(PASSWORD)}")
        yield cursor


def database(admin, server) -> str:
    """A new database, owned by a publisher who is no superuser."""
    name = next(NAMES)
    admin.execute(f"CREATE DATABASE {name} OWNER {PUBLISHER}")
    return server.dsn(name, PUBLISHER, quote(PASSWORD, safe=""))


@pytest.fixture
def target(admin, postgres_server) -> str:
    return database(admin, postgres_server)


@pytest.fixture
def user(admin, postgres_server):
    """Someone who may read some marts: where they log in."""

    def made(target: str, *purposes: str) -> str:
        name = next(NAMES)
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'reader' IN ROLE {', '.join(map(role_name, purposes))}")
        return postgres_server.dsn(target.rpartition("/")[2], name, "reader")

    return made


def put(lake: Lake, **marts: pl.DataFrame) -> Lake:
    """A published file of these marts, as `serving.build` makes it."""
    with serving.replace_file(lake) as draft, duckdb.connect(str(draft)) as file:
        file.execute("CREATE TABLE main.published (purpose VARCHAR, delta_version BIGINT, row_count BIGINT)")
        for purpose, frame in marts.items():
            file.register("frame", frame.to_arrow())
            file.execute(f"CREATE SCHEMA {purpose}")
            file.execute(f"CREATE TABLE {purpose}.customer AS SELECT * FROM frame")
            file.execute(f"COMMENT ON TABLE {purpose}.customer IS 'The mart ''{purpose}'''")
            for column in frame.columns:
                file.execute(
                    f"COMMENT ON COLUMN {purpose}.customer.{quote_name(column)} IS {quote_literal('What ' + column)}"
                )
            file.execute("INSERT INTO main.published VALUES (?, 0, ?)", [purpose, frame.height])
    return lake


def asked(target: str, sql: str) -> list[tuple]:
    with psycopg.connect(target) as connection:
        return connection.execute(sql).fetchall()


def rows(target: str, sql: str) -> pl.DataFrame:
    """As Arrow brings them, with their types."""
    with adbc_postgres.connect(target) as connection:
        return pl.read_database(sql, connection)


@contextmanager
def session(target: str, isolation: str = "READ COMMITTED"):
    """A reader's transaction, left open."""
    with sa.create_engine(sqlalchemy(target), isolation_level=isolation).connect() as connection:
        yield connection
    connection.engine.dispose()


def sqlalchemy(target: str) -> str:
    return target.replace("postgresql://", "postgresql+psycopg://")


def people(*ids: str, **columns: object) -> pl.DataFrame:
    return pl.DataFrame({"id": ids}).with_columns(pl.lit(value).alias(name) for name, value in columns.items())


ODD = pl.DataFrame(
    {
        "id": ["empty", "null", "quotes", "unicode", "lists"],
        "text": ["", None, "a'b\"c\\d\te\nf,{}", "Ștefan Popă 你好 🙂", "\\N"],
        "tags": [[], None, ['"', "\\", "a,b"], ["ß", None], ["", "NULL"]],
        "number": [0, None, -(2**63), 2**63 - 1, 1],
        "share": [0.1, None, -0.0, 1e308, 5e-324],
        "is_so": [True, None, False, True, False],
        "day": ["1900-02-28", None, "0001-01-01", "9999-12-31", "2024-02-29"],
        "at": ["1969-12-31T23:59:59.999999", None, "2011-12-09T12:50:00", "2024-03-31T01:30:00", "2038-01-19T03:14:08"],
    }
).with_columns(
    pl.col("day").str.to_date(), pl.col("at").str.to_datetime(time_unit="us", time_zone="UTC", format="%FT%T%.f")
)


def test_every_type_and_odd_value_arrives_as_it_was(target, tmp_path):
    done = publish(target, put(Lake(tmp_path), odd=ODD, none=ODD.clear()))
    assert (done.rows, done.inserted_count, done.deleted_count) == ({"none": 0, "odd": 5}, 5, 0)
    for mart, frame in (("odd", ODD), ("none", ODD.clear())):
        found = rows(target, f"SELECT * FROM {mart}.customer ORDER BY id").cast(frame.schema)
        assert found.equals(frame.sort("id"))
    types = asked(
        target, "SELECT column_name, udt_name FROM information_schema.columns WHERE table_schema = 'odd' ORDER BY 1"
    )
    assert dict(types) == {
        "at": "timestamptz",
        "day": "date",
        "id": "text",
        "is_so": "bool",
        "number": "int8",
        "share": "float8",
        "tags": "_text",
        "text": "text",
    }


def test_postgres_and_duckdb_hold_equal_contents_descriptions_and_versions(sample, target, capsys):
    done = publish(target, sample.lake)
    with duckdb.connect(str(serving.mart_file_path(sample.lake)), read_only=True) as file:
        tables = file.execute(
            "SELECT schema_name, table_name, comment FROM duckdb_tables() WHERE schema_name <> 'main'"
        ).fetchall()
        assert {schema for schema, *_ in tables} == set(done.rows)
        for schema, table, comment in tables:
            name = f"{quote_name(schema)}.{quote_name(table)}"
            left = file.sql(f"SELECT * FROM {name} ORDER BY ALL").pl()
            right = rows(target, f"SELECT * FROM {name}")
            assert right.columns == left.columns
            order = [column for column, dtype in left.schema.items() if not isinstance(dtype, pl.List)]
            assert right.cast(left.schema).sort(order, nulls_last=True).equals(left.sort(order, nulls_last=True)), name
            oid = f"{quote_literal(name)}::regclass"
            description = asked(
                target,
                f"SELECT obj_description({oid}), reltuples::bigint, (SELECT count(*) FROM pg_stats WHERE "
                f"schemaname = {quote_literal(schema)} AND tablename = relname) FROM pg_class WHERE oid = {oid}",
            )
            assert description == [(comment, left.height, left.width if left.height else 0)]
            comments = file.execute(
                "SELECT column_name, comment FROM duckdb_columns() WHERE schema_name = ? ORDER BY column_index",
                [schema],
            )
            assert comments.fetchall() == asked(
                target,
                f"SELECT attname, col_description({oid}, attnum) FROM pg_attribute "
                f"WHERE attrelid = {oid} AND attnum > 0 ORDER BY attnum",
            )
        versions = "SELECT purpose, delta_version, row_count FROM main.published ORDER BY 1"
        assert asked(target, versions) == file.execute(versions).fetchall()
    with capsys.disabled():
        print(f"\n{len(tables)} marts, {sum(done.rows.values()):,} rows: PostgreSQL holds what DuckDB holds")


WRITTEN = (
    "SELECT 'published', max(xmin::text::bigint) FROM main.published UNION ALL "
    "SELECT 'class', max(xmin::text::bigint) FROM pg_class UNION ALL "
    "SELECT 'namespace', max(xmin::text::bigint) FROM pg_namespace UNION ALL "
    "SELECT 'database', max(xmin::text::bigint) FROM pg_database UNION ALL "
    "SELECT 'a', max(xmin::text::bigint) FROM a.customer UNION ALL "
    "SELECT 'b', max(xmin::text::bigint) FROM b.customer"
)


def test_what_is_equal_is_not_written_and_a_changed_row_alone_is(target, tmp_path):
    lake = put(Lake(tmp_path), a=people("1", "2", "3", x=1), b=people("1"))
    assert publish(target, lake).changed == ("a", "b")
    before = asked(target, WRITTEN)
    again = publish(target, lake)
    assert (again.changed, again.inserted_count, again.deleted_count) == ((), 0, 0)
    assert asked(target, WRITTEN) == before
    each = "SELECT id, x, xmin::text FROM a.customer ORDER BY id"
    first = asked(target, each)
    put(lake, a=people("1", "3", x=1).vstack(people("2", x=2)), b=people("1"))
    changed = publish(target, lake)
    assert (changed.changed, changed.inserted_count, changed.deleted_count) == (("a",), 1, 1)
    second = asked(target, each)
    assert [x for _, x, _ in second] == [1, 2, 1]
    assert [old == new for old, new in zip(first, second, strict=True)] == [True, False, True]


def test_a_description_alone_is_brought_as_well_and_a_table_dropped_by_hand_comes_back(admin, target, tmp_path):
    lake = put(Lake(tmp_path), a=people("1"), b=people("1"))
    publish(target, lake)
    with serving.replace_file(lake) as draft:
        draft.write_bytes(serving.mart_file_path(lake).read_bytes())
        with duckdb.connect(str(draft)) as file:
            file.execute("COMMENT ON COLUMN a.customer.id IS 'Better said'")
    with adbc_postgres.connect(target, autocommit=True) as owner, owner.cursor() as cursor:
        cursor.execute("DROP SCHEMA b CASCADE")
    assert publish(target, lake).changed == ("a", "b")
    assert asked(target, "SELECT col_description('a.customer'::regclass, 1)") == [("Better said",)]
    assert asked(target, "SELECT id FROM b.customer") == [("1",)]


def refused(target: str, sql: str) -> str | None:
    """The SQLSTATE with which a statement is refused, or None."""
    try:
        asked(target, sql)
    except psycopg.Error as error:
        return error.sqlstate
    return None


def test_a_role_reads_its_own_schema_and_no_other_and_changes_nothing(sample, target, user):
    done = publish(target, sample.lake)
    one, *others = (purpose for purpose, row_count in done.rows.items() if row_count)
    reader = user(target, one)
    assert refused(reader, f"SELECT * FROM {one}.customer") is None
    for other in others:
        assert refused(reader, f"SELECT * FROM {other}.customer") == "42501"
        assert refused(user(target, other), f"SELECT * FROM {other}.customer") is None
    for denied in (
        "SELECT * FROM main.published",
        f"DELETE FROM {one}.customer",
        f"INSERT INTO {one}.customer SELECT * FROM {one}.customer",
        f"CREATE TABLE {one}.mine (x int)",
        "CREATE TABLE public.mine (x int)",
        "CREATE TEMP TABLE mine (x int)",
        f"SET ROLE {role_name(others[0])}",
        "SELECT * FROM pg_statistic",
    ):
        assert refused(reader, denied) == "42501", denied
    # Statistics hold values.
    schemas = asked(reader, "SELECT DISTINCT schemaname FROM pg_stats WHERE schemaname !~ '^(pg_|information_schema)'")
    assert schemas == [(one,)]


def test_who_has_no_role_does_not_even_connect(admin, target, tmp_path, postgres_server):
    publish(target, put(Lake(tmp_path), a=people("1")))
    admin.execute("CREATE ROLE nobody_special LOGIN PASSWORD 'reader'")
    outside = postgres_server.dsn(target.rpartition("/")[2], "nobody_special", "reader")
    with pytest.raises(psycopg.Error, match="permission denied for database"):
        psycopg.connect(outside)


MAY = " UNION ALL ".join(
    f"SELECT who, what, may FROM unnest(ARRAY['public', 'cdp_a', 'cdp_b']) who, unnest(ARRAY{what}) what, "
    f"unnest(ARRAY{rights}) may WHERE {function}(who, what, may)"
    for function, what, rights in (
        (
            "has_table_privilege",
            ["a.customer", "b.customer", "main.published"],
            ["SELECT", "SELECT WITH GRANT OPTION", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES"],
        ),
        ("has_any_column_privilege", ["a.customer", "b.customer", "main.published"], ["SELECT", "UPDATE"]),
        ("has_schema_privilege", ["a", "b", "main", "public"], ["USAGE", "CREATE"]),
    )
)
BY_HAND = (
    "GRANT SELECT ON a.customer TO PUBLIC",
    "GRANT USAGE ON SCHEMA a TO PUBLIC",
    "GRANT SELECT (id) ON a.customer TO cdp_b",
    "GRANT SELECT ON a.customer TO cdp_a WITH GRANT OPTION",
    "GRANT ALL ON main.published TO cdp_a",
    "REVOKE SELECT ON b.customer FROM cdp_b",
    "GRANT CREATE ON SCHEMA public TO PUBLIC",
    "GRANT UPDATE (id) ON b.customer TO PUBLIC",
)


@pytest.fixture(scope="module")
def two(admin, postgres_server, tmp_path_factory) -> tuple[str, Lake]:
    """A database that holds two marts, and the lake that they are of."""
    target = database(admin, postgres_server)
    lake = put(Lake(tmp_path_factory.mktemp("two")), a=people("1"), b=people("1"))
    publish(target, lake)
    return target, lake


@pytest.mark.parametrize("statement", BY_HAND)
def test_a_right_that_was_given_or_taken_by_hand_is_put_right(statement, two):
    target, lake = two
    before = set(asked(target, MAY))
    assert {("cdp_a", "a.customer", "SELECT"), ("cdp_b", "b.customer", "SELECT")} <= before
    with psycopg.connect(target) as owner:
        owner.execute(statement)
    assert set(asked(target, MAY)) != before
    publish(target, lake)
    assert set(asked(target, MAY)) == before


def test_a_mart_that_is_declared_no_more_is_gone_and_while_a_reader_holds_it_empty_and_closed(target, user, tmp_path):
    lake = put(Lake(tmp_path), a=people("1"), b=people("1"))
    publish(target, lake)
    reader = user(target, "a", "b")
    put(lake, a=people("1"))
    with session(reader) as held:
        assert held.execute(sa.text("SELECT count(*) FROM b.customer")).scalar_one() == 1
        publish(target, lake)
        assert refused(reader, "SELECT * FROM b.customer") == "42501"
        assert asked(target, "SELECT count(*) FROM b.customer") == [(0,)]
        assert asked(target, "SELECT purpose, row_count FROM main.published ORDER BY 1") == [("a", 1), ("b", 0)]
    publish(target, lake)
    assert refused(target, "SELECT * FROM b.customer") == "42P01"
    assert asked(target, "SELECT purpose FROM main.published") == [("a",)]
    publish(target, put(lake, a=people("1"), b=people("2")))
    assert asked(reader, "SELECT id FROM b.customer") == [("2",)]


def test_a_mart_whose_columns_are_declared_anew_waits_for_a_reader_but_not_for_long(
    target, user, tmp_path, monkeypatch
):
    monkeypatch.setattr(postgres, "RESHAPE_TRIES", 2)
    monkeypatch.setattr(postgres, "RESHAPE_PAUSE_S", 0.01)
    lake = put(Lake(tmp_path), a=people("1"), b=people("1"))
    publish(target, lake)
    reader = user(target, "a", "b")
    put(lake, a=people("1", x=1), b=people("2"))
    with session(reader) as held:
        held.execute(sa.text("SELECT * FROM a.customer"))
        with pytest.raises(ServerError, match="goes on for too long"):
            publish(target, lake)
        # All or nothing: the other mart, which nobody held, is of yesterday as well.
        assert asked(reader, "SELECT * FROM a.customer, b.customer") == [("1", "1")]
    publish(target, lake)
    assert asked(reader, "SELECT * FROM a.customer, b.customer") == [("1", 1, "2")]


def test_a_long_reader_holds_nothing_up_and_keeps_yesterday_in_every_mart(target, user, tmp_path):
    lake = put(Lake(tmp_path), a=people("1", "2", night=1), b=people("1", "2", night=1))
    publish(target, lake)
    reader = user(target, "a", "b")
    nights = "SELECT min(night), max(night), count(*) FROM {}.customer"
    with session(reader, "REPEATABLE READ") as old:
        assert old.execute(sa.text(nights.format("a"))).one() == (1, 1, 2)
        for night in (2, 3):
            publish(target, put(lake, a=people("1", "2", night=night), b=people("1", "2", night=night)))
        # It never asked for this one before.
        assert old.execute(sa.text(nights.format("b"))).one() == (1, 1, 2)
        assert asked(reader, nights.format("b")) == [(3, 3, 2)]


N_NIGHTS, N_ROWS = 8, 500


def test_readers_in_a_loop_during_publication_see_no_error_nothing_empty_and_nothing_mixed(
    target, user, tmp_path, capsys
):
    ids = [str(n) for n in range(N_ROWS)]

    def company(night: int) -> Lake:
        # Each night other people, other values, and as many rows.
        of_night = people(*ids[night:], *(f"{night}-{n}" for n in range(night)), night=night)
        return put(Lake(tmp_path), a=of_night, b=of_night, c=of_night.with_columns(text=pl.lit("x") + pl.col("id")))

    publish(target, company(0))
    every = " UNION ALL ".join(f"SELECT night, '{mart}' AS mart FROM {mart}.customer" for mart in "abc")
    whole = sa.text(f"SELECT min(night), max(night), count(*), count(DISTINCT mart) FROM ({every}) AS every")
    reader = user(target, "a", "b", "c")
    seen, errors, stop = [], [], threading.Event()

    def ask_once_more(isolation: str) -> None:
        try:
            with session(reader, isolation) as connection:
                while not stop.is_set():
                    answers = {tuple(connection.execute(whole).one())}
                    if isolation == "REPEATABLE READ":
                        answers.add(tuple(connection.execute(whole).one()))
                        assert len(answers) == 1
                    connection.commit()
                    seen.extend(answers)
        except Exception:  # noqa: BLE001  whatever a reader meets is an answer
            errors.append(traceback.format_exc())

    readers = [
        threading.Thread(target=ask_once_more, args=(isolation,)) for isolation in ("READ COMMITTED", "REPEATABLE READ")
    ]
    for each in readers:
        each.start()
    try:
        for night in range(1, N_NIGHTS):
            done = publish(target, company(night))
            assert done.inserted_count == 3 * N_ROWS
    finally:
        stop.set()
        for each in readers:
            each.join()
    assert errors == []
    assert {(low == high, row_count, mart_count) for low, high, row_count, mart_count in seen} == {
        (True, 3 * N_ROWS, 3)
    }
    nights = {low for low, *_ in seen}
    assert len(nights) > 2
    with capsys.disabled():
        print(f"\n{len(seen)} reads during {N_NIGHTS - 1} publications: no error, none empty, none mixed; ", end="")
        print(f"{len(nights)} nights seen, each whole")


def test_two_publications_at_once_take_turns(target, tmp_path):
    lake = put(Lake(tmp_path), a=people("1", "2"), b=people("1"))
    with ThreadPoolExecutor(2) as both:
        done = list(both.map(lambda _: publish(target, lake), range(2)))
    assert sorted(each.inserted_count for each in done) == [0, 3]
    assert asked(target, "SELECT count(*) FROM a.customer, b.customer") == [(2,)]


@pytest.mark.parametrize("step", ["_create_tables", "_update_rows", "roles.establish_roles", "_clean_up"])
def test_a_publication_cut_short_leaves_yesterday_and_the_next_makes_it_good(step, target, tmp_path, monkeypatch):
    lake = put(Lake(tmp_path), a=people("1"), b=people("1"), c=people("1"))
    publish(target, lake)
    put(lake, a=people("2"), b=people("2", x=2))
    place, name = (postgres, step) if "." not in step else (postgres.roles, step.partition(".")[2])
    whole = getattr(place, name)

    def cut(*given):
        whole(*given)
        if step != "_update_rows" or given[1] == "b":
            raise ConnectionResetError

    monkeypatch.setattr(place, name, cut)
    with pytest.raises(ConnectionResetError):
        publish(target, lake)
    monkeypatch.undo()
    both = "SELECT a.id, b.id FROM a.customer a, b.customer b"
    assert asked(target, both) == [("2", "2") if step == "_clean_up" else ("1", "1")]
    publish(target, lake)
    assert asked(target, both) == [("2", "2")]
    assert refused(target, "SELECT * FROM c.customer") == "42P01"


def test_a_server_that_dies_is_told_without_a_value(admin, target, tmp_path, monkeypatch):
    text = "ann@example.com"
    lake = put(Lake(tmp_path), a=people(text))
    whole = postgres._update_rows

    def shot(cursor, *given):
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'publisher'")
        admin.fetchall()
        return whole(cursor, *given)

    monkeypatch.setattr(postgres, "_update_rows", shot)
    with pytest.raises(ServerError, match="ended the connection") as failed:
        publish(target, lake)
    assert_tells_nothing(failed.value, "ann")
    monkeypatch.undo()
    assert publish(target, lake).rows == {"a": 1}


def assert_tells_nothing(error: BaseException, *secrets: str) -> None:
    """Neither does the error nor what it stands for."""
    text = "".join(traceback.format_exception(error))
    assert error.__cause__ is None
    assert error.__context__ is None
    for secret in secrets:
        assert secret not in text


ADDRESSES = [
    pytest.param(lambda there: there.replace("p%25s", "s3cret"), "the password is wrong", id="wrong_password"),
    pytest.param(lambda there: there.replace(PUBLISHER, "s3cret"), "the password is wrong", id="no_such_user"),
    pytest.param(
        lambda there: re.sub(r"/marts_\d+$", "/s3cret", there),
        "the database or the user does not exist",
        id="no_such_database",
    ),
    pytest.param(lambda _: "postgresql://u:p@s3cret@nowhere.invalid/db", "the host is unknown", id="at_in_password"),
    pytest.param(lambda _: "postgresql://u:s3cret@127.0.0.1:1/db", "no server listens", id="no_listener"),
    pytest.param(lambda _: "postgresql://u:s3cret%zz@127.0.0.1/db", "percent-encoded", id="percent_in_password"),
    pytest.param(lambda _: "s3cret", "a URI", id="no_uri"),
]


@pytest.mark.parametrize(("written", "message"), ADDRESSES)
def test_the_error_about_an_address_that_does_not_work_omits_it(written, message, target, tmp_path):
    with pytest.raises(ServerError, match=message) as failed:
        publish(written(target), put(Lake(tmp_path), a=people("1")))
    assert_tells_nothing(failed.value, "s3cret")


def test_a_nul_which_postgres_does_not_keep_stops_nobody(target, tmp_path):
    lake = put(
        Lake(tmp_path), a=pl.DataFrame({"id": ["1", "2"], "name": ["An\0n", "Bo"], "tags": [["x\0", None], None]})
    )
    publish(target, lake)
    assert asked(target, "SELECT * FROM a.customer ORDER BY id") == [
        ("1", "An\ufffdn", ["x\ufffd", None]),
        ("2", "Bo", None),
    ]
    assert publish(target, lake).changed == ()


def test_a_publisher_with_too_few_rights_publishes_nothing(admin, target, postgres_server, tmp_path):
    lake = put(Lake(tmp_path), a=people("1"))
    name = target.rpartition("/")[2]
    admin.execute("CREATE ROLE meek LOGIN PASSWORD 'meek'")
    admin.execute(f"GRANT CREATE ON DATABASE {name} TO meek")
    with pytest.raises(ServerError, match="must own the database"):
        publish(postgres_server.dsn(name, "meek", "meek"), lake)
    assert asked(target, "SELECT nspname FROM pg_namespace WHERE nspname IN ('a', 'main')") == []


def test_a_schema_of_others_is_left_alone(target, tmp_path):
    with psycopg.connect(target) as owner:
        owner.execute("CREATE SCHEMA a")
        owner.execute("CREATE TABLE a.theirs AS SELECT 1 AS x")
    with pytest.raises(ServerError, match="that no publication made"):
        publish(target, put(Lake(tmp_path), a=people("1")))
    assert asked(target, "SELECT x FROM a.theirs") == [(1,)]


def test_a_lake_without_marts_is_an_error(target, tmp_path):
    with pytest.raises(LakeError, match="no published marts"):
        publish(target, Lake(tmp_path))


def test_bi_tools_connect_through_sqlalchemy_and_adbc(target, user, tmp_path):
    lake = put(Lake(tmp_path), a=people("1", "2", tags=["x"]))
    publish(target, lake)
    reader, file = user(target, "a"), str(serving.mart_file_path(lake))
    ask = "SELECT id, tags FROM a.customer ORDER BY id"
    expected = [("1", ["x"]), ("2", ["x"])]
    engine = sa.create_engine(sqlalchemy(reader))
    with engine.connect() as connection:
        assert [tuple(row) for row in connection.execute(sa.text(ask))] == expected
    # What a tool offers for charts: the tables, their columns, and what they mean.
    looked = sa.inspect(engine)
    assert looked.get_table_names(schema="a") == ["customer"]
    assert looked.get_table_comment("customer", schema="a") == {"text": "The mart 'a'"}
    columns = [
        (each["name"], str(each["type"]), each["comment"]) for each in looked.get_columns("customer", schema="a")
    ]
    assert columns == [("id", "TEXT", "What id"), ("tags", "ARRAY", "What tags")]
    engine.dispose()
    for connection in (
        adbc_postgres.connect(reader),
        adbc.connect(
            adbc_driver_duckdb.driver_path(),
            entrypoint="duckdb_adbc_init",
            db_kwargs={"path": file, "access_mode": "READ_ONLY"},
        ),
    ):
        with connection, connection.cursor() as cursor:
            cursor.execute(ask)
            assert cursor.fetch_arrow_table().to_pylist() == [{"id": id_, "tags": tags} for id_, tags in expected]
