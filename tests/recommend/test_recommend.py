"""A recommendation says what the study's functions say, and what would change it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from vidscale.cost.deployment import CostSettings
from vidscale.errors import InputError
from vidscale.frontier import lattice_cost
from vidscale.recommend import Answerer, Question, recommend, tasks_of
from vidscale.report.plain import dumps
from vidscale.space import FACTORS, ScalingFactors
from vidscale.study import frontier_report, make_lattice
from vidscale.validate import Noise

NOW = ScalingFactors(lm_params=2.8e9, frames=8, tokens_per_frame=100)


def test_the_choice_is_the_frontiers(known_model):
    answerer = Answerer(known_model)
    found = recommend(answerer, Question(budget=20e12, data_size=1e6, task="reading"))
    lattice, cost = make_lattice(known_model, "measured"), answerer.cost(answerer.ask(found.question).settings)
    report = frontier_report(known_model, lattice, cost, np.array([20e12]), np.array([1e6]), targets=["reading"])
    point = report.points[0]
    assert found.configuration.factors == point.configuration
    assert (found.error.value, found.error.mean_low, found.error.new_high) == (
        point.error, point.mean_low, point.new_high)
    assert found.probability_best == point.probability_best
    assert found.tie_count == point.tie_count
    assert found.value_of_compute.multiplier == point.continuous.multiplier
    assert found.cost.value == point.cost
    assert found.cost.flops.total == pytest.approx(point.cost)


def test_the_next_step_is_the_cheapest_that_predicts_less(known_model):
    answerer = Answerer(known_model)
    asked = answerer.ask(Question(budget=12e12))
    found = recommend(answerer, asked.question)
    values, prices = asked.values(asked.data_size), asked.prices
    better = (values < found.error.value * (1 - 1e-12)) & (prices > 12e12)
    assert found.next_budget.budget == prices[better].min()
    assert found.next_budget.error.value < found.error.value
    again = recommend(answerer, replace(asked.question, budget=found.next_budget.budget))
    assert again.configuration == found.next_budget.configuration
    most = recommend(answerer, Question(budget=1e18))
    assert most.next_budget.budget is None
    assert "no more budget helps" in most.next_budget.sentence


def test_twice_the_data_is_what_a_question_for_it_answers(known_model):
    found = recommend(known_model, Question(budget=12e12, data_size=5e5))
    twice = recommend(known_model, Question(budget=12e12, data_size=1e6))
    assert found.next_data.configuration == twice.configuration
    assert found.next_data.error.value == pytest.approx(twice.error.value, rel=1e-12)
    assert found.next_data.error.new_high == twice.error.new_high
    assert 0 < found.next_data.gain < 1
    assert not found.next_data.outside
    assert twice.next_data.outside


def test_the_bottleneck_is_the_factor_that_helps_most_when_doubled(known_model):
    found = recommend(known_model, Question(budget=12e12))
    gains, doubled = {}, {}
    for name in FACTORS:
        levels = known_model.levels[name]
        value = getattr(found.configuration, name)
        twice = {**found.configuration.factors.as_dict(), name: 2 * value}
        row = np.array([[*twice.values(), found.question.data_size]])
        doubled[name] = 1 - known_model.error(found.target, row)[0] / found.error.value
        higher = levels[levels > value]
        if higher.size:
            x = {**found.configuration.factors.as_dict(), name: higher[0]}
            row = np.array([[*x.values(), found.question.data_size]])
            gains[name] = 1 - known_model.error(found.target, row)[0] / found.error.value
    assert {step.factor: step.gain for step in found.bottleneck.steps} == pytest.approx(gains)
    assert dict(found.bottleneck.doublings) == pytest.approx(doubled)
    assert found.bottleneck.factor == max(doubled, key=doubled.__getitem__)


def test_a_bottleneck_that_may_not_be_raised_is_said(known_model):
    """The factor that the law needs most may be at its largest; another one's next level is then no bottleneck."""
    free = recommend(known_model, Question(budget=30e12)).bottleneck
    only = {free.factor: known_model.levels[free.factor][:1]}
    held = recommend(known_model, Question(budget=1e15, **only)).bottleneck
    assert held.factor == free.factor
    assert "it is the largest that may be chosen" in held.sentence
    assert free.factor not in {step.factor for step in held.steps}


def test_more_error_than_there_can_be_is_no_recommendation(known_model):
    with pytest.raises(InputError, match=r"above 100 % for everything that .* buys at 1 finetuning examples; measured"):
        recommend(known_model, Question(budget=12e12, data_size=1.0))


