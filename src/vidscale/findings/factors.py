"""One factor at a time, from the raw rows of a star: diminishing returns, and whose doubling pays more.

All gains are falls of the error per doubling of a factor, as fractions. An arm varies one factor with the others at the
star's centre, at one data size; the arms of all data sizes are averaged.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidscale.findings.cells import Cells
from vidscale.findings.verdict import LEVEL, Estimate, Verdict, agreed, judge
from vidscale.forms import Laws
from vidscale.space import FACTORS, FRAMES, TOKENS_PER_FRAME, Lattice

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Arm:
    """Cells that differ in one factor only, by its levels, ascending.

    Attributes:
        factor: which.
        data_size: finetuning examples of all of them.
        levels: of the factor, shape (levels,).
        at: row numbers of the cells, shape (levels,).
        centre: position of the star's centre among the levels.
    """

    factor: str
    data_size: float
    levels: Floats
    at: Ints
    centre: int

    def step(self, low: int, high: int, cells: Cells) -> Floats:
        """Weights of the gain per doubling from level number `low` to `high`, shape (cells,)."""
        weights = np.zeros(len(cells))
        doublings = np.log2(self.levels[high] / self.levels[low])
        weights[self.at[low]] += 1 / doublings
        weights[self.at[high]] -= 1 / doublings
        return weights


def star_arms(cells: Cells, factor: str) -> list[Arm]:
    """The arms of one factor, one for each data size that has three levels or more; none without a star.

    The centre is, factor by factor, the commonest level among the star's configurations; where no run is labelled star,
    among all.
    """
    member = np.flatnonzero(cells.star) if cells.star.any() else np.arange(len(cells))
    x, k = cells.x[member], FACTORS.index(factor)
    centre = np.array([_commonest(x[:, j]) for j in range(3)])
    others = [j for j in range(3) if j != k]
    on = member[(x[:, others] == centre[others]).all(axis=1)]
    arms = []
    for size in np.unique(cells.x[on, 3]):
        own = on[cells.x[on, 3] == size]
        own = own[np.argsort(cells.x[own, k])]
        levels = cells.x[own, k]
        if len(levels) >= 3 and centre[k] in levels:
            arms.append(Arm(factor=factor, data_size=float(size), levels=levels, at=own,
                            centre=int(np.flatnonzero(levels == centre[k])[0])))
    return arms


def _commonest(values: Floats) -> float:
    levels, counts = np.unique(values, return_counts=True)
    return float(levels[np.flatnonzero(counts == counts.max())[-1]])


@dataclass(frozen=True, kw_only=True)
class Returns:
    """How the gain per doubling changes along one factor.

    Attributes:
        target, factor: of what.
        levels: lowest and highest measured level.
        first, last: gain per doubling of the first and of the last step.
        fall: first − last; positive where returns diminish.
        halves: the same of the lower half of the range against the upper.
    """

    target: str
    factor: str
    levels: tuple[float, float]
    first: Estimate
    last: Estimate
    fall: Estimate
    halves: Estimate

    @property
    def verdict(self) -> Verdict:
        """On: returns diminish, from the first step to the last and from the lower half to the upper alike."""
        return agreed([judge(self.fall), judge(self.halves)])


def returns(cells: Cells, factor: str, level: float = LEVEL) -> Returns | None:
    """Gain of the first step against the last; None where the table has no arm of the factor."""
    arms = star_arms(cells, factor)
    if not arms:
        return None
    def mean(weights: list[Floats]) -> Estimate:
        return cells.contrast(np.mean(weights, axis=0), level)

    first = [arm.step(0, 1, cells) for arm in arms]
    last = [arm.step(-2, -1, cells) for arm in arms]
    low = [arm.step(0, len(arm.levels) // 2, cells) for arm in arms]
    high = [arm.step(len(arm.levels) // 2, -1, cells) for arm in arms]
    return Returns(target=cells.target, factor=factor,
                   levels=(float(arms[0].levels[0]), float(arms[0].levels[-1])), first=mean(first), last=mean(last),
                   fall=mean([a - b for a, b in zip(first, last)]), halves=mean([a - b for a, b in zip(low, high)]))


@dataclass(frozen=True, kw_only=True)
class Preference:
    """Whose doubling pays more, frames or tokens per frame.

    Attributes:
        target: of what.
        frames, tokens: gain per doubling around the star's centre, between the levels on either side of it (at an end
            of the range: between it and its neighbour).
        difference: frames − tokens; positive where frames pay more.
        whole: the same difference over the whole measured range of both.
    """

    target: str
    frames: Estimate
    tokens: Estimate
    difference: Estimate
    whole: Estimate

    @property
    def verdict(self) -> Verdict:
        """On: doubling frames pays more than doubling tokens per frame."""
        return judge(self.difference)

    @property
    def wants(self) -> str:
        """The factor whose doubling pays more, where that can be told."""
        return {Verdict.SHOWN: "frames", Verdict.REFUTED: "tokens per frame"}.get(self.verdict, str(
            Verdict.CANNOT_TELL))


def preference(cells: Cells, level: float = LEVEL) -> Preference | None:
    """Compare the two factors of the video on the star; None where it has not both."""
    arms = {factor: {arm.data_size: arm for arm in star_arms(cells, factor)} for factor in (FRAMES, TOKENS_PER_FRAME)}
    sizes = sorted(set(arms[FRAMES]) & set(arms[TOKENS_PER_FRAME]))
    if not sizes:
        return None

    def mean(factor: str, whole: bool) -> Floats:
        found = []
        for size in sizes:
            arm = arms[factor][size]
            low, high = max(arm.centre - 1, 0), min(arm.centre + 1, len(arm.levels) - 1)
            found.append(arm.step(0, -1, cells) if whole else arm.step(low, high, cells))
        return np.mean(found, axis=0)

    near, far = ({factor: mean(factor, whole) for factor in arms} for whole in (False, True))
    return Preference(target=cells.target, frames=cells.contrast(near[FRAMES], level),
                      tokens=cells.contrast(near[TOKENS_PER_FRAME], level),
                      difference=cells.contrast(near[FRAMES] - near[TOKENS_PER_FRAME], level),
                      whole=cells.contrast(far[FRAMES] - far[TOKENS_PER_FRAME], level))


@dataclass(frozen=True, kw_only=True)
class LawPreference:
    """The same by a fitted law, over a lattice instead of around one configuration.

    Attributes:
        difference: mean over the lattice of the gain of twice the frames less that of twice the tokens per frame.
        share: share of the lattice where frames pay more by the point fit.
        points: configurations that have room to double either.
    """

    difference: Estimate
    share: float
    points: int


def law_preference(law: Laws, draws: Laws, lattice: Lattice, data_size: float,
                   level: float = LEVEL) -> LawPreference | None:
    """Whose doubling pays more by a law and its noise draws; None where nothing has room to double both.

    Args:
        law: the point fit, over (lm_params, frames, tokens_per_frame, data_size).
        draws: its redraws, over the same.
        lattice: configurations; only those that stay inside it when either factor doubles count.
        data_size: finetuning examples.
        level: probability of the interval.
    """
    points = lattice.points
    room = (2 * points[:, 1] <= points[:, 1].max()) & (2 * points[:, 2] <= points[:, 2].max())
    x = np.column_stack([points[room], np.full(int(room.sum()), data_size)])
    if not len(x):
        return None
    frames, tokens = x * np.array([1, 2, 1, 1.0]), x * np.array([1, 1, 2, 1.0])
    own, drawn = (each.error(tokens) - each.error(frames) for each in (law, draws))
    means = drawn.mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    value = float(own[0].mean())
    return LawPreference(difference=Estimate(value=value, low=min(float(low), value), high=max(float(high), value),
                                             level=level), share=float(np.mean(own[0] > 0)), points=len(x))


def family_level(count: int, level: float = LEVEL) -> float:
    """Level of each of several intervals, so that all hold together with the probability `level` (Bonferroni)."""
    return 1 - (1 - level) / max(count, 1)


def preferences(tasks: Sequence[Cells], level: float = LEVEL) -> list[Preference]:
    """The preference of every task, at a level at which all intervals hold together."""
    each = family_level(len(tasks), level)
    return [found for found in (preference(cells, each) for cells in tasks) if found is not None]
