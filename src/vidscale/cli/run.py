"""`vidscale run`: one training run, from its folder to its measurements."""

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from vidscale.cli.options import Printing
from vidscale.cli.screen import Screen

#: Between lines of progress where stderr is no terminal.
SECONDS_BETWEEN_LINES = 5.0


def run(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder with a run.json.", show_default=False)],
    *, printing: Printing,
) -> None:
    """Train and evaluate one run.

    May be given any number of times: goes on where an interrupted run stopped, does nothing where it is done. The
    measurements are FOLDER/rows.csv.
    Exit code 1 says that the run failed, 130 that it was interrupted. Needs the extra `train`.

    \b
    Example:
      vidscale example tiny --quiet
      vidscale run tiny/run
    """
    from vidscale.cli.needs import train_extra
    from vidscale.runs import FailureReason, RunState
    from vidscale.runs.state import ROWS_FILE

    train_extra()
    from vidscale.runs.run import execute

    screen = Screen(printing)
    with screen.progress(_steps(folder)) as say:
        outcome = execute(folder, _seldom(say), printing.threads)
    done = outcome.state is RunState.DONE
    if printing.as_json:
        screen.json(_plain(outcome, folder / ROWS_FILE if done else None))
    else:
        screen.lines(f"{outcome.run_id}: {outcome.state}{f' ({outcome.reason})' if outcome.reason else ''}",
                     outcome.message, *([str(folder / ROWS_FILE)] if done else []))
    screen.notes(outcome.notes)
    if not done:
        raise typer.Exit(130 if outcome.reason is FailureReason.INTERRUPTED else 1)


def _steps(folder: Path) -> int:
    """How many steps the run has, for the progress bar."""
    from vidscale.errors import InputError
    from vidscale.runs import load_recipe, read_run

    try:
        planned = read_run(folder)
        return load_recipe(planned.recipe).steps(planned.spec.data_size)
    except InputError:  # execute says it better, and records it
        return 1


def _seldom(say: Callable[[str], None]) -> Callable[[str], None]:
    """Every step moves a progress bar; a log takes a line every few seconds."""
    if sys.stderr.isatty():
        return say
    last = [-math.inf]

    def now_and_then(text: str) -> None:
        if time.monotonic() - last[0] >= SECONDS_BETWEEN_LINES:
            last[0] = time.monotonic()
            say(text)

    return now_and_then


def _plain(outcome: Any, rows: Path | None) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(outcome), "notes": list(outcome.notes), "rows": None if rows is None else str(rows)}
