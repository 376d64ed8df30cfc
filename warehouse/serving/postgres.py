"""Marts on a PostgreSQL server: what the published DuckDB file holds, in a schema per purpose, in one transaction.

Rows that differ are deleted and inserted in the tables that readers know, so publication takes no lock that a reader
notices and waits for none: whoever asks gets yesterday until the commit and today after it, and whoever began a
REPEATABLE READ transaction before keeps yesterday in every mart. A new table put in an old one's place would do
neither: its ACCESS EXCLUSIVE lock waits for the longest reader while all others wait for it, and older snapshots find
it empty. Only a mart whose columns are declared anew needs that lock, and gives up soon where it cannot have it.

The file was decided at publication (`serving/marts`); here nothing is decided, so both always hold the same rows.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
from adbc_driver_postgresql import dbapi

from cdp_pipelines.errors import LakeError, ServerError
from warehouse.serving import mart_file as serving
from warehouse.serving import roles
from warehouse.serving.sql import quote_literal, quote_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from warehouse.delta.lake import Lake

SERVER = "CDP_POSTGRES"
# Two publications of one database wait for each other on this number.
PUBLICATION = 0x6364705F
PATIENCE = "30s"
# Below PostgreSQL's deadlock_timeout of 1 s: where a reader of several marts and we wait for each other, we step back.
RESHAPE_PATIENCE, RESHAPE_TRIES, RESHAPE_PAUSE_S = "500ms", 20, 0.5
BATCH_ROWS = 100_000
LOCK_NOT_AVAILABLE = "55P03"

# SQLSTATE or, where no statement was refused, words of libpq, of which the rest may quote a badly written password.
REFUSALS = {
    "28000": "the server does not let this user in",
    "42501": "the user lacks a right: it must own the database and have CREATEROLE",
    "42P06": "a schema of a purpose's name is there that no publication made; rename it, or use another database",
    "2BP01": "a view or another object rests on a mart whose columns changed; drop it and publish again",
    "password authentication failed": "the password is wrong",
    "no password supplied": "it asks for a password",
    "does not exist": "there is no such database or user",
    "permission denied": "the user may not connect to the database",
    "could not translate host name": "its host is not found",
}
PASSING = {
    LOCK_NOT_AVAILABLE: "another publication, or a transaction that holds a mart whose columns changed, goes on for "
    "too long; end it (pg_stat_activity, pg_locks) and publish again",
    "53100": "its disk is full",
    "57P01": "it ended the connection",
    "terminating connection": "it ended the connection",
    "server closed the connection": "it ended the connection",
    "Connection refused": "nothing listens at its host and port",
    "timeout expired": "it does not answer",
    "starting up": "it is starting up",
    "too many": "it has no connection left",
}


@dataclass(frozen=True, slots=True)
class Publication:
    """What a publication did: in which database, rows per purpose there, which marts changed, rows in and out."""

    database: str
    rows: dict[str, int]
    changed: tuple[str, ...]
    inserted_count: int
    deleted_count: int


@dataclass(frozen=True, slots=True)
class _Mart:
    """A mart as the file holds it; `state` differs where a row, a column or a description does.

    `comments`: column to its description; `query`: what gives its rows.
    """

    table: str
    delta_version: int
    row_count: int
    comment: str
    comments: dict[str, str]
    query: str
    state: str


def publish(server: str, lake: Lake) -> Publication:
    """Make the marts of the server at `server` (a libpq URI) equal to the published file, and their readers' rights.

    What is equal is not written. `LakeError` where nothing is published, `ServerError` where the server refuses.
    """
    if not serving.mart_file_path(lake).exists():
        raise LakeError(f"{lake.path} has no published marts; `cdp run` makes them")
    try:
        return _published(server, lake)
    except dbapi.Error as error:
        refusal = _refusal(error)
    # Raised out here, so that the driver's error, which may quote a row or a password, is not even its context.
    raise refusal


def _published(server: str, lake: Lake) -> Publication:
    with _session(server) as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
        cursor.execute(f"SELECT pg_advisory_xact_lock({PUBLICATION})")
        held = _held(cursor)
        # Opened once we have the turn: nobody puts an older file over a newer one.
        with duckdb.connect(str(serving.mart_file_path(lake)), read_only=True) as source:
            wanted = _wanted(source)
            changed = tuple(purpose for purpose, mart in wanted.items() if held.get(purpose) != mart.state)
            for purpose in changed:
                rows = source.sql(wanted[purpose].query).to_arrow_reader(BATCH_ROWS)
                cursor.adbc_ingest(purpose, rows, mode="create", temporary=True)
        gone = held.keys() - wanted.keys()
        _shape(cursor, {purpose: wanted[purpose] for purpose in changed}, held)
        counts = {purpose: _fill(cursor, purpose, wanted[purpose]) for purpose in changed}
        for purpose in gone:
            _empty(cursor, purpose)
        roles.establish_roles(cursor, {purpose: mart.table for purpose, mart in wanted.items()}, gone)
        cursor.execute("SELECT current_database()")
        (database,) = cursor.fetchone()
    _tidy(server, [purpose for purpose, (_, deleted_count) in counts.items() if deleted_count], gone)
    return Publication(
        database,
        {purpose: mart.row_count for purpose, mart in wanted.items()},
        changed,
        sum(inserted_count for inserted_count, _ in counts.values()),
        sum(deleted_count for _, deleted_count in counts.values()),
    )


@contextmanager
def _session(server: str, *, autocommit: bool = False) -> Iterator[dbapi.Cursor]:
    """A connection's cursor; what was done through it is committed when the block ends well, and undone if not."""
    with dbapi.connect(server, autocommit=autocommit) as connection, connection.cursor() as cursor:
        yield cursor
        if not autocommit:
            connection.commit()


