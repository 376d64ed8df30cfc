"""Answers given to customers and authorities: each leaves a note of its digest, which the next night's ledger takes in.

A note is a file of its own under `<lake>/audit/answers/`, named after the digest, so that an answer need not wait for
whoever is writing the lake. It says what kind of answer was given and when, and nothing of a person.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.schema import CONSENT_EVENT

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

FOLDER = "audit/answers"
CHANNEL, STATUS, DIGEST = "audit", "answered", "sha256"


def store_receipt(lake: Path, digest: str, kind: str, answered_at: datetime) -> None:
    """Keep that an answer of this SHA-256 (hex) was given; the first time counts. `OSError` where it cannot be kept."""
    folder = lake / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{digest}.{os.getpid()}"
    draft.write_text(json.dumps({"kind": kind, "answered_at": answered_at.isoformat(timespec="microseconds")}))
    try:
        os.link(draft, folder / f"{digest}.json")
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def read_receipts(lake: Path, night: date, purpose: str) -> pl.DataFrame:
    """Every answer noted so far, as events for the ledger of a night; columns of `CONSENT_EVENT`.

    `purpose`: the key of the company's purpose under which privacy requests are answered.
    """
    rows = []
    for path in sorted((lake / FOLDER).glob("*.json")):
        told = json.loads(path.read_text())
        at = datetime.fromisoformat(told["answered_at"])
        rows.append(
            {
                "event_id": f"{CHANNEL}:{path.stem}",
                "channel": CHANNEL,
                "source_record_id": path.stem,
                "drop_date": night,
                "subject_kind": DIGEST,
                "subject_value": path.stem,
                "purpose": purpose,
                "status": STATUS,
                "event_at": at,
                "recorded_at": at,
                "method": told["kind"],
            }
        )
    return pl.DataFrame(rows, schema=CONSENT_EVENT.schema)
