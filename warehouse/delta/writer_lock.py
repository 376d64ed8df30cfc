"""The writer lock: one process writes a lake at a time, and what it writes its owner alone can read.

Here belongs the lock alone. Readers need no lock. The operating system releases it when its process ends, so a killed
writer blocks nobody.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from stat import S_IMODE
from typing import IO, TYPE_CHECKING

from cdp_pipelines.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK_FILE = ".writer"
_RETRY_S = 0.5


@contextmanager
def lock_writer(folder: Path, patience_s: float = 0) -> Iterator[None]:
    """Lock the lake in `folder` for this process; `LakeError` names the process that holds the lock already.

    `patience_s`: seconds for which it tries again while another process holds the lock. Files that are written within
    the block are readable and writable by their owner alone.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _for_owner_alone(folder), (folder / LOCK_FILE).open("a+") as lock:
        if not _is_locked(lock, time.monotonic() + patience_s):
            lock.seek(0)
            raise LakeError(f"{folder} is being written by process {lock.read().strip() or 'unknown'}; wait or stop it")
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _is_locked(lock: IO[str], until: float) -> bool:
    """Whether this process got the lock; it tries until the clock `time.monotonic` has reached `until`."""
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= until:
                return False
            time.sleep(_RETRY_S)
        else:
            return True


@contextmanager
def _for_owner_alone(folder: Path) -> Iterator[None]:
    """Close the lake to others, also one that was open to them; a declared group may still pass to what it reads."""
    before = os.umask(0o077)
    try:
        _take_rights(folder, 0o067)
        for child in folder.iterdir():
            if not child.is_symlink():
                _take_rights(child, 0o027)
        yield
    finally:
        os.umask(before)


def _take_rights(path: Path, rights: int) -> None:
    status = path.stat()
    if status.st_mode & rights and status.st_uid == os.geteuid():
        path.chmod(S_IMODE(status.st_mode) & ~rights)
