"""The cost that is asked for, from settings that fit on a command line.

    flops         prefill FLOPs by the paper's formula, encoder included; a posynomial
    lm-only       the same without the encoder, as prior work counts; a posynomial
    flops-exact   FLOPs of whole models: attention, projector, head and decoding too
    ttft          seconds to the first output token
    latency       seconds to the last of k output tokens
    gpu-seconds   seconds of one GPU per video, a batch sharing it
    dollars       the same at a price per GPU-hour, for a million videos

The last four are of a model on a GPU; what does not fit in that GPU's memory cannot be bought under any cost once a GPU
is named. Costs that are no posynomial have no convex optimum: `terms` is None, and the frontier is searched exactly.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidscale.cost.constraints import Limit, LimitedCost, base_cost
from vidscale.cost.dollars import dollars_per_million
from vidscale.cost.exact import ExactCost
from vidscale.cost.hardware import Gpu, gpu, gpus, load_gpus
from vidscale.cost.latency import request_time
from vidscale.cost.memory import memory
from vidscale.cost.paper import (
    PAPER_ENCODER_PARAMS,
    PAPER_ENCODER_TOKENS,
    CostModel,
    CostTerms,
    LmOnlyCost,
    PaperCost,
)
from vidscale.cost.profile import Profile, load_profile, prior_profile, profile_for
from vidscale.cost.units import BYTES, DOLLARS, FLOPS, GPU_SECONDS, SECONDS
from vidscale.errors import InputError
from vidscale.given import number_given
from vidscale.space import Ladder, VideoVLM, ladder
from vidscale.space.distinct import distinct_pairs
from vidscale.space.huggingface import read_config
from vidscale.space.short import short

Floats = NDArray[np.float64]

#: Every cost, with its unit.
KINDS: dict[str, str] = {"flops": FLOPS, "lm-only": FLOPS, "flops-exact": FLOPS, "ttft": SECONDS, "latency": SECONDS,
                         "gpu-seconds": GPU_SECONDS, "dollars": DOLLARS}
#: Costs that take time on a GPU.
TIMED = ("ttft", "latency", "gpu-seconds", "dollars")
#: What a language-model size means where nothing else is said.
DEFAULT_MODEL = "llava-llama3"


@dataclass(frozen=True, kw_only=True)
class CostSettings:
    """Which cost, of what, on what, within which limits.

    Args:
        kind: a key of KINDS.
        model: what a language-model size stands for: a ladder or one video VLM by name, or the path of a config.json.
        gpu: name of a GPU, or a .toml file that declares one.
        profile: name or path of a measured profile; None takes the one that comes with the package for this GPU, else
            data-sheet priors.
        price: dollars per GPU-hour; None takes the GPU's own.
        batch: requests that are served together.
        text_tokens, output_tokens: of one request.
        limits: what every configuration has to meet besides the budget.
        encoder: (encoder_params, encoder_tokens) of the paper's formula; None takes the data's own, else the paper's.

    Raises:
        InputError: a setting is out of range.
    """

    kind: str = "flops"
    model: str = DEFAULT_MODEL
    gpu: str | None = None
    profile: str | None = None
    price: float | None = None
    batch: int = 1
    text_tokens: int = 0
    output_tokens: int = 1
    limits: tuple[Limit, ...] = ()
    encoder: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or self.kind not in KINDS:
            raise InputError(f"unknown cost {self.kind!r}; allowed are {', '.join(KINDS)}")
        for name, least in (("batch", 1), ("text_tokens", 0), ("output_tokens", 1)):
            value, allowed = getattr(self, name), f"allowed are whole numbers from {least} to {10**9:,}"
            if not (least <= number_given(value, name, allowed) <= 10**9 and value == int(value)):
                raise InputError(f"{name} is {value!r}; {allowed}")
        paid = "allowed are positive finite dollars per GPU-hour, such as 2.5"
        if self.price is not None and not 0 < number_given(self.price, "price", paid) < float("inf"):
            raise InputError(f"price is {self.price:g}; {paid}")

    @property
    def unit(self) -> str:
        """The unit of the cost, and of budgets on it."""
        return KINDS[self.kind]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Everything that has to be computed: the cost and what is limited."""
        bound = (*(limit.kind for limit in self.limits), *(["memory"] if self.gpu or self.profile else []))
        return tuple(dict.fromkeys((self.kind, *bound)))


