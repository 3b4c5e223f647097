"""The comparison table: scores recomputed by hand, twins and failures named, a form chosen with its reason."""

import numpy as np
import pytest

from vidscale.errors import InputError
from vidscale.fit import FitSettings, fit
from vidscale.forms import form
from vidscale.validate import MEAN_OF_TASKS, compare, plan_holdout

FAST = FitSettings(starts=8, resample_starts=2)
FORMS = ("mult", "add", "add-interact-s", "add-interact")


@pytest.fixture(scope="module")
def compared(star, isoflop, measured, observe):
    """The paper's four forms on two tasks, cross-validated on the star and extrapolated to the isoFLOP sweep."""
    x = np.vstack([star, isoflop])
    obs = observe(x, measured(x, n_eval=5000, seed=4, targets=3), 5000)
    train = obs.x[:, 3] <= 1e6
    plan = plan_holdout(obs.x, obs.config, count=5, train=train, rule="data_size<=1e6")
    return obs, plan, compare([form(n) for n in FORMS], obs, plan, settings=FAST)


def test_every_form_target_and_kind_has_a_score(compared):
    obs, _, table = compared
    assert len(table.scores) == len(FORMS) * (len(obs.targets) + 1) * 2
    assert tuple(table.fits) == FORMS
    assert not table.failed
    assert not table.same
    assert table.score("add", "task1", "extrapolation").rows == 60
    assert table.score("add", "task1", "cross-validation").rows == 39
    assert table.score("cubic", "task1", "extrapolation") is None


def test_scores_recomputed(compared):
    obs, plan, table = compared
    alone = fit(form("mult"), obs.x[plan.train], obs.error[plan.train, 1])
    f, g = obs.error[~plan.train, 1], alone.predict(obs.x[~plan.train])
    score = table.score("mult", "task1", "extrapolation")
    assert score.mse == pytest.approx(np.mean((100 * (g - f)) ** 2), rel=1e-4)
    assert score.e_percent == pytest.approx(np.mean(np.abs(g - f) / f) * 100, rel=1e-4)
    assert score.r2 == pytest.approx(1 - np.sum((g - f) ** 2) / np.sum((f - f.mean()) ** 2), rel=1e-4)


def test_the_mean_of_tasks_averages_the_tasks_own_numbers(compared):
    obs, _, table = compared
    for kind in ("cross-validation", "extrapolation"):
        parts = [table.score("add", t, kind) for t in obs.targets]
        whole = table.score("add", MEAN_OF_TASKS, kind)
        assert whole.mse == pytest.approx(np.mean([p.mse for p in parts]), rel=1e-9)
        assert whole.r2 == pytest.approx(np.mean([p.r2 for p in parts]), rel=1e-9)


def test_excess_is_over_the_best(compared):
    obs, _, table = compared
    for target in (*obs.targets, MEAN_OF_TASKS):
        for kind in ("cross-validation", "extrapolation"):
            scores = [table.score(n, target, kind) for n in FORMS]
            best = min(scores, key=lambda s: s.mse)
            assert best.excess == 0
            assert best.excess_se is None
            for score in scores:
                assert score.excess == pytest.approx(score.mse - best.mse)
                assert score is best or score.excess_se >= 0


def test_the_form_the_data_came_from_beats_a_wrong_one(compared):
    obs, _, table = compared
    for target in obs.targets:
        add, mult = (table.score(n, target, "extrapolation") for n in ("add", "mult"))
        assert add.mse < mult.mse
        name, reason = table.best(target)
        assert name != "mult"
        assert "lowest extrapolation MSE" in reason


def test_nothing_held_out(compared):
    obs, _, _ = compared
    plan = plan_holdout(obs.x, obs.config, count=0)
    table = compare([form("mult"), form("add")], obs, plan, targets=["task0"], settings=FAST)
    assert table.scores == ()
    assert table.best("task0") == ("add", "lowest residual variance; nothing was held out")


def test_twins_and_failures_are_named(star, measured, observe):
    x = star[star[:, 3] == 1e6][:8]
    obs = observe(x, measured(x))
    plan = plan_holdout(obs.x, obs.config, count=0)
    table = compare([form("li"), form("add-interact")], obs, plan, settings=FAST)
    assert "li" in table.fits
    assert "15 free parameters" in table.failed["add-interact"]
    with pytest.raises(InputError, match="no form could be fitted"):
        compare([form("add-interact")], obs, plan, settings=FAST)
    again = compare([form("li"), form("li")], obs, plan, settings=FAST)
    assert again.same == {"li": "li"}


def test_a_form_is_told_what_goes_on(compared):
    obs, plan, _ = compared
    said = []
    compare([form("mult")], obs, plan, targets=["task0"], settings=FAST, tick=said.append)
    assert said == ["mult: full fits", "mult: cross-validation", "mult: extrapolation"]


def test_pins_reach_the_forms_that_have_them(compared):
    obs, _, _ = compared
    plan = plan_holdout(obs.x, obs.config, count=0)
    forms = [form("mult"), form("add"), form("li")]
    table = compare(forms, obs, plan, targets=["task0"], pins={"d": 0.3}, settings=FAST)
    assert table.fits["mult"].fits[0].parameters["d"] == 0.3
    assert table.fits["add"].fits[0].parameters["d"] == 0.3
    assert "d" not in table.fits["li"].fits[0].parameters
