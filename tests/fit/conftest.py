"""The paper's star and isoFLOP designs, and one known law for every form of the catalogue."""

import numpy as np
import pytest

from vidscale.design import isoflop_design, star_design
from vidscale.forms import form
from vidscale.space import FACTORS_AND_DATA

_ADD = {
    "alpha_N": 0.2 * 1e9**0.3, "alpha_T": 0.3, "alpha_V": 0.25, "xi": 0.1 * 1e6**0.4, "epsilon": 0.15,
    "a_N": 0.3, "a_T": 0.7, "a_V": 0.5, "d": 0.4,
}

#: A law for every form of the catalogue, in natural units; errors lie between 0.3 and 0.8, Chinchilla's losses above.
TRUTHS = {
    "mult": {"alpha": 6.0, "epsilon": 0.12, "a_N": 0.06, "a_T": 0.1, "a_V": 0.07, "d": 0.05},
    "add": _ADD,
    "add-interact-s": {**_ADD, "beta_N": 0.01 * 1e6**0.4 / 1e9**0.3, "beta_T": 0.02 * 1e6**0.4,
                       "beta_V": 0.008 * 1e6**0.4, "b": 0.3},
    "add-interact": {**_ADD, "beta_N": 0.02 * 1e6**0.4 / 1e9**0.4, "beta_T": 0.02 * 1e6**0.4,
                     "beta_V": 0.008 * 1e6**0.4, "b_N": 0.4, "b_T": 0.3, "b_V": 0.25},
    "chinchilla": {"A": 400.0, "B": 2000.0, "E": 1.8, "alpha": 0.34, "beta": 0.37},
    "li": {"A": 20.0, "D": 0.2, "alpha": 0.2, "beta": 0.12},
}


@pytest.fixture(scope="session")
def design():
    """Every run of the star and isoFLOP sweeps, the labelled extension at 2 TFLOPs included; shape (99, 4)."""
    runs = (*star_design().runs, *isoflop_design(extension={"frames": (2.0,)}).runs)
    return np.array([[*run.factors, run.data_size] for run in runs])


@pytest.fixture(scope="session")
def known(design):
    """name, noise, seed -> (form, truth, x, error): a law of the catalogue measured on the design."""

    def make(name: str, noise: float = 0.0, seed: int = 0):
        shape, truth = form(name), TRUTHS[name]
        x = design[:, [FACTORS_AND_DATA.index(f) for f in shape.factors]]
        error = shape.evaluate(truth, x)
        draws = np.random.default_rng(seed).standard_normal(len(x))
        return shape, truth, x, error * np.exp(noise * draws)

    return make
