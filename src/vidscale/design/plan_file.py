"""A plan as a file that people read and change: TOML, one line per run.

    schema = "vidscale plan"
    schema_version = 1
    name = "star"
    command = ["{python}", "-m", "vidscale", "run", "{folder}"]
    recipe = "recipe.toml"

    [cost]
    encoder_params = 4.3e8
    encoder_tokens = 768
    frozen = []

    [runs]
    star-N1000000000-T4-V196-n250000-s0 = { sweep = "star", seed = 0, lm_params = 1e9, frames = 4, ... }

The recipe's path is relative to the plan. Lines of runs may be removed, added and moved. The name of a run follows
from its line, and so do its costs, which may be left out; what a line says otherwise is refused, so no edit can go
half way.
"""

import json
import math
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vidscale.design.plan import PlanCost, SweepPlan
from vidscale.design.spec import RunSpec
from vidscale.errors import InputError
from vidscale.space import DATA_SIZE, FACTORS, ScalingFactors

#: What a plan file says it is, and the version of its keys.
SCHEMA, SCHEMA_VERSION = "vidscale plan", 1

_KEYS = {"schema", "schema_version", "name", "command", "notes", "cost", "recipe", "runs"}
_RUN_KEYS = ("sweep", "seed", *FACTORS, DATA_SIZE)
_COSTS = ("inference_flops", "training_flops")

#: How far a written cost may lie from the computed one; five digits are written.
_ROUNDING = 1e-3


# --- writing ----------------------------------------------------------------------------------------------


def plan_text(plan: SweepPlan, folder: Path) -> str:
    """The plan as TOML for a file in `folder`; the same plan gives the same bytes."""
    training = plan.cost.training_flops(plan.runs)
    head = [
        f"# {len(plan)} training runs, {_flops(float(training.sum()))} FLOPs of training in all. FLOPs are 2 per",
        "# multiply-add; training counts 3 forward passes per example of a trained part, 1 of a frozen encoder and 2",
        "# of a frozen language model.",
        "# Lines of [runs] may be removed, added and moved; costs may be left out, and are then computed.",
        f"schema = {_value(SCHEMA)}",
        f"schema_version = {SCHEMA_VERSION}",
        f"name = {_value(plan.name)}",
        f"command = {_value(list(plan.command))}",
    ]
    if plan.recipe is not None:
        head.append(f"recipe = {_value(os.path.relpath(plan.recipe, folder))}")
    if plan.notes:
        head += ["notes = [", *(f"  {_value(note)}," for note in plan.notes), "]"]
    cost = {"encoder_params": plan.cost.encoder_params, "encoder_tokens": plan.cost.encoder_tokens,
            "frozen": list(plan.cost.frozen)}
    parts = ["\n".join(head), _table("cost", cost)]
    parts.append("\n".join(["[runs]", *_run_lines(plan)]))
    return "\n\n".join(parts) + "\n"


def _run_lines(plan: SweepPlan) -> list[str]:
    costs = zip(plan.cost.inference_flops(plan.runs), plan.cost.training_flops(plan.runs))
    rows = []
    for run, (inference, training) in zip(plan.runs, costs):
        cells = {"sweep": _value(run.sweep), "seed": str(run.seed),
                 **{name: _value(value) for name, value in run.factors.as_dict().items()},
                 DATA_SIZE: _value(run.data_size), "inference_flops": _flops(float(inference)),
                 "training_flops": _flops(float(training))}
        rows.append((_key(run.run_id), cells))
    width = max(len(key) for key, _ in rows)
    widths = {name: max(len(cells[name]) for _, cells in rows) for name in rows[0][1]}
    lines = []
    for key, cells in rows:
        shown = ", ".join(f"{name} = {cell:>{widths[name]}}" for name, cell in cells.items())
        lines.append(f"{key:<{width}} = {{ {shown} }}")
    return lines


def _table(name: str, content: Mapping[str, Any]) -> str:
    return "\n".join([f"[{name}]", *(f"{key} = {_value(value)}" for key, value in content.items())])


def _key(name: str) -> str:
    plain = name and all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in name)
    return name if plain else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return "[" + ", ".join(_value(each) for each in value) + "]"
    return _number(float(value))


def _number(value: float) -> str:
    """A number in the fewest characters that give it back: 250000, 7.5e9."""
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    text = repr(value)
    if "e" not in text and abs(value) >= 1e6:
        digits = text.split(".")[0] if value == int(value) else text
        whole, _, rest = digits.partition(".")
        sign, whole = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
        tail = (whole[1:] + rest).rstrip("0")
        text = f"{sign}{whole[0]}{'.' + tail if tail else ''}e{len(whole) - 1}"
    return text.replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")


def _flops(value: float) -> str:
    """FLOPs to five digits."""
    return _number(float(f"{value:.4e}"))


# --- reading ----------------------------------------------------------------------------------------------


