"""`vidscale calibrate`: measure the GPU at hand."""

from pathlib import Path
from typing import Annotated

import typer

from vidscale.cli.options import Printing
from vidscale.cli.screen import Screen
from vidscale.errors import InputError


def calibrate(
    out: Annotated[Path, typer.Option("--out", metavar="FILE.json", help="Where the profile goes.")] = Path(
        "profile.json"),
    gpu: Annotated[str | None, typer.Option("--gpu", metavar="NAME|FILE.toml", show_default=False,
                                            help="The GPU's data sheet; by default found by its name.")] = None,
    raw: Annotated[Path | None, typer.Option("--held-out", metavar="FILE.json", show_default=False,
                                             help="Where the measured held-out points go, for checking.")] = None,
    *, printing: Printing,
) -> None:
    """Measure this machine's GPU and write a profile.

    Times matrix products, attention, a vision tower and three language models in bf16 with random weights, draws the
    curves that predict latency, and says how far they are off on shapes that were not used. Takes about a minute, and
    as much again for those shapes. Needs torch and a CUDA device; every cost command takes the file as --profile.

    \b
    Example:
      vidscale calibrate --out profile.json
    """
    from vidscale.cli.files import check_file, write_file

    if out.suffix.lower() != ".json":
        raise InputError(f"--out is {str(out)!r}; a profile is a .json file")
    for path in (out, *([raw] if raw else [])):
        check_file(path)
    screen = Screen(printing)
    try:
        from vidscale.cost.calibration import run
    except ModuleNotFoundError as missing:
        raise InputError(f"calibration needs {missing.name}, which is not installed; install vidscale[train]") from None
    from vidscale.cost.profile import dump_profile, points_text
    from vidscale.report.calibration_listing import accuracy_table, calibration_dict

    with screen.progress(40) as tick:
        found = run.calibrate(_sheet(gpu), tick=tick)
    write_file(out, dump_profile(found.profile))
    if raw:
        write_file(raw, points_text(found.held_out))
    if printing.as_json:
        screen.json(calibration_dict(found))
        return
    screen.tables(accuracy_table(found))
    screen.lines(f"profile: {out}")


def _sheet(gpu: str | None):
    from vidscale.cost.deployment import gpu_of

    return None if gpu is None else gpu_of(gpu)
