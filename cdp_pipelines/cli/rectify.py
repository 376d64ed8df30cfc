"""`cdp rectify`: a value that a data subject or a clerk puts right; it outranks every source from the next night on."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.console import Console

from cdp_pipelines.errors import CdpError, LakeError
from cdp_pipelines.golden import rectification
from cdp_pipelines.golden.contact_point import KINDS
from cdp_pipelines.golden.survivorship import GOLDEN_COLUMNS
from cdp_pipelines.schema import CROSSWALK, PARTY, PREFERENCE, PREFERENCE_COLUMNS, PROVENANCE, RECORD_KEY, RECTIFICATION
from cdp_pipelines.services import signed_report as dossier
from expectations.gate import validate
from warehouse.delta.lake import Lake

out = Console()


def rectify(
    customer: Annotated[str, typer.Argument(help="A customer id, or an e-mail, phone, card, device or account.")],
    attribute: Annotated[str, typer.Argument(help="A column of golden/customer.")],
    value: Annotated[str | None, typer.Argument(help="The right value; dates as 1970-12-31.")] = None,
    *,
    by: Annotated[str | None, typer.Option(help="Who takes it down.", envvar="USER")] = None,
    because: Annotated[str | None, typer.Option(help="Who asked for it, and how it was checked.")] = None,
    instead_of: Annotated[
        str | None, typer.Option(help="Which e-mail or phone is wrong. Default: that of the golden record.")
    ] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="End what was put right: sources count again.")] = False,
    lake: Annotated[Path, typer.Option(help="Folder of the lake.", envvar="CDP_LAKE")] = Path("lake"),
) -> None:
    """Put a value of the golden record right (GDPR Art. 16); it outranks every source until it is withdrawn.

    What survives together (the parts of a name, of an address) is put right together: the other parts stay as they are
    now. Other e-mails and phones of the customer stay; of all other attributes there is one.

    Examples:

      [cyan]cdp rectify ann@example.com birth_date 1970-12-31 --by carl --because "passport seen, ticket 17"[/]

      [cyan]cdp rectify ann@example.com birth_date --withdraw --by carl --because "wrong customer"[/]
    """
    if attribute not in GOLDEN_COLUMNS:
        raise CdpError(f"{attribute!r} is no attribute of the golden record; there are: {', '.join(GOLDEN_COLUMNS)}")
    if not by or not because:
        raise CdpError("a rectification says who took it down and why: --by NAME --because REASON")
    if withdraw == (value is not None):
        raise CdpError("give the right value, or --withdraw")
    store = dossier.open_lake(lake)
    of = dossier.find_customer(store, customer)
    with store.writing():
        told, before = _Told(store, of, attribute), store.read(RECTIFICATION)
        now = datetime.now(UTC)
        if withdraw:
            rows = rectification.record_withdrawal(before, told.open_rows(), by, because, now)
            if rows.is_empty():
                raise LakeError(f"nothing was put right in {attribute} of {of}")
        else:
            wrong = told.wrong(instead_of) if attribute in KINDS else None
            record = told.anchor(wrong)
            parts = told.parts() | {attribute: _read(attribute, value, record)}
            if attribute in KINDS and parts[attribute] == wrong:
                raise CdpError(f"{attribute} is that already; what was put right before ends with --withdraw")
            _check(parts, record, now)
            there = {name: each for name, each in parts.items() if each is not None}
            rows = rectification.record_rectification(before, record, there, wrong, by, because, now)
        result = validate(RECTIFICATION.name, pl.concat([before, rows]), columns=list(RECTIFICATION.schema))
        if not result.passed:
            raise CdpError("the rectification does not pass the suite of golden/rectification")
        store.append(RECTIFICATION, rows)
    numbers = ", ".join(str(number) for number in rows["number"].unique().sort())
    what = "withdrawn" if withdraw else "put right"
    out.print(f"{attribute} of {of}: {what}, as number {numbers}, by {by}. The next night obeys.", highlight=False)


class _Told:
    """What the lake holds of one unit of attributes of one customer."""

    def __init__(self, store: Lake, customer_id: str, attribute: str) -> None:
        from cdp_pipelines.services.declarations import load_survivorship

        self.store, self.attribute, self.customer_id = store, attribute, customer_id
        self.unit_of = load_survivorship().unit_of
        self.name = self.unit_of[attribute]
        crosswalk = store.scan(CROSSWALK).filter("is_profiled", pl.col("customer_id") == customer_id)
        self.records = crosswalk.select(*RECORD_KEY).collect().sort(RECORD_KEY)
        if self.records.is_empty():
            raise LakeError(f"{customer_id} has no golden record: none of its records may join a profile")
        self.given = (store.scan(RECTIFICATION), crosswalk, self.unit_of)
        candidates = store.scan(PROVENANCE).filter(
            pl.col("customer_id") == customer_id, pl.col("together") == self.name
        )
        self.candidates = candidates.collect().sort("rank", "attribute")
        self.standing = (
            rectification.select_current(*self.given)
            .filter(pl.col("together") == self.name)
            .collect()
            .sort("number", descending=True)
        )

    def open_rows(self) -> pl.DataFrame:
        """What was put right in the unit and not withdrawn; columns of `RECTIFICATION`."""
        mine = rectification.select_open(*self.given).filter(pl.col("together") == self.name)
        return RECTIFICATION.conform(mine).collect()

    def parts(self) -> dict[str, str | None]:
        """The unit as it is now: as it was put right last, else as the golden record has it."""
        unit = [name for name, first in self.unit_of.items() if first == self.name]
        now = self.standing.filter(pl.col("number") == pl.col("number").max())
        if now.is_empty():
            now = self.candidates.filter(pl.col("rank") == 1)
        return dict.fromkeys(unit) | dict(now.select("attribute", "value").iter_rows())

    def wrong(self, named: str | None) -> str | None:
        """The e-mail or phone of the sources that is to be replaced; None where the customer has none."""
        held = self.candidates.filter(pl.col("channel") != rectification.CHANNEL)["value"].unique().to_list()
        put_right = dict(self.standing.select("value", "replaces").iter_rows())
        named = self.parts()[self.attribute] if named is None else named.strip().lower()
        if named in put_right:
            return put_right[named]
        if named is not None and named not in held:
            raise LakeError(f"{self.customer_id} has no such {self.attribute}; phones are in the form +12065550100")
        return named

    def anchor(self, wrong: str | None) -> tuple[str, str]:
        """The record whose person it is about: that which gave the value, else the customer's first."""
        gave = self.candidates.filter(pl.col("channel") != rectification.CHANNEL)
        gave = gave if wrong is None else gave.filter(pl.col("value") == wrong)
        if wrong is None and self.standing.height:
            gave = self.standing
        return (gave if gave.height else self.records).select(RECORD_KEY).row(0)


