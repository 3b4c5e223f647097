"""Frames from files: exactly those that the rule names, resized as SigLIP's own processor does it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vidscale.errors import InputError
from vidscale.runs import CorruptFileError, MissingFileError
from vidscale.runs.tiny import write_clip
from vidscale.runs.video import read_frames, resize_frames, sample_indices

TOTAL = 90


def numbered(total, side=32):
    """Frames that carry their number as eight black or white cells in two rows."""
    frames = np.zeros((total, side, side, 3), dtype=np.uint8)
    cell = side // 4
    for number in range(total):
        for bit in range(8):
            row, column = divmod(bit, 4)
            frames[number, row * cell:(row + 1) * cell, column * cell:(column + 1) * cell] = 255 * ((number >> bit) & 1)
    return frames


def number_of(frame):
    cell = frame.shape[1] // 4
    return sum(int(frame[(bit // 4) * cell + cell // 2, (bit % 4) * cell + cell // 2, 0] > 128) << bit
               for bit in range(8))


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """The numbered clip at constant and variable rate, with few and many key frames."""
    folder = tmp_path_factory.mktemp("clips")
    times = np.cumsum(np.random.default_rng(0).integers(5, 300, TOTAL)).tolist()
    for rate, stamps in (("constant", None), ("variable", times)):
        for keys in (1, 12, 250):
            write_clip(folder / f"{rate}-{keys}.mp4", numbered(TOTAL), fps=30, times_ms=stamps, key_every=keys)
    return folder


@given(total=st.integers(1, 5000), n=st.integers(1, 300))
def test_the_rule(total, n):
    indices = sample_indices(total, n)
    assert len(indices) == n
    assert indices[0] == 0
    assert n == 1 or indices[-1] == total - 1
    assert indices == sorted(indices)
    assert np.abs(np.array(indices) - np.linspace(0, total - 1, n)).max() <= 0.5 + 1e-9
    if n <= total:
        assert len(set(indices)) == n


def test_halves_are_rounded_up():
    assert sample_indices(4, 3) == [0, 2, 3]
    assert sample_indices(10, 1) == [0]
    with pytest.raises(InputError, match="cannot take 4 frames from a clip of 0"):
        sample_indices(0, 4)


@pytest.mark.parametrize("rate", ["constant", "variable"])
@pytest.mark.parametrize("keys", [1, 12, 250])
@pytest.mark.parametrize("n", [1, 2, 8, 32, 90, 200])
def test_frames_are_exactly_those_of_the_rule(clips, rate, keys, n):
    found = [number_of(frame) for frame in read_frames(clips / f"{rate}-{keys}.mp4", n)]
    assert found == sample_indices(TOTAL, n)


@pytest.mark.parametrize("total", [1, 2, 3])
def test_very_short_clips(tmp_path, total):
    write_clip(tmp_path / "short.mp4", numbered(total), fps=30)
    assert [number_of(f) for f in read_frames(tmp_path / "short.mp4", 5)] == sample_indices(total, 5)


@pytest.mark.parametrize("container", ["mkv", "avi", "ts"])
def test_other_containers(tmp_path, container):
    """Some of them do not say when a frame is shown."""
    import av

    place = tmp_path / f"clip.{container}"
    with av.open(str(place), "w") as box:
        stream = box.add_stream("mpeg4", rate=25, options={"g": "12", "qscale": "2"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for pixels in numbered(40, 64):
            box.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        box.mux(stream.encode())
    assert [number_of(f) for f in read_frames(place, 7)] == sample_indices(40, 7)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"nowhere\.mp4 is missing"):
        read_frames(tmp_path / "nowhere.mp4", 4)


@pytest.mark.parametrize("part", [0.0, 0.02, 0.5, 0.99])
@pytest.mark.parametrize("header_first", [False, True])
def test_a_file_cut_short_is_named(tmp_path, part, header_first):
    import av

    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    noise = np.random.default_rng(0).integers(0, 255, (40, 64, 64, 3)).astype(np.uint8)
    with av.open(str(whole), "w", options={"movflags": "faststart"} if header_first else {}) as box:
        stream = box.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for pixels in noise:
            box.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        box.mux(stream.encode())
    data = whole.read_bytes()
    cut.write_bytes(data[:int(part * len(data))])
    with pytest.raises(CorruptFileError, match=r"cut\.mp4") as caught:
        read_frames(cut, 8)
    assert "\n" not in str(caught.value)


def test_no_video_at_all(tmp_path):
    (tmp_path / "text.mp4").write_text("this is no video" * 100)
    with pytest.raises(CorruptFileError, match=r"text\.mp4 cannot be decoded"):
        read_frames(tmp_path / "text.mp4", 4)


@pytest.mark.parametrize("shape", [(480, 854), (120, 90), (384, 384)])
def test_resizing_is_siglips(shape):
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    smooth = torch.nn.functional.avg_pool2d(torch.rand(1, 3, *shape, generator=torch.manual_seed(0)), 5, 1, 2)
    picture = (smooth[0].permute(1, 2, 0) * 255).to(torch.uint8)
    theirs = SiglipImageProcessorPil(size={"height": 384, "width": 384})(
        images=picture.numpy(), return_tensors="pt", input_data_format="channels_last")["pixel_values"][0]
    ours = (resize_frames(picture[None], 384)[0].float() / 255 - 0.5) / 0.5
    different = (theirs - ours).abs()
    assert different.mean() < 2e-4
    assert (different > 0.002).float().mean() < 0.01  # elsewhere equal; where not, by one level of 256
    assert different.max() < 0.017
