"""Changes of the register on a lake: which customers another notice or another purpose would allow or deny.

Nothing is written. The comparison itself is in `cdp_pipelines.consent.audience_funnel`.
"""

from pathlib import Path

import polars as pl
from pydantic import ValidationError

from cdp_pipelines.consent.audience_funnel import compare_decisions
from cdp_pipelines.errors import CdpError, PolicyError, UnknownNameError
from cdp_pipelines.purposes import Purpose, Register, load_purpose
from cdp_pipelines.schema import LEDGER
from cdp_pipelines.services.decisions import decide_lake
from cdp_pipelines.services.declarations import load_company_register
from cdp_pipelines.services.document import Document, Section
from cdp_pipelines.services.nights import read_nights
from warehouse.delta.lake import Lake


def register_with_notice(lake: Lake, key: str, version: str) -> Register:
    """The register with another oldest accepted notice version of a purpose.

    A version is one that the purpose declares or has declared, or one that consent events of the lake name.
    """
    register = load_company_register()
    if key not in register or register[key].notice is None:
        raise UnknownNameError(
            "purpose with a notice", key, (purpose.key for purpose in register.values() if purpose.notice)
        )
    events = lake.scan(LEDGER).filter(pl.col("notice_version").is_not_null(), purpose=key)
    known = {*events.select("notice_version").unique().collect()["notice_version"]}
    known |= {each.notice for each in register.versions[key] if each.notice}
    if version not in known:
        raise UnknownNameError(f"version of the notice of {key}", version, sorted(known))
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
    as_of = read_nights(lake).last_as_of
    differences = compare_decisions(decide_lake(lake, as_of), decide_lake(lake, as_of, register=changed))
    counts = (
        differences.group_by("effect", "purpose", "reason_before", "reason_after")
        .agg(pl.col("customer_id").n_unique().alias("customer_count"), pl.len().alias("decision_count"))
        .sort("effect", "customer_count", "purpose", descending=[False, True, False])
    )
    customers = {
        effect: differences.filter(effect=effect)["customer_id"].n_unique() for effect in ("drops out", "comes in")
    }
    return (
        Document(
            title,
            f"{customers['drops out']:,} customers would drop out and {customers['comes in']:,} would come in, as of "
            f"{as_of:%Y-%m-%d %H:%M} UTC. Nothing was changed.",
            [Section("changes", counts.to_dicts(), "Customers and decisions by reason", "no decision would change")],
        ),
        differences,
    )
