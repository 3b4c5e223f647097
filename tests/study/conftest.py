"""Small tables with a known law, and settings that keep a study short."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vidscale.measurements import MeasurementTable, read_measurements
from vidscale.study import Study, StudySettings, run_study

#: Settings of every study here unless a test says otherwise.
QUICK: dict[str, Any] = {"forms": ("mult", "add-interact-s"), "draws": 6, "starts": 4, "folds": 3}


def law(frame: pd.DataFrame) -> np.ndarray:
    """An add-type error between 0.2 and 0.8."""
    return (0.1 * (frame["lm_params"] / 1e9) ** -0.5 + 0.3 * frame["frames"] ** -0.6
            + 0.3 * frame["tokens_per_frame"] ** -0.4 + 0.1 * (frame["data_size"] / 1e6) ** -0.3 + 0.15).to_numpy()


def rows(*, lm_params=(1e9, 3e9, 8e9), frames=(4, 8, 16), tokens_per_frame=(16, 49, 196), data_size=(2.5e5, 1e6),
         seeds=(None,), tasks=("task",), n_eval: int | None = 2000, noise: float = 0.01) -> pd.DataFrame:
    """A full grid of runs with log-normal noise from a fixed seed."""
    grid = itertools.product(lm_params, frames, tokens_per_frame, data_size, seeds, tasks)
    frame = pd.DataFrame(grid, columns=["lm_params", "frames", "tokens_per_frame", "data_size", "seed", "task"])
    rng = np.random.default_rng(0)
    scale = 1 + 0.1 * frame["task"].map({task: k for k, task in enumerate(tasks)}).to_numpy()
    frame["error"] = np.minimum(law(frame) * scale * np.exp(noise * rng.standard_normal(len(frame))), 0.99)
    if seeds == (None,):
        frame = frame.drop(columns="seed")
    if n_eval is not None:
        frame["n_eval"] = n_eval
    return frame


@pytest.fixture
def study_of() -> Callable[..., Study]:
    """(DataFrame or table name, settings) → a quick study."""
    def run(source: pd.DataFrame | str | MeasurementTable, **settings) -> Study:
        table = source if isinstance(source, MeasurementTable) else read_measurements(source)
        return run_study(table, StudySettings(**{**QUICK, **settings}))
    return run


@pytest.fixture
def grid() -> Callable[..., pd.DataFrame]:
    """`rows`, for tests that vary its arguments."""
    return rows
