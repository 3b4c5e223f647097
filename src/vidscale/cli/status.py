"""`vidscale status`: how a sweep stands."""

from pathlib import Path
from typing import Annotated

import typer

from vidscale.cli.options import Printing
from vidscale.cli.screen import Screen

SweepFolder = Annotated[Path, typer.Argument(metavar="DIR", show_default=False, help="Folder of a sweep.")]


def status(
    folder: SweepFolder,
    every: Annotated[bool, typer.Option("--all", help="List every run, not only those running and failed.")] = False,
    *, printing: Printing,
) -> None:
    """How a sweep stands.

    What is done, who is at what, what failed and why.

    \b
    Example:
      vidscale status star
    """
    from vidscale.cli.sweep import show
    from vidscale.runs.folder import open_sweep, statuses

    plan = open_sweep(folder)
    show(Screen(printing), plan, folder, statuses(plan, folder), every_run=every)
