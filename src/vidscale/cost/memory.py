"""What a video VLM keeps in the memory of a GPU, and how many videos fit beside it.

    total = weights + key-value cache + max(encoder, prefill) + reserve

The encoder's working memory is free again when prefill starts, so the larger of the two counts. Working memory is what
is alive at the widest point of a layer, its MLP, in a plain forward pass with flash attention (no score matrix):

    language model  rows of one chunk × (3D + kF + 2h)  +  D for every token of the prompt  +  D for every visual one
                    (input of the layer, its residual, the normed residual; k = 3 where the MLP is gated, else 2)
    tower           rows of one encoder batch × (4d + kf), 5d with layer scales; or, where that is more, the
                    projector's input with twice its middle layer  +  all pixels  +  D for every visual token

This agrees with the peak of live tensors of `transformers` models to a percent (tests/cost/test_memory.py). Not in it:
the logits of prompt tokens that nobody samples, and every layer's hidden states, both of which `transformers` keeps
unless it is told not to.

Symbols: D hidden size, F MLP size, h head size of the language model; d, f of the tower.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from vidscale.cost.hardware import Gpu
from vidscale.cost.operations import Floats, MatMul, Operation
from vidscale.cost.passes import Grid, encoder_operations, projector_operations, visual_tokens
from vidscale.errors import InputError
from vidscale.space.architecture import LanguageModel, VideoVLM

T = TypeVar("T")

#: Bytes of context, library workspaces, CUDA graphs and what the allocator cannot reuse. A prior, not a measurement.
RESERVE = 1.5e9

#: Weights that share one scale in int4.
INT4_GROUP = 128

#: Bytes of a number that is not quantised: activations, embeddings, norms, the tower.
_WIDE = 2.0

#: Bytes per weight of the language model's layers, and per output of each of their matrices (its scale, in bf16). In
#: int4 every group has a scale in bf16 and a zero point of four bits instead.
WEIGHT_BYTES: Mapping[str, tuple[float, float]] = {
    "bf16": (2.0, 0.0), "fp16": (2.0, 0.0), "fp8": (1.0, 2.0), "int8": (1.0, 2.0),
    "int4": (0.5 + 2.5 / INT4_GROUP, 0.0),
}

#: Bytes of one number in the key-value cache.
KV_BYTES: Mapping[str, float] = {"bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0}


@dataclass(frozen=True, kw_only=True, eq=False)
class Memory:
    """Bytes on one GPU for a batch of videos; every array has shape (rows,).

    Attributes:
        weights: of tower, projector and language model.
        kv_per_video: key-value cache of one video: visual tokens, text and output.
        batch: videos that are encoded, prefilled and decoded together.
        activations: the most that prefill holds beside weights and cache.
        encoder: the most that tower and projector hold beside them.
        reserve: context, workspaces, fragmentation.
        dtype, kv_dtype: of the language model's layers, and of the cache.
    """

    weights: Floats
    kv_per_video: Floats
    batch: Floats
    activations: Floats
    encoder: Floats
    reserve: Floats
    dtype: str
    kv_dtype: str

    @property
    def kv_cache(self) -> Floats:
        """Key-value cache of the whole batch."""
        return self.batch * self.kv_per_video

    @property
    def working(self) -> Floats:
        """What encoding or prefill needs for a while, the larger of the two."""
        return np.maximum(self.activations, self.encoder)

    @property
    def total(self) -> Floats:
        """Everything together at its highest."""
        return self.weights + self.kv_cache + self.working + self.reserve

    def fits(self, gpu: Gpu, utilisation: float = 1.0) -> np.ndarray:
        """Whether all of it fits in a share of a GPU's memory, shape (rows,), of bool."""
        return self.total <= _share(utilisation) * gpu.memory

    def concurrent_videos(self, gpu: Gpu, utilisation: float = 0.9) -> Floats:
        """Videos whose cache fits beside the weights and the working memory of one batch; 0 where not even those fit.

        That is how servers with continuous batching run: some videos (`batch`) are encoded and prefilled at a time
        while the others decode.

        Args:
            gpu: whose memory.
            utilisation: the share of it that may be used; servers commonly take 0.9.
        """
        free = _share(utilisation) * gpu.memory - self.weights - self.working - self.reserve
        return np.maximum(np.floor(free / self.kv_per_video), 0.0)


