"""Random laws and lattices for the frontier tests, from a seed."""

import numpy as np
import pytest

from vidscale.forms import Laws
from vidscale.space import FACTORS, FACTORS_AND_DATA, Lattice

MIDDLE = np.array([3e9, 12.0, 49.0, 1e6])


def _posynomials(seed, laws=3, terms=5, gone=0.2, single=False):
    """Random posynomials of order one at the middle of the ranges; some terms are gone (−inf)."""
    rng = np.random.default_rng(seed)
    exponents = rng.normal(0, 0.6, (laws, terms, 4)) * (rng.random((laws, terms, 4)) < 0.6)
    if single:
        exponents[:, :, :3] *= np.eye(3)[rng.integers(0, 3, (laws, terms))]
    logs = rng.normal(-1.5, 1.0, (laws, terms)) - exponents @ np.log(MIDDLE)
    logs[rng.random((laws, terms)) < gone] = -np.inf
    logs[:, 0] = np.where(np.isfinite(logs[:, 0]), logs[:, 0], -1.0)
    return Laws(factors=FACTORS_AND_DATA, log_coefficients=logs, exponents=exponents)


def _add_interact(seed, laws=3):
    """Laws of the paper's add-interact form with each term a sizeable part of the error, so optima lie inside."""
    rng = np.random.default_rng(seed)
    a, b, d = rng.uniform(0.1, 0.9, (laws, 3)), rng.uniform(-0.2, 0.4, (laws, 3)), rng.uniform(0.1, 0.4, laws)
    exponents = np.zeros((laws, 8, 4))
    for k in range(3):
        exponents[:, k, k] = -a[:, k]
        exponents[:, 3 + k, k], exponents[:, 3 + k, 3] = b[:, k], -d
    exponents[:, 6, 3] = -d
    size = rng.uniform(0.02, 0.15, (laws, 8))
    return Laws(factors=FACTORS_AND_DATA, log_coefficients=np.log(size) - exponents @ np.log(MIDDLE),
                exponents=exponents)


def _lattice(seed, most=6):
    rng = np.random.default_rng(seed)
    low, high = np.array([1e9, 4, 4]), np.array([7.5e9, 32, 196])
    levels = {f: np.exp(rng.uniform(np.log(low[k]), np.log(high[k]), rng.integers(1, most + 1)))
              for k, f in enumerate(FACTORS)}
    return Lattice(name=f"random {seed}", levels=levels)


@pytest.fixture(scope="session")
def posynomials():
    return _posynomials


@pytest.fixture(scope="session")
def add_interact():
    return _add_interact


@pytest.fixture(scope="session")
def random_lattice():
    return _lattice
