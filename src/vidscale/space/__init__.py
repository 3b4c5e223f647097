"""What can be chosen: scaling factors and the lattices a search runs over."""

from vidscale.space.factors import (
    DATA_SIZE,
    FACTORS,
    FACTORS_AND_DATA,
    FRAMES,
    LM_PARAMS,
    SUFFIXES,
    SYMBOLS,
    TOKENS_PER_FRAME,
    ScalingFactors,
)
from vidscale.space.lattice import (
    LLAMA_SIZES,
    Lattice,
    dense_lattice,
    deployable_lattice,
    measured_lattice,
    published_lattice,
)

__all__ = [
    "DATA_SIZE",
    "FACTORS",
    "FACTORS_AND_DATA",
    "FRAMES",
    "LLAMA_SIZES",
    "LM_PARAMS",
    "SUFFIXES",
    "SYMBOLS",
    "TOKENS_PER_FRAME",
    "Lattice",
    "ScalingFactors",
    "dense_lattice",
    "deployable_lattice",
    "measured_lattice",
    "published_lattice",
]
