"""What is held of a customer and why; why somebody was in a mart; whom a purpose may process: each as a document."""

import re
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

import polars as pl

from assets.cli.document import Document, Section
from assets.lake import end_of
from assets.marts import named_in
from assets.policies import contracts, register
from cdp_pipelines.consent.history import at, standing
from cdp_pipelines.consent.identifiers import KINDS
from cdp_pipelines.errors import CdpError, LakeError
from cdp_pipelines.tables import (
    CLUSTER,
    CROSSWALK,
    CUSTOMER,
    DECISION,
    HISTORY,
    INTERACTION,
    LEDGER,
    MEMBERSHIP,
    PARTY,
    PREFERENCE,
    PRIVACY_REQUEST,
    PROVENANCE,
    RUN,
    Table,
)
from warehouse.answers import CHANNEL, note
from warehouse.keys import ledger_key
from warehouse.lake import Lake

RECORD = ["channel", "source_record_id"]


def found(lake: Lake, who: str, mart: str | None = None) -> str:
    """The customer with this id, or the one who has this identifier; `CdpError` where there is none, or several.

    In a mart (a purpose) also the one who has this key or evidence reference there.
    """
    if mart in register() and (named := named_in(lake, register()[mart], who.strip().lower())):
        return named
    if re.fullmatch(r"c_[0-9a-f]{16}", who):
        ids = lake.scan(CLUSTER).filter(pl.col("customer_id") == who).select("customer_id").unique().collect()
        told = {ids.item()} if ids.height else set()
    else:
        value = who.strip()
        forms = {value, value.lower(), re.sub(r"[^\d+]", "", value)} - {""}
        held = lake.scan(PARTY).filter(pl.any_horizontal(pl.col(kind).is_in(list(forms)) for kind in KINDS))
        told = set(held.join(lake.scan(CLUSTER), on=RECORD).select("customer_id").unique().collect()["customer_id"])
    if not told:
        raise CdpError("no customer has this id or identifier; phones are in the form +12065550100")
    if len(told) > 1:
        raise CdpError(f"{len(told)} customers share this identifier; name one by its id: {', '.join(sorted(told))}")
    return told.pop()


def of_customer(lake: Lake, customer_id: str) -> Document:
    """The document of GDPR Art. 15(1) on one customer."""
    records = lake.scan(CLUSTER).filter(pl.col("customer_id") == customer_id).select(*RECORD).collect()
    decisions = standing(lake.scan(DECISION)).filter(pl.col("customer_id") == customer_id).collect()
    stays = lake.scan(MEMBERSHIP).filter(pl.col("customer_id") == customer_id).collect().sort("valid_from", "purpose")
    allowed = decisions.filter("is_allowed")["purpose"].unique().sort()
    marts = stays.filter(pl.col("valid_to").is_null())["purpose"].sort()
    wills = _wills(lake, records)
    answer = (
        f"{records.height} records of {records['channel'].n_unique()} channels are held of {customer_id}. "
        f"{allowed.len()} of {decisions['purpose'].n_unique()} purposes may process them; "
        f"they are in {marts.len()} marts: {', '.join(marts) or 'none'}."
    )
    return Document(
        f"What is held of {customer_id}",
        answer,
        [
            Section("Held, by channel", _by_channel(lake, records), "What, for how long, from where: Art. 15(1)"),
            Section("Identifiers", _identifiers(lake, records), "By which records find to this customer"),
            Section(
                "Golden record",
                _golden(lake, customer_id),
                "The value in use of each attribute, and where it came from",
                "no golden record: unification is not allowed, or no record may join",
            ),
            Section("Purposes", _purposes(decisions), "What may be done, on which basis, and why: Art. 15(1)(a)"),
            Section("Marts and recipients", _stays(stays), "Where the customer was, from when to when: Art. 15(1)(c)"),
            Section("Wills", wills, "Every expression of will that reaches them: Art. 7(1)"),
            Section("Requests", _requests(lake, records), "What the customer asked of the company: Art. 12(3)"),
            Section("Preferences", _preferences(lake, records)),
            Section("Identity over time", _lives(lake, customer_id), "Births, merges and splits"),
        ],
    )


