"""`vidscale import`: results of other tools as a table of measurements."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidscale.cli.options import Printing, Strings
from vidscale.cli.screen import Screen
from vidscale.errors import InputError

if TYPE_CHECKING:
    from vidscale.measurements.importers import ImportMapping, TaskMetric


def _option(*names: str, metavar: str, help: str):
    return typer.Option(*names, metavar=metavar, help=help, show_default=False)


def import_results(
    results: Annotated[Path, typer.Argument(metavar="RESULTS", show_default=False, help=(
        "An lmms-eval output folder, a Weights & Biases export of runs (.csv, .json), an MLflow export (.csv) or its "
        "mlruns folder."))],
    origin: Annotated[str, _option("--from", metavar="lmms-eval|wandb|mlflow", help="What wrote the results.")],
    out: Annotated[Path, _option("--out", metavar="FILE.csv|.parquet", help=(
        "The table to write; FILE.mapping.toml beside it keeps what was declared."))],
    mapping: Annotated[Path | None, _option("--mapping", metavar="FILE.toml", help=(
        "What an earlier import kept; the other options go before it."))] = None,
    task_metric: Annotated[list[str], _option("--task-metric", metavar="TASK=METRIC:SCALE", help=(
        "A task's metric or column, scale 0-1 or 0-100; add :error where it is no accuracy; repeatable."))] = [],  # noqa: B006
    task: Annotated[list[str], _option("--task", metavar="NAME", help="Import only this task; repeatable.")] = [],  # noqa: B006
    questions: Annotated[list[str], _option("--questions", metavar="TASK=N", help=(
        "Questions of a task where the results do not say; repeatable."))] = [],  # noqa: B006
    maps: Annotated[list[str], _option("--map", metavar="COLUMN=THEIRS", help=(
        "Their column, or model argument of lmms-eval, for a column; repeatable."))] = [],  # noqa: B006
    unit: Annotated[list[str], _option("--unit", metavar="COLUMN=UNIT", help=(
        "Unit of their column: lm_params=B, data_size=M; repeatable."))] = [],  # noqa: B006
    every: Annotated[list[str], _option("--set", metavar="FACTOR=VALUE,…", help=(
        "What holds for every result; also seed and sweep; repeatable."))] = [],  # noqa: B006
    model: Annotated[list[str], _option("--model", metavar="NAME:FACTOR=VALUE,…", help=(
        "What holds for one model folder of lmms-eval, or one run; repeatable."))] = [],  # noqa: B006
    force: Annotated[bool, typer.Option("--force", help="Replace a table that is there.")] = False,
    *, printing: Printing,
) -> None:
    """Turn other tools' results into a table.

    `vidscale study` reads it. Metric and scale of a task come from a table of known tasks or from you, never from a
    value. Results on a limited number of samples are refused.

    \b
    Example:
      vidscale import results --from lmms-eval --out runs.csv --set tokens_per_frame=196 --model org__vlm:lm_params=1e9
      vidscale import results --from lmms-eval --out again.csv --mapping runs.mapping.toml
    """
    from vidscale.cli.files import check_file, put_file
    from vidscale.measurements.importers import import_results, mapping_text, merged, read_mapping, write_rows

    if out.suffix.lower() not in (".csv", ".parquet"):
        raise InputError(f"--out {out}: the ending {out.suffix!r} is unknown; allowed are .csv, .parquet")
    declared = _declared(origin, maps, unit, task_metric, questions, every, model, task, mapping)
    if mapping is not None:
        declared = merged(read_mapping(mapping), declared)
    kept = out.with_suffix(".mapping.toml")
    for place in (out, kept):
        check_file(place, str(results))
        if place.exists() and not force and not (mapping is not None and mapping.exists() and place.samefile(mapping)):
            raise InputError(f"{place} exists; name a new file, or add --force to replace it")
    found = import_results(results, declared)
    put_file(kept, lambda place: place.write_text(mapping_text(found.mapping), encoding="utf-8"))
    put_file(out, lambda place: write_rows(found.table, place))
    screen = Screen(printing)
    table = found.table
    if printing.as_json:
        screen.json({"file": str(out), "mapping": str(kept), "rows": len(table), "tasks": list(table.tasks),
                     "varying": list(table.varying), "data_hash": table.data_hash, "notes": list(found.notes)})
    else:
        screen.notes(found.notes)
        screen.lines(f"{out}: {len(table)} rows, tasks {', '.join(table.tasks)}", f"{kept}: what was declared")


import_results.__name__ = "import"  # a keyword of Python's, and the verb's name


def _declared(
    origin: str, maps: Strings, unit: Strings, task_metric: Strings, questions: Strings, every: Strings, model: Strings,
    task: Strings, mapping: Path | None,
) -> "ImportMapping":
    from dataclasses import replace

    from vidscale.cli.words import number, pairs
    from vidscale.measurements.importers import ImportMapping, read_mapping

    tasks = {name: _metric(name, text) for name, text in pairs(task_metric, "--task-metric").items()}
    for name, text in pairs(questions, "--questions").items():
        base = tasks.get(name) or (read_mapping(mapping).tasks.get(name) if mapping is not None else None)
        count = number(text, f"--questions {name}")
        if base is None or count != int(count):
            raise InputError(f"--questions {name}={text}: give a whole number, for a task that --task-metric declares")
        tasks[name] = replace(base, n_eval=int(count))
    values: dict[str, float | str] = {}
    for text in every:
        values |= _values(text, "--set")
    models: dict[str, dict[str, float | str]] = {}
    for text in model:
        name, sign, rest = text.rpartition(":")
        if not sign or not name:
            raise InputError(f"--model {text!r}: write NAME:lm_params=7.6e9,tokens_per_frame=196")
        models.setdefault(name, {}).update(_values(rest, "--model"))
    return ImportMapping(source=origin, columns=pairs(maps, "--map"), units=pairs(unit, "--unit"), tasks=tasks,
                         every=values, models=models, only=tuple(dict.fromkeys(task)))


def _metric(task: str, text: str) -> "TaskMetric":
    from vidscale.measurements.importers import TaskMetric

    parts = text.split(":")
    holds = parts.pop() if parts[-1] in ("error", "score") else "score"
    if len(parts) < 2:
        raise InputError(f"--task-metric {task}={text}: write {task}=METRIC:0-1 or {task}=METRIC:0-100")
    return TaskMetric(metric=":".join(parts[:-1]), scale=parts[-1], holds=holds)


def _values(text: str, option: str) -> dict[str, float | str]:
    from vidscale.cli.words import number, outside, pairs
    from vidscale.measurements.importers.mapping import DECLARABLE
    from vidscale.space import FACTORS_AND_DATA

    found: dict[str, float | str] = {}
    for name, value in pairs([part for part in text.split(",") if part.strip()], option).items():
        if name not in DECLARABLE:
            raise InputError(f"{option}: {name!r} cannot be declared; allowed are {', '.join(DECLARABLE)}")
        found[name] = value if name == "sweep" else number(value, f"{option} {name}")
        wrong = outside(name, float(found[name])) if name in FACTORS_AND_DATA else ""
        if wrong:
            raise InputError(f"{option}: {name} is {found[name]:g}{wrong}")
    if not found:
        raise InputError(f"{option} {text!r} declares nothing; write lm_params=7.6e9,tokens_per_frame=196")
    return found
