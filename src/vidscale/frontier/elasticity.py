"""How the optimum moves as finetuning data grows: e_k(c, n) = ∂x_k*/∂n · n / x_k*.

Wang et al., ACL 2025, section 7, average a forward difference over 300 budgets × 100 data sizes (published means:
e_N −0.22, e_T +0.17, e_V +0.79). On a lattice x* jumps, so such a difference is mostly zero with spikes and its mean
depends on lattice, step and ranges: an elasticity here always names them. Beside it stands the exact derivative of
the continuous optimum through its optimality conditions.

Where the budget binds and no bound is active, c(x*) = c forces e_T + s_LM (e_N + e_V) = 0 for the paper's cost, s_LM
the LM's share of it. Slack budgets, bounds and averaging break this for a mean, so their shares are kept beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import ArrayLike, NDArray

from vidscale.cost import CostModel
from vidscale.cost.units import FLOPS, unit
from vidscale.errors import InputError
from vidscale.forms import Laws
from vidscale.frontier.continuous import Continuum, cost_terms, minimise
from vidscale.frontier.discrete import search
from vidscale.frontier.inputs import (
    COST_TOLERANCE,
    check_budgets,
    checked_laws,
    finite_positive,
    lattice_cost,
)
from vidscale.frontier.interior import derivatives
from vidscale.space import FACTORS, Lattice

Floats = NDArray[np.float64]

#: Laws searched at a time; bounds memory (laws × data sizes × budgets × 8 bytes) and changes nothing else.
BATCH = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Elasticity:
    """Mean elasticities of the optimum with respect to data size, and what they are a mean over.

    A mean over draws gives no interval by itself: pass the draws as laws and take quantiles over the first axis.

    Attributes:
        estimator: "lattice forward difference" or "continuous derivative".
        space: the lattice or the box, by name.
        cost: the cost model, by name; unit: of its budgets.
        step: how the derivative in n was taken.
        budgets, data_sizes: (lowest, highest, how many) of each.
        mean: mean of e_k, shape (laws, 3), columns lm_params, frames, tokens_per_frame.
        share_used: share of (budget, data size) points in the mean, shape (laws,); below 1 only where a continuous
            optimum has no derivative. A law with share 0 has mean nan.
        share_moved: share of used points with e_k not 0, shape (laws, 3).
        share_slack: share of points whose budget does not bind, shape (laws,): no larger budget would change the
            choice.
        share_unspent: share of points that leave something affordable and dearer unbought, shape (laws,). On a
            lattice this is more than share_slack; in a box the two are equal.
        share_at_lower, share_at_upper: share of points with factor k at its smallest or largest level, (laws, 3).
    """

    estimator: str
    space: str
    cost: str
    step: str
    budgets: tuple[float, float, int]
    data_sizes: tuple[float, float, int]
    mean: Floats
    share_used: Floats
    share_moved: Floats
    share_slack: Floats
    share_unspent: Floats
    share_at_lower: Floats
    share_at_upper: Floats
    unit: str = FLOPS

    def describe(self) -> str:
        """The estimator in one line; print it wherever a value is printed."""
        (c_low, c_high, c_count), (n_low, n_high, n_count) = self.budgets, self.data_sizes
        ends = f"{c_low:.3g}–{c_high:.3g}"
        if self.unit != FLOPS:
            scale = unit(self.unit).scale
            ends = f"{c_low / scale:.3g}–{c_high / scale:.3g} {unit(self.unit).shown}"
        return (f"{self.estimator} ({self.step}) on {self.space}, {self.cost} cost, {c_count} budgets {ends}, "
                f"{n_count} data sizes {n_low:.3g}–{n_high:.3g}")


def budget_grid(
    lattice: Lattice, cost_model: CostModel, count: int = 300, low: float | None = None, high: float | None = None
) -> Floats:
    """Budgets evenly spaced in log; by default from the cheapest to the dearest configuration's cost."""
    cost = lattice_cost(lattice, cost_model)
    cost = cost[np.isfinite(cost)]
    return _log_grid(cost.min() if low is None else low, cost.max() if high is None else high, count, "budget")


def data_grid(low: float, high: float, count: int = 100) -> Floats:
    """Data sizes evenly spaced in log from low to high."""
    return _log_grid(low, high, count, "data size")


