"""Numbers for people: units spelled, rounding that follows uncertainty.

An estimate is printed to two significant digits of the half-width of its interval, and no further.
"""

import math
from typing import TypeGuard

from vidscale.cost.units import DOLLARS, FLOPS, Unit, unit

#: What stands where there is no number.
NONE = "–"


def params(value: float | None) -> str:
    """Parameters of a model: 7.5B, 973M.

    Example:
        >>> params(7.5e9)
        '7.5B'
    """
    return _scaled(value, ((1e9, "B"), (1e6, "M"), (1e3, "k")))


def examples(value: float | None) -> str:
    """Finetuning examples: 250k, 1M.

    Example:
        >>> examples(2.5e5)
        '250k'
    """
    return _scaled(value, ((1e9, "G"), (1e6, "M"), (1e3, "k")))


def _scaled(value: float | None, scales: tuple[tuple[float, str], ...]) -> str:
    if not _known(value):
        return NONE
    for size, letter in scales:
        if value >= size * (1 - 1e-12):
            return f"{plain(value / size, 4)}{letter}"
    return plain(value, 4)


def tera(flops: float | None) -> str:
    """FLOPs in TFLOPs, without the unit.

    Example:
        >>> tera(115.21536e12)
        '115.2'
    """
    return plain(flops / 1e12, 4) if _known(flops) else NONE


def amount(value: float | None, of: str | Unit = FLOPS) -> str:
    """An amount of cost in the unit that tables show, without it.

    Args:
        value: in the cost model's unit.
        of: that unit by name, or the unit to show it in (`vidscale.cost.units.unit`).

    Example:
        >>> amount(0.25, "s")
        '250'
    """
    shown = unit(of) if isinstance(of, str) else of
    return plain(value / shown.scale, 4) if _known(value) else NONE


def with_unit(value: float | None, name: str = FLOPS) -> str:
    """An amount of cost with its unit: "15 TFLOPs", "0.5 GFLOPs", "250 ms", "$20 per million videos"."""
    shown = unit(name, value)
    figure = amount(value, shown)
    return f"${figure} per million videos" if name == DOLLARS else f"{figure} {shown.shown}"


def chance(probability: float | None) -> str:
    """A probability in per cent from a finite number of draws, which never show certainty: ">99", "<1".

    Example:
        >>> chance(1.0), chance(0.37)
        ('>99', '37')
    """
    if not _known(probability):
        return NONE
    text = f"{100 * probability:.0f}"
    return {"100": ">99", "0": "<1"}.get(text, text)


def still(value: float) -> float:
    """An elasticity without rounding noise: an optimum that does not move has elasticity 0."""
    return 0.0 if abs(value) < 1e-9 else value


def plain(value: float | None, digits: int = 3) -> str:
    """A number to some significant digits, never in exponent notation between 1e-4 and 1e7.

    Example:
        >>> plain(1234567.0, 2)
        '1200000'
    """
    if not _known(value):
        return NONE
    if value == 0:
        return "0"
    power = math.floor(math.log10(abs(value)))
    if not -4 <= power < 7:
        return f"{value:.{digits - 1}e}".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")
    text = f"{round(value, digits - 1 - power):.{max(digits - 1 - power, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(fraction: float | None, digits: int = 3) -> str:
    """A fraction as a percentage, without the sign."""
    return plain(100 * fraction, digits) if _known(fraction) else NONE


def decimals(half_width: float) -> int:
    """Decimals that show two significant digits of a half-width; at least 0 and at most 12."""
    if not (math.isfinite(half_width) and half_width > 0):
        return 12
    return min(max(1 - math.floor(math.log10(half_width) + 1e-12), 0), 12)


def interval(value: float | None, low: float | None, high: float | None, scale: float = 1.0) -> tuple[str, str]:
    """(value, "[low, high]") rounded to two digits of the half-width.

    Args:
        value: the estimate.
        low, high: its interval; None where there is none.
        scale: what all are multiplied by first, 100 for percent.

    Example:
        >>> interval(0.342117, 0.3391, 0.3452, scale=100)
        ('34.21', '[33.91, 34.52]')
    """
    if not _known(value):
        return NONE, NONE
    if not (_known(low) and _known(high)):
        return plain(value * scale), NONE
    value, low, high = value * scale, low * scale, high * scale
    half = (high - low) / 2
    if not half > 1e-9 * max(abs(value), abs(high)):
        return plain(value, 4), f"[{plain(low, 4)}, {plain(high, 4)}]"
    if low > 0 and high / low > 10:  # one number of decimals cannot serve several orders of magnitude
        return plain(value, 2), f"[{plain(low, 2)}, {plain(high, 2)}]"
    if max(abs(value), abs(high), abs(low)) >= 1e7 or max(abs(high), abs(low)) < 1e-4:
        power = math.floor(math.log10(max(abs(high), abs(low))))
        digits = power - math.floor(math.log10(half)) + 2
        return plain(value, max(digits, 1)), f"[{plain(low, max(digits, 1))}, {plain(high, max(digits, 1))}]"
    places = decimals(half)
    return f"{value:.{places}f}", f"[{low:.{places}f}, {high:.{places}f}]"


def _known(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)
