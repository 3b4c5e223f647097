"""Lattices: the finite sets of configurations a search may choose from.

A lattice is a product of levels of the three factors. Levels, not points, are stored, so a power of a factor
is computed once per level and never once per point.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vidscale.errors import InputError
from vidscale.space.factors import FACTORS, FRAMES, LM_PARAMS, TOKENS_PER_FRAME, ScalingFactors

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Language models people deploy: parameters without input embeddings, as the paper counts x_N.
#: Llama-3.2-1B, Llama-3.2-3B, Llama-3.1-8B (0.973, 2.819 and 7.505 B, counted from their published shapes).
LLAMA_SIZES: tuple[float, ...] = (0.973e9, 2.819e9, 7.505e9)

#: Square pooling grids k×k that a 27×27 patch grid can be pooled to.
SQUARE_TOKENS: tuple[float, ...] = tuple(float(k * k) for k in range(1, 28))


@dataclass(frozen=True, kw_only=True, eq=False)
class Lattice:
    """The product of levels of lm_params, frames and tokens_per_frame.

    Args:
        name: what output calls it; a frontier or an elasticity depends on its lattice, so it is always named.
        levels: for each factor its distinct positive levels, ascending.

    Raises:
        InputError: a factor is missing, or a level is repeated, not finite or not positive.
    """

    name: str
    levels: Mapping[str, Floats]

    def __post_init__(self) -> None:
        cleaned = {}
        for factor in FACTORS:
            if factor not in self.levels:
                raise InputError(f"lattice {self.name!r} has no levels of {factor}; give at least one")
            values = np.asarray(self.levels[factor], dtype=np.float64)
            if values.ndim != 1 or values.size == 0 or not np.all(np.isfinite(values)) or np.any(values <= 0):
                raise InputError(f"lattice {self.name!r}: levels of {factor} are {self.levels[factor]!r}; "
                                 "allowed are one or more positive finite numbers")
            cleaned[factor] = np.unique(values)
        object.__setattr__(self, "levels", cleaned)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of levels of (lm_params, frames, tokens_per_frame)."""
        n, t, v = (self.levels[factor].size for factor in FACTORS)
        return n, t, v

    def __len__(self) -> int:
        return int(np.prod(self.shape))

    @cached_property
    def index(self) -> Ints:
        """Level numbers of every configuration, shape (points, 3); last factor fastest."""
        grids = np.meshgrid(*(np.arange(size) for size in self.shape), indexing="ij")
        return np.stack([grid.ravel() for grid in grids], axis=1).astype(np.int64)

    @cached_property
    def points(self) -> Floats:
        """Every configuration, shape (points, 3), columns lm_params, frames, tokens_per_frame."""
        return np.stack([self.levels[f][self.index[:, k]] for k, f in enumerate(FACTORS)], axis=1)

    def fix(self, fixed: Mapping[str, float]) -> "Lattice":
        """The slice of the lattice in which the named factors hold one value each.

        A value that is no level of the lattice is allowed: it becomes the factor's only level.
        """
        unknown = sorted(set(fixed) - set(FACTORS))
        if unknown:
            raise InputError(f"cannot fix {unknown[0]!r}; the factors are {', '.join(FACTORS)}")
        levels = {**self.levels, **{name: np.array([float(value)]) for name, value in fixed.items()}}
        if not fixed:
            return self
        held = ", ".join(f"{name}={value:g}" for name, value in fixed.items())
        return replace(self, name=f"{self.name} with {held}", levels=levels)

    def configuration(self, point: int) -> ScalingFactors:
        """The configuration with this row number in `points`."""
        return ScalingFactors.of(self.points[point])

    def bounds(self) -> tuple[Floats, Floats]:
        """The smallest box that contains the lattice: lower and upper corner, shape (3,) each."""
        return (np.array([self.levels[f][0] for f in FACTORS]), np.array([self.levels[f][-1] for f in FACTORS]))


def published_lattice() -> Lattice:
    """The ranges of the paper's sweeps: 3 × 5 × 7 = 105 configurations (Wang et al., ACL 2025, section 4)."""
    return Lattice(
        name="published",
        levels={
            LM_PARAMS: np.array([1e9, 2.8e9, 7.5e9]),
            FRAMES: np.array([4.0, 8, 12, 16, 32]),
            TOKENS_PER_FRAME: np.array([4.0, 16, 25, 36, 49, 100, 196]),
        },
    )


def deployable_lattice(
    lm_params: Sequence[float] = LLAMA_SIZES, max_frames: int = 32, max_tokens_per_frame: int = 196
) -> Lattice:
    """What can be deployed: the given LMs, every whole number of frames, every square token grid.

    Args:
        lm_params: sizes of the language models at hand, in parameters.
        max_frames: largest number of frames to consider.
        max_tokens_per_frame: largest number of visual tokens per frame to consider.
    """
    tokens = [value for value in SQUARE_TOKENS if value <= max_tokens_per_frame]
    if max_frames < 1 or not tokens:
        raise InputError(f"max_frames={max_frames}, max_tokens_per_frame={max_tokens_per_frame}; "
                         "both must be at least 1")
    return Lattice(
        name="deployable",
        levels={
            LM_PARAMS: np.asarray(list(lm_params), dtype=np.float64),
            FRAMES: np.arange(1.0, max_frames + 1),
            TOKENS_PER_FRAME: np.asarray(tokens),
        },
    )


def dense_lattice(
    lower: Iterable[float], upper: Iterable[float], shape: tuple[int, int, int] = (50, 50, 50)
) -> Lattice:
    """Levels evenly spaced in log between two corners: a stand-in for the continuum.

    Args:
        lower: smallest (lm_params, frames, tokens_per_frame).
        upper: largest of the same.
        shape: number of levels of each; a factor whose corners agree gets one level.
    """
    levels = {}
    for factor, low, high, size in zip(FACTORS, lower, upper, shape, strict=True):
        if not 0 < low <= high < float("inf"):
            raise InputError(f"{factor} runs from {low!r} to {high!r}; allowed is 0 < lower <= upper")
        levels[factor] = np.array([low]) if low == high else np.geomspace(low, high, size)
    return Lattice(name=f"dense {'×'.join(str(levels[f].size) for f in FACTORS)}", levels=levels)


def measured_lattice(points: Floats, name: str = "measured levels") -> Lattice:
    """Every combination of the levels that occur in measured configurations, shape (rows, 3)."""
    return Lattice(name=name, levels={f: np.unique(points[:, k]) for k, f in enumerate(FACTORS)})
