"""Canaries: scripted people whose choices change night by night in every channel, and the marts they must be in.

Here belong their records and the truth about them; the scripts are in `canary_scripts`. Canary records have no planted
defects, and share identifiers with nobody except where a script says so.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.sample.canary_scripts import CANARIES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date

    from cdp_pipelines.sample.canary_scripts import Canary

_NOTICE = "2011-06"
_SYLLABLES = ("Ba", "Ce", "Di", "Fo", "Gu", "Ha", "Je", "Ki", "Lo", "Mu", "Na", "Pe", "Ri", "So", "Tu", "Va", "We")


def _make_names(number: int) -> tuple[str, str]:
    """A first and a last name that nobody else has."""
    one, two = _SYLLABLES[number % 17], _SYLLABLES[number // 17 + 5]
    return f"{one}{two.lower()}x", f"{two}{one.lower()}zzyk{chr(97 + number % 26)}{chr(97 + number // 26)}"


def build_records(channel: str, schema: pl.Schema, drops: list[date]) -> pl.DataFrame:
    """The canaries' records in a channel, in its own columns (`schema`), without defects."""
    make = _CHANNELS.get(channel)
    rows = [] if make is None else [
        row | {"_person": f"canary_{canary.name}", "_drop": drop, "_copy": 0, "_id": _read_id(channel, row)}
        for number, canary in enumerate(CANARIES, 1)
        for step, (drop, details) in enumerate(_list_steps(canary, channel), 1)
        if drop < len(drops)
        for row in [make(canary, number, step, _time_of(drops[drop], step), details, drops)]
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=schema) if rows else pl.DataFrame(schema=schema)


def build_truth(drops: list[date]) -> pl.DataFrame:
    """Marts of each canary: canary, channel and source_record_id of its identifying record, drop, mart, is_in."""
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
    steps = [(drop, details) for drop, name, details in canary.script if name == channel]
    if channel == "crm_west":
        return [(0, {}), *steps]
    # Everybody who orders has an account.
    if channel == "webshop_customers" and not steps and any(name == "webshop_orders" for _, name, _ in canary.script):
        return [(0, {})]
    return steps


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


def _consent_receipts(canary: Canary, number: int, step: int, at: datetime, details: dict, drops: list[date]) -> dict:
    known = canary.identifiers(number)
    of_kind = {"email": "email", "phone": "phone", "loyalty_card": "card", "device_id": "device"}
    expires = details.get("expires")
    return {
        "receipt_id": f"cr-canary-{number}-{step}",
        "subject": {"type": details["kind"], "value": known[of_kind[details["kind"]]]},
        "purpose": details["purpose"],
        "status": details["status"],
        "event_time": _format_iso(at),
        "recorded_at": _format_iso(at + timedelta(minutes=1)),
        "notice_version": details.get("notice_version", _NOTICE),
        "collection_point": "web_form",
        "jurisdiction": "EU",
        "expires_at": expires and _format_iso(_time_of(drops[0] + timedelta(days=expires), 0)),
    }


def _unsubscribes(canary: Canary, number: int, step: int, at: datetime, details: dict, _: list[date]) -> dict:
    known = canary.identifiers(number)
    contact = (
        details["contact"]
        .replace("{EMAIL}", known["email"].upper())
        .replace("{email}", known["email"])
        .replace("{phone:area}", known["phone"][2:5])
        .replace("{phone:rest}", f"{known['phone'][5:8]}-{known['phone'][8:]}")
    )
    return {
        "id": f"u-canary-{number}-{step}",
        "contact": contact,
        "list": details["list"],
        "reason": details["reason"],
        "ts": at.strftime("%Y-%m-%d %H:%M:%S"),
    }


def _call_centre(canary: Canary, number: int, step: int, at: datetime, details: dict, _: list[date]) -> dict:
    first, last = _make_names(number)
    return {
        "ticket": f"CALL-canary-{number}-{step}",
        "opened": (at + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+02:00"),
        "caller_number": canary.identifiers(number)["phone"],
        "caller_name": f"{first} {last}",
        "topic": details["topic"],
        "minutes": "1.0",
        "notes": "",
    }


def _privacy_requests(canary: Canary, number: int, step: int, at: datetime, details: dict, _: list[date]) -> dict:
    return {
        "request_id": f"dsr-canary-{number}-{step}",
        "kind": details["kind"],
        "subject": {"type": "email", "value": canary.identifiers(number)["email"]},
        "received_at": _format_iso(at),
    }


def _webshop_customers(canary: Canary, number: int, _: int, at: datetime, details: dict, __: list[date]) -> dict:
    known, (first, last) = canary.identifiers(number), _make_names(number)
    return {
        "id": known["account"],
        "created_at": _format_iso(at),
        "email": known["email"],
        "first_name": first,
        "last_name": last,
        "accepts_marketing": details.get("accepts_marketing"),
        "default_address": {"country_code": "US"},
        "tags": "",
    }


def _webshop_orders(canary: Canary, number: int, step: int, at: datetime, details: dict, _: list[date]) -> dict:
    known = canary.identifiers(number)
    return {
        "id": f"gid://shop/Order/{'C' if details['kind'] == 'refund' else ''}9{number:05}-{step}",
        "customer": {"id": known["account"]},
        "email": known["email"],
        "created_at": _format_iso(at),
        "currency": "GBP",
        "total_price": details["total_price"],
        "units": 1,
        "kind": details["kind"],
        "ship_to_country": "USA",
    }


def _app_events(canary: Canary, number: int, step: int, at: datetime, details: dict, _: list[date]) -> dict:
    known, (first, last) = canary.identifiers(number), _make_names(number)
    choices = {"Functional": True, "Advertising": None, "Analytics": details.get("Analytics")}
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
            "gpc": details.get("gpc"),
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
