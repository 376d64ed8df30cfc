"""A purpose over all nights: its versions, the channels that collect for it, its decisions and its mart.

Here belongs the answer about one purpose. One mart after one night is in `mart_audit`.
"""

import polars as pl

from cdp_pipelines.purposes.purpose import Purpose
from cdp_pipelines.schema import DECISION, MEMBERSHIP, RUN, VERSION
from cdp_pipelines.schema.interval import is_current, valid_at
from cdp_pipelines.services.declarations import find_purpose, load_all_contracts, load_company_register
from cdp_pipelines.services.document import Document, Section
from cdp_pipelines.services.evidence import select_columns
from warehouse.delta.lake import Lake


def audit_purpose(lake: Lake, key: str) -> Document:
    """A purpose, and whom it may process; `UnknownNameError` where there is no such purpose."""
    purpose = find_purpose(key)
    is_own = pl.col("purpose") == key
    # Read once and counted by periods: as many rows as nights that changed something, not as customers.
    periods = (
        lake.scan(DECISION)
        .filter(is_own)
        .group_by("reason", "is_allowed", "valid_from", "valid_to")
        .agg(pl.len().alias("decision_count"))
        .collect()
    )
    current = (
        periods.filter(is_current())
        .group_by("reason")
        .agg(pl.col("decision_count").sum())
        .sort("decision_count", "reason", descending=[True, False])
    )
    channels = [
        {"channel": name, "title": each.title, "retention": each.retention, "owner": each.owner}
        for name, each in load_all_contracts().items()
        if key in each.collected_for
    ]
    member_count = lake.scan(MEMBERSHIP).filter(is_own, is_current()).select(pl.len()).collect().item()
    nights = lake.scan(VERSION).filter(pl.col("table_name") == f"mart/{key}").collect().sort("night")
    return Document(
        f"Purpose {key}",
        f"{purpose.title}. Lawful basis: {purpose.lawful_basis}. Its mart has {member_count:,} customers.",
        [
            Section("versions", [_version(each) for each in load_company_register().versions[key]],
                    "Every version of the declaration"),
            Section("channels", channels, "Channels that collect for this purpose"),
            Section("decisions", current.to_dicts(), "Current decisions by reason", bar="decision_count"),
            Section("nights", _nights(lake, periods), "Allowed and denied decisions after each run"),
            Section("mart_nights",
                    select_columns(nights, "night", "row_count", "delta_version", "code_version"),
                    "The mart after each night", "the purpose has no mart"),
        ],
    )  # fmt: skip


def _nights(lake: Lake, periods: pl.DataFrame) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for night, as_of in lake.read(RUN).sort("as_of").select("night", "as_of").iter_rows():
        decisions = valid_at(periods.lazy(), as_of).collect()
        if decisions.height:
            allowed = int(decisions.filter("is_allowed")["decision_count"].sum())
            denied = int(decisions.filter(~pl.col("is_allowed"))["decision_count"].sum())
            rows.append({"night": night, "as_of": as_of, "allowed_count": allowed, "denied_count": denied})
    return rows


def _version(version: Purpose) -> dict[str, object]:
    return {
        "version": version.version,
        "effective_from": version.effective_from,
        "lawful_basis": version.lawful_basis,
        "scope": version.scope,
        "data_categories": version.data_categories,
        "recipients": version.recipients,
        "retention": f"{version.retention} from {version.retention_from}",
    }
