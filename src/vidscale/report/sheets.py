"""A study as CSV sheets: every number with all its digits, in canonical units, rows in a fixed order."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vidscale.cost.units import unit
from vidscale.measurements.schema import RUN_ID, SEED
from vidscale.report.measured import fitted, run_rows, sweep_labels
from vidscale.space import FACTORS, FACTORS_AND_DATA, ScalingFactors

if TYPE_CHECKING:
    from vidscale.study import Study

Rows = Iterable[Sequence[Any]]


def sheet(header: Sequence[str], rows: Rows) -> bytes:
    """CSV bytes: lines end in a newline, an unknown number is an empty cell."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return buffer.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return repr(float(value)) if math.isfinite(value) else ""
    return str(value)


def comparison_sheet(study: "Study") -> bytes:
    """One row per form × target × kind of held-out rows."""
    header = ("form", "target", "kind", "mse_points2", "e_percent", "r2", "rows", "excess_over_best", "excess_se")
    return sheet(header, [(s.form, s.target, s.kind, s.mse, s.e_percent, s.r2, s.rows, s.excess, s.excess_se)
                          for s in study.comparison.scores])


def _floats(x: ScalingFactors | None) -> list[float | None]:
    return [None] * 3 if x is None else [float(v) for v in x]


def short(x: ScalingFactors) -> str:
    """A configuration in one cell.

    Example:
        >>> short(ScalingFactors(lm_params=7.5e9, frames=32, tokens_per_frame=196))
        '7500000000.0×32×196'
    """
    return f"{float(x.lm_params)!r}×{x.frames:g}×{x.tokens_per_frame:g}"


def frontier_sheet(study: "Study") -> bytes:
    """One row per target × data size × budget."""
    named = unit(study.frontier.unit).column
    header = ("target", "data_size", f"budget_{named}", *FACTORS, f"cost_{named}", "encoder_share", "error", "mean_low",
              "mean_high", "new_low", "new_high", "level", "n_eval", "probability_best", "near_ties", "near_tie_list",
              "outside_measured", *(f"continuous_{f}" for f in FACTORS), "continuous_error", "continuous_gap",
              "continuous_status", "budget_slack", "at_bound", "value_of_compute", "value_encoder", "value_lm",
              "predictor", "lattice", "cost_model")
    rows, report = [], study.frontier
    for p in report.points:
        c = p.continuous
        ties = "; ".join(f"{short(t.configuration)} error {t.error!r} cost {t.cost!r}" for t in p.ties)
        found = [None] * 11
        if c is not None:
            found = [*_floats(c.configuration), c.error, c.gap, c.status, c.slack, "; ".join(c.at_bound), c.multiplier,
                     c.encoder, c.lm]
        rows.append((p.target, p.data_size, p.budget, *_floats(p.configuration), p.cost, p.encoder_share, p.error,
                     p.mean_low, p.mean_high, p.new_low, p.new_high, report.level, p.n_eval, p.probability_best,
                     p.tie_count, ties, "; ".join(p.outside), *found, report.predictor, report.lattice.name,
                     report.cost))
    return sheet(header, rows)


def policies_sheet(study: "Study") -> bytes:
    """One row per target × data size × policy × budget; empty where a policy can afford nothing."""
    named = unit(study.frontier.unit).column
    header = ("target", "data_size", "policy", f"budget_{named}", *FACTORS, "error", "frontier_error", "accuracy_gain",
              "error_reduction", "true_cost_over_budget", "rule")
    rows, lattice = [], study.frontier.lattice
    for (target, size), found in study.frontier.policies.items():
        for o in found.outcomes:
            for b, budget in enumerate(found.budgets):
                chosen = lattice.configuration(int(o.index[b])) if o.index[b] >= 0 else None
                over = None if o.overshoot is None else o.overshoot[b]
                rows.append((target, size, o.policy, budget, *_floats(chosen), o.error[b], found.optimum.error[b],
                             o.gain[b], o.error_reduction[b], over, o.sentence))
    return sheet(header, rows)


