"""Fits of one form to all targets of a set of runs, and to any weighting of the runs, in one batch.

Runs with equal factors and data size differ only in their errors, so for the squared loss a group of replicates is
one row with the mean log error, the summed weight and a constant. That is exact, and it is what lets a table of a
million rows be fitted as fast as its few hundred configurations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidscale.errors import InputError
from vidscale.fit import (
    Fit,
    FitSettings,
    Layout,
    Merged,
    Solutions,
    check_rows,
    distinct_optima,
    layout,
    package,
    solve,
)
from vidscale.forms import Laws, Posynomial
from vidscale.measurements import Observations

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Numbers held in one batch of weights; larger batches are cut into pieces with the same results.
BATCH_CELLS = 20_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Runs:
    """The arrays of one form and one set of runs.

    Attributes:
        form: the form, restricted to the factors that vary.
        x: factor values of the form, shape (runs, factors of the form).
        error: shape (runs, targets), NaN where not measured.
        n_eval: shape (runs, targets), NaN where unknown.
        targets: names.
        config: replicate group of each run (equal values of the form's factors), numbered from 0.
        group_x: factor values of each group, shape (groups, factors).
        layout: the form laid over the groups.
        grouped: whether replicates are merged (squared loss only).
        settings: how fits are done.
        data_hash: hash of the table.
    """

    form: Posynomial
    x: Floats
    error: Floats
    n_eval: Floats
    targets: tuple[str, ...]
    config: Ints
    group_x: Floats
    layout: Layout
    grouped: bool
    settings: FitSettings
    data_hash: str

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Which run has which target, shape (runs, targets)."""
        return np.isfinite(self.error)

    def rows(self, weights: Floats, target: int) -> tuple[Floats, Floats]:
        """(log errors, weights) on the rows that are fitted, shape (B, rows) each, for run weights (B, runs)."""
        present = self.measured[:, target]
        w = np.where(present, weights, 0.0)
        y = np.log(np.where(present, self.error[:, target], 1.0))
        if not self.grouped:
            return np.broadcast_to(y, w.shape), w
        groups = len(self.group_x)
        total, mean = np.empty((len(w), groups)), np.empty((len(w), groups))
        for b in range(len(w)):
            total[b] = np.bincount(self.config, weights=w[b], minlength=groups)
            mean[b] = np.bincount(self.config, weights=w[b] * y, minlength=groups)
        return mean / np.where(total > 0, total, 1.0), total

    def within(self, weights: Floats, target: int) -> Floats:
        """The part of the squared loss no form can remove: scatter inside groups of replicates, shape (B,)."""
        if not self.grouped:
            return np.zeros(len(weights))
        present = self.measured[:, target]
        w = np.where(present, weights, 0.0)
        y = np.log(np.where(present, self.error[:, target], 1.0))
        mean, total = self.rows(weights, target)
        return np.maximum(w @ y**2 - np.einsum("bg,bg->b", total, mean**2), 0.0)

    def merged(self, target: int) -> Merged | None:
        """What merging took out of the full fit to a target; None where nothing is merged."""
        if not self.grouped:
            return None
        within = self.within(np.ones((1, len(self.x))), target)
        return Merged(rows=int(self.measured[:, target].sum()), within=float(within[0]))


def runs_of(
    form: Posynomial, obs: Observations, *, targets: Sequence[str] | None = None,
    pins: Mapping[str, float] | None = None, settings: FitSettings | None = None, data_hash: str = "",
) -> tuple[Runs, tuple[str, ...]]:
    """Lay a form over runs.

    Args:
        form: any form; factors that do not vary in the runs are dropped from it.
        obs: the runs.
        targets: which targets; all by default.
        pins: parameters held at a value.
        settings: how fits are done.
        data_hash: hash of the table.

    Returns:
        The arrays, and a note on each term that was dropped.

    Raises:
        InputError: the form needs a factor the runs do not have, or an unknown target is asked for.
    """
    settings = settings or FitSettings()
    restricted, notes = form.restrict(obs.factors)
    x = np.ascontiguousarray(obs.x[:, [obs.factors.index(f) for f in restricted.factors]])
    columns = [obs.target(name) for name in (targets or obs.targets)]
    group_x, config = np.unique(x, axis=0, return_inverse=True)
    config = config.reshape(-1).astype(np.int64)
    grouped = settings.loss == "log-mse" and len(group_x) < len(x)
    if not grouped:
        group_x = x
    pins = dict(pins or {})
    return Runs(form=restricted, x=x, error=obs.error[:, columns], n_eval=obs.n_eval[:, columns],
                targets=tuple(obs.targets[c] for c in columns), config=config, group_x=group_x,
                layout=layout(restricted, group_x, pins), grouped=grouped, settings=settings,
                data_hash=data_hash), notes


def solve_weights(
    runs: Runs, weights: Floats, *, warm: Floats | None = None, fresh: int | None = None, keep: int | None = None,
    log_error: Floats | None = None,
) -> Solutions:
    """Fit every weighting for every target; problems run target by target: index = target · B + b.

    Args:
        runs: the arrays.
        weights: run weights shared by all targets, shape (B, runs).
        warm: warm starts by target, shape (targets, starts, P).
        fresh, keep: as for `vidscale.fit.solve`.
        log_error: log errors on the fitted rows in place of the measured ones, shape (targets, B, rows).
    """
    batch = max(1, BATCH_CELLS // max(1, 2 * len(runs.group_x)))
    pieces = []
    for t in range(len(runs.targets)):
        for start in range(0, len(weights), batch):
            part = weights[start : start + batch]
            y, w = runs.rows(part, t)
            if log_error is not None:
                y = log_error[t, start : start + batch]
            pieces.append((t, y, w))
    merged = _merge(pieces, batch)
    found = []
    for owners, y, w in merged:
        starts = None if warm is None else warm[owners]
        found.append(solve(runs.layout, runs.group_x, y, w, np.arange(len(w), dtype=np.int64), runs.settings,
                           warm=starts, fresh=fresh, keep=keep))
    return Solutions(**{name: np.concatenate([getattr(f, name) for f in found]) for name in
                        ("theta", "objective", "gradient", "converged", "candidates", "candidate_objectives")})


def _merge(pieces: list[tuple[int, Floats, Floats]], most: int) -> list[tuple[Ints, Floats, Floats]]:
    """Join consecutive pieces into batches of at most `most` problems."""
    out, owners, ys, ws = [], [], [], []
    for t, y, w in pieces:
        if ws and sum(len(v) for v in ws) + len(w) > most:
            out.append((np.concatenate(owners), np.concatenate(ys), np.concatenate(ws)))
            owners, ys, ws = [], [], []
        owners.append(np.full(len(w), t))
        ys.append(y)
        ws.append(w)
    out.append((np.concatenate(owners), np.concatenate(ys), np.concatenate(ws)))
    return out


@dataclass(frozen=True, kw_only=True, eq=False)
class FullFits:
    """The fits to all rows, and the distinct optima that warm resamples start from.

    Attributes:
        runs: the arrays they were made from.
        fits: one per target.
        optima: shape (targets, optima, P), centred units.
    """

    runs: Runs
    fits: tuple[Fit, ...]
    optima: Floats

    def fit(self, target: str) -> Fit:
        """The fit to one target.

        Raises:
            InputError: no such target was fitted.
        """
        if target not in self.runs.targets:
            raise InputError(f"unknown target {target!r}; fitted are {', '.join(self.runs.targets)}")
        return self.fits[self.runs.targets.index(target)]


def fit_runs(runs: Runs) -> FullFits:
    """Fit a form to every target on all runs.

    Raises:
        InputError: fewer distinct rows than free parameters; the message says what could still be fitted.
    """
    ones = np.ones((1, len(runs.x)))
    for t in range(len(runs.targets)):
        present = runs.measured[:, t]
        try:
            check_rows(runs.form, runs.x[present], runs.error[present, t], None, runs.layout.pins)
        except InputError as problem:
            if len(runs.targets) == 1:
                raise
            raise InputError(f"task {runs.targets[t]!r}: {problem}") from None
    found = solve_weights(runs, ones)
    fits = []
    for t, name in enumerate(runs.targets):
        y, w = runs.rows(ones, t)
        fits.append(package(runs.layout, runs.group_x, np.exp(y[0]), w[0], found, t, runs.settings, name,
                            runs.data_hash, runs.merged(t)))
    return FullFits(runs=runs, fits=tuple(fits), optima=distinct_optima(found, 2))


def laws_of(runs: Runs, theta: Floats) -> Laws:
    """A batch of laws from centred parameters, shape (laws, P)."""
    natural = runs.layout.to_natural(theta)
    terms = len(runs.form.terms)
    form = runs.form
    with np.errstate(divide="ignore"):
        logs = np.log(natural[:, :terms])
    names = form.exponent_names
    powers = np.repeat(form.exponent_matrix(dict.fromkeys(names, 0.0))[None], len(natural), axis=0)
    for j, term in enumerate(form.terms):
        for factor, exponent in term.exponents.items():
            if exponent.parameter:
                k = form.factors.index(factor)
                powers[:, j, k] = exponent.scale * natural[:, terms + names.index(exponent.parameter)]
    return Laws(factors=form.factors, log_coefficients=logs, exponents=powers)
