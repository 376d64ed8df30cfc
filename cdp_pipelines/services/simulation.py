"""`cdp reach` and `cdp simulate`: whom a purpose reaches, and what would change before anything is published."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import polars as pl
from pydantic import ValidationError

from cdp_pipelines.consent.audience_funnel import build_funnel, compare_decisions, draw_bar
from cdp_pipelines.errors import CdpError, PolicyError
from cdp_pipelines.purposes import Purpose, Register
from cdp_pipelines.purposes.purpose import load_purpose
from cdp_pipelines.schema import DECISION, RUN
from cdp_pipelines.schema.interval import valid_at
from cdp_pipelines.services.decisions import decide_lake
from cdp_pipelines.services.declarations import load_company_register
from cdp_pipelines.services.document import Document, Section
from warehouse.delta.lake import Lake


def report_funnel(lake: Lake, key: str, as_of: datetime | None) -> Document:
    """The waterfall of a purpose on the decisions of the lake, as of its last night or of an instant before it."""
    if key not in load_company_register():
        raise CdpError(f"there is no purpose {key!r}; there are: {', '.join(load_company_register())}")
    nights = lake.read(RUN)["as_of"]
    moment = as_of or nights.max()
    if moment < nights.min():
        raise CdpError(f"nothing was decided until {moment:%Y-%m-%d %H:%M} UTC; the first was {nights.min():%Y-%m-%d}")
    steps = build_funnel(valid_at(lake.scan(DECISION), moment), key)
    all_, reached = steps["left"][0], steps["left"][-1]
    return Document(
        f"Whom {key} reaches",
        f"{reached:,} of {all_:,} customers may be reached, as of {moment:%Y-%m-%d %H:%M} UTC.",
        [
            Section(
                "Step by step",
                [{**row, "share": draw_bar(row["left"], all_)} for row in steps.iter_rows(named=True)],
                "Of a customer's contact points the one that comes farthest counts",
            )
        ],
    )


def register_with_notice(key: str, version: str) -> Register:
    """The register with another oldest accepted notice of a purpose."""
    if key not in load_company_register() or load_company_register()[key].notice is None:
        asked = ", ".join(each.key for each in load_company_register().values() if each.notice)
        raise CdpError(f"{key!r} is no purpose that rests on a notice; there are: {asked}")
    now = load_company_register()[key]
    try:
        changed = Purpose.model_validate(now.model_dump(exclude={"key"}) | {"notice": version})
    except ValidationError as error:
        raise PolicyError.from_validation(f"notice {version!r}", error) from None
    return _with(changed.model_copy(update={"key": key}))


def register_with_purpose(file: Path) -> Register:
    """The register with a purpose from a file, in place of the one of its key or beside them.

    The key is the name of the file, or that of its folder where the file is named defs.yaml.
    """
    if not file.is_file():
        raise CdpError(f"there is no file {file}")
    key = file.parent.name if file.name == "defs.yaml" else file.stem
    changed = load_purpose(key, file)
    missing = [name for name in changed.requires if name not in load_company_register()]
    if missing:
        raise PolicyError(str(file), (("requires", f"there is no purpose {missing[0]!r}"),))
    return _with(changed)


def _with(changed: Purpose) -> Register:
    # In force from the first, whatever its own day is: what is asked is what it would do.
    since = min([changed.effective_from, *(each.effective_from for each in load_company_register().values())])
    return Register(
        {**load_company_register().versions, changed.key: (changed.model_copy(update={"effective_from": since}),)}
    )


def simulate_register(lake: Lake, changed: Mapping[str, Purpose], what: str) -> tuple[Document, pl.DataFrame]:
    """What the changed register would do to the lake as of its last night: the document, and `reach.compare`'s rows."""
    as_of = lake.read(RUN)["as_of"].max()
    if as_of is None:
        raise CdpError(f"{lake.path} knows no night; `cdp run` makes one")
    before, after = decide_lake(lake, as_of), decide_lake(lake, as_of, purposes=changed)
    found = compare_decisions(before, after)
    counted = (
        found.group_by("effect", "purpose", "reason_before", "reason_after")
        .agg(pl.col("customer_id").n_unique().alias("customers"), pl.len().alias("decisions"))
        .sort("effect", "customers", "purpose", descending=[False, True, False])
    )
    people = {effect: found.filter(effect=effect)["customer_id"].n_unique() for effect in ("drops out", "comes in")}
    return (
        Document(
            what,
            f"{people['drops out']:,} customers would drop out and {people['comes in']:,} come in, as of "
            f"{as_of:%Y-%m-%d %H:%M} UTC. Nothing was changed.",
            [Section("Who, by reason", counted.to_dicts(), empty="nobody: no decision would change")],
        ),
        found,
    )
