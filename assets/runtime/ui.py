"""Dagster's web page over a lake, as `cdp ui` starts it.

Becoming another program belongs here; Dagster's record of a lake is in `instance`.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from assets.runtime.instance import prepare_databases, prepare_instance, read_last_drops

WORKSPACE = Path(__file__).parents[2] / "workspace.yaml"


def serve_ui(lake: Path, drops: Path | None, port: int, on_start: Callable[[str], None]) -> NoReturn:
    """Become `dagster dev` over this lake; Ctrl+C ends it.

    `drops`: by default those of the lake's last run. `on_start`: gets the page's address, just before it is served.
    """
    prepare_instance(lake, drops or read_last_drops(lake))
    prepare_databases(lake)
    on_start(f"http://127.0.0.1:{port}")
    # A shell that starts this in the background makes it ignore Ctrl+C, and dagster would inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    dagster = Path(sys.executable).with_name("dagster")
    # Our own environment's dagster, without a shell between it and Ctrl+C.
    os.execv(dagster, [str(dagster), "dev", "-w", str(WORKSPACE), "-h", "127.0.0.1", "-p", str(port)])  # noqa: S606
