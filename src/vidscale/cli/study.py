"""`vidscale study`: the whole analysis."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidscale.cli.options import (
    Asking,
    Choosing,
    Costing,
    Fitting,
    Predicting,
    Printing,
    Reading,
    TableSource,
    TaskRows,
)
from vidscale.cli.screen import Screen

if TYPE_CHECKING:
    from vidscale.study import Study

#: The files to open first, named last on the screen.
ANSWERS = ("summary.md", "report.html")


def study(
    table: TableSource, *,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", show_default=False,
                                             help="Folder for the results; by default TABLE-study here.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Put the results among files of another kind; files of the "
                                                        "same name are replaced, others stay.")] = False,
    task: TaskRows = [],  # noqa: B006 - the parser makes a fresh one
    reading: Reading, fitting: Fitting, choosing: Choosing, costing: Costing, asking: Asking, predicting: Predicting,
    printing: Printing,
) -> None:
    """The whole analysis, from a table to the frontier.

    Compares error forms on held-out runs, fits the best one, bootstraps it, searches the frontier, sets it against
    naive policies, and measures how the optimum moves with finetuning data. Prints the answer and writes a folder of
    plain files.

    \b
    Example:
      vidscale study paper-design --out study --budget 15e12
    """
    from vidscale.cli.files import check_folder, write_folder
    from vidscale.cli.screen import use_threads
    from vidscale.cli.source import check_table, read_table, study_settings

    screen = Screen(printing)
    name = Path(table).stem
    folder = out or Path(f"{name}-study")
    check_folder(folder, force)
    measurements = read_table(table, reading, task)
    settings = study_settings(fitting, choosing=choosing, costing=costing, asking=asking, predicting=predicting,
                              table=measurements)
    check_table(measurements, settings)
    use_threads(printing)
    from vidscale.report import write_study
    from vidscale.study import run_study

    targets = len(measurements.tasks) + (len(measurements.tasks) > 1)
    with screen.progress(3 * len(settings.forms) + 4 * targets + 10) as tick:
        done = run_study(measurements, settings, tick=tick)
        files = write_folder(folder, lambda place: write_study(done, place, tick), study_files())
    if printing.as_json:
        from vidscale.report.plain import study_dict

        screen.json({**study_dict(done), "files": [str(file) for file in files]})
    else:
        print_study(screen, done, every_task=bool(task))
        screen.section("Files", [_near(file) for file in files if file.name not in ANSWERS])
        screen.lines(*(_near(folder.resolve() / name) for name in ANSWERS))


def study_files() -> set[str]:
    """Every name a study may write, so that none of an earlier study outlives it in the same folder."""
    from vidscale.report.summary import FILES
    from vidscale.report.write import FIGURES

    return {*FILES, *ANSWERS, *(f"figures/{name}.png" for name in FIGURES)}


def print_study(screen: Screen, done: "Study", *, every_task: bool) -> None:
    """The tables of a study; of the frontier only the first target's, unless tasks were asked for."""
    from vidscale.forms import text
    from vidscale.report import tables
    from vidscale.report.other_forms import other_form_lines

    title, lead, fit = tables.study_label(done), done.model.lead, done.full.fits[0]
    targets = list(done.model.targets) if every_task else [lead]
    screen.section(f"Form: {done.form} for {title}", [
        done.reason, text(fit.form), f"{lead}: {text(fit.form, fit.parameters)}"])
    screen.section(f"Certificate of the fit to {lead}", tables.certificate_lines(fit))
    screen.tables(tables.parameter_table(fit, done.profiles, title=title), tables.comparison_table(done))
    if done.other_profiles:
        screen.section(f"Other forms, {lead}: {title}", other_form_lines(done))
    for target in targets:
        screen.tables(*frontier_tables(done, target, title))
    if done.current:
        screen.tables(tables.current_table(done.current, title=title, target=None if every_task else lead,
                                           cost_unit=done.frontier.unit))
    if done.no_elasticity:
        screen.section(f"Elasticity: {title}", [done.no_elasticity])
    for target in targets if done.elasticities else []:
        screen.tables(tables.elasticity_table(done.elasticities, title=title, target=target))
    others = len(done.model.targets) - len(targets)
    if others:
        screen.section("More", [f"{others} more targets are in the files, and on the screen with --task"])
    if done.notes:
        screen.section("Notes", done.notes)


def frontier_tables(done: "Study", target: str, title: str) -> list[Any]:
    """Frontier, continuous optimum, naive policies and what planning by FLOPs loses, of one target."""
    from vidscale.report import tables
    from vidscale.report.regret import regret_table

    found = [tables.frontier_table(done.frontier, title=title, target=target)]
    if any(p.continuous is not None for p in done.frontier.points):
        found.append(tables.continuous_table(done.frontier, title=title, target=target))
    found.append(tables.policy_table(done.frontier, title=title, target=target))
    return [*found, *([regret_table(done.frontier, title=title, target=target)] if done.frontier.regret else [])]


def _near(path: Path) -> str:
    """A path as seen from here, where it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
