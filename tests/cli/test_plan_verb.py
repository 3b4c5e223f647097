"""From a plan to a fit on the command line: plan, sweep, status, retry, collect."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from cli_support import QUICK, QUICK_FIT, STANDIN, everything, small_plan, write_plan

from vidscale.design import join_designs, plan_text, star_design
from vidscale.runs.folder import prepare

SMALL = ("--lm-params", "1B,2.8B,7.5B", "--frames", "8,16,32", "--tokens-per-frame", "16,49,196")
JUDGED = ("--form", "mult", "--laws", "2", "--draws", "4", "--quiet")
SILENT = ("--laws", "0", "--quiet")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def standin(behaviours=None) -> str:
    Path("behaviours.json").write_text(json.dumps(behaviours or {}))
    return f"{{python}} {STANDIN} {{folder}} {Path.cwd() / 'log'} {Path.cwd() / 'behaviours.json'}"


def test_from_plan_to_fit(run):
    made = run("plan", "star", "isoflop", *SMALL, "--budgets", "15T,30T", "--centre-seeds", "1", "--out", "plan.toml",
               "--command", standin(), *SILENT)
    assert made.code == 0, made.err
    assert made.out.rstrip().splitlines()[-1] == "plan.toml"
    done = run("sweep", "plan.toml", "--workers", "2", "--json", "--quiet")
    assert done.code == 0, done.err
    count = json.loads(done.out)["counts"]["done"]
    assert count == len(tomllib.loads(Path("plan.toml").read_text())["runs"])
    assert run("collect", "plan-sweep", "--out", "table.csv", "--whole", "--quiet").code == 0
    compared = run("compare", "table.csv", *QUICK)
    assert compared.code == 0, compared.err
    assert "sweep=star" in compared.out
    assert run("fit", "table.csv", "--out", "fit.json", *QUICK_FIT).code == 0
    # The laws of that fit judge the next plan.
    again = run("plan", "star", *SMALL, "--fit", "fit.json", "--draws", "4", "--quiet")
    assert again.code == 0, again.err
    assert "average, ordering, reading" in again.out


def test_plan_prints_what_json_holds(run):
    arguments = ("plan", "star", *SMALL, *JUDGED)
    text, data = run(*arguments).out, json.loads(run(*arguments, "--json").out)
    assert len(data["runs"]) == 21
    assert data["training_flops"] == pytest.approx(sum(each["training_flops"] for each in data["runs"]))
    assert data["information"]["rank"] == {"median": 6.0, "low": 6.0, "high": 6.0}
    assert "rank 6 for 6 parameters" in text
    assert {each["name"] for each in data["information"]["exponents"]} == {"a_N", "a_T", "a_V", "d"}
    for each in data["runs"][:2]:
        assert each["run_id"] in run(*arguments, "--runs").out
    assert run(*arguments).out == text


def test_a_recipe_says_what_is_frozen_which_sizes_there_are_and_what_the_encoder_costs(run):
    Path("tower").mkdir()
    Path("recipe.toml").write_text("""schema = "vidscale-recipe"
