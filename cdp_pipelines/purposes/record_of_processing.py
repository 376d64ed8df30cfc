"""The record of processing activities (Art. 30(1)): the purposes in force on a day, with parts (a) to (g) of each.

It returns data; printing belongs in `cdp_pipelines.cli` and `cdp_pipelines.reports`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdp_pipelines.schema.duration import describe_duration

if TYPE_CHECKING:
    from datetime import date

    from cdp_pipelines.purposes.controller import Controller
    from cdp_pipelines.purposes.purpose import Purpose
    from cdp_pipelines.purposes.register import Register

# The fields of an `Activity` that Art. 30(1) requires: letter and heading of each.
PARTS = {
    "controller": ("a", "Controller and contacts"),
    "purpose": ("b", "Purpose"),
    "data_subjects": ("c", "Categories of data subjects"),
    "data_categories": ("c", "Categories of personal data"),
    "recipients": ("d", "Recipients"),
    "transfers": ("e", "Transfers to third countries"),
    "retention": ("f", "Erased after"),
    "security": ("g", "Security measures"),
}
BASES = {
    "consent": "consent, Art. 6(1)(a)",
    "contract": "contract, Art. 6(1)(b)",
    "legal_obligation": "legal obligation, Art. 6(1)(c)",
    "vital_interests": "vital interests, Art. 6(1)(d)",
    "public_interest": "public interest, Art. 6(1)(e)",
    "legitimate_interests": "legitimate interests, Art. 6(1)(f)",
}
NO_RECIPIENTS = "nobody outside the company"
NONE = "none"


@dataclass(frozen=True, slots=True)
class Activity:
    """One purpose of the record of processing: texts for readers, none of them empty."""

    key: str
    version: str
    effective_from: str
    lawful_basis: str
    basis_reference: str
    controller: tuple[str, ...]
    purpose: str
    data_subjects: tuple[str, ...]
    data_categories: tuple[str, ...]
    recipients: tuple[str, ...]
    transfers: tuple[str, ...]
    retention: str
    security: tuple[str, ...]
    mart_kind: str
    mart: str


def build_record_of_processing(register: Register, controller: Controller, day: date) -> list[Activity]:
    """Activities of the purposes in force on a day, each in its version of that day, in order of their keys."""
    in_force = {
        key: [version for version in versions if version.effective_from <= day]
        for key, versions in register.versions.items()
    }
    return [_build_activity(versions[-1], controller) for versions in in_force.values() if versions]


def _build_activity(purpose: Purpose, controller: Controller) -> Activity:
    return Activity(
        key=purpose.key,
        version=purpose.version,
        effective_from=str(purpose.effective_from),
        lawful_basis=BASES[purpose.lawful_basis],
        basis_reference=_describe_basis(purpose),
        controller=_describe_controller(controller),
        purpose=purpose.title,
        data_subjects=purpose.data_subjects,
        data_categories=purpose.data_categories,
        recipients=purpose.recipients or (NO_RECIPIENTS,),
        transfers=tuple(
            f"{transfer.recipient} ({transfer.country}): {transfer.safeguard}" for transfer in purpose.transfers
        )
        or (NONE,),
        retention=f"{describe_duration(purpose.retention)} from {purpose.retention_from}",
        security=(*controller.security, *purpose.security),
        mart_kind=purpose.mart_kind,
        mart=_describe_mart(purpose),
    )


def _describe_mart(purpose: Purpose) -> str:
    """Whom the rows of its mart identify, and why (Art. 5(1)(c), 25)."""
    match purpose.mart_kind:
        case "identified":
            return f"identified people: {purpose.identified_because}"
        case "pseudonymous":
            return f"people under pseudonyms of this mart, in groups of at least {purpose.minimum_group}"
        case "aggregate":
            return f"counts of at least {purpose.minimum_group} people, and no rows about people"
        case _:
            return NONE


def _describe_controller(controller: Controller) -> tuple[str, ...]:
    contacts = {
        "contact": controller.contact,
        "joint controller": controller.joint_controller,
        "representative": controller.representative,
        "data protection officer": controller.data_protection_officer,
    }
    return (
        controller.name,
        controller.address,
        *(f"{role}: {contact}" for role, contact in contacts.items() if contact),
    )


def _describe_basis(purpose: Purpose) -> str:
    """What the lawful basis is based on: a notice, contracts, a law, an assessment, a case."""
    contract = purpose.contract
    match purpose.lawful_basis:
        case "consent":
            return f"under notice {purpose.notice} or a later one"
        case "contract" if contract:
            return f"opened by {', '.join(contract.opened_by)}; lasts {describe_duration(contract.lasts)}"
        case "legitimate_interests":
            return f"balancing test {purpose.assessment}"
        case "vital_interests":
            return "a declared case"
        case _:
            return purpose.law or NONE
