"""Curves and surfaces pass through their points, and go on sensibly beyond them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidscale.cost.curves import Curve, Surface, blended
from vidscale.errors import InputError

times = st.dictionaries(st.integers(1, 10**6), st.floats(1e-7, 1e2), min_size=1, max_size=12)


@given(times)
def test_a_curve_gives_its_points_back(measured):
    curve = Curve.through(measured)
    size = np.array(sorted(measured), dtype=float)
    assert np.allclose(curve(size), [measured[int(s)] for s in size], rtol=1e-9)


@given(times, st.floats(1, 1e9))
def test_between_two_points_a_curve_stays_between_their_times(measured, at):
    curve = Curve.through(measured, slope=0.0)
    assert min(measured.values()) * (1 - 1e-9) <= float(curve(at)) <= max(measured.values()) * (1 + 1e-9)


def test_above_the_last_point_time_grows_with_the_work_and_below_the_first_it_stays():
    curve = Curve.through({10: 1e-3, 100: 2e-3})
    assert np.allclose(curve([1, 10, 100, 400]), [1e-3, 1e-3, 2e-3, 8e-3])


def test_a_surface_is_bilinear_in_logs_and_follows_its_slopes_beyond():
    surface = Surface.through({(1, 10): 1.0, (1, 1000): 100.0, (4, 10): 4.0, (4, 1000): 400.0}, (1.0, 2.0))
    assert np.allclose(surface([1, 2, 4, 8, 4], [100, 100, 1000, 10, 2000]), [10, 20, 400, 8, 1600])


def test_a_surface_leaves_out_sizes_that_were_not_measured_everywhere():
    surface = Surface.through({(1, 10): 1.0, (1, 20): 2.0, (8, 10): 8.0}, (1.0, 1.0))
    assert surface.second.tolist() == [10.0]
    with pytest.raises(InputError, match="no second size"):
        Surface.through({(1, 10): 1.0, (8, 20): 2.0}, (1.0, 1.0))


def test_blended_curves_are_a_weighted_geometric_mean():
    both = blended([Curve.through({1: 1e-3}, 0.0), Curve.through({1: 4e-3}, 0.0)], [0.5, 0.5], np.zeros(2))
    assert np.allclose(np.exp(both), 2e-3)


@pytest.mark.parametrize(("size", "seconds"), [([2.0, 1.0], [1.0, 1.0]), ([1.0, 2.0], [1.0, 0.0]), ([1.0], [1.0, 2.0])])
def test_points_that_make_no_curve_are_refused(size, seconds):
    with pytest.raises(InputError, match="a curve needs"):
        Curve(np.array(size), np.array(seconds))
