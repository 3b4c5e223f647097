"""How sure the choice is: the bagged predictor, near ties, and how often draws agree.

The bagged error of a configuration is the median of the predictions of bootstrap draws (Wang et al., ACL 2025,
section 5). It is neither a posynomial nor separable, so its frontier is found by `search_values`, and no convex
certificate speaks of it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import ArrayLike, NDArray

from vidscale.errors import InputError
from vidscale.forms import Laws
from vidscale.frontier.discrete import draw_tables, log_levels
from vidscale.frontier.inputs import COST_TOLERANCE, checked_laws, finite_positive
from vidscale.space import Lattice

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def bagged_error(laws: Laws, lattice: Lattice, data_sizes: ArrayLike, chunk: int = 4096) -> Floats:
    """The median over draws of each configuration's predicted error, shape (data sizes, points).

    Memory stays bounded: of draws × points only one configuration per thread is held at a time.

    Args:
        laws: the bootstrap draws, one law each.
        lattice: the configurations.
        data_sizes: finetuning examples, shape (data sizes,).
        chunk: configurations a thread takes at a time; it changes speed only, never a result.

    Raises:
        InputError: the draws or data sizes are unusable, or chunk is below 1.
    """
    draws, sizes = checked_laws(laws), finite_positive(data_sizes, "data_sizes")
    if chunk < 1:
        raise InputError(f"chunk is {chunk}; allowed is a whole number of at least 1")
    levels, counts = log_levels(lattice)
    level = lattice.index.astype(np.int32)
    medians = np.empty((sizes.size, len(lattice)))
    wide = np.count_nonzero(draws.exponents[:, :, :3], axis=2) > 1
    most = int((wide & np.isfinite(draws.log_coefficients)).sum(axis=1).max())
    for row, size in enumerate(np.log(sizes)):
        tables = draw_tables(draws.log_coefficients, draws.exponents, size, levels, counts, most)
        _medians(*tables, level, chunk, medians[row])
    return medians


@dataclass(frozen=True, kw_only=True, eq=False)
class NearTies:
    """Affordable configurations that predict almost the best error, best first.

    Attributes:
        index: rows in `lattice.points`, shape (ties,); the first is the optimum.
        error: predicted error of each.
        cost: cost of each.
        tolerance: relative excess over the best error that was allowed.
    """

    index: Ints
    error: Floats
    cost: Floats
    tolerance: float


def near_ties(values: ArrayLike, cost: ArrayLike, budget: float, tolerance: float = 0.01) -> NearTies:
    """Every affordable configuration with error <= (1 + tolerance) · best, sorted by error, then cost.

    Args:
        values: predicted errors, shape (points,).
        cost: costs, shape (points,).
        budget: in the unit of the costs.
        tolerance: >= 0; 0.01 keeps what is within 1 % of the best error.

    Raises:
        InputError: shapes disagree, tolerance is negative, or the budget buys nothing.
    """
    value, price = np.asarray(values, dtype=np.float64), np.asarray(cost, dtype=np.float64)
    if value.ndim != 1 or value.shape != price.shape:
        raise InputError(f"values have shape {value.shape}, costs {price.shape}; give one of each per configuration")
    if not tolerance >= 0:
        raise InputError(f"tolerance is {tolerance!r}; allowed is a number >= 0")
    within = np.flatnonzero((price <= budget * (1 + COST_TOLERANCE)) & np.isfinite(price))
    if within.size == 0:
        raise InputError(f"budget {budget:.4g} buys nothing: the cheapest configuration costs {price.min():.4g}; "
                         "raise the budget")
    close = within[value[within] <= (1 + tolerance) * value[within].min()]
    close = close[np.lexsort((close, price[close], value[close]))]
    return NearTies(index=close, error=value[close], cost=price[close], tolerance=float(tolerance))


def probability_best(draw_index: ArrayLike, chosen: ArrayLike) -> Floats:
    """The share of draws whose best configuration is the chosen one.

    Not the probability that the choice is right: a law that no draw can express is not in the count.

    Args:
        draw_index: winners of every draw, shape (draws, ...), as `search(...).index` gives them.
        chosen: the configuration in question, shape (...).

    Returns:
        Shares, shape (...); nan where chosen is −1 (nothing is affordable).
    """
    winners, choice = np.asarray(draw_index), np.asarray(chosen)
    if winners.ndim == 0 or winners.shape[0] == 0 or winners.shape[1:] != choice.shape:
        raise InputError(f"winners have shape {winners.shape}, the choice {choice.shape}; "
                         "winners need one leading axis of draws more")
    return np.where(choice >= 0, (winners == choice).mean(axis=0), np.nan)


@dataclass(frozen=True, kw_only=True, eq=False)
class Winners:
    """Which configurations win among draws: row in `lattice.points` and share of draws, largest share first."""

    index: Ints
    share: Floats


def draw_winners(draw_index: ArrayLike, top: int | None = None) -> Winners:
    """The distribution of winners over draws at one budget and data size.

    Args:
        draw_index: winner of each draw, shape (draws,).
        top: keep only this many; their shares then sum to less than 1.
    """
    winners = np.asarray(draw_index)
    if winners.ndim != 1 or winners.size == 0:
        raise InputError(f"winners have shape {winners.shape}; give the winner of each draw, shape (draws,)")
    index, count = np.unique(winners[winners >= 0], return_counts=True)
    order = np.argsort(-count, kind="stable")[:top]
    return Winners(index=index[order].astype(np.int64), share=count[order] / winners.size)


@njit(cache=True, parallel=True, error_model="numpy")
def _medians(constants: Any, singles: Any, products: Any, level: Any, chunk: int, out: Any):
    draws, points = constants.size, level.shape[0]
    for block in prange((points + chunk - 1) // chunk):
        row = np.empty(draws)
        for p in range(block * chunk, min(points, (block + 1) * chunk)):
            a, b, c = singles[0, level[p, 0]], singles[1, level[p, 1]], singles[2, level[p, 2]]
            for r in range(draws):
                row[r] = constants[r] + a[r] + b[r] + c[r]
            for m in range(products.shape[0]):
                a = products[m, 0, level[p, 0]]
                b = products[m, 1, level[p, 1]]
                c = products[m, 2, level[p, 2]]
                for r in range(draws):
                    row[r] += a[r] * b[r] * c[r]
            out[p] = np.median(row)
