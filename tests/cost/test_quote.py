"""One configuration in full: its parts agree with the functions they come from."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidscale.cost.flops import exact_flops
from vidscale.cost.hardware import gpu
from vidscale.cost.latency import request_time
from vidscale.cost.lifetime import Finetuning
from vidscale.cost.memory import memory
from vidscale.cost.paper import PaperCost
from vidscale.cost.profile import prior_profile, profile_for
from vidscale.cost.quote import PARTS, Horizon, Request, VideoFile, quote
from vidscale.cost.tokens.video import Video
from vidscale.cost.video_stage import decode_seconds
from vidscale.errors import InputError
from vidscale.space.catalogue import VIDEO_VLMS, video_vlm

VLM = video_vlm("llava-llama-3.1-8b")
CLIP = Video(duration_s=60, fps=30, width=1280, height=720)


def test_everything_agrees_with_where_it_comes_from() -> None:
    request = Request(lm_params=7.5e9, frames=32, tokens_per_frame=196, text_tokens=40, output_tokens=16, batch=4)
    profile = prior_profile("h200")
    found = quote(VLM, request, profile=profile, price_per_hour=3.0, file=VideoFile(video=CLIP, workers=6),
                  horizon=Horizon(finetuning=Finetuning(examples=1e6), videos_per_month=1e8, months=2))
    exact = exact_flops(VLM, 32, 196, text_tokens=40, output_tokens=16)
    assert {name: getattr(exact, name) for name in (*PARTS, "total")} == dict(found.flops)
    paper = PaperCost().cost(np.array([[7.5e9, 32, 196]]))[0]
    assert found.paper_flops["total"] == paper == found.paper_flops["encoder"] + found.paper_flops["lm"]
    assert found.paper_error == pytest.approx(paper / (exact.total - exact.decode) - 1)
    assert found.memory["total"] == memory(VLM, 32, 196, text_tokens=40, output_tokens=16, batch=4).total
    time = request_time(VLM, 32, 196, profile=profile, batch=4, text_tokens=40, output_tokens=16)
    on = found.on_gpu
    assert on is not None
    assert [stage.name for stage in on.stages] == list(PARTS)
    assert sum(stage.seconds for stage in on.stages) == pytest.approx(on.total_s) == pytest.approx(time.total[0])
    assert sum(stage.flops for stage in on.stages) == pytest.approx(4 * found.flops["total"])
    assert sum(stage.seconds for stage in on.stages[:-1]) == pytest.approx(on.ttft_s)
    assert on.per_output_token_s == pytest.approx(on.stages[-1].seconds / 15)
    assert on.gpu_s_per_video == pytest.approx(on.total_s / 4)
    assert on.videos_per_hour == pytest.approx(4 * 3600 / on.total_s)
    assert on.dollars == pytest.approx(1e6 * on.gpu_s_per_video * 3 / 3600) == on.dollars_low == on.dollars_high
    cpu = found.on_cpu
    assert cpu is not None
    assert cpu.core_s_per_video == decode_seconds(CLIP, 32)
    assert cpu.videos_per_hour == pytest.approx(min(6 * 3600 / cpu.core_s_per_video, on.videos_per_hour))
    life = found.over_life
    assert life is not None
    assert life.inference_flops == pytest.approx(2e8 * found.flops["total"])
    assert life.inference_dollars == pytest.approx(200 * on.dollars)
    assert life.ratio == pytest.approx(life.inference_flops / life.finetuning_flops)


def test_the_known_configuration() -> None:
    found = quote(VLM, Request(lm_params=7.5e9, frames=32, tokens_per_frame=196))
    assert found.flops["total"] / 1e12 == pytest.approx(119.4, abs=0.05)
    assert found.paper_flops["total"] / 1e12 == pytest.approx(115.2, abs=0.05)
    assert found.on_gpu is found.on_cpu is found.over_life is None
    assert found.visual_tokens == found.prompt_tokens == 6272
    for frames, error in ((64, -0.11), (512, -0.58)):
        assert quote(VLM, Request(lm_params=7.5e9, frames=frames, tokens_per_frame=196)).paper_error == pytest.approx(
            error, abs=0.006)


def test_what_each_stage_is_bound_by() -> None:
    found = quote(VLM, Request(frames=32, tokens_per_frame=196, output_tokens=64), profile=prior_profile("h200")).on_gpu
    assert found is not None
    bound = {stage.name: stage.bound for stage in found.stages}
    assert bound["encoder"] == bound["prefill_linear"] == bound["prefill_attention"] == "arithmetic"
    assert bound["decode"] == bound["head"] == "memory traffic"
    assert found.bottleneck == "decode"
    many = quote(VLM, Request(frames=32, tokens_per_frame=196, output_tokens=2), profile=prior_profile("h200")).on_gpu
    assert many is not None
    assert many.bottleneck == "prefill_linear"
    tiny = dataclasses.replace(VLM, lm=dataclasses.replace(VLM.lm, hidden=64, heads=2, kv_heads=1, head_dim=32, mlp=64))
    small = quote(tiny, Request(frames=1, tokens_per_frame=1, output_tokens=2), profile=prior_profile("h200")).on_gpu
    assert small is not None
    assert {stage.name: stage.bound for stage in small.stages}["prefill_linear"] == "kernels"


@given(st.sampled_from(sorted(VIDEO_VLMS)), st.integers(1, 64), st.integers(1, 16), st.sampled_from([1, 8]),
       st.integers(1, 64), st.sampled_from(["a100", "l4", "rtx 4090"]))
@settings(max_examples=25, deadline=None)
def test_parts_add_up_for_every_model(name: str, frames: int, side: int, batch: int, output: int, on: str) -> None:
    found = quote(video_vlm(name), Request(frames=frames, tokens_per_frame=side**2, batch=batch, output_tokens=output),
                  profile=prior_profile(on))
    assert sum(found.flops[part] for part in PARTS) == pytest.approx(found.flops["total"])
    timed = found.on_gpu
    assert timed is not None
    assert sum(stage.seconds for stage in timed.stages) == pytest.approx(timed.total_s)
    assert timed.total_s >= timed.ttft_s > 0
    assert timed.fits == (found.memory["total"] <= timed.gpu.memory)
    assert all(stage.flops_per_second <= timed.gpu.bf16_flops for stage in timed.stages)


def test_a_measured_gpu_says_how_well_and_how_much_power() -> None:
    found = quote(VLM, Request(frames=32, tokens_per_frame=196, output_tokens=8, batch=2),
                  profile=profile_for("h200"))
    on = found.on_gpu
    assert on is not None
    assert on.calibrated
    assert "NOT" not in " ".join(found.notes)
    assert "held out" in on.sentence
    assert on.kilowatt_hours is not None
    assert 0.5 * on.kilowatt_hours_at_most < on.kilowatt_hours < 1.01 * on.kilowatt_hours_at_most
    # Decoding waits for memory and draws less, so a longer answer takes less power in the mean.
    longer = quote(VLM, Request(frames=32, tokens_per_frame=196, output_tokens=256, batch=2),
                   profile=profile_for("h200")).on_gpu
    assert longer is not None
    assert longer.kilowatt_hours is not None
    assert longer.kilowatt_hours / longer.kilowatt_hours_at_most < on.kilowatt_hours / on.kilowatt_hours_at_most
    unmeasured = quote(VLM, Request(frames=1, tokens_per_frame=1), profile=prior_profile("h200")).on_gpu
    assert unmeasured is not None
    assert unmeasured.kilowatt_hours is None


def test_notes_say_what_must_be_known() -> None:
    request = Request(frames=512, tokens_per_frame=196, batch=8, dtype="int4")
    found = quote(VLM, request, profile=prior_profile("a10g"))
    said = " ".join(found.notes)
    for words in ("NOT calibrated", "does not fit in 24 GB", "UNCONFIRMED", "change memory only", "always busy"):
        assert words in said
    assert "fit in" not in " ".join(quote(VLM, Request(frames=8, tokens_per_frame=49),
                                          profile=prior_profile("h200")).notes)


@pytest.mark.parametrize(("change", "said"), [
    ({"batch": 0}, "batch is 0"), ({"batch": 1.5}, "batch is 1.5"), ({"text_tokens": -1}, "text_tokens is -1"),
    ({"output_tokens": 0}, "output_tokens is 0"), ({"frames": 0}, "frames is 0"),
    ({"tokens_per_frame": float("nan")}, "tokens_per_frame is nan"), ({"output_tokens": float("nan")}, "output_tokens"),
    ({"tokens_per_frame": 195}, "nearest squares are 169 and 196"), ({"tokens_per_frame": 784}, "at most 729"),
    ({"dtype": "fp4"}, "dtype is 'fp4'"), ({"kv_dtype": "int4"}, "kv_dtype is 'int4'"),
])
def test_what_cannot_be(change: dict, said: str) -> None:
    with pytest.raises(InputError, match=said) as problem:
        quote(VLM, Request(**{"frames": 8, "tokens_per_frame": 49, **change}))
    assert "\n" not in str(problem.value)


def test_a_price_needs_a_gpu() -> None:
    with pytest.raises(InputError, match="a price needs a GPU"):
        quote(VLM, Request(frames=8, tokens_per_frame=49), price_per_hour=1.0)
    with pytest.raises(InputError, match="price"):
        quote(VLM, Request(frames=8, tokens_per_frame=49), profile=prior_profile(gpu("l4")), price_per_hour=-1.0)
