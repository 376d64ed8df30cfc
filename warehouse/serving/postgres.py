"""Marts on a PostgreSQL server: a copy of the published DuckDB file, a schema per purpose, in one transaction.

Here belongs the publication itself; `published_mart` reads the file, `roles` sets the rights, `server_error` words the
errors. Rows that differ are deleted and inserted in the existing tables, so that a publication takes no lock that
readers notice, and waits for no reader: readers see the old rows until the commit and the new rows after it, and a
REPEATABLE READ transaction that began before keeps the old rows in every mart. A new table in place of the old one
would do neither: its ACCESS EXCLUSIVE lock waits for the longest reader while all others wait for it, and older
snapshots find it empty. Only a mart with changed columns needs that lock, and gives up soon if it does not get it.

What may be published was decided for the file (`serving/marts`); nothing is decided here, so file and server always
hold the same rows.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from cdp_pipelines.errors import LakeError, ServerError
from warehouse.serving import mart_file, roles
from warehouse.serving.published_mart import read_published_marts
from warehouse.serving.server_error import to_server_error
from warehouse.serving.sql import quote_literal, quote_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from adbc_driver_postgresql import dbapi

    from warehouse.delta.lake import Lake
    from warehouse.serving.published_mart import PublishedMart

# Key of the advisory lock that lets one publication of a database run at a time.
ADVISORY_LOCK = 0x6364705F
LOCK_TIMEOUT = "30s"
# Below PostgreSQL's deadlock_timeout of 1 s: in a deadlock with a reader of several marts, the publication gives way.
RESHAPE_LOCK_TIMEOUT, RESHAPE_TRIES, RESHAPE_PAUSE_S = "500ms", 20, 0.5
BATCH_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Publication:
    """Result of a publication: database, rows per purpose, changed marts, inserted and deleted rows."""

    database: str
    rows: dict[str, int]
    changed: tuple[str, ...]
    inserted_count: int
    deleted_count: int


def publish(server: str, lake: Lake) -> Publication:
    """Make the marts of the server at `server` (a libpq URI) equal to the published file, and set the rights on them.

    Equal marts are not written. `LakeError` if the lake has no published file, `ServerError` if the server refuses.
    """
    # The driver brings pandas along, which every start of Dagster would wait for.
    from adbc_driver_postgresql import dbapi

    if not mart_file.mart_file_path(lake).exists():
        raise LakeError(f"{lake.path} has no published marts; `cdp run` makes them")
    try:
        return _publish_file(server, lake)
    except dbapi.Error as error:
        server_error = to_server_error(error)
    # Raised outside of the handler: the driver's error may quote a row or a password and must not be the context.
    raise server_error


def _publish_file(server: str, lake: Lake) -> Publication:
    with _session(server) as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        cursor.execute(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
        states = _read_states(cursor)
        # Opened after the lock, so that no publication replaces newer rows with those of an older file.
        with duckdb.connect(str(mart_file.mart_file_path(lake)), read_only=True) as source:
            marts = read_published_marts(source)
            changed = tuple(purpose for purpose, mart in marts.items() if states.get(purpose) != mart.state)
            for purpose in changed:
                rows = source.sql(marts[purpose].query).to_arrow_reader(BATCH_ROWS)
                cursor.adbc_ingest(purpose, rows, mode="create", temporary=True)
        removed = states.keys() - marts.keys()
        _create_tables(cursor, {purpose: marts[purpose] for purpose in changed}, states)
        counts = {purpose: _update_rows(cursor, purpose, marts[purpose]) for purpose in changed}
        for purpose in removed:
            _delete_rows(cursor, purpose)
        roles.establish_roles(cursor, {purpose: mart.table for purpose, mart in marts.items()}, removed)
        cursor.execute("SELECT current_database()")
        (database,) = cursor.fetchone()
    _clean_up(server, [purpose for purpose, (_, deleted_count) in counts.items() if deleted_count], removed)
    return Publication(
        database,
        {purpose: mart.row_count for purpose, mart in marts.items()},
        changed,
        sum(inserted_count for inserted_count, _ in counts.values()),
        sum(deleted_count for _, deleted_count in counts.values()),
    )


@contextmanager
def _session(server: str, *, autocommit: bool = False) -> Iterator[dbapi.Cursor]:
    """A cursor of a new connection; the transaction is committed if the block succeeds, and rolled back if not."""
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(server, autocommit=autocommit) as connection, connection.cursor() as cursor:
        yield cursor
        if not autocommit:
            connection.commit()


def _read_states(cursor: dbapi.Cursor) -> dict[str, str | None]:
    """Purpose to the state of its mart on the server; None where its table is missing.

    Creates `main.published` if it is missing.
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


