"""`vidscale example`: inputs to try runs and sweeps on."""

from pathlib import Path
from typing import Annotated

import typer

from vidscale.cli.options import Printing
from vidscale.cli.screen import Screen


def example(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder.", show_default=False)],
    clips: Annotated[int, typer.Option(min=1, help="Training clips; each gives three examples.")] = 32,
    questions: Annotated[int, typer.Option(min=1, help="Evaluated questions per task.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same inputs.")] = 0,
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
    from vidscale.runs.tiny import make_tiny_inputs

    made = make_tiny_inputs(out, clips=clips, questions=questions, seed=seed)
    screen = Screen(printing)
    if printing.as_json:
        screen.json({"recipe": str(made.recipe), "run": str(made.run), "lm_params": list(made.lm_params),
                     "files": made.files})
        return
    screen.lines(f"{made.files} files; language models of {', '.join(map(str, made.lm_params))} parameters",
                 str(made.recipe), str(made.run))
