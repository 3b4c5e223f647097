"""Pooling of patches to k×k tokens, against torch's own operators."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vidscale.errors import InputError
from vidscale.runs.pooling import pool_to_grid, pooling_matrix


def grid_of(features: torch.Tensor, side: int) -> torch.Tensor:
    return features.transpose(-1, -2).reshape(*features.shape[:-2], features.shape[-1], side, side)


@pytest.mark.parametrize(("grid", "k"), [(8, 1), (8, 2), (8, 3), (8, 6), (8, 8), (27, 14), (27, 5)])
@pytest.mark.parametrize("method", ["average", "bilinear"])
def test_equals_torch(grid, k, method):
    features = torch.randn(2, grid * grid, 3, dtype=torch.float64)
    square = grid_of(features, grid)
    if method == "average":
        expected = torch.nn.functional.adaptive_avg_pool2d(square, k)
    else:
        expected = torch.nn.functional.interpolate(square, size=(k, k), mode="bilinear", align_corners=False)
    torch.testing.assert_close(pool_to_grid(features, k, method), expected.flatten(-2).transpose(-1, -2))


@given(grid=st.integers(1, 12), data=st.data())
def test_every_patch_counts_in_average_pooling(grid, data):
    k = data.draw(st.integers(1, grid))
    weights = pooling_matrix(grid, k)
    assert weights.shape == (k * k, grid * grid)
    assert weights.sum(axis=1) == pytest.approx(1.0)
    assert (weights.sum(axis=0) > 0).all()


@pytest.mark.parametrize(("patches", "k", "method"), [(63, 2, "average"), (64, 9, "average"), (64, 0, "average"),
                                                     (64, 2, "max")])
def test_refuses_what_cannot_be_pooled(patches, k, method):
    with pytest.raises(InputError):
        pool_to_grid(torch.zeros(1, patches, 2), k, method)
