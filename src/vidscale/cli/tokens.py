"""`vidscale tokens`: what a model makes of a video, in frames and visual tokens."""

import re
from typing import Annotated, Any

import typer

from vidscale.cli.options import Printing
from vidscale.cli.screen import Screen
from vidscale.errors import InputError


def tokens(
    model: Annotated[str, typer.Option(metavar="NAME", show_default=False,
                                       help="llava, llava-onevision, qwen2-vl, qwen2.5-vl, qwen3-vl or "
                                            "internvl.")] = "",
    duration: Annotated[float | None, typer.Option(metavar="SECONDS", show_default=False,
                                                   help="Length of the video.")] = None,
    fps: Annotated[float, typer.Option(help="Frames per second of the file.")] = 30.0,
    size: Annotated[str, typer.Option(metavar="WIDTHxHEIGHT", show_default=False, help="Size of a frame.")] = "",
    frames: Annotated[int | None, typer.Option(show_default=False, help="Frames to take.")] = None,
    sample_fps: Annotated[float | None, typer.Option(show_default=False,
                                                     help="Frames to take per second, instead of --frames.")] = None,
    tokens_per_frame: Annotated[int | None, typer.Option(
        show_default=False, help="Tokens a frame is pooled to, a square (llava).")] = None,
    min_frames: Annotated[int | None, typer.Option(show_default=False,
                                                   help="Least frames that a rate may give (qwen).")] = None,
    max_frames: Annotated[int | None, typer.Option(show_default=False,
                                                   help="Most frames that a rate may give (qwen).")] = None,
    min_pixels: Annotated[int | None, typer.Option(show_default=False,
                                                   help="Least pixels of a resized frame (qwen).")] = None,
    max_pixels: Annotated[int | None, typer.Option(show_default=False,
                                                   help="Most pixels of a resized frame (qwen).")] = None,
    cap_pixels_per_frame: Annotated[bool | None, typer.Option(
        "--cap-pixels-per-frame/--no-cap-pixels-per-frame", show_default=False,
        help="Limit the whole video as well, as Qwen's own loader does (qwen; on by default).")] = None,
    frame_rule: Annotated[str | None, typer.Option(
        metavar="RULE", show_default=False,
        help="Which frames: linspace, linspace-rounded, segment-starts or segment-middles.")] = None,
    *, printing: Printing,
) -> None:
    """Frames and visual tokens that a model makes of a video.

    By the rules of the processors in transformers 5.23.0.

    \b
    Examples:
      vidscale tokens --model qwen2.5-vl --duration 384 --fps 30 --size 1920x1080
      vidscale tokens --model llava --duration 60 --size 1280x720 --frames 32 --tokens-per-frame 196
    """
    from vidscale.cost.tokens import settings_for, video_tokens

    asked = {"frames": frames, "sample_fps": sample_fps, "tokens_per_frame": tokens_per_frame,
             "min_frames": min_frames, "max_frames": max_frames, "min_pixels": min_pixels, "max_pixels": max_pixels,
             "cap_pixels_per_frame": cap_pixels_per_frame, "frame_rule": frame_rule}
    settings = settings_for(_named(model), **{name: value for name, value in asked.items() if value is not None})
    video = video_of(duration, fps, size)
    found = video_tokens(video, settings)
    screen = Screen(printing)
    if printing.as_json:
        screen.json(token_dict(video, settings, found))
        return
    from vidscale.report.token_listing import token_table

    screen.tables(token_table(video, found))


def _named(model: str) -> str:
    from vidscale.cost.tokens import FAMILIES

    if not model:
        raise InputError(f"no model; give --model with one of {', '.join(FAMILIES)}")
    return model


def video_of(duration: float | None, fps: float, size: str) -> Any:
    """The video that --duration, --fps and --size describe; raises InputError where they describe none."""
    from vidscale.cost.tokens import Video

    if duration is None:
        raise InputError("no duration; give the length of the video in seconds, such as --duration 60")
    if not duration > 0:
        raise InputError(f"--duration {duration:g}: the length of the video must be above 0 seconds")
    if not fps > 0:
        raise InputError(f"--fps {fps:g}: the file's frames per second must be above 0")
    sides = re.fullmatch(r"\s*(\d{1,6})\s*[xX×]\s*(\d{1,6})\s*", size)
    if not sides:
        raise InputError(f"--size {size!r}: write width and height in pixels, such as 1920x1080" if size else
                         "no size; give width and height of a frame in pixels, such as --size 1920x1080")
    return Video(duration_s=duration, fps=fps, width=int(sides[1]), height=int(sides[2]))


def token_dict(video: Any, settings: Any, found: Any) -> dict[str, Any]:
    """Everything that is known about a count, for JSON."""
    from vidscale.report.plain import jsonable

    return {"video": jsonable(video), "settings": jsonable(settings), **jsonable(found),
            "tokens_per_frame": found.tokens_per_frame, "visual_tokens": found.visual_tokens,
            "total_tokens": found.total_tokens, "encoder_patches": found.encoder_patches}
