"""From a video and a model's settings to frames and visual tokens.

    >>> from vidscale.cost.tokens import Video, settings_for, video_tokens
    >>> video = Video(duration_s=384, fps=30, width=1920, height=1080)
    >>> video_tokens(video, settings_for("qwen2.5-vl")).total_tokens
    105984

The rules are those of the processors in transformers 5.23.0, which the tests compare with on random videos.
"""

import re
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidscale.cost.tokens.internvl import InternVLSettings, internvl_tokens
from vidscale.cost.tokens.llava import LlavaSettings, llava_tokens
from vidscale.cost.tokens.qwen import QWEN, QwenSettings, patch_grid, qwen_tokens
from vidscale.cost.tokens.sampling import RULES, frame_indices
from vidscale.cost.tokens.video import Video, VisualTokens, check_square
from vidscale.errors import InputError

Settings = LlavaSettings | QwenSettings | InternVLSettings

FAMILIES: tuple[str, ...] = ("llava", "llava-onevision", *QWEN, "internvl")


def family_of(model: str) -> str:
    """The family of a model: its own name, or one with a size, such as "qwen2.5-vl-7b".

    Raises:
        InputError: the rules of no such family are known.
    """
    name = re.sub(r"-\d+(\.\d+)?b$", "", model.strip().lower())
    if name not in FAMILIES:
        raise InputError(f"unknown model {model!r}; allowed are {', '.join(FAMILIES)}, also with a size as in "
                         "qwen2.5-vl-7b")
    return name


def settings_for(model: str, **given: Any) -> Settings:
    """The settings of a model's family, those not given at their defaults.

    Raises:
        InputError: the model is unknown, has no such setting, or cannot use a value.

    Example:
        >>> settings_for("llava", frames=32, tokens_per_frame=49).family
        'llava'
    """
    family = family_of(model)
    kind: type[Settings] = QwenSettings if family in QWEN else InternVLSettings
    preset: dict[str, Any] = {"family": family}
    if family.startswith("llava"):
        kind = LlavaSettings
        if family == "llava-onevision":
            preset |= {"newline": True, "frame_rule": "segment-starts"}
    known = [f.name for f in fields(kind) if f.name != "family"]
    for name in given:
        if name not in known:
            raise InputError(f"{name} is no setting of {family}; its settings are {', '.join(known)}")
    return kind(**{**preset, **given})


def video_tokens(video: Video, settings: Settings) -> VisualTokens:
    """Frames and tokens of a video under a family's rules.

    Raises:
        InputError: the video is too short for the settings, or its aspect ratio is not taken.
    """
    if isinstance(settings, QwenSettings):
        return qwen_tokens(video, settings)
    if isinstance(settings, InternVLSettings):
        return internvl_tokens(video, settings)
    return llava_tokens(video, settings)


def tokens_per_frame(settings: Settings, frames: ArrayLike, height: ArrayLike,
                     width: ArrayLike) -> NDArray[np.float64]:
    """x_V for arrays of videos: visual tokens by frame, special tokens left out.

    Args:
        settings: the family's.
        frames: frames that the model sees.
        height, width: sizes in pixels in the file. All three broadcast.

    Raises:
        InputError: an aspect ratio is not taken.

    Example:
        >>> tokens_per_frame(settings_for("qwen2.5-vl"), 768, [1080, 480], [1920, 854])
        array([138., 138.])
    """
    frames, height, width = np.broadcast_arrays(*(np.asarray(a, dtype=np.int64) for a in (frames, height, width)))
    if isinstance(settings, QwenSettings):
        rows, columns = patch_grid(frames, height, width, settings)
        return -(-frames // 2) * (rows * columns // 4) / frames
    each = settings.tokens_per_tile if isinstance(settings, InternVLSettings) else settings.tokens_per_frame
    return np.full(frames.shape, each, dtype=np.float64)


__all__ = ["FAMILIES", "RULES", "InternVLSettings", "LlavaSettings", "QwenSettings", "Settings", "Video",
           "VisualTokens", "check_square", "family_of", "frame_indices", "settings_for", "tokens_per_frame",
           "video_tokens"]
