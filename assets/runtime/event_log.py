"""Dagster's event log of a lake, with one open connection for each of its databases, and answers that it keeps.

Dagster's own opens SQLite anew for each of the thousands of statements of a night and compiles each statement anew,
and asks the same about each asset in every step that depends on it. That takes longer than a night that brings little.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self, cast

from dagster import AssetKey, DagsterEventType, EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.base import AssetRecord
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, StaticPool, create_engine, event

_BUSY_SECONDS = 60
# Stands for an answer that is not known; None is one.
_UNASKED = object()


class EventLog(SqliteEventLogStorage):
    """Dagster's event log in SQLite: the same files and tables, which the UI of another process may read meanwhile."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}
        self._tables: set[str] = set()
        # Answers about each asset, and the state of the index for which they hold.
        self._answers: dict[AssetKey, dict[Hashable, Any]] = defaultdict(dict)
        self._index_state: tuple[int, int] | None = None
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

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event; answers about other assets stay."""
        self._forget_what_others_changed()
        super().store_event(event)
        if event.dagster_event is not None and event.dagster_event.asset_key is not None:
            self._answers.pop(event.dagster_event.asset_key, None)
        self._index_state = self._read_index_state()

    def get_asset_records(self, asset_keys: Sequence[AssetKey] | None = None) -> Sequence[AssetRecord]:
        """The records of assets, from earlier answers as long as nobody writes about these assets."""
        if asset_keys is None:
            return super().get_asset_records()
        state = self._forget_what_others_changed()
        records = {key: self._answers[key].get("record", _UNASKED) for key in asset_keys}
        if unasked := [key for key, record in records.items() if record is _UNASKED]:
            found = {record.asset_entry.asset_key: record for record in super().get_asset_records(unasked)}
            for key in unasked:
                records[key] = self._keep(key, "record", found.get(key), state)
        return [record for record in records.values() if record is not None]

    def get_latest_tags_by_partition(
        self,
        asset_key: AssetKey,
        event_type: DagsterEventType,
        tag_keys: Sequence[str],
        asset_partitions: Sequence[str] | None = None,
        before_cursor: int | None = None,
        after_cursor: int | None = None,
    ) -> Mapping[str, Mapping[str, str]]:
        """The newest tags of an asset's partitions; see `get_asset_records`."""
        state = self._forget_what_others_changed()
        partitions = None if asset_partitions is None else tuple(asset_partitions)
        question = (event_type, tuple(tag_keys), partitions, before_cursor, after_cursor)
        tags = self._answers[asset_key].get(question, _UNASKED)
        if tags is _UNASKED:
            found = super().get_latest_tags_by_partition(
                asset_key, event_type, tag_keys, asset_partitions, before_cursor, after_cursor
            )
            tags = self._keep(asset_key, question, found, state)
        return cast("Mapping[str, Mapping[str, str]]", tags)

    def _keep(self, key: AssetKey, question: Hashable, answer: Any, state: tuple[int, int]) -> Any:
        """Keep an answer, unless anybody wrote since the question."""
        if self._read_index_state() == state:
            self._answers[key][question] = answer
        return answer

    def _forget_what_others_changed(self) -> tuple[int, int]:
        state = self._read_index_state()
        if state != self._index_state:
            self._answers.clear()
            self._index_state = state
        return state

    def _read_index_state(self) -> tuple[int, int]:
        """Changes when anybody writes the index: of this connection the changes, of all others SQLite's version."""
        with self.index_connection() as connection:
            driver = connection.connection.driver_connection
            return driver.total_changes, driver.execute("PRAGMA data_version").fetchone()[0]

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
