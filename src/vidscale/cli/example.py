"""`vidscale example`: inputs to try runs and sweeps on."""

import errno
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidscale.cli.options import Printing
from vidscale.cli.screen import Screen
from vidscale.errors import InputError

if TYPE_CHECKING:
    from vidscale.runs.tiny import TinyInputs

#: Bytes free below which a failed write is put down to a full disk: a few of the example's largest files.
LEAST_ROOM = 1 << 19


def example(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder.", show_default=False)],
    clips: Annotated[int, typer.Option(min=1, help="Training clips; each gives three examples.")] = 32,
    questions: Annotated[int, typer.Option(min=1, help="Evaluated questions per task.")] = 12,
    seed: Annotated[int, typer.Option(min=0, max=2**62, help="The same seed gives the same inputs.")] = 0,
    *, printing: Printing,
) -> None:
    """Make tiny models, clips and questions to try runs on.

    SigLIP and Llama folders with random weights, mp4 files, training conversations, questions, a recipe, and one
    planned run in OUT/run. A CPU is enough. Needs the extra `train`.

    \b
    Example:
      vidscale example tiny --clips 8 --questions 4
    """
    from vidscale.cli.needs import train_extra

    train_extra()
    made = _put(out, clips, questions, seed)
    recipe, run = out / made.recipe.name, out / made.run.name
    screen = Screen(printing)
    if printing.as_json:
        screen.json({"recipe": str(recipe), "run": str(run), "lm_params": list(made.lm_params), "files": made.files})
        return
    screen.lines(f"{made.files} files; language models of {', '.join(map(str, made.lm_params))} parameters",
                 str(recipe), str(run))


def _put(out: Path, clips: int, questions: int, seed: int) -> "TinyInputs":
    """Make the inputs elsewhere and move them into place, whole or not at all."""
    from vidscale.cli.files import write_folder
    from vidscale.runs.tiny import make_tiny_inputs

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists and is not an empty folder; name a new one")
    if out.exists() and out.samefile(Path.cwd()):
        raise InputError(f"{out} is the folder you are in; name a new one in it")
    made: list[TinyInputs] = []

    def fill(place: Path) -> list[Path]:
        try:
            made.append(make_tiny_inputs(place, clips=clips, questions=questions, seed=seed))
        except (OSError, InputError):
            raise
        except Exception as problem:
            # The libraries that write checkpoints and clips report a full disk in words of their own.
            if shutil.disk_usage(place).free < LEAST_ROOM:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from problem
            raise
        return []

    write_folder(out, fill)
    return made[0]
