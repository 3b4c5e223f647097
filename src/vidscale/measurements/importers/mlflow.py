"""Exports of MLflow: the table that `mlflow experiments csv` writes, or a file store (`mlruns/`)."""

import math
from collections.abc import Iterator
from pathlib import Path

from vidscale.bounded import read_bounded, walk
from vidscale.errors import InputError
from vidscale.measurements.importers.gather import Imported
from vidscale.measurements.importers.mapping import MLFLOW, ImportMapping
from vidscale.measurements.importers.table_file import read_rows
from vidscale.measurements.importers.tracked import Layout, Run, import_runs

MAX_BYTES = 256_000_000
#: A parameter or tag is a short text; a metric's file has a line for every time it was logged.
MAX_TEXT_BYTES, MAX_METRIC_BYTES = 100_000, 64_000_000

#: Status 3 is FINISHED in a file store, which writes the number.
LAYOUT = Layout(name=MLFLOW, settings=("params.",), measured=("metrics.",), run=("run_id", "run_uuid"),
                state=("status", "lifecycle_stage"), done=("finished", "3", "active"))

_KINDS = ("params", "metrics", "tags")
_META = "meta.yaml"
_META_KEYS = ("run_id", "run_uuid", "run_name", "experiment_id", "status", "lifecycle_stage", "start_time", "end_time")


def import_mlflow(source: Path, mapping: ImportMapping) -> Imported:
    """The runs of an export or of a file store.

    Args:
        source: a .csv, .jsonl or .parquet table of runs, or the folder `mlruns`, an experiment in it or a run.
        mapping: what was declared; columns are params.NAME, metrics.NAME and tags.NAME.

    Raises:
        InputError: the source cannot be read or a declaration does not fit it.
    """
    runs = list(_stored(source)) if source.is_dir() else read_rows(source, MAX_BYTES)
    if not runs:
        raise InputError(f"{source} holds no run with a {_META} and {', '.join(_KINDS)}; give the folder mlruns, or a "
                         "table that `mlflow experiments csv` wrote")
    return import_runs(runs, LAYOUT, mapping, str(source))


def _stored(source: Path) -> Iterator[Run]:
    for folder, folders, names in walk(source):
        if _META in names and any(kind in folders for kind in _KINDS):
            folders.clear()  # artifacts can be many, and are not read
            yield Run(where=str(folder), cells=_cells(folder))


def _cells(folder: Path) -> dict[str, str]:
    found = _meta(folder / _META)
    for kind in _KINDS:
        for here, _, names in walk(folder / kind) if (folder / kind).is_dir() else ():
            for file in (here / name for name in names if not (here / name).is_symlink()):
                key = f"{kind}.{file.relative_to(folder / kind).as_posix()}"
                found[key] = _latest(file) if kind == "metrics" else _read(file, MAX_TEXT_BYTES)
    return found


def _read(file: Path, most: int) -> str:
    try:
        return read_bounded(file, most, "a file store of MLflow").decode("utf-8").strip()
    except UnicodeDecodeError:
        raise InputError(f"{file} is no UTF-8 text; remove it, or export the runs as a table") from None


def _meta(file: Path) -> dict[str, str]:
    """The plain `key: value` lines of a meta.yaml that matter; nothing else of YAML is looked at."""
    found: dict[str, str] = {}
    for line in _read(file, MAX_TEXT_BYTES).splitlines():
        key, sign, value = line.partition(":")
        if sign and key in _META_KEYS:
            found[key] = value.strip().strip("'\"")
    return found


def _latest(file: Path) -> str:
    """The value of a metric at its last step; lines are "timestamp value step"."""
    best: tuple[float, float] | None = None
    found = ""
    for number, line in enumerate(_read(file, MAX_METRIC_BYTES).splitlines(), start=1):
        parts = line.split()
        try:
            stamp, value = float(parts[0]), float(parts[1])
            step = float(parts[2]) if len(parts) > 2 else 0.0
        except (ValueError, IndexError):
            raise InputError(f"{file} line {number} is {line[:60]!r}; expected timestamp, value and step") from None
        if best is None or (step, stamp) >= best:
            best, found = (step, stamp), "" if math.isnan(value) else parts[1]
    return found
