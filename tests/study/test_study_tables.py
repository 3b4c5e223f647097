"""The whole analysis on small tables of every shape a user may bring."""

import itertools

import numpy as np
import pytest

from vidscale.errors import InputError
from vidscale.forms import PAPER_FORMS
from vidscale.space import ScalingFactors
from vidscale.validate import MEAN_OF_TASKS


def points(study, target=None):
    return [p for p in study.frontier.points if p.target == (target or study.model.lead)]


def check(study):
    """What holds of every study."""
    for p in study.frontier.points:
        assert p.cost <= p.budget * (1 + 1e-12)
        assert p.mean_low <= p.mean_high
        assert p.new_low <= p.new_high
        assert 0 <= p.probability_best <= 1
        assert all(t.error <= p.error * (1 + study.frontier.tolerance) for t in p.ties)
        if p.continuous is not None and not p.outside:
            assert p.continuous.error <= p.error * (1 + 1e-6)
    for size in {p.data_size for p in points(study)}:
        errors = [p.error for p in points(study) if p.data_size == size]
        assert all(b <= a for a, b in itertools.pairwise(errors))


def test_full_grid(study_of, grid):
    study = study_of(grid())
    check(study)
    assert study.form in study.comparison.fits
    assert "cross-validation" in study.reason
    assert len(points(study)) == 2 * 6
    assert {e.kind for e in study.elasticities} == {"lattice", "continuous"}


@pytest.mark.parametrize("factor", ["lm_params", "frames", "tokens_per_frame"])
def test_one_factor_varies(study_of, grid, factor):
    levels = {"lm_params": (1e9,), "frames": (8,), "tokens_per_frame": (49,), "data_size": (1e6,)}
    several = {"lm_params": (5e8, 1e9, 2e9, 4e9, 8e9, 16e9), "frames": (2, 4, 8, 16, 32, 64),
               "tokens_per_frame": (4, 9, 16, 36, 64, 144)}
    study = study_of(grid(**{**levels, factor: several[factor]}))
    check(study)
    assert study.obs.factors == (factor,)
    assert study.no_elasticity == "no elasticity: data_size does not vary"
    assert study.elasticities == ()
    assert {p.data_size for p in study.frontier.points} == {None}


def test_only_the_data_size_varies(study_of, grid):
    study = study_of(grid(lm_params=(1e9,), frames=(8,), tokens_per_frame=(49,), data_size=(1e5, 2e5, 5e5, 1e6, 2e6)))
    check(study)
    assert len(study.frontier.lattice) == 1


def test_nothing_varies(study_of, grid):
    frame = grid(lm_params=(1e9,), frames=(8,), tokens_per_frame=(49,), data_size=(1e6,), seeds=(0, 1, 2))
    with pytest.raises(InputError, match="varies"):
        study_of(frame)


def test_no_data_size_column(study_of, grid):
    study = study_of(grid(data_size=(1e6,)).drop(columns="data_size"), forms=PAPER_FORMS)
    check(study)
    assert study.no_elasticity
    assert any("there is no column data_size" in note for note in study.notes)
    assert set(study.comparison.same) == {"add-interact-s", "add-interact"}


def test_no_frames_column_names_the_fix(study_of, grid):
    frame = grid(frames=(8,)).drop(columns="frames")
    with pytest.raises(InputError, match="--fix frames="):
        study_of(frame)
    study = study_of(frame, fixed={"frames": 8})
    check(study)
    assert {p.configuration.frames for p in study.frontier.points} == {8}


def test_no_n_eval(study_of, grid):
    study = study_of(grid(n_eval=None))
    check(study)
    assert not study.model.target("task").noise.counted
    assert all(p.n_eval is None for p in study.frontier.points)


def test_replicates_stay_in_one_fold(study_of, grid):
    study = study_of(grid(seeds=(0, 1, 2)))
    check(study)
    folds = study.comparison.plan.folds
    assert all(len(set(folds[study.obs.config == c])) == 1 for c in np.unique(study.obs.config))


def test_a_run_may_lack_a_task(study_of, grid):
    frame = grid(tasks=("a", "b"))
    study = study_of(frame.drop(index=[0, 3, 9, 40]))
    check(study)
    assert study.model.lead == "average"
    assert np.isnan(study.obs.error).any()
    assert study.comparison.score(study.form, MEAN_OF_TASKS, "cross-validation") is not None


def test_forced_form(study_of, grid):
    study = study_of(grid(), form="mult")
    check(study)
    assert (study.form, study.reason) == ("mult", "asked for")


def test_pins(study_of, grid):
    study = study_of(grid(), pins={"epsilon": 0.15})
    check(study)
    assert study.full.fits[0].parameters["epsilon"] == pytest.approx(0.15, rel=1e-12)
    with pytest.raises(InputError, match="cannot pin 'nope'"):
        study_of(grid(), pins={"nope": 1.0})


def test_declared_form(study_of, grid):
    study = study_of(grid(), forms=("add",), form="examples/joint.toml")
    check(study)
    assert study.form == "add-interact-joint"
    assert set(study.comparison.fits) == {"add", "add-interact-joint"}


def test_split_none_and_by_rule(study_of, grid):
    frame = grid(data_size=(2.5e5, 1e6, 4e6))
    none = study_of(frame, split="none")
    assert none.comparison.plan.train is None
    ruled = study_of(frame, split="data_size<=1e6")
    check(ruled)
    assert ruled.comparison.plan.train.sum() == 54
    assert "extrapolation" in ruled.reason
    with pytest.raises(InputError, match="one side"):
        study_of(frame, split="data_size<=1e9")


