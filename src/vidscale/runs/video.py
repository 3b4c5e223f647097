"""Frames out of video files: which ones, exactly, and resized as the vision tower expects them.

The rule, recorded with every measurement as `FRAME_RULE`: of a clip with `total` frames in order of presentation,
numbered from 0, take number round(i (total - 1) / (n - 1)) for i = 0 … n-1, halves rounded up. The first and the last
frame are always among them; for n = 1 it is the first; a clip shorter than n gives some of its frames repeatedly.
The rule counts frames, not seconds, so it is the same for constant and variable frame rate.

The packets of a file carry the time at which each frame is shown, so the numbering is known before anything is
decoded. Decoding starts at the key frame before a wanted frame and jumps on where a later one is nearer to the next.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidscale.errors import InputError
from vidscale.runs.failures import CorruptFileError, MissingFileError

if TYPE_CHECKING:
    import torch

Frames = NDArray[np.uint8]

FRAME_RULE = "linspace(0, total-1, n), halves rounded up"

#: Frames that a jump must leave out: it empties the decoder, which several threads keep full.
WORTH_A_JUMP = 8


def sample_indices(total: int, n: int) -> list[int]:
    """Numbers of the n frames taken from a clip of `total`; see the module's text for the rule.

    Raises:
        InputError: either is below 1.

    Example:
        >>> sample_indices(10, 4), sample_indices(2, 4)
        ([0, 3, 6, 9], [0, 0, 1, 1])
    """
    if total < 1 or n < 1:
        raise InputError(f"cannot take {n} frames from a clip of {total}; both must be at least 1")
    if n == 1:
        return [0]
    # Whole numbers throughout: the binary value of i (total-1) / (n-1) may lie on either side of a half.
    return [(2 * i * (total - 1) + (n - 1)) // (2 * (n - 1)) for i in range(n)]


def read_frames(path: Path, n: int) -> Frames:
    """n frames of a video file, sampled uniformly.

    Args:
        path: a file that FFmpeg can decode.
        n: frames to take.

    Returns:
        RGB, shape (n, height, width, 3).

    Raises:
        MissingFileError: there is no such file.
        CorruptFileError: it is no video, is cut short, or a wanted frame cannot be decoded.
    """
    import av
    import av.error

    if not path.is_file():
        raise MissingFileError(f"the video {path} is missing")
    try:
        with av.open(str(path)) as container:
            return _read(path, container, n)
    except (av.error.FFmpegError, EOFError, UnicodeDecodeError) as problem:
        raise CorruptFileError(f"the video {path} cannot be decoded: {getattr(problem, 'strerror', None) or problem}; "
                               "is it damaged or cut short?") from None


def _read(path: Path, container: Any, n: int) -> Frames:
    if not container.streams.video:
        raise CorruptFileError(f"{path} holds no video")
    stream = container.streams.video[0]
    timeline = _timeline(container, stream)
    # MP4 says in its header how many frames there must be; other containers may not know, or guess.
    mp4 = "mp4" in container.format.name
    if mp4 and timeline.packets < stream.frames:
        raise CorruptFileError(f"the video {path} is cut short: {timeline.packets} of its {stream.frames} frames are "
                               "there")
    if not timeline.exact:
        return _read_all(path, container, stream, n)
    if not timeline.times:
        raise CorruptFileError(f"the video {path} holds no frames")
    indices = sample_indices(len(timeline.times), n)
    wanted = [timeline.times[i] for i in indices]
    found = dict(_decode(container, stream, sorted(set(wanted)), timeline))
    lost = [i for i, time in zip(indices, wanted, strict=True) if time not in found]
    if lost and not mp4:  # elsewhere packets and frames need not match one to one
        return _read_all(path, container, stream, n)
    if lost:
        raise CorruptFileError(f"frame {lost[0]} of the video {path} cannot be decoded; is the file damaged?")
    return np.stack([found[time] for time in wanted])


@dataclass(frozen=True, kw_only=True)
class _Timeline:
    """When frames are shown, in the stream's time unit.

    Attributes:
        times: of every frame, ascending.
        keys: of every key frame, ascending.
        packets: how many packets hold a frame, those that an edit list cuts away included.
        exact: every packet says when, and no two say the same.
    """

    times: list[int]
    keys: list[int]
    packets: int
    exact: bool


def _timeline(container: Any, stream: Any) -> _Timeline:
    held = [packet for packet in container.demux(stream) if packet.size]  # an empty one ends the stream
    shown = [packet for packet in held if not packet.is_discard]
    times = [packet.pts for packet in shown]
    if None in times:
        return _Timeline(times=[], keys=[], packets=len(held), exact=False)
    return _Timeline(times=sorted(times), keys=sorted(packet.pts for packet in shown if packet.is_keyframe),
                     packets=len(held), exact=len(set(times)) == len(times))


def _decode(container: Any, stream: Any, wanted: list[int], timeline: _Timeline) -> Iterator[tuple[int, Frames]]:
    """The frames shown at these times, ascending; one that does not come is left out.

    Frames that are not wanted and that no other refers to are not decoded at all: the decoder is told so packet by
    packet.
    """
    stream.thread_type = "AUTO"
    codec = stream.codec_context
    for start, group in _jumps(wanted, timeline):
        container.seek(start, stream=stream, backward=True)
        missing = set(group)
        for packet in container.demux(stream):
            codec.skip_frame = "DEFAULT" if packet.pts in missing else "NONREF"
            yield from _taken(packet.decode(), group)
            missing.discard(packet.pts)
            if not missing:  # what the last one refers to was decoded before it; only the decoder's delay is left
                yield from _taken(codec.decode(None), group)
                break


def _taken(frames: Iterable[Any], group: Collection[int]) -> Iterator[tuple[int, Frames]]:
    return ((f.pts, f.to_ndarray(format="rgb24")) for f in frames if f.pts in group and not f.is_corrupt)


def _jumps(wanted: list[int], timeline: _Timeline) -> Iterator[tuple[int, list[int]]]:
    """Where to start decoding, and which frames to take before jumping on.

    A jump to the key frame before the next wanted frame is made where it leaves out some frames.
    """
    group: list[int] = []
    start = timeline.times[0]
    for time in wanted:
        number = bisect_right(timeline.keys, time)
        key = timeline.keys[number - 1] if number else timeline.times[0]
        if group and bisect_left(timeline.times, key) - bisect_right(timeline.times, group[-1]) >= WORTH_A_JUMP:
            yield start, group
            group = []
        if not group:
            start = key
        group.append(time)
    yield start, group


def _read_all(path: Path, container: Any, stream: Any, n: int) -> Frames:
    """n frames of a stream that does not say when its frames are shown: decode once to count, once to take."""
    container.seek(0, backward=True)
    total = sum(1 for _ in container.decode(stream))
    if not total:
        raise CorruptFileError(f"the video {path} holds no frames")
    indices = sample_indices(total, n)
    container.seek(0, backward=True)
    found = {i: frame.to_ndarray(format="rgb24") for i, frame in enumerate(container.decode(stream)) if i in indices}
    return np.stack([found[i] for i in indices])


def resize_frames(frames: "torch.Tensor", size: int) -> "torch.Tensor":
    """Frames as a square of `size` pixels, as SigLIP's image processor makes them: bicubic, with antialiasing.

    Args:
        frames: RGB from 0 to 255, shape (n, height, width, 3), dtype uint8.
        size: side in pixels.

    Returns:
        Shape (n, 3, size, size), dtype uint8. Like Pillow, the 8-bit kernel rounds after either direction; a float one
        would round once, and differ by a level in every fifth value.
    """
    import torch

    return torch.nn.functional.interpolate(frames.permute(0, 3, 1, 2), size=(size, size), mode="bicubic",
                                           antialias=True)
