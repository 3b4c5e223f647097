"""What a planner who counts FLOPs loses where something else is paid for.

Equal FLOPs are not equal time: attention, the vision tower's slower kernels and decoding weigh differently. For each
budget in the cost that is paid, three configurations stand side by side:

    best      the least predicted error within the budget
    planned   what the FLOPs-planner picks at the FLOPs of that one: the least error among configurations of no more
              FLOPs, whatever they cost to run
    kept      what the planner can keep: the frontier by FLOPs, followed to its last configuration within the budget

The planned one predicts no more error than the best one, at a cost the budget may not cover; the kept one stays within
the budget and predicts no less.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidscale.cost import CostModel
from vidscale.cost.constraints import base_cost
from vidscale.errors import InputError
from vidscale.frontier.discrete import search_values, steps_of
from vidscale.frontier.inputs import COST_TOLERANCE, check_budgets, lattice_cost
from vidscale.space import Lattice

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class FlopsRegret:
    """Best, planned and kept configurations at each budget; every array has shape (budgets,).

    Attributes:
        planner: name of the cost by which the planner counts.
        budgets: in the unit of the cost that is paid.
        best, planned, kept: rows of `lattice.points`; kept is −1 where no configuration of the planner's frontier is
            within the budget.
        flops: what the best one costs by the planner's count.
        best_cost, planned_cost, kept_cost: what each costs to run, limits aside; nan where there is none.
        best_error, planned_error, kept_error: predicted errors; nan where there is none.
        allowed: whether the planned one is within the budget and meets every limit.
    """

    planner: str
    budgets: Floats
    best: Ints
    planned: Ints
    kept: Ints
    flops: Floats
    best_cost: Floats
    planned_cost: Floats
    kept_cost: Floats
    best_error: Floats
    planned_error: Floats
    kept_error: Floats
    allowed: NDArray[np.bool_]

    @property
    def loss(self) -> Floats:
        """Relative excess error of the kept configuration over the best one; nan where none is kept."""
        return self.kept_error / self.best_error - 1


def flops_regret(
    values: ArrayLike, lattice: Lattice, cost_model: CostModel, planner: CostModel, budgets: ArrayLike
) -> FlopsRegret:
    """Set the frontier beside what a FLOPs-planner would pick, budget by budget.

    Args:
        values: predicted errors of the lattice's configurations, shape (points,).
        lattice: what may be chosen.
        cost_model: what is paid, limits included.
        planner: how the planner counts; it knows of no limit.
        budgets: in the unit of cost_model, shape (budgets,), each at least the cheapest configuration's cost.

    Raises:
        InputError: a budget buys nothing, or values have another shape.
    """
    limits, error = check_budgets(budgets, lattice, cost_model), np.asarray(values, dtype=np.float64)
    if error.shape != (len(lattice),):
        raise InputError(f"values have shape {error.shape}; give one predicted error for each of the {len(lattice)} "
                         f"configurations of lattice {lattice.name!r}")
    paid, run = lattice_cost(lattice, cost_model), lattice_cost(lattice, base_cost(cost_model))
    counted = lattice_cost(lattice, planner)
    best = search_values(error, paid, limits).index[0]
    planned = search_values(error, counted, counted[best]).index[0]
    # Among equal errors the search takes the one of fewer FLOPs; where that is no gain in error, nothing is regretted.
    planned = np.where(error[planned] < error[best], planned, best)
    steps = steps_of(error, counted).index[::-1]
    within = paid[steps][None, :] <= limits[:, None] * (1 + COST_TOLERANCE)
    kept = np.where(within.any(axis=1), steps[within.argmax(axis=1)], -1).astype(np.int64)
    return FlopsRegret(
        planner=planner.name, budgets=limits, best=best, planned=planned, kept=kept, flops=counted[best],
        best_cost=run[best], planned_cost=run[planned], kept_cost=_where(kept, run), best_error=error[best],
        planned_error=error[planned], kept_error=_where(kept, error),
        allowed=paid[planned] <= limits * (1 + COST_TOLERANCE))


def _where(index: Ints, values: Floats) -> Floats:
    return np.where(index >= 0, values[index], np.nan)
