"""Every verb: help, a documented example that runs, a table and the same data as JSON."""

import json
import re
import shlex
from dataclasses import fields

import pandas as pd
import pytest
from cli_support import QUICK, QUICK_FIT, everything, make_failed_sweep, make_results, make_sweep, write_plan

from vidscale.cli import app as application
from vidscale.cli.app import VERBS
from vidscale.cli.options import Asking, Choosing, Fitting, Predicting
from vidscale.report.numbers import examples, interval, params, percent, plain, tera
from vidscale.study import StudySettings

#: What keeps documented examples quick where they fit something.
SMALL = {"study": ("--forms", "mult,add", *QUICK[2:]), "fit": QUICK[2:6], "compare": QUICK[2:], "predict": QUICK[2:6],
         "frontier": QUICK[2:6], "recommend": QUICK[2:6],
         "serve": QUICK[2:6], "elasticity": QUICK[2:6], "plan": ("--laws", "2", "--draws", "4")}

#: What must be there before a documented example can run.
BEFORE = {"import": make_results, "sweep": write_plan, "status": make_sweep, "retry": make_failed_sweep,
          "collect": make_sweep}


def documented(verb) -> list[str]:
    return re.findall(r"^ +(vidscale .+)$", verb.__doc__, flags=re.MULTILINE)


def cells(text: str) -> set[str]:
    return {cell for line in text.splitlines() for cell in re.split(r" {2,}", line.strip())}


@pytest.mark.parametrize("verb", VERBS, ids=[v.__name__ for v in VERBS])
def test_every_verb_has_help_with_an_example(run, verb):
    said = run(verb.__name__, "--help")
    assert said.code == 0
    assert said.out.startswith(f"Usage: vidscale {verb.__name__}")
    assert documented(verb)
    for example in documented(verb):
        assert example in said.out


@pytest.mark.parametrize("verb", VERBS, ids=[v.__name__ for v in VERBS])
def test_documented_examples_run(run, tmp_path, monkeypatch, verb):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vidscale.serve.run.run", lambda app, bound: None)  # it would serve until interrupted
    BEFORE.get(verb.__name__, lambda: None)()
    for example in documented(verb):
        said = run(*shlex.split(example)[1:], *SMALL.get(verb.__name__, ()))
        if verb.__name__ == "calibrate":  # needs a GPU: tests/cost/test_calibration.py has what can be tried without
            assert said.code in (0, 2), said.err
            continue
        assert said.code == 0, said.err
        assert said.out.strip()
        assert "\x1b" not in said.out


def test_help_lists_every_verb_and_reads_whole(run):
    said = run("--help")
    assert said.code == 0
    for verb in VERBS:
        assert re.search(rf"^  {verb.__name__} +\S", said.out, flags=re.MULTILINE)
    assert "..." not in said.out.partition("Commands:")[2]
    assert run().out == said.out
    assert run("--version").out.startswith("vidscale ")


def test_options_have_the_defaults_of_the_library():
    library = {f.name: getattr(StudySettings(), f.name) for f in fields(StudySettings)}
    options = {f.name: getattr(group, f.name) for group in (Fitting(), Choosing(), Asking(), Predicting())
               for f in fields(group)}
    options["tolerance"] = options.pop("near")
    shared = set(library) & set(options) - {"forms"}
    assert shared == {"form", "split", "folds", "draws", "loss", "delta", "starts", "seed", "lattice", "current",
                      "tolerance", "predictor", "level", "n_eval"}
    assert {name: options[name] for name in shared} == {name: library[name] for name in shared}


