"""Elasticities of the optimum with intervals, by both estimators, each named."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidscale.cost import CostModel
from vidscale.cost.deployment import not_convex
from vidscale.errors import InputError
from vidscale.forms import Laws
from vidscale.frontier import Elasticity, budget_grid, continuous_elasticity, data_grid, lattice_elasticity
from vidscale.space import DATA_SIZE, FACTORS, FACTORS_AND_DATA, Lattice, dense_lattice
from vidscale.study.model import Model
from vidscale.validate import check_level, quantiles

Floats = NDArray[np.float64]

#: The paper's grid (Wang et al., ACL 2025, section 7).
BUDGETS, DATA_SIZES = 300, 100
#: Grid of the continuous derivative under the bootstrap; the point estimate uses it too, so that both agree.
CONTINUOUS_BUDGETS, CONTINUOUS_DATA_SIZES = 30, 10
#: Levels per factor of the dense lattice.
DENSE = 20


@dataclass(frozen=True, kw_only=True)
class FactorElasticity:
    """Mean elasticity of one factor.

    Attributes:
        factor: which.
        value: mean of e_k by the point fit.
        low, high: its interval over noise draws; None where fewer than half of the draws give one.
        share_moved: share of points at which the optimum moves at all.
        share_at_lower, share_at_upper: share of points with the factor at an end of its range.
    """

    factor: str
    value: float
    low: float | None
    high: float | None
    share_moved: float
    share_at_lower: float
    share_at_upper: float


@dataclass(frozen=True, kw_only=True)
class ElasticityReport:
    """Elasticities of one target by one estimator.

    Attributes:
        target: task.
        estimator: the full name: lattice or box, step, ranges.
        kind: "lattice" or "continuous".
        factors: one per factor that can move.
        share_slack: share of points whose budget does not bind.
        share_used: share of points with a derivative.
        level: probability of the intervals.
    """

    target: str
    estimator: str
    kind: str
    factors: tuple[FactorElasticity, ...]
    share_slack: float
    share_used: float
    level: float


def no_elasticity(model: Model) -> str | None:
    """Why there is no elasticity, None where there is one."""
    return None if model.data_varies else f"no elasticity: {DATA_SIZE} does not vary"


def no_continuous(cost_model: CostModel) -> str | None:
    """Why there is no continuous elasticity, None where there is one."""
    why = not_convex(cost_model)
    return None if why is None else (f"elasticities by the lattice estimator only: {why}, so there is no continuous "
                                     "optimum to differentiate")


def elasticity_reports(
    model: Model, lattice: Lattice, cost_model: CostModel, *, targets: Sequence[str] | None = None,
    budget_range: tuple[float, float] | None = None, data_range: tuple[float, float] | None = None,
    level: float = 0.9, dense: bool = True, tick=lambda text: None,
) -> tuple[ElasticityReport, ...]:
    """Mean elasticities with intervals.

    The paper's estimator is given on the lattice and, because it depends on the lattice, on a dense one over the same
    ranges; the continuous one wherever the cost is a posynomial.

    Args:
        model: fitted laws.
        lattice: what may be chosen; its corners span the box of the continuous estimator.
        cost_model: what it costs.
        targets: which tasks; all by default.
        budget_range: lowest and highest budget; the cheapest and dearest configuration's cost by default.
        data_range: lowest and highest data size; the measured ones by default.
        level: probability of the intervals.
        dense: whether to add the dense lattice.
        tick: called with a line of text as work goes on.

    Raises:
        InputError: the data size does not vary, or a range is unusable.
    """
    check_level(level)
    reason = no_elasticity(model)
    if reason:
        raise InputError(f"{reason} in {model.table!r}; elasticities need runs at two or more data sizes")
    low_n, high_n = data_range or (float(model.data_sizes[0]), float(model.data_sizes[-1]))
    low_c, high_c = budget_range or (None, None)
    budgets = budget_grid(lattice, cost_model, BUDGETS, low_c, high_c)
    sizes = data_grid(low_n, high_n, DATA_SIZES + 1)  # the last one only serves as a neighbour
    low, high = lattice.bounds()
    lattices = [lattice]
    if dense and np.any(low < high):
        lattices.append(dense_lattice(low, high, (DENSE, DENSE, DENSE)))
    reports = []
    # A cost that is no posynomial need not be least in a corner: the lattices may differ in what is cheapest.
    if low_c is None:
        budgets = np.maximum(budgets, max(budget_grid(each, cost_model, 1)[0] for each in lattices))
    for target in targets or list(model.targets):
        tick(f"elasticity: {target}")
        fitted = model.target(target)
        point, draws = fitted.law.over(FACTORS_AND_DATA), fitted.noise_laws.over(FACTORS_AND_DATA)
        both = _join(point, draws)
        for each in lattices:
            found = lattice_elasticity(both, each, cost_model, budgets, sizes)
            reports.append(_report(target, "lattice", found, lattice, level))
        if cost_model.terms() is not None:
            found = continuous_elasticity(
                both, cost_model, (low, high), budget_grid(lattice, cost_model, CONTINUOUS_BUDGETS, low_c, high_c),
                data_grid(low_n, high_n, CONTINUOUS_DATA_SIZES))
            reports.append(_report(target, "continuous", found, lattice, level))
    return tuple(reports)


def _join(point: Laws, draws: Laws) -> Laws:
    """The point law first, then the draws."""
    return Laws(factors=point.factors,
                log_coefficients=np.concatenate([point.log_coefficients, draws.log_coefficients]),
                exponents=np.concatenate([point.exponents, draws.exponents]))


def _report(target: str, kind: str, found: Elasticity, lattice: Lattice, level: float) -> ElasticityReport:
    factors = []
    for k, name in enumerate(FACTORS):
        if lattice.levels[name].size < 2:
            continue
        draws = found.mean[1:, k]
        draws = draws[np.isfinite(draws)]
        low = high = None
        if draws.size >= 0.5 * (len(found.mean) - 1) and draws.size >= 2:
            low, high = (float(q) for q in quantiles(draws, level))
            # On a coarse lattice most draws can miss the estimate's own steps; an interval still has to hold it.
            low, high = min(low, float(found.mean[0, k])), max(high, float(found.mean[0, k]))
        factors.append(FactorElasticity(
            factor=name, value=float(found.mean[0, k]), low=low, high=high, share_moved=float(found.share_moved[0, k]),
            share_at_lower=float(found.share_at_lower[0, k]), share_at_upper=float(found.share_at_upper[0, k])))
    return ElasticityReport(target=target, estimator=found.describe(), kind=kind, factors=tuple(factors),
                            share_slack=float(found.share_slack[0]), share_used=float(found.share_used[0]), level=level)
