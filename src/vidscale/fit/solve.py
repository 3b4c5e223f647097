"""Many fits at once: every resample, fold, task and start is one row of one batch.

Problems differ only in their weights (which rows count, how often), their target (which column of errors) and
their box (what is pinned), so the compiled kernel takes them all and spreads problem × start over the cores. Each
start is solved on its own, which makes results independent of the number of cores.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from vidscale.errors import InputError
from vidscale.fit import kernel
from vidscale.fit.problem import Layout, bounds, starting_exponents

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: Starts × rows × parameters that are worth a thread of their own, about 10 ms. A smaller batch would spend longer
#: waiting for the other threads than working, and a hundred times longer where another process holds the cores.
WORK_PER_THREAD = 10_000

#: A term whose share of the error is nowhere above this has its exponent's other sign tried at the end.
WEAK_SHARE = 0.1

LOSSES = {"log-mse": kernel.LOG_MSE, "log-huber": kernel.LOG_HUBER}


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How a fit is done.

    Args:
        starts: fresh starts of a full fit: exponents drawn by Latin hypercube, coefficients by NNLS.
        resample_starts: fresh starts of each resample, on top of the full fit's distinct optima.
        loss: "log-mse" (mean of squared log residuals, the paper's) or "log-huber".
        delta: threshold of the Huber loss on log residuals.
        seed: seed of the starts.
        max_iterations: Newton steps a start may take.
        tolerance: relative decrease of the objective below which three steps in a row end a start.
    """

    starts: int = 32
    resample_starts: int = 4
    loss: str = "log-mse"
    delta: float = 1e-3
    seed: int = 0
    max_iterations: int = 1000
    tolerance: float = 1e-11

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise InputError(f"unknown loss {self.loss!r}; allowed are {', '.join(LOSSES)}")
        if self.starts < 1 or self.resample_starts < 0:
            raise InputError(f"starts={self.starts}, resample_starts={self.resample_starts}; allowed are >= 1 and >= 0")
        if not self.delta > 0:
            raise InputError(f"delta is {self.delta!r}; the Huber threshold is positive")


@dataclass(frozen=True, kw_only=True, eq=False)
class Solutions:
    """What the batch found. B problems, S candidates polished to the end, P parameters.

    Attributes:
        theta: best parameters of each problem in centred units, shape (B, P).
        objective: its objective, Σ w ρ, shape (B,).
        gradient: largest projected derivative per unit of log coefficient or exponent, relative to the objective.
        converged: whether the best candidate converged, shape (B,).
        candidates: all polished parameters, shape (B, S, P).
        candidate_objectives: shape (B, S).
    """

    theta: Floats
    objective: Floats
    gradient: Floats
    converged: Bools
    candidates: Floats
    candidate_objectives: Floats


def solve(
    layout: Layout,
    x: Floats,
    log_error: Floats,
    weights: Floats,
    target: Ints,
    settings: FitSettings,
    *,
    warm: Floats | None = None,
    fresh: int | None = None,
    keep: int | None = None,
    box: tuple[Floats, Floats] | None = None,
) -> Solutions:
    """Fit every problem of a batch.

    Args:
        layout: the form over its data.
        x: factor values, shape (rows, factors).
        log_error: log errors, shape (targets, rows); NaN allowed where the weight is 0.
        weights: shape (B, rows), >= 0; the objective is their weighted sum.
        target: which row of `log_error` each problem fits, shape (B,).
        settings: loss, tolerances, seed.
        warm: starts in centred units that keep their coefficients, shape (B, starts, P).
        fresh: how many fresh starts to add; the same ones for every problem.
        keep: how many of the best fresh starts to polish to the end, beside the best warm one; all by default.
        box: lower and upper bounds, shape (B, P) each, in place of the form's own.
    """
    problems, size = len(target), layout.size
    terms = len(layout.form.terms)
    count = settings.starts if fresh is None else fresh
    lower, upper = (np.ascontiguousarray(b) for b in (box or _boxes(layout, log_error, weights, target)))
    starts = np.zeros((problems, count, size))
    starts[:, :, terms:] = starting_exponents(layout, count, np.random.default_rng(settings.seed))
    refine = np.ones(count, dtype=np.bool_)
    if warm is not None:
        starts = np.concatenate([warm, starts], axis=1)
        refine = np.concatenate([np.zeros(warm.shape[1], dtype=np.bool_), refine])
    starts = np.clip(starts, lower[:, None, :], upper[:, None, :])
    free = np.array([name not in layout.pins for name in layout.form.coefficients], dtype=np.bool_)
    L = layout.centred(x)
    # One memory order, so that the kernel is compiled once.
    Y = np.ascontiguousarray(np.where(np.isfinite(log_error), log_error, 0.0))
    W = np.ascontiguousarray(weights, dtype=np.float64)
    loss = LOSSES[settings.loss]
    common = (*layout.arrays(), L, Y, W, np.asarray(target, dtype=np.int64), loss, settings.delta)
    starts = np.ascontiguousarray(starts)
    with _threads(problems * starts.shape[1] * len(x) * size):
        first = kernel.search_starts(starts, refine, free, lower, upper, *common, 25)
        if keep is not None:
            order = _chosen(first, starts.shape[1] - count, keep)
            starts = np.ascontiguousarray(np.take_along_axis(starts, order[:, :, None], axis=1))
        objective, norms, done, _ = kernel.polish(starts, lower, upper, _owners(layout), *common,
                                                  settings.max_iterations, settings.tolerance)
        # Among candidates that agree to rounding the first is taken, so that ties do not depend on the last digit.
        best = np.argmax(objective <= objective.min(axis=1, keepdims=True) * (1 + 1e-9), axis=1)
        rows = np.arange(problems)
        theta, value, norm, ok = starts[rows, best], objective[rows, best], norms[rows, best], done[rows, best]
        turned = kernel.flip(theta, value, lower, upper, _owners(layout), *common, settings.max_iterations,
                             settings.tolerance, WEAK_SHARE)
        again = np.flatnonzero(turned)
        if again.size:
            polished = np.ascontiguousarray(theta[again][:, None, :])
            shared = (*layout.arrays(), L, Y, W[again], common[8][again], loss, settings.delta)
            found = kernel.polish(polished, lower[again], upper[again], _owners(layout), *shared,
                                  settings.max_iterations, settings.tolerance)
            theta[again], value[again], norm[again], ok[again] = polished[:, 0], *(f[:, 0] for f in found[:3])
    return Solutions(theta=theta, objective=value, gradient=norm, converged=ok, candidates=starts,
                     candidate_objectives=objective)


