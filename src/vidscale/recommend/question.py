"""The question: a cost, a budget, data, and what may be chosen."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from vidscale.cost.constraints import Limit
from vidscale.cost.deployment import KINDS, TIMED, CostSettings
from vidscale.cost.hardware import gpus
from vidscale.cost.units import BYTES, FLOPS, guessed, number_text
from vidscale.errors import InputError
from vidscale.given import number_given, numbers_given, table_given, text_given, whole_given
from vidscale.space import ScalingFactors

#: What the numbers of a question are numbers of.
TAKEN_IN = {
    "budget": "a budget is a number in the unit of its cost (FLOPs, but s for ttft and latency, GPU-s for gpu-seconds, "
              "dollars per million videos for dollars)",
    "data_size": "it is a number of finetuning examples", "memory_limit_bytes": "it is a number of bytes",
    "price": "it is a number of dollars per GPU-hour", "level": "it is a probability between 0 and 1",
    "tolerance": "it is a fraction in [0, 1)", "n_eval": "it is a number of questions",
    "lm_params": "it is a number of parameters, or several", "frames": "it is a number of frames, or several",
    "tokens_per_frame": "it is a number of visual tokens per frame, or several",
    "weights": "they are a number for each task, such as {'reading': 2}",
    "limits": "they are a number for each kind of cost, in FLOPs, seconds, GPU-seconds or dollars per million videos, "
              "such as {'ttft': 0.3}",
    "batch": "it is a whole number of requests", "output_tokens": "it is a whole number of tokens",
    "text_tokens": "it is a whole number of tokens", "seed": "it is a whole number",
}
_SUCH_AS = {"budget": 15e12, "data_size": 1e6, "memory_limit_bytes": 24e9, "price": 2.5, "level": 0.9,
            "tolerance": 0.01, "n_eval": 3000, "lm_params": 7.5e9, "frames": 32, "tokens_per_frame": 196, "batch": 8,
            "output_tokens": 64, "text_tokens": 50, "seed": 0}
#: The units that a text in place of a number is read in, to say which number it is.
_MEANT_IN = {"memory_limit_bytes": (BYTES, FLOPS), "budget": tuple(dict.fromkeys((FLOPS, *KINDS.values())))}


def taken_in(name: str, value: Any = None) -> str:
    """What a field of a question is a number of, and the number to write for what was given.

    Example:
        >>> taken_in("data_size", "800k")
        'it is a number of finetuning examples: write 800000'
    """
    if name not in _SUCH_AS:
        return TAKEN_IN[name]
    found = guessed(value, _MEANT_IN.get(name, (FLOPS,))) if isinstance(value, str) else None
    if found is None:
        return f"{TAKEN_IN[name]}: write one such as {number_text(_SUCH_AS[name])}"
    return f"{TAKEN_IN[name]}: write {number_text(found[0])}{f' for {found[1]}' if name == 'budget' else ''}"


@dataclass(frozen=True, kw_only=True)
class Question:
    """What somebody who deploys a video VLM wants to know. Whatever is left out is answered for by a default.

    Attributes:
        cost: kind of cost that the budget is in: flops, lm-only, flops-exact, ttft, latency, gpu-seconds or dollars.
            None takes what the study was made for.
        gpu: name of the GPU; what does not fit in its memory is left out. None takes the study's.
        batch: requests served together; None takes the study's, else 1.
        output_tokens: tokens of the answer; None takes the study's, else 1.
        text_tokens: prompt tokens beside the visual ones; None takes the study's, else 0.
        price: dollars per GPU-hour; None takes the GPU's usual one.
        model: what lm_params stands for: a family of models or one of them by name. None takes the study's.
        budget: most that may be spent, in the unit of the cost (FLOPs, s, GPU-s, USD per million videos). None takes
            the middle of what the configurations cost.
        data_size: finetuning examples; None takes the most that were measured.
        task: the target; None takes the average over tasks, or the only task.
        weights: task → weight, in place of a task.
        lm_params: the only language-model sizes that may be chosen, one or several; empty for all of the lattice.
        frames: the only numbers of frames that may be chosen; empty for all.
        tokens_per_frame: the only visual tokens per frame that may be chosen; empty for all.
        memory_limit_bytes: most GPU memory that a batch of requests may take.
        limits: other kind of cost → the most of it, in its unit, such as {"ttft": 0.3}.
        current: the configuration in use now, to compare with: ScalingFactors, a mapping of the three factors, or three
            numbers.
        predictor: "point" (the fit to all runs) or "bagged" (the median over resampled runs).
        lattice: what may be chosen: measured, published, deployable or dense.
        level: probability of the intervals.
        tolerance: relative excess over the best error that counts as a near-tie.
        n_eval: questions of the new measurement that the second interval speaks of; None as in the data.
        seed: seed of the new measurement's noise.

    Raises:
        InputError: a number is none or out of range, or both a task and weights are given.

    Example:
        >>> Question(budget=15e12, data_size=1e6).predictor
        'point'
    """

    cost: str | None = None
    gpu: str | None = None
    batch: int | None = None
    output_tokens: int | None = None
    text_tokens: int | None = None
    price: float | None = None
    model: str | None = None
    budget: float | None = None
    data_size: float | None = None
    task: str | None = None
    weights: Mapping[str, float] | None = None
    lm_params: tuple[float, ...] = ()
    frames: tuple[float, ...] = ()
    tokens_per_frame: tuple[float, ...] = ()
    memory_limit_bytes: float | None = None
    limits: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    current: ScalingFactors | None = None
    predictor: str = "point"
    lattice: str = "measured"
    level: float = 0.9
    tolerance: float = 0.01
    n_eval: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("budget", "data_size", "memory_limit_bytes", "price"):
            value = getattr(self, name)
            if value is not None and not 0 < self._number(name) < math.inf:
                raise InputError(f"{name} is {number_text(value)}; allowed are positive finite numbers, and "
                                 f"{taken_in(name)}")
        for name in ("lm_params", "frames", "tokens_per_frame"):
            given = getattr(self, name)
            values = numbers_given(() if given is None else given, name, taken_in(name, given))
            wrong = [v for v in values if not 0 < v < math.inf]
            if wrong:
                raise InputError(f"{name} has {wrong[0]!r}; allowed are positive finite numbers")
            object.__setattr__(self, name, values)
        if self.current is not None:
            try:
                object.__setattr__(self, "current", ScalingFactors.of(self.current))
            except InputError as problem:
                raise InputError(f"current: {problem}") from None
        for name in ("cost", "gpu", "model", "task", "predictor", "lattice"):
            if getattr(self, name) is not None:
                text_given(getattr(self, name), name, "it is a name, a text")
        self._check_choices()

    def _number(self, name: str) -> float:
        value = getattr(self, name)
        return number_given(value, name, taken_in(name, value))

    def _check_choices(self) -> None:
        if self.weights is not None:
            table_given(self.weights, "weights", taken_in("weights"))
        if self.task is not None and self.weights:
            raise InputError("both task and weights are given; a question has one target, leave one of them out")
        if not 0 < self._number("level") < 1:
            raise InputError(f"level is {self.level!r}; allowed is a number between 0 and 1, such as 0.9")
        if not 0 <= self._number("tolerance") < 1:
            raise InputError(f"tolerance is {self.tolerance!r}; allowed is a fraction in [0, 1), such as 0.01")
        if self.n_eval is not None and not 1 <= self._number("n_eval") < math.inf:
            raise InputError(f"n_eval is {self.n_eval!r}; a measurement has at least 1 question")
        whole_given(self.seed, "seed", 0)
        if self.seed >= 2**63:
            raise InputError(f"seed is {self.seed!r}; allowed are whole numbers from 0 below 2**63")
        table_given(self.limits, "limits", taken_in("limits"))
        if "memory" in self.limits:
            raise InputError("limits has memory; say memory_limit_bytes instead")


def cost_settings_of(question: Question, stored: CostSettings | None) -> CostSettings:
    """The cost that a question asks for, laid over the cost that the study was made for.

    A cost by formula keeps nothing of the study's: no GPU and no request is in it. Another GPU has another profile and
    another price. Limits of the question replace those of the study.

    Raises:
        InputError: an unknown cost or limit, or a number out of range.
    """
    start = CostSettings() if stored is None or question.cost in ("flops", "lm-only") else stored
    if question.gpu is not None and question.gpu != start.gpu:
        start = replace(start, gpu=None, profile=None, price=None)
    given: dict[str, Any] = {"kind": question.cost, **{name: getattr(question, name) for name in (
        "gpu", "model", "batch", "text_tokens", "output_tokens", "price")}}
    given = {name: value for name, value in given.items() if value is not None}
    limits = [Limit(kind=kind, value=value) for kind, value in question.limits.items()]
    if question.memory_limit_bytes is not None:
        limits.append(Limit(kind="memory", value=question.memory_limit_bytes))
    # Of one kind the tightest counts; in one order, so that the same question gives the same answer to the byte.
    tight = sorted(limits or start.limits, key=lambda limit: (limit.kind, limit.value))
    given["limits"] = tuple({limit.kind: limit for limit in reversed(tight)}.values())[::-1]
    settings = replace(start, **given)
    timed = [kind for kind in settings.kinds if kind in TIMED]
    if timed and settings.gpu is None and settings.profile is None:
        raise InputError(f"{timed[0]} needs a GPU; name one: {', '.join(one.name for one in gpus())}")
    return settings
