"""Exact FLOPs of one inference, 2 per multiply-add, split by the part of the model that computes them.

Matrix products and attention count; norms, activations, softmax and sums do not, as in `torch.utils.flop_counter`,
whose count this equals digit for digit under attention="full". How fast a GPU computes them is another cost.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vidscale.cost.operations import Floats, Operation, attention_flops, matmul_flops
from vidscale.cost.passes import (
    AttentionConvention,
    Grid,
    decode_operations,
    encoder_operations,
    head_operations,
    prefill_operations,
    projector_operations,
    visual_tokens,
)
from vidscale.errors import InputError
from vidscale.space.architecture import VideoVLM


@dataclass(frozen=True, kw_only=True, eq=False)
class Flops:
    """FLOPs of each part, arrays of shape (rows,).

    Attributes:
        encoder: the vision tower.
        projector: what carries visual features to the language model.
        prefill_linear: the language model's matrix products over the prompt.
        prefill_attention: its attention over the prompt.
        head: the output head on the prompt's last token, which gives the first output token.
        decode: all steps after the first output token, their attention and heads included.
    """

    encoder: Floats
    projector: Floats
    prefill_linear: Floats
    prefill_attention: Floats
    head: Floats
    decode: Floats

    @property
    def prefill(self) -> Floats:
        """The language model up to the first output token, shape (rows,)."""
        return self.prefill_linear + self.prefill_attention + self.head

    @property
    def total(self) -> Floats:
        """All parts, shape (rows,)."""
        return self.encoder + self.projector + self.prefill + self.decode

    @property
    def encoder_share(self) -> Floats:
        """The vision tower's share of the total, in (0, 1), shape (rows,)."""
        return self.encoder / self.total


def exact_flops(vlm: VideoVLM, frames: ArrayLike, tokens_per_frame: ArrayLike, *, text_tokens: ArrayLike = 0,
                output_tokens: ArrayLike = 1, batch: ArrayLike = 1, attention: AttentionConvention = "causal",
                grid: Grid | None = None) -> Flops:
    """FLOPs of answering about a video (with batch, about that many of them together).

    Args:
        vlm: the model.
        frames: sampled frames; filled up to whole groups where the tower reads several at a time.
        tokens_per_frame: visual tokens that the language model reads per sampled frame.
        text_tokens: tokens of the prompt that are not visual.
        output_tokens: tokens of the answer; the first comes from prefill, each further one costs a decode step.
        batch: videos.
        attention: "causal" counts the triangle S(S+1)/2 that flash kernels compute, "full" all S² pairs.
        grid: height and width of a frame in patches, where resolution is dynamic.

    Raises:
        InputError: a size out of range, or more tokens per frame than the tower makes.

    Example:
        >>> from vidscale.space import video_vlm
        >>> float(exact_flops(video_vlm("llava-llama-3.1-8b"), 32, 196).total.round(-11) / 1e12)
        119.4
    """
    tokens = visual_tokens(vlm, frames, tokens_per_frame) + _at_least("text_tokens", text_tokens, 0)
    outputs = _at_least("output_tokens", output_tokens, 1)
    encoder = _sum(encoder_operations(vlm, frames, tokens_per_frame, batch=batch, grid=grid))
    projector = _sum(projector_operations(vlm, frames, tokens_per_frame, batch=batch, grid=grid))
    prefill = prefill_operations(vlm.lm, tokens, batch=batch, attention=attention)
    # Step j of k - 1 sees tokens + j; FLOPs are linear in that, so all steps cost k - 1 times the one in the middle.
    decode = (outputs - 1) * _sum(decode_operations(vlm.lm, tokens + outputs / 2, batch=batch))
    parts = (encoder, projector, matmul_flops(prefill), attention_flops(prefill),
             _sum(head_operations(vlm.lm, batch=batch)), decode)
    names = ("encoder", "projector", "prefill_linear", "prefill_attention", "head", "decode")
    return Flops(**dict(zip(names, np.broadcast_arrays(*parts), strict=True)))


def _sum(operations: list[Operation]) -> Floats:
    return matmul_flops(operations) + attention_flops(operations)


def _at_least(name: str, values: ArrayLike, least: float) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    good = np.isfinite(array) & (array >= least)
    if not good.all():
        raise InputError(f"{name} is {np.extract(~good, array)[0]:g}; allowed is a finite number from {least:g}")
    return array