def _read(attribute: str, text: str, record: tuple[str, str]) -> str:
    from cdp_pipelines.services.declarations import load_all_contracts

    party = load_all_contracts()[record[0]].party
    value = rectification.parse_value(attribute, text, party.phone_region if party else "US")
    if value is None:
        raise CdpError(f"the {attribute} cannot be read; dates are 1970-12-31, phones +12065550100")
    return value


def _check(parts: Mapping[str, str | None], record: tuple[str, str], now: datetime) -> None:
    """`CdpError` where the standard table would not have these values: its suite, run on a row of them."""
    table = PREFERENCE if {*parts} <= {*PREFERENCE_COLUMNS} else PARTY
    row = {
        **dict(zip(RECORD_KEY, record, strict=True)),
        "drop_date": now.date(), "ingested_at": now, "observed_at": now, "updated_at": now, "defects": [], **parts,
    }  # fmt: skip
    frame = pl.DataFrame({name: [row.get(name)] for name in table.schema}, strict=False)
    if "birth_date" in parts:
        frame = frame.with_columns(pl.col("birth_date").str.to_date())
    result = validate(table.name, frame.cast(table.schema), columns=list(table.schema))
    if result.broken:
        broken = ", ".join(f"{each.expectation}({each.column or 'table'})" for each in result.broken)
        raise CdpError(f"the value does not pass the suite of {table.name}: {broken}")
