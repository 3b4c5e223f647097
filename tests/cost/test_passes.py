"""What the passes list: names, sizes and counts that a latency model can price."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidscale.cost import (
    Attention,
    MatMul,
    Pointwise,
    decode_operations,
    encoder_operations,
    prefill_operations,
    projector_operations,
    visual_tokens,
)
from vidscale.space import LANGUAGE_MODELS, VIDEO_VLMS, language_model, video_vlm

KINDS = {"rms_norm", "layer_norm", "rotary", "swiglu", "gelu", "add", "copy"}


@pytest.mark.parametrize("name", list(LANGUAGE_MODELS))
def test_the_matrices_of_a_pass_are_all_weights_of_the_layers(name: str) -> None:
    lm = language_model(name)
    matrices = [op for op in prefill_operations(lm, 100) if isinstance(op, MatMul)]
    assert [op.name for op in matrices] == ["q", "k", "v", "o", "gate", "up", "down"]
    assert sum(op.count * op.inputs * op.outputs for op in matrices) == lm.layers * lm.layer_weights
    head = decode_operations(lm, 100)[-1]
    assert isinstance(head, MatMul)
    assert (head.name, head.outputs) == ("head", lm.vocabulary)


@pytest.mark.parametrize("name", list(VIDEO_VLMS))
def test_the_matrices_of_a_tower_and_projector_are_their_parameters_but_biases_and_norms(name: str) -> None:
    vlm = video_vlm(name)
    tower = [op for op in encoder_operations(vlm, 2, 196) if isinstance(op, MatMul)]
    weights = sum(op.count * op.inputs * op.outputs for op in tower)
    run = vlm.tower.params - vlm.tower.skipped_layers * vlm.tower.layer_params
    assert 0.99 * run < weights < run
    projector = [op for op in projector_operations(vlm, 2, 196) if isinstance(op, MatMul)]
    assert 0.99 * vlm.projector_params < sum(op.inputs * op.outputs for op in projector) < vlm.projector_params


@given(st.sampled_from(list(VIDEO_VLMS)), st.integers(1, 64), st.integers(1, 400), st.integers(1, 8))
def test_every_operation_is_well_formed(name: str, frames: int, tokens: int, batch: int) -> None:
    vlm = video_vlm(name)
    size = {"frames": np.array([frames, 2 * frames]), "tokens_per_frame": tokens, "batch": batch}
    prompt = visual_tokens(vlm, size["frames"], tokens)
    passes = [encoder_operations(vlm, **size), projector_operations(vlm, **size),
              prefill_operations(vlm.lm, prompt, batch=batch), decode_operations(vlm.lm, prompt + 1, batch=batch)]
    for operation in (op for operations in passes for op in operations):
        assert operation.count > 0
        if isinstance(operation, Attention):
            assert np.all(operation.sequences > 0)
            assert np.all((operation.queries > 0) & (operation.keys >= operation.queries))
            assert operation.flops.shape in {(), (2,)}
        else:
            assert np.all(operation.rows > 0)
        if isinstance(operation, Pointwise):
            assert operation.kind in KINDS


@given(st.integers(1, 60), st.integers(1, 60))
def test_windows_hold_every_patch_once_and_no_more_than_64(height: int, width: int) -> None:
    height, width = 2 * height, 2 * width
    vlm = video_vlm("qwen2.5-vl-7b")
    operations = encoder_operations(vlm, 2, height * width / 8, grid=(height, width))
    full, windows = (op for op in operations if isinstance(op, Attention))
    pieces = [min(8, height - i) * min(8, width - j) for i in range(0, height, 8) for j in range(0, width, 8)]
    assert float(windows.sequences * windows.queries) == pytest.approx(height * width)
    assert float(windows.sequences * windows.pairs) == pytest.approx(sum(a * a for a in pieces))
    assert float(windows.queries) <= 64
    assert (full.count, windows.count) == (4, 28)
    assert float(full.queries) == height * width


def test_cached_keys_are_seen_by_one_query() -> None:
    step = decode_operations(language_model("llama-3.1-8b"), np.array([10, 20]), batch=4)
    attention = next(op for op in step if isinstance(op, Attention))
    assert attention.pairs.tolist() == [10, 20]
    assert attention.sequences.tolist() == [4, 4]
