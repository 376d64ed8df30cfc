"""The record of processing activities (GDPR Art. 30) of the declared register on a day.

Here belongs reading the declarations. The activities themselves are built in `cdp_pipelines.purposes`.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime

from cdp_pipelines.errors import CdpError
from cdp_pipelines.purposes.record_of_processing import PARTS, Activity, build_record_of_processing
from cdp_pipelines.services.declarations import load_company_controller, load_company_register
from cdp_pipelines.services.document import Document, Section

# What a purpose's mart has of people, in a word.
PEOPLE = {"identified": "named", "pseudonymous": "unnamed", "aggregate": "counted", "none": "none"}


@dataclass(frozen=True)
class ProcessingRecord:
    """The activities in force on a day, in order of their keys."""

    day: date
    activities: tuple[Activity, ...]

    def facts(self) -> dict[str, object]:
        """Keys `as_of`, `article` (field to the part of Art. 30(1) that it answers) and `purposes`."""
        return {
            "as_of": self.day,
            "article": {name: f"30(1)({letter})" for name, (letter, _) in PARTS.items()},
            "purposes": [asdict(each) for each in self.activities],
        }

    def summarise(self) -> Document:
        """What fits a terminal: basis, data, people in the mart, retention and recipients of each purpose."""
        rows = [
            {
                "purpose": each.key,
                "lawful_basis": each.lawful_basis.partition(", Art.")[0],
                "data_categories": each.data_categories,
                "people": PEOPLE[each.mart_kind],
                "retention": each.retention,
                "recipients": each.recipients,
            }
            for each in self.activities
        ]
        return Document(
            "Record of processing activities",
            f"{len(rows)} purposes in force on {self.day}. json, html and csv have all of Art. 30(1)(a)-(g).",
            [Section("purposes", rows)],
        )

    def columns(self) -> list[str]:
        """Names of the values in `rows`."""
        return ["as_of", *Activity.__dataclass_fields__]

    def rows(self) -> list[list[object]]:
        """One row for each purpose."""
        return [[self.day, *asdict(each).values()] for each in self.activities]


def report_processing(day: date | None) -> ProcessingRecord:
    """The record of a day, by default today in UTC; `CdpError` where no purpose was in force."""
    day = day or datetime.now(UTC).date()
    register = load_company_register()
    activities = build_record_of_processing(register, load_company_controller(), day)
    if not activities:
        first = min(versions[0].effective_from for versions in register.versions.values())
        raise CdpError(f"no purpose is in force on {day}; the first is from {first}")
    return ProcessingRecord(day, tuple(activities))
