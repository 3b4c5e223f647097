"""The video VLM: vision tower → pooling of the patch grid to k×k → two-layer projector → language model.

As LLaVA-OneVision builds it (Li et al. 2024), with two differences that a scaling sweep needs: the grid is pooled to
any k×k, so that x_V = k², and it is pooled before the projector, which then runs on x_V tokens a frame rather than on
every patch. A module of our own around Hugging Face's parts, because theirs hold the number of tokens fixed.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vidscale.errors import InputError
from vidscale.runs.conversations import VIDEO_TOKEN
from vidscale.runs.failures import CorruptFileError, MissingFileError
from vidscale.runs.pooling import pool_to_grid
from vidscale.runs.recipe import grid_side


class SiglipTower(nn.Module):
    """The part of a SigLIP vision model that a VLM uses: patches in, hidden states of one layer out.

    Args:
        vision: a `SiglipVisionModel`; its layers above the wanted one, its last norm and its head are dropped.
        layer: which hidden state, counted from the end; -1 is the last layer's output, before the final norm.
    """

    def __init__(self, vision: Any, layer: int = -2) -> None:
        super().__init__()
        inner = getattr(vision, "vision_model", vision)  # transformers < 5.20 has one module more
        layers = inner.encoder.layers
        if not 1 <= -layer <= len(layers):
            raise InputError(f"tower_layer is {layer}; the tower has {len(layers)} layers, so allowed are -1 to "
                             f"{-len(layers)}")
        self.embeddings = inner.embeddings
        self.layers = nn.ModuleList(layers[:len(layers) + 1 + layer])
        self.image_size: int = vision.config.image_size
        self.patches: int = (vision.config.image_size // vision.config.patch_size) ** 2
        self.dim: int = vision.config.hidden_size

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels of shape (frames, 3, side, side), normalised, to features (frames, patches, dim)."""
        hidden = self.embeddings(pixels)
        for layer in self.layers:
            hidden = layer(hidden, None)
            hidden = hidden[0] if isinstance(hidden, tuple) else hidden
        return hidden


class Projector(nn.Sequential):
    """Visual features to the language model's embedding space: linear, GELU, linear."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, hidden))


class VideoLanguageModel(nn.Module):
    """A video VLM.

    Args:
        tower: any module that turns (frames, 3, height, width) normalised pixels into (frames, patches, dim).
        projector: features of the tower to embeddings of the language model.
        lm: a Hugging Face causal language model.
        tokens_per_frame: x_V, a square.
        pooling: see `vidscale.runs.pooling`.
        mean, std: the tower's normalisation, for pixels scaled to [0, 1].

    Raises:
        InputError: tokens_per_frame is no square.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, tower: nn.Module, projector: nn.Module, lm: Any, *, tokens_per_frame: int,
                 pooling: str = "average", mean: Sequence[float] = (0.5, 0.5, 0.5),
                 std: Sequence[float] = (0.5, 0.5, 0.5)) -> None:
        super().__init__()
        self.tower, self.projector, self.lm = tower, projector, lm
        self.side, self.pooling = grid_side(tokens_per_frame), pooling
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def visual_tokens(self, frames: Tensor) -> Tensor:
        """Frames of shape (clips, x_T, 3, height, width) to visual tokens (clips, x_T x_V, hidden).

        Frames are uint8, or floats already normalised.
        """
        clips, count = frames.shape[:2]
        pixels = frames.flatten(0, 1)
        if pixels.dtype == torch.uint8:
            pixels = (pixels.float() / 255 - self.mean) / self.std
        trained = any(p.requires_grad for p in self.tower.parameters())
        with torch.set_grad_enabled(torch.is_grad_enabled() and trained):
            features = self.tower(pixels)
        pooled = pool_to_grid(features, self.side, self.pooling)
        return self.projector(pooled).reshape(clips, count * self.side**2, -1)

    def forward(self, frames: Tensor, ids: Tensor, clip: Tensor, wanted: Tensor) -> Tensor:
        """Logits of the token that follows each wanted position.

        Only those rows go through the output head: with a vocabulary of 128k the logits of all positions would take
        more memory than everything else.

        Args:
            frames: shape (clips, x_T, 3, height, width).
            ids: shape (sequences, length), VIDEO_TOKEN where a visual token goes; padded on the right.
            clip: which clip each sequence is about, shape (sequences,).
            wanted: shape (sequences, length), dtype bool.

        Returns:
            Shape (wanted positions, vocabulary), in the order of `torch.nonzero(wanted)`.
        """
        visual = self.visual_tokens(frames)[clip]
        embedded = self.lm.get_input_embeddings()(ids.clamp(min=0))
        embedded = embedded.masked_scatter((ids == VIDEO_TOKEN).unsqueeze(-1), visual.to(embedded.dtype))
        # No attention mask: padding lies to the right, where a causal model never looks; fast kernels want none.
        hidden = self.lm.base_model(inputs_embeds=embedded, use_cache=False).last_hidden_state
        return self.lm.get_output_embeddings()(hidden[wanted])


