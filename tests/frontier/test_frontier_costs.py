"""Costs that are no posynomial, limits, and what a FLOPs-planner loses: all against brute force."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidscale.cost import CostTerms, PaperCost
from vidscale.cost.constraints import Limit, LimitedCost
from vidscale.errors import InputError
from vidscale.frontier import (
    budget_grid,
    check_budgets,
    compare_policies,
    flops_regret,
    lattice_cost,
    lattice_elasticity,
    lattice_error,
    minimise,
    naive_policies,
    search,
    search_values,
)
from vidscale.space import published_lattice

some = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 10**6)
LATTICE = published_lattice()


@dataclass(frozen=True)
class Roofline:
    """Seconds by a maximum of arithmetic and memory, with steps of whole blocks: nothing a posynomial could be."""

    calls: list[int] | None = None
    name = "roofline"
    unit = "s"

    def cost(self, points):
        if self.calls is not None:
            self.calls.append(len(points))
        n, t, v = np.atleast_2d(points).T
        arithmetic = 2 * n * 64 * np.ceil(t * v / 64) / 4e14
        return 0.004 * t + np.maximum(arithmetic, 2 * n / 4e12) + 2 * n / 4e12

    def encoder_share(self, points):
        return 0.004 * np.atleast_2d(points)[:, 1] / self.cost(points)

    def terms(self) -> CostTerms | None:
        return None


def limited(seconds: float) -> LimitedCost:
    return LimitedCost(base=PaperCost(), limits=((Limit(kind="latency", value=seconds), Roofline()),))


@some
@given(seed=seeds)
def test_the_search_is_brute_force_whatever_the_cost(posynomials, random_lattice, seed):
    lattice, laws = random_lattice(seed), posynomials(seed, laws=2)
    cost = Roofline().cost(lattice.points)
    budgets = np.geomspace(cost.min(), cost.max(), 6)
    found = search(laws, lattice, Roofline(), budgets, [1e6])
    values = lattice_error(laws, lattice, [1e6])[:, 0]
    for law in range(2):
        for b, budget in enumerate(budgets):
            assert found.error[law, 0, b] == pytest.approx(values[law][cost <= budget * (1 + 1e-12)].min(), rel=1e-9)


@some
@given(seed=seeds, seconds=st.floats(0.03, 0.5))
def test_the_search_meets_the_limits(posynomials, seed, seconds):
    values = lattice_error(posynomials(seed, laws=1), LATTICE, [1e6])[0]
    meets = Roofline().cost(LATTICE.points) <= seconds
    cost = limited(seconds)
    if not meets.any():
        with pytest.raises(InputError, match="within the limits"):
            lattice_cost(LATTICE, cost)
        return
    paid = PaperCost().cost(LATTICE.points)
    budget = float(paid[meets].min() * 3)
    found = search_values(values, lattice_cost(LATTICE, cost), [budget])
    assert meets[found.index[0, 0]]
    assert found.error[0, 0] == values[0][meets & (paid <= budget)].min()


def test_no_convex_optimum_without_a_posynomial(posynomials):
    for cost in (Roofline(), limited(0.1)):
        with pytest.raises(InputError, match="no posynomial"):
            minimise(posynomials(0), cost, LATTICE.bounds(), [1e13], [1e6])


def test_messages_name_units_and_limits():
    with pytest.raises(InputError, match=r"^budget 1 ms buys nothing in lattice 'published': .* costs [\d.]+ ms"):
        check_budgets([0.001], LATTICE, Roofline())
    with pytest.raises(InputError, match=r"within the limits \(latency <= 100 ms excludes \d+ of 105\): its cheapest "
                                         r".* raise the budget, loosen a limit or add smaller levels"):
        check_budgets([1e12], LATTICE, limited(0.1))
    with pytest.raises(InputError, match=r"no configuration of lattice 'published' can be bought within the limits "
                                         r"\(latency <= 1 ms excludes 105 of 105\); loosen a limit"):
        lattice_cost(LATTICE, limited(0.001))


def test_a_slow_cost_is_worked_out_once_a_lattice():
    calls: list[int] = []
    cost, lattice = Roofline(calls), published_lattice()
    first = lattice_cost(lattice, cost)
    first[:] = 0  # what is handed out is the caller's own
    assert np.array_equal(lattice_cost(lattice, cost), cost.cost(lattice.points))
    assert len(calls) == 2
    assert np.array_equal(lattice_cost(lattice, Roofline()), lattice_cost(lattice, cost))


@some
@given(seed=seeds)
def test_policies_keep_to_any_budget_and_limit(posynomials, seed):
    values = lattice_error(posynomials(seed, laws=1), LATTICE, [1e6])[0, 0]
    cost = LimitedCost(base=Roofline(), limits=((Limit(kind="flops", value=4e13), PaperCost()),))
    price = lattice_cost(LATTICE, cost)
    budgets = np.geomspace(price.min(), price[np.isfinite(price)].max(), 7)
    for outcome in compare_policies(values, LATTICE, cost, budgets, naive_policies()).outcomes:
        served = outcome.index >= 0
        assert np.all(price[outcome.index[served]] <= budgets[served] * (1 + 1e-12))
        assert np.all(outcome.error_reduction[served] >= 0)
        assert outcome.overshoot is None


@some
@given(seed=seeds, flops=st.sampled_from([np.inf, 3e13]))
def test_flops_regret_by_brute_force(posynomials, random_lattice, seed, flops):
    lattice = random_lattice(seed)
    values = lattice_error(posynomials(seed, laws=1), lattice, [1e6])[0, 0]
    counted, run = PaperCost().cost(lattice.points), Roofline().cost(lattice.points)
    cost = Roofline()
    if counted.min() <= flops < np.inf:
        cost = LimitedCost(base=cost, limits=((Limit(kind="flops", value=flops), PaperCost()),))
    paid = cost.cost(lattice.points)
    budgets = np.geomspace(paid.min(), paid[np.isfinite(paid)].max(), 5)
    found = flops_regret(values, lattice, cost, PaperCost(), budgets)
    for b, budget in enumerate(budgets):
        best, planned, kept = found.best[b], found.planned[b], found.kept[b]
        within = paid <= budget * (1 + 1e-12)
        assert found.best_error[b] == values[within].min() == values[best]
        assert found.flops[b] == counted[best]
        assert found.planned_error[b] == values[counted <= counted[best] * (1 + 1e-12)].min() == values[planned]
        assert found.planned_cost[b] == run[planned]
        assert found.allowed[b] == within[planned]
        # The FLOPs frontier: what no other configuration beats at its FLOPs or fewer.
        optimal = np.array([values[p] <= values[counted <= counted[p] * (1 + 1e-12)].min() for p in range(len(values))])
        if kept >= 0:
            assert within[kept]
            assert found.kept_error[b] == values[within & optimal].min() == values[kept]
            assert found.loss[b] >= 0
        else:
            assert not (within & optimal).any()
            assert np.isnan(found.loss[b])


def test_nothing_is_regretted_where_flops_are_paid(posynomials):
    values = lattice_error(posynomials(3, laws=1), LATTICE, [1e6])[0, 0]
    found = flops_regret(values, LATTICE, PaperCost(), PaperCost(), [3e12, 1e13, 9e13])
    assert np.array_equal(found.best, found.planned)
    assert found.allowed.all()
    assert np.array_equal(found.loss, np.zeros(3))
    with pytest.raises(InputError, match="one predicted error for each"):
        flops_regret(values[:4], LATTICE, PaperCost(), PaperCost(), [1e13])


def test_elasticity_of_another_unit_says_so(add_interact):
    found = lattice_elasticity(add_interact(0), LATTICE, Roofline(), budget_grid(LATTICE, Roofline(), 5), [1e5, 2e5])
    low, high = Roofline().cost(LATTICE.points).min() * 1e3, Roofline().cost(LATTICE.points).max() * 1e3
    assert f"roofline cost, 5 budgets {low:.3g}–{high:.3g} ms" in found.describe()
