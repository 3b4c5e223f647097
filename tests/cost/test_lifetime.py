"""Finetuning against inference: passes counted by autograd, the published ratio, and the crossover."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidscale.cost.flops import exact_flops
from vidscale.cost.lifetime import Finetuning, lifetime, paper_ratio, training_flops, training_gpu_seconds
from vidscale.errors import InputError
from vidscale.space.catalogue import video_vlm

VLM = video_vlm("llava-llama-3.1-8b")
TREATMENTS = ("full", "adapters", "frozen")


def test_the_papers_340_follows_from_stated_assumptions() -> None:
    assert paper_ratio() == pytest.approx(340, rel=1e-12)
    assert paper_ratio(videos_per_day=8.5e6, examples=2.5e5) == pytest.approx(340, rel=1e-12)
    assert paper_ratio(examples=2e6) == pytest.approx(170)
    # The same from the exact FLOPs of a model, where no answer is generated: the model cancels.
    for frames, tokens in ((32, 196), (4, 16)):
        once = training_flops(VLM, frames, tokens, Finetuning(examples=1e6))
        each = exact_flops(VLM, frames, tokens).total
        assert lifetime(once, each, videos_per_month=34e6 * 30).ratio == pytest.approx(340, rel=1e-12)
    # With the tower frozen training is cheaper, so a month of inference outweighs it by more.
    frozen = training_flops(VLM, 32, 196, Finetuning(examples=1e6, encoder="frozen"))
    assert lifetime(frozen, exact_flops(VLM, 32, 196).total, videos_per_month=34e6 * 30).ratio > 380


@pytest.mark.parametrize(("encoder", "projector", "lm"),
                         [t for t in product(TREATMENTS, repeat=3) if "adapters" not in t and set(t) != {"frozen"}])
def test_passes_are_those_autograd_computes(encoder: str, projector: str, lm: str) -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    # Three stacks of matrices of very different size; the first matrix of all needs no gradient of its input.
    sizes, depth, rows = {"encoder": 4, "projector": 16, "lm": 64}, 5, 2
    stacks = {name: [torch.nn.Linear(size, size, bias=False) for _ in range(depth)] for name, size in sizes.items()}
    glue = {name: torch.ones(rows, size) for name, size in sizes.items()}
    for stack, treatment in zip(stacks.values(), (encoder, projector, lm), strict=True):
        for matrix in stack:
            matrix.requires_grad_(treatment == "full")
    with FlopCounterMode(display=False) as counter:
        flow = torch.zeros(())
        for name, stack in stacks.items():
            rows_in = glue[name] + flow  # carries the gradient on without a matrix product
            for matrix in stack:
                rows_in = matrix(rows_in)
            flow = rows_in.sum()
        flow.backward()
    passes = Finetuning(examples=1, encoder=encoder, projector=projector, lm=lm).passes
    forward = [2 * rows * size**2 * depth for size in sizes.values()]
    expected = sum(times * each for times, each in zip(passes, forward, strict=True))
    # The first trained matrix has no input that needs a gradient: one of `depth`.
    first = next(each for each, treatment in zip(forward, (encoder, projector, lm), strict=True) if treatment == "full")
    assert counter.get_total_flops() == pytest.approx(expected - first / depth, rel=1e-12)


def test_passes() -> None:
    assert Finetuning(examples=1).passes == (3, 3, 3)
    assert Finetuning(examples=1, encoder="frozen").passes == (1, 3, 3)
    assert Finetuning(examples=1, encoder="frozen", lm="frozen").passes == (1, 3, 2)
    assert Finetuning(examples=1, encoder="frozen", lm="adapters").passes == (1, 3, 2)
    assert Finetuning(examples=1, encoder="frozen", recompute=True).passes == (1, 4, 4)
    assert Finetuning(examples=1, encoder="frozen", projector="frozen").passes == (1, 1, 3)
    assert "encoder frozen (1×)" in Finetuning(examples=5, encoder="frozen").sentence


def test_training_by_hand() -> None:
    once = exact_flops(VLM, 8, 49, text_tokens=29)
    found = training_flops(VLM, 8, 49, Finetuning(examples=10, epochs=2, encoder="frozen"), text_tokens=20,
                           answer_tokens=10)
    lm = once.prefill_linear + once.prefill_attention + 10 * once.head
    assert found == pytest.approx(20 * (once.encoder + 3 * once.projector + 3 * lm))
    assert training_gpu_seconds(found, 989.4e12, 0.5) == pytest.approx(found / (0.5 * 989.4e12))


@given(st.floats(1, 1e12), st.floats(1e-6, 1e6), st.floats(0, 1e12), st.floats(0.1, 120))
def test_above_the_crossover_inference_dominates(finetuning: float, each: float, volume: float, months: float) -> None:
    found = lifetime(finetuning, each, videos_per_month=volume, months=months)
    assert found.total == found.finetuning + found.inference
    at = float(found.crossover_per_month)
    assert lifetime(finetuning, each, videos_per_month=at, months=months).ratio == pytest.approx(1)
    if abs(volume / at - 1) > 1e-9:
        assert bool(found.ratio > 1) == (volume > at)


def test_arrays() -> None:
    found = lifetime([1.0, 2.0], [[1.0], [4.0]], videos_per_month=10, months=2)
    np.testing.assert_allclose(found.ratio, [[20, 10], [80, 40]])


@pytest.mark.parametrize(("make", "said"), [
    (lambda: Finetuning(examples=0), "examples is 0"), (lambda: Finetuning(examples=1, epochs=-1), "epochs is -1"),
    (lambda: Finetuning(examples=1, lm="lora"), "lm is 'lora'; allowed are full, adapters, frozen"),
    (lambda: Finetuning(examples=1, encoder="frozen", projector="frozen", lm="frozen"), "nothing is trained"),
    (lambda: lifetime(1, 1, videos_per_month=-1), "videos_per_month is -1"),
    (lambda: lifetime(1, 1, videos_per_month=1, months=0), "months is 0"),
    (lambda: lifetime(0, 1, videos_per_month=1), "finetuning holds"),
    (lambda: lifetime(1, float("nan"), videos_per_month=1), "per_video holds"),
    (lambda: training_gpu_seconds(1, 1e12, 1.5), "utilisation is 1.5"),
    (lambda: training_gpu_seconds(1, 0), "peak_flops is 0"),
    (lambda: training_flops(VLM, 8, 49, Finetuning(examples=1), answer_tokens=0), "answer_tokens is 0"),
    (lambda: paper_ratio(days=0), "days is 0"),
    (lambda: Finetuning(examples=1e300), "examples is 1e\\+300; allowed are at most"),
    (lambda: lifetime(1, 1, videos_per_month=1e300), "videos_per_month is 1e\\+300; allowed are"),
    (lambda: lifetime(1, 1, videos_per_month=1, months=1e300), "months is 1e\\+300; allowed are at most"),
])
def test_what_cannot_be(make, said: str) -> None:
    with pytest.raises(InputError, match=said) as problem:
        make()
    assert "\n" not in str(problem.value)


def test_one_epoch_is_not_several() -> None:
    assert "1000 examples × 1 epoch, in" in Finetuning(examples=1000).sentence
    assert "1 example × 2 epochs, in" in Finetuning(examples=1, epochs=2).sentence
