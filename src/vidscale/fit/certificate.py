"""What a fit says about itself: agreement of starts, flatness, bounds, terms that are gone, weak parameters."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidscale.fit.problem import GONE, Layout, bounds
from vidscale.fit.solve import FitSettings

Floats = NDArray[np.float64]

#: Standard errors beyond which a parameter counts as weakly identified: of a log coefficient (a factor of 10) and
#: of an exponent.
WEAK_LOG_COEFFICIENT = 2.3
WEAK_EXPONENT = 0.5


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """How far a fit can be trusted.

    Attributes:
        share_at_best: share of starts that ended within 1e-6 (relative) of the best objective.
        gradient: largest projected derivative per unit of log coefficient or exponent, over the objective.
        condition: condition number of the Jacobian of live parameters, columns scaled to one length.
        gone: coefficients whose term contributes less than 1e-6 of the smallest fitted error anywhere.
        at_bound: one sentence per exponent or bounded coefficient that sits at a bound.
        weak: parameters the data hardly identify: exponents of gone terms, and linearised standard errors above
            a factor of 10 (coefficients, as contributions at a typical row) or 0.5 (exponents).
        standard_errors: linearised standard errors of log coefficients (in natural units, at x = 1) and exponents, by
            name; inf where undefined.
    """

    share_at_best: float
    gradient: float
    condition: float
    gone: tuple[str, ...]
    at_bound: tuple[str, ...]
    weak: tuple[str, ...]
    standard_errors: dict[str, float]

    def sentences(self) -> list[str]:
        """The certificate for people, one sentence an entry."""
        said = [f"{self.share_at_best:.0%} of starts reached the best optimum (within 1e-6)",
                f"relative gradient {self.gradient:.1e}, condition number {self.condition:.1e}"]
        if self.gone:
            said.append(f"at their bound 0, so their terms are gone: {', '.join(self.gone)}")
        said.extend(self.at_bound)
        if self.weak:
            said.append(f"hardly identified by the data: {', '.join(self.weak)}")
        return said


def jacobian(layout: Layout, x: Floats, theta: Floats) -> tuple[Floats, Floats]:
    """(∂log f/∂(log c, e), term values): shapes (rows, P) and (rows, terms).

    With coefficients taken in logs every entry is a share of terms times a log factor, so columns compare.
    """
    L = layout.centred(x)
    terms = len(layout.form.terms)
    powers = np.tile(layout.base, (1, 1)).astype(np.float64)
    for j in range(terms):
        for e in range(layout.ptr[j], layout.ptr[j + 1]):
            powers[j, layout.ent_k[e]] += theta[layout.ent_p[e]] * layout.ent_m[e]
    values = theta[:terms] * np.exp(L @ powers.T)
    shares = values / values.sum(axis=1, keepdims=True)
    J = np.zeros((len(x), layout.size))
    J[:, :terms] = shares
    for j in range(terms):
        for e in range(layout.ptr[j], layout.ptr[j + 1]):
            J[:, layout.ent_p[e]] += shares[:, j] * layout.ent_m[e] * L[:, layout.ent_k[e]]
    return J, values


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What merging replicates into one row each took out of the squared loss.

    Attributes:
        rows: how many rows there were.
        within: their scatter within groups, Σ w (y − mean)².
    """

    rows: int
    within: float


