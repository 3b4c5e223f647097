"""`vidscale collect`: the rows of many runs as one table."""

from pathlib import Path
from typing import Annotated

import typer

from vidscale.cli.options import Printing
from vidscale.cli.screen import Screen
from vidscale.errors import InputError


def collect(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR…", show_default=False,
                                                  help="Folders of sweeps, joined in this order.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.csv|.parquet", show_default=False,
                                      help="The table to write.")],
    whole: Annotated[bool, typer.Option("--whole", help="Refuse unless every planned run has its rows.")] = False,
    *, printing: Printing,
) -> None:
    """Join the rows of finished runs into one table.

    `vidscale study` reads it. A run that is in two folders, or whose rows contradict its plan, is refused. Every row
    names its run, its plan and the hash of its recipe.

    \b
    Example:
      vidscale collect star --out measurements.csv
    """
    from vidscale.cli.files import check_file, put_file
    from vidscale.measurements import read_measurements
    from vidscale.runs.collect import collect as join
    from vidscale.runs.collect import write_table

    if out.suffix.lower() not in (".csv", ".parquet"):
        raise InputError(f"--out {out}: the ending {out.suffix!r} is unknown; allowed are .csv, .parquet")
    check_file(out)
    found = join(folders)
    if whole and found.missing:
        name, why = found.missing[0]
        raise InputError(f"{len(found.missing)} runs have no rows, such as {name} ({why}); finish the sweep, or leave "
                         "out --whole")
    put_file(out, lambda place: write_table(found.rows, place))
    screen = Screen(printing)
    notes = list(found.notes)
    try:
        notes += read_measurements(out).notes
    except InputError as problem:
        notes.append(f"`vidscale study` would refuse this table so far: {problem}")
    if printing.as_json:
        screen.json({"file": str(out), "rows": len(found.rows), "runs": found.runs,
                     "missing": [{"run_id": name, "why": why} for name, why in found.missing], "notes": notes})
    else:
        screen.notes(notes)
        screen.lines(f"{out}: {len(found.rows)} rows of {found.runs} runs")
