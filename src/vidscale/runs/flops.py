"""FLOPs that training did: 2 per multiply-add, matrix products and attention, padding and recomputation left out.

    forward pass        1
    gradient of weights 1  where the part is trained
    gradient of inputs  1  where the part or something before it is trained (the first matrix of all is not left out)
    attention           1 forward, 2 backward, because it has two inputs and no weights

Causal attention counts the triangle S(S+1)/2 that fast kernels compute. Model-FLOPs utilisation (MFU) is these FLOPs
over what the hardware could have done in the same time at its dense peak rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A stack of layers: weights that every position passes, and attention."""

    weights: float
    attention: float  # per pair of a query and a key, all layers: 4 H h, because there are two products

    def flops(self, positions: float, pairs: float, linear_passes: int, attention_passes: int) -> float:
        return linear_passes * 2 * self.weights * positions + attention_passes * self.attention * pairs


@dataclass(frozen=True, kw_only=True)
class TrainingFlops:
    """What a step of training costs; made by `training_flops`.

    Attributes:
        patches: of a frame, seen by the tower.
        tokens_per_frame: x_V, seen by the projector.
        trains: which of "tower", "projector", "lm" are trained.
    """

    tower: _Part
    projector: _Part
    lm: _Part
    head: float
    patches: int
    tokens_per_frame: int
    trains: frozenset[str]

    def step(self, clips: int, frames: int, lengths: Sequence[int], predicted: int) -> float:
        """FLOPs of forward and backward over some clips and sequences.

        Args:
            clips, frames: clips, and frames of each.
            lengths: tokens of each sequence, visual ones included.
            predicted: tokens that are predicted, over all sequences.
        """
        own, tower, below = self.trains, "tower" in self.trains, bool(self.trains & {"tower", "projector"})
        count = clips * frames
        vision = self.tower.flops(count * self.patches, count * self.patches**2, 3 if tower else 1, 3 if tower else 1)
        between = self.projector.flops(count * self.tokens_per_frame, 0, 1 + below + ("projector" in own), 0)
        passes = 1 + bool(own) + ("lm" in own)
        pairs = sum(length * (length + 1) / 2 for length in lengths)
        language = self.lm.flops(sum(lengths), pairs, passes, 3)
        return vision + between + language + passes * 2 * self.head * predicted


def training_flops(model: Any) -> TrainingFlops:
    """The cost of training a `VideoLanguageModel`, read off its modules.

    A tower that is not Hugging Face's must have `patches`, `layers` and `dim`, as `SiglipTower` does.
    """
    lm, tower, config = model.lm, model.tower, model.lm.config
    heads = config.num_attention_heads
    width = heads * (getattr(config, "head_dim", None) or config.hidden_size // heads)
    parts = {"tower": tower, "projector": model.projector, "lm": lm}
    return TrainingFlops(
        tower=_Part(weights=_weights(tower), attention=4.0 * tower.dim * len(tower.layers)),
        projector=_Part(weights=_weights(model.projector), attention=0.0),
        lm=_Part(weights=_weights(lm.base_model), attention=4.0 * width * config.num_hidden_layers),
        head=lm.get_output_embeddings().weight.numel(),
        patches=tower.patches, tokens_per_frame=model.side**2,
        trains=frozenset(name for name, part in parts.items() if any(p.requires_grad for p in part.parameters())),
    )


def _weights(module: nn.Module) -> float:
    """Weights of the matrices that every position passes."""
    return sum(each.weight.numel() for each in module.modules() if isinstance(each, (nn.Linear, nn.Conv2d)))


def peak_flops(device_name: str) -> float | None:
    """Dense bf16 FLOP/s of a GPU by the name its driver gives; None where no data sheet is known.

    Example:
        >>> peak_flops("NVIDIA H200")
        989400000000000.0
    """
    from vidscale.cost.hardware import gpu
    from vidscale.errors import InputError

    for word in device_name.replace("-", " ").split():
        try:
            return gpu(word).bf16_flops
        except InputError:
            continue
    return None
