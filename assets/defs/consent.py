"""Consent: events and statements that name nobody, the ledger with its seals, `consent/unresolved`, `consent/decision`.

The crosswalk of the records that may join a profile is built here too; how a table is made is in the services.
"""

import dagster as dg

from assets.runtime.lake import LakeResource
from assets.runtime.lake_assets import lake_assets
from assets.runtime.specs import asset_key, build_spec
from cdp_pipelines.schema import (
    CLUSTER,
    CONSENT_EVENT,
    CROSSWALK,
    DECISION,
    INTERACTION,
    LEDGER,
    PARTY,
    PRIVACY_REQUEST,
    RESOLUTION,
    SEAL,
    UNNAMED_STATEMENT,
    UNRESOLVED,
)
from cdp_pipelines.services.checked_write import WriteReport
from cdp_pipelines.services.decision_history import COMPLETE, update_decisions
from cdp_pipelines.services.ledger import (
    consent_contracts,
    describe_consent_event,
    describe_unnamed_statement,
    update_ledger,
)
from cdp_pipelines.services.unresolved import update_unresolved

resolution = build_spec(RESOLUTION, deps=[])


@lake_assets(
    specs=[
        *(
            build_spec(table, deps=[contract.raw for contract in consent_contracts().values()])
            for table in (describe_consent_event(), describe_unnamed_statement())
        ),
        build_spec(LEDGER, deps=[CONSENT_EVENT, RESOLUTION]),
        build_spec(SEAL, deps=[LEDGER]),
    ],
)
def keep_ledger(context: dg.AssetExecutionContext, lake: LakeResource) -> WriteReport:
    """Append the consent events and answers that the ledger does not have, and seal them."""
    return update_ledger(lake.open, lake.night(context), lake.as_of(context))


@lake_assets(
    specs=[
        build_spec(DECISION, deps=[LEDGER, PARTY, CLUSTER, INTERACTION, PRIVACY_REQUEST]),
        build_spec(CROSSWALK, deps=[CLUSTER, DECISION, PARTY]),
    ],
    checks=[
        dg.AssetCheckSpec(
            COMPLETE,
            asset=asset_key(DECISION.name),
            description="No channel with a declared continuity has a gap; else its later grants do not count (warning)",
        ),
    ],
    is_recalled=True,
)
def decide_all(context: dg.AssetExecutionContext, lake: LakeResource) -> WriteReport:
    """Decide anew for every customer and purpose, and link the records that may be linked."""
    return update_decisions(lake.open, lake.night(context), lake.as_of(context))


@lake_assets(
    specs=[
        build_spec(UNRESOLVED, deps=[PARTY, CONSENT_EVENT, UNNAMED_STATEMENT, PRIVACY_REQUEST, LEDGER, RESOLUTION]),
    ],
    is_recalled=True,
)
def list_unresolved(context: dg.AssetExecutionContext, lake: LakeResource) -> WriteReport:
    """List the records whose consent events or requests name nobody."""
    return update_unresolved(lake.open, lake.night(context))
