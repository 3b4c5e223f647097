"""The reference solver: SciPy's L-BFGS-B from many random starts, as the paper did it.

It shares nothing with the engine but the form: coefficients are logged, the gradient is written again in NumPy
through the softmax of terms, and every start is a call of SciPy. It exists to check the engine, and to be the
yardstick of the benchmarks.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from vidscale.forms import Posynomial

Floats = NDArray[np.float64]

#: Objectives of good fits are near 1e-4, where L-BFGS-B's absolute tolerances stop early; scaled they are near 1.
OBJECTIVE_SCALE = 1e4


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceFit:
    """What SciPy found: best parameters in natural units, their objective, and every start's objective."""

    parameters: dict[str, float]
    objective: float
    start_objectives: Floats
    evaluations: int


def reference_fit(
    form: Posynomial,
    x: Floats,
    error: Floats,
    *,
    weights: Floats | None = None,
    loss: str = "log-mse",
    delta: float = 1e-3,
    starts: int = 500,
    seed: int = 0,
    tight: bool = True,
) -> ReferenceFit:
    """Fit with SciPy L-BFGS-B, analytic gradient, centred log variables.

    Args:
        form, x, error, weights, loss, delta: as for `vidscale.fit.fit`.
        starts: random starts; the best result is kept.
        seed: seed of the starts.
        tight: tolerances at rounding level and up to 15,000 iterations; False leaves SciPy's defaults.
    """
    log_x = np.log(np.asarray(x, dtype=np.float64))
    center = log_x.mean(axis=0)
    L, y = log_x - center, np.log(np.asarray(error, dtype=np.float64))
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    L, y, w = L[w > 0], y[w > 0], w[w > 0] / w.sum()
    phi, offset = _design(form, L)
    terms = len(form.terms)
    bounds = [(float(y.min() + np.log(1e-9)), float(y.max() + np.log(1e4)))] * terms
    bounds += [form.exponent_bounds(name) for name in form.exponent_names]

    def objective(theta: Floats) -> tuple[float, Floats]:
        z = offset + phi @ theta
        top = z.max(axis=1)
        powers = np.exp(z - top[:, None])
        total = powers.sum(axis=1)
        r = top + np.log(total) - y
        if loss == "log-mse":
            value, slope = w @ r**2, 2 * r
        else:
            small = np.abs(r) <= delta
            value = w @ np.where(small, 0.5 * r**2, delta * (np.abs(r) - 0.5 * delta))
            slope = np.clip(r, -delta, delta)
        rows = ((w * slope) / total)[:, None] * powers
        return OBJECTIVE_SCALE * value, OBJECTIVE_SCALE * np.einsum("ij,ijp->p", rows, phi)

    rng = np.random.default_rng(seed)
    options = {"maxiter": 15000, "maxfun": 30000, "ftol": 1e-15, "gtol": 1e-11, "maxcor": 20} if tight else {}
    best, best_theta, values, evaluations = np.inf, np.zeros(len(bounds)), np.empty(starts), 0
    for s in range(starts):
        start = np.concatenate([y.mean() + rng.uniform(-4, 0, terms),
                                [rng.uniform(max(low, -1.2), min(high, 1.6)) for low, high in bounds[terms:]]])
        result = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        values[s] = result.fun / OBJECTIVE_SCALE
        evaluations += result.nfev
        if values[s] < best:
            best, best_theta = values[s], result.x
    natural = _natural(form, best_theta, center)
    return ReferenceFit(parameters=natural, objective=float(best), start_objectives=np.sort(values),
                        evaluations=evaluations)


def _design(form: Posynomial, L: Floats) -> tuple[Floats, Floats]:
    """φ (rows, terms, parameters) and the part of z that no parameter moves (rows, terms)."""
    phi = np.zeros((len(L), len(form.terms), len(form.parameters)))
    offset = np.zeros((len(L), len(form.terms)))
    for j, term in enumerate(form.terms):
        phi[:, j, j] = 1.0
        for factor, exponent in term.exponents.items():
            column = exponent.scale * L[:, form.factors.index(factor)]
            if exponent.parameter is None:
                offset[:, j] += column
            else:
                phi[:, j, form.parameters.index(exponent.parameter)] += column
    return phi, offset


def _natural(form: Posynomial, theta: Floats, center: Floats) -> dict[str, float]:
    values = dict(zip(form.parameters, theta.tolist(), strict=True))
    shift = form.exponent_matrix(values) @ center
    for j, name in enumerate(form.coefficients):
        values[name] = float(np.exp(values[name] - shift[j]))
    return values
