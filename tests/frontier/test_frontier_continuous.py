"""The continuous optimum: its certificate, SciPy, its multiplier, and the lattice below it."""

from dataclasses import dataclass

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from vidscale.cost import CostTerms, LmOnlyCost, PaperCost
from vidscale.errors import InputError
from vidscale.forms import Laws
from vidscale.frontier import Status, certified_gap, minimise, search
from vidscale.space import FACTORS_AND_DATA, published_lattice

some = settings(max_examples=30, deadline=None)
seeds = st.integers(0, 10**6)
models = st.sampled_from([PaperCost(), LmOnlyCost()])
BOX = published_lattice().bounds()


def corner_cost(model, box):
    return float(model.cost(np.asarray(box[0])[None, :])[0])


def kkt_residual(laws, model, box, sizes, found):
    """The largest violation of stationarity over factors that sit at no bound."""
    terms, worst = model.terms(), 0.0
    for law, size, b in np.ndindex(found.status.shape):
        u = found.log_x[law, size, b]
        z = laws.log_coefficients[law] + laws.exponents[law] @ np.append(u, np.log(sizes[size]))
        p = np.exp(z - z.max())
        grad = p @ laws.exponents[law][:, :3] / p.sum()
        w = np.exp(terms.log_coefficients + terms.exponents @ u)
        grad = grad + found.multiplier[law, size, b] * (w @ terms.exponents) / w.sum()
        free = ~(found.at_lower | found.at_upper)[law, size, b]
        worst = max(worst, np.abs(grad[free]).max(initial=0.0))
    return worst


@some
@given(seed=seeds, model=models, inside=st.booleans())
def test_certified_feasible_and_below_the_lattice(posynomials, add_interact, random_lattice, seed, model, inside):
    laws, lattice = (add_interact if inside else posynomials)(seed), random_lattice(seed)
    box, sizes = lattice.bounds(), np.array([3e5, 2e6])
    cost = model.cost(lattice.points)
    budgets = np.unique(np.concatenate([[cost.min()], np.geomspace(cost.min(), 1.5 * cost.max(), 8)]))
    found = minimise(laws, model, box, budgets, sizes)
    assert np.all(found.status == Status.OPTIMAL)
    gap = certified_gap(laws, model, box, budgets, sizes, found.log_x, found.multiplier)
    assert gap.max() <= 1e-8
    assert gap == pytest.approx(found.gap, abs=1e-11)
    assert np.all(found.multiplier >= 0)
    assert np.all(model.cost(found.x.reshape(-1, 3)).reshape(found.gap.shape) <= budgets * (1 + 1e-11))
    assert np.all(found.x >= box[0] * (1 - 1e-12))
    assert np.all(found.x <= box[1] * (1 + 1e-12))
    best = search(laws, lattice, model, budgets, sizes)
    assert np.all(np.log(best.error) >= found.log_error - 1e-8)
    assert np.all(np.diff(found.log_error, axis=-1) <= 1e-8)
    assert kkt_residual(laws, model, box, sizes, found) <= 1e-7


def test_identities_hold_to_rounding_on_the_papers_form(add_interact):
    laws, sizes = add_interact(0, laws=40), np.array([2.5e5, 1e6, 4e6])
    budgets = np.geomspace(2.7e12, 1.1e14, 25)
    found = minimise(laws, PaperCost(), BOX, budgets, sizes)
    assert found.gap.max() <= 1e-12
    assert kkt_residual(laws, PaperCost(), BOX, sizes, found) <= 1e-12
    tight = ~found.budget_slack
    cost = PaperCost().cost(found.x.reshape(-1, 3)).reshape(tight.shape)
    assert np.broadcast_to(budgets, tight.shape)[tight] == pytest.approx(cost[tight], rel=1e-12)
    share = PaperCost().encoder_share(found.x.reshape(-1, 3)).reshape(tight.shape)
    assert found.multiplier_of("encoder") == pytest.approx(found.multiplier * share, abs=1e-14)
    assert found.multiplier_by_part.sum(axis=-1) == pytest.approx(found.multiplier, abs=1e-14)
    assert np.all(found.multiplier_of("projector") == 0)
    point = np.concatenate([found.x[0, 0, 0], sizes[:1]])[None, :]
    assert laws.log_error(point)[0, 0] == pytest.approx(found.log_error[0, 0, 0], abs=1e-13)


def test_agrees_with_scipy(posynomials):
    low, high = np.log(BOX[0]), np.log(BOX[1])
    for seed in range(12):
        laws, budget = posynomials(seed, laws=1), 2e13
        best = minimise(laws, PaperCost(), BOX, [budget], [1e6])

        def error(s, laws=laws):
            return laws.log_error(np.append(np.exp(low + s * (high - low)), 1e6))[0, 0]

        def room(s, budget=budget):
            return np.log(budget) - np.log(PaperCost().cost(np.exp(low + s * (high - low))[None, :])[0])

        theirs = minimize(error, np.full(3, 0.1), bounds=[(0, 1)] * 3, method="SLSQP",
                          constraints=[{"type": "ineq", "fun": room}], options={"ftol": 1e-13, "maxiter": 300})
        assert room(theirs.x) >= -1e-7
        assert best.log_error[0, 0, 0] <= theirs.fun + 1e-7
        assert best.log_error[0, 0, 0] == pytest.approx(theirs.fun, abs=1e-5)


