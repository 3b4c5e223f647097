"""`vidscale plan`: which runs to pay for, what they cost, and what they will be able to tell."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidscale.cli.options import Printing, Strings
from vidscale.cli.screen import Screen
from vidscale.errors import InputError

if TYPE_CHECKING:
    from vidscale.design import PlanCost, SweepDesign, SweepPlan
    from vidscale.runs import Recipe
    from vidscale.space import Lattice
    from vidscale.study.plan_information import PlanInformation

DESIGNS = ("star", "isoflop", "grid")


def _text(name: str, metavar: str, help: str) -> Any:
    return typer.Option(name, metavar=metavar, help=help, show_default=False)


@dataclass(frozen=True, kw_only=True)
class Ranges:
    """Which configurations, data sizes and seeds are planned."""

    lm_params: Annotated[str | None, _text("--lm-params", "A,B,…", "Levels of lm_params, such as 1B,2.8B,7.5B; by "
                                           "default the recipe's, else the paper's.")] = None
    frames: Annotated[str | None, _text("--frames", "A,B,…", "Levels of frames; by default the paper's.")] = None
    tokens_per_frame: Annotated[str | None, _text("--tokens-per-frame", "A,B,…", "Levels of tokens per frame; by "
                                                  "default the paper's.")] = None
    centre: Annotated[str | None, _text("--centre", "lm_params=…,frames=…,tokens_per_frame=…", "Centre of a star; by "
                                        "default the largest level of each factor.")] = None
    data_sizes: Annotated[str | None, _text("--data-sizes", "A,B,…", "Data sizes of star and grid; by default "
                                            "250k,500k,1M.")] = None
    isoflop_data_sizes: Annotated[str | None, _text("--isoflop-data-sizes", "A,B,…", "Data sizes of an isoFLOP sweep; "
                                                    "by default 2M.")] = None
    budgets: Annotated[str | None, _text("--budgets", "A,B,…", "Budgets of an isoFLOP sweep in FLOPs per inference; "
                                         "by default 2T,5T,15T,30T.")] = None
    tolerance: Annotated[float, typer.Option("--tolerance", help="How far a cost may lie from its budget, "
                                                                 "relative.")] = 0.25
    extend: Annotated[Strings, _text("--extend", "FACTOR=A,B,…", "Levels to try for a budget that holds nothing, such "
                                     "as frames=2; repeatable.")] = field(default_factory=list)
    dearest: Annotated[str | None, _text("--dearest", "FLOPS", "Leave out grid configurations that cost more per "
                                         "inference.")] = None
    seeds: Annotated[str, typer.Option("--seeds", metavar="A,B,…", help="Seeds of every run.")] = "0"
    centre_seeds: Annotated[str | None, _text("--centre-seeds", "A,B,…", "Further seeds of a star's centre, which "
                                              "measure the noise.")] = None


@dataclass(frozen=True, kw_only=True)
class Paying:
    """How runs are priced and carried out."""

    encoder_params: Annotated[str | None, _text("--encoder-params", "N", "Parameters of the vision encoder; by default "
                                                "the recipe's, else the paper's 0.43e9.")] = None
    encoder_tokens: Annotated[str | None, _text("--encoder-tokens", "N", "Tokens it sees per frame; by default the "
                                                "recipe's, else the paper's 768.")] = None
    frozen: Annotated[Strings, _text("--frozen", "encoder|lm", "A part that is not trained; by default as the recipe "
                                     "says, else none; repeatable.")] = field(default_factory=list)
    recipe: Annotated[Path | None, _text("--recipe", "FILE.toml", "Recipe of every run; `vidscale run` needs "
                                         "one.")] = None
    command: Annotated[str | None, _text("--command", "WORDS", "What carries out a run, {folder} standing for its "
                                         "folder; by default `vidscale run`.")] = None
    name: Annotated[str | None, _text("--name", "NAME", "Name of the plan.")] = None


@dataclass(frozen=True, kw_only=True)
class Judging:
    """By what laws and noise the plan is judged."""

    form: Annotated[str, typer.Option("--form", metavar="NAME|FILE.toml", help="Form that will be "
                                                                               "fitted.")] = "add-interact"
    laws: Annotated[int, typer.Option("--laws", min=0, help="Typical laws to judge the plan by; 0 to leave that "
                                                            "out.")] = 8
    fit: Annotated[Path | None, _text("--fit", "FIT", "Judge by the laws of this fit.json or study instead.")] = None
    draws: Annotated[int, typer.Option("--draws", min=2, help="Sweeps to play through for each law.")] = 24
    n_eval: Annotated[float, typer.Option("--n-eval", help="Questions each error will be measured on.")] = 3000.0
    run_noise: Annotated[float, typer.Option("--run-noise", help="Standard deviation of log error between trainings "
                                                                 "that differ in their seed.")] = 0.01
    level: Annotated[float, typer.Option("--level", help="Probability of the intervals.")] = 0.9


def plan(
    designs: Annotated[list[str], typer.Argument(metavar="star|isoflop|grid…", show_default=False,
                                                 help="The designs, in the order in which they are run.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE.toml", show_default=False,
                                             help="Write the plan; by default it is only shown.")] = None,
    runs: Annotated[bool, typer.Option("--runs", help="List every run.")] = False,
    *, ranges: Ranges, paying: Paying, judging: Judging, printing: Printing,
) -> None:
    """Plan training runs, and say what they will be able to tell.

    Lists what the runs cost and, before anything is spent, how wide the intervals of exponents, choice and
    elasticities will be, which parameters cannot be told apart, and which runs would help most. That depends on the
    law that turns out to be true, so it is shown for many.

    \b
    Example:
      vidscale plan star isoflop --extend frames=2 --centre-seeds 1,2 --out plan.toml
      vidscale plan grid --frames 4,8,16 --data-sizes 100k,1M --dearest 20T --form add
    """
    from vidscale.cli.files import check_file, write_file
    from vidscale.cost.units import FLOPS, said
    from vidscale.design import join_designs, plan_text
    from vidscale.report.plan_listing import plan_dict, plan_table, runs_table

    if out is not None:
        if out.suffix.lower() != ".toml":
            raise InputError(f"--out {out}: a plan is a .toml file; give it that ending")
        check_file(out)
    recipe = _recipe(paying)
    cost, borrowed = _cost(paying, recipe)
    made = _designs(designs, ranges, cost, recipe)
    if not any(design.runs for design in made):
        costs = cost.model().cost(_lattice(ranges, recipe).points)
        raise InputError(f"no configuration costs about as much as a budget: they cost {said(costs.min(), FLOPS)} to "
                         f"{said(costs.max(), FLOPS)} per inference; give budgets between, such as --budgets "
                         f"{math.sqrt(costs.min() * costs.max()):.2g}, other levels, or a wider --tolerance")
    planned = join_designs(made, name=paying.name, cost=cost, recipe=paying.recipe, **_command(paying))
    if recipe is not None:
        _check(recipe, planned)
    notes = [*planned.notes, *borrowed, *_no_recipe(planned)]
    screen = Screen(printing)
    found = _information(screen, planned, judging) if judging.laws or judging.fit else None
    if out is not None:
        write_file(out, plan_text(planned, out.resolve().parent))
    if printing.as_json:
        from vidscale.report.plan_listing import information_dict

        screen.json({**plan_dict(planned), "notes": notes,
                     "information": information_dict(found) if found else None,
                     "file": str(out) if out else None})
        return
    screen.tables(plan_table(planned), *([runs_table(planned)] if runs else []))
    if notes:
        screen.section("Notes on the plan", notes)
    if found is not None:
        from vidscale.report.plan_listing import information_lines, information_tables

        screen.tables(*information_tables(found))
        screen.section("What this plan can tell", information_lines(found))
    if out is not None:
        screen.lines(str(out))


def _designs(names: Sequence[str], ranges: Ranges, cost: "PlanCost", recipe: "Recipe | None") -> "list[SweepDesign]":
    for name in names:
        if name not in DESIGNS:
            raise InputError(f"unknown design {name!r}; allowed are {', '.join(DESIGNS)}")
    makers = {"star": _stars, "isoflop": _isoflops, "grid": _grids}
    lattice = _lattice(ranges, recipe)
    return [design for name in dict.fromkeys(names) for design in makers[name](ranges, lattice, cost)]


def _stars(ranges: Ranges, lattice: "Lattice", cost: "PlanCost") -> "list[SweepDesign]":
    from vidscale.cli.words import configuration
    from vidscale.design import PAPER_STAR_DATA_SIZES, star_design
    from vidscale.space import FACTORS, ScalingFactors

    centre = (configuration(ranges.centre, "--centre") if ranges.centre
              else ScalingFactors.of([float(lattice.levels[name][-1]) for name in FACTORS]))
    sizes = _sizes(ranges.data_sizes, "--data-sizes", PAPER_STAR_DATA_SIZES)
    designs = [star_design(centre=centre, lattice=lattice, data_sizes=sizes, seeds=_seeds(ranges.seeds, "--seeds"))]
    if ranges.centre_seeds is not None:
        alone = lattice.fix(centre.as_dict())
        seeds = _seeds(ranges.centre_seeds, "--centre-seeds")
        again = star_design(centre=centre, lattice=alone, data_sizes=sizes, seeds=seeds)
        designs.append(type(again)(name="star", runs=again.runs))  # that the centre varies in nothing is its purpose
    return designs


def _isoflops(ranges: Ranges, lattice: "Lattice", cost: "PlanCost") -> "list[SweepDesign]":
    from vidscale.cli.words import pairs
    from vidscale.design import PAPER_BUDGETS, PAPER_ISOFLOP_DATA_SIZE, isoflop_design

    extension = {name: _list(text, f"--extend {name}", ()) for name, text in pairs(ranges.extend, "--extend").items()}
    return [isoflop_design(budgets=_list(ranges.budgets, "--budgets", PAPER_BUDGETS), tolerance=ranges.tolerance,
                           data_size=size, lattice=lattice, cost=cost.model(), extension=extension,
                           seeds=_seeds(ranges.seeds, "--seeds"))
            for size in _sizes(ranges.isoflop_data_sizes, "--isoflop-data-sizes", (PAPER_ISOFLOP_DATA_SIZE,))]


def _grids(ranges: Ranges, lattice: "Lattice", cost: "PlanCost") -> "list[SweepDesign]":
    from vidscale.cli.words import number
    from vidscale.design import PAPER_STAR_DATA_SIZES, grid_design

    dearest = None if ranges.dearest is None else number(ranges.dearest, "--dearest")
    return [grid_design(lattice=lattice, data_sizes=_sizes(ranges.data_sizes, "--data-sizes", PAPER_STAR_DATA_SIZES),
                        dearest=dearest, cost=cost.model(), seeds=_seeds(ranges.seeds, "--seeds"))]


def _lattice(ranges: Ranges, recipe: "Recipe | None") -> "Lattice":
    """The published levels, with those given or the recipe's language models in their place."""
    import numpy as np

    from vidscale.space import FACTORS, LM_PARAMS, Lattice, published_lattice

    published = published_lattice()
    given = {name: getattr(ranges, name) for name in FACTORS}
    if not any(given.values()) and recipe is None:
        return published
    usual = {name: published.levels[name].tolist() for name in FACTORS}
    if recipe is not None:
        usual[LM_PARAMS] = sorted(each.lm_params for each in recipe.model.language_models)
    levels = {name: np.array(_levels(name, given[name], f"--{name.replace('_', '-')}", usual[name]))
              for name in FACTORS}
    return Lattice(name="given", levels=levels)


