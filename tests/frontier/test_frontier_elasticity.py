"""Elasticities against differences, identities and arithmetic by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidscale.cost import LmOnlyCost, PaperCost
from vidscale.errors import InputError
from vidscale.forms import Laws
from vidscale.frontier import (
    DerivativeStatus,
    budget_grid,
    continuous_elasticity,
    data_grid,
    lattice_cost,
    lattice_elasticity,
    minimise,
    point_elasticity,
    search,
)
from vidscale.space import FACTORS_AND_DATA, dense_lattice, published_lattice

some = settings(max_examples=20, deadline=None)
seeds = st.integers(0, 10**6)
LATTICE = published_lattice()
BOX = LATTICE.bounds()


@some
@given(seed=seeds, step=st.sampled_from([None, 0.3]))
def test_lattice_mean_by_hand(add_interact, random_lattice, seed, step):
    laws, lattice = add_interact(seed), random_lattice(seed)
    budgets, sizes = budget_grid(lattice, PaperCost(), 7), data_grid(1e5, 1e7, 5)
    found = lattice_elasticity(laws, lattice, PaperCost(), budgets, sizes, step)
    start, stop = (sizes[:-1], sizes[1:]) if step is None else (sizes, sizes * (1 + step))
    x, y = (lattice.points[search(laws, lattice, PaperCost(), budgets, n).index] for n in (start, stop))
    growth = ((stop - start) / start)[None, :, None, None]
    assert found.mean == pytest.approx(((y - x) / x / growth).mean(axis=(1, 2)), abs=1e-12)
    assert found.share_at_upper == pytest.approx((x == lattice.bounds()[1]).mean(axis=(1, 2)))
    assert found.share_at_lower == pytest.approx((x == lattice.bounds()[0]).mean(axis=(1, 2)))
    assert found.share_moved == pytest.approx((x != y).mean(axis=(1, 2)))
    free = search(laws, lattice, PaperCost(), [np.inf], start).index
    slack = search(laws, lattice, PaperCost(), budgets, start).index == free
    assert found.share_slack == pytest.approx(slack.mean(axis=(1, 2)))
    assert np.all(found.share_unspent <= 1)
    assert np.all(found.share_used == 1)


def test_unspent_by_hand():
    law = Laws(factors=FACTORS_AND_DATA, log_coefficients=np.zeros((1, 1)), exponents=np.array([[[1.0, 0, 0, 0]]]))
    cost = np.unique(lattice_cost(LATTICE, PaperCost()))
    found = lattice_elasticity(law, LATTICE, PaperCost(), cost[:2], [1e5, 1e6])
    assert found.share_slack.tolist() == [1.0]
    assert found.share_unspent.tolist() == [0.5]  # the cheapest wins always: only the second budget leaves change


def test_describe_names_the_estimator(add_interact):
    found = lattice_elasticity(add_interact(0), LATTICE, PaperCost(), budget_grid(LATTICE, PaperCost(), 3), [1e5, 2e5])
    assert found.describe() == (
        "lattice forward difference (n to the next data size, first +1 relative) on lattice 'published' "
        "(105 configurations), paper cost, 3 budgets 2.67e+12–1.15e+14, 1 data sizes 1e+05–1e+05")
    smooth = continuous_elasticity(add_interact(0), PaperCost(), BOX, [1e13], [1e6])
    assert "exact" in smooth.describe()
    assert "frames 4–32" in smooth.describe()


@some
@given(seed=seeds, model=st.sampled_from([PaperCost(), LmOnlyCost()]))
def test_derivative_equals_the_solvers_difference(add_interact, seed, model):
    laws, h = add_interact(seed), 1e-4
    budgets, sizes = np.geomspace(3e12, 1e14, 8), np.array([3e5, 1e6, 4e6])
    points = point_elasticity(laws, model, BOX, budgets, sizes)
    below, above = (minimise(laws, model, BOX, budgets, sizes * np.exp(s)) for s in (-h, h))
    same = (above.at_lower == below.at_lower).all(-1) & (above.at_upper == below.at_upper).all(-1)
    same &= (above.budget_slack == below.budget_slack) & (points.status == DerivativeStatus.EXACT)
    difference = (above.log_x - below.log_x) / (2 * h)
    assert points.value[same] == pytest.approx(difference[same], abs=1e-6)


@some
@given(seed=seeds)
def test_cost_identity_where_only_the_budget_binds(add_interact, seed):
    points = point_elasticity(add_interact(seed), PaperCost(), BOX, np.geomspace(3e12, 1e14, 12), [3e5, 1e6])
    found = points.continuum
    inside = ~found.budget_slack & ~(found.at_lower | found.at_upper).any(-1)
    x = found.x[inside]
    lm = 1 - PaperCost().encoder_share(x) if len(x) else np.zeros(0)
    e = points.value[inside]
    assert np.abs(e[:, 1] + lm * (e[:, 0] + e[:, 2])).max(initial=0) <= 1e-6
    assert np.all(points.value[found.at_lower | found.at_upper] == 0)


def test_a_law_solved_by_hand():
    # f = x_T^-1 + x_T n^-1/2: with budget to spare x_T = n^(1/4), so e_T = 1/4.
    exponents = np.zeros((1, 2, 4))
    exponents[0, 0, 1], exponents[0, 1] = -1, [0, 1, 0, -0.5]
    law = Laws(factors=FACTORS_AND_DATA, log_coefficients=np.zeros((1, 2)), exponents=exponents)
    box = (np.array([1e9, 4.0, 4.0]), np.array([1e9, 64.0, 4.0]))
    points = point_elasticity(law, PaperCost(), box, [1e15], [1e4, 1e6])
    assert points.continuum.x[0, :, 0, 1] == pytest.approx([10, 1000**0.5])
    assert points.value[0, :, 0, 1] == pytest.approx(0.25)


def test_a_flat_optimum_has_no_derivative():
    exponents = np.array([[[-0.1, -0.1, -0.1, 0.0], [0, 0, 0, -0.3]]])
    law = Laws(factors=FACTORS_AND_DATA, log_coefficients=np.zeros((1, 2)), exponents=exponents)
    points = point_elasticity(law, LmOnlyCost(), BOX, [1e13], [1e6])
    assert points.status[0, 0, 0] == DerivativeStatus.DEGENERATE
    assert np.isnan(points.value).all()
    mean = continuous_elasticity(law, LmOnlyCost(), BOX, [1e13], [1e6])
    assert mean.share_used.tolist() == [0.0]
    assert np.isnan(mean.mean).all()
    assert [s.sentence.split(":")[0] for s in DerivativeStatus] == ["exact", "degenerate", "unsolved"]


def test_estimators_agree_on_a_dense_lattice(add_interact):
    laws = add_interact(11, laws=2)
    lattice = dense_lattice(*BOX, (60, 60, 60))
    budgets, sizes = np.geomspace(4e12, 6e13, 60), data_grid(2.5e5, 4e6, 40)
    discrete = lattice_elasticity(laws, lattice, PaperCost(), budgets, sizes)
    smooth = continuous_elasticity(laws, PaperCost(), BOX, budgets, sizes)
    assert discrete.mean == pytest.approx(smooth.mean, abs=0.03)


@pytest.mark.parametrize(
    ("sizes", "step", "message"),
    [([1e6], None, "no neighbour"), ([2e6, 1e6], None, "do not ascend"), ([1e6], 0.0, "step is 0.0")],
)
def test_unusable_grids(add_interact, sizes, step, message):
    with pytest.raises(InputError, match=message):
        lattice_elasticity(add_interact(0), LATTICE, PaperCost(), [3e13], sizes, step)


def test_budgets_that_buy_nothing(add_interact):
    with pytest.raises(InputError, match="buys nothing"):
        lattice_elasticity(add_interact(0), LATTICE, PaperCost(), [2e12], [1e5, 1e6])
    with pytest.raises(InputError, match=r"budget 2e\+12 FLOPs is below the cheapest corner"):
        continuous_elasticity(add_interact(0), PaperCost(), BOX, [3e13, 2e12], [1e6])
    with pytest.raises(InputError, match="budget grid"):
        budget_grid(LATTICE, PaperCost(), 0)
    grid = budget_grid(LATTICE, PaperCost())
    assert (grid[0], grid.size) == (lattice_cost(LATTICE, PaperCost()).min(), 300)
