"""Shapes of published models against their published sizes."""

from dataclasses import replace

import pytest

from vidscale.errors import InputError
from vidscale.space import (
    LANGUAGE_MODELS,
    VIDEO_VLMS,
    VISION_TOWERS,
    Projector,
    language_model,
    video_vlm,
    vision_tower,
)

KIB = 1024


@pytest.mark.parametrize(("name", "billions"), [
    # Parameters of the checkpoints as the hub lists them, LLaVA less its tower's unused pooling head.
    ("llava-llama-3.2-1b", 1.655), ("llava-llama-3.1-8b", 8.465),
    ("qwen2-vl-2b", 2.209), ("qwen2-vl-7b", 8.291), ("qwen2.5-vl-3b", 3.755), ("qwen2.5-vl-7b", 8.292),
    ("internvl3-1b", 0.938), ("internvl3-2b", 2.089), ("internvl3-8b", 7.944),
])
def test_all_parameters_of_a_model(name: str, billions: float) -> None:
    assert round(video_vlm(name).params / 1e9, 3) == billions


@pytest.mark.parametrize(("name", "params", "scaling", "cache"), [
    ("llama-3.2-1b", 1_235_814_400, 0.973, 32), ("llama-3.2-3b", 3_212_749_824, 2.819, 112),
    ("llama-3.1-8b", 8_030_261_248, 7.505, 128),
])
def test_the_llamas_of_the_paper(name: str, params: int, scaling: float, cache: int) -> None:
    lm = language_model(name)
    assert lm.params == params
    assert round(lm.scaling_params / 1e9, 3) == scaling
    assert 2 * lm.kv_values_per_token == cache * KIB


@pytest.mark.parametrize(("name", "millions"), [
    ("siglip-so400m-384", 413.0), ("internvit-300m", 304.0), ("clip-l-336", 303.5),
])
def test_vision_towers_have_their_published_size(name: str, millions: float) -> None:
    assert round(vision_tower(name).params / 1e6, 1) == millions


def test_names_are_those_of_the_shapes_and_case_does_not_matter() -> None:
    for shapes in (LANGUAGE_MODELS, VISION_TOWERS, VIDEO_VLMS):
        assert all(name == shape.name == name.lower() for name, shape in shapes.items())
    assert video_vlm("Qwen2.5-VL-7B") is video_vlm("qwen2.5-vl-7b")


@pytest.mark.parametrize("find", [language_model, vision_tower, video_vlm])
def test_an_unknown_name_is_answered_with_the_known_ones(find) -> None:
    with pytest.raises(InputError, match=r"there is no .* 'gpt'; the names are \w+"):
        find("gpt")


def test_shapes_that_cannot_be_are_refused() -> None:
    lm, tower = language_model("llama-3.1-8b"), vision_tower("siglip-so400m-384")
    with pytest.raises(InputError, match="heads do not divide"):
        replace(lm, kv_heads=5)
    with pytest.raises(InputError, match="tied"):
        replace(lm, tied=2)
    with pytest.raises(InputError, match="layers is nan"):
        replace(lm, layers=float("nan"))
    with pytest.raises(InputError, match="do not make up"):
        replace(tower, heads=15)
    with pytest.raises(InputError, match="at least one must run"):
        replace(tower, skipped_layers=27)
    with pytest.raises(InputError, match="holds no patch"):
        replace(tower, image=10)
    with pytest.raises(InputError, match="projector kind"):
        Projector(kind="qformer")
    with pytest.raises(InputError, match="no fixed image size"):
        _ = vision_tower("qwen2-vl-vit").grid
