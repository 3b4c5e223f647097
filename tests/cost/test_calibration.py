"""Calibration end to end: on the CPU with tiny models, and on a GPU where there is one."""

import json

import pytest

torch = pytest.importorskip("torch")

from vidscale.cost import latency  # noqa: E402
from vidscale.cost.calibration import accuracy, points, run  # noqa: E402
from vidscale.cost.calibration.measure import measured  # noqa: E402
from vidscale.cost.calibration.plan import WHOLE, Plan, request_point, standard_plan  # noqa: E402
from vidscale.cost.calibration.reference import Bridge, Decoder, Place, Tower, request  # noqa: E402
from vidscale.cost.hardware import gpu, gpu_of_device  # noqa: E402
from vidscale.cost.profile import dump_profile, load_profile  # noqa: E402
from vidscale.errors import InputError  # noqa: E402
from vidscale.space import LanguageModel, Projector, VideoVLM, VisionTower, catalogue, video_vlm  # noqa: E402

CPU = Place(device=torch.device("cpu"), dtype=torch.float32)
LM = LanguageModel(name="tiny", layers=2, hidden=64, heads=4, kv_heads=2, head_dim=16, mlp=96, vocabulary=100)
TOWER = VisionTower(name="tiny-tower", layers=3, hidden=64, heads=4, head_dim=16, mlp=96, patch=14, image=56,
                    skipped_layers=1)
KINDS = ("rms_norm", "add", "rotary", "copy", "layer_norm", "gelu", "swiglu")


@pytest.fixture
def tiny(monkeypatch):
    for module in (catalogue, latency, accuracy):
        monkeypatch.setattr(module, "LANGUAGE_MODELS", {"tiny": LM})
        monkeypatch.setattr(module, "VISION_TOWERS", {"tiny-tower": TOWER})


def tiny_plan():
    operations = points.matmul_points(points.weight_shapes([LM], [TOWER]), [1, 8, 64])
    operations += points.lm_attention_points([LM], [8, 32], [1, 2], [8, 32], [1, 2])
    operations += points.tower_attention_points([TOWER], [1, 4]) + points.pointwise_points(KINDS, [1, 64], [64])
    whole = points.tower_points([TOWER], [1, 4]) + points.prefill_points(["tiny"], [1, 2], [8, 32])
    whole += points.decode_points(["tiny"], [1, 2], [8, 32])
    vlm = VideoVLM(name="tiny", family="llava", tower=TOWER, projector=Projector(kind="mlp", pooled=True), lm=LM)
    held = points.tower_points([TOWER], [2]) + points.prefill_points(["tiny"], [1], [16])
    held += [*points.decode_points(["tiny"], [1], [16]), request_point(vlm, 2, 4, 3, 1, text_tokens=4)]
    return Plan(calibration=(*operations, *whole), held_out=tuple(held))


def test_every_point_is_measured_and_the_profile_predicts_what_was_held_out(tiny, tmp_path):
    plan, said = tiny_plan(), []
    found = run.calibrate(gpu("l4"), plan=plan, at=CPU, tick=said.append)
    assert [{k: p[k] for k in q} for p, q in zip(found.profile.points, plan.calibration)] == list(plan.calibration)
    assert all(p["seconds"] > 0 and p["low"] <= p["seconds"] <= p["high"] for p in found.profile.points)
    assert [each.what for each in found.accuracy] == ["tower", "prefill", "decode", "request", "all"]
    assert found.accuracy[-1].errors.size == 4
    assert found.profile.provenance["held_out"][-1]["points"] == 4
    assert said
    # A CPU's times scatter; the predictions have to be of the right order, which a data sheet's are not.
    assert found.accuracy[-1].as_dict()["median"] < found.uncalibrated[-1].as_dict()["median"] + 1
    path = tmp_path / "own.json"
    text = dump_profile(found.profile)
    path.write_text(text)
    assert json.loads(text)["gpu"] == "L4"


def test_a_profile_predicts_the_very_points_it_went_through(tiny):
    found = run.calibrate(gpu("l4"), plan=tiny_plan(), at=CPU)
    through = accuracy.accuracy([p for p in found.profile.points if p["what"] != "pointwise"], found.profile)
    assert through[-1].as_dict()["worst"] < 1e-9


def test_the_standard_plan_holds_out_other_shapes_than_it_calibrates():
    plan = standard_plan()

    def keys(points):
        return {tuple(sorted(p.items())) for p in points}

    assert len(keys(plan.calibration)) == len(plan.calibration)
    assert not keys(plan.calibration) & keys(plan.held_out)
    assert {p["what"] for p in plan.held_out} == {"tower", "prefill", "decode", "request"}
    assert {p["model"] for p in plan.held_out if p["what"] == "prefill"} == {video_vlm(n).lm.name for n in WHOLE}


def test_out_of_memory_is_a_point_without_a_time(tiny, monkeypatch):
    def too_much(*args):
        raise torch.OutOfMemoryError("no")

    monkeypatch.setattr("vidscale.cost.calibration.measure.time_matmul", too_much)
    out = list(measured(points.matmul_points([(8, 8)], [1]), CPU))
    assert out == [{"what": "matmul", "rows": 1, "inputs": 8, "outputs": 8, "seconds": None, "failed": "out of memory"}]


