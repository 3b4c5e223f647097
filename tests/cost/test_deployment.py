"""From settings to a cost: the right amounts, the right unit, one clear line for what cannot be costed."""

import time

import numpy as np
import pytest

from vidscale.cost import LmOnlyCost, PaperCost
from vidscale.cost.constraints import Limit, LimitedCost, base_cost, limits_of
from vidscale.cost.deployment import KINDS, CostSettings, by_model, cost_notes, cost_of, not_convex
from vidscale.cost.exact import ExactCost
from vidscale.cost.hardware import gpu
from vidscale.cost.latency import request_time
from vidscale.cost.memory import memory
from vidscale.cost.profile import dump_profile, profile_for
from vidscale.errors import InputError
from vidscale.space import dense_lattice, ladder, published_lattice, video_vlm

LATTICE = published_lattice()
POINTS = LATTICE.points
H200 = {"gpu": "h200", "text_tokens": 32, "output_tokens": 8}


def test_formulas_are_the_papers():
    assert cost_of(CostSettings()) == PaperCost()
    assert cost_of(CostSettings(), (0.3e9, 577.0)) == PaperCost(encoder_params=0.3e9, encoder_tokens=577)
    assert cost_of(CostSettings(encoder=(1e9, 9.0)), (0.3e9, 577.0)) == PaperCost(encoder_params=1e9, encoder_tokens=9)
    assert cost_of(CostSettings(kind="lm-only")) == LmOnlyCost()
    assert not_convex(PaperCost()) is None


def test_exact_flops_are_those_of_the_models():
    found = cost_of(CostSettings(kind="flops-exact", text_tokens=5, output_tokens=3))
    own = ExactCost(text_tokens=5, output_tokens=3)
    assert np.array_equal(found.cost(POINTS), own.cost(POINTS))
    assert not_convex(found) == "flops-exact cost is no posynomial"


@pytest.mark.parametrize("batch", [1, 4])
def test_every_configuration_costs_what_its_own_request_takes(batch):
    """Grouping by model and by pairs of frames and tokens changes no amount."""
    rng = np.random.default_rng(0)
    rows = POINTS[rng.permutation(len(POINTS))[:12]]
    rows = np.concatenate([rows, rows[:3], [[4e9, 5.5, 30.25]]])
    costs = {kind: base_cost(cost_of(CostSettings(kind=kind, price=3.6, batch=batch, **H200)))
             for kind in ("ttft", "latency", "gpu-seconds", "dollars")}
    for i, (n, t, v) in enumerate(rows):
        one = request_time(ladder("llava-llama3").vlm(n), [t], [v], profile=profile_for("h200"), batch=batch,
                           text_tokens=32, output_tokens=8)
        total = float(one.total[0])
        wanted = {"ttft": float(one.ttft[0]), "latency": total, "gpu-seconds": total / batch,
                  "dollars": total / batch * 1000}
        for kind, cost in costs.items():
            assert cost.cost(rows)[i] == pytest.approx(wanted[kind], rel=1e-12), kind
            whole = one.ttft[0] if kind == "ttft" else total
            assert cost.encoder_share(rows)[i] == pytest.approx(one.encoder[0] / whole, rel=1e-12)


def test_units_and_names():
    for kind, unit in KINDS.items():
        settings = CostSettings(kind=kind, gpu=None if unit == "FLOPs" else "h200")
        assert settings.unit == cost_of(settings).unit == unit
    assert cost_of(CostSettings(kind="latency", gpu="h200")).name == "latency (memory <= 141 GB)"


def test_a_named_gpu_limits_memory():
    for settings in (CostSettings(kind="latency", gpu="l4", batch=8), CostSettings(kind="flops", gpu="l4", batch=8)):
        cost = cost_of(settings)
        assert isinstance(cost, LimitedCost)
        (limit,) = limits_of(cost)
        assert (limit.kind, limit.value, limit.reason) == ("memory", 24e9, "all of one L4")
        kept = np.isfinite(cost.cost(POINTS))
        for (n, t, v), meets in zip(POINTS[::7], kept[::7], strict=True):
            need = memory(ladder("llava-llama3").vlm(n), t, v, batch=8).total
            assert bool(need <= gpu("l4").memory) == bool(meets)
        assert 0 < kept.sum() < len(kept)
    # A tighter limit of one's own makes the GPU's superfluous; a looser one does not.
    tight, loose = (limits_of(cost_of(CostSettings(gpu="l4", limits=(Limit(kind="memory", value=v),))))
                    for v in (16e9, 40e9))
    assert [limit.value for limit in tight] == [16e9]
    assert [limit.value for limit in loose] == [40e9, 24e9]


def test_limits_are_on_the_same_request():
    settings = CostSettings(kind="dollars", limits=(Limit(kind="latency", value=0.05), Limit(kind="flops", value=2e13),
                                                   Limit(kind="flops-exact", value=2e13)), **H200)
    kept = np.isfinite(cost_of(settings).cost(POINTS))
    seconds = base_cost(cost_of(CostSettings(kind="latency", **H200))).cost(POINTS)
    flops, exact = PaperCost().cost(POINTS), ExactCost(text_tokens=32, output_tokens=8).cost(POINTS)
    assert np.array_equal(kept, (seconds <= 0.05) & (flops <= 2e13) & (exact <= 2e13))
    assert not_convex(cost_of(CostSettings(limits=(Limit(kind="flops", value=2e13),)))) == (
        "a cost with limits is no posynomial")


