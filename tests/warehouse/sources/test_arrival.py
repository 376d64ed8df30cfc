"""A file is whole by the signs that its channel declares, whatever time stamps it has."""

import hashlib
import os
from datetime import date

import pytest

from cdp_pipelines.channels.completeness import Completeness
from warehouse.sources.arrival import Observation, read_whole
from warehouse.sources.drop_folder import DropFile

NIGHT = date(2024, 6, 30)
CONTENT = b"id\n1\n"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
SETTLED = Completeness(settle_seconds=0.01)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / str(NIGHT) / "orders.csv"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    return DropFile(path, NIGHT, path.name)


def find_reason(file, signs) -> str | None:
    return read_whole(file, signs, Observation.take(file.path.parents[1]))[2]


@pytest.mark.parametrize("stamped", [0, 4102444800])
def test_a_file_that_does_not_change_is_whole_whatever_its_stamps(file, stamped):
    os.utime(file.path, (stamped, stamped))
    assert find_reason(file, SETTLED) is None


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda path: path.write_bytes(CONTENT + b"2\n"), id="grown"),
        pytest.param(lambda path: path.write_bytes(CONTENT.replace(b"1", b"2")), id="same_size"),
        pytest.param(lambda path: (path.write_bytes(CONTENT + b"2\n"), os.utime(path, (0, 0))), id="old_stamp"),
        pytest.param(lambda path: path.with_name("new").replace(path), id="another_file"),
    ],
)
def test_a_file_that_changed_since_the_first_look_waits_and_the_next_run_takes_it_in(file, change):
    os.utime(file.path, (0, 0))
    file.path.with_name("new").write_bytes(CONTENT)
    first_look = Observation.take(file.path.parents[1])
    change(file.path)
    assert read_whole(file, SETTLED, first_look)[2] == "it has changed in the last 0.01 seconds"
    assert find_reason(file, SETTLED) is None


def test_a_file_that_came_after_the_first_look_waits(file, tmp_path):
    (tmp_path / "empty").mkdir()
    assert read_whole(file, SETTLED, Observation.take(tmp_path / "empty"))[2] is not None


def test_a_run_waits_once_and_not_for_each_file(file, monkeypatch):
    slept = []
    monkeypatch.setattr("warehouse.sources.arrival.time.sleep", slept.append)
    monkeypatch.setattr("warehouse.sources.arrival.time.monotonic", lambda: 100.0 + sum(slept))
    first_look = Observation({}, 99.0)
    for _ in range(3):
        read_whole(file, Completeness(settle_seconds=30), first_look)
    assert slept == [29.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("declared", "beside"),
    [("{file}.done", "orders.csv.done"), ("_SUCCESS", "_SUCCESS"), ("{file}.ok", "orders.csv.ok")],
)
def test_a_file_without_its_marker_waits(file, declared, beside):
    signs = Completeness(marker=declared)
    file.path.with_name("another.csv.done").touch()
    assert find_reason(file, signs) == f"its marker {beside} does not stand beside it"
    file.path.with_name(beside).touch()
    assert find_reason(file, signs) is None


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        pytest.param(f"{DIGEST}  orders.csv\n", None, id="sha256sum"),
        pytest.param(f"{DIGEST.upper()} *orders.csv\r\n", None, id="binary_mode_of_windows"),
        pytest.param(f"{DIGEST} {len(CONTENT)}  orders.csv\n", None, id="with_size"),
        pytest.param(f"{DIGEST} 7  orders.csv\n", "it has 5 bytes, and 7 by the manifest SHA256SUMS", id="short"),
        pytest.param(f"{'0' * 64}  orders.csv\n", "its SHA-256 is not that of the manifest SHA256SUMS", id="differs"),
        pytest.param(f"{DIGEST}  other.csv\n", "the manifest SHA256SUMS does not list it", id="not_listed"),
        pytest.param(f"{DIGEST[:-1]}  orders.csv\n", "the manifest SHA256SUMS does not list it", id="broken_line"),
        pytest.param(None, "its manifest SHA256SUMS cannot be read: No such file or directory", id="missing"),
    ],
)
def test_a_file_that_is_not_what_its_manifest_states_waits(file, manifest, reason):
    if manifest is not None:
        file.path.with_name("SHA256SUMS").write_text(manifest, newline="")
    assert find_reason(file, Completeness(manifest="SHA256SUMS")) == reason


def test_a_file_needs_all_declared_signs(file):
    signs = Completeness(settle_seconds=0.01, marker="{file}.done", manifest="{file}.sha256")
    file.path.with_name("orders.csv.sha256").write_text(f"{DIGEST}  orders.csv\n")
    assert "marker" in find_reason(file, signs)
    file.path.with_name("orders.csv.done").touch()
    assert find_reason(file, signs) is None
    file.path.with_name("orders.csv.sha256").unlink()
    assert "manifest" in find_reason(file, signs)
