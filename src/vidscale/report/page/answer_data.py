"""The answer as plain data for plots: the frontier's path, its error, what naive policies lose.

Costs are in the unit the tables show, errors in per cent, factors in canonical units; configurations are row numbers
of one list.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidscale.frontier import lattice_cost, minimise, steps_of
from vidscale.report.measured import costs, true_mean
from vidscale.report.numbers import examples
from vidscale.report.page.compact import compact, one_line, percents
from vidscale.report.style import axis_label, spread_levels
from vidscale.report.tables import shown_unit
from vidscale.space import DATA_SIZE, FACTORS, FACTORS_AND_DATA
from vidscale.study import lattice_values
from vidscale.validate import quantiles

if TYPE_CHECKING:
    from vidscale.frontier import PolicyOutcome
    from vidscale.study import FrontierPoint, Study

Floats = NDArray[np.float64]

#: Budgets along a continuous path besides the study's own, and draws behind its bands.
CURVE, MOST_DRAWS = 40, 100


class Configurations:
    """Configurations by number, each kept once."""

    def __init__(self) -> None:
        self.rows: dict[tuple[float, ...], int] = {}

    def number(self, x: Any) -> int:
        """The number of a configuration (lm_params, frames, tokens_per_frame)."""
        return self.rows.setdefault(tuple(float(v) for v in x), len(self.rows))

    def listed(self) -> list[Any]:
        """All of them, by number."""
        return [compact(list(row), 12) for row in self.rows]


def sizes_of(study: "Study") -> list[float | None]:
    """The data sizes a study answers for, ascending; one None where the data size does not vary."""
    return sorted({p.data_size for p in study.frontier.points}, key=lambda size: size or 0.0)


def axes_of(study: "Study") -> dict[str, Any]:
    """How each factor's axis is drawn: label, divisor, ticks at measured levels, whether a choice has any freedom."""
    found = {}
    for factor in FACTORS_AND_DATA:
        levels = study.frontier.lattice.levels[factor] if factor in FACTORS else study.model.data_sizes
        label, scale = axis_label(factor, levels)
        found[factor] = {"label": label, "scale": scale, "ticks": compact(spread_levels(levels, 6), 12),
                         "low": float(levels[0]), "high": float(levels[-1]),
                         "varies": bool(levels.size > 1) and (factor != DATA_SIZE or study.model.data_varies)}
    return compact(found, 12)


def answer_data(study: "Study", tick=lambda text: None) -> dict[str, Any]:
    """Everything about the frontier that plots show."""
    report, shown = study.frontier, shown_unit(study.frontier)
    cost = lattice_cost(report.lattice, costs(study))
    finite = cost[np.isfinite(cost)]
    budgets = np.array(sorted({p.budget for p in report.points}))
    grid = np.geomspace(finite.min(), max(finite.max(), budgets[-1]), CURVE)
    grid = np.unique(np.r_[grid, budgets[budgets >= finite.min()]])
    configurations = Configurations()
    targets = []
    for target in study.model.targets:
        tick(f"page: frontier, {one_line(target)}")
        targets.append(_target(study, target, grid, cost, configurations))
    return {
        "unit": {"shown": shown.shown, "axis": shown.axis, "name": report.unit},
        "curve": compact(grid / shown.scale), "budgets": compact(budgets / shown.scale),
        "reach": compact([finite.min() / shown.scale, finite.max() / shown.scale]),
        "sizes": compact(sizes_of(study), 12),
        "size_names": [examples(size) if size is not None else "" for size in sizes_of(study)],
        "frontier": targets, "configurations": configurations.listed(),
    }


def _target(study: "Study", target: str, grid: Floats, cost: Floats, found: Configurations) -> dict[str, Any]:
    report, sizes = study.frontier, sizes_of(study)
    values = lattice_values(study.model, target, report.lattice, _numbers(sizes), report.predictor)
    points = {size: [p for p in report.points if p.target == target and p.data_size == size] for size in sizes}
    scale = shown_unit(report).scale
    return {
        "path": _path(study, target, grid, _numbers(sizes)),
        "steps": [_steps(study, target, values[i], cost, size, found) for i, size in enumerate(sizes)],
        "points": [[_point(p, scale, found) for p in points[size]] for size in sizes],
        "policies": [_policies(study, target, size, points[size], found) for size in sizes],
    }


def _numbers(sizes: "list[float | None]") -> Floats:
    return np.array([1.0 if size is None else size for size in sizes])


