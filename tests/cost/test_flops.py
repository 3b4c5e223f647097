"""Exact FLOPs: published totals, and what must hold of any count."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidscale.cost import CostModel, ExactCost, Flops, PaperCost, exact_flops
from vidscale.errors import InputError
from vidscale.space import VIDEO_VLMS, Ladder, video_vlm

TERA = 1e12
NAME = st.sampled_from(list(VIDEO_VLMS))
FRAMES, TOKENS = st.integers(1, 256), st.integers(1, 400)


def tera(flops: Flops, part: str) -> float:
    return round(float(getattr(flops, part)) / TERA, 1)


def test_the_centre_of_the_paper_costs_119_4_teraflops() -> None:
    flops = exact_flops(video_vlm("llava-llama-3.1-8b"), 32, 196)
    assert tera(flops, "encoder") == 20.5
    assert tera(flops, "projector") == 1.0
    assert float(flops.prefill_linear) == pytest.approx(87.55 * TERA, rel=1e-4)
    assert tera(flops, "prefill_attention") == 10.3
    assert tera(flops, "total") == 119.4
    assert round(PaperCost().cost(np.array([[7.5e9, 32, 196]]))[0] / TERA, 1) == 115.2


@pytest.mark.parametrize(("frames", "percent"), [(64, -11), (128, -23), (512, -58)])
def test_the_formula_falls_short_as_attention_grows(frames: int, percent: int) -> None:
    point = np.array([[7.5e9, frames, 196]])
    assert round(100 * (PaperCost().cost(point)[0] / ExactCost().cost(point)[0] - 1)) == percent


def test_the_formula_is_1_5_percent_off_on_the_papers_grid() -> None:
    levels = ([1e9, 3e9, 7.5e9], [4, 8, 16, 24, 32], [4, 16, 36, 64, 100, 144, 196])
    points = np.stack([axis.ravel() for axis in np.meshgrid(*levels)], axis=1).astype(float)
    real = points.copy()  # the models that the paper's rounded sizes name
    for stated, name in ((1e9, "llama-3.2-1b"), (3e9, "llama-3.2-3b"), (7.5e9, "llama-3.1-8b")):
        real[points[:, 0] == stated, 0] = video_vlm(f"llava-{name}").lm.scaling_params
    error = np.abs(PaperCost().cost(points) / ExactCost().cost(real) - 1)
    assert round(100 * error.mean(), 1) == 1.5


def test_a_long_video_in_qwen2_5_vl_is_mostly_attention() -> None:
    # 6.4 minutes at 2 frames a second: 384 pairs of frames of 24 × 46 patches, 105,984 visual tokens.
    flops = exact_flops(video_vlm("qwen2.5-vl-7b"), 768, 138, grid=(24, 46))
    assert tera(flops, "total") == 4195.8
    assert round(100 * float(flops.prefill_attention / flops.prefill)) == 62


def test_decoding_adds_up_step_by_step() -> None:
    vlm = video_vlm("llava-llama-3.2-3b")
    one, four = (exact_flops(vlm, 8, 49, text_tokens=20, output_tokens=k) for k in (1, 4))
    assert float(one.decode) == 0
    prompt = 8 * 49 + 20
    linear = 2 * (vlm.lm.layers * vlm.lm.layer_weights + vlm.lm.hidden * vlm.lm.vocabulary)
    steps = [linear + 4 * vlm.lm.layers * vlm.lm.heads * vlm.lm.head_dim * (prompt + j) for j in (1, 2, 3)]
    assert float(four.decode) == sum(steps)


@given(NAME, FRAMES, TOKENS, st.integers(0, 200), st.integers(1, 64), st.data())
def test_flops_rise_in_every_factor_and_causal_counts_fewer(
    name: str, frames: int, tokens: int, text: int, output: int, data: st.DataObject
) -> None:
    vlm = video_vlm(name)
    step = vlm.tower.temporal_patch
    base = {"frames": frames, "tokens_per_frame": tokens, "text_tokens": text, "output_tokens": output}
    now = exact_flops(vlm, **base)
    which = data.draw(st.sampled_from(list(base)))
    more = exact_flops(vlm, **{**base, which: base[which] + step})
    assert float(more.total) > float(now.total)
    full = exact_flops(vlm, **base, attention="full")
    assert float(now.prefill_attention) <= float(full.prefill_attention) <= 2 * float(now.prefill_attention)
    assert float(full.total - now.total) == pytest.approx(
        float(full.prefill_attention - now.prefill_attention), rel=1e-6, abs=1e3)


@given(NAME, FRAMES, TOKENS, st.integers(1, 64))
def test_parts_make_up_the_total_and_a_batch_is_that_many_videos(
    name: str, frames: int, tokens: int, batch: int
) -> None:
    one, many = (exact_flops(video_vlm(name), frames, tokens, output_tokens=3, batch=b) for b in (1, batch))
    assert float(one.total) == pytest.approx(float(
        one.encoder + one.projector + one.prefill_linear + one.prefill_attention + one.head + one.decode), rel=1e-12)
    assert float(many.total) == pytest.approx(batch * float(one.total), rel=1e-12)
    assert 0 < float(one.encoder_share) < 1


@given(st.lists(st.tuples(st.floats(1e8, 1e11), FRAMES, TOKENS), min_size=1, max_size=6))
def test_costs_of_many_points_are_those_of_each(points: list[tuple[float, int, int]]) -> None:
    rows, model = np.array(points, dtype=float), ExactCost(text_tokens=10, output_tokens=4)
    alone = np.array([model.cost(row)[0] for row in rows])
    assert model.cost(rows) == pytest.approx(alone, rel=1e-12)
    assert model.encoder_share(rows) == pytest.approx([model.encoder_share(row)[0] for row in rows], rel=1e-12)


@given(st.sampled_from(["llava-llama3", "qwen2-vl", "qwen2.5-vl", "internvl"]),
       st.floats(1e8, 1e11), st.floats(1, 8), FRAMES, TOKENS)
def test_a_larger_stated_size_never_costs_less(
    family: str, size: float, times: float, frames: int, tokens: int
) -> None:
    cost = ExactCost(ladder=family).cost(np.array([[size, frames, tokens], [size * times, frames, tokens]]))
    assert cost[1] >= cost[0] * (1 - 1e-9)


def test_exact_cost_is_a_cost_model_without_terms() -> None:
    model = ExactCost(ladder=Ladder(name="mine", vlms=(video_vlm("qwen2.5-vl-7b"),)))
    assert isinstance(model, CostModel)
    assert (model.name, model.unit, model.terms()) == ("flops-exact", "FLOPs", None)


def test_a_million_configurations_take_less_than_a_second() -> None:
    rng = np.random.default_rng(0)
    sizes, million = np.array([1e9, 3e9, 7.5e9]), 10**6
    points = np.stack([rng.choice(sizes, million), rng.integers(1, 65, million), rng.integers(1, 197, million)], 1)
    taken = []
    for _ in range(3):
        start = time.process_time()
        ExactCost(output_tokens=8).cost(points)
        taken.append(time.process_time() - start)
    assert min(taken) < 1


@pytest.mark.parametrize(("change", "says"), [
    ({"frames": 0}, "frames is 0"),
    ({"frames": float("nan")}, "frames is nan"),
    ({"tokens_per_frame": -4}, "tokens_per_frame is -4"),
    ({"tokens_per_frame": 784}, "makes at most 729 tokens"),
    ({"text_tokens": -1}, "text_tokens is -1"),
    ({"output_tokens": 0}, "output_tokens is 0; allowed is a finite number from 1"),
    ({"batch": 0}, "batch is 0"),
    ({"attention": "flash"}, "attention is 'flash'"),
    ({"grid": (28, 28)}, "leave grid out"),
])
def test_impossible_inferences_are_refused_in_one_line(change: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        exact_flops(video_vlm("llava-llama-3.1-8b"), **{"frames": 8, "tokens_per_frame": 49, **change})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("grid", "says"), [
    ((27, 28), "multiples of 2"), ((28, 30), "disagree"), ((0, 28), "grid is 0"),
])
def test_a_grid_that_does_not_fit_is_refused(grid: tuple[int, int], says: str) -> None:
    with pytest.raises(InputError, match=says):
        exact_flops(video_vlm("qwen2.5-vl-7b"), 8, 98, grid=grid)
