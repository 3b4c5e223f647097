"""`vidscale recommend`: one configuration, why, and how to serve it."""

from typing import Annotated, Any

import typer

from vidscale.cli.options import Costing, FitSource, Fitting, Predicting, Printing, Reading
from vidscale.cli.screen import Screen
from vidscale.errors import InputError


def recommend(
    source: FitSource, *,
    budget: Annotated[str | None, typer.Option("--budget", metavar="AMOUNT", show_default=False,
                                               help="Budget in the unit of the cost: 15e12 or 15T FLOPs, 500ms, $20 "
                                                    "(per million videos); by default the middle of what the "
                                                    "configurations cost. `vidscale frontier` takes several.")] = None,
    data_size: Annotated[str | None, typer.Option("--data-size", metavar="EXAMPLES", show_default=False,
                                                  help="Finetuning examples, such as 1e6 or 1M; by default the most "
                                                       "measured.")] = None,
    task: Annotated[str | None, typer.Option("--task", metavar="NAME", show_default=False,
                                             help="The task that counts; by default their average. --weight weighs "
                                                  "several.")] = None,
    allow: Annotated[list[str], typer.Option("--allow", metavar="FACTOR=VALUE,…", show_default=False,
                                             help="The only values of a factor that may be chosen: "
                                                  "--allow lm_params=1e9,2.8e9; repeatable.")] = [],  # noqa: B006
    current: Annotated[str | None, typer.Option("--current", metavar="lm_params=…,frames=…,tokens_per_frame=…",
                                                show_default=False, help="The configuration in use now, to compare "
                                                                         "with.")] = None,
    near: Annotated[float, typer.Option("--near", help="Relative excess over the best error that counts as a "
                                                       "near-tie.")] = 0.01,
    lattice: Annotated[str, typer.Option("--lattice", metavar="measured|published|deployable|dense",
                                         help="Configurations to choose from.")] = "measured",
    reading: Reading, fitting: Fitting, costing: Costing, predicting: Predicting, printing: Printing,
) -> None:
    """The configuration to deploy, why, and how to serve it.

    One budget, one answer: the configuration of least predicted error with both intervals, near-ties, what the next
    step of budget or twice the data would buy, which factor holds the error up, the comparison with what runs now, and
    command lines for vLLM and SGLang. Weights make one target of several tasks.

    \b
    Example:
      vidscale recommend paper-design --form add-interact --budget 15e12 --allow lm_params=1e9,7.5e9
      vidscale recommend li2024 --form li --current lm_params=7e9,frames=1,tokens_per_frame=36 --budget 5T
    """
    from dataclasses import replace

    from vidscale.cli.screen import use_threads
    from vidscale.cli.source import encoder, load_saved, near_tie, open_model, study_settings
    from vidscale.cli.words import budget as amount
    from vidscale.cli.words import configuration, factor_value, number, numbers
    from vidscale.recommend import Answerer, Question
    from vidscale.recommend import recommend as answer

    screen = Screen(printing)
    weights, fitting = numbers(fitting.weight, "--weight"), replace(fitting, weight=[])
    if task is not None and weights:
        raise InputError("both --task and --weight are given; a recommendation has one target, leave one of them out")
    named = [task] if task is not None else list(weights)
    saved = load_saved(source, reading, fitting, named)
    settings = study_settings(fitting, costing=costing, predicting=predicting,
                              stored=None if saved is None else saved.cost_settings)
    question = Question(
        budget=None if budget is None else amount(budget, settings.cost.unit, several=False),
        data_size=None if data_size is None else factor_value("data_size", number(data_size, "--data-size"),
                                                              "--data-size"),
        task=task, weights=weights or None, **allowed(allow), tolerance=near_tie(near), lattice=lattice,
        current=None if current is None else configuration(current, "--current"), predictor=predicting.predictor,
        level=predicting.level, n_eval=predicting.n_eval, seed=fitting.seed, output_tokens=costing.output_tokens)
    use_threads(printing)
    with screen.progress(3 * len(settings.forms) + 2) as tick:
        model, notes = open_model(source, saved, reading, fitting, settings, named, tick, choosing=False)
        answerer = Answerer(model, cost=settings.cost, encoder=encoder(costing, model.encoder))
        found = answer(answerer, question)
    if printing.as_json:
        screen.json(found)
    else:
        screen.lines(repr(found))
    screen.notes(notes)


def allowed(texts: list[str]) -> dict[str, Any]:
    """Factor → the values that may be chosen, from "lm_params=1e9,2.8e9"."""
    from vidscale.cli.words import factor_value, number, pairs
    from vidscale.space.factors import FACTORS

    found: dict[str, tuple[float, ...]] = {}
    for name, values in pairs(texts, "--allow").items():
        if name not in FACTORS:
            raise InputError(f"--allow: unknown factor {name!r}; allowed are {', '.join(FACTORS)}")
        found[name] = tuple(factor_value(name, number(value, f"--allow {name}"), "--allow")
                            for value in values.split(",") if value.strip())
        if not found[name]:
            raise InputError(f"--allow {name} has no values; write {name}=1e9,2.8e9")
    return found
