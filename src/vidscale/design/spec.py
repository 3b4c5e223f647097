"""One planned run, and a plan of many."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vidscale.errors import InputError
from vidscale.space import ScalingFactors

Floats = NDArray[np.float64]


#: Generators of random numbers, and tables, hold seeds in 64 bits.
LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One training run: a configuration, how much data it is finetuned on, and why it is in the plan.

    Args:
        factors: the configuration (x_N, x_T, x_V).
        data_size: finetuning examples, n.
        sweep: the sweep the run belongs to ("star", "isoflop", ...); a split rule can select by it.
        seed: seed of the run; runs that differ only in it are replicates.

    Raises:
        InputError: data_size is not a positive finite number, sweep is empty, or seed is negative or beyond 64 bits.

    Example:
        >>> centre = ScalingFactors(lm_params=7.5e9, frames=32, tokens_per_frame=196)
        >>> RunSpec(factors=centre, data_size=1e6, sweep="star", seed=0).run_id
        'star-N7500000000-T32-V196-n1000000-s0'
    """

    factors: ScalingFactors
    data_size: float
    sweep: str
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.data_size < float("inf"):
            raise InputError(f"data_size is {self.data_size!r}; allowed is a positive number of examples")
        if not self.sweep:
            raise InputError("a run has an empty sweep label; give one such as star or isoflop")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise InputError(f"seed is {self.seed!r}; allowed is a whole number from 0 to {LARGEST_SEED}")

    @property
    def run_id(self) -> str:
        """A name made of everything that tells two runs apart, so planning twice gives the same names."""
        n, t, v = (f"{value:.15g}" for value in self.factors)
        return f"{self.sweep}-N{n}-T{t}-V{v}-n{self.data_size:.15g}-s{self.seed}"


@dataclass(frozen=True, kw_only=True)
class BudgetCount:
    """How many configurations an isoFLOP budget holds.

    Attributes:
        budget: the inference budget, in the unit of the cost model (FLOPs for the paper's).
        configurations: how many of the lattice cost about that much.
        extension: how many were added from outside the lattice.
    """

    budget: float
    configurations: int
    extension: int = 0


@dataclass(frozen=True, kw_only=True)
class SweepDesign:
    """A plan: its runs in order, and what the planner wants read before anyone pays for them.

    Attributes:
        name: the kind of sweep.
        runs: the runs, without repeats.
        budgets: per-budget counts of an isoFLOP sweep, in the order asked for; empty for other sweeps.
        notes: one sentence each; a budget that holds no configuration is always among them.
    """

    name: str
    runs: tuple[RunSpec, ...]
    budgets: tuple[BudgetCount, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.runs)

    def points(self) -> Floats:
        """The planned configurations, shape (runs, 3), columns lm_params, frames, tokens_per_frame."""
        return np.array([list(run.factors) for run in self.runs], dtype=np.float64).reshape(-1, 3)


def whole_seeds(seeds: Iterable[int]) -> tuple[int, ...]:
    """The seeds as distinct integers in the order given; at least one."""
    distinct = tuple(dict.fromkeys(int(seed) for seed in seeds))
    if not distinct:
        raise InputError("no seed was given; a plan needs at least one, such as 0")
    return distinct
