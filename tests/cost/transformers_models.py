"""Published models as `transformers` configurations, written out by hand, and their FLOPs counted by torch.

Models stand on the meta device: nothing is computed, every shape is real. torch's counter counts 2 per multiply-add of
matrix products, convolutions and attention, and all query-key pairs of attention, masked or not.
"""

from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    CONFIG_MAPPING,
    AutoModelForCausalLM,
    InternVLConfig,
    LlamaConfig,
    LlavaConfig,
    PreTrainedConfig,
    Qwen2_5_VLConfig,
    Qwen2Config,
    Qwen2VLConfig,
    SiglipVisionConfig,
)
from transformers.models.internvl.modeling_internvl import InternVLMultiModalProjector, InternVLVisionModel
from transformers.models.llava.modeling_llava import LlavaMultiModalProjector
from transformers.models.llava_next_video.modeling_llava_next_video import LlavaNextVideoModel
from transformers.models.llava_onevision.modeling_llava_onevision import LlavaOnevisionModel
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionTransformerPretrainedModel,
    Qwen2_5_VLTextModel,
)
from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VisionTransformerPretrainedModel, Qwen2VLTextModel
from transformers.models.siglip.modeling_siglip import SiglipVisionModel
from transformers.models.video_llava.modeling_video_llava import VideoLlavaModel
from transformers.vision_utils import get_vision_cu_seqlens, get_vision_position_ids, get_vision_window_index


def _decoder(layers: int, hidden: int, heads: int, kv: int, mlp: int, vocabulary: int, tied: bool = False
             ) -> dict[str, Any]:
    return {"num_hidden_layers": layers, "hidden_size": hidden, "num_attention_heads": heads, "num_key_value_heads": kv,
            "intermediate_size": mlp, "vocab_size": vocabulary, "tie_word_embeddings": tied}


LLAMA = {
    "llama-3.2-1b": LlamaConfig(**_decoder(16, 2048, 32, 8, 8192, 128256, True), head_dim=64),
    "llama-3.2-3b": LlamaConfig(**_decoder(28, 3072, 24, 8, 8192, 128256, True), head_dim=128),
    "llama-3.1-8b": LlamaConfig(**_decoder(32, 4096, 32, 8, 14336, 128256)),
}
QWEN = {
    "qwen2-vl-2b": (Qwen2VLConfig, _decoder(28, 1536, 12, 2, 8960, 151936, True)),
    "qwen2-vl-7b": (Qwen2VLConfig, _decoder(28, 3584, 28, 4, 18944, 152064)),
    "qwen2.5-vl-3b": (Qwen2_5_VLConfig, _decoder(36, 2048, 16, 2, 11008, 151936, True)),
    "qwen2.5-vl-7b": (Qwen2_5_VLConfig, _decoder(28, 3584, 28, 4, 18944, 152064)),
}
INTERNVL = {
    "internvl3-1b": _decoder(24, 896, 14, 2, 4864, 151674),
    "internvl3-2b": _decoder(28, 1536, 12, 2, 8960, 151674),
    "internvl3-8b": _decoder(28, 3584, 28, 4, 18944, 151674),
}
SIGLIP = SiglipVisionConfig(hidden_size=1152, intermediate_size=4304, num_hidden_layers=27, num_attention_heads=16,
                            image_size=384, patch_size=14, vision_use_head=False)
NAMES = [*(f"llava-{name}" for name in LLAMA), *QWEN, *INTERNVL]


