"""Predictions of configurations nobody has run, with their costs, as the command line and the API give them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vidscale.cost import CostModel
from vidscale.cost.constraints import base_cost, broken_limits
from vidscale.cost.deployment import cost_notes
from vidscale.errors import InputError
from vidscale.report.plain import prediction_dict
from vidscale.space import FACTORS, FACTORS_AND_DATA
from vidscale.study import Model

Point = Mapping[str, float]


def predictions(
    model: Model, points: Sequence[Point], cost: CostModel, *, targets: Sequence[str] | None = None,
    predictor: str = "point", level: float = 0.9, n_eval: float | None = None, seed: int = 0,
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Predicted errors with both intervals and costs, and notes on them.

    Args:
        model: fitted laws.
        points: factor → value; a factor on which the law does not depend may be left out.
        cost: what a configuration costs.
        targets: which tasks; all by default.
        predictor, level, n_eval, seed: as for `Model.predict`.

    Raises:
        InputError: a factor is missing on which the errors depend, a target or predictor is unknown.
    """
    rows = np.array([[_value(model, point, factor) for factor in FACTORS_AND_DATA] for point in points])
    outside = [model.outside(row) for row in rows]
    told = [{f: float(v) for f, v in zip(FACTORS_AND_DATA, row, strict=True) if f in model.levels or f in point}
            for row, point in zip(rows, points, strict=True)]
    costs, unpriced = row_costs(cost, told)
    found = []
    for target in targets or list(model.targets):
        said = model.predict(target, rows, predictor=predictor, level=level, n_eval=n_eval, seed=seed)
        found += prediction_dict(target, told, said, outside, costs)
    over = sum(row["error"] > 1 for row in found)
    notes = [unpriced] if unpriced else list(cost_notes(cost, rows[:, :3]))
    if over:
        notes.append(f"{over} of {len(found)} predicted errors are above 100 %: no error can be that high, the law is "
                     "used beyond what it can describe")
    return found, tuple(notes)


def check_complete(point: Point, needed: Sequence[str], name: str) -> None:
    """Raise InputError unless a point has every factor on which the errors of table `name` depend."""
    missing = [factor for factor in needed if factor not in point]
    if missing:
        given = ",".join(f"{k}={v:g}" for k, v in point.items())
        raise InputError(f"configuration {given} lacks {', '.join(missing)}, on which the errors in {name} depend; add "
                         f"{missing[0]}=…")


def _value(model: Model, point: Point, factor: str) -> float:
    """The factor's value, or its only measured one where the law does not depend on it."""
    if factor in point:
        return point[factor]
    check_complete(point, model.form.factors, model.table)
    return float(model.levels[factor][0]) if factor in model.levels else 1.0


def row_costs(cost: CostModel, points: Sequence[Point]) -> tuple[list[dict[str, Any]], str]:
    """What each configuration costs and which limits it breaks, and why some have no cost: they lack a factor."""
    found: list[dict[str, Any]] = [{"cost": None, "limits_broken": []} for _ in points]
    whole = [i for i, point in enumerate(points) if all(f in point for f in FACTORS)]
    if whole:
        x = np.array([[points[i][f] for f in FACTORS] for i in whole])
        amounts = base_cost(cost).cost(x)
        for i, amount, broken in zip(whole, amounts.tolist(), broken_limits(cost, x), strict=True):
            found[i] = {"cost": amount, "limits_broken": list(broken)}
    missing = [f for f in FACTORS if any(f not in point for point in points)]
    why = f"no cost where {', '.join(missing)} is not known: add {missing[0]}=… to the configuration" if missing else ""
    return found, why
