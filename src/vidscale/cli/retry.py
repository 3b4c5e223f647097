"""`vidscale retry`: give failed runs another try."""

from typing import Annotated

import typer

from vidscale.cli.options import Printing
from vidscale.cli.screen import Screen
from vidscale.cli.status import SweepFolder
from vidscale.errors import InputError


def retry(
    folder: SweepFolder,
    run: Annotated[list[str], typer.Option("--run", metavar="NAME", show_default=False,
                                           help="Only this run; repeatable.")] = [],  # noqa: B006
    reason: Annotated[list[str], typer.Option("--reason", metavar="REASON", show_default=False,
                                              help="Only runs that failed for this reason, such as out-of-memory; "
                                                   "repeatable.")] = [],  # noqa: B006
    *, printing: Printing,
) -> None:
    """Give failed runs another try, once what failed them is mended.

    The runs count as planned again; `vidscale sweep` carries them out, from their last checkpoint where they have one.

    \b
    Example:
      vidscale retry star --reason out-of-memory
    """
    from vidscale.runs.failures import FailureReason
    from vidscale.runs.folder import Standing, open_sweep, statuses
    from vidscale.runs.folder import retry as reset

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
    for each in found:
        if each.spec.run_id in run and each.standing is not Standing.FAILED:
            raise InputError(f"run {each.spec.run_id} is {each.standing.value}, not failed; there is nothing to retry")
    chosen = tuple(each for each in found if (not run or each.spec.run_id in run)
                   and (not reason or (each.reason is not None and each.reason.value in reason)))
    done = [each.spec.run_id for each in reset(chosen)]
    screen = Screen(printing)
    if printing.as_json:
        screen.json({"reset": done})
    else:
        screen.lines(f"{len(done)} failed runs are planned again", *done)
