"""LLaVA-like models: every frame is brought to one square, encoded, and pooled to k × k tokens.

SigLIP 384/14 has 27 × 27 = 729 patches. The models of the paper pool them to any k². Stock LLaVA-OneVision
(transformers 5.23.0, `LlavaOnevisionModel.apply_pooling` and `LlavaOnevisionProcessor.replace_video_token`) always
pools to 14 × 14 = 196 and adds one newline embedding to a video.
"""

from dataclasses import dataclass

from vidscale.cost.tokens.sampling import check_rule, check_sampling, frame_indices, plain_count
from vidscale.cost.tokens.video import Video, VisualTokens, check_square
from vidscale.errors import InputError

#: Frames where neither a number nor a rate is given.
USUAL_FRAMES = 32


@dataclass(frozen=True, kw_only=True)
class LlavaSettings:
    """How a LLaVA-like model takes a video.

    Attributes:
        family: "llava", or "llava-onevision" for the stock model of transformers.
        frames: x_T, frames to take; 32, or all where there are fewer, if sample_fps is None as well.
        sample_fps: frames to take per second, instead of frames.
        tokens_per_frame: x_V = k², tokens that a frame is pooled to.
        frame_rule: see `vidscale.cost.tokens.sampling`.
        newline: one more token for each video.
        image, patch: side in pixels of the square that a frame is brought to, and of a patch.

    Raises:
        InputError: tokens_per_frame is no square or more than there are patches, or a setting cannot be used.
    """

    family: str = "llava"
    frames: int | None = None
    sample_fps: float | None = None
    tokens_per_frame: int = 196
    frame_rule: str = "linspace"
    newline: bool = False
    image: int = 384
    patch: int = 14

    def __post_init__(self) -> None:
        check_rule(self.frame_rule)
        check_sampling(self.frames, self.sample_fps)
        check_square(self.tokens_per_frame)
        if self.tokens_per_frame > self.grid**2:
            raise InputError(f"tokens_per_frame is {self.tokens_per_frame:g}, but the vision tower has only "
                             f"{self.grid} x {self.grid} = {self.grid**2} patches to pool; ask for at most "
                             f"{self.grid**2}")
        stock = (-(-self.grid // 2)) ** 2
        if self.family == "llava-onevision" and self.tokens_per_frame != stock:
            raise InputError(f"tokens_per_frame is {self.tokens_per_frame:g}, but stock LLaVA-OneVision always pools a "
                             f"frame to {stock}; use the model llava for other numbers")

    @property
    def grid(self) -> int:
        """Patches along a side."""
        return self.image // self.patch


def llava_tokens(video: Video, settings: LlavaSettings) -> VisualTokens:
    """Frames and tokens of a video in a LLaVA-like model.

    Raises:
        InputError: the video has fewer frames than are asked for.
    """
    s = settings
    # default_sample_indices_fn of transformers takes one frame of a video that is too short for the rate.
    count = max(plain_count(video, s.frames, s.sample_fps, USUAL_FRAMES), 1)
    return VisualTokens(
        family=s.family, source_frames=video.total_frames, frames=count, frame_rule=s.frame_rule,
        frame_indices=frame_indices(s.frame_rule, video.total_frames, count), resized_height=s.image,
        resized_width=s.image, height_patches=s.grid, width_patches=s.grid, temporal_groups=count,
        tokens_per_group=int(s.tokens_per_frame), special_tokens=int(s.newline), notes=_notes(video, s, count),
    )


def _notes(video: Video, s: LlavaSettings, count: int) -> tuple[str, ...]:
    patches = s.grid**2
    notes = [f"the vision tower works on all {patches} patches of a frame whatever tokens_per_frame is: fewer tokens "
             "make the language model cheaper, not the tower"]
    if video.width != video.height:
        notes.append(f"every frame is squeezed from {video.width} x {video.height} to {s.image} x {s.image}; a higher "
                     "resolution costs no more tokens")
    if s.frames is None and s.sample_fps is None:
        notes.append(f"{count} frames, because neither a number of frames nor a rate was given")
    if s.newline:
        notes.append("one newline embedding is added to the video")
    return tuple(notes)
