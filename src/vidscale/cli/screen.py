"""What people see: tables on stdout, progress and notes on stderr.

Where stdout is no terminal its text is plain and a table is as wide as it has to be. Nothing is ever cut.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from vidscale.cli.options import Printing

#: Wider than any table, for output that no terminal has to fit.
ENDLESS = 10_000


class Screen:
    """Where one verb prints."""

    def __init__(self, printing: Printing) -> None:
        self.printing = printing

    def tables(self, *tables: Any) -> None:
        """Print tables (`vidscale.report.tables.Table`), a blank line after each."""
        from rich.console import Console

        from vidscale.report.terminal import to_rich

        for table in tables:
            if sys.stdout.isatty():
                console = Console(highlight=False)
                console.print(to_rich(table, console.width))
            else:
                console = Console(width=ENDLESS, color_system=None, force_terminal=False, highlight=False, emoji=False)
                with console.capture() as caught:
                    console.print(to_rich(table, ENDLESS))
                print("\n".join(line.rstrip() for line in caught.get().rstrip().split("\n")))
            print()

    def lines(self, *lines: str) -> None:
        """Print lines of text."""
        for line in lines:
            print(line)

    def section(self, title: str, lines: Iterable[str]) -> None:
        """Print a title and lines under it, and a blank line."""
        self.lines(title, *(f"  {line}" for line in lines), "")

    def json(self, value: Any) -> None:
        """Print a result as JSON."""
        from vidscale.report.plain import dumps

        sys.stdout.write(dumps(value))

    def notes(self, notes: Iterable[str]) -> None:
        """Print notes on stderr."""
        if not self.printing.quiet:
            for note in dict.fromkeys(notes):
                print(f"note: {note}", file=sys.stderr)

    @contextmanager
    def progress(self, steps: int) -> Iterator[Any]:
        """A function that takes a line of text for each of about `steps` steps of long work."""
        if self.printing.quiet:
            yield lambda text: None
        elif not sys.stderr.isatty():
            yield lambda text: print(text, file=sys.stderr, flush=True)
        else:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (BarColumn(bar_width=30), TimeElapsedColumn(), TextColumn("{task.description}"))
            with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
                task = bar.add_task("", total=steps)
                yield lambda text: bar.update(task, advance=1, description=text)


def use_threads(printing: Printing) -> None:
    """Set the number of threads, at most as many as there are."""
    if printing.threads is not None:
        import numba

        numba.set_num_threads(min(printing.threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
