"""The table of what a model makes of a video."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vidscale.report.numbers import plain
from vidscale.report.tables import Column, Table

if TYPE_CHECKING:
    from vidscale.cost.tokens import Video, VisualTokens

#: Frame indices shown at either end of a long list.
SHOWN = 4


def token_table(video: "Video", found: "VisualTokens") -> Table:
    """Frames, sizes and tokens of one video, a quantity a row."""
    merged = found.temporal_groups != found.frames
    rows = [
        ("frames in the file", f"{found.source_frames:,}"),
        ("frames seen", f"{found.frames:,}"),
        ("which ones", f"{found.frame_rule}: {_indices(found.frame_indices)}"),
        ("resized to", f"{found.resized_width} x {found.resized_height} pixels"),
        ("patches of a frame", f"{found.height_patches} high x {found.width_patches} wide"),
        *([("pairs of frames", f"{found.temporal_groups:,}"),
           ("tokens of a pair", f"{found.tokens_per_group:,}")] if merged else []),
        ("tokens per frame", plain(found.tokens_per_frame, 6)),
        ("visual tokens", f"{found.visual_tokens:,}"),
        *([("special tokens", f"{found.special_tokens:,}")] if found.special_tokens else []),
        ("tokens in all", f"{found.total_tokens:,}"),
    ]
    title = (f"Visual tokens of {found.family}: {plain(video.duration_s, 6)} s of {video.width} x {video.height} at "
             f"{plain(video.fps, 5)} frames per second")
    return Table(title=title, columns=(Column(name="quantity", words=True), Column(name="value", words=True)),
                 rows=tuple(rows), notes=found.notes)


def _indices(indices: Sequence[int]) -> str:
    """A list of indices, its middle left out where it is long."""
    if len(indices) <= 2 * SHOWN:
        return ", ".join(map(str, indices))
    return ", ".join([*map(str, indices[:SHOWN]), "…", *map(str, indices[-SHOWN:])])
