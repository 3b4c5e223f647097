"""Token counts against the processors of transformers: live where they import, else what they were recorded to do.

The recorded ones are outputs of the unchanged processor classes, see tests/recorded/make_token_counts.py.
"""

import json
import random
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from vidscale.cost.tokens import (
    InternVLSettings,
    LlavaSettings,
    QwenSettings,
    Video,
    settings_for,
    tokens_per_frame,
    video_tokens,
)
from vidscale.cost.tokens.internvl import image_tokens, tile_grid
from vidscale.cost.tokens.qwen import image_grid
from vidscale.cost.tokens.resize import smart_resize, smart_resize_video
from vidscale.errors import InputError

RECORDED = json.loads((Path(__file__).parents[1] / "recorded" / "token_counts.json").read_text())
needs_transformers = pytest.mark.skipif(find_spec("transformers") is None or find_spec("torch") is None,
                                        reason="compares with transformers, which is not installed")


def video_of(case) -> Video:
    video = Video(duration_s=case["total"] / case["fps"], fps=case["fps"], width=case["width"], height=case["height"])
    assert video.total_frames == case["total"]
    return video


def sampling(case) -> dict:
    how = case["how"]
    return {"frames": how["num_frames"]} if "num_frames" in how else {"sample_fps": how["fps"]}


def taken(name: str) -> list[dict]:
    cases = [case for case in RECORDED[name] if "error" not in case]
    assert len(cases) >= 200
    return cases


def refused(name: str) -> list[dict]:
    return [case for case in RECORDED[name] if "error" in case]


def same_frames(name: str, position) -> None:
    """Frames are those of the processor where it computes them in single precision.

    PyTorch does, in vectors of a length that depends on the CPU, which moves a frame that falls nearly on a whole
    number by one; the rules here are exact. `position` gives exact points, of which the whole part is the frame.
    """
    slack = 0
    for case in taken(name):
        total, count = case["total"], case["frames"]
        points = position(total, np.arange(count), count)
        low, high = (int(np.floor(points + sign * total * 2.0**-22).sum()) for sign in (-1, 1))
        assert low <= case["index_sum"] <= high
        slack += high - low
    assert slack < 0.05 * sum(case["frames"] for case in taken(name))  # else this would show nothing


def test_the_recorded_values_say_which_versions_gave_them():
    assert RECORDED["versions"]["transformers"] == "5.23.0"
    assert RECORDED["versions"]["qwen-vl-utils"] == "0.0.14"


# --- videos, recorded -------------------------------------------------------------------------------------


def qwen_settings(family: str, case) -> QwenSettings:
    return QwenSettings(family=family, min_pixels=case["min_pixels"], max_pixels=case["max_pixels"],
                        cap_pixels_per_frame=case["how"]["cap_pixels_per_frame"], **sampling(case))


@pytest.mark.parametrize("family", ["qwen2-vl", "qwen3-vl"])
def test_qwen_takes_the_processors_frames_and_grid(family):
    for case in taken(family):
        found = video_tokens(video_of(case), qwen_settings(family, case))
        assert [found.temporal_groups, found.height_patches, found.width_patches] == case["grid"], case
        assert (found.frames, sum(found.frame_indices), found.frame_indices[-1]) == (
            case["frames"], case["index_sum"], case["last"]), case
        assert found.visual_tokens == np.prod(case["grid"]) // 4


def test_where_qwens_sampler_steps_past_the_end_the_notes_say_so():
    stepped = [case for case in refused("qwen2-vl") if case["error"] == "IndexError"]
    assert stepped
    for case in stepped:
        found = video_tokens(video_of(case), qwen_settings("qwen2-vl", case))
        assert any(f"number {case['total']} of" in note for note in found.notes)
    quiet = [video_tokens(video_of(case), qwen_settings("qwen2-vl", case)).notes for case in taken("qwen2-vl")]
    assert not any("too many" in note for notes in quiet for note in notes)


def test_what_qwens_processor_refuses_is_refused():
    others = [case for case in refused("qwen2-vl") if case["error"] != "IndexError"]
    assert others
    for case in others:
        with pytest.raises(InputError):
            video_tokens(video_of(case), qwen_settings("qwen2-vl", case))


