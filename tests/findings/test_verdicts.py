"""The rule that turns intervals into verdicts."""

import numpy as np
import pytest

from vidscale.findings import Estimate, Verdict, agreed, differ, judge
from vidscale.findings.factors import family_level
from vidscale.findings.verdict import of_draws

S, R, C, M = Verdict.SHOWN, Verdict.REFUTED, Verdict.CANNOT_TELL, Verdict.MIXED


@pytest.mark.parametrize(("low", "high", "verdict"), [
    (0.1, 0.3, S), (-0.3, -0.1, R), (-0.1, 0.3, C), (0.0, 0.0, C), (0.0, 0.3, C), (-0.3, 0.0, C),
    (float("nan"), 1.0, C), (0.1, float("inf"), C)])
def test_one_interval(low, high, verdict):
    estimate = Estimate(value=(low + high) / 2, low=low, high=high)
    assert judge(estimate) is verdict
    opposite = {S: R, R: S}.get(verdict, verdict)
    assert judge(-estimate) is opposite


def test_no_estimate_cannot_tell():
    assert judge(None) is C


@pytest.mark.parametrize(("each", "verdict"), [
    ((S, S), S), ((R, R), R), ((S, C), C), ((S, R), M), ((S, C, R), M), ((C, C), C), ((), C)])
def test_several_on_one_statement(each, verdict):
    assert agreed(each) is verdict


@pytest.mark.parametrize(("each", "verdict"), [
    ((S, R), S), ((S, C, R), S), ((S, S), R), ((R, R, R), R), ((S, C), C), ((S,), C), ((), C)])
def test_whether_members_differ(each, verdict):
    assert differ(each) is verdict


def test_every_verdict_says_its_rule():
    assert len({each.sentence for each in Verdict}) == len(Verdict)


def test_intervals_of_draws_hold_the_estimate():
    found = of_draws(5.0, np.linspace(0, 1, 101), 0.9)
    assert (found.low, found.high) == (pytest.approx(0.05), 5.0)
    assert not of_draws(1.0, np.array([np.nan, 1.0])).known


def test_a_family_of_intervals_is_wider():
    assert family_level(1) == 0.95
    assert family_level(5) == pytest.approx(0.99)
