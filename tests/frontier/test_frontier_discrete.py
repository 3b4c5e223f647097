"""The exact search against brute force, and what surrounds it."""

from dataclasses import dataclass

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidscale.cost import LmOnlyCost, PaperCost
from vidscale.errors import InputError
from vidscale.forms import Laws, form
from vidscale.frontier import (
    bagged_error,
    check_budgets,
    draw_winners,
    frontier_steps,
    lattice_cost,
    lattice_error,
    near_ties,
    probability_best,
    search,
    search_values,
    steps_of,
)
from vidscale.space import FACTORS, FACTORS_AND_DATA, Lattice, published_lattice

some = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 10**6)


@dataclass(frozen=True)
class Staircase:
    """A cost that is no posynomial: latency in whole milliseconds, and no room for large models."""

    name = "latency"
    unit = "ms"

    def cost(self, points):
        ms = np.ceil(points[:, 0] * points[:, 1] * points[:, 2] / 1e12) + 5
        return np.where(points[:, 0] > 7e9, np.inf, ms)

    def encoder_share(self, points):
        return np.zeros(len(points))

    def terms(self):
        return None


def brute(values, cost, budget):
    """The row of least error, then least cost, then least number; −1 if nothing is affordable."""
    rows = [i for i in range(len(cost)) if cost[i] <= budget * (1 + 1e-12) and np.isfinite(cost[i])]
    return min(rows, key=lambda i: (values[i], cost[i], i), default=-1)


@some
@given(seed=seeds, model=st.sampled_from([PaperCost(), LmOnlyCost(), Staircase()]), single=st.booleans())
def test_search_equals_brute_force(posynomials, random_lattice, seed, model, single):
    laws, lattice = posynomials(seed, single=single), random_lattice(seed)
    cost = np.asarray(model.cost(lattice.points))
    if not np.isfinite(cost).any():
        return
    rng = np.random.default_rng(seed)
    dearest = cost[np.isfinite(cost)].max()
    budgets = np.concatenate([cost[np.isfinite(cost)][:3], rng.uniform(0.5 * cost.min(), 1.2 * dearest, 4), [np.inf]])
    sizes = np.array([2.5e5, 2e6])
    found, values = search(laws, lattice, model, budgets, sizes), lattice_error(laws, lattice, sizes)
    for law, size, b in np.ndindex(found.index.shape):
        expected = brute(values[law, size], cost, budgets[b])
        assert found.index[law, size, b] == expected
        if expected >= 0:
            assert cost[expected] <= budgets[b] * (1 + 1e-12)
            assert found.error[law, size, b] == values[law, size, expected]
        else:
            assert np.isnan(found.error[law, size, b])
    again = search_values(values.reshape(-1, len(lattice)), cost, budgets)
    assert np.array_equal(again.index, found.index.reshape(-1, budgets.size))


@some
@given(seed=seeds)
def test_tables_equal_the_law(posynomials, random_lattice, seed):
    laws, lattice = posynomials(seed), random_lattice(seed)
    points = np.column_stack([lattice.points, np.full(len(lattice), 5e5)])
    assert lattice_error(laws, lattice, [5e5])[:, 0] == pytest.approx(laws.error(points), rel=1e-12)


@some
@given(values=st.lists(st.integers(1, 3), min_size=12, max_size=12), cost=st.lists(st.integers(1, 4), min_size=12,
                                                                                 max_size=12))
def test_ties_go_to_the_cheaper_then_the_first(values, cost):
    budgets = np.array([0.5, 1, 2, 2.5, 4])
    found = search_values(np.array(values, dtype=float), np.array(cost, dtype=float), budgets)
    assert found.index[0].tolist() == [brute(values, cost, budget) for budget in budgets]


@some
@given(seed=seeds)
def test_error_never_rises_with_budget(posynomials, random_lattice, seed):
    lattice = random_lattice(seed)
    cost = PaperCost().cost(lattice.points)
    budgets = np.geomspace(cost.min(), cost.max() * 2, 30)
    found = search(posynomials(seed), lattice, PaperCost(), budgets, [1e6])
    assert np.all(np.diff(found.error, axis=-1) <= 0)
    assert found.affordable.all()


@some
@given(seed=seeds)
def test_staircase_answers_every_budget(posynomials, random_lattice, seed):
    laws, lattice = posynomials(seed), random_lattice(seed)
    steps = frontier_steps(laws, lattice, PaperCost(), 1e6, law=1)
    assert np.all(np.diff(steps.cost) > 0)
    assert np.all(np.diff(steps.error) < 0)
    budgets = np.geomspace(steps.cost[0], steps.cost[-1] * 2, 50)
    row = np.searchsorted(steps.cost, budgets * (1 + 1e-12), side="right") - 1
    assert np.array_equal(steps.index[row], search(laws, lattice, PaperCost(), budgets, [1e6]).index[1, 0])


def test_staircase_keeps_the_best_of_one_price():
    steps = steps_of([5.0, 4, 3, 3, 2], [1.0, 1, 2, 2, 3])
    assert steps.index.tolist() == [1, 2, 4]
    assert len(steps) == 3


