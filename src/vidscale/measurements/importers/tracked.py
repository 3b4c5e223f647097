"""Runs of an experiment tracker, one row a run, to one result per run and task."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vidscale.errors import InputError
from vidscale.measurements.cells import MISSING_WORDS
from vidscale.measurements.importers.gather import (
    Cell,
    Imported,
    Result,
    check_models,
    declared,
    gather,
    in_counts,
    settle,
)
from vidscale.measurements.importers.mapping import ImportMapping, TaskMetric
from vidscale.measurements.schema import CHANCE, ERROR, N_EVAL, NAMES, RUN_ID, TASK

#: No tracker's export of a study has more runs.
MAX_RUNS = 100_000


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How one tracker calls things.

    Attributes:
        name: of the tracker, as in --from.
        settings: prefixes of a run's settings.
        measured: prefixes of what it measured.
        run: columns that name a run, the first there counts.
        state: columns that say how it stands.
        done: states of a run that is done, in lower case.
    """

    name: str
    settings: tuple[str, ...]
    measured: tuple[str, ...]
    run: tuple[str, ...]
    state: tuple[str, ...]
    done: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run: where it was found, and its cells as text by their column."""

    where: str
    cells: Mapping[str, str]


def import_runs(runs: Sequence[Run], layout: Layout, mapping: ImportMapping, name: str) -> Imported:
    """Tracked runs as measurements.

    Raises:
        InputError: no metric was declared, a column is not there, or a value cannot be used.
    """
    if len(runs) > MAX_RUNS:
        raise InputError(f"{name} holds {len(runs)} runs; at most {MAX_RUNS} are read")
    present = list(dict.fromkeys(column for run in runs for column in run.cells))
    tasks = _wanted(mapping, present, layout, name)
    columns = _columns(mapping, present, layout, name)
    done = [run for run in runs if _done(run, layout)]
    notes: list[str] = []
    if len(done) < len(runs):
        notes.append(f"{len(runs) - len(done)} of {len(runs)} runs are not finished, and were left out")
    results: list[Result] = []
    models: set[str] = set()
    for run in done:
        label = run.cells.get(columns.get(RUN_ID, ""), "")
        models.add(label)
        results += _results_of(run, label, tasks, columns, mapping, layout)
    check_models(mapping, models)
    blank = len(done) * len(tasks) - len(results)
    if blank:
        notes.append(f"{blank} results are blank, and were left out")
    full = ImportMapping(source=layout.name, columns=columns, units=mapping.units, tasks=mapping.tasks,
                         every=mapping.every, models=mapping.models, only=mapping.only)
    return gather(results, full, notes, name)


def _wanted(mapping: ImportMapping, present: Sequence[str], layout: Layout, name: str) -> dict[str, TaskMetric]:
    tasks = {task: found for task, found in mapping.tasks.items() if not mapping.only or task in mapping.only}
    if not tasks:
        measured = [column for column in present if column.startswith(layout.measured)] or list(present)
        raise InputError(f"{name}: no column was declared as a result; declare each with --task-metric TASK=COLUMN:0-1 "
                         f"or :0-100, there are {_listed(measured)}")
    for task, found in tasks.items():
        _there(found.metric, task, present, name)
    return tasks


def _columns(mapping: ImportMapping, present: Sequence[str], layout: Layout, name: str) -> dict[str, str]:
    """Column of the schema → their column: what was declared, else the one of that name."""
    chosen = dict(mapping.columns)
    for column, theirs in chosen.items():
        _there(theirs, column, present, name)
    for column in NAMES:
        if column in (*chosen, TASK, ERROR, CHANCE, N_EVAL, "adjusted", "synthetic"):
            continue
        names = layout.run if column == RUN_ID else (*(prefix + column for prefix in layout.settings), column)
        there = [theirs for theirs in names if theirs in present]
        if len(there) > 1 and column != RUN_ID:
            raise InputError(f"{name} has the columns {' and '.join(there)}; say which is {column}: --map "
                             f"{column}={there[0]}")
        if there:
            chosen[column] = there[0]
    return chosen


def _there(theirs: str, what: str, present: Sequence[str], name: str) -> None:
    if theirs not in present:
        raise InputError(f"{name} has no column {theirs!r} to read as {what}; there are {_listed(present)}")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(name[:60] for name in names[:20])
    return (shown or "none") + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _done(run: Run, layout: Layout) -> bool:
    states = [run.cells[column].strip().lower() for column in layout.state if run.cells.get(column, "").strip()]
    return all(state in layout.done for state in states)


def _results_of(run: Run, label: str, tasks: Mapping[str, TaskMetric], columns: Mapping[str, str],
                mapping: ImportMapping, layout: Layout) -> Iterable[Result]:
    found: dict[str, Cell] = {
        column: run.cells[theirs] for column, theirs in columns.items() if not _blank(run.cells.get(theirs, ""))}
    cells = settle(declared(mapping, label), in_counts(found, mapping.units), run.where)
    taken = {*columns.values(), *(metric.metric for metric in mapping.tasks.values())}
    kept = _provenance(run, taken, layout)
    for task, metric in tasks.items():
        text = run.cells.get(metric.metric, "")
        if _blank(text):
            continue
        where = f"{run.where}, column {metric.metric}"
        value = _number(text, where)
        asked = metric.n_eval if metric.n_eval is not None else cells.get(N_EVAL)
        yield Result(where=where, value=value, provenance={**kept, "metric": metric.metric, "scale": metric.scale},
                     cells={**cells, TASK: task, ERROR: metric.error_of(value, run.where), N_EVAL: asked})


def _blank(text: str) -> bool:
    return text.strip().lower() in MISSING_WORDS


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where}: {text[:60]!r} is no number; correct it, or leave the run out")
    return value


def _provenance(run: Run, taken: set[str], layout: Layout) -> dict[str, str]:
    """A run's own settings and names, as text; what else it measured is no provenance of a result."""
    ours = (*NAMES, "metric", "scale", "import_source")
    return {"import_source": layout.name,
            **{f"{layout.name}.{name}" if name in ours else name: " ".join(text.split())[:1000]
               for name, text in run.cells.items() if name not in taken and not name.startswith(layout.measured)}}
