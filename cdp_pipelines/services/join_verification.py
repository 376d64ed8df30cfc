"""The join attack on the published marts of a lake: the people whom somebody with two marts could identify.

Here belongs the attack on a lake and its report. How marts are joined is in `cdp_pipelines.marts.join_attack`.
"""

from dataclasses import dataclass

from cdp_pipelines.marts.anonymity import count_small_groups
from cdp_pipelines.marts.join_attack import JoinAttack, PublishedMart, count_shared_keys, run_attacks
from cdp_pipelines.marts.mart import quasi_identifiers
from cdp_pipelines.services.declarations import load_company_register
from cdp_pipelines.services.document import Document, Section
from cdp_pipelines.services.marts import read_published
from warehouse.delta.lake import Lake


@dataclass(frozen=True)
class JoinVerification:
    """The answer, and whether nobody could be identified."""

    document: Document
    is_safe: bool


def read_published_marts(lake: Lake) -> list[PublishedMart]:
    """Every published mart with rows of people, with the person behind each row."""
    purposes = [
        purpose for purpose in load_company_register().values() if purpose.mart_kind in {"identified", "pseudonymous"}
    ]
    return [PublishedMart(purpose, read_published(lake, purpose)) for purpose in purposes]


def verify_joins(lake: Lake) -> JoinVerification:
    """Try every join; safe where nobody is identified, no key is in two marts, and no group is too small."""
    marts = read_published_marts(lake)
    attacks, shared_count = list(run_attacks(marts)), count_shared_keys(marts)
    rows = [_row(mart, attacks) for mart in marts if mart.purpose.mart_kind == "pseudonymous"]
    small_count = sum(int(str(row["small_group_row_count"])) for row in rows)
    identified_count = sum(each.identified_count for each in attacks)
    answer = (
        f"{sum(each.join_count for each in attacks):,} joins of {len(attacks)} pairs of marts tried: "
        f"{identified_count:,} people identified; {shared_count:,} keys or references are in two marts; "
        f"{small_count:,} rows are in groups that are too small."
    )
    document = Document(
        "Join attack on the published marts",
        answer,
        [
            Section("marts", rows, "Pseudonymous marts, and the attacks on each"),
            Section(
                "identifying_joins",
                [
                    {"mart": each.one, "other_mart": each.other, "columns": each.columns,
                     "identified_count": each.identified_count}
                    for each in attacks
                    if each.identified_count
                ],
                "Joins that identified people",
            ),
        ],
    )  # fmt: skip
    return JoinVerification(document, is_safe=not (identified_count or shared_count or small_count))


def _row(mart: PublishedMart, attacks: list[JoinAttack]) -> dict[str, object]:
    key, names = mart.purpose.key, quasi_identifiers(mart.purpose)
    cells, own = mart.rows.select(names), [each for each in attacks if key in {each.one, each.other}]
    size = cells.height * cells.width
    filled_count = sum(cells[name].count() for name in cells.columns)
    return {
        "mart": key,
        "row_count": cells.height,
        "filled_percent": round(100 * filled_count / size) if size else None,
        "small_group_row_count": count_small_groups(cells, names, mart.purpose.minimum_group),
        "mart_count": len(own),
        "join_count": sum(each.join_count for each in own),
        "claimed_count": sum(each.claimed_count for each in own),
        "identified_count": sum(each.identified_count for each in own),
    }
