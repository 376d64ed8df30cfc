"""Errors of a disk, and of libraries that read from it, are lines that say what to do; faults of ours are tracebacks."""

import errno
import sqlite3

import polars as pl
import pytest
import typer
from deltalake.exceptions import DeltaError
from typer.testing import CliRunner

from cdp_pipelines.cli.group import CommandGroup


def invoke(error: Exception):
    app = typer.Typer(cls=CommandGroup)

    @app.command()
    def fail() -> None:
        raise error

    @app.command()
    def other() -> None: ...

    return CliRunner().invoke(app, ["fail"])


def wrapped(cause: Exception) -> Exception:
    """As SQLAlchemy does it."""
    error = RuntimeError(f"({type(cause).__name__}) {cause}\n[SQL: INSERT]")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file or directory", "part-1.parquet"),
        PermissionError(errno.EACCES, "Permission denied", "lake"),
        OSError(errno.EROFS, "Read-only file system", "lake/reports"),
        DeltaError("Invalid JSON in log record"),
        pl.exceptions.ComputeError("parquet: File out of specification"),
        sqlite3.OperationalError("disk I/O error"),
        wrapped(sqlite3.OperationalError("database or disk is full")),
    ],
)
def test_an_error_of_the_storage_names_the_command_that_finds_it(error):
    done = invoke(error)
    assert done.exit_code == 2
    assert "error" in done.output
    assert str(error).splitlines()[0] in done.output
    assert "cdp doctor --lake LAKE" in done.output


def test_a_full_disk_is_named(tmp_path):
    done = invoke(OSError(errno.ENOSPC, "No space left on device", "lake/raw"))
    assert done.exit_code == 2
    assert "the disk is full (lake/raw). Make room, and run again" in done.output


@pytest.mark.parametrize("error", [ValueError("a fault of ours"), KeyError("a")])
def test_a_fault_of_ours_keeps_its_traceback(error):
    done = invoke(error)
    assert done.exception is error
    assert done.exit_code == 1


def test_an_exit_code_stays():
    assert invoke(typer.Exit(1)).exit_code == 1
