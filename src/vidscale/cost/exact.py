"""Exact FLOPs as a cost to search a frontier by."""

from dataclasses import dataclass, field

import numpy as np

from vidscale.cost.flops import Flops, exact_flops
from vidscale.cost.operations import Floats
from vidscale.cost.paper import CostTerms
from vidscale.cost.passes import AttentionConvention
from vidscale.space.ladder import Ladder, ladder


@dataclass(frozen=True, kw_only=True)
class ExactCost:
    """FLOPs of whole models: encoder, projector, prefill with attention, head, decoding.

    Attention grows with the square of the visual tokens, so this is no posynomial and the frontier is searched on a
    lattice.

    Args:
        ladder: which models the sizes mean: a name, or a `Ladder`.
        text_tokens: tokens of the prompt that are not visual.
        output_tokens: tokens of the answer.
        attention: "causal" or "full", see `exact_flops`.

    Raises:
        InputError: no such ladder.

    Example:
        >>> import numpy as np
        >>> float(ExactCost().cost(np.array([[7.5e9, 32, 196]]))[0].round(-11) / 1e12)
        119.4
    """

    ladder: str | Ladder = "llava-llama3"
    text_tokens: float = 0
    output_tokens: float = 1
    attention: AttentionConvention = "causal"
    models: Ladder = field(init=False, repr=False)

    name = "flops-exact"
    unit = "FLOPs"

    def __post_init__(self) -> None:
        object.__setattr__(self, "models", self.ladder if isinstance(self.ladder, Ladder) else ladder(self.ladder))

    def flops(self, points: Floats) -> Flops:
        """FLOPs by part; points has shape (rows, 3): lm_params, frames, tokens_per_frame."""
        points = np.atleast_2d(np.asarray(points, dtype=np.float64))
        parts = {name: np.empty(len(points)) for name in Flops.__dataclass_fields__}
        for vlm, rows in self.models.group(points[:, 0]):
            found = exact_flops(vlm, points[rows, 1], points[rows, 2], text_tokens=self.text_tokens,
                                output_tokens=self.output_tokens, attention=self.attention)
            for name, values in parts.items():
                values[rows] = getattr(found, name)
        return Flops(**parts)

    def cost(self, points: Floats) -> Floats:
        """FLOPs of each configuration, shape (rows,)."""
        return self.flops(points).total

    def encoder_share(self, points: Floats) -> Floats:
        """The vision tower's share of each cost, shape (rows,)."""
        return self.flops(points).encoder_share

    def terms(self) -> CostTerms | None:
        """None: attention makes the cost no posynomial in the three factors."""
        return None
