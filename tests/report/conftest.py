"""Studies to write about, made once: bundled tables with few draws, and a small table with two tasks."""

import itertools

import numpy as np
import pandas as pd
import pytest

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
