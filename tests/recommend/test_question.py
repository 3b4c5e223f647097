"""A question asked from Python: what stands for a number, a configuration or several of them, and what does not."""

import json

import numpy as np
import pytest

from vidscale.cost import CostSettings
from vidscale.errors import InputError
from vidscale.recommend import Question, recommend
from vidscale.report.plain import dumps
from vidscale.space import ScalingFactors

NOW = ScalingFactors(lm_params=2.8e9, frames=8, tokens_per_frame=100)


@pytest.mark.parametrize("current", [NOW, NOW.as_dict(), [2.8e9, 8, 100], np.array([2.8e9, 8, 100]),
                                     {**NOW.as_dict(), "lm_name": "llama-3.2-3b"}])
def test_a_configuration_in_every_shape_it_comes_in(current):
    assert Question(current=current).current == NOW


def test_an_answers_configuration_is_a_questions(known_model):
    found = recommend(known_model, Question(budget=20e12))
    assert Question(current=found.configuration).current == found.configuration.factors
    assert Question(current=json.loads(dumps(found))["configuration"]).current == found.configuration.factors


@pytest.mark.parametrize("given", [7e9, np.float64(7e9), [7e9], (7e9,), np.array([7e9]), np.array(7e9)])
def test_one_number_stands_for_a_sequence_of_one(given):
    assert Question(lm_params=given).lm_params == (7e9,)


@pytest.mark.parametrize(("field", "given", "said"), [
    ("budget", "300ms", "s for ttft and latency, GPU-s for gpu-seconds, dollars per million videos for dollars): write "
                        "0.3 for s"),
    ("budget", "15T", "write 1.5e13 for FLOPs"), ("budget", "$20", "write 20 for USD per million videos"),
    ("budget", "much", "write one such as 1.5e13"), ("budget", True, "budget is True; a budget is a number"),
    ("budget", -5e12, "budget is -5e12; allowed are positive finite numbers, and a budget is a number in the unit"),
    ("budget", [1, 2], "budget is [1, 2]"),
    ("data_size", "800k", "it is a number of finetuning examples: write 800000"),
    ("memory_limit_bytes", "24GB", "it is a number of bytes: write 2.4e10"),
    ("price", "$3", "dollars per GPU-hour"),
    ("lm_params", "7B", "it is a number of parameters, or several: write 7e9"), ("frames", ["8"], "a number of frames"),
    ("lm_params", -1, "positive finite"), ("tokens_per_frame", {"a": 1}, "visual tokens"),
    ("limits", {"ttft": "300ms"}, "limits: ttft is '300ms'; they are a number for each kind of cost, in FLOPs"),
    ("limits", "ttft<=0.3", "such as {'ttft': 0.3}"), ("weights", ["reading"], "such as {'reading': 2}"),
    ("weights", {"reading": "2"}, "weights: reading is '2'"),
    ("current", {"lm_params": 1e9}, "current: a configuration: frames, tokens_per_frame is missing"),
    ("current", {**NOW.as_dict(), "frame": 8}, "'frame' is no factor; give lm_params, frames, tokens_per_frame"),
    ("current", [1e9, 8], "give its three factors"), ("current", "7B", "current: a configuration is '7B'"),
    ("current", {**NOW.as_dict(), "lm_params": "7B"}, "it is a number of parameters, such as 7.5e9"),
    ("current", [float("inf"), 8, 8], "positive finite"), ("current", [1e9, float("nan"), 8], "positive finite"),
    ("level", "90%", "a probability"), ("tolerance", "1%", "a fraction"), ("n_eval", "3k", "questions: write 3000"),
    ("seed", 1.5, "whole numbers from 0"), ("seed", "a", "whole numbers from 0"), ("cost", 3, "a name"),
    ("lattice", ["measured"], "a name"),
])
def test_what_is_no_number_ends_in_one_line(field, given, said):
    with pytest.raises(InputError) as caught:
        Question(**{field: given})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("field", "given"), [("batch", "8"), ("output_tokens", 1.5), ("text_tokens", float("inf")),
                                              ("kind", ["flops"]), ("price", "$3"), ("price", 0)])
def test_a_cost_refuses_what_is_no_number_too(field, given):
    with pytest.raises(InputError, match="allowed are"):
        CostSettings(**{field: given})


def test_a_limit_that_is_no_number(known_model):
    with pytest.raises(InputError, match="batch is '8'; allowed are whole numbers"):
        recommend(known_model, Question(batch="8"))  # type: ignore[arg-type]