def test_qwens_own_loader_is_the_default():
    for case in taken("qwen-vl-utils"):
        found = video_tokens(video_of(case), settings_for("qwen2.5-vl", sample_fps=case["how"]["fps"]))
        assert [found.frames, found.resized_height, found.resized_width] == case["shape"], case
    same_frames("qwen-vl-utils", lambda total, i, n: (total - 1) * i / (n - 1) + 0.5)


def test_six_minutes_of_1080p_in_qwen25vl():
    video, recorded = Video(duration_s=384, fps=30, width=1920, height=1080), RECORDED["six_minutes_of_1080p"]
    default = video_tokens(video, settings_for("qwen2.5-vl"))
    assert default.total_tokens == recorded["class defaults, capped"] == 105_984
    uncapped = video_tokens(video, settings_for("qwen2.5-vl", cap_pixels_per_frame=False))
    assert uncapped.total_tokens == recorded["class defaults"] == 276_480
    released = settings_for("qwen2.5-vl", cap_pixels_per_frame=False, min_pixels=3136, max_pixels=12_845_056)
    assert video_tokens(video, released).total_tokens == recorded["released checkpoint"] == 1_033_344


def test_internvl_takes_the_processors_frames():
    for case in taken("internvl"):
        found = video_tokens(video_of(case), InternVLSettings(**sampling(case)))
        assert [found.frames, found.resized_height, found.resized_width] == case["shape"]
        assert abs(found.frame_indices[-1] - case["last"]) <= 1
    same_frames("internvl", lambda total, i, n: (2 * i + 1) * total / (2 * n))
    assert refused("internvl")
    for case in refused("internvl"):
        with pytest.raises(InputError, match="no frame"):
            video_tokens(video_of(case), InternVLSettings(**sampling(case)))


def test_llava_onevision_takes_the_processors_frames():
    for case in taken("llava-onevision"):
        found = video_tokens(video_of(case), settings_for("llava-onevision", **sampling(case)))
        assert [found.frames, found.resized_height, found.resized_width] == case["shape"]
        assert (sum(found.frame_indices), found.frame_indices[-1]) == (case["index_sum"], case["last"])


# --- images, recorded -------------------------------------------------------------------------------------


def test_internvl_cuts_images_as_the_processor_does():
    for case in taken("internvl-image"):
        tokens = image_tokens(case["height"], case["width"], max_tiles=case["max_tiles"])
        assert tokens == 2 + 256 * case["tiles"], case


def test_qwen_resizes_images_as_the_processor_does():
    for case in taken("qwen2-vl-image"):
        grid = image_grid(case["height"], case["width"], min_pixels=case["min_pixels"], max_pixels=case["max_pixels"])
        assert [1, *grid] == case["grid"]


# --- functions that import, live --------------------------------------------------------------------------


def sizes(seed: int, count: int = 400):
    """Random sides, some so long and thin that they are refused."""
    rng = random.Random(seed)
    for _ in range(count):
        high = rng.choice((40, 400, 4000, 9000))
        yield rng.randint(1, high), rng.randint(1, high)


@needs_transformers
@pytest.mark.parametrize("limits", [(3136, 1_003_520), (100_352, 602_112), (3136, 12_845_056), (50_000, 60_000)])
def test_smart_resize_is_that_of_transformers(limits):
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize as theirs

    low, high = limits
    for h, w in sizes(low + high):
        try:
            expected = theirs(h, w, factor=28, min_pixels=low, max_pixels=high)
        except ValueError:
            with pytest.raises(InputError, match="200"):
                smart_resize(h, w, factor=28, min_pixels=low, max_pixels=high)
            continue
        found = smart_resize(h, w, factor=28, min_pixels=low, max_pixels=high)
        assert (int(found[0]), int(found[1])) == expected, (h, w)


@needs_transformers
@pytest.mark.parametrize("limits", [(4096, 25_165_824), (131_072, 786_432)])
def test_smart_resize_of_whole_videos_is_that_of_transformers(limits):
    from transformers.models.qwen3_vl.video_processing_qwen3_vl import smart_resize as theirs

    low, high = limits
    rng = random.Random(high)
    for h, w in sizes(high):
        frames = rng.randint(2, 800)
        try:
            expected = theirs(frames, h, w, factor=32, min_pixels=low, max_pixels=high)
        except ValueError:
            with pytest.raises(InputError, match="200"):
                smart_resize_video(frames, h, w, factor=32, min_pixels=low, max_pixels=high)
            continue
        found = smart_resize_video(frames, h, w, factor=32, min_pixels=low, max_pixels=high)
        assert (int(found[0]), int(found[1])) == expected, (frames, h, w)


