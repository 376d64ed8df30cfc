"""`cdp verify joins`: the join attack on the published marts of a lake, with what it found."""

from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from assets.cli.dossier import opened
from assets.marts import published
from assets.policies import register
from cdp_pipelines.golden.anonymity import alone
from cdp_pipelines.golden.attack import Attack, Published, attacks, shared_names
from cdp_pipelines.golden.mart import quasi_identifiers
from warehouse.lake import Lake

COUNTED = ("n_joins", "n_claimed", "n_identified")


def marts_of(lake: Lake) -> list[Published]:
    """Every mart of persons that is published, with who is behind each row."""
    purposes = [each for each in register().values() if each.mart_kind in {"identified", "pseudonymous"}]
    return [Published(purpose, published(lake, purpose)) for purpose in purposes]


def check(lake: Path) -> int:
    """Try every join, say what each pseudonymous mart gives away; 0 where nobody is named, else 1."""
    out, store = Console(), opened(lake)
    marts = marts_of(store)
    found, n_shared = list(attacks(marts)), shared_names(marts)
    table = Table(caption="told: cells that say something; alone: rows that say what too few others say", box=None)
    table.add_column("pseudonymous mart", no_wrap=True)
    for name in ("rows", "told", "alone", "marts", "joins", "claims", "identified"):
        table.add_column(name, justify="right")
    n_alone = 0
    for mart in marts:
        if mart.purpose.mart_kind == "pseudonymous":
            names = quasi_identifiers(mart.purpose)
            singled = alone(mart.rows, names, mart.purpose.minimum_group)
            n_alone += singled
            table.add_row(mart.purpose.key, *_row(mart.rows.select(names), singled, _of(found, mart.purpose.key)))
    out.print(table)
    n_identified = sum(each.n_identified for each in found)
    out.print(
        f"{sum(each.n_joins for each in found):,} joins of {len(found)} pairs of marts tried: {n_identified:,} people "
        f"identified; {n_shared:,} keys or references are in two marts; {n_alone:,} rows share what they say with too "
        "few",
        highlight=False,
    )
    for each in found:
        if each.n_identified:
            out.print(f"  {each.one} with {each.other} on {', '.join(each.columns)}: {each.n_identified:,}")
    return 1 if n_identified or n_shared or n_alone else 0


def _of(found: list[Attack], key: str) -> list[Attack]:
    return [each for each in found if key in {each.one, each.other}]


def _row(told: pl.DataFrame, n_alone: int, found: list[Attack]) -> list[str]:
    cells = told.height * told.width
    n_told = sum(told[name].count() for name in told.columns)
    numbers = (n_alone, len(found), *(sum(getattr(each, name) for each in found) for name in COUNTED))
    return [f"{told.height:,}", f"{n_told / cells:.0%}" if cells else "", *(f"{number:,}" for number in numbers)]
