"""Statements from raw rows, on made-up tables whose truth is known."""

import numpy as np
import pytest

import shapes_like
from shapes_like import CHANCE, ENCODER, LMS, power, table_of
from vidscale.cost import PaperCost
from vidscale.findings import Verdict, cells_of, task_state
from vidscale.findings.cells import QUESTIONS, REPEATS, RESIDUALS
from vidscale.findings.factors import preference, preferences, returns, star_arms
from vidscale.findings.joint import best_against_mean, budget_steps, groups, interaction
from vidscale.findings.movement import CONFIGURATION, moves
from vidscale.measurements import observations, read_measurements

COST = PaperCost(encoder_params=ENCODER[0], encoder_tokens=ENCODER[1])
FACTORS = ("lm_params", "frames", "tokens_per_frame")


def cells(law, task="count", **options):
    """Cells of one task drawn from a law."""
    table = read_measurements(table_of({task: law}, **options), name="made-up")
    return cells_of(observations(table), task)


def doublings(slope):
    """A law that falls by a fixed amount per doubling of every factor: no diminishing returns."""
    return lambda n, t, v, size: 0.5 - slope * float(np.log2(n) + np.log2(t) + np.log2(v) + np.log2(size))


def test_strong_diminishing_returns_are_shown():
    found = cells(power(0.4, 0.9, 0.7, 0.4, scale=0.05))
    assert {f: returns(found, f).verdict for f in FACTORS} == dict.fromkeys(FACTORS, Verdict.SHOWN)


def test_even_returns_cannot_be_told():
    drawn = [cells(doublings(0.01), noise=0.005, seed=seed) for seed in range(12)]
    verdicts = [returns(found, f).verdict for found in drawn for f in FACTORS]
    assert sum(v is not Verdict.CANNOT_TELL for v in verdicts) <= 5
    assert np.mean([returns(found, "frames").first.value for found in drawn]) == pytest.approx(0.01, abs=0.004)


def test_growing_returns_refute():
    found = cells(lambda n, t, v, size: 0.6 - 0.008 * float(np.log2(16 * t)) ** 2, noise=0.005)
    assert returns(found, "frames").verdict is Verdict.REFUTED


def test_arms_of_every_star_size():
    found = cells(power(0.3, 0.3, 0.3, 0.3))
    arms = star_arms(found, "frames")
    assert [arm.data_size for arm in arms] == list(shapes_like.SIZES)
    assert arms[0].levels.tolist() == list(shapes_like.FRAMES)
    assert arms[0].levels[arms[0].centre] == 16
    weights = arms[0].step(0, -1, found)
    assert np.count_nonzero(weights) == 2
    assert weights.sum() == pytest.approx(0)
    assert weights.max() == pytest.approx(1 / 5)


def test_a_law_without_interaction_shows_none():
    """Over twenty draws of an additive law at most three of the 95 % intervals miss 0."""
    verdicts = [interaction(cells(power(0.3, 0.6, 0.4, 0.3), seed=seed)).verdict for seed in range(20)]
    assert sum(v is not Verdict.CANNOT_TELL for v in verdicts) <= 3


def test_an_additive_law_without_noise_has_no_interaction():
    found = cells(power(0.3, 0.6, 0.4, 0.3), noise=0.0, n_eval=10**9)
    assert interaction(found).gain.value == pytest.approx(0, abs=2e-5)


def test_an_interaction_is_shown_with_its_sign():
    def helps(n, t, v, size):
        return 0.5 - 0.004 * float(np.log2(n / 4e-2) * np.log2(t * v * 300))

    def hinders(n, t, v, size):
        return 0.2 + 0.004 * float(np.log2(n / 4e-2) * np.log2(t * v * 300))
    assert interaction(cells(helps)).verdict is Verdict.SHOWN
    assert interaction(cells(helps)).gain.value == pytest.approx(0.004, abs=0.0015)
    assert interaction(cells(hinders)).verdict is Verdict.REFUTED


def test_a_bottleneck_lets_only_large_models_gain():
    def bottleneck(n, t, v, size):
        return 0.05 + max(0.1 * n**-0.3, 0.2 * (t * v) ** -0.3)
    steps = budget_steps(cells(bottleneck, noise=0.01), COST)
    assert steps[-1].verdict is Verdict.SHOWN
    assert steps[-1].lm_params == (LMS[1], LMS[6])
    assert steps[-1].exhausted
    assert (steps[-1].small.low, steps[-1].small.high) == (0, 0)
    assert [step.exhausted for step in steps[:-1]] == [False, False]
    assert steps[-2].lm_params == (LMS[2], LMS[5])


