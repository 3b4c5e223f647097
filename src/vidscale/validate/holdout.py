"""Held-out predictions: k-fold in distribution, and extrapolation by a declared split."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidscale.errors import InputError
from vidscale.validate.batch import FullFits, Runs, laws_of, solve_weights
from vidscale.validate.resample import folds

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: Starts of a fit that leaves rows out, and how many of them are polished. None is warm: the full fit has seen the rows
#: to be predicted, and where the others leave a parameter open its value would leak into their predictions.
FRESH, KEEP = 12, 4


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """Predictions of runs by fits that did not see them.

    Attributes:
        kind: "cross-validation" or "extrapolation".
        sentence: what was held out and how.
        error: predicted error, shape (runs, targets); NaN where a run was not held out.
        parts: number of fits per target.
    """

    kind: str
    sentence: str
    error: Floats
    parts: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What is to be held out, decided once so that every form is judged on the same rows.

    Attributes:
        folds: fold of each run, −1 for runs outside cross-validation, shape (runs,); None for no cross-validation.
        train: runs that extrapolation is fitted on, shape (runs,); the others are predicted. None for no split.
        cv_sentence, split_sentence: what each does, for people.
    """

    folds: Ints | None
    train: Bools | None
    cv_sentence: str = ""
    split_sentence: str = ""


def plan_holdout(
    x: Floats, config: Ints, *, count: int = 10, train: Bools | None = None, rule: str = "", seed: int = 0
) -> Plan:
    """Decide folds and split.

    Cross-validation stays in distribution: with a split it uses the training side only, as the paper does (its
    folds are within the star sweep).

    Args:
        x: factor values, shape (runs, factors).
        config: configuration number of each run.
        count: number of folds; 0 for none.
        train: runs that extrapolation is fitted on.
        rule: how `train` was declared, for people.
        seed: seed of the folds.

    Raises:
        InputError: too few configurations for the folds, or a split that leaves a side empty.
    """
    if train is not None and (train.all() or not train.any()):
        raise InputError(f"split {rule!r} puts all {len(x)} runs on one side; it must leave runs to fit and to predict")
    inside = np.ones(len(x), dtype=bool) if train is None else train
    fold, sentence = None, ""
    if count:
        fold = np.full(len(x), -1, dtype=np.int64)
        fold[inside] = folds(x[inside], config[inside], count, seed)
        where = f" on the {inside.sum()} runs with {rule}" if train is not None else f" on all {len(x)} runs"
        sentence = f"{count}-fold, stratified by factor level,{where}"
    split = ""
    if train is not None:
        split = f"fitted on the {train.sum()} runs with {rule}, predicting the other {(~train).sum()}"
    return Plan(folds=fold, train=train, cv_sentence=sentence, split_sentence=split)


def cross_validate(full: FullFits, plan: Plan) -> HeldOut:
    """Predict every run inside the plan's folds by the fit to the other folds.

    Raises:
        InputError: leaving a fold out leaves fewer distinct rows than the form has parameters.
    """
    assert plan.folds is not None
    runs, count = full.runs, int(plan.folds.max()) + 1
    weights = np.array([(plan.folds != k) & (plan.folds >= 0) for k in range(count)], dtype=np.float64)
    fewest = min(np.count_nonzero(np.bincount(runs.config[w > 0])) for w in weights)  # groups of equal rows
    if fewest < runs.layout.free:
        raise InputError(f"form {runs.form.name!r} has {runs.layout.free} free parameters but {count}-fold "
                         f"cross-validation leaves only {fewest} distinct rows to fit")
    predicted = _predict(full, weights)
    error = np.full(runs.error.shape, np.nan)
    for k in range(count):
        out = plan.folds == k
        error[out] = predicted[:, k, :].T[out]
    return HeldOut(kind="cross-validation", sentence=plan.cv_sentence, error=error, parts=count)


def extrapolate(full: FullFits, plan: Plan) -> HeldOut:
    """Predict the runs outside the plan's training side by the fit to that side.

    Raises:
        InputError: the training side has fewer distinct rows than the form has parameters.
    """
    assert plan.train is not None
    runs = full.runs
    for k, factor in enumerate(runs.form.factors):
        if np.ptp(runs.x[plan.train, k]) == 0:
            raise InputError(f"the training side of the split holds {factor} at {runs.x[plan.train, k][0]:g}, so form "
                             f"{runs.form.name!r} cannot learn its effect; choose a split that varies it")
    distinct = np.count_nonzero(np.bincount(runs.config[plan.train]))
    if distinct < runs.layout.free:
        raise InputError(f"form {runs.form.name!r} has {runs.layout.free} free parameters but the training side of the "
                         f"split only {distinct} distinct rows")
    predicted = _predict(full, plan.train[None].astype(np.float64))
    error = np.where(plan.train[:, None], np.nan, predicted[:, 0, :].T)
    return HeldOut(kind="extrapolation", sentence=plan.split_sentence, error=error, parts=1)


def _predict(full: FullFits, weights: Floats) -> Floats:
    """Predictions at all runs by fits to run weights (B, runs); shape (targets, B, runs)."""
    runs = full.runs
    found = solve_weights(runs, weights, fresh=FRESH, keep=KEEP)
    theta = found.theta.reshape(len(runs.targets), len(weights), -1)
    return _at_runs(runs, theta)


def _at_runs(runs: Runs, theta: Floats) -> Floats:
    targets, batch, size = theta.shape
    groups = laws_of(runs, theta.reshape(-1, size)).error(runs.group_x)
    values = groups[:, runs.config] if runs.grouped else groups
    return values.reshape(targets, batch, -1)
