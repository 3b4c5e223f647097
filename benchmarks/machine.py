"""How many threads both sides get, what the machine is, and a clock."""

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


#: Threads of the engine, and processes of SciPy.
THREADS = min(2, cores())


def settle_threads() -> None:
    """Fix thread counts for this process and its children; call before NumPy or Numba is imported.

    SciPy runs in as many processes as the engine has threads, so a linear-algebra library with threads of its own
    would take cores from its neighbours.
    """
    os.environ["NUMBA_NUM_THREADS"] = str(THREADS)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def describe() -> dict[str, object]:
    """Cores and versions; nothing that names the machine."""
    import numba
    import numpy
    import scipy

    import vidscale

    return {"cores": cores(), "threads": THREADS, "processor": platform.machine(), "system": platform.system(),
            "python": platform.python_version(), "numpy": numpy.__version__, "scipy": scipy.__version__,
            "numba": numba.__version__, "vidscale": getattr(vidscale, "__version__", "unknown")}


def timed(work: Callable[[], T], repeats: int = 1) -> tuple[float, T]:
    """Median wall seconds of `repeats` calls, and the last result."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), result


def say(text: str) -> None:
    """A line of progress on stderr."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)