def certify(
    layout: Layout, x: Floats, log_error: Floats, weights: Floats, theta: Floats, settings: FitSettings, *,
    share_at_best: float, gradient: float, merged: Merged | None = None,
) -> Certificate:
    """Examine a solution; x, log_error, weights are the rows in use, theta the centred parameters."""
    form = layout.form
    terms = len(form.terms)
    J, values = jacobian(layout, x, theta)
    fitted = values.sum(axis=1)
    gone = [bool(v) for v in values.max(axis=0) < GONE * fitted.min()]
    lower, upper = bounds(layout, log_error)
    live, at_bound = np.ones(layout.size, dtype=bool), []
    for p, name in enumerate(form.parameters):
        if name in layout.pins:
            live[p] = False
        elif p < terms:
            live[p] = not gone[p]
            if name in form.bounds and not gone[p]:
                at_bound += _bound_sentence(name, theta[p], lower[p], upper[p], live, p, shown=form.bounds[name])
        else:
            users = {j for j in range(terms) for e in range(layout.ptr[j], layout.ptr[j + 1]) if layout.ent_p[e] == p}
            if all(gone[j] for j in users):
                live[p] = False
            else:
                at_bound += _bound_sentence(name, theta[p], lower[p], upper[p], live, p, shown=(lower[p], upper[p]))
    residual = np.log(fitted) - log_error
    covariance, condition = _covariance(J, live, weights, residual, settings, merged)
    errors = np.sqrt(np.diag(covariance))
    natural = _natural_errors(layout, covariance, live)
    weak = []
    for p, name in enumerate(form.parameters):
        dead = not live[p] and name not in layout.pins
        orphan = dead and p >= terms and not any(s.startswith(f"{name} ") for s in at_bound)
        if orphan or (live[p] and not errors[p] <= (WEAK_LOG_COEFFICIENT if p < terms else WEAK_EXPONENT)):
            weak.append(name)
    return Certificate(share_at_best=share_at_best, gradient=gradient, condition=condition,
                       gone=tuple(n for n, g in zip(form.coefficients, gone) if g and n not in layout.pins),
                       at_bound=tuple(at_bound), weak=tuple(weak),
                       standard_errors=dict(zip(form.parameters, natural.tolist(), strict=True)))


def _bound_sentence(name: str, value: float, low: float, high: float, live: NDArray[np.bool_], p: int,
                    shown: tuple[float, float]) -> list[str]:
    """Record a parameter at a bound: it is no longer live, and a sentence says so."""
    width = 1e-9 * (high - low)
    for side, wall, label in (("lower", low, shown[0]), ("upper", high, shown[1])):
        if abs(value - wall) <= width:
            live[p] = False
            return [f"{name} is at its {side} bound {label:g}"]
    return []


def _covariance(
    J: Floats, live: NDArray[np.bool_], weights: Floats, residual: Floats, settings: FitSettings, merged: Merged | None
) -> tuple[Floats, float]:
    """Linearised covariance of centred log coefficients and exponents (inf on the diagonal where undefined), shape
    (P, P), and the condition number of the scaled Jacobian."""
    covariance = np.diag(np.full(J.shape[1], np.inf))
    A = J[:, live] * np.sqrt(weights)[:, None]
    freedom = (len(J) if merged is None else merged.rows) - int(live.sum())
    if A.shape[1] == 0:
        return covariance, 1.0
    lengths = np.linalg.norm(A, axis=0)
    _, s, Vt = np.linalg.svd(A / np.where(lengths > 0, lengths, 1.0), full_matrices=False)
    condition = float(s[0] / s[-1]) if s[-1] > 0 else float("inf")
    if freedom > 0 and s[-1] > 0 and np.all(lengths > 0):
        within = 0.0 if merged is None else merged.within
        spread = dispersion(residual, weights, freedom, settings, within)
        inverse = (Vt.T / s**2) @ Vt * spread / np.outer(lengths, lengths)
        covariance[np.ix_(live, live)] = inverse
    return covariance, condition


def _natural_errors(layout: Layout, covariance: Floats, live: NDArray[np.bool_]) -> Floats:
    """Standard errors with coefficients moved from the data's centre to x = 1, shape (P,).

    log c at x = 1 is log c at the centre less the exponents times the centre, so it inherits their errors.
    """
    errors = np.sqrt(np.diag(covariance))
    finite = live & np.isfinite(errors)
    inner = np.where(np.outer(finite, finite), covariance, 0.0)
    for j in range(len(layout.form.terms)):
        if not finite[j]:
            continue
        row = np.zeros(layout.size)
        row[j] = 1.0
        for e in range(layout.ptr[j], layout.ptr[j + 1]):
            row[layout.ent_p[e]] -= layout.ent_m[e] * layout.center[layout.ent_k[e]]
        errors[j] = np.sqrt(row @ inner @ row)
    return errors


def dispersion(
    residual: Floats, weights: Floats, freedom: int, settings: FitSettings, within: float = 0.0
) -> float:
    """Residual variance per degree of freedom; for the Huber loss its robust equivalent E ψ² / (E ψ')²."""
    if settings.loss == "log-mse":
        return float((np.sum(weights * residual**2) + within) / freedom)
    psi = np.clip(residual, -settings.delta, settings.delta)
    inside = max(float(np.average(np.abs(residual) <= settings.delta, weights=weights)), 1.0 / len(residual))
    return float(np.sum(weights * psi**2) / freedom / inside**2)
