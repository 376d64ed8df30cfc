"""Canaries: scripted people whose wills change night by night through every channel, and the marts they must be in.

Each has a script: what reaches the company in which drop, and in which marts it must be seen after each drop. Their
records are never spoilt and nobody shares their identifiers but those that the script makes share them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date

_NOTICE = "2011-06"
# Of four drops: seen after the first, the second and so on; what is the last holds on.
Presence = str


@dataclass(frozen=True)
class Canary:
    """One scripted person. `script`: (drop, channel, what it says); `marts`: mart to one of + and - per drop."""

    name: str
    script: tuple[tuple[int, str, dict], ...]
    marts: Mapping[str, Presence]
    own: Mapping[str, str | None] = field(default_factory=dict)

    def identifiers(self, number: int) -> dict[str, str | None]:
        """The identifiers of the canary that has this number among them."""
        return {
            "email": f"{self.name.replace('_', '.')}@canary.example",
            "phone": f"+1206555{number:04}",
            "card": f"LC9{number:06}",
            "device": f"ca9a{number:04x}-0000-4000-8000-{number:012x}",
            "account": f"gid://shop/Customer/9{number:06}",
        } | dict(self.own)


def _receipt(purpose: str, status: str = "granted", kind: str = "email", **more: object) -> dict:
    return {"purpose": purpose, "status": status, "kind": kind} | more


def _unsubscribe(list_: str, reason: str, form: str = "{email}") -> dict:
    return {"list": list_, "reason": reason, "contact": form}


_MAIL, _SMS = _receipt("email_marketing"), _receipt("sms_marketing", kind="phone")
_SALE = {"kind": "sale", "total_price": "40.00"}
CANARIES = (
    Canary("grants_by_receipt", ((1, "consent_receipts", _MAIL),), {"email_marketing": "-+++"}),
    Canary("never_asked", (), {"email_marketing": "----", "sms_marketing": "----", "analytics": "----"}),
    Canary(
        "unsubscribes",
        ((0, "consent_receipts", _MAIL), (2, "unsubscribes", _unsubscribe("email", "unsubscribe link"))),
        {"email_marketing": "++--"},
    ),
    Canary(
        "returns_to_the_list",
        (
            (0, "consent_receipts", _MAIL),
            (1, "unsubscribes", _unsubscribe("email", "unsubscribe link", " {EMAIL} ")),
            (2, "consent_receipts", _MAIL),
        ),
        {"email_marketing": "+-++"},
    ),
    Canary(
        "complains",
        (
            (0, "consent_receipts", _MAIL),
            (1, "unsubscribes", _unsubscribe("email", "spam complaint")),
            (2, "consent_receipts", _MAIL),
        ),
        {"email_marketing": "+---"},
    ),
    Canary(
        "bounces",
        ((0, "consent_receipts", _MAIL), (1, "unsubscribes", _unsubscribe("email", "hard bounce"))),
        {"email_marketing": "+---"},
    ),
    Canary(
        "stops_texts",
        (
            (0, "consent_receipts", _SMS),
            (0, "consent_receipts", _MAIL),
            (2, "unsubscribes", _unsubscribe("sms", "STOP", "({phone:area}) {phone:rest}")),
        ),
        {"sms_marketing": "++--", "email_marketing": "++++"},
    ),
    Canary(
        "tells_an_agent",
        (
            (0, "consent_receipts", _SMS),
            (0, "consent_receipts", _MAIL),
            (1, "call_centre", {"topic": "unsubscribe me"}),
        ),
        {"sms_marketing": "+---", "email_marketing": "+---"},
    ),
    Canary(
        "objects",
        ((0, "consent_receipts", _MAIL), (2, "privacy_requests", {"kind": "objection"})),
        {"email_marketing": "++--"},
    ),
    Canary(
        "restricts",
        (
            (0, "webshop_orders", _SALE),
            (0, "consent_receipts", _MAIL),
            (1, "privacy_requests", {"kind": "restriction"}),
        ),
        {"order_fulfilment": "+---", "email_marketing": "+---"},
    ),
    Canary(
        "is_erased",
        ((0, "webshop_orders", _SALE), (0, "consent_receipts", _MAIL), (1, "privacy_requests", {"kind": "erasure"})),
        {"order_fulfilment": "+---", "email_marketing": "+---"},
    ),
    Canary(
        "read_an_old_notice",
        ((0, "consent_receipts", _MAIL | {"notice_version": "2009-01"}),),
        {"email_marketing": "----"},
    ),
    Canary(
        "consents_for_two_nights",
        ((0, "consent_receipts", _MAIL | {"expires": 2}),),
        {"email_marketing": "++--"},
    ),
    Canary(
        "refuses_the_banner",
        (
            (0, "app_events", {}),
            (0, "consent_receipts", _receipt("analytics", kind="device_id")),
            (2, "app_events", {"Analytics": False}),
        ),
        {"analytics": "++--"},
    ),
    Canary(
        "only_clicks_the_banner",
        ((0, "app_events", {"Analytics": True}),),
        {"analytics": "----"},
    ),
    Canary(
        "switches_privacy_control_on",
        (
            (0, "app_events", {}),
            (0, "consent_receipts", _receipt("advertising", kind="device_id")),
            (2, "app_events", {"gpc": True}),
        ),
        {"advertising": "++--"},
    ),
    Canary(
        "gets_its_money_back",
        ((0, "webshop_orders", _SALE), (2, "webshop_orders", {"kind": "refund", "total_price": "40.00"})),
        {"order_fulfilment": "++--"},
    ),
    Canary(
        "sends_one_thing_back",
        ((0, "webshop_orders", _SALE), (2, "webshop_orders", {"kind": "refund", "total_price": "10.00"})),
        {"order_fulfilment": "++++"},
    ),
    Canary(
        "unticks_the_box",
        ((0, "consent_receipts", _MAIL), (1, "webshop_customers", {"accepts_marketing": False})),
        {"email_marketing": "+---"},
    ),
    Canary(
        "ticks_a_box_that_proves_nothing",
        ((0, "webshop_customers", {"accepts_marketing": True}),),
        {"email_marketing": "----"},
    ),
    Canary(
        "gave_a_phone_for_service_alone",
        (
            (0, "consent_receipts", _receipt("sms_marketing", kind="loyalty_card")),
            (0, "call_centre", {"topic": "question"}),
        ),
        {"sms_marketing": "----"},
        {"crm_phone": None},
    ),
    Canary(
        "withdraws_by_card",
        (
            (0, "consent_receipts", _MAIL),
            (2, "consent_receipts", _receipt("email_marketing", "withdrawn", "loyalty_card")),
        ),
        {"email_marketing": "++--"},
    ),
    Canary(
        "shares_an_email_and_grants",
        ((0, "consent_receipts", _MAIL),),
        {"email_marketing": "++--"},
        {"email": "shared@canary.example"},
    ),
    Canary(
        "shares_an_email_and_denies",
        ((2, "consent_receipts", _receipt("email_marketing", "denied", "phone")),),
        {"email_marketing": "++--"},
        {"email": "shared@canary.example"},
    ),
)
_SYLLABLES = ("Ba", "Ce", "Di", "Fo", "Gu", "Ha", "Je", "Ki", "Lo", "Mu", "Na", "Pe", "Ri", "So", "Tu", "Va", "We")


def _make_names(number: int) -> tuple[str, str]:
    """A first and a last name that no other canary and nobody else has."""
    one, two = _SYLLABLES[number % 17], _SYLLABLES[number // 17 + 5]
    return f"{one}{two.lower()}x", f"{two}{one.lower()}zzyk{chr(97 + number % 26)}{chr(97 + number // 26)}"


def build_records(channel: str, schema: pl.Schema, drops: list[date]) -> pl.DataFrame:
    """The canaries' records in a channel, in its own columns (`schema`), unspoilt."""
    make = _CHANNELS.get(channel)
    rows = [] if make is None else [
        row | {"_person": f"canary_{canary.name}", "_drop": drop, "_copy": 0, "_id": _read_id(channel, row)}
        for number, canary in enumerate(CANARIES, 1)
        for step, (drop, told) in enumerate(_list_steps(canary, channel), 1)
        if drop < len(drops)
        for row in [make(canary, number, step, _time_of(drops[drop], step), told, drops)]
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=schema) if rows else pl.DataFrame(schema=schema)


