"""Frames from files: exactly those that the rule names, resized as SigLIP's own processor does it."""

import av
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
    place = encode(tmp_path / f"clip.{container}", numbered(40, 64), "mpeg4", {"g": "12", "qscale": "2"})
    assert [number_of(f) for f in read_frames(place, 7)] == sample_indices(40, 7)


def encode(place, frames, codec="libx264", options=None, turn=None, **box_options):
    """Any clip that `write_clip` does not make, at 25 frames a second."""
    with av.open(str(place), "w", options=box_options) as box:
        stream = box.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        if turn:
            stream.set_display_rotation(*turn)
        for pixels in frames:
            box.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        box.mux(stream.encode())
    return place


def decoded(place):
    """Every frame that plain decoding gives."""
    with av.open(str(place)) as box:
        return [frame.to_ndarray(format="rgb24") for frame in box.decode(video=0)]


B_FRAMES = {"bf": "2", "g": "25"}


@pytest.mark.parametrize(("name", "codec", "options"), [
    ("clip.ts", "libx264", B_FRAMES),
    ("clip.mpg", "mpeg2video", B_FRAMES),
    ("refresh.mp4", "libx264", {"x264-params": "intra-refresh=1:keyint=20"}),
    ("open.mp4", "libx264", {"x264-params": "open-gop=1:keyint=20:bframes=5:b-pyramid=normal:b-adapt=0"}),
    ("open.mkv", "libx264", {"x264-params": "open-gop=1:keyint=20:bframes=5:b-pyramid=normal:b-adapt=0"}),
    ("hevc.mp4", "libx265", {"x265-params": "open-gop=1:keyint=20:bframes=4:log-level=none:hash=1"}),
])
def test_frames_are_exact_where_a_jump_is_not(tmp_path, name, codec, options):
    """Jumps in such files land beside a key frame, or at one that is none on its own."""
    place = encode(tmp_path / name, numbered(120, 64), codec, options)
    every = decoded(place)
    assert [number_of(frame) for frame in every] == list(range(120))
    for n in (1, 2, 3, 7, 32):
        assert np.array_equal(read_frames(place, n), [every[i] for i in sample_indices(120, n)])


def test_a_recording_that_starts_between_key_frames(tmp_path):
    """What comes before its first key frame cannot be decoded, and is no part of the clip."""
    place, late = encode(tmp_path / "whole.ts", numbered(100, 64), options=B_FRAMES), tmp_path / "late.ts"
    with av.open(str(place)) as source, av.open(str(late), "w") as box:
        stream = box.add_stream_from_template(source.streams.video[0])
        for packet in list(source.demux(video=0))[40:]:
            if packet.size:
                packet.stream = stream
                box.mux(packet)
    every = decoded(late)
    assert 0 < len(every) < 60
    assert np.array_equal(read_frames(late, 7), [every[i] for i in sample_indices(len(every), 7)])


def cut(place, out, first, end):
    """Frames first to end by copying packets from the key frame before: an edit list hides what is before `first`."""
    with av.open(str(place)) as source, av.open(str(out), "w") as box:
        given = source.streams.video[0]
        stream = box.add_stream_from_template(given)
        ticks = int(1 / (25 * given.time_base))
        for packet in source.demux(given):
            if packet.size and first // 25 * 25 * ticks <= packet.pts < end * ticks:
                packet.pts -= first * ticks
                packet.dts -= first * ticks
                packet.stream = stream
                box.mux(packet)
    return out


@pytest.mark.parametrize(("first", "end"), [(40, 150), (0, 75), (49, 51), (30, 200)])
def test_an_edit_list_is_followed(tmp_path, first, end):
    out = cut(encode(tmp_path / "whole.mp4", numbered(200, 64), options=B_FRAMES), tmp_path / "part.mp4", first, end)
    shown = [number_of(frame) for frame in decoded(out)]
    assert shown[0] == first
    for n in (1, 2, 3, 9, 40):
        assert [number_of(f) for f in read_frames(out, n)] == [shown[i] for i in sample_indices(len(shown), n)]