def test_budgets_that_bring_nothing_are_not_called_a_gain():
    """Where nothing matters, the best of several noisy runs must not make a finding."""
    verdicts = [step.verdict for seed in range(12)
                for step in budget_steps(cells(lambda n, t, v, size: 0.5, seed=seed), COST)]
    assert len(verdicts) == 36
    assert sum(v is not Verdict.CANNOT_TELL for v in verdicts) <= 5


def test_groups_are_the_planned_budgets():
    found = groups(cells(power(0.3, 0.3, 0.3, 0.3)), COST)
    assert [g.budget for g in found] == pytest.approx(shapes_like.BUDGETS, rel=0.05)


def test_best_against_mean():
    flat = [each.gain for seed in range(8)
            for each in best_against_mean(cells(lambda n, t, v, size: 0.5, seed=seed), COST)]
    assert sum(gain.low > 0 for gain in flat) <= 4
    assert np.mean([gain.value for gain in flat]) < 0.02
    steep = best_against_mean(cells(power(0.3, 1.0, 0.1, 0.3), noise=0.01), COST)
    assert all(each.gain.low > 0 for each in steep[:2])


def test_tasks_that_want_frames_or_tokens():
    laws = {"count": power(0.3, 1.0, 0.1, 0.3), "glyph": power(0.3, 0.1, 1.0, 0.3), "speed": power(0.3, 0.5, 0.5, 0.3)}
    obs = observations(read_measurements(table_of(laws, noise=0.01)))
    found = {p.target: p for p in preferences([cells_of(obs, task) for task in laws])}
    assert found["count"].wants == "frames"
    assert found["glyph"].wants == "tokens per frame"
    assert found["speed"].verdict is Verdict.CANNOT_TELL
    assert found["count"].difference.level == pytest.approx(1 - 0.05 / 3)


def test_no_star_no_arms():
    frame = table_of({"count": power(0.3, 0.3, 0.3, 0.3)})
    frame = frame[frame["sweep"] == "isoflop"]
    found = cells_of(observations(read_measurements(frame[frame["tokens_per_frame"] == 36])), "count")
    assert preference(found) is None


def test_noise_comes_back():
    """2 % of trainings and sampling of 4,096 questions, both of known size."""
    found = cells(lambda n, t, v, size: 0.5, noise=0.04)
    assert found.noise.source == REPEATS
    assert found.noise.freedom == 22
    assert found.noise.extra == pytest.approx(0.5 * 0.04 * np.sqrt(0.98), rel=0.4)
    assert found.runs.sum() == 119


def test_tables_without_repeats_say_what_stands_in():
    frame = table_of({"count": power(0.3, 0.3, 0.3, 0.3)})
    obs = observations(read_measurements(frame[frame["seed"] == 0]))
    assert cells_of(obs, "count").noise.source == QUESTIONS
    rested = cells_of(obs, "count", relative_variance=1e-4)
    assert rested.noise.source == RESIDUALS
    assert rested.variance == pytest.approx(cells_of(obs, "count").variance + 1e-4 * rested.error**2)


@pytest.mark.parametrize(("law", "remark"), [
    (lambda n, t, v, size: 1 - CHANCE["count"], "never leaves chance"),
    (lambda n, t, v, size: 0.002, "solved by most runs"),
    (lambda n, t, v, size: 0.5, ""),
    (lambda n, t, v, size: 0.5 if t > 0.1 else 1 - CHANCE["count"], ""),
    (lambda n, t, v, size: 0.5 if t > 1 else 1 - CHANCE["count"], "of configurations only")])
def test_states_of_tasks(law, remark):
    state = task_state(cells(law, noise=0.0))
    assert remark in state.remark
    assert (state.remark == "") == (remark == "")
    assert state.informative == (remark not in ("never leaves chance", "solved by most runs"))


def test_a_perfect_score_does_not_break_anything():
    found = cells(lambda n, t, v, size: 0.0 if n > 1 else 0.3)
    assert (found.error > 0).all()
    assert returns(found, "lm_params") is not None
    assert interaction(found) is not None


def test_moves():
    law = power(0.3, 0.6, 0.4, 0.3, scale=0.05)
    found = {m.what: m for m in moves(cells(law, noise=0.005), COST)}
    assert set(found) == {*FACTORS, "data_size", CONFIGURATION}
    true = law(1, 1 / 16, 1, 0.25) - law(1, 2, 1, 0.25)
    falls = [moves(cells(law, noise=0.005, seed=seed), COST)[1].fall for seed in range(20)]
    assert sum(fall.low < true < fall.high for fall in falls) >= 17
    assert (found["frames"].low, found["frames"].high) == (1, 32)
    assert all(m.fall.low > 0 for m in found.values())