def _refusal(error: dbapi.Error) -> ServerError:
    for known in (PASSING, REFUSALS):
        for sign, told in known.items():
            if sign == error.sqlstate or (not error.sqlstate and sign in str(error)):
                return ServerError(told, is_passing=known is PASSING)
    if error.sqlstate:
        return ServerError(f"it refused a statement (SQLSTATE {error.sqlstate})")
    return ServerError(f"it cannot be reached; is {SERVER} a URI, with its password percent-encoded?")


def _held(cursor: dbapi.Cursor) -> dict[str, str | None]:
    """Purpose to the state of its mart on the server, None where its table is not there any more.

    `main.published` is made where it is missing.
    """
    cursor.execute("CREATE SCHEMA IF NOT EXISTS main")
    cursor.execute(
        "CREATE TABLE IF NOT EXISTS main.published "
        "(purpose text PRIMARY KEY, delta_version bigint NOT NULL, row_count bigint NOT NULL, state text NOT NULL)"
    )
    cursor.execute(
        "SELECT purpose, CASE WHEN EXISTS (SELECT FROM pg_tables WHERE schemaname = purpose) THEN state END "
        "FROM main.published"
    )
    return dict(cursor.fetchall())


def _wanted(source: duckdb.DuckDBPyConnection) -> dict[str, _Mart]:
    """Purpose to its mart in the published file."""
    marts = source.execute(
        "SELECT schema_name, table_name, delta_version, row_count, comment "
        "FROM duckdb_tables() JOIN main.published ON purpose = schema_name ORDER BY schema_name"
    ).fetchall()
    found = {}
    for purpose, table, delta_version, row_count, comment in marts:
        columns = source.execute(
            "SELECT column_name, data_type, comment FROM duckdb_columns() WHERE schema_name = ? ORDER BY column_index",
            [purpose],
        ).fetchall()
        ((total,),) = source.execute(
            f"SELECT sum(hash(mart))::VARCHAR FROM {quote_name(purpose)}.{quote_name(table)} mart"
        ).fetchall()
        told = json.dumps([table, delta_version, row_count, comment, columns, total])
        state = hashlib.sha256(told.encode()).hexdigest()
        values = ", ".join(_kept(quote_name(name), dtype) for name, dtype, _ in columns)
        query = f"SELECT {values} FROM {quote_name(purpose)}.{quote_name(table)}"
        comments = {name: text for name, _, text in columns}
        found[purpose] = _Mart(table, delta_version, row_count, comment, comments, query, state)
    return found


def _kept(name: str, dtype: str) -> str:
    """A column as PostgreSQL can keep it: it knows no NUL in a text, which stands there as the replacement character.

    Without this, one person with such a name would keep every mart from being published.
    """
    match dtype:
        case "VARCHAR":
            return f"replace({name}, chr(0), chr(65533)) AS {name}"
        case "VARCHAR[]":
            return f"list_transform({name}, lambda text: replace(text, chr(0), chr(65533))) AS {name}"
        case _:
            return name


