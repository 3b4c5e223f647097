"""Shapes read from config.json files as they lie on the hub, and files that are refused."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidscale.errors import InputError
from vidscale.space import LanguageModel, VideoVLM, read_config, read_tower, video_vlm, vision_tower

Config = dict[str, Any]

LLAMA: Config = {
    "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": False,
}
# The flat layout of Qwen2.5-VL before transformers 5.
QWEN25: Config = {
    "model_type": "qwen2_5_vl", "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36,
    "num_attention_heads": 16, "num_key_value_heads": 2, "vocab_size": 151936, "tie_word_embeddings": True,
    "sliding_window": 32768, "use_sliding_window": False, "max_window_layers": 70,
    "vision_config": {"depth": 32, "hidden_act": "silu", "hidden_size": 1280, "intermediate_size": 3420,
                      "num_heads": 16, "in_chans": 3, "out_hidden_size": 2048, "patch_size": 14,
                      "spatial_merge_size": 2, "spatial_patch_size": 14, "window_size": 112,
                      "fullatt_block_indexes": [7, 15, 23, 31], "tokens_per_second": 2, "temporal_patch_size": 2},
}
QWEN2: Config = {
    "model_type": "qwen2_vl", "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28,
    "num_attention_heads": 12, "num_key_value_heads": 2, "vocab_size": 151936, "tie_word_embeddings": True,
    "vision_config": {"depth": 32, "embed_dim": 1280, "mlp_ratio": 4, "num_heads": 16, "in_chans": 3,
                      "hidden_size": 1536, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2},
}
CLIP: Config = {
    "model_type": "clip_vision_model", "hidden_size": 1024, "image_size": 336, "intermediate_size": 4096,
    "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14, "projection_dim": 768, "vocab_size": 32000,
}
# LLaVA 1.5 states little of its language model: the rest are Llama's defaults.
LLAVA15: Config = {
    "model_type": "llava", "vision_feature_layer": -2, "vision_feature_select_strategy": "default",
    "text_config": {"model_type": "llama", "max_position_embeddings": 4096, "vocab_size": 32064},
    "vision_config": CLIP,
}
ONEVISION: Config = {
    "model_type": "llava_onevision", "vision_feature_layer": -1, "vision_feature_select_strategy": "full",
    "text_config": {"model_type": "qwen2", "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24,
                    "num_attention_heads": 14, "num_key_value_heads": 2, "vocab_size": 152000,
                    "tie_word_embeddings": True},
    "vision_config": {"model_type": "siglip_vision_model", "hidden_size": 1152, "image_size": 384,
                      "intermediate_size": 4304, "num_attention_heads": 16, "num_hidden_layers": 26, "patch_size": 14,
                      "vision_use_head": False},
}
INTERNVL_CHAT: Config = {
    "model_type": "internvl_chat", "downsample_ratio": 0.5, "select_layer": -1, "force_image_size": 448,
    "llm_config": {"model_type": "qwen2", "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24,
                   "num_attention_heads": 14, "num_key_value_heads": 2, "vocab_size": 151674,
                   "tie_word_embeddings": False},
    "vision_config": {"model_type": "intern_vit_6b", "hidden_size": 1024, "image_size": 448, "intermediate_size": 4096,
                      "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14, "qk_normalization": False,
                      "qkv_bias": True, "norm_type": "layer_norm"},
}
LLAVA_VIDEO: Config = {
    "model_type": "llava_qwen", "mm_vision_tower": "google/siglip-so400m-patch14-384",
    "mm_projector_type": "mlp2x_gelu", "mm_vision_select_layer": -2, "mm_vision_select_feature": "patch",
    "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
    "num_key_value_heads": 4, "vocab_size": 152064, "tie_word_embeddings": False, "use_sliding_window": False,
    "sliding_window": 131072,
}


def write(folder: Path, config: object, name: str = "config.json") -> Path:
    file = folder / name
    file.write_text(config if isinstance(config, str) else json.dumps(config), encoding="utf-8")
    return file


def changed(config: Config, path: str, value: object) -> Config:
    """A copy with one field changed; path is dotted, a value of ... drops the field."""
    config = copy.deepcopy(config)
    *folders, last = path.split(".")
    inner = config
    for folder in folders:
        inner = inner[folder]
    inner.pop(last, None)
    if value is not ...:
        inner[last] = value
    return config


def vlm(folder: Path, config: Config) -> VideoVLM:
    found = read_config(write(folder, config))
    assert isinstance(found, VideoVLM)
    return found


def same_shape(one: Any, other: Any, *but: str) -> None:
    for name in type(one).__dataclass_fields__:
        if name not in ("name", *but):
            assert getattr(one, name) == getattr(other, name), name


def test_a_language_model_by_file_or_folder(tmp_path: Path) -> None:
    file = write(tmp_path, LLAMA)
    lm = read_config(file)
    assert isinstance(lm, LanguageModel)
    assert lm == read_config(tmp_path)
    assert round(lm.params) == 8_030_261_248
    assert lm.name == tmp_path.name.lower()
    assert read_config(write(tmp_path, LLAMA, "My-Llama.json")).name == "my-llama"


def test_heads_that_are_set_apart_from_the_width(tmp_path: Path) -> None:
    qwen3 = {"model_type": "qwen3", "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28,
             "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936,
             "tie_word_embeddings": True}
    lm = read_config(write(tmp_path, qwen3))
    assert isinstance(lm, LanguageModel)
    assert (lm.head_dim, lm.qk_norm) == (128, True)
    assert round(lm.params) == 596_049_920  # Qwen3-0.6B as published


@pytest.mark.parametrize(("config", "name"), [(QWEN25, "qwen2.5-vl-3b"), (QWEN2, "qwen2-vl-2b")])
def test_the_flat_layout_of_qwen(tmp_path: Path, config: Config, name: str) -> None:
    read, known = vlm(tmp_path, config), video_vlm(name)
    same_shape(read.tower, known.tower)
    same_shape(read.lm, known.lm)
    assert (read.family, read.projector) == (known.family, known.projector)


def test_llava_1_5_with_the_defaults_of_transformers(tmp_path: Path) -> None:
    read = vlm(tmp_path, LLAVA15)
    same_shape(read.tower, vision_tower("clip-l-336"), "skipped_layers", "final_norm")
    assert (read.tower.skipped_layers, read.tower.run_layers) == (1, 23)
    assert (read.lm.hidden, read.lm.layers, read.lm.kv_heads, read.lm.vocabulary) == (4096, 32, 32, 32064)
    # Parameters of llava-1.5-7b as the hub counts them.
    assert round(read.params / 1e9, 2) == 7.06


def test_llava_onevision_keeps_the_last_of_26_layers(tmp_path: Path) -> None:
    read = vlm(tmp_path, ONEVISION)
    assert (read.tower.run_layers, read.tower.grid, read.projector.pooled) == (26, 27, True)
    assert round(read.params / 1e9, 2) == 0.89


def test_the_original_llava_layout_names_its_tower(tmp_path: Path) -> None:
    read = vlm(tmp_path, LLAVA_VIDEO)
    assert read.tower == video_vlm("llava-llama-3.1-8b").tower
    assert read.lm.attention_bias
    assert round(read.lm.params) == 7_615_616_512


def test_the_older_internvl_layout(tmp_path: Path) -> None:
    read, known = vlm(tmp_path, INTERNVL_CHAT), video_vlm("internvl3-1b")
    assert read.params == known.params
    same_shape(read.tower, known.tower)
    same_shape(read.lm, known.lm)


def test_features_of_several_layers_stand_side_by_side(tmp_path: Path) -> None:
    read = vlm(tmp_path, changed(LLAVA15, "vision_feature_layer", [-5, -3, 10]))
    assert (read.tower.run_layers, read.projector.features, read.projector_inputs) == (22, 3, 3072)


def test_video_llava_hands_on_class_tokens_and_llava_next_video_pools_first(tmp_path: Path) -> None:
    video = vlm(tmp_path, changed(LLAVA15, "model_type", "video_llava"))
    assert (video.projector.class_token, video.projector.pooled) == (True, False)
    following = vlm(tmp_path, changed(LLAVA15, "model_type", "llava_next_video"))
    assert (following.projector.pools_first, following.projector.pooled) == (True, True)


@pytest.mark.parametrize(("config", "path", "value", "says"), [
    (LLAMA, "model_type", "mamba", "model_type 'mamba'; supported are llava, llava_next"),
    (LLAMA, "model_type", ..., "has no model_type; supported are"),
    (LLAMA, "model_type", 7, "model_type is 7"),
    (LLAMA, "model_type", "x" * 3000, "needed is a text of at most 200 characters"),
    (LLAMA, "hidden_size", ..., "hidden_size is missing"),
    (LLAMA, "hidden_size", "4096", "hidden_size is \"4096\"; needed is a whole number"),
    (LLAMA, "hidden_size", True, "hidden_size is true"),
    (LLAMA, "num_hidden_layers", 0, "num_hidden_layers is 0"),
    (LLAMA, "num_hidden_layers", -3, "num_hidden_layers is -3"),
    (LLAMA, "vocab_size", 1e12, "vocab_size is 1000000000000.0"),
    (LLAMA, "num_attention_heads", 30, "does not divide into 30 heads"),
    (LLAMA, "num_key_value_heads", 5, "32 heads do not divide into 5 key-value heads"),
    (LLAMA, "tie_word_embeddings", "no", "tie_word_embeddings is \"no\""),
    ({**LLAMA, "model_type": "mistral"}, "sliding_window", 4096, "sliding_window is 4096"),
    ({**LLAMA, "model_type": "mistral"}, "sliding_window", ..., "sliding_window is 4096"),
    (LLAMA, "layer_types", ["full_attention", "linear_attention"], "linear_attention"),
    (LLAVA15, "vision_config", [1], r"vision_config is \[1\]; a configuration is a JSON object"),
    (LLAVA15, "vision_config.model_type", "dinov2", "model_type 'dinov2'; supported here are siglip_vision_model"),
    (LLAVA15, "text_config.model_type", "gemma", "model_type 'gemma'; supported here are llama"),
    (LLAVA15, "vision_config.num_attention_heads", 15, "does not divide into 15 heads"),
    (LLAVA15, "vision_config.image_size", [336, 448], r"image_size is \[336, 448\]"),
    (LLAVA15, "vision_config.image_size", 7, "holds no patch"),
    (LLAVA15, "vision_config.num_channels", 4, "num_channels is 4"),
    (LLAVA15, "vision_feature_layer", 40, "vision_feature_layer is 40; allowed are layers of 24"),
    (LLAVA15, "vision_feature_layer", [-2, "x"], "vision_feature_layer is"),
    (LLAVA15, "vision_feature_select_strategy", "cls", "vision_feature_select_strategy is 'cls'"),
    (ONEVISION, "vision_feature_select_strategy", "default", "class token to drop"),
    ({**LLAVA15, "model_type": "llava_next_video"}, "spatial_pool_mode", "conv", "spatial_pool_mode is 'conv'"),
    (LLAVA_VIDEO, "mm_vision_tower", "facebook/dino", "is 'facebook/dino'; supported are google/siglip"),
    (LLAVA_VIDEO, "mm_projector_type", "linear", "mm_projector_type is 'linear'"),
    (QWEN25, "vision_config", ..., "vision_config is null"),
    (QWEN25, "vision_config.window_size", 100, "window_size is 100; needed is a multiple of 28"),
    (QWEN25, "vision_config.fullatt_block_indexes", "7", "fullatt_block_indexes is"),
    (QWEN25, "vision_config.hidden_size", ..., "hidden_size is missing"),
    (QWEN25, "vision_config.out_hidden_size", 3584, "out_hidden_size is 3584; needed is 2048"),
    (QWEN25, "use_sliding_window", True, "sliding_window is 32768"),
    (INTERNVL_CHAT, "downsample_ratio", 0.3, "downsample_ratio is 0.3"),
    (INTERNVL_CHAT, "downsample_ratio", "half", "downsample_ratio is \"half\""),
    (INTERNVL_CHAT, "vision_config.qk_normalization", True, "InternViT-6B"),
    (INTERNVL_CHAT, "llm_config", ..., "llm_config is null"),
])
def test_what_is_odd_or_unsupported_ends_in_one_line(
    tmp_path: Path, config: Config, path: str, value: object, says: str
) -> None:
    with pytest.raises(InputError, match=says) as caught:
        read_config(write(tmp_path, changed(config, path, value)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "says"), [
    ("", "no valid JSON"), ("{", "no valid JSON"), ("[1, 2]", "is a JSON object|a configuration is a JSON object"),
    ("null", "a configuration is a JSON object"), ("[" * 100_000, "no valid JSON"), (" " * 1_000_001, "larger than"),
])
def test_files_that_are_no_configuration(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        read_config(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_config(tmp_path / "absent.json")
    with pytest.raises(InputError, match="cannot read"):
        read_config(tmp_path)
    binary = tmp_path / "weights.json"
    binary.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(InputError, match="no valid JSON"):
        read_config(binary)


JUNK = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
                    max_leaves=5)
PATHS = [(config, path) for config in (LLAMA, QWEN25, QWEN2, LLAVA15, ONEVISION, INTERNVL_CHAT, LLAVA_VIDEO)
         for path in (*config, *(f"{key}.{field}" for key, inner in config.items() if isinstance(inner, dict)
                                 for field in inner))]


@given(st.sampled_from(PATHS), JUNK)
def test_any_value_anywhere_gives_a_shape_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, where: tuple[Config, str], value: object
) -> None:
    file = write(tmp_path_factory.getbasetemp(), changed(*where, value), "junk.json")
    try:
        found, refused = read_config(file), ""
    except InputError as problem:
        found, refused = None, str(problem)
    assert isinstance(found, LanguageModel | VideoVLM) or (refused and "\n" not in refused)


def test_a_tower_of_its_own_whole_or_its_vision_part(tmp_path: Path) -> None:
    vision = {"model_type": "siglip_vision_model", "hidden_size": 1152, "image_size": 384, "intermediate_size": 4304,
              "num_attention_heads": 16, "num_hidden_layers": 27, "patch_size": 14}
    tower = read_tower(write(tmp_path, vision))
    same_shape(tower, vision_tower("siglip-so400m-384"))
    assert read_tower(tmp_path) == tower
    assert read_tower(write(tmp_path, {"model_type": "siglip", "vision_config": vision})) == tower
    assert read_tower(write(tmp_path, {"model_type": "clip", "vision_config": CLIP})).class_tokens == 1
    with pytest.raises(InputError, match="model_type 'llama'; supported are siglip"):
        read_tower(write(tmp_path, LLAMA))
    with pytest.raises(InputError, match="hidden_size"):
        read_tower(write(tmp_path, {**vision, "hidden_size": "wide"}))
