"""`vidscale sweep`: carry out a plan."""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidscale.cli.options import Printing
from vidscale.cli.screen import Screen
from vidscale.errors import InputError

if TYPE_CHECKING:
    from vidscale.design import SweepPlan
    from vidscale.runs.folder import RunStatus
    from vidscale.runs.queue import Launcher, SweepResult, SweepSettings

EXECUTORS = ("local", "ray", "slurm")

#: Clears the line of a progress bar, and shows the cursor that it hides.
SHOW_CURSOR = b"\r\x1b[2K\x1b[?25h"

#: Exit code of a sweep that was asked to stop.
STOPPED = 130


def sweep(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", show_default=False,
                                         help="A file that `vidscale plan` wrote, or the folder of a sweep to go on "
                                              "with.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", show_default=False,
                                             help="Folder of the sweep; by default PLAN-sweep here.")] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Runs at a time.")] = 1,
    retries: Annotated[int, typer.Option("--retries", min=0, help="Further tries of a failed run, unless none could "
                                                                  "help (missing or corrupt file, bad input, NaN "
                                                                  "loss).")] = 1,
    executor: Annotated[str, typer.Option("--executor", metavar="local|ray|slurm", help="Where runs are carried "
                                                                                        "out.")] = "local",
    option: Annotated[list[str], typer.Option("--option", metavar="NAME=VALUE", show_default=False,
                                              help="An option of the executor, such as num_gpus=1 (ray) or "
                                                   "slurm_partition=gpu; repeatable.")] = [],  # noqa: B006
    devices: Annotated[str | None, typer.Option("--devices", metavar="0,1,…", show_default=False,
                                                help="GPUs to share out among local workers.")] = None,
    grace: Annotated[float, typer.Option("--grace", min=0, help="Seconds a run is given to end when the sweep is "
                                                                "stopped.")] = 20.0,
    prepare: Annotated[bool, typer.Option("--prepare", help="Make the folders of the runs and stop.")] = False,
    *, printing: Printing,
) -> None:
    """Carry out a plan: train and evaluate every run.

    Stopped or killed at any point, the same command goes on where it was: nothing is lost, and no run is carried out
    twice, not even by two sweeps on one folder. A run that fails is recorded with its reason, and the sweep goes on.
    Exit code 1 if runs failed or are left.

    \b
    Example:
      vidscale sweep star.toml --out star --workers 2
    """
    from vidscale.cli.words import pairs
    from vidscale.design import RUN_COMMAND
    from vidscale.runs import folder as place
    from vidscale.runs.queue import SweepSettings

    if executor not in EXECUTORS:
        raise InputError(f"unknown executor {executor!r}; allowed are {', '.join(EXECUTORS)}")
    if executor != "local" and devices is not None:
        raise InputError("--devices shares out GPUs of this machine; on a cluster ask for them with --option")
    options = pairs(option, "--option")
    if executor == "local" and options:
        raise InputError("--option is for ray and slurm; the local executor has none")
    planned, folder = _opened(plan, out)
    if planned.recipe is None and planned.command == RUN_COMMAND:
        raise InputError(f"plan {planned.name!r} names no recipe, which `vidscale run` needs; plan with --recipe "
                         "FILE.toml, or with another --command")
    place.prepare(planned, folder)
    screen = Screen(printing)
    settings = SweepSettings(workers=workers, retries=retries, grace_s=grace,
                             devices=tuple(each.strip() for each in (devices or "").split(",") if each.strip()))
    if prepare:
        show(screen, planned, folder, place.statuses(planned, folder))
        return
    with _stopping() as stop:
        done = _sweep(screen, planned, folder, executor, options, settings, stop)
    stopped = done.stopped
    standing = show(screen, planned, folder, done.statuses, stopped)
    if stopped == "the sweep was stopped":
        raise typer.Exit(STOPPED)
    if standing["done"] < len(planned):
        raise typer.Exit(1)


def _opened(plan: Path, out: Path | None) -> "tuple[SweepPlan, Path]":
    """The plan and the folder, from a plan's file or from a sweep's folder."""
    from vidscale.design import read_plan
    from vidscale.runs.folder import open_sweep

    if plan.is_dir():
        if out is not None and out.resolve() != plan.resolve():
            raise InputError(f"{plan} is the folder of a sweep already; leave --out away, or give a plan's file")
        return open_sweep(plan), plan
    return read_plan(plan), out or Path(f"{plan.stem}-sweep")


def _sweep(screen: Screen, plan: "SweepPlan", folder: Path, executor: str, options: dict[str, str],
           settings: "SweepSettings", stop: threading.Event) -> "SweepResult":
    from vidscale.runs.queue import sweep as carry_out

    launcher = _launcher(executor, options, folder, settings.workers)
    with screen.progress(len(plan)) as tick:
        return carry_out(plan, folder, launcher, settings, stop=stop, tick=tick)


def _launcher(executor: str, options: dict[str, str], folder: Path, workers: int) -> "Launcher":
    if executor == "ray":
        from vidscale.runs.ray_executor import RayLauncher

        return RayLauncher(options)
    if executor == "slurm":
        from vidscale.runs.submitit_executor import SubmititLauncher

        return SubmititLauncher(folder, options)
    from vidscale.runs.local import LocalLauncher

    return LocalLauncher(workers)


def show(screen: Screen, plan: "SweepPlan", folder: Path, found: "Sequence[RunStatus]", stopped: str = "",
         every_run: bool = False) -> dict[str, int]:
    """Print how a sweep stands; returns the count of every standing."""
    from vidscale.report.plan_listing import count_standings, status_dict, status_tables
    from vidscale.runs.failures import FailureReason

    if screen.printing.as_json:
        screen.json({**status_dict(plan, found), "folder": str(folder), "stopped": stopped})
    else:
        screen.tables(*status_tables(plan, found, every_run=every_run))
        if stopped:
            screen.lines(f"Stopped: {stopped}.", "")
        failed = sum(each.reason not in (None, FailureReason.DISK_FULL) for each in found)
        if failed:
            screen.lines(f"{failed} {'run' if failed == 1 else 'runs'} failed. Once what failed them is mended, "
                         f"`vidscale retry {folder}` and `vidscale sweep {folder}` try them again.", "")
    return count_standings(found)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that the first interrupt sets, so that runs can end in order; the second one ends the process at once.

    Its runs, which were asked to end by the first one, then end without it.
    """
    stop = threading.Event()
    before: dict[int, Any] = {}

    def ask(number: int, frame: Any) -> None:
        if stop.is_set():
            if sys.stderr.isatty():
                os.write(2, SHOW_CURSOR)
            os.write(2, b"interrupted: runs that were going on may take a while to end; their states are kept, and the "
                        b"same command goes on with them\n")
            os._exit(STOPPED)
        stop.set()

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
