"""What is measured: points, each a shape and, once timed, its seconds.

A point is a plain dictionary, so that profiles keep their raw points and anyone can read or refit them. `what` says
which kind it is and so which keys it has:

    matmul      rows, inputs, outputs
    attention   sequences, queries, keys, heads, kv_heads, head_dim, causal
    pointwise   kind, rows, width
    tower       model, layers (those run), frames
    prefill     model, batch, tokens
    decode      model, batch, context
    request     model, tower, tower_layers, frames, tokens_per_frame, text_tokens, output_tokens, batch
"""

from collections.abc import Iterable
from typing import Any

from vidscale.space.architecture import LanguageModel, VisionTower

Point = dict[str, Any]

#: Rows at which matrix products are calibrated. Between powers of two the time grows in steps of whole tiles, so the
#: range in which steps matter has more points.
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 8192, 16384, 32768, 65536)


def weight_shapes(lms: Iterable[LanguageModel], towers: Iterable[VisionTower]) -> list[tuple[int, int]]:
    """(inputs, outputs) of every weight matrix in those models and the projectors between them, without repeats."""
    found: dict[tuple[int, int], None] = {}
    towers = list(towers)
    for tower in towers:
        d, f = tower.hidden, tower.mlp
        found |= dict.fromkeys([(3 * tower.patch**2 * tower.temporal_patch, d), (d, d), (d, f), (f, d)])
    for lm in lms:
        d, f = int(lm.hidden), int(lm.mlp)
        q, kv = int(lm.heads * lm.head_dim), int(lm.kv_heads * lm.head_dim)
        found |= dict.fromkeys([(d, q), (d, kv), (q, d), (d, f), (f, d), (d, int(lm.vocabulary)), (d, d)])
        found |= dict.fromkeys((tower.hidden, d) for tower in towers)
    return list(found)


def matmul_points(shapes: Iterable[tuple[int, int]], rows: Iterable[int] = ROWS) -> list[Point]:
    """Every weight matrix at every number of rows; an output head only at those a batch of sequences has."""
    rows = list(rows)
    return [{"what": "matmul", "rows": m, "inputs": k, "outputs": n} for k, n in shapes for m in rows
            if n < 60_000 or m <= 512]


def attention_point(
    sequences: int, queries: int, keys: int, heads: int, kv_heads: int, head_dim: int, causal: bool
) -> Point:
    return {"what": "attention", "sequences": sequences, "queries": queries, "keys": keys, "heads": heads,
            "kv_heads": kv_heads, "head_dim": head_dim, "causal": causal}


def lm_attention_points(
    lms: Iterable[LanguageModel], tokens: Iterable[int], batches: Iterable[int], contexts: Iterable[int],
    decode_batches: Iterable[int],
) -> list[Point]:
    """Causal self-attention of a prompt, and of one new token on its context."""
    out = []
    for h, kv, size in dict.fromkeys((int(lm.heads), int(lm.kv_heads), int(lm.head_dim)) for lm in lms):
        out += [attention_point(b, s, s, h, kv, size, True) for b in batches for s in tokens]
        out += [attention_point(b, 1, c, h, kv, size, False) for b in decode_batches for c in contexts]
    return out


def tower_attention_points(towers: Iterable[VisionTower], frames: Iterable[int]) -> list[Point]:
    """Full attention within each frame."""
    return [attention_point(f, t.grid**2, t.grid**2, t.heads, t.heads, t.head_dim, False)
            for t in towers for f in frames]


def pointwise_points(kinds: Iterable[str], rows: Iterable[int], widths: Iterable[int]) -> list[Point]:
    return [{"what": "pointwise", "kind": kind, "rows": m, "width": w} for kind in kinds for w in widths for m in rows
            if m * w <= 2**30]


def tower_points(towers: Iterable[VisionTower], frames: Iterable[int]) -> list[Point]:
    return [{"what": "tower", "model": t.name, "layers": t.run_layers, "frames": f} for t in towers for f in frames]


def prefill_points(names: Iterable[str], batches: Iterable[int], tokens: Iterable[int]) -> list[Point]:
    return [{"what": "prefill", "model": n, "batch": b, "tokens": s} for n in names for b in batches for s in tokens]


def decode_points(names: Iterable[str], batches: Iterable[int], contexts: Iterable[int]) -> list[Point]:
    return [{"what": "decode", "model": n, "batch": b, "context": c} for n in names for b in batches for c in contexts]
