"""Reports in other units than FLOPs: every amount carries its unit, and what is not there is said."""

import csv
import io
import itertools
import json

import numpy as np
import pandas as pd
import pytest

from vidscale.cost.constraints import Limit
from vidscale.cost.deployment import CostSettings
from vidscale.measurements import read_measurements
from vidscale.report import tables, write_study
from vidscale.report.frontier_figures import elasticity_figure, error_figure, paths_figure
from vidscale.report.numbers import amount, chance, still, with_unit
from vidscale.report.plain import frontier_dict
from vidscale.report.regret import regret_table
from vidscale.report.style import png
from vidscale.study import StudySettings, run_study


@pytest.fixture(scope="module")
def deployed():
    """A table with an isoFLOP sweep, studied by latency under a limit."""
    grid = itertools.product((1e9, 2.8e9, 7.5e9), (4, 8, 16), (16, 49, 196), (2.5e5, 1e6))
    frame = pd.DataFrame(grid, columns=["lm_params", "frames", "tokens_per_frame", "data_size"])
    frame["sweep"] = np.where(frame.index % 2, "star", "isoflop")
    noise = np.exp(0.01 * np.random.default_rng(0).standard_normal(len(frame)))
    frame["error"] = (0.1 * (frame["lm_params"] / 1e9) ** -0.5 + 0.3 * frame["frames"] ** -0.6 + 0.15
                      + 0.3 * frame["tokens_per_frame"] ** -0.4 + 0.1 * (frame["data_size"] / 1e6) ** -0.3) * noise
    cost = CostSettings(kind="latency", gpu="h200", output_tokens=8, limits=(Limit(kind="memory", value=18e9),))
    return run_study(read_measurements(frame, name="grid"),
                     StudySettings(forms=("add",), draws=6, starts=4, folds=3, split="none", cost=cost))


@pytest.fixture(scope="module")
def folder(deployed, tmp_path_factory):
    path = tmp_path_factory.mktemp("deployed")
    write_study(deployed, path)
    return path


def rows(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_columns_carry_the_unit(deployed, folder):
    table = tables.frontier_table(deployed.frontier, title="t", target="task")
    headers = [c.header for c in table.columns]
    assert {"budget (ms)", "cost (ms)", "encoder (% of cost)"} <= set(headers)
    assert not any("FLOPs" in header for header in headers)
    first = next(p for p in deployed.frontier.points)
    assert table.rows[0][1] == amount(first.budget, "s")
    for row, p in zip(rows(folder / "frontier.csv"), deployed.frontier.points, strict=True):
        assert (float(row["budget_s"]), float(row["cost_s"])) == (p.budget, p.cost)
        assert row["continuous_error"] == ""
    assert "budget_s" in rows(folder / "policies.csv")[0]


def test_regret_is_written_and_shown(deployed, folder):
    report, found = deployed.frontier, rows(folder / "flops_regret.csv")
    assert len(found) == len(report.points)
    regret = next(iter(report.regret.values()))
    assert [float(row["best_error"]) for row in found[: len(regret.budgets)]] == regret.best_error.tolist()
    assert {"planned_cost_s", "kept_lm_params", "kept_excess_error", "best_flops"} <= set(found[0])
    table = regret_table(report, title="t", target="task")
    assert len(table.rows) == len(regret.budgets)
    assert "cost of planned (ms)" in [c.header for c in table.columns]
    largest = report.regret["task", 1e6]
    for row, same in zip(table.rows, largest.planned == largest.best, strict=True):
        assert (row[4] == "the same") == same


def test_json_says_what_there_is_and_what_not(deployed):
    found = json.loads(json.dumps(frontier_dict(deployed.frontier)))
    assert (found["unit"], found["no_convex_optimum"]) == ("s", "latency cost is no posynomial")
    assert [(each["kind"], each["of"]) for each in found["limits"]] == [("memory", 27)]
    assert found["excluded_by_limits"] == found["limits"][0]["excludes"] > 0
    assert len(found["flops_regret"]) == 2
    assert set(found["flops_regret"][0]["best"][0]) == {"lm_params", "frames", "tokens_per_frame"}


def test_the_papers_flops_add_nothing_to_json(paper_study):
    found = frontier_dict(paper_study.frontier)
    assert not {"limits", "no_convex_optimum", "flops_regret"} & set(found)


def test_summary_in_milliseconds(folder):
    text = (folder / "summary.md").read_text(encoding="utf-8")
    flat = " ".join(text.split())
    assert "latency (memory <= 18 GB) cost, in ms per request" in flat
    assert "Limits, of 27 configurations: memory <= 18 GB excludes" in flat
    assert "Latency cost is no posynomial: there is no continuous optimum, no certificate of convexity" in flat
    assert "## Planned by FLOPs instead" in text
    assert "## What more compute is worth" not in text
    assert "At equal latency the frontier's mean accuracy" in flat
    assert ("cost latency; model llava-llama3; GPU h200; batch 1, 0 text tokens, 8 output tokens; "
            "limit memory <= 18 GB") in flat
    assert "`flops_regret.csv`" in text
    assert " nan" not in text.lower()


def test_figures_in_milliseconds(deployed, folder):
    paths = paths_figure(deployed)
    assert paths.axes[-1].get_xlabel() == "inference budget (ms per request)"
    assert "exact search, no convex optimum: latency cost is no posynomial" in paths.axes[0].get_title()
    assert "latency" in paths.get_suptitle()
    for axes in error_figure(deployed).axes:
        assert axes.get_xlabel() == "inference budget (ms per request)"
        low, high = axes.get_xlim()
        assert 1e-3 < low < high < 1
    # An isoFLOP sweep is planned in FLOPs, and shown in them.
    assert (folder / "figures" / "isoflop.png").is_file()


def test_an_optimum_that_cannot_move_is_drawn_at_zero(paper_study, plain_study):
    """plain_study's form has no interaction with the data size: its optimum does not move, to the last bit."""
    figure = elasticity_figure(plain_study)
    drawn = np.concatenate([np.ravel(line.get_xdata()) for axes in figure.axes for line in axes.lines
                            if line.get_marker() not in ("None", "")])
    assert np.array_equal(drawn, np.zeros(drawn.size))
    assert "exactly 0 by construction" in figure.get_suptitle()
    assert all(axes.get_xlim() == (-0.1, 0.1) for axes in figure.axes)
    assert png(figure)
    moving = elasticity_figure(paper_study)
    assert ("by construction" in moving.get_suptitle()) == (paper_study.form == "mult")


def test_saturation_is_named_by_its_cost(li_study):
    from vidscale.report.summary import summary

    slack = [p for p in li_study.frontier.points if p.continuous is not None and p.continuous.slack]
    least = li_study.frontier.cost_model.cost(np.array([list(slack[0].continuous.configuration)]))[0]
    assert f"From {with_unit(float(least))} on the budget does not bind" in " ".join(summary(li_study).split())
    assert least < slack[0].budget


def test_numbers():
    assert [amount(0.25, "s"), amount(15e12), amount(None, "s")] == ["250", "15", "–"]
    assert with_unit(20.0, "USD per million videos") == "$20 per million videos"
    assert with_unit(0.05, "GPU-s") == "50 GPU-ms"
    assert [chance(p) for p in (1.0, 0.996, 0.99, 0.5, 0.004, 0.0, None)] == [
        ">99", ">99", "99", "50", "<1", "<1", "–"]
    assert (still(1e-12), still(-1e-12), still(0.1)) == (0.0, 0.0, 0.1)
