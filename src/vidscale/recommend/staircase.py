"""The whole frontier of one question: every step at which a larger budget changes the choice.

A recommendation is one point of it. A page that draws the frontier asks for it once and then moves along it; it is
exact, so no budget between two steps has another answer than the step below.
"""

from dataclasses import dataclass, replace

import numpy as np

from vidscale.frontier import steps_of
from vidscale.recommend.answerer import Answerer, Asked
from vidscale.recommend.cost_detail import named
from vidscale.recommend.question import Question
from vidscale.recommend.recommendation import Configuration, ErrorEstimate

#: Steps that are given at most: a fine lattice has thousands, more than a plot has pixels.
MOST_STEPS = 240


@dataclass(frozen=True, kw_only=True)
class Step:
    """The best configuration for budgets from its cost up to that of the next step.

    Attributes:
        cost: what it costs, in the unit of the budget.
        configuration: the best one that costs no more.
        error: its predicted error with both intervals.
    """

    cost: float
    configuration: Configuration
    error: ErrorEstimate


@dataclass(frozen=True, kw_only=True)
class Staircase:
    """The frontier of one question by rising cost.

    Attributes:
        question: what was asked; its budget plays no part.
        data_hash: hash of the measurements.
        unit: of every cost.
        levels: factor → the values that may be chosen.
        steps: by rising cost and falling error, at most 240.
        step_count: how many there are.
    """

    question: Question
    data_hash: str
    unit: str
    levels: dict[str, tuple[float, ...]]
    steps: tuple[Step, ...]
    step_count: int


def staircase(answerer: Answerer, question: Question | None = None) -> Staircase:
    """Every step of the frontier of a question.

    Args:
        answerer: answers of one model.
        question: as for `recommend`; its budget is ignored.

    Raises:
        InputError: something in the question is unknown or impossible.
    """
    with answerer.lock:
        asked = answerer.ask(replace(question or Question(), budget=None))
        found = steps_of(asked.values(asked.data_size), asked.prices)
        shown = np.arange(len(found))
        if len(found) > MOST_STEPS:
            shown = np.unique(np.linspace(0, len(found) - 1, MOST_STEPS).round().astype(int))
        steps = tuple(_step(answerer, asked, int(found.index[k]), float(found.cost[k]), float(found.error[k]))
                      for k in shown)
        levels = {name: tuple(float(v) for v in values) for name, values in asked.lattice.levels.items()}
        return Staircase(question=asked.question, data_hash=asked.model.data_hash, unit=asked.cost.unit, levels=levels,
                         steps=steps, step_count=len(found))


def _step(answerer: Answerer, asked: Asked, index: int, cost: float, error: float) -> Step:
    """One step; predicted by itself, so that its intervals are those of a recommendation to the last digit."""
    x = asked.lattice.configuration(index)
    return Step(cost=cost, configuration=named(answerer, asked, x),
                error=replace(asked.estimate(x, asked.data_size), value=error))
