"""Result folders of lmms-eval: `<out>/<model>/<date>_results.json`, as version 0.7.3 writes them.

A result says the metric, how many questions were asked and the arguments of the model, a text that holds the number
of frames. It says neither the model's size nor its tokens per frame nor the data it was finetuned on: these are
declared by model folder.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vidscale.bounded import read_json, walk
from vidscale.errors import InputError
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
from vidscale.measurements.importers.mapping import LMMS_EVAL, ImportMapping, TaskMetric, merged
from vidscale.measurements.schema import ERROR, N_EVAL, RUN_ID, TASK
from vidscale.space import FRAMES, LM_PARAMS, TOKENS_PER_FRAME

ENDING = "_results.json"
#: A result of hundreds of tasks with their configuration holds a few megabytes.
MAX_BYTES = 64_000_000
WHAT = f"a {ENDING.lstrip('_')} file of lmms-eval"

#: No score and no number of questions is larger; JSON can hold integers that no float can.
MOST = 1e12

#: Model arguments that hold a number of frames, by the models of lmms-eval that take them.
FRAME_ARGUMENTS = ("max_frames_num", "max_num_frames", "num_frames", "num_frame", "nframes")

_MVBENCH = (
    "action_sequence", "moving_count", "action_prediction", "episodic_reasoning", "action_antonym", "action_count",
    "scene_transition", "object_shuffle", "object_existence", "fine_grained_pose", "unexpected_action",
    "moving_direction", "state_change", "object_interaction", "character_order", "action_localization",
    "counterfactual_inference", "fine_grained_action", "moving_attribute", "egocentric_navigation")
_TEMPCOMPASS = ("multi_choice", "yes_no", "caption_matching", "captioning")

#: Task → metric names (some versions misspell one) and scale, from the tasks' own files in lmms-eval 0.7.3. Never told
#: from a value: 0.9 may be 90 % or 0.9 %.
TASK_METRICS: Mapping[str, tuple[tuple[str, ...], str]] = {
    **dict.fromkeys(("videomme", "videomme_w_subtitle"),
                    (("videomme_perception_score", "videomme_percetion_score"), "0-100")),
    **dict.fromkeys(("mvbench", *(f"mvbench_{part}" for part in _MVBENCH)), (("mvbench_accuracy",), "0-100")),
    "mlvu_dev": (("mlvu_percetion_score", "mlvu_perception_score"), "0-100"),
    **dict.fromkeys(("tempcompass", *(f"tempcompass_{part}" for part in _TEMPCOMPASS)), (("avg_accuracy",), "0-100")),
    "activitynetqa": (("gpt_eval_accuracy",), "0-100"),
    **dict.fromkeys(("longvideobench_val_v", "longvideobench_val_i"), (("lvb_acc",), "0-1")),
    "perceptiontest_val_mc": (("accuracy",), "0-1"),
    "nextqa_mc_test": (("exact_match",), "0-1"),
    "egoschema_subset": (("score",), "0-1"),
}
#: What a reader of a task's scores has to know.
TASK_NOTES: Mapping[str, str] = {
    **dict.fromkeys(("longvideobench_val_v", "longvideobench_val_i"),
                    "lmms-eval guesses at random where it cannot parse an answer of LongVideoBench, so its score keeps "
                    "a share of luck"),
    "activitynetqa": "activitynetqa is judged by a language model; rows judged by different ones do not compare",
}


def import_lmms_eval(source: Path, mapping: ImportMapping) -> Imported:
    """All results below a folder, or of one file.

    Args:
        source: the output folder of lmms-eval, the folder of one model, or one results file.
        mapping: what was declared. `columns` name model arguments here.

    Raises:
        InputError: a file is no result or was made with a limit on samples, a task is unknown, or a factor is missing.
    """
    results: list[Result] = []
    used: dict[str, TaskMetric] = {}
    notes: dict[str, None] = {}
    models: set[str] = set()
    for file in _files(source):
        content = read_json(file, MAX_BYTES, WHAT)
        model = file.resolve().parent.name
        models.add(model)
        results += _results_of(content, file, model, mapping, used, notes)
    check_models(mapping, models)
    full = merged(mapping, ImportMapping(source=LMMS_EVAL, tasks={**used, **mapping.tasks}))
    return gather(results, full, tuple(notes), str(source))


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise InputError(f"{str(source)[:200]}: there is no such file or folder; give the output folder of lmms-eval")
    found = [folder / name for folder, _, names in walk(source) for name in names if name.endswith(ENDING)]
    if not found:
        raise InputError(f"{source} holds no file that ends in {ENDING}; give the folder that lmms-eval was given as "
                         "--output_path")
    return found


def _object(content: Any, key: str, where: str) -> dict[str, Any]:
    found = content.get(key) if isinstance(content, dict) else None
    if not isinstance(found, dict):
        raise InputError(f"{where} has no object {key!r}, so it is not {WHAT}; remove it or give another folder")
    return found


def _results_of(content: Any, file: Path, model: str, mapping: ImportMapping, used: dict[str, TaskMetric],
                notes: dict[str, None]) -> Iterator[Result]:
    scores, config = _object(content, "results", str(file)), _object(content, "config", str(file))
    _check_limit(config, str(file))
    arguments = _arguments(config.get("model_args"), f"{file}, config.model_args")
    cells = _configuration(arguments, mapping, model, f"{file}, config.model_args")
    if isinstance(arguments.get("fps"), str):
        notes["model_args sets fps: a number of frames beside it is a largest one, and short videos have fewer"] = None
    for task in _tasks(content, scores, mapping, notes):
        where = f"{file}, results.{task}"
        found = _metric(task, scores[task], mapping, where)
        used[task] = found
        key, value = _value(scores[task], found, where)
        asked = _questions(content, task, file)
        asked = found.n_eval if found.n_eval is not None else asked
        if task in TASK_NOTES:
            notes[TASK_NOTES[task]] = None
        yield Result(
            where=f"{file}, results.{task}[{key!r}]", value=value,
            cells={**cells, RUN_ID: model, TASK: task, ERROR: found.error_of(value, where), N_EVAL: asked},
            provenance={**_provenance(content, config, task, file), "metric": key, "scale": found.scale,
                        "stderr": _stderr(scores[task], key)})


def _check_limit(config: Mapping[str, Any], where: str) -> None:
    limit = config.get("limit")
    unlimited = limit is None or (isinstance(limit, int | float) and not isinstance(limit, bool) and limit < 0)
    if not unlimited:
        raise InputError(f"{where}: config.limit is {str(limit)[:40]!r}, so only some samples were asked; evaluate "
                         "again without --limit, or remove the file")


def _arguments(found: Any, where: str) -> dict[str, str]:
    """The arguments of the model, from a text such as pretrained=org/model,max_frames_num=32."""
    if found is None:
        return {}
    if isinstance(found, dict):
        return {str(key): str(value) for key, value in found.items()}
    if not isinstance(found, str):
        raise InputError(f"{where} is {str(found)[:60]!r}; expected a text such as pretrained=org/model,num_frames=32")
    arguments: dict[str, str] = {}
    for part in found.split(","):
        name, sign, value = part.partition("=")
        name, value = name.strip(), value.strip().strip("\"'")
        if sign and arguments.setdefault(name, value) != value:
            raise InputError(f"{where} has {name} as {arguments[name]!r} and {value!r}; correct the file")
    return arguments


def _configuration(arguments: Mapping[str, str], mapping: ImportMapping, model: str, where: str) -> dict[str, Cell]:
    found: dict[str, Cell] = {}
    for column, name in mapping.columns.items():
        if name in arguments:
            found[column] = arguments[name]
        elif column not in declared(mapping, model):
            raise InputError(f"{where} has no {name!r} to read as {column}; there are "
                             f"{', '.join(list(arguments)[:20]) or 'none'}")
    if FRAMES not in found:
        known = {name: arguments[name] for name in FRAME_ARGUMENTS if name in arguments}
        if len(set(known.values())) > 1:
            raise InputError(f"{where} has {' and '.join(f'{k}={v}' for k, v in known.items())}; say which is the "
                             f"number of frames: --map {FRAMES}={next(iter(known))}")
        if known:
            found[FRAMES] = next(iter(known.values()))
    cells = settle(declared(mapping, model), in_counts(found, mapping.units), where)
    for factor in (LM_PARAMS, FRAMES, TOKENS_PER_FRAME):
        if cells.get(factor) is None:
            raise InputError(f"{where} does not say {factor} of model {model}; declare it with --model "
                             f"{model}:{factor}=VALUE, --set {factor}=VALUE for all, or --map {factor}=ARGUMENT")
    return cells


# --- tasks -------------------------------------------------------------------------------------------------


def _tasks(content: Mapping[str, Any], scores: Mapping[str, Any], mapping: ImportMapping,
           notes: dict[str, None]) -> list[str]:
    """Tasks to import: a group with a score of its own stands for its parts; one without is its parts."""
    if mapping.only:
        return [task for task in mapping.only if task in scores]
    parts = _groups(content)
    groups = {task for task in scores if parts.get(task)}
    whole = {task for task in groups if _scored(scores[task])}
    inside = {part for task in whole for part in parts[task]}
    left = sorted(inside & set(scores))
    if left:
        notes[f"{len(left)} parts of {', '.join(sorted(whole))} were left out; the group has its own score"] = None
    return [task for task in scores if task not in inside and (task in whole or task not in groups)]


def _groups(content: Mapping[str, Any]) -> dict[str, list[str]]:
    found = content.get("group_subtasks")
    if not isinstance(found, dict):
        return {}
    return {str(name): [str(part) for part in parts] for name, parts in found.items() if isinstance(parts, list)}


def _scored(entry: Any) -> bool:
    return isinstance(entry, dict) and any(
        isinstance(value, int | float) and "_stderr" not in key for key, value in entry.items() if key != "alias")


def _metric(task: str, entry: Any, mapping: ImportMapping, where: str) -> TaskMetric:
    if task in mapping.tasks:
        return mapping.tasks[task]
    if task not in TASK_METRICS:
        raise InputError(f"{where}: the metric and scale of task {task!r} are not known; declare them with "
                         f"--task-metric {task}=METRIC:0-1 or :0-100, or choose other tasks with --task")
    names, scale = TASK_METRICS[task]
    held = {key.partition(",")[0] for key in entry} if isinstance(entry, dict) else set()
    return TaskMetric(metric=next((name for name in names if name in held), names[0]), scale=scale)


def _value(entry: Any, found: TaskMetric, where: str) -> tuple[str, float]:
    """(key, value) of a metric; the key is "<metric>,<filter>"."""
    if not isinstance(entry, dict):
        raise InputError(f"{where} is {str(entry)[:60]!r}; expected an object of metrics")
    keys = [key for key in entry if found.metric in (key, key.partition(",")[0])]
    if len(keys) != 1:
        there = ", ".join(key for key in list(entry)[:12] if key != "alias" and "_stderr" not in key)
        said = f"has {', '.join(keys)}" if keys else f"has no metric {found.metric!r}; there are {there or 'none'}"
        raise InputError(f"{where} {said}; say which one counts with --task-metric TASK=METRIC:SCALE")
    value = entry[keys[0]]
    if isinstance(value, bool) or not isinstance(value, int | float) or not -MOST < value < MOST:
        raise InputError(f"{where}[{keys[0]!r}] is {str(value)[:60]!r}, no number; evaluate this task again, or leave "
                         "it out by naming the others with --task")
    return keys[0], float(value)


def _stderr(entry: Mapping[str, Any], key: str) -> str:
    metric, comma, name = key.partition(",")
    value = entry.get(f"{metric}_stderr{comma}{name}")
    if isinstance(value, bool) or not isinstance(value, int | float) or not -MOST < value < MOST:
        return ""
    return repr(float(value))


def _questions(content: Mapping[str, Any], task: str, file: Path) -> int | None:
    """Questions asked, of a group the sum over its parts; None where the file does not say."""
    counts = content.get("n-samples")
    counts = counts if isinstance(counts, dict) else {}
    parts = [task] if task in counts else _groups(content).get(task, [])
    asked = [_asked(counts[part], f"{file}, n-samples.{part}") for part in parts if part in counts]
    return sum(asked) if parts and len(asked) == len(parts) else None


def _asked(entry: Any, where: str) -> int:
    effective = entry.get("effective") if isinstance(entry, dict) else None
    if type(effective) is not int or not 1 <= effective < MOST:
        raise InputError(f"{where}.effective is {str(effective)[:60]!r}; expected a whole number of at least 1")
    original = entry.get("original")
    if type(original) is int and original > effective:
        raise InputError(f"{where}: only {effective} of {original} samples were asked; evaluate again without a limit, "
                         "or remove the file")
    return effective


def _provenance(content: Mapping[str, Any], config: Mapping[str, Any], task: str, file: Path) -> dict[str, str]:
    versions = content.get("versions")
    said = {
        "import_source": LMMS_EVAL, "result_file": file.name, "model_args": config.get("model_args"),
        "model_name": content.get("model_name"), "git_hash": content.get("git_hash"), "date": content.get("date"),
        "task_version": versions.get(task) if isinstance(versions, dict) else None}
    return {name: "" if value is None else " ".join(str(value).split())[:1000] for name, value in said.items()}


