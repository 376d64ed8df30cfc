"""`python -m tests.read_public_suites` on small suites of its own: sound ones pass, and each kind of loss is noticed."""

import io
import json

import polars as pl
import pytest

from cdp_pipelines.channels.formats.file_records import FileRecords
from tests import fuzz_readers
from tests.read_public_suites import main

DOCUMENTS = {
    "y_list.json": b"[1,2]", "y_text.json": b'"a"', "y_lines.json": b"[1,\n2]", "n_open.json": b"[1", "n_nan.json": b"[NaN]",
    "n_comma.json": b"[1,]", "i_bytes.json": b'["\xff"]', "y_object_duplicated_key.json": b'{"a":"b","a":"c"}',
}  # fmt: skip


@pytest.fixture
def suites(tmp_path):
    """Options with the folders of the three suites."""
    for folder in ("json/test_parsing", "csv/csvs", "csv/json", "parquet/data"):
        (tmp_path / folder).mkdir(parents=True)
    for name, document in DOCUMENTS.items():
        (tmp_path / "json/test_parsing" / name).write_bytes(document)
    (tmp_path / "csv/csvs/lines.csv").write_bytes(b'a,b\r\n1,"x\r\ny"\r\n2,""\r\n')
    (tmp_path / "csv/json/lines.json").write_text(json.dumps([{"a": "1", "b": "x\r\ny"}, {"a": "2", "b": ""}]))
    content = io.BytesIO()
    pl.DataFrame({"a": [1, 2], "b": ["x", None]}).write_parquet(content)
    (tmp_path / "parquet/data/sound.parquet").write_bytes(content.getvalue())
    (tmp_path / "parquet/data/damaged.parquet").write_bytes(content.getvalue()[:-9])
    return [text for name in ("json", "csv", "parquet") for text in (f"--{name}", str(tmp_path / name))]


def test_sound_suites_have_no_problem(suites, capsys):
    assert main(suites) == 0
    printed = capsys.readouterr().out
    assert printed.count("0 uncaught exceptions, 0 unaccounted rows") == 6
    assert "parquet-testing: 2 files, 3 received, 2 read without a fault" in printed
    assert "1 times: the file is not readable Parquet" in printed
    assert "csv-spectrum: 1 files, 2 received, 2 read without a fault, 2 accepted" in printed


def lose_a_row(records):
    return FileRecords(records.frame.head(-1), records.warnings)


def change_a_value(records):
    last = pl.nth(-2)
    return FileRecords(records.frame.with_columns(last + "!"), records.warnings)


def raise_an_error(_):
    raise ValueError


@pytest.mark.parametrize("fault", [lose_a_row, change_a_value, raise_an_error])
def test_a_wrong_reader_is_noticed(suites, capsys, monkeypatch, fault):
    read = fuzz_readers.read_records
    monkeypatch.setattr(fuzz_readers, "read_records", lambda data, contract: fault(read(data, contract)))
    assert main(suites[2:4]) == 1
    assert "PROBLEM: lines.csv" in capsys.readouterr().out


def test_an_empty_folder_is_a_wrong_option(tmp_path):
    with pytest.raises(SystemExit) as end:
        main(["--csv", str(tmp_path)])
    assert end.value.code == 2
