"""How recommendations put numbers into words."""

import pytest

from vidscale.recommend.wording import factor, fall, percent


@pytest.mark.parametrize(("fraction", "said"), [(0.2, "20 %"), (-0.0034, "\N{MINUS SIGN}0.34 %"), (1e-7, "1e-05 %"),
                                                (-1e-7, "\N{MINUS SIGN}1e-05 %"), (0.0, "0 %")])
def test_a_loss_has_a_minus_sign_and_an_exponent_its_own(fraction, said):
    assert percent(fraction) == said


@pytest.mark.parametrize(("name", "value", "said"), [
    ("frames", 1, "1 frame"), ("frames", 32, "32 frames"), ("tokens_per_frame", 1, "1 token per frame"),
    ("tokens_per_frame", 196, "196 tokens per frame"), ("lm_params", 7.5e9, "a language model of 7.5B parameters"),
])
def test_one_of_something_is_not_several(name, value, said):
    assert factor(name, value) == said


@pytest.mark.parametrize(("before", "after", "said"), [
    (0.3935, 0.3902, "0.33 points (0.84 % of it)"), (0.5, 0.49, "1 point (2 % of it)"),
    (0.4, 0.4, "0 points (0 % of it)"),
])
def test_a_fall_in_points_and_as_a_share(before, after, said):
    assert fall(before, after) == said