def _path(study: "Study", target: str, grid: Floats, sizes: Floats) -> dict[str, Any] | None:
    """The continuous optimum with bands over noise draws; None where there is none.

    Factors are [size][factor][budget]; the value of compute (per cent of error that one per cent of budget buys) is
    [size][budget], each number with its interval.
    """
    report = study.frontier
    if report.predictor != "point" or costs(study).terms() is None:
        return None
    fitted, box = study.model.target(target), report.lattice.bounds()
    point = minimise(fitted.law.over(FACTORS_AND_DATA), costs(study), box, grid, sizes)
    some = fitted.noise_laws[np.arange(min(len(fitted.noise_laws), MOST_DRAWS))]
    draws = minimise(some.over(FACTORS_AND_DATA), costs(study), box, grid, sizes)
    tail = (1 - report.level) / 2
    low, high = np.nanquantile(draws.x, [tail, 1 - tail], axis=0)
    worth = np.nanquantile(draws.multiplier, [tail, 1 - tail], axis=0)
    worth = np.stack([point.multiplier[0], np.minimum(worth[0], point.multiplier[0]),
                      np.maximum(worth[1], point.multiplier[0])], axis=-1)
    free = [k for k, factor in enumerate(FACTORS) if report.lattice.levels[factor].size > 1]
    each = {"x": point.x[0], "low": np.minimum(low, point.x[0]), "high": np.maximum(high, point.x[0])}
    return {"factors": [FACTORS[k] for k in free], "worth": compact(worth, 3),
            **{name: compact(np.moveaxis(x[:, :, free], 2, 1), 4) for name, x in each.items()}}


def _steps(study: "Study", target: str, values: Floats, cost: Floats, size: float | None,
           found: Configurations) -> list[Any]:
    """The lattice frontier as a staircase: cost from which, configuration, error with the true mean's interval."""
    report = study.frontier
    steps, scale = steps_of(values, cost), shown_unit(report).scale
    points = report.lattice.points[steps.index]
    low, high = true_mean(study, target, _rows(points, size))
    return [[compact(c / scale), found.number(x), *percents(np.array([e, a, b]))]
            for c, x, e, a, b in zip(steps.cost, points, steps.error, low, high, strict=True)]


def _point(p: "FrontierPoint", scale: float, found: Configurations) -> dict[str, Any]:
    """A recommendation; `c` its configuration, `ties` those that do almost as well."""
    point = {"budget": compact(p.budget / scale), "c": found.number(p.configuration), "cost": compact(p.cost / scale),
             "error": percents(np.array([p.error, p.mean_low, p.mean_high, p.new_low, p.new_high])),
             "best": compact(p.probability_best), "tie_count": p.tie_count,
             "ties": [found.number(tie.configuration) for tie in p.ties]}
    if p.continuous is not None:
        point["free"] = compact(list(p.continuous.configuration))
    return point


def _policies(study: "Study", target: str, size: float | None, points: "list[FrontierPoint]",
              found: Configurations) -> list[Any]:
    """What each naive policy picks at the study's budgets, its error, and the frontier's gain over it with intervals.

    The interval holds both choices fixed and asks every noise draw for their errors; it always holds the estimate.
    """
    compared = study.frontier.policies[target, size]
    return [_policy(study, target, size, outcome, points, found) for outcome in compared.outcomes]


def _policy(study: "Study", target: str, size: float | None, outcome: "PolicyOutcome", points: "list[FrontierPoint]",
            found: Configurations) -> dict[str, Any]:
    report, served = study.frontier, outcome.index >= 0
    chosen = report.lattice.points[np.where(served, outcome.index, 0)]
    best = np.array([list(p.configuration) for p in points])
    theirs, ours = _draws(study, target, chosen, size), _draws(study, target, best, size)
    with np.errstate(invalid="ignore", divide="ignore"):
        gain = np.where(theirs < 1, (theirs - ours) / (1 - theirs), np.nan)
    usable = served & np.isfinite(outcome.gain)
    low, high = np.full(len(points), np.nan), np.full(len(points), np.nan)
    mean = [outcome.mean_gain, None, None]
    if usable.any():
        low[usable], high[usable] = _holding(gain[:, usable], outcome.gain[usable], report.level)
        a, b = _holding(gain[:, usable].mean(axis=1)[:, None], np.array([outcome.mean_gain]), report.level)
        mean = [outcome.mean_gain, float(a[0]), float(b[0])]
    return {"policy": outcome.policy, "c": [found.number(x) if ok else None for x, ok in zip(chosen, served)],
            "error": percents(np.where(served, outcome.error, np.nan)),
            "gain": percents(np.array([outcome.gain, low, high]).T),
            "mean": percents(np.array([np.nan if v is None else v for v in mean]))}


def _draws(study: "Study", target: str, points: Floats, size: float | None) -> Floats:
    """Errors of configurations under every noise draw, shape (draws, points)."""
    return study.model.target(target).noise_laws.over(FACTORS_AND_DATA).error(_rows(points, size))


def _rows(points: Floats, size: float | None) -> Floats:
    """Configurations with their data size; 1 where it does not vary."""
    return np.column_stack([points, np.full(len(points), 1.0 if size is None else size)])


def _holding(draws: Floats, value: Floats, level: float) -> tuple[Floats, Floats]:
    low, high = quantiles(draws, level)
    return np.minimum(low, value), np.maximum(high, value)
