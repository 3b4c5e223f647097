"""Decoding and resizing a video on the CPU, a stage of its own before the GPU.

    CPU seconds = file
                  + (decoded + run_up · seeks) · (frame + pixel · width · height)
                  + frames · (resize + resize_pixel · width · height)

A codec can only start at a key frame. A loader that seeks decodes from the last key frame before each wanted frame up
to it; with few frames and short groups of pictures (GOP) that is a small part of the file, with 250 frames between key
frames soon all of it. A loader that does not seek decodes everything up to the last wanted frame. Which frames are
decoded is counted, not modelled.

The constants are a least-squares fit of relative error to data/video_decode.csv (median 4 % off, worst 12 %), which
benchmarks/video_decode.py made: CPU seconds, the least of five runs on a machine with other work, of PyAV 18.1.0 on one
core of an AMD EPYC (Zen 4, 2.6 GHz) with one decoding thread; H.264 (libx264, medium preset) clips of 60 s at 30 frames
a second, 854 × 480 at 1.5 Mbit/s and 1920 × 1080 at 5 Mbit/s, GOP 30 and 250; resized to 384 × 384 by bicubic
interpolation, as RGB arrays. The clips are synthetic: a pan over a detailed picture with a cut every ten seconds, and
grain. Other codecs differ (HEVC and AV1 take more), and so do other CPUs, higher bit rates and hardware decoders:
measure, and pass a `Decoding`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vidscale.cost.operations import Floats
from vidscale.cost.tokens.video import Video
from vidscale.errors import InputError

#: Frames between key frames where libx264 is left to itself.
USUAL_GOP = 250


#: Wanted frames are counted one by one; nobody takes more of one video than this.
MOST_FRAMES = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """What one CPU core takes, in seconds.

    Attributes:
        file: opening a file.
        frame, pixel: decoding a frame, and each of its pixels.
        run_up: frames' worth of decoding that a seek adds: a key frame is the dearest, and frames are reordered.
        resize, resize_pixel: scaling a frame to the tower's square, and each pixel of the source.
        source: where these figures are from.
    """

    file: float
    frame: float
    pixel: float
    run_up: float
    resize: float
    resize_pixel: float
    source: str = "the user's own"

    def __post_init__(self) -> None:
        for name in ("file", "frame", "pixel", "run_up", "resize", "resize_pixel"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise InputError(f"{name} is {value!r}; allowed are 0 and positive finite numbers")


#: See the head of this file.
PRIOR = Decoding(file=1.55e-2, frame=2.19e-4, pixel=2.35e-9, run_up=3.19, resize=9.57e-4, resize_pixel=6.91e-10,
                 source="measured with PyAV on one core of an AMD EPYC, synthetic H.264 clips; a prior elsewhere")


def decoded_frames(total_frames: int, frames: int, gop: int = USUAL_GOP, *, seek: bool = True) -> tuple[int, int]:
    """Frames that a decoder has to go through for `frames` of them at even spacing, and seeks.

    Args:
        total_frames: in the file.
        frames: wanted, each in the middle of one of as many equal parts; more than there are means all.
        gop: frames from one key frame to the next.
        seek: jump to the last key frame before a wanted frame where that saves decoding.

    Raises:
        InputError: a number below 1, or more frames than MOST_FRAMES.

    Example:
        >>> decoded_frames(1800, 32, 30), decoded_frames(1800, 32, 250), decoded_frames(1800, 32, seek=False)
        ((496, 32), (1554, 8), (1772, 0))
    """
    for name, value in (("total_frames", total_frames), ("frames", frames), ("gop", gop)):
        if not value >= 1:
            raise InputError(f"{name} is {value!r}; allowed are whole numbers from 1")
    count = min(int(frames), int(total_frames))
    if count > MOST_FRAMES:
        raise InputError(f"frames is {count}; allowed are at most {MOST_FRAMES} of one video")
    wanted = ((np.arange(count) + 0.5) * total_frames / count).astype(np.int64)
    if not seek:
        return int(wanted[-1]) + 1, 0
    gop = min(gop, total_frames)  # a longer one holds the whole file too
    key = wanted // gop * gop
    before = np.concatenate([[-1], wanted[:-1]])  # where the decoder stands
    jumps = key > before
    return int(np.where(jumps, wanted - key + 1, wanted - before).sum()), int(jumps.sum())


def decode_seconds(video: Video, frames: ArrayLike, *, gop: int = USUAL_GOP, seek: bool = True,
                   decoding: Decoding = PRIOR) -> Floats:
    """CPU seconds of one core that decoding and resizing a video takes, shape (rows,).

    Args:
        video: the file.
        frames: wanted frames, an array of shape (rows,).
        gop: frames from one key frame to the next.
        seek: see `decoded_frames`.
        decoding: what the core takes.

    Raises:
        InputError: a number below 1.
    """
    wanted = np.asarray(frames, dtype=np.float64)
    levels, place = np.unique(wanted, return_inverse=True)
    pixels = video.width * video.height
    seconds = []
    for level in levels:
        if not 1 <= level < math.inf:
            raise InputError(f"frames is {level:g}; allowed are numbers from 1")
        kept = min(math.ceil(level), video.total_frames)
        decoded, seeks = decoded_frames(video.total_frames, kept, gop, seek=seek)
        work = decoded + decoding.run_up * seeks
        seconds.append(decoding.file + work * (decoding.frame + decoding.pixel * pixels)
                       + kept * (decoding.resize + decoding.resize_pixel * pixels))
    return np.array(seconds)[place.reshape(wanted.shape)]


@dataclass(frozen=True, kw_only=True, eq=False)
class Pipeline:
    """Stages that work at the same time, each on another video.

    Attributes:
        capacity: videos per second that each stage could do by itself, by name; arrays of shape (rows,).
    """

    capacity: Mapping[str, Floats]

    @property
    def videos_per_second(self) -> Floats:
        """Of the whole: the slowest stage decides, shape (rows,)."""
        return np.min(list(self.capacity.values()), axis=0)

    @property
    def bottleneck(self) -> np.ndarray:
        """Name of the slowest stage, shape (rows,)."""
        return np.array(list(self.capacity))[np.argmin(list(self.capacity.values()), axis=0)]

    @property
    def busy(self) -> Mapping[str, Floats]:
        """Share of the time that each stage works, 1 for the bottleneck."""
        return {name: self.videos_per_second / each for name, each in self.capacity.items()}


def pipeline(cpu_seconds: ArrayLike, gpu_seconds: ArrayLike, *, workers: float = 1.0, gpus: float = 1.0) -> Pipeline:
    """CPU workers that decode, and GPUs that do the rest.

    Args:
        cpu_seconds, gpu_seconds: of one video, shape (rows,).
        workers: CPU cores that decode.
        gpus: GPUs that they feed.

    Raises:
        InputError: a number is not positive.

    Example:
        >>> float(pipeline(2.0, 0.1, workers=8).busy["gpu"])
        0.4
    """
    for name, value in (("workers", workers), ("gpus", gpus)):
        if not 0 < value < math.inf:
            raise InputError(f"{name} is {value:g}; allowed is a positive finite number")
    times = np.broadcast_arrays(np.asarray(cpu_seconds, dtype=np.float64), np.asarray(gpu_seconds, dtype=np.float64))
    if not all((each > 0).all() for each in times):
        raise InputError("seconds per video of a stage are not positive; allowed are positive numbers")
    return Pipeline(capacity={"cpu": workers / times[0], "gpu": gpus / times[1]})


def workers_needed(cpu_seconds: ArrayLike, gpu_seconds: ArrayLike) -> Floats:
    """CPU cores that keep one GPU busy, shape (rows,)."""
    return np.ceil(np.asarray(cpu_seconds, dtype=np.float64) / np.asarray(gpu_seconds, dtype=np.float64))
