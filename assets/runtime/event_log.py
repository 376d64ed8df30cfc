"""Dagster's event log of a lake, with one open connection for each of its databases.

Dagster's own opens SQLite anew for each of the thousands of statements of a night and compiles each statement anew,
which takes longer than the statements and than a night that brings little.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, StaticPool, create_engine, event

_BUSY_SECONDS = 60


class EventLog(SqliteEventLogStorage):
    """Dagster's event log in SQLite: the same files and tables, which the UI of another process may read meanwhile."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: dict[str, Any]) -> Self:
        """The event log that dagster.yaml configures."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        # The lock makes one thread use a connection at a time.
        with self._db_lock:
            engine = self._engines.get(shard) or self._engines.setdefault(shard, self._open(shard))
            with engine.begin() as connection:
                yield connection

    def _open(self, shard: str) -> Engine:
        engine = create_engine(
            self.conn_string_for_shard(shard),
            poolclass=StaticPool,
            connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
        )
        event.listen(engine, "connect", _commit_without_waiting_for_the_disk)
        self._initdb(engine)
        return engine

    def has_table(self, table_name: str) -> bool:
        """Whether the index has this table; tables are never removed."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def dispose(self) -> None:
        """Close all connections."""
        with self._db_lock:
            for engine in self._engines.values():
                engine.dispose()
            self._engines.clear()
        super().dispose()


def _commit_without_waiting_for_the_disk(connection: Any, _: Any) -> None:
    # A power cut may lose the last events of a run, and damages nothing: SQLite's log is written ahead.
    connection.execute("PRAGMA synchronous=NORMAL")
