"""The shapes of published models, by name.

Every number is from the model's own config.json on the Hugging Face hub or its technical report; the comments name
which. The tests build the same shapes from `transformers` configurations and compare parameters and FLOPs.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar

from vidscale.errors import InputError
from vidscale.space.architecture import LanguageModel, Projector, VideoVLM, VisionTower

T = TypeVar("T")


def _by_name(*shapes: T) -> Mapping[str, T]:
    return MappingProxyType({shape.name: shape for shape in shapes})  # type: ignore[attr-defined]


def _lm(name: str, layers: int, hidden: int, heads: int, kv_heads: int, head_dim: int, mlp: int, vocabulary: int,
        **more: bool) -> LanguageModel:
    return LanguageModel(name=name, layers=layers, hidden=hidden, heads=heads, kv_heads=kv_heads, head_dim=head_dim,
                         mlp=mlp, vocabulary=vocabulary, **more)


#: Name, then L, D, H, K, h, F, V.
LANGUAGE_MODELS: Mapping[str, LanguageModel] = _by_name(
    # Llama 3.1 and 3.2 (Meta, config.json of meta-llama/Llama-3.2-1B, Llama-3.2-3B, Llama-3.1-8B).
    _lm("llama-3.2-1b", 16, 2048, 32, 8, 64, 8192, 128256, tied=True),
    _lm("llama-3.2-3b", 28, 3072, 24, 8, 128, 8192, 128256, tied=True),
    _lm("llama-3.1-8b", 32, 4096, 32, 8, 128, 14336, 128256),
    # Qwen2 inside Qwen2-VL (config.json of Qwen/Qwen2-VL-2B-Instruct, Qwen2-VL-7B-Instruct).
    _lm("qwen2-1.5b", 28, 1536, 12, 2, 128, 8960, 151936, tied=True, attention_bias=True),
    _lm("qwen2-7b", 28, 3584, 28, 4, 128, 18944, 152064, attention_bias=True),
    # Qwen2.5 inside Qwen2.5-VL (config.json of Qwen/Qwen2.5-VL-3B-Instruct, Qwen2.5-VL-7B-Instruct).
    _lm("qwen2.5-3b", 36, 2048, 16, 2, 128, 11008, 151936, tied=True, attention_bias=True),
    _lm("qwen2.5-7b", 28, 3584, 28, 4, 128, 18944, 152064, attention_bias=True),
    # Qwen2.5 inside InternVL3, with a vocabulary of its own and an untied head (config.json of
    # OpenGVLab/InternVL3-1B, -2B, -8B; the untied head is what brings the 1B to its published 0.94e9 parameters).
    _lm("internvl3-qwen2.5-0.5b", 24, 896, 14, 2, 64, 4864, 151674, attention_bias=True),
    _lm("internvl3-qwen2.5-1.5b", 28, 1536, 12, 2, 128, 8960, 151674, attention_bias=True),
    _lm("internvl3-qwen2.5-7b", 28, 3584, 28, 4, 128, 18944, 151674, attention_bias=True),
)

VISION_TOWERS: Mapping[str, VisionTower] = _by_name(
    # google/siglip-so400m-patch14-384: 27 × 27 patches of 14 pixels (378 of the 384 are used).
    VisionTower(name="siglip-so400m-384", layers=27, hidden=1152, heads=16, head_dim=72, mlp=4304, patch=14, image=384,
                final_norm=True),
    # openai/clip-vit-large-patch14-336: the tower of LLaVA 1.5 and LLaVA-NeXT.
    VisionTower(name="clip-l-336", layers=24, hidden=1024, heads=16, head_dim=64, mlp=4096, patch=14, image=336,
                class_tokens=1, final_norm=True, pre_norm=True),
    # The vision part of Qwen2-VL, the same at every size (Qwen2-VL report, 2024).
    VisionTower(name="qwen2-vl-vit", layers=32, hidden=1280, heads=16, head_dim=80, mlp=5120, patch=14,
                temporal_patch=2, rotary=True, fused_qkv=True),
    # The vision part of Qwen2.5-VL: windows of 112 pixels but for four layers (Qwen2.5-VL report, 2025).
    VisionTower(name="qwen2.5-vl-vit", layers=32, hidden=1280, heads=16, head_dim=80, mlp=3420, patch=14,
                temporal_patch=2, gated_mlp=True, window=8, full_attention_layers=(7, 15, 23, 31), norm="rms_norm",
                rotary=True, fused_qkv=True),
    # OpenGVLab/InternViT-300M-448px-V2_5.
    VisionTower(name="internvit-300m", layers=24, hidden=1024, heads=16, head_dim=64, mlp=4096, patch=14, image=448,
                class_tokens=1, fused_qkv=True, layer_scale=True),
)


def _llava(lm: str) -> VideoVLM:
    # LLaVA-Video and the paper: SigLIP without its last layer, two linear layers, pooling to k × k.
    tower = replace(VISION_TOWERS["siglip-so400m-384"], skipped_layers=1, final_norm=False)
    return VideoVLM(name=f"llava-{lm}", family="llava", tower=tower, projector=Projector(kind="mlp", pooled=True),
                    lm=LANGUAGE_MODELS[lm])


def _qwen(name: str, family: str, lm: str) -> VideoVLM:
    return VideoVLM(name=name, family=family, tower=VISION_TOWERS[f"{family}-vit"],
                    projector=Projector(kind="merger", merge=2), lm=LANGUAGE_MODELS[lm])


def _internvl(size: str, lm: str) -> VideoVLM:
    return VideoVLM(name=f"internvl3-{size}", family="internvl", tower=VISION_TOWERS["internvit-300m"],
                    projector=Projector(kind="pixel-shuffle", merge=2), lm=LANGUAGE_MODELS[f"internvl3-{lm}"])


VIDEO_VLMS: Mapping[str, VideoVLM] = _by_name(
    _llava("llama-3.2-1b"),
    _llava("llama-3.2-3b"),
    _llava("llama-3.1-8b"),
    _qwen("qwen2-vl-2b", "qwen2-vl", "qwen2-1.5b"),
    _qwen("qwen2-vl-7b", "qwen2-vl", "qwen2-7b"),
    _qwen("qwen2.5-vl-3b", "qwen2.5-vl", "qwen2.5-3b"),
    _qwen("qwen2.5-vl-7b", "qwen2.5-vl", "qwen2.5-7b"),
    _internvl("1b", "qwen2.5-0.5b"),
    _internvl("2b", "qwen2.5-1.5b"),
    _internvl("8b", "qwen2.5-7b"),
)


def _find(what: str, shapes: Mapping[str, T], name: str) -> T:
    if name.lower() not in shapes:
        raise InputError(f"there is no {what} {name!r}; the names are {', '.join(shapes)}")
    return shapes[name.lower()]


def language_model(name: str) -> LanguageModel:
    """A published language model; raises InputError that lists the names where there is none of this one."""
    return _find("language model", LANGUAGE_MODELS, name)


def vision_tower(name: str) -> VisionTower:
    """A published vision tower; raises InputError that lists the names where there is none of this one."""
    return _find("vision tower", VISION_TOWERS, name)


def video_vlm(name: str) -> VideoVLM:
    """A published video VLM; raises InputError that lists the names where there is none of this one."""
    return _find("video VLM", VIDEO_VLMS, name)
