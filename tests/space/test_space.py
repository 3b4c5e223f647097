"""Scaling factors and lattices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidscale.errors import InputError
from vidscale.space import (
    FACTORS,
    Lattice,
    ScalingFactors,
    dense_lattice,
    deployable_lattice,
    measured_lattice,
    published_lattice,
)


@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf")])
@pytest.mark.parametrize("factor", FACTORS)
def test_a_factor_is_positive_and_finite(factor: str, bad: float) -> None:
    with pytest.raises(InputError, match=factor):
        ScalingFactors(**{"lm_params": 1e9, "frames": 8, "tokens_per_frame": 49, factor: bad})


def test_factors_iterate_in_the_order_of_arrays() -> None:
    factors = ScalingFactors.of([7.5e9, 32.0, 196.0])
    assert list(factors) == [7.5e9, 32, 196]
    assert list(factors.as_dict()) == list(FACTORS)
    assert ScalingFactors.of(factors) == factors


def test_the_published_lattice_has_105_configurations() -> None:
    lattice = published_lattice()
    assert lattice.shape == (3, 5, 7)
    assert len(lattice) == len(lattice.points) == 105
    assert len(np.unique(lattice.points, axis=0)) == 105
    low, high = lattice.bounds()
    assert low.tolist() == [1e9, 4, 4]
    assert high.tolist() == [7.5e9, 32, 196]


def test_the_deployable_lattice_holds_whole_frames_and_square_grids() -> None:
    lattice = deployable_lattice(max_frames=16, max_tokens_per_frame=100)
    assert lattice.levels["frames"].tolist() == list(range(1, 17))
    assert lattice.levels["tokens_per_frame"].tolist() == [k * k for k in range(1, 11)]
    with pytest.raises(InputError, match="max_frames"):
        deployable_lattice(max_frames=0)


def test_fixing_a_factor_leaves_one_level_of_it() -> None:
    lattice = published_lattice().fix({"frames": 10})
    assert lattice.shape == (3, 1, 7)
    assert "frames=10" in lattice.name
    assert published_lattice().fix({}).name == "published"
    with pytest.raises(InputError, match="data_size"):
        published_lattice().fix({"data_size": 1e6})


@pytest.mark.parametrize("levels", [[], [0.0], [1.0, float("nan")], [[1.0]]])
def test_impossible_levels_are_refused(levels: list[float]) -> None:
    good = {"frames": [4.0], "tokens_per_frame": [4.0]}
    with pytest.raises(InputError, match="levels of lm_params"):
        Lattice(name="odd", levels={"lm_params": levels, **good})
    with pytest.raises(InputError, match="no levels of lm_params"):
        Lattice(name="odd", levels=good)


@given(st.tuples(*[st.integers(1, 4)] * 3))
def test_every_point_is_named_by_its_index(shape: tuple[int, int, int]) -> None:
    lattice = dense_lattice((1e9, 4, 4), (8e9, 32, 196), shape)
    assert len(lattice) == np.prod(lattice.shape)
    for row in range(len(lattice)):
        expected = [lattice.levels[f][lattice.index[row, k]] for k, f in enumerate(FACTORS)]
        assert lattice.points[row].tolist() == expected
        assert list(lattice.configuration(row)) == expected


def test_a_dense_lattice_spans_its_box() -> None:
    lattice = dense_lattice((1e9, 8, 4), (8e9, 8, 196))
    assert lattice.shape == (50, 1, 50)
    with pytest.raises(InputError, match="frames"):
        dense_lattice((1e9, 9, 4), (8e9, 8, 196))


def test_measured_levels_are_those_that_occur() -> None:
    points = np.array([[1e9, 4, 4], [7.5e9, 4, 16], [1e9, 4, 16.0]])
    assert measured_lattice(points).shape == (2, 1, 2)
