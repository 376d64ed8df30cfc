"""What every answer has in common: the lake that is asked, the customer who is meant, and the seal."""

import re
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import polars as pl

from cdp_pipelines.consent.history import HIDDEN_PREFIX
from cdp_pipelines.errors import CdpError, LakeError
from cdp_pipelines.schema import DECISION, HISTORY, Table
from cdp_pipelines.services.declarations import load_company_register
from cdp_pipelines.services.document import Document
from cdp_pipelines.services.marts import find_by_mart_key, is_mart_key
from warehouse.audit_receipts import CHANNEL, store_receipt
from warehouse.delta.lake import Lake
from warehouse.keys import keyed_digest, ledger_key
from warehouse.lookup import find_customers, find_records, is_in, standard_forms


def open_lake(path: Path) -> Lake:
    """The lake in this folder; `LakeError` where nothing was decided in it yet."""
    lake = Lake(path.absolute())
    if lake.version(DECISION.name) is None:
        raise LakeError(f"{path} holds no decisions; `cdp run` makes a lake")
    return lake


def find_customer(lake: Lake, who: str, mart: str | None = None) -> str:
    """The customer with this id, or the one who has this identifier; `CdpError` where there is none, or several.

    Of whom no record is held any more, who has the id at hand, or a contact point that was decided on. In a mart (a
    purpose) also the one who has this key or evidence reference there.
    """
    if (
        is_mart_key(name := who.strip().lower())
        and mart in load_company_register()
        and (named := find_by_mart_key(lake, load_company_register()[mart], name))
    ):
        return named
    if re.fullmatch(r"c_[0-9a-f]{16}", who):
        told = set(find_records(lake, [who])["customer_id"]) or _told_of(lake, HISTORY, pl.col("customer_id") == who)
    else:
        forms = standard_forms(who)
        told = set(find_customers(lake, forms)["customer_id"])
        if not told:
            key = ledger_key(lake.path)
            hidden = [HIDDEN_PREFIX + keyed_digest(key, form) for form in forms]
            told = _told_of(lake, DECISION, is_in("contact_point", hidden))
    if not told:
        raise CdpError("no customer has this id or identifier; phones are in the form +12065550100")
    if len(told) > 1:
        raise CdpError(f"{len(told)} customers share this identifier; name one by its id: {', '.join(sorted(told))}")
    return told.pop()


def _told_of(lake: Lake, table: Table, wanted: pl.Expr) -> set[str]:
    return set(lake.scan(table).filter(wanted).select("customer_id").unique().collect()["customer_id"])


def sign_report(lake: Lake, document: Document, kind: str) -> Document:
    """The document with its SHA-256, signed by the key that signs the ledger of the lake, and noted for that ledger."""
    digest = sha256(document.canonical())
    try:
        store_receipt(lake.path, digest.hexdigest(), kind, datetime.now(UTC))
    except OSError as error:
        raise LakeError(f"the answer cannot be noted for the ledger: {error.filename}: {error.strerror}") from None
    key = ledger_key(lake.path)
    seal = {
        "sha256": digest.hexdigest(),
        "ed25519 signature of the digest": key.sign(digest.digest()).hex(),
        "public key": key.public_key,
        "in the ledger as": f"{CHANNEL}:{digest.hexdigest()}, from the next night on",
    }
    return Document(document.title, document.answer, document.sections, seal)


def select_columns(frame: pl.DataFrame, *names: str) -> list[dict]:
    """Rows of a section, of these columns."""
    return frame.select(names).to_dicts()
