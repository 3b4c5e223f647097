"""`vidscale elasticity`: how the optimum moves as finetuning data grows."""

from typing import Any

from vidscale.cli.options import Choosing, Costing, FitSource, Fitting, Predicting, Printing, Reading, TaskAnswers
from vidscale.cli.screen import Screen
from vidscale.errors import InputError


def elasticity(
    source: FitSource, *,
    task: TaskAnswers = [],  # noqa: B006 - the parser makes a fresh one
    reading: Reading, fitting: Fitting, choosing: Choosing, costing: Costing, predicting: Predicting,
    printing: Printing,
) -> None:
    """How the optimum moves as finetuning data grows.

    Elasticities in the data size by the paper's estimator and, where the cost is a posynomial, by the exact
    derivative. Each is named by lattice, step and ranges, on which it depends. Without --task the first target is
    shown.

    \b
    Example:
      vidscale elasticity paper-design --form add-interact --task average
    """
    from vidscale.cli.screen import use_threads
    from vidscale.cli.source import check_question, encoder, load_saved, open_model, study_settings

    screen = Screen(printing)
    saved = load_saved(source, reading, fitting, task)
    settings = study_settings(fitting, choosing=choosing, costing=costing, predicting=predicting,
                              stored=None if saved is None else saved.cost_settings)
    use_threads(printing)
    from dataclasses import replace

    from vidscale.cost.constraints import excluded, exclusions, limit_sentence
    from vidscale.cost.deployment import cost_notes
    from vidscale.report import plain, tables
    from vidscale.study import elasticity_reports, no_continuous

    def early(table: Any) -> None:
        if "data_size" not in table.varying:
            raise InputError(f"no elasticity: data_size does not vary in {table.name!r}; elasticities need runs at "
                             "two or more data sizes")

    with screen.progress(3 * len(settings.forms) + 2 + len(task or [1])) as tick:
        model, notes = open_model(source, saved, reading, fitting, settings, task, tick, early)
        settings = replace(settings, encoder=encoder(costing, model.encoder))
        lattice, cost, _, _ = check_question(model, settings)
        targets = task or ([*model.targets] if printing.as_json else [model.lead])
        found = elasticity_reports(model, lattice, cost, targets=targets, level=settings.level, tick=tick)
    limits = limit_sentence(exclusions(cost, lattice.points), excluded(cost, lattice.points))
    only = no_continuous(cost)
    notes = (*notes, *(cost_notes(cost, lattice.points) if only else ()), *([only] if only else []),
             *([f"limits, of {len(lattice)} configurations: {limits}"] if limits else []))
    if printing.as_json:
        screen.json({"model": plain.model_dict(model), "elasticity": plain.elasticity_dict(found),
                     "notes": list(notes)})
        return
    title = tables.label(model.table, model.synthetic)
    screen.tables(*(tables.elasticity_table(found, title=title, target=target) for target in targets))
    more = [name for name in model.targets if name not in targets]
    screen.notes([*notes, *([f"--task shows {', '.join(more)}"] if more and not task else [])])
