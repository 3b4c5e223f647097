"""32 uniform frames of a 60 s 480p clip: our reading with PyAV against decord and opencv.

Run it where the libraries are, which need not be the package's own environment (they are not dependencies):

    python -m venv /tmp/video && /tmp/video/bin/pip install numpy av decord opencv-python-headless
    PYTHONPATH=src /tmp/video/bin/python benchmarks/video_libraries.py FOLDER

On two cores of a busy x86 machine, av 18.1.0, decord 0.6.0, opencv 5.0.0, seconds wall / CPU:

    key frames every    vidscale      decord        opencv        opencv, seeking
     30                 0.65 / 0.63   1.07 / 1.08   2.22 / 2.12   1.55 / 1.50
    250                 1.63 / 1.58   2.04 / 2.36   2.30 / 2.27   5.29 / 5.16

Prints seconds, the least of some repeats: wall, and CPU over all threads, which a busy machine shows little in. What
is read is the same frames, to within the colour conversion's rounding; the largest mean difference is printed.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from video_decode import SIZES, make_clip

from vidscale.runs.video import read_frames, sample_indices

FRAMES, REPEATS = 32, 5


def with_vidscale(path: Path) -> np.ndarray:
    """Ours."""
    return read_frames(path, FRAMES)


def with_decord(path: Path) -> np.ndarray:
    """decord, with its own sparse access."""
    import decord

    reader = decord.VideoReader(str(path))
    return reader.get_batch(sample_indices(len(reader), FRAMES)).asnumpy()


def with_opencv(path: Path) -> np.ndarray:
    """opencv, frames taken out while it decodes all; its own seeking is slower still."""
    import cv2

    capture = cv2.VideoCapture(str(path))
    wanted = sample_indices(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), FRAMES)
    found = []
    for number in range(wanted[-1] + 1):
        capture.grab()
        if number == wanted[len(found)]:
            found.append(cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB))
    return np.stack(found)


def with_opencv_seeking(path: Path) -> np.ndarray:
    """opencv, told the number of every frame."""
    import cv2

    capture = cv2.VideoCapture(str(path))
    found = []
    for number in sample_indices(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), FRAMES):
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        found.append(cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB))
    return np.stack(found)


READERS: dict[str, Callable[[Path], np.ndarray]] = {
    "vidscale (PyAV)": with_vidscale, "decord": with_decord, "opencv": with_opencv,
    "opencv, seeking": with_opencv_seeking,
}


def measure(read: Callable[[Path], np.ndarray], path: Path) -> tuple[float, float, np.ndarray]:
    """Least wall seconds, least CPU seconds, and what was read."""
    walls, cpus, frames = [], [], np.empty(0)
    for _ in range(REPEATS):
        wall, cpu = time.perf_counter(), time.process_time()
        frames = read(path)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return min(walls), min(cpus), frames


def main(folder: Path) -> None:
    """Make what clips are missing, and compare."""
    folder.mkdir(exist_ok=True)
    width, height, bitrate = SIZES[480]
    for keys in (30, 250):
        path = folder / f"{height}p-gop{keys}.mp4"
        if not path.exists():
            make_clip(path, width, height, bitrate, keys)
        ours = None
        for name, read in READERS.items():
            try:
                wall, cpu, frames = measure(read, path)
            except ImportError:
                print(f"key frames every {keys:3d}  {name:16s} not installed")
                continue
            ours = frames if ours is None else ours
            off = max(float(np.abs(a.astype(int) - b).mean()) for a, b in zip(ours, frames, strict=True))
            print(f"key frames every {keys:3d}  {name:16s} {wall:6.2f} s wall  {cpu:6.2f} s CPU  differs by {off:.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