def test_weights(study_of, grid):
    study = study_of(grid(tasks=("a", "b")), weights={"a": 3, "b": 1})
    check(study)
    assert study.model.lead == "weighted"
    a, b = (study.obs.error[:, study.obs.target(t)] for t in "ab")
    assert study.obs.error[:, 0] == pytest.approx(0.75 * a + 0.25 * b)


def test_fixed(study_of, grid):
    study = study_of(grid(), fixed={"frames": 8})
    check(study)
    assert {p.configuration.frames for p in study.frontier.points} == {8}
    assert "frames=8" in study.frontier.lattice.name
    names = [o.policy for o in next(iter(study.frontier.policies.values())).outcomes]
    assert "frames only" not in names
    assert "lm_params only" in names
    with pytest.raises(InputError, match="cannot fix 'foo'"):
        study_of(grid(), fixed={"foo": 8})


def test_current_inside_the_lattice(study_of, grid):
    study = study_of(grid(), current=ScalingFactors(lm_params=8e9, frames=4, tokens_per_frame=16))
    check(study)
    assert len(study.current) == 2
    for said in study.current:
        assert said.outside == ()
        assert said.same_budget_error <= said.error
        assert said.accuracy_gain >= 0
        assert said.cheaper is None or said.cheaper_cost < said.cost
    sentence = next(iter(study.frontier.policies.values())).outcomes[0].sentence
    assert "lm_params=8e+09" in sentence


@pytest.mark.parametrize("current", [(7e9, 10, 64), (70e9, 100, 640), (1e8, 1, 1)])
def test_current_off_the_lattice(study_of, grid, current):
    study = study_of(grid(), current=ScalingFactors.of(current))
    check(study)
    assert all(said.same_budget_error <= said.error for said in study.current)
    assert bool(study.current[0].outside) == (current[0] != 7e9)


def test_what_is_optimal_already_has_no_gain(study_of, grid):
    """Lattice tables and the law itself round differently in the last digit; that is no gain."""
    best = points(study_of(grid()))[-1].configuration
    for said in study_of(grid(), current=best).current:
        assert (said.accuracy_gain, said.error_reduction, said.cheaper) == (0.0, 0.0, None)


def test_bagged_predictor(study_of, grid):
    study = study_of(grid(), predictor="bagged")
    check(study)
    assert study.frontier.predictor == "bagged"
    assert all(p.continuous is None for p in study.frontier.points)
    assert any("bagged median is no posynomial" in note for note in study.notes)
    p = points(study)[-1]
    x = np.array([[*p.configuration, p.data_size]])
    assert study.model.error(p.target, x, "bagged")[0] == pytest.approx(p.error, rel=1e-9)


def test_huber_loss(study_of, grid):
    study = study_of(grid(frames=(8,), lm_params=(1e9, 4e9)), loss="log-huber")
    check(study)
    assert study.full.fits[0].settings.loss == "log-huber"


@pytest.mark.parametrize(("settings", "said"), [
    ({"budgets": (1e9,)}, "buys nothing"),
    ({"budgets": (float("nan"),)}, "budgets"),
    ({"seed": -1}, "seed is -1"),
    ({"forms": ()}, "no form is given"),
    ({"forms": ("add", "add")}, "two forms are called"),
    ({"form": "nope"}, "unknown form"),
    ({"draws": 1}, "draws"),
    ({"starts": 0}, "starts"),
    ({"folds": 1}, "folds"),
    ({"level": 1.5}, "level"),
    ({"tolerance": 2.0}, "tolerance"),
    ({"n_eval": 0}, "n_eval"),
    ({"data_sizes": (-1.0,)}, "data_size is -1"),
    ({"predictor": "mean"}, "unknown predictor"),
    ({"lattice": "grid"}, "unknown lattice"),
    ({"loss": "l2"}, "loss"),
    ({"weights": {"nope": 1.0}}, "nope"),
    ({"encoder": (-1.0, 768.0)}, "encoder_params"),
])
def test_settings_that_cannot_be_used(study_of, grid, settings, said):
    with pytest.raises(InputError, match=said) as raised:
        study_of(grid(frames=(8,)), **settings)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("lattice", ["published", "deployable", "dense"])
def test_other_lattices(study_of, grid, lattice):
    study = study_of(grid(frames=(8,), data_size=(1e6,)), lattice=lattice)
    check(study)
    assert study.frontier.lattice.name.startswith(lattice)
    assert {p.configuration.frames for p in study.frontier.points} == {8}


def test_as_many_parameters_as_runs_is_said(study_of, grid):
    frame = grid().iloc[:5]
    study = study_of(frame, form="add")
    assert any("as many parameters as there are configurations" in note for note in study.notes)


def test_too_few_rows(study_of, grid):
    with pytest.raises(InputError, match="no form could be fitted"):
        study_of(grid().iloc[:2])


def test_same_seed_same_study(study_of, grid):
    one, two = study_of(grid(), seed=3), study_of(grid(), seed=3)
    assert [p.error for p in one.frontier.points] == [p.error for p in two.frontier.points]
    assert [p.new_low for p in one.frontier.points] == [p.new_low for p in two.frontier.points]
    assert one.elasticities == two.elasticities