def test_budget_order_and_threads_do_not_matter(posynomials):
    laws, lattice = posynomials(3, laws=5), published_lattice()
    budgets = np.geomspace(3e12, 1e14, 40)
    shuffled = np.random.default_rng(0).permutation(40)
    found = search(laws, lattice, PaperCost(), budgets, [3e5, 1e6])
    other = search(laws, lattice, PaperCost(), budgets[shuffled], [3e5, 1e6])
    assert np.array_equal(found.index[..., shuffled], other.index)
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    alone, bagged = search(laws, lattice, PaperCost(), budgets, [3e5, 1e6]), bagged_error(laws, lattice, [1e6])
    numba.set_num_threads(threads)
    assert np.array_equal(alone.index, found.index)
    assert np.array_equal(alone.error, found.error)
    assert np.array_equal(bagged, bagged_error(laws, lattice, [1e6], chunk=7))


def test_a_law_in_fewer_factors(posynomials):
    chinchilla = Laws.of(form("chinchilla"), [{"A": 400.0, "alpha": 0.34, "B": 400.0, "beta": 0.28, "E": 0.2}])
    found = search(chinchilla, published_lattice(), PaperCost(), [30e12], [1e6])
    assert published_lattice().points[found.index[0, 0, 0]].tolist() == [7.5e9, 4, 4]  # the cheapest among equals


def test_paper_cost_by_hand(posynomials):
    lattice = published_lattice().fix({"lm_params": 7.5e9, "frames": 32, "tokens_per_frame": 196})
    assert lattice_cost(lattice, PaperCost())[0] == pytest.approx(115.21536e12)
    assert search(posynomials(0), lattice, PaperCost(), [115.2e12, 115.3e12], [1e6]).index[0, 0].tolist() == [-1, 0]


def test_budget_below_the_cheapest_is_named():
    with pytest.raises(InputError, match=r"budget 2e\+12 FLOPs.*lm_params=1e\+09, frames=4, tokens.*=4.*2.674e\+12"):
        check_budgets([5e12, 2e12], published_lattice(), PaperCost())
    cheapest = lattice_cost(published_lattice(), PaperCost()).min()
    assert check_budgets(cheapest, published_lattice(), PaperCost()).tolist() == [cheapest]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"budgets": [0.0]}, r"budgets\[0\] is 0"), ({"budgets": [np.nan]}, r"budgets\[0\] is nan"),
     ({"data_sizes": [-1.0]}, "data_sizes"), ({"data_sizes": []}, "data_sizes"),
     ({"data_sizes": [np.inf]}, "infinite")],
)
def test_unusable_inputs(posynomials, change, message):
    given_ = {"budgets": [3e13], "data_sizes": [1e6], **change}
    with pytest.raises(InputError, match=message):
        search(posynomials(0), published_lattice(), PaperCost(), **given_)


def test_unusable_laws():
    gone = Laws(factors=FACTORS_AND_DATA, log_coefficients=np.full((1, 2), -np.inf), exponents=np.zeros((1, 2, 4)))
    broken = Laws(factors=FACTORS_AND_DATA, log_coefficients=np.array([[np.nan]]), exponents=np.zeros((1, 1, 4)))
    with pytest.raises(InputError, match="no term left"):
        search(gone, published_lattice(), PaperCost(), [3e13], [1e6])
    with pytest.raises(InputError, match="law 0"):
        search(broken, published_lattice(), PaperCost(), [3e13], [1e6])
    with pytest.raises(InputError, match=r"values\[0, 1\]"):
        search_values([1.0, np.nan], [1.0, 2.0], [3.0])
    with pytest.raises(InputError, match="one value per configuration"):
        search_values([1.0], [1.0, 2.0], [3.0])


@some
@given(seed=seeds, draws=st.integers(1, 6))
def test_bagged_error_is_the_median(posynomials, random_lattice, seed, draws):
    laws, lattice = posynomials(seed, laws=draws), random_lattice(seed)
    sizes = [3e5, 2e6]
    expected = np.median(lattice_error(laws, lattice, sizes), axis=0)
    assert bagged_error(laws, lattice, sizes, chunk=5) == pytest.approx(expected, rel=1e-12)


def test_near_ties_and_winners():
    values, cost = np.array([1.0, 1.009, 1.02, 1.0, 0.5]), np.array([3.0, 2, 1, 2, 9])
    ties = near_ties(values, cost, 5.0, 0.01)
    assert ties.index.tolist() == [3, 0, 1]
    assert ties.index[0] == search_values(values, cost, [5.0]).index[0, 0]
    assert ties.error.tolist() == [1.0, 1.0, 1.009]
    with pytest.raises(InputError, match="buys nothing"):
        near_ties(values, cost, 0.5)
    draws = np.array([[3, -1], [3, -1], [0, -1], [4, -1]])
    assert probability_best(draws, np.array([3, -1]))[0] == 0.5
    assert np.isnan(probability_best(draws, np.array([3, -1]))[1])
    winners = draw_winners(draws[:, 0])
    assert winners.index.tolist() == [3, 0, 4]
    assert winners.share.tolist() == [0.5, 0.25, 0.25]
    assert draw_winners(draws[:, 0], top=1).index.tolist() == [3]


def test_one_level_lattice(posynomials):
    lattice = Lattice(name="one", levels={f: np.array([2.0]) for f in FACTORS})
    assert search(posynomials(1), lattice, LmOnlyCost(), [20.0], [1e6]).index.ravel().tolist() == [0, 0, 0]
