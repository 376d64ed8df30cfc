"""The record of processing activities, as Art. 30(1) asks for it: purposes in force on a day, (a) to (g) of each.

What it says is data; how it is printed is the command line's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdp_pipelines.schema.duration import describe_duration

if TYPE_CHECKING:
    from datetime import date

    from cdp_pipelines.purposes.controller import Controller
    from cdp_pipelines.purposes.purpose import Purpose, Register

# Each part of Art. 30(1), and the field of an `Activity` that answers it.
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
NOBODY = "nobody outside the company"
NONE = "none"


@dataclass(frozen=True, slots=True)
class Activity:
    """One purpose of the record; texts and lists of texts for people, of which none is empty."""

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
    """The activities of the purposes in force on a day, each in the version of that day, in order of their keys."""
    in_force = {
        key: [each for each in versions if each.effective_from <= day] for key, versions in register.versions.items()
    }
    return [_activity(versions[-1], controller) for versions in in_force.values() if versions]


def _activity(purpose: Purpose, controller: Controller) -> Activity:
    return Activity(
        key=purpose.key,
        version=purpose.version,
        effective_from=str(purpose.effective_from),
        lawful_basis=BASES[purpose.lawful_basis],
        basis_reference=_reference(purpose),
        controller=_named(controller),
        purpose=purpose.title,
        data_subjects=purpose.data_subjects,
        data_categories=purpose.data_categories,
        recipients=purpose.recipients or (NOBODY,),
        transfers=tuple(f"{each.recipient} ({each.country}): {each.safeguard}" for each in purpose.transfers)
        or (NONE,),
        retention=f"{describe_duration(purpose.retention)} from {purpose.retention_from}",
        security=(*controller.security, *purpose.security),
        mart_kind=purpose.mart_kind,
        mart=_mart(purpose),
    )


def _mart(purpose: Purpose) -> str:
    """What its mart tells of people, and why (Art. 5(1)(c), 25)."""
    match purpose.mart_kind:
        case "identified":
            return f"people can be named: {purpose.identified_because}"
        case "pseudonymous":
            return f"people under a name of this mart alone, no row said by fewer than {purpose.minimum_group}"
        case "aggregate":
            return f"numbers of people, none of fewer than {purpose.minimum_group}; nobody's row"
        case _:
            return NONE


def _named(controller: Controller) -> tuple[str, ...]:
    more = {
        "contact": controller.contact,
        "joint controller": controller.joint_controller,
        "representative": controller.representative,
        "data protection officer": controller.data_protection_officer,
    }
    return (controller.name, controller.address, *(f"{what}: {who}" for what, who in more.items() if who))


def _reference(purpose: Purpose) -> str:
    """What the basis rests on: a notice, contracts, a law, an assessment, a case."""
    match purpose.lawful_basis:
        case "consent":
            return f"under notice {purpose.notice} or a later one"
        case "contract":
            return (
                f"opened by {', '.join(purpose.contract.opened_by)}; lasts {describe_duration(purpose.contract.lasts)}"
            )
        case "legitimate_interests":
            return f"balancing test {purpose.assessment}"
        case "vital_interests":
            return "a declared case"
        case _:
            return purpose.law
