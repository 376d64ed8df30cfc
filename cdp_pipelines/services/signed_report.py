"""What every answer about a lake has in common: the open lake, the customer of the question, and the seal.

Here belongs what comes before and after an answer. The answers stand in modules of their own.
"""

import re
from dataclasses import replace
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

FORMS = (
    "a customer id is c_ and 16 hexadecimal digits; a phone is +12065550100; an e-mail, loyalty card, device or "
    "account is written as the source has it"
)


def open_lake(path: Path) -> Lake:
    """The lake in this folder; `LakeError` where it has no decisions."""
    lake = Lake(path.absolute())
    if lake.version(DECISION.name) is None:
        raise LakeError(f"{path} holds no decisions; `cdp run` makes a lake, --lake LAKE names another folder")
    return lake


def find_customer(lake: Lake, identifier: str, mart: str | None = None) -> str:
    """The id of the customer with this id or identifier; `CdpError` where there is none, or several.

    A customer without records is found by the id, or by a contact point that was decided on. In a mart (a purpose) a
    customer is also found by their subject key or evidence reference there.
    """
    if (
        is_mart_key(name := identifier.strip().lower())
        and mart is not None
        and mart in load_company_register()
        and (found := find_by_mart_key(lake, load_company_register()[mart], name))
    ):
        return found
    if re.fullmatch(r"c_[0-9a-f]{16}", identifier):
        customers = set(find_records(lake, [identifier])["customer_id"])
        customers = customers or _customers(lake, HISTORY, pl.col("customer_id") == identifier)
    else:
        forms = standard_forms(identifier)
        customers = set(find_customers(lake, forms)["customer_id"])
        if not customers:
            key = ledger_key(lake.path)
            hidden = [HIDDEN_PREFIX + keyed_digest(key, form) for form in forms]
            customers = _customers(lake, DECISION, is_in("contact_point", hidden))
    if not customers:
        raise CdpError(f"no customer has this id or identifier; {FORMS}")
    if len(customers) > 1:
        raise CdpError(
            f"{len(customers)} customers share this identifier; name one by the id: {', '.join(sorted(customers))}"
        )
    return customers.pop()


def _customers(lake: Lake, table: Table, predicate: pl.Expr) -> set[str]:
    return set(lake.scan(table).filter(predicate).select("customer_id").unique().collect()["customer_id"])


def sign_report(lake: Lake, document: Document, kind: str) -> Document:
    """The document with its SHA-256 and a signature by the lake's ledger key; the next night adds it to the ledger."""
    digest = sha256(document.canonical())
    try:
        store_receipt(lake.path, digest.hexdigest(), kind, datetime.now(UTC))
    except OSError as error:
        raise LakeError(f"the receipt of the answer cannot be written: {error.filename}: {error.strerror}") from None
    key = ledger_key(lake.path)
    seal = {
        "sha256": digest.hexdigest(),
        "ed25519_signature": key.sign(digest.digest()).hex(),
        "public_key": key.public_key,
        "ledger_event_id": f"{CHANNEL}:{digest.hexdigest()}",
    }
    return replace(document, seal=seal)
