"""`vidscale retry`: give failed runs another try."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidscale.cli.options import Printing
from vidscale.cli.screen import Screen
from vidscale.cli.status import SweepFolder
from vidscale.errors import InputError

if TYPE_CHECKING:
    from vidscale.design import RunSpec, SweepPlan


def retry(
    folder: SweepFolder,
    run: Annotated[list[str], typer.Option("--run", metavar="NAME", show_default=False,
                                           help="Only this run; repeatable.")] = [],  # noqa: B006
    reason: Annotated[list[str], typer.Option("--reason", metavar="REASON", show_default=False,
                                              help="Only runs that failed for this reason, such as out-of-memory; "
                                                   "repeatable.")] = [],  # noqa: B006
    recipe: Annotated[Path | None, typer.Option("--recipe", metavar="NEW.toml", show_default=False,
                                                help="Plan the failed runs with this recipe instead, in the file "
                                                     "--out.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="REST.toml", show_default=False,
                                             help="The plan to write, with --recipe.")] = None,
    *, printing: Printing,
) -> None:
    """Give failed runs another try, once what failed them is mended.

    The runs count as planned again; `vidscale sweep` carries them out, from their last checkpoint where they have one.
    So do runs that are done and whose rows are damaged; their rows go. Where the recipe has to change in what decides
    a result, `--recipe` and `--out` write the failed runs as a plan of their own and leave the sweep as it is.

    \b
    Example:
      vidscale retry star --reason out-of-memory
      vidscale retry star --recipe slower.toml --out rest.toml
    """
    from vidscale.runs.collect import damaged
    from vidscale.runs.failures import FailureReason
    from vidscale.runs.folder import Standing, check_recipes, open_sweep, statuses
    from vidscale.runs.folder import retry as reset

    if (recipe is None) != (out is None):
        raise InputError("--recipe and --out go together: the recipe for the failed runs, and the plan to write")
    plan = open_sweep(folder)
    known = [each.run_id for each in plan.runs]
    for name in run:
        if name not in known:
            raise InputError(f"there is no run {name!r} in {folder}; `vidscale status {folder} --all` lists them")
    reasons = [each.value for each in FailureReason]
    for name in reason:
        if name not in reasons:
            raise InputError(f"unknown reason {name!r}; the reasons are {', '.join(reasons)}")
    found = statuses(plan, folder)
    spoilt = damaged(plan, folder, found)
    for each in found:
        if each.spec.run_id in run and each.standing is not Standing.FAILED and each.spec.run_id not in spoilt:
            whole = " with rows that can be read" if each.standing is Standing.DONE else ""
            raise InputError(f"run {each.spec.run_id} is {each.standing.value}{whole}, not failed; there is nothing to "
                             "retry")
    chosen = tuple(each for each in found if (not run or each.spec.run_id in run)
                   and (not reason or (each.reason is not None and each.reason.value in reason)))
    screen = Screen(printing)
    if recipe is not None and out is not None:
        failed = [each.spec for each in chosen if each.standing is Standing.FAILED or each.spec.run_id in spoilt]
        _plan_anew(screen, plan, failed, recipe, out, folder)
        return
    check_recipes(plan, folder)
    done = [each.spec.run_id for each in reset(chosen, spoilt)]
    if printing.as_json:
        screen.json({"reset": done})
    else:
        screen.lines(f"{len(done)} runs are planned again; `vidscale sweep {folder}` carries them out" if done else
                     "no run failed, so none is planned again", *done)


def _plan_anew(screen: Screen, plan: "SweepPlan", runs: "list[RunSpec]", recipe: Path, out: Path, folder: Path) -> None:
    """Write a plan of some runs with another recipe."""
    from vidscale.cli.files import check_file, write_file
    from vidscale.design import RUN_COMMAND, plan_text
    from vidscale.runs.recipe import load_recipe

    if not runs:
        raise InputError(f"no run of {folder} failed, so there is nothing to plan with another recipe")
    if out.suffix.lower() != ".toml":
        raise InputError(f"--out {out}: a plan is a .toml file")
    if out.exists():
        raise InputError(f"{out} is there already; name a new file with --out")
    if not recipe.is_file():
        raise InputError(f"the recipe {recipe} is missing; check its path")
    if plan.command == RUN_COMMAND:
        load_recipe(recipe)
    check_file(out)
    other = replace(plan, runs=tuple(runs), recipe=recipe.resolve())
    write_file(out, plan_text(other, out.resolve().parent))
    names = [spec.run_id for spec in runs]
    if screen.printing.as_json:
        screen.json({"file": str(out), "runs": names})
        return
    place = f"{out.stem}-sweep"
    screen.lines(str(out), f"{len(names)} runs with the recipe {recipe}: `vidscale sweep {out} --out {place}`, then "
                 f"`vidscale collect {folder} {place} --out FILE.csv`", *names)
