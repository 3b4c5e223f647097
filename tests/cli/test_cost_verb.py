"""`vidscale cost` in full: what is printed is what JSON holds, and refusals are one line."""

import json

import pytest

from vidscale.cost import PaperCost
from vidscale.cost.quote import PARTS

CENTRE = ("cost", "--at", "lm_params=7.5e9,frames=32,tokens_per_frame=196")
OWN_GPU = """[[gpu]]
name = "Edge 9"
bf16_tflops = 200
bandwidth_tbs = 0.8
memory_gb = 16
watts = 100
price_per_hour = 0.25
"""


def both(run, *arguments):
    shown, data = run(*arguments), run(*arguments, "--json")
    assert (shown.code, data.code) == (0, 0), shown.err + data.err
    return shown.out, json.loads(data.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_without_anything_else_it_is_the_papers_formula(run):
    text, data = both(run, *CENTRE)
    assert data["cost"] == "paper"
    assert data["configurations"][0]["inference_flops"] == PaperCost().cost([[7.5e9, 32, 196]])[0]
    assert "not counted" in text


def test_in_full_without_a_gpu(run):
    text, data = both(run, *CENTRE, "--model", "llava-llama3")
    (found,) = data["quotes"]
    assert data["schema"] == "vidscale-quote-1"
    assert found["model"] == "llava-llama-3.1-8b"
    assert found["on_gpu"] is found["on_cpu"] is found["over_life"] is None
    assert sum(found["flops"][name] for name in PARTS) == pytest.approx(found["flops"]["total"])
    for words in ("20.54", "119.4", "115.2", "-3.51", "vision encoder", "prefill, attention", "Memory"):
        assert words in text
    assert "calibrated" not in text


def test_on_a_gpu(run):
    text, data = both(run, *CENTRE, "--gpu", "l40s", "--text-tokens", "40", "--output-tokens", "8", "--batch", "2",
                      "--price", "$1.8")
    (found,) = data["quotes"]
    on = found["on_gpu"]
    assert (on["gpu"]["name"], on["gpu"]["price_per_hour"], on["calibrated"]) == ("L40S", 1.8, False)
    assert [stage["name"] for stage in on["stages"]] == list(PARTS)
    assert on["dollars"] == pytest.approx(on["gpu_s_per_video"] * 1e6 * 1.8 / 3600)
    assert on["videos_per_hour"] == pytest.approx(3600 / on["gpu_s_per_video"])
    assert on["fits"]
    assert "One L40S, NOT calibrated, batch of 2" in text
    assert f"bottleneck: {'prefill, linear'}" in text
    assert str(on["concurrent_videos"]) in text
    for words in ("memory traffic", "arithmetic", "1.8 per GPU-hour", "fits in 48 GB"):
        assert words in text


def test_several_configurations_side_by_side(run):
    text, data = both(run, *CENTRE, "--at", "lm_params=1B,frames=32,tokens_per_frame=144", "--gpu", "h100")
    assert [q["lm"] for q in data["quotes"]] == ["llama-3.1-8b", "llama-3.2-1b"]
    assert text.count("bound by") == 2
    assert text.count("Memory\n") == 1
    one = json.loads(run(*CENTRE, "--gpu", "h100", "--json").out)
    assert one["quotes"][0] == data["quotes"][0]


def test_a_size_that_nobody_released_is_said(run):
    text, data = both(run, "cost", "--at", "lm_params=5e9,frames=8,tokens_per_frame=49", "--gpu", "h100")
    assert any("interpolated" in note for note in data["notes"])
    assert "interpolated" in text


def test_the_cpu_before_it(run):
    text, data = both(run, *CENTRE, "--gpu", "h200", "--duration", "60", "--size", "1920x1080", "--workers", "1")
    cpu = data["quotes"][0]["on_cpu"]
    assert cpu["bottleneck"] == "cpu"
    assert cpu["cpu_busy"] == 1
    assert cpu["gpu_busy"] < 0.5
    assert cpu["workers_needed"] > 1
    assert "cores that keep the GPU busy" in text
    more = json.loads(run(*CENTRE, "--gpu", "h200", "--duration", "60", "--size", "1920x1080", "--workers", "999",
                          "--json").out)["quotes"][0]["on_cpu"]
    assert more["bottleneck"] == "gpu"
    short = json.loads(run(*CENTRE, "--duration", "60", "--gop", "30", "--json").out)["quotes"][0]["on_cpu"]
    through = json.loads(run(*CENTRE, "--duration", "60", "--no-seek", "--json").out)["quotes"][0]["on_cpu"]
    assert short["core_s_per_video"] < through["core_s_per_video"]
    assert short["gpu_busy"] is None


def test_frames_and_tokens_follow_from_the_video(run):
    text, data = both(run, "cost", "--model", "qwen2.5-vl-7b", "--duration", "384", "--size", "1920x1080")
    (found,) = data["quotes"]
    assert found["visual_tokens"] == 105_984
    assert found["flops"]["total"] / 1e12 == pytest.approx(4199, rel=1e-3)
    assert "768 frames of 138 tokens" in text
    (given,) = json.loads(run("cost", "--model", "llava-llama-3.2-1b", "--at", "frames=8,tokens_per_frame=49",
                              "--json").out)["quotes"]
    assert (given["request"]["frames"], given["visual_tokens"]) == (8, 392)


def test_finetuning_against_inference(run):
    text, data = both(run, *CENTRE, "--finetune", "1M", "--videos-per-month", "1020M", "--months", "1", "--gpu", "a100")
    life = data["quotes"][0]["over_life"]
    assert life["ratio"] == pytest.approx(340)
    assert life["crossover_per_month"] == pytest.approx(3e6)
    assert life["dollar_ratio"] > 0
    assert "340" in text
    assert "videos a month for 1 month" in " ".join(text.split())
    assert "1 months" not in text
    assert "1 epochs" not in text
    frozen = json.loads(run(*CENTRE, "--finetune", "1M", "--videos-per-month", "1020M", "--freeze", "encoder",
                            "--json").out)["quotes"][0]["over_life"]
    assert frozen["ratio"] > 380
    assert frozen["dollar_ratio"] is None


def test_types_of_weights(run):
    said = [json.loads(run(*CENTRE, "--gpu", "l4", "--dtype", dtype, "--kv-dtype", kv, "--json").out)
            for dtype, kv in (("bf16", "bf16"), ("int4", "fp8"))]
    wide, narrow = (each["quotes"][0] for each in said)
    assert narrow["memory"]["weights"] < 0.45 * wide["memory"]["weights"]
    assert narrow["memory"]["kv_cache"] == wide["memory"]["kv_cache"] / 2
    assert any("change memory only" in note for note in narrow["notes"])


def test_a_gpu_and_a_model_of_ones_own(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "edge.toml").write_text(OWN_GPU)
    text, data = both(run, *CENTRE, "--gpu", "edge.toml")
    assert data["quotes"][0]["on_gpu"]["gpu"]["name"] == "Edge 9"
    assert not data["quotes"][0]["on_gpu"]["fits"]
    assert "does not fit in 16 GB of Edge 9" in text
    (tmp_path / "config.json").write_text(json.dumps({
        "model_type": "llava", "vision_feature_select_strategy": "full", "vision_config": {
            "model_type": "siglip_vision_model", "hidden_size": 1152, "image_size": 384, "intermediate_size": 4304,
            "num_attention_heads": 16, "num_hidden_layers": 27, "patch_size": 14},
        "text_config": {"model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
                        "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128256}}))
    own = json.loads(run("cost", "--model", "config.json", "--at", "frames=8,tokens_per_frame=49", "--json").out)
    known = json.loads(run("cost", "--model", "llava-llama-3.2-1b", "--at", "frames=8,tokens_per_frame=49",
                           "--json").out)
    for part in ("projector", "prefill_linear", "prefill_attention", "head"):
        assert own["quotes"][0]["flops"][part] == known["quotes"][0]["flops"][part]


@pytest.mark.parametrize(("arguments", "said"), [
    (("--gpu", "h300"), "unknown GPU 'h300'; allowed are A100-80G, H100"),
    (("--gpu", "none.toml"), "cannot read GPUs from none.toml"),
    (("--gpu", "l4", "--profile", "h200"), "is of GPU H200, not of L4"),
    (("--gpu", "l4", "--profile", "none.json"), "there is no profile 'none.json'"),
    (("--profile", "other.json"), "has profile schema 'other-1'"),
    (("--model", "gpt"), "there is no ladder 'gpt'"),
    (("--model", "none.json"), "cannot read none.json"),
    (("--model", "odd.json"), "model_type 'bert'; supported are"),
    (("--gpu", "l4", "--batch", "0"), "batch is 0"),
    (("--gpu", "l4", "--text-tokens", "-1"), "text_tokens is -1"),
    (("--gpu", "l4", "--output-tokens", "0"), "output_tokens is 0"),
    (("--gpu", "l4", "--price", "-1"), "price per GPU-hour is -1"),
    (("--gpu", "l4", "--price", "cheap"), "'cheap' is no number"),
    (("--price", "1"), "a price needs a GPU"),
    (("--gpu", "l4", "--dtype", "fp32"), "dtype is 'fp32'; allowed are bf16"),
    (("--gpu", "l4", "--kv-dtype", "fp4"), "kv_dtype is 'fp4'"),
    (("--workers", "4"), "--workers is about decoding a video; give its --duration"),
    (("--duration", "60", "--workers", "0"), "--workers is 0"),
    (("--duration", "60", "--gop", "-5"), "--gop is -5"),
    (("--duration", "0"), "above 0 seconds"), (("--duration", "60", "--size", "big"), "--size 'big'"),
    (("--finetune", "1M"), "give --videos-per-month"),
    (("--videos-per-month", "1e6"), "give its examples with --finetune"),
    (("--finetune", "0", "--videos-per-month", "1"), "examples is 0"),
    (("--finetune", "1", "--videos-per-month", "-1"), "videos_per_month is -1"),
    (("--finetune", "1", "--videos-per-month", "1", "--freeze", "head"), "--freeze 'head': allowed are encoder"),
    (("--finetune", "1", "--videos-per-month", "1", "--freeze", "encoder", "--freeze", "projector", "--freeze", "lm"),
     "nothing is trained"),
    (("--finetune", "1", "--videos-per-month", "1", "--months", "0"), "months is 0"),
])
def test_refusals(run, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.json").write_text('{"schema": "other-1", "points": []}')
    (tmp_path / "odd.json").write_text('{"model_type": "bert"}')
    assert said in run(*CENTRE, *arguments).refused()


@pytest.mark.parametrize(("arguments", "said"), [
    (("--at", "lm_params=7.5e9,frames=32,tokens_per_frame=195"), "nearest squares are 169 and 196"),
    (("--at", "lm_params=7.5e9,frames=32,tokens_per_frame=784"), "at most 729"),
    (("--at", "frames=32,tokens_per_frame=196"), "lacks lm_params, and llava-llama3 has 3 sizes"),
    (("--at", "lm_params=7.5e9,frames=32"), "--at lacks tokens_per_frame"),
    (("--at", "lm_params=7.5e9,frames=-2,tokens_per_frame=196"), "positive"), ((), "nothing to cost"),
    (("--duration", "60"), "one --model"),
    (("--model", "qwen2.5-vl-7b", "--at", "lm_params=1e9,frames=4,tokens_per_frame=66"), "has one size"),
])
def test_configurations_that_cannot_be(run, arguments, said):
    assert said in run("cost", "--gpu", "h200", *arguments).refused()