def _shape(cursor: dbapi.Cursor, marts: Mapping[str, _Mart], held: Iterable[str]) -> None:
    """Give each mart a table of the columns and types that its incoming rows have; one that fits is left alone."""
    cursor.execute(
        "SELECT CASE WHEN relnamespace = pg_my_temp_schema() THEN NULL ELSE nspname END, relname, "
        "array_agg(attname || ' ' || format_type(atttypid, atttypmod) ORDER BY attnum) "
        "FROM pg_attribute JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace "
        "WHERE relkind = 'r' AND attnum > 0 AND NOT attisdropped GROUP BY 1, 2"
    )
    shapes: dict[str | None, dict[str, list[str]]] = {}
    for schema, table, columns in cursor.fetchall():
        shapes.setdefault(schema, {})[table] = columns
    unfit = {
        purpose: mart
        for purpose, mart in marts.items()
        if shapes.get(purpose, {}) != {mart.table: shapes[None][purpose]}
    }
    old = [f"{quote_name(purpose)}.{quote_name(table)}" for purpose in unfit for table in shapes.get(purpose, {})]
    if old:
        _lock(cursor, ", ".join(old))
        cursor.execute(f"DROP TABLE {', '.join(old)}")
    for purpose, mart in unfit.items():
        cursor.execute(f"CREATE SCHEMA {'IF NOT EXISTS ' if purpose in held else ''}{quote_name(purpose)}")
        cursor.execute(
            f"CREATE TABLE {quote_name(purpose)}.{quote_name(mart.table)} (LIKE pg_temp.{quote_name(purpose)})"
        )


def _lock(cursor: dbapi.Cursor, tables: str) -> None:
    """Have these tables to ourselves, all at once, without making readers wait for longer than a moment."""
    cursor.execute(f"SET LOCAL lock_timeout = '{RESHAPE_PATIENCE}'")
    cursor.execute(
        f"DO $lock$ BEGIN FOR i IN 1..{RESHAPE_TRIES} LOOP "
        f"BEGIN LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE; RETURN; "
        f"EXCEPTION WHEN lock_not_available THEN PERFORM pg_sleep({RESHAPE_PAUSE_S}); END; "
        "END LOOP; RAISE lock_not_available; END $lock$"
    )
    cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")


def _fill(cursor: dbapi.Cursor, purpose: str, mart: _Mart) -> tuple[int, int]:
    """Make the mart's rows those that came in; gives how many were inserted and deleted."""
    name = f"{quote_name(purpose)}.{quote_name(mart.table)}"
    incoming = f"pg_temp.{quote_name(purpose)}"
    # Whole rows are compared, null equal to null, by a hash join.
    cursor.execute(f"DELETE FROM {name} held WHERE NOT EXISTS (SELECT FROM {incoming} new WHERE new = held)")
    deleted_count = cursor.rowcount
    cursor.execute(
        f"INSERT INTO {name} SELECT * FROM {incoming} new WHERE NOT EXISTS (SELECT FROM {name} held WHERE held = new)"
    )
    inserted_count = cursor.rowcount
    cursor.execute(f"SELECT count(*) FROM {name}")
    if cursor.fetchone() != (mart.row_count,):
        raise ServerError(f"{purpose} has other rows than the file; nothing was published")
    cursor.execute(f"COMMENT ON TABLE {name} IS {quote_literal(mart.comment)}")
    for column, comment in mart.comments.items():
        cursor.execute(f"COMMENT ON COLUMN {name}.{quote_name(column)} IS {quote_literal(comment)}")
    cursor.execute(f"ANALYZE {name}")
    cursor.execute(
        "INSERT INTO main.published VALUES ($1, $2, $3, $4) ON CONFLICT (purpose) DO UPDATE SET "
        "delta_version = excluded.delta_version, row_count = excluded.row_count, state = excluded.state",
        (purpose, mart.delta_version, mart.row_count, mart.state),
    )
    return inserted_count, deleted_count


def _empty(cursor: dbapi.Cursor, purpose: str) -> None:
    """Take the rows of a mart that is not declared any more; its schema goes when nobody holds it (`_tidy`)."""
    for name in _tables(cursor, purpose):
        cursor.execute(f"DELETE FROM {name}")
    cursor.execute("UPDATE main.published SET row_count = 0, state = 'gone' WHERE purpose = $1", (purpose,))


def _tidy(server: str, thinned: Iterable[str], gone: Iterable[str]) -> None:
    """After publication: give back the space of deleted rows, and drop what is gone.

    What a reader still holds is left to the next publication.
    """
    if thinned:
        with _session(server, autocommit=True) as cursor:
            for purpose in thinned:
                for name in _tables(cursor, purpose):
                    cursor.execute(f"VACUUM (TRUNCATE false, SKIP_LOCKED) {name}")
    for purpose in gone:
        with _session(server) as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{RESHAPE_PATIENCE}'")
            cursor.execute(
                f"DO $drop$ BEGIN DROP SCHEMA IF EXISTS {quote_name(purpose)} CASCADE; "
                f"DELETE FROM main.published WHERE purpose = {quote_literal(purpose)}; "
                "EXCEPTION WHEN lock_not_available THEN NULL; END $drop$"
            )


def _tables(cursor: dbapi.Cursor, purpose: str) -> list[str]:
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = $1", (purpose,))
    return [f"{quote_name(purpose)}.{quote_name(table)}" for (table,) in cursor.fetchall()]