def published_config(name: str) -> PreTrainedConfig:
    """The configuration of a catalogue's video VLM."""
    if name in QWEN:
        kind, text = QWEN[name]
        tied = text["tie_word_embeddings"]
        vision = {"depth": 32, "num_heads": 16, "patch_size": 14, "temporal_patch_size": 2, "spatial_merge_size": 2}
        if kind is Qwen2VLConfig:
            vision |= {"embed_dim": 1280, "hidden_size": text["hidden_size"], "mlp_ratio": 4}
        else:
            vision |= {"hidden_size": 1280, "out_hidden_size": text["hidden_size"], "intermediate_size": 3420,
                       "window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31]}
        return kind(vision_config=vision, text_config=text, tie_word_embeddings=tied)
    if name in INTERNVL:
        return InternVLConfig(text_config=Qwen2Config(**INTERNVL[name]), tie_word_embeddings=False)
    text = LLAMA[name.removeprefix("llava-")]
    return LlavaConfig(vision_config=SIGLIP, text_config=text, vision_feature_layer=-2,
                       vision_feature_select_strategy="full", tie_word_embeddings=text.tie_word_embeddings)


def counted(call: Any, *args: Any, **kwargs: Any) -> int:
    """FLOPs of a call, by torch's counter."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call(*args, **kwargs)
    return counter.get_total_flops()


def build(kind: Any, config: Any) -> torch.nn.Module:
    """A model on the meta device, attention by torch's scaled_dot_product_attention."""
    config._attn_implementation = "sdpa"
    with torch.device("meta"):
        return kind(config).eval()


def meta(*shape: int) -> torch.Tensor:
    return torch.empty(*shape, device="meta")


def count_siglip(frames: int, layers: int) -> int:
    config = SiglipVisionConfig(**{**SIGLIP.to_dict(), "num_hidden_layers": layers})
    return counted(build(SiglipVisionModel, config), pixel_values=meta(frames, 3, 384, 384))


def count_internvit(config: Any, tiles: int, side: int = 448) -> int:
    return counted(build(InternVLVisionModel, config.vision_config), pixel_values=meta(tiles, 3, side, side))


def count_mlp_projector(config: Any, rows: int) -> int:
    if isinstance(config, InternVLConfig):
        return counted(build(InternVLMultiModalProjector, config), meta(rows, 4 * config.vision_config.hidden_size))
    return counted(build(LlavaMultiModalProjector, config), meta(rows, config.vision_config.hidden_size))


def count_video_features(kind: str, frames: int, side: int) -> tuple[int, Any]:
    """FLOPs of tower, pooling and projector of a LLaVA with transformers' default sizes, and its configuration."""
    models = {"llava_onevision": LlavaOnevisionModel, "llava_next_video": LlavaNextVideoModel,
              "video_llava": VideoLlavaModel}
    config = CONFIG_MAPPING[kind]()
    model = build(models[kind], config)
    return counted(model.get_video_features, meta(1, frames, 3, side, side)), config


def count_qwen_tower(config: Any, grids: list[tuple[int, int, int]]) -> tuple[int, int]:
    """FLOPs of the blocks and of the merger, over (groups, height, width) in patches for each video.

    Positions and windows are transformers' own, worked out on the CPU because their values shape the computation.
    """
    old = isinstance(config, Qwen2VLConfig)
    tower = build(Qwen2VisionTransformerPretrainedModel if old else Qwen2_5_VisionTransformerPretrainedModel,
                  config.vision_config)
    grid = torch.tensor(grids)
    given = {"position_ids": get_vision_position_ids(grid, 2).to("meta"), "cu_seqlens": get_vision_cu_seqlens(grid)}
    if not old:
        index, lengths = get_vision_window_index(grid, spatial_merge_size=2, window_size=112, patch_size=14)
        given |= {"window_index": index.to("meta"), "cu_window_seqlens": lengths}
    pixels = meta(int(grid.prod(1).sum()), 3 * 2 * 14 * 14)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        tower(pixels, grid_thw=grid, **given)
    merger = sum(next(flops for name, flops in counter.get_flop_counts().items() if name.endswith(".merger")).values())
    return counter.get_total_flops() - merger, merger


def _text_model(config: Any, layers: int | None) -> tuple[torch.nn.Module, torch.nn.Module]:
    """The language model's layers, the first few of them if wanted, and its output head."""
    text = config.get_text_config()
    if layers is not None:
        text = type(text)(**{**text.to_dict(), "num_hidden_layers": layers, "layer_types": None})
    kinds = {"qwen2_vl_text": Qwen2VLTextModel, "qwen2_5_vl_text": Qwen2_5_VLTextModel}
    if text.model_type in kinds:
        head = torch.nn.Linear(text.hidden_size, text.vocab_size, bias=False, device="meta")
        return build(kinds[text.model_type], text), head
    text._attn_implementation = "sdpa"
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(text, attn_implementation="sdpa").eval()
    return model.model, model.lm_head


def count_lm(config: Any, tokens: int, batch: int = 1, only: int | None = None) -> tuple[int, int, int]:
    """FLOPs of the layers over a prompt, of the head on its last token, and of one decode step after it."""
    layers, head = _text_model(config, only)
    hidden = config.get_text_config().hidden_size
    with FlopCounterMode(display=False) as prefill, torch.no_grad():
        out = layers(inputs_embeds=meta(batch, tokens, hidden), use_cache=True)
    on_last = counted(head, out.last_hidden_state[:, -1:])
    with FlopCounterMode(display=False) as step, torch.no_grad():
        out = layers(inputs_embeds=meta(batch, 1, hidden), past_key_values=out.past_key_values, use_cache=True)
        head(out.last_hidden_state)
    return prefill.get_total_flops(), on_last, step.get_total_flops()
