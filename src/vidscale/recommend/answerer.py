"""A model with what every question about it needs again: lattices, cost models, prices.

Each of these depends on a part of the question only, so a budget that moves finds all of them made. What is kept is
bounded, so that a server's memory stays flat whatever it is asked.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from threading import RLock
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from vidscale.cost import CostModel
from vidscale.cost.constraints import LimitedCost
from vidscale.cost.deployment import TIMED, CostSettings, Serving, cost_of, serve
from vidscale.cost.profile import Profile
from vidscale.errors import InputError
from vidscale.frontier import lattice_cost
from vidscale.measurements.observations import WEIGHTED
from vidscale.recommend.question import Question, cost_settings_of
from vidscale.recommend.recommendation import ErrorEstimate
from vidscale.recommend.weighted import task_shares, weighted_model
from vidscale.space import DATA_SIZE, FACTORS, LM_PARAMS, Lattice, ScalingFactors, VideoVLM
from vidscale.space.ladder import TOLERANCE
from vidscale.study import Model, cost_model, lattice_values, make_lattice
from vidscale.study.frontier import default_budgets

Floats = NDArray[np.float64]
T = TypeVar("T")

#: Held by whoever computes. Kernels that run in several threads themselves must not be entered by two threads at once
#: (Numba's workqueue ends the process then), whichever study they belong to.
COMPUTING = RLock()


class Kept:
    """The last few results of some work, by key."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.found: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The result of this key, made now where it is not there."""
        if key in self.found:
            self.found.move_to_end(key)
            return self.found[key]
        value = make()
        self.found[key] = value
        while len(self.found) > self.most:
            self.found.popitem(last=False)
        return value


class Priced:
    """A cost model that remembers what the points of a lattice cost.

    Whoever searches, counts what limits exclude and splits the cost asks for the same points again; a cost that is
    interpolated from measurements takes longer than all the rest. Everything else is the model's own.
    """

    def __init__(self, model: CostModel) -> None:
        self.model = model
        self.amounts, self.shares = Kept(4), Kept(4)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    # What the protocol of a cost model names has to be there, not found by __getattr__ alone.
    @property
    def name(self) -> str:
        return self.model.name

    @property
    def unit(self) -> str:
        return self.model.unit

    def terms(self) -> Any:
        return self.model.terms()

    def cost(self, points: Floats) -> Floats:
        return _remembered(self.amounts, points, self.model.cost)

    def encoder_share(self, points: Floats) -> Floats:
        return _remembered(self.shares, points, self.model.encoder_share)


#: Points that are remembered: a lattice; single rows are not worth it.
_LEAST = 16


def _remembered(kept: Kept, points: Floats, work: Callable[[Floats], Floats]) -> Floats:
    if np.ndim(points) != 2 or len(points) < _LEAST:
        return work(points)
    # The array is kept with the result, so that its identity cannot come to mean another one.
    return kept.get(id(points), lambda: (points, work(points)))[1].copy()


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """A question with everything looked up.

    Attributes:
        question: with defaults filled in.
        model: fitted laws; of one target "weighted" where weights were given.
        target: the target.
        lattice: what may be chosen.
        settings: the cost's settings.
        cost: the cost model.
        budget: in its unit.
        data_size: finetuning examples; 1 where the table has none.
        prices: cost of every configuration of the lattice.
        memory: bytes of the GPU that is named; None without one.
        answer_given: whether the question itself names the tokens of an answer.
    """

    question: Question
    model: Model
    target: str
    lattice: Lattice
    settings: CostSettings
    cost: CostModel
    budget: float
    data_size: float
    prices: Floats
    memory: float | None = None
    answer_given: bool = False

    @property
    def timed(self) -> bool:
        """Whether anything in the question is counted in GPU time."""
        return any(kind in TIMED for kind in self.settings.kinds)

    def values(self, data_size: float) -> Floats:
        """Predicted error of every configuration of the lattice at a data size, shape (points,)."""
        return lattice_values(self.model, self.target, self.lattice, np.array([data_size]),
                              self.question.predictor)[0]

    def estimate(self, x: ScalingFactors, data_size: float) -> ErrorEstimate:
        """The predicted error of one configuration with both intervals, as `predict` gives them for one row."""
        q = self.question
        found = self.model.predict(self.target, np.array([[*x, data_size]]), predictor=q.predictor, level=q.level,
                                   n_eval=q.n_eval, seed=q.seed)
        return ErrorEstimate(value=float(found.error[0]), mean_low=float(found.mean_low[0]),
                             mean_high=float(found.mean_high[0]), new_low=float(found.new_low[0]),
                             new_high=float(found.new_high[0]), level=q.level, n_eval=found.n_eval)


