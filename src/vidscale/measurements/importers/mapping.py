"""What a foreign result means, declared once: which of its names is which column, on what scale, for which model.

It is kept as a TOML file beside the table that an import wrote, and can be given again.
"""

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vidscale.bounded import read_bounded
from vidscale.errors import InputError
from vidscale.measurements.schema import (
    CHANCE,
    ENCODER_PARAMS,
    ENCODER_TOKENS,
    ERROR,
    N_EVAL,
    RUN_ID,
    SCORE,
    SEED,
    SWEEP,
    UNITS,
)
from vidscale.space import FACTORS_AND_DATA

SCHEMA, SCHEMA_VERSION = "vidscale-import", 1

#: What results can come from.
LMMS_EVAL, WANDB, MLFLOW = "lmms-eval", "wandb", "mlflow"
SOURCES = (LMMS_EVAL, WANDB, MLFLOW)

#: Scale as written → its largest value.
SCALES: Mapping[str, float] = {"0-1": 1.0, "0-100": 100.0}

#: Columns that can be mapped; the measured ones are declared by task.
MAPPABLE = (*FACTORS_AND_DATA, SWEEP, SEED, RUN_ID, N_EVAL, CHANCE, ENCODER_PARAMS, ENCODER_TOKENS)
#: What can be declared for a model, or for all.
DECLARABLE = (*FACTORS_AND_DATA, SWEEP, SEED, ENCODER_PARAMS, ENCODER_TOKENS)

MAX_BYTES = 1_000_000


@dataclass(frozen=True, kw_only=True)
class TaskMetric:
    """Where a task's result is, and on what scale.

    Attributes:
        metric: the metric's name, or the column that holds it.
        scale: "0-1" or "0-100".
        holds: "score" (an accuracy) or "error".
        n_eval: questions asked, where the result does not say.

    Raises:
        InputError: another scale or kind, no metric, or a number of questions that is none.
    """

    metric: str
    scale: str
    holds: str = SCORE
    n_eval: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.metric, str) or not self.metric.strip():
            raise InputError(f"the metric is {self.metric!r}; name the one to read")
        if not isinstance(self.scale, str) or self.scale not in SCALES:
            raise InputError(f"the scale of {self.metric} is {self.scale!r}; allowed are {', '.join(SCALES)}")
        if self.holds not in (SCORE, ERROR):
            raise InputError(f"{self.metric} holds {self.holds!r}; allowed are score (an accuracy) and error")
        if self.n_eval is not None and (type(self.n_eval) is not int or self.n_eval < 1):
            raise InputError(f"n_eval of {self.metric} is {self.n_eval!r}; needed is a whole number of at least 1")

    def error_of(self, value: float, where: str) -> float:
        """A result as an error in [0, 1].

        Raises:
            InputError: it is off its scale; `where` says whose it is.
        """
        top = SCALES[self.scale]
        if not 0 <= value <= top:
            raise InputError(f"{where}: {self.metric} is {value:g}; on the scale {self.scale} allowed is 0 to {top:g}, "
                             f"declare another with --task-metric TASK={self.metric}:SCALE")
        # Rounded where a decimal difference ends: 1 - 61.2 / 100 is to be 0.388.
        return round(1 - value / top if self.holds == SCORE else value / top, 12)


@dataclass(frozen=True, kw_only=True)
class ImportMapping:
    """How results of one origin are read.

    Attributes:
        source: "lmms-eval", "wandb" or "mlflow".
        columns: column of the schema → their name (of a column, or of a model argument of lmms-eval).
        units: column → unit, as `read_measurements` takes it.
        tasks: task → where its result is.
        every: what holds in every row: factors, seed, sweep.
        models: model (folder of lmms-eval, run of the others) → what holds for it.
        only: tasks to import; all where empty.

    Raises:
        InputError: a name that cannot be declared, or a value that it cannot have.
    """

    source: str
    columns: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    tasks: Mapping[str, TaskMetric] = field(default_factory=dict)
    every: Mapping[str, float | str] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, float | str]] = field(default_factory=dict)
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise InputError(f"the source is {self.source!r}; allowed are {', '.join(SOURCES)}")
        for name, theirs in self.columns.items():
            _one_of(name, MAPPABLE, "mapped")
            if not isinstance(theirs, str) or not theirs:
                raise InputError(f"{name} is mapped to {theirs!r}; give the name of a column")
        for name, unit in self.units.items():
            _one_of(name, FACTORS_AND_DATA, "given a unit")
            if not isinstance(unit, str) or unit not in UNITS.get(name, {}):
                raise InputError(f"unit {unit!r} of {name} is unknown; allowed are "
                                 f"{', '.join(UNITS.get(name, {})) or 'none'}")
        for declared in (self.every, *self.models.values()):
            for name, value in declared.items():
                _one_of(name, DECLARABLE, "declared")
                _check_value(name, value)


