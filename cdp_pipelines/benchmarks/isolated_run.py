"""Work in a process of its own, so that its peak memory is measured alone.

Here belongs the measurement. The benchmarks themselves are in the modules beside this one.
"""

import multiprocessing
import resource
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

# Seconds, peak memory in GiB, and the result.
Measurement = tuple[float, float, str]


def run_isolated(work: Callable[..., str], *arguments: object) -> Measurement:
    """(seconds, peak memory in GiB, result of the work). Raises the work's error; `EOFError` where it was killed."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(sender, work, arguments))
    process.start()
    sender.close()
    outcome: Measurement | Exception = receiver.recv()
    process.join()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _measure(sender: Connection, work: Callable[..., str], arguments: tuple[object, ...]) -> None:
    started = time.perf_counter()
    try:
        result = work(*arguments)
        seconds = time.perf_counter() - started
        sender.send((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2, result))
    except Exception as error:  # noqa: BLE001  raised again by the process that waits for it
        sender.send(error)
    # A night leaves a child that reads Parquet, for which this process would wait, as the child does for it.
    for child in multiprocessing.active_children():
        child.terminate()
