"""Which frames of a video a model sees.

Published code takes n of N frames by rules that differ by up to a segment; each has a name here. Where a rule comes
from: "linspace" is LLaVA-Video's and vLLM's; "linspace-rounded" that of qwen-vl-utils 0.0.14 and of Qwen3-VL in
transformers 5.23.0; "segment-starts" the default of transformers 5.23.0 and of Qwen2-VL there; "segment-middles" that
of InternVL in transformers 5.23.0.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from vidscale.cost.tokens.video import Video
from vidscale.errors import InputError

Indices = NDArray[np.int64]


def _linspace(total: int, count: int) -> Indices:
    """n points from the first frame to the last, both taken, cut off to whole numbers."""
    return np.linspace(0, total - 1, count).astype(np.int64)


def _linspace_rounded(total: int, count: int) -> Indices:
    """n points from the first frame to the last, both taken, rounded."""
    return np.linspace(0, total - 1, count).round().astype(np.int64)


def _segment_starts(total: int, count: int) -> Indices:
    """The first frame of each of n segments, i N // n; the last frame of the video is taken only where n = N."""
    return np.arange(count, dtype=np.int64) * total // count


def _segment_middles(total: int, count: int) -> Indices:
    """The middle frame of each of n segments."""
    return (2 * np.arange(count, dtype=np.int64) + 1) * total // (2 * count)


RULES: Mapping[str, Callable[[int, int], Indices]] = {
    "linspace": _linspace, "linspace-rounded": _linspace_rounded,
    "segment-starts": _segment_starts, "segment-middles": _segment_middles,
}


def frame_indices(rule: str, total: int, count: int) -> tuple[int, ...]:
    """Indices, from 0, of the frames that a rule takes.

    Args:
        rule: one of `RULES`.
        total: N, frames in the file.
        count: n, frames to take, at most N.

    Raises:
        InputError: the rule is unknown, or there are not that many frames.

    Example:
        >>> frame_indices("linspace", 100, 4), frame_indices("segment-starts", 100, 4)
        ((0, 33, 66, 99), (0, 25, 50, 75))
    """
    check_rule(rule)
    if not 1 <= count <= total:
        raise InputError(f"{count} frames are asked for, but the video has {total}; ask for 1 to {total} frames")
    return tuple(int(i) for i in RULES[rule](total, count))


def check_rule(rule: str) -> None:
    """Raise InputError where no such rule is known."""
    if rule not in RULES:
        raise InputError(f"frame_rule is {rule!r}; allowed are {', '.join(RULES)}")


def check_sampling(frames: int | None, sample_fps: float | None) -> None:
    """Raise InputError where a number of frames or a rate cannot be used."""
    if frames is not None and (frames < 1 or frames != int(frames)):
        raise InputError(f"frames is {frames!r}; allowed is a whole number of at least 1")
    if sample_fps is not None and not 0 < sample_fps < math.inf:
        raise InputError(f"sample_fps is {sample_fps!r}; allowed is a positive finite number")


def plain_count(video: Video, frames: int | None, sample_fps: float | None, usual: int) -> int:
    """Frames to take where nothing limits them: as asked, or by rate, or a usual number if the video has so many.

    By rate, int(N / fps · rate), as the processors of transformers 5.23.0 count. It is 0 where the video is shorter
    than 1 / rate.

    Raises:
        InputError: both are given.
    """
    if frames is not None and sample_fps is not None:
        raise InputError(f"both frames ({frames}) and sample_fps ({sample_fps:g}) are given; give one of them")
    if frames is not None:
        return int(frames)
    if sample_fps is not None:
        return int(video.total_frames / video.fps * sample_fps)
    return min(usual, video.total_frames)
