"""`vidscale frontier`: the best configuration for a budget."""

from vidscale.cli.options import (
    Asking,
    Choosing,
    Costing,
    FitSource,
    Fitting,
    Predicting,
    Printing,
    Reading,
    TaskAnswers,
)
from vidscale.cli.screen import Screen


def frontier(
    source: FitSource, *,
    task: TaskAnswers = [],  # noqa: B006 - the parser makes a fresh one
    reading: Reading, fitting: Fitting, choosing: Choosing, costing: Costing, asking: Asking, predicting: Predicting,
    printing: Printing,
) -> None:
    """The best configuration for each budget.

    The one with the lowest predicted error, for each budget and data size, with its interval, near-ties, the
    probability that it is the best one, the continuous optimum with the marginal value of compute, and the gain over
    naive policies at equal cost. The budget may be of any cost (FLOPs, latency, dollars, see --cost), with limits on
    others beside it; where it is not FLOPs, a table says what planning by FLOPs would lose. Without --task the first
    target is shown.

    \b
    Example:
      vidscale frontier paper-design --form add-interact --budget 15e12 --budget 30e12 --data-size 1e6
      vidscale frontier paper-design --form add-interact --cost latency --gpu h200 --output-tokens 8 --budget 100ms
    """
    from vidscale.cli.screen import use_threads
    from vidscale.cli.source import check_question, encoder, load_saved, open_model, study_settings

    screen = Screen(printing)
    saved = load_saved(source, reading, fitting, task)
    settings = study_settings(fitting, choosing=choosing, costing=costing, asking=asking, predicting=predicting,
                              stored=None if saved is None else saved.cost_settings)
    use_threads(printing)
    from dataclasses import replace

    from vidscale.report import plain, tables
    from vidscale.report.regret import regret_table
    from vidscale.study import cost_model, current_report, frontier_report

    with screen.progress(3 * len(settings.forms) + 2 + len(task or [1])) as tick:
        model, notes = open_model(source, saved, reading, fitting, settings, task, tick)
        settings = replace(settings, encoder=encoder(costing, model.encoder))
        lattice, cost, budgets, sizes = check_question(model, settings)
        targets = task or ([*model.targets] if printing.as_json else [model.lead])
        report = frontier_report(model, lattice, cost, budgets, sizes, targets=targets, predictor=settings.predictor,
                                 level=settings.level, tolerance=settings.tolerance, n_eval=settings.n_eval,
                                 current=settings.current, planner=cost_model(model, settings.encoder),
                                 seed=settings.seed, tick=tick)
        current = ()
        if settings.current is not None:
            current = current_report(model, lattice, cost, settings.current, sizes, targets=targets,
                                     predictor=settings.predictor)
    if printing.as_json:
        screen.json({"model": plain.model_dict(model), "frontier": plain.frontier_dict(report),
                     "current": plain.current_dict(current), "notes": [*notes, *report.notes]})
        return
    title = tables.label(model.table, model.synthetic)
    for target in targets:
        screen.tables(tables.frontier_table(report, title=title, target=target))
        if any(p.continuous is not None for p in report.points):
            screen.tables(tables.continuous_table(report, title=title, target=target))
        screen.tables(tables.policy_table(report, title=title, target=target))
        if report.regret:
            screen.tables(regret_table(report, title=title, target=target))
    if current:
        screen.tables(tables.current_table(current, title=title, cost_unit=report.unit))
    more = [name for name in model.targets if name not in targets]
    screen.notes([*notes, *report.notes, *([f"--task shows {', '.join(more)}"] if more and not task else [])])
