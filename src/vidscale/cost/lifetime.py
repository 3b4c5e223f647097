"""Finetuning once and inference for months, in one unit.

A training step through a part of the model costs, in forward passes of that part:

    full      3   forward, gradients of the activations, gradients of the weights
    adapters  2   low-rank adapters: the frozen weights need no gradient, the activations do
    frozen    1   forward; 2 behind a part that learns, whose gradients have to come through

The vision tower is followed by the projector and the language model. Recomputing activations adds one forward pass
where gradients flow. Everything else about training (data, evaluation, failed runs, the sweep that chose the
configuration) is left out.

The paper (Wang et al., ACL 2025) says that a month of inference can cost up to 340 times the finetuning. With every
part trained, c FLOPs a video and n examples, the ratio is

    videos a month · c / (3 · n · c)

in which c cancels: it does not depend on the model at all. `paper_ratio` gives 340 for 34 million videos a day (the
number commonly quoted for uploads to TikTok), 30 days and n = 1 million examples once. What the paper itself assumed is
not known to us; 8.5 million videos a day and n = 250,000 give the same.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vidscale.cost.flops import exact_flops
from vidscale.cost.operations import Floats
from vidscale.errors import InputError
from vidscale.space.architecture import VideoVLM

#: What is done to a part, and what it costs in forward passes of that part.
FULL, ADAPTERS, FROZEN = "full", "adapters", "frozen"
_PASSES = {FULL: 3.0, ADAPTERS: 2.0, FROZEN: 1.0}

#: Examples, epochs, videos a month and months: no plan has more, and nothing computed from them overflows.
MOST = 1e30

#: Share of the peak rate that training reaches: a prior for full finetuning with flash attention, not a measurement.
TRAINING_UTILISATION = 0.4


@dataclass(frozen=True, kw_only=True)
class Finetuning:
    """A finetuning run.

    Args:
        examples: videos with a question and an answer.
        epochs: times each is seen.
        encoder, projector, lm: "full", "adapters" or "frozen".
        recompute: activations are computed again on the way back, to save memory.

    Raises:
        InputError: a number is not positive, a part is treated in an unknown way, or nothing is trained.
    """

    examples: float
    epochs: float = 1.0
    encoder: str = FULL
    projector: str = FULL
    lm: str = FULL
    recompute: bool = False

    def __post_init__(self) -> None:
        for name in ("examples", "epochs"):
            if _positive(name, getattr(self, name)) > MOST:
                raise InputError(f"{name} is {getattr(self, name):g}; allowed are at most {MOST:g}")
        for name in ("encoder", "projector", "lm"):
            if getattr(self, name) not in _PASSES:
                raise InputError(f"{name} is {getattr(self, name)!r}; allowed are {', '.join(_PASSES)}")
        if {self.encoder, self.projector, self.lm} == {FROZEN}:
            raise InputError("every part is frozen, so nothing is trained; allowed is at least one of encoder, "
                             "projector, lm that is full or adapters")

    @property
    def passes(self) -> tuple[float, float, float]:
        """Forward passes' worth of encoder, projector and language model in one training step."""
        found, learning = [], False
        for treatment in (self.encoder, self.projector, self.lm):
            flows = learning or treatment != FROZEN
            through = max(_PASSES[treatment], 2.0) if learning else _PASSES[treatment]
            found.append(through + (1.0 if flows and self.recompute else 0.0))
            learning = flows
        encoder, projector, lm = found
        return encoder, projector, lm

    @property
    def sentence(self) -> str:
        """What is assumed, in words."""
        parts = ", ".join(f"{name} {treatment} ({times:g}×)" for name, treatment, times in zip(
            ("encoder", "projector", "language model"), (self.encoder, self.projector, self.lm), self.passes,
            strict=True))
        seen = f"{self.epochs:g} epoch{'' if self.epochs == 1 else 's'}"
        return (f"{self.examples:g} example{'' if self.examples == 1 else 's'} × {seen}, in forward passes: {parts}"
                f"{', activations recomputed' if self.recompute else ''}")