@torch.inference_mode()
def test_decoding_with_the_cache_is_prefill_of_the_longer_prompt():
    torch.manual_seed(0)
    decoder = Decoder(LM, CPU)
    x = CPU.activation(2, 7, 64)
    cache = decoder.cache(2, 7)
    decoder.prefill(x[:, :6], cache)
    assert torch.allclose(decoder.decode(x[:, 6:], cache, 7), decoder.prefill(x), rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_the_reference_language_model_computes_what_transformers_computes():
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
                         num_key_value_heads=2, head_dim=16, vocab_size=100, rms_norm_eps=1e-5,
                         rope_parameters={"rope_type": "default", "rope_theta": 5e5}, attn_implementation="sdpa")
    theirs, ours = LlamaForCausalLM(config).eval(), Decoder(LM, CPU)
    for layer, own in zip(theirs.model.layers, ours.layers):
        attention, mlp = layer.self_attn, layer.mlp
        own.q, own.k, own.v, own.o = (m.weight for m in (attention.q_proj, attention.k_proj, attention.v_proj,
                                                         attention.o_proj))
        own.gate, own.up, own.down = mlp.gate_proj.weight, mlp.up_proj.weight, mlp.down_proj.weight
    ours.head = theirs.lm_head.weight
    x = torch.randn(2, 9, 64)
    assert torch.allclose(ours.prefill(x), theirs(inputs_embeds=x).logits[:, -1], rtol=1e-3, atol=1e-4)


@torch.inference_mode()
def test_the_reference_tower_computes_what_transformers_computes():
    from transformers import SiglipVisionConfig, SiglipVisionModel

    torch.manual_seed(0)
    config = SiglipVisionConfig(hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
                                image_size=56, patch_size=14, layer_norm_eps=1e-5, vision_use_head=False,
                                attn_implementation="sdpa")
    theirs, ours = SiglipVisionModel(config).eval(), Tower(TOWER, CPU)
    parts = dict(theirs.named_parameters())
    found = {key.split("vision_model.")[-1]: value for key, value in parts.items()}
    ours.embed, ours.bias = found["embeddings.patch_embedding.weight"], found["embeddings.patch_embedding.bias"]
    ours.positions = found["embeddings.position_embedding.weight"]
    for i, own in enumerate(ours.layers):
        names = [f"encoder.layers.{i}.{name}" for name in (
            "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2")]
        own.weights, own.biases = [found[f"{n}.weight"] for n in names], [found[f"{n}.bias"] for n in names]
        norms = [f"encoder.layers.{i}.layer_norm{k}" for k in (1, 2)]
        own.norms = [(found[f"{norm}.weight"], found[f"{norm}.bias"]) for norm in norms]
    pixels = ours.frames(2)
    expected = theirs(pixels, output_hidden_states=True).hidden_states[-2]  # as LLaVA: before the last layer
    assert torch.allclose(ours(pixels), expected, rtol=1e-3, atol=1e-4)
    tidy = Tower(TOWER, CPU, contiguous=True)
    for name in ("embed", "bias", "positions", "layers"):
        setattr(tidy, name, getattr(ours, name))
    assert torch.allclose(tidy(pixels), expected, rtol=1e-3, atol=1e-4)


@torch.inference_mode()
def test_a_request_gives_one_token_per_sequence():
    tower, decoder = Tower(TOWER, CPU), Decoder(LM, CPU)
    bridge = Bridge(TOWER, LM, CPU)
    work = request(tower, bridge, decoder, frames=2, tokens_per_frame=4, text_tokens=3, output_tokens=4, batch=3)
    assert work().shape == (3,)
    assert bridge(tower(tower.frames(2)), 9).shape == (2, 9, 64)
    assert bridge(tower(tower.frames(2)), 16).shape == (2, 16, 64)


@pytest.mark.parametrize(("device", "name"), [
    ("NVIDIA H200", "H200"), ("NVIDIA H100 80GB HBM3", "H100"), ("NVIDIA A100-SXM4-80GB", "A100-80G"),
    ("NVIDIA L4", "L4"), ("NVIDIA L40S", "L40S"), ("NVIDIA A10G", "A10G"), ("NVIDIA B200", "B200"),
    ("AMD Instinct MI300X", "MI300X"), ("NVIDIA GeForce RTX 4090", "RTX-4090")])
def test_drivers_names_are_recognised(device, name):
    assert gpu_of_device(device) is gpu(name)


@pytest.mark.parametrize("device", ["NVIDIA H100 PCIe", "NVIDIA A100-SXM4-40GB", "NVIDIA H100 NVL", "Tesla T4", ""])
def test_other_devices_need_a_data_sheet(device):
    with pytest.raises(InputError, match=r"describe it in a \.toml file"):
        gpu_of_device(device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_written(tmp_path, capsys):
    from vidscale.cli import main

    assert main(["calibrate", "--out", str(tmp_path / "p.json")]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("error: no CUDA device was found")
    assert "\n" not in said
    assert not list(tmp_path.iterdir())


@pytest.mark.gpu
def test_calibration_on_this_gpu_meets_the_stated_accuracy(tmp_path):
    """About three minutes; the shipped H200 profile is such a run (docs/cost.md)."""
    found = run.calibrate()
    (tmp_path / "own.json").write_text(dump_profile(found.profile))
    assert load_profile(tmp_path / "own.json").points == found.profile.points
    everything = found.accuracy[-1].as_dict()
    assert everything["median"] <= 0.05
    assert everything["mean"] <= 0.08
    assert everything["worst"] <= 0.25