def cost_of(settings: CostSettings, encoder: tuple[float, float] | None = None) -> CostModel:
    """The cost model that settings describe.

    Args:
        settings: what is asked for.
        encoder: (encoder_params, encoder_tokens) that the data declare, for settings that give none.

    Raises:
        InputError: a GPU is needed and none is named, or a name or file is unknown or unusable.

    Example:
        >>> cost_of(CostSettings()).name
        'paper'
    """
    served = serve(settings)
    base = _cost(settings.kind, settings, served, encoder)
    limits = list(settings.limits)
    own = [limit.value for limit in limits if limit.kind == "memory"]
    if served.gpu is not None and not any(value <= served.gpu.memory for value in own):
        limits.append(Limit(kind="memory", value=served.gpu.memory, reason=f"all of one {served.gpu.name}"))
    if not limits:
        return base
    return LimitedCost(base=base, limits=tuple(
        (limit, base if limit.kind == settings.kind else _cost(limit.kind, settings, served, encoder))
        for limit in limits))


@dataclass(frozen=True, kw_only=True, eq=False)
class Serving:
    """Settings with their names looked up: the models, the GPU and its profile, where the cost needs them."""

    models: Ladder | None
    gpu: Gpu | None
    profile: Profile | None


def serve(settings: CostSettings) -> Serving:
    """Look up the models, GPU and profile that settings name.

    Raises:
        InputError: as for `cost_of`.
    """
    kinds = settings.kinds
    models = models_of(settings.model) if set(kinds) - {"flops", "lm-only"} else None
    timed = [kind for kind in kinds if kind in TIMED]
    if timed and settings.gpu is None and settings.profile is None:
        what = f"cost {timed[0]!r}" if timed[0] == settings.kind else f"a limit on {timed[0]}"
        raise InputError(f"{what} needs a GPU: name one with --gpu ({', '.join(one.name for one in gpus())}), or a "
                         "measured profile with --profile (in Python gpu= or profile=)")
    found = None if settings.gpu is None else gpu_of(settings.gpu)
    profile = None
    if timed or settings.profile is not None:
        profile = profile_of(settings.profile, found)
        found = found or profile.sheet
    if found is not None and settings.price is not None:
        found = found.at_price(settings.price)
    return Serving(models=models, gpu=found, profile=profile)


def models_of(name: str) -> Ladder:
    """A ladder by name, a ladder of the one model of that name, or of the one that a config.json describes."""
    if name.lower().endswith(".json") or (Path(name) / "config.json").is_file():
        found = read_config(name)
        if not isinstance(found, VideoVLM):
            raise InputError(f"{name} describes a language model without a vision tower; give the config.json of a "
                             "video VLM")
        return Ladder(name=found.name, vlms=(found,))
    return ladder(name)


def gpu_of(name: str) -> Gpu:
    """A GPU by name, or the only one of a .toml file."""
    if not name.lower().endswith(".toml"):
        return gpu(name)
    first, *others = load_gpus(name)
    if others:
        raise InputError(f"{name} holds {1 + len(others)} GPUs ({', '.join(one.name for one in (first, *others))}); "
                         "give a file with the one that is meant")
    return first


def profile_of(name: str | None, on: Gpu | None) -> Profile:
    """The profile of that name or path; else the shipped one of the GPU, else its data sheet.

    Raises:
        InputError: there is none, or it was measured on another GPU than the one named beside it.
    """
    if name is None:
        assert on is not None
        # A GPU of the user's own is another machine than the measured one, whatever its name.
        return profile_for(on) if on in gpus() else prior_profile(on)
    found = load_profile(name)
    if on is not None and found.sheet.name.casefold() != on.name.casefold():
        raise InputError(f"profile {name!r} is of GPU {found.sheet.name}, not of {on.name}; leave the GPU out, or name "
                         "the profile's own")
    return found


