"""A study as a folder of plain files."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vidscale
from vidscale.errors import InputError
from vidscale.forms import Posynomial
from vidscale.report.fit_figures import comparison_figure, factor_figure, fitted_figure, isoflop_figure
from vidscale.report.frontier_figures import elasticity_figure, error_figure, paths_figure
from vidscale.report.page import report_page
from vidscale.report.plain import dumps, jsonable, study_dict
from vidscale.report.sheets import (
    comparison_sheet,
    elasticity_sheet,
    fitted_sheet,
    frontier_sheet,
    parameters_sheet,
    policies_sheet,
    regret_sheet,
)
from vidscale.report.style import png
from vidscale.report.summary import summary
from vidscale.study.store import save_model, write_bytes

if TYPE_CHECKING:
    from vidscale.study import Study

#: File name → what draws it; a figure with nothing to show is not written.
FIGURES = {
    "frontier-paths": paths_figure,
    "frontier-error": error_figure,
    "comparison": comparison_figure,
    "fitted": fitted_figure,
    "isoflop": isoflop_figure,
    "factors": factor_figure,
    "elasticity": elasticity_figure,
}
#: Packages whose version can move a last digit.
_PACKAGES = ("numpy", "scipy", "numba", "pandas", "matplotlib")


def write_study(study: "Study", folder: Path, tick=lambda text: None) -> list[Path]:
    """Write everything a study found.

    Args:
        study: the study.
        folder: an existing, empty folder; who calls decides when it becomes visible.
        tick: called with a line of text as work goes on.

    Returns:
        The files, in the order written: fit.json, study.json, the CSV sheets, figures/*.png, summary.md, report.html.

    Raises:
        InputError: the folder is missing, not empty, or not writable.
    """
    folder = Path(folder)
    try:
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder; create it first")
        if any(folder.iterdir()):
            raise InputError(f"{folder} is not empty; give an empty folder")
        (folder / "figures").mkdir()
    except OSError as problem:
        raise InputError(f"cannot write into {folder}: {problem.strerror or problem}") from None
    tick("files: fit, tables")
    written = [folder / "fit.json"]
    save_model(study.model, written[0])
    contents = {
        "study.json": dumps(study_content(study)).encode(),
        "comparison.csv": comparison_sheet(study),
        "frontier.csv": frontier_sheet(study),
        "policies.csv": policies_sheet(study),
        **({"flops_regret.csv": regret_sheet(study)} if study.frontier.regret else {}),
        **({"elasticity.csv": elasticity_sheet(study)} if study.elasticities else {}),
        "fitted.csv": fitted_sheet(study),
        "parameters.csv": parameters_sheet(study),
    }
    figures = []
    for name, draw in FIGURES.items():
        tick(f"figure: {name}")
        figure = draw(study)
        if figure is not None:
            contents[f"figures/{name}.png"] = png(figure)
            figures.append(name)
    names = ["fit.json", *contents, "summary.md", "report.html"]
    contents["summary.md"] = summary(study, figures=figures, files=names).encode()
    contents["report.html"] = report_page(study, versions=_versions(), files_beside=names, tick=tick).encode()
    for name, content in contents.items():
        write_bytes(folder / name, content)
        written.append(folder / name)
    return written


def study_content(study: "Study") -> dict[str, Any]:
    """What study.json holds: the study with its settings, seed and versions."""
    return {"schema": "vidscale-study", "version": 1, "vidscale": vidscale.__version__, "packages": _versions(),
            "seed": study.settings.seed, "data_hash": study.table.data_hash, "settings": settings_content(study),
            **study_dict(study)}


def settings_content(study: "Study") -> dict[str, Any]:
    """The settings, forms by name."""
    found = jsonable(study.settings)
    forms = study.settings.forms or tuple(study.comparison.fits)
    found["forms"] = [f.name if isinstance(f, Posynomial) else str(f) for f in forms]
    return found


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found
