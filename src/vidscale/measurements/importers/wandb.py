"""Exports of Weights & Biases: a CSV table of runs, or runs as JSON (objects with `config` and `summary`)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vidscale.bounded import read_json
from vidscale.errors import InputError
from vidscale.measurements.importers.gather import Imported
from vidscale.measurements.importers.mapping import WANDB, ImportMapping
from vidscale.measurements.importers.table_file import read_rows
from vidscale.measurements.importers.tracked import Layout, Run, import_runs

MAX_BYTES = 256_000_000
MAX_NESTING = 20

LAYOUT = Layout(name=WANDB, settings=("config.",), measured=("summary.",), run=("id", "ID", "run_id", "name", "Name"),
                state=("state", "State"), done=("finished",))


def import_wandb(source: Path, mapping: ImportMapping) -> Imported:
    """The runs of an export.

    Args:
        source: a .csv, .jsonl or .parquet table of runs, or a .json list of runs.
        mapping: what was declared; its columns are those of the table, nested names joined by dots.

    Raises:
        InputError: the file cannot be read or a declaration does not fit it.
    """
    runs = _json_runs(source) if source.suffix.lower() == ".json" else read_rows(source, MAX_BYTES)
    return import_runs(runs, LAYOUT, mapping, str(source))


def _json_runs(source: Path) -> list[Run]:
    content = read_json(source, MAX_BYTES, "an export of runs as JSON")
    if not isinstance(content, list) or not all(isinstance(run, dict) for run in content):
        raise InputError(f"{source} is no list of runs; expected a JSON list of objects with config and summary")
    return [Run(where=f"{source} run {number} (from 0)", cells=_flat(run, str(source), 0))
            for number, run in enumerate(content)]


def _flat(values: Mapping[str, Any], source: str, depth: int) -> dict[str, str]:
    """Nested objects as one, names joined by dots; W&B wraps a setting in an object of its description and value."""
    if depth > MAX_NESTING:
        raise InputError(f"{source} nests objects more than {MAX_NESTING} deep; export the runs again")
    found: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, dict) and "value" in value and set(value) <= {"value", "desc"}:
            value = value["value"]
        if isinstance(value, dict):
            found |= {f"{name}.{key}": text for key, text in _flat(value, source, depth + 1).items()}
        elif not isinstance(value, list):
            found[str(name)] = "" if value is None else str(value)
    return found
