"""`cdp verify joins`: the join attack on the published marts of a lake, with what it found."""

from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from cdp_pipelines.marts.anonymity import count_small_groups
from cdp_pipelines.marts.join_attack import JoinAttack, PublishedMart, count_shared_keys, run_attacks
from cdp_pipelines.marts.mart import quasi_identifiers
from cdp_pipelines.services.declarations import load_company_register
from cdp_pipelines.services.marts import read_published
from cdp_pipelines.services.signed_report import open_lake
from warehouse.delta.lake import Lake

COUNTED = ("join_count", "claimed_count", "identified_count")


def marts_of(lake: Lake) -> list[PublishedMart]:
    """Every mart of persons that is published, with who is behind each row."""
    purposes = [each for each in load_company_register().values() if each.mart_kind in {"identified", "pseudonymous"}]
    return [PublishedMart(purpose, read_published(lake, purpose)) for purpose in purposes]


def check(lake: Path) -> int:
    """Try every join, say what each pseudonymous mart gives away; 0 where nobody is named, else 1."""
    out, store = Console(), open_lake(lake)
    marts = marts_of(store)
    found, shared_count = list(run_attacks(marts)), count_shared_keys(marts)
    table = Table(caption="told: cells that say something; alone: rows that say what too few others say", box=None)
    table.add_column("pseudonymous mart", no_wrap=True)
    for name in ("rows", "told", "alone", "marts", "joins", "claims", "identified"):
        table.add_column(name, justify="right")
    alone_count = 0
    for mart in marts:
        if mart.purpose.mart_kind == "pseudonymous":
            names = quasi_identifiers(mart.purpose)
            singled = count_small_groups(mart.rows, names, mart.purpose.minimum_group)
            alone_count += singled
            table.add_row(mart.purpose.key, *_row(mart.rows.select(names), singled, _of(found, mart.purpose.key)))
    out.print(table)
    identified_count = sum(each.identified_count for each in found)
    out.print(
        f"{sum(each.join_count for each in found):,} joins of {len(found)} pairs of marts tried: "
        f"{identified_count:,} people identified; {shared_count:,} keys or references are in two marts; "
        f"{alone_count:,} rows share what they say with too few",
        highlight=False,
    )
    for each in found:
        if each.identified_count:
            out.print(f"  {each.one} with {each.other} on {', '.join(each.columns)}: {each.identified_count:,}")
    return 1 if identified_count or shared_count or alone_count else 0


def _of(found: list[JoinAttack], key: str) -> list[JoinAttack]:
    return [each for each in found if key in {each.one, each.other}]


def _row(told: pl.DataFrame, alone_count: int, found: list[JoinAttack]) -> list[str]:
    cells = told.height * told.width
    reported_count = sum(told[name].count() for name in told.columns)
    numbers = (alone_count, len(found), *(sum(getattr(each, name) for each in found) for name in COUNTED))
    return [
        f"{told.height:,}",
        f"{reported_count / cells:.0%}" if cells else "",
        *(f"{number:,}" for number in numbers),
    ]