def test_what_runs_now_is_compared(known_model):
    found = recommend(known_model, Question(budget=30e12, current=NOW))
    now = found.comparison
    assert now.configuration.factors == NOW
    assert now.same_budget_error <= now.error.value
    assert now.recommended_gain == pytest.approx(1 - found.error.value / now.error.value)
    assert 0 <= now.probability_better <= 1
    same = recommend(known_model, Question(budget=30e12, current=found.configuration.factors)).comparison
    assert same.probability_better is None
    assert "it is the recommended configuration" in same.sentence
    assert recommend(known_model, Question(budget=30e12)).comparison is None


def test_only_what_is_allowed_is_chosen(known_model):
    answerer = Answerer(known_model)
    free = recommend(answerer, Question(budget=1e18))
    assert free.configuration.lm_params == 7.5e9
    held = recommend(answerer, Question(budget=1e18, lm_params=(1e9, 2.82e9), frames=(8,)))
    assert (held.configuration.lm_params, held.configuration.frames) == (2.8e9, 8)
    dense = recommend(answerer, Question(budget=1e18, lattice="dense", lm_params=(4e9,), frames=(4,)))
    assert dense.configuration.lm_params == 4e9
    fixed = make_lattice(known_model, "measured", {"frames": 8.0})
    assert lattice_cost(fixed, answerer.planner()).min() > 0


@pytest.mark.parametrize(("given", "said"), [
    ({"budget": 1.0}, "buys nothing"),
    ({"task": "nothing"}, "unknown task"),
    ({"weights": {"nothing": 1.0}}, "the tasks are"),
    ({"weights": {"average": 1.0}}, "the tasks are"),
    ({"weights": {"reading": 0.0}}, "every task weight is 0"),
    ({"weights": {"reading": -1.0}}, "the weight of task"),
    ({"lm_params": (5e9,)}, "its levels are 1e+09, 2.8e+09, 7.5e+09"),
    ({"frames": (1e-320,)}, "its levels are 4, 8"),
    ({"cost": "latency"}, "needs a GPU"),
    ({"cost": "nonsense"}, "unknown cost"),
    ({"gpu": "abacus"}, "unknown GPU"),
    ({"limits": {"wishes": 1.0}}, "cannot limit"),
    ({"lattice": "crystal"}, "unknown lattice"),
    ({"predictor": "crystal"}, "unknown predictor"),
    ({"data_size": 0.5}, "data_size is 0.5"),
    ({"memory_limit_bytes": 1e9}, "loosen a limit"),
])
def test_what_cannot_be_answered_is_said(known_model, given, said):
    with pytest.raises(InputError, match=said.replace("+", r"\+")) as problem:
        recommend(known_model, Question(**given))
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize("given", [
    {"budget": -1.0}, {"budget": float("inf")}, {"data_size": 0.0}, {"level": 1.0}, {"tolerance": 1.0}, {"n_eval": 0.0},
    {"frames": (0.0,)}, {"seed": -1}, {"price": 0.0}, {"task": "a", "weights": {"b": 1.0}}, {"limits": {"memory": 1.0}},
])
def test_a_question_checks_itself(given):
    with pytest.raises(InputError):
        Question(**given)


def test_a_weighted_target_is_the_weighted_sum(known_model):
    tasks = tasks_of(known_model)
    assert tasks == ("long <b>video</b>", "ordering", "reading")
    weights = {"ordering": 3.0, "reading": 1.0}
    found = recommend(known_model, Question(budget=12e12, weights=weights))
    row = np.array([[*found.configuration.factors, found.question.data_size]])
    parts = [known_model.error(task, row)[0] for task in weights]
    assert found.error.value == pytest.approx(0.75 * parts[0] + 0.25 * parts[1])
    assert found.question.weights == {"ordering": 0.75, "reading": 0.25}
    assert found.value_of_compute.multiplier > 0
    alone = recommend(known_model, Question(budget=12e12, weights={"reading": 5.0}))
    assert alone == recommend(known_model, Question(budget=12e12, task="reading"))


def test_every_answer_is_json_and_the_same_each_time(known_model):
    answerer = Answerer(known_model)
    for question in (Question(), Question(cost="latency", gpu="h200", output_tokens=8, memory_limit_bytes=30e9),
                     Question(predictor="bagged", current=NOW, lattice="deployable")):
        first, second = (dumps(recommend(who, question)) for who in (answerer, known_model))
        assert first == second
        assert json.loads(first)["configuration"]["lm_params"] > 0


