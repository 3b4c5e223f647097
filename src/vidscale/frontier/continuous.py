"""The optimum over a box instead of a lattice, certified.

    minimise log f(e^u, n)   subject to   log c(e^u) <= log budget,   u = log x in a box

f and c are posynomials, so both logs are convex in u and the program is a geometric program (Boyd & Vandenberghe,
Convex Optimization, 4.5). Its multiplier λ = −d log f* / d log c is the marginal value of compute: the per cent by
which the least error falls when the budget grows by one per cent. From λ alone follows a lower bound on f* that
does not trust the solver (`certified_gap`).

All of this speaks of one posynomial over one box. It does not speak of a bagged predictor, and levels between those
of the lattice need not be deployable.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidscale.cost import CostModel, CostTerms
from vidscale.errors import InputError
from vidscale.forms import Laws
from vidscale.frontier.inputs import checked_laws, finite_positive
from vidscale.frontier.interior import solve_all
from vidscale.space import FACTORS

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: The largest duality gap (in log error) an answer may have and still be called optimal.
GAP_TOLERANCE = 1e-6


class Status(IntEnum):
    """How a continuous solve ended."""

    OPTIMAL = 0
    INFEASIBLE = 1
    UNCERTIFIED = 2

    @property
    def sentence(self) -> str:
        """The status in words."""
        return {
            Status.OPTIMAL: f"optimal: the duality gap is at most {GAP_TOLERANCE:g} in log error",
            Status.INFEASIBLE: "infeasible: the budget is below the cost of the cheapest corner of the box",
            Status.UNCERTIFIED: f"not certified: the duality gap is above {GAP_TOLERANCE:g} in log error",
        }[self]


@dataclass(frozen=True, kw_only=True, eq=False)
class Continuum:
    """Continuous optima; every array has leading shape (laws, data sizes, budgets).

    Attributes:
        log_x: natural log of (lm_params, frames, tokens_per_frame), last axis 3.
        log_error: log f*.
        multiplier: λ = −d log f* / d log c >= 0; 0 where the budget does not bind.
        multiplier_by_part: λ times each cost part's share of the cost at the optimum, last axis as `parts`.
        parts: names of the cost parts, "encoder" and "lm" for the paper's cost.
        budget_slack: the budget does not bind: more of it changes nothing.
        at_lower, at_upper: the factor sits at that end of the box, last axis 3.
        gap: duality gap, an upper bound on log_error − (the true least log error).
        status: a `Status` each; where it is INFEASIBLE the floats are nan and the flags False.
    """

    log_x: Floats
    log_error: Floats
    multiplier: Floats
    multiplier_by_part: Floats
    parts: tuple[str, ...]
    budget_slack: Flags
    at_lower: Flags
    at_upper: Flags
    gap: Floats
    status: NDArray[np.int8]

    @property
    def x(self) -> Floats:
        """The optimal factors in natural units, last axis 3; fractional levels are not rounded."""
        return np.exp(self.log_x)

    def multiplier_of(self, part: str) -> Floats:
        """λ · share of one cost part: what making that part one per cent cheaper is worth, in per cent of error.

        Zero for a part the cost model does not count.
        """
        if part not in self.parts:
            return np.zeros_like(self.multiplier)
        return self.multiplier_by_part[..., self.parts.index(part)]


def minimise(
    laws: Laws, cost_model: CostModel, box: Sequence[ArrayLike], budgets: ArrayLike, data_sizes: ArrayLike
) -> Continuum:
    """The continuous optimum for every law, data size and budget.

    Where several points are equally good (a factor that neither costs nor helps), one of them is returned.

    Args:
        laws: a batch of posynomial laws.
        cost_model: a cost that is a posynomial and never falls as a factor grows.
        box: lower and upper corner in natural units, shape (3,) each, as `lattice.bounds()` gives them. Equal ends
            fix a factor.
        budgets: shape (budgets,), in the unit of the cost model.
        data_sizes: shape (data sizes,), finetuning examples.

    Returns:
        A Continuum with leading shape (laws, data sizes, budgets).

    Raises:
        InputError: the cost has no posynomial terms or falls with a factor; a corner, budget, data size or law is
            unusable.

    Example:
        >>> from vidscale.cost import PaperCost
        >>> law = Laws(factors=FACTORS, log_coefficients=np.zeros((1, 1)), exponents=np.full((1, 1, 3), -0.1))
        >>> best = minimise(law, PaperCost(), ([1e9, 4, 4], [8e9, 32, 196]), [30e12], [1e6])
        >>> bool(best.gap[0, 0, 0] < 1e-9), round(float(best.multiplier[0, 0, 0]), 6)
        (True, 0.1)
    """
    laws, terms = checked_laws(laws), cost_terms(cost_model)
    low, high = checked_box(box)
    limits, sizes = finite_positive(budgets, "budgets"), finite_positive(data_sizes, "data_sizes")
    shape = (len(laws), sizes.size, limits.size)
    log_x, numbers = np.empty((*shape, 3)), np.empty((*shape, 3))
    share = np.empty((*shape, terms.log_coefficients.size))
    flags, state = np.empty((*shape, 6), dtype=np.bool_), np.empty(shape, dtype=np.int8)
    solve_all(laws.log_coefficients, laws.exponents, terms.log_coefficients, terms.exponents, np.log(low),
               np.log(high), np.log(limits), np.log(sizes), log_x, numbers, share, flags, state)
    parts = tuple(dict.fromkeys(terms.parts))
    member = np.array([[part == name for name in parts] for part in terms.parts], dtype=np.float64)
    multiplier = numbers[..., 1]
    feasible = state == 0
    status = np.where(feasible, np.where(numbers[..., 2] <= GAP_TOLERANCE, Status.OPTIMAL, Status.UNCERTIFIED),
                      Status.INFEASIBLE).astype(np.int8)
    return Continuum(
        log_x=log_x, log_error=numbers[..., 0], multiplier=multiplier,
        multiplier_by_part=multiplier[..., None] * (share @ member), parts=parts,
        budget_slack=feasible & (multiplier == 0.0), at_lower=flags[..., :3], at_upper=flags[..., 3:],
        gap=numbers[..., 2], status=status,
    )


def certified_gap(
    laws: Laws, cost_model: CostModel, box: Sequence[ArrayLike], budgets: ArrayLike, data_sizes: ArrayLike,
    log_x: Floats, multiplier: Floats,
) -> Floats:
    """The duality gap of claimed optima, from the points and multipliers alone.

    F = log f and G = log c are convex in u = log x, so for any λ >= 0 and any point u
    g = F(u) + λ (G(u) − log budget) + min over v in the box of (∇F + λ ∇G)(u) · (v − u)
    is below log f*. The gap is F(u) − g. It uses nothing the solver says about itself.

    Args:
        laws, cost_model, box, budgets, data_sizes: as for `minimise`.
        log_x: claimed optima, shape (laws, data sizes, budgets, 3).
        multiplier: claimed λ, shape (laws, data sizes, budgets).

    Returns:
        Gaps, shape (laws, data sizes, budgets); nan where log_x is nan.
    """
    laws, terms = checked_laws(laws), cost_terms(cost_model)
    low, high = (np.log(corner) for corner in checked_box(box))
    log_n = np.log(finite_positive(data_sizes, "data_sizes"))[:, None]
    log_budget = np.log(finite_positive(budgets, "budgets"))
    gap = np.empty(multiplier.shape)
    for law in range(len(laws)):
        u, lam = log_x[law], multiplier[law]
        powers = laws.exponents[law]
        live = np.isfinite(laws.log_coefficients[law])
        _, grad_f = _log_sum_exp(laws.log_coefficients[law][live] + (log_n * powers[:, 3])[..., None, live],
                                 powers[live, :3], u)
        log_cost, grad_g = _log_sum_exp(terms.log_coefficients, terms.exponents, u)
        slope = grad_f + lam[..., None] * grad_g
        fall = np.minimum(slope * (low - u), slope * (high - u)).sum(axis=-1)
        gap[law] = -lam * (log_cost - log_budget) - fall
    return gap


def cost_terms(cost_model: CostModel) -> CostTerms:
    """The posynomial of a cost model.

    Raises:
        InputError: it has none, or it falls as a factor grows.
    """
    terms = cost_model.terms()
    if terms is None:
        raise InputError(f"cost model {cost_model.name!r} is no posynomial, so there is no convex optimum; "
                         "search a lattice instead")
    falls = np.argwhere(terms.exponents < 0)
    if falls.size:
        raise InputError(f"cost model {cost_model.name!r} falls as {FACTORS[falls[0][1]]} grows (term {falls[0][0]}); "
                         "the continuous optimum needs a cost that never falls; search a lattice instead")
    return terms


def checked_box(box: Sequence[ArrayLike]) -> tuple[Floats, Floats]:
    """Lower and upper corner as arrays of shape (3,).

    Raises:
        InputError: a corner is not three positive finite numbers, or lower exceeds upper.
    """
    corners = [np.asarray(corner, dtype=np.float64) for corner in box]
    if len(corners) != 2 or any(corner.shape != (3,) for corner in corners):
        raise InputError("a box is a lower and an upper corner of three factors each (lm_params, frames, "
                         "tokens_per_frame); pass lattice.bounds()")
    for factor, low, high in zip(FACTORS, *corners):
        if not 0 < low <= high < np.inf:
            raise InputError(f"the box runs from {low:g} to {high:g} in {factor}; allowed is 0 < lower <= upper")
    return corners[0], corners[1]


def _log_sum_exp(offset: Floats, slope: Floats, u: Floats) -> tuple[Floats, Floats]:
    """log Σ_j exp(offset_j + slope_j · u) and its gradient, at u of shape (..., 3)."""
    z = offset + u @ slope.T
    top = z.max(axis=-1, keepdims=True)
    weight = np.exp(z - top)
    total = weight.sum(axis=-1, keepdims=True)
    return (top + np.log(total))[..., 0], (weight / total) @ slope