def lattice_elasticity(
    laws: Laws, lattice: Lattice, cost_model: CostModel, budgets: ArrayLike, data_sizes: ArrayLike,
    step: float | None = None,
) -> Elasticity:
    """The paper's estimator: forward differences of the exact lattice optimum, averaged.

    With x the optimum at n and x' the optimum at n', e_k = (x'_k − x_k) / (n' − n) · n / x_k.

    Args:
        laws: a batch of error laws; pass bootstrap draws to get a mean for each.
        lattice: what may be chosen.
        cost_model: what it costs.
        budgets: shape (budgets,), each at least the cheapest configuration's cost; see `budget_grid`.
        data_sizes: shape (data sizes,), ascending; see `data_grid`.
        step: None takes n' to be the next data size, so the last one only serves as n'. A number takes
            n' = n · (1 + step) for every data size.

    Returns:
        An Elasticity; its shares count the points x, not x'.

    Raises:
        InputError: a budget buys nothing, data sizes do not ascend, step is not positive, or there are fewer than
            two data sizes without a step.
    """
    laws = checked_laws(laws)
    limits, sizes = check_budgets(budgets, lattice, cost_model), finite_positive(data_sizes, "data_sizes")
    if np.any(np.diff(sizes) <= 0):
        raise InputError("data_sizes do not ascend; sort them and drop repeats")
    if step is None and sizes.size < 2:
        raise InputError("one data size has no neighbour to take a difference with; give two or more, or a step")
    if step is not None and not 0 < step < np.inf:
        raise InputError(f"step is {step!r}; allowed is a positive number, 0.01 for one per cent more data")
    start, stop = (sizes[:-1], sizes[1:]) if step is None else (sizes, sizes * (1 + step))
    price = lattice_cost(lattice, cost_model)
    affordable = price[None, :] <= limits[:, None] * (1 + COST_TOLERANCE)
    dearest = np.where(affordable & np.isfinite(price), price, 0.0).max(axis=1)
    sums = np.empty((len(laws), 14))
    for first in range(0, len(laws), BATCH):
        part = laws[slice(first, first + BATCH)]
        wanted = sizes if step is None else np.concatenate([start, stop])
        # The last column of the search has no limit: its winner is what a slack budget would choose.
        index = search(part, lattice, cost_model, np.append(limits, np.inf), wanted).index
        here, there = (index[:, :-1], index[:, 1:]) if step is None else np.split(index, 2, axis=1)
        _forward_sums(np.ascontiguousarray(here), np.ascontiguousarray(there), lattice.points, lattice.index,
                      np.array(lattice.shape), price, dearest, start / (stop - start), sums[first : first + BATCH])
    count = start.size * limits.size
    ratio = stop[0] / start[0] - 1 if step is None else step
    return Elasticity(
        estimator="lattice forward difference", space=f"lattice {lattice.name!r} ({len(lattice)} configurations)",
        cost=cost_model.name, step=f"n to {'the next data size, first' if step is None else 'n'} {ratio:+.3g} relative",
        budgets=_span(limits), data_sizes=_span(start), mean=sums[:, :3] / count, share_used=np.ones(len(laws)),
        share_moved=sums[:, 3:6] / count, share_slack=sums[:, 6] / count, share_unspent=sums[:, 7] / count,
        share_at_lower=sums[:, 8:11] / count, share_at_upper=sums[:, 11:14] / count, unit=cost_model.unit,
    )


class DerivativeStatus(IntEnum):
    """Whether the derivative of a continuous optimum exists."""

    EXACT = 0
    DEGENERATE = 1
    UNSOLVED = 2

    @property
    def sentence(self) -> str:
        """The status in words."""
        return {
            DerivativeStatus.EXACT: "exact: derivative through the optimality conditions, active bounds held",
            DerivativeStatus.DEGENERATE: "degenerate: the optimum is flat in some direction, so it has no derivative",
            DerivativeStatus.UNSOLVED: "unsolved: there is no certified optimum to differentiate",
        }[self]


@dataclass(frozen=True, kw_only=True, eq=False)
class PointElasticity:
    """Elasticities at each law, data size and budget.

    Attributes:
        value: e_k, shape (laws, data sizes, budgets, 3); 0 for a factor at an active bound, nan unless EXACT.
        status: a `DerivativeStatus` each, shape (laws, data sizes, budgets).
        continuum: the optima the derivatives belong to.
    """

    value: Floats
    status: NDArray[np.int8]
    continuum: Continuum


