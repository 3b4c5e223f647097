"""Qwen2-VL, Qwen2.5-VL and Qwen3-VL: frames of any size, two of them merged in time, 2 × 2 patches merged in space.

Rules of transformers 5.23.0: `Qwen2VLVideoProcessor` and `Qwen2VLImageProcessor` (which serve Qwen2.5-VL as well) and
`Qwen3VLVideoProcessor`. Three sets of pixel limits are in use for Qwen2-VL and Qwen2.5-VL, and they differ tenfold. For
6.4 minutes of 1080p at 2 frames per second, the processor itself gives

    105,984 tokens with cap_pixels_per_frame=True, the rule of Qwen's own loader (qwen-vl-utils 0.0.14), by which all
            frames share 90 % of 128,000 tokens' worth of pixels; transformers calls it the reference;
    276,480 with the defaults of the class, which limit each frame but not the video;
  1,033,344 with the limits of the released checkpoints' preprocessor_config.json (3,136 to 12,845,056 pixels), which
            transformers takes for videos too where a checkpoint has no file of its own for them.

The first is the default here.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from vidscale.cost.tokens.resize import TEMPORAL, Integers, smart_resize, smart_resize_video
from vidscale.cost.tokens.sampling import check_rule, check_sampling, frame_indices
from vidscale.cost.tokens.video import Video, VisualTokens
from vidscale.errors import InputError

#: Patches that are merged along each side.
MERGE = 2


@dataclass(frozen=True, kw_only=True)
class _Family:
    """What tells one generation from another.

    Attributes:
        patch: side of a patch in pixels.
        min_pixels, max_pixels: limits for a frame; in Qwen3-VL for height × width × frames of the whole video.
        max_video_tokens: what the cap counts with: tokens of a video, in Qwen3-VL tokens of a frame.
        rule: frames that the processor takes.
        whole_video: limits hold for the video and not for a frame.
    """

    patch: int
    min_pixels: int
    max_pixels: int
    max_video_tokens: int
    rule: str
    whole_video: bool


_QWEN2 = _Family(patch=14, min_pixels=128 * 28**2, max_pixels=768 * 28**2, max_video_tokens=128_000,
                 rule="segment-starts", whole_video=False)

#: Qwen3-VL's limits are those of the released checkpoints; the defaults of the class leave a long video hardly a token
#: a frame.
QWEN: Mapping[str, _Family] = {
    "qwen2-vl": _QWEN2, "qwen2.5-vl": _QWEN2,
    "qwen3-vl": _Family(patch=16, min_pixels=4096, max_pixels=25_165_824, max_video_tokens=768,
                        rule="linspace-rounded", whole_video=True),
}


@dataclass(frozen=True, kw_only=True)
class QwenSettings:
    """How a Qwen-VL model takes a video; what is None is the family's own.

    Attributes:
        family: "qwen2-vl", "qwen2.5-vl" or "qwen3-vl".
        frames: frames to take, rounded to a multiple of 2 before Qwen3-VL; instead of sample_fps.
        sample_fps: frames to take per second, 2 if frames is None as well.
        min_frames, max_frames: limits of the number of frames that a rate gives.
        min_pixels, max_pixels: height × width of a resized frame at least and at most; in Qwen3-VL height × width ×
            frames of the video. `size={"shortest_edge": …, "longest_edge": …}` in transformers.
        cap_pixels_per_frame: Qwen's own limit on top. Qwen2-VL, Qwen2.5-VL: all frames share 90 % of max_video_tokens,
            but a frame keeps 1.05 × min_pixels. Qwen3-VL: a frame gets at most max_video_tokens.
        max_video_tokens: see there; 128,000, in Qwen3-VL 768.
        frame_rule: see `vidscale.cost.tokens.sampling`.

    Raises:
        InputError: a setting cannot be used.
    """

    family: str = "qwen2.5-vl"
    frames: int | None = None
    sample_fps: float | None = None
    min_frames: int = 4
    max_frames: int = 768
    min_pixels: int | None = None
    max_pixels: int | None = None
    cap_pixels_per_frame: bool = True
    max_video_tokens: int | None = None
    frame_rule: str | None = None

    def __post_init__(self) -> None:
        if self.family not in QWEN:
            raise InputError(f"family is {self.family!r}; allowed are {', '.join(QWEN)}")
        check_rule(self.rule)
        check_sampling(self.frames, self.sample_fps)
        if self.frames is not None and self.sample_fps is not None:
            raise InputError(f"both frames ({self.frames}) and sample_fps ({self.sample_fps:g}) are given; give one of "
                             "them")
        if not 1 <= self.min_frames <= self.max_frames:
            raise InputError(f"min_frames is {self.min_frames} and max_frames {self.max_frames}; allowed are whole "
                             "numbers of at least 1, min_frames at most max_frames")
        low, high = self.pixels
        if not self.factor**2 <= high or not 1 <= low <= high:
            raise InputError(f"min_pixels is {low} and max_pixels {high}; max_pixels must be at least "
                             f"{self.factor} x {self.factor} = {self.factor**2}, and min_pixels from 1 to max_pixels")
        if self.max_video_tokens is not None and self.max_video_tokens < 1:
            raise InputError(f"max_video_tokens is {self.max_video_tokens}; allowed is at least 1")

    @property
    def own(self) -> _Family:
        """What tells the family from the others."""
        return QWEN[self.family]

    @property
    def factor(self) -> int:
        """Both sides of a resized frame are multiples of it: 28, in Qwen3-VL 32 pixels."""
        return self.own.patch * MERGE

    @property
    def pixels(self) -> tuple[int, int]:
        """(least, most) pixels: those given, or the family's."""
        return (self.own.min_pixels if self.min_pixels is None else self.min_pixels,
                self.own.max_pixels if self.max_pixels is None else self.max_pixels)

    @property
    def rule(self) -> str:
        """The rule for frames: the one given, or the family's."""
        return self.frame_rule or self.own.rule

    @property
    def rate(self) -> float:
        """Frames per second asked for where no number of frames is."""
        return 2.0 if self.sample_fps is None else self.sample_fps


