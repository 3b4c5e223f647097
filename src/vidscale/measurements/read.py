"""Read a results table of any origin into a checked `MeasurementTable`.

What a column holds is declared by the caller and never guessed: 0.4 can be an error or an accuracy, 7 can be
a number of parameters or of billions. Declarations that the values contradict are refused.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vidscale.errors import InputError
from vidscale.given import number_given
from vidscale.measurements import check
from vidscale.measurements.cells import blank, column, flags, text, whole
from vidscale.measurements.datasets import dataset_info, dataset_path, is_dataset, list_datasets
from vidscale.measurements.declarations import declaration, metric_declaration
from vidscale.measurements.likeness import asked_for, nearly
from vidscale.measurements.load import ENDINGS, RawTable, load_file, load_frame
from vidscale.measurements.schema import (
    ADJUSTED,
    CHANCE,
    DEFAULT_TASK,
    ENCODER_PARAMS,
    ENCODER_TOKENS,
    ERROR,
    METRICS,
    N_EVAL,
    NAMES,
    RUN_ID,
    SCORE,
    SEED,
    SWEEP,
    SYNTHETIC,
    TASK,
    UNITS,
)
from vidscale.measurements.table import MeasurementTable, canonical_rows, chance_by_task
from vidscale.space import DATA_SIZE, FACTORS_AND_DATA

Floats = NDArray[np.float64]
Source = str | os.PathLike[str] | pd.DataFrame


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """What the caller declared about a table, checked against the schema."""

    columns: Mapping[str, str]
    metric: str
    units: Mapping[str, str]
    chance: Mapping[str, float]
    tasks: tuple[str, ...] | None


def read_measurements(
    source: Source,
    *,
    mapping: Mapping[str, str] | None = None,
    metric: str = ERROR,
    units: Mapping[str, str] | None = None,
    chance: Mapping[str, float] | None = None,
    tasks: Sequence[str] | None = None,
    name: str | None = None,
) -> MeasurementTable:
    """Read and check a measurements table.

    Args:
        source: path of a .csv, .jsonl or .parquet file, a DataFrame, or the name of a bundled dataset. Text files
            are UTF-8 with commas; a blank cell is a missing value.
        mapping: canonical column → the file's name for it, where they differ: {"error": "wer"}. With metric
            "score" the measured column may be called "score" or "error" here.
        metric: what the measured column holds: "error", or "score" (an accuracy; error = 1 - score). Without a
            mapping the column is the one of that name.
        units: column → unit. error or score: "fraction" or "percent", which the chance values follow;
            lm_params: "1", "k", "K", "M" or "B"; data_size: "1", "k", "K" or "M".
        chance: task → accuracy of guessing, always an accuracy, in the unit of the measured column: 0.25, or 25 where
            that is in per cent, and then 0.25 is refused. Goes before a chance column.
        tasks: keep these tasks only.
        name: what output calls the table; the file's name without its ending where None.

    Returns:
        The table; its notes say what was dropped, adjusted or looks odd.

    Raises:
        InputError: anything in the file or the declarations that cannot be used. Rows are named by file line
            for text files (the header is line 1) and counted from 0 for Parquet and DataFrames.

    Example:
        >>> table = read_measurements("li2024")
        >>> table.varying
        ('lm_params', 'tokens_per_frame')
    """
    if isinstance(source, str) and is_dataset(source):
        return _bundled(source, mapping, metric, units, chance, tasks, name)
    raw = _loaded(source)
    reading = _declared(raw, mapping or {}, metric, units or {}, chance or {}, tasks)
    called = name or ("table" if isinstance(source, pd.DataFrame) else Path(source).stem)
    return _table(raw, reading, called)


def dataset(name: str, *, tasks: Sequence[str] | None = None) -> MeasurementTable:
    """A bundled table, read by its own declarations.

    Raises:
        InputError: there is no bundled dataset of that name.
    """
    return _bundled(dataset_info(name).name, None, ERROR, None, None, tasks, None)


def _bundled(known: str, mapping: Any, metric: str, units: Any, chance: Any, tasks: Any, name: Any) -> MeasurementTable:
    info = dataset_info(known)
    if mapping or units or chance or metric not in (ERROR, info.metric):
        raise InputError(f"{known} is bundled and declares its own columns; leave out map, metric, unit and chance")
    raw = load_file(dataset_path(known))
    reading = _declared(raw, {}, info.metric, {}, {}, tasks)
    return _table(raw, reading, name or known, synthetic=info.synthetic, encoder=info.encoder)


def _loaded(source: Source) -> RawTable:
    if isinstance(source, pd.DataFrame):
        if source.empty:
            raise InputError("the DataFrame has no rows; give one row per run and task")
        return load_frame(source)
    if not isinstance(source, str | os.PathLike):
        raise InputError(f"the source is a {type(source).__name__}; allowed are a path, a DataFrame or a dataset name")
    path = Path(source)
    if not path.suffix and not os.path.exists(source):
        known = ", ".join(info.name for info in list_datasets())
        raise InputError(
            f"{str(source)[:200]!r} is neither a file nor a bundled dataset; "
            f"give a {', '.join(ENDINGS)} file, or one of {known}"
        )
    return load_file(path)


# --- declarations ------------------------------------------------------------------------------------------


def _declared(
    raw: RawTable,
    mapping: Mapping[str, str],
    metric: str,
    units: Mapping[str, str],
    chance: Mapping[str, float],
    tasks: Sequence[str] | None,
) -> _Reading:
    if metric not in METRICS:
        raise InputError(f"metric is {metric!r}; allowed are error, and score (an accuracy)")
    chosen = None if tasks is None else tuple(dict.fromkeys([tasks] if isinstance(tasks, str) else tasks))
    if chosen == ():
        raise InputError("no task is selected; name at least one, or leave the selection out")
    return _Reading(
        columns=_columns(raw, mapping, metric),
        metric=metric,
        units=_checked_units(units),
        chance={str(task): value for task, value in chance.items()},
        tasks=chosen,
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(" ".join(name.split())[:40] for name in names[:20])
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _columns(raw: RawTable, mapping: Mapping[str, str], metric: str) -> dict[str, str]:
    """Canonical name → the raw column that holds it, for the columns that are there and not blank."""
    present = list(raw.cells.columns)
    chosen: dict[str, str] = {}
    for canonical, foreign in mapping.items():
        target = ERROR if canonical == SCORE and metric == SCORE else canonical
        if target not in NAMES:
            raise InputError(f"the mapping names {canonical!r}; the columns that can be mapped are {', '.join(NAMES)}")
        if foreign not in present:
            raise InputError(f"there is no column {foreign!r} to read as {canonical}; there are {_listed(present)}")
        if foreign in chosen.values() or target in chosen:
            raise InputError(f"column {foreign!r} is mapped twice or {canonical} has two columns; map each once")
        chosen[target] = foreign
    for canonical in NAMES:
        own = metric if canonical == ERROR else canonical
        if canonical not in chosen and own in present and own not in chosen.values():
            chosen[canonical] = own
    if ERROR not in chosen:
        raise InputError(_no_error_column(present, metric))
    return {name: own for name, own in chosen.items() if name == ERROR or not blank(pd.Series(raw.cells[own]))}


def _no_error_column(present: list[str], metric: str) -> str:
    said = (f"there is no column {metric}; the columns are {_listed(present)}; name it with "
            f"{declaration('map', metric, 'COLUMN')}")
    other = SCORE if metric == ERROR else ERROR
    if other in present:
        return f"{said}, or declare {metric_declaration(other)} to use the column {other}"
    return said + (f", and add {metric_declaration(SCORE)} where it holds an accuracy" if metric == ERROR else "")


def _checked_units(units: Mapping[str, str]) -> dict[str, str]:
    found = dict.fromkeys(UNITS, "1") | {ERROR: "fraction"}
    for name, unit in units.items():
        target = ERROR if name == SCORE else name
        if target not in UNITS:
            raise InputError(f"a unit is given for {name!r}; units can be given for {', '.join(UNITS)} and score")
        if unit not in UNITS[target]:
            raise InputError(f"unit {unit!r} of {name} is unknown; allowed are {', '.join(UNITS[target])}")
        found[target] = unit
    return found


# --- rows --------------------------------------------------------------------------------------------------


def _table(
    raw: RawTable,
    reading: _Reading,
    name: str,
    *,
    synthetic: bool = False,
    encoder: tuple[float, float] | None = None,
) -> MeasurementTable:
    raw, task = _selected(raw, reading)
    rows = _canonical(raw, reading, task)
    if ENCODER_PARAMS in rows:
        first = rows.iloc[0]
        encoder = float(first[ENCODER_PARAMS]), float(first[ENCODER_TOKENS])
    rows, repeats = check.sorted_once(raw, rows)
    rows = rows.reset_index(drop=True)
    by_task = chance_by_task(rows)
    table = MeasurementTable(
        name=name,
        rows=canonical_rows(rows),
        synthetic=synthetic or (SYNTHETIC in rows and bool(rows[SYNTHETIC].any())),
        chance=by_task,
        notes=(*raw.notes, *_unused(raw, reading), *_misspelt(raw, reading), *_notes(rows, repeats, by_task)),
        encoder=encoder,
    )
    if len(table) < 2:
        raise InputError(f"{name} has one row after repeats were dropped; a law needs several runs, add rows")
    if not table.varying:
        raise InputError(f"{name}: none of {', '.join(FACTORS_AND_DATA)} varies; at least one has to")
    return table


def _selected(raw: RawTable, reading: _Reading) -> tuple[RawTable, pd.Series]:
    """The rows of the tasks asked for, still numbered as in the source, and their tasks."""
    if TASK in reading.columns:
        task = text(column(raw, reading.columns[TASK], TASK))
    else:
        task = pd.Series(DEFAULT_TASK, index=raw.cells.index)
    known = sorted(task.unique())
    for asked in (*(reading.tasks or ()), *reading.chance):
        if asked not in known:
            raise InputError(f"there is no task {asked!r}; the tasks are {_listed(known)}")
    if reading.tasks is None:
        return raw, task
    kept = np.flatnonzero(task.isin(reading.tasks).to_numpy(dtype=bool))
    narrowed = RawTable(
        cells=raw.cells.iloc[kept].reset_index(drop=True),
        where=lambda row: raw.where(int(kept[row])),
        notes=(*raw.notes, f"{len(kept)} of {len(task)} rows belong to the tasks asked for"),
    )
    return narrowed, task.iloc[kept].reset_index(drop=True)


def _canonical(raw: RawTable, reading: _Reading, task: pd.Series) -> pd.DataFrame:
    """Checked columns under their canonical names, in the order of the source."""
    own = reading.columns
    unit = reading.units[ERROR]
    found: dict[str, Any] = {}
    for name in FACTORS_AND_DATA:
        if name in own:
            found[name] = check.factor(column(raw, own[name], name), name, reading.units.get(name, "1"))
        else:
            found[name] = np.full(len(task), np.nan)
    found[TASK] = task
    error = check.error_of(column(raw, own[ERROR], reading.metric), reading.metric, unit)
    n_eval = np.full(len(task), np.nan)
    if N_EVAL in own:
        n_eval = whole(column(raw, own[N_EVAL], N_EVAL), least=1, blanks=True)
    found[N_EVAL] = n_eval
    found[ERROR], found[ADJUSTED] = check.lift_zeros(raw, error, n_eval, reading.metric)
    if ADJUSTED in own:
        found[ADJUSTED] = found[ADJUSTED] | flags(column(raw, own[ADJUSTED], ADJUSTED))
    if SYNTHETIC in own:
        found[SYNTHETIC] = flags(column(raw, own[SYNTHETIC], SYNTHETIC))
    found |= _labels(raw, own)
    stated = check.chance_of(column(raw, own[CHANCE], CHANCE), unit) if CHANCE in own else np.full(len(task), np.nan)
    given = _given_chance(reading, task)
    chance = np.where(np.isnan(given), stated, given)
    if not np.isnan(chance).all():
        found[CHANCE] = chance
    found |= _encoder(raw, own)
    return pd.DataFrame({**found, **_provenance(raw, own)}, index=raw.cells.index)


def _labels(raw: RawTable, own: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if SEED in own:
        found[SEED] = whole(column(raw, own[SEED], SEED), least=0).astype(np.int64)
    if RUN_ID in own:
        found[RUN_ID] = text(column(raw, own[RUN_ID], RUN_ID))
    if SWEEP in own:
        found[SWEEP] = text(column(raw, own[SWEEP], SWEEP), blanks=True)
    return found


def _encoder(raw: RawTable, own: Mapping[str, str]) -> dict[str, float]:
    """The vision encoder that every row was made with, where the table says."""
    both = (ENCODER_PARAMS, ENCODER_TOKENS)
    there = [name for name in both if name in own]
    if len(there) == 1:
        lacking = next(name for name in both if name not in own)
        raise InputError(f"there is a column {there[0]} but no {lacking}; give both, or neither: costs need both")
    if not there:
        return {}
    return dict(zip(both, check.encoder_of([column(raw, own[name], name) for name in both]), strict=True))


def _provenance(raw: RawTable, own: Mapping[str, str]) -> dict[str, pd.Series]:
    """Everything else, as text. A column that another was mapped in place of is not provenance."""
    taken = {*own.values(), *own, *NAMES}
    return {
        name: text(column(raw, name, name), blanks=True) for name in raw.cells.columns if name not in taken
    }


def _unused(raw: RawTable, reading: _Reading) -> list[str]:
    """Columns with a canonical name that the declarations put something else in the place of."""
    own = reading.columns
    lost = [name for name in NAMES if name in raw.cells and name in own and name not in own.values()]
    return [f"column {name} was left out, {own[name]} is read in its place" for name in lost]


def _misspelt(raw: RawTable, reading: _Reading) -> list[str]:
    """Columns nearly called like one that is missing; read as provenance, so that whoever wrote them has to hear it."""
    columns = [name for name in raw.cells.columns if name not in reading.columns.values()]
    absent = [name for name in (*FACTORS_AND_DATA, TASK, N_EVAL) if name not in reading.columns]
    like = {name: nearly(name, columns, NAMES) for name in absent}
    return [f"there is no column {name}: {asked_for(name, column)}" for name, column in like.items() if column]


def _given_chance(reading: _Reading, task: pd.Series) -> Floats:
    """The chance argument by row, NaN for tasks it does not name, shape (rows,)."""
    top = UNITS[ERROR][reading.units[ERROR]]
    for name, value in reading.chance.items():
        what = f"chance of task {name!r}"
        fault = check.chance_fault(number_given(value, what, "it is an accuracy, such as 0.25"), reading.units[ERROR])
        if fault is not None:
            raise InputError(f"{what} is {value!r}; {fault}")
    return _by_task(task, {name: value / top for name, value in reading.chance.items()})


def _by_task(task: pd.Series, values: Mapping[str, float]) -> Floats:
    tasks, row_task = np.unique(task.to_numpy(dtype=object), return_inverse=True)
    return np.array([values.get(name, np.nan) for name in tasks])[row_task]


def _notes(rows: pd.DataFrame, repeats: int, chance: Mapping[str, float]) -> list[str]:
    notes = []
    if repeats:
        notes.append(f"{repeats} row(s) repeated another row of the same run and task, and were dropped")
    adjusted = int(np.count_nonzero(rows[ADJUSTED]))
    if adjusted:
        notes.append(f"{adjusted} error(s) of 0 became 0.5 / (n_eval + 1); the column adjusted marks them")
    for name in FACTORS_AND_DATA:
        values = rows[name].to_numpy(dtype=np.float64)
        if np.isnan(values).all():
            notes.append(f"there is no column {name}, so it counts as not varying")
        elif values.min() == values.max():
            notes.append(f"{name} is {values[0]:g} in every row, so it does not vary")
    most_data = rows[DATA_SIZE].to_numpy(dtype=np.float64).max()
    if most_data < 1000:
        notes.append(f"data_size is at most {most_data:g} examples; declare its unit if that is too few")
    guessing = 1 - _by_task(pd.Series(rows[TASK]), chance)
    below = int(np.count_nonzero(rows[ERROR].to_numpy(dtype=np.float64) > guessing))
    if below:
        notes.append(f"{below} row(s) are worse than guessing")
    return notes