class Answerer:
    """Answers questions about one model.

    Args:
        model: fitted laws, as `load_model` gives them.
        cost: the cost that questions are laid over; None takes the one that the study was made for.
        encoder: (encoder_params, encoder_tokens) of the paper's formula; None takes the data's own, else the paper's.

    It may be shared by threads: they take turns.
    """

    def __init__(self, model: Model, cost: CostSettings | None = None,
                 encoder: tuple[float, float] | None = None) -> None:
        self.model = model
        self.stored = model.cost_settings if cost is None else cost
        self.encoder = encoder
        self.lock = COMPUTING
        self._lattices, self._costs, self._weighted = Kept(8), Kept(16), Kept(16)
        self._ladders, self._profiles, self.details = Kept(16), Kept(16), Kept(256)

    def ask(self, question: Question) -> Asked:
        """Look everything up that a question names.

        Raises:
            InputError: something in the question is unknown, impossible or buys nothing.
        """
        settings = cost_settings_of(question, self.stored)
        model, target, weights = self._target(question)
        lattice = self.lattice(question)
        cost = self.cost(settings)
        prices = lattice_cost(lattice, cost)
        budget = question.budget
        if budget is None:
            usual = default_budgets(lattice, cost)
            budget = float(usual[len(usual) // 2])
        data_size = self._data_size(question.data_size)
        filled = replace(
            question, cost=settings.kind, gpu=settings.gpu, batch=settings.batch, output_tokens=settings.output_tokens,
            text_tokens=settings.text_tokens, price=settings.price, model=settings.model, budget=budget,
            data_size=data_size if self.model.data_varies else None, task=None if weights else target,
            weights=weights,
            memory_limit_bytes=next((each.value for each in settings.limits if each.kind == "memory"), None),
            limits={each.kind: each.value for each in settings.limits if each.kind != "memory"})
        return Asked(question=filled, model=model, target=target, lattice=lattice, settings=settings, cost=cost,
                     budget=budget, data_size=data_size, prices=prices, memory=self.memory(settings),
                     answer_given=question.output_tokens is not None)

    def cost(self, settings: CostSettings) -> CostModel:
        """The cost model of some settings, which remembers the prices of the lattices it was asked about."""
        return self._costs.get((settings,), lambda: _remembering(cost_model(self.model, self.encoder, settings)))

    def lattice(self, question: Question) -> Lattice:
        """What may be chosen.

        Raises:
            InputError: an unknown lattice, or a factor's value that is none of its levels.
        """
        allowed = {name: getattr(question, name) for name in FACTORS if getattr(question, name)}
        key = (question.lattice, tuple(allowed.items()))
        return self._lattices.get(key, lambda: _allowed(self.model, question.lattice, allowed))

    def held_lattice(self, kind: str, fixed: Mapping[str, float]) -> Lattice:
        """A lattice with factors held at a value, whether that is one of its levels or not.

        Raises:
            InputError: an unknown lattice or factor, or a factor that the table lacks and nobody holds.
        """
        key = ("held", kind, tuple(sorted(fixed.items())))
        return self._lattices.get(key, lambda: make_lattice(self.model, kind, fixed))

    def planner(self) -> CostModel:
        """How someone who counts FLOPs counts them."""
        return cost_of(CostSettings(), self.encoder or self.model.encoder)

    def vlm(self, settings: CostSettings, lm_params: float) -> VideoVLM | None:
        """The video VLM that a size stands for, or a stand-in; None where the family has none of that size."""
        models = self._ladders.get(settings.model, lambda: _models(settings))
        try:
            return models.vlm(lm_params)
        except InputError:
            return None

    def memory(self, settings: CostSettings) -> float | None:
        """Bytes of memory of the GPU that settings name; None where they name none."""
        if settings.gpu is None and settings.profile is None:
            return None
        found = self._served(settings).gpu
        return None if found is None else found.memory

    def profile(self, settings: CostSettings) -> Profile | None:
        """How fast the GPU is that settings name; None where they name none."""
        if settings.gpu is None and settings.profile is None:
            return None
        return self._served(settings).profile

    def _served(self, settings: CostSettings) -> Serving:
        timed = CostSettings(kind="latency", gpu=settings.gpu, profile=settings.profile)
        return self._profiles.get((settings.gpu, settings.profile), lambda: serve(timed))

    def _target(self, question: Question) -> tuple[Model, str, Mapping[str, float] | None]:
        if question.weights:
            share = task_shares(self.model, question.weights)
            if len(share) == 1:
                return self.model, next(iter(share)), None
            made = self._weighted.get(tuple(share.items()), lambda: weighted_model(self.model, share))
            return made, WEIGHTED, share
        target = question.task or self.model.lead
        self.model.target(target)
        return self.model, target, None

    def _data_size(self, wanted: float | None) -> float:
        if not self.model.data_varies:
            return float(self.model.data_sizes[0])
        if wanted is None:
            return float(self.model.data_sizes[-1])
        if not 1 <= wanted <= 1e15:
            raise InputError(f"{DATA_SIZE} is {wanted:g}; allowed are numbers from 1 to 1e+15")
        return float(wanted)


def _models(settings: CostSettings):
    from vidscale.cost.deployment import models_of

    return models_of(settings.model)


def _remembering(cost: CostModel) -> CostModel:
    """The cost with remembered prices; a formula is quicker than remembering it."""
    if isinstance(cost, LimitedCost):
        limits = tuple((limit, _remembering(model)) for limit, model in cost.limits)
        return LimitedCost(base=_remembering(cost.base), limits=limits)
    return cost if cost.terms() is not None else Priced(cost)


def _allowed(model: Model, kind: str, allowed: Mapping[str, tuple[float, ...]]) -> Lattice:
    """A lattice cut down to the values of some factors that may be chosen.

    A factor that the table lacks holds the one value that is given. On the dense lattice, whose levels stand for a
    continuum, any value in its range will do; elsewhere the values have to be levels. A size of a language model is a
    level when it is within 4 % of it, as it is for costs.
    """
    absent = {name: values[0] for name, values in allowed.items() if name not in model.levels}
    for name in absent:
        if len(allowed[name]) > 1:
            raise InputError(f"table {model.table!r} has no {name}; give the one value that it had, not "
                             f"{len(allowed[name])}")
    lattice = make_lattice(model, kind, absent)
    levels = dict(lattice.levels)
    for name, values in allowed.items():
        if name not in absent:
            levels[name] = _cut(lattice, name, values, continuum=kind == "dense")
    if not allowed:
        return lattice
    held = "; ".join(f"{name} {', '.join(f'{v:g}' for v in levels[name])}" for name in allowed)
    return Lattice(name=f"{lattice.name} with {held}", levels=levels)


def _cut(lattice: Lattice, name: str, values: tuple[float, ...], continuum: bool) -> Floats:
    levels = lattice.levels[name]
    slack = TOLERANCE if name == LM_PARAMS and not continuum else 1e-9
    kept = []
    for value in values:
        near = float(levels[np.argmin(np.abs(np.log(levels) - math.log(value)))])
        if continuum and levels[0] * (1 - 1e-9) <= value <= levels[-1] * (1 + 1e-9):
            kept.append(value)
        elif abs(near - value) <= slack * value:
            kept.append(near)
        else:
            some = ", ".join(f"{v:g}" for v in levels[:12]) + (f" and {levels.size - 12} more" if levels.size > 12
                                                               else "")
            raise InputError(f"{name} {value:g} is none of lattice {lattice.name!r}; its levels are {some}")
    return np.unique(np.array(kept, dtype=np.float64))


