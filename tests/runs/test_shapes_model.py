"""Moving shapes: the model is the one of the file path, and a question is answered as if it stood alone."""

import sys
from pathlib import Path

import pytest
import torch

from vidscale.runs.pooling import pool_to_grid
from vidscale.runs.shapes import model as m
from vidscale.runs.shapes.commands import load_study
from vidscale.runs.shapes.config import LADDER
from vidscale.runs.shapes.questions import QUESTION_WORDS, QUESTIONS, WORDS
from vidscale.space.architecture import LanguageModel

ROOT = Path(__file__).resolve().parents[2]
TOWER = m.TowerShape(layers=2, hidden=64, mlp=96)
LM = m.LmShape(name="test", layers=3, hidden=96, mlp=256)


@pytest.fixture(scope="module")
def vlm():
    torch.manual_seed(0)
    return m.VideoLm(TOWER, LM).eval()


@pytest.fixture(scope="module")
def inputs():
    torch.manual_seed(1)
    return torch.randn(2, 3, 64, TOWER.hidden), torch.randint(0, len(WORDS), (2, QUESTIONS, QUESTION_WORDS))


@torch.no_grad()
@pytest.mark.parametrize("k", [1, 3, 8])
def test_a_question_does_not_depend_on_the_others(vlm, inputs, k):
    features, words = inputs
    together = vlm(features, words, k)
    for slot in (0, 5, 11):
        torch.testing.assert_close(together[:, slot], vlm(features, words[:, slot : slot + 1], k)[:, 0])
    changed = words.clone()
    changed[:, :5] = (changed[:, :5] + 1) % len(WORDS)
    changed[:, 6:] = (changed[:, 6:] + 1) % len(WORDS)
    after = vlm(features, changed, k)
    torch.testing.assert_close(after[:, 5], together[:, 5])
    assert not torch.allclose(after[:, 4], together[:, 4])


@torch.no_grad()
def test_a_question_depends_on_every_video_token_and_word(vlm, inputs):
    features, words = inputs
    before = vlm(features, words, 2)
    for frame in range(3):
        moved = features.clone()
        moved[:, frame, 63] += 10.0
        assert not torch.allclose(vlm(moved, words, 2), before)
    other = words.clone()
    other[:, 3, 0] = (other[:, 3, 0] + 1) % len(WORDS)
    assert not torch.allclose(vlm(features, other, 2)[:, 3], before[:, 3])


@torch.no_grad()
def test_decoder_is_a_llama(vlm, inputs):
    transformers = pytest.importorskip("transformers")
    features, words = inputs
    config = transformers.LlamaConfig(
        vocab_size=len(WORDS), hidden_size=LM.hidden, intermediate_size=LM.mlp, num_hidden_layers=LM.layers,
        num_attention_heads=LM.heads, num_key_value_heads=LM.heads, rms_norm_eps=1e-5, tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": m.ROPE_THETA})
    llama = transformers.LlamaForCausalLM(config).eval()
    llama.load_state_dict(m.llama_state(vlm.decoder))
    ours = vlm(features, words, 2)
    video = vlm.projector(pool_to_grid(features, 2)).flatten(1, 2)
    for slot in (0, 7):
        embedded = torch.cat([video, vlm.decoder.embed(words[:, slot])], dim=1)
        theirs = llama(inputs_embeds=embedded).logits[:, -1]
        torch.testing.assert_close(ours[:, slot], theirs, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_tower_is_a_siglip():
    transformers = pytest.importorskip("transformers")
    from vidscale.runs.shapes.render import patches

    tower = m.Tower(TOWER)
    config = transformers.SiglipVisionConfig(
        hidden_size=TOWER.hidden, intermediate_size=TOWER.mlp, num_hidden_layers=TOWER.layers, num_attention_heads=2,
        image_size=64, patch_size=8, vision_use_head=False)
    siglip = transformers.SiglipVisionModel(config).eval()
    found = siglip.load_state_dict(m.siglip_state(tower), strict=False)
    assert not found.unexpected_keys
    assert all("post_layernorm" in name for name in found.missing_keys)
    frames = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    pixels = frames.permute(0, 3, 1, 2) / 127.5 - 1.0
    theirs = siglip(pixel_values=pixels, output_hidden_states=True).hidden_states[-1]
    torch.testing.assert_close(tower(patches(frames)), theirs, rtol=1e-4, atol=1e-5)


def test_sizes_are_counted_as_the_paper_counts_them(vlm):
    for shape in LADDER[:4]:
        decoder = m.Decoder(shape)
        counted = sum(p.numel() for p in decoder.parameters()) - decoder.embed.weight.numel()
        named = LanguageModel(name=shape.name, layers=shape.layers, hidden=shape.hidden, heads=shape.heads,
                              kv_heads=shape.heads, head_dim=m.HEAD_DIM, mlp=shape.mlp, vocabulary=len(WORDS))
        assert shape.params == counted == named.scaling_params
    assert LADDER[-1].params / LADDER[0].params >= 50
    assert sum(p.numel() for p in m.Tower(TOWER).parameters()) == TOWER.params


def test_training_flops_by_hand():
    shape = m.LmShape(name="x", layers=1, hidden=32, mlp=64)
    expected = 2 * TOWER.params * 64 * 8 + 6 * shape.params * (8 * 16 + 12 * 3)
    assert m.training_flops(TOWER, shape, frames=8, tokens=16, questions=12) == expected


def test_recipe_plans_what_the_study_needs():
    """The shipped recipe: at least 100 runs, a wide ladder, encoder shares on both sides of 20 and 90 per cent."""
    import numpy as np

    from vidscale.runs.shapes.plan import Timing, describe, inference_cost, study_runs

    study = load_study(str(ROOT / "recipes/shapes_h200.py") + ":shapes_h200")
    runs = study_runs(study)
    assert len(runs) >= 100
    assert len({run.run_id for run in runs}) == len(runs)
    assert sum(run.seed > 0 for run in runs) >= 8
    assert len({run.data_size for run in runs}) >= 4
    levels = np.array([list(run.factors) for run in runs])
    assert [len(np.unique(column)) for column in levels.T] == [5, 6, 6]
    assert levels[:, 0].max() > 50 * levels[:, 0].min()
    share = inference_cost(study).encoder_share(levels)
    assert share.min() < 0.2
    assert share.max() > 0.9
    assert "isoflop" in describe(study, Timing())
    assert "torchvision" not in sys.modules