def training_flops(vlm: VideoVLM, frames: ArrayLike, tokens_per_frame: ArrayLike, finetuning: Finetuning, *,
                   text_tokens: ArrayLike = 0, answer_tokens: ArrayLike = 1) -> Floats:
    """FLOPs of a whole finetuning run, shape (rows,).

    Args:
        vlm, frames, tokens_per_frame: as for `exact_flops`.
        finetuning: examples, epochs and what is trained.
        text_tokens: question and other text of an example.
        answer_tokens: tokens that are learnt; they are read in one pass, and the head runs on them only.

    Raises:
        InputError: a size out of range.
    """
    answer = np.asarray(answer_tokens, dtype=np.float64)
    if not (answer >= 1).all():
        raise InputError(f"answer_tokens is {np.min(answer):g}; allowed are numbers from 1")
    # The last answer token is only predicted, never read.
    once = exact_flops(vlm, frames, tokens_per_frame, text_tokens=np.asarray(text_tokens) + answer - 1)
    encoder, projector, lm = finetuning.passes
    reading = once.prefill_linear + once.prefill_attention + once.head * answer
    each = encoder * once.encoder + projector * once.projector + lm * reading
    return finetuning.examples * finetuning.epochs * each


def training_gpu_seconds(flops: ArrayLike, peak_flops: float, utilisation: float = TRAINING_UTILISATION) -> Floats:
    """GPU-seconds that training FLOPs take at a share of the peak rate (`Gpu.bf16_flops`)."""
    if not 0 < utilisation <= 1:
        raise InputError(f"utilisation is {utilisation:g}; allowed is a share of the peak rate in (0, 1]")
    return np.asarray(flops, dtype=np.float64) / (utilisation * _positive("peak_flops", peak_flops))


@dataclass(frozen=True, kw_only=True, eq=False)
class Lifetime:
    """Finetuning and inference over a horizon, both in one unit (FLOPs, GPU-seconds, dollars); shape (rows,).

    Attributes:
        finetuning: once.
        inference: of all videos of the horizon.
        per_video: inference of one video.
        months: the horizon.
    """

    finetuning: Floats
    inference: Floats
    per_video: Floats
    months: float

    @property
    def total(self) -> Floats:
        """Both."""
        return self.finetuning + self.inference

    @property
    def ratio(self) -> Floats:
        """Inference over finetuning; above 1 inference dominates."""
        return self.inference / self.finetuning

    @property
    def crossover_per_month(self) -> Floats:
        """Videos a month above which inference costs more than finetuning within the horizon."""
        return self.finetuning / (self.per_video * self.months)


def lifetime(finetuning: ArrayLike, per_video: ArrayLike, *, videos_per_month: float, months: float = 1.0) -> Lifetime:
    """Finetuning once, then so many videos a month.

    Args:
        finetuning: cost of the run, shape (rows,).
        per_video: cost of one inference in the same unit, shape (rows,).
        videos_per_month: volume; 0 for none.
        months: horizon.

    Raises:
        InputError: a number is out of range.

    Example:
        >>> float(lifetime(3e6, 1.0, videos_per_month=34e6 * 30).ratio)
        340.0
    """
    if _positive("months", months) > MOST:
        raise InputError(f"months is {months:g}; allowed are at most {MOST:g}")
    if not 0 <= videos_per_month <= MOST:
        raise InputError(f"videos_per_month is {videos_per_month:g}; allowed are numbers from 0 to {MOST:g}")
    once, each = np.broadcast_arrays(_each_positive("finetuning", finetuning), _each_positive("per_video", per_video))
    return Lifetime(finetuning=np.array(once), inference=np.asarray(each * videos_per_month * months),
                    per_video=np.array(each), months=months)


def paper_ratio(*, videos_per_day: float = 34e6, days: float = 30, examples: float = 1e6, epochs: float = 1) -> float:
    """Inference over finetuning where every part is trained, whatever the model; 340 for these assumptions of ours."""
    passes = Finetuning(examples=examples, epochs=epochs).passes[0]
    return _positive("videos_per_day", videos_per_day) * _positive("days", days) / (passes * examples * epochs)


def _positive(name: str, value: float) -> float:
    if not 0 < value < np.inf:
        raise InputError(f"{name} is {value:g}; allowed is a positive finite number")
    return value


def _each_positive(name: str, values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if not (np.isfinite(array) & (array > 0)).all():
        raise InputError(f"{name} holds a number that is not positive and finite")
    return array
