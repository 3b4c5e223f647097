"""`vidscale fit`: one form, its parameters and how far to trust them."""

from pathlib import Path
from typing import Annotated

import typer

from vidscale.cli.options import Fitting, Printing, Reading, TableSource, TaskRows
from vidscale.cli.screen import Screen


def fit(
    table: TableSource, *,
    out: Annotated[Path | None, typer.Option("--out", metavar="FIT.json", show_default=False,
                                             help="Save the fit with both bootstraps, for predict, frontier and "
                                                  "elasticity; nothing is saved without it.")] = None,
    task: TaskRows = [],  # noqa: B006 - the parser makes a fresh one
    reading: Reading, fitting: Fitting, printing: Printing,
) -> None:
    """Fit an error form to a table of measurements.

    Prints the law, its parameters with 95 % profile intervals and what the fit says about itself. Without --form the
    form that predicts held-out runs best is taken.

    \b
    Example:
      vidscale fit paper-design --form add-interact --out fit.json
    """
    from vidscale.cli.files import check_file, put_file
    from vidscale.cli.screen import use_threads
    from vidscale.cli.source import fit_chosen, read_table, study_settings

    screen = Screen(printing)
    if out is not None:
        check_file(out, table)
    measurements = read_table(table, reading, task)
    settings = study_settings(fitting)
    use_threads(printing)
    from vidscale.forms import text
    from vidscale.measurements import observations
    from vidscale.report import plain, tables
    from vidscale.study import bootstrap_model, profile_lead

    obs = observations(measurements, weights=settings.weights)
    with screen.progress(3 * len(settings.forms) + 4) as tick:
        full, reason, dropped = fit_chosen(measurements, obs, settings, tick)
        tick("profile intervals")
        profiles = profile_lead(full)
        if out is not None:
            from vidscale.study.store import save_model

            model = bootstrap_model(measurements, obs, full, settings, tick)
            put_file(out, lambda place: save_model(model, place))
    name = full.runs.form.name
    notes = (*measurements.notes, *dropped, *([full.runs.form.note] if full.runs.form.note else []))
    if printing.as_json:
        screen.json({"table": plain.table_dict(measurements), "form": name, "reason": reason,
                     "formula": plain.form_dict(full.runs.form),
                     "fits": [plain.fit_dict(f, profiles if i == 0 else None) for i, f in enumerate(full.fits)],
                     "notes": list(notes), "file": None if out is None else str(out)})
        return
    title, lead = tables.label(measurements.name, measurements.synthetic), full.fits[0]
    screen.section(f"Form: {name} for {title}", [reason, text(full.runs.form)])
    screen.section("Laws", [f"{f.target}: {text(f.form, f.parameters)}" for f in full.fits])
    screen.section(f"Certificate of the fit to {lead.target}", tables.certificate_lines(lead))
    screen.tables(tables.parameter_table(lead, profiles, title=title), tables.fits_table(full.fits, title=title))
    screen.notes(notes)
    if out is not None:
        screen.lines(str(out))
