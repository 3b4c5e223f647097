"""The isoFLOP sweep: configurations that cost about the same, at each of several budgets.

It shows the optimum under a budget directly, and tests how a law fitted on the star extrapolates: the
configurations lie away from the star's arms, and the data size beyond its range.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vidscale.cost import CostModel, PaperCost
from vidscale.design.spec import BudgetCount, RunSpec, SweepDesign, whole_seeds
from vidscale.errors import InputError
from vidscale.space import FACTORS, Lattice, ScalingFactors, published_lattice

Floats = NDArray[np.float64]

#: Budgets and data size of the paper's isoFLOP sweep (Wang et al., ACL 2025, section 4).
PAPER_BUDGETS: tuple[float, ...] = (2e12, 5e12, 15e12, 30e12)
PAPER_ISOFLOP_DATA_SIZE = 2e6

#: How far a cost may lie from its budget. The paper names none; this is our reading.
TOLERANCE = 0.25

#: Ratio of neighbouring costs that separates two budgets: what ± 16 % around one can leave between its own runs.
GAP = 1.4


def budgets_of(cost: Floats) -> Floats:
    """The budget that each run of an isoFLOP sweep belongs to, from costs alone, shape (runs,).

    The paper's budgets where every cost lies within the tolerance of one; else runs are split where sorted costs leave
    a gap of GAP, and a group's budget is its geometric mean.

    Args:
        cost: of each run, FLOPs, shape (runs,).
    """
    published = np.array(PAPER_BUDGETS)
    nearest = published[np.abs(np.log(cost[:, None] / published)).argmin(axis=1)]
    if np.all(np.abs(cost / nearest - 1) <= TOLERANCE + 1e-9):
        return nearest
    order = np.argsort(cost, kind="stable")
    group = np.empty(len(cost), dtype=np.int64)
    group[order] = np.r_[0, np.cumsum(np.diff(np.log(cost[order])) > np.log(GAP))]
    return np.array([np.exp(np.log(cost[group == g]).mean()) for g in group])


def most_common(sizes: Floats) -> float:
    """The data size of most runs, the largest of equals."""
    values, counts = np.unique(sizes, return_counts=True)
    return float(values[counts == counts.max()][-1])


def isoflop_design(
    *,
    budgets: Sequence[float] = PAPER_BUDGETS,
    tolerance: float = TOLERANCE,
    data_size: float = PAPER_ISOFLOP_DATA_SIZE,
    lattice: Lattice | None = None,
    cost: CostModel | None = None,
    extension: Mapping[str, Sequence[float]] | None = None,
    seeds: Iterable[int] = (0,),
) -> SweepDesign:
    """Plan an isoFLOP sweep, and say how many configurations each budget holds.

    Args:
        budgets: inference budgets per video, in the cost model's unit (FLOPs).
        tolerance: largest relative distance of a cost from its budget, in (0, 1). A configuration near two
            budgets is planned once, at the relatively nearer one.
        data_size: finetuning examples of every run.
        lattice: the configurations to choose from; None means the published ranges.
        cost: what prices them; None means the paper's FLOPs, encoder included.
        extension: levels to try, by factor, for a budget the lattice holds nothing for; the factors not named
            keep their levels. Such runs carry the sweep label "isoflop-extension".
        seeds: seeds of each run.

    Returns:
        The plan. `budgets` counts every budget asked for, and a note names each that holds no configuration;
        with the defaults the counts at 2, 5, 15 and 30 TFLOPs are 0, 13, 20 and 16.

    Raises:
        InputError: no budget, a budget or tolerance out of range, or an extension of an unknown factor.

    Example:
        >>> [count.configurations for count in isoflop_design().budgets]
        [0, 13, 20, 16]
    """
    targets = _checked_budgets(budgets, tolerance)
    lattice = published_lattice() if lattice is None else lattice
    cost = PaperCost() if cost is None else cost
    seeds = whole_seeds(seeds)
    own = _near(lattice.points, targets, tolerance, cost)
    extra = _near(_extension_points(lattice, extension), targets, tolerance, cost)
    runs: list[RunSpec] = []
    counts: list[BudgetCount] = []
    for k, budget in enumerate(targets):
        added = extra[k] if not len(own[k]) else extra[k][:0]
        counts.append(BudgetCount(budget=float(budget), configurations=len(own[k]), extension=len(added)))
        for points, sweep in ((own[k], "isoflop"), (added, "isoflop-extension")):
            runs += [
                RunSpec(factors=ScalingFactors.of(point), data_size=float(data_size), sweep=sweep, seed=seed)
                for point in points
                for seed in seeds
            ]
    notes = tuple(_note(count, tolerance, cost, lattice) for count in counts if not count.configurations)
    return SweepDesign(name="isoflop", runs=tuple(runs), budgets=tuple(counts), notes=notes)


def _checked_budgets(budgets: Sequence[float], tolerance: float) -> Floats:
    if not 0 < tolerance < 1:
        raise InputError(f"tolerance is {tolerance!r}; allowed is a share between 0 and 1, such as 0.25")
    distinct = tuple(dict.fromkeys(float(budget) for budget in budgets))
    if not distinct:
        raise InputError("no budget was given; an isoFLOP sweep needs at least one, in FLOPs per video")
    for budget in distinct:
        if not 0 < budget < float("inf"):
            raise InputError(f"budget is {budget!r}; allowed is a positive finite number of FLOPs per video")
    return np.array(distinct)


def _near(points: Floats, budgets: Floats, tolerance: float, cost: CostModel) -> list[Floats]:
    """For each budget the points within the tolerance of it that no other budget is nearer to."""
    if not len(points):
        return [points for _ in budgets]
    distance = np.abs(cost.cost(points)[:, None] / budgets - 1.0)
    nearest = np.argmin(distance, axis=1)
    return [points[(nearest == k) & (distance[:, k] <= tolerance)] for k in range(len(budgets))]


def _extension_points(lattice: Lattice, extension: Mapping[str, Sequence[float]] | None) -> Floats:
    """Configurations with at least one extension level, shape (points, 3)."""
    if not extension:
        return np.empty((0, 3))
    unknown = [name for name in extension if name not in FACTORS]
    if unknown:
        raise InputError(f"extension names {unknown[0]!r}; the factors are {', '.join(FACTORS)}")
    levels = [np.unique([*lattice.levels[name], *map(float, extension.get(name, ()))]) for name in FACTORS]
    inside = {tuple(point) for point in lattice.points}
    outside = [point for point in itertools.product(*levels) if point not in inside]
    return np.array(outside, dtype=np.float64).reshape(-1, 3)


def _note(count: BudgetCount, tolerance: float, cost: CostModel, lattice: Lattice) -> str:
    cheapest = float(np.min(cost.cost(lattice.points)))
    said = (
        f"budget {count.budget:.4g} {cost.unit}: no configuration of the {lattice.name} lattice costs within "
        f"{tolerance:.0%} of it (the cheapest costs {cheapest:.4g})"
    )
    if count.extension:
        return f"{said}; {count.extension} added from extension levels, labelled isoflop-extension"
    return f"{said}; no run is planned for it, widen the tolerance or give extension levels such as frames=2"
