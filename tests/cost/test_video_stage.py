"""Decoding on the CPU against the raw figures, and the pipeline."""

import csv
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import least_squares

from vidscale.cost.tokens.video import Video
from vidscale.cost.video_stage import (
    PRIOR,
    Decoding,
    decode_seconds,
    decoded_frames,
    pipeline,
    workers_needed,
)
from vidscale.errors import InputError

RAW = list(csv.DictReader(files("vidscale.cost").joinpath("data/video_decode.csv").read_text("utf-8").splitlines()))


def clip(row: dict[str, str]) -> Video:
    return Video(duration_s=60, fps=30, width=int(row["width"]), height=int(row["height"]))


def test_the_raw_figures_are_all_there() -> None:
    assert len(RAW) == 24
    assert {(row["height"], row["gop"]) for row in RAW} == {(h, g) for h in ("480", "1080") for g in ("30", "250")}


@pytest.mark.parametrize("row", RAW, ids=lambda r: f"{r['height']}p-gop{r['gop']}-{r['frames']}-seek{r['seek']}")
def test_frames_decoded_are_those_a_decoder_went_through(row: dict[str, str]) -> None:
    found = decoded_frames(1800, int(row["frames"]), int(row["gop"]), seek=row["seek"] == "1")
    assert found == (int(row["decoded"]), int(row["seeks"]))


def test_the_priors_predict_the_raw_figures() -> None:
    errors = []
    for row in RAW:
        kept, resized = int(row["frames"]), float(row["resize_s_per_frame"])
        found = decode_seconds(clip(row), kept, gop=int(row["gop"]), seek=row["seek"] == "1")
        errors.append(abs(found / (float(row["decode_s"]) + kept * resized) - 1))
    assert np.median(errors) < 0.05
    assert np.max(errors) < 0.15


def test_the_priors_are_the_fit_of_the_raw_figures() -> None:
    columns = {name: np.array([float(row[name]) for row in RAW]) for name in RAW[0]}
    pixels = columns["width"] * columns["height"]
    seeks = columns["seeks"]

    def residual(log: np.ndarray) -> np.ndarray:
        file, frame, pixel, run_up = np.exp(log)
        return (file + (columns["decoded"] + run_up * seeks) * (frame + pixel * pixels)) / columns["decode_s"] - 1

    found = np.exp(least_squares(residual, np.log([1e-3, 2e-4, 2e-9, 4])).x)
    np.testing.assert_allclose(found, [PRIOR.file, PRIOR.frame, PRIOR.pixel, PRIOR.run_up], rtol=0.02)
    slope, base = np.polyfit(pixels, columns["resize_s_per_frame"], 1)
    np.testing.assert_allclose([base, slope], [PRIOR.resize, PRIOR.resize_pixel], rtol=0.02)


@given(st.integers(1, 20_000), st.integers(1, 500), st.integers(1, 1000))
def test_seeking_never_decodes_more_and_every_wanted_frame_is_decoded(total: int, frames: int, gop: int) -> None:
    decoded, seeks = decoded_frames(total, frames, gop)
    through, none = decoded_frames(total, frames, gop, seek=False)
    count = min(frames, total)
    assert count <= decoded <= through <= total
    assert none == 0 < seeks <= count


@given(st.integers(1, 3000), st.integers(1, 100), st.integers(1, 300))
def test_counting_by_hand(total: int, frames: int, gop: int) -> None:
    """Frame by frame, as a loader does it."""
    at, decoded, seeks = -1, 0, 0
    count = min(frames, total)
    for k in range(count):
        want = int((k + 0.5) * total / count)
        key = want - want % gop
        if key > at:
            at, seeks = key - 1, seeks + 1
        decoded, at = decoded + want - at, want
    assert decoded_frames(total, frames, gop) == (decoded, seeks)


def test_more_frames_larger_ones_and_longer_groups_take_longer() -> None:
    small, large = (Video(duration_s=60, fps=30, width=w, height=h) for w, h in ((854, 480), (1920, 1080)))
    few = decode_seconds(small, np.array([4, 8, 32]), gop=30)
    assert (np.diff(few) > 0).all()
    assert (decode_seconds(large, np.array([4, 8, 32]), gop=30) > few).all()
    assert (decode_seconds(small, np.array([4, 8, 32]), gop=250) > few).all()
    assert decode_seconds(small, [[4], [32]]).shape == (2, 1)
    assert decode_seconds(small, 1800) == decode_seconds(small, 1e6)  # there are no more than all
    assert (decode_seconds(small, 32, decoding=Decoding(file=1, frame=0, pixel=0, run_up=0, resize=2, resize_pixel=0))
            == 1 + 32 * 2)


@given(st.floats(1e-3, 100), st.floats(1e-3, 100), st.integers(1, 256))
def test_the_slowest_stage_decides(cpu: float, gpu: float, workers: int) -> None:
    both = pipeline(cpu, gpu, workers=workers)
    assert both.videos_per_second == pytest.approx(min(workers / cpu, 1 / gpu))
    assert str(both.bottleneck) == ("cpu" if workers / cpu <= 1 / gpu else "gpu")
    assert max(both.busy["cpu"], both.busy["gpu"]) == pytest.approx(1)
    enough = float(workers_needed(cpu, gpu))
    assert pipeline(cpu, gpu, workers=enough).videos_per_second == pytest.approx(1 / gpu)
    if enough > 1:
        assert pipeline(cpu, gpu, workers=enough - 1).videos_per_second < (1 + 1e-9) / gpu


def test_a_group_longer_than_the_file_holds_all_of_it() -> None:
    assert decoded_frames(1800, 32, 10**30) == decoded_frames(1800, 32, 1800) == (1772, 1)


def test_a_cpu_at_100_percent_and_a_gpu_at_20() -> None:
    both = pipeline([2.0, 0.1], 0.1, workers=4)
    np.testing.assert_allclose(both.busy["gpu"], [0.2, 1.0])
    assert list(both.bottleneck) == ["cpu", "gpu"]


@pytest.mark.parametrize(("make", "said"), [
    (lambda: decoded_frames(0, 1, 1), "total_frames is 0"), (lambda: decoded_frames(10, 0, 1), "frames is 0"),
    (lambda: decoded_frames(10, 1, 0), "gop is 0"), (lambda: decoded_frames(10**12, 10**9), "at most 10000000"),
    (lambda: pipeline(1, 1, workers=0), "workers is 0"),
    (lambda: pipeline(1, 0), "not positive"),
    (lambda: decode_seconds(Video(duration_s=1, fps=30, width=10, height=10), [4, 0]), "frames is 0"),
    (lambda: Decoding(file=-1, frame=0, pixel=0, run_up=0, resize=0, resize_pixel=0), "file is -1"),
])
def test_what_cannot_be(make, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make()