def both(run, *arguments):
    """(text, parsed JSON) of one command."""
    shown, data = run(*arguments), run(*arguments, "--json")
    assert (shown.code, data.code) == (0, 0), shown.err + data.err
    return shown.out, json.loads(data.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def shows_points(text, points):
    for p in points:
        error, mean = interval(p["error"], p["mean_low"], p["mean_high"], 100)
        _, new = interval(p["error"], p["new_low"], p["new_high"], 100)
        x = p["configuration"]
        row = [*([examples(p["data_size"])] if p["data_size"] else []), tera(p["budget"]), params(x["lm_params"]),
               plain(x["frames"], 4), plain(x["tokens_per_frame"], 4), tera(p["cost"]), percent(p["encoder_share"]),
               error, mean, new]
        assert re.search(" +".join(re.escape(cell) for cell in row), text), row


def test_study_prints_what_json_holds(run, table, tmp_path):
    text, data = both(run, "study", table, "--out", "answer", *QUICK)
    assert text.rstrip().splitlines()[-2:] == ["answer/summary.md", "answer/report.html"]
    assert data["reason"] in text
    assert data["form"] == "add"
    lead = [p for p in data["frontier"]["points"] if p["target"] == "average"]
    assert lead
    shows_points(text, lead)
    shown = cells(text)
    for report in (r for r in data["elasticity"]["reports"] if r["target"] == "average"):
        assert f"{report['estimator']}" in text
        for factor in report["factors"]:
            value, span = interval(*(0.0 if abs(factor[k]) < 1e-9 else factor[k] for k in ("value", "low", "high")))
            assert {value, span} <= shown
    for note in data["notes"]:
        assert note in text
    for file in data["files"]:
        assert (tmp_path / file).is_file()
    assert {"answer/fit.json", "answer/summary.md"} <= set(everything(tmp_path))
    assert "8 more" not in text
    assert "2 more targets" in text


def test_study_shows_every_target_asked_for(run, table):
    text = run("study", table, "--task", "ordering", "--task", "reading", *QUICK).out
    for target in ("average", "ordering", "reading"):
        assert f"Frontier, {target}: small" in text


def test_synthetic_measurements_are_called_so_in_every_title(run):
    text = run("frontier", "paper-design", *QUICK_FIT).out
    titles = [line for line in text.splitlines() if "paper-design" in line]
    assert len(titles) >= 3
    assert all("(synthetic)" in line for line in titles)


def test_a_study_without_data_sizes_says_so(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, data = both(run, "study", "li2024", *QUICK)
    assert "no elasticity: data_size does not vary" in text
    assert data["elasticity"] == {"reason": "no elasticity: data_size does not vary", "reports": []}
    assert (tmp_path / "li2024-study" / "summary.md").is_file()


def test_fit_prints_what_json_holds(run, table):
    text, data = both(run, "fit", table, "--out", "fit.json", *QUICK_FIT)
    assert text.rstrip().splitlines()[-1] == "fit.json"
    lead = data["fits"][0]
    assert lead["formula"] in text
    assert lead["status_sentence"] in text
    for name, value in lead["parameters"].items():
        span = lead["profile_intervals"].get(name)
        shown = interval(value, span["low"], span["high"]) if span else ("", "")
        assert re.search(rf"^{name} +{re.escape(shown[0])} +{re.escape(shown[1])}", text, flags=re.MULTILINE)


def test_compare_prints_what_json_holds(run, table):
    text, data = both(run, "compare", table, *QUICK, "--split", "data_size<=3e5")
    assert data["comparison"]["extrapolation"] in text
    for score in data["comparison"]["scores"]:
        if score["target"] == "average":
            assert f"{score['r2']:.3f}" in text


@pytest.mark.parametrize("source", ["table", "fit", "folder"])
def test_predict_and_frontier_from_every_source(run, table, source):
    fit = QUICK_FIT
    if source != "table":
        fit = ("--quiet",)
        assert run("fit", table, "--out", "fit.json", *QUICK_FIT).code == 0
        given = "fit.json"
        if source == "folder":
            assert run("study", table, "--out", "answer", *QUICK).code == 0
            given = "answer"
    else:
        given = table
    text, data = both(run, "predict", given, "--at", "lm_params=4B,frames=10,tokens_per_frame=64,data_size=500k", *fit)
    assert {p["target"] for p in data["predictions"]} == {"average", "ordering", "reading"}
    for p in data["predictions"]:
        assert p["mean_low"] < p["error"] < p["mean_high"]
        assert p["new_low"] < p["mean_low"]
        assert set(interval(p["error"], p["mean_low"], p["mean_high"], 100)) <= cells(text)
    text, data = both(run, "frontier", given, "--budget", "15T", "--data-size", "1M", "--task", "reading", *fit)
    assert [p["target"] for p in data["frontier"]["points"]] == ["reading"]
    shows_points(text, data["frontier"]["points"])


def test_points_from_a_file(run, table, tmp_path):
    points = pd.DataFrame({"lm_params": [1e9, 7.5e9], "frames": [4, 64], "tokens_per_frame": [16, 16],
                           "data_size": [1e6, 1e6]})
    points.to_csv("points.csv", index=False)
    text, data = both(run, "predict", table, "--points", "points.csv", "--task", "ordering", *QUICK_FIT)
    assert len(data["predictions"]) == 2
    assert not data["predictions"][0]["outside"]
    assert data["predictions"][1]["outside"][0] in text


def test_frontier_with_everything_asked(run, table):
    text, data = both(run, "frontier", table, "--budget", "8T", "--budget", "30e12", "--data-size", "1M",
                      "--lattice", "dense", "--fix", "lm_params=7.5B", "--predictor", "bagged", "--near", "0.05",
                      "--n-eval", "500", *QUICK_FIT)
    points = data["frontier"]["points"]
    lead = [p for p in points if p["target"] == "average"]
    assert {p["configuration"]["lm_params"] for p in points} == {7.5e9}
    assert {p["n_eval"] for p in points} == {500}
    assert all(p["continuous"] is None for p in points)
    assert all(p["cost"] <= p["budget"] for p in points)
    shows_points(text, lead)
    assert "bagged predictor" in text


def test_frontier_against_what_runs_now(run, table):
    now = "lm_params=1e9,frames=16,tokens_per_frame=49"
    text, data = both(run, "frontier", table, "--current", now, "--budget", "20T", *QUICK_FIT)
    assert "Configuration in use: small" in text
    assert {c["target"] for c in data["current"]} == {"average", "ordering", "reading"}
    assert all(c["same_budget_error"] <= c["error"] for c in data["current"])


def test_elasticity_prints_what_json_holds(run, table):
    text, data = both(run, "elasticity", table, *QUICK_FIT)
    lead = [r for r in data["elasticity"]["reports"] if r["target"] == "average"]
    assert {r["kind"] for r in lead} == {"lattice", "continuous"}
    assert all(r["estimator"] in text for r in lead)


def test_cost_shows_the_bias_of_leaving_the_encoder_out(run):
    text, data = both(run, "cost", "--at", "lm_params=7.5e9,frames=32,tokens_per_frame=196")
    (row,) = data["configurations"]
    assert row["inference_flops"] == pytest.approx(115.21536e12)
    assert row["encoder_flops"] + row["lm_flops"] == pytest.approx(row["inference_flops"])
    assert row["lm_only_bias"] == pytest.approx(-row["encoder_share"])
    assert {"115.2", "21.14", "94.08", "18.3", "-18.3"} <= cells(text)
    text, data = both(run, "cost", "--at", "lm_params=1e9,frames=1,tokens_per_frame=1", "--encoder-params", "1e9",
                      "--encoder-tokens", "9")
    assert data["configurations"][0]["encoder_share"] == pytest.approx(0.9)


def test_forms_and_datasets_and_template(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, data = both(run, "forms")
    assert [f["name"] for f in data["forms"]] == ["mult", "add", "add-interact-s", "add-interact", "chinchilla", "li"]
    assert all(f["text"] in text for f in data["forms"])
    (tmp_path / "mine.toml").write_text('name = "mine"\n[[terms]]\ncoefficient = "g"\n'
                                        'exponents = { frames = "-p", tokens_per_frame = "-q" }\n')
    text, data = both(run, "forms", "mine.toml")
    assert data["latex"] in text
    assert data["bounds"] == {"g": [0.0, None], "p": [0.0, 3.0], "q": [0.0, 3.0]}
    text, data = both(run, "datasets")
    assert [d["name"] for d in data["datasets"]] == ["li2024", "paper-design", "shapes-h200"]
    assert "paper-design (synthetic)" in text
    assert run("datasets", "li2024", "--out", "li.csv").code == 0
    assert run("compare", "li.csv", "--metric", "score", *QUICK).code == 0
    text, data = both(run, "template", "--describe")
    assert all(column["meaning"] in text for column in data["columns"])
    assert run("template").out.startswith("lm_params,frames,tokens_per_frame,data_size")


def test_declarations_reach_the_reader(run, table, frame):
    foreign = frame.rename(columns={"error": "acc"}).assign(
        acc=lambda f: 100 * (1 - f.acc), lm_params=lambda f: f.lm_params / 1e9, data_size=lambda f: f.data_size / 1e6)
    foreign.to_csv("foreign.csv", index=False)
    ours = run("fit", table, "--json", *QUICK_FIT)
    theirs = run("fit", "foreign.csv", "--map", "error=acc", "--metric", "score", "--unit", "score=percent", "--unit",
                 "lm_params=B", "--unit", "data_size=M", "--json", *QUICK_FIT)
    assert theirs.code == 0, theirs.err
    first, second = (json.loads(said.out)["fits"][0]["parameters"] for said in (ours, theirs))
    assert second == pytest.approx(first, rel=1e-6)


def test_an_internal_error_is_one_line(run, monkeypatch, table):
    def broken(*arguments, **named):
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr("vidscale.cli.source.read_table", broken)
    said = run("compare", table)
    assert said.code == 1
    assert said.err == ("internal error: ZeroDivisionError: two lines (run with VIDSCALE_TRACEBACK=1 for details)\n")
    monkeypatch.setenv(application.TRACEBACK, "1")
    with pytest.raises(ZeroDivisionError):
        application.main(["compare", table])