def build_truth(drops: list[date]) -> pl.DataFrame:
    """Where each must be: canary, channel and source_record_id of the record that says who it is, drop, mart, is_in."""
    return pl.DataFrame(
        [
            (canary.name, "crm_west", _crm_id(number), drop, mart, seen[min(place, len(seen) - 1)] == "+")
            for number, canary in enumerate(CANARIES, 1)
            for mart, seen in canary.marts.items()
            for place, drop in enumerate(drops)
        ],
        schema={
            "canary": pl.String,
            "channel": pl.String,
            "source_record_id": pl.String,
            "drop": pl.Date,
            "mart": pl.String,
            "is_in": pl.Boolean,
        },
        orient="row",
    )


def _list_steps(canary: Canary, channel: str) -> list[tuple[int, dict]]:
    told = [(drop, said) for drop, where, said in canary.script if where == channel]
    if channel == "crm_west":
        return [(0, {}), *told]
    # Who orders has an account.
    if channel == "webshop_customers" and not told and any(where == "webshop_orders" for _, where, _ in canary.script):
        return [(0, {})]
    return told


def _time_of(drop: date, step: int) -> datetime:
    return datetime.combine(drop, time(10)) + timedelta(minutes=step)


def _format_iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _read_id(channel: str, row: dict) -> str:
    return row[_IDS[channel]]


def _crm_id(number: int) -> str:
    return f"W9{number:05}"


def _crm_west(canary: Canary, number: int, _: int, at: datetime, __: dict, ___: list[date]) -> dict:
    known, (first, last) = canary.identifiers(number), _make_names(number)
    return {
        "customer_no": _crm_id(number),
        "first_name": first,
        "last_name": last,
        "date_of_birth": f"{1 + number % 12:02}/{1 + number % 28:02}/{1950 + number}",
        "street": f"{900 + number} Canary Row",
        "city": "Anytown",
        "state": "WA",
        "zip": "00000",
        "email": known["email"],
        "phone": known.get("crm_phone", known["phone"]),
        "loyalty_card": known["card"],
        "created_at": at.strftime("%m/%d/%Y %I:%M %p"),
        "privacy_notice": _NOTICE,
    }


