"""Predicted times: accuracy on recorded measurements, and what must hold on any GPU."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidscale.cost.calibration.accuracy import accuracy, predicted_seconds
from vidscale.cost.constraints import base_cost
from vidscale.cost.deployment import CostSettings, cost_of
from vidscale.cost.hardware import gpus
from vidscale.cost.latency import (
    chains,
    decode_seconds,
    encoder_seconds,
    operation_seconds,
    prefill_seconds,
    request_time,
)
from vidscale.cost.operations import MatMul
from vidscale.cost.profile import UNALIGNED, Profile, load_profile, prior_profile
from vidscale.errors import InputError
from vidscale.space import language_model, video_vlm

HELD_OUT = json.loads((Path(__file__).parents[1] / "recorded" / "h200_held_out.json").read_text())
H200 = load_profile("h200")
SHAPE = ("what", "model", "layers", "frames", "tokens", "context", "batch", "tokens_per_frame", "text_tokens",
         "output_tokens")


def shape(point):
    return tuple(point.get(key) for key in SHAPE)


def figures(profile, points=HELD_OUT):
    return {each.what: each.as_dict() for each in accuracy(points, profile)}


def test_held_out_shapes_are_not_in_the_profile():
    assert not {shape(p) for p in H200.points} & {shape(p) for p in HELD_OUT}
    assert not [p for p in H200.points if p["what"] == "request"]


def test_held_out_shapes_span_what_is_claimed():
    frames = [p["frames"] for p in HELD_OUT if p["what"] == "tower"]
    tokens = {(p["model"], p["batch"], p["tokens"]) for p in HELD_OUT if p["what"] == "prefill"}
    assert min(frames) == 2
    assert max(frames) == 128
    for lm in ("llama-3.2-1b", "llama-3.2-3b", "llama-3.1-8b"):
        assert {(lm, 1, 16), (lm, 8, 16), (lm, 1, 6272), (lm, 8, 6272)} <= tokens
    assert len({(p["batch"], p["context"]) for p in HELD_OUT if p["what"] == "decode"}) >= 12
    assert len([p for p in HELD_OUT if p["what"] == "request"]) >= 30


def test_the_shipped_profile_is_within_its_stated_accuracy():
    everything = figures(H200)["all"]
    assert everything["points"] == len(HELD_OUT)
    assert everything["median"] < 0.02
    assert everything["mean"] < 0.03
    assert everything["worst"] < 0.12


@pytest.mark.parametrize("what", ["tower", "prefill", "decode", "request"])
def test_every_kind_of_pass_is_within_the_target(what):
    found = figures(H200)[what]
    assert found["median"] <= 0.05
    assert found["mean"] <= 0.08
    assert found["worst"] <= 0.25


def test_the_data_sheet_alone_is_within_its_target():
    assert figures(prior_profile("h200"))["all"]["mean"] <= 0.25


def test_leaving_the_whole_models_out_costs_accuracy_but_not_much():
    """Models that nobody timed as a whole are priced by their operations alone."""
    parts = Profile(gpu="H200", sheet=H200.sheet, calibrated=True,
                    points=tuple(p for p in H200.points if p["what"] in ("matmul", "attention", "pointwise")))
    assert figures(parts)["prefill"]["median"] < 0.06
    assert figures(parts)["all"]["mean"] < 0.20


def test_matrices_that_were_not_measured_borrow_from_their_neighbours():
    shapes = sorted({(p["inputs"], p["outputs"]) for p in H200.points if p["what"] == "matmul"})
    errors = []
    for inputs, outputs in shapes[::4]:
        rest = Profile(gpu="H200", sheet=H200.sheet, calibrated=True, points=tuple(
            p for p in H200.points if p["what"] == "matmul" and (p["inputs"], p["outputs"]) != (inputs, outputs)))
        own = [p for p in H200.points if p["what"] == "matmul" and (p["inputs"], p["outputs"]) == (inputs, outputs)]
        op = MatMul(name="own", rows=np.array([float(p["rows"]) for p in own]), inputs=inputs, outputs=outputs, count=1)
        errors += list(rest.matmul_seconds(op) / [p["seconds"] for p in own] - 1)
    assert np.median(np.abs(errors)) < 0.10


def test_reference_points_of_the_h200():
    """As measured on another H200: 41.2 ms for 1,568 tokens, 64.8 ms for 32 frames by a tower of 27 layers."""
    prefill = float(prefill_seconds(language_model("llama-3.1-8b"), 1568, profile=H200))
    assert prefill == pytest.approx(41.2e-3, rel=0.05)
    tower = float(predicted_seconds({"what": "tower", "model": "siglip-so400m-384", "layers": 27, "frames": 32}, H200))
    assert tower == pytest.approx(64.8e-3, rel=0.05)


def test_equal_flops_are_not_equal_latency():
    small, large = video_vlm("llava-llama-3.2-1b"), video_vlm("llava-llama-3.1-8b")
    a = request_time(small, 32, 144, profile=H200, text_tokens=32, output_tokens=1)
    b = request_time(large, 8, 196, profile=H200, text_tokens=32, output_tokens=1)
    assert a.total[0] / b.total[0] > 1.3
    a, b = (request_time(vlm, *x, profile=H200, text_tokens=32, output_tokens=64)
            for vlm, x in ((small, (32, 144)), (large, (8, 196))))
    assert b.total[0] / a.total[0] > 2.0


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_time_never_falls_much_as_a_factor_grows(data):
    """Measured curves hold steps of real kernels; between neighbours a larger request may be a little quicker."""
    profile = prior_profile(data.draw(st.sampled_from([g.name for g in gpus()])))
    vlm = video_vlm(data.draw(st.sampled_from(["llava-llama-3.2-1b", "llava-llama-3.1-8b", "qwen2.5-vl-7b"])))
    frames, side = data.draw(st.integers(1, 64)), data.draw(st.integers(1, 13))
    batch, output = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 64))
    base = request_time(vlm, 2 * frames, side**2, profile=profile, batch=batch, output_tokens=output)
    for more in (request_time(vlm, 2 * frames + 2, side**2, profile=profile, batch=batch, output_tokens=output),
                 request_time(vlm, 2 * frames, (side + 1) ** 2, profile=profile, batch=batch, output_tokens=output),
                 request_time(vlm, 2 * frames, side**2, profile=profile, batch=batch + 1, output_tokens=output),
                 request_time(vlm, 2 * frames, side**2, profile=profile, batch=batch, output_tokens=output + 1)):
        assert more.total[0] >= base.total[0] * (1 - 1e-9)


@given(st.integers(1, 128), st.integers(1, 27), st.integers(1, 16), st.integers(1, 128))
@settings(max_examples=60, deadline=None)
def test_stages_add_up(frames, side, batch, output):
    t = request_time(video_vlm("llava-llama-3.2-3b"), frames, side**2, profile=H200, batch=batch, text_tokens=20,
                     output_tokens=output)
    assert np.all(t.total > 0)
    assert np.allclose(t.ttft, t.encoder + t.projector + t.prefill)
    assert np.allclose(t.total, t.ttft + (output - 1) * t.per_output_token)
    assert np.allclose(t.gpu_seconds_per_video * t.videos_per_second, 1)


def test_one_frame_in_a_pair_is_not_dearer_than_two():
    one, two = encoder_seconds(video_vlm("qwen2-vl-2b"), [1, 2], 196, profile=H200)
    assert one == two


def test_all_decode_steps_together_are_the_sum_over_steps():
    lm = language_model("llama-3.2-1b")
    steps = sum(float(decode_seconds(lm, 400 + 20 + k, profile=H200)) for k in range(1, 100))
    t = request_time(video_vlm("llava-llama-3.2-1b"), 4, 100, profile=H200, text_tokens=20, output_tokens=100)
    assert t.decode[0] == pytest.approx(steps, rel=0.002)


def test_many_rows_are_the_single_ones():
    vlm, rng = video_vlm("llava-llama-3.2-1b"), np.random.default_rng(0)
    frames, tokens = rng.integers(1, 100, 50), rng.integers(1, 20, 50) ** 2
    rows = request_time(vlm, frames, tokens, profile=H200, output_tokens=4).total
    singles = [request_time(vlm, f, k, profile=H200, output_tokens=4).total[0] for f, k in zip(frames, tokens)]
    assert np.allclose(rows, singles, rtol=1e-12)


def test_sides_that_are_no_multiple_of_8_are_slow():
    def seconds(profile, outputs):
        return float(operation_seconds(MatMul(name="up", rows=np.array(20000.0), inputs=1280, outputs=outputs, count=1),
                                       profile))

    for profile in (H200, prior_profile("h100")):
        assert seconds(profile, 3420) / seconds(profile, 3424) == pytest.approx(UNALIGNED, rel=0.25)


def test_without_measurements_nothing_is_corrected():
    found = chains(prior_profile("l4"))
    assert (found.tower, found.prefill, found.decode) == ({}, {}, {})


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"output_tokens": 0}, {"text_tokens": -1}])
def test_impossible_requests_are_refused(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} is .*; allowed are"):
        request_time(video_vlm("llava-llama-3.2-1b"), 8, 16, profile=H200, **wrong)


def test_a_size_between_two_models_takes_a_time_between_theirs():
    points = np.column_stack([np.geomspace(1.3e9, 2.4e9, 120), np.full(120, 512.0), np.full(120, 196.0)])
    seconds = base_cost(cost_of(CostSettings(kind="ttft", profile="h200"))).cost(points)
    step = seconds[1:] / seconds[:-1]
    assert step.min() > 0.99
    assert step.max() < 1.05
