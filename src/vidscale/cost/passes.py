"""From shapes to operations: what the tower, the projector, prefill and decoding compute.

Each function lists one pass over one batch as `transformers` runs it. Sizes that differ between configurations may be
arrays; they broadcast against each other. Nothing is rounded, so fractions of a frame or a token are costed as such;
only a tower that reads several frames at a time takes whole groups.

Symbols in comments: L layers, D hidden size, F MLP size, H heads, K key-value heads, h head size, V vocabulary.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from vidscale.cost.operations import Attention, Floats, MatMul, Operation, Pointwise
from vidscale.errors import InputError
from vidscale.space.architecture import LanguageModel, VideoVLM, VisionTower

#: "causal" counts the S(S+1)/2 query-key pairs that a flash kernel computes, "full" all S², as torch's counter does.
AttentionConvention = Literal["causal", "full"]
#: (height, width) of a frame in patches.
Grid = tuple[ArrayLike, ArrayLike]


def _floats(name: str, values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    good = np.isfinite(array) & (array > 0)
    if not good.all():
        raise InputError(f"{name} is {np.extract(~good, array)[0]:g}; allowed is a positive finite number")
    return array


def _causal(attention: str) -> bool:
    if attention not in ("causal", "full"):
        raise InputError(f"attention is {attention!r}; allowed are 'causal' (the triangle that flash kernels compute) "
                         "and 'full' (all query-key pairs, as torch's counter counts)")
    return attention == "causal"


def visual_tokens(vlm: VideoVLM, frames: ArrayLike, tokens_per_frame: ArrayLike) -> Floats:
    """Visual tokens that the language model reads, with frames filled up to whole groups, shape (rows,)."""
    return frame_groups(vlm.tower, frames) * vlm.tower.temporal_patch * _floats("tokens_per_frame", tokens_per_frame)


def encoder_operations(vlm: VideoVLM, frames: ArrayLike, tokens_per_frame: ArrayLike, *, batch: ArrayLike = 1,
                       grid: Grid | None = None) -> list[Operation]:
    """What the vision tower computes for a batch of videos.

    A tower of fixed size reads every frame at that size (a tower whose projector shuffles pixels reads smaller images
    for fewer tokens, and several tiles for more). One of dynamic resolution reads as many patches as tokens_per_frame
    asks for, on a square where grid does not say otherwise, and attends within each group of temporal_patch frames.

    Args:
        vlm: the model.
        frames: sampled frames per video; filled up to whole groups of temporal_patch, as the processors do.
        tokens_per_frame: visual tokens that the language model reads per sampled frame.
        batch: videos.
        grid: height and width of a frame in patches, where resolution is dynamic.

    Raises:
        InputError: more tokens per frame than the tower makes; a grid that does not fit tokens_per_frame or the tower.
    """
    groups = frame_groups(vlm.tower, frames) * _floats("batch", batch)
    tower = vlm.tower
    if tower.image is None:
        height, width = _dynamic_grid(vlm, tokens_per_frame, grid)
        return list(_tower(tower, groups, height, width))
    _no_grid(vlm, grid)
    if vlm.projector.kind == "pixel-shuffle":
        side, tiles = _tiles(vlm, tokens_per_frame)
        return list(_tower(tower, groups * tiles, side, side))
    _check_pooling(vlm, tokens_per_frame)
    side = np.asarray(float(tower.grid))
    groups = groups + np.zeros_like(_floats("tokens_per_frame", tokens_per_frame))
    return list(_tower(tower, groups, side, side))


def projector_operations(vlm: VideoVLM, frames: ArrayLike, tokens_per_frame: ArrayLike, *, batch: ArrayLike = 1,
                         grid: Grid | None = None) -> list[Operation]:
    """What the projector computes for a batch of videos; arguments as for `encoder_operations`."""
    groups = frame_groups(vlm.tower, frames) * _floats("batch", batch)
    tower, kind = vlm.tower, vlm.projector.kind
    inputs, outputs = vlm.projector_inputs, float(vlm.lm.hidden)
    tokens = _floats("tokens_per_frame", tokens_per_frame)
    if kind == "mlp":
        _no_grid(vlm, grid)
        _check_pooling(vlm, tokens)
        per_frame = tokens if vlm.projector.pools_first else tower.grid**2 + np.zeros_like(tokens)
        extra = tower.class_tokens if vlm.projector.class_token and not vlm.projector.pools_first else 0
        rows = groups * (per_frame + extra)
        middle, norm = outputs, None
    elif kind == "merger":
        if tower.image is None:
            _dynamic_grid(vlm, tokens, grid)
        rows = groups * tower.temporal_patch * tokens
        middle, norm = inputs, tower.norm
    else:
        _no_grid(vlm, grid)
        rows = groups * tokens
        middle, norm = outputs, "layer_norm"
    operations: list[Operation] = [] if norm is None else [Pointwise(kind=norm, rows=rows, width=inputs, count=1)]
    operations += [
        MatMul(name="projector-1", rows=rows, inputs=inputs, outputs=middle, count=1),
        Pointwise(kind="gelu", rows=rows, width=middle, count=1),
        MatMul(name="projector-2", rows=rows, inputs=middle, outputs=outputs, count=1),
    ]
    if vlm.projector.pooled and not vlm.projector.pools_first:
        operations.append(Pointwise(kind="copy", rows=groups * tokens, width=outputs, count=1))
    return operations


def prefill_operations(lm: LanguageModel, tokens: ArrayLike, *, batch: ArrayLike = 1,
                       attention: AttentionConvention = "causal") -> list[Operation]:
    """What the language model's layers compute for a batch of prompts, without the output head.

    Args:
        lm: the language model.
        tokens: tokens of one prompt, visual and text.
        batch: prompts.
        attention: how query-key pairs are counted, see `AttentionConvention`.
    """
    tokens, batch = np.broadcast_arrays(_floats("tokens", tokens), _floats("batch", batch))
    return list(_decoder(lm, sequences=batch, queries=tokens, keys=tokens, causal=_causal(attention)))


def head_operations(lm: LanguageModel, *, batch: ArrayLike = 1) -> list[Operation]:
    """The output head on the last token of each sequence; other positions need no logits."""
    return [MatMul(name="head", rows=_floats("batch", batch), inputs=lm.hidden, outputs=lm.vocabulary, count=1)]


def decode_operations(lm: LanguageModel, context: ArrayLike, *, batch: ArrayLike = 1) -> list[Operation]:
    """One decode step, output head included: one new token for each sequence of the batch.

    Args:
        lm: the language model.
        context: tokens that the new one sees, itself included.
        batch: sequences.
    """
    context, batch = np.broadcast_arrays(_floats("context", context), _floats("batch", batch))
    layers = _decoder(lm, sequences=batch, queries=np.ones_like(context), keys=context, causal=False)
    return [*layers, *head_operations(lm, batch=batch)]


def _decoder(lm: LanguageModel, *, sequences: Floats, queries: Floats, keys: Floats, causal: bool
             ) -> Iterator[Operation]:
    """The layers of a language model and the norm after them; keys and values of earlier tokens are cached."""
    rows, count = sequences * queries, float(lm.layers)
    query, key = lm.heads * lm.head_dim, lm.kv_heads * lm.head_dim
    yield Pointwise(kind="copy", rows=rows, width=lm.hidden, count=1)  # input embeddings
    yield Pointwise(kind="rms_norm", rows=rows, width=lm.hidden, count=2 * count)
    yield MatMul(name="q", rows=rows, inputs=lm.hidden, outputs=query, count=count)
    yield MatMul(name="k", rows=rows, inputs=lm.hidden, outputs=key, count=count)
    yield MatMul(name="v", rows=rows, inputs=lm.hidden, outputs=key, count=count)
    if lm.qk_norm:
        yield Pointwise(kind="rms_norm", rows=rows, width=query, count=count)
        yield Pointwise(kind="rms_norm", rows=rows, width=key, count=count)
    yield Pointwise(kind="rotary", rows=rows, width=query + key, count=count)
    yield Pointwise(kind="copy", rows=rows, width=2 * key, count=count)  # into the key-value cache
    yield Attention(name="attention", sequences=sequences, queries=queries, keys=keys, heads=lm.heads,
                    kv_heads=lm.kv_heads, head_dim=lm.head_dim, causal=causal, count=count)
    yield MatMul(name="o", rows=rows, inputs=query, outputs=lm.hidden, count=count)
    if lm.gated_mlp:
        yield MatMul(name="gate", rows=rows, inputs=lm.hidden, outputs=lm.mlp, count=count)
    yield MatMul(name="up", rows=rows, inputs=lm.hidden, outputs=lm.mlp, count=count)
    yield Pointwise(kind="swiglu" if lm.gated_mlp else "gelu", rows=rows, width=lm.mlp, count=count)
    yield MatMul(name="down", rows=rows, inputs=lm.mlp, outputs=lm.hidden, count=count)
    yield Pointwise(kind="add", rows=rows, width=lm.hidden, count=2 * count)
    yield Pointwise(kind="rms_norm", rows=rows, width=lm.hidden, count=1)


def _tower(tower: VisionTower, images: Floats, height: Floats, width: Floats) -> Iterator[Operation]:
    """A vision tower over images (or groups of frames) of height × width patches each."""
    patches = images * (height * width)
    sequence = height * width + tower.class_tokens
    rows = images * sequence
    count, d, f = tower.run_layers, tower.hidden, tower.mlp
    yield MatMul(name="patch-embedding", rows=patches, inputs=tower.patch_values, outputs=d, count=1)
    if not tower.rotary:
        yield Pointwise(kind="add", rows=rows, width=d, count=1)  # learned positions
    yield Pointwise(kind=tower.norm, rows=rows, width=d, count=2 * count + tower.pre_norm + tower.final_norm)
    if tower.fused_qkv:
        yield MatMul(name="qkv", rows=rows, inputs=d, outputs=3 * d, count=count)
    else:
        for name in ("q", "k", "v"):
            yield MatMul(name=name, rows=rows, inputs=d, outputs=d, count=count)
    if tower.rotary:
        yield Pointwise(kind="rotary", rows=rows, width=2 * d, count=count)
    yield from _tower_attention(tower, images, height, width, sequence)
    yield MatMul(name="o", rows=rows, inputs=d, outputs=d, count=count)
    if tower.gated_mlp:
        yield MatMul(name="gate", rows=rows, inputs=d, outputs=f, count=count)
    yield MatMul(name="up", rows=rows, inputs=d, outputs=f, count=count)
    yield Pointwise(kind="swiglu" if tower.gated_mlp else "gelu", rows=rows, width=f, count=count)
    yield MatMul(name="down", rows=rows, inputs=f, outputs=d, count=count)
    if tower.layer_scale:
        yield Pointwise(kind="copy", rows=rows, width=d, count=2 * count)
    yield Pointwise(kind="add", rows=rows, width=d, count=2 * count)


def _tower_attention(tower: VisionTower, images: Floats, height: Floats, width: Floats, sequence: Floats
                     ) -> Iterator[Attention]:
    """Attention within whole images, or within windows of which the last row and column may be partial."""

    def within(name: str, windows: Floats, length: Floats, count: int) -> Attention:
        windows, length = np.broadcast_arrays(images * windows, length)
        return Attention(name=name, sequences=windows, queries=length, keys=length, heads=tower.heads,
                         kv_heads=tower.heads, head_dim=tower.head_dim, causal=False, count=count)

    full = tower.run_layers if tower.window is None else sum(k < tower.run_layers for k in tower.full_attention_layers)
    if full:
        yield within("attention", np.ones_like(sequence), sequence, full)
    if tower.window is not None and full < tower.run_layers:
        # Windows of a patches each, all in one operation: as many windows of one length as keep Σ a and Σ a².
        patches = height * width
        length = _squares(height, tower.window) * _squares(width, tower.window) / patches
        yield within("window-attention", patches / length, length, tower.run_layers - full)


def _squares(side: Floats, window: int) -> Floats:
    """Σ l² over the pieces that a side falls into when cut every window patches; the last piece may be shorter."""
    whole, rest = np.divmod(side, window)
    return window**2 * whole + rest**2


def frame_groups(tower: VisionTower, frames: ArrayLike) -> Floats:
    """Images that the tower reads per video: frames, or groups of temporal_patch frames, the last one filled up."""
    frames = _floats("frames", frames)
    return frames if tower.temporal_patch == 1 else np.ceil(frames / tower.temporal_patch)


def _dynamic_grid(vlm: VideoVLM, tokens_per_frame: ArrayLike, grid: Grid | None) -> tuple[Floats, Floats]:
    """Height and width in patches of what a tower of dynamic resolution reads."""
    merge = vlm.projector.merge
    patches = merge**2 * vlm.tower.temporal_patch * _floats("tokens_per_frame", tokens_per_frame)
    if grid is None:
        side = np.sqrt(patches)
        return side, side
    height, width = (_floats("grid", side) for side in grid)
    if np.any(height % merge) or np.any(width % merge):
        raise InputError(f"grid is {grid!r} patches; {vlm.name} merges {merge} × {merge} of them, so both must be "
                         f"multiples of {merge}")
    if not np.allclose(height * width, patches, rtol=1e-9, atol=0):
        raise InputError(f"grid and tokens_per_frame disagree: {vlm.name} makes (height × width) / "
                         f"{merge**2 * vlm.tower.temporal_patch} tokens per frame from a grid in patches")
    return height, width


def _tiles(vlm: VideoVLM, tokens_per_frame: ArrayLike) -> tuple[Floats, Floats]:
    """Side in patches and number of the square tiles that make tokens_per_frame tokens.

    A full tile gives (grid / merge)² tokens; fewer come from one smaller tile, more from several full ones.
    """
    merge, grid = vlm.projector.merge, vlm.tower.grid
    tokens = _floats("tokens_per_frame", tokens_per_frame)
    per_tile = np.minimum(tokens, (grid / merge) ** 2)
    return merge * np.sqrt(per_tile), tokens / per_tile


def _no_grid(vlm: VideoVLM, grid: Grid | None) -> None:
    if grid is not None:
        raise InputError(f"{vlm.name} reads frames at a fixed size of {vlm.tower.image} pixels; leave grid out")


def _check_pooling(vlm: VideoVLM, tokens_per_frame: ArrayLike) -> None:
    """A projector that pools cannot make more tokens than the tower has patches; one that does not makes just those."""
    most = vlm.tower.grid**2 + (vlm.tower.class_tokens if vlm.projector.class_token else 0)
    tokens = _floats("tokens_per_frame", tokens_per_frame)
    if np.any(tokens > most):
        raise InputError(f"tokens_per_frame is {np.max(tokens):g}; {vlm.name} makes at most {most} tokens of a frame "
                         f"({vlm.tower.grid} × {vlm.tower.grid} patches)")
    if not vlm.projector.pooled and np.any(tokens < most):
        raise InputError(f"tokens_per_frame is {np.min(tokens):g}; {vlm.name} does not pool and makes {most} tokens of "
                         "every frame")
