"""The staircase of a question: exact, and the same as recommendations along it."""

import numpy as np
import pytest

from vidscale.recommend import Answerer, Question, recommend, staircase


@pytest.mark.parametrize("asked", [{}, {"weights": {"ordering": 1, "reading": 2}, "data_size": 3e5},
                                   {"cost": "latency", "gpu": "H200", "lm_params": (1e9, 7.5e9)},
                                   {"predictor": "bagged", "frames": (4, 16)}])
def test_between_two_steps_the_answer_is_the_lower_one(known_model, asked):
    answerer = Answerer(known_model)
    found = staircase(answerer, Question(**asked))
    costs = [step.cost for step in found.steps]
    assert found.step_count == len(found.steps) > 3
    assert np.all(np.diff(costs) > 0)
    assert np.all(np.diff([step.error.value for step in found.steps]) < 0)
    for low, high in zip(found.steps, [*found.steps[1:], None], strict=True):
        budget = low.cost * 1.5 if high is None else np.sqrt(low.cost * high.cost)
        for amount in (low.cost, float(budget)):
            answer = recommend(answerer, Question(**asked, budget=amount))
            assert answer.configuration == low.configuration
            assert answer.error == low.error
    assert answer.budget_range[0] == costs[0]
    assert answer.budget_range[1] >= costs[-1]


def test_a_fine_lattice_is_thinned_with_both_ends(known_model):
    answerer = Answerer(known_model)
    found = staircase(answerer, Question(lattice="dense", lm_params=(1e9, 2e9, 3e9, 4e9, 5e9, 6e9, 7e9)))
    assert len(found.steps) == 240 < found.step_count
    top = recommend(answerer, Question(lattice="dense", lm_params=(1e9, 2e9, 3e9, 4e9, 5e9, 6e9, 7e9),
                                       budget=found.steps[-1].cost * 2))
    assert top.configuration == found.steps[-1].configuration
