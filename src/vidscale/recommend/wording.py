"""Amounts in sentences. Rounding follows the interval where there is one."""

import math

from vidscale.space import DATA_SIZE, FRAMES, LM_PARAMS, TOKENS_PER_FRAME
from vidscale.space.short import short as size

#: Factors as sentences call them.
NAMES = {LM_PARAMS: "language-model size", FRAMES: "frames", TOKENS_PER_FRAME: "tokens per frame",
         DATA_SIZE: "finetuning examples"}


def factor(name: str, value: float) -> str:
    """A factor's value in a sentence: "a language model of 7.5B parameters", "32 frames"."""
    if name == LM_PARAMS:
        return f"a language model of {size(value)} parameters"
    if name == DATA_SIZE:
        return f"{size(value)} finetuning examples"
    return _count(value, "frame") if name == FRAMES else f"{_count(value, 'token')} per frame"


def configuration(x) -> str:
    """A configuration in short: "7.5B (llama-3.1-8b) × 12 frames × 36 tokens"."""
    name = f" ({x.lm_name})" if getattr(x, "lm_name", None) else ""
    return f"{size(x.lm_params)}{name} × {_count(x.frames, 'frame')} × {_count(x.tokens_per_frame, 'token')}"


def _count(value: float, what: str) -> str:
    return f"{value:.4g} {what}{'' if value == 1 else 's'}"


def decimals(half_width: float) -> int:
    """Decimals that show two significant digits of a half-width, 0 to 12."""
    if not (math.isfinite(half_width) and half_width > 0):
        return 2
    return min(max(1 - math.floor(math.log10(half_width) + 1e-12), 0), 12)


def error(estimate) -> str:
    """An error with the interval of its true mean: "38.13 % (90 % interval 37.96 to 38.28 %)"."""
    low, high, places = 100 * estimate.mean_low, 100 * estimate.mean_high, 2
    if high > low:
        places = decimals((high - low) / 2)
    return (f"{100 * estimate.value:.{places}f} % ({100 * estimate.level:.4g} % interval {low:.{places}f} to "
            f"{high:.{places}f} %)")


def percent(fraction: float) -> str:
    """A fraction in per cent, two digits, without rounding noise."""
    fraction = 0.0 if abs(fraction) < 1e-9 else fraction
    return f"{100 * fraction:.2g} %".replace("-", "\N{MINUS SIGN}", 1) if fraction < 0 else f"{100 * fraction:.2g} %"


def fall(before: float, after: float) -> str:
    """By how much an error falls, first in points, which errors are in, then as a share of it: both look like per cent.

    Example:
        >>> fall(0.3935, 0.3902)
        '0.33 points (0.84 % of it)'
    """
    points = percent(before - after).removesuffix(" %")
    return f"{points} {'point' if points == '1' else 'points'} ({percent(1 - after / before)} of it)"


def chance(probability: float) -> str:
    """A probability from a finite number of draws, which never show certainty."""
    text = f"{100 * probability:.0f}"
    return {"100": "more than 99 %", "0": "less than 1 %"}.get(text, f"{text} %")
