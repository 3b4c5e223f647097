"""Curves through measured times, in log-log, and what they say beyond the last point.

An efficiency that is one number is off by a factor where products are small; a curve through measured points is off by
per cents. Between two points the log of the time is linear in the log of the size. Below the first point the time stays
(nothing is smaller than a kernel), above the last it grows in proportion to the work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidscale.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curve:
    """Seconds against size.

    Attributes:
        size: what was measured, increasing, shape (points,).
        seconds: shape (points,).
        slope: power of the size that the time follows above the last point.
    """

    size: Floats
    seconds: Floats
    slope: float = 1.0

    def __post_init__(self) -> None:
        if self.size.ndim != 1 or self.size.shape != self.seconds.shape or self.size.size == 0:
            raise InputError("a curve needs as many times as sizes, and at least one")
        if np.any(np.diff(self.size) <= 0) or np.any(self.seconds <= 0) or np.any(self.size <= 0):
            raise InputError("a curve needs sizes that increase and times above 0")

    @classmethod
    def through(cls, times: Mapping[float, float], slope: float = 1.0) -> "Curve":
        """The curve through {size: seconds}."""
        size = np.array(sorted(times), dtype=np.float64)
        return cls(size, np.array([times[s] for s in size]), slope)

    def __call__(self, size: ArrayLike) -> Floats:
        """Seconds at each size, same shape."""
        return np.exp(self.log(np.log(np.asarray(size, dtype=np.float64))))

    def log(self, log_size: Floats) -> Floats:
        """Log seconds at each log size, same shape."""
        x = np.log(self.size)
        return np.interp(log_size, x, np.log(self.seconds)) + self.slope * np.maximum(log_size - x[-1], 0.0)


@dataclass(frozen=True, eq=False)
class Surface:
    """Seconds against two sizes, measured on a full grid.

    Attributes:
        first, second: the measured sizes of each axis, increasing.
        seconds: shape (first, second).
        slopes: powers of the two sizes that the time follows above the last points.
    """

    first: Floats
    second: Floats
    seconds: Floats
    slopes: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        if self.seconds.shape != (self.first.size, self.second.size) or not np.all(self.seconds > 0):
            raise InputError("a surface needs one time above 0 for every pair of sizes")

    @classmethod
    def through(cls, times: Mapping[tuple[float, float], float], slopes: tuple[float, float]) -> "Surface":
        """The surface through {(first, second): seconds}, on those sizes that form a full grid.

        Second sizes that some first size lacks are left out, as a measurement that ran out of memory leaves holes.
        """
        first = sorted({a for a, _ in times})
        second = sorted(b for b in {b for _, b in times} if all((a, b) in times for a in first))
        if not second:
            raise InputError("no second size was measured at every first size")
        return cls(np.array(first, dtype=np.float64), np.array(second, dtype=np.float64),
                   np.array([[times[a, b] for b in second] for a in first]), slopes)

    def __call__(self, first: ArrayLike, second: ArrayLike) -> Floats:
        """Seconds at each pair, broadcast against each other; bilinear in logs."""
        a, b = np.log(np.asarray(first, dtype=np.float64)), np.log(np.asarray(second, dtype=np.float64))
        x, y, z = np.log(self.first), np.log(self.second), np.log(self.seconds)
        beyond = self.slopes[0] * np.maximum(a - x[-1], 0) + self.slopes[1] * np.maximum(b - y[-1], 0)
        (i, u), (j, v) = _place(x, a), _place(y, b)
        i2, j2 = np.minimum(i + 1, x.size - 1), np.minimum(j + 1, y.size - 1)
        low = z[i, j] * (1 - v) + z[i, j2] * v
        high = z[i2, j] * (1 - v) + z[i2, j2] * v
        return np.exp(low * (1 - u) + high * u + beyond)


def _place(grid: Floats, at: Floats) -> tuple[NDArray[np.int64], Floats]:
    """The cell of each value and how far into it, the ends held."""
    if grid.size == 1:
        return np.zeros(at.shape, dtype=np.int64), np.zeros(at.shape)
    cell = np.clip(np.searchsorted(grid, at, side="right") - 1, 0, grid.size - 2)
    return cell, np.clip((at - grid[cell]) / (grid[cell + 1] - grid[cell]), 0.0, 1.0)


def blended(curves: Sequence[Curve], weights: Sequence[float], log_size: Floats) -> Floats:
    """Weighted mean of the curves' logs at each log size, same shape; weights sum to 1."""
    total = np.zeros_like(log_size)
    for curve, weight in zip(curves, weights):
        total += weight * curve.log(log_size)
    return total
