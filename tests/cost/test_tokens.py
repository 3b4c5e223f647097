"""Frames and tokens: known counts, what must hold for every video, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidscale.cost.tokens import (
    FAMILIES,
    RULES,
    Video,
    check_square,
    family_of,
    frame_indices,
    settings_for,
    tokens_per_frame,
    video_tokens,
)
from vidscale.cost.tokens.qwen import pixel_limit
from vidscale.cost.tokens.resize import smart_resize
from vidscale.errors import InputError

MINUTE = Video(duration_s=60, fps=30, width=1280, height=720)
VIDEOS = st.builds(Video, duration_s=st.floats(2, 5000), fps=st.sampled_from([15, 23.976, 25, 30, 60]),
                   width=st.integers(120, 4096), height=st.integers(120, 4096))


# --- known counts -----------------------------------------------------------------------------------------


def test_400_frames_of_144_tokens_are_28_800_where_time_is_merged_by_two():
    found = video_tokens(Video(duration_s=200, fps=30, width=336, height=336), settings_for("qwen2.5-vl"))
    assert (found.frames, found.tokens_per_group, found.total_tokens) == (400, 144, 28_800)
    assert found.tokens_per_frame == 72
    assert any("28,800 tokens, not 57,600" in note for note in found.notes)


@pytest.mark.parametrize(("tokens", "side"), [(1, 1), (4, 2), (49, 7), (196, 14), (729, 27)])
def test_llava_sees_x_t_times_x_v(tokens, side):
    found = video_tokens(MINUTE, settings_for("llava", frames=32, tokens_per_frame=tokens))
    assert check_square(tokens) == side
    assert found.total_tokens == 32 * tokens
    assert (found.height_patches, found.width_patches, found.encoder_patches) == (27, 27, 32 * 729)


def test_stock_llava_onevision_adds_one_newline_a_video():
    found = video_tokens(MINUTE, settings_for("llava-onevision", frames=32))
    assert (found.visual_tokens, found.special_tokens, found.total_tokens) == (32 * 196, 1, 32 * 196 + 1)
    assert found.tokens_per_frame == 196


def test_internvl_has_256_tokens_a_frame_and_two_marks():
    found = video_tokens(MINUTE, settings_for("internvl", frames=8))
    assert (found.tokens_per_frame, found.total_tokens) == (256, 8 * 258)
    assert (found.height_patches, found.resized_height) == (32, 448)


def test_qwen3_vl_marks_every_pair_of_frames():
    found = video_tokens(MINUTE, settings_for("qwen3-vl"))
    assert found.frames == 120
    assert found.special_tokens == 2 * 60
    assert (found.resized_height % 32, found.resized_width % 32) == (0, 0)


def test_frame_rules_of_a_known_video():
    assert frame_indices("linspace", 10, 4) == (0, 3, 6, 9)
    assert frame_indices("linspace-rounded", 9, 4) == (0, 3, 5, 8)
    assert frame_indices("segment-starts", 10, 4) == (0, 2, 5, 7)
    assert frame_indices("segment-middles", 10, 4) == (1, 3, 6, 8)


def test_rules_of_32_frames_of_1800_are_27_5_frames_apart_on_average():
    apart = np.subtract(frame_indices("linspace", 1800, 32), frame_indices("segment-starts", 1800, 32))
    assert apart.mean() == pytest.approx(27.5, abs=0.3)


# --- notes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "given", "video", "said"), [
    ("qwen2.5-vl", {}, Video(duration_s=600, fps=30, width=640, height=480), "frames are dropped"),
    ("qwen2.5-vl", {"sample_fps": 60}, Video(duration_s=2, fps=30, width=640, height=480), "the video has 60"),
    ("qwen2.5-vl", {}, Video(duration_s=1, fps=30, width=640, height=480), "min_frames is 4"),
    ("qwen2.5-vl", {}, Video(duration_s=384, fps=30, width=1920, height=1080), "the cap on the whole video"),
    ("qwen2.5-vl", {}, Video(duration_s=384, fps=30, width=1920, height=1080), "gives 276,480"),
    ("qwen2.5-vl", {}, MINUTE, "from 1280 x 720 to 1008 x 560 by max_pixels"),
    ("qwen2.5-vl", {"max_pixels": 300_000}, MINUTE, "max_pixels, 300,000 for a frame"),
    ("qwen2.5-vl", {}, Video(duration_s=60, fps=30, width=160, height=120), "enlarged"),
    ("qwen2.5-vl", {"frames": 5}, MINUTE, "5 frames are rounded to 4"),
    ("qwen3-vl", {"frames": 5}, MINUTE, "5 frames are odd"),
    ("qwen3-vl", {}, Video(duration_s=600, fps=30, width=1280, height=720), "for the whole video"),
    ("qwen3-vl", {}, Video(duration_s=10, fps=30, width=1920, height=1080), "the cap, 786,432 pixels a frame"),
    ("llava", {}, MINUTE, "32 frames, because neither"),
    ("internvl", {"frames": 4}, MINUTE, "squeezed from 1280 x 720 to 448 x 448"),
])
def test_notes_say_what_may_surprise(model, given, video, said):
    assert any(said in note for note in video_tokens(video, settings_for(model, **given)).notes)


def test_notes_say_nothing_that_does_not_apply():
    found = video_tokens(Video(duration_s=60, fps=30, width=644, height=364), settings_for("qwen2.5-vl"))
    assert (found.resized_height, found.resized_width) == (364, 644)
    for word in ("shrunk", "enlarged", "dropped", "min_frames", "rounded", "odd", "transformers"):
        assert not any(word in note for note in found.notes), word


# --- what must hold ---------------------------------------------------------------------------------------


@given(VIDEOS, st.sampled_from(FAMILIES))
def test_counts_add_up_for_every_video(video, model):
    found = video_tokens(video, settings_for(model))
    assert len(found.frame_indices) == found.frames <= found.source_frames
    assert list(found.frame_indices) == sorted(set(found.frame_indices))
    assert 0 <= found.frame_indices[0]
    assert found.frame_indices[-1] < found.source_frames
    assert found.total_tokens == found.temporal_groups * found.tokens_per_group + found.special_tokens
    assert found.temporal_groups == math.ceil(found.frames / (2 if "qwen" in model else 1))
    assert found.tokens_per_frame * found.frames == pytest.approx(found.visual_tokens)
    many = tokens_per_frame(settings_for(model), [found.frames], [video.height], [video.width])
    assert many[0] == pytest.approx(found.tokens_per_frame)


@given(VIDEOS, st.booleans())
def test_qwen_keeps_its_limits_and_roughly_the_aspect_ratio(video, cap):
    settings = settings_for("qwen2-vl", cap_pixels_per_frame=cap)
    found = video_tokens(video, settings)
    pixels = found.resized_height * found.resized_width
    assert settings.pixels[0] <= pixels <= pixel_limit(found.frames, settings)
    assert (found.resized_height % 28, found.resized_width % 28) == (0, 0)
    # A side may be off by a whole factor where a limit rounds it, which weighs most on a short one.
    stretch = (found.resized_width / found.resized_height) / (video.width / video.height)
    short = min(found.resized_height, found.resized_width)
    assert 1 / (1 + 60 / short) <= stretch <= 1 + 60 / short
    if cap:
        assert found.visual_tokens <= max(0.9 * 128_000, found.temporal_groups * 135)


@given(st.sampled_from(sorted(RULES)), st.integers(1, 5000), st.data())
def test_frame_rules_spread_the_frames(rule, total, data):
    count = data.draw(st.integers(1, total))
    gaps = np.diff(frame_indices(rule, total, count))
    assert len(gaps) == count - 1
    assert (gaps >= 1).all()
    if count > 1:
        assert gaps.max() - gaps.min() <= 2
        assert gaps.max() <= math.ceil((total - 1) / (count - 1)) + 1


@given(st.integers(1, 10**9))
def test_squares_and_only_squares_are_squares(number):
    if math.isqrt(number) ** 2 == number:
        assert check_square(number) == math.isqrt(number)
    else:
        low, high = math.isqrt(number) ** 2, (math.isqrt(number) + 1) ** 2
        with pytest.raises(InputError, match=rf"nearest squares are {low} and {high}$"):
            check_square(number)


@given(st.integers(1, 4000), st.integers(1, 4000))
def test_resizing_is_the_same_on_its_side(height, width):
    if max(height, width) <= 200 * min(height, width):
        upright = smart_resize(height, width, factor=28, min_pixels=3136, max_pixels=10**6)
        lying = smart_resize(width, height, factor=28, min_pixels=3136, max_pixels=10**6)
        assert tuple(map(int, upright)) == tuple(map(int, lying))[::-1]


# --- names and refusals -----------------------------------------------------------------------------------


def test_a_model_may_be_named_with_its_size():
    assert family_of("qwen2.5-vl-7b") == "qwen2.5-vl"
    assert family_of("Qwen2-VL") == "qwen2-vl"
    assert family_of("llava-7.5b") == "llava"


@pytest.mark.parametrize(("model", "given", "video", "said"), [
    ("gpt", {}, {}, "unknown model 'gpt'"),
    ("llava", {"tokens_per_frame": 200}, {}, "nearest squares are 196 and 225"),
    ("llava", {"tokens_per_frame": 0}, {}, "allowed are squares"),
    ("llava", {"tokens_per_frame": 784}, {}, "27 x 27 = 729 patches"),
    ("llava-onevision", {"tokens_per_frame": 49}, {}, "always pools a frame to 196"),
    ("llava", {"frames": 3000}, {}, "the video has 1800"),
    ("llava", {"frames": 0}, {}, "frames is 0"),
    ("llava", {"frames": 4, "sample_fps": 1.0}, {}, "give one of them"),
    ("llava", {"frame_rule": "random"}, {}, "allowed are linspace"),
    ("llava", {"max_frames": 4}, {}, "max_frames is no setting of llava"),
    ("internvl", {"image": 450}, {}, "multiple of patch x merge = 28"),
    ("internvl", {"sample_fps": 0.01}, {}, "no frame"),
    ("qwen2.5-vl", {"frames": 3000}, {}, "the video has 1800"),
    ("qwen2.5-vl", {"frames": 1}, {}, "needs at least 2"),
    ("qwen2.5-vl", {"frames": 4, "sample_fps": 1.0}, {}, "give one of them"),
    ("qwen2.5-vl", {"min_frames": 8, "max_frames": 4}, {}, "min_frames is 8 and max_frames 4"),
    ("qwen2.5-vl", {"max_pixels": 100}, {}, "max_pixels must be at least 28 x 28"),
    ("qwen2.5-vl", {"min_pixels": 700_000}, {}, "min_pixels from 1 to max_pixels"),
    ("qwen2.5-vl", {"max_video_tokens": 0}, {}, "max_video_tokens is 0"),
    ("qwen2.5-vl", {}, {"width": 3000, "height": 10}, "aspect ratio of at most 200"),
    ("qwen3-vl", {}, {"width": 30000, "height": 10}, "aspect ratio of at most 200"),
    ("qwen2.5-vl", {}, {"duration_s": 0.03}, "needs at least 2"),
    ("llava", {}, {"duration_s": 0}, "duration_s is 0"),
    ("llava", {}, {"duration_s": 1e300}, "at most 10,000,000"),
    ("llava", {}, {"fps": math.nan}, "fps is nan"),
    ("llava", {}, {"width": 10.5}, "whole numbers of pixels"),
])
def test_what_cannot_be_used_is_refused_in_one_line(model, given, video, said):
    with pytest.raises(InputError) as refused:
        video_tokens(Video(**{"duration_s": 60, "fps": 30, "width": 1280, "height": 720, **video}),
                     settings_for(model, **given))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
