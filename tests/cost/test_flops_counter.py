"""FLOPs against torch's counter, digit for digit, on models that transformers builds.

Convention: attention="full", because the counter counts masked query-key pairs too; the head on the last token only.
"""

from dataclasses import replace
from pathlib import Path

import pytest
from transformers_models import (
    NAMES,
    count_internvit,
    count_lm,
    count_mlp_projector,
    count_qwen_tower,
    count_siglip,
    count_video_features,
    published_config,
)

from vidscale.cost import (
    Operation,
    decode_operations,
    encoder_operations,
    exact_flops,
    head_operations,
    prefill_operations,
    projector_operations,
)
from vidscale.cost.operations import attention_flops, matmul_flops
from vidscale.space import VideoVLM, read_config, video_vlm


def total(operations: list[Operation]) -> int:
    return round(float(matmul_flops(operations) + attention_flops(operations)))


@pytest.fixture(scope="module", params=NAMES)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """A published model: our shape, transformers' configuration, and our shape read back from its config.json."""
    config = published_config(request.param)
    folder = tmp_path_factory.mktemp("model") / request.param
    folder.mkdir()
    (folder / "config.json").write_text(config.to_json_string())
    return video_vlm(request.param), config, read_config(folder)


def test_a_config_json_of_every_catalogued_model_gives_the_same_flops(model) -> None:
    ours, _, read = model
    tokens = 256 if ours.family == "internvl" else 196
    ours_flops, read_flops = (exact_flops(vlm, 8, tokens, text_tokens=30, output_tokens=5) for vlm in (ours, read))
    for part in ("encoder", "projector", "prefill_linear", "prefill_attention", "head", "decode"):
        assert float(getattr(ours_flops, part)) == float(getattr(read_flops, part)), part
    assert read.name == ours.name
    assert read.lm.params == ours.lm.params
    assert read.params == ours.params


def check_lm(name: str, layers: int | None) -> None:
    lm = video_vlm(name).lm
    lm = lm if layers is None else replace(lm, layers=layers)
    prefill, head, step = count_lm(published_config(name), tokens=300, batch=2, only=layers)
    assert total(prefill_operations(lm, 300, batch=2, attention="full")) == prefill
    assert total(head_operations(lm, batch=2)) == head
    assert total(decode_operations(lm, 301, batch=2)) == step


@pytest.mark.parametrize("name", NAMES)
def test_prefill_head_and_a_decode_step_of_two_layers(name: str) -> None:
    check_lm(name, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_prefill_head_and_a_decode_step_of_the_whole_language_model(name: str) -> None:
    check_lm(name, None)


def test_the_projector(model) -> None:
    ours, config, _ = model
    if ours.projector.kind == "mlp":
        assert total(projector_operations(ours, 3, 49, batch=2)) == count_mlp_projector(config, 2 * 3 * 729)
    elif ours.projector.kind == "pixel-shuffle":
        assert total(projector_operations(ours, 3, 256, batch=2)) == count_mlp_projector(config, 2 * 3 * 256)


def test_siglip_is_666_448_gigaflops_a_frame() -> None:
    assert count_siglip(frames=1, layers=27) == 666_448_114_176
    llava = video_vlm("llava-llama-3.2-1b")
    assert total(encoder_operations(llava, 3, 49)) == count_siglip(frames=3, layers=26)


@pytest.mark.parametrize(("side", "tokens", "tiles"), [(448, 256, 1), (224, 64, 1), (448, 1024, 4)])
def test_internvit_reads_smaller_images_or_more_tiles(side: int, tokens: int, tiles: int) -> None:
    config, vlm = published_config("internvl3-1b"), video_vlm("internvl3-1b")
    assert total(encoder_operations(vlm, 2, tokens)) == count_internvit(config, 2 * tiles, side)


def check_qwen_tower(name: str, height: int, width: int) -> None:
    vlm = video_vlm(name)
    tower, merger = count_qwen_tower(published_config(name), [(2, height, width)])
    size = {"frames": 4, "tokens_per_frame": height * width / 8, "grid": (height, width)}
    assert total(encoder_operations(vlm, **size)) == tower
    assert total(projector_operations(vlm, **size)) == merger


@pytest.mark.parametrize(("name", "height", "width"), [
    ("qwen2-vl-2b", 6, 10), ("qwen2-vl-7b", 4, 6), ("qwen2.5-vl-3b", 10, 18), ("qwen2.5-vl-7b", 8, 16),
])
def test_qwen_towers_with_whole_and_partial_windows(name: str, height: int, width: int) -> None:
    check_qwen_tower(name, height, width)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["qwen2-vl-2b", "qwen2-vl-7b", "qwen2.5-vl-3b", "qwen2.5-vl-7b"])
@pytest.mark.parametrize(("height", "width"), [(16, 24), (18, 34), (46, 24), (2, 2)])
def test_qwen_towers_on_more_grids(name: str, height: int, width: int) -> None:
    check_qwen_tower(name, height, width)


@pytest.mark.parametrize(("kind", "side", "tokens"), [
    ("llava_onevision", 384, 196), ("llava_next_video", 336, 144), ("video_llava", 224, 257),
])
def test_video_features_of_llavas_read_from_a_config_json(kind: str, side: int, tokens: int, tmp_path: Path) -> None:
    counted, config = count_video_features(kind, frames=2, side=side)
    (tmp_path / "config.json").write_text(config.to_json_string())
    vlm = read_config(tmp_path)
    assert isinstance(vlm, VideoVLM)
    # transformers runs the layers whose features nobody reads; we leave them out.
    whole = replace(vlm, tower=replace(vlm.tower, skipped_layers=0))
    assert total(encoder_operations(whole, 2, tokens)) + total(projector_operations(whole, 2, tokens)) == counted
    assert vlm.tower.skipped_layers == (0 if kind == "llava_onevision" else 1)


def test_an_odd_frame_fills_a_group() -> None:
    vlm = video_vlm("qwen2-vl-2b")
    assert total(encoder_operations(vlm, 3, 12, grid=(8, 12))) == total(encoder_operations(vlm, 4, 12, grid=(8, 12)))
