"""Dagster's instance of a lake: its record of runs lies in the lake, so that the UI shows what the command line ran.

Preparing it belongs here; running the job and serving the UI are in `night` and `ui`.
"""

import os
from pathlib import Path

from cdp_pipelines.errors import LakeError

_CONFIG = """\
# One run at a time: a lake has one writer.
concurrency:
  runs:
    max_concurrent_runs: 1
telemetry:
  enabled: false
nux:
  enabled: false
"""
_DROPS = "drops.txt"


def prepare_instance(lake: Path, drops: Path) -> None:
    """Point Dagster and our resource at this lake and these drops, and store the drop folder for `cdp ui`."""
    home = lake.absolute() / ".dagster"
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text(_CONFIG)
    (home / _DROPS).write_text(str(drops.absolute()))
    os.environ.update(
        DAGSTER_HOME=str(home),
        CDP_LAKE=str(lake.absolute()),
        CDP_DROPS=str(drops.absolute()),
        DAGSTER_DISABLE_TELEMETRY="1",
    )


def read_last_drops(lake: Path) -> Path:
    """The drop folder of the lake's last run; `LakeError` where there was none."""
    stored = lake.absolute() / ".dagster" / _DROPS
    if not stored.exists():
        raise LakeError(f"{lake} was not made by `cdp run`; run it first, or name the drop folder with --drops")
    return Path(stored.read_text())