def point_elasticity(
    laws: Laws, cost_model: CostModel, box: Sequence[ArrayLike], budgets: ArrayLike, data_sizes: ArrayLike
) -> PointElasticity:
    """The exact derivative d log x_k* / d log n of every continuous optimum.

    log f is jointly convex in (u, log n), so with the active set held the optimality conditions
    ∇F + λ∇G = 0, G = log budget give (∇²F + λ∇²G) du + ∇G dλ = −∂∇F/∂log n and ∇G · du = 0. Where an active set is
    about to change, this is the derivative on the side the solver found. Arguments as for `minimise`.
    """
    found = minimise(laws, cost_model, box, budgets, data_sizes)
    laws, terms = checked_laws(laws), cost_terms(cost_model)
    value, status = np.empty(found.log_x.shape), np.empty(found.status.shape, dtype=np.int8)
    derivatives(laws.log_coefficients, laws.exponents, terms.log_coefficients, terms.exponents,
                np.log(finite_positive(data_sizes, "data_sizes")), found.log_x, found.multiplier, found.budget_slack,
                found.at_lower | found.at_upper, found.status, value, status)
    return PointElasticity(value=value, status=status, continuum=found)


def continuous_elasticity(
    laws: Laws, cost_model: CostModel, box: Sequence[ArrayLike], budgets: ArrayLike, data_sizes: ArrayLike
) -> Elasticity:
    """Mean exact elasticities of the continuous optimum over budgets × data sizes. Arguments as for `minimise`.

    Raises:
        InputError: a budget is below the box's cheapest corner, or as for `minimise`.
    """
    limits, sizes = finite_positive(budgets, "budgets"), finite_positive(data_sizes, "data_sizes")
    points = point_elasticity(laws, cost_model, box, limits, sizes)
    found = points.continuum
    short = np.flatnonzero(np.isnan(found.log_error).any(axis=(0, 1)))
    low, high = (np.asarray(corner, dtype=np.float64) for corner in box)
    if short.size:
        raise InputError(f"budget {limits[short[0]]:.4g} {cost_model.unit} is below the cheapest corner of the box, "
                         f"which costs {cost_model.cost(low[None, :])[0]:.4g} {cost_model.unit}; raise the budget")
    used = points.status == DerivativeStatus.EXACT
    count = used.sum(axis=(1, 2))
    safe = np.maximum(count, 1)[:, None]
    value = np.where(used[..., None], points.value, 0.0)
    slack = found.budget_slack.mean(axis=(1, 2))
    ends = " × ".join(f"{name} {a:.4g}–{b:.4g}" for name, a, b in zip(FACTORS, low, high))
    return Elasticity(
        estimator="continuous derivative", space=f"box {ends}", cost=cost_model.name, step="exact, no step",
        budgets=_span(limits), data_sizes=_span(sizes),
        mean=np.where(count[:, None] > 0, value.sum(axis=(1, 2)) / safe, np.nan),
        share_used=used.mean(axis=(1, 2)), share_moved=(np.abs(value) > 1e-12).sum(axis=(1, 2)) / safe,
        share_slack=slack, share_unspent=slack,
        share_at_lower=found.at_lower.mean(axis=(1, 2)), share_at_upper=found.at_upper.mean(axis=(1, 2)),
        unit=cost_model.unit,
    )


def _log_grid(low: float, high: float, count: int, what: str) -> Floats:
    if not 0 < low <= high < np.inf or count < 1:
        raise InputError(f"{what} grid from {low!r} to {high!r} with {count} points; "
                         "allowed is 0 < low <= high and count >= 1")
    grid = np.geomspace(low, high, count)
    # The ends as given, so that the cheapest configuration stays affordable to the last bit.
    grid[0], grid[-1] = low, high if count > 1 else low
    return grid


def _span(values: Floats) -> tuple[float, float, int]:
    return float(values.min()), float(values.max()), values.size


@njit(cache=True, parallel=True, error_model="numpy")
def _forward_sums(here: Any, there: Any, points: Any, level: Any, shape: Any, price: Any, dearest: Any, over: Any,
                  sums: Any):
    """Per law: Σ e_k, moves, slack, unspent, at lower, at upper; 14 columns. `over` is n / (n' − n)."""
    budgets = dearest.size
    for law in prange(here.shape[0]):
        sums[law] = 0.0
        for d in range(here.shape[1]):
            best = here[law, d, budgets]
            for b in range(budgets):
                x, y = here[law, d, b], there[law, d, b]
                sums[law, 6] += x == best
                sums[law, 7] += price[x] * (1.0 + 1e-12) < dearest[b]
                for k in range(3):
                    sums[law, k] += (points[y, k] - points[x, k]) / points[x, k] * over[d]
                    sums[law, 3 + k] += level[y, k] != level[x, k]
                    sums[law, 8 + k] += level[x, k] == 0
                    sums[law, 11 + k] += level[x, k] == shape[k] - 1