def memory(vlm: VideoVLM, frames: ArrayLike, tokens_per_frame: ArrayLike, *, text_tokens: ArrayLike = 0,
           output_tokens: ArrayLike = 1, batch: ArrayLike = 1, dtype: str = "bf16", kv_dtype: str = "bf16",
           prefill_chunk: float | None = None, encoder_frames: float | None = None, reserve: float = RESERVE,
           grid: Grid | None = None) -> Memory:
    """Bytes that a batch of videos takes, by part.

    Args:
        vlm: the model.
        frames, tokens_per_frame: of one video; arrays broadcast.
        text_tokens, output_tokens: of one request.
        batch: videos that are encoded, prefilled and decoded together.
        dtype: "bf16", "fp16", "fp8", "int8" or "int4", of the matrices in the language model's layers. Embeddings,
            head, norms, projector and tower stay in 16 bits, as quantised checkpoints of VLMs commonly have them.
        kv_dtype: "bf16", "fp16", "fp8" or "int8".
        prefill_chunk: tokens that prefill takes at a time; None for whole prompts.
        encoder_frames: frames that the tower takes at a time; None for all.
        reserve: bytes for context, workspaces and fragmentation.
        grid: height and width of a frame in patches, where resolution is dynamic.

    Raises:
        InputError: an unknown dtype, or a number that is out of range.

    Example:
        >>> from vidscale.space.catalogue import video_vlm
        >>> float(memory(video_vlm("llava-llama-3.1-8b"), 32, 196).kv_per_video) / 2**10 / (32 * 196 + 1)
        128.0
    """
    batch, text, output = (_at_least(low, name, value) for low, name, value in (
        (1, "batch", batch), (0, "text_tokens", text_tokens), (0, "output_tokens", output_tokens)))
    if not 0 <= reserve < np.inf:
        raise InputError(f"reserve is {reserve:g} bytes; allowed are 0 and positive finite numbers")
    visual = visual_tokens(vlm, frames, tokens_per_frame)
    prompt = visual + text
    prefill = _prefill(vlm.lm, prompt * batch, visual * batch, _chunk("prefill_chunk", prefill_chunk), batch)
    encoder = _encoder(vlm, frames, tokens_per_frame, batch, _chunk("encoder_frames", encoder_frames), grid)
    kv = kv_bytes_per_token(vlm.lm, kv_dtype) * (prompt + output)
    arrays = np.broadcast_arrays(weight_bytes(vlm, dtype), kv, batch, prefill, encoder, reserve)
    weights, kv, batch, prefill, encoder, reserves = (np.array(a, dtype=np.float64) for a in arrays)
    return Memory(weights=weights, kv_per_video=kv, batch=batch, activations=prefill, encoder=encoder,
                  reserve=reserves, dtype=dtype, kv_dtype=kv_dtype)


def weight_bytes(vlm: VideoVLM, dtype: str = "bf16") -> float:
    """Bytes of all weights, layers that are loaded and not run included; arguments as for `memory`."""
    per_weight, per_output = _known(WEIGHT_BYTES, "dtype", dtype)
    lm = vlm.lm
    layers = lm.layers * lm.layer_weights
    outputs = lm.layers * ((lm.heads + 2 * lm.kv_heads) * lm.head_dim + 2 * lm.hidden
                           + (2 if lm.gated_mlp else 1) * lm.mlp)
    return _WIDE * (vlm.params - layers) + per_weight * layers + per_output * outputs


def kv_bytes_per_token(lm: LanguageModel, kv_dtype: str = "bf16") -> float:
    """Bytes that one token adds to the key-value cache: 4LKh in 16 bits (32, 112, 128 KiB for Llama 1B, 3B, 8B)."""
    return _known(KV_BYTES, "kv_dtype", kv_dtype) * lm.kv_values_per_token


def _prefill(lm: LanguageModel, tokens: Floats, visual: Floats, chunk: float, batch: Floats) -> Floats:
    """The most that prefill holds for `tokens` of the whole batch, bytes."""
    rows = np.minimum(tokens, chunk)
    attention = (3 * lm.heads + 3 * lm.kv_heads) * lm.head_dim
    widest = 3 * lm.hidden + 2 * lm.head_dim + max((3 if lm.gated_mlp else 2) * lm.mlp, attention)
    logits = 3 * batch * lm.vocabulary  # of the last token: in 16 bits, and again in 32 for sampling
    return _WIDE * (lm.hidden * (tokens + visual) + np.maximum(rows * widest, logits))


def _encoder(vlm: VideoVLM, frames: ArrayLike, tokens_per_frame: ArrayLike, batch: Floats, at_once: float,
             grid: Grid | None) -> Floats:
    """The most that tower and projector hold, bytes."""
    tower, frames = vlm.tower, np.asarray(frames, dtype=np.float64)
    operations = encoder_operations(vlm, frames, tokens_per_frame, batch=batch, grid=grid)
    group = tower.temporal_patch  # whole groups are read, the last one filled up
    taken, held = (frames, at_once) if group == 1 else (np.ceil(n / group) * group for n in (frames, at_once))
    share = np.minimum(held / (taken * batch), 1.0)  # of the frames, in the tower at a time
    pixels = _matmul(operations, "patch-embedding").rows * tower.patch_values
    wide = (5 if tower.layer_scale else 4) * tower.hidden + (3 if tower.gated_mlp else 2) * tower.mlp
    layer = _matmul(operations, "up").rows * wide
    projector = _matmul(projector_operations(vlm, frames, tokens_per_frame, batch=batch, grid=grid), "projector-1")
    projected = projector.rows * (projector.inputs + 2 * projector.outputs)
    features = visual_tokens(vlm, frames, tokens_per_frame) * batch * vlm.lm.hidden
    return _WIDE * (pixels + share * np.maximum(layer, projected) + features)


def _matmul(operations: list[Operation], name: str) -> MatMul:
    return next(each for each in operations if isinstance(each, MatMul) and each.name == name)


def _known(table: Mapping[str, T], what: str, name: str) -> T:
    if name not in table:
        raise InputError(f"{what} is {name!r}; allowed are {', '.join(table)}")
    return table[name]


def _at_least(low: float, name: str, value: ArrayLike) -> Floats:
    array = np.asarray(value, dtype=np.float64)
    bad = ~(np.isfinite(array) & (array >= low))
    if bad.any():
        raise InputError(f"{name} is {np.extract(bad, array)[0]:g}; allowed are finite numbers from {low:g}")
    return array


def _chunk(name: str, size: float | None) -> float:
    if size is None:
        return np.inf
    if not size >= 1:
        raise InputError(f"{name} is {size:g}; allowed are numbers from 1, or none for all at once")
    return float(size)


def _share(utilisation: float) -> float:
    if not 0 < utilisation <= 1:
        raise InputError(f"utilisation is {utilisation:g}; allowed is a share of memory in (0, 1]")
    return utilisation
