"""How far the runs reach: what each factor, the data size and all of them together move the error by, raw rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidscale.cost import CostModel
from vidscale.findings.cells import Cells
from vidscale.findings.factors import star_arms
from vidscale.findings.verdict import LEVEL, Estimate
from vidscale.space import DATA_SIZE, FACTORS

Floats = NDArray[np.float64]

#: Name of the move from the cheapest configuration to the dearest.
CONFIGURATION = "configuration"


@dataclass(frozen=True, kw_only=True)
class Move:
    """How much the error falls from one end of a range to the other.

    Attributes:
        what: a factor, data_size, or CONFIGURATION.
        low, high: the ends; costs in FLOPs for CONFIGURATION.
        fall: of the error, a fraction.
    """

    what: str
    low: float
    high: float
    fall: Estimate


def moves(cells: Cells, cost_model: CostModel, level: float = LEVEL) -> list[Move]:
    """Factors along the star's arms, averaged over data sizes; the data size over configurations measured at both ends
    of its longest range; the cheapest against the dearest configuration at the largest data size that has both."""
    found = []
    for factor in FACTORS:
        arms = star_arms(cells, factor)
        if arms:
            spans = [arm.step(0, -1, cells) * np.log2(arm.levels[-1] / arm.levels[0]) for arm in arms]
            found.append(Move(what=factor, low=float(arms[0].levels[0]), high=float(arms[0].levels[-1]),
                              fall=cells.contrast(np.mean(spans, axis=0), level)))
    return [*found, *_data(cells, level), *_ends(cells, cost_model, level)]


def _data(cells: Cells, level: float) -> list[Move]:
    """The pair of data sizes furthest apart that share two configurations or more, all of those averaged."""
    sizes = np.unique(cells.x[:, 3])
    pairs = sorted(((low, high) for low in sizes for high in sizes if low < high), key=lambda p: p[1] / p[0])
    for low, high in reversed(pairs):
        at = [{tuple(cells.x[i, :3]): i for i in np.flatnonzero(cells.x[:, 3] == size)} for size in (low, high)]
        shared = sorted(set(at[0]) & set(at[1]))
        if len(shared) >= 2:
            weights = np.zeros(len(cells))
            for x in shared:
                weights[at[0][x]] += 1 / len(shared)
                weights[at[1][x]] -= 1 / len(shared)
            return [Move(what=DATA_SIZE, low=float(low), high=float(high), fall=cells.contrast(weights, level))]
    return []


def _ends(cells: Cells, cost_model: CostModel, level: float) -> list[Move]:
    rows = np.flatnonzero(cells.x[:, 3] == cells.x[:, 3].max())
    cost = cost_model.cost(cells.x[rows, :3])
    if cost.min() == cost.max():
        return []
    weights = np.zeros(len(cells))
    weights[rows[cost.argmin()]], weights[rows[cost.argmax()]] = 1.0, -1.0
    return [Move(what=CONFIGURATION, low=float(cost.min()), high=float(cost.max()),
                 fall=cells.contrast(weights, level))]
