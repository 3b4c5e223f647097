"""Several factors at once, from the raw rows of isoFLOP sweeps: what a larger budget brings models of one size.

Two statements hide in "joint scaling". The first is what the paper observed: from one budget to the next a small model
gains almost nothing, a large one much. That happens under laws without any interaction too, because at one budget the
small model already sees more of the video. The second is that the factors interact: what more video brings depends on
the model. `interaction` tests that alone: a law that is a sum of a term in the model and a term in the video has 0.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from vidscale.cost import CostModel
from vidscale.design.isoflop import budgets_of, most_common
from vidscale.findings.cells import Cells
from vidscale.findings.verdict import LEVEL, Estimate, Verdict, judge

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Draws that correct the best of several noisy runs for its luck.
DRAWS = 4000


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """Cells of an isoFLOP sweep: about equal cost, equal data size."""

    budget: float
    at: Ints


def groups(cells: Cells, cost_model: CostModel) -> list[Group]:
    """The isoFLOP sweeps, cheapest first, each at its commonest data size, the largest of equals; empty without any."""
    rows = np.flatnonzero(cells.isoflop)
    if not rows.size:
        return []
    budget = budgets_of(cost_model.cost(cells.x[rows, :3]))
    found = []
    for value in np.unique(budget):
        own = rows[budget == value]
        found.append(Group(budget=float(value), at=own[cells.x[own, 3] == most_common(cells.x[own, 3])]))
    return found


@dataclass(frozen=True, kw_only=True)
class BudgetStep:
    """What the next budget brings the smallest and the largest model of which that is known.

    It is known of models with runs at both budgets, and of exhausted ones: their dearest configuration was run at the
    lower budget and costs less than anything at the higher, so that more budget brings them nothing.

    Attributes:
        target: of what.
        budgets: from and to, FLOPs.
        lm_params: the smallest and the largest model.
        small, large: fall of the least error, corrected for the luck of the best run; 0 of an exhausted model.
        difference: large − small; positive where the large model gains more.
        exhausted: whether the small model is.
    """

    target: str
    budgets: tuple[float, float]
    lm_params: tuple[float, float]
    small: Estimate
    large: Estimate
    difference: Estimate
    exhausted: bool

    @property
    def verdict(self) -> Verdict:
        """On: the larger model gains more."""
        return judge(self.difference)


def budget_steps(cells: Cells, cost_model: CostModel, level: float = LEVEL, seed: int = 0) -> list[BudgetStep]:
    """Gains from each budget to the next; steps at which fewer than two models are known are left out."""
    found, steps = groups(cells, cost_model), []
    rng = np.random.default_rng([seed, 7])
    drawn = cells.error + np.sqrt(cells.variance) * rng.standard_normal((DRAWS, len(cells)))
    table = np.vstack([cells.error, drawn])
    for lower, higher in pairwise(found):
        here, there = (set(cells.x[g.at, 0].tolist()) for g in (lower, higher))
        spent = {size for size in here - there if _exhausted(cells, cost_model, size, lower, higher)}
        known = sorted((here & there) | spent)
        if len(known) < 2 or known[-1] in spent:
            continue
        small, large = (np.zeros(len(table)) if size in spent else _gain(cells, table, size, lower, higher)
                        for size in (known[0], known[-1]))
        steps.append(BudgetStep(
            target=cells.target, budgets=(lower.budget, higher.budget), lm_params=(known[0], known[-1]),
            small=_corrected(small, cells, level), large=_corrected(large, cells, level),
            difference=_corrected(large - small, cells, level), exhausted=known[0] in spent))
    return steps


def _gain(cells: Cells, table: Floats, size: float, lower: Group, higher: Group) -> Floats:
    """Fall of the least error of one model from a group to the next, shape (draws,)."""
    least = [table[:, g.at[cells.x[g.at, 0] == size]].min(axis=1) for g in (lower, higher)]
    return least[0] - least[1]


def _exhausted(cells: Cells, cost_model: CostModel, size: float, lower: Group, higher: Group) -> bool:
    """Whether a model's dearest configuration was run at the lower budget and lies below the higher."""
    dearest = np.array([[size, cells.x[:, 1].max(), cells.x[:, 2].max()]])
    run = (cells.x[lower.at, :3] == dearest).all(axis=1).any()
    return bool(run and cost_model.cost(dearest)[0] < cost_model.cost(cells.x[higher.at, :3]).min())


def _corrected(values: Floats, cells: Cells, level: float) -> Estimate:
    """An estimate (first value) and its noise draws: less the bias that the draws show, with their spread."""
    value = float(2 * values[0] - values[1:].mean())
    half = cells.quantile(level) * float(values[1:].std())
    return Estimate(value=value, low=value - half, high=value + half, level=level)


@dataclass(frozen=True, kw_only=True)
class BestAgainstMean:
    """The best run of an isoFLOP sweep against the mean of its runs.

    Attributes:
        budget: FLOPs, about.
        runs: cells in it.
        gain: relative gain in accuracy, corrected for the luck of the best run.
    """

    budget: float
    runs: int
    gain: Estimate