def _consent_receipts(canary: Canary, number: int, step: int, at: datetime, told: dict, drops: list[date]) -> dict:
    known = canary.identifiers(number)
    of_kind = {"email": "email", "phone": "phone", "loyalty_card": "card", "device_id": "device"}
    expires = told.get("expires")
    return {
        "receipt_id": f"cr-canary-{number}-{step}",
        "subject": {"type": told["kind"], "value": known[of_kind[told["kind"]]]},
        "purpose": told["purpose"],
        "status": told["status"],
        "event_time": _format_iso(at),
        "recorded_at": _format_iso(at + timedelta(minutes=1)),
        "notice_version": told.get("notice_version", _NOTICE),
        "collection_point": "web_form",
        "jurisdiction": "EU",
        "expires_at": expires and _format_iso(_time_of(drops[0] + timedelta(days=expires), 0)),
    }


def _unsubscribes(canary: Canary, number: int, step: int, at: datetime, told: dict, _: list[date]) -> dict:
    known = canary.identifiers(number)
    contact = (
        told["contact"]
        .replace("{EMAIL}", known["email"].upper())
        .replace("{email}", known["email"])
        .replace("{phone:area}", known["phone"][2:5])
        .replace("{phone:rest}", f"{known['phone'][5:8]}-{known['phone'][8:]}")
    )
    return {
        "id": f"u-canary-{number}-{step}",
        "contact": contact,
        "list": told["list"],
        "reason": told["reason"],
        "ts": at.strftime("%Y-%m-%d %H:%M:%S"),
    }


def _call_centre(canary: Canary, number: int, step: int, at: datetime, told: dict, _: list[date]) -> dict:
    first, last = _make_names(number)
    return {
        "ticket": f"CALL-canary-{number}-{step}",
        "opened": (at + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+02:00"),
        "caller_number": canary.identifiers(number)["phone"],
        "caller_name": f"{first} {last}",
        "topic": told["topic"],
        "minutes": "1.0",
        "notes": "",
    }


def _privacy_requests(canary: Canary, number: int, step: int, at: datetime, told: dict, _: list[date]) -> dict:
    return {
        "request_id": f"dsr-canary-{number}-{step}",
        "kind": told["kind"],
        "subject": {"type": "email", "value": canary.identifiers(number)["email"]},
        "received_at": _format_iso(at),
    }


def _webshop_customers(canary: Canary, number: int, _: int, at: datetime, told: dict, __: list[date]) -> dict:
    known, (first, last) = canary.identifiers(number), _make_names(number)
    return {
        "id": known["account"],
        "created_at": _format_iso(at),
        "email": known["email"],
        "first_name": first,
        "last_name": last,
        "accepts_marketing": told.get("accepts_marketing"),
        "default_address": {"country_code": "US"},
        "tags": "",
    }


def _webshop_orders(canary: Canary, number: int, step: int, at: datetime, told: dict, _: list[date]) -> dict:
    known = canary.identifiers(number)
    return {
        "id": f"gid://shop/Order/{'C' if told['kind'] == 'refund' else ''}9{number:05}-{step}",
        "customer": {"id": known["account"]},
        "email": known["email"],
        "created_at": _format_iso(at),
        "currency": "GBP",
        "total_price": told["total_price"],
        "units": 1,
        "kind": told["kind"],
        "ship_to_country": "USA",
    }


def _app_events(canary: Canary, number: int, step: int, at: datetime, told: dict, _: list[date]) -> dict:
    known, (first, last) = canary.identifiers(number), _make_names(number)
    choices = {"Functional": True, "Advertising": None, "Analytics": told.get("Analytics")}
    return {
        "messageId": f"msg-canary-{number}-{step}",
        "type": "identify",
        "anonymousId": known["device"],
        "timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "receivedAt": _format_iso(at),
        "channel": "mobile",
        "context": {
            "device": {"id": known["device"]},
            "consent": {"categoryPreferences": choices},
            "gpc": told.get("gpc"),
        },
        "traits": {"email": known["email"], "firstName": first, "lastName": last},
    }


_CHANNELS: Mapping[str, Callable[..., dict]] = {
    "crm_west": _crm_west,
    "consent_receipts": _consent_receipts,
    "unsubscribes": _unsubscribes,
    "call_centre": _call_centre,
    "privacy_requests": _privacy_requests,
    "webshop_customers": _webshop_customers,
    "webshop_orders": _webshop_orders,
    "app_events": _app_events,
}
_IDS = {
    "crm_west": "customer_no",
    "consent_receipts": "receipt_id",
    "unsubscribes": "id",
    "call_centre": "ticket",
    "privacy_requests": "request_id",
    "webshop_customers": "id",
    "webshop_orders": "id",
    "app_events": "messageId",
}
