"""Curves of the law through the runs: along one factor, and along a factor at equal cost."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidscale.frontier import minimise
from vidscale.report.measured import Isoflop, planned_costs, run_rows
from vidscale.report.style import level_name
from vidscale.space import FACTORS, FACTORS_AND_DATA

if TYPE_CHECKING:
    from vidscale.study import Study

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Most lines of one factor, points along a drawn curve.
MOST_LINES, CURVE = 5, 50


def envelopes(study: "Study", groups: list[Isoflop], k: int, target: str) -> tuple[Floats, Floats]:
    """Least predicted error within each group's budget with factor k held, over the measured box: (x, groups × x)."""
    lattice, cost = study.model.measured_lattice(_held(study)), planned_costs(study)
    low, high = lattice.bounds()
    x = np.geomspace(low[k], high[k], CURVE)
    law = study.model.target(target).law.over(FACTORS_AND_DATA)
    budgets, sizes = [group.budget for group in groups], np.unique([group.data_size or 1.0 for group in groups])
    row = np.searchsorted(sizes, [group.data_size or 1.0 for group in groups])
    least = np.full((len(groups), CURVE), np.nan)
    for i, value in enumerate(x):
        box = (low.copy(), high.copy())
        box[0][k] = box[1][k] = value
        found = minimise(law, cost, box, budgets, sizes)
        least[:, i] = np.exp(found.log_error[0, row, np.arange(len(groups))])
    return x, least


def _held(study: "Study") -> dict[str, float]:
    """Values of factors that the table lacks."""
    return {f: float(study.frontier.lattice.levels[f][0]) for f in FACTORS if f not in study.model.levels}


def _others(study: "Study", factor: str) -> list[str]:
    return [f for f in study.model.form.factors if f != factor]


def factor_lines(study: "Study", factor: str, target: str) -> list[tuple[Ints, str]]:
    """Groups of runs that differ in one factor only, the longest first chosen, in rising order of what is held."""
    rows = run_rows(study)
    present = np.isfinite(study.obs.error[:, study.obs.target(target)])
    k, others = FACTORS_AND_DATA.index(factor), [FACTORS_AND_DATA.index(f) for f in _others(study, factor)]
    keys, group = np.unique(rows[:, others], axis=0, return_inverse=True)
    group = group.reshape(-1)
    counted = [(len(np.unique(rows[(group == g) & present, k])), g) for g in range(len(keys))]
    most = max(count for count, _ in counted)
    long = [g for count, g in counted if count >= max(3 if most >= 3 else 2, 0.6 * most)]
    if most < 2:
        return []
    if others:
        # Prefer lines that share all but one of the held values: they can be compared.
        best = max((_family(keys, long, free) for free in range(len(others))), key=len)
        long = best if len(best) > 1 else long
    long = [long[i] for i in np.unique(np.round(np.linspace(0, len(long) - 1, MOST_LINES)).astype(int))]
    moving = [i for i in range(len(others)) if len({keys[g, i] for g in long}) > 1]
    found = []
    for g in long:
        members = np.flatnonzero((group == g) & present)
        names = [level_name(FACTORS_AND_DATA[others[i]], keys[g, i]) for i in moving]
        found.append((members[np.argsort(rows[members, k], kind="stable")], ", ".join(names) or "measured"))
    return found


def _family(keys: Floats, long: list[int], free: int) -> list[int]:
    """The largest set of groups that differ in one held factor only."""
    families: dict[tuple[float, ...], list[int]] = {}
    for g in long:
        families.setdefault(tuple(np.delete(keys[g], free).tolist()), []).append(g)
    return max(families.values(), key=len)


def held_text(study: "Study", factor: str, target: str) -> str | None:
    """What all lines of a factor hold in common; None where nothing."""
    rows, lines = run_rows(study), factor_lines(study, factor, target)
    shared = []
    for other in _others(study, factor):
        j = FACTORS_AND_DATA.index(other)
        if len({rows[m[0], j] for m, _ in lines}) == 1:
            shared.append(level_name(other, rows[lines[0][0][0], j]))
    return "at " + ", ".join(shared) if shared else None