def test_single_models_and_profiles_by_name_or_file(tmp_path):
    model = CostSettings(kind="latency", gpu="h100", model="llava-llama-3.1-8b")
    rows = np.array([[7.5e9, 8, 49], [7.5e9, 32, 196]])
    wanted = request_time(video_vlm("llava-llama-3.1-8b"), rows[:, 1], rows[:, 2], profile=profile_for("h100")).total
    assert cost_of(model).cost(rows) == pytest.approx(wanted)
    with pytest.raises(InputError, match="has one size"):
        cost_of(model).cost(POINTS)
    own = tmp_path / "own.json"
    own.write_text(dump_profile(profile_for("h200")))
    by_file = cost_of(CostSettings(kind="latency", profile=str(own)))
    assert limits_of(by_file)[0].value == 141e9
    assert np.isfinite(by_file.cost(POINTS)).any()
    toml = tmp_path / "mine.toml"
    toml.write_text('[[gpu]]\nname = "Mine"\nbf16_tflops = 100\nbandwidth_tbs = 1\nmemory_gb = 48\nwatts = 300\n'
                    "price_per_hour = 1\n")
    assert limits_of(cost_of(CostSettings(kind="ttft", gpu=str(toml))))[0].reason == "all of one Mine"
    toml.write_text(toml.read_text().replace("Mine", "h200"))  # the name of a measured GPU does not make it one
    slow = cost_of(CostSettings(kind="ttft", gpu=str(toml), model="llava-llama-3.1-8b")).cost(rows)
    assert (slow > 3 * cost_of(CostSettings(kind="ttft", gpu="h200", model="llava-llama-3.1-8b")).cost(rows)).all()


@pytest.mark.parametrize(("settings", "said"), [
    ({"kind": "latency"}, r"cost 'latency' needs a GPU: .*--gpu \(A100-80G, H100, H200"),
    ({"limits": (Limit(kind="ttft", value=1.0),)}, "a limit on ttft needs a GPU"),
    ({"kind": "latency", "gpu": "v100"}, "unknown GPU 'v100'"),
    ({"kind": "latency", "gpu": "l4", "profile": "h200"}, "is of GPU H200, not of L4"),
    ({"kind": "latency", "profile": "absent.json"}, "no profile 'absent.json'"),
    ({"kind": "flops-exact", "model": "gpt"}, "no ladder 'gpt'"),
    ({"kind": "flops-exact", "model": "absent/config.json"}, "absent"),
])
def test_what_cannot_be_costed(settings, said):
    with pytest.raises(InputError, match=said) as raised:
        cost_of(CostSettings(**settings))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("settings", "said"), [
    ({"kind": "speed"}, "unknown cost 'speed'; allowed are flops"), ({"batch": 0}, "batch is 0"),
    ({"batch": 1.5}, "batch is 1.5"), ({"text_tokens": -1}, "text_tokens is -1"),
    ({"output_tokens": 0}, "output_tokens"),
    ({"price": 0.0}, "price is 0"), ({"price": float("nan")}, "price is nan"),
])
def test_settings_out_of_range(settings, said):
    with pytest.raises(InputError, match=said):
        CostSettings(**settings)


def test_a_language_model_alone_is_no_video_model(tmp_path):
    config = tmp_path / "config.json"
    config.write_text('{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 2048, '
                      '"intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32, '
                      '"num_key_value_heads": 8, "vocab_size": 128256}')
    with pytest.raises(InputError, match="without a vision tower"):
        cost_of(CostSettings(kind="flops-exact", model=str(config)))


def test_notes_say_what_is_counted():
    assert "430M parameters and 768 tokens" in cost_notes(PaperCost(), POINTS)[0]
    dollars = " ".join(cost_notes(cost_of(CostSettings(kind="dollars", price=2.5, batch=4, gpu="l4")), POINTS))
    assert "batch of 4" in dollars
    assert "$2.5 per GPU-hour" in dollars
    assert "not calibrated" in dollars
    exact = " ".join(cost_notes(cost_of(CostSettings(kind="flops-exact")), np.array([[4e9, 8, 49]])))
    assert "attention (causal)" in exact
    assert "interpolated" in exact
    assert cost_notes(LmOnlyCost(), POINTS) == ()


def test_pairs_are_worked_out_once_per_model():
    asked = []

    def of(vlm, frames, tokens):
        asked.append((vlm.name, len(frames)))
        return [frames * tokens]

    rows = np.tile(POINTS, (3, 1))
    found = by_model(rows, ladder("llava-llama3"), of, 1)
    assert np.array_equal(found[0], rows[:, 1] * rows[:, 2])
    assert [count for _, count in asked] == [35, 35, 35]


def test_a_million_configurations_are_costed_quickly():
    lattice = dense_lattice(*LATTICE.bounds(), (3, 577, 578))
    cost = base_cost(cost_of(CostSettings(kind="latency", **H200)))
    cost.cost(lattice.points[:9])
    start = time.perf_counter()
    amounts = cost.cost(lattice.points)
    assert amounts.shape == (1_000_518,)
    assert time.perf_counter() - start < 10  # about one second on a quiet core
