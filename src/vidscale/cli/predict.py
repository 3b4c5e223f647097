"""`vidscale predict`: the error of configurations nobody has run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidscale.cli.options import FitSource, Fitting, Predicting, Printing, Reading, TaskAnswers
from vidscale.cli.screen import Screen
from vidscale.errors import InputError

if TYPE_CHECKING:
    from vidscale.study import Model

#: Most configurations that are predicted at once.
MOST = 10_000


def predict(
    source: FitSource, *,
    at: Annotated[list[str], typer.Option("--at", metavar="FACTOR=VALUE,…", show_default=False,
                                          help="A configuration: lm_params=7.5e9,frames=32,tokens_per_frame=196,"
                                               "data_size=1e6; repeatable.")] = [],  # noqa: B006
    points: Annotated[Path | None, typer.Option("--points", metavar="POINTS.csv", show_default=False,
                                                help="A table of configurations, one column per factor.")] = None,
    task: TaskAnswers = [],  # noqa: B006
    reading: Reading, fitting: Fitting, predicting: Predicting, printing: Printing,
) -> None:
    """Predict task errors, with intervals.

    One interval is for the true mean, the other for a new measurement.

    \b
    Example:
      vidscale predict li2024 --form li --at lm_params=4e9,tokens_per_frame=64
    """
    from vidscale.cli.screen import use_threads
    from vidscale.cli.source import open_model, study_settings
    from vidscale.cli.words import factors

    screen = Screen(printing)
    asked = [factors(text, "--at") for text in at]
    if points is not None:
        asked += read_points(points)
    if not asked:
        raise InputError("nothing to predict; give --at lm_params=7.5e9,frames=32,… or --points points.csv")
    settings = study_settings(fitting, predicting=predicting)
    use_threads(printing)
    import numpy as np

    from vidscale.report import plain, tables
    from vidscale.space import FACTORS_AND_DATA

    def early(table: Any) -> None:
        for point in asked:
            _check_complete(point, table.varying, table.name)

    with screen.progress(3 * len(settings.forms) + 2) as tick:
        model, notes = open_model(source, reading, fitting, settings, task, tick, early)
    rows = np.array([[_value(model, point, factor) for factor in FACTORS_AND_DATA] for point in asked])
    outside = [model.outside(row) for row in rows]
    told = [{f: float(v) for f, v in zip(FACTORS_AND_DATA, row, strict=True) if f in model.levels or f in point}
            for row, point in zip(rows, asked, strict=True)]
    found = []
    for target in task or list(model.targets):
        said = model.predict(target, rows, predictor=predicting.predictor, level=predicting.level,
                             n_eval=predicting.n_eval, seed=fitting.seed)
        found += plain.prediction_dict(target, told, said, outside)
    if printing.as_json:
        screen.json({"model": plain.model_dict(model), "predictor": predicting.predictor, "level": predicting.level,
                     "predictions": found, "notes": list(notes)})
        return
    title = tables.label(model.table, model.synthetic)
    screen.tables(tables.prediction_table(found, title=title, predictor=predicting.predictor))
    screen.notes(notes)


def read_points(path: Path) -> list[dict[str, float]]:
    """Configurations from a file, one column per factor, every cell a positive number."""
    import numpy as np

    from vidscale.measurements.cells import column, numbers
    from vidscale.measurements.load import load_file
    from vidscale.space import FACTORS_AND_DATA

    raw = load_file(path)
    names = [name for name in FACTORS_AND_DATA if name in raw.cells.columns]
    if not names:
        raise InputError(f"{path} has no column {', '.join(FACTORS_AND_DATA)}; give one column per factor")
    if len(raw.cells) > MOST:
        raise InputError(f"{path} has {len(raw.cells)} rows; at most {MOST} are predicted at once")
    values = {}
    for name in names:
        cells = column(raw, name, name)
        values[name] = numbers(cells)
        wrong = cells.first(~(values[name] > 0) | ~np.isfinite(values[name]))
        if wrong is not None:
            raise cells.fail(wrong, f"the value is {values[name][wrong]:g}", "allowed are positive numbers")
    return [{name: float(values[name][i]) for name in names} for i in range(len(raw.cells))]


def _check_complete(point: dict[str, float], needed: Any, name: str) -> None:
    missing = [factor for factor in needed if factor not in point]
    if missing:
        given = ",".join(f"{k}={v:g}" for k, v in point.items())
        raise InputError(f"configuration {given} lacks {', '.join(missing)}, on which the errors in {name} depend; add "
                         f"{missing[0]}=…")


def _value(model: "Model", point: dict[str, float], factor: str) -> float:
    """The factor's value, or its only measured one where the law does not depend on it."""
    if factor in point:
        return point[factor]
    _check_complete(point, model.form.factors, model.table)
    return float(model.levels[factor][0]) if factor in model.levels else 1.0
