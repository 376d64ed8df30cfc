"""The nights to which a lake was brought, and whether those to come are plausible.

Here belong questions about `audit/run`. What a night wrote is in the tables of that night.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import polars as pl

from cdp_pipelines.errors import LakeError
from cdp_pipelines.schema import RUN
from cdp_pipelines.services.declarations import load_company
from warehouse.delta.lake import Lake
from warehouse.sources.drop_folder import digest_settled_folders


def find_implausible_nights(lake: Lake, nights: Collection[date], today: date) -> dict[date, str]:
    """Those of `nights` that the lake has not had yet and that need confirmation, each with the reason."""
    known = set(lake.scan(RUN).select("night").collect()["night"])
    return load_company().plausible_nights.find_implausible(set(nights) - known, max(known, default=None), today)


def check_nights(lake: Lake, nights: Collection[date], accepted: Collection[date], today: date) -> None:
    """Raise `LakeError` where a night is not plausible and not `accepted`; nothing was written then."""
    implausible = find_implausible_nights(lake, set(nights) - set(accepted), today)
    if implausible:
        listed = "; ".join(f"the night {night} {reason}" for night, reason in implausible.items())
        options = " ".join(f"--accept-night {night}" for night in implausible)
        raise LakeError(
            f"{listed}. Nothing was written. Rename the folder in the drop folder, or take it in as it is: "
            f"cdp run {options}"
        )


@dataclass(frozen=True)
class DueNights:
    """Nights to run: `due`, each with the digest of its drop folder, and a line for each folder that waits."""

    due: dict[str, str]
    waiting: list[str]

    @property
    def digest(self) -> str:
        """Equal where the same content of the same folders is due."""
        return hashlib.sha256(json.dumps(self.due).encode()).hexdigest()


def find_due_nights(lake: Lake, drops: Path, known: Mapping[str, str], now: datetime, settled_s: float) -> DueNights:
    """Nights whose drop folder differs from its digest in `known` and has not changed for `settled_s` seconds.

    A folder of an implausible night waits for confirmation, and all folders wait while a process writes the lake.
    """
    settled = digest_settled_folders(drops, now.timestamp() - settled_s, now.timestamp())
    changed = {night: digest for night, digest in settled.items() if known.get(str(night)) != digest}
    implausible = find_implausible_nights(lake, changed, now.date())
    waiting = [f"The folder {night} waits: the night {reason}" for night, reason in implausible.items()]
    due = {str(night): digest for night, digest in sorted(changed.items()) if night not in implausible}
    if due:
        try:
            with lake.lock_writer():
                pass
        except LakeError as error:
            return DueNights({}, [*waiting, f"{', '.join(due)} will be taken in later: {error}"])
    return DueNights(due, waiting)


def find_instant(lake: Lake, requested: datetime) -> datetime:
    """The instant as of which a run decides: that requested, and never one before the lake's own."""
    known = lake.scan(RUN).select(pl.col("as_of").max()).collect().item()
    return max(requested, known or requested)


@dataclass(frozen=True)
class Nights:
    """The last night of a lake, and the instants (UTC) as of which its first and its last run decided."""

    last: date
    first_as_of: datetime
    last_as_of: datetime


def read_nights(lake: Lake) -> Nights:
    """The nights of a lake; `LakeError` where there was none."""
    last, first_as_of, last_as_of = (
        lake.scan(RUN)
        .select(pl.col("night").max(), pl.col("as_of").min().alias("first_as_of"), pl.col("as_of").max())
        .collect()
        .row(0)
    )
    if last is None:
        raise LakeError(f"{lake.path} has no night yet; `cdp run` makes one")
    return Nights(last, first_as_of, last_as_of)
