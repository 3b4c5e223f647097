"""`vidscale datasets`: the tables that come with the package."""

from pathlib import Path
from typing import Annotated

import typer

from vidscale.cli.options import Printing
from vidscale.cli.screen import Screen
from vidscale.errors import InputError


def datasets(
    name: Annotated[str | None, typer.Argument(show_default=False, help="One of them.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE.csv", show_default=False,
                                             help="Write its rows to a file.")] = None,
    *, printing: Printing,
) -> None:
    """List the bundled measurements, or export one.

    \b
    Example:
      vidscale datasets li2024 --out li2024.csv
    """
    from vidscale.cli.files import check_file, write_file
    from vidscale.measurements import dataset_info, list_datasets
    from vidscale.measurements.datasets import dataset_path
    from vidscale.report.listings import datasets_table
    from vidscale.report.plain import jsonable

    screen = Screen(printing)
    if name is None and out is not None:
        raise InputError("--out needs the name of a dataset: vidscale datasets NAME --out FILE.csv")
    found = list_datasets() if name is None else (dataset_info(name),)
    if out is not None:
        check_file(out)
        write_file(out, dataset_path(found[0].name).read_bytes())
    if printing.as_json:
        shown = [jsonable(info) for info in found]
        screen.json({"datasets": shown} if name is None else {**shown[0], "file": None if out is None else str(out)})
        return
    screen.tables(datasets_table(found))
    if out is not None:
        screen.lines(str(out))
        if found[0].metric != "error":
            screen.notes([f"the file holds a {found[0].metric}: read it with --metric {found[0].metric}"])
