"""Errors as Dagster may store them: their type and place, never a message that could show a person.

Redaction of errors belongs here, with the choice of errors that are worth another try, because it needs the original
error; reporting a failed check is in `results`.
"""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from deltalake.exceptions import CommitFailedError

from cdp_pipelines.errors import CdpError
from warehouse.delta.versions import STORAGE_ERRORS

# A full disk or another writer's commit: another try may succeed.
TRANSIENT_ERRORS = (OSError, CommitFailedError)
FRAME_COUNT = 6


@contextmanager
def redact_errors() -> Iterator[None]:
    """Turn every error into a `Failure`: with its text where that is ours, else with its type and place alone."""
    try:
        yield
    except (dg.Failure, dg.RetryRequested):
        raise
    except CdpError as error:
        description, is_transient = str(error), False
    except BaseException as error:
        # Whatever it is, its message may quote a person. A panic of a library in Rust is no `Exception`.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        description = f"{type(error).__module__}.{type(error).__name__} at {_describe_place(error)}"
        if isinstance(error, STORAGE_ERRORS) or not isinstance(error, Exception):
            description += ". If a file of the lake is damaged, `cdp doctor --lake LAKE` names it"
        is_transient = isinstance(error, TRANSIENT_ERRORS)
    else:
        return
    # An error raised inside the except block would have the original as its context, which Dagster stores.
    raise dg.Failure(description, allow_retries=is_transient) from None


def _describe_place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-FRAME_COUNT:]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
