"""Many runs' rows as one table of measurements."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from vidscale.design import SweepPlan
from vidscale.errors import InputError
from vidscale.measurements.schema import NAMES, RUN_ID, SEED, SWEEP, TASK
from vidscale.runs.folder import RunStatus, Standing, open_sweep, statuses
from vidscale.runs.recipe import HOW_ONLY_WORDS
from vidscale.runs.state import ROWS_FILE, PlannedRun, read_run
from vidscale.space import FACTORS_AND_DATA

#: In every row: the plan it was part of, and the first digits of the SHA-256 of the recipe it was made by.
PLAN, RECIPE_HASH, DIGITS = "plan", "recipe_hash", 16

#: In the rows of `vidscale run`: the first digits of the SHA-256 of its training and evaluation data.
DATA_HASH = "data_hash"


@dataclass(frozen=True, kw_only=True, eq=False)
class Collected:
    """Rows of one or several sweeps.

    Attributes:
        rows: one per run and task, cells as the runs wrote them, and provenance.
        runs: how many runs they come from.
        missing: runs that have no rows, by name, and why.
        notes: what a reader must know, one sentence each.
    """

    rows: pd.DataFrame
    runs: int
    missing: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def collect(folders: Iterable[Path]) -> Collected:
    """Join the rows of every run that is done.

    Args:
        folders: of sweeps, which may be slices of one study.

    Raises:
        InputError: a run is in two folders, rows are doubled or contradict their run, or no run is done.
    """
    parts: list[pd.DataFrame] = []
    recipes: set[str] = set()
    missing: list[tuple[str, str]] = []
    where: dict[str, Path] = {}
    for out in folders:
        plan = open_sweep(out)
        for status in statuses(plan, out):
            name = status.spec.run_id
            if status.standing is not Standing.DONE:
                missing.append((name, _why(status)))
                continue
            if name in where:
                raise InputError(f"run {name} is done in {where[name]} and in {out}; collect one of them")
            try:
                planned = read_run(status.folder)
            except InputError as problem:
                missing.append((name, f"{problem}, once {_again(out, name)}"))
                continue
            where[name] = out
            recipes.add(planned.identity)
            parts.append(_rows_of(plan, status, planned, out))
    done = [pair for pair in missing if pair[0] not in where]
    if not parts:
        raise InputError(f"no run is done, so there are no rows to collect; {len(done)} runs are not, see "
                         "`vidscale status`")
    rows = pd.concat(parts, ignore_index=True)
    known = [name for name in NAMES if name in rows]
    rows = rows.reindex(columns=[*known, *(name for name in rows if name not in known)])
    return Collected(rows=rows, runs=len(parts), missing=tuple(done),
                     notes=_notes(rows, done, len(recipes)))


def damaged(plan: SweepPlan, out: Path, found: Iterable[RunStatus]) -> tuple[str, ...]:
    """Names of the runs that are done and whose rows `collect` would refuse, or cannot trust, as they lie there."""
    names = []
    for status in found:
        if status.standing is Standing.DONE:
            try:
                _rows_of(plan, status, read_run(status.folder), out)
            except InputError:
                names.append(status.spec.run_id)
    return tuple(names)


def write_table(rows: pd.DataFrame, place: Path) -> None:
    """The table as a .csv or .parquet file.

    Raises:
        InputError: another ending.
    """
    if place.suffix.lower() == ".csv":
        place.write_text(rows.to_csv(index=False, lineterminator="\n"), encoding="utf-8")
    elif place.suffix.lower() == ".parquet":
        _typed(rows).to_parquet(place, index=False)
    else:
        raise InputError(f"{place.name}: the ending {place.suffix!r} is unknown; allowed are .csv, .parquet")


def _why(status: RunStatus) -> str:
    if status.standing is Standing.FAILED:
        return f"failed: {status.reason or 'error'}: {status.outcome.message}"
    return status.standing.value


def _again(out: Path, name: str) -> str:
    return f"`vidscale retry {out} --run {name}` has the next sweep make the run again"


def _rows_of(plan: SweepPlan, status: RunStatus, planned: PlannedRun, out: Path) -> pd.DataFrame:
    place, spec = status.folder / ROWS_FILE, status.spec
    again = _again(out, spec.run_id)
    try:
        rows = pd.read_csv(place, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as problem:
        said = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise InputError(f"{place} cannot be read: {said}; {again}") from None
    if rows.empty or TASK not in rows:
        raise InputError(f"{place} has no rows or no column {TASK}; {again}")
    tasks = [str(task) for task in rows[TASK]]
    doubled = [task for task in tasks if tasks.count(task) > 1]
    if doubled:
        raise InputError(f"{place} has task {doubled[0]!r} twice; a run measures each task once; {again}")
    factors = {**spec.factors.as_dict(), FACTORS_AND_DATA[-1]: spec.data_size}
    for name, value in factors.items():
        if name in rows:
            _check_number([str(cell) for cell in rows[name]], value, name, place, again)
    given = {**{name: f"{value:.15g}" for name, value in factors.items()}, SWEEP: spec.sweep, SEED: str(spec.seed),
             RUN_ID: spec.run_id, RECIPE_HASH: planned.recipe_hash[:DIGITS]}
    for name, value in given.items():
        if name not in rows:
            rows[name] = value
        elif name not in factors and {str(cell) for cell in rows[name]} != {value}:
            raise InputError(f"{place}: {name} is not {value!r} in every row, although the run's folder says so; "
                             f"{again}")
    return rows.assign(**{PLAN: plan.name})


def _check_number(cells: Sequence[str], value: float, name: str, place: Path, again: str) -> None:
    for cell in cells:
        # A plan may round a size ("7.5e9") that the run knows exactly.
        if not math.isclose(_number(cell), value, rel_tol=1e-2):
            raise InputError(f"{place}: {name} is {cell}, but the run was planned at {value:g}; {again}")


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _notes(rows: pd.DataFrame, missing: Sequence[tuple[str, str]], recipes: int) -> tuple[str, ...]:
    """What differs between rows that should measure one thing.

    Args:
        rows: the table.
        missing: runs without rows, and why.
        recipes: how many recipes there are, counting those once that decide the same result.
    """
    notes = []
    if missing:
        notes.append(f"{len(missing)} planned runs have no rows: " + ", ".join(name for name, _ in missing[:3])
                     + (" and more" if len(missing) > 3 else ""))
    for name, what in ((RECIPE_HASH, "made by {} recipes"), ("commit", "made by {} commits"),
                       (DATA_HASH, "trained or evaluated on {} different states of the data files, which changed "
                                   "between runs")):
        kinds = len({str(cell) for cell in rows[name]} - {""}) if name in rows else 0
        if kinds > 1 and name == RECIPE_HASH and recipes == 1:
            notes.append(f"the rows were made by {kinds} versions of one recipe (column {name}), which differ in "
                         f"nothing that decides a result (only in comments, {HOW_ONLY_WORDS})")
        elif kinds > 1:
            notes.append(f"the rows were {what.format(kinds)} (column {name}); make sure that they measure one thing")
    return tuple(notes)


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    """Numbers as numbers, for a format that has types; a column with one cell that is none stays text."""
    typed: dict[str, list[float] | list[str]] = {}
    for name in rows:
        cells = [str(cell) for cell in rows[name]]
        numbers = [_number(cell) for cell in cells]
        known = all(cell == "" or not math.isnan(number) for cell, number in zip(cells, numbers))
        typed[str(name)] = numbers if known and any(cells) else cells
    return pd.DataFrame(typed)
