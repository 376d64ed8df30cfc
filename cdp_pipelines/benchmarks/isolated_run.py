"""Work in a process of its own, so that its peak memory is measured alone.

Here belongs the measurement. The benchmarks themselves are in the modules beside this one.
"""

import multiprocessing
import resource
import time
from collections.abc import Callable

# Seconds, peak memory in GiB, and the result.
Measurement = tuple[float, float, str]


def run_isolated(work: Callable[..., str], *arguments: object) -> Measurement:
    """(seconds, peak memory in GiB, result of the work)."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (work, arguments))


def _measure(work: Callable[..., str], arguments: tuple[object, ...]) -> Measurement:
    started = time.perf_counter()
    result = work(*arguments)
    seconds = time.perf_counter() - started
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2, result
