"""How noisy the measurements are: what the questions asked explain, what runs add, and what the form gets wrong.

    Var(log error of a run) = (1 − f) / (f · n_eval) + τ²

The first part is binomial sampling of n_eval questions; τ² is the rest, estimated from residuals with their degrees
of freedom: repeating a run with another seed, and lack of fit. Replicates tell the two apart. Without them a τ² that
a χ² test finds real is taken for lack of fit, the cautious reading: it then widens the interval of the true mean too.
Where n_eval is unknown everything is τ² and nothing can be tested.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from vidscale.fit import Fit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: A lack of fit is believed when chance gives such residuals less often than this.
SIGNIFICANT = 0.05
#: Degrees of freedom replicates must have before their scatter is used.
ENOUGH_REPLICATES = 4


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Noise of one target.

    Attributes:
        run_variance: τ², variance of log error beyond question sampling, whatever its cause.
        counted: whether n_eval was known, so that τ² excludes question sampling.
        freedom: degrees of freedom behind the estimate.
        n_eval: questions typical of the data (the median), None where unknown.
        misfit_variance: the part of τ² held to be lack of fit; 0 where the test finds none or cannot be made.
        fit_p: probability of residuals as large as these if the form were right; None where it cannot be tested.
    """

    run_variance: float
    counted: bool
    freedom: float
    n_eval: float | None = None
    misfit_variance: float = 0.0
    fit_p: float | None = None

    def log_variance(self, error: Floats, n_eval: Floats | float) -> Floats:
        """Variance of the log error of runs with true error `error` and n_eval questions each (NaN: unknown)."""
        count = np.broadcast_to(np.asarray(n_eval, dtype=np.float64), np.shape(error))
        known = np.isfinite(count) & self.counted
        sampling = np.where(known, (1 - np.clip(error, 0, 1)) / (error * np.where(known, count, 1.0)), 0.0)
        return sampling + self.run_variance

    def sentence(self) -> str | None:
        """What the test of fit found, for people; None where it found nothing or could not be made."""
        if self.misfit_variance == 0:
            return None
        # A p-value far in the tail underflows to 0, which no test can show.
        p = "p < 1e-6" if self.fit_p is not None and self.fit_p < 1e-6 else f"p = {self.fit_p:.1g}"
        return (f"residuals are larger than question sampling explains ({p}): runs vary by about "
                f"{100 * np.sqrt(self.run_variance):.2g} % of the error on top, or the form misses something; "
                "the intervals include it")


def estimate_noise(fit: Fit, x: Floats, error: Floats, n_eval: Floats, config: Ints | None = None) -> Noise:
    """Estimate the noise from a fit's residuals.

    Args:
        fit: the fit to these rows.
        x: factor values, shape (rows, factors).
        error: measured errors, shape (rows,).
        n_eval: questions behind each, NaN where unknown, shape (rows,).
        config: replicate group of each row, shape (rows,); None for no replicates.
    """
    fitted = fit.predict(x)
    residual = np.log(error) - np.log(fitted)
    freedom = max(len(error) - live_parameters(fit), 1)
    inflate = len(error) / freedom
    if not np.all(np.isfinite(n_eval)):
        return Noise(run_variance=float(inflate * np.mean(residual**2)), counted=False, freedom=freedom)
    sampling = _sampling(fitted, n_eval)
    extra = float(max(inflate * np.mean(residual**2) - sampling.mean(), 0.0))
    repeated = _replicate_variance(residual, sampling, config)
    p = float(stats.chi2.sf(np.sum(residual**2 / (sampling + repeated)), freedom))
    misfit = max(extra - repeated, 0.0) if p < SIGNIFICANT else 0.0
    return Noise(run_variance=max(extra, repeated), counted=True, freedom=freedom, n_eval=float(np.median(n_eval)),
                 misfit_variance=misfit, fit_p=p)


def _sampling(error: Floats, n_eval: Floats) -> Floats:
    """Variance of a log error from having asked n_eval questions.

    A law may predict an error of 1 and above; that leaves half a question right, as a count of 0 is read elsewhere.
    """
    right = np.maximum(1 - error, 0.5 / (n_eval + 1))
    return right / (error * n_eval)


def _replicate_variance(residual: Floats, sampling: Floats, config: Ints | None) -> float:
    """Run-to-run variance beyond question sampling by the scatter of replicates; 0 without enough."""
    if config is None:
        return 0.0
    _, group, count = np.unique(config, return_inverse=True, return_counts=True)
    freedom = int((count - 1).sum())
    if freedom < ENOUGH_REPLICATES:
        return 0.0
    mean = np.bincount(group, weights=residual) / count
    within = float(np.sum((residual - mean[group]) ** 2) / freedom)
    shared = count[group] > 1
    return max(within - float(sampling[shared].mean()), 0.0)


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