version = 1
[model]
vision_tower = "tower"
trained = ["projector", "lm"]
[[model.language_models]]
lm_params = 1e9
folder = "small"
[[model.language_models]]
lm_params = 3e9
folder = "larger"
[data]
train = "train.json"
evaluation = "test.json"
videos = "."
""")
    ranges = ("--lm-params", "1B", "--frames", "8,16", "--tokens-per-frame", "4,16")
    data = json.loads(run("plan", "star", *ranges, "--recipe", "recipe.toml", "--out", "plan.toml", "--json",
                          *SILENT).out)
    assert data["frozen"] == ["encoder"]
    assert (data["encoder_params"], data["encoder_tokens"]) == (0.43e9, 768)
    assert any("the paper's encoder is priced" in note for note in data["notes"])
    vision = {"model_type": "siglip_vision_model", "hidden_size": 64, "image_size": 56, "intermediate_size": 128,
              "num_attention_heads": 2, "num_hidden_layers": 3, "patch_size": 14}
    Path("tower/config.json").write_text(json.dumps(vision))
    own = json.loads(run("plan", "grid", *ranges[2:], "--data-sizes", "1k", "--recipe", "recipe.toml", "--json",
                         *SILENT).out)
    assert {each["lm_params"] for each in own["runs"]} == {1e9, 3e9}
    layer = 4 * 64**2 + 2 * 64 * 128 + 5 * 64 + 128 + 4 * 64
    assert own["encoder_params"] == 3 * layer + 3 * 14**2 * 64 + 64 + 16 * 64 + 2 * 64
    assert (own["encoder_tokens"], own["notes"]) == (16, [])
    said = run("plan", "grid", *ranges[:4], "--tokens-per-frame", "25", "--recipe", "recipe.toml", *SILENT).refused()
    assert "has 4 × 4 patches; plan squares up to 16" in said
    said = run("plan", "grid", *ranges[:4], "--tokens-per-frame", "5", "--recipe", "recipe.toml", *SILENT).refused()
    assert "squares: 1, 4, 9, 16" in said
    Path("train.json").write_text("[{}, {}]")
    assert "holds 2 examples; plan sizes up to that" in run("plan", "grid", *ranges, "--data-sizes", "1k", "--recipe",
                                                            "recipe.toml", *SILENT).refused()
    Path("train.json").unlink()
    given = json.loads(run("plan", "grid", *ranges, "--data-sizes", "1k", "--recipe", "recipe.toml",
                           "--encoder-tokens", "20", "--json", *SILENT).out)
    assert (given["encoder_params"], given["encoder_tokens"]) == (own["encoder_params"], 20)
    assert tomllib.loads(Path("plan.toml").read_text())["recipe"] == "recipe.toml"
    assert "no language model of lm_params 2.8e+09" in run("plan", "star", "--lm-params", "1B,2.8B", "--recipe",
                                                           "recipe.toml", *SILENT).refused()


@pytest.mark.parametrize(("options", "said"), [
    (("circle",), "unknown design 'circle'"),
    (("star", "--frames", "few"), "--frames: 'few' is no number"),
    (("star", "--frames", "-4"), "positive"),
    (("star", "--frames", "1.5,2"), "whole numbers"),
    (("star", "--tokens-per-frame", "0.5"), "from 1 to"),
    (("star", "--lm-params", "1,2.8"), "write 1e9 or 1B"),
    (("grid", "--data-sizes", "1e-3"), "from 1 to"),
    (("star", "--frames", ","), "--frames"),
    (("star", "--seeds", "x"), "--seeds"),
    (("star", "--centre", "frames=4"), "lacks"),
    (("star", "--frozen", "head"), "frozen part 'head'"),
    (("star", "--command", "train"), "{folder}"),
    (("star", "--command", "train '{folder}"), "--command"),
    (("star", "--recipe", "absent.toml"), "absent.toml"),
    (("star", "--out", "plan.csv"), "plan.csv"),
    (("star", "--form", "cubic"), "unknown form 'cubic'"),
    (("star", "--fit", "absent.json"), "absent.json"),
    (("star", "--level", "2"), "level"),
    (("isoflop", "--tolerance", "2"), "tolerance"),
    (("isoflop", "--extend", "colour=3"), "colour"),
    (("isoflop", "--budgets", "1"), "they cost"),
    (("grid", "--dearest", "1"), "costs at most"),
])
def test_bad_plans_are_refused(run, options, said):
    before = everything(Path())
    assert said in run("plan", *options, "--laws", "1", "--draws", "2", "--quiet").refused()
    assert everything(Path()) == before


@pytest.mark.parametrize(("arguments", "said"), [
    (("sweep", "absent.toml"), "absent.toml"),
    (("sweep", "bare.toml"), "names no recipe"),
    (("sweep", "star.toml", "--executor", "abacus"), "unknown executor"),
    (("sweep", "star.toml", "--option", "num_gpus=1"), "--option is for ray and slurm"),
    (("sweep", "star.toml", "--executor", "ray", "--devices", "0"), "--devices"),
    (("sweep", "star.toml", "--out", "star.toml"), "is a file"),
    (("sweep", "star", "--out", "other"), "is the folder of a sweep already"),
    (("status", "."), "is no sweep"),
    (("retry", "star", "--run", "nothing"), "no run 'nothing'"),
    (("retry", "star", "--reason", "boredom"), "unknown reason"),
    (("collect", "star", "--out", "table.txt"), ".txt"),
    (("collect", "star", "--out", "table.csv"), "no run is done"),
])
def test_other_refusals(run, arguments, said):
    write_plan()
    Path("bare.toml").write_text(plan_text(join_designs([star_design()]), Path()))
    prepare(small_plan(), Path("star"))
    assert said in run(*arguments, "--quiet").refused()


def test_failed_runs_are_shown_and_tried_again(run):
    made = run("plan", "star", *SMALL, "--data-sizes", "1M", "--out", "p.toml", "--command", standin(), *SILENT)
    assert made.code == 0
    bad, worse, *_ = tomllib.loads(Path("p.toml").read_text())["runs"]
    standin({bad: "nan-loss", worse: "out-of-memory"})
    failed = run("sweep", "p.toml", "--out", "s", "--quiet")
    assert failed.code == 1
    shown = run("status", "s", "--json")
    data = json.loads(shown.out)
    assert data["counts"] == {"planned": 0, "running": 0, "interrupted": 0, "done": 5, "failed": 2}
    text = run("status", "s").out
    assert "nan-loss: as asked: nan-loss" in text
    assert "--whole" in run("collect", "s", "--out", "t.csv", "--whole").refused()
    part = run("collect", "s", "--out", "t.csv")
    assert part.code == 0
    assert "2 planned runs have no rows" in part.err
    assert "not failed" in run("retry", "s", "--run", data["runs"][3]["run_id"]).refused()
    standin()
    assert json.loads(run("retry", "s", "--reason", "nan-loss", "--json").out) == {"reset": [bad]}
    assert run("sweep", "s", "--quiet").code == 1
    assert json.loads(run("retry", "s", "--json").out) == {"reset": [worse]}
    assert run("sweep", "s", "--quiet").code == 0
    assert run("sweep", "s", "--quiet").code == 0


def test_prepare_only_makes_folders(run):
    assert run("plan", "star", *SMALL, "--out", "p.toml", "--command", standin(), *SILENT).code == 0
    assert run("sweep", "p.toml", "--out", "s", "--prepare").code == 0
    assert not Path("log").exists()
    assert json.loads(run("status", "s", "--json").out)["counts"]["planned"] == 21
    assert len(run("status", "s", "--all").out.splitlines()) > 21


def test_progress_and_plain_results_keep_to_their_streams(run):
    made = run("plan", "star", *SMALL, "--data-sizes", "1M", "--out", "p.toml", "--command", standin(), *SILENT)
    assert made.code == 0
    said = run("sweep", "p.toml", "--out", "s")
    assert said.code == 0
    assert "7 of 7: " in said.err
    assert " of 7: " not in said.out
    assert "done" in said.out


def test_failed_runs_get_a_plan_of_their_own_with_another_recipe(run):
    Path("recipe.toml").write_text("rate = 1\n")
    made = run("plan", "star", *SMALL, "--data-sizes", "1M", "--out", "p.toml", "--command", standin(), *SILENT)
    assert made.code == 0, made.err
    Path("p.toml").write_text(Path("p.toml").read_text().replace("[cost]", 'recipe = "recipe.toml"\n\n[cost]', 1))
    bad, *_ = tomllib.loads(Path("p.toml").read_text())["runs"]
    standin({bad: "nan-loss"})
    said = run("sweep", "p.toml", "--out", "s", "--quiet")
    assert said.code == 1
    assert "1 run failed. Once what failed them is mended, `vidscale retry s` and `vidscale sweep s` try" in said.out
    assert "`vidscale retry s`" in run("status", "s").out
    standin()
    Path("recipe.toml").write_text("rate = 0.5\n")
    assert "changed since the run was planned" in run("retry", "s").refused()
    assert json.loads(run("status", "s", "--json").out)["counts"]["failed"] == 1
    Path("slower.toml").write_text("rate = 0.1\n")
    assert "go together" in run("retry", "s", "--recipe", "slower.toml").refused()
    assert "is missing" in run("retry", "s", "--recipe", "absent.toml", "--out", "rest.toml").refused()
    planned = run("retry", "s", "--recipe", "slower.toml", "--out", "rest.toml")
    assert planned.code == 0, planned.err
    assert planned.out.splitlines()[0] == "rest.toml"
    assert list(tomllib.loads(Path("rest.toml").read_text())["runs"]) == [bad]
    assert "is there already" in run("retry", "s", "--recipe", "slower.toml", "--out", "rest.toml").refused()
    assert run("sweep", "rest.toml", "--out", "rest-sweep", "--quiet").code == 0
    joined = run("collect", "s", "rest-sweep", "--out", "t.csv", "--whole")
    assert joined.code == 0, joined.err
    assert "made by 2 recipes (column recipe_hash)" in joined.err


def test_a_done_run_with_damaged_rows_is_retried_as_advised(run):
    write_plan()
    assert run("sweep", "star.toml", "--out", "s", "--quiet").code == 0
    first = small_plan().runs[0].run_id
    assert "done with rows that can be read, not failed" in run("retry", "s", "--run", first).refused()
    assert "no run failed" in run("retry", "s").out
    Path("s/runs", first, "rows.csv").write_text("")
    assert f"`vidscale retry s --run {first}`" in run("collect", "s", "--out", "t.csv").refused()
    assert json.loads(run("retry", "s", "--run", first, "--json").out) == {"reset": [first]}
    assert run("sweep", "s", "--quiet").code == 0
    assert run("collect", "s", "--out", "t.csv", "--whole", "--quiet").code == 0


def test_a_second_interrupt_says_what_becomes_of_the_runs(tmp_path):
    log = tmp_path / "log"
    Path("behaviours.json").write_text(json.dumps({"pace": 0.2}))
    lattice_plan = replace(small_plan(), command=("{python}", str(STANDIN), "{folder}", str(log),
                                                  str(tmp_path / "behaviours.json")))
    Path("p.toml").write_text(plan_text(lattice_plan, Path.cwd()))
    Path("behaviours.json").write_text(json.dumps(
        {"pace": 0.2, **{each.run_id: "deaf" for each in lattice_plan.runs}}))
    started = subprocess.Popen([sys.executable, "-m", "vidscale.cli", "sweep", "p.toml", "--out", "s", "--grace", "3"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: log.exists() and "step-2" in log.read_text())
    pid = int(log.read_text().split()[2])
    try:
        for _ in range(2):
            time.sleep(0.3)
            started.send_signal(signal.SIGINT)
        out, err = started.communicate(timeout=30)
    finally:
        os.kill(pid, signal.SIGKILL)
    assert started.returncode == 130
    assert "nothing was written" not in out + err
    assert "the same command goes on with them" in err


def until(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
