"""Two intervals around a prediction, always named: for the true mean, and for a new measurement.

The true mean is what an endless evaluation of endlessly repeated training would give. A new measurement of n_eval
questions adds question sampling and run-to-run noise to that, and is what the next run will show. Lack of fit that
a test finds real widens both (see `vidscale.validate.noise`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidscale.errors import InputError
from vidscale.forms import Laws
from vidscale.validate.noise import Noise

Floats = NDArray[np.float64]

#: Noise draws per law for the interval of a new measurement.
NOISE_DRAWS = 40


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """Predicted errors with both intervals, shape (rows,) each.

    Attributes:
        error: the predictor's value.
        mean_low, mean_high: interval for the true mean; cut at 1, like the other, since no error is more.
        new_low, new_high: interval for a new measurement of `n_eval` questions; the run's noise alone where
            n_eval is None and the data did not say.
        level: probability either interval is meant to cover with.
        n_eval: questions of the new measurement; None where unknown.
    """

    error: Floats
    mean_low: Floats
    mean_high: Floats
    new_low: Floats
    new_high: Floats
    level: float
    n_eval: float | None


def predict(
    draws: Laws, noise: Noise, x: Floats, error: Floats, *, level: float = 0.9, n_eval: float | None = None,
    seed: int = 0,
) -> Prediction:
    """Intervals at rows of factor values.

    Args:
        draws: laws of one target refitted to redrawn noise (`redraw_noise(...).laws(target)`).
        noise: that target's noise.
        x: factor values, columns as `draws.factors`, shape (rows, factors).
        error: the predictor's errors at those rows, shape (rows,).
        level: probability to cover with.
        n_eval: questions of the new measurement; what is typical of the data by default.
        seed: seed of the new measurement's noise.

    Raises:
        InputError: level outside (0, 1) or n_eval below 1.
    """
    check_level(level)
    if n_eval is not None and not n_eval >= 1:
        raise InputError(f"n_eval is {n_eval!r}; a measurement has at least 1 question")
    n_eval = noise.n_eval if n_eval is None else n_eval
    values = draws.error(x)
    spread = _spread(len(values), seed)
    low, high = _possible(quantiles(_true_means(values, noise, spread) if noise.misfit_variance > 0 else values, level))
    sd = np.sqrt(noise.log_variance(np.clip(values, 1e-12, 1.0), np.nan if n_eval is None else n_eval))
    measured = np.minimum(values * np.exp(sd * spread), 1.0).reshape(-1, values.shape[1])
    new_low, new_high = quantiles(measured, level)
    return Prediction(error=np.asarray(error, dtype=np.float64), mean_low=low, mean_high=high, new_low=new_low,
                      new_high=new_high, level=level, n_eval=n_eval)


def mean_interval(draws: Laws, noise: Noise, x: Floats, *, level: float = 0.9, seed: int = 0) -> tuple[Floats, Floats]:
    """The interval for the true mean alone, the same numbers as `predict` gives; arguments as there."""
    check_level(level)
    values = draws.error(x)
    if noise.misfit_variance > 0:
        values = _true_means(values, noise, _spread(len(values), seed))
    return _possible(quantiles(values, level))


def _possible(ends: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """An interval cut at 1: a law may predict more, but no true mean error is more."""
    low, high = ends
    return np.minimum(low, 1.0), np.minimum(high, 1.0)


def _spread(draws: int, seed: int) -> Floats:
    """Standard normal noise of every draw, shape (NOISE_DRAWS, draws, 1): the same at every row, whose interval then
    does not depend on what else is asked. Intervals are of single rows, so that nothing is lost."""
    return np.random.default_rng([seed, 4]).standard_normal((NOISE_DRAWS, draws, 1))


def _true_means(values: Floats, noise: Noise, spread: Floats) -> Floats:
    """Errors of the draws with a lack of fit each, shape (NOISE_DRAWS × draws, rows)."""
    return (values * np.exp(np.sqrt(noise.misfit_variance) * spread)).reshape(-1, values.shape[1])


def quantiles(values: Floats, level: float) -> tuple[Floats, Floats]:
    """The equal-tailed interval of draws along axis 0 (Weibull plotting positions, unbiased for few draws)."""
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail], axis=0, method="weibull")
    return low, high


def check_level(level: float) -> None:
    """Raise InputError unless 0 < level < 1."""
    if not 0 < level < 1:
        raise InputError(f"level is {level!r}; allowed is a number between 0 and 1, such as 0.9")
