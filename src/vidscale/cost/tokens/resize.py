"""The size that Qwen's processors bring a frame to: sides in multiples of a factor, pixels between two limits.

`smart_resize` of transformers 5.23.0: that of `qwen2_vl`, for images and for each frame of a video, and that of
`qwen3_vl`, which has one budget for the pixels of all frames. Both work on arrays.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidscale.errors import InputError

Integers = NDArray[np.int64]

#: Frames that are merged in time.
TEMPORAL = 2

#: Longer side over shorter side that the processors take at most.
MAX_RATIO = 200


def smart_resize(height: ArrayLike, width: ArrayLike, *, factor: int, min_pixels: ArrayLike,
                 max_pixels: ArrayLike) -> tuple[Integers, Integers]:
    """The size that Qwen2-VL brings a frame or an image to, the aspect ratio kept as far as may be.

    Both sides become multiples of `factor`, and their product lies between the limits where that can be. Arrays are
    taken as well; the result has the shape that all arguments broadcast to.

    Raises:
        InputError: one side is more than 200 times the other.

    Example:
        >>> [int(side) for side in smart_resize(1080, 1920, factor=28, min_pixels=100352, max_pixels=602112)]
        [560, 1008]
    """
    return _resize(height, width, 1, 1, factor, min_pixels, max_pixels)


def smart_resize_video(frames: ArrayLike, height: ArrayLike, width: ArrayLike, *, factor: int, min_pixels: ArrayLike,
                       max_pixels: ArrayLike) -> tuple[Integers, Integers]:
    """The size that Qwen3-VL brings the frames of a video to; the limits hold for all of them together.

    Raises:
        InputError: there is less than a pair of frames, or one side is more than 200 times the other.
    """
    frames, height, width = (np.asarray(a, dtype=np.int64) for a in (frames, height, width))
    if np.any(frames < TEMPORAL):
        raise InputError(f"{int(np.min(frames))} frame; Qwen3-VL takes at least {TEMPORAL} frames of a video")
    small = np.minimum(height, width) < factor
    scale = np.where(small, np.maximum(factor / height, factor / width), 1.0)
    paired = np.round(frames / TEMPORAL) * TEMPORAL
    return _resize(np.where(small, np.floor(height * scale), height), np.where(small, np.floor(width * scale), width),
                   frames, paired, factor, min_pixels, max_pixels)


def _resize(height: ArrayLike, width: ArrayLike, frames: ArrayLike, paired: ArrayLike, factor: int,
            min_pixels: ArrayLike, max_pixels: ArrayLike) -> tuple[Integers, Integers]:
    # In the order of transformers' operations, so that rounding errors fall as they do there.
    h, w, t, low, high = (np.asarray(a, dtype=np.float64) for a in (height, width, frames, min_pixels, max_pixels))
    if np.any(np.minimum(h, w) < 1):
        raise InputError("a frame without pixels; both sides must be at least 1")
    ratio = np.maximum(h, w) / np.minimum(h, w)
    if np.any(ratio > MAX_RATIO):
        raise InputError(f"one side of a frame is {float(np.max(ratio)):.4g} times the other; Qwen's processors take "
                         f"an aspect ratio of at most {MAX_RATIO}; crop the video first")
    h_bar, w_bar = np.round(h / factor) * factor, np.round(w / factor) * factor
    volume = np.asarray(paired, dtype=np.float64) * h_bar * w_bar
    shrink, grow = np.sqrt(t * h * w / high), np.sqrt(low / (t * h * w))

    def fit(side: NDArray[np.float64], rounded: NDArray[np.float64]) -> Integers:
        smaller = np.maximum(factor, np.floor(side / shrink / factor) * factor)
        larger = np.ceil(side * grow / factor) * factor
        return np.where(volume > high, smaller, np.where(volume < low, larger, rounded)).astype(np.int64)

    return fit(h, h_bar), fit(w, w_bar)
