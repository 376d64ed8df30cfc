"""The drop folder: one folder per night, named by its date, with the files that the channels delivered.

Here belongs finding the files. Their content is read in `cdp_pipelines.channels`.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from cdp_pipelines.errors import LakeError

if TYPE_CHECKING:
    from pathlib import Path

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class DropFile:
    """One delivered file; `drop_date` is None where its folder is not named by a date."""

    path: Path
    drop_date: date | None

    @property
    def name(self) -> str:
        """Its name within the folder of its night."""
        return self.path.name

    def read(self) -> tuple[bytes, str]:
        """Its bytes and their SHA-256."""
        data = self.path.read_bytes()
        return data, hashlib.sha256(data).hexdigest()


def list_drop_dates(drops: Path) -> list[date]:
    """Delivered nights, in order; `LakeError` where the folder is missing."""
    return sorted({file.drop_date for file in list_drop_files(drops) if file.drop_date is not None})


def list_drop_files(drops: Path, until: date | None = None) -> list[DropFile]:
    """Files of all nights until `until`, in order of night and name. Hidden files are not deliveries."""
    if not drops.is_dir():
        raise LakeError(f"the drop folder {drops} does not exist; create it, or name another one")
    files = [
        DropFile(path, _parse_date(path.parent.name))
        for path in drops.glob("*/*")
        if path.is_file() and not path.name.startswith(".")
    ]
    due = [file for file in files if until is None or file.drop_date is None or file.drop_date <= until]
    return sorted(due, key=lambda file: (file.drop_date or date.max, file.path.parent.name, file.name))


def digest_settled_folders(drops: Path, settled_before: float) -> dict[date, str]:
    """Night to a digest of its files' names, sizes and times; nights with a file changed since then are left out.

    `settled_before`: seconds since the epoch. A folder with a younger file may still be written.
    """
    folders: dict[date, list[tuple[str, int, float]]] = {}
    for file in list_drop_files(drops):
        if file.drop_date is not None:
            stat = file.path.stat()
            folders.setdefault(file.drop_date, []).append((file.name, stat.st_size, stat.st_mtime))
    return {
        night: hashlib.sha256(json.dumps(files).encode()).hexdigest()
        for night, files in folders.items()
        if max(changed_at for *_, changed_at in files) < settled_before
    }


def _parse_date(name: str) -> date | None:
    if _DATE.fullmatch(name) is None:
        return None
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None
