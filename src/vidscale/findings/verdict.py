"""What a table says of a statement: shown, refuted, or cannot tell, by one rule on an interval.

A statement is turned into one number that is positive where the statement holds. It is shown where the number's
interval lies above 0, refuted where it lies below, and the table cannot tell where the interval holds 0: an effect that
is not there is therefore never shown but in half of the cases that the interval misses, 2.5 % at LEVEL.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Probability of every interval that a verdict rests on.
LEVEL = 0.95


class Verdict(StrEnum):
    """What a table says of a statement."""

    SHOWN = "shown"
    REFUTED = "refuted"
    CANNOT_TELL = "cannot tell"
    MIXED = "mixed"
    ARITHMETIC = "arithmetic"

    @property
    def sentence(self) -> str:
        """The rule behind the verdict."""
        return {
            Verdict.SHOWN: "the interval lies on the statement's side of 0",
            Verdict.REFUTED: "the interval lies on the other side of 0",
            Verdict.CANNOT_TELL: "the interval holds 0, or the table lacks the runs that would say",
            Verdict.MIXED: "of the numbers it rests on some are surely on its side of 0 and some on the other",
            Verdict.ARITHMETIC: "follows from declared volumes; no measurement can show or refute it",
        }[self]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its interval.

    Attributes:
        value: the estimate.
        low, high: its interval.
        level: probability of the interval.
    """

    value: float
    low: float
    high: float
    level: float = LEVEL

    @property
    def known(self) -> bool:
        """Whether all three are numbers."""
        return all(math.isfinite(each) for each in (self.value, self.low, self.high))

    def __neg__(self) -> "Estimate":
        return Estimate(value=-self.value, low=-self.high, high=-self.low, level=self.level)


def judge(estimate: Estimate | None) -> Verdict:
    """The verdict on a statement whose number should be positive; None stands for a table that cannot give one."""
    if estimate is None or not estimate.known:
        return Verdict.CANNOT_TELL
    if estimate.low > 0:
        return Verdict.SHOWN
    return Verdict.REFUTED if estimate.high < 0 else Verdict.CANNOT_TELL


def agreed(verdicts: Sequence[Verdict]) -> Verdict:
    """One verdict from several on the same statement.

    Theirs where all are the same; mixed where one is shown and another refuted; else the table cannot tell.
    """
    if {Verdict.SHOWN, Verdict.REFUTED} <= set(verdicts):
        return Verdict.MIXED
    return verdicts[0] if verdicts and len(set(verdicts)) == 1 else Verdict.CANNOT_TELL


def differ(verdicts: Sequence[Verdict]) -> Verdict:
    """Whether members differ in sign, from a verdict on each.

    Shown where one is positive and another negative; refuted where all are sure and of one sign; else not to be told.
    """
    signs = set(verdicts)
    if {Verdict.SHOWN, Verdict.REFUTED} <= signs:
        return Verdict.SHOWN
    return Verdict.REFUTED if len(verdicts) > 1 and len(signs) == 1 and Verdict.CANNOT_TELL not in signs \
        else Verdict.CANNOT_TELL


def of_draws(value: float, draws: Floats, level: float = LEVEL) -> Estimate:
    """An estimate whose interval is the quantiles of draws, widened to hold the estimate itself."""
    draws = draws[np.isfinite(draws)]
    if draws.size < 2:
        return Estimate(value=value, low=math.nan, high=math.nan, level=level)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value=value, low=min(float(low), value), high=max(float(high), value), level=level)
