"""A plan that can be run: which runs, what each costs, by what command, after what recipe.

    training FLOPs of a run = n · (forward passes of the encoder · its FLOPs + forward passes of the LM · its FLOPs)

A backward pass costs two forward passes, gradients of activations and of weights: 3 in all for a part that is trained.
A frozen encoder only passes its output on, 1. A frozen language model takes 2, since the gradients of what comes before
it, the encoder or at least the projector, have to come through. n counts examples seen once. Text tokens, evaluation
and recomputed activations are not counted.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidscale.cost import PAPER_ENCODER_PARAMS, PAPER_ENCODER_TOKENS, PaperCost
from vidscale.design.spec import RunSpec, SweepDesign
from vidscale.errors import InputError

Floats = NDArray[np.float64]

#: Parts of a model that may be frozen while the rest is trained, as the cost formula names them.
PARTS: tuple[str, ...] = ("encoder", "lm")

#: What carries out one run; see `SweepPlan.command`.
RUN_COMMAND: tuple[str, ...] = ("{python}", "-m", "vidscale", "run", "{folder}")

#: What a command may name in braces.
PLACEHOLDERS: tuple[str, ...] = ("python", "folder", "run_id")

#: Forward passes that a training step of a trained part, and of each frozen one, is worth.
TRAINED_PASSES = 3.0
FROZEN_PASSES: Mapping[str, float] = {"encoder": 1.0, "lm": 2.0}


@dataclass(frozen=True, kw_only=True)
class PlanCost:
    """How the runs of a plan are priced: the paper's formula, and which parts stay frozen.

    Args:
        encoder_params: parameters of the vision encoder.
        encoder_tokens: tokens it processes per frame.
        frozen: parts that are not trained; with both of them frozen the projector learns alone.

    Raises:
        InputError: an unknown part.
    """

    encoder_params: float = PAPER_ENCODER_PARAMS
    encoder_tokens: float = PAPER_ENCODER_TOKENS
    frozen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for part in self.frozen:
            if part not in PARTS:
                raise InputError(f"frozen part {part!r} is unknown; the parts are {', '.join(PARTS)}")
        self.model()

    def model(self) -> PaperCost:
        """The cost model of one inference."""
        return PaperCost(encoder_params=self.encoder_params, encoder_tokens=self.encoder_tokens)

    def inference_flops(self, runs: Sequence[RunSpec]) -> Floats:
        """FLOPs of one inference at each run's configuration, shape (runs,)."""
        return self.model().cost(_points(runs))

    def training_flops(self, runs: Sequence[RunSpec]) -> Floats:
        """FLOPs of each run's training, shape (runs,)."""
        model, points = self.model(), _points(runs)
        parts = {"encoder": model.encoder_cost(points), "lm": model.lm_cost(points)}
        passes = {part: FROZEN_PASSES[part] if part in self.frozen else TRAINED_PASSES for part in PARTS}
        step = sum(passes[part] * parts[part] for part in PARTS)
        return np.array([run.data_size for run in runs], dtype=np.float64) * step


def _points(runs: Sequence[RunSpec]) -> Floats:
    return np.array([list(run.factors) for run in runs], dtype=np.float64).reshape(-1, 3)


@dataclass(frozen=True, kw_only=True)
class SweepPlan:
    """Everything a sweep needs to know, and all it is allowed to know.

    Args:
        name: what output calls the plan.
        runs: the runs, in the order in which they are started.
        cost: how they are priced.
        command: the words of the command that carries out one run; "{folder}" stands for the run's folder,
            "{python}" for the interpreter at work and "{run_id}" for the run's name. It has to honour the contract of
            a run folder (`vidscale.runs`), and may be any executable.
        recipe: a file of settings that every run shares; None where the command needs none.
        notes: what the planner wants read before anyone pays.

    Raises:
        InputError: no runs, two runs of one name, or a command that names something unknown.
    """

    name: str
    runs: tuple[RunSpec, ...]
    cost: PlanCost = field(default_factory=PlanCost)
    command: tuple[str, ...] = RUN_COMMAND
    recipe: Path | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.runs:
            raise InputError(f"plan {self.name!r} has no runs; give it at least one")
        seen: set[str] = set()
        for run in self.runs:
            if run.run_id in seen:
                raise InputError(f"plan {self.name!r} holds run {run.run_id} twice; remove one")
            seen.add(run.run_id)
        check_command(self.command)

    def __len__(self) -> int:
        return len(self.runs)

    def points(self) -> Floats:
        """Configurations and data sizes, shape (runs, 4), columns as `FACTORS_AND_DATA`."""
        sizes = np.array([[run.data_size] for run in self.runs], dtype=np.float64)
        return np.concatenate([_points(self.runs), sizes], axis=1)


def check_command(command: Sequence[str]) -> None:
    """Raise InputError unless the words make a command that is told its folder."""
    if not command or not all(isinstance(word, str) and word for word in command):
        raise InputError(f"the command is {list(command)!r}; give its words, such as {list(RUN_COMMAND)}")
    for word in command:
        for name in re.findall(r"\{([A-Za-z_]*)\}", word):
            if name not in PLACEHOLDERS:
                raise InputError(f"the command names {{{name}}}; known are "
                                 + ", ".join(f"{{{known}}}" for known in PLACEHOLDERS))
    if not any("{folder}" in word for word in command):
        raise InputError(f"the command {' '.join(command)!r} does not name {{folder}}, so it could not know its run")


def spell_command(command: Sequence[str], *, python: str, folder: str, run_id: str) -> list[str]:
    """The command of one run, with every name in braces replaced."""
    given = {"{python}": python, "{folder}": folder, "{run_id}": run_id}
    return [re.sub(r"\{(?:python|folder|run_id)\}", lambda found: given[found.group()], word) for word in command]


def join_designs(
    designs: Iterable[SweepDesign], *, name: str | None = None, cost: PlanCost | None = None,
    command: Sequence[str] = RUN_COMMAND, recipe: Path | None = None,
) -> SweepPlan:
    """One plan of several designs.

    A run that an earlier design already holds (same configuration, data size and seed) is left out, and a note says
    so: training it again would give the same numbers and look like a replicate.

    Args:
        designs: star, isoFLOP, grid, in the order in which they are to run.
        name: of the plan; the designs' names joined where None.
        cost, command, recipe: see `SweepPlan`.
    """
    designs = list(designs)
    runs: list[RunSpec] = []
    seen: dict[tuple[float, ...], str] = {}
    notes: list[str] = []
    for design in designs:
        repeated: dict[str, int] = {}
        for run in design.runs:
            key = (*run.factors, run.data_size, float(run.seed))
            if key in seen:
                repeated[seen[key]] = repeated.get(seen[key], 0) + 1
            else:
                seen[key] = run.sweep
                runs.append(run)
        notes += design.notes
        notes += [f"{count} runs of {design.name} are also runs of {other}, and are planned once, as {other}"
                  for other, count in repeated.items()]
    return SweepPlan(name=name or "-".join(dict.fromkeys(design.name for design in designs)), runs=tuple(runs),
                     cost=cost or PlanCost(), command=tuple(command), recipe=recipe,
                     notes=tuple(dict.fromkeys(notes)))
