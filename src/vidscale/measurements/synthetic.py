"""The synthetic table paper-design: the paper's sweeps, a known law for each of eight made-up tasks, noise.

The paper's own sweep table is not public. This one has its shape and none of its numbers, so that every stage
can be run and checked against a truth; nothing concluded from it says anything about a real model.
"""

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidscale.design import RunSpec, isoflop_design, star_design
from vidscale.space import DATA_SIZE, FACTORS

Floats = NDArray[np.float64]

#: Cells of the CSV file, in order.
HEADER = (
    "run_id,sweep,seed,lm_params,frames,tokens_per_frame,data_size,task,error,n_eval,chance,synthetic"
)

#: Frames added at 2 TFLOPs, where the published ranges hold no configuration.
EXTENSION_FRAMES = (2.0,)


@dataclass(frozen=True, kw_only=True, eq=False)
class SyntheticLaw:
    """The true error of one made-up task: add-interact in normalised factors.

        f(x, n) = Σ_k α_k x_k^(-a_k) + Σ_k β_k x_k^(b_k) n^(-d) + ξ n^(-d) + ε

    Attributes:
        task: its name.
        chance: accuracy of guessing.
        alpha, a, beta, b: shape (3,), in the order lm_params, frames, tokens_per_frame.
        xi, d, epsilon: the terms without a factor.
        units: what x_N, x_T, x_V and n are divided by, shape (4,).
    """

    task: str
    chance: float
    alpha: Floats
    a: Floats
    beta: Floats
    b: Floats
    xi: float
    d: float
    epsilon: float
    units: Floats

    def error(self, points: Floats, data_size: Floats | float) -> Floats:
        """The true error of each configuration, shape (rows,); points has shape (rows, 3)."""
        x = np.asarray(points, dtype=np.float64) / self.units[:3]
        scarcity = (np.asarray(data_size, dtype=np.float64) / self.units[3]) ** -self.d
        own = (self.alpha * x**-self.a).sum(axis=1)
        return own + ((self.beta * x**self.b).sum(axis=1) + self.xi) * scarcity + self.epsilon


def paper_design_laws() -> dict[str, SyntheticLaw]:
    """Task → the law its errors were drawn from: the truth a fit of paper-design can be held against."""
    declared = _declared()
    units = np.array([declared["units"][name] for name in (*FACTORS, DATA_SIZE)])
    return {task: _law(task, units, values) for task, values in declared["tasks"].items()}


def _law(task: str, units: Floats, values: dict[str, Any]) -> SyntheticLaw:
    given: dict[str, Any] = {name: np.array(v) if isinstance(v, list) else float(v) for name, v in values.items()}
    return SyntheticLaw(task=task, units=units, **given)


def paper_design_runs() -> tuple[RunSpec, ...]:
    """39 star runs, 49 isoFLOP runs, and 11 labelled extension runs at 2 TFLOPs."""
    return (*star_design().runs, *isoflop_design(extension={"frames": EXTENSION_FRAMES}).runs)


def paper_design_csv() -> str:
    """The bundled file, byte for byte.

    Each error is a binomial draw of n_eval questions at the law's error. The generator is NumPy's legacy one
    because its stream is frozen, where that of the newer ones may change between releases.

    Raises:
        ValueError: a law leaves the range in which its task could be measured (0.05 to 1 - chance).
    """
    declared = _declared()
    n_eval, stream = int(declared["n_eval"]), np.random.RandomState(declared["seed"])
    runs = paper_design_runs()
    points = np.array([list(run.factors) for run in runs])
    data_size = np.array([run.data_size for run in runs])
    lines = [HEADER]
    for task, law in sorted(paper_design_laws().items()):
        truth = law.error(points, data_size)
        if truth.min() < 0.05 or truth.max() > 1 - law.chance:
            raise ValueError(f"{task}: true errors run from {truth.min():.3f} to {truth.max():.3f}")
        wrong = stream.binomial(n_eval, truth)
        lines += [_line(run, task, int(k), n_eval, law.chance) for run, k in zip(runs, wrong)]
    return "\n".join(lines) + "\n"


def _line(run: RunSpec, task: str, wrong: int, n_eval: int, chance: float) -> str:
    factors = ",".join(f"{value:.15g}" for value in (*run.factors, run.data_size))
    return f"{run.run_id},{run.sweep},{run.seed},{factors},{task},{wrong / n_eval:.6f},{n_eval},{chance:g},true"


def _declared() -> dict[str, Any]:
    return tomllib.loads((files("vidscale.measurements") / "data" / "paper-design.toml").read_text("utf-8"))
