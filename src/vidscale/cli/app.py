"""The verbs gathered, and what every failure looks like to whoever ran the command.

Exit codes: 0 done; 1 a fault of the program; 2 input that cannot be used, said in one line; 130 interrupted.
A reader of the output that goes away ends the run quietly, with 1.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from vidscale.cli import files
from vidscale.cli.calibrate import calibrate
from vidscale.cli.collect import collect
from vidscale.cli.compare import compare
from vidscale.cli.cost import cost
from vidscale.cli.datasets import datasets
from vidscale.cli.elasticity import elasticity
from vidscale.cli.example import example
from vidscale.cli.fit import fit
from vidscale.cli.forms import forms
from vidscale.cli.frontier import frontier
from vidscale.cli.imports import import_results
from vidscale.cli.options import command
from vidscale.cli.parsed import Verb, refusal
from vidscale.cli.plan import plan
from vidscale.cli.predict import predict
from vidscale.cli.recommend import recommend
from vidscale.cli.retry import retry
from vidscale.cli.run import run
from vidscale.cli.serve import serve
from vidscale.cli.status import status
from vidscale.cli.study import study
from vidscale.cli.sweep import sweep
from vidscale.cli.template import template
from vidscale.cli.tokens import tokens
from vidscale.errors import InputError

VERBS: tuple[Callable[..., None], ...] = (
    study, fit, compare, predict, frontier, recommend, serve, elasticity, cost, calibrate, tokens, forms, datasets,
    template, import_results, plan, sweep, status, retry, collect, run, example
)

#: Set to see the traceback of an internal error.
TRACEBACK = "VIDSCALE_TRACEBACK"

app = typer.Typer(name="vidscale", add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
                  context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})


@app.callback(invoke_without_command=True)
def vidscale(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Which language-model size, frames and visual tokens per frame give the lowest error for an inference budget.

    Start with: vidscale study paper-design
    """
    if version:
        from vidscale import __version__

        typer.echo(f"vidscale {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


for _verb in VERBS:
    app.command(_verb.__name__, cls=Verb)(command(_verb))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code; `arguments` are those of the process by default."""
    files.written.clear()
    if arguments is None:
        _watch_signals()
    try:
        outcome: Any = app(args=None if arguments is None else list(arguments), prog_name="vidscale",
                           standalone_mode=False)
        sys.stdout.flush()
        return outcome if isinstance(outcome, int) else 0
    except InputError as problem:
        return _fail(f"error: {problem}", 2)
    except BrokenPipeError:
        # What is still buffered has no reader; without this the interpreter would complain on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as problem:
        return _other(problem)


def _other(problem: Exception) -> int:
    code, said = getattr(problem, "exit_code", None), getattr(problem, "format_message", None)
    if code is not None and said is not None:  # the option parser's own
        return _fail(f"error: {refusal(problem)}", 2)
    if os.environ.get(TRACEBACK):
        raise problem
    if isinstance(problem, MemoryError):
        return _fail("error: out of memory; ask for fewer draws, starts or rows", 1)
    return _fail(f"internal error: {type(problem).__name__}: {problem} (run with {TRACEBACK}=1 for details)", 1)


def _fail(message: str, code: int) -> int:
    print(" ".join(message.split()), file=sys.stderr)
    return code


def _watch_signals() -> None:
    """End the process at once when it is interrupted or asked to end, leaving nothing half done.

    An exception would have to unwind compiled code that runs in several threads, which survives that badly; so the
    handler tidies up and leaves. What must not be cut in half is written first.
    """

    def stop(number: int, frame: Any) -> None:
        if files.postpone(number):
            return
        files.clear()
        done = ", ".join(str(path) for path in files.written)
        said = f"interrupted: {f'{done} had been written, whole' if done else 'nothing was written'}\n"
        if sys.stderr.isatty():
            said = f"\r\x1b[2K\x1b[?25h{said}"  # the line of a progress bar, and the cursor it hides
        os.write(2, said.encode())
        os._exit(130)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
