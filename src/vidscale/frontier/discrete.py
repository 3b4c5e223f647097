"""The exact optimum on a lattice, for every budget at once.

    x*(c; n) = argmin over x in the lattice with c(x) <= c of f(x, n)          Wang et al., ACL 2025, section 6

Configurations are sorted by cost once. Walking them from cheap to dear while remembering the best error so far
answers every budget in a single pass: the answer for c is what is remembered where the costs pass c. A law is
evaluated from tables over levels, so no power is taken per configuration, and terms in one factor alone (all the
terms of the paper's additive forms) share one table per factor.

Ties: among equal errors the cheaper configuration wins, then the one with the lower row number.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import ArrayLike, NDArray

from vidscale.cost import CostModel
from vidscale.errors import InputError
from vidscale.forms import Laws
from vidscale.frontier.inputs import COST_TOLERANCE, checked_laws, finite_positive, lattice_cost, positive
from vidscale.space import FACTORS, Lattice

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Search:
    """Optima of an exact search.

    Attributes:
        index: int64, the row of the chosen configuration in `lattice.points`; −1 where nothing is affordable.
        error: its predicted error; nan where nothing is affordable.
    Both have shape (laws, data sizes, budgets) from `search` and (rows, budgets) from `search_values`. The error is
    the predictor's own: it says nothing about how well the predictor fits.
    """

    index: Ints
    error: Floats

    @property
    def affordable(self) -> NDArray[np.bool_]:
        """Where the budget buys at least one configuration."""
        return self.index >= 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Steps:
    """The Pareto staircase of one predictor: each row is the optimum for budgets from its cost to the next row's.

    Attributes:
        index: rows in `lattice.points`, shape (steps,).
        cost: rising, in the unit of the cost model.
        error: falling.
    """

    index: Ints
    cost: Floats
    error: Floats

    def __len__(self) -> int:
        return self.index.size


def search(laws: Laws, lattice: Lattice, cost_model: CostModel, budgets: ArrayLike, data_sizes: ArrayLike) -> Search:
    """The configuration of least predicted error for every law, data size and budget.

    Exact: every affordable configuration is looked at. Nothing of size laws × data sizes × configurations is kept.

    Args:
        laws: a batch of error laws (a point fit, bootstrap draws, tasks).
        lattice: what may be chosen.
        cost_model: what it costs; it need not be a posynomial.
        budgets: shape (budgets,), any order, in the unit of the cost model; infinity means no limit.
        data_sizes: shape (data sizes,), finetuning examples.

    Returns:
        A Search of shape (laws, data sizes, budgets), −1 and nan where a budget buys nothing (`check_budgets` turns
        that into an error with a sentence).

    Raises:
        InputError: the laws, budgets, data sizes or costs are unusable.

    Example:
        >>> from vidscale.cost import PaperCost
        >>> from vidscale.space import published_lattice
        >>> law = Laws(factors=FACTORS, log_coefficients=np.zeros((1, 1)), exponents=np.full((1, 1, 3), -0.1))
        >>> best = search(law, published_lattice(), PaperCost(), [30e12], [1e6])
        >>> published_lattice().configuration(int(best.index[0, 0, 0]))
        ScalingFactors(lm_params=7500000000.0, frames=8, tokens_per_frame=196)
    """
    laws = checked_laws(laws)
    limits, sizes = positive(budgets, "budgets"), finite_positive(data_sizes, "data_sizes")
    order, stops = _by_cost(lattice_cost(lattice, cost_model), np.sort(limits))
    index = np.empty((len(laws), sizes.size, limits.size), dtype=np.int64)
    error = np.empty(index.shape)
    _search_laws(laws.log_coefficients, laws.exponents, np.log(sizes), *log_levels(lattice),
                 lattice.index[order].astype(np.int32), order, stops, np.argsort(limits, kind="stable"), index, error)
    return Search(index=index, error=error)


def search_values(values: ArrayLike, cost: ArrayLike, budgets: ArrayLike) -> Search:
    """The same search over errors already predicted, however they came about (a bagged median, measurements).

    Args:
        values: predicted errors, shape (rows, points) or (points,).
        cost: cost of each configuration, shape (points,).
        budgets: shape (budgets,).

    Returns:
        A Search of shape (rows, budgets).

    Raises:
        InputError: shapes disagree, or an error or a cost is no number.
    """
    table = np.ascontiguousarray(np.atleast_2d(np.asarray(values, dtype=np.float64)))
    limits, price = positive(budgets, "budgets"), positive(cost, "cost")
    if table.ndim != 2 or table.shape[1] != price.size:
        raise InputError(f"values have shape {table.shape}, costs {price.shape}; give one value per configuration")
    if np.any(np.isnan(table)):
        row, point = np.argwhere(np.isnan(table))[0]
        raise InputError(f"values[{row}, {point}] is no number; every configuration needs a predicted error")
    order, stops = _by_cost(price, np.sort(limits))
    index = np.empty((table.shape[0], limits.size), dtype=np.int64)
    error = np.empty(index.shape)
    _search_rows(table, order, stops, np.argsort(limits, kind="stable"), index, error)
    return Search(index=index, error=error)


def lattice_error(laws: Laws, lattice: Lattice, data_sizes: ArrayLike) -> Floats:
    """Predicted error of every configuration, shape (laws, data sizes, points). Mind the size of the result."""
    laws, sizes = checked_laws(laws), finite_positive(data_sizes, "data_sizes")
    values = np.empty((len(laws), sizes.size, len(lattice)))
    _predict(laws.log_coefficients, laws.exponents, np.log(sizes), *log_levels(lattice),
             lattice.index.astype(np.int32), values)
    return values


def frontier_steps(laws: Laws, lattice: Lattice, cost_model: CostModel, data_size: float, law: int = 0) -> Steps:
    """The whole frontier of one law at one data size: every configuration that is optimal for some budget."""
    return steps_of(lattice_error(laws[law], lattice, [data_size])[0, 0], lattice_cost(lattice, cost_model))


def steps_of(values: ArrayLike, cost: ArrayLike) -> Steps:
    """The Pareto staircase of predicted errors, shape (points,), against costs, shape (points,)."""
    value, price = np.asarray(values, dtype=np.float64), np.asarray(cost, dtype=np.float64)
    order = np.argsort(price, kind="stable")
    order = order[np.isfinite(price[order])]
    best = np.minimum.accumulate(value[order])
    improves = np.concatenate([[True], value[order][1:] < best[:-1]])
    kept = order[improves]
    # Of configurations at one price only the last, the best of them, is ever the answer.
    last = np.concatenate([price[kept][1:] > price[kept][:-1] * (1 + COST_TOLERANCE), [True]])
    kept = kept[last]
    return Steps(index=kept.astype(np.int64), cost=price[kept], error=value[kept])


def _by_cost(cost: Floats, budgets: Floats) -> tuple[Ints, Ints]:
    """Configurations from cheap to dear (those with a finite cost), and how many of them each budget buys."""
    order = np.argsort(cost, kind="stable")
    order = order[np.isfinite(cost[order])]
    stops = np.searchsorted(cost[order], budgets * (1 + COST_TOLERANCE), side="right")
    return order.astype(np.int64), stops.astype(np.int64)


def log_levels(lattice: Lattice) -> tuple[Floats, Ints]:
    """Log levels of the factors, padded to shape (3, most levels), and how many each has."""
    counts = np.array(lattice.shape, dtype=np.int64)
    padded = np.zeros((len(FACTORS), int(counts.max())))
    for k, factor in enumerate(FACTORS):
        padded[k, : counts[k]] = np.log(lattice.levels[factor])
    return padded, counts


@njit(cache=True, error_model="numpy")
def _fill_tables(logs: Any, exponents: Any, log_n: float, levels: Any, counts: Any, single: Any, product: Any):
    """Tables of one law at one data size; returns the constant and the number of product terms.

    f = constant + Σ_k single[k, level of k] + Σ_p Π_k product[p, k, level of k]. Powers in a product are taken
    relative to each factor's middle level, so that no table over- or underflows where the product does not.
    """
    single[:] = 0.0
    constant = 0.0
    products = 0
    for j in range(logs.size):
        if logs[j] == -np.inf:
            continue
        base = logs[j] + exponents[j, 3] * log_n
        among = 0
        only = 0
        for k in range(3):
            if exponents[j, k] != 0.0:
                among += 1
                only = k
        if among == 0:
            constant += np.exp(base)
        elif among == 1:
            for i in range(counts[only]):
                single[only, i] += np.exp(base + exponents[j, only] * levels[only, i])
        else:
            for k in range(3):
                base += exponents[j, k] * levels[k, counts[k] // 2]
            for k in range(3):
                middle = levels[k, counts[k] // 2]
                for i in range(counts[k]):
                    power = np.exp(exponents[j, k] * (levels[k, i] - middle))
                    product[products, k, i] = power * np.exp(base) if k == 0 else power
            products += 1
    return constant, products


@njit(cache=True, error_model="numpy")
def _value(constant: float, single: Any, product: Any, products: int, level: Any, p: int):
    i, j, k = level[p, 0], level[p, 1], level[p, 2]
    value = constant + single[0, i] + single[1, j] + single[2, k]
    for m in range(products):
        value += product[m, 0, i] * product[m, 1, j] * product[m, 2, k]
    return value


@njit(cache=True, parallel=True, error_model="numpy")
def _search_laws(logs: Any, exponents: Any, log_n: Any, levels: Any, counts: Any, level: Any, order: Any, stops: Any,
                 place: Any, index: Any, error: Any):
    for job in prange(logs.shape[0] * log_n.size):
        law, size = job // log_n.size, job % log_n.size
        single = np.zeros(levels.shape)
        product = np.zeros((logs.shape[1], 3, levels.shape[1]))
        constant, products = _fill_tables(logs[law], exponents[law], log_n[size], levels, counts, single, product)
        best, chosen, p = np.inf, -1, 0
        for b in range(stops.size):
            while p < stops[b]:
                value = _value(constant, single, product, products, level, p)
                if value < best or chosen < 0:
                    best, chosen = value, order[p]
                p += 1
            index[law, size, place[b]] = chosen
            error[law, size, place[b]] = best if chosen >= 0 else np.nan


@njit(cache=True, parallel=True, error_model="numpy")
def _search_rows(values: Any, order: Any, stops: Any, place: Any, index: Any, error: Any):
    for row in prange(values.shape[0]):
        best, chosen, p = np.inf, -1, 0
        for b in range(stops.size):
            while p < stops[b]:
                value = values[row, order[p]]
                if value < best or chosen < 0:
                    best, chosen = value, order[p]
                p += 1
            index[row, place[b]] = chosen
            error[row, place[b]] = best if chosen >= 0 else np.nan


@njit(cache=True, parallel=True, error_model="numpy")
def _predict(logs: Any, exponents: Any, log_n: Any, levels: Any, counts: Any, level: Any, values: Any):
    for job in prange(logs.shape[0] * log_n.size):
        law, size = job // log_n.size, job % log_n.size
        single = np.zeros(levels.shape)
        product = np.zeros((logs.shape[1], 3, levels.shape[1]))
        constant, products = _fill_tables(logs[law], exponents[law], log_n[size], levels, counts, single, product)
        for p in range(level.shape[0]):
            values[law, size, p] = _value(constant, single, product, products, level, p)


@njit(cache=True, parallel=True, error_model="numpy")
def draw_tables(logs: Any, exponents: Any, log_n: float, levels: Any, counts: Any, most: int):
    """Tables of every draw with draws last, so that one configuration reads contiguous rows."""
    draws, width = logs.shape[0], levels.shape[1]
    constants = np.zeros(draws)
    singles = np.zeros((3, width, draws))
    products = np.zeros((most, 3, width, draws))
    for r in prange(draws):
        single = np.zeros((3, width))
        product = np.zeros((logs.shape[1], 3, width))
        constants[r], used = _fill_tables(logs[r], exponents[r], log_n, levels, counts, single, product)
        for k in range(3):
            for i in range(width):
                singles[k, i, r] = single[k, i]
                for m in range(used):
                    products[m, k, i, r] = product[m, k, i]
    return constants, singles, products
