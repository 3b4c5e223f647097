"""A video as its file holds it, and what a model makes of it."""

import math
from dataclasses import dataclass

from vidscale.errors import InputError

#: Frames of a file that are believed: four days at 30 per second.
MOST_FRAMES = 10**7


@dataclass(frozen=True, kw_only=True)
class Video:
    """A video file.

    Attributes:
        duration_s: length in seconds.
        fps: frames per second in the file.
        width, height: of a frame, in pixels.

    Raises:
        InputError: a number is not positive and finite, a side is no whole number, or there are too many frames.
    """

    duration_s: float
    fps: float
    width: int
    height: int

    def __post_init__(self) -> None:
        for name in ("duration_s", "fps", "width", "height"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise InputError(f"{name} is {value!r}; allowed is a positive finite number")
        if self.width != int(self.width) or self.height != int(self.height):
            raise InputError(f"a frame is {self.width} x {self.height}; both sides must be whole numbers of pixels")
        frames = self.duration_s * self.fps
        if frames > MOST_FRAMES:
            raise InputError(f"{self.duration_s:g} s at {self.fps:g} frames per second are {frames:g} frames; allowed "
                             f"are at most {MOST_FRAMES:,}; cut the video into parts")

    @property
    def total_frames(self) -> int:
        """Frames in the file, at least one."""
        return max(round(self.duration_s * self.fps), 1)


@dataclass(frozen=True, kw_only=True)
class VisualTokens:
    """What a model's processor makes of a video, and the tokens that the language model gets.

    Attributes:
        family: whose rules were followed.
        source_frames: frames in the file.
        frames: frames that the model sees.
        frame_rule: how they are chosen, see `vidscale.cost.tokens.sampling`.
        frame_indices: which they are, counted from 0, shape (frames,).
        resized_height, resized_width: size in pixels that every frame is brought to.
        height_patches, width_patches: the vision tower's grid on one frame.
        temporal_groups: groups of frames that the tower takes as one; as many as frames where it merges none.
        tokens_per_group: tokens that the language model gets for a group.
        special_tokens: tokens that the processor adds around them (a newline embedding, start and end marks).
        notes: what a reader may stumble over, one sentence each.
    """

    family: str
    source_frames: int
    frames: int
    frame_rule: str
    frame_indices: tuple[int, ...]
    resized_height: int
    resized_width: int
    height_patches: int
    width_patches: int
    temporal_groups: int
    tokens_per_group: int
    special_tokens: int = 0
    notes: tuple[str, ...] = ()

    @property
    def visual_tokens(self) -> int:
        """Tokens that carry pixels, without the special ones."""
        return self.temporal_groups * self.tokens_per_group

    @property
    def total_tokens(self) -> int:
        """Visual and special tokens: what the video takes of the context. Text is not in it."""
        return self.visual_tokens + self.special_tokens

    @property
    def tokens_per_frame(self) -> float:
        """x_V: visual tokens by frame; half of tokens_per_group where two frames are merged."""
        return self.visual_tokens / self.frames

    @property
    def encoder_patches(self) -> int:
        """Patches that the vision tower works on, all groups together, without class tokens."""
        return self.temporal_groups * self.height_patches * self.width_patches


def check_square(tokens_per_frame: float) -> int:
    """The side k of the grid that a frame is pooled to, where tokens_per_frame is k².

    Raises:
        InputError: it is no square; the message names the two nearest.

    Example:
        >>> check_square(196)
        14
    """
    if not 0 < tokens_per_frame < math.inf:
        raise InputError(f"tokens_per_frame is {tokens_per_frame!r}; allowed are squares such as 49, 100 or 196")
    side = math.isqrt(int(tokens_per_frame))
    if side * side != tokens_per_frame:
        low, high = max(side, 1) ** 2, (max(side, 1) + 1) ** 2
        raise InputError(f"tokens_per_frame is {tokens_per_frame:g}, but the model pools a frame to a square grid; the "
                         f"nearest squares are {low} and {high}")
    return side
