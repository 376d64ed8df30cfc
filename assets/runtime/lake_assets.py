"""The decorator of every asset that writes tables of the lake: gates, retries, partitions and redacted errors.

What all such assets share belongs here; what one of them computes is in `cdp_pipelines.services`.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import dagster as dg

from assets.runtime.lake import LakeResource
from assets.runtime.redaction import redact_errors
from assets.runtime.results import report_writes
from assets.runtime.specs import RETRY_POLICY, build_gate_spec
from cdp_pipelines.services.checked_write import WriteReport

Build = Callable[[dg.AssetExecutionContext, LakeResource], WriteReport]


def lake_assets(
    specs: Sequence[dg.AssetSpec],
    checks: Sequence[dg.AssetCheckSpec] = (),
    name: str | None = None,
    *,
    is_blocking: bool = True,
    is_recalled: bool = False,
) -> Callable[[Build], dg.AssetsDefinition]:
    """Make `build(context, lake)` the asset of these tables, each with its gate and with other `checks`.

    A backfill is one run over all its nights. Another try follows an error that may pass by itself (`redaction`).
    `is_blocking`: a failed gate stops the steps that follow. `is_recalled`: the step rests on tables, declarations,
    keys and its night alone, so that it runs only if one of them has changed.
    """

    def decorate(build: Build) -> dg.AssetsDefinition:
        @dg.multi_asset(
            name=name or build.__name__,
            specs=specs,
            check_specs=[*(build_gate_spec(each.key, is_blocking=is_blocking) for each in specs), *checks],
            backfill_policy=dg.BackfillPolicy.single_run(),
            retry_policy=RETRY_POLICY,
        )
        def asset(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
            with redact_errors():
                run = partial(build, context, lake)
                yield from report_writes(partial(lake.recall, context, run) if is_recalled else run)

        return asset

    return decorate