def best_against_mean(cells: Cells, cost_model: CostModel, level: float = LEVEL,
                      seed: int = 0) -> list[BestAgainstMean]:
    """What choosing well is worth at about equal cost, from raw rows: naive is a blind pick among the measured ones.

    The best of many noisy errors is partly luck, so errors are first drawn towards their mean by the share of their
    scatter that the noise explains (empirical Bayes, normal), and the gain is that of the run that looked best. Where a
    χ² test does not find them to differ at all, the interval holds 0.
    """
    rng, found = np.random.default_rng([seed, 8]), []
    for group in (each for each in groups(cells, cost_model) if len(each.at) > 1):
        error, variance = cells.error[group.at], cells.variance[group.at]
        spread = max(float(error.var(ddof=1) - variance.mean()), 0.0)
        trust = spread / (spread + variance)
        true = error.mean() + trust * (error - error.mean())
        drawn = true + np.sqrt(trust * variance) * rng.standard_normal((DRAWS, len(error)))
        table = 1 - np.vstack([true, drawn])
        mean, best = table.mean(axis=1), table[:, error.argmin()]
        gain = (best - mean) / mean
        half = cells.quantile(level) * float(gain[1:].std())
        low, high = float(gain[0]) - half, float(gain[0]) + half
        if stats.chi2.sf(np.sum((error - error.mean()) ** 2 / variance), len(error) - 1) > 1 - level:
            low = min(low, 0.0)
        found.append(BestAgainstMean(budget=group.budget, runs=len(error),
                                     gain=Estimate(value=float(gain[0]), low=low, high=high, level=level)))
    return found


@dataclass(frozen=True, kw_only=True)
class BestAtData:
    """The best of some configurations of about equal cost at one data size.

    Attributes:
        budget: FLOPs, about.
        configurations: how many there are; each was run at every data size.
        data_size: examples.
        best: (lm_params, frames, tokens_per_frame) with the least measured error.
        lead: how much more error the next one has, a fraction; the luck of the best is not taken off.
    """

    budget: float
    configurations: int
    data_size: float
    best: tuple[float, float, float]
    lead: Estimate


def best_by_data(cells: Cells, cost_model: CostModel, level: float = LEVEL) -> list[BestAtData]:
    """How the optimum of raw rows moves with data: per budget, among the configurations run at every data size.

    Runs of any sweep count. Budgets with fewer than three such configurations, or one data size, are left out.
    """
    rows = np.flatnonzero(cells.isoflop)
    if not rows.size:
        return []
    budget, sizes, found = budgets_of(cost_model.cost(cells.x[rows, :3])), np.unique(cells.x[rows, 3]), []
    place = {tuple(x): i for i, x in enumerate(cells.x.tolist())}
    for value in np.unique(budget):
        own = {tuple(x) for x in cells.x[rows[budget == value], :3].tolist()}
        common = sorted(x for x in own if all((*x, size) in place for size in sizes.tolist()))
        if len(common) < 3 or sizes.size < 2:
            continue
        for size in sizes.tolist():
            at = np.array([place[*x, size] for x in common])
            first, second = at[np.argsort(cells.error[at], kind="stable")[:2]]
            weights = np.zeros(len(cells))
            weights[[first, second]] = -1.0, 1.0
            n, t, v = cells.x[first, :3].tolist()
            found.append(BestAtData(budget=float(value), configurations=len(common), data_size=size, best=(n, t, v),
                                    lead=cells.contrast(weights, level)))
    return found


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """How much more a model gains from twice the visual tokens when it is itself twice as large.

    Attributes:
        target: of what.
        gain: of error, as a fraction, per doubling of both; positive where large models gain more.
        cells: that it rests on.
        freedom: degrees of freedom left.
        scale: χ² per degree of freedom of what is left; where above 1 the interval is widened by its root.
    """

    target: str
    gain: Estimate
    cells: int
    freedom: int
    scale: float

    @property
    def verdict(self) -> Verdict:
        """On: the factors interact, large models gain more from more video."""
        return judge(self.gain)


def interaction(cells: Cells, level: float = LEVEL) -> Interaction | None:
    """Model by video, beyond a free effect of every model and a free effect of every (frames, tokens per frame).

    Weighted least squares over all cells, effects free at each data size, with one more column
    log2 lm_params × log2 (frames · tokens_per_frame); None where the runs do not determine it.
    """
    n, views, size = cells.x[:, 0], cells.x[:, 1:3], cells.x[:, 3]
    product = np.log2(n / n.mean()) * np.log2(views.prod(axis=1) / views.prod(axis=1).mean())
    design = np.column_stack([_levels(np.column_stack([n, size])), _levels(np.column_stack([views, size]))])
    root = 1 / np.sqrt(cells.variance)
    basis, values, _ = np.linalg.svd(design * root[:, None], full_matrices=False)
    basis = basis[:, values > 1e-9 * values[0]]

    def rest(column: Floats) -> Floats:
        return column - basis @ (basis.T @ column)

    left, error = rest(product * root), rest(cells.error * root)
    freedom = len(cells) - basis.shape[1] - 1
    if left @ left < 1e-6 * float((product * root) @ (product * root)) or freedom < 2:
        return None
    slope = float(left @ error / (left @ left))
    scale = float(np.sum((error - slope * left) ** 2) / freedom)
    sd = float(np.sqrt(max(scale, 1.0) / (left @ left)))
    fewest = min(f for f in (freedom, cells.noise.freedom or freedom))
    half = float(stats.t.ppf((1 + level) / 2, fewest)) * sd
    used = int(np.count_nonzero(np.abs(left) > 1e-9 * np.abs(left).max()))
    return Interaction(target=cells.target, gain=Estimate(value=-slope, low=-slope - half, high=-slope + half,
                                                          level=level), cells=used, freedom=freedom, scale=scale)


def _levels(columns: Floats) -> Floats:
    """One column of 0 and 1 for each distinct row."""
    place = np.unique(columns, axis=0, return_inverse=True)[1].reshape(-1)
    return np.eye(int(place.max()) + 1)[place]
