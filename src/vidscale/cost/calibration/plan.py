"""Which points calibrate a GPU in about a minute, and which ones, never among those, say how good the result is."""

from collections.abc import Iterable
from dataclasses import dataclass

from vidscale.cost.calibration.points import (
    Point,
    attention_point,
    decode_points,
    lm_attention_points,
    matmul_points,
    pointwise_points,
    prefill_points,
    tower_attention_points,
    tower_points,
    weight_shapes,
)
from vidscale.space import LanguageModel, VideoVLM, VisionTower
from vidscale.space.catalogue import VISION_TOWERS, language_model, video_vlm

#: Models that are timed as a whole, and models of which only the matrices and heads are.
WHOLE = ("llava-llama-3.2-1b", "llava-llama-3.2-3b", "llava-llama-3.1-8b")
PARTS = ("qwen2.5-7b", "qwen2.5-3b")
PART_TOWERS = ("qwen2.5-vl-vit", "internvit-300m")

BATCHES = (1, 8)
PREFILL_TOKENS = (8, 32, 128, 512, 2048, 4096)
DECODE = ((1, 8, 32), (64, 1024, 4096))
FRAMES = (1, 4, 16, 64)
POINTWISE_ROWS = (1, 8, 32, 128, 512, 2048, 8192, 32768, 131072)
#: A vision tower's attention is calibrated at its own number of patches and at these.
FULL_LENGTHS, FULL_SEQUENCES = (64, 256, 1024, 4096), (1, 8, 64)

HELD_OUT_FRAMES = (2, 6, 8, 24, 32, 96, 128)
HELD_OUT_TOKENS = {1: (16, 48, 196, 392, 784, 1568, 3136, 6272), 8: (16, 100, 400, 784, 1568, 3136, 6272)}
HELD_OUT_DECODE = ((2, 16), (200, 1600, 6300))
#: frames, tokens per frame, output tokens, batch
HELD_OUT_REQUESTS = ((8, 196, 8, 1), (32, 49, 16, 1), (24, 100, 8, 2))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Points to measure: those the curves go through, and those that judge the curves."""

    calibration: tuple[Point, ...]
    held_out: tuple[Point, ...]


def standard_plan() -> Plan:
    """The plan behind `vidscale calibrate` and the shipped profiles."""
    vlms = [video_vlm(name) for name in WHOLE]
    lms = [vlm.lm for vlm in vlms]
    tower = vlms[0].tower
    return Plan(calibration=tuple(_operations(lms, tower) + _models(lms, tower)), held_out=tuple(_held_out(vlms)))


def _operations(lms: Iterable[LanguageModel], tower: VisionTower) -> list[Point]:
    lms = [*lms, *(language_model(name) for name in PARTS)]
    others = [VISION_TOWERS[name] for name in PART_TOWERS]
    out = matmul_points(weight_shapes(lms, [tower, *others]))
    out += lm_attention_points(lms, (16, 64, 256, 512, 1024, 2048, 4096, 8192), BATCHES,
                               (16, 64, 256, 1024, 4096, 16384), (1, 4, 16, 64))
    out += tower_attention_points([tower], FRAMES)
    out += [attention_point(n, s, s, t.heads, t.heads, t.head_dim, False) for t in others for n in FULL_SEQUENCES
            for s in FULL_LENGTHS]
    for kinds, width in ((("rms_norm", "add", "rotary", "copy"), 2048), (("layer_norm",), 1152), (("gelu",), 4304),
                         (("swiglu",), 8192)):
        out += pointwise_points(kinds, POINTWISE_ROWS, (width,))
    return out


def _models(lms: Iterable[LanguageModel], tower: VisionTower) -> list[Point]:
    out = tower_points([tower], FRAMES)
    for lm in lms:  # one model after the other: only one is in memory
        out += prefill_points([lm.name], BATCHES, PREFILL_TOKENS) + decode_points([lm.name], *DECODE)
    return out


def _held_out(vlms: Iterable[VideoVLM]) -> list[Point]:
    vlms = list(vlms)
    out = tower_points([vlms[0].tower], HELD_OUT_FRAMES)
    for vlm in vlms:
        for batch, tokens in HELD_OUT_TOKENS.items():
            out += prefill_points([vlm.lm.name], [batch], tokens)
        out += decode_points([vlm.lm.name], *HELD_OUT_DECODE)
        out += [request_point(vlm, *each) for each in HELD_OUT_REQUESTS]
    return out


def request_point(
    vlm: VideoVLM, frames: int, tokens_per_frame: int, output_tokens: int, batch: int, text_tokens: int = 32
) -> Point:
    return {"what": "request", "model": vlm.lm.name, "tower": vlm.tower.name, "tower_layers": vlm.tower.run_layers,
            "frames": frames, "tokens_per_frame": tokens_per_frame, "text_tokens": text_tokens,
            "output_tokens": output_tokens, "batch": batch}
