"""Naive policies: what they pick, that they can afford it, and that none beats the optimum."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidscale.cost import LmOnlyCost, PaperCost
from vidscale.errors import InputError
from vidscale.frontier import (
    compare_policies,
    fixed_visual_tokens,
    ignore_encoder,
    largest_lm,
    lattice_cost,
    lattice_error,
    naive_policies,
    scale_one,
    search_values,
)
from vidscale.space import Lattice, ScalingFactors, published_lattice

some = settings(max_examples=30, deadline=None)
seeds = st.integers(0, 10**6)
LATTICE = published_lattice()
CURRENT = ScalingFactors(lm_params=2.8e9, frames=8, tokens_per_frame=49)


def picks(policy, budgets, values=None):
    rows = policy.choose(np.ones(len(LATTICE)) if values is None else values, LATTICE, PaperCost(), budgets)
    return [None if row < 0 else tuple(LATTICE.points[row].tolist()) for row in rows]


@some
@given(seed=seeds)
def test_no_policy_beats_the_optimum_or_the_budget(posynomials, random_lattice, seed):
    lattice = random_lattice(seed)
    values = lattice_error(posynomials(seed, laws=1), lattice, [1e6])[0, 0]
    cost = lattice_cost(lattice, PaperCost())
    budgets = np.geomspace(cost.min(), cost.max(), 9)
    found = compare_policies(values, lattice, PaperCost(), budgets, naive_policies())
    assert found.optimum.index.shape == (9,)
    assert [outcome.policy for outcome in found.outcomes] == [
        "lm_params only", "frames only", "tokens_per_frame only", "fixed visual tokens", "largest LM", "ignore encoder"]
    for outcome in found.outcomes:
        feasible = outcome.index >= 0
        assert np.all(cost[outcome.index[feasible]] <= budgets[feasible] * (1 + 1e-12))
        assert np.all(outcome.error[feasible] >= found.optimum.error[feasible])
        assert np.all(outcome.error_reduction[feasible] >= 0)
        assert outcome.infeasible == (~feasible).sum()
        defined = np.isfinite(outcome.gain)
        assert np.all(outcome.gain[defined] >= 0)
        assert defined.sum() + outcome.without_accuracy + outcome.infeasible == 9
        assert (outcome.mean_gain is None) == (not defined.any())
    for outcome in found.outcomes[:3]:
        assert outcome.infeasible == 0


def test_one_factor_at_a_time():
    assert picks(scale_one("lm_params"), [2.7e12, 1e13]) == [(1e9, 4, 4), (7.5e9, 4, 4)]
    assert picks(scale_one("frames", CURRENT), [1e12, 1e13, 3e14]) == [None, (2.8e9, 8, 49), (2.8e9, 32, 49)]
    tokens = scale_one("tokens_per_frame", CURRENT)
    assert picks(tokens, [1e13]) == [(2.8e9, 8, 100)]
    assert "frames=8" in tokens.sentence
    assert "the cheapest configuration" in scale_one("frames").sentence


def test_fixed_visual_tokens_by_hand():
    # The middle levels are 12 frames × 36 tokens = 432; nearest among the published levels is 12 × 36 itself.
    assert picks(fixed_visual_tokens(), [1e12, 1e13, 1.2e13]) == [None, (1e9, 12, 36), (2.8e9, 12, 36)]
    # 400 = 4 × 100 = 16 × 25: the larger LM first (the encoder makes more frames dearer), then more frames.
    base = ScalingFactors(lm_params=1e9, frames=4, tokens_per_frame=100)
    assert picks(fixed_visual_tokens(base), [5e12, 1e13, 2e13]) == [(2.8e9, 4, 100), (7.5e9, 4, 100), (7.5e9, 16, 25)]


def test_largest_lm_by_hand():
    assert picks(largest_lm(), [2.7e12, 2.8e12, 4e12, 1e16]) == [
        (1e9, 4, 4), (2.8e9, 4, 4), (7.5e9, 4, 16), (7.5e9, 32, 196)]


def test_ignoring_the_encoder_by_hand():
    # Costs without the encoder: 80 and 64; with it 90 and 104. Planned: the second up to 80, then the first.
    levels = {"lm_params": [1.0, 5.0], "frames": [4.0, 16.0], "tokens_per_frame": [2.0]}
    lattice = Lattice(name="tiny", levels={f: np.array(v) for f, v in levels.items()})
    model = PaperCost(encoder_params=1.0, encoder_tokens=1.25)
    true, planned = lattice_cost(lattice, model), lattice_cost(lattice, LmOnlyCost())
    assert planned.tolist() == [16, 64, 80, 320]
    assert true.tolist() == [26, 104, 90, 360]
    values = np.array([0.5, 0.4, 0.3, 0.2])
    found = compare_policies(values, lattice, model, [26.0, 64.0, 100.0, 400.0], [ignore_encoder()]).outcomes[0]
    assert found.index.tolist() == [0, 0, 2, 3]
    assert found.overshoot == pytest.approx([26 / 26, 104 / 64, 90 / 100, 360 / 400])


def test_gain_by_hand():
    values, cost = np.full(len(LATTICE), 0.6), lattice_cost(LATTICE, PaperCost())
    values[int(np.argmin(cost))], values[-1] = 0.5, 1.2
    found = compare_policies(values, LATTICE, PaperCost(), [cost.min(), 1e16], [largest_lm(), scale_one("frames")])
    largest, frames = found.outcomes
    assert found.optimum.error.tolist() == [0.5, 0.5]
    assert largest.gain[0] == 0
    assert largest.without_accuracy == 1
    assert largest.mean_gain == 0
    assert largest.error_reduction[1] == pytest.approx(0.7 / 1.2)
    assert frames.gain[1] == pytest.approx((0.5 - 0.4) / 0.4)
    assert frames.mean_error_reduction == pytest.approx((0.1 / 0.6) / 2)
    assert largest.overshoot is None


@dataclass(frozen=True)
class Latency:
    name = "latency"
    unit = "s"

    def cost(self, points):
        return points.prod(axis=1) / 1e12

    def encoder_share(self, points):
        return np.zeros(len(points))

    def terms(self):
        return None


def test_other_units_have_no_overshoot(posynomials):
    values = lattice_error(posynomials(0, laws=1), LATTICE, [1e6])[0, 0]
    found = compare_policies(values, LATTICE, Latency(), [1.0], naive_policies())
    assert all(outcome.overshoot is None for outcome in found.outcomes)


def test_infeasible_policies_are_counted_not_hidden():
    outcome = compare_policies(np.full(len(LATTICE), 0.5), LATTICE, PaperCost(), [3e12, 3.5e12],
                               [scale_one("frames", CURRENT)]).outcomes[0]
    assert outcome.infeasible == 2
    assert outcome.mean_gain is None
    assert outcome.mean_error_reduction is None
    assert outcome.index.tolist() == [-1, -1]


def test_unusable_inputs():
    with pytest.raises(InputError, match="the factors are"):
        scale_one("tokens")
    with pytest.raises(InputError, match=r"frames=9 is no level of lattice 'published', whose nearest is 8"):
        picks(scale_one("lm_params", ScalingFactors(lm_params=1e9, frames=9, tokens_per_frame=4)), [1e13])
    with pytest.raises(InputError, match="one positive predicted error"):
        compare_policies(np.ones(3), LATTICE, PaperCost(), [1e13], naive_policies())
    with pytest.raises(InputError, match="buys nothing"):
        compare_policies(np.ones(len(LATTICE)), LATTICE, PaperCost(), [1e12], naive_policies())


def test_optimum_is_the_exact_search(posynomials):
    values = lattice_error(posynomials(2, laws=1), LATTICE, [1e6])[0, 0]
    found = compare_policies(values, LATTICE, PaperCost(), [5e12, 3e13], [])
    assert np.array_equal(found.optimum.index,
                          search_values(values, lattice_cost(LATTICE, PaperCost()), [5e12, 3e13]).index[0])
    assert found.outcomes == ()
