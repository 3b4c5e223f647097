"""Profile intervals: how far one parameter can move before the best fit of all others becomes too bad.

An interval holds the values v with n log(Q(v) / Q̂) <= χ²(1): twice the log likelihood ratio under normal log
residuals, Q(v) the objective minimised over the other parameters (Venzon & Moolgavkar 1988). For the Huber loss the
rise of the loss is set against the robust variance ratio E ψ² / E ψ' instead. Unlike a standard error an interval of
this kind is right next to a bound and along curved valleys. With few degrees of freedom it is a little short.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from vidscale.errors import InputError
from vidscale.fit.certificate import Merged
from vidscale.fit.fit import Fit, check_rows
from vidscale.fit.problem import Layout, bounds, layout
from vidscale.fit.solve import solve

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An interval and whether its ends are walls of the form's box rather than the data's doing."""

    low: float
    high: float
    level: float
    low_is_bound: bool = False
    high_is_bound: bool = False

    def __str__(self) -> str:
        left = f"[{self.low:.3g} (bound)" if self.low_is_bound else f"[{self.low:.3g}"
        right = f"{self.high:.3g} (bound)]" if self.high_is_bound else f"{self.high:.3g}]"
        return f"{left}, {right}"


def profile(
    fit: Fit, x: Floats, error: Floats, *, weights: Floats | None = None, parameters: Sequence[str] | None = None,
    level: float = 0.95, merged: Merged | None = None,
) -> dict[str, Interval]:
    """Profile intervals of parameters in natural units.

    Args:
        fit: the fit to profile.
        x: the factor values it was fitted to, shape (rows, factors).
        error: the errors it was fitted to, shape (rows,).
        weights: the weights it was fitted with.
        parameters: which parameters; all free ones by default. Exponents and coefficients of gone terms that have
            fitted exponents are left out of the default: such a term has no meaning to bound.
        level: probability the interval is meant to cover with.
        merged: for rows that are means of replicates, how many there were and their scatter.

    Raises:
        InputError: an unknown parameter, a level outside (0, 1), or no degrees of freedom left.
    """
    if not 0 < level < 1:
        raise InputError(f"level is {level!r}; allowed is a number between 0 and 1, such as 0.95")
    x, error, weights = check_rows(fit.form, x, error, weights, fit.layout.pins)
    names = list(parameters) if parameters is not None else _worth_profiling(fit)
    for name in names:
        if name not in fit.form.parameters:
            raise InputError(f"unknown parameter {name!r}; form {fit.form.name!r} has {', '.join(fit.form.parameters)}")
    names = [name for name in names if name not in fit.layout.pins]
    merged = merged or Merged(rows=int((weights > 0).sum()), within=0.0)
    freedom = merged.rows - fit.layout.free
    if freedom < 1:
        raise InputError(f"{merged.rows} rows leave no degrees of freedom for {fit.layout.free} free parameters; "
                         "profile intervals need more rows than parameters")
    # Coefficients are profiled in natural units, where a pinned value is one number whatever the exponents do.
    plain = layout(fit.form, x, fit.layout.pins, center=np.zeros(x.shape[1]))
    out: dict[str, Interval] = {}
    for lay, group in ((plain, [n for n in names if n in fit.form.coefficients]),
                       (fit.layout, [n for n in names if n in fit.form.exponent_names])):
        if group:
            out.update(_Profile(fit, lay, x, error, weights, merged, level).intervals(group))
    return {name: out[name] for name in names}


def _worth_profiling(fit: Fit) -> list[str]:
    """Free parameters whose terms are alive, and constant terms even when gone."""
    gone = set(fit.certificate.gone)
    names = []
    for term in fit.form.terms:
        moving = any(e.parameter for e in term.exponents.values())
        if term.coefficient not in gone or not moving:
            names.append(term.coefficient)
    for name in fit.form.exponent_names:
        users = [t for t in fit.form.terms if any(e.parameter == name for e in t.exponents.values())]
        if not all(t.coefficient in gone for t in users):
            names.append(name)
    return names