def of_mart(lake: Lake, key: str, on: date, customer_id: str) -> Document:
    """Was this customer in this mart after that night, and why."""
    if key not in register() or not register()[key].columns:
        marts = ", ".join(each.key for each in register().values() if each.columns)
        raise CdpError(f"there is no mart {key!r}; there are: {marts}")
    nights = lake.read(RUN)
    night = nights.filter(pl.col("night") <= on)["night"].max()
    if night is None:
        raise CdpError(f"the lake knows no night until {on}; its first is {nights['night'].min()}")
    moment = end_of(night)
    ended = pl.col("valid_to").is_null() | (pl.col("valid_to") > moment)
    mine = lake.scan(MEMBERSHIP).filter(pl.col("customer_id") == customer_id, pl.col("purpose") == key)
    stay = mine.filter(pl.col("valid_from") <= moment, ended).collect()
    decided = at(
        lake.scan(DECISION).filter(pl.col("customer_id") == customer_id, pl.col("purpose") == key), moment
    ).collect()
    events = decided["evidence"].explode().drop_nulls().unique()
    wills = lake.scan(LEDGER).filter(pl.col("event_id").is_in(events.implode())).collect()
    run = nights.filter(pl.col("night") == night)
    reasons = ", ".join(sorted(set(decided["reason"]))) or "nothing was decided"
    return Document(
        f"{customer_id} in the mart {key} on {on}",
        f"{'In' if stay.height else 'Out'}, as of the night of {night}: {reasons}.",
        [
            Section("Stay", _stays(stay)),
            Section("Decision", _decisions(decided), "Whose evidence, as of that night"),
            Section("Wills that decided", _rows(wills, *_WILL)),
            Section("Run", _rows(run, "night", "as_of", "n_files", "n_received")),
            Section("All stays in this mart", _stays(mine.collect().sort("valid_from"))),
        ],
    )


def of_purpose(lake: Lake, key: str) -> Document:
    """A purpose, and whom it may process."""
    if key not in register():
        raise CdpError(f"there is no purpose {key!r}; there are: {', '.join(register())}")
    versions = register().versions[key]
    mine = lake.scan(DECISION).filter(pl.col("purpose") == key)
    counted = (
        standing(mine).group_by("reason").agg(pl.len().alias("n"), pl.col("customer_id").n_unique().alias("customers"))
    )
    nights = lake.read(RUN).sort("night")
    by_night = [
        {
            "night": row["night"],
            "allowed": int(then["is_allowed"].sum()),
            "denied": int((~then["is_allowed"]).sum()),
        }
        for row in nights.iter_rows(named=True)
        if (then := at(mine.select("is_allowed", "valid_from", "valid_to"), row["as_of"]).collect()).height
    ]
    channels = [
        {"channel": name, "title": each.title, "retention": each.retention, "owner": each.owner}
        for name, each in contracts().items()
        if key in each.collected_for
    ]
    now = versions[-1]
    n_in = lake.scan(MEMBERSHIP).filter(pl.col("purpose") == key, pl.col("valid_to").is_null()).select(pl.len())
    return Document(
        f"Purpose {key}",
        f"{now.title}. Lawful basis: {now.lawful_basis}. {n_in.collect().item():,} customers are in its mart.",
        [
            Section(
                "Versions",
                [
                    {
                        "version": each.version,
                        "in force from": each.effective_from,
                        "lawful basis": each.lawful_basis,
                        "scope": each.scope,
                        "data": each.data_categories,
                        "recipients": each.recipients,
                        "retention": f"{each.retention} from {each.retention_from}",
                    }
                    for each in versions
                ],
            ),
            Section("Channels that collect for it", channels),
            Section("Decisions that stand", counted.sort("n", descending=True).collect().to_dicts()),
            Section("Night by night", by_night),
        ],
    )


def opened(path: Path) -> Lake:
    """The lake in this folder; `LakeError` where nothing was decided in it yet."""
    lake = Lake(path.absolute())
    if lake.version(DECISION.name) is None:
        raise LakeError(f"{path} holds no decisions; `cdp run` makes a lake")
    return lake


def sealed(lake: Lake, document: Document, kind: str) -> Document:
    """The document with its SHA-256, signed by the key that signs the ledger of the lake, and noted for that ledger."""
    digest = sha256(document.canonical())
    try:
        note(lake.path, digest.hexdigest(), kind, datetime.now(UTC))
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


_WILL = ("event_at", "recorded_at", "purpose", "status", "subject_kind", "subject_value", "notice_version", "method")
_WILL_IDS = ("channel", "event_id")


def _rows(frame: pl.DataFrame, *names: str) -> list[dict]:
    return frame.select(names).to_dicts()


def _mine(lake: Lake, table: Table, records: pl.DataFrame) -> pl.DataFrame:
    return lake.scan(table).join(records.lazy(), on=RECORD, how="semi").collect()


