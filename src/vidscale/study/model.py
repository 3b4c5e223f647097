"""What a fit leaves behind for every later question: laws, their draws, and what was measured.

A Model answers predictions, frontiers and elasticities without the data. It is plain numbers, so it can be written
to JSON and read back (`vidscale.study.store`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidscale.cost import PaperCost
from vidscale.cost.deployment import CostSettings
from vidscale.errors import InputError
from vidscale.forms import Laws, Posynomial
from vidscale.measurements import MeasurementTable
from vidscale.space import DATA_SIZE, FACTORS, FACTORS_AND_DATA, Lattice
from vidscale.validate import BootstrapFits, FullFits, Noise, Prediction, laws_of, predict

Floats = NDArray[np.float64]

#: Levels of a factor that the measured lattice holds at most: 40³ configurations are searched in a blink.
MOST_LEVELS = 40

#: The predictors a frontier may use; both are named wherever their numbers are printed.
PREDICTORS = ("point", "bagged")


@dataclass(frozen=True, kw_only=True, eq=False)
class TargetModel:
    """The law of one target.

    Attributes:
        parameters: of the point fit, natural units.
        law: the point fit, a batch of one.
        noise_laws: refits to redrawn noise, whose spread gives intervals and probabilities.
        run_laws: refits to resampled runs, whose median is the bagged predictor.
        noise: how noisy measurements of this target are.
        chance: accuracy of guessing, None where unknown.
    """

    parameters: Mapping[str, float]
    law: Laws
    noise_laws: Laws
    run_laws: Laws
    noise: Noise
    chance: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """Fitted laws of all targets, and the domain they were measured in.

    Attributes:
        table: name of the table.
        synthetic: whether its rows were generated.
        data_hash: its hash.
        form: the form, without factors that do not vary.
        targets: name → law.
        levels: for each factor that the table has, its measured levels, ascending.
        encoder: (encoder_params, encoder_tokens) that the data declare, None where they do not.
        cost_settings: the cost that the study was made for; None for the paper's FLOPs.
    """

    table: str
    synthetic: bool
    data_hash: str
    form: Posynomial
    targets: Mapping[str, TargetModel]
    levels: Mapping[str, Floats]
    encoder: tuple[float, float] | None = None
    cost_settings: CostSettings | None = None

    def target(self, name: str) -> TargetModel:
        """The law of one target.

        Raises:
            InputError: there is no such target.
        """
        if name not in self.targets:
            raise InputError(f"unknown task {name!r}; the fit has {', '.join(self.targets)}")
        return self.targets[name]

    @property
    def lead(self) -> str:
        """The first target: the average where there are several tasks."""
        return next(iter(self.targets))

    @property
    def data_varies(self) -> bool:
        """Whether the laws depend on the data size."""
        return DATA_SIZE in self.form.factors

    @property
    def data_sizes(self) -> Floats:
        """Measured data sizes; a single 1 where the table has none, on which nothing depends."""
        return self.levels.get(DATA_SIZE, np.array([1.0]))

    def cost(self) -> PaperCost:
        """The paper's cost with the data's own encoder where they declare one."""
        if self.encoder is None:
            return PaperCost()
        return PaperCost(encoder_params=self.encoder[0], encoder_tokens=self.encoder[1])

    def measured_lattice(self, fixed: Mapping[str, float] | None = None) -> Lattice:
        """Every combination of measured levels, with factors held as asked.

        A factor measured at more than MOST_LEVELS values is thinned to that many, both ends kept.

        Raises:
            InputError: the table lacks a factor and no value is given for it.
        """
        fixed = fixed or {}
        levels, thinned = {}, False
        for factor in FACTORS:
            if factor in self.levels:
                levels[factor] = self.levels[factor]
                if len(levels[factor]) > MOST_LEVELS and factor not in fixed:
                    keep = np.round(np.linspace(0, len(levels[factor]) - 1, MOST_LEVELS)).astype(int)
                    levels[factor], thinned = levels[factor][keep], True
            elif factor in fixed:
                levels[factor] = np.array([float(fixed[factor])])
            else:
                raise InputError(f"table {self.table!r} has no {factor}, which every cost needs; say what it was, "
                                 f"for example --fix {factor}=8 (for a recommendation --allow {factor}=8; in Python "
                                 f"fixed={{{factor!r}: 8}} or Question({factor}=8))")
        name = "measured levels, thinned" if thinned else "measured levels"
        return Lattice(name=name, levels=levels).fix(fixed)

    def outside(self, x: Floats) -> tuple[str, ...]:
        """One sentence per factor of a row (lm_params, frames, tokens_per_frame, data_size) beyond the measurements."""
        said = []
        for k, factor in enumerate(FACTORS_AND_DATA):
            if factor not in self.levels:
                continue
            low, high = self.levels[factor][0], self.levels[factor][-1]
            if factor not in self.form.factors and x[k] != low:
                said.append(f"{factor} {x[k]:.4g} is not the only measured value {low:.4g}, and its effect was not "
                            "measured")
            elif not low * (1 - 1e-9) <= x[k] <= high * (1 + 1e-9):
                said.append(f"{factor} {x[k]:.4g} is outside the measured range {low:.4g} to {high:.4g}")
        return tuple(said)

    def error(self, target: str, x: Floats, predictor: str = "point") -> Floats:
        """Predicted errors at rows of (lm_params, frames, tokens_per_frame, data_size), shape (rows,)."""
        check_predictor(predictor)
        model = self.target(target)
        if predictor == "point":
            return model.law.over(FACTORS_AND_DATA).error(x)[0]
        return np.median(model.run_laws.over(FACTORS_AND_DATA).error(x), axis=0)

    def predict(
        self, target: str, x: Floats, *, predictor: str = "point", level: float = 0.9, n_eval: float | None = None,
        seed: int = 0,
    ) -> Prediction:
        """Predicted errors with both intervals at rows of (lm_params, frames, tokens_per_frame, data_size)."""
        x = np.atleast_2d(np.asarray(x, dtype=np.float64))
        model = self.target(target)
        return predict(model.noise_laws.over(FACTORS_AND_DATA), model.noise, x, self.error(target, x, predictor),
                       level=level, n_eval=n_eval, seed=seed)


def check_predictor(name: str) -> None:
    """Raise InputError unless the predictor is known."""
    if name not in PREDICTORS:
        raise InputError(f"unknown predictor {name!r}; allowed are {', '.join(PREDICTORS)}")


def make_model(table: MeasurementTable, full: FullFits, noise: BootstrapFits, runs: BootstrapFits,
               chance: Mapping[str, float]) -> Model:
    """Gather what later questions need from the fits and their bootstraps."""
    targets = {}
    for t, name in enumerate(full.runs.targets):
        fit = full.fits[t]
        targets[name] = TargetModel(
            parameters=fit.parameters, law=laws_of(full.runs, fit.theta[None]), noise_laws=noise.laws(name),
            run_laws=runs.laws(name), noise=noise.noise[t], chance=chance.get(name))
    levels = {}
    for factor in FACTORS_AND_DATA:
        values = table.rows[factor].to_numpy(dtype=np.float64)
        if np.isfinite(values).all():
            levels[factor] = np.unique(values)
    return Model(table=table.name, synthetic=table.synthetic, data_hash=table.data_hash, form=full.runs.form,
                 targets=targets, levels=levels, encoder=table.encoder)
