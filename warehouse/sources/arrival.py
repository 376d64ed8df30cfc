"""Whether a file of the drop folder has arrived whole, by the signs that its channel declares.

Here belongs looking at files twice, at markers and at manifests. Which sign a channel has is
`cdp_pipelines.channels.completeness`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cdp_pipelines.channels.completeness import name_sign, read_manifest
from warehouse.sources.drop_folder import list_deliveries

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from cdp_pipelines.channels.completeness import Completeness
    from warehouse.sources.drop_folder import DropFile

# Two of these that are equal are of one content. No time is compared with a clock: clocks of other machines are wrong.
FileState = tuple[int, int, int, int]


@dataclass(frozen=True)
class Observation:
    """Every delivery and its state when a run first looked, and the seconds of a clock that only goes forward."""

    states: dict[DropFile, FileState | None]
    seconds: float = field(default_factory=time.monotonic)

    @classmethod
    def take(cls, drops: Path) -> Observation:
        """The deliveries now; `LakeError` where the folder is missing."""
        return cls({file: _read_state(file.path) for file in list_deliveries(drops)})

    def list_until(self, night: date) -> list[DropFile]:
        """Deliveries of all nights until `night`, in order of night and name."""
        return [file for file in self.states if file.drop_date is not None and file.drop_date <= night]

    def wait(self, seconds: float) -> None:
        """Sleep until the observation is this old: a run waits once, and not for each channel or file."""
        time.sleep(max(0.0, self.seconds + seconds - time.monotonic()))

    def has_changed(self, file: DropFile) -> bool:
        """Whether the file is new or another one since the observation."""
        return (state := _read_state(file.path)) is None or state != self.states.get(file)


def read_whole(file: DropFile, signs: Completeness, first_look: Observation) -> tuple[bytes, str, str | None]:
    """A file's bytes, their SHA-256, and why it is not whole; None where it is.

    Waits until `first_look` is `settle_seconds` old. Raises `OSError` where the file cannot be read.
    """
    if signs.settle_seconds is not None:
        first_look.wait(signs.settle_seconds)
    data, sha256 = file.read()
    if signs.settle_seconds is not None and first_look.has_changed(file):
        return data, sha256, f"it has changed in the last {signs.settle_seconds:g} seconds"
    if signs.marker is not None:
        marker = name_sign(signs.marker, file.path.name)
        if not (file.path.parent / marker).is_file():
            return data, sha256, f"its marker {marker} does not stand beside it"
    if signs.manifest is not None:
        return data, sha256, _compare_with_manifest(file, data, sha256, name_sign(signs.manifest, file.path.name))
    return data, sha256, None


def _compare_with_manifest(file: DropFile, data: bytes, sha256: str, manifest: str) -> str | None:
    try:
        text = (file.path.parent / manifest).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        return f"its manifest {manifest} cannot be read: {error.strerror}"
    entry = read_manifest(text).get(file.path.name)
    if entry is None:
        return f"the manifest {manifest} does not list it"
    if entry.byte_count is not None and entry.byte_count != len(data):
        return f"it has {len(data):,} bytes, and {entry.byte_count:,} by the manifest {manifest}"
    return None if entry.sha256 == sha256 else f"its SHA-256 is not that of the manifest {manifest}"


def _read_state(path: Path) -> FileState | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
