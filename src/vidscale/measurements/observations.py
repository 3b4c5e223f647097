"""What fitting sees: one row per run, one column per target.

A run is one training run: same factors, data size, sweep, seed and run_id. Its tasks are columns and stay
together, because resampling tasks of one run as if they were independent would make every interval too narrow.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vidscale.errors import InputError
from vidscale.measurements.schema import ERROR, N_EVAL, RUN_ID, RUN_KEY, SEED, SWEEP, TASK
from vidscale.measurements.table import MeasurementTable, key_codes
from vidscale.space import FACTORS_AND_DATA, SUFFIXES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Targets made of several tasks.
AVERAGE, WEIGHTED = "average", "weighted"


@dataclass(frozen=True, kw_only=True, eq=False)
class Observations:
    """Runs as arrays, sorted by factors, data size, sweep, seed and run_id.

    Attributes:
        factors: the factors that vary, data_size among them, in the package's order.
        x: their values, shape (runs, factors).
        fixed: the factors that do not vary: the value, or None where the table has none.
        targets: what can be fitted; "average" or "weighted" first where there are several tasks.
        error: shape (runs, targets); NaN where a run lacks a task.
        n_eval: questions behind each error, shape (runs, targets); NaN where unknown. Of an average it is the
            binomial count with the same sampling variance.
        config: shape (runs,); runs with equal factors and data size share a number, counted from 0. They are
            replicates and belong in one fold.
        run_ids: one distinct name per run.
        columns: run-level columns for split rules: the four factors, and sweep, seed, run_id where known.
        chance: accuracy of guessing, by target, where known.
    """

    factors: tuple[str, ...]
    x: Floats
    fixed: Mapping[str, float | None]
    targets: tuple[str, ...]
    error: Floats
    n_eval: Floats
    config: Ints
    run_ids: tuple[str, ...]
    columns: pd.DataFrame
    chance: Mapping[str, float]

    def __len__(self) -> int:
        return len(self.x)

    def target(self, name: str) -> int:
        """Column of a target in `error` and `n_eval`.

        Raises:
            InputError: there is no such target.
        """
        if name not in self.targets:
            raise InputError(f"there is no target {name!r}; the targets are {', '.join(self.targets)}")
        return self.targets.index(name)


def observations(
    table: MeasurementTable, *, average: bool = True, weights: Mapping[str, float] | None = None
) -> Observations:
    """Turn a table of run × task rows into runs.

    Args:
        table: checked measurements.
        average: with more than one task, put the mean error over all tasks first, as target "average".
        weights: task → weight, at least 0; puts the weighted mean first instead, as target "weighted". Weights are
            divided by their sum; a task without one has weight 0. Goes before `average`.

    Returns:
        The runs. A mean is known only for runs that have every task it is made of; where no run has, there is no
        "average".

    Raises:
        InputError: a weight names an unknown task, is negative or not finite; all are 0; no run has all the weighted
            tasks; or a task already has the mean's name.

    Example:
        >>> from vidscale.measurements import read_measurements
        >>> observations(read_measurements("li2024")).x.shape
        (28, 2)
    """
    rows, tasks = table.rows, table.tasks
    codes = key_codes(rows, RUN_KEY)
    starts = np.r_[True, (codes[1:] != codes[:-1]).any(axis=1)]
    run = np.cumsum(starts) - 1
    error = _by_task(rows, run, tasks, ERROR)
    n_eval = _by_task(rows, run, tasks, N_EVAL)
    targets, chance = tasks, {task: table.chance[task] for task in tasks if task in table.chance}
    name, share = _mean_wanted(tasks, average, weights)
    used = share > 0
    mean = error[:, used] @ share[used]
    if name and np.isnan(mean).all():
        name = _no_complete_run(tasks, used, weights)
    if name:
        targets = (name, *tasks)
        effective = effective_count(error[:, used], n_eval[:, used], share[used])
        error, n_eval = np.column_stack([mean, error]), np.column_stack([effective, n_eval])
        if all(task in chance for task, taken in zip(tasks, used) if taken):
            guess = sum(float(w) * chance[task] for task, w in zip(tasks, share) if w > 0)
            chance = {name: guess, **chance}
    columns = rows.loc[starts, [n for n in (*FACTORS_AND_DATA, SWEEP, SEED, RUN_ID) if n in rows]]
    columns = columns.reset_index(drop=True)
    return Observations(
        factors=table.varying,
        x=columns[list(table.varying)].to_numpy(dtype=np.float64),
        fixed=dict(table.constant),
        targets=targets,
        error=error,
        n_eval=n_eval,
        config=_configurations(columns),
        run_ids=_run_ids(columns),
        columns=columns,
        chance=chance,
    )


def effective_count(error: Floats, n_eval: Floats, share: Floats) -> Floats:
    """The n for which p(1-p)/n is the sampling variance of a weighted mean of task errors.

        n_eff = p(1-p) / Σ_k w_k² p_k(1-p_k) / n_k,   p = Σ_k w_k p_k

    Tasks are taken as independent samples, which shared videos would break; then the true count is smaller.

    Args:
        error: p_k, shape (runs, tasks).
        n_eval: n_k, shape (runs, tasks); NaN where unknown.
        share: w_k, summing to 1, shape (tasks,).

    Returns:
        Shape (runs,); NaN where any p_k or n_k is unknown, or where no error could vary (all exactly 1).
    """
    p = error @ share
    variance = ((share**2) * error * (1 - error) / n_eval).sum(axis=1)
    return np.divide(p * (1 - p), variance, out=np.full(len(p), np.nan), where=variance > 0)


def _by_task(rows: pd.DataFrame, run: Ints, tasks: tuple[str, ...], name: str) -> Floats:
    """One column of the table spread to shape (runs, tasks), NaN where a run lacks a task."""
    spread = np.full((int(run[-1]) + 1, len(tasks)), np.nan)
    spread[run, pd.Index(tasks).get_indexer(pd.Index(rows[TASK]))] = rows[name].to_numpy(dtype=np.float64)
    return spread


def _mean_wanted(
    tasks: tuple[str, ...], average: bool, weights: Mapping[str, float] | None
) -> tuple[str, Floats]:
    """The mean's name ("" for none) and each task's share, shape (tasks,)."""
    share = np.full(len(tasks), 1.0 / len(tasks))
    if weights is not None:
        share = _shares(tasks, weights)
    if len(tasks) < 2 or (weights is None and not average):
        return "", share
    name = AVERAGE if weights is None else WEIGHTED
    if name in tasks:
        step = "rename the task, or pass average=False" if weights is None else "rename the task"
        raise InputError(f"a task is called {name!r}, which is also the name of the mean over tasks; {step}")
    return name, share


def _no_complete_run(tasks: tuple[str, ...], used: NDArray[np.bool_], weights: Mapping[str, float] | None) -> str:
    """No mean exists: an error where it was asked for, else there is none (and its name is "")."""
    if weights is not None:
        wanted = ", ".join(task for task, taken in zip(tasks, used) if taken)
        raise InputError(f"no run has all the weighted tasks ({wanted}), so there is no weighted mean; "
                         "give seed or run_id the same value in rows of one run, or leave out the weights")
    return ""


def _shares(tasks: tuple[str, ...], weights: Mapping[str, float]) -> Floats:
    for task, weight in weights.items():
        if task not in tasks:
            raise InputError(f"a weight is given for {task!r}; the tasks are {', '.join(tasks)}")
        if not 0 <= weight < float("inf"):
            raise InputError(f"the weight of task {task!r} is {weight!r}; allowed is 0 or a positive finite number")
    share = np.array([float(weights.get(task, 0.0)) for task in tasks])
    if share.sum() <= 0:
        raise InputError("every task weight is 0; give at least one task a positive weight")
    return share / share.sum()


def _configurations(columns: pd.DataFrame) -> Ints:
    """Rows are sorted by factors and data size first, so equal ones are neighbours."""
    codes = key_codes(columns, FACTORS_AND_DATA)
    return np.cumsum(np.r_[0, (codes[1:] != codes[:-1]).any(axis=1)]).astype(np.int64)


def _run_ids(columns: pd.DataFrame) -> tuple[str, ...]:
    """The table's own run ids where they are distinct; else names made of what tells the runs apart."""
    if RUN_ID in columns and columns[RUN_ID].is_unique:
        return tuple(columns[RUN_ID])
    parts = [columns[name].tolist() for name in (RUN_ID, SWEEP) if name in columns]
    for factor in FACTORS_AND_DATA:
        if factor in columns and not np.isnan(columns[factor].to_numpy(dtype=np.float64)).all():
            letter = "n" if SUFFIXES[factor] == "D" else SUFFIXES[factor]
            parts.append([f"{letter}{value:.15g}" for value in columns[factor].tolist()])
    if SEED in columns:
        parts.append([f"s{seed}" for seed in columns[SEED].tolist()])
    return tuple("-".join(filter(None, row)) for row in zip(*parts))
