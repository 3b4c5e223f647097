"""The model: its parts load unchanged, tokens go where they belong, and FLOPs are what torch counts."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    SiglipConfig,
    SiglipModel,
    SiglipTextConfig,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from vidscale.errors import InputError
from vidscale.runs import CorruptFileError, MissingFileError
from vidscale.runs.conversations import VIDEO_TOKEN, Tokens, collate
from vidscale.runs.flops import peak_flops, training_flops
from vidscale.runs.model import (
    Projector,
    SiglipTower,
    VideoLanguageModel,
    before,
    grid_side,
    load_model,
    load_tower,
    scaling_params,
    summed_loss,
)
from vidscale.runs.train import checkpoint_activations, freeze

SIDE, PATCHES = 32, 16


def a_vision_config(**changes):
    return SiglipVisionConfig(**{"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3,
                                 "num_attention_heads": 2, "image_size": SIDE, "patch_size": 8, **changes})


def a_lm(hidden=24, vocabulary=40, **changes):
    torch.manual_seed(1)
    return LlamaForCausalLM(LlamaConfig(hidden_size=hidden, intermediate_size=2 * hidden, num_hidden_layers=2,
                                        num_attention_heads=2, num_key_value_heads=1, vocab_size=vocabulary, **changes))


def a_model(tokens_per_frame=4, **changes):
    torch.manual_seed(0)
    tower = SiglipTower(SiglipVisionModel(a_vision_config()))
    lm = a_lm(**changes)
    return VideoLanguageModel(tower, Projector(32, lm.config.hidden_size), lm, tokens_per_frame=tokens_per_frame)


def a_batch(lengths=(9, 7), frames=2, visual=8, clip=None):
    clips = len(set(clip or lengths))
    pixels = torch.randint(0, 256, (clips, frames, 3, SIDE, SIDE), generator=torch.manual_seed(2)).to(torch.uint8)
    sequences = [Tokens(ids=[1, *[VIDEO_TOKEN] * visual, *range(2, 2 + length)],
                        predicted=[False] * (1 + visual + length - 2) + [True] * 2) for length in lengths]
    return collate(list(pixels), sequences, clip or range(len(lengths)))


def logits(model, batch):
    with torch.no_grad():
        return model(batch.frames, batch.ids, batch.clip, before(batch.predicted))


def test_a_full_siglip_folder_loads_into_the_tower(tmp_path):
    torch.manual_seed(0)
    whole = SiglipModel(SiglipConfig(
        text_config=SiglipTextConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
                                     vocab_size=50).to_dict(), vision_config=a_vision_config().to_dict()))
    whole.save_pretrained(tmp_path / "siglip")
    tower, normal = load_tower(tmp_path / "siglip")
    pixels = torch.randn(2, 3, SIDE, SIDE)
    with torch.no_grad():
        theirs = whole.vision_model(pixels, output_hidden_states=True).hidden_states
        assert torch.equal(tower(pixels), theirs[-2])
    assert tower(pixels).shape == (2, PATCHES, 32)
    assert len(tower.layers) == 2
    assert normal["mean"] == [0.5, 0.5, 0.5]


def test_the_file_path_and_the_seed(tiny):
    parts = {"tower": tiny / "checkpoints" / "siglip", "lm": tiny / "checkpoints" / "llama-16", "tokens_per_frame": 4}
    first, again = load_model(**parts, seed=3)[0], load_model(**parts, seed=3)[0]
    other = load_model(**parts, seed=4)[0]
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first.projector[0].weight, other.projector[0].weight)
    assert torch.equal(first.lm.lm_head.weight, other.lm.lm_head.weight)


def test_any_tower_will_do():
    class Colours(nn.Module):
        def forward(self, pixels):
            return nn.functional.avg_pool2d(pixels, 8).flatten(2).transpose(1, 2)

    model = VideoLanguageModel(Colours(), Projector(3, 24), a_lm(), tokens_per_frame=4)
    assert logits(model, a_batch()).shape == (4, 40)


def test_tokens_are_in_order_of_clip_frame_and_cell():
    class Where(nn.Module):
        def forward(self, pixels):
            frame = pixels[:, 0, 0, 0].view(-1, 1, 1).expand(-1, 4, 1)
            return frame * 10 + torch.arange(4.0).view(1, 4, 1)

    model = VideoLanguageModel(Where(), nn.Identity(), a_lm(), tokens_per_frame=4)
    pixels = torch.arange(6.0).view(2, 3, 1, 1, 1).expand(2, 3, 3, SIDE, SIDE)
    assert model.visual_tokens(pixels)[..., 0].tolist() == [
        [10 * frame + cell for frame in range(3 * clip, 3 * clip + 3) for cell in range(4)] for clip in range(2)]


def test_padding_changes_nothing():
    model = a_model()
    together = logits(model, a_batch((9, 5)))
    both = a_batch((9, 5))
    short = Tokens(ids=both.ids[1, :14].tolist(), predicted=both.predicted[1, :14].tolist())
    alone = collate([both.frames[1]], [short], [0])
    torch.testing.assert_close(together[2:], logits(model, alone), rtol=1e-5, atol=1e-6)


def test_sequences_share_a_clip():
    model = a_model()
    shared = a_batch((9, 9), clip=(0, 0))
    assert shared.frames.shape[0] == 1
    rows = logits(model, shared)
    torch.testing.assert_close(rows[:2], rows[2:])


def test_the_video_matters_and_so_does_its_order():
    model, batch = a_model(), a_batch((9,))
    usual = logits(model, batch)
    batch.frames[:] = batch.frames.flip(1)
    assert (usual - logits(model, batch)).abs().max() > 1e-6


def test_normalising_pixels_is_part_of_the_model():
    model, batch = a_model(), a_batch()
    usual = logits(model, batch)
    normalised = (batch.frames.float() / 255 - 0.5) / 0.5
    with torch.no_grad():
        given = model(normalised, batch.ids, batch.clip, before(batch.predicted))
    assert torch.equal(usual, given)


def gradients(model, batch):
    model.zero_grad()
    summed_loss(model(batch.frames, batch.ids, batch.clip, before(batch.predicted)),
                batch.ids[batch.predicted]).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("trained", [("projector",), ("projector", "lm"), ("projector", "lm", "tower"), ("lm",)])
def test_only_what_is_trained_gets_gradients(trained):
    model = a_model()
    freeze(model, trained)
    assert {name.split(".")[0] for name in gradients(model, a_batch())} == set(trained)


def test_recomputed_activations_give_the_same_gradients():
    model, again = a_model(), a_model()
    checkpoint_activations(again)
    usual, recomputed = gradients(model, a_batch()), gradients(again, a_batch())
    assert usual.keys() == recomputed.keys()
    assert all(torch.equal(usual[name], recomputed[name]) for name in usual)


@pytest.mark.parametrize("trained", [("projector",), ("projector", "lm"), ("projector", "lm", "tower"), ("lm",)])
def test_flops_are_those_that_torch_counts(trained):
    """torch's counter knows no CPU attention kernel, so attention is checked by itself below."""
    model = a_model()
    freeze(model, trained)
    batch = a_batch((9, 9), clip=(0, 1))
    with FlopCounterMode(display=False) as counter:
        gradients(model, batch)
    cost = training_flops(model)
    linear = type(cost)(**{**vars(cost), "tower": type(cost.tower)(weights=cost.tower.weights, attention=0.0),
                           "lm": type(cost.lm)(weights=cost.lm.weights, attention=0.0)})
    counted = counter.get_total_flops() - pooling_flops(model, frames=4, backward="tower" in trained)
    # The input of the first matrix that is trained needs no gradient: pixels, or a frozen tower's features.
    spared = 2 * model.tower.embeddings.patch_embedding.weight.numel() * 4 * PATCHES if "tower" in trained else 0
    spared += 2 * model.projector[0].weight.numel() * 16 if "projector" in trained and "tower" not in trained else 0
    # Some versions of transformers make the rotary angles, a few hundred FLOPs, by a matrix product.
    assert counted - 300 <= linear.step(2, 2, [18, 18], 4) - spared <= counted


