"""The code location: everything that `defs/` declares, and nothing else."""

from pathlib import Path

import dagster as dg

from cdp_pipelines.errors import PolicyError
from cdp_pipelines.services.declarations import COMPANY


@dg.definitions
def defs() -> dg.Definitions:
    """All channels, tables, purposes, the nightly job, its schedule and its sensor."""
    check_company(Path(__file__).parent / "defs", COMPANY)
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)


def check_company(folder: Path, company: Path) -> None:
    """`PolicyError` unless Dagster and the commands read the declarations of the same company.

    Dagster loads every company below `folder`; commands read the one that CDP_COMPANY names.
    """
    below = sorted(path.parent.resolve() for path in folder.glob("*/company.yaml"))
    if below != [company]:
        listed = ", ".join(map(str, below)) or "none"
        problem = f"found {company}; Dagster loads the companies below {folder}: {listed}. Both must be the same one"
        raise PolicyError("environment", (("CDP_COMPANY", problem),))
