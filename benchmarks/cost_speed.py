"""Part f: a million configurations priced at once, against one by one, and against counting by running the model."""

import importlib.util
import time

import numpy as np

COSTS = ("flops", "flops-exact", "latency", "dollars")


def measure(quick: bool) -> tuple[dict[str, object], str]:
    """Seconds for a million configurations under each cost, and two ratios."""
    from vidscale.cost.deployment import CostSettings, cost_of

    count, single = (100_000, 100) if quick else (1_000_000, 1_000)
    rng = np.random.default_rng(0)
    points = np.column_stack([rng.choice([0.973e9, 2.819e9, 7.505e9], count), rng.integers(1, 129, count),
                              rng.integers(1, 15, count) ** 2]).astype(np.float64)
    numbers: dict[str, object] = {"cost_configurations": count}
    lines = []
    for kind in COSTS:
        model = cost_of(CostSettings(kind=kind, gpu="h200", output_tokens=8))
        model.cost(points[:10])
        whole = min(_seconds(lambda model=model: model.cost(points)) for _ in range(3))
        one = _seconds(lambda model=model: [model.cost(points[i:i + 1]) for i in range(single)]) / single
        numbers |= {f"cost_{kind}_s": whole, f"cost_{kind}_ratio_one_by_one": one * count / whole}
        lines.append(f"{kind}: {count:,} configurations in {whole:.2f} s, "
                     f"{one * count / whole:,.0f} × as fast as one by one")
    counted = _torch_counter()
    if counted is not None:
        from vidscale.cost import exact_flops
        from vidscale.space import video_vlm

        vlm = video_vlm("llava-llama-3.2-1b")
        ours = min(_seconds(lambda: exact_flops(vlm, 8, 49)) for _ in range(20))
        numbers["cost_ratio_torch_counter"] = counted / ours
        lines.append(f"one request counted: {1e3 * ours:.2f} ms; its language model alone by torch's counter on the "
                     f"meta device: {1e3 * counted:.0f} ms, {counted / ours:,.0f} ×")
    return numbers, "\n".join(lines)


def _torch_counter() -> float | None:
    """Seconds of counting a language model's prefill by running it without data; None without torch."""
    if not (importlib.util.find_spec("torch") and importlib.util.find_spec("transformers")):
        return None
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(hidden_size=2048, intermediate_size=8192, num_hidden_layers=16,
                                             num_attention_heads=32, num_key_value_heads=8, head_dim=64,
                                             vocab_size=128256))
        x = torch.empty(1, 8 * 49, 2048)

    def count() -> None:
        with FlopCounterMode(display=False), torch.no_grad():
            model(inputs_embeds=x, logits_to_keep=1)

    count()
    return min(_seconds(count) for _ in range(3))


def _seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