def before(predicted: Tensor) -> Tensor:
    """The positions whose next token is to be predicted: the mask of predicted tokens, one step to the left."""
    return functional.pad(predicted[:, 1:], (0, 1))


def summed_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy summed over the predicted tokens, in nats; divide by the tokens of the whole optimiser step."""
    return functional.cross_entropy(logits.float(), targets, reduction="sum")


def load_tower(folder: Path, layer: int = -2, attention: str = "sdpa") -> tuple[SiglipTower, dict[str, Any]]:
    """A SigLIP tower from a checkpoint folder, and the normalisation its preprocessor_config.json states.

    Raises:
        InputError: the folder is missing, or holds something else.
    """
    from transformers import SiglipVisionModel

    kind = _config(folder).get("model_type")
    if kind not in ("siglip", "siglip_vision_model"):
        raise InputError(f"the vision tower {folder} is a {kind!r} model; allowed are siglip checkpoints")
    vision = _pretrained(SiglipVisionModel, folder, attention)
    place = folder / "preprocessor_config.json"
    settings = json.loads(place.read_bytes()) if place.is_file() else {}
    normal = {name: settings.get(f"image_{name}", [0.5, 0.5, 0.5]) for name in ("mean", "std")}
    return SiglipTower(vision, layer), normal


def load_language_model(folder: Path, attention: str = "sdpa") -> tuple[Any, Any]:
    """A causal language model and its tokenizer from a checkpoint folder.

    Raises:
        InputError: the folder is missing or cannot be loaded.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    _config(folder)
    lm = _pretrained(AutoModelForCausalLM, folder, attention)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as problem:
        raise CorruptFileError(f"{folder} holds no tokenizer that loads: {problem}") from None
    return lm, tokenizer


def _config(folder: Path) -> dict[str, Any]:
    place = folder / "config.json"
    if not place.is_file():
        raise MissingFileError(f"{folder} is no checkpoint folder: it holds no config.json")
    try:
        return json.loads(place.read_bytes())
    except ValueError as problem:
        raise CorruptFileError(f"{place} is no JSON: {problem}") from None


def _pretrained(kind: Any, folder: Path, attention: str) -> Any:
    from safetensors import SafetensorError
    from transformers.utils import logging

    logging.disable_progress_bar()  # a run reports its own progress
    try:
        model, info = kind.from_pretrained(folder, local_files_only=True, attn_implementation=attention,
                                           dtype=torch.float32, output_loading_info=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as problem:
        raise CorruptFileError(f"the checkpoint {folder} cannot be loaded: {problem}") from None
    if info["missing_keys"]:
        raise CorruptFileError(f"the checkpoint {folder} lacks {len(info['missing_keys'])} weights, such as "
                               f"{min(info['missing_keys'])}")
    return model


def load_model(*, tower: Path, lm: Path, tokens_per_frame: int, tower_layer: int = -2, pooling: str = "average",
               projector: Path | None = None, attention: str = "sdpa", seed: int = 0) -> tuple[VideoLanguageModel, Any]:
    """A video VLM from checkpoint folders, weights in 32 bits, and its tokenizer.

    Args:
        tower, lm: checkpoint folders.
        tokens_per_frame: x_V, a square.
        tower_layer, pooling, attention: see `ModelRecipe`.
        projector: a safetensors file with the projector's weights; without one they are drawn from `seed`.
        seed: of the projector's weights.

    Raises:
        InputError: a folder is missing or does not fit.
    """
    vision, normal = load_tower(tower, tower_layer, attention)
    language, tokenizer = load_language_model(lm, attention)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        between = Projector(vision.dim, language.get_input_embeddings().weight.shape[1])
    if projector is not None:
        _load_projector(between, projector)
    return VideoLanguageModel(vision, between, language, tokens_per_frame=tokens_per_frame, pooling=pooling,
                              mean=normal["mean"], std=normal["std"]), tokenizer


def _load_projector(projector: Projector, place: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not place.is_file():
        raise MissingFileError(f"the projector {place} is missing")
    try:
        projector.load_state_dict(load_file(place))
    except (SafetensorError, RuntimeError) as problem:
        raise CorruptFileError(f"the projector {place} does not fit: {problem}") from None


def scaling_params(lm: Any) -> int:
    """x_N of a language model as the paper counts it: all parameters less the input embeddings.

    A tied output head is the embeddings, so it is left out with them (0.973 B of Llama-3.2-1B's 1.236 B).
    """
    return sum(p.numel() for p in lm.parameters()) - lm.get_input_embeddings().weight.numel()
