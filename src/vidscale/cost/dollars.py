"""GPU time to money, and to energy at most.

The GPU is paid for while it is busy; a server that idles part of the day costs more per video by that part.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vidscale.cost.hardware import Gpu
from vidscale.cost.operations import Floats
from vidscale.errors import InputError

SECONDS_PER_HOUR = 3600.0
MILLION = 1e6


@dataclass(frozen=True, kw_only=True, eq=False)
class Price:
    """What a million videos cost; every array has shape (rows,).

    Attributes:
        dollars: at the GPU's price; low and high at the lowest and highest price seen.
        kilowatt_hours_at_most: at full board power, which a GPU that waits for memory does not draw.
    """

    dollars: Floats
    low: Floats
    high: Floats
    kilowatt_hours_at_most: Floats


def dollars_per_million(gpu_seconds: ArrayLike, price_per_hour: float, *, busy: float = 1.0) -> Floats:
    """Dollars for a million videos.

    Args:
        gpu_seconds: of one video, shape (rows,).
        price_per_hour: of one GPU, dollars.
        busy: share of the paid time in which the GPU works, in (0, 1].

    Raises:
        InputError: a number is out of range.

    Example:
        >>> float(dollars_per_million(0.36, 2.5))
        250.0
    """
    seconds = np.asarray(gpu_seconds, dtype=np.float64)
    if not (np.isfinite(seconds) & (seconds >= 0)).all():
        raise InputError("GPU-seconds per video are negative or not finite; allowed are 0 and positive numbers")
    if not 0 <= price_per_hour < np.inf:
        raise InputError(f"price per GPU-hour is {price_per_hour:g}; allowed are 0 and positive dollars")
    if not 0 < busy <= 1:
        raise InputError(f"busy is {busy:g}; allowed is a share of the paid time in (0, 1]")
    return seconds * (MILLION * price_per_hour / SECONDS_PER_HOUR / busy)


def price(gpu_seconds: ArrayLike, gpu: Gpu, *, busy: float = 1.0) -> Price:
    """What a million videos cost on a GPU; arguments as for `dollars_per_million`."""
    dollars, low, high = (dollars_per_million(gpu_seconds, each, busy=busy)
                          for each in (gpu.price_per_hour, gpu.price_low, gpu.price_high))
    joules = np.asarray(gpu_seconds, dtype=np.float64) * gpu.watts * MILLION
    return Price(dollars=dollars, low=low, high=high, kilowatt_hours_at_most=joules / 3.6e6)
