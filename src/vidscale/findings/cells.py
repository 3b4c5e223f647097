"""Measured errors by configuration, with how sure each is: what statements from raw rows rest on.

A cell is a configuration at one data size; repeated seeds are averaged in it. The variance of one run's error is

    e (1 − e) / n_eval + s²

the first part question sampling, s² what trainings differ by beyond it, pooled over the cells with repeats. Runs that
are evaluated on the same questions share the first part, so that differences between them are surer than said here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from vidscale.findings.verdict import LEVEL, Estimate
from vidscale.measurements import Observations
from vidscale.measurements.schema import SWEEP
from vidscale.space import FACTORS_AND_DATA

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

REPEATS, RESIDUALS, QUESTIONS = "repeated seeds", "residuals of the fit", "question sampling alone"


@dataclass(frozen=True, kw_only=True)
class SeedNoise:
    """How much the error of a run differs from training to training.

    Attributes:
        total: standard deviation of one run's error within a cell, question sampling included, a fraction.
        extra: of it beyond question sampling; 0 where the runs scatter less than that.
        freedom: degrees of freedom behind it; 0 without repeats.
        source: REPEATS, RESIDUALS or QUESTIONS.
        worst: the largest standard deviation within one cell with repeats: a task that switches on in a step differs
            most there, and the pooled value is too small; `total` without repeats.
    """

    total: float
    extra: float
    freedom: int
    source: str
    worst: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """Mean errors of one target by configuration and data size.

    Attributes:
        target: which.
        x: (lm_params, frames, tokens_per_frame, data_size); 1 for a factor that the table lacks; shape (cells, 4).
        error: mean error, shape (cells,).
        variance: of that mean, shape (cells,).
        runs: runs in it, shape (cells,).
        star, isoflop: whether a run of it belongs to such a sweep by its label; shape (cells,).
        noise: between trainings.
        chance: accuracy of guessing; None where unknown.
    """

    target: str
    x: Floats
    error: Floats
    variance: Floats
    runs: Ints
    star: Flags
    isoflop: Flags
    noise: SeedNoise
    chance: float | None

    def __len__(self) -> int:
        return len(self.error)

    def contrast(self, weights: Floats, level: float = LEVEL) -> Estimate:
        """Σ weights · error with its interval; Student's t where the noise comes from repeats."""
        used = weights != 0
        value = float(weights[used] @ self.error[used])
        sd = float(np.sqrt(weights[used] ** 2 @ self.variance[used]))
        half = self.quantile(level) * sd
        return Estimate(value=value, low=value - half, high=value + half, level=level)

    def quantile(self, level: float) -> float:
        """Half-width of an interval in standard deviations."""
        tail = (1 + level) / 2
        return float(stats.t.ppf(tail, self.noise.freedom) if self.noise.freedom else stats.norm.ppf(tail))


def cells_of(obs: Observations, target: str, *, relative_variance: float | None = None) -> Cells:
    """Gather a target's runs into cells.

    Args:
        obs: the runs.
        target: which.
        relative_variance: variance of the log error between runs, for tables without repeated seeds (`Noise`).
    """
    column = obs.target(target)
    seen = np.isfinite(obs.error[:, column])
    error, n_eval, config = obs.error[seen, column], obs.n_eval[seen, column], obs.config[seen]
    cell = np.unique(config, return_inverse=True)[1]
    count = np.bincount(cell)
    mean = np.bincount(cell, weights=error) / count
    sampling = np.where(np.isfinite(n_eval), error * (1 - error) / np.where(np.isfinite(n_eval), n_eval, 1.0), 0.0)
    noise = _noise(error, cell, mean, count, sampling, relative_variance)
    single = np.bincount(cell, weights=sampling) / count + _extra(noise, mean, relative_variance)
    values = obs.columns[list(FACTORS_AND_DATA)].to_numpy(dtype=np.float64)[seen]
    first = np.unique(cell, return_index=True)[1]
    return Cells(target=target, x=np.where(np.isfinite(values), values, 1.0)[first], error=mean,
                 variance=single / count, runs=count.astype(np.int64), star=_labelled(obs, seen, cell, "star"),
                 isoflop=_labelled(obs, seen, cell, "isoflop"), noise=noise, chance=obs.chance.get(target))


