"""Resamples and folds of runs, stratified by factor level.

The star sweep holds most levels of a factor in three runs, so a plain resample loses a whole level in 43 % of
draws and a plain fold can hold one out entirely. Each run therefore belongs to the stratum of its rarest level:
resamples draw within strata, folds deal each stratum out evenly. Replicates (equal factors and data size) share a
fold, and the tasks of a run always stay together because a run is one row.
"""

import numpy as np
from numpy.typing import NDArray

from vidscale.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def strata(x: Floats) -> Ints:
    """The stratum of each run: its level with the fewest runs, over all factors (ties: the first factor).

    Args:
        x: factor values, shape (runs, factors).

    Returns:
        Stratum numbers from 0, shape (runs,).
    """
    runs, factors = x.shape
    rarity, labels = np.empty((factors, runs), dtype=np.int64), np.empty((factors, runs), dtype=np.int64)
    offset = 0
    for k in range(factors):
        values, inverse, counts = np.unique(x[:, k], return_inverse=True, return_counts=True)
        rarity[k], labels[k] = counts[inverse], inverse + offset
        offset += len(values)
    rarest = labels[rarity.argmin(axis=0), np.arange(runs)]
    return np.unique(rarest, return_inverse=True)[1].astype(np.int64)


def run_resamples(x: Floats, draws: int, seed: int) -> Floats:
    """Bootstrap weights: how often each run was drawn, shape (draws, runs).

    Strata of a single run would never vary; they are pooled into one stratum.
    """
    rng = np.random.default_rng([seed, 1])
    label = strata(x)
    counts = np.bincount(label)
    label = np.where(counts[label] == 1, -1, label)
    weights = np.zeros((draws, len(x)))
    for stratum in np.unique(label):
        members = np.flatnonzero(label == stratum)
        drawn = rng.integers(len(members), size=(draws, len(members)))
        weights[:, members] = np.stack([np.bincount(row, minlength=len(members)) for row in drawn])
    return weights


def folds(x: Floats, config: Ints, count: int, seed: int) -> Ints:
    """The fold of each run, shape (runs,): configurations dealt out stratum by stratum.

    Args:
        x: factor values, shape (runs, factors).
        config: configuration number of each run; equal ones share a fold.
        count: number of folds.
        seed: seed of the deal.

    Raises:
        InputError: fewer than two folds, or fewer configurations than folds.
    """
    if count < 2:
        raise InputError(f"{count} folds; cross-validation takes at least 2")
    names, first = np.unique(config, return_index=True)
    if len(names) < count:
        raise InputError(f"{count} folds but only {len(names)} distinct configurations; use at most {len(names)} folds")
    rng = np.random.default_rng([seed, 2])
    label = strata(x[first])
    order = np.lexsort((rng.random(len(names)), label))
    of_config = np.empty(len(names), dtype=np.int64)
    of_config[order] = np.arange(len(names)) % count
    return of_config[np.searchsorted(names, config)]
