"""The lake: what is written stays, what is equal is not written, and no personal value reaches the Delta log."""

import multiprocessing
import os
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from deltalake.exceptions import TableNotFoundError

from cdp_pipelines.errors import LakeError
from cdp_pipelines.schema import CUSTOMER, UTC, Column, Subject, Table
from warehouse.delta import versions
from warehouse.delta.lake import Lake
from warehouse.delta.versions import open_table

TABLE = Table(
    "golden/people",
    "People",
    ("id",),
    (
        Column("id", pl.String(), "id"),
        Column("email", pl.String(), "e-mail", is_personal=True),
        Column("seen_at", UTC, "seen"),
        Column("tags", pl.List(pl.String), "tags"),
    ),
    replace(CUSTOMER.lifecycle, subjects=(Subject("customer", ("id",)),)),
)


def rows(*ids, email="canary@secret.example"):
    return TABLE.conform(
        pl.LazyFrame({"id": ids, "email": email, "seen_at": None, "tags": [["x"]] * len(ids)})
    ).collect()


def test_an_absent_table_has_no_rows(tmp_path):
    assert Lake(tmp_path).read(TABLE).equals(TABLE.empty())


def test_equal_content_keeps_its_version(tmp_path):
    lake = Lake(tmp_path)
    assert lake.replace(TABLE, rows("1", "2")).is_changed
    again = lake.replace(TABLE, rows("2", "1"))
    assert (again.version, again.is_changed, again.row_count) == (0, False, 2)
    assert lake.replace(TABLE, rows("1")).version == 1
    assert lake.append(TABLE, rows()).version == 1
    assert lake.append(TABLE, rows("3")).version == 2
    assert lake.read(TABLE)["id"].to_list() == ["1", "3"]
    assert lake.tables() == {"golden/people": 2}


def cut(file):
    file.write_bytes(file.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("files", "damage", "problem"),
    [
        ("*.parquet", cut, "bytes instead of"),
        ("*.parquet", Path.unlink, "is missing"),
        ("_delta_log/*.json", lambda entry: entry.write_text("{"), "its log cannot be read"),
    ],
)
def test_a_damaged_table_is_named_and_is_not_one_without_rows(tmp_path, files, damage, problem):
    lake = Lake(tmp_path / "my lake")
    lake.replace(TABLE, rows("1"))
    (file,) = lake.location(TABLE.name).glob(files)
    damage(file)
    versions._open_once.cache_clear()  # Another process has not opened the version while it was whole.
    with pytest.raises(LakeError, match=rf"^golden/people cannot be read: .*{problem}.*cdp doctor --lake .*my lake"):
        lake.scan(TABLE)


def test_a_path_with_a_blank(tmp_path):
    lake = Lake(tmp_path / "my lake")
    lake.replace(TABLE, rows("1", "2"))
    assert lake.replace(TABLE, rows("2", "1")).version == 0
    assert lake.append(TABLE, rows("3")).version == 1
    assert lake.read(TABLE).equals(rows("1", "2", "3"))
    assert lake.scan_version(TABLE.name, 0).collect().sort("id").equals(rows("1", "2"))


def test_no_personal_value_in_the_log(tmp_path):
    lake = Lake(tmp_path)
    lake.replace(TABLE, rows("1"))
    lake.append(TABLE, rows("2"))
    log = "".join(path.read_text() for path in (lake.location(TABLE.name) / "_delta_log").glob("*.json"))
    assert "minValues" in log
    assert "canary" not in log


