"""Which form predicts runs it has not seen: the comparison table.

Columns as in Wang et al., ACL 2025, table 2, in our reading: errors in percent, so MSE is in percentage points²;
E% = mean |f̂ − f| / f × 100; R² on the error. Forms are judged on the same held-out rows, so differences are paired.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidscale.errors import InputError
from vidscale.fit import FitSettings
from vidscale.forms import Posynomial
from vidscale.measurements import Observations
from vidscale.validate.batch import FullFits, fit_runs, runs_of
from vidscale.validate.holdout import HeldOut, Plan, cross_validate, extrapolate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: The row that averages the tasks' own numbers (as against "average", which fits the average error).
MEAN_OF_TASKS = "mean of tasks"


@dataclass(frozen=True, kw_only=True)
class Score:
    """How well a form predicted held-out rows of one target.

    Attributes:
        form, target, kind: what was scored; kind is "cross-validation" or "extrapolation".
        mse: mean squared error in percentage points².
        e_percent: mean relative error in percent.
        r2: share of the variance of the error explained; can be negative out of distribution.
        rows: held-out rows.
        excess: mse minus that of the form that is best on this target; 0 for the best itself.
        excess_se: standard error of that paired difference, by configuration; None for the best, and where there is
            only one configuration.
    """

    form: str
    target: str
    kind: str
    mse: float
    e_percent: float
    r2: float
    rows: int
    excess: float = 0.0
    excess_se: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """The comparison of forms.

    Attributes:
        scores: one per form × target × kind, forms in the order asked for.
        fits: the full fits of each form that could be fitted, by form name.
        same: forms that coincide with an earlier one on these data, name → that one's name.
        failed: forms that could not be fitted, name → reason.
        notes: terms dropped because a factor does not vary.
        plan: what was held out.
    """

    scores: tuple[Score, ...]
    fits: Mapping[str, FullFits]
    same: Mapping[str, str]
    failed: Mapping[str, str]
    notes: tuple[str, ...]
    plan: Plan

    def score(self, form: str, target: str, kind: str) -> Score | None:
        """One entry, None where the form has none."""
        return next((s for s in self.scores if (s.form, s.target, s.kind) == (form, target, kind)), None)

    def best(self, target: str) -> tuple[str, str]:
        """The form to use for a target and the reason: lowest extrapolation MSE if there is a split, else lowest
        cross-validation MSE; with neither, the fitted form with the lowest objective per degree of freedom."""
        for kind in ("extrapolation", "cross-validation"):
            found = [s for s in self.scores if s.target == target and s.kind == kind]
            if found:
                # Where several forms predict to rounding (exact data), the one with the fewest parameters wins.
                limit = min(s.mse for s in found) * (1 + 1e-6) + 1e-12
                winner = min((s for s in found if s.mse <= limit), key=lambda s: self.fits[s.form].runs.layout.free)
                level = [s.form for s in found if s.form != winner.form and s.excess_se is not None
                         and s.excess <= s.excess_se]
                close = f"; within one standard error of it: {', '.join(level)}" if level else ""
                return winner.form, f"lowest {kind} MSE, {winner.mse:.3g} percentage points²{close}"
        if not self.fits:
            raise InputError("no form could be fitted: " + "; ".join(self.failed.values()))

        def rate(name: str) -> float:
            fit = self.fits[name].fit(target)
            return fit.objective * fit.rows / max(fit.rows - fit.layout.free, 1)

        winner = min(self.fits, key=rate)
        return winner, "lowest residual variance; nothing was held out"


def compare(
    forms: Sequence[Posynomial], obs: Observations, plan: Plan, *, targets: Sequence[str] | None = None,
    pins: Mapping[str, float] | None = None, settings: FitSettings | None = None, data_hash: str = "",
    tick=lambda text: None,
) -> Comparison:
    """Fit every form to every target and score it on held-out rows.

    A form that cannot be fitted is recorded with its reason, and the others go on.

    Args:
        forms: the forms.
        obs: the runs.
        plan: what is held out (`plan_holdout`).
        targets: which targets; all by default.
        pins: parameters held at a value, in every form that has them.
        settings: how fits are done.
        data_hash: hash of the table.
        tick: called with a line of text as work goes on.

    Raises:
        InputError: no form could be fitted.
    """
    fits: dict[str, FullFits] = {}
    same: dict[str, str] = {}
    failed: dict[str, str] = {}
    notes: list[str] = []
    held: dict[str, list[HeldOut]] = {}
    for form in forms:
        tick(f"{form.name}: full fits")
        own_pins = {name: value for name, value in (pins or {}).items() if name in form.parameters}
        try:
            runs, dropped = runs_of(form, obs, targets=targets, pins={}, settings=settings, data_hash=data_hash)
            own_pins = {name: value for name, value in own_pins.items() if name in runs.form.parameters}
            if own_pins:
                runs, dropped = runs_of(form, obs, targets=targets, pins=own_pins, settings=settings,
                                        data_hash=data_hash)
            twin = next((name for name, f in fits.items() if f.runs.form.same_shape(runs.form)
                         and f.runs.layout.pins == runs.layout.pins), None)
            if twin:
                same[form.name] = twin
                continue
            full = fit_runs(runs)
        except InputError as problem:
            failed[form.name] = str(problem)
            continue
        fits[form.name] = full
        notes += [note for note in dropped if note not in notes]
        held[form.name] = []
        for wanted, kind, predict in ((plan.folds, "cross-validation", cross_validate),
                                      (plan.train, "extrapolation", extrapolate)):
            if wanted is None:
                continue
            tick(f"{form.name}: {kind}")
            try:
                held[form.name].append(predict(full, plan))
            except InputError as problem:
                failed[f"{form.name} ({kind})"] = str(problem)
    if not fits:
        # All fail for the same want of rows: the smallest form's reason says it best.
        smallest = min(failed, key=lambda name: next(len(f.parameters) for f in forms if f.name == name))
        raise InputError(f"no form could be fitted: {failed[smallest]}")
    return Comparison(scores=tuple(_scores(fits, held)), fits=fits, same=same, failed=failed, notes=tuple(notes),
                      plan=plan)


def _scores(fits: Mapping[str, FullFits], held: Mapping[str, list[HeldOut]]) -> list[Score]:
    scores: list[Score] = []
    first = next(iter(fits.values())).runs
    names = first.targets
    tasks = [t for t, name in enumerate(names) if name not in ("average", "weighted")]
    for kind in ("cross-validation", "extrapolation"):
        predicted = {form: h.error for form, hs in held.items() for h in hs if h.kind == kind}
        if not predicted:
            continue
        for t, name in enumerate(names):
            scores += _paired(predicted, first.error, [t], name, kind, first.config)
        if len(tasks) > 1:
            scores += _paired(predicted, first.error, tasks, MEAN_OF_TASKS, kind, first.config)
    order = {form: i for i, form in enumerate(fits)}
    return sorted(scores, key=lambda s: (s.kind, [*names, MEAN_OF_TASKS].index(s.target), order[s.form]))


def _paired(
    predicted: Mapping[str, Floats], error: Floats, columns: list[int], name: str, kind: str, config: Ints
) -> list[Score]:
    """Scores of all forms on the same cells; several columns are averaged, column by column."""
    cells = np.all([np.isfinite(p[:, columns]) for p in predicted.values()], axis=0) & np.isfinite(error[:, columns])
    truth = error[:, columns]
    squared = {form: np.where(cells, (100 * (p[:, columns] - truth)) ** 2, np.nan) for form, p in predicted.items()}
    found = {}
    for form, p in predicted.items():
        r2, relative = [], []
        for c in range(len(columns)):
            used = cells[:, c]
            f, g = truth[used, c], p[used, columns[c]]
            spread = np.sum((f - f.mean()) ** 2)
            r2.append(1 - np.sum((g - f) ** 2) / spread if spread > 0 else float("nan"))
            relative.append(np.mean(np.abs(g - f) / f) * 100)
        found[form] = (float(np.mean([squared[form][cells[:, c], c].mean() for c in range(len(columns))])),
                       float(np.mean(relative)), float(np.mean(r2)))
    best = min(found, key=lambda form: found[form][0])
    rows = int(cells.any(axis=1).sum())
    out = []
    for form, (mse, relative_error, r2_value) in found.items():
        excess_se = None
        if form != best:
            excess_se = _cluster_se(squared[form] - squared[best], config)
        out.append(Score(form=form, target=name, kind=kind, mse=mse, e_percent=relative_error, r2=r2_value, rows=rows,
                         excess=mse - found[best][0], excess_se=excess_se))
    return out


def _cluster_se(difference: Floats, config: Ints) -> float | None:
    """Standard error of the mean of per-run differences, runs of one configuration taken as one."""
    some = np.isfinite(difference).any(axis=1)
    per_run = np.nanmean(difference[some], axis=1)
    names, group = np.unique(config[some], return_inverse=True)
    if len(names) < 2:
        return None
    sums = np.bincount(group, weights=per_run - per_run.mean())
    return float(np.sqrt(np.sum(sums**2) * len(names) / (len(names) - 1)) / len(per_run))
