"""`cdp ui`: Dagster's web page over a lake."""

import os
import signal
import sys
from pathlib import Path

from rich.console import Console

from assets.runtime.instance import prepare_instance, read_last_drops

WORKSPACE = Path(__file__).parents[2] / "workspace.yaml"


def serve(lake: Path, drops: Path | None, port: int, out: Console) -> None:
    """Become `dagster dev` over this lake; ends with Ctrl+C."""
    prepare_instance(lake, drops or read_last_drops(lake))
    out.print(f"Dagster at http://127.0.0.1:{port}   (Ctrl+C ends it)", highlight=False)
    # A shell that starts this in the background has it ignore Ctrl+C, and dagster inherits that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    dagster = Path(sys.executable).with_name("dagster")
    # Our own environment's dagster, without a shell between it and Ctrl+C.
    os.execv(dagster, [str(dagster), "dev", "-w", str(WORKSPACE), "-h", "127.0.0.1", "-p", str(port)])  # noqa: S606
