"""A study in another cost: what it answers, says and stores."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest

from vidscale.cost import PaperCost
from vidscale.cost.constraints import Limit
from vidscale.cost.deployment import CostSettings
from vidscale.errors import InputError
from vidscale.measurements import read_measurements
from vidscale.space import ScalingFactors
from vidscale.study import StudySettings, cost_model, frontier_report, make_lattice, no_continuous, run_study
from vidscale.study.store import load_model, model_content, save_model


@pytest.fixture(scope="module")
def latency_study():
    """A study of a small grid whose budget is latency, with a limit that excludes the largest choices."""
    names = ("lm_params", "frames", "tokens_per_frame", "data_size")
    grid = itertools.product((1e9, 3e9, 8e9), (4, 8, 16), (16, 49, 196), (2.5e5, 1e6))
    frame = pd.DataFrame(grid, columns=list(names))
    noise = np.exp(0.01 * np.random.default_rng(0).standard_normal(len(frame)))
    frame["error"] = (0.1 * (frame["lm_params"] / 1e9) ** -0.5 + 0.3 * frame["frames"] ** -0.6 + 0.15
                      + 0.3 * frame["tokens_per_frame"] ** -0.4 + 0.1 * (frame["data_size"] / 1e6) ** -0.3) * noise
    limits = (Limit(kind="flops", value=4e13),)
    settings = StudySettings(forms=("add",), draws=6, starts=4, folds=3,
                             current=ScalingFactors(lm_params=8e9, frames=16, tokens_per_frame=196),
                             cost=CostSettings(kind="latency", gpu="h200", output_tokens=8, limits=limits))
    return run_study(read_measurements(frame, name="grid"), settings)


def test_everything_keeps_to_budget_and_limits(latency_study):
    report = latency_study.frontier
    assert (report.unit, report.excluded) == ("s", report.limits[0].count)
    assert 0 < report.excluded < len(report.lattice)
    for p in report.points:
        x = np.array([list(p.configuration)])
        assert p.cost <= p.budget * (1 + 1e-12)
        assert PaperCost().cost(x)[0] <= 4e13
        assert p.continuous is None
        assert all(t.cost <= p.budget * (1 + 1e-12) for t in p.ties)
        assert 0 < p.encoder_share < 1
    for (target, size), found in report.regret.items():
        points = [p for p in report.points if (p.target, p.data_size) == (target, size)]
        assert [p.error for p in points] == found.best_error.tolist()
        assert [p.cost for p in points] == found.best_cost.tolist()
        assert np.all(found.planned_error <= found.best_error)


def test_it_says_what_is_missing_and_why(latency_study):
    said = " ".join(latency_study.notes)
    assert "no convex optimum and no certificate: latency cost is no posynomial; the lattice search is exact" in said
    assert "elasticities by the lattice estimator only" in said
    assert "flops <= 40 TFLOPs excludes" in said
    assert "memory <= 141 GB (all of one H200) excludes 0 of 27" in said
    assert "decoding and resizing the video on the CPU are not in it" in said
    assert {e.kind for e in latency_study.elasticities} == {"lattice"}
    assert all("ms, 100 data sizes" in e.estimator for e in latency_study.elasticities)


def test_what_breaks_a_limit_has_an_alternative(latency_study):
    for said in latency_study.current:
        assert said.same_budget != said.configuration
        assert said.accuracy_gain < 0  # what is in use predicts less error, and is not allowed
        assert any("the configuration in use breaks flops <= 40 TFLOPs: it takes 60.74 TFLOPs" in o
                   for o in said.outside)


def test_the_study_remembers_its_cost(latency_study, tmp_path):
    save_model(latency_study.model, tmp_path / "fit.json")
    assert load_model(tmp_path / "fit.json").cost_settings == latency_study.settings.cost
    content = json.loads((tmp_path / "fit.json").read_text())
    assert content["version"] == 2
    content["cost"]["kind"] = "speed"
    (tmp_path / "fit.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="unknown cost 'speed'"):
        load_model(tmp_path / "fit.json")


@pytest.mark.parametrize(("key", "value"), [
    ("batch", 1.5), ("batch", 0), ("model", None), ("gpu", 3), ("limits", [{"kind": "x", "value": 1}]),
    ("limits", [{"kind": "ttft"}]), ("limits", "none"), ("price", "much"), ("price", -1), ("encoder", [1]),
    ("output_tokens", None), ("colour", 1),
])
def test_a_stored_cost_is_checked_field_by_field(latency_study, tmp_path, key, value):
    content = model_content(latency_study.model)
    content["cost"][key] = value
    (tmp_path / "fit.json").write_text(json.dumps(content))
    with pytest.raises(InputError) as raised:
        load_model(tmp_path / "fit.json")
    assert "\n" not in str(raised.value)


def test_the_papers_cost_is_not_stored(study_of, grid, tmp_path):
    study = study_of(grid(frames=(8,), data_size=(1e6,)), forms=("add",))
    content = model_content(study.model)
    assert (content["version"], "cost" in content) == (1, False)
    assert study.frontier.regret == {}
    assert study.frontier.limits == ()
    assert no_continuous(study.frontier.cost_model) is None


def test_another_cost_for_the_same_laws(latency_study):
    """The same fit answers in FLOPs, with its continuous optimum, and in dollars."""
    model = latency_study.model
    lattice = make_lattice(model, "measured")
    flops = frontier_report(model, lattice, cost_model(model), np.array([1e13, 3e13]), np.array([1e6]))
    assert all(p.continuous is not None for p in flops.points)
    dollars = cost_model(model, None, CostSettings(kind="dollars", gpu="l4", price=0.7))
    report = frontier_report(model, lattice, dollars, np.array([500.0]), np.array([1e6]))
    assert report.unit == "USD per million videos"
    assert report.points[0].cost <= 500


def test_errors_above_one_are_said(latency_study):
    model = latency_study.model
    lattice = make_lattice(model, "measured")
    report = frontier_report(model, lattice, cost_model(model), np.array([3e13]), np.array([1e-3, 1e6]))
    assert any("1 of 2 recommendations predict an error above 100 %" in note for note in report.notes)


def test_current_off_the_lattice_is_said(study_of, grid):
    study = study_of(grid(), forms=("add",), current=ScalingFactors(lm_params=7e9, frames=10, tokens_per_frame=64))
    said = "the configuration in use is none of lattice 'measured levels'"
    assert any(said in note for note in study.notes)
    inside = study_of(grid(), forms=("add",), current=ScalingFactors(lm_params=8e9, frames=8, tokens_per_frame=49))
    assert not any(said in note for note in inside.notes)
