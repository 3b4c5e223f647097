"""A study of three tasks of known laws, small enough to be made once a session."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="session")
def known_fit(tmp_path_factory) -> Path:
    """A fit.json of three tasks of known laws at two data sizes, with few draws."""
    from vidscale.measurements import observations, read_measurements
    from vidscale.study import StudySettings, bootstrap_model, choose_form
    from vidscale.study.store import save_model

    table = read_measurements(known_rows(), name="known")
    settings = StudySettings(forms=("add",), form="add", draws=20, starts=4, folds=3)
    obs = observations(table)
    model = bootstrap_model(table, obs, choose_form(table, obs, settings)[3], settings)
    path = tmp_path_factory.mktemp("known") / "fit.json"
    save_model(model, path)
    return path


@pytest.fixture(scope="session")
def known_model(known_fit):
    """The model in `known_fit`."""
    from vidscale.study.store import load_model

    return load_model(known_fit)


def known_rows() -> pd.DataFrame:
    """A full grid of the paper's sizes for three tasks, binomial-like noise from a fixed seed."""
    rng = np.random.default_rng(11)
    sizes, frames, tokens, data = (1e9, 2.8e9, 7.5e9), (4, 8, 16, 32), (16, 49, 100, 196), (2.5e5, 1e6)
    rows = []
    for n, t, v, d in itertools.product(sizes, frames, tokens, data):
        for k, task in enumerate(("ordering", "reading", "long <b>video</b>")):
            error = (30 * n**-0.3 + (0.2 + 0.1 * k) * t**-0.7 + (0.4 - 0.1 * k) * v**-0.6 + 20 * d**-0.4 + 0.1)
            error *= np.exp(0.01 * rng.standard_normal())
            rows.append({"lm_params": n, "frames": t, "tokens_per_frame": v, "data_size": d, "task": task,
                         "error": round(float(error), 5), "n_eval": 3000})
    return pd.DataFrame(rows)
