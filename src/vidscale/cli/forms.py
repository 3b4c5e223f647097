"""`vidscale forms`: the catalogue of error forms, or one form in full."""

from typing import Annotated

import typer

from vidscale.cli.options import Printing
from vidscale.cli.screen import Screen


def forms(
    name: Annotated[str | None, typer.Argument(metavar="NAME|FILE.toml", show_default=False,
                                               help="A form of the catalogue, or a file that declares one.")] = None,
    *, printing: Printing,
) -> None:
    """List the error forms, or show one.

    Shown are formula, LaTeX, parameters with their bounds, and source.

    \b
    Example:
      vidscale forms add-interact
    """
    from vidscale.forms import CATALOGUE, load_form
    from vidscale.report.listings import bounds_table, forms_table
    from vidscale.report.plain import form_dict

    screen = Screen(printing)
    chosen = list(CATALOGUE.values()) if name is None else [load_form(name)]
    if printing.as_json:
        found = [form_dict(form) for form in chosen]
        screen.json({"forms": found} if name is None else found[0])
    elif name is None:
        screen.tables(forms_table(chosen))
        screen.lines("another form is declared in a .toml file: vidscale forms FILE.toml shows it")
    else:
        one = form_dict(chosen[0])
        told = [("text", one["text"]), ("LaTeX", one["latex"]), ("factors", ", ".join(one["factors"])),
                ("source", one["source"]), ("note", one["note"])]
        screen.section(f"Form: {one['name']}", [f"{label}: {value}" for label, value in told if value])
        screen.tables(bounds_table(chosen[0]))
