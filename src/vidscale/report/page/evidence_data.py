"""What the answer rests on as plain data for plots: runs, fitted curves, contours, elasticities, scores.

Errors are in per cent, costs of isoFLOP sweeps in the unit their budgets are shown in, factors in canonical units.
"""

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidscale.report.curves import CURVE, envelopes, factor_lines, held_text
from vidscale.report.measured import Isoflop, fitted, isoflop_groups, run_rows, sweep_labels, true_mean
from vidscale.report.numbers import still, with_unit
from vidscale.report.page.compact import compact, one_line, percents
from vidscale.report.sentences import largest_size_points
from vidscale.report.tables import factor_cells
from vidscale.space import DATA_SIZE, FACTORS, FACTORS_AND_DATA

if TYPE_CHECKING:
    from vidscale.study import FrontierPoint, Study

Floats = NDArray[np.float64]

#: Points along either side of a contour plot; choices that the other factors are held at; targets up to which all are.
GRID, HOLDS, MANY = 17, 3, 12


def evidence_data(study: "Study", tick=lambda text: None) -> dict[str, Any]:
    """Runs once, then by target: fitted errors, factor curves, isoFLOP curves, contours; elasticities and scores."""
    groups = isoflop_groups(study)
    varying = [f for f in FACTORS if f in study.model.form.factors]
    by_target = []
    for target in study.model.targets:
        tick(f"page: evidence, {one_line(target)}")
        by_target.append({
            "fitted": _fitted(study, target), "lines": _lines(study, target),
            "isoflop": _isoflop(study, target, groups, varying) if groups and varying else None,
            "contours": _contours(study, target), "elasticity": _elasticity(study, target),
            "scores": _scores(study, target)})
    return {"runs": compact(run_rows(study), 12), "sweeps": sweep_labels(study).tolist(),
            "factors": list(study.model.form.factors), "pairs": contour_pairs(study),
            "groups": [{"name": with_unit(g.budget), "runs": g.runs.tolist()} for g in groups],
            "forms": list(study.comparison.fits), "evidence": by_target}


def _fitted(study: "Study", target: str) -> list[Any]:
    """[measured, fitted, new measurement's interval] of every run; measured is None where the run lacks the target."""
    said = fitted(study, target)
    return percents(np.stack([said.measured, said.fitted, said.new_low, said.new_high], axis=1))


# --- one factor at a time -------------------------------------------------------------------------------------


def _lines(study: "Study", target: str) -> list[Any]:
    """Along each factor that was swept: groups of runs that differ in it alone, with the law's curve through them."""
    found = []
    for factor in study.model.form.factors:
        lines = factor_lines(study, factor, target)
        if lines:
            found.append({"factor": factor, "held": held_text(study, factor, target),
                          "lines": [_line(study, target, factor, members, name) for members, name in lines]})
    return found


def _line(study: "Study", target: str, factor: str, members: NDArray[np.int64], name: str) -> dict[str, Any]:
    rows, k = run_rows(study), FACTORS_AND_DATA.index(factor)
    x = np.geomspace(rows[members, k].min(), rows[members, k].max(), CURVE // 2)
    points = np.repeat(rows[members[:1]], len(x), axis=0)
    points[:, k] = x
    error = study.model.error(target, points, study.settings.predictor)
    low, high = true_mean(study, target, points)
    return {"name": name, "runs": members.tolist(), "x": compact(x, 4), "error": percents(error), "low": percents(low),
            "high": percents(high)}


def _isoflop(study: "Study", target: str, groups: list[Isoflop], varying: list[str]) -> list[Any]:
    """Along each factor the least error that the law allows at each sweep's cost, [group][point]."""
    found = []
    for factor in varying:
        x, least = envelopes(study, groups, FACTORS.index(factor), target)
        found.append({"factor": factor, "x": compact(x, 4), "least": percents(least)})
    return found


# --- isoperformance -------------------------------------------------------------------------------------------


def contour_pairs(study: "Study") -> list[list[str]]:
    """Which two factors each contour plot spans: a factor and the data size; two factors where that does not vary."""
    factors = [f for f in FACTORS if f in study.model.form.factors and len(study.model.levels[f]) > 1]
    if study.model.data_varies:
        return [[DATA_SIZE, f] for f in factors]
    return [list(pair) for pair in combinations(factors, 2)]


def _contours(study: "Study", target: str) -> list[Any]:
    """Predicted error with its interval over every pair, the other factors held at a recommended configuration."""
    found = []
    for point in _holds(study, target):
        held = np.array([*point.configuration, study.model.data_sizes[-1]])
        found.append({"held": [*factor_cells(point.configuration)], "budget": with_unit(point.budget,
                      study.frontier.unit), "plots": [_contour(study, target, pair, held)
                                                       for pair in contour_pairs(study)]})
    return found


def _holds(study: "Study", target: str) -> "list[FrontierPoint]":
    """Recommendations at the largest data size to hold factors at, each once, the middle budget first."""
    points = largest_size_points(study, target)
    count = 1 if len(study.model.targets) > MANY else HOLDS
    places = [len(points) // 2, 0, len(points) - 1][:count]
    once = {tuple(points[i].configuration): points[i] for i in reversed(places)}
    chosen = list(once.values())
    return [chosen[-1], *sorted(chosen[:-1], key=lambda p: p.budget)]


def _contour(study: "Study", target: str, pair: list[str], held: Floats) -> dict[str, Any]:
    a, b = (FACTORS_AND_DATA.index(name) for name in pair)
    sides = [np.geomspace(study.model.levels[name][0], study.model.levels[name][-1], GRID) for name in pair]
    rows = np.repeat(held[None], GRID * GRID, axis=0)
    rows[:, a], rows[:, b] = (side.ravel() for side in np.meshgrid(*sides))
    low, high = true_mean(study, target, rows)
    error = study.model.error(target, rows, study.settings.predictor)
    shape = (GRID, GRID)
    return {"x": compact(sides[0], 4), "y": compact(sides[1], 4), "z": _percents(error, shape),
            "low": _percents(low, shape), "high": _percents(high, shape)}


def _percents(error: Floats, shape: tuple[int, int]) -> Any:
    """A surface in per cent to two decimals: finer than any interval, and it is the largest part of the page."""
    return compact(np.round(100 * error.reshape(shape), 2), 12)


# --- numbers by estimator and by form -------------------------------------------------------------------------


def _elasticity(study: "Study", target: str) -> list[Any]:
    """[estimator, kind, factor, value, low, high] of every mean elasticity."""
    return [[number, r.kind, e.factor, *compact([still(e.value), *(None if end is None else still(end)
                                                                  for end in (e.low, e.high))])]
            for number, r in enumerate((r for r in study.elasticities if r.target == target), start=1)
            for e in r.factors]


def _scores(study: "Study", target: str) -> list[Any]:
    """[form, kind, MSE, E, excess over the best, its standard error] on held-out runs."""
    return [[s.form, s.kind, *compact([s.mse, s.e_percent, s.excess, s.excess_se])]
            for s in study.comparison.scores if s.target == target]