class _Profile:
    """The search for interval ends, all parameters and both sides in one batch."""

    def __init__(self, fit: Fit, lay: Layout, x: Floats, error: Floats, weights: Floats, merged: Merged, level: float):
        self.fit, self.lay, self.x, self.weights = fit, lay, x, weights
        self.y = np.log(error)
        self.lower, self.upper = bounds(lay, self.y[weights > 0])
        if not lay.center.any():
            self.upper[: len(fit.form.terms)] = np.where(
                self.lower[: len(fit.form.terms)] < self.upper[: len(fit.form.terms)], np.inf,
                self.upper[: len(fit.form.terms)])
        self.best = fit.objective * weights.sum() - merged.within
        self.limit = self._limit(merged, level)
        self.level = level
        self.theta = lay.to_centred(np.array([fit.parameters[name] for name in fit.form.parameters]))
        self.settings = replace(fit.settings, tolerance=1e-9)

    def _limit(self, merged: Merged, level: float) -> float:
        if self.fit.settings.loss == "log-mse":
            rise = float(np.exp(stats.chi2.ppf(level, 1) / merged.rows))
            return (self.best + merged.within) * rise - merged.within
        r = np.log(self.fit.predict(self.x)) - self.y
        w = self.weights / self.weights.mean()
        psi = np.clip(r, -self.fit.settings.delta, self.fit.settings.delta)
        inside = max(float(np.average(np.abs(r) <= self.fit.settings.delta, weights=w)), 1.0 / len(r))
        scale = float(np.sum(w * psi**2) / (merged.rows - self.fit.layout.free) / inside) * self.weights.mean()
        return self.best + 0.5 * stats.chi2.ppf(level, 1) * scale

    def intervals(self, names: list[str]) -> dict[str, Interval]:
        """Expand outwards by doubling steps until the limit is passed or a wall is met, then bisect."""
        p = np.array([self.fit.form.parameters.index(n) for n in names for _ in (0, 1)])
        side = np.tile([-1.0, 1.0], len(names))
        terms = len(self.fit.form.terms)
        log_scale = (p < terms) & (self.theta[p] > 0)
        start = np.where(log_scale, np.log(np.maximum(self.theta[p], 1e-300)), self.theta[p])
        wall = np.where(side < 0, self.lower[p], self.upper[p])
        errors = np.array([self.fit.certificate.standard_errors[self.fit.form.parameters[q]] for q in p])
        step = np.where(np.isfinite(errors), np.clip(errors, 1e-3, 0.5), 0.05)
        step = np.where((p < terms) & ~log_scale, 1e-3 * np.exp(self.y.min()), step)
        inner, outer = start.copy(), np.full(len(p), np.nan)
        warm = np.repeat(self.theta[None], len(p), axis=0)
        at_wall = wall == self.theta[p]
        active = ~at_wall
        for _ in range(24):
            if not active.any():
                break
            trial = inner + side * step
            value = np.where(log_scale, np.exp(np.minimum(trial, 700)), trial)
            hit = np.where(side < 0, value <= wall, value >= wall) | (log_scale & (side < 0) & (trial < start - 12))
            value = np.where(hit, wall, value)
            Q, theta = self._minimise(p, value, warm, active)
            over = active & np.greater(Q, self.limit)
            under = active & ~over
            outer[over] = np.where(hit & log_scale & (side < 0), start - 12, np.where(hit, wall, trial))[over]
            inner[under] = trial[under]
            warm[under] = theta[under]
            step[under] *= 2.0
            at_wall |= under & hit
            active = under & ~hit
        bracket = np.isfinite(outer)
        for _ in range(22):
            if not bracket.any():
                break
            middle = 0.5 * (inner + outer)
            value = np.where(log_scale, np.exp(np.where(bracket, middle, 0.0)), middle)
            Q, theta = self._minimise(p, value, warm, bracket)
            over = bracket & np.greater(Q, self.limit)
            under = bracket & ~over
            outer[over] = middle[over]
            inner[under] = middle[under]
            warm[under] = theta[under]
            bracket &= np.abs(outer - inner) > 1e-4 * np.maximum(np.abs(inner - start), 1e-12)
        ends = np.where(at_wall, wall, np.where(log_scale, np.exp(np.minimum(inner, 700)), inner))
        return {name: Interval(low=float(ends[2 * i]), high=float(ends[2 * i + 1]), level=self.level,
                               low_is_bound=bool(at_wall[2 * i]), high_is_bound=bool(at_wall[2 * i + 1]))
                for i, name in enumerate(names)}

    def _minimise(self, p: NDArray[np.int64], value: Floats, warm: Floats, active: NDArray[np.bool_]):
        """Objective and parameters with parameter p held at value, for the active problems."""
        Q, theta = np.full(len(p), np.inf), warm.copy()
        rows = np.flatnonzero(active)
        lower, upper = (np.repeat(b[None], len(rows), axis=0) for b in (self.lower, self.upper))
        lower[np.arange(len(rows)), p[rows]] = upper[np.arange(len(rows)), p[rows]] = value[rows]
        starts = np.stack([warm[rows], np.repeat(self.theta[None], len(rows), axis=0)], axis=1)
        found = solve(self.lay, self.x, self.y[None], np.repeat(self.weights[None], len(rows), axis=0),
                      np.zeros(len(rows), dtype=np.int64), self.settings, warm=starts, fresh=0, box=(lower, upper))
        Q[rows], theta[rows] = found.objective, found.theta
        return Q, theta