def test_what_only_older_versions_hold_is_forgotten_and_so_is_what_a_killed_writer_left(tmp_path):
    lake = Lake(tmp_path / "my lake")
    folder = lake.location(TABLE.name)
    lake.replace(TABLE, rows("1", email="old@secret.example"))
    lake.replace(TABLE, rows("1", "2"))
    lake.append(TABLE, rows("3"))
    assert len(list(folder.glob("*.parquet"))) == 3
    (folder / "part-0.parquet#1").write_bytes(b"old@secret.example")
    (folder / "part-never-committed.parquet").write_bytes(b"old@secret.example")
    # Version 1 reads but one of the newest version's two files; version 0 has one of its own.
    assert lake.forget_versions(TABLE.name, keep=[0, 1]) == 2
    assert len(list(folder.glob("*.parquet"))) == 3
    assert lake.forget_versions(TABLE.name, keep=[1]) == 1
    assert len(list(folder.glob("*.parquet*"))) == 2
    assert lake.version(TABLE.name) == 2
    assert lake.read(TABLE).equals(rows("1", "2", "3"))
    assert lake.forget_versions(TABLE.name, keep=[7]) == 0
    assert all(b"old@secret" not in path.read_bytes() for path in lake.path.rglob("*") if path.is_file())


def _hold(path, held, release):
    with Lake(path).lock_writer():
        held.set()
        release.wait(30)


def test_one_writer(tmp_path):
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, held, release))
    other.start()
    assert held.wait(30)
    with pytest.raises(LakeError, match=f"is being written by process {other.pid}"), Lake(tmp_path).lock_writer():
        pass
    # A killed writer holds nothing.
    other.kill()
    other.join()
    with Lake(tmp_path).lock_writer():
        pass


@pytest.fixture
def open_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_a_lake_is_readable_by_its_owner_alone(tmp_path):
    lake = Lake(tmp_path / "lake")
    with lake.lock_writer():
        lake.append(TABLE, rows("1"))
    modes = {path: path.stat().st_mode & 0o077 for path in [lake.path, *lake.path.rglob("*")]}
    assert len(modes) > 3
    assert set(modes.values()) == {0}
    (tmp_path / "after").touch()
    assert (tmp_path / "after").stat().st_mode & 0o077 == 0o044


@pytest.mark.usefixtures("open_umask")
def test_a_lake_that_was_open_to_others_is_closed(tmp_path):
    lake = Lake(tmp_path / "lake")
    lake.append(TABLE, rows("1"))
    (folder,) = (path for path in lake.path.iterdir() if path.is_dir())
    assert (lake.path.stat().st_mode & 0o007, folder.stat().st_mode & 0o007) == (0o005, 0o005)
    with lake.lock_writer():
        pass
    assert (lake.path.stat().st_mode & 0o067, folder.stat().st_mode & 0o027) == (0, 0)


@pytest.mark.parametrize("name", ["my lake", "läke", "50% off", "it's", 'say "x"', "a*b", "{x}", "a&b=c;d", "日本"])
def test_a_lake_may_be_anywhere(tmp_path, name):
    lake = Lake(tmp_path / name)
    lake.append(TABLE, rows("1", "2"))
    lake.append(TABLE, rows("3"))
    assert lake.replace(TABLE, rows("1", "2", "3")).is_changed is False
    one_of = pl.col("id").str.contains("[12]") & pl.col("tags").list.contains("x")
    assert lake.scan(TABLE).filter(one_of).sort("id").collect().equals(rows("1", "2"))
    assert lake.scan_version(TABLE.name, 0).collect().sort("id").equals(rows("1", "2"))
    assert lake.tables() == {TABLE.name: 1}
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a#b", "a?b", "a[b", "a%20b", "a\tb", "a\udcffb"])
def test_a_path_that_the_delta_library_takes_for_another_is_refused(tmp_path, name):
    with pytest.raises(LakeError, match="the path of the lake has "):
        Lake(tmp_path / name)


def test_a_table_is_opened_again_only_after_a_commit(tmp_path):
    lake, folder = Lake(tmp_path), tmp_path / TABLE.name
    with pytest.raises(TableNotFoundError):
        open_table(folder)
    lake.append(TABLE, rows("1"))
    first = open_table(folder)
    assert open_table(folder) is first
    # Another process commits.
    rows("2").write_delta(str(folder), mode="append")
    assert open_table(folder) is not first
    assert lake.read(TABLE).equals(rows("1", "2"))
    # The folder is deleted, and a new table has as many commits.
    shutil.rmtree(folder)
    assert lake.version(TABLE.name) is None
    lake.append(TABLE, rows("3"))
    lake.append(TABLE, rows("4"))
    assert lake.read(TABLE).equals(rows("3", "4"))
