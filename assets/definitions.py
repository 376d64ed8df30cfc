"""The code location: everything that `defs/` declares, and nothing else."""

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    """All channels, tables, purposes, the nightly job, its schedule and its sensor."""
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
