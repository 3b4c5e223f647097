"""`vidscale run`: one training run, from its folder to its measurements."""

from pathlib import Path
from typing import Annotated, Any

import typer

from vidscale.cli.options import Printing
from vidscale.cli.screen import Screen


def run(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder with a run.json.", show_default=False)],
    *, printing: Printing,
) -> None:
    """Train and evaluate one run; may be given any number of times.

    Goes on where an interrupted run stopped and does nothing where it is done. The measurements are FOLDER/rows.csv.
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
    with screen.progress(0) as say:
        outcome = execute(folder, say)
    done = outcome.state is RunState.DONE
    if printing.as_json:
        screen.json(_plain(outcome, folder / ROWS_FILE if done else None))
    else:
        screen.lines(f"{outcome.run_id}: {outcome.state}{f' ({outcome.reason})' if outcome.reason else ''}",
                     outcome.message, *([str(folder / ROWS_FILE)] if done else []))
    screen.notes(outcome.notes)
    if not done:
        raise typer.Exit(130 if outcome.reason is FailureReason.INTERRUPTED else 1)


def _plain(outcome: Any, rows: Path | None) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(outcome), "notes": list(outcome.notes), "rows": None if rows is None else str(rows)}