@pytest.mark.parametrize("part", [0.6, 0.8])
def test_a_file_with_an_edit_list_cut_short_is_named(tmp_path, part):
    whole = encode(tmp_path / "whole.mp4", numbered(200, 64), options=B_FRAMES)
    out = cut(whole, tmp_path / "part.mp4", 40, 150)
    first = tmp_path / "first.mp4"
    with av.open(str(out), options={"ignore_editlist": "1"}) as source, \
            av.open(str(first), "w", options={"movflags": "faststart"}) as box:
        stream = box.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.pts -= 8000
                packet.dts -= 8000
                packet.stream = stream
                box.mux(packet)
    data = first.read_bytes()
    first.write_bytes(data[:int(part * len(data))])
    with pytest.raises(CorruptFileError, match=r"first\.mp4 is cut short: \d+ of its 125 frames"):
        read_frames(first, 8)


def test_damage_is_noticed_rather_than_painted_over(tmp_path):
    """One byte changed: most of what would come out wrong is refused, and what it does not touch still reads."""
    noise = np.random.default_rng(0).integers(0, 255, (16, 24, 3)).astype(np.uint8)
    wide = np.asarray(av.VideoFrame.from_ndarray(noise, format="rgb24").reformat(256, 192).to_ndarray())
    place = encode(tmp_path / "whole.mp4", [np.roll(wide, (i, 3 * i), (0, 1))[:96, :160] for i in range(100)],
                   options=B_FRAMES)
    data = place.read_bytes()
    start, end = data.find(b"mdat") + 900, data.find(b"moov") - 4
    right = read_frames(place, 9)
    seen, said = {"right": 0, "wrong": 0, "refused": 0}, []
    rng = np.random.default_rng(0)
    for at in rng.integers(start, end, 40):
        place.write_bytes(data[:at] + bytes([data[at] ^ int(rng.integers(1, 256))]) + data[at + 1:])
        try:
            seen["right" if np.array_equal(read_frames(place, 9), right) else "wrong"] += 1
        except CorruptFileError as problem:
            said.append(str(problem))
            painted = read_frames(place, 9, conceal=True)  # as a player would: the same frames, damage painted over
            assert np.median(np.abs(painted.astype(int) - right)) < 40
            seen["refused"] += 1
    assert seen["refused"] > 2 * seen["wrong"]
    assert all('damaged = "conceal"' in line for line in said)
    assert seen["right"] > 0


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
@pytest.mark.parametrize("mirrored", [False, True])
def test_frames_are_turned_as_players_do(tmp_path, degrees, mirrored):
    """The angle is counted against the clock; mirroring left and right comes after."""
    stored = numbered(12, 64)[:, :48]
    place = encode(tmp_path / "turned.mp4", stored, turn=(degrees, mirrored))
    expected = [np.rot90(frame, degrees // 90) for frame in decoded(place)]
    expected = [frame[:, ::-1] if mirrored else frame for frame in expected]
    assert np.array_equal(read_frames(place, 12), expected)


def test_a_change_of_size_is_named(tmp_path):
    parts = [encode(tmp_path / f"{side}.ts", numbered(20, side)).read_bytes() for side in (64, 96)]
    (tmp_path / "changes.ts").write_bytes(b"".join(parts))
    with pytest.raises(CorruptFileError, match=r"changes\.ts differ in size \(64 x 64 and 96 x 96\)"):
        read_frames(tmp_path / "changes.ts", 4)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"nowhere\.mp4 is missing"):
        read_frames(tmp_path / "nowhere.mp4", 4)


@pytest.mark.parametrize("part", [0.0, 0.02, 0.5, 0.99])
@pytest.mark.parametrize("header_first", [False, True])
def test_a_file_cut_short_is_named(tmp_path, part, header_first):
    cut = tmp_path / "cut.mp4"
    noise = np.random.default_rng(0).integers(0, 255, (40, 64, 64, 3)).astype(np.uint8)
    box_options = {"movflags": "faststart"} if header_first else {}
    data = encode(tmp_path / "whole.mp4", noise, **box_options).read_bytes()
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
