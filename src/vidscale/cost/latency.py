"""How long a request takes on a GPU: operations priced one by one, corrected by whole models where those were measured.

    t(pass) = Σ_ops count · t_op(shape)  ×  chain(pass)
    t(request) = t(encoder) + t(projector) + t(prefill) + Σ_steps t(decode step)

t_op comes from the profile's curves (or from the data sheet's roofline), chain from stacks of layers timed as a whole:
what operations cost more in company (clocks that fall under load, caches that others filled) or less.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vidscale.cost.curves import Curve, Floats, Surface
from vidscale.cost.operations import Attention, MatMul, Operation
from vidscale.cost.passes import (
    decode_operations,
    encoder_operations,
    frame_groups,
    head_operations,
    prefill_operations,
    projector_operations,
    visual_tokens,
)
from vidscale.cost.profile import Profile
from vidscale.errors import InputError
from vidscale.space import LanguageModel, Projector, VideoVLM
from vidscale.space.catalogue import LANGUAGE_MODELS, VISION_TOWERS


def operation_seconds(op: Operation, profile: Profile) -> Floats:
    """All occurrences of an operation, shape (rows,)."""
    if isinstance(op, MatMul):
        return op.count * profile.matmul_seconds(op)
    if isinstance(op, Attention):
        return op.count * profile.attention_seconds(op)
    return op.count * profile.pointwise_seconds(op)


def operations_seconds(operations: Iterable[Operation], profile: Profile) -> Floats:
    """Operations one after the other, before any correction, shape (rows,)."""
    total = 0.0
    for op in operations:
        total = total + operation_seconds(op, profile)
    return np.asarray(total, dtype=np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Chains:
    """Measured over summed time of whole passes.

    Attributes:
        tower: by tower name, against frames.
        prefill: by language model, against batch and tokens.
        decode: by language model, against batch and context.
    """

    tower: dict[str, Curve]
    prefill: dict[str, Surface]
    decode: dict[str, Surface]


@lru_cache(maxsize=8)
def chains(profile: Profile) -> Chains:
    """The corrections that a profile's whole-model points imply; empty where it has none."""
    tower: dict[str, dict[float, float]] = {}
    passes: dict[str, dict[str, dict[tuple[float, float], float]]] = {"prefill": {}, "decode": {}}
    for point in profile.points:
        if point["what"] not in ("tower", "prefill", "decode") or not point.get("seconds"):
            continue
        ratio = point["seconds"] / float(operations_seconds(point_operations(point), profile))
        if point["what"] == "tower":
            tower.setdefault(point["model"], {})[point["frames"]] = ratio
        else:
            second = point["tokens" if point["what"] == "prefill" else "context"]
            passes[point["what"]].setdefault(point["model"], {})[point["batch"], second] = ratio
    flat = (0.0, 0.0)
    return Chains(tower={name: Curve.through(each, 0.0) for name, each in tower.items()},
                  prefill={name: Surface.through(each, flat) for name, each in passes["prefill"].items()},
                  decode={name: Surface.through(each, flat) for name, each in passes["decode"].items()})


def point_operations(point: Mapping[str, Any]) -> list[Operation]:
    """The operations of a whole-model point of a profile: a tower, a prefill with its head, or a decode step."""
    if point["what"] == "tower":
        return encoder_operations(tower_alone(point["model"], point["layers"]), point["frames"], 1)
    lm = LANGUAGE_MODELS[point["model"]]
    if point["what"] == "decode":
        return decode_operations(lm, point["context"], batch=point["batch"])
    return [*prefill_operations(lm, point["tokens"], batch=point["batch"]), *head_operations(lm, batch=point["batch"])]


def tower_alone(name: str, layers: int) -> VideoVLM:
    """A published tower of which that many layers run, in a video VLM around it, for costing the tower alone."""
    whole = VISION_TOWERS[name]
    tower = replace(whole, skipped_layers=whole.layers - layers)
    return VideoVLM(name=tower.name, family="llava", tower=tower, projector=Projector(kind="mlp", pooled=True),
                    lm=next(iter(LANGUAGE_MODELS.values())))


def encoder_seconds(vlm: VideoVLM, frames: ArrayLike, tokens_per_frame: ArrayLike, *, profile: Profile,
                    batch: ArrayLike = 1) -> Floats:
    """The vision tower on the frames of a batch of videos, in one pass, shape (rows,)."""
    total = operations_seconds(encoder_operations(vlm, frames, tokens_per_frame, batch=batch), profile)
    found = chains(profile).tower
    if not found:
        return total
    images = frame_groups(vlm.tower, frames) * np.asarray(batch, dtype=np.float64)
    return total * _chain(found, vlm.tower.name, lambda curve: curve(images))


