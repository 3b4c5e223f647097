"""Runs of the paper's sweeps with errors drawn from a known law."""

import numpy as np
import pandas as pd
import pytest

from vidscale.design import isoflop_design, star_design
from vidscale.forms import form
from vidscale.measurements import Observations
from vidscale.space import FACTORS_AND_DATA

TRUTH = {
    "alpha_N": 0.2 * 1e9**0.3, "alpha_T": 0.3, "alpha_V": 0.25, "xi": 0.1 * 1e6**0.4, "epsilon": 0.15,
    "a_N": 0.3, "a_T": 0.7, "a_V": 0.5, "d": 0.4,
}


def _points(design) -> np.ndarray:
    return np.array([[*run.factors, run.data_size] for run in design.runs])


@pytest.fixture(scope="session")
def star():
    """The 39 runs of the star sweep, shape (39, 4)."""
    return _points(star_design())


@pytest.fixture(scope="session")
def isoflop():
    """The runs of the isoFLOP sweep, the labelled extension included, shape (60, 4)."""
    return _points(isoflop_design(extension={"frames": (2.0,)}))


@pytest.fixture(scope="session")
def law():
    """The true law: form `add`, (form, parameters)."""
    return form("add"), TRUTH


def _observe(x, error, n_eval=None) -> Observations:
    """Observations from arrays; error has shape (runs, targets)."""
    order = np.lexsort(x.T[::-1])
    x, error = x[order], np.asarray(error)[order]
    count = np.full(error.shape, np.nan) if n_eval is None else np.broadcast_to(n_eval, error.shape).astype(float)
    config = np.unique(x, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    names = ("average", "tasks") if error.shape[1] == 2 else tuple(f"task{k}" for k in range(error.shape[1]))
    return Observations(factors=FACTORS_AND_DATA, x=x, fixed={}, targets=names, error=error, n_eval=count,
                        config=config, run_ids=tuple(f"run{i}" for i in range(len(x))),
                        columns=pd.DataFrame(x, columns=list(FACTORS_AND_DATA)), chance={})


@pytest.fixture(scope="session")
def observe():
    """(x, error, n_eval) -> Observations."""
    return _observe


@pytest.fixture(scope="session")
def measured(law):
    """(x, n_eval, run_noise, seed, targets) -> (x, errors): binomial draws around the law, run noise on top."""

    def draw(x, n_eval=None, run_noise=0.0, seed=0, targets=1):
        shape, truth = law
        rng = np.random.default_rng(seed)
        f = np.repeat(shape.evaluate(truth, x)[:, None], targets, axis=1)
        f = f * np.exp(run_noise * rng.standard_normal(f.shape))
        return f if n_eval is None else rng.binomial(n_eval, np.minimum(f, 1.0)) / n_eval

    return draw
