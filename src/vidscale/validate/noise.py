"""How noisy the measurements are: what the questions asked explain, and what runs add on top.

    Var(log error of a run) = (1 − f) / (f · n_eval) + τ²

The first part is binomial sampling of n_eval questions; τ² is what repeating the run would move (training seed,
data order) and whatever the form gets wrong, estimated from residuals with their degrees of freedom. Where n_eval is
unknown everything is τ².
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidscale.fit import Fit

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Noise of one target.

    Attributes:
        run_variance: τ², variance of log error beyond question sampling.
        counted: whether n_eval was known, so that τ² excludes question sampling.
        freedom: degrees of freedom behind the estimate.
        n_eval: questions typical of the data (the median), None where unknown.
    """

    run_variance: float
    counted: bool
    freedom: float
    n_eval: float | None = None

    def log_variance(self, error: Floats, n_eval: Floats | float) -> Floats:
        """Variance of the log error of runs with true error `error` and n_eval questions each (NaN: unknown)."""
        count = np.broadcast_to(np.asarray(n_eval, dtype=np.float64), np.shape(error))
        known = np.isfinite(count) & self.counted
        sampling = np.where(known, (1 - np.clip(error, 0, 1)) / (error * np.where(known, count, 1.0)), 0.0)
        return sampling + self.run_variance


def estimate_noise(fit: Fit, x: Floats, error: Floats, n_eval: Floats) -> Noise:
    """Estimate the noise from a fit's residuals.

    Args:
        fit: the fit to these rows.
        x: factor values, shape (rows, factors).
        error: measured errors, shape (rows,).
        n_eval: questions behind each, NaN where unknown, shape (rows,).
    """
    fitted = fit.predict(x)
    r2 = (np.log(error) - np.log(fitted)) ** 2
    freedom = max(len(error) - live_parameters(fit), 1)
    inflate = len(error) / freedom
    counted = bool(np.all(np.isfinite(n_eval)))
    if not counted:
        return Noise(run_variance=float(inflate * r2.mean()), counted=False, freedom=freedom)
    sampling = (1 - np.clip(fitted, 0, 1)) / (fitted * n_eval)
    return Noise(run_variance=float(max(inflate * r2.mean() - sampling.mean(), 0.0)), counted=True, freedom=freedom,
                 n_eval=float(np.median(n_eval)))


def live_parameters(fit: Fit) -> int:
    """Parameters the data determine: free ones less those of gone terms and those at bounds."""
    gone = set(fit.certificate.gone)
    count = sum(1 for c in fit.form.coefficients if c not in gone and c not in fit.layout.pins)
    bound = {sentence.split(" ", 1)[0] for sentence in fit.certificate.at_bound}
    for name in fit.form.exponent_names:
        alive = any(t.coefficient not in gone for t in fit.form.terms
                    if any(e.parameter == name for e in t.exponents.values()))
        count += alive and name not in fit.layout.pins and name not in bound
    return count