def _sizes(text: str | None, option: str, default: Sequence[float]) -> list[float]:
    from vidscale.space import DATA_SIZE

    return _levels(DATA_SIZE, text, option, default)


def _levels(name: str, text: str | None, option: str, default: Sequence[float]) -> list[float]:
    """Levels of a factor or data sizes, each one that it can have."""
    from vidscale.cli.words import factor_value

    return [factor_value(name, value, option) for value in _list(text, option, default)]


def _list(text: str | None, option: str, default: Sequence[float]) -> list[float]:
    """Positive numbers separated by commas."""
    from vidscale.cli.words import number

    if text is None:
        return [float(value) for value in default]
    found = [number(part, option) for part in text.split(",") if part.strip()]
    if not found or min(found) <= 0:
        raise InputError(f"{option} {text!r}: write positive numbers separated by commas")
    return found


def _seeds(text: str, option: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise InputError(f"{option} {text!r}: write whole numbers separated by commas") from None


def _recipe(paying: Paying) -> "Recipe | None":
    """The recipe where `vidscale run` carries the runs out; another command's recipe is its own affair."""
    from vidscale.runs import load_recipe

    if paying.recipe is None:
        return None
    if not paying.recipe.is_file():
        raise InputError(f"the recipe {paying.recipe} is missing; check its path")
    return load_recipe(paying.recipe) if paying.command is None else None


def _cost(paying: Paying, recipe: "Recipe | None") -> "tuple[PlanCost, list[str]]":
    """How runs are priced, and what to say of an encoder that the recipe does not tell."""
    from vidscale.cli.words import number
    from vidscale.design import PlanCost

    given: dict[str, Any] = {name: number(text, f"--{name.replace('_', '-')}") for name in
                             ("encoder_params", "encoder_tokens") if (text := getattr(paying, name)) is not None}
    frozen = tuple(dict.fromkeys(paying.frozen))
    notes: list[str] = []
    if recipe is not None:
        if not frozen:
            frozen = tuple(part for part, theirs in (("encoder", "tower"), ("lm", "lm"))
                           if theirs not in recipe.model.trained)
        try:
            own = dict(zip(("encoder_params", "encoder_tokens"), recipe.encoder(), strict=True))
        except InputError as problem:  # a plan may be made where the checkpoints are not
            own = {}
            if len(given) < 2:
                notes.append(f"the vision tower of the recipe is not to be read here, so the paper's encoder is "
                             f"priced ({problem})")
        given = {**own, **given}
    return PlanCost(**given, frozen=frozen), notes


def _command(paying: Paying) -> Mapping[str, Any]:
    import shlex

    if paying.command is None:
        return {}
    try:
        return {"command": shlex.split(paying.command)}
    except ValueError as problem:
        raise InputError(f"--command {paying.command!r}: {problem}") from None


def _check(recipe: "Recipe", planned: "SweepPlan") -> None:
    """Raise InputError for runs that the recipe cannot make, as far as its files are here."""
    for size in dict.fromkeys(run.factors.lm_params for run in planned.runs):
        recipe.language_model(size)
    for tokens in sorted({run.factors.tokens_per_frame for run in planned.runs}):
        recipe.check_tokens(tokens)
    recipe.check_data_sizes({run.data_size for run in planned.runs})


def _no_recipe(planned: "SweepPlan") -> list[str]:
    from vidscale.design import RUN_COMMAND

    if planned.recipe is not None or planned.command != RUN_COMMAND:
        return []
    return ["the plan names no recipe; `vidscale run` needs one, so plan with --recipe before you sweep"]


def _information(screen: Screen, planned: "SweepPlan", judging: Judging) -> "PlanInformation":
    from vidscale.study.plan_information import InformationSettings, plan_information

    given: dict[str, Any] = {name: getattr(judging, name) for name in ("form", "draws", "n_eval", "run_noise", "level")}
    laws: dict[str, Any] = {}
    if judging.fit is None:
        given["laws"] = judging.laws
    else:
        from vidscale.cli.source import saved_fit
        from vidscale.study.store import load_model

        place = saved_fit(str(judging.fit))
        if place is None:
            raise InputError(f"--fit {judging.fit}: give a fit.json or the folder of a study")
        model = load_model(place)
        given["form"] = model.form
        laws = {"parameters": [target.parameters for target in model.targets.values()],
                "source": f"the fit of {model.form.name} to {', '.join(model.targets)} of {model.table}"}
    settings = InformationSettings(**given)
    with screen.progress(3) as tick:
        return plan_information(planned, settings, tick=tick, **laws)