def _one_of(name: str, allowed: tuple[str, ...], what: str) -> None:
    if name not in allowed:
        raise InputError(f"{name!r} cannot be {what}; allowed are {', '.join(allowed)}")


def _check_value(name: str, value: float | str) -> None:
    if name == SWEEP:
        fits = isinstance(value, str) and bool(value.strip()) and value.isprintable()
    elif name == SEED:
        fits = isinstance(value, int | float) and 0 <= value < 1e15 and value == math.floor(value)
    else:
        fits = isinstance(value, int | float) and 0 < value < 1e16
    if not fits or isinstance(value, bool):
        needed = {SWEEP: "a label", SEED: "a whole number from 0"}.get(name, "a positive number")
        raise InputError(f"{name} is declared as {value!r}; needed is {needed}")


def merged(first: ImportMapping, second: ImportMapping) -> ImportMapping:
    """One mapping laid over another; what the second says goes before what the first does.

    Raises:
        InputError: they are of different sources.
    """
    if first.source != second.source:
        raise InputError(f"the mapping is for {first.source} and the import is --from {second.source}; use one of them")
    models = {name: {**first.models.get(name, {}), **second.models.get(name, {})}
              for name in (*first.models, *(n for n in second.models if n not in first.models))}
    return ImportMapping(
        source=second.source, columns={**first.columns, **second.columns}, units={**first.units, **second.units},
        tasks={**first.tasks, **second.tasks}, every={**first.every, **second.every}, models=models,
        only=second.only or first.only)


# --- the file ----------------------------------------------------------------------------------------------


def mapping_text(mapping: ImportMapping) -> str:
    """The mapping as TOML."""
    lines = [f"schema = {_text(SCHEMA)}", f"schema_version = {SCHEMA_VERSION}", f"source = {_text(mapping.source)}"]
    if mapping.only:
        lines.append(f"only = [{', '.join(_text(task) for task in mapping.only)}]")
    for name, values in (("columns", mapping.columns), ("units", mapping.units), ("every", mapping.every)):
        lines += _section(name, values)
    for task, found in mapping.tasks.items():
        values = {"metric": found.metric, "scale": found.scale, "holds": found.holds}
        lines += _section(f"tasks.{_text(task)}", values if found.n_eval is None else {**values, N_EVAL: found.n_eval})
    for model, values in mapping.models.items():
        lines += _section(f"models.{_text(model)}", values)
    return "\n".join(lines) + "\n"


def _section(name: str, values: Mapping[str, Any]) -> list[str]:
    return ["", f"[{name}]", *(f"{key} = {_value(value)}" for key, value in values.items())] if values else []


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def read_mapping(path: Path) -> ImportMapping:
    """The mapping in a file.

    Raises:
        InputError: the file cannot be read, or is no mapping.
    """
    try:
        content = tomllib.loads(read_bounded(path, MAX_BYTES, "a mapping").decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise InputError(f"mapping {path} is not valid TOML: {str(problem).splitlines()[0][:200]}") from None
    try:
        return _parsed(content)
    except InputError as problem:
        raise InputError(f"mapping {path}: {problem}") from None


_KEYS = ("schema", "schema_version", "source", "only", "columns", "units", "every", "tasks", "models")


def _parsed(content: Mapping[str, Any]) -> ImportMapping:
    if content.get("schema") != SCHEMA or content.get("schema_version") != SCHEMA_VERSION:
        raise InputError(f"schema is {content.get('schema')!r} {content.get('schema_version')!r}, not {SCHEMA!r} "
                         f"{SCHEMA_VERSION}; `vidscale import` writes one beside its table")
    for key in content:
        _one_of(key, _KEYS, "a key")
    only = content.get("only", [])
    if not isinstance(only, list) or not all(isinstance(task, str) for task in only):
        raise InputError(f"only is {only!r}; needed is a list of tasks")
    return ImportMapping(
        source=content.get("source", ""), only=tuple(only), columns=_table(content, "columns"),
        units=_table(content, "units"), every=_table(content, "every"),
        tasks={task: _task(task, _table(content["tasks"], task)) for task in _table(content, "tasks")},
        models={model: _table(content["models"], model) for model in _table(content, "models")})


def _table(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = content.get(name, {})
    if not isinstance(found, dict):
        raise InputError(f"{name} is {str(found)[:60]!r}; needed is a table")
    return found


def _task(task: str, values: Mapping[str, Any]) -> TaskMetric:
    for key in values:
        _one_of(key, ("metric", "scale", "holds", N_EVAL), f"a key of task {task}")
    missing = [key for key in ("metric", "scale") if key not in values]
    if missing:
        raise InputError(f"task {task!r} has no {missing[0]}; write metric and scale")
    return TaskMetric(**values)