def pooling_flops(model, frames, backward):
    return 2 * model.side**2 * PATCHES * 32 * frames * (1 + backward)


def test_attention_flops():
    cost = training_flops(a_model())
    assert cost.lm.attention == 4 * 24 * 2
    assert cost.tower.attention == 4 * 32 * 2
    frozen = a_model()
    freeze(frozen, ("lm",))
    only = training_flops(frozen)
    assert only.step(0, 0, [10], 0) == 3 * 2 * only.lm.weights * 10 + 3 * 4 * 24 * 2 * 55


def test_peak_rates_by_the_drivers_name():
    assert peak_flops("NVIDIA H200") == peak_flops("NVIDIA H100 80GB HBM3") == 989.4e12
    assert peak_flops("NVIDIA A100-SXM4-80GB") == 312e12
    assert peak_flops("Somebody's own") is None


def test_scaling_params_leave_the_input_embeddings_out():
    untied, tied = a_lm(), a_lm(tie_word_embeddings=True)
    layers = sum(p.numel() for p in untied.model.layers.parameters()) + 24
    assert scaling_params(untied) == layers + 40 * 24
    assert scaling_params(tied) == layers


@pytest.mark.parametrize(("shape", "billions"), [
    ((2048, 8192, 16, 32, True), 0.973), ((3072, 8192, 28, 24, True), 2.819), ((4096, 14336, 32, 32, False), 7.505),
])
def test_scaling_params_of_the_papers_models(shape, billions):
    hidden, mlp, layers, heads, tied = shape
    with torch.device("meta"):
        lm = LlamaForCausalLM(LlamaConfig(hidden_size=hidden, intermediate_size=mlp, num_hidden_layers=layers,
                                          num_attention_heads=heads, num_key_value_heads=8, vocab_size=128_256,
                                          tie_word_embeddings=tied))
    assert round(scaling_params(lm) / 1e9, 3) == billions


def test_squares_only():
    assert [grid_side(v) for v in (1, 4, 196)] == [1, 2, 14]
    with pytest.raises(InputError, match=r"tokens_per_frame is 10; .* squares"):
        grid_side(10)


def test_bad_folders_are_named(tmp_path, tiny):
    checkpoints = tiny / "checkpoints"
    with pytest.raises(MissingFileError, match=r"nowhere is no checkpoint folder"):
        load_tower(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"llama-16 is a 'llama' model; allowed are siglip"):
        load_tower(checkpoints / "llama-16")
    with pytest.raises(InputError, match="the tower has 3 layers, so allowed are -1 to -3"):
        load_tower(checkpoints / "siglip", layer=-4)
    cut = tmp_path / "cut"
    cut.mkdir()
    for file in (checkpoints / "siglip").iterdir():
        data = file.read_bytes()
        (cut / file.name).write_bytes(data[:len(data) // 2] if file.suffix == ".safetensors" else data)
    with pytest.raises(CorruptFileError, match=r"the checkpoint .*cut cannot be loaded"):
        load_tower(cut)
