"""Made-up tables in the design of a small study on one GPU: a star, isoFLOP sweeps, repeated seeds, nine tasks.

Nothing here was measured. The laws are the tests' own, so that what a page says can be held against them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vidscale.cost import PaperCost
from vidscale.design.isoflop import isoflop_design
from vidscale.design.star import star_design
from vidscale.space import Lattice, ScalingFactors

LMS = (107_904, 343_296, 806_144, 2_235_648, 4_775_424, 9_892_480, 25_265_152)
FRAMES, TOKENS = (1, 2, 4, 8, 16, 32), (1, 4, 9, 16, 36, 64)
SIZES, LARGEST = (307_200, 614_400, 1_228_800), 2_457_600
BUDGETS = (5e8, 1.5e9, 4.5e9, 1.35e10)
ENCODER = (825_984.0, 64.0)
CHANCE = {"count": 1 / 8, "order": 1 / 4, "where": 1 / 16, "needle": 1 / 4, "direction": 1 / 8, "speed": 1 / 4,
          "position": 1 / 4, "tile": 1 / 8, "glyph": 1 / 4}

#: Error of a task at (lm_params, frames, tokens_per_frame, data_size) relative to the star's centre and largest size.
Law = Callable[[float, float, float, float], float]


@dataclass(frozen=True, kw_only=True)
class Design:
    """Runs as rows (sweep, lm_params, frames, tokens_per_frame, data_size, seed)."""

    runs: tuple[tuple[str, float, int, float, float, int], ...]


def design() -> Design:
    """The design: star at three data sizes, isoFLOP sweeps at a fourth, some runs with two more seeds."""
    levels = {"lm_params": np.array(LMS, dtype=float), "frames": np.array(FRAMES, dtype=float),
              "tokens_per_frame": np.array(TOKENS, dtype=float)}
    lattice = Lattice(name="shapes", levels=levels)
    centre = ScalingFactors(lm_params=float(LMS[4]), frames=16, tokens_per_frame=16)
    runs = [*star_design(centre=centre, lattice=lattice, data_sizes=SIZES).runs,
            *isoflop_design(budgets=BUDGETS, tolerance=0.13, lattice=lattice, data_size=LARGEST,
                            cost=PaperCost(encoder_params=ENCODER[0], encoder_tokens=ENCODER[1])).runs]
    rows = []
    for run in runs:
        x = run.factors
        again = (x.lm_params, x.frames, x.tokens_per_frame) in (
            (LMS[4], 16, 16), (LMS[2], 16, 16), (LMS[4], 4, 16), (LMS[4], 16, 1), (LMS[2], 8, 64), (LMS[5], 8, 4))
        seeds = (0, 1, 2) if again and run.data_size != SIZES[1] else (0,)
        rows += [(run.sweep, x.lm_params, x.frames, x.tokens_per_frame, run.data_size, seed) for seed in seeds]
    return Design(runs=tuple(rows))


def table_of(laws: Mapping[str, Law], *, noise: float = 0.02, n_eval: int = 4096, seed: int = 0,
             chance: Mapping[str, float] = CHANCE) -> pd.DataFrame:
    """Rows of a results table drawn from laws by task, with noise between trainings and of the questions."""
    rng = np.random.default_rng(seed)
    rows = []
    for sweep, n, t, v, size, number in design().runs:
        shared = noise * rng.standard_normal()
        for task, law in laws.items():
            true = law(n / LMS[4], t / 16, v / 16, size / LARGEST)
            mean = min(max(true * np.exp(0.7 * shared + 0.7 * noise * rng.standard_normal()), 0.0), 1 - chance[task])
            rows.append({
                "lm_params": n, "frames": t, "tokens_per_frame": v, "data_size": size, "sweep": sweep, "seed": number,
                "run_id": f"{sweep}-N{n:.0f}-T{t}-V{v:.0f}-n{size:.0f}-s{number}", "task": task,
                "error": repr(float(rng.binomial(n_eval, mean) / n_eval)), "n_eval": n_eval, "chance": chance[task],
                "commit": "0123abc", "source_sha256": "0123456789abcdef", "study": "made-up", "recipe": "f7bdb416ba37",
                "hardware": "1 x none, torch 2.11.0", "precision": "bf16",
                "wall_time_s": round(5 + 1e-9 * n * t * v, 2),
                "train_time_s": 4.0, "trained_flops": f"{6 * n * t * v * size:.6g}", "train_loss": 0.5,
                "tower": "aaaa", "base": "bbbb", "mode": "compiled", "frame_rule": "uniform", "pooling": "average"})
    return pd.DataFrame(rows)


def power(a_n: float, a_t: float, a_v: float, d: float, scale: float = 0.1, floor: float = 0.05) -> Law:
    """A separate power law of each factor and the data size, all of one size at the centre."""
    def law(n: float, t: float, v: float, size: float) -> float:
        return scale * (n**-a_n + t**-a_t + v**-a_v + size**-d) + floor
    return law


def saturating(law: Law, task: str) -> Law:
    """A law that cannot exceed the error of guessing, and comes near it slowly, as real tasks do."""
    guessing = 1 - CHANCE[task]

    def bent(n: float, t: float, v: float, size: float) -> float:
        return guessing * float(np.tanh(law(n, t, v, size) / guessing))
    return bent


def lifelike() -> dict[str, Law]:
    """Nine tasks that want different things: one that never leaves chance, one that is all but solved."""
    own = {"count": power(0.3, 1.0, 0.1, 0.3, 0.12), "order": power(0.3, 0.9, 0.15, 0.3, 0.08),
           "where": power(0.3, 0.8, 0.4, 0.3, 0.1), "direction": power(0.3, 0.6, 0.3, 0.4, 0.1),
           "speed": power(0.2, 0.5, 0.3, 0.4, 0.09), "position": power(0.5, 0.05, 0.1, 0.5, 0.0004, 0.0),
           "tile": power(0.3, 0.05, 0.7, 0.3, 0.06), "glyph": power(0.3, 0.05, 0.8, 0.3, 0.08)}
    laws = {task: saturating(law, task) for task, law in own.items()}
    laws["needle"] = lambda n, t, v, size: 1 - CHANCE["needle"]
    return laws