def risks(known, kind, **asked) -> list[str]:
    """Sentences of one kind of risk."""
    return [each.sentence for each in recommend(known, Question(**asked)).risks if each.kind == kind]


def changed(model, **target):
    """The model with fields of its lead target changed."""
    return replace(model, targets={**model.targets, model.lead: replace(model.targets[model.lead], **target)})


def test_risks_are_said_where_they_are(known_model):
    assert risks(known_model, "outside-domain", data_size=1e7)
    assert not risks(known_model, "outside-domain", data_size=1e6)
    assert "largest that may be chosen" in " ".join(risks(known_model, "at-bound", budget=1e18))
    assert risks(known_model, "near-tie", budget=20e12, tolerance=0.5)
    assert not risks(known_model, "near-tie", budget=20e12, tolerance=0.0)
    assert risks(replace(known_model, synthetic=True), "synthetic")
    assert not risks(known_model, "synthetic")
    assert risks(known_model, "uncalibrated", cost="latency", gpu="l4", output_tokens=4)
    assert not risks(known_model, "uncalibrated", cost="latency", gpu="h200", output_tokens=4)
    assert risks(known_model, "stand-in-model", cost="flops-exact", model="internvl", lm_params=(2.8e9,))
    assert risks(known_model, "weighted", weights={"reading": 1, "ordering": 1})


def test_a_law_at_its_bounds_and_one_that_misses_something_are_said(known_model):
    form, target = known_model.form, known_model.targets[known_model.lead]
    whole = {**target.parameters, **dict.fromkeys(form.coefficients, 0.1)}
    assert not risks(changed(known_model, parameters=whole), "law")
    gone, kept = form.terms[0], form.terms[1]
    powers = [next(iter(term.exponents.values())).parameter for term in (gone, kept)]
    parameters = {**whole, gone.coefficient: 0.0, powers[0]: form.exponent_bounds(powers[0])[1],
                  powers[1]: form.exponent_bounds(powers[1])[0]}
    said = risks(changed(known_model, parameters=parameters), "law")
    assert len(said) == 2
    assert gone.coefficient in said[0]
    assert f"exponent {powers[1]} of the law is at its lower bound" in said[1]
    noise = Noise(run_variance=0.01, counted=True, freedom=20, n_eval=3000.0, misfit_variance=0.01, fit_p=1e-6)
    (misfit,) = risks(changed(known_model, noise=noise), "misfit")
    assert "residuals are larger than question sampling explains" in misfit
    unsure = recommend(changed(known_model, noise=noise), Question(budget=20e12, current=NOW))
    assert unsure.probability_best < recommend(known_model, Question(budget=20e12)).probability_best
    assert 0 < unsure.comparison.probability_better < 1


def test_what_more_would_buy_is_said_in_points_and_above_the_budget(known_model):
    found = recommend(known_model, Question(budget=12e12, data_size=5e5))
    points = 100 * (found.error.value - found.next_budget.error.value)
    assert f"{100 * (found.next_budget.budget / 12e12 - 1):.2g} % above the budget: " in found.next_budget.sentence
    assert f"by {points:.2g} point" in found.next_budget.sentence
    assert f"({100 * found.next_budget.gain:.2g} % of it) to " in found.next_budget.sentence
    assert f"({100 * found.next_data.gain:.2g} % of it) to " in found.next_data.sentence


@pytest.mark.parametrize(("asked", "said"), [
    ({"cost": "latency"}, "latency counts an answer of 1 token, since none was named"),
    ({"cost": "dollars", "limits": {"latency": 1.0}}, "dollars and latency count an answer of 1 token"),
    ({"cost": "latency", "output_tokens": 1}, None), ({"cost": "gpu-seconds", "output_tokens": 64}, None),
    ({"cost": "ttft"}, None), ({"cost": "flops-exact"}, None), ({}, None),
])
def test_an_answer_of_one_token_is_said_where_nobody_named_its_length(known_model, asked, said):
    found = recommend(known_model, Question(gpu="h200", **asked))
    kinds = [risk.kind for risk in found.risks]
    if said is None:
        assert "one-token-answer" not in kinds
    else:
        assert kinds[0] == "one-token-answer"
        assert found.risks[0].sentence.startswith(said)


def test_a_study_made_for_longer_answers_names_their_length(known_model):
    answerer = Answerer(known_model, cost=CostSettings(kind="latency", gpu="h200", output_tokens=8))
    assert "one-token-answer" not in [risk.kind for risk in recommend(answerer).risks]
