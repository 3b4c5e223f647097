"""Worlds whose truth is known: random laws of the add-interact family, and worlds outside it.

Every world gives the true error of any (lm_params, frames, tokens_per_frame, data_size). The random laws are drawn at
a reference configuration in the middle of the paper's ranges, so that coefficients are the terms' sizes there.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vidscale.design import isoflop_design, star_design
from vidscale.forms import Laws, form
from vidscale.space import published_lattice

REFERENCE = np.array([2.8e9, 12.0, 36.0, 7e5])
DATA_SIZES = np.array([2.5e5, 5e5, 1e6, 2e6])
#: The published budgets that buy something in the published ranges; 2 TFLOPs buys nothing there (cheapest 2.67).
BUDGETS = np.array([5e12, 15e12, 30e12])
#: Errors a world may take anywhere on the lattice at 0.25M to 4M examples.
ERROR_RANGE = (0.05, 0.9)


@dataclass(frozen=True)
class World:
    """A truth: its name, its error, and its law where it has one."""

    name: str
    error: Callable[[np.ndarray], np.ndarray]
    law: Laws | None = None


def design_points() -> np.ndarray:
    """The paper's star (39 runs) and isoFLOP sweeps (49 runs), shape (88, 4)."""
    runs = (*star_design().runs, *isoflop_design().runs)
    return np.array([[*run.factors, run.data_size] for run in runs], dtype=np.float64)


def _everywhere() -> np.ndarray:
    points = published_lattice().points
    return np.concatenate([np.column_stack([points, np.full(len(points), n)]) for n in (*DATA_SIZES, 4e6)])


def random_parameters(rng: np.random.Generator) -> dict[str, float]:
    """Parameters of an add-interact law in natural units: term sizes and exponents drawn, then moved to x = 1."""
    size = {
        **{f"alpha_{k}": np.exp(rng.uniform(np.log(0.03), np.log(0.2))) for k in "NTV"},
        **{f"beta_{k}": np.exp(rng.uniform(np.log(0.005), np.log(0.04))) for k in "NTV"},
        "xi": rng.uniform(0.01, 0.05),
        "epsilon": rng.uniform(0.05, 0.25),
    }
    powers = {
        **{f"a_{k}": rng.uniform(0.2, 1.2) for k in "NTV"},
        **{f"b_{k}": rng.uniform(-0.3, 0.6) for k in "NTV"},
        "d": rng.uniform(0.2, 0.8),
    }
    shift = np.exp(form("add-interact").exponent_matrix(powers) @ np.log(REFERENCE))
    natural = {name: size[name] / shift[j] for j, name in enumerate(form("add-interact").coefficients)}
    return {**natural, **powers}


def random_law(seed: int) -> World:
    """A random add-interact law whose errors stay in ERROR_RANGE over the lattice."""
    rng = np.random.default_rng([seed, 11])
    points = _everywhere()
    while True:
        law = Laws.of(form("add-interact"), [random_parameters(rng)])
        values = law.error(points)[0]
        if ERROR_RANGE[0] < values.min() and values.max() < ERROR_RANGE[1]:
            return World(name=f"add-interact {seed}", error=lambda x, law=law: law.error(x)[0], law=law)


def chance_floor(seed: int) -> World:
    """A law that cannot exceed guessing: above 0.75 error (four choices) it saturates softly."""
    base = random_law(seed)

    def error(x: np.ndarray) -> np.ndarray:
        raw = 1.6 * base.error(x)
        return (raw**-8 + 0.75**-8) ** (-1 / 8)

    return World(name=f"chance floor {seed}", error=error)


def bottleneck(seed: int) -> World:
    """Frames and tokens cannot replace each other: the poorer of the two sets the error."""
    rng = np.random.default_rng([seed, 12])
    a = rng.uniform(0.3, 0.9, 3)
    size = rng.uniform(0.08, 0.2, 2)
    d, epsilon = rng.uniform(0.2, 0.6), rng.uniform(0.08, 0.2)

    def error(x: np.ndarray) -> np.ndarray:
        z = np.atleast_2d(x) / REFERENCE
        worst = np.maximum(z[:, 1] ** -a[1], z[:, 2] ** (-a[2] / 2))
        return np.clip(epsilon + size[0] * z[:, 0] ** -a[0] + size[1] * worst + 0.03 * z[:, 3] ** -d, 0.02, 0.95)

    return World(name=f"bottleneck {seed}", error=error)


def step(seed: int) -> World:
    """A skill that switches on: past a threshold in frames the error falls by a fifth within a factor of 1.5."""
    base = random_law(seed)
    rng = np.random.default_rng([seed, 13])
    threshold, height = rng.uniform(6, 20), rng.uniform(0.15, 0.3)

    def error(x: np.ndarray) -> np.ndarray:
        on = 1 / (1 + (np.atleast_2d(x)[:, 1] / threshold) ** -6)
        return base.error(x) * (1 - height * on)

    return World(name=f"step {seed}", error=error)


OUTSIDE = {"chance floor": chance_floor, "bottleneck": bottleneck, "step": step}
