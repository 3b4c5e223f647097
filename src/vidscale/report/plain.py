"""Every result as plain dicts, lists, numbers and text, ready for JSON.

Numbers keep all their digits, in canonical units (parameters, examples, errors as fractions; costs and budgets in the
unit of the cost: FLOPs, seconds, dollars per million videos). What is not a
number, or is infinite, becomes None, so that any JSON reader takes the file.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from vidscale.cost.deployment import not_convex

if TYPE_CHECKING:
    from vidscale.fit import Fit, Interval
    from vidscale.forms import Posynomial
    from vidscale.frontier import FlopsRegret, PolicyComparison
    from vidscale.measurements import MeasurementTable
    from vidscale.study import CurrentReport, ElasticityReport, FrontierReport, Model, Study
    from vidscale.validate import Comparison, Prediction


def jsonable(value: Any) -> Any:
    """Any result as plain values: dataclasses become dicts, arrays lists, NaN and infinity None."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if hasattr(value, "tolist"):  # numpy arrays and scalars
        return jsonable(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Sequence):
        return [jsonable(item) for item in value]
    return str(value)


def dumps(value: Any, indent: int | None = 2) -> str:
    """JSON text of any result, with a last newline; the same value gives the same bytes."""
    return json.dumps(jsonable(value), indent=indent, ensure_ascii=False, allow_nan=False) + "\n"


def table_dict(table: "MeasurementTable") -> dict[str, Any]:
    """What a table is, without its rows."""
    return {"name": table.name, "synthetic": table.synthetic, "rows": len(table), "tasks": list(table.tasks),
            "varying": list(table.varying), "constant": jsonable(table.constant), "data_hash": table.data_hash,
            "notes": list(table.notes)}


def form_dict(form: "Posynomial") -> dict[str, Any]:
    """A form: formula, parameters with where they may lie, source."""
    from vidscale.forms import latex, text

    bounds = {}
    for name in form.parameters:
        if name in form.exponent_names:
            bounds[name] = list(form.exponent_bounds(name))
        else:
            bounds[name] = jsonable(list(form.bounds.get(name, (0.0, math.inf))))
    return {"name": form.name, "text": text(form), "latex": latex(form), "factors": list(form.factors),
            "parameters": list(form.parameters), "bounds": bounds, "source": form.source, "note": form.note}


def fit_dict(fit: "Fit", profiles: "Mapping[str, Interval] | None" = None) -> dict[str, Any]:
    """A fit with its certificate, and profile intervals of its parameters where given."""
    from vidscale.forms import text

    return {
        "form": fit.form.name, "target": fit.target, "formula": text(fit.form, fit.parameters),
        "parameters": jsonable(fit.parameters), "profile_intervals": jsonable(profiles or {}),
        "objective": jsonable(fit.objective), "loss_sum": jsonable(fit.loss_sum), "rows": fit.rows,
        "loss": fit.settings.loss, "starts": fit.settings.starts, "seed": fit.settings.seed,
        "start_objectives": jsonable(fit.start_objectives), "pins": jsonable(fit.layout.pins),
        "status": fit.status.name.lower(), "status_sentence": fit.status.value,
        "certificate": jsonable(fit.certificate), "data_hash": fit.data_hash,
    }


def comparison_dict(comparison: "Comparison") -> dict[str, Any]:
    """Scores of every form on held-out rows, and what was not compared and why."""
    return {
        "scores": [jsonable(score) for score in comparison.scores],
        "same": dict(comparison.same), "failed": dict(comparison.failed), "notes": list(comparison.notes),
        "cross_validation": comparison.plan.cv_sentence or None,
        "extrapolation": comparison.plan.split_sentence or None,
        "objectives": {form: {fit.target: jsonable(fit.objective) for fit in full.fits}
                       for form, full in comparison.fits.items()},
    }


