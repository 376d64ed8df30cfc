"""The group of all commands: errors in one line each, and the exit codes.

Here belongs what happens when a command fails. Messages are made where the error is raised.
"""

import errno
import sys
from collections.abc import Sequence
from typing import Any

import typer
from click import ClickException
from typer.core import TyperGroup

from cdp_pipelines.errors import CdpError

# An option, argument, file or lake that cannot be used; 1 is for checks that fail.
UNUSABLE = 2


class CommandGroup(TyperGroup):
    """Prints an error of the product, and a wrong option, as one line to stderr instead of a traceback or a box."""

    def invoke(self, ctx: typer.Context) -> object:
        """Run a command; exit code 2 where the product refuses it, or where a file or a table cannot be used."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, ClickException):
            raise
        except Exception as error:
            from cdp_pipelines.cli.output import print_error

            if not isinstance(error, CdpError) and not _is_of_storage(error):
                raise
            print_error(str(error) if isinstance(error, CdpError) else _explain_storage_error(error))
            raise typer.Exit(UNUSABLE) from None

    def main(self, args: Sequence[str] | None = None, **more: Any) -> Any:
        """Parse and run; wrong usage names the command whose --help explains it."""
        is_standalone = more.pop("standalone_mode", True)
        try:
            code = super().main(args, standalone_mode=False, **more)
        except Exception as error:
            if not is_standalone or not hasattr(error, "format_message"):
                raise
            _print_usage_error(error)
            code = getattr(error, "exit_code", UNUSABLE)
        if is_standalone:
            sys.exit(code if isinstance(code, int) else 0)
        return code


def _is_of_storage(error: Exception) -> bool:
    """Whether a disk, or a library that reads from it or writes to it, raised this."""
    import sqlite3

    from warehouse.delta.versions import STORAGE_ERRORS

    # SQLAlchemy, with which Dagster stores its runs, raises an error of its own for that of SQLite.
    return isinstance(error, (*STORAGE_ERRORS, sqlite3.Error)) or isinstance(error.__cause__, sqlite3.Error)


def _explain_storage_error(error: Exception) -> str:
    """The first line of the error, and what to do; a full disk needs no check of the lake."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"the disk is full ({error.filename or 'no file was named'}). Make room, and run again: nothing is lost"
    first_line = next(iter(str(error).splitlines()), type(error).__name__)
    return f"{first_line}\nIf this is a file of the lake: `cdp doctor --lake LAKE` finds the damage and what heals it"


def _print_usage_error(error: Any) -> None:
    from cdp_pipelines.cli.output import print_error

    context, message = getattr(error, "ctx", None), " ".join(error.format_message().split())
    # A command without its arguments has printed its help already.
    if message:
        hint = f" `{context.command_path} --help` lists what is allowed." if context else ""
        print_error(f"{message.rstrip('.')}.{hint}")
