"""What decoding and resizing the frames of a video takes on one CPU core, with PyAV on clips made here.

Prints one CSV row per clip and sampling, the raw figures that `vidscale.cost.video_stage` takes its priors from.
Seconds are CPU seconds of one process with one decoding thread, the least of some repeats, so a busy machine shows
little in them.

    python benchmarks/video_decode.py FOLDER > src/vidscale/cost/data/video_decode.csv
"""

import csv
import sys
import time
from pathlib import Path

import av
import numpy as np

SECONDS, FPS, SIDE = 60, 30, 384
SIZES = {480: (854, 480, 1_500_000), 1080: (1920, 1080, 5_000_000)}
GOPS = (30, 250)
FRAMES = (4, 32, 128)
REPEATS = 5


def texture(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """A still picture with detail at every scale, twice as wide and high as a frame."""
    total = np.zeros((2 * height, 2 * width))
    for step in (256, 64, 16, 4):
        coarse = rng.standard_normal((2 * height // step + 2, 2 * width // step + 2))
        total += np.kron(coarse, np.ones((step, step)))[: 2 * height, : 2 * width] * step**0.5
    low, high = total.min(), total.max()
    return ((total - low) / (high - low) * 255).astype(np.uint8)


def make_clip(path: Path, width: int, height: int, bitrate: int, gop: int) -> None:
    """A camera that pans over a picture, a cut every ten seconds, a little noise; H.264, medium preset."""
    rng = np.random.default_rng(0)
    scenes = [[texture(width, height, rng) for _ in range(3)] for _ in range(6)]
    grain = rng.integers(-4, 5, (2 * height, 2 * width, 1)).astype(np.int16)
    with av.open(str(path), "w") as box:
        options = {"preset": "medium", "g": str(gop), "keyint_min": str(gop), "sc_threshold": "0"}
        stream = box.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = width, height, "yuv420p", bitrate
        for k in range(SECONDS * FPS):
            scene = scenes[k // (10 * FPS)]
            x, y = int((0.5 + 0.5 * np.sin(k / 97)) * width), int((0.5 + 0.5 * np.cos(k / 131)) * height)
            picture = np.stack([part[y:y + height, x:x + width] for part in scene], axis=-1).astype(np.int16)
            dx, dy = rng.integers(0, width), rng.integers(0, height)
            picture += grain[dy:dy + height, dx:dx + width]
            frame = av.VideoFrame.from_ndarray(picture.clip(0, 255).astype(np.uint8), format="rgb24")
            box.mux(stream.encode(frame))
        box.mux(stream.encode())


def wanted(count: int) -> list[int]:
    """Frame numbers in the middle of `count` equal parts."""
    return [int((k + 0.5) * SECONDS * FPS / count) for k in range(count)]


def sample(path: Path, count: int, seek: bool) -> tuple[int, int]:
    """Decode some frames of a clip, from the last key frame before each or from the start: (frames decoded, seeks)."""
    decoded = seeks = 0
    with av.open(str(path)) as box:
        stream = box.streams.video[0]
        stream.codec_context.thread_count = 1
        tick = 1 / (FPS * stream.time_base)
        position, frames = -1, None if seek else box.decode(stream)
        for number in wanted(count):
            key = max(k for k in _keys(path) if k <= number)
            if frames is None or (seek and key > position):
                box.seek(int(key * tick), stream=stream)
                frames, seeks = box.decode(stream), seeks + 1
            for frame in frames:
                decoded += 1
                position = round(frame.pts / tick)
                if position >= number:
                    break
    return decoded, seeks


def resize(path: Path) -> float:
    """CPU seconds to scale one decoded frame to the tower's square, bicubic, and to hand it over as an array."""
    with av.open(str(path)) as box:
        frame = next(box.decode(box.streams.video[0]))
    best = float("inf")
    for _ in range(5 * REPEATS):
        start = time.process_time()
        for _ in range(10):
            frame.reformat(SIDE, SIDE, "rgb24", interpolation="BICUBIC").to_ndarray()
        best = min(best, (time.process_time() - start) / 10)
    return best


_KEYS: dict[Path, list[int]] = {}


def _keys(path: Path) -> list[int]:
    if path not in _KEYS:
        with av.open(str(path)) as box:
            stream = box.streams.video[0]
            tick = 1 / (FPS * stream.time_base)
            _KEYS[path] = sorted(round(p.pts / tick) for p in box.demux(stream) if p.is_keyframe and p.pts is not None)
    return _KEYS[path]


def least(path: Path, count: int, seek: bool) -> tuple[float, int, int]:
    """Least CPU seconds of some repeats, and what was done."""
    best, done = float("inf"), (0, 0)
    for _ in range(REPEATS):
        start = time.process_time()
        done = sample(path, count, seek)
        best = min(best, time.process_time() - start)
    return best, *done


def main(folder: Path) -> None:
    """Make what clips are missing, and measure all."""
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(("width", "height", "gop", "bits_per_second", "frames", "seek", "decoded", "seeks", "decode_s",
                   "resize_s_per_frame"))
    for width, height, bitrate in SIZES.values():
        for gop in GOPS:
            path = folder / f"{height}p-gop{gop}.mp4"
            if not path.exists():
                make_clip(path, width, height, bitrate, gop)
            rate = path.stat().st_size * 8 // SECONDS
            scaled = resize(path)
            for count in FRAMES:
                for seek in (True, False):
                    _keys(path)
                    took, decoded, seeks = least(path, count, seek)
                    rows.writerow((width, height, gop, rate, count, int(seek), decoded, seeks, f"{took:.4f}",
                                   f"{scaled:.5f}"))
                    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
