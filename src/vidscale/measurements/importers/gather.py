"""Results of any origin as one checked table."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from vidscale.errors import InputError
from vidscale.measurements.importers.mapping import SCALES, ImportMapping
from vidscale.measurements.read import read_measurements
from vidscale.measurements.schema import ADJUSTED, CHANCE, ERROR, N_EVAL, NAMES, RUN_ID, SEED, SWEEP, TASK, UNITS
from vidscale.measurements.table import MeasurementTable
from vidscale.space import FACTORS_AND_DATA

Cell = float | str | None


@dataclass(frozen=True, kw_only=True)
class Result:
    """One run's result on one task, as it was found.

    Attributes:
        where: file and key, or file and row, for messages.
        cells: by column of the schema, factors as plain counts, the error as a fraction.
        provenance: where it comes from, by column.
        value: the result as written, on its own scale.
    """

    where: str
    cells: Mapping[str, Cell]
    provenance: Mapping[str, str]
    value: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Imported:
    """What an import found.

    Attributes:
        table: the measurements, checked.
        mapping: everything that was declared and used, to be saved.
        notes: what was left out, one sentence each.
    """

    table: MeasurementTable
    mapping: ImportMapping
    notes: tuple[str, ...]


def gather(results: Sequence[Result], mapping: ImportMapping, notes: Sequence[str], name: str) -> Imported:
    """Check all results together.

    Raises:
        InputError: there are none, one was found twice, a declared scale is contradicted, or a cell cannot be used.
    """
    if not results:
        raise InputError(f"{name} holds no result to import" + "".join(f"; {note}" for note in notes[:2]))
    _check_scales(results, mapping)
    columns = [column for column in NAMES if any(result.cells.get(column) is not None for result in results)]
    _check_whole(results, columns)
    _check_once(results, columns)
    kept = sorted({key for result in results for key in result.provenance})
    frame = pd.DataFrame(
        {**{column: [result.cells.get(column) for result in results] for column in columns},
         **{key: [result.provenance.get(key, "") for result in results] for key in kept}}, dtype=object)
    try:
        table = read_measurements(frame, name=name)
    except InputError as problem:
        # The reader counts rows of a frame; whoever imports knows files.
        said = re.sub(r"row (\d+) \(from 0\)", lambda row: results[int(row[1])].where, str(problem))
        raise InputError(said) from None
    return Imported(table=table, mapping=mapping, notes=(*notes, *table.notes))


def _check_scales(results: Sequence[Result], mapping: ImportMapping) -> None:
    """Refuse a scale of 0 to 100 under which no value exceeds 1, as the reader does of percent."""
    for task, found in mapping.tasks.items():
        ours = [result for result in results if result.cells[TASK] == task]
        if SCALES[found.scale] > 1 and ours and max(result.value for result in ours) <= 1:
            top = max(ours, key=lambda result: result.value)
            raise InputError(f"{top.where}: {found.metric} is {top.value:g} and no result of task {task} exceeds 1, "
                             f"yet its scale is {found.scale}; if they are fractions declare --task-metric "
                             f"{task}={found.metric}:0-1")


def _check_whole(results: Sequence[Result], columns: Sequence[str]) -> None:
    """A column that tells runs apart is in every row or in none."""
    for column in columns:
        if column not in (*FACTORS_AND_DATA, SEED, RUN_ID, SWEEP):
            continue
        first = next((result for result in results if result.cells.get(column) is None), None)
        if first is not None:
            raise InputError(f"{first.where}: {column} is missing, although other results have it; declare it with "
                             f"--set {column}=VALUE or --model NAME:{column}=VALUE, or map it with --map")


def _check_once(results: Sequence[Result], columns: Sequence[str]) -> None:
    key = [name for name in (*FACTORS_AND_DATA, SWEEP, SEED, RUN_ID, TASK) if name in columns]
    seen: dict[tuple[Cell, ...], Result] = {}
    for result in results:
        found = tuple(_comparable(result.cells.get(name)) for name in key)
        if found in seen:
            raise InputError(f"{seen[found].where} and {result.where} are the same model, configuration and task "
                             f"({result.cells[TASK]}); remove one of them, or tell them apart with another seed")
        seen[found] = result


def _comparable(cell: Cell) -> Cell:
    try:
        return float(cell) if cell is not None else None
    except ValueError:
        return cell


def declared(mapping: ImportMapping, model: str) -> dict[str, Cell]:
    """What the mapping says of one model."""
    return {**mapping.every, **mapping.models.get(model, {})}


def in_counts(cells: Mapping[str, Cell], units: Mapping[str, str]) -> dict[str, Cell]:
    """Cells as plain counts; one that is no number is left for the reader to refuse."""
    found = dict(cells)
    for name, unit in units.items():
        value = _comparable(found.get(name))
        if isinstance(value, float):
            found[name] = value * UNITS[name][unit]
    return found


def settle(given: Mapping[str, Cell], found: Mapping[str, Cell], where: str) -> dict[str, Cell]:
    """What was declared joined with what the result says.

    Raises:
        InputError: they disagree.
    """
    for name, value in given.items():
        other = found.get(name)
        if other is not None and _comparable(other) != _comparable(value):
            raise InputError(f"{where}: {name} is {other} there and declared as {value}; correct the declaration or "
                             "leave it out")
    return {**found, **given}


def check_models(mapping: ImportMapping, seen: set[str]) -> None:
    """Raise InputError for a model that is declared and not there."""
    lost = [name for name in mapping.models if name not in seen]
    if lost and not seen.intersection(mapping.models):
        raise InputError(f"model {lost[0]!r} is declared, but there are {', '.join(sorted(seen)[:10])}; correct "
                         "the name")


# --- writing -----------------------------------------------------------------------------------------------


def write_rows(table: MeasurementTable, place: Path) -> None:
    """The rows as a .csv or .parquet file that `read_measurements` reads.

    Raises:
        InputError: another ending.
    """
    rows = table.rows
    empty = [name for name in (*FACTORS_AND_DATA, N_EVAL, CHANCE) if name in rows and bool(np.all(rows[name].isna()))]
    if not bool(np.any(rows[ADJUSTED])):
        empty.append(ADJUSTED)
    rows = rows.drop(columns=empty)
    if place.suffix.lower() == ".parquet":
        rows.to_parquet(place, index=False)
    elif place.suffix.lower() == ".csv":
        numbers = [name for name in (*FACTORS_AND_DATA, ERROR, N_EVAL, CHANCE) if name in rows]
        rows = rows.assign(**{name: [_plain(float(value)) for value in rows[name]] for name in numbers})
        place.write_text(rows.to_csv(index=False, lineterminator="\n"), encoding="utf-8")
    else:
        raise InputError(f"{place.name}: the ending {place.suffix!r} is unknown; allowed are .csv, .parquet")


def _plain(value: float) -> str:
    if math.isnan(value):
        return ""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