def _by_channel(lake: Lake, records: pl.DataFrame) -> list[dict]:
    party, done = _mine(lake, PARTY, records), _mine(lake, INTERACTION, records)
    gates = lake.scan(CROSSWALK).join(records.lazy(), on=RECORD, how="semi").collect()
    rows = []
    for (name,), mine in sorted(records.group_by("channel")):
        contract, of_channel = contracts()[name], pl.col("channel") == name
        rows.append(
            {
                "channel": name,
                "what": contract.title,
                "records": mine.height,
                "interactions": done.filter(of_channel).height,
                "first": party.filter(of_channel)["observed_at"].min(),
                "last": party.filter(of_channel)["observed_at"].max(),
                "in the profile": gates.filter(of_channel)["is_profiled"].sum(),
                "categories": sorted({each.category for each in contract.fields.values() if each.category}),
                "collected for": contract.collected_for,
                "kept": contract.retention,
            }
        )
    return rows


def _identifiers(lake: Lake, records: pl.DataFrame) -> list[dict]:
    told = (
        _mine(lake, PARTY, records)
        .unpivot(index=[*RECORD], on=list(KINDS), variable_name="kind", value_name="value")
        .drop_nulls("value")
        .group_by("kind", "value")
        .agg(pl.len().alias("records"), pl.col("channel").unique().sort().alias("channels"))
    )
    return told.sort("kind", "value").to_dicts()


def _golden(lake: Lake, customer_id: str) -> list[dict]:
    mine = pl.col("customer_id") == customer_id
    if lake.scan(CUSTOMER).filter(mine).collect().is_empty():
        return []
    best = lake.scan(PROVENANCE).filter(mine, pl.col("rank") == 1).collect().sort("attribute")
    return _rows(best, "attribute", "value", "channel", "source_record_id", "observed_at", "collected_for")


def _purposes(decisions: pl.DataFrame) -> list[dict]:
    rows = []
    for row in decisions.sort("purpose", "contact_point").iter_rows(named=True):
        purpose = register().get(row["purpose"])
        rows.append(
            {
                "purpose": row["purpose"],
                "contact point": row["contact_point"],
                "allowed": "yes" if row["is_allowed"] else "no",
                "reason": row["reason"],
                "basis": row["lawful_basis"],
                "since": row["since_at"],
                "evidence": row["evidence"],
                "recipients": purpose.recipients if purpose else (),
                "retention": purpose.retention if purpose else "",
            }
        )
    return rows


def _decisions(decisions: pl.DataFrame) -> list[dict]:
    names = ("contact_point", "reason", "lawful_basis", "since_at", "evidence", "purpose_version", "ledger_position")
    return _rows(decisions.sort("contact_point"), *names, "valid_from", "valid_to")


def _stays(stays: pl.DataFrame) -> list[dict]:
    return [
        {
            "mart": row["purpose"],
            "from": row["valid_from"],
            "to": row["valid_to"],
            "basis": row["lawful_basis"],
            "let in by": row["evidence"],
            "left because": row["left_because"],
            "recipients": register()[row["purpose"]].recipients if row["purpose"] in register() else (),
        }
        for row in stays.iter_rows(named=True)
    ]


def _wills(lake: Lake, records: pl.DataFrame) -> list[dict]:
    held = _mine(lake, PARTY, records).unpivot(on=list(KINDS), variable_name="subject_kind", value_name="subject_value")
    mine = lake.scan(LEDGER).join(held.lazy().drop_nulls().unique(), on=["subject_kind", "subject_value"], how="semi")
    return _rows(mine.collect().sort("event_at", "position"), *_WILL, *_WILL_IDS)


def _requests(lake: Lake, records: pl.DataFrame) -> list[dict]:
    return _rows(_mine(lake, PRIVACY_REQUEST, records).sort("received_at"), "received_at", "kind", *RECORD)


def _preferences(lake: Lake, records: pl.DataFrame) -> list[dict]:
    names = ("preferred_channel", "language_code", "quiet_from", "quiet_until", "max_per_week")
    return _rows(_mine(lake, PREFERENCE, records).sort("updated_at"), "updated_at", *names, *RECORD)


def _lives(lake: Lake, customer_id: str) -> list[dict]:
    mine = (pl.col("customer_id") == customer_id) | (pl.col("other_id") == customer_id)
    history = lake.scan(HISTORY).filter(mine).collect().sort("happened_at", "event")
    return _rows(history, "happened_at", "event", "customer_id", "other_id", "cause")
