"""Sizes matched to models, and stand-ins for sizes that nobody has released."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidscale.errors import InputError
from vidscale.space import LADDERS, VIDEO_VLMS, Ladder, ladder, video_vlm

SIZE = st.floats(1e7, 1e12)


@pytest.mark.parametrize(("size", "name"), [
    (0.973e9, "1b"), (1e9, "1b"), (2.819e9, "3b"), (2.8e9, "3b"), (7.505e9, "8b"), (7.5e9, "8b"),
])
def test_rounded_sizes_mean_the_published_model(size: float, name: str) -> None:
    assert ladder("llava-llama3").vlm(size).name.endswith(f"llama-3.{1 if name == '8b' else 2}-{name}")


@given(st.sampled_from(list(LADDERS)), SIZE)
def test_a_size_is_a_published_model_or_a_stand_in_of_exactly_that_size(name: str, size: float) -> None:
    vlm = ladder(name).vlm(size)
    if vlm.lm.interpolated:
        assert vlm.lm.scaling_params == pytest.approx(size, rel=1e-9)
        assert vlm.name not in VIDEO_VLMS
    else:
        assert vlm in LADDERS[name].vlms
        assert 0.96 <= size / vlm.lm.scaling_params <= 1.04


def test_a_stand_in_lies_between_its_neighbours() -> None:
    small, large = video_vlm("llava-llama-3.2-1b").lm, video_vlm("llava-llama-3.2-3b").lm
    lm = ladder("llava-llama3").vlm(math.sqrt(small.scaling_params * large.scaling_params)).lm
    for name in ("layers", "hidden", "head_dim", "mlp"):
        low, high = sorted((getattr(small, name), getattr(large, name)))
        assert 0.9 * low < getattr(lm, name) < 1.1 * high


def test_beyond_the_ends_the_aspect_ratio_is_that_of_the_end() -> None:
    end, lm = video_vlm("llava-llama-3.1-8b").lm, ladder("llava-llama3").vlm(70e9).lm
    for name in ("hidden", "heads", "kv_heads", "mlp"):
        assert getattr(lm, name) / lm.layers == pytest.approx(getattr(end, name) / end.layers)
    assert lm.head_dim == pytest.approx(end.head_dim)


@given(st.lists(st.sampled_from([1e9, 1.2e9, 2e9, 3e9, 5e9, 7.5e9, 8e9]), min_size=1, max_size=30))
def test_groups_hold_every_row_once_with_its_model(sizes: list[float]) -> None:
    rungs = ladder("llava-llama3")
    groups = rungs.group(np.array(sizes))
    assert sorted(np.concatenate([rows for _, rows in groups]).tolist()) == list(range(len(sizes)))
    assert len({vlm for vlm, _ in groups}) == len(groups)
    for vlm, rows in groups:
        assert all(rungs.vlm(sizes[row]) == vlm for row in rows)


def test_what_two_neighbours_share_their_stand_in_shares_to_the_last_bit() -> None:
    for size in np.geomspace(0.6e9, 6e9, 60):
        lm = ladder("internvl").vlm(float(size)).lm
        assert lm.vocabulary == 151674  # no multiple of 8, which a matrix product takes badly


def test_notes_name_the_stand_ins_in_one_sentence() -> None:
    rungs = ladder("llava-llama3")
    assert rungs.notes([0.9732e9, 2.82e9, 7.5e9]) == ""
    assert rungs.notes([1e9]) == "lm_params 1e+09 is costed as llava-llama-3.2-1b (9.731e+08)"
    assert "extrapolated, a guess" in rungs.notes([70e9])
    assert "extrapolated" not in rungs.notes([5e9])
    note = rungs.notes([1e9, 2e9, 5e9])
    assert "2e+09, 5e+09" in note
    assert "llava-llama-3.2-1b" in note
    assert note.count(". ") == 0
    assert "and 6 more" in rungs.notes(np.linspace(4e9, 6e9, 10))


def test_a_ladder_of_one_takes_its_size_alone() -> None:
    one = ladder("qwen2.5-vl-7b")
    assert one.vlm(7e9).name == one.vlm(7.6e9).name == "qwen2.5-vl-7b"
    with pytest.raises(InputError, match=r"has one size, 7\.07e"):
        one.vlm(3e9)
    with pytest.raises(InputError, match="no models"):
        Ladder(name="none", vlms=())


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_impossible_sizes_are_refused(bad: float) -> None:
    with pytest.raises(InputError, match="lm_params"):
        ladder("internvl").vlm(bad)


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"llava-llama3, qwen2-vl.*internvl3-8b"):
        ladder("gpt")
