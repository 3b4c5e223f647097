"""What one video costs by formula: prefill FLOPs, 2 per multiply-add.

    c(x)    = 2 x_T (x_M x_W + x_N x_V)     Wang et al., ACL 2025, section 3
    c_LM(x) = 2 x_T  x_N x_V                prior work, which leaves the vision encoder out

x_N language-model parameters, x_T frames, x_V visual tokens per frame; x_M encoder parameters, x_W encoder
tokens per frame. Both are posynomials, so a budget on them keeps the frontier problem convex in log x.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vidscale.errors import InputError

Floats = NDArray[np.float64]

#: SoViT-400M as the paper counts it: 0.43e9 parameters, 768 features a frame.
PAPER_ENCODER_PARAMS = 0.43e9
PAPER_ENCODER_TOKENS = 768.0


@dataclass(frozen=True, kw_only=True)
class CostTerms:
    """A posynomial cost: cost(x) = Σ_j exp(log_coefficients_j + exponents_j · log x).

    Attributes:
        log_coefficients: shape (terms,).
        exponents: shape (terms, 3), columns lm_params, frames, tokens_per_frame.
        parts: which part of the model each term pays for, "encoder" or "lm".
    """

    log_coefficients: Floats
    exponents: Floats
    parts: tuple[str, ...]


@runtime_checkable
class CostModel(Protocol):
    """Anything that prices configurations.

    `terms` is None where the cost is no posynomial (a measured latency, say): the frontier is then searched
    exactly on a lattice, and no convex certificate exists.
    """

    @property
    def name(self) -> str: ...
    @property
    def unit(self) -> str: ...
    def cost(self, points: Floats) -> Floats:
        """Cost of each configuration; points has shape (rows, 3), the result (rows,)."""
        ...
    def encoder_share(self, points: Floats) -> Floats:
        """The vision encoder's share of each cost, in [0, 1], shape (rows,)."""
        ...
    def terms(self) -> CostTerms | None: ...


@dataclass(frozen=True, kw_only=True)
class PaperCost:
    """The paper's prefill FLOPs per video, encoder included.

    It leaves out attention, decoding, the projector and how well hardware is used.

    Args:
        encoder_params: x_M, parameters of the vision encoder.
        encoder_tokens: x_W, tokens the encoder processes per frame.

    Example:
        >>> import numpy as np
        >>> float(PaperCost().cost(np.array([[7.5e9, 32, 196]]))[0] / 1e12)
        115.21536
    """

    encoder_params: float = PAPER_ENCODER_PARAMS
    encoder_tokens: float = PAPER_ENCODER_TOKENS

    def __post_init__(self) -> None:
        for name in ("encoder_params", "encoder_tokens"):
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                raise InputError(f"{name} is {value!r}; allowed is a positive finite number")

    name = "paper"
    unit = "FLOPs"

    def encoder_cost(self, points: Floats) -> Floats:
        """FLOPs of the vision encoder per video, shape (rows,)."""
        return 2.0 * self.encoder_params * self.encoder_tokens * points[:, 1]

    def lm_cost(self, points: Floats) -> Floats:
        """FLOPs of the language model per video, shape (rows,)."""
        return 2.0 * points[:, 0] * points[:, 1] * points[:, 2]

    def cost(self, points: Floats) -> Floats:
        points = np.atleast_2d(np.asarray(points, dtype=np.float64))
        return self.encoder_cost(points) + self.lm_cost(points)

    def encoder_share(self, points: Floats) -> Floats:
        points = np.atleast_2d(np.asarray(points, dtype=np.float64))
        return self.encoder_cost(points) / self.cost(points)

    def terms(self) -> CostTerms | None:
        return CostTerms(
            log_coefficients=np.log([2.0 * self.encoder_params * self.encoder_tokens, 2.0]),
            exponents=np.array([[0.0, 1.0, 0.0], [1.0, 1.0, 1.0]]),
            parts=("encoder", "lm"),
        )


@dataclass(frozen=True, kw_only=True)
class LmOnlyCost:
    """Prefill FLOPs as prior work counts them: the vision encoder is free.

    Kept so that the bias of leaving the encoder out can be printed; never the default.
    """

    name = "lm-only"
    unit = "FLOPs"

    def cost(self, points: Floats) -> Floats:
        points = np.atleast_2d(np.asarray(points, dtype=np.float64))
        return 2.0 * points[:, 0] * points[:, 1] * points[:, 2]

    def encoder_share(self, points: Floats) -> Floats:
        return np.zeros(len(np.atleast_2d(points)))

    def terms(self) -> CostTerms | None:
        return CostTerms(log_coefficients=np.log([2.0]), exponents=np.array([[1.0, 1.0, 1.0]]), parts=("lm",))