def _create_tables(cursor: dbapi.Cursor, marts: Mapping[str, PublishedMart], existing: Iterable[str]) -> None:
    """Give each mart a table with the columns and types of its incoming rows; a table that fits is not changed."""
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
        _lock_tables(cursor, ", ".join(old))
        cursor.execute(f"DROP TABLE {', '.join(old)}")
    for purpose, mart in unfit.items():
        cursor.execute(f"CREATE SCHEMA {'IF NOT EXISTS ' if purpose in existing else ''}{quote_name(purpose)}")
        cursor.execute(
            f"CREATE TABLE {quote_name(purpose)}.{quote_name(mart.table)} (LIKE pg_temp.{quote_name(purpose)})"
        )


def _lock_tables(cursor: dbapi.Cursor, tables: str) -> None:
    """Lock these tables exclusively, all at once, in short tries, so that readers wait for half a second at most."""
    cursor.execute(f"SET LOCAL lock_timeout = '{RESHAPE_LOCK_TIMEOUT}'")
    cursor.execute(
        f"DO $lock$ BEGIN FOR i IN 1..{RESHAPE_TRIES} LOOP "
        f"BEGIN LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE; RETURN; "
        f"EXCEPTION WHEN lock_not_available THEN PERFORM pg_sleep({RESHAPE_PAUSE_S}); END; "
        "END LOOP; RAISE lock_not_available; END $lock$"
    )
    cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")


def _update_rows(cursor: dbapi.Cursor, purpose: str, mart: PublishedMart) -> tuple[int, int]:
    """Make the rows of the mart equal to the incoming rows; returns (inserted rows, deleted rows)."""
    name = f"{quote_name(purpose)}.{quote_name(mart.table)}"
    incoming = f"pg_temp.{quote_name(purpose)}"
    # Whole rows are compared, null equal to null, by a hash join.
    cursor.execute(f"DELETE FROM {name} old WHERE NOT EXISTS (SELECT FROM {incoming} new WHERE new = old)")
    deleted_count = cursor.rowcount
    cursor.execute(
        f"INSERT INTO {name} SELECT * FROM {incoming} new WHERE NOT EXISTS (SELECT FROM {name} old WHERE old = new)"
    )
    inserted_count = cursor.rowcount
    cursor.execute(f"SELECT count(*) FROM {name}")
    if cursor.fetchone() != (mart.row_count,):
        raise ServerError(
            f"the rows of {purpose} on the server differ from the published file; nothing was published, publish again"
        )
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


def _delete_rows(cursor: dbapi.Cursor, purpose: str) -> None:
    """Delete the rows of a mart that is not declared any more; `_clean_up` drops its schema when no reader uses it."""
    for name in _list_tables(cursor, purpose):
        cursor.execute(f"DELETE FROM {name}")
    cursor.execute("UPDATE main.published SET row_count = 0, state = 'gone' WHERE purpose = $1", (purpose,))


def _clean_up(server: str, with_deletions: Iterable[str], removed: Iterable[str]) -> None:
    """After publication: free the space of deleted rows, and drop the schemas of removed marts.

    A schema that a reader still uses is left to the next publication.
    """
    if with_deletions:
        with _session(server, autocommit=True) as cursor:
            for purpose in with_deletions:
                for name in _list_tables(cursor, purpose):
                    cursor.execute(f"VACUUM (TRUNCATE false, SKIP_LOCKED) {name}")
    for purpose in removed:
        with _session(server) as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{RESHAPE_LOCK_TIMEOUT}'")
            cursor.execute(
                f"DO $drop$ BEGIN DROP SCHEMA IF EXISTS {quote_name(purpose)} CASCADE; "
                f"DELETE FROM main.published WHERE purpose = {quote_literal(purpose)}; "
                "EXCEPTION WHEN lock_not_available THEN NULL; END $drop$"
            )


def _list_tables(cursor: dbapi.Cursor, purpose: str) -> list[str]:
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = $1", (purpose,))
    return [f"{quote_name(purpose)}.{quote_name(table)}" for (table,) in cursor.fetchall()]
