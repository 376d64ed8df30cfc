"""Scripts of the canaries: what they do in which drop, and the marts that they must be in afterwards.

Here belongs data: one canary for each rule of consent. Their records are made in `canaries`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# One sign for each drop: + where the canary is in the mart after it; the last sign holds for all later drops.
Presence = str


@dataclass(frozen=True)
class Canary:
    """One scripted person. `script`: (drop, channel, details); `marts`: mart to its presence; `own`: own identifiers."""

    name: str
    script: tuple[tuple[int, str, dict], ...]
    marts: Mapping[str, Presence]
    own: Mapping[str, str | None] = field(default_factory=dict)

    def identifiers(self, number: int) -> dict[str, str | None]:
        """The identifiers of the canary with this number."""
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
        # The address has one row, that of the other customer, and none after the denial.
        {"email_marketing": "----"},
        {"email": "shared@canary.example"},
    ),
)
