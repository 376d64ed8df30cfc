"""`cdp reach` and `cdp simulate`: the audience funnel of a purpose, and what another register would change.

Nothing is written. The funnel and the comparison themselves are `cdp_pipelines.consent.audience_funnel`.
"""

from datetime import datetime
from pathlib import Path

import polars as pl
from pydantic import ValidationError

from cdp_pipelines.consent.audience_funnel import build_funnel, compare_decisions, draw_bar
from cdp_pipelines.errors import CdpError, PolicyError
from cdp_pipelines.purposes import Purpose, Register, load_purpose
from cdp_pipelines.schema import DECISION, RUN
from cdp_pipelines.schema.interval import valid_at
from cdp_pipelines.services.decisions import decide_lake
from cdp_pipelines.services.declarations import load_company_register
from cdp_pipelines.services.document import Document, Section
from warehouse.delta.lake import Lake


def report_funnel(lake: Lake, key: str, as_of: datetime | None) -> Document:
    """The audience funnel of a purpose on the decisions of the lake, as of its last night or of an instant before."""
    register = load_company_register()
    if key not in register:
        raise CdpError(f"there is no purpose {key!r}; there are: {', '.join(register)}")
    nights = lake.read(RUN)["as_of"]
    instant = as_of or nights.max()
    if instant < nights.min():
        raise CdpError(
            f"there are no decisions as of {instant:%Y-%m-%d %H:%M} UTC; the first night was {nights.min():%Y-%m-%d}"
        )
    steps = build_funnel(valid_at(lake.scan(DECISION), instant), key)
    total, allowed = steps["customer_count"][0], steps["customer_count"][-1]
    return Document(
        f"Whom {key} reaches",
        f"{allowed:,} of {total:,} customers may be reached, as of {instant:%Y-%m-%d %H:%M} UTC.",
        [
            Section(
                "Step by step",
                [{**row, "share": draw_bar(row["customer_count"], total)} for row in steps.iter_rows(named=True)],
                "A customer drops out at the step that denies the last of their contact points",
            )
        ],
    )


def register_with_notice(key: str, version: str) -> Register:
    """The register with another oldest accepted notice version of a purpose."""
    register = load_company_register()
    if key not in register or register[key].notice is None:
        allowed = ", ".join(purpose.key for purpose in register.values() if purpose.notice)
        raise CdpError(f"{key!r} is not a purpose with a notice; there are: {allowed}")
    try:
        changed = Purpose.model_validate(register[key].model_dump(exclude={"key"}) | {"notice": version})
    except ValidationError as error:
        raise PolicyError.from_validation(f"notice {version!r}", error) from None
    return _replace_purpose(register, changed.model_copy(update={"key": key}))


def register_with_purpose(file: Path) -> Register:
    """The register with a purpose from a file, which replaces the one of its key or is added.

    The key is the name of the file, or that of its folder where the file is named defs.yaml.
    """
    if not file.is_file():
        raise CdpError(f"there is no file {file}")
    register = load_company_register()
    changed = load_purpose(file.parent.name if file.name == "defs.yaml" else file.stem, file)
    unknown = [name for name in changed.requires if name not in register]
    if unknown:
        raise PolicyError(str(file), (("requires", f"found {unknown[0]!r}; allowed: {', '.join(register)}"),))
    return _replace_purpose(register, changed)


def _replace_purpose(register: Register, changed: Purpose) -> Register:
    # In force from the earliest day of any purpose: the simulation shows its effect, whenever it would start.
    since = min([changed.effective_from, *(purpose.effective_from for purpose in register.values())])
    return Register({**register.versions, changed.key: (changed.model_copy(update={"effective_from": since}),)})


def simulate_register(lake: Lake, changed: Register, title: str) -> tuple[Document, pl.DataFrame]:
    """What the changed register would do to the lake as of its last night: a document, and the changed decisions."""
    as_of = lake.read(RUN)["as_of"].max()
    if as_of is None:
        raise CdpError(f"{lake.path} has no night yet; `cdp run` makes one")
    differences = compare_decisions(decide_lake(lake, as_of), decide_lake(lake, as_of, register=changed))
    counts = (
        differences.group_by("effect", "purpose", "reason_before", "reason_after")
        .agg(pl.col("customer_id").n_unique().alias("customers"), pl.len().alias("decisions"))
        .sort("effect", "customers", "purpose", descending=[False, True, False])
    )
    customers = {
        effect: differences.filter(effect=effect)["customer_id"].n_unique() for effect in ("drops out", "comes in")
    }
    return (
        Document(
            title,
            f"{customers['drops out']:,} customers would drop out and {customers['comes in']:,} come in, as of "
            f"{as_of:%Y-%m-%d %H:%M} UTC. Nothing was changed.",
            [Section("Who, by reason", counts.to_dicts(), empty="nobody: no decision would change")],
        ),
        differences,
    )
