"""The writer lock: one process writes a lake at a time. Readers need no lock.

Here belongs the lock alone. The operating system releases it when its process ends, so a killed writer blocks nobody.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cdp_pipelines.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK_FILE = ".writer"


@contextmanager
def lock_writer(folder: Path) -> Iterator[None]:
    """Lock the lake in `folder` for this process; `LakeError` names the process that holds the lock already."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise LakeError(
                f"{folder} is being written by process {lock.read().strip() or 'unknown'}; wait or stop it"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
