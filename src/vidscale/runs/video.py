"""Frames out of video files: which ones, exactly, and resized as the vision tower expects them.

The rule, recorded with every measurement as `FRAME_RULE`: of a clip with `total` frames in order of presentation,
numbered from 0, take number round(i (total - 1) / (n - 1)) for i = 0 … n-1, halves rounded up. The first and the last
frame are always among them; for n = 1 it is the first; a clip shorter than n gives some of its frames repeatedly.
The rule counts frames, not seconds, so it is the same for constant and variable frame rate.

The packets of a file carry the time at which each frame is shown, so the numbering is known before anything is
decoded. Decoding starts at the key frame before a wanted frame and jumps on where a later one is nearer to the next.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
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

#: What to do about damage that may be lived with.
CONCEAL = ' Mend it, leave it out, or have damage painted over: damaged = "conceal" in [data] of the recipe'

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


def read_frames(path: Path, n: int, *, conceal: bool = False) -> Frames:
    """n frames of a video file, sampled uniformly.

    The first video stream is read where a file has several. Frames are turned and mirrored as the file asks players to
    show them (its display matrix), by quarter turns only; other angles are left out. An edit list is followed: the
    frames that it cuts away are not counted.

    Damage is noticed where it breaks the codec's rules in something that a wanted frame is decoded from; a stream that
    breaks them without harm is refused too. Not noticed are changed bytes that still are valid code (few streams carry
    checksums), which is some of the damage in H.264 and nearly all in HEVC and VP9; damage elsewhere in the file; and
    a file cut short that does not say how many frames it should have: MKV, WebM, AVI and MPEG streams then are shorter
    clips, and so is fragmented MP4 cut between two fragments.

    Args:
        path: a file that FFmpeg can decode.
        n: frames to take.
        conceal: let the decoder paint over damage, as players do: frames keep their numbers, pictures may be wrong, and
            one that does not come out at all is the nearest that does.

    Returns:
        RGB, shape (n, height, width, 3).

    Raises:
        MissingFileError: there is no such file.
        CorruptFileError: it is no video, is cut short, a wanted frame cannot be decoded, or its frames differ in size.
    """
    import av.error

    if not path.is_file():
        raise MissingFileError(f"the video {path} is missing")
    try:
        frames = _read(path, n, conceal)
    except (av.error.FFmpegError, EOFError, UnicodeDecodeError) as problem:
        raise CorruptFileError(f"the video {path} cannot be decoded: {getattr(problem, 'strerror', None) or problem}; "
                               f"is it damaged or cut short?{'' if conceal else CONCEAL}") from None
    sizes = sorted({(frame.shape[1], frame.shape[0]) for frame in frames})
    if len(sizes) > 1:
        said = " and ".join(f"{width} x {height}" for width, height in sizes)
        raise CorruptFileError(f"frames of the video {path} differ in size ({said}); encode it again at one size")
    return np.stack(frames)


def _read(path: Path, n: int, conceal: bool) -> list[Frames]:
    with _opened(path, conceal=conceal) as (container, stream):
        timeline = _timeline(container, stream)
        mp4, frames = "mp4" in container.format.name, stream.frames
        # MP4 says in its header how many frames there must be; other containers may not know, or guess.
        if mp4 and (timeline.packets < frames or timeline.partial):
            _refuse_cut(path, frames)
        if timeline.exact and not timeline.times:
            raise CorruptFileError(f"the video {path} holds no frames")
        if not timeline.exact:
            return _read_all(path, n, timeline, conceal)
        indices = sample_indices(len(timeline.times), n)
        wanted = [timeline.times[i] for i in indices]
        needed = sorted(set(wanted))
        jumps = list(_jumps(needed, timeline))
        found = _found(container, stream, jumps, conceal=conceal)
        open_h264 = timeline.open and stream.codec_context.name == "h264"
    if len(found) < len(needed) and open_h264:
        with _opened(path, threads=False, conceal=conceal) as (container, stream):
            found = _found(container, stream, jumps, forgiving=True, conceal=conceal)
    # What is called a key frame may give whole pictures only some frames later (intra refresh), and some containers
    # are sought inexactly: so once more from the start.
    if len(found) < len(needed):
        with _opened(path, conceal=conceal) as (container, stream):
            found = _found(container, stream, [(None, needed)], conceal=conceal)
    lost = [i for i, time in zip(indices, wanted, strict=True) if time not in found]
    if lost and not mp4:  # elsewhere packets and frames need not match one to one
        return _read_all(path, n, timeline, conceal)
    if lost and conceal and found:
        return [found[time if time in found else min(found, key=lambda at: abs(at - time))] for time in wanted]
    if lost:
        raise CorruptFileError(f"frame {lost[0]} of the video {path} cannot be decoded; is the file damaged?"
                               f"{'' if conceal else CONCEAL}")
    return [found[time] for time in wanted]


@contextmanager
def _opened(path: Path, *, threads: bool = True, edits: bool = True,
            conceal: bool = False) -> Iterator[tuple[Any, Any]]:
    """A file and its first video stream, with a decoder that nothing was sent to and that reports errors if it may not
    conceal them.

    By itself a decoder of FFmpeg paints over what it cannot decode, and says so nowhere that PyAV could see. With
    several threads an error comes some packets late, and nothing comes after it.
    """
    import av

    with av.open(str(path), options={} if edits else {"ignore_editlist": "1"}) as container:
        if not container.streams.video:
            raise CorruptFileError(f"{path} holds no video")
        stream = container.streams.video[0]
        if not conceal:
            stream.codec_context.options = {"err_detect": "crccheck+explode"}
        stream.thread_type = "AUTO" if threads else "NONE"
        yield container, stream


def _refuse_cut(path: Path, frames: int) -> None:
    """Raise where fewer packets are there than the header names; an edit list may leave some out, and is ignored."""
    with _opened(path, edits=False) as (container, stream):
        whole = sum(1 for packet in container.demux(stream) if packet.size and not packet.is_corrupt)
    if whole < frames:
        raise CorruptFileError(f"the video {path} is cut short: {whole} of its {frames} frames are there")


@dataclass(frozen=True, kw_only=True)
class _Timeline:
    """When frames are shown, in the stream's time unit.

    Attributes:
        times: of every frame, ascending.
        keys: of every key frame, ascending.
        packets: how many packets hold a frame, those included that are decoded and not shown.
        partial: a packet ends before its time.
        exact: every packet says when, and no two say the same.
        keyed: the first packet is a key frame.
        open: some key frame is stored before frames that are shown before it; they refer to frames before it.
    """

    times: list[int]
    keys: list[int]
    packets: int
    partial: bool
    exact: bool
    keyed: bool
    open: bool


def _timeline(container: Any, stream: Any) -> _Timeline:
    held = [packet for packet in container.demux(stream) if packet.size]  # an empty one ends the stream
    shown = [packet for packet in held if not packet.is_discard]
    times = [packet.pts for packet in shown]
    exact = None not in times and len(set(times)) == len(times)
    key, is_open = None, False
    for packet in shown if exact else ():
        key = packet.pts if packet.is_keyframe else key
        is_open = is_open or (key is not None and packet.pts < key)
    return _Timeline(times=sorted(times) if exact else [], packets=len(held), exact=exact, open=is_open,
                     keys=sorted(packet.pts for packet in shown if packet.is_keyframe) if exact else [],
                     partial=any(packet.is_corrupt for packet in held), keyed=bool(held) and held[0].is_keyframe)


def _found(container: Any, stream: Any, groups: Sequence[tuple[int | None, list[int]]],
           forgiving: bool = False, conceal: bool = False) -> dict[int, Frames]:
    """The frames shown at these times, as far as they come before an error that is not let pass."""
    import av.error

    found: dict[int, Frames] = {}
    try:
        for start, group in groups:
            found.update(_decode(container, stream, start, group, forgiving, conceal))
    except (av.error.FFmpegError, EOFError):
        return found
    return found


def _decode(container: Any, stream: Any, start: int | None, group: list[int],
            forgiving: bool, conceal: bool) -> Iterator[tuple[int, Frames]]:
    """The frames shown at these times, ascending, from the key frame at `start` or the first; what does not come is
    left out.

    Frames that are not wanted and that no other refers to are not decoded at all: the decoder is told so packet by
    packet.

    `forgiving` is for H.264 with open groups of pictures. The first frame stored after those that are shown before the
    key frame may ask to forget frames before it, which the decoder never had; it says so as an error, and goes on
    rightly. So errors until the first frame comes out are let pass, other than those of key frames.
    """
    import av.error

    codec = stream.codec_context
    if start is not None:
        container.seek(start, stream=stream, backward=True)
    missing = set(group)
    for packet in container.demux(stream):
        codec.skip_frame = "DEFAULT" if packet.pts in missing else "NONREF"
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            if not conceal and (not forgiving or packet.is_keyframe):
                raise
            frames = []
        forgiving = forgiving and not frames
        yield from _taken(frames, group, conceal)
        missing.discard(packet.pts)
        if not missing:  # what the last one refers to was decoded before it; only the decoder's delay is left
            yield from _taken(codec.decode(None), group, conceal)
            break


def _taken(frames: Iterable[Any], group: Collection[int], conceal: bool) -> Iterator[tuple[int, Frames]]:
    return ((f.pts, _picture(f)) for f in frames if f.pts in group and (conceal or not f.is_corrupt))


def _picture(frame: Any) -> Frames:
    """RGB, shape (height, width, 3), turned and mirrored as its display matrix says.

    The matrix (a b u, c d v, x y w) of the ISO base media file format, section 8.3.2, takes what is stored at (p, q) to
    (a p + c q + x, b p + d q + y). Quarter turns and mirrorings have a = d = 0 or b = c = 0.
    """
    pixels = frame.to_ndarray(format="rgb24")
    if "DISPLAYMATRIX" not in {part.type.name for part in frame.side_data}:
        return pixels
    a, b, _, c, d = np.frombuffer(bytes(frame.side_data["DISPLAYMATRIX"]), dtype=np.int32)[:5]
    if a == d == 0 and b and c:
        pixels, across, down = pixels.swapaxes(0, 1), c, b
    elif b == c == 0 and a and d:
        across, down = a, d
    else:
        return pixels
    return np.ascontiguousarray(pixels[::1 if down > 0 else -1, ::1 if across > 0 else -1])


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


def _read_all(path: Path, n: int, timeline: _Timeline, conceal: bool) -> list[Frames]:
    """n frames of a stream whose packets do not tell how many frames come: decode once to count, once to take."""
    with _opened(path, threads=timeline.keyed, conceal=conceal) as (container, stream):
        total = sum(1 for _ in _every(container, stream, timeline, conceal))
    if not total:
        raise CorruptFileError(f"the video {path} holds no frames")
    indices = sample_indices(total, n)
    with _opened(path, threads=timeline.keyed, conceal=conceal) as (container, stream):
        every = enumerate(_every(container, stream, timeline, conceal))
        found = {i: _picture(frame) for i, frame in every if i in indices}
    return [found[i] for i in indices]


def _every(container: Any, stream: Any, timeline: _Timeline, conceal: bool) -> Iterator[Any]:
    """Every frame. A recording that starts between key frames cannot be decoded up to the first of them, nor can what
    is shown just before that."""
    import av.error

    waiting = forgiving = not timeline.keyed
    for packet in container.demux(stream):
        waiting = waiting and not packet.is_keyframe
        if waiting:
            continue
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            if not conceal and (not forgiving or packet.is_keyframe):
                raise
            continue
        forgiving = forgiving and not frames
        yield from frames


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
