"""Small frames in the schemas of the lake that every suite lets pass."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime

import polars as pl
import pytest

from cdp_pipelines.channels.contract import load_contracts
from cdp_pipelines.marts.mart import build_mart_table
from cdp_pipelines.purposes import load_register
from cdp_pipelines.schema import RAW_PROVENANCE, TABLES, quarantine_table, raw_table

N_ROWS = 3
PLACE = {column.name for column in RAW_PROVENANCE}
DIGEST = "0123456789abcdef" * 4
MOMENT = datetime(2011, 12, 1, tzinfo=UTC)

# What a column holds wherever it stands; a list is cycled through, `{}` is the row's number.
COMMON: Mapping[str, object] = {
    "channel": "crm_west",
    "left_channel": "crm_west",
    "right_channel": "crm_east",
    "source_record_id": "r{}",
    "left_source_record_id": "l{}",
    "right_source_record_id": "r{}",
    "drop_date": date(2011, 11, 30),
    "night": [date(2011, 11, 28), date(2011, 11, 29), date(2011, 11, 30)],
    "birth_date": [date(1970, 1, 1), None, date(2010, 12, 31)],
    "email": ["a{}@example.com", None, "b{}@example.com"],
    "phone": ["+12065550100", None, None],
    "country_code": ["US", "GB", None],
    "handle": ["x:@a", None, None],
    "defects": [["email:unreadable"], [], []],
    "first_name": ["Ana", "Núria", None],
    "last_name": ["O'Neill", None, "Wei"],
    "event_id": "crm_west:{}",
    "subject_kind": ["email", "phone", "device_id"],
    "subject_value": "s{}",
    "subject_key": DIGEST[:-1] + "{}",
    "evidence_reference": DIGEST[1:] + "{}",
    "purpose": ["email_marketing", "*", "analytics"],
    "status": ["granted", "erased", "objected"],
    "expires_at": [datetime(2012, 12, 1, tzinfo=UTC), None, None],
    "interaction_type": ["order", "refund", "survey"],
    "amount_minor": [1250, -1250, None],
    "currency_code": ["GBP", "GBP", None],
    "score": [None, None, 10.0],
    "duration_s": [None, 0.0, 90.0],
    "preferred_channel": ["email", None, "post"],
    "language_code": ["en", "ro", None],
    "quiet_from": [22, None, 0],
    "quiet_until": [7, None, 23],
    "max_per_week": [1, None, 7],
    "kind": ["access", "erasure", "objection"],
    "rule": ["missing_id", "bad_date", "future"],
    "field": [None, "at", "at"],
    "reason": "cannot be read",
    "is_exact": [True, False, True],
    "match_weight": [None, 7.5, None],
    "evidence": [["email:exact"], ["name:close", "city:equal"], ["phone:exact"]],
    "customer_id": "c_000000000000000{}",
    "group_id": "c_000000000000000{}",
    "position": [1, 2, 3],
    "seal_number": [1, 2, 3],
    "first_position": [1, 2, 3],
    "last_position": [1, 2, 3],
    "event_count": 1,
    "merkle_root": DIGEST,
    "previous_head": ["0" * 64, DIGEST, DIGEST[::-1]],
    "head": [DIGEST, DIGEST[::-1], DIGEST[1:] + "0"],
    "signature": 2 * DIGEST,
    "public_key": DIGEST,
    "leaf_hashes": bytes(32),
    "ledger_position": 3,
    "valid_from": MOMENT,
    "valid_to": None,
    "is_profiled": [True, False, True],
    "gate": ["joined", "unification:objected", "joined"],
    "contact_point": ["", "a@example.com", ""],
    "is_allowed": [True, False, True],
    "lawful_basis": ["consent", "contract", "consent"],
    "since_at": [MOMENT, None, MOMENT],
    "record_count": 2,
    "channel_count": 1,
    "rank": [1, 2, 3],
    "attribute": ["email", "phone", "city"],
    "collected_for": [["analytics", "surveys"], [], ["payment"]],
    "file": "crm_west.csv",
    "file_sha256": DIGEST,
    "row_number": [1, 2, 3],
    "byte_count": 10,
    "received_count": [3, 1, 0],
    "raw_count": [2, 0, 0],
    "quarantined_count": [1, 1, 0],
    "duplicate_count": [1, 0, 0],
    "outcome": ["loaded", "refused", "empty"],
    "detail": [None, None, "the file has no records"],
}
# Of an aggregate: the first cell is suppressed, and the others are published.
CELLS = {
    **{name: ["a", "b", "all"] for name in ("last_event_month", "buys", "last_reading_month")},
    "people": [None, 10, 25],
    **{name: [None, 0, 30] for name in ("event_count", "visit_count", "order_count", "net_amount_minor")},
    "reading_count": [None, 0, 30],
}
# And what it holds in one table, where that is something else.
OWN: Mapping[str, Mapping[str, object]] = {
    "consent/decision": {"reason": ["allowed", "withdrawn", "allowed"]},
    "audit/membership": {"exit_reason": None, "evidence": [["e1"], ["e2"], ["e3"]]},
    "audit/correction": {
        "change": ["came", "left", "changed"],
        "columns": [["email"], [], ["email", "city"]],
        "cause": "review",
    },
    "golden/provenance": {"attribute_group": ["email", "phone", "street"]},
    "consent/unresolved": {"reason": "unknown_subject", "statements": [["withdrawn *"], [], ["request: access"]]},
    "consent/resolution": {
        "resolution_number": [1, 2, 3],
        "subject_kind": ["email", "phone", None],
        "subject_value": ["a@example.com", "+12065550100", None],
    },
    "golden/rectification": {
        "rectification_number": [1, 2, 3],
        "attribute": ["email", "phone", "email"],
        "value": ["b@example.com", "+12065550100", None],
        "replaces": ["a@example.com", None, None],
        "withdraws_number": [None, None, 1],
    },
    "golden/contact_point": {
        "kind": ["email", "phone", "email"],
        "value": ["a@example.com", "+12065550100", "b@example.com"],
        "state": ["verified", "bounced", "unverified"],
        "allowed_for": [["analytics"], [], []],
    },
    "golden/household": {"household_id": "h_0123456789abcdef", "member_count": 3},
    "golden/conflict": {
        "winner": "crm_west",
        "loser": ["crm_west", "crm_east", "iot"],
        "customer_count": 3,
        "differing_count": 1,
    },
    "identity/record_state": {"record_digest": [7, 8, 9], "component_digest": [7, 7, 9]},
    "identity/model": {
        "field": "email",
        "level": ["exact", "close", "other"],
        "match_weight": [7.0, -2.0, -4.0],
        "match_share": 0.25,
        "household_share": 0.25,
        "non_match_share": 0.5,
    },
    "identity/frequency": {"field": "email", "digest": [7, 8, 9], "record_count": [2, 3, 4]},
    "audit/version": {
        "table_name": ["raw/crm_west", "mart/payment", "audit/run"],
        "delta_version": 0,
        "code_version": ["unknown", "0.1.0+0123456789ab", "0.1.0+0123456789ab"],
    },
    "identity/identifier": {"kind": ["email", "phone", "email"], "value": ["a@example.com", "+12065550100", "b@x"]},
    "audit/retention": {
        "table": ["raw/iot", "raw/iot", "quarantine/iot"],
        "field": ["", "serial", ""],
        "rule": ["channel", "connected_device_support", "quarantine"],
        "retention": "P1Y6M",
        "hold": "P30D",
        "ended_date": date(2011, 10, 31),
        "removed_at": MOMENT,
    },
    "identity/history": {
        "event": ["created", "merged", "split"],
        "other_customer_id": [None, "c_000000000000000a", "c_000000000000000b"],
        "cause": "exact match on device_id",
        "occurred_at": MOMENT,
    },
    "audit/run": {
        "as_of": [datetime(2011, 11, day, tzinfo=UTC) for day in (28, 29, 30)],
        "night": [date(2011, 11, day) for day in (27, 28, 29)],
    },
    "audit/file": {
        "file_sha256": [DIGEST, DIGEST[::-1], DIGEST[1:] + "0"],
        "channel": ["crm_west", "crm_east", "iot"],
        "replaced_sha256": [None, DIGEST, None],
    },
    "raw/crm_west": {"customer_no": "W{}", "created_at": "09/09/2011 03:32 AM", "loyalty_card": ["LC1", None, "LC3"]},
    "raw/crm_east": {
        "id_client": "1{}",
        "nume_complet": ["Ştefan, Ana", "José B Niño", "A C"],
        "inregistrat": "13.03.2011 06:48",
    },
    "raw/webshop_customers": {
        "id": "gid://shop/Customer/{}",
        "email": "a@x",
        "accepts_marketing": ["true", "false", None],
    },
    "raw/webshop_orders": {
        "id": "gid://shop/Order/{}-1",
        "total_price": ["402.82", "17", "0.5"],
        "kind": ["sale", "refund", "sale"],
        "currency": "GBP",
    },
    "raw/pos_receipts": {"amount": ["156.40", "-3,818.88", "1,000,000"], "loyalty_card": ["LC1", None, None]},
    "raw/app_events": {"type": ["track", "identify", "page"]},
    "raw/call_centre": {
        "ticket": "CALL-{}",
        "opened": ["2011-09-09T11:30:31+02:00", "2011-09-09T11:30:31Z", None],
        "minutes": ["5.7", "0", None],
    },
    "raw/social": {"posted_at": "1304781087", "handle": "@a{}"},
    "raw/surveys": {"response_id": "R{}", "nps": ["0", "7", "10"], "submitted": "22/11/2011 04:31"},
    "raw/iot": {"value": ["53.4", "-1", "1e3"]},
    "raw/beacons": {"at": "1296556710000", "lat": ["47.6", "-8.5", "51"]},
    "raw/consent_receipts": {
        "status": ["granted", "denied", "withdrawn"],
        "subject_type": "email",
        "notice_version": ["2010-06", None, "2011-06"],
    },
    "raw/unsubscribes": {"list": ["email", "sms", "sms"], "reason_": ["STOP", "hard bounce", "asked agent"]},
    "raw/preferences": {"email": "a@x", "quiet_hours": ["22-07", None, "9-17"], "updated": "2011-07-05T19:33:08"},
    "raw/privacy_requests": {"kind": ["access", "erasure", "objection"], "subject_type": "email"},
    "mart/analytics": {"lawful_basis": "consent", **CELLS},
    "mart/customer_value_reporting": {"lawful_basis": "legitimate_interests", "currency_code": "GBP", **CELLS},
    "mart/product_improvement": {"lawful_basis": "legitimate_interests", **CELLS},
    "mart/order_fulfilment": {"lawful_basis": "contract", "currency_code": "GBP"},
    "mart/email_marketing": {"lawful_basis": "consent", "email": "a{}@example.com"},
}
# Columns that the default suite of marts speaks of: a mart without a suite of its own has at least these.
NEWCOMER = {
    "subject_key": pl.String(),
    "lawful_basis": pl.String(),
    "decided_since": pl.Date(),
    "evidence_reference": pl.String(),
}


@pytest.fixture(scope="session")
def schema(pytestconfig: pytest.Config) -> Callable[[str], dict[str, pl.DataType]]:
    """Column types of any table: those of its declaration, of a channel's contract, of a purpose's mart."""
    contracts = load_contracts(pytestconfig.rootpath / "assets" / "defs" / "demonstration" / "channels", "US")
    register = load_register(pytestconfig.rootpath / "assets" / "defs" / "demonstration" / "purposes")

    def of(table: str) -> dict[str, pl.DataType]:
        layer, _, name = table.partition("/")
        if layer == "raw":
            return (contracts[name].raw if name in contracts else raw_table(name, name, ())).schema
        if layer == "mart":
            return build_mart_table(register[name]).schema if name in register else NEWCOMER
        return quarantine_table(name, name).schema if layer == "quarantine" else TABLES[table].schema

    return of


@pytest.fixture(scope="session")
def good(schema: Callable[[str], dict[str, pl.DataType]]) -> Callable[[str], pl.DataFrame]:
    """A frame of a table that its suite lets pass."""

    def frame(table: str) -> pl.DataFrame:
        # Fields of a channel are text that the source wrote, whatever a standard column of that name holds.
        common = {name: COMMON[name] for name in COMMON if not table.startswith("raw/") or name in PLACE}
        cells = {**common, **OWN.get(table, {})}
        return pl.DataFrame(
            {
                name: [_cell(cells.get(name, _plain(dtype)), row) for row in range(N_ROWS)]
                for name, dtype in schema(table).items()
            },
            schema=schema(table),
        )

    return frame


def _cell(cells: object, row: int) -> object:
    value = cells[row] if isinstance(cells, list) else cells
    return value.format(row) if isinstance(value, str) else value


def _plain(dtype: pl.DataType) -> object:
    match dtype:
        case pl.String():
            return "text"
        case pl.Datetime():
            return MOMENT
        case pl.Date():
            return MOMENT.date()
        case pl.Boolean():
            return False
        case pl.List():
            return []
        case _:
            return 1