@needs_transformers
def test_tiles_are_those_of_transformers():
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import get_optimal_tiled_canvas

    for h, w in sizes(5):
        for least, most in ((1, 12), (1, 6), (2, 9)):
            expected = get_optimal_tiled_canvas((h, w), (448, 448), least, most)
            assert tile_grid(h, w, min_tiles=least, max_tiles=most) == expected


@needs_transformers
def test_processors_write_as_many_placeholders_as_tokens_are_counted():
    from transformers.models.internvl.processing_internvl import InternVLProcessor
    from transformers.models.llava_onevision.processing_llava_onevision import LlavaOnevisionProcessor
    from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor
    from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor

    for case in taken("qwen2-vl")[:20]:
        grid = np.array(case["grid"])
        mine = video_tokens(video_of(case), qwen_settings("qwen2.5-vl", case))
        processor = SimpleNamespace(video_processor=SimpleNamespace(merge_size=2), video_token="v")
        written = Qwen2_5_VLProcessor.replace_video_token(processor, {"video_grid_thw": [grid]}, 0)
        assert written.count("v") == mine.total_tokens
    for case in taken("qwen3-vl")[:20]:
        mine = video_tokens(video_of(case), qwen_settings("qwen3-vl", case))
        processor = SimpleNamespace(
            video_processor=SimpleNamespace(merge_size=2, temporal_patch_size=2), video_token="v",
            vision_start_token="[", vision_end_token="]",
            _calculate_timestamps=lambda *given: Qwen3VLProcessor._calculate_timestamps(None, *given))
        metadata = SimpleNamespace(fps=case["fps"], frames_indices=list(mine.frame_indices))
        written = Qwen3VLProcessor.replace_video_token(
            processor, {"video_grid_thw": [np.array(case["grid"])], "video_metadata": [metadata]}, 0)
        assert sum(written.count(mark) for mark in "v[]") == mine.total_tokens
    for frames in (1, 8, 32):
        video = Video(duration_s=60, fps=30, width=640, height=360)
        pixels = {"pixel_values_videos": [np.empty((frames, 3, 1, 1))]}
        processor = SimpleNamespace(start_image_token="[", end_image_token="]", image_token="v", image_seq_length=256)
        written = InternVLProcessor.replace_video_token(processor, pixels, 0)
        assert (sum(written.count(mark) for mark in "v[]")
                == video_tokens(video, InternVLSettings(frames=frames)).total_tokens)
        processor = SimpleNamespace(num_image_tokens=729, video_token="v")
        written = LlavaOnevisionProcessor.replace_video_token(processor, pixels, 0)
        assert written.count("v") == video_tokens(video, settings_for("llava-onevision", frames=frames)).total_tokens


# --- arrays -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["qwen2-vl", "qwen3-vl"])
def test_arrays_of_videos_give_what_single_ones_do(family):
    cases = [case for case in taken(family) if case["how"]["cap_pixels_per_frame"]]
    for limits in {(case["min_pixels"], case["max_pixels"]) for case in cases}:
        same = [case for case in cases if (case["min_pixels"], case["max_pixels"]) == limits]
        settings = QwenSettings(family=family, min_pixels=limits[0], max_pixels=limits[1])
        found = tokens_per_frame(settings, *(np.array([case[k] for case in same])
                                             for k in ("frames", "height", "width")))
        one = [video_tokens(video_of(case), qwen_settings(family, case)).tokens_per_frame for case in same]
        np.testing.assert_array_equal(found, one)


def test_arrays_of_videos_where_the_size_does_not_matter():
    assert tokens_per_frame(LlavaSettings(tokens_per_frame=49), 8, [10, 20], 30).tolist() == [49, 49]
    assert tokens_per_frame(InternVLSettings(), [1, 2], 720, 1280).tolist() == [256, 256]