def _cost(kind: str, settings: CostSettings, served: Serving, encoder: tuple[float, float] | None) -> CostModel:
    if kind == "flops":
        params, tokens = settings.encoder or encoder or (PAPER_ENCODER_PARAMS, PAPER_ENCODER_TOKENS)
        return PaperCost(encoder_params=params, encoder_tokens=tokens)
    if kind == "lm-only":
        return LmOnlyCost()
    assert served.models is not None
    if kind == "flops-exact":
        return ExactCost(ladder=served.models, text_tokens=settings.text_tokens, output_tokens=settings.output_tokens)
    if kind == "memory":
        return MemoryCost(models=served.models, settings=settings)
    assert served.profile is not None
    assert served.gpu is not None
    return DeployedCost(kind=kind, models=served.models, settings=settings, gpu=served.gpu, profile=served.profile)


@dataclass(frozen=True, kw_only=True, eq=False)
class DeployedCost:
    """What a request costs on a GPU: time to first token, latency, GPU-seconds or dollars.

    Not a posynomial: it is interpolated from measured curves, with a maximum of arithmetic and memory in every
    operation.

    Args:
        kind: one of TIMED.
        models: what a language-model size stands for.
        settings: batch and tokens of a request.
        gpu: whose price counts.
        profile: how fast it is.
    """

    kind: str
    models: Ladder
    settings: CostSettings
    gpu: Gpu
    profile: Profile

    @property
    def name(self) -> str:
        return self.kind

    @property
    def unit(self) -> str:
        return KINDS[self.kind]

    def cost(self, points: Floats) -> Floats:
        return self._amounts(points)[0]

    def encoder_share(self, points: Floats) -> Floats:
        return self._amounts(points)[1]

    def terms(self) -> CostTerms | None:
        return None

    def notes(self, points: Floats) -> tuple[str, ...]:
        """What must be read with these amounts."""
        s = self.settings
        until = "the first output token" if self.kind == "ttft" else f"output token {s.output_tokens}"
        said = [f"{self.kind}: one request of a batch of {s.batch}, {s.text_tokens} text tokens, until {until}, on one "
                f"{self.gpu.name}; decoding and resizing the video on the CPU are not in it"]
        said.append(f"times of {self.gpu.name} are from a measured profile" if self.profile.calibrated else
                    f"times of {self.gpu.name} follow from its data sheet and are not calibrated: `vidscale calibrate` "
                    "measures a GPU, --profile takes the result")
        if self.kind == "dollars":
            said.append(f"dollars: ${self.gpu.price_per_hour:g} per GPU-hour (--price changes it), the GPU never idle")
        odd = self.models.notes(np.atleast_2d(points)[:, 0])
        return (*said, *([odd] if odd else []))

    def _amounts(self, points: Floats) -> Floats:
        """(the cost, the encoder's share of it), shape (2, rows)."""
        s = self.settings

        def of(vlm: VideoVLM, frames: Floats, tokens: Floats) -> Sequence[Floats]:
            time = request_time(vlm, frames, tokens, profile=self.profile, batch=s.batch, text_tokens=s.text_tokens,
                                output_tokens=s.output_tokens)
            if self.kind == "ttft":
                return time.ttft, time.encoder / time.ttft
            whole = time.total if self.kind == "latency" else time.gpu_seconds_per_video
            if self.kind == "dollars":
                whole = dollars_per_million(whole, self.gpu.price_per_hour)
            return whole, time.encoder / time.total

        return by_model(points, self.models, of, 2)