# --- sizes ------------------------------------------------------------------------------------------------


def patch_grid(frames: ArrayLike, height: ArrayLike, width: ArrayLike,
               settings: QwenSettings) -> tuple[Integers, Integers]:
    """(height_patches, width_patches) of every frame, for arrays of videos.

    Args:
        frames: frames that the model sees, which the limits of a whole video depend on.
        height, width: sizes in pixels in the file.
        settings: limits.

    Raises:
        InputError: as `smart_resize`.
    """
    most = pixel_limit(frames, settings)
    low, factor, patch = settings.pixels[0], settings.factor, settings.own.patch
    if settings.own.whole_video:
        h, w = smart_resize_video(frames, height, width, factor=factor, min_pixels=low, max_pixels=most)
    else:
        h, w = smart_resize(height, width, factor=factor, min_pixels=low, max_pixels=most)
    return h // patch, w // patch


def pixel_limit(frames: ArrayLike, settings: QwenSettings) -> Integers:
    """Most pixels of a frame, in Qwen3-VL of a video, with the cap where it is on. Shape as `frames`."""
    count = np.asarray(frames, dtype=np.int64)
    low, high = settings.pixels
    if not settings.cap_pixels_per_frame:
        return np.full(count.shape, high, dtype=np.int64)
    tokens = settings.own.max_video_tokens if settings.max_video_tokens is None else settings.max_video_tokens
    least = int(low * 1.05)
    if settings.own.whole_video:
        return np.maximum(np.minimum(tokens * settings.factor**2, high // count), least) * count
    total = int(tokens * settings.factor * settings.factor * 0.9)
    return np.maximum(np.minimum(high, total * TEMPORAL // count), least)


def image_grid(height: int, width: int, *, min_pixels: int = 3136, max_pixels: int = 12_845_056) -> tuple[int, int]:
    """(height_patches, width_patches) of a still image in Qwen2-VL and Qwen2.5-VL; a quarter of them are tokens.

    The limits are those of the released checkpoints; the class of transformers 5.23.0 has 3,136 to 1,003,520.

    Example:
        >>> image_grid(1080, 1920)
        (78, 138)
    """
    h, w = smart_resize(height, width, factor=28, min_pixels=min_pixels, max_pixels=max_pixels)
    return int(h) // 14, int(w) // 14


# --- frames -----------------------------------------------------------------------------------------------


def sampled_frames(video: Video, settings: QwenSettings) -> int:
    """Frames that the processor takes: a multiple of 2 before Qwen3-VL.

    Raises:
        InputError: the video is too short for a pair of frames, or for the number asked for.
    """
    s, total = settings, video.total_frames
    if s.frames is not None:
        count = s.frames if s.own.whole_video else round(s.frames / TEMPORAL) * TEMPORAL
        if count > total:
            raise InputError(f"{count} frames are asked for, but the video has {total}; ask for 2 to {total} frames")
    elif s.own.whole_video:
        count = min(max(int(total / video.fps * s.rate), s.min_frames), s.max_frames, total)
    else:
        most = s.max_frames // TEMPORAL * TEMPORAL
        count = min(max(total / video.fps * s.rate, s.min_frames), min(most, total // TEMPORAL * TEMPORAL))
        count = math.floor(count / TEMPORAL) * TEMPORAL
    if count < TEMPORAL:
        raise InputError(f"{count} frames; Qwen-VL merges frames by pairs and needs at least {TEMPORAL} (the video has "
                         f"{total})")
    return int(count)


def qwen_tokens(video: Video, settings: QwenSettings) -> VisualTokens:
    """Frames and tokens of a video in a Qwen-VL model.

    Frames are merged by pairs; an odd last one is repeated. In Qwen3-VL each pair gets a start and an end mark, and a
    timestamp as text, which is not counted.

    Raises:
        InputError: the video is too short, or its aspect ratio above 200.
    """
    s, count = settings, sampled_frames(video, settings)
    rows, columns = (int(n) for n in patch_grid(count, video.height, video.width, s))
    groups, each = -(-count // TEMPORAL), rows * columns // MERGE**2
    found = VisualTokens(
        family=s.family, source_frames=video.total_frames, frames=count, frame_rule=s.rule,
        frame_indices=frame_indices(s.rule, video.total_frames, count), resized_height=rows * s.own.patch,
        resized_width=columns * s.own.patch, height_patches=rows, width_patches=columns, temporal_groups=groups,
        tokens_per_group=each, special_tokens=2 * groups if s.own.whole_video else 0,
    )
    return replace(found, notes=tuple(_notes(video, s, found)))


# --- what may surprise ------------------------------------------------------------------------------------


def _notes(video: Video, s: QwenSettings, found: VisualTokens) -> list[str]:
    """What may surprise in a count."""
    n, each = found.frames, found.tokens_per_group
    notes = [f"two frames in a row share their tokens: {n:,} frames x {each:,} tokens are {found.visual_tokens:,} "
             f"tokens, not {n * each:,}"]
    notes += _frame_notes(video, s, n)
    notes += _size_notes(video, s, found)
    other = replace(s, cap_pixels_per_frame=not s.cap_pixels_per_frame)
    rows, columns = (int(k) for k in patch_grid(n, video.height, video.width, other))
    tokens = found.temporal_groups * rows * columns // MERGE**2
    if tokens != found.visual_tokens:
        notes.append(f"transformers 5.23.0, which leaves cap_pixels_per_frame unset, gives {tokens:,} visual tokens"
                     if s.cap_pixels_per_frame else
                     f"with cap_pixels_per_frame, as in Qwen's own loader, it is {tokens:,} visual tokens")
    if not s.own.whole_video and s.min_pixels is None and s.max_pixels is None:
        notes.append("pixel limits are the processor's own; a checkpoint may bring others, which then hold (released "
                     "Qwen2-VL and Qwen2.5-VL: min_pixels 3136, max_pixels 12845056)")
    if s.own.whole_video:
        notes.append("special tokens are a start and an end mark for each pair of frames; the timestamp before each is "
                     "text and not counted")
    return notes


def _frame_notes(video: Video, s: QwenSettings, count: int) -> list[str]:
    notes, total = [], video.total_frames
    wanted = total / video.fps * s.rate
    if s.frames is None and wanted >= count + TEMPORAL:
        why = f"max_frames is {s.max_frames:,}" if count >= s.max_frames - 1 else f"the video has {total:,}"
        notes.append(f"frames are dropped: {s.rate:g} a second would be {wanted:,.0f}, but {why}; {count:,} frames are "
                     f"one every {video.duration_s / count:.3g} s")
    if s.frames is None and wanted < s.min_frames <= count:
        notes.append(f"min_frames is {s.min_frames}: {s.rate:g} a second would be {wanted:.3g}")
    if s.frames is not None and count != s.frames:
        notes.append(f"{s.frames} frames are rounded to {count}, a multiple of {TEMPORAL}")
    if count % TEMPORAL:
        notes.append(f"{count} frames are odd: the last one is repeated to make up a pair")
    if s.rule == "segment-starts" and math.ceil(total / (total / count)) > count:
        notes.append(f"transformers 5.23.0 steps through the frames in floating point and here asks for one frame too "
                     f"many, number {total} of a video that ends at {total - 1}: where the frames are decoded already "
                     "it fails, so ask for another number of frames")
    return notes


def _size_notes(video: Video, s: QwenSettings, found: VisualTokens) -> list[str]:
    """Whether and why the frames were made smaller or larger."""
    before, after = video.height * video.width, found.resized_height * found.resized_width
    sizes = f"from {video.width} x {video.height} to {found.resized_width} x {found.resized_height}"
    most, (low, high), n = int(pixel_limit(found.frames, s)), s.pixels, found.frames
    span = "the whole video" if s.own.whole_video else "a frame"
    if before > after and before * (n if s.own.whole_video else 1) > most:
        if most == high:
            why = f"max_pixels, {high:,} for {span}"
        elif s.own.whole_video:
            why = f"the cap, {most // n:,} pixels a frame"
        else:
            why = f"the cap on the whole video, which leaves each of {n} frames {most:,} pixels"
        return [f"frames are shrunk {sizes} by {why}"]
    if after > before and before * (n if s.own.whole_video else 1) < low:
        return [f"frames are enlarged {sizes} by min_pixels, {low:,} for {span}"]
    return []
