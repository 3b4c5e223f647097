"""Costs on the command line: every verb takes them, in their own units, and says what it left out."""

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from cli_support import QUICK, QUICK_FIT

from vidscale.cli.options import Costing
from vidscale.cli.source import cost_settings
from vidscale.cli.words import RANGES, budget, factor_value
from vidscale.cost.constraints import parse_limit
from vidscale.cost.deployment import CostSettings
from vidscale.errors import InputError
from vidscale.measurements.check import _BOUNDS
from vidscale.study.store import load_model

SMALL = ("--forms", "add", *QUICK[2:])
H200 = ("--cost", "latency", "--gpu", "h200", "--output-tokens", "8")


@pytest.fixture
def saved(run, table):
    """A fit of the small table, saved."""
    assert run("fit", table, "--out", "fit.json", *QUICK_FIT).code == 0
    return "fit.json"


def answer(run, *arguments):
    said = run(*arguments, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_a_frontier_in_milliseconds(run, saved):
    data = answer(run, "frontier", saved, *H200, "--budget", "60ms", "--limit", "ttft<=40ms", "--data-size", "1M", "-q")
    frontier = data["frontier"]
    assert (frontier["unit"], frontier["no_convex_optimum"]) == ("s", "latency cost is no posynomial")
    assert {p["budget"] for p in frontier["points"]} == {0.06}
    assert all(p["cost"] <= 0.06 and p["continuous"] is None for p in frontier["points"])
    assert [each["kind"] for each in frontier["limits"]] == ["ttft", "memory"]
    text = run("frontier", saved, *H200, "--budget", "60ms", "--data-size", "1M")
    assert "Planned by FLOPs instead, average, data size 1M" in text.out
    assert "budget (ms)" in text.out
    assert "at equal latency" in text.out
    assert "note: no convex optimum and no certificate: latency cost is no posynomial" in text.err
    assert "text tokens, until output token 8, on one H200" in text.err


def test_elasticity_by_the_lattice_alone(run, saved):
    data = answer(run, "elasticity", saved, "--cost", "dollars", "--gpu", "l4", "--price", "$0.7", "--batch", "4",
                  "--task", "average")
    assert {r["kind"] for r in data["elasticity"]["reports"]} == {"lattice"}
    assert any("elasticities by the lattice estimator only" in note for note in data["notes"])
    assert any("$0.7 per GPU-hour" in note for note in data["notes"])
    assert "$ per 1M videos" in data["elasticity"]["reports"][0]["estimator"]


def test_predictions_have_costs(run, saved):
    at = ("--at", "lm_params=7.5B,frames=16,tokens_per_frame=100,data_size=1M")
    flops = answer(run, "predict", saved, *at)
    assert flops["unit"] == "FLOPs"
    assert {p["cost"] for p in flops["predictions"]} == {2 * (7.5e9 * 1600 + 0.43e9 * 768 * 16)}
    far = ("--at", "lm_params=7.5B,frames=16,tokens_per_frame=100,data_size=1")
    timed = answer(run, "predict", saved, *at, *far, *H200, "--limit", "memory<=17GB", "--task", "average")
    assert (timed["cost"], timed["unit"]) == ("latency (memory <= 17 GB)", "s")
    assert 0.01 < timed["predictions"][0]["cost"] < 1
    assert "memory <= 17 GB: it takes" in timed["predictions"][0]["limits_broken"][0]
    assert timed["predictions"][1]["error"] > 1
    assert any("1 of 2 predicted errors are above 100 %" in note for note in timed["notes"])
    text = run("predict", saved, *at, *H200, "--limit", "memory<=17GB", "-q").out
    assert "cost (ms)" in text
    assert "lm_params 7.5B, frames 16, tokens_per_frame 100 breaks memory <= 17 GB" in text


def test_no_cost_where_a_factor_is_unknown(run, tmp_path, monkeypatch, frame):
    monkeypatch.chdir(tmp_path)
    frame[frame.frames == 8].drop(columns="frames").to_csv("few.csv", index=False)
    data = answer(run, "predict", "few.csv", "--at", "lm_params=1e9,tokens_per_frame=49,data_size=1M", *QUICK_FIT)
    assert {p["cost"] for p in data["predictions"]} == {None}
    assert any("no cost where frames is not known: add frames=" in note for note in data["notes"])


def test_a_saved_study_answers_in_its_own_cost_and_in_others(run, table):
    said = run("study", table, "--out", "answer", "--task", "ordering", *H200, "--limit", "latency<=100ms", *SMALL)
    assert said.code == 0, said.err
    stored = load_model("answer/fit.json").cost_settings
    assert stored == CostSettings(kind="latency", gpu="h200", output_tokens=8, limits=(parse_limit("latency<=100ms"),))
    content = json.loads(Path("answer/study.json").read_text(encoding="utf-8"))
    assert content["settings"]["cost"]["kind"] == "latency"
    assert answer(run, "frontier", "answer", "-q")["frontier"]["unit"] == "s"
    assert answer(run, "frontier", "answer", "--cost", "flops", "--budget", "15 T",
                  "-q")["frontier"]["points"][0]["continuous"] is not None
    # Another cost of the same deployment keeps its GPU and its limits.
    dollars = answer(run, "frontier", "answer", "--cost", "dollars", "-q")["frontier"]
    assert dollars["unit"] == "USD per million videos"
    assert [each["kind"] for each in dollars["limits"]] == ["latency", "memory"]
    assert dollars["limits"][1]["value"] == 141e9


def test_options_are_laid_over_a_saved_cost():
    stored = CostSettings(kind="dollars", gpu="h200", price=2.0, batch=4, limits=(parse_limit("latency<=1s"),))
    assert cost_settings(Costing(), stored) == stored
    assert cost_settings(Costing(batch=8), stored).batch == 8
    assert cost_settings(Costing(cost="flops"), stored) == CostSettings()
    # Another GPU has another price and profile.
    other = cost_settings(Costing(gpu="l4"), stored)
    assert (other.gpu, other.price, other.batch) == ("l4", None, 4)
    assert cost_settings(Costing(profile="h100"), stored).gpu is None
    named = {f.name for f in fields(Costing)} - {"cost", "limit", "encoder_params", "encoder_tokens"}
    assert named == {f.name for f in fields(CostSettings)} - {"kind", "limits", "encoder"}


@pytest.mark.parametrize(("options", "said"), [
    (("--budget", "15e12,30e12"), "repeat it: --budget 15e12 --budget 30e12"),
    (("--budget", "500ms"), "is a time"),
    (("--cost", "latency"), "needs a GPU: name one with --gpu (A100-80G"),
    (("--cost", "latency", "--gpu", "v100"), "unknown GPU 'v100'"),
    (("--cost", "speed"), "unknown cost 'speed'"),
    ((*H200, "--budget", "15e12"), "has no unit"),
    ((*H200, "--budget", "$20"), "amount of money"),
    ((*H200, "--budget", "1us"), "costs"),
    ((*H200, "--limit", "latency<=1ms"), "excludes 27 of 27"),
    ((*H200, "--limit", "latency"), "KIND<=AMOUNT"),
    ((*H200, "--model", "gpt"), "no ladder 'gpt'"),
    ((*H200, "--profile", "absent.json"), "absent.json"),
    ((*H200, "--current", "lm_params=1e9,frames=8,tokens_per_frame=2000"), "at most 729 tokens"),
    ((*H200, "--price", "2"), "--price changes nothing"),
    (("--batch", "4"), "--batch changes nothing"),
    (("--output-tokens", "4"), "--output-tokens changes nothing"),
    (("--limit", "latency<=20ms"), "a limit on latency needs a GPU"),
    (("--price", "cheap"), "--price"),
    (("--encoder-params", "0.43"), "that is 0.43 parameters; write 0.43e9 or 0.43B"),
    (("--encoder-tokens", "0.5"), "allowed are numbers from 1"),
    (("--fix", "lm_params=7.5"), "that is 7.5 parameters; write 7.5e9 or 7.5B"),
    (("--fix", "frames=16.5"), "frames is 16.5; allowed are whole numbers from 1"),
    (("--current", "lm_params=7.5,frames=8,tokens_per_frame=49"), "write 7.5e9 or 7.5B"),
    (("--data-size", "0.5"), "allowed are numbers from 1"),
])
def test_what_cannot_be_asked_is_one_line_before_any_fit(run, table, options, said):
    assert said in run("study", table, "--quiet", *options).refused()


@pytest.mark.parametrize("verb", ["frontier", "elasticity", "predict"])
def test_other_verbs_refuse_as_early(run, table, verb):
    extra = ("--at", "lm_params=1e9,frames=8,tokens_per_frame=16,data_size=1e6") if verb == "predict" else ()
    assert "needs a GPU" in run(verb, table, *extra, "--cost", "ttft", "--quiet").refused()


@pytest.mark.parametrize(("content", "said"), [
    ("lm_params,tokens_per_frame\n7.5,64\n", "write 7.5e9 or 7.5B"),
    ("lm_params,frames\n1e9,16.5\n", "whole numbers"),
])
def test_points_files_have_the_same_ranges(run, tmp_path, monkeypatch, content, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "points.csv").write_text(content)
    assert said in run("predict", "li2024", "--points", "points.csv", "--quiet").refused()


def test_current_off_the_lattice_is_answered_with_a_note(run, saved):
    now = ("--current", "lm_params=7e9,frames=10,tokens_per_frame=64")
    said = run("frontier", saved, *now, "--budget", "20T", "--data-size", "1M")
    assert said.code == 0, said.err
    assert "Configuration in use" in said.out
    assert "note: the configuration in use is none of lattice 'measured levels'" in said.err


def test_ranges_are_those_of_a_table():
    for name, bound in _BOUNDS.items():
        assert RANGES[name] == (bound.least, bound.most)
    assert factor_value("frames", 16.0, "--at") == 16
    for name, (low, high) in RANGES.items():
        assert [factor_value(name, value, "x") for value in (low, high)] == [low, high]
        for value in (low * 0.5, high * 2, -1.0, np.nan):
            with pytest.raises(InputError, match=name):
                factor_value(name, value, "x")


def test_budgets():
    assert budget("15 T", "FLOPs") == 15e12
    assert budget("0.5s", "s") == 0.5
    with pytest.raises(InputError, match="--budget 10ms --budget 20ms"):
        budget("10ms, 20ms", "s")
