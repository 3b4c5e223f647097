"""InternVL: tiles of 448 pixels, 32 × 32 patches, four of them shuffled into one token: 256 tokens a tile.

Rules of transformers 5.23.0 (`InternVLProcessor`, `InternVLVideoProcessor`, and for images the tiling that InternVL
shares with GOT-OCR2). A frame of a video is one tile; an image is cut into up to 12 tiles and a thumbnail. The
processors' own default is 384 pixels; the released checkpoints set 448.
"""

from dataclasses import dataclass

from vidscale.cost.tokens.sampling import check_rule, check_sampling, frame_indices, plain_count
from vidscale.cost.tokens.video import Video, VisualTokens
from vidscale.errors import InputError

#: Frames where neither a number nor a rate is given.
USUAL_FRAMES = 32

#: Start and end marks around a frame or an image.
MARKS = 2


@dataclass(frozen=True, kw_only=True)
class InternVLSettings:
    """How InternVL takes a video.

    Attributes:
        family: "internvl".
        frames: frames to take; 32, or all where there are fewer, if sample_fps is None as well.
        sample_fps: frames to take per second, instead of frames.
        frame_rule: see `vidscale.cost.tokens.sampling`.
        image, patch: side in pixels of a tile, and of a patch.
        merge: patches along each side that become one token.

    Raises:
        InputError: a setting cannot be used, or a tile does not divide into tokens.
    """

    family: str = "internvl"
    frames: int | None = None
    sample_fps: float | None = None
    frame_rule: str = "segment-middles"
    image: int = 448
    patch: int = 14
    merge: int = 2

    def __post_init__(self) -> None:
        check_rule(self.frame_rule)
        check_sampling(self.frames, self.sample_fps)
        if self.image < 1 or self.image % (self.patch * self.merge):
            raise InputError(f"image is {self.image!r}; a tile's side must be a multiple of patch x merge = "
                             f"{self.patch * self.merge} pixels")

    @property
    def grid(self) -> int:
        """Patches along a side of a tile."""
        return self.image // self.patch

    @property
    def tokens_per_tile(self) -> int:
        """Tokens of a tile, 256 by default."""
        return (self.grid // self.merge) ** 2


def internvl_tokens(video: Video, settings: InternVLSettings) -> VisualTokens:
    """Frames and tokens of a video in InternVL: one tile a frame.

    Raises:
        InputError: the video has fewer frames than are asked for, or is too short for the rate.
    """
    s = settings
    count = plain_count(video, s.frames, s.sample_fps, USUAL_FRAMES)
    if count == 0:
        raise InputError(f"no frame: {video.duration_s:g} s hold none at {s.sample_fps:g} frames per second, which "
                         "InternVL's processor refuses; raise sample_fps or give frames")
    return VisualTokens(
        family=s.family, source_frames=video.total_frames, frames=count, frame_rule=s.frame_rule,
        frame_indices=frame_indices(s.frame_rule, video.total_frames, count), resized_height=s.image,
        resized_width=s.image, height_patches=s.grid, width_patches=s.grid, temporal_groups=count,
        tokens_per_group=s.tokens_per_tile, special_tokens=MARKS * count, notes=_notes(video, s, count),
    )


def _notes(video: Video, s: InternVLSettings, count: int) -> tuple[str, ...]:
    notes = [f"a frame is one tile of {s.tokens_per_tile} tokens; only still images are cut into several",
             f"special tokens are a start and an end mark for each frame; the labels \"Frame1: \" to "
             f"\"Frame{count}: \" are text and not counted"]
    if video.width != video.height:
        notes.append(f"every frame is squeezed from {video.width} x {video.height} to {s.image} x {s.image}; a higher "
                     "resolution costs no more tokens")
    if s.frames is None and s.sample_fps is None:
        notes.append(f"{count} frames, because neither a number of frames nor a rate was given")
    return tuple(notes)


def tile_grid(height: int, width: int, *, min_tiles: int = 1, max_tiles: int = 12, image: int = 448) -> tuple[int, int]:
    """(columns, rows) of the tiles that an image is cut into.

    The grid whose aspect ratio is nearest to the image's. Of grids that are equally near, a larger one replaces a
    smaller as long as the image has more than half as many pixels as the tiles.

    Raises:
        InputError: a size or a number of tiles is not positive.

    Example:
        >>> tile_grid(1080, 1920)
        (4, 2)
    """
    if min(height, width, min_tiles, image) < 1 or max_tiles < min_tiles:
        raise InputError(f"an image of {width} x {height}, {min_tiles} to {max_tiles} tiles of {image} pixels: all "
                         "must be positive and the least no more than the most")
    grids = sorted(((c, r) for c in range(1, max_tiles + 1) for r in range(1, max_tiles + 1)
                    if min_tiles <= c * r <= max_tiles), key=lambda grid: grid[0] * grid[1])
    best, nearest = (1, 1), float("inf")
    for columns, rows in grids:
        distance = abs(width / height - columns / rows)
        roomy = width * height > 0.5 * image * image * columns * rows
        if distance < nearest or (distance == nearest and roomy):
            best, nearest = (columns, rows), distance
    return best


def image_tokens(height: int, width: int, *, min_tiles: int = 1, max_tiles: int = 12,
                 settings: InternVLSettings | None = None) -> int:
    """Tokens of a still image: its tiles, a thumbnail where there are several, and a start and an end mark.

    Example:
        >>> image_tokens(448, 448)
        258
    """
    s = settings or InternVLSettings()
    columns, rows = tile_grid(height, width, min_tiles=min_tiles, max_tiles=max_tiles, image=s.image)
    tiles = columns * rows
    return MARKS + s.tokens_per_tile * (tiles + 1 if tiles > 1 else 1)
