"""Receipts of answers to customers and authorities: the digest of each answer, which the next night adds to the ledger.

Here belong storing and reading receipts; the answers are written by `cdp_pipelines.services`. A receipt is a file under
`<lake>/audit/answers/` with the digest as its name, so that an answer does not wait for the writer of the lake. It
contains the kind and the time of the answer, and no personal data.
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
    """Store the receipt of an answer with this SHA-256 (hex); only the first time counts. `OSError` if that fails."""
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
    """Every receipt so far, as events for the ledger of a night; columns of `CONSENT_EVENT`.

    `purpose`: the key of the company's purpose under which privacy requests are answered.
    """
    rows = []
    for path in sorted((lake / FOLDER).glob("*.json")):
        receipt = json.loads(path.read_text())
        at = datetime.fromisoformat(receipt["answered_at"])
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
                "method": receipt["kind"],
            }
        )
    return pl.DataFrame(rows, schema=CONSENT_EVENT.schema)
