"""The drop folder: one folder per night, named by its date, with the files that the channels delivered.

Here belongs finding the files, and what is no delivery though it lies there. Their content is read in
`cdp_pipelines.channels`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from cdp_pipelines.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class DropFile:
    r"""One entry of the drop folder.

    `drop_date`: None where its folder is not named by a date. `name`: a delivery's within the folder of its night, else
    the path within the drop folder; bytes that are not UTF-8 are written as `\xNN`. `misplaced`: why it belongs to no
    night, `unreadable`: why it is not read; None for a delivery.
    """

    path: Path
    drop_date: date | None
    name: str
    misplaced: str | None = None
    unreadable: str | None = None

    @property
    def is_delivery(self) -> bool:
        """Whether it is a file that can be read, in the folder of a night."""
        return self.misplaced is None and self.unreadable is None

    def read(self) -> tuple[bytes, str]:
        """Its bytes and their SHA-256; no bytes, and the digest of night and name, for what is not read."""
        data = b"" if self.unreadable else self.path.read_bytes()
        return data, hashlib.sha256(f"{self.drop_date}/{self.name}".encode() if self.unreadable else data).hexdigest()


def list_drop_dates(drops: Path) -> list[date]:
    """Delivered nights, in order; `LakeError` where the folder is missing."""
    return sorted({file.drop_date for file in list_deliveries(drops) if file.drop_date is not None})


def list_deliveries(drops: Path, until: date | None = None) -> list[DropFile]:
    """Files of all nights until `until`, in order of night and name; `LakeError` where the folder is missing."""
    return [file for file in list_drop_files(drops, until) if file.is_delivery]


def list_drop_files(drops: Path, until: date | None = None) -> list[DropFile]:
    """Deliveries, and everything else that lies in the drop folder, in order of night and name.

    Links are read where they stay within the drop folder. Hidden files and folders are left out: programs that copy
    files make them while they work. Raises `LakeError` where the folder is missing.
    """
    if not drops.is_dir():
        raise LakeError(f"the drop folder {drops} does not exist; create it, or name another one")
    due = [file for file in _walk(drops) if until is None or file.drop_date is None or file.drop_date <= until]
    return sorted(due, key=lambda file: (file.drop_date or date.max, file.path.parent.name, file.name))


def _walk(drops: Path) -> Iterator[DropFile]:
    root = os.path.realpath(drops)
    folders: list[tuple[str, ...]] = [()]
    while folders:
        place = folders.pop()
        try:
            entries = [entry for entry in os.scandir(drops.joinpath(*place)) if not entry.name.startswith(".")]
        except OSError as error:
            yield _describe(drops, place, unreadable=f"the folder cannot be listed: {error.strerror}")
            continue
        for entry in entries:
            inside = (*place, entry.name)
            fault = _find_fault(entry, root, is_in_night=bool(place))
            if fault is None and entry.is_dir():
                folders.append(inside)
            else:
                yield _describe(drops, inside, fault)


def _find_fault(entry: os.DirEntry[str], root: str, *, is_in_night: bool) -> str | None:
    """Why an entry is not read; None where it is."""
    if entry.is_symlink() and os.path.commonpath([root, os.path.realpath(entry.path)]) != root:
        return "a link that leaves the drop folder is not followed"
    try:
        is_folder, is_file = entry.is_dir(), entry.is_file()
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if is_folder:
        # Followed further, links to folders above them would never end.
        return "a link to a folder is not followed here" if is_in_night and entry.is_symlink() else None
    if not is_file:
        return "it is not a file"
    return None if os.access(entry.path, os.R_OK) else "it cannot be read: permission denied"


def _describe(drops: Path, place: tuple[str, ...], unreadable: str | None = None) -> DropFile:
    night = _parse_date(place[0]) if place else None
    misplaced = None
    if len(place) < 2:  # noqa: PLR2004  a night and a name
        misplaced = "it lies beside the folders of the nights, not in one"
    elif night is None:
        misplaced = "the folder is not named by a date"
    elif len(place) > 2:  # noqa: PLR2004
        misplaced = "it lies in a folder below that of the night"
    shown = place if misplaced else place[1:]
    name = os.fsencode("/".join(shown)).decode("utf-8", "backslashreplace")
    return DropFile(drops.joinpath(*place), night, name, misplaced, unreadable)


def digest_settled_folders(drops: Path, settled_before: float, now: float) -> dict[date, str]:
    """Night to a digest of its files' names, sizes and times; nights with a file changed since then are left out.

    `settled_before`, `now`: seconds since the epoch. A folder with a younger file may still be written. What counts is
    when the file system noted a change: a copied file may bring any other time along.
    """
    folders: dict[date, list[tuple[str, int, float]]] = {}
    changed_at: dict[date, float] = {}
    for file in list_deliveries(drops):
        try:
            stat = file.path.stat()
        except FileNotFoundError:
            continue  # It was removed meanwhile.
        if file.drop_date is not None:
            folders.setdefault(file.drop_date, []).append((file.name, stat.st_size, stat.st_mtime))
            # A time in the future comes of a clock that was wrong, and would never settle.
            noted = stat.st_ctime if stat.st_ctime <= now else 0.0
            changed_at[file.drop_date] = max(changed_at.get(file.drop_date, 0.0), noted)
    return {
        night: hashlib.sha256(json.dumps(files).encode()).hexdigest()
        for night, files in folders.items()
        if changed_at[night] < settled_before
    }


def _parse_date(name: str) -> date | None:
    if _DATE.fullmatch(name) is None:
        return None
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None
