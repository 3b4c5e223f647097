"""One fit: the best parameters of a form for one column of errors, and how far to trust them.

Objective (Wang et al., ACL 2025, section 5): the weighted mean over runs of (log f̂ᵢ − log fᵢ)².
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from vidscale.errors import InputError
from vidscale.fit.certificate import Certificate, Merged, certify
from vidscale.fit.problem import Layout, layout
from vidscale.fit.solve import FitSettings, Solutions, solve
from vidscale.forms import CATALOGUE, Laws, Posynomial

Floats = NDArray[np.float64]

#: A mean loss this small is rounding: the law fits exactly, and starts that reach it agree whatever digits are left.
EXACT = 1e-22


class FitStatus(Enum):
    """How a fit ended; the value is a sentence for people."""

    CERTAIN = "converged; at least three starts in ten agree on the best optimum found"
    DISPUTED = "converged, but fewer than three starts in ten reached the best optimum: try more starts"
    STUCK = "the best start did not converge: the numbers are the best seen, not an optimum"


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """A form fitted to one target.

    Do not read single parameters without their intervals: terms trade against each other, and a parameter the
    certificate lists as weak or gone says nothing. Predictions are far better determined than parameters.

    Attributes:
        form: the form as fitted, without factors that do not vary.
        target: name of the error column.
        parameters: coefficients and exponents in natural units.
        theta: the same in the engine's centred units, shape (P,).
        layout: the form laid over the data.
        settings: loss, starts and seed.
        objective: weighted mean of the loss over rows.
        loss_sum: the loss summed over rows, as scaling-law papers print it.
        rows: rows used.
        start_objectives: objective reached from every start, shape (starts,).
        status: how it ended.
        certificate: what the fit says about itself.
        data_hash: hash of the table the rows came from.
    """

    form: Posynomial
    target: str
    parameters: Mapping[str, float]
    theta: Floats
    layout: Layout
    settings: FitSettings
    objective: float
    loss_sum: float
    rows: int
    start_objectives: Floats
    status: FitStatus
    certificate: Certificate
    data_hash: str = ""

    def laws(self) -> Laws:
        """The fitted law as a batch of one, ready for the frontier."""
        return Laws.of(self.form, [self.parameters])

    def predict(self, x: Floats) -> Floats:
        """Predicted error at rows of factor values (rows, factors of the form), shape (rows,)."""
        return self.form.evaluate(self.parameters, x)


def fit(
    form: Posynomial,
    x: Floats,
    error: Floats,
    *,
    weights: Floats | None = None,
    pins: Mapping[str, float] | None = None,
    settings: FitSettings | None = None,
    target: str = "error",
    data_hash: str = "",
) -> Fit:
    """Fit a form to errors.

    Args:
        form: the form; its factors name the columns of x.
        x: factor values, positive, shape (rows, factors).
        error: task errors in (0, 1] (or any positive loss), shape (rows,).
        weights: weight of each row, >= 0, shape (rows,); equal by default.
        pins: parameters held at a value in natural units.
        settings: loss, starts, seed.
        target: name of the error column, for messages.
        data_hash: hash of the table, carried along.

    Raises:
        InputError: values that are not positive and finite, fewer distinct rows than free parameters, bad pins.

    Example:
        >>> import numpy as np
        >>> from vidscale.forms import form
        >>> frames = np.array([[1e9, 4.0], [1e9, 16], [1e9, 64], [4e9, 4], [4e9, 16], [4e9, 64]])
        >>> law = form("li").evaluate({"A": 0.6, "alpha": 0.02, "beta": 0.1, "D": 0.2}, frames)
        >>> round(fit(form("li"), frames, law).parameters["beta"], 4)
        0.1
    """
    settings = settings or FitSettings()
    x, error, weights = check_rows(form, x, error, weights, pins)
    lay = layout(form, x, pins)
    found = solve(lay, x, np.log(error)[None], weights[None], np.zeros(1, dtype=np.int64), settings)
    return package(lay, x, error, weights, found, 0, settings, target, data_hash)


def package(
    lay: Layout, x: Floats, error: Floats, weights: Floats, found: Solutions, row: int, settings: FitSettings,
    target: str, data_hash: str = "", merged: Merged | None = None,
) -> Fit:
    """Turn one row of a batch of solutions into a Fit; arguments as for `fit` and `solve`.

    With `merged` the rows are means of replicates, and the objective gets back the scatter that merging removed.
    """
    used = weights > 0
    total = float(weights.sum())
    count = int(used.sum()) if merged is None else merged.rows
    within = 0.0 if merged is None else merged.within
    best = float(found.objective[row])
    starts = found.candidate_objectives[row]
    share = float(np.mean(starts <= best * (1 + 1e-6) + EXACT * total))
    certificate = certify(lay, x[used], np.log(error[used]), weights[used], found.theta[row], settings,
                          share_at_best=share, gradient=float(found.gradient[row]), merged=merged)
    status = FitStatus.CERTAIN if share >= 0.3 else FitStatus.DISPUTED
    if not found.converged[row]:
        status = FitStatus.STUCK
    natural = lay.to_natural(found.theta[row])
    return Fit(form=lay.form, target=target, parameters=dict(zip(lay.form.parameters, natural.tolist(), strict=True)),
               theta=found.theta[row], layout=lay, settings=settings, objective=(best + within) / total,
               loss_sum=(best + within) * count / total, rows=count, start_objectives=np.sort(starts + within) / total,
               status=status, certificate=certificate, data_hash=data_hash)


def check_rows(
    form: Posynomial, x: Floats, error: Floats, weights: Floats | None, pins: Mapping[str, float] | None
) -> tuple[Floats, Floats, Floats]:
    """Validate the arrays of a fit; arguments, result and errors as for `fit`."""
    x = np.ascontiguousarray(np.atleast_2d(np.asarray(x, dtype=np.float64)))
    error = np.asarray(error, dtype=np.float64)
    weights = np.ones(len(error)) if weights is None else np.asarray(weights, dtype=np.float64)
    if x.shape != (len(error), len(form.factors)) or weights.shape != error.shape:
        raise InputError(f"form {form.name!r} takes x of shape (rows, {len(form.factors)}) with one error and one "
                         f"weight a row; got x {x.shape}, error {error.shape}, weights {weights.shape}")
    if not len(error):
        raise InputError("there are no rows to fit; give at least as many as the form has parameters")
    for name, values in (("error", error[:, None]), *((f, x[:, [k]]) for k, f in enumerate(form.factors))):
        bad = np.flatnonzero(~(np.isfinite(values[:, 0]) & (values[:, 0] > 0)))
        if bad.size:
            raise InputError(f"{name} is {values[bad[0], 0]!r} in row {bad[0]}; allowed are positive finite numbers")
    if np.any(weights < 0) or not np.all(np.isfinite(weights)) or weights.sum() <= 0:
        raise InputError("weights must be >= 0, finite and not all zero")
    distinct = len(np.unique(x[weights > 0], axis=0))
    free = len(form.parameters) - len(pins or {})
    if distinct < free:
        raise InputError(f"form {form.name!r} has {free} free parameters but the data only {distinct} distinct rows; "
                         f"{_could_fit(form.factors, distinct)}")
    return x, error, weights


def _could_fit(factors: Sequence[str], rows: int) -> str:
    options = []
    for other in CATALOGUE.values():
        if set(other.factors) & set(factors):
            size = len(other.restrict(factors)[0].parameters)
            if size <= rows:
                options.append(f"{other.name} ({size})")
    if options:
        return f"forms that could still be fitted: {', '.join(options)}; or pin parameters"
    return "no form of the catalogue has so few; add rows or pin parameters"
