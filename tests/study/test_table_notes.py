"""What a study says of its table: scores taken for errors, runs left out of the average, slips of the pen."""

import numpy as np
import pandas as pd

from vidscale.measurements import read_measurements
from vidscale.study import StudySettings, run_study

QUICK = StudySettings(forms=("add",), folds=0, draws=20)


def rows(error=lambda n, t, v: 0.2 + 0.3 * (n / 1e9) ** -0.3 + 0.2 * t**-0.5 + 0.2 * v**-0.4) -> pd.DataFrame:
    """A star and some runs off it, two tasks."""
    rng = np.random.default_rng(3)
    star = [(n, 16, 64) for n in (1e9, 2e9, 4e9, 8e9)] + [(8e9, t, 64) for t in (2, 4, 8, 32)] + [
        (8e9, 16, v) for v in (4, 16, 144)] + [(1e9, 32, 144), (2e9, 32, 16), (4e9, 2, 144)]
    return pd.DataFrame([
        {"lm_params": n, "frames": t, "tokens_per_frame": v, "run_id": f"run{k:02d}", "task": task,
         "error": factor * error(n, t, v) * np.exp(0.01 * rng.standard_normal())}
        for k, (n, t, v) in enumerate(star) for task, factor in (("a", 1.0), ("b", 0.8))])


def notes(table: pd.DataFrame) -> str:
    return "\n".join(run_study(read_measurements(table), QUICK).notes)


def test_nothing_is_said_of_an_ordinary_table():
    said = notes(rows())
    for word in ("rises with", "left out", "far off"):
        assert word not in said


def test_scores_taken_for_errors_are_asked_about():
    table = rows()
    table["error"] = 1 - table["error"]
    assert "the error rises with lm_params, frames, tokens_per_frame" in notes(table)


def test_runs_that_the_average_leaves_out_are_named():
    table = rows()
    said = notes(table[~((table["task"] == "b") & table["run_id"].isin(["run03", "run07"]))])
    assert "2 of 14 runs (run03, run07) lack a task (b) and are left out of the average" in said


def test_a_fraction_among_percentages_is_named():
    table = rows()
    slip = (table["task"] == "a") & (table["run_id"] == "run05")
    table.loc[slip, "error"] = 0.994
    said = notes(table)
    assert "far off, check for slips: a of run05 is 99.4 %" in said
    assert "run06" not in said