@some
@given(seed=seeds)
def test_multiplier_is_the_slope_of_the_frontier(add_interact, seed):
    laws, h = add_interact(seed), 1e-4
    budgets = np.geomspace(3e12, 1e14, 10)
    at, below, above = (minimise(laws, PaperCost(), BOX, budgets * np.exp(s), [1e6]) for s in (0, -h, h))
    # log f* is convex in log c, so the multiplier lies between the slopes on either side, kinks included.
    assert np.all(-(at.log_error - below.log_error) / h >= at.multiplier - 1e-9)
    assert np.all(-(above.log_error - at.log_error) / h <= at.multiplier + 1e-9)
    smooth = (above.at_lower == below.at_lower).all(-1) & (above.at_upper == below.at_upper).all(-1)
    slope = -(above.log_error - below.log_error) / (2 * h)
    assert slope[smooth] == pytest.approx(at.multiplier[smooth], abs=1e-6)


def test_states(posynomials):
    laws, cheapest = posynomials(5), corner_cost(PaperCost(), BOX)
    steps = np.array([-1e-3, 0, 1e-13, 1e-11, 1e-9, 1e-7, 1e-3])
    found = minimise(laws, PaperCost(), BOX, cheapest * (1 + steps), [1e6])
    assert np.all(found.status[..., 0] == Status.INFEASIBLE)
    assert np.all(np.isnan(found.log_x[..., 0, :]))
    assert not found.budget_slack[..., 0].any()
    assert np.all(found.status[..., 1:] == Status.OPTIMAL)
    assert np.all(found.gap[..., 1:] <= 1e-7)
    assert found.x[0, 0, 1] == pytest.approx(BOX[0], rel=1e-12)
    assert found.at_lower[0, 0, 1].all()
    rich = minimise(laws, PaperCost(), BOX, [1e16], [1e6])
    assert rich.budget_slack.all()
    assert np.all(rich.multiplier == 0)
    assert all(state.sentence.startswith(word) for state, word in zip(Status, ("optimal", "infeasible", "not")))


def test_boxes_without_width(add_interact):
    laws = add_interact(1)
    one = (np.array([1e9, 8, 4]), np.array([7.5e9, 8, 196]))
    found = minimise(laws, PaperCost(), one, np.geomspace(6e12, 6e13, 5), [1e6])
    assert np.all(found.log_x[..., 1] == np.log(8))
    assert (found.at_lower & found.at_upper)[..., 1].all()
    assert found.gap.max() <= 1e-9
    point = (np.array([1e9, 8, 4]),) * 2
    assert minimise(laws, PaperCost(), point, [corner_cost(PaperCost(), point), 1e14], [1e6]).gap.max() <= 1e-9
    narrow = (np.array([1e9, 8, 4]), np.array([7.5e9, 8 * (1 + 1e-9), 196]))
    assert minimise(laws, PaperCost(), narrow, np.geomspace(6e12, 6e13, 5), [1e6]).gap.max() <= 1e-9


def test_flat_laws_and_flat_directions():
    logs = np.log(np.array([[0.3, 1.0], [0.3, 1e-9], [0.1, 0.5]]))
    logs[0, 1] = -np.inf
    exponents = np.zeros((3, 2, 4))
    exponents[1, 1, 0], exponents[2, 1] = -0.1, [-0.02, -0.02, -0.02, 0]  # as steep as the LM-only cost: a flat face
    laws = Laws(factors=FACTORS_AND_DATA, log_coefficients=logs, exponents=exponents)
    for model in (PaperCost(), LmOnlyCost()):
        budgets = np.geomspace(3e12, 1e14, 6)
        found = minimise(laws, model, BOX, budgets, [1e6])
        assert np.all(found.status == Status.OPTIMAL)
        assert certified_gap(laws, model, BOX, budgets, [1e6], found.log_x, found.multiplier).max() <= 1e-10
        assert np.all(found.multiplier[0] == 0)


def test_threads_do_not_matter(add_interact):
    laws, budgets = add_interact(2), np.geomspace(3e12, 1e14, 20)
    found = minimise(laws, PaperCost(), BOX, budgets, [1e6])
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    alone = minimise(laws, PaperCost(), BOX, budgets, [1e6])
    numba.set_num_threads(threads)
    assert np.array_equal(alone.log_x, found.log_x)
    assert np.array_equal(alone.multiplier, found.multiplier)


@dataclass(frozen=True)
class OddCost:
    """A cost that is no posynomial, or one that falls with frames."""

    falls: bool
    name = "odd"
    unit = "s"

    def cost(self, points):
        return points[:, 0]

    def encoder_share(self, points):
        return np.zeros(len(points))

    def terms(self):
        if not self.falls:
            return None
        return CostTerms(log_coefficients=np.zeros(1), exponents=np.array([[1.0, -1.0, 0.0]]), parts=("lm",))


@pytest.mark.parametrize(
    ("model", "box", "message"),
    [(OddCost(False), BOX, "no posynomial.*search a lattice"), (OddCost(True), BOX, "falls as frames grows"),
     (PaperCost(), (BOX[1], BOX[0]), "lm_params; allowed is 0 < lower"),
     (PaperCost(), (BOX[0],), "lower and an upper")],
)
def test_unusable_costs_and_boxes(posynomials, model, box, message):
    with pytest.raises(InputError, match=message):
        minimise(posynomials(0), model, box, [3e13], [1e6])


def test_a_factor_that_costs_nothing(add_interact):
    @dataclass(frozen=True)
    class TokensFree(OddCost):
        def terms(self):
            return CostTerms(log_coefficients=np.zeros(1), exponents=np.array([[1.0, 1.0, 0.0]]), parts=("lm",))

    model, laws = TokensFree(False), add_interact(4)
    budgets = np.array([4e9, 1e10, 1e11, 1e12])
    found = minimise(laws, model, BOX, budgets, [1e6])
    assert np.all(found.status == Status.OPTIMAL)
    assert certified_gap(laws, model, BOX, budgets, [1e6], found.log_x, found.multiplier).max() <= 1e-9
