"""`vidscale predict`: the error of configurations nobody has run."""

from pathlib import Path
from typing import Annotated, Any

import typer

from vidscale.cli.options import Costing, FitSource, Fitting, Predicting, Printing, Reading, TaskAnswers
from vidscale.cli.screen import Screen
from vidscale.errors import InputError

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
    reading: Reading, fitting: Fitting, costing: Costing, predicting: Predicting, printing: Printing,
) -> None:
    """Predict task errors, with intervals and costs.

    One interval is for the true mean, the other for a new measurement. The cost is the one asked for with --cost.

    \b
    Example:
      vidscale predict li2024 --form li --at lm_params=4e9,tokens_per_frame=64
    """
    from vidscale.cli.screen import use_threads
    from vidscale.cli.source import encoder, load_saved, open_model, study_settings
    from vidscale.cli.words import factors

    screen = Screen(printing)
    asked = [factors(text, "--at") for text in at]
    if points is not None:
        asked += read_points(points)
    if not asked:
        raise InputError("nothing to predict; give --at lm_params=7.5e9,frames=32,… or --points points.csv")
    saved = load_saved(source, reading, fitting, task)
    settings = study_settings(fitting, costing=costing, predicting=predicting,
                              stored=None if saved is None else saved.cost_settings)
    use_threads(printing)
    from vidscale.cost.deployment import cost_of
    from vidscale.report import plain, tables
    from vidscale.report.predictions import check_complete, predictions
    from vidscale.study import cost_model

    def early(table: Any) -> None:
        cost_of(settings.cost)
        for point in asked:
            check_complete(point, table.varying, table.name)

    with screen.progress(3 * len(settings.forms) + 2) as tick:
        model, notes = open_model(source, saved, reading, fitting, settings, task, tick, early, choosing=False)
    cost = cost_model(model, encoder(costing, model.encoder), settings.cost)
    found, said = predictions(model, asked, cost, targets=task or None, predictor=predicting.predictor,
                              level=predicting.level, n_eval=predicting.n_eval, seed=fitting.seed)
    notes = (*notes, *said)
    if printing.as_json:
        screen.json({"model": plain.model_dict(model), "predictor": predicting.predictor, "level": predicting.level,
                     "cost": cost.name, "unit": cost.unit, "predictions": found, "notes": list(notes)})
        return
    title = tables.label(model.table, model.synthetic)
    screen.tables(tables.prediction_table(found, title=title, predictor=predicting.predictor, cost=cost.name,
                                         cost_unit=cost.unit))
    screen.notes(notes)


def read_points(path: Path) -> list[dict[str, float]]:
    """Configurations from a file, one column per factor, every cell a number that the factor can have."""
    import numpy as np

    from vidscale.cli.words import outside as factor_fault
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
        wrong = cells.first(np.array([bool(factor_fault(name, value)) for value in values[name].tolist()]))
        if wrong is not None:
            value = float(values[name][wrong])
            raise cells.fail(wrong, f"the value is {value:g}", factor_fault(name, value).lstrip(";: "))
    return [{name: float(values[name][i]) for name in names} for i in range(len(raw.cells))]
