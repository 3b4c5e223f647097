"""The shape of a user's own model, read from its Hugging Face config.json.

Only the file is read: no code is loaded, nothing is downloaded. Fields and their defaults are those of the
configuration classes in `transformers` 5, and of the older remote-code layouts of InternVL ("internvl_chat") and
LLaVA ("llava_llama", "llava_qwen", "llava_mistral").
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from vidscale.errors import InputError
from vidscale.space.architecture import LanguageModel, Projector, VideoVLM, VisionTower
from vidscale.space.catalogue import VISION_TOWERS
from vidscale.space.json_fields import Fields, load, shown

#: What `transformers` assumes where a nested text_config leaves a field out.
_LM_DEFAULTS: Mapping[str, Mapping[str, int]] = {
    "llama": {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
              "vocab_size": 32000},
    "mistral": {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
                "num_key_value_heads": 8, "vocab_size": 32000, "sliding_window": 4096},
    "qwen2": {"hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32, "num_attention_heads": 32,
              "num_key_value_heads": 32, "vocab_size": 151936},
    "qwen3": {"hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32, "num_attention_heads": 32,
              "num_key_value_heads": 32, "head_dim": 128, "vocab_size": 151936},
    "internlm2": {},
    "qwen2_vl_text": {},
    "qwen2_5_vl_text": {},
}
_TOWER_DEFAULTS: Mapping[str, Mapping[str, int]] = {
    "siglip_vision_model": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
                            "num_attention_heads": 12, "image_size": 224, "patch_size": 16},
    "clip_vision_model": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
                          "num_attention_heads": 12, "image_size": 224, "patch_size": 32},
    "internvl_vision": {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
                        "num_attention_heads": 16, "image_size": 448, "patch_size": 14},
    "intern_vit_6b": {},
}
#: Towers that the original LLaVA code names instead of describing.
_NAMED_TOWERS: Mapping[str, VisionTower] = {
    "google/siglip-so400m-patch14-384": VISION_TOWERS["siglip-so400m-384"],
    "openai/clip-vit-large-patch14-336": VISION_TOWERS["clip-l-336"],
}


def read_config(path: str | Path) -> VideoVLM | LanguageModel:
    """The shape that a config.json describes.

    A LLaVA model is taken to read each frame as one image, without the tiles that it may cut single images into, and
    to pool it to any number of tokens up to its patches. Of Video-LLaVA's two towers the one for videos is kept.

    Args:
        path: the file, or a folder that holds a config.json.

    Raises:
        InputError: no such file, no JSON, an architecture that is not supported, or a field that is missing or odd.
    """
    path = Path(path)
    file = path / "config.json" if path.is_dir() else path
    fields = Fields(str(file), load(file))
    kind = fields.text("model_type")
    if kind not in _READERS:
        seen = f"model_type {kind!r}" if kind else "no model_type"
        raise InputError(f"{file} has {seen}; supported are {', '.join(_READERS)}")
    name = (file.resolve().parent.name if file.name == "config.json" else file.stem).lower() or kind
    return _READERS[kind](fields, name)


def read_tower(path: str | Path) -> VisionTower:
    """The shape of a vision tower of its own: SigLIP or CLIP, the whole model or its vision part.

    Args:
        path: the config.json, or a folder that holds one.

    Raises:
        InputError: no such file, no JSON, another kind of model, or a field that is missing or odd.
    """
    path = Path(path)
    file = path / "config.json" if path.is_dir() else path
    fields = Fields(str(file), load(file))
    kind = fields.text("model_type")
    if kind in ("siglip", "clip"):
        return _fixed_tower(fields, "vision_config", f"{kind}_vision_model")
    if kind not in ("siglip_vision_model", "clip_vision_model"):
        raise InputError(f"{file} has model_type {kind!r}; supported are siglip, clip and their vision models")
    return _fixed_tower(Fields(fields.source, {"tower": fields.values}), "tower")


def _language_model(fields: Fields, name: str, kind: str, tied: bool) -> LanguageModel:
    _refuse_windows(fields, kind)
    hidden, heads = fields.integer("hidden_size"), fields.integer("num_attention_heads")
    kv_heads = fields.integer("num_key_value_heads", heads)
    if fields.get("head_dim") is None and hidden % heads:
        raise InputError(f"{fields.source}: hidden_size {hidden} does not divide into {heads} heads; "
                         "num_attention_heads must divide it, or head_dim must be given")
    if heads % kv_heads:
        raise InputError(f"{fields.source}: {heads} heads do not divide into {kv_heads} key-value heads; "
                         "num_attention_heads must be a multiple of num_key_value_heads")
    return LanguageModel(
        name=name,
        layers=fields.integer("num_hidden_layers"),
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=fields.integer("head_dim", hidden // heads),
        mlp=fields.integer("intermediate_size"),
        vocabulary=fields.integer("vocab_size"),
        tied=tied,
        attention_bias=True if kind.startswith("qwen2") else fields.flag("attention_bias"),
        qk_norm=kind == "qwen3",
    )


def _refuse_windows(fields: Fields, kind: str) -> None:
    layers, window = fields.get("layer_types"), fields.get("sliding_window")
    # Mistral slides whenever a window is given; Qwen only where it is switched on.
    if fields.flag("use_sliding_window", default=kind == "mistral") and window is not None:
        raise InputError(f"{fields.source}: sliding_window is {shown(window)}; attention within a window is not "
                         "supported; set it to null to cost full attention")
    if isinstance(layers, list) and set(map(str, layers)) - {"full_attention"}:
        raise InputError(f"{fields.source}: layer_types holds {shown(sorted(set(map(str, layers))))}; supported is "
                         "full_attention alone")


def _plain(fields: Fields, name: str) -> LanguageModel:
    # A language model's own file states its sizes, so nothing is assumed but what transformers leaves out on purpose.
    kind = fields.text("model_type")
    defaults = _LM_DEFAULTS[kind]
    fields.defaults = {key: defaults[key] for key in ("head_dim", "sliding_window") if key in defaults}
    return _language_model(fields, name, kind, fields.flag("tie_word_embeddings"))


def _nested_lm(fields: Fields, key: str, name: str, otherwise: str = "") -> LanguageModel:
    nested = fields.under(key, _LM_DEFAULTS, otherwise=otherwise)
    # transformers ties where either level says so, except that a level which says nothing leaves it to the other.
    tied = fields.flag("tie_word_embeddings") or nested.flag("tie_word_embeddings")
    return _language_model(nested, name, nested.text("model_type"), tied)


def _fixed_tower(fields: Fields, key: str, otherwise: str = "") -> VisionTower:
    nested = fields.under(key, _TOWER_DEFAULTS, otherwise=otherwise)
    kind = nested.text("model_type")
    _three_colours(nested)
    clip, intern = kind == "clip_vision_model", kind in ("internvl_vision", "intern_vit_6b")
    hidden, heads, patch = _widths(nested, "hidden_size", "num_attention_heads")
    if intern and (nested.flag("use_qk_norm") or nested.flag("qk_normalization")):
        raise InputError(f"{nested.source}: towers that normalise queries and keys (InternViT-6B) are not supported")
    return VisionTower(
        name=kind, layers=nested.integer("num_hidden_layers"), hidden=hidden, heads=heads, head_dim=hidden // heads,
        mlp=nested.integer("intermediate_size"), patch=patch, image=nested.side("image_size"),
        class_tokens=1 if clip or intern else 0,
        norm=_norm(nested) if intern else "layer_norm", fused_qkv=kind == "intern_vit_6b", layer_scale=intern,
        final_norm=not intern, pre_norm=clip,
    )


def _widths(fields: Fields, hidden_name: str, heads_name: str) -> tuple[int, int, int]:
    hidden, heads, patch = fields.integer(hidden_name), fields.integer(heads_name), fields.side("patch_size", 14)
    if hidden % heads:
        raise InputError(f"{fields.source}: {hidden_name} {hidden} does not divide into {heads} heads; {heads_name} "
                         "must divide it")
    return hidden, heads, patch


def _norm(fields: Fields) -> str:
    norm = fields.text("norm_type", "layer_norm")
    if norm not in ("layer_norm", "rms_norm"):
        raise InputError(f"{fields.source}: norm_type is {norm!r}; supported are layer_norm, rms_norm")
    return norm


def _three_colours(fields: Fields) -> None:
    for name in ("num_channels", "in_channels"):
        if fields.integer(name, 3) != 3:
            raise InputError(f"{fields.source}: {name} is {fields.get(name)}; supported is 3")


def _features(fields: Fields, name: str, tower: VisionTower, default: int) -> tuple[VisionTower, int]:
    """The tower with the layers skipped that no feature needs, and the number of layers that features come from.

    Feature -1 is the last layer's output, -2 the one before, 0 the patch embedding.
    """
    chosen = fields.get(name)
    listed = chosen if isinstance(chosen, list) and chosen else [default if chosen is None else chosen]
    layers = [k for k in listed if type(k) is int and 0 < abs(k) <= tower.layers]
    if len(layers) < len(listed):
        raise InputError(f"{fields.source}: {name} is {shown(chosen)}; allowed are layers of {tower.layers}, counted "
                         "from 1, or from -1 for the last")
    run = max(k if k > 0 else tower.layers + 1 + k for k in layers)
    return replace(tower, skipped_layers=tower.layers - run, final_norm=False), len(layers)


def _llava(fields: Fields, name: str) -> VideoVLM:
    kind = fields.text("model_type")
    onevision, video_llava = kind == "llava_onevision", kind == "video_llava"
    tower = _fixed_tower(fields, "vision_config", "siglip_vision_model" if onevision else "clip_vision_model")
    tower, features = _features(fields, "vision_feature_layer", tower, -1 if onevision else -2)
    keeps = _keeps_class_token(fields, tower, "full" if onevision else "default")
    pooling = fields.text("spatial_pool_mode", "average")
    if kind == "llava_next_video" and pooling not in ("average", "max"):
        raise InputError(f"{fields.source}: spatial_pool_mode is {pooling!r}; supported are average, max")
    # Video-LLaVA hands every token of every frame on, class token included, whatever the strategy says.
    keeps = bool(tower.class_tokens) if video_llava else keeps
    projector = Projector(kind="mlp", pooled=not keeps, pools_first=kind == "llava_next_video" and not keeps,
                          class_token=keeps, features=features)
    lm = _nested_lm(fields, "text_config", f"{name}-lm", "qwen2" if onevision else "llama")
    return VideoVLM(name=name, family="llava", tower=tower, projector=projector, lm=lm)


def _keeps_class_token(fields: Fields, tower: VisionTower, default: str) -> bool:
    strategy = fields.text("vision_feature_select_strategy", default)
    if strategy not in ("default", "full") or (strategy == "default" and not tower.class_tokens):
        raise InputError(f"{fields.source}: vision_feature_select_strategy is {strategy!r}; allowed are 'full', and "
                         "'default' where the tower has a class token to drop")
    return strategy == "full" and bool(tower.class_tokens)


def _original_llava(fields: Fields, name: str) -> VideoVLM:
    kind = fields.text("model_type").removeprefix("llava_")
    tower_name, projector = fields.text("mm_vision_tower"), fields.text("mm_projector_type", "linear")
    if tower_name not in _NAMED_TOWERS:
        raise InputError(f"{fields.source}: mm_vision_tower is {tower_name!r}; supported are "
                         f"{', '.join(_NAMED_TOWERS)}")
    if projector != "mlp2x_gelu":
        raise InputError(f"{fields.source}: mm_projector_type is {projector!r}; supported is mlp2x_gelu")
    tower, features = _features(fields, "mm_vision_select_layer", _NAMED_TOWERS[tower_name], -2)
    if (feature := fields.text("mm_vision_select_feature", "patch")) != "patch":
        raise InputError(f"{fields.source}: mm_vision_select_feature is {feature!r}; supported is patch")
    kind = "qwen2" if kind == "qwen" else kind
    lm = _language_model(fields, f"{name}-lm", kind, fields.flag("tie_word_embeddings"))
    return VideoVLM(name=name, family="llava", tower=tower, lm=lm,
                    projector=Projector(kind="mlp", pooled=True, features=features))


def _qwen(fields: Fields, name: str) -> VideoVLM:
    kind = fields.text("model_type")
    old = kind == "qwen2_vl"
    vision = Fields(f"{fields.source}: vision_config", fields.values.get("vision_config"))
    _three_colours(vision)
    hidden, heads, patch = _widths(vision, "embed_dim" if old else "hidden_size", "num_heads")
    tower = VisionTower(
        name=f"{name}-vit", layers=vision.integer("depth", 32), hidden=hidden, heads=heads, head_dim=hidden // heads,
        mlp=vision.integer("mlp_ratio", 4) * hidden if old else vision.integer("intermediate_size", 3420), patch=patch,
        temporal_patch=vision.side("temporal_patch_size", 2), gated_mlp=not old,
        norm="layer_norm" if old else "rms_norm",
        window=None if old else _window(vision, patch), full_attention_layers=() if old else _full_layers(vision),
        rotary=True, fused_qkv=True,
    )
    # Files written before transformers 5 hold the language model's fields at the top.
    if isinstance(fields.values.get("text_config"), dict):
        lm = _nested_lm(fields, "text_config", f"{name}-lm", f"{kind}_text")
    else:
        lm = _language_model(fields, f"{name}-lm", kind, fields.flag("tie_word_embeddings"))
    outputs = vision.integer("hidden_size" if old else "out_hidden_size", int(lm.hidden))
    if outputs != lm.hidden:
        raise InputError(f"{vision.source}: {'hidden_size' if old else 'out_hidden_size'} is {outputs}; needed is "
                         f"{lm.hidden}, the language model's hidden_size")
    return VideoVLM(name=name, family=kind.replace("qwen2_5", "qwen2.5").replace("_", "-"), tower=tower, lm=lm,
                    projector=Projector(kind="merger", merge=vision.integer("spatial_merge_size", 2)))


def _window(fields: Fields, patch: int) -> int:
    """Side of an attention window in patches; it must hold whole merged patches."""
    window, merge = fields.integer("window_size", 112), fields.integer("spatial_merge_size", 2)
    if window % (patch * merge):
        raise InputError(f"{fields.source}: window_size is {window}; needed is a multiple of {patch * merge}, the side "
                         "of a merged patch in pixels")
    return window // patch


def _full_layers(fields: Fields) -> tuple[int, ...]:
    layers = fields.get("fullatt_block_indexes")
    layers = [7, 15, 23, 31] if layers is None else layers
    if not isinstance(layers, list) or any(type(k) is not int or k < 0 for k in layers):
        raise InputError(f"{fields.source}: fullatt_block_indexes is {shown(layers)}; needed is a list of layers")
    return tuple(sorted(set(layers)))


def _internvl(fields: Fields, name: str) -> VideoVLM:
    old = fields.text("model_type") == "internvl_chat"
    tower = _fixed_tower(fields, "vision_config", "intern_vit_6b" if old else "internvl_vision")
    tower, features = _features(fields, "select_layer" if old else "vision_feature_layer", tower, -1)
    if old:
        tower = replace(tower, image=fields.integer("force_image_size", tower.image))
    ratio = fields.get("downsample_ratio")
    merge = {None: 2, 0.5: 2, 0.25: 4, 1.0: 1}.get(ratio if isinstance(ratio, float | int | None) else -1.0)
    if merge is None or tower.grid % merge or features != 1:
        raise InputError(f"{fields.source}: downsample_ratio is {shown(ratio)} on a grid of {tower.grid} patches; "
                         "supported are 1, 0.5 and 0.25 that divide the grid, and one layer of features")
    lm = _nested_lm(fields, "llm_config" if old else "text_config", f"{name}-lm", "" if old else "qwen2")
    return VideoVLM(name=name, family="internvl", tower=tower, lm=lm,
                    projector=Projector(kind="pixel-shuffle", merge=merge))


_READERS: Mapping[str, Callable[[Fields, str], VideoVLM | LanguageModel]] = {
    **dict.fromkeys(("llava", "llava_next", "llava_next_video", "llava_onevision", "video_llava"), _llava),
    **dict.fromkeys(("llava_llama", "llava_qwen", "llava_mistral"), _original_llava),
    **dict.fromkeys(("qwen2_vl", "qwen2_5_vl"), _qwen),
    **dict.fromkeys(("internvl", "internvl_chat"), _internvl),
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3"), _plain),
}