def frontier_dict(report: "FrontierReport") -> dict[str, Any]:
    """Frontier points, and naive policies at the same budgets."""
    found = {
        "lattice": {"name": report.lattice.name, "configurations": len(report.lattice),
                    "levels": jsonable(report.lattice.levels)},
        "cost": report.cost, "unit": report.unit, "predictor": report.predictor, "level": report.level,
        "near_tie_tolerance": report.tolerance,
        "points": [jsonable(point) for point in report.points],
        "policies": [_policy_dict(target, size, found, report)
                     for (target, size), found in report.policies.items()],
        "notes": list(report.notes),
    }
    if report.limits:
        found |= {"limits": [{"limit": each.limit.text, **jsonable(each.limit), "excludes": each.count, "of": each.of}
                             for each in report.limits], "excluded_by_limits": report.excluded}
    if not_convex(report.cost_model):
        found["no_convex_optimum"] = not_convex(report.cost_model)
    if report.regret:
        found["flops_regret"] = [_regret_dict(target, size, each, report)
                                 for (target, size), each in report.regret.items()]
    return found


def _configurations(index: Any, report: "FrontierReport") -> list[Any]:
    return [jsonable(report.lattice.configuration(int(i))) if i >= 0 else None for i in index]


def _regret_dict(target: str, size: float | None, found: "FlopsRegret", report: "FrontierReport") -> dict[str, Any]:
    chosen = {name: _configurations(getattr(found, name), report) for name in ("best", "planned", "kept")}
    return {"target": target, "data_size": size, **jsonable(found), **chosen, "loss": jsonable(found.loss)}


def _policy_dict(
    target: str, size: float | None, found: "PolicyComparison", report: "FrontierReport"
) -> dict[str, Any]:
    return {"target": target, "data_size": size, "budgets": jsonable(found.budgets), "outcomes": [
        {"policy": o.policy, "rule": o.sentence, "configurations": _configurations(o.index, report),
         "error": jsonable(o.error), "accuracy_gain": jsonable(o.gain),
         "error_reduction": jsonable(o.error_reduction), "mean_accuracy_gain": jsonable(o.mean_gain),
         "mean_error_reduction": jsonable(o.mean_error_reduction),
         "budgets_without_choice": o.infeasible, "budgets_without_accuracy": o.without_accuracy,
         "cost_over_budget": jsonable(o.overshoot)} for o in found.outcomes]}


def current_dict(reports: "Sequence[CurrentReport]") -> list[Any]:
    """The configuration in use against the frontier."""
    return [jsonable(report) for report in reports]


def elasticity_dict(reports: "Sequence[ElasticityReport]", reason: str | None = None) -> dict[str, Any]:
    """Elasticities by target and estimator, or why there are none."""
    return {"reason": reason, "reports": [jsonable(report) for report in reports]}


def model_dict(model: "Model") -> dict[str, Any]:
    """What a model was fitted to, without its draws."""
    return {"table": model.table, "synthetic": model.synthetic, "data_hash": model.data_hash,
            "form": model.form.name, "targets": list(model.targets), "measured_levels": jsonable(model.levels),
            "encoder": jsonable(model.encoder)}


def prediction_dict(target: str, points: Sequence[Mapping[str, float]], found: "Prediction",
                    outside: Sequence[Sequence[str]], costs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One dict per predicted configuration of one task.

    `outside` says where a factor leaves the measured range; `costs` what each costs (None where that is unknown) and
    which limits it breaks.
    """
    return [{"target": target, **jsonable(point), "error": jsonable(found.error[i]),
             "mean_low": jsonable(found.mean_low[i]), "mean_high": jsonable(found.mean_high[i]),
             "new_low": jsonable(found.new_low[i]), "new_high": jsonable(found.new_high[i]), "level": found.level,
             "n_eval": jsonable(found.n_eval), "outside": list(outside[i]), **costs[i]}
            for i, point in enumerate(points)]


def study_dict(study: "Study") -> dict[str, Any]:
    """A whole study."""
    fits = study.full.fits
    return {
        "table": table_dict(study.table), "form": study.form, "reason": study.reason,
        "formula": form_dict(study.full.runs.form),
        "fits": [fit_dict(fit, study.profiles if i == 0 else None) for i, fit in enumerate(fits)],
        "comparison": comparison_dict(study.comparison), "frontier": frontier_dict(study.frontier),
        "current": current_dict(study.current),
        "elasticity": elasticity_dict(study.elasticities, study.no_elasticity), "notes": list(study.notes),
    }
