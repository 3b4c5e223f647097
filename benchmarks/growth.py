"""Part (e): how time grows with rows, starts and lattice size."""

import numpy as np
import study_speed
from frontier_speed import LOWER, UPPER, fitted_laws, whole_frontier
from machine import say, timed
from numpy.typing import NDArray
from render import seconds, table

from vidscale.fit import FitSettings, fit
from vidscale.forms import form
from vidscale.measurements.synthetic import paper_design_laws

Floats = NDArray[np.float64]

ROW_STARTS, LATTICE_DATA_SIZES = 8, 10


def measure(quick: bool) -> tuple[dict[str, object], str]:
    """Numbers for latest.json, and the report."""
    say("growth: rows")
    by_rows = {n: _rows(n) for n in ((100, 1000) if quick else (100, 1000, 10_000, 100_000))}
    say("growth: starts")
    by_starts = {s: _starts(s) for s in ((8, 32) if quick else (8, 16, 32, 64, 128))}
    say("growth: lattice size")
    laws = fitted_laws()
    by_lattice = {side**3: timed(lambda side=side: whole_frontier(laws, side, data_sizes=LATTICE_DATA_SIZES),
                                 1 if side > 50 else 3)[0]
                  for side in ((10, 22) if quick else (10, 22, 46, 100))}
    lines = [f"rows, all distinct (add-interact, 15 parameters, {ROW_STARTS} starts, certificate included)", "",
             *_growth("rows", by_rows),
             "", "starts (add-interact, average of paper-design, 99 rows)", "", *_growth("starts", by_starts),
             "", f"lattice (frontier of {len(laws)} laws × {LATTICE_DATA_SIZES} data sizes × 300 budgets)", "",
             *_growth("configurations", by_lattice)]
    return {"growth_rows_seconds": by_rows, "growth_starts_seconds": by_starts,
            "growth_lattice_seconds": by_lattice}, "\n".join(lines)


def _rows(count: int) -> float:
    """Seconds of one fit to rows drawn all over the paper's ranges from a known law, with 1 % noise."""
    rng = np.random.default_rng(count)
    law = next(iter(paper_design_laws().values()))
    x = np.exp(rng.uniform(np.log([*LOWER, 0.25e6]), np.log([*UPPER, 2e6]), (count, 4)))
    error = law.error(x[:, :3], x[:, 3]) * np.exp(0.01 * rng.standard_normal(count))
    return timed(lambda: fit(form("add-interact"), x, error, settings=FitSettings(starts=ROW_STARTS)),
                 1 if count > 5000 else 3)[0]


def _starts(count: int) -> float:
    obs, _ = study_speed.data()
    return timed(lambda: fit(form("add-interact"), obs.x, obs.error[:, 0], settings=FitSettings(starts=count)), 5)[0]


def _growth(what: str, took: dict[int, float]) -> list[str]:
    rows, before = [], None
    for size, value in took.items():
        ratio = "" if before is None else f"{value / before[1]:.2f}×"
        factor = "" if before is None else f"{size / before[0]:.3g}×"
        rows.append([f"{size:,}", seconds(value), factor, ratio])
        before = (size, value)
    return table([what, "time", "size", "time grew"], rows)
