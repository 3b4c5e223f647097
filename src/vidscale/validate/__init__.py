"""How far to trust a fitted law: held-out scores, bootstraps, intervals."""

from vidscale.validate.batch import FullFits, Runs, fit_runs, laws_of, runs_of, solve_weights
from vidscale.validate.bootstrap import BootstrapFits, noise_of, redraw_noise, resample_runs
from vidscale.validate.compare import MEAN_OF_TASKS, Comparison, Score, compare
from vidscale.validate.holdout import HeldOut, Plan, cross_validate, extrapolate, plan_holdout
from vidscale.validate.intervals import Prediction, check_level, mean_interval, predict, quantiles
from vidscale.validate.noise import Noise, estimate_noise
from vidscale.validate.resample import folds, run_resamples, strata

__all__ = ["MEAN_OF_TASKS", "BootstrapFits", "Comparison", "FullFits", "HeldOut", "Noise", "Plan", "Prediction",
           "Runs", "Score", "check_level", "compare", "cross_validate", "estimate_noise", "extrapolate", "fit_runs",
           "folds", "laws_of", "mean_interval", "noise_of", "plan_holdout", "predict", "quantiles", "redraw_noise",
           "resample_runs", "run_resamples", "runs_of", "solve_weights", "strata"]
