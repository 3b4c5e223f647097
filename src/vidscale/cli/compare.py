"""`vidscale compare`: which form predicts runs it has not seen."""

from vidscale.cli.options import Fitting, Printing, Reading, TableSource, TaskRows
from vidscale.cli.screen import Screen


def compare(
    table: TableSource, *,
    task: TaskRows = [],  # noqa: B006 - the parser makes a fresh one
    reading: Reading, fitting: Fitting, printing: Printing,
) -> None:
    """Compare error forms on held-out runs.

    By k-fold cross-validation, and by extrapolation where the table has a split (--split 'sweep=star' fits on those
    runs and predicts the others).

    \b
    Example:
      vidscale compare li2024 --forms add,li
    """
    from vidscale.cli.screen import use_threads
    from vidscale.cli.source import read_table, study_settings

    screen = Screen(printing)
    measurements = read_table(table, reading, task)
    settings = study_settings(fitting)
    use_threads(printing)
    from vidscale.measurements import observations
    from vidscale.report import plain, tables
    from vidscale.study import choose_form

    obs = observations(measurements, weights=settings.weights)
    with screen.progress(3 * len(settings.forms)) as tick:
        comparison, name, reason, _ = choose_form(measurements, obs, settings, tick)
    if printing.as_json:
        screen.json({"table": plain.table_dict(measurements), "form": name, "reason": reason,
                     "comparison": plain.comparison_dict(comparison)})
        return
    title = tables.label(measurements.name, measurements.synthetic)
    screen.section(f"Form: {name} for {title}", [reason])
    screen.tables(tables.compare_table(comparison, title=title, target=obs.targets[0], chosen=name))
    for kind in ("cross-validation", "extrapolation"):
        if len(obs.targets) > 1 and any(s.kind == kind for s in comparison.scores):
            screen.tables(tables.task_table(comparison, title=title, kind=kind))
    screen.notes([*measurements.notes, *(f"{a} coincides with {b} here" for a, b in comparison.same.items()),
                  *(f"{a} was not fitted: {why}" for a, why in comparison.failed.items()), *comparison.notes])