def projector_seconds(vlm: VideoVLM, frames: ArrayLike, tokens_per_frame: ArrayLike, *, profile: Profile,
                      batch: ArrayLike = 1) -> Floats:
    """The projector and pooling on the frames of a batch of videos, shape (rows,)."""
    return operations_seconds(projector_operations(vlm, frames, tokens_per_frame, batch=batch), profile)


def prefill_seconds(lm: LanguageModel, tokens: ArrayLike, *, profile: Profile, batch: ArrayLike = 1) -> Floats:
    """A batch of prompts up to the logits of their last tokens, shape (rows,)."""
    operations = [*prefill_operations(lm, tokens, batch=batch), *head_operations(lm, batch=batch)]
    total = operations_seconds(operations, profile)
    found = chains(profile).prefill
    return total * _chain(found, lm.name, lambda surface: surface(batch, tokens)) if found else total


def decode_seconds(lm: LanguageModel, context: ArrayLike, *, profile: Profile, batch: ArrayLike = 1) -> Floats:
    """One decode step for every sequence of a batch, shape (rows,); context counts the new token."""
    total = operations_seconds(decode_operations(lm, context, batch=batch), profile)
    found = chains(profile).decode
    return total * _chain(found, lm.name, lambda surface: surface(batch, context)) if found else total


def _chain(found: Mapping[str, Any], name: str, at: Callable[[Any], Floats]) -> Floats:
    """The correction of a model, or the geometric mean of all where this one was not measured."""
    if name in found:
        return at(found[name])
    return np.exp(np.mean([np.log(at(each)) for each in found.values()], axis=0))


@dataclass(frozen=True, kw_only=True, eq=False)
class RequestTime:
    """Seconds that a batch of requests takes on one GPU, by stage; every array has shape (rows,).

    Attributes:
        encoder, projector: vision tower, projector with pooling.
        prefill: the prompt up to the first output token.
        decode: every output token after the first.
        output_tokens: how many there are.
        batch: requests that share these times.
    """

    encoder: Floats
    projector: Floats
    prefill: Floats
    decode: Floats
    output_tokens: int
    batch: int

    @property
    def ttft(self) -> Floats:
        """Time to first token; the video is decoded and resized by then (see `video_stage`)."""
        return self.encoder + self.projector + self.prefill

    @property
    def total(self) -> Floats:
        """Time to the last token."""
        return self.ttft + self.decode

    @property
    def per_output_token(self) -> Floats:
        """Mean time of an output token after the first; 0 where there is none."""
        return self.decode / max(self.output_tokens - 1, 1)

    @property
    def gpu_seconds_per_video(self) -> Floats:
        return self.total / self.batch

    @property
    def videos_per_second(self) -> Floats:
        return self.batch / self.total


def request_time(
    vlm: VideoVLM, frames: ArrayLike, tokens_per_frame: ArrayLike, *, profile: Profile, batch: int = 1,
    text_tokens: int = 0, output_tokens: int = 1,
) -> RequestTime:
    """How long a batch of requests for one video each takes, one stage after the other on one GPU.

    Args:
        vlm: the model.
        frames, tokens_per_frame: of each configuration, shape (rows,) each.
        profile: the GPU.
        batch: requests served together, all of the same configuration.
        text_tokens: prompt tokens beside the visual ones.
        output_tokens: tokens generated, at least 1; the first comes out of prefill.

    Raises:
        InputError: sizes that are not positive, or that the model cannot take.

    Example:
        >>> from vidscale.space import video_vlm
        >>> from vidscale.cost.profile import prior_profile
        >>> t = request_time(video_vlm("llava-llama-3.1-8b"), [8, 32], [196, 196], profile=prior_profile("h200"))
        >>> bool((t.ttft[1] > t.ttft[0]) and (t.decode == 0).all())
        True
    """
    least = {"batch": 1, "text_tokens": 0, "output_tokens": 1}
    for name, value in {"batch": batch, "text_tokens": text_tokens, "output_tokens": output_tokens}.items():
        if not value >= least[name]:
            raise InputError(f"{name} is {value!r}; allowed are numbers from {least[name]}")
    frames, tokens = np.broadcast_arrays(np.atleast_1d(np.asarray(frames, dtype=np.float64)),
                                         np.atleast_1d(np.asarray(tokens_per_frame, dtype=np.float64)))
    prompts = visual_tokens(vlm, frames, tokens) + text_tokens
    decode = np.zeros_like(prompts)
    if output_tokens > 1:
        # A step grows almost linearly with its context: all together are the one in the middle, times their number.
        middle = prompts + output_tokens / 2
        decode = (output_tokens - 1) * decode_seconds(vlm.lm, middle, profile=profile, batch=batch)
    return RequestTime(
        encoder=encoder_seconds(vlm, frames, tokens, profile=profile, batch=batch),
        projector=projector_seconds(vlm, frames, tokens, profile=profile, batch=batch),
        prefill=prefill_seconds(vlm.lm, prompts, profile=profile, batch=batch), decode=decode,
        output_tokens=output_tokens, batch=batch)
