"""Plans: the paper's counts, and that no budget is skipped in silence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidscale.cost import LmOnlyCost, PaperCost
from vidscale.design import PAPER_CENTRE, RunSpec, isoflop_design, star_design
from vidscale.errors import InputError
from vidscale.space import FACTORS, ScalingFactors, published_lattice


def test_the_paper_star_has_13_configurations_at_3_data_sizes() -> None:
    plan = star_design()
    assert len(plan) == 39
    assert len({tuple(run.factors) for run in plan.runs}) == 13
    assert {run.data_size for run in plan.runs} == {0.25e6, 0.5e6, 1e6}
    assert {run.sweep for run in plan.runs} == {"star"}
    assert plan.notes == ()


def test_a_star_run_leaves_the_centre_in_one_factor_at_most() -> None:
    centre = np.array(list(PAPER_CENTRE))
    assert ((star_design().points() != centre).sum(axis=1) <= 1).all()


def test_a_star_says_what_it_cannot_see() -> None:
    plan = star_design(lattice=published_lattice().fix({"frames": 32}), data_sizes=[1e6])
    assert len(plan.notes) == 2
    assert "frames" in plan.notes[0]
    assert "data_size" in plan.notes[1]


def test_the_paper_budgets_hold_0_13_20_and_16_configurations() -> None:
    plan = isoflop_design()
    assert [count.configurations for count in plan.budgets] == [0, 13, 20, 16]
    assert len(plan) == 49
    assert {run.data_size for run in plan.runs} == {2e6}
    assert len(plan.notes) == 1
    assert "2e+12 FLOPs: no configuration" in plan.notes[0]
    assert "2.674e+12" in plan.notes[0]


def test_an_empty_budget_is_filled_from_extension_levels_only_where_they_are_given() -> None:
    plan = isoflop_design(extension={"frames": (2,)})
    extra = [run for run in plan.runs if run.sweep == "isoflop-extension"]
    assert len(extra) == plan.budgets[0].extension == 11
    assert {run.factors.frames for run in extra} == {2}
    assert [count.configurations for count in plan.budgets] == [0, 13, 20, 16]
    assert "11 added" in plan.notes[0]
    cost = PaperCost().cost(np.array([list(run.factors) for run in extra]))
    assert (np.abs(cost / 2e12 - 1) <= 0.25).all()


def test_another_cost_model_prices_the_plan() -> None:
    plan = isoflop_design(cost=LmOnlyCost(), budgets=[2e12])
    assert plan.budgets[0].configurations > 0
    assert (np.abs(LmOnlyCost().cost(plan.points()) / 2e12 - 1) <= 0.25).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(1e12, 1e14), min_size=1, max_size=4), st.floats(0.01, 0.9))
def test_every_budget_is_counted_and_no_run_planned_twice(budgets: list[float], tolerance: float) -> None:
    plan = isoflop_design(budgets=budgets, tolerance=tolerance, extension={"frames": (2, 64)})
    assert [count.budget for count in plan.budgets] == list(dict.fromkeys(budgets))
    assert len(plan.notes) == sum(count.configurations == 0 for count in plan.budgets)
    assert len(plan) == sum(count.configurations + count.extension for count in plan.budgets)
    assert len({run.run_id for run in plan.runs}) == len(plan)


def test_run_ids_are_the_same_each_time_and_tell_runs_apart() -> None:
    plans = [star_design(seeds=iter([0, 1])), isoflop_design(seeds=iter([0, 1]))]
    again = [star_design(seeds=[0, 1, 1]), isoflop_design(seeds=(0, 1))]
    for plan, same in zip(plans, again):
        assert [run.run_id for run in plan.runs] == [run.run_id for run in same.runs]
        assert len({run.run_id for run in plan.runs}) == len(plan)
    assert len(plans[0]) == 78


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"budgets": []}, "no budget"),
        ({"budgets": [-1.0]}, "budget is -1.0"),
        ({"budgets": [float("nan")]}, "budget is nan"),
        ({"tolerance": 0.0}, "tolerance is 0.0"),
        ({"extension": {"fps": [2]}}, "'fps'"),
        ({"seeds": []}, "no seed"),
        ({"seeds": [-1]}, "seed is -1"),
        ({"data_size": 0}, "data_size is 0"),
    ],
)
def test_impossible_isoflop_settings_are_refused(settings: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        isoflop_design(**settings)


def test_impossible_star_settings_are_refused() -> None:
    with pytest.raises(InputError, match="no data size"):
        star_design(data_sizes=[])
    with pytest.raises(InputError, match="data_size is -5"):
        star_design(data_sizes=[-5])
    factors = ScalingFactors.of([1e9, 4, 4])
    with pytest.raises(InputError, match="sweep"):
        RunSpec(factors=factors, data_size=1e6, sweep="")
    assert tuple(factors.as_dict()) == FACTORS