def _chosen(first: Floats, warm: int, keep: int) -> Ints:
    """Which starts to polish: the best warm one, and the `keep` best fresh ones; shape (B, chosen).

    After the short first stage warm starts lead, having begun at an optimum of nearby data; ranked together they would
    crowd out the fresh ones, which alone can find that the optimum has moved elsewhere.
    """
    fresh = np.argsort(first[:, warm:], axis=1, kind="stable")[:, :keep] + warm
    if warm == 0:
        return fresh
    return np.concatenate([np.argmin(first[:, :warm], axis=1)[:, None], fresh], axis=1)


@contextmanager
def _threads(work: int) -> Iterator[None]:
    """Use as many threads as the work can feed; results do not depend on how many."""
    before = numba.get_num_threads()
    numba.set_num_threads(max(1, min(before, work // WORK_PER_THREAD)))
    try:
        yield
    finally:
        numba.set_num_threads(before)


def distinct_optima(found: Solutions, most: int) -> Floats:
    """Up to `most` different optima of each problem, best first, as warm starts; shape (B, most, P).

    Two candidates are the same optimum if their objectives agree to 1e-6; where a problem has fewer, its best one
    is repeated.
    """
    problems = found.theta.shape[0]
    out = np.repeat(found.theta[:, None, :], most, axis=1)
    for b in range(problems):
        order = np.argsort(found.candidate_objectives[b], kind="stable")
        # The best comes first: it may be better than every candidate, once signs of weak exponents are tried.
        last, slot = found.objective[b], 1
        for s in order:
            if slot >= most:
                break
            value = found.candidate_objectives[b, s]
            if np.isfinite(value) and value > last * (1 + 1e-6) + 1e-300:
                out[b, slot] = found.candidates[b, s]
                last, slot = value, slot + 1
    return out


def _boxes(layout: Layout, log_error: Floats, weights: Floats, target: Ints) -> tuple[Floats, Floats]:
    lower, upper = np.empty((len(target), layout.size)), np.empty((len(target), layout.size))
    memo: dict[tuple[int, bytes], tuple[Floats, Floats]] = {}
    for b, t in enumerate(target):
        used = weights[b] > 0
        key = (int(t), used.tobytes())
        if key not in memo:
            memo[key] = bounds(layout, log_error[t][used])
        lower[b], upper[b] = memo[key]
    return lower, upper


def _owners(layout: Layout) -> Ints:
    """The term that alone uses each exponent, −1 where terms share it; shape (P,)."""
    own = np.full(layout.size, -1, dtype=np.int64)
    users: dict[int, set[int]] = {}
    for j in range(len(layout.form.terms)):
        for e in range(layout.ptr[j], layout.ptr[j + 1]):
            users.setdefault(int(layout.ent_p[e]), set()).add(j)
    for p, terms in users.items():
        if len(terms) == 1:
            own[p] = next(iter(terms))
    return own
