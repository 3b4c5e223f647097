"""Moving shapes: random numbers, scenes and frames."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vidscale.runs.shapes import render as r
from vidscale.runs.shapes import scene as s
from vidscale.runs.shapes.draws import Draws, mix_int


def scenes(count: int, first: int = 0, stream: int = 0) -> s.Scene:
    return s.draw_scenes(Draws.of(torch.arange(first, first + count), seed=7, stream=stream))


def same(a: s.Scene, b: s.Scene) -> bool:
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in s.Scene.__dataclass_fields__)


def test_draws_are_splitmix64():
    """The first outputs for seed 1234567 as published with the generator's reference implementations."""
    words = Draws(states=torch.tensor([1234567])).words(0, 4)[0].tolist()
    assert [word % 2**64 for word in words] == [
        6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert mix_int((1234567 + 0x9E3779B97F4A7C15) % 2**64) == 6457827717110365317


def test_draws_are_uniform_and_streams_differ():
    draws = Draws.of(torch.arange(20_000), seed=0, stream=0)
    counts = torch.bincount(draws.one_below(10, 3), minlength=10).numpy()
    assert ((counts - 2000) ** 2 / 2000).sum() < 27.9  # chi squared of 9 degrees of freedom, one in a thousand
    other = Draws.of(torch.arange(20_000), seed=0, stream=1)
    assert not set(draws.states.tolist()) & set(other.states.tolist())


@given(first=st.integers(0, 10**9), count=st.integers(1, 9))
def test_a_clip_is_the_same_in_any_batch(first, count):
    batch = scenes(count, first)
    for i in range(count):
        assert same(scenes(1, first + i), batch.at(slice(i, i + 1)))


def test_frames_are_the_same_in_any_batch_and_selection():
    clips, frames = scenes(5, 100), torch.arange(s.FRAMES)
    every = r.render(clips, frames)
    assert every.shape == (5, 64, 64, 64, 3)
    assert every.dtype == torch.uint8
    assert torch.equal(r.render(clips.at(slice(3, 4)), frames[17:18])[0, 0], every[3, 17])


def test_events_keep_to_their_rules():
    clips = scenes(3000)
    shown = r.showing(clips, torch.arange(s.FRAMES))
    assert not shown[:, 0].any(), "frame 0 must be free of events"
    lengths = shown.sum(dim=1)
    assert torch.equal(lengths[:, :4], clips.flash_length[:, None].expand(-1, 4))
    assert torch.equal(lengths[:, 4], clips.sign_length)
    happens = torch.arange(s.BLINKS) < clips.blink_count[:, None]
    assert torch.equal(lengths[:, 5:], clips.blink_length[:, None] * happens)
    for kind in (slice(0, 4), slice(5, 12)):
        assert (shown[:, :, kind].sum(dim=2) <= 1).all()
        starts = shown[:, :, kind].any(dim=2).long().diff(dim=1).clamp(min=0).sum(dim=1)
        assert torch.equal(starts, (lengths[:, kind] > 0).sum(dim=1)), "two events of a kind touch"
    assert (clips.spots.sort(dim=1).values.diff(dim=1) > 0).all()


def test_placements_are_uniform():
    """Two blinks of 4 frames: every one of C(56, 2) placements is equally likely."""
    draws = Draws.of(torch.arange(60_000), seed=1, stream=0)
    two = torch.full((60_000,), 2)
    starts = s._placed(draws, 0, 2 * two, two, 2)
    found = torch.bincount(starts[:, 0] * 64 + starts[:, 1])
    expected = 60_000 / 1540
    counts = found[found > 0].double()
    assert len(counts) == 1540
    assert ((counts - expected) ** 2 / expected).sum() < 1540 + 4 * (2 * 1540) ** 0.5


def test_movers_follow_their_lines():
    clips, frames = scenes(200), torch.arange(s.FRAMES)
    at = s.centres(clips, frames).numpy()
    step = np.array(s.DIRECTIONS)[clips.direction.numpy()] / 256 * clips.speed.numpy()[..., None] / 16
    exact = clips.start.numpy()[:, None] + step[:, None] * frames.numpy()[:, None, None]
    off = (at - exact + 32) % 64 - 32
    assert np.abs(off).max() <= 0.5 + 1e-9
    assert np.array_equal(at[:, 0], clips.start.numpy())


def slowly_painted(clips: s.Scene, clip: int, frame: int) -> np.ndarray:
    """One frame, pixel by pixel, from the scene's description."""
    one = {name: getattr(clips, name)[clip].numpy() for name in s.Scene.__dataclass_fields__}
    image = np.zeros((64, 64), dtype=int)
    masks, glyphs, covers = r._shape_masks(), np.stack([r._bits(g) for g in r._GLYPHS]), r._cover_bitmaps()
    at = s.centres(clips.at(slice(clip, clip + 1)), torch.tensor([frame]))[0, 0].numpy()
    events = [*((one["flash_start"][i], one["flash_length"], 2 + one["flash_colour"][i]) for i in range(4)),
              (one["sign_start"], one["sign_length"], 6 + one["sign"]),
              *((start, one["blink_length"], 1) for start in one["blink_start"])]
    for y in range(64):
        for x in range(64):
            image[y, x] = one["tiles"][y // 16 * 4 + x // 16]
            for mover in (0, 1):
                if masks[one["shape"][mover], (y - at[mover, 1]) % 64, (x - at[mover, 0]) % 64]:
                    image[y, x] = r.VIVID + one["colour"][mover]
            if glyphs[one["glyphs"][y // 8 * 8 + x // 8], y % 8, x % 8]:
                image[y, x] = r.STROKE
            for spot, (start, length, code) in zip(one["spots"], events):
                if start <= frame < start + length and spot == y // 16 * 4 + x // 16:
                    image[y, x] = covers[code, y % 16, x % 16]
            if y == 0:
                image[y, x] = r.WHITE if x <= frame else r.BLACK
    return np.array(r.PALETTE)[image]


def test_frames_show_what_the_scene_says():
    clips = scenes(40)
    shown = r.showing(clips, torch.arange(s.FRAMES)).sum(dim=2)
    for clip in (3, 11):
        busy = int(shown[clip].argmax())
        for frame in (0, busy, 63):
            assert np.array_equal(r.render(clips, torch.tensor([frame]))[clip, 0].numpy(),
                                  slowly_painted(clips, clip, frame))


def test_shapes_glyphs_and_signs_differ():
    for drawings in (r._shape_masks(), np.stack([r._bits(g) for g in r._GLYPHS]), r._cover_bitmaps()):
        assert len(np.unique(drawings.reshape(len(drawings), -1), axis=0)) == len(drawings)
    assert len(set(r.PALETTE)) == len(r.PALETTE)


def test_labels_agree_with_the_pixels():
    clips, frames = scenes(30), torch.tensor([0, 20, 40])
    labels, image = r.patch_labels(clips, frames), r.paint(clips, frames)
    blocks = image.unflatten(3, (8, 8)).unflatten(2, (8, 8)).transpose(3, 4).flatten(2, 3)
    plain = (labels["cover"] == 0) & (labels["shape"] == 0)
    corner = blocks[..., 7, 0].long()  # the top row of pixels may be the clock's
    assert torch.equal(corner[plain], labels["tile"][plain]), "corners of patches without movers show the tile"
    blink = labels["cover"] == 1
    assert (blocks[..., 1:, :][blink] == r.WHITE).all()
    filled = labels["shape"] > 0
    vivid = (blocks == (r.VIVID + labels["colour"] - 1)[..., None, None]).sum(dim=(-1, -2))
    assert (vivid[filled] > 0).all()
    assert {name: int(label.max()) < r.LABELS[name] for name, label in labels.items()} == dict.fromkeys(r.LABELS, True)


def test_patches_are_the_tower_s_view():
    frames = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    seen = r.patches(frames)
    assert seen.shape == (2, 64, 192)
    y, x, channel = 19, 42, 1
    expected = frames[1, y, x, channel].item() / 127.5 - 1
    assert seen[1, y // 8 * 8 + x // 8, channel * 64 + y % 8 * 8 + x % 8].item() == pytest.approx(expected, abs=1e-6)
