"""Everything about the study that is fixed before it starts: one frozen value, returned by a function in recipes/."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vidscale.errors import InputError
from vidscale.runs.shapes.model import LmShape, TowerShape
from vidscale.runs.shapes.questions import QUESTIONS
from vidscale.runs.shapes.scene import GRID

#: Fields that say which runs are made, not how.
PLAN = ("star", "isoflop", "repeats", "further")

#: The ladder of language models: name, layers, hidden, MLP.
LADDER: tuple[LmShape, ...] = tuple(
    LmShape(name=name, layers=layers, hidden=hidden, mlp=mlp)
    for name, layers, hidden, mlp in (
        ("0.1M", 2, 64, 176), ("0.3M", 3, 96, 256), ("0.8M", 4, 128, 344), ("2.3M", 5, 192, 512), ("6M", 6, 288, 768)))


@dataclass(frozen=True, kw_only=True)
class Training:
    """How one stage is trained with AdamW.

    Attributes:
        examples: clips seen, each once; None where a run's data size says it.
        batch: clips (for the tower: frames) per step.
        learning_rate: peak at hidden size `reference_hidden`; it falls with the square root of the hidden size.
        reference_hidden: 0 for the same rate at every size.
        warm_up: fraction of the steps over which the rate rises; it then falls along a cosine.
        final_rate: last rate as a fraction of the peak.
        weight_decay: on matrices only.
        max_gradient_norm: gradients are scaled down to this.
    """

    examples: int | None
    batch: int
    learning_rate: float
    reference_hidden: int = 0
    warm_up: float = 0.05
    final_rate: float = 0.05
    weight_decay: float = 0.01
    max_gradient_norm: float = 1.0

    def rate(self, hidden: int) -> float:
        """Peak learning rate of a model of this hidden size."""
        return self.learning_rate * ((self.reference_hidden / hidden) ** 0.5 if self.reference_hidden else 1.0)


@dataclass(frozen=True, kw_only=True)
class Star:
    """The star: its centre (language model, frames, tokens) and data sizes; the arms are the study's levels."""

    centre: tuple[str, int, int]
    data_sizes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class IsoFlop:
    """Budgets in FLOPs per clip, how far a cost may lie from its budget, and the data size of every run."""

    budgets: tuple[float, ...]
    tolerance: float
    data_size: int


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """Runs of a sweep that are repeated with further seeds, to measure the noise of a run."""

    sweep: str
    configurations: tuple[tuple[str, int, int], ...]
    data_sizes: tuple[int, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Further:
    """IsoFLOP sweeps added to a study that is made: budgets as in `IsoFlop`, at each data size and seed.

    Runs that the study has already, under whatever sweep, are left out.
    """

    budgets: tuple[float, ...]
    tolerance: float
    data_sizes: tuple[int, ...]
    seeds: tuple[int, ...] = (0,)


@dataclass(frozen=True, kw_only=True)
class Study:
    """The study's recipe.

    A data size n counts unique (clip, question) examples, each seen once; 24 of them share a clip.

    Attributes:
        name: goes into every row.
        tower: shape of the vision tower.
        ladder: language models, smallest first.
        frames, tokens: levels of x_T and x_V.
        tower_training, alignment, base_training, finetuning: the stages; alignment counts frames, as the tower's does.
        base_mix: (frames, tokens) that base pretraining cycles through, so that a base serves every configuration.
        eval_clips: clips that every run is evaluated on.
        data_seed: of all clips; a run's seed chooses its own finetuning clips from it.
        star, isoflop, repeats, further: the plan; `further` was added when the rest was made.
        micro_values: most activations of one forward pass, in tokens × hidden × layers; larger batches are split.
    """

    name: str
    tower: TowerShape
    ladder: tuple[LmShape, ...]
    frames: tuple[int, ...]
    tokens: tuple[int, ...]
    tower_training: Training
    alignment: Training
    base_training: Training
    finetuning: Training
    base_mix: tuple[tuple[int, int], ...]
    eval_clips: int
    data_seed: int
    star: Star
    isoflop: IsoFlop
    repeats: tuple[Repeats, ...]
    micro_values: float = 1.5e8
    further: tuple[Further, ...] = ()

    def __post_init__(self) -> None:
        for tokens in (*self.tokens, *(tokens for _, tokens in self.base_mix)):
            side = round(tokens**0.5)
            if side * side != tokens or not 1 <= side <= GRID:
                raise InputError(f"tokens per frame is {tokens}; allowed are the squares 1, 4, … {GRID * GRID}")
        each = QUESTIONS * self.finetuning.batch
        for size in (*self.star.data_sizes, self.isoflop.data_size,
                     *(n for added in (*self.repeats, *self.further) for n in added.data_sizes)):
            if size < each or size % each:
                raise InputError(f"data size {size} is no multiple of {each}, a batch of {self.finetuning.batch} clips "
                                 f"with {QUESTIONS} questions each; choose one, so that all steps are alike")

    def lm(self, name: str) -> LmShape:
        """A language model by its name.

        Raises:
            InputError: the ladder has none of that name.
        """
        for shape in self.ladder:
            if shape.name == name:
                return shape
        raise InputError(f"no language model {name!r}; allowed are {', '.join(shape.name for shape in self.ladder)}")

    def lm_of(self, params: float) -> LmShape:
        """A language model by x_N."""
        return min(self.ladder, key=lambda shape: abs(shape.params - params))

    @property
    def digest(self) -> str:
        """Short hash of every setting; rows of one table must share it."""
        settings = dataclasses.asdict(self)
        if not self.further:
            del settings["further"]  # digests of studies made before there was such a field stay what they were
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]

    def makes_alike(self, settings: Mapping[str, Any]) -> bool:
        """Whether a study of these settings (as JSON has them) makes each run as this one does, whatever the plan."""
        own = json.loads(json.dumps(dataclasses.asdict(self)))
        return all(settings.get(name) == value for name, value in own.items() if name not in PLAN)