@dataclass(frozen=True, kw_only=True, eq=False)
class MemoryCost:
    """Bytes of GPU memory that a batch of requests takes, to be limited."""

    models: Ladder
    settings: CostSettings

    name = "memory"
    unit = BYTES

    def cost(self, points: Floats) -> Floats:
        s = self.settings

        def of(vlm: VideoVLM, frames: Floats, tokens: Floats) -> Sequence[Floats]:
            return [memory(vlm, frames, tokens, batch=s.batch, text_tokens=s.text_tokens,
                           output_tokens=s.output_tokens).total]

        return by_model(points, self.models, of, 1)[0]

    def encoder_share(self, points: Floats) -> Floats:
        return np.zeros(len(np.atleast_2d(points)))

    def terms(self) -> CostTerms | None:
        return None


def by_model(
    points: Floats, models: Ladder, of: Callable[[VideoVLM, Floats, Floats], Sequence[Floats]], count: int
) -> Floats:
    """Amounts of every configuration, each pair of frames and tokens worked out once per model.

    Args:
        points: shape (rows, 3).
        models: what column lm_params means.
        of: (model, frames, tokens_per_frame) → `count` arrays of the pairs' shape.
        count: how many.

    Returns:
        Shape (count, rows).
    """
    points = np.atleast_2d(np.asarray(points, dtype=np.float64))
    out = np.empty((count, len(points)))
    for vlm, rows in models.group(points[:, 0]):
        (frames, tokens), place = distinct_pairs(points[rows, 1], points[rows, 2])
        for k, values in enumerate(of(vlm, frames, tokens)):
            out[k, rows] = np.broadcast_to(values, frames.shape)[place]
    return out


def cost_notes(cost_model: CostModel, points: Floats) -> tuple[str, ...]:
    """What must be read with a cost of these configurations, limits aside."""
    base: Any = base_cost(cost_model)
    if isinstance(base, PaperCost):
        return (f"the cost counts a vision encoder of {base.encoder_params / 1e6:.4g}M parameters and "
                f"{base.encoder_tokens:g} tokens a frame (--encoder-params, --encoder-tokens change it); "
                "attention, decoding and the projector are not counted",)
    if base.name == "flops-exact":
        odd = base.models.notes(np.atleast_2d(points)[:, 0])
        return (f"exact FLOPs of {base.models.name}: attention (causal), projector, head and decoding of "
                f"{base.output_tokens:g} output tokens are counted, 2 per multiply-add", *([odd] if odd else []))
    return base.notes(points) if hasattr(base, "notes") else ()


#: How many times larger or smaller the runs' vision encoder may be before the cost of a model is not that of theirs:
#: published towers lie within a factor of three of each other, a study of tiny models far outside.
ALIEN_ENCODER = 3.0


def other_encoder(vlm: VideoVLM, encoder: tuple[float, float] | None) -> bool:
    """Whether a model's vision encoder is quite another one than the runs had.

    Args:
        vlm: whose shape is priced.
        encoder: (parameters, tokens per frame) of the runs' own; None where it is not known.
    """
    return encoder is not None and not 1 / ALIEN_ENCODER <= encoder[0] / vlm.tower.params <= ALIEN_ENCODER


def encoder_note(cost_model: CostModel, points: Floats, encoder: tuple[float, float] | None) -> str | None:
    """What to say of costs that are of quite another encoder than the runs had; None where they are not."""
    models = getattr(base_cost(cost_model), "models", None)
    if models is None or encoder is None:
        return None
    vlm = models.vlm(float(np.atleast_2d(points)[0, 0]))
    if not other_encoder(vlm, encoder):
        return None
    return (f"costs are of {models.name} with its vision encoder of {short(vlm.tower.params)} parameters, the runs had "
            f"one of {short(encoder[0])}: neither these costs nor choices by them hold for what was measured")


def not_convex(cost_model: CostModel) -> str | None:
    """Why a cost has no convex optimum, None where it has one."""
    if cost_model.terms() is not None:
        return None
    base = base_cost(cost_model)
    return f"{base.name} cost is no posynomial" if base.terms() is None else "a cost with limits is no posynomial"
