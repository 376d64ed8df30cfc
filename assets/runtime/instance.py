"""Dagster's instance of a lake: its record of runs lies in the lake, so that the UI shows what the command line ran.

Preparing it belongs here; running the job and serving the UI are in `night` and `ui`.
"""

import json
import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import dagster as dg
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from cdp_pipelines.errors import LakeError
from warehouse.delta.lake import Lake

_CONFIG = """\
# One run at a time: a lake has one writer.
concurrency:
  runs:
    max_concurrent_runs: 1
telemetry:
  enabled: false
nux:
  enabled: false
event_log_storage:
  module: assets.runtime.event_log
  class: EventLog
  config:
    base_dir: {base_dir}
"""
_DROPS = "drops.txt"
_DATABASES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
_LOG = logging.getLogger(__name__)
# SQLite's primary result codes of a full disk, and of one that cannot be read or written; a file that is too short is
# damaged, though its code is one of these.
_FAULTS_OF_DISK = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY}


def prepare_instance(lake: Path, drops: Path) -> None:
    """Point Dagster and our resource at this lake and these drops, and store the drop folder for `cdp ui`."""
    home = _home(lake)
    home.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.mkdir(mode=0o700, exist_ok=True)
    _configure(home)
    (home / _DROPS).write_text(str(drops.absolute()))
    os.environ.update(
        DAGSTER_HOME=str(home),
        CDP_LAKE=str(lake.absolute()),
        CDP_DROPS=str(drops.absolute()),
        DAGSTER_DISABLE_TELEMETRY="1",
    )


def prepare_databases(lake: Path) -> None:
    """Make Dagster's databases of this lake, whole or not at all, and make damaged ones anew.

    Dagster itself takes a database for complete as soon as its file exists, so a kill in the first second would leave a
    lake that never runs again. Damaged databases are kept beside the new ones. Raises `LakeError` where another process
    writes the lake.
    """
    home = _home(lake)
    if all(_is_whole(home / name) for name in _DATABASES):
        return
    with Lake(lake.absolute()).lock_writer():
        new, damaged = home / "new", home / "damaged"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        _configure(new)
        with dg.DagsterInstance.from_config(str(new)):
            pass  # Opening it makes the databases.
        folders = {Path(name).parts[0] for name in _DATABASES}
        if left := [folder for folder in sorted(folders) if (home / folder).exists()]:
            shutil.rmtree(damaged, ignore_errors=True)
            damaged.mkdir()
            for folder in left:
                (home / folder).rename(damaged / folder)
            _LOG.warning("Dagster's record of runs was damaged: it lies in %s now, and a new one begins", damaged)
        for folder in folders:
            (new / folder).rename(home / folder)
        shutil.rmtree(new)


@contextmanager
def show_in_timeline(instance: dg.DagsterInstance, job: str) -> Iterator[None]:
    """Give runs of this job in this process the origin by which Dagster's timeline and home page find runs.

    Dagster names an origin only where another process starts the run. It is the location of workspace.yaml.
    """
    target = LoadableTargetOrigin(module_name="assets.definitions")
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, location_name="cdp")
    origin = RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME).get_job_origin(job)
    created = partial(instance.create_run_for_job, remote_job_origin=origin)
    instance.create_run_for_job = created  # type: ignore[method-assign]
    try:
        yield
    finally:
        del instance.create_run_for_job


def find_damaged_databases(lake: Path) -> list[str]:
    """Dagster's databases of this lake that exist and cannot be read, by their path within the lake."""
    home = _home(lake)
    damaged = [home / name for name in _DATABASES if (home / name).exists() and not _is_whole(home / name)]
    return [str(path.relative_to(lake.absolute())) for path in damaged]


def _is_whole(database: Path) -> bool:
    """Whether a database can be read and has the version that Dagster writes into it last.

    Raises `sqlite3.Error` where the disk, not the database, is at fault: a sound one must not be set aside then.
    """
    if not database.exists():
        return False
    try:
        with closing(sqlite3.connect(database)) as opened:
            is_sound = opened.execute("PRAGMA quick_check").fetchall() == [("ok",)]
            return is_sound and opened.execute("SELECT 1 FROM alembic_version").fetchone() is not None
    except sqlite3.DatabaseError as error:
        primary_code = error.sqlite_errorcode & 0xFF
        if primary_code in _FAULTS_OF_DISK and error.sqlite_errorcode != sqlite3.SQLITE_IOERR_SHORT_READ:
            raise
        return False


def _configure(home: Path) -> None:
    base_dir = json.dumps(str(home / "history" / "runs"))
    (home / "dagster.yaml").write_text(_CONFIG.format(base_dir=base_dir))


def _home(lake: Path) -> Path:
    return lake.absolute() / ".dagster"


def read_last_drops(lake: Path) -> Path:
    """The drop folder of the lake's last run; `LakeError` where there was none."""
    stored = _home(lake) / _DROPS
    if not stored.exists():
        raise LakeError(f"{lake} was not made by `cdp run`; run it first, or name the drop folder with --drops")
    return Path(stored.read_text())
