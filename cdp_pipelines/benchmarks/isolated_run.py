"""Work in a process of its own, so that each has its own peak of memory."""

import multiprocessing
import resource
import time
from collections.abc import Callable

Measured = tuple[float, float, str]


def apart(work: Callable[..., str], *given: object) -> Measured:
    """Seconds, peak memory in GiB, and what the work gave."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (work, given))


def _measured(work: Callable[..., str], given: tuple) -> Measured:
    started = time.perf_counter()
    told = work(*given)
    seconds = time.perf_counter() - started
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2, told
