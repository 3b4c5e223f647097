"""What is asked of a study: everything that decides its numbers."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vidscale.cost.deployment import CostSettings
from vidscale.errors import InputError
from vidscale.fit import FitSettings
from vidscale.fit.solve import LOSSES
from vidscale.forms import PAPER_FORMS, Posynomial
from vidscale.given import number_given, numbers_given, shortly, table_given, whole_given
from vidscale.space import ScalingFactors
from vidscale.study.model import PREDICTORS
from vidscale.validate import check_level

LATTICES = ("measured", "published", "deployable", "dense")


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """Everything that decides a study's numbers; with the table it reproduces them to the byte.

    Args:
        forms: forms to compare, one or several: catalogue names, paths of .toml files, or forms. To the default, the
            paper's four, Li et al.'s is added where the data size does not vary: it is what mult then amounts to.
        form: the form to deploy; None takes the one that predicts held-out runs best.
        weights: task → weight, for a weighted target in place of the average.
        split: rule for the training side of extrapolation, such as "sweep=star"; "auto" takes that rule where the
            table has star and other sweeps, "none" none.
        folds: folds of the cross-validation, at most one per configuration; 0 for none.
        draws: draws of either bootstrap.
        level: probability of intervals for predictions and elasticities; parameters get 95 % profile intervals.
        predictor: "point" or "bagged".
        lattice: "measured", "published", "deployable" or "dense".
        cost: what an inference costs, and limits on it; the paper's FLOPs by default.
        budgets: in the unit of the cost; None spreads six over the lattice.
        data_sizes: at which the frontier is given; None takes the measured ones (four at most).
        fixed: factors held at a value.
        current: the configuration in use now: ScalingFactors, a mapping of the three factors, or three numbers.
        tolerance: relative excess over the best error that counts as a near-tie.
        n_eval: questions of the new measurement that the second interval speaks of.
        encoder: (encoder_params, encoder_tokens) of the paper's formula; None takes the data's own, else the paper's.
        pins: parameters held at a value.
        loss, delta, starts, seed: see `FitSettings`.

    Raises:
        InputError: a setting is of the wrong kind or out of range, whatever the table.
    """

    forms: tuple[str | Posynomial, ...] = PAPER_FORMS
    form: str | None = None
    weights: Mapping[str, float] | None = None
    split: str = "auto"
    folds: int = 10
    draws: int = 100
    level: float = 0.9
    predictor: str = "point"
    lattice: str = "measured"
    cost: CostSettings = field(default_factory=CostSettings)
    budgets: tuple[float, ...] | None = None
    data_sizes: tuple[float, ...] | None = None
    fixed: Mapping[str, float] | None = None
    current: ScalingFactors | None = None
    tolerance: float = 0.01
    n_eval: float | None = None
    encoder: tuple[float, float] | None = None
    pins: Mapping[str, float] | None = None
    loss: str = "log-mse"
    delta: float = 1e-3
    starts: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        checked = {**_sequences(self), **_tables(self)}
        if self.current is not None:
            checked["current"] = ScalingFactors.of(self.current)
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        for name, least in (("folds", 0), ("draws", 2), ("starts", 1), ("seed", 0)):
            whole_given(getattr(self, name), name, least)
        for name, allowed in (("predictor", PREDICTORS), ("lattice", LATTICES), ("loss", LOSSES)):
            if getattr(self, name) not in allowed:
                raise InputError(f"unknown {name} {shortly(getattr(self, name))}; allowed are {', '.join(allowed)}")
        check_level(number_given(self.level, "level", "it is a probability between 0 and 1, such as 0.9"))
        near = "allowed is a fraction in [0, 1), such as 0.01"
        if not 0 <= number_given(self.tolerance, "tolerance", near) < 1:
            raise InputError(f"tolerance is {self.tolerance!r}; {near}")
        asked = "a measurement has at least 1 question"
        if self.n_eval is not None and not 1 <= number_given(self.n_eval, "n_eval", asked) < math.inf:
            raise InputError(f"n_eval is {self.n_eval!r}; {asked}")
        if not number_given(self.delta, "delta", "it is a number such as 1e-3") > 0:
            raise InputError(f"delta is {self.delta!r}; the Huber threshold is positive")

    def fit_settings(self) -> FitSettings:
        """The part that decides how fits are done."""
        return FitSettings(loss=self.loss, delta=self.delta, starts=self.starts, seed=self.seed)


def _sequences(settings: StudySettings) -> dict[str, tuple[Any, ...] | None]:
    """Settings that are several of something, as tuples; one alone stands for a sequence of one."""
    forms = settings.forms
    found: dict[str, Any] = {"forms": (forms,) if isinstance(forms, str | Posynomial) else forms}
    if not isinstance(found["forms"], Iterable):
        raise InputError(f"forms is {shortly(forms)}; give names such as ('add', 'add-interact')")
    found["forms"] = tuple(found["forms"])
    pair = "it is (encoder_params, encoder_tokens), such as (0.43e9, 768)"
    for name, write in (("budgets", "it is numbers in the unit of the cost, such as (15e12, 30e12) FLOPs"),
                        ("data_sizes", "it is numbers of finetuning examples, such as (1e6, 2e6)"),
                        ("encoder", pair)):
        given = getattr(settings, name)
        found[name] = None if given is None else numbers_given(given, name, write)
    if found["encoder"] is not None and len(found["encoder"]) != 2:
        raise InputError(f"encoder is {found['encoder']}; {pair}")
    return found


def _tables(settings: StudySettings) -> dict[str, Any]:
    """Settings that are numbers by name."""
    such_as = {"weights": "{'reading': 2}", "fixed": "{'frames': 8}", "pins": "{'epsilon': 0.05}"}
    return {name: table_given(getattr(settings, name), name, f"give numbers by name, such as {example}")
            for name, example in such_as.items() if getattr(settings, name) is not None}
