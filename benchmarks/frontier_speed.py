"""Part (d): the exact frontier of 300 budgets × 100 data sizes × 9 targets on a lattice of over 100,000."""

import numpy as np
import study_speed
from machine import THREADS, say, timed
from numpy.typing import NDArray
from render import seconds, table

from vidscale.cost import PaperCost
from vidscale.fit import FitSettings
from vidscale.forms import Laws, form
from vidscale.frontier import Search, budget_grid, data_grid, search
from vidscale.space import FACTORS_AND_DATA, dense_lattice
from vidscale.validate import fit_runs, laws_of, runs_of

Floats = NDArray[np.float64]

BUDGETS, DATA_SIZES, SIDE = 300, 100, 47
LOWER, UPPER = (1e9, 4.0, 4.0), (7.5e9, 32.0, 196.0)


def fitted_laws() -> Laws:
    """add-interact fitted to every target of paper-design."""
    obs, _ = study_speed.data()
    runs, _ = runs_of(form("add-interact"), obs, settings=FitSettings())
    return laws_of(runs, np.array([fit.theta for fit in fit_runs(runs).fits])).over(FACTORS_AND_DATA)


def whole_frontier(laws: Laws, side: int, budgets: int = BUDGETS, data_sizes: int = DATA_SIZES) -> Search:
    """Lattice, costs and search from scratch: nothing is left over from an earlier call."""
    lattice = dense_lattice(LOWER, UPPER, (side, side, side))
    cost = PaperCost()
    return search(laws, lattice, cost, budget_grid(lattice, cost, budgets), data_grid(0.25e6, 2e6, data_sizes))


def by_numpy(laws: Laws, side: int, size: int) -> Floats:
    """Errors of the frontier of one law at one data size, the obvious way: predict all, sort, running minimum."""
    lattice = dense_lattice(LOWER, UPPER, (side, side, side))
    cost = PaperCost()
    budgets, n = budget_grid(lattice, cost, BUDGETS), data_grid(0.25e6, 2e6, DATA_SIZES)[size]
    points = lattice.points
    price = cost.cost(points)
    order = np.argsort(price)
    error = laws.error(np.column_stack([points, np.full(len(points), n)]))[0]
    best = np.minimum.accumulate(error[order])
    return best[np.searchsorted(price[order], budgets * (1 + 1e-12), side="right") - 1]


def measure(quick: bool) -> tuple[dict[str, object], str]:
    """Numbers for latest.json, and the report."""
    laws = fitted_laws()
    whole_frontier(laws, 4)
    say("frontier: the engine")
    took, found = timed(lambda: whole_frontier(laws, SIDE), 1 if quick else 5)
    checks = [(law, size) for law in (0, 4, 8) for size in ((0,) if quick else (0, 50, 99))]
    say("frontier: NumPy on a sample")
    naive, errors = timed(lambda: [by_numpy(laws[law], SIDE, size) for law, size in checks])
    worst = max(float(np.max(np.abs(found.error[law, size] / error - 1))) for (law, size), error in zip(checks, errors))
    jobs, points = len(laws) * DATA_SIZES, SIDE**3
    naive_whole = naive / len(checks) * jobs
    rows = [["vidscale", seconds(took), f"{jobs * points / took / 1e6:.0f} million/s", "1×", "measured"],
            ["NumPy, one core", seconds(naive_whole), f"{jobs * points / naive_whole / 1e6:.1f} million/s",
             f"{naive_whole / took:,.0f}×", f"scaled from {len(checks)} of {jobs} searches"]]
    lines = [f"{BUDGETS} budgets × {DATA_SIZES} data sizes × {len(laws)} targets on {points:,} configurations, "
             f"add-interact, {THREADS} threads; lattice, costs and sorting included", "",
             *table(["", "all", "predictions", "ratio", "how"], rows), "",
             f"largest relative difference of frontier errors from NumPy's on the sample: {worst:.1e}"]
    return {"frontier_seconds": took, "frontier_points_per_second": jobs * points / took,
            "frontier_configurations": points, "frontier_numpy_seconds": naive_whole,
            "frontier_worst_difference": worst}, "\n".join(lines)
