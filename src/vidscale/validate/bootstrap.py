"""Two bootstraps, for two purposes.

`resample_runs` redraws runs, tasks of a run together, stratified by factor level, as the paper does; the median of
its predictions is the bagged predictor. Its spread is not used for intervals: strata of three runs cannot vary
enough, and measured coverage of nominal 90 % intervals was 84 % on known laws.

`redraw_noise` draws new errors at every run around the fitted law with the estimated noise and refits: its spread
carries question sampling and run-to-run noise at the design that was actually run, and covered 89–90 %.
Both numbers are recorded in LOG.md; `tests/known_truth` measures them again.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidscale.errors import InputError
from vidscale.forms import Laws
from vidscale.validate.batch import FullFits, Runs, laws_of, solve_weights
from vidscale.validate.noise import Noise, estimate_noise
from vidscale.validate.resample import run_resamples

Floats = NDArray[np.float64]

#: Starts of each draw that are polished to the end.
KEEP = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class BootstrapFits:
    """Fits to many draws of the data.

    Attributes:
        kind: "runs" (resampled runs) or "noise" (redrawn errors).
        runs: the arrays.
        theta: centred parameters, shape (targets, draws, P).
        objective: objective of each draw, shape (targets, draws).
        converged: share of draws that converged, by target, shape (targets,).
        noise: noise of each target; for kind "noise" the one errors were drawn with.
    """

    kind: str
    runs: Runs
    theta: Floats
    objective: Floats
    converged: Floats
    noise: tuple[Noise, ...]

    def laws(self, target: str) -> Laws:
        """The draws' laws for one target."""
        if target not in self.runs.targets:
            raise InputError(f"unknown target {target!r}; fitted are {', '.join(self.runs.targets)}")
        return laws_of(self.runs, self.theta[self.runs.targets.index(target)])


def noise_of(full: FullFits) -> tuple[Noise, ...]:
    """The noise of each target, from the full fits' residuals."""
    runs = full.runs
    found = []
    for t, fit in enumerate(full.fits):
        present = runs.measured[:, t]
        found.append(estimate_noise(fit, runs.x[present], runs.error[present, t], runs.n_eval[present, t],
                                    runs.config[present]))
    return tuple(found)


def resample_runs(full: FullFits, draws: int = 100, seed: int = 0) -> BootstrapFits:
    """Refit to resampled runs (100 in the paper), warm-started at the full fit's optima.

    Args:
        full: the full fits.
        draws: number of resamples.
        seed: seed of the resamples; targets and forms share them.
    """
    _check_draws(draws)
    runs = full.runs
    weights = run_resamples(runs.x, draws, seed)
    found = solve_weights(runs, weights, warm=full.optima, fresh=runs.settings.resample_starts, keep=KEEP)
    return _collect("runs", full, found, draws)


def redraw_noise(full: FullFits, draws: int = 100, seed: int = 0) -> BootstrapFits:
    """Refit to errors drawn around the fitted law with the estimated noise.

    Args:
        full: the full fits.
        draws: number of draws.
        seed: seed of the noise.
    """
    _check_draws(draws)
    runs = full.runs
    noise = noise_of(full)
    rows = len(runs.group_x)
    y = np.empty((len(runs.targets), draws, rows))
    for t, fit in enumerate(full.fits):
        rng = np.random.default_rng([seed, 3, t])
        fitted = fit.predict(runs.group_x)
        y[t] = np.log(fitted) + np.sqrt(_row_variance(runs, t, noise[t], fitted)) * rng.standard_normal((draws, rows))
        # An error cannot exceed 1.
        y[t] = np.minimum(y[t], np.maximum(np.log(fitted), 0.0))
    weights = np.ones((draws, len(runs.x)))
    found = solve_weights(runs, weights, warm=full.optima, fresh=runs.settings.resample_starts, keep=KEEP, log_error=y)
    return _collect("noise", full, found, draws)


def _row_variance(runs: Runs, target: int, noise: Noise, fitted: Floats) -> Floats:
    """Variance of the mean log error of each fitted row (a run, or a group of replicates), shape (rows,)."""
    if not runs.grouped:
        return noise.log_variance(fitted, runs.n_eval[:, target])
    present = runs.measured[:, target]
    single = noise.log_variance(fitted[runs.config], runs.n_eval[:, target])
    groups = len(runs.group_x)
    count = np.bincount(runs.config[present], minlength=groups)
    total = np.bincount(runs.config[present], weights=single[present], minlength=groups)
    return total / np.maximum(count, 1) ** 2


def _collect(kind: str, full: FullFits, found, draws: int) -> BootstrapFits:
    targets = len(full.runs.targets)
    return BootstrapFits(kind=kind, runs=full.runs, theta=found.theta.reshape(targets, draws, -1),
                         objective=found.objective.reshape(targets, draws),
                         converged=found.converged.reshape(targets, draws).mean(axis=1), noise=noise_of(full))


def _check_draws(draws: int) -> None:
    if draws < 2:
        raise InputError(f"{draws} draws; a bootstrap takes at least 2 (the paper uses 100)")