def read_plan(path: Path) -> SweepPlan:
    """The plan in a file.

    Raises:
        InputError: the file cannot be read, or is no plan, or a line of it contradicts itself.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise InputError(f"plan {path}: {problem.strerror or problem}; `vidscale plan` writes one") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise InputError(f"plan {path} is not valid TOML: {problem}") from None
    try:
        return parse_plan(content, path.parent)
    except InputError as problem:
        raise InputError(f"plan {path}: {problem}") from None


def parse_plan(content: Mapping[str, Any], folder: Path) -> SweepPlan:
    """A plan from the content of its file, which lies in `folder`.

    Raises:
        InputError: a key is missing, unknown or of the wrong kind, or a run's name or cost is not what follows from
            the rest of its line.
    """
    if content.get("schema") != SCHEMA:
        raise InputError(f"schema is {content.get('schema')!r}, not {SCHEMA!r}; `vidscale plan` writes a plan")
    if content.get("schema_version") != SCHEMA_VERSION:
        raise InputError(f"schema_version is {content.get('schema_version')!r}; this vidscale reads {SCHEMA_VERSION}")
    unknown = sorted(set(content) - _KEYS)
    if unknown:
        raise InputError(f"unknown key {unknown[0]!r}; allowed are {', '.join(sorted(_KEYS))}")
    cost = _parse_cost(_mapping(content, "cost"))
    runs = [_parse_run(name, line) for name, line in _mapping(content, "runs").items()]
    plan = SweepPlan(name=str(content.get("name") or "plan"), runs=tuple(runs), cost=cost,
                     command=tuple(_texts(content, "command")), notes=tuple(_texts(content, "notes")),
                     recipe=_recipe(content, folder))
    _check_costs(plan, content["runs"])
    return plan


def _recipe(content: Mapping[str, Any], folder: Path) -> Path | None:
    found = content.get("recipe")
    if found is None:
        return None
    if not isinstance(found, str) or not found:
        raise InputError(f"recipe is {found!r}; write the path of a file")
    return Path(os.path.normpath(folder / found))


def _mapping(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = content.get(key, {})
    if not isinstance(found, dict):
        raise InputError(f"{key} is {found!r}; write a table [{key}]")
    return found


def _texts(content: Mapping[str, Any], key: str) -> list[str]:
    found = content.get(key, [])
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise InputError(f"{key} is {found!r}; write a list of texts")
    return found


def _parse_cost(content: dict[str, Any]) -> PlanCost:
    known = {"encoder_params", "encoder_tokens", "frozen"}
    unknown = sorted(set(content) - known)
    if unknown:
        raise InputError(f"[cost] has the unknown key {unknown[0]!r}; allowed are {', '.join(sorted(known))}")
    given: dict[str, Any] = {name: _amount(content[name], f"[cost] {name}") for name in known - {"frozen"}
                             if name in content}
    return PlanCost(**given, frozen=tuple(_texts(content, "frozen")))


def _amount(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise InputError(f"{what} is {value!r}; allowed is a positive number")
    return float(value)


def _parse_run(name: str, line: Any) -> RunSpec:
    if not isinstance(line, dict):
        raise InputError(f"run {name} is {line!r}; write {{ sweep = ..., seed = ..., {FACTORS[0]} = ..., ... }}")
    missing = [key for key in _RUN_KEYS if key not in line]
    if missing:
        raise InputError(f"run {name} lacks {', '.join(missing)}")
    unknown = sorted(set(line) - set(_RUN_KEYS) - set(_COSTS))
    if unknown:
        raise InputError(f"run {name} has the unknown key {unknown[0]!r}; allowed are "
                         f"{', '.join((*_RUN_KEYS, *_COSTS))}")
    seed, sweep = line["seed"], line["sweep"]
    if isinstance(seed, bool) or not isinstance(seed, int) or not isinstance(sweep, str):
        raise InputError(f"run {name}: sweep is {sweep!r} and seed {seed!r}; write a text and a whole number")
    factors = ScalingFactors.of([_amount(line[key], f"run {name}: {key}") for key in FACTORS])
    run = RunSpec(factors=factors, data_size=_amount(line[DATA_SIZE], f"run {name}: {DATA_SIZE}"), sweep=sweep,
                  seed=seed)
    if run.run_id != name:
        raise InputError(f"run {name} holds what would be called {run.run_id}; correct the name or the line")
    return run


def _check_costs(plan: SweepPlan, lines: Mapping[str, Any]) -> None:
    computed = {"inference_flops": plan.cost.inference_flops(plan.runs),
                "training_flops": plan.cost.training_flops(plan.runs)}
    for key, values in computed.items():
        for run, value in zip(plan.runs, values):
            said = lines[run.run_id].get(key)
            if said is not None and not abs(_amount(said, f"run {run.run_id}: {key}") / value - 1) <= _ROUNDING:
                raise InputError(f"run {run.run_id}: {key} is {said:.5g}, and by the plan's [cost] {value:.5g}; remove "
                                 "it to have it computed")
