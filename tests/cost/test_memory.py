"""Memory against parameter counts and live tensors of `transformers` models, and in its shape."""

import itertools
import time
import weakref
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidscale.cost.hardware import gpu
from vidscale.cost.memory import KV_BYTES, WEIGHT_BYTES, kv_bytes_per_token, memory, weight_bytes
from vidscale.errors import InputError
from vidscale.space.architecture import LanguageModel, VideoVLM
from vidscale.space.catalogue import VIDEO_VLMS, language_model, video_vlm

LLAVA = video_vlm("llava-llama-3.1-8b")


# --- weights and cache ------------------------------------------------------------------------------------


def text_settings(lm: LanguageModel) -> dict[str, Any]:
    return {"num_hidden_layers": lm.layers, "hidden_size": lm.hidden, "num_attention_heads": lm.heads,
            "num_key_value_heads": lm.kv_heads, "head_dim": lm.head_dim, "intermediate_size": lm.mlp,
            "vocab_size": lm.vocabulary, "tie_word_embeddings": lm.tied, "max_position_embeddings": 65536}


def built(vlm: VideoVLM) -> Any:
    """The same model from `transformers`, without storage."""
    import torch
    import transformers as tf

    text, tower = text_settings(vlm.lm), vlm.tower
    if vlm.family == "llava":
        vision = tf.SiglipVisionConfig(hidden_size=tower.hidden, num_hidden_layers=tower.layers,
                                       num_attention_heads=tower.heads, intermediate_size=tower.mlp,
                                       patch_size=tower.patch, image_size=tower.image, vision_use_head=False)
        config = tf.LlavaConfig(vision_config=vision, text_config=tf.LlamaConfig(**text),
                                tie_word_embeddings=vlm.lm.tied)
        kind = tf.LlavaForConditionalGeneration
    elif vlm.family == "internvl":
        vision = {"model_type": "internvl_vision", "attention_bias": True}
        config = tf.InternVLConfig(vision_config=vision, text_config=tf.Qwen2Config(**text), tie_word_embeddings=False)
        kind = tf.InternVLForConditionalGeneration
    else:
        old = vlm.family == "qwen2-vl"
        del text["head_dim"]
        vision = {"hidden_size": vlm.lm.hidden, "embed_dim": 1280} if old else {"out_hidden_size": vlm.lm.hidden}
        settings = {"vision_config": {"depth": 32, **vision} if old else {
            "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, **vision}, "text_config": text,
            "tie_word_embeddings": vlm.lm.tied}
        config = (tf.Qwen2VLConfig if old else tf.Qwen2_5_VLConfig)(**settings)
        kind = tf.Qwen2VLForConditionalGeneration if old else tf.Qwen2_5_VLForConditionalGeneration
    with torch.device("meta"):
        return kind(config)


@pytest.mark.parametrize("name", ["llava-llama-3.2-1b", "llava-llama-3.1-8b", "qwen2-vl-7b", "qwen2.5-vl-3b",
                                  "internvl3-8b"])
def test_weights_are_those_of_the_model_that_transformers_builds(name: str) -> None:
    pytest.importorskip("transformers")
    vlm = video_vlm(name)
    loaded = {id(p): p.numel() for p in built(vlm).parameters()}
    # `transformers` also loads the norm after SigLIP's last layer, which LLaVA never reads: a weight and a bias.
    unread = 2 * vlm.tower.hidden if vlm.family == "llava" else 0
    assert weight_bytes(vlm) == 2 * (sum(loaded.values()) - unread)


def test_the_cache_of_the_three_llamas() -> None:
    for name, kib in (("llama-3.2-1b", 32), ("llama-3.2-3b", 112), ("llama-3.1-8b", 128), ("qwen2.5-3b", 36),
                      ("qwen2.5-7b", 56)):
        assert kv_bytes_per_token(language_model(name)) == kib * 2**10
        assert kv_bytes_per_token(language_model(name), "fp8") == kib * 2**9
    found = memory(LLAVA, 32, 196, text_tokens=100, output_tokens=28, batch=3)
    assert found.kv_cache == 3 * (32 * 196 + 128) * 128 * 2**10


def test_quantised_weights() -> None:
    # A layer of the 8B: 218,103,808 weights; outputs of q, k and v, o, gate and up, down.
    layers, outputs = 32 * 218_103_808, 32 * (4096 + 2 * 1024 + 4096 + 2 * 14336 + 4096)
    rest = 2 * (LLAVA.params - layers)
    assert weight_bytes(LLAVA, "fp16") == weight_bytes(LLAVA) == rest + 2 * layers
    assert weight_bytes(LLAVA, "fp8") == weight_bytes(LLAVA, "int8") == rest + layers + 2 * outputs
    assert weight_bytes(LLAVA, "int4") == pytest.approx(rest + layers / 2 + layers / 128 * 2.5)
    # Qwen/Qwen2.5-VL-7B-Instruct-AWQ: its files are 6.9 GB.
    assert weight_bytes(video_vlm("qwen2.5-vl-7b"), "int4") / 1e9 == pytest.approx(6.9, abs=0.05)


# --- working memory against live tensors ------------------------------------------------------------------


def peak_bytes(model: Any, **inputs: Any) -> int:
    """The most bytes of new tensors that are alive at once during a forward pass, on the meta device."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Live(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.sizes: dict[int, int] = {}
            self.most = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            old = {t.untyped_storage()._cdata for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)}
            for tensor in tree_leaves(out):
                if isinstance(tensor, torch.Tensor):
                    storage = tensor.untyped_storage()
                    key = storage._cdata
                    if key not in old and key not in self.sizes:
                        self.sizes[key] = storage.nbytes()
                        weakref.finalize(storage, self.sizes.pop, key, None)
            self.most = max(self.most, sum(self.sizes.values()))
            return out

    with torch.no_grad(), Live() as live:
        kept = model(**inputs)
    assert kept is not None
    return live.most


def as_flash() -> str:
    """The name of an attention that, as flash kernels do, makes nothing but its result."""
    import torch
    from transformers import AttentionInterface, AttentionMaskInterface

    def attention(module: Any, query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        return torch.empty_like(query.transpose(1, 2).contiguous()), None

    AttentionInterface.register("result_only", attention)
    AttentionMaskInterface.register("result_only", lambda *args, **kwargs: None)
    return "result_only"


@pytest.mark.parametrize(("name", "tokens", "batch"), [("llama-3.1-8b", 700, 1), ("llama-3.2-1b", 300, 4),
                                                       ("qwen2.5-7b", 2000, 1)])
def test_prefill_holds_what_transformers_does(name: str, tokens: int, batch: int) -> None:
    pytest.importorskip("transformers")
    import torch
    import transformers as tf

    lm = language_model(name)
    kind, config = ((tf.Qwen2ForCausalLM, tf.Qwen2Config) if name.startswith("qwen") else
                    (tf.LlamaForCausalLM, tf.LlamaConfig))
    with torch.device("meta"):
        model = kind(config(**{**text_settings(lm), "num_hidden_layers": 2}, attn_implementation=as_flash()))
        model = model.to(torch.bfloat16).eval()
        prompt = torch.zeros(batch, tokens, int(lm.hidden), dtype=torch.bfloat16)
    peak = peak_bytes(model, inputs_embeds=prompt, use_cache=True, logits_to_keep=1)
    cache = 2 * tokens * batch * 2 * 2 * lm.kv_heads * lm.head_dim
    vlm = video_vlm("llava-llama-3.1-8b")
    vlm = VideoVLM(name="x", family="llava", tower=vlm.tower, projector=vlm.projector, lm=lm)
    # One visual token in a prompt of text, so that hardly any of the projector's output is kept beside the prompt.
    found = memory(vlm, 1, 1, text_tokens=tokens - 1, batch=batch).activations
    assert found == pytest.approx(peak - cache + prompt.nbytes, rel=0.01)


@pytest.mark.parametrize("name", ["llava-llama-3.1-8b", "internvl3-8b"])
def test_the_tower_holds_what_transformers_does(name: str) -> None:
    pytest.importorskip("transformers")
    import torch
    import transformers as tf

    vlm = video_vlm(name)
    tower, frames = vlm.tower, 3
    flash = as_flash()
    with torch.device("meta"):
        if vlm.family == "llava":
            model = tf.SiglipVisionModel(tf.SiglipVisionConfig(
                hidden_size=tower.hidden, num_hidden_layers=3, num_attention_heads=tower.heads, patch_size=tower.patch,
                intermediate_size=tower.mlp, image_size=tower.image, vision_use_head=False, attn_implementation=flash))
        else:
            from transformers.models.internvl.modeling_internvl import InternVLVisionConfig, InternVLVisionModel
            model = InternVLVisionModel(InternVLVisionConfig(num_hidden_layers=3, attn_implementation=flash))
        model = model.to(torch.bfloat16).eval()
        pixels = torch.zeros(frames, 3, tower.image, tower.image, dtype=torch.bfloat16)
    peak = peak_bytes(model, pixel_values=pixels)
    tokens = 196 if vlm.family == "llava" else 256
    found = memory(vlm, frames, tokens).encoder - 2 * frames * tokens * vlm.lm.hidden
    assert found == pytest.approx(peak + pixels.nbytes, rel=0.01)


# --- shape ------------------------------------------------------------------------------------------------


def test_parts_add_up_and_the_larger_working_memory_counts() -> None:
    found = memory(LLAVA, np.array([1.0, 32.0]), 49, text_tokens=[[10], [4000]], batch=2)
    assert found.total.shape == (2, 2)
    np.testing.assert_array_equal(found.total, found.weights + found.kv_cache + found.working + found.reserve)
    assert (found.working >= found.activations).all()
    assert (found.working >= found.encoder).all()
    assert found.encoder[0, 1] > found.activations[0, 1]  # many frames, little text
    assert found.activations[1, 0] > found.encoder[1, 0]  # one frame, much text


def test_chunks_bound_working_memory() -> None:
    whole = memory(LLAVA, 128, 196)
    less = memory(LLAVA, 128, 196, prefill_chunk=2048, encoder_frames=8)
    assert (less.activations < whole.activations).all()
    assert (less.encoder < whole.encoder).all()
    assert memory(LLAVA, 128, 196, prefill_chunk=1e9, encoder_frames=128).total == whole.total
    # What depends on the chunk falls in proportion: 25,088 tokens down to 2,048.
    pixels_and_features = memory(LLAVA, 128, 196, encoder_frames=1e-300 + 1).encoder
    assert (less.encoder - pixels_and_features) * 127 / 7 == pytest.approx(whole.encoder - pixels_and_features)


@given(st.sampled_from(sorted(VIDEO_VLMS)), st.integers(1, 256), st.integers(1, 13), st.integers(1, 8),
       st.sampled_from(sorted(WEIGHT_BYTES)), st.sampled_from(sorted(KV_BYTES)))
@settings(max_examples=40, deadline=None)
def test_more_of_anything_takes_more(name: str, frames: int, side: int, batch: int, dtype: str, kv: str) -> None:
    vlm, tokens = video_vlm(name), side**2
    least = memory(vlm, frames, tokens, batch=batch, dtype=dtype, kv_dtype=kv)
    for more in (memory(vlm, 3 * frames, tokens, batch=batch, dtype=dtype, kv_dtype=kv),
                 memory(vlm, frames, 4 * tokens, batch=batch, dtype=dtype, kv_dtype=kv),
                 memory(vlm, frames, tokens, batch=2 * batch, dtype=dtype, kv_dtype=kv),
                 memory(vlm, frames, tokens, batch=batch, dtype=dtype, kv_dtype=kv, output_tokens=500)):
        assert more.total > least.total
    assert memory(vlm, frames, tokens, batch=batch).total >= least.total


@given(st.integers(1, 64), st.sampled_from([16, 49, 196]), st.sampled_from(["l4", "a100", "h200", "b200"]),
       st.floats(0.5, 1.0))
@settings(max_examples=40, deadline=None)
def test_as_many_videos_as_fit_and_not_one_more(frames: int, tokens: int, name: str, share: float) -> None:
    found, device = memory(LLAVA, frames, tokens, output_tokens=64), gpu(name)
    count = float(found.concurrent_videos(device, share))
    fixed = found.total - found.kv_cache
    if count:
        assert fixed + count * found.kv_per_video <= share * device.memory
    assert fixed + (count + 1) * found.kv_per_video > share * device.memory
    assert bool(found.fits(device, share)) == (count >= 1)


def test_an_8b_in_16_bits_leaves_an_l4_room_for_a_video_and_its_bf16_rival_none() -> None:
    small = memory(LLAVA, 32, 196)
    assert small.fits(gpu("l4"))
    assert not memory(LLAVA, 128, 196, batch=2).fits(gpu("l4"))
    assert memory(LLAVA, 128, 196, dtype="int4", prefill_chunk=2048, encoder_frames=16).fits(gpu("l4"))


@pytest.mark.parametrize(("arguments", "said"), [
    ({"dtype": "fp32"}, "dtype is 'fp32'; allowed are bf16, fp16, fp8, int8, int4"),
    ({"kv_dtype": "int4"}, "kv_dtype is 'int4'"), ({"batch": 0}, "batch is 0"), ({"batch": float("nan")}, "batch"),
    ({"output_tokens": -1}, "output_tokens is -1"), ({"text_tokens": float("inf")}, "text_tokens is inf"),
    ({"prefill_chunk": 0}, "prefill_chunk is 0"), ({"encoder_frames": -3}, "encoder_frames is -3"),
    ({"reserve": -1.0}, "reserve is -1"),
])
def test_what_cannot_be_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as problem:
        memory(LLAVA, 8, 49, **arguments)
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize("share", [0.0, 1.5, float("nan")])
def test_a_share_of_memory(share: float) -> None:
    with pytest.raises(InputError, match="utilisation"):
        memory(LLAVA, 8, 49).fits(gpu("l4"), share)


def test_a_million_configurations_are_quick() -> None:
    frames, tokens = (np.array(v) for v in zip(*itertools.product(range(1, 1001), range(1, 11)), strict=True))
    frames, tokens = np.tile(frames, 100), np.tile(tokens, 100)
    took = []
    for _ in range(3):
        start = time.process_time()
        assert memory(LLAVA, frames, tokens).total.shape == (1_000_000,)
        took.append(time.process_time() - start)
    assert min(took) < 1.0


def test_an_odd_frame_takes_the_memory_of_the_pair_it_fills() -> None:
    held = memory(video_vlm("qwen2-vl-2b"), np.arange(1, 40), 256, encoder_frames=8).total
    assert (np.diff(held) >= 0).all()
    np.testing.assert_array_equal(held[:-1:2], held[1::2])
    one, two = (memory(video_vlm("qwen2-vl-2b"), 32, 256, encoder_frames=n).encoder for n in (1, 2))
    assert one == two