def regret_sheet(study: "Study") -> bytes:
    """One row per target × data size × budget: what planning by FLOPs loses."""
    named, which = unit(study.frontier.unit).column, ("best", "planned", "kept")
    header = ("target", "data_size", f"budget_{named}", "best_flops", "planned_is_allowed", "kept_excess_error",
              *(f"{name}_{what}" for name in which for what in (*FACTORS, f"cost_{named}", "error")), "planner",
              "cost_model")
    rows, lattice = [], study.frontier.lattice
    for (target, size), found in study.frontier.regret.items():
        for b, budget in enumerate(found.budgets):
            cells = []
            for name in which:
                row = int(getattr(found, name)[b])
                cells += [*_floats(lattice.configuration(row) if row >= 0 else None), getattr(found, f"{name}_cost")[b],
                          getattr(found, f"{name}_error")[b]]
            rows.append((target, size, budget, found.flops[b], bool(found.allowed[b]), found.loss[b], *cells,
                         found.planner, study.frontier.cost))
    return sheet(header, rows)


def elasticity_sheet(study: "Study") -> bytes:
    """One row per target × estimator × factor."""
    header = ("target", "kind", "factor", "elasticity", "low", "high", "level", "share_moved", "share_at_lower",
              "share_at_upper", "share_budget_slack", "share_used", "estimator")
    return sheet(header, [(r.target, r.kind, f.factor, f.value, f.low, f.high, r.level, f.share_moved, f.share_at_lower,
                           f.share_at_upper, r.share_slack, r.share_used, r.estimator)
                          for r in study.elasticities for f in r.factors])


def fitted_sheet(study: "Study") -> bytes:
    """One row per run × target that was measured."""
    header = ("run_id", "sweep", "seed", *FACTORS_AND_DATA, "target", "n_eval", "measured", "fitted", "residual",
              "mean_low", "mean_high", "new_low", "new_high")
    obs, labels, points = study.obs, sweep_labels(study), run_rows(study)
    ids = obs.columns[RUN_ID].tolist() if RUN_ID in obs.columns else obs.run_ids
    seeds = obs.columns[SEED].tolist() if SEED in obs.columns else [None] * len(obs)
    known = np.isfinite(obs.columns[list(FACTORS_AND_DATA)].to_numpy(dtype=np.float64))
    rows = []
    for target in study.model.targets:
        said, count = fitted(study, target), obs.n_eval[:, obs.target(target)]
        for i in np.flatnonzero(np.isfinite(said.measured)):
            values = [points[i, k] if known[i, k] else None for k in range(4)]
            rows.append((ids[i], labels[i], seeds[i], *values, target, count[i], said.measured[i], said.fitted[i],
                         said.measured[i] - said.fitted[i], said.mean_low[i], said.mean_high[i], said.new_low[i],
                         said.new_high[i]))
    return sheet(header, rows)


def parameters_sheet(study: "Study") -> bytes:
    """One row per form × target × parameter, the deployed form first.

    Profile intervals for the lead target, linearised standard errors for all.
    """
    header = ("form", "deployed", "target", "parameter", "value", "profile_low", "profile_high", "profile_level",
              "low_is_bound", "high_is_bound", "linear_standard_error", "pinned", "term_gone", "hardly_identified",
              "at_bound")
    rows = []
    for form, fits in sorted(study.comparison.fits.items(), key=lambda item: item[0] != study.form):
        profiles = study.profiles if form == study.form else study.other_profiles.get(form, {})
        for fit in fits.fits:
            c = fit.certificate
            for name, value in fit.parameters.items():
                found = profiles.get(name) if fit.target == study.model.lead else None
                ends = [None] * 5 if found is None else [found.low, found.high, found.level, found.low_is_bound,
                                                         found.high_is_bound]
                bound = "; ".join(s for s in c.at_bound if s.startswith(f"{name} "))
                rows.append((form, form == study.form, fit.target, name, value, *ends, c.standard_errors[name],
                             name in fit.layout.pins, name in c.gone, name in c.weak, bound))
    return sheet(header, rows)
