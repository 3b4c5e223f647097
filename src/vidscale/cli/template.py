"""`vidscale template`: an empty table of measurements, ready to be filled in."""

from pathlib import Path
from typing import Annotated

import typer

from vidscale.cli.options import Printing
from vidscale.cli.screen import Screen


def template(
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE.csv", show_default=False,
                                             help="Write it to a file; by default it is printed.")] = None,
    describe: Annotated[bool, typer.Option("--describe", help="Say what every column holds, instead.")] = False,
    *, printing: Printing,
) -> None:
    """An empty table of measurements: one row per run and task.

    \b
    Example:
      vidscale template --out runs.csv
      vidscale template --describe
    """
    from vidscale.cli.files import check_file, write_file
    from vidscale.errors import InputError
    from vidscale.measurements import SCHEMA_VERSION, describe_schema, template_csv

    screen = Screen(printing)
    if out is not None:
        if describe:
            raise InputError("--out writes the empty table and --describe explains it; ask for one of them")
        check_file(out)
        if out.exists():
            raise InputError(f"{out} exists; name a new file, so that no measurements are lost")
        write_file(out, template_csv())
    if printing.as_json:
        screen.json({"schema_version": SCHEMA_VERSION, "columns": describe_schema(),
                     "file": None if out is None else str(out)})
    elif describe:
        from vidscale.report.listings import schema_table

        screen.tables(schema_table(describe_schema(), SCHEMA_VERSION))
    else:
        screen.lines(template_csv().rstrip("\n") if out is None else str(out))
