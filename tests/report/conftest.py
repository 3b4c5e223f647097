"""Studies to write about, made once: bundled tables with few draws, and a small table with two tasks."""

import itertools

import numpy as np
import pandas as pd
import pytest

from vidscale.cost.constraints import Limit
from vidscale.cost.deployment import CostSettings
from vidscale.measurements import read_measurements
from vidscale.space import ScalingFactors
from vidscale.study import StudySettings, run_study


@pytest.fixture(scope="session")
def paper_study():
    """paper-design with the interacting forms."""
    return run_study(read_measurements("paper-design"),
                     StudySettings(forms=("mult", "add-interact-s"), draws=6, starts=4, folds=3))


@pytest.fixture(scope="session")
def li_study():
    """li2024: neither frames nor data size vary."""
    return run_study(read_measurements("li2024"), StudySettings(draws=6, starts=4, folds=3))


@pytest.fixture(scope="session")
def plain_study():
    """A grid of two tasks with awkward names, bagged, with a configuration in use off the lattice."""
    grid = itertools.product((1e9, 8e9), (4, 8, 16), (16, 49, 196), (2.5e5, 1e6), ("a|b", "=c, `d`"))
    frame = pd.DataFrame(grid, columns=["lm_params", "frames", "tokens_per_frame", "data_size", "task"])
    noise = np.random.default_rng(0).standard_normal(len(frame))
    frame["error"] = (0.1 * (frame["lm_params"] / 1e9) ** -0.5 + 0.3 * frame["frames"] ** -0.6 + 0.15
                      + 0.3 * frame["tokens_per_frame"] ** -0.4 + 0.1 * (frame["data_size"] / 1e6) ** -0.3) \
        * np.exp(0.01 * noise)
    current = ScalingFactors(lm_params=7e9, frames=10, tokens_per_frame=64)
    return run_study(read_measurements(frame, name="grid"), StudySettings(
        forms=("add",), draws=6, starts=4, folds=3, predictor="bagged", current=current, budgets=(2e13, 6e13)))


#: Names that break a page which does not escape, isolate or bound them.
HOSTILE = ("</script><script>document.title='owned'</script>", "<!--<script>", "<img src=x onerror=alert(1)>",
           "مهمة الفيديو الطويل", "%{x} %{customdata[0]} <b>bold</b>", "x" * 180, "many words " * 20,
           "<a href='javascript:alert(1)'>click</a>", "line\nbreak\u2028sep", "quote\"'`&amp;")


def _made(tasks, sizes, name, settings, lms=(1e9, 8e9), frames=(4, 8, 16), tokens=(16, 49, 196)):
    grid = itertools.product(lms, frames, tokens, sizes, tasks)
    frame = pd.DataFrame(grid, columns=["lm_params", "frames", "tokens_per_frame", "data_size", "task"])
    noise = np.random.default_rng(0).standard_normal(len(frame))
    frame["error"] = (0.1 * (frame["lm_params"] / 1e9) ** -0.5 + 0.3 * frame["frames"] ** -0.6 + 0.15
                      + 0.3 * frame["tokens_per_frame"] ** -0.4 + 0.1 * (frame["data_size"] / 1e6) ** -0.3) \
        * np.exp(0.01 * noise)
    return run_study(read_measurements(frame, name=name), settings)


@pytest.fixture(scope="session")
def hostile_study():
    """Ten tasks and a table whose names are attacks, in several scripts, or very long."""
    return _made(HOSTILE, (2.5e5, 1e6), "</title><script>alert(1)</script> جدول",
                 StudySettings(forms=("add", "mult"), draws=6, starts=4, folds=3))


@pytest.fixture(scope="session")
def many_study():
    """Forty tasks at one data size, nothing held out."""
    return _made([f"task {i:02d}" for i in range(40)], (1e6,), "forty",
                 StudySettings(forms=("mult",), draws=4, starts=2, folds=0))


@pytest.fixture(scope="session")
def latency_study():
    """paper-design by latency under a limit: no convex optimum, what planning by FLOPs loses, milliseconds."""
    cost = CostSettings(kind="latency", gpu="h200", output_tokens=8, limits=(Limit(kind="memory", value=18e9),))
    return run_study(read_measurements("paper-design"),
                     StudySettings(forms=("mult",), draws=4, starts=2, folds=0, split="none", cost=cost))


def _small(name, scale=1.0):
    rows = [(1e9, 8, 49, 2.5e5, .52), (1e9, 32, 49, 1e6, .462), (8e9, 8, 49, 1e6, .431), (8e9, 32, 196, 1e6, .372),
            (1e9, 8, 196, 1e6, .47), (8e9, 32, 196, 2.5e5, .401)]
    frame = pd.DataFrame(rows, columns=["lm_params", "frames", "tokens_per_frame", "data_size", "error"])
    return run_study(read_measurements(frame.assign(task="mvbench", n_eval=4000, error=scale * frame["error"]),
                                       name=name), StudySettings(draws=6, starts=4))


@pytest.fixture(scope="session")
def small_study():
    """Six runs of one task: as many parameters as configurations."""
    return _small("small")


@pytest.fixture(scope="session")
def high_study():
    """The same with errors up to 98.8 %, so that an axis with room around them would end above 100 %."""
    return _small("high", 1.9)


@pytest.fixture(scope="session")
def odd_studies():
    """Studies at the edges: one factor varies, only the data size does, nothing can be chosen, sizes out of order."""
    quick = {"draws": 4, "starts": 2, "folds": 2, "forms": ("add",)}
    one = {"lms": (1e9,), "tokens": (49,)}
    return {
        "frames only": _made("a", (1e6,), "frames only", StudySettings(**quick), frames=(2, 4, 8, 16), **one),
        "data only": _made("a", (1e5, 2e5, 4e5, 8e5), "data only", StudySettings(**quick), frames=(8,), **one),
        "all fixed": _made("ab", (2.5e5, 1e6), "all fixed", StudySettings(
            fixed={"lm_params": 8e9, "frames": 8, "tokens_per_frame": 49}, **quick)),
        "sizes": _made("ab", (2.5e5, 1e6), "sizes", StudySettings(
            data_sizes=(4e6, 1e5, 1e6), budgets=(3e13,), **quick)),
    }
