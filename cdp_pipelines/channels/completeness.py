"""How a channel shows that a file has arrived whole: it no longer changes, a marker, or a manifest.

Here belongs the declaration and the text of a manifest. Looking at files is
`warehouse.sources.arrival`.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Annotated, NamedTuple

from pydantic import Field, model_validator

from cdp_pipelines.policy import PolicyModel

# The line of `sha256sum`, and one with the size in bytes between the digest and the name.
_LINE = re.compile(r"(?P<sha256>[0-9a-fA-F]{64})(?: (?P<size>\d+))? [ *](?P<name>.+)")
_FILE = "{file}"

# A name beside the file; `{file}` in it stands for the name of the file.
SignName = Annotated[str, Field(pattern=r"^[^/*?\[\].][^/*?\[\]]*$")]


class ManifestEntry(NamedTuple):
    """What a manifest states of a file. `byte_count`: None where it states the digest alone."""

    sha256: str
    byte_count: int | None


class Completeness(PolicyModel):
    """Signs that a file is whole; where several are declared, a file needs all of them."""

    settle_seconds: float | None = Field(
        None, gt=0, le=3600, description="Seconds for which a file must not change while a run looks at it"
    )
    marker: SignName | None = Field(
        None, description="File that must stand beside it: '{file}.done' for each file, or _SUCCESS for its folder"
    )
    manifest: SignName | None = Field(
        None,
        description="File beside it that lists its SHA-256, as sha256sum writes it: SHA256SUMS, or '{file}.sha256'; "
        "the size in bytes may stand behind the digest",
    )

    @model_validator(mode="after")
    def _states_something(self) -> Completeness:
        if self.settle_seconds is None and self.marker is None and self.manifest is None:
            raise ValueError("declare settle_seconds, marker, manifest, or several of them")
        if _FILE in (self.marker, self.manifest):
            raise ValueError(f"found {_FILE!r} alone, which is the file itself; allowed: such as '{_FILE}.done'")
        return self

    def is_sign(self, name: str, files: str) -> bool:
        """Whether a file of this name is a marker or a manifest. `files`: pattern of the channel's file names."""
        return any(
            fnmatchcase(name, sign.replace(_FILE, files)) for sign in (self.marker, self.manifest) if sign is not None
        )


def name_sign(sign: str, file: str) -> str:
    """The name of the marker or the manifest of a file."""
    return sign.replace(_FILE, file)


def read_manifest(text: str) -> dict[str, ManifestEntry]:
    """File name to what the manifest states of it; lines of any other form are left out."""
    found = filter(None, map(_LINE.fullmatch, text.splitlines()))
    return {
        each["name"]: ManifestEntry(each["sha256"].lower(), int(each["size"]) if each["size"] else None)
        for each in found
    }