def _noise(error: Floats, cell: Ints, mean: Floats, count: Ints, sampling: Floats,
           relative_variance: float | None) -> SeedNoise:
    freedom = int((count - 1).sum())
    if freedom:
        total = float(np.sum((error - mean[cell]) ** 2) / freedom)
        repeated = (count > 1)[cell]
        extra = max(total - float(sampling[repeated].mean()), 0.0)
        within = np.bincount(cell, weights=(error - mean[cell]) ** 2)[count > 1] / (count[count > 1] - 1)
        return SeedNoise(total=float(np.sqrt(total)), extra=float(np.sqrt(extra)), freedom=freedom, source=REPEATS,
                         worst=float(np.sqrt(within.max())))
    typical = float(np.median(mean))
    extra = (relative_variance or 0.0) * typical**2
    total = float(np.sqrt(np.median(sampling) + extra))
    return SeedNoise(total=total, extra=float(np.sqrt(extra)), freedom=0, worst=total,
                     source=QUESTIONS if relative_variance is None else RESIDUALS)


def _extra(noise: SeedNoise, mean: Floats, relative_variance: float | None) -> Floats | float:
    """Variance between trainings beyond question sampling, of each cell."""
    return noise.extra**2 if noise.source == REPEATS else (relative_variance or 0.0) * mean**2


def _labelled(obs: Observations, seen: Flags, cell: Ints, label: str) -> Flags:
    found = np.zeros(int(cell.max()) + 1, dtype=bool)
    if SWEEP in obs.columns:
        labels = obs.columns[SWEEP].to_numpy()[seen]
        has = np.array([isinstance(each, str) and each.lower().startswith(label) for each in labels])
        found[cell[has]] = True
    return found


# --- tasks that say little --------------------------------------------------------------------------------

#: A run is above chance where its accuracy is by this many standard deviations: one in 740 by luck.
ABOVE = 3.0
#: A run has solved a task where its error is below this.
SOLVED_ERROR = 0.01


@dataclass(frozen=True, kw_only=True)
class TaskState:
    """How much of a task's range the runs cover.

    Attributes:
        task: which.
        chance: accuracy of guessing; None where unknown.
        best, worst: least and largest mean error of a cell.
        above: share of cells whose accuracy is above chance by ABOVE standard deviations; None where chance is unknown.
        solved: share of cells with an error below SOLVED_ERROR.
        noise: between trainings.
    """

    task: str
    chance: float | None
    best: float
    worst: float
    above: float | None
    solved: float
    noise: SeedNoise

    @property
    def at_chance(self) -> bool:
        """It never leaves chance: fewer than one cell in twenty is above it."""
        return self.above is not None and self.above < 0.05

    @property
    def is_solved(self) -> bool:
        """More than half of the cells have solved it."""
        return self.solved > 0.5

    @property
    def informative(self) -> bool:
        """Whether statements about the task mean anything."""
        return not (self.at_chance or self.is_solved)

    @property
    def remark(self) -> str:
        """What must be known before its numbers are read; "" for nothing."""
        if self.at_chance:
            return "never leaves chance"
        if self.is_solved:
            return "solved by most runs"
        if self.above is not None and self.above < 0.5:
            return f"above chance in {self.above:.0%} of configurations only"
        return f"solved by {self.solved:.0%} of configurations" if self.solved > 0.1 else ""


def task_state(cells: Cells) -> TaskState:
    """How much of a task's range the runs cover."""
    above = None
    if cells.chance is not None:
        # The scatter of a guesser, not of the run: near chance that is what could have happened by luck.
        margin = ABOVE * np.sqrt(cells.variance)
        above = float(np.mean(1 - cells.error - cells.chance > margin))
    return TaskState(task=cells.target, chance=cells.chance, best=float(cells.error.min()),
                     worst=float(cells.error.max()), above=above, solved=float(np.mean(cells.error < SOLVED_ERROR)),
                     noise=cells.noise)
