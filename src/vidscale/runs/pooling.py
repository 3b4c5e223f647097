"""Pooling of a patch grid to k×k visual tokens per frame.

Both ways are a fixed matrix over the patches: one product, the same on every device and in every precision, with a
backward pass that adds in a fixed order (torch's own adaptive pooling does not on a GPU).

    "average"   cell i of k covers patches ⌊iG/k⌋ … ⌈(i+1)G/k⌉-1 along each side and is their mean, so that every
                patch counts at every k; neighbouring cells overlap where k does not divide G
    "bilinear"  as LLaVA-OneVision: values at the cells' centres, from the nearest patches only
"""

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidscale.errors import InputError

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float64]

METHODS: tuple[str, ...] = ("average", "bilinear")


def pool_to_grid(features: "torch.Tensor", k: int, method: str = "average") -> "torch.Tensor":
    """A square grid of patch features as k×k tokens, both row by row.

    Args:
        features: shape (..., G², D), the patches of each frame.
        k: side of the grid wanted, 1 to G; k = G leaves the features as they are.
        method: "average" or "bilinear", see the module's text.

    Returns:
        Shape (..., k², D), in the dtype of the features.

    Raises:
        InputError: the patches do not form a square, k is not in 1 … G, or the method is unknown.
    """

    grid = math.isqrt(features.shape[-2])
    if grid * grid != features.shape[-2]:
        raise InputError(f"{features.shape[-2]} patches do not form a square grid, so they cannot be pooled to k×k")
    if not 1 <= k <= grid:
        raise InputError(f"k is {k}; a grid of {grid}×{grid} patches can be pooled to 1×1 … {grid}×{grid}")
    if method not in METHODS:
        raise InputError(f"pooling method is {method!r}; allowed are {', '.join(METHODS)}")
    if k == grid:
        return features
    return _on_device(grid, k, method, features.device, features.dtype) @ features


@lru_cache(maxsize=256)
def _on_device(grid: int, k: int, method: str, device: "torch.device", dtype: "torch.dtype") -> "torch.Tensor":
    """The pooling matrix as a tensor, sent to the device once: a recorded step must not copy from the host."""
    import torch

    return torch.tensor(pooling_matrix(grid, k, method), device=device, dtype=dtype)


@lru_cache(maxsize=256)
def pooling_matrix(grid: int, k: int, method: str = "average") -> Floats:
    """The matrix that pools: shape (k², grid²), rows sum to 1. Read only."""
    side = _average(grid, k) if method == "average" else _bilinear(grid, k)
    both: Floats = np.kron(side, side).astype(np.float64, copy=False)
    both.flags.writeable = False
    return both


def _average(grid: int, k: int) -> Floats:
    """One side of adaptive average pooling, shape (k, grid)."""
    weights = np.zeros((k, grid))
    for i in range(k):
        first, last = i * grid // k, -((i + 1) * grid // -k)
        weights[i, first:last] = 1.0 / (last - first)
    return weights


def _bilinear(grid: int, k: int) -> Floats:
    """One side of bilinear resizing with corners not aligned and no antialiasing, shape (k, grid)."""
    weights = np.zeros((k, grid))
    centres = np.clip((np.arange(k) + 0.5) * grid / k - 0.5, 0.0, grid - 1.0)
    for i, centre in enumerate(centres):
        low = int(centre)
        high = min(low + 1, grid - 1)
        weights[i, low] += 1.0 - (centre - low)
        weights[i, high] += centre - low
    return weights
