"""The competitor: SciPy L-BFGS-B with analytic gradient, in as many processes as the engine has threads.

Three ways to call it, from quick to careful. All three get the analytic gradient, centred log variables and the
engine's bounds on exponents:

    plain   the objective as it is, SciPy's default tolerances: what most people run, and it stops early
    scaled  the objective × 1e4, default tolerances
    tight   the objective × 1e4, tolerances at rounding level, up to 15,000 iterations
"""

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.pool import Pool
from typing import Any
from unittest import mock

import numpy as np
from machine import THREADS
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MODES = {"plain": "objective as it is, default tolerances", "scaled": "objective × 1e4, default tolerances",
         "tight": "objective × 1e4, tolerances at rounding level"}
#: Starts the paper takes for every fit.
STARTS = 500


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """One problem for SciPy: `form` by name, arrays as for `vidscale.fit.reference_fit`, a mode of `MODES`."""

    key: int
    form: str
    x: Floats
    error: Floats
    weights: Floats
    starts: int
    mode: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class Done:
    """What came of a job: the best parameters, wall and processor seconds, calls of the objective."""

    key: int
    form: str
    mode: str
    starts: int
    parameters: dict[str, float]
    wall: float
    cpu: float
    evaluations: int


@contextmanager
def processes() -> Iterator[Pool]:
    """A pool of THREADS warm processes; started afresh, because Numba's threads do not survive a fork."""
    with multiprocessing.get_context("spawn").Pool(THREADS) as pool:
        pool.map(_wake, range(4 * THREADS), chunksize=1)
        yield pool


def solve(job: Job) -> Done:
    """Run one job; wall seconds count the fit alone, not the way to the process and back."""
    from vidscale.fit import reference, reference_fit
    from vidscale.forms import form

    scale = 1.0 if job.mode == "plain" else reference.OBJECTIVE_SCALE
    with mock.patch.object(reference, "OBJECTIVE_SCALE", scale):
        wall, cpu = time.perf_counter(), time.process_time()
        found = reference_fit(form(job.form), job.x, job.error, weights=job.weights, starts=job.starts, seed=job.seed,
                              tight=job.mode == "tight")
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Done(key=job.key, form=job.form, mode=job.mode, starts=job.starts, parameters=found.parameters, wall=wall,
                cpu=cpu, evaluations=found.evaluations)


def _wake(_: Any) -> None:
    import vidscale.fit  # noqa: F401

    time.sleep(0.2)
