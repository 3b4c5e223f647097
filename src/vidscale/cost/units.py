"""The units costs come in: how an amount is written for people, read from them, and named in a column.

A cost model says its unit as one of these names. Amounts are kept in that unit everywhere (FLOPs, seconds, bytes);
tables and axes show them in one that reads well (TFLOPs, ms, GB).
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from vidscale.errors import InputError

FLOPS, SECONDS, GPU_SECONDS, DOLLARS, BYTES = "FLOPs", "s", "GPU-s", "USD per million videos", "bytes"


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One unit.

    Attributes:
        name: what cost models call it.
        shown: the unit that tables show.
        scale: what an amount is divided by to be shown.
        column: what the name of a CSV column ends in.
        axis: the shown unit as an axis spells it.
        example: how an amount is written by hand.
        suffixes: what may stand behind a number and what it multiplies by; capitals matter only where m and M differ.
    """

    name: str
    shown: str
    scale: float
    column: str
    axis: str
    example: str = ""
    suffixes: Mapping[str, str]


_TIMES = {"s": "1", "sec": "1", "second": "1", "seconds": "1", "ms": "1e-3", "us": "1e-6", "µs": "1e-6", "μs": "1e-6",
          "min": "60", "h": "3600"}
_SIZES = {"b": "1", "kb": "1e3", "mb": "1e6", "gb": "1e9", "tb": "1e12", "kib": "1024", "mib": "1048576",
          "gib": "1073741824", "tib": "1099511627776"}
_COUNTS = {"": "1", "k": "1e3", "K": "1e3", "M": "1e6", "G": "1e9", "g": "1e9", "B": "1e9", "b": "1e9", "T": "1e12",
           "t": "1e12", "P": "1e15", "p": "1e15"}

_UNITS = {
    FLOPS: Unit(name=FLOPS, shown="TFLOPs", scale=1e12, column="flops", axis="TFLOPs per video",
                example="15e12, 15T or, where models are small, 5G",
                suffixes={**{p + end: s for p, s in _COUNTS.items() for end in ("", "FLOP", "FLOPs", "FLOPS", "flops")},
                          **{p + "F": s for p, s in _COUNTS.items() if p}}),
    SECONDS: Unit(name=SECONDS, shown="ms", scale=1e-3, column="s", axis="ms per request", example="500ms or 0.5s",
                  suffixes=_TIMES),
    GPU_SECONDS: Unit(name=GPU_SECONDS, shown="GPU-ms", scale=1e-3, column="gpu_s", axis="GPU-ms per video",
                      example="50ms or 0.05s",
                      suffixes={**_TIMES, **{f"gpu-{name}": scale for name, scale in _TIMES.items()}}),
    DOLLARS: Unit(name=DOLLARS, shown="$ per 1M videos", scale=1.0, column="usd_per_million",
                  axis="$ per million videos", example="$20 or 20usd",
                  suffixes={"usd": "1", "$": "1", "dollars": "1"}),
    BYTES: Unit(name=BYTES, shown="GB", scale=1e9, column="bytes", axis="GB", example="24GB or 24GiB", suffixes=_SIZES),
}

_AMOUNT = re.compile(r"(?P<sign>[-+]?)(?P<dollar>\$?)\s*(?P<number>(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*"
                     r"(?P<suffix>[^\s\d][^\d]*)?")


#: Units that FLOPs are shown in, with the least amount each is used for where the largest of a table is known.
_FLOPS_SHOWN = (("TFLOPs", 1e12, 5e11), ("GFLOPs", 1e9, 1e8), ("MFLOPs", 1e6, 0.0))


def unit(name: str, largest: float | None = None) -> Unit:
    """A unit by name; one that is not known is shown as it is.

    Args:
        name: what cost models call it.
        largest: the largest amount that is to be shown. FLOPs below 0.5 TFLOPs are shown in GFLOPs or MFLOPs; one table
            gives one value here, so that its columns can be compared.

    Example:
        >>> unit("FLOPs").shown, unit("FLOPs", 1.35e10).shown
        ('TFLOPs', 'GFLOPs')
    """
    if name == FLOPS and largest is not None and 0 < largest < _FLOPS_SHOWN[0][2]:
        shown, scale, _ = next(each for each in _FLOPS_SHOWN if largest >= each[2])
        return replace(_UNITS[FLOPS], shown=shown, scale=scale, axis=f"{shown} per video")
    if name in _UNITS:
        return _UNITS[name]
    column = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "cost"
    return Unit(name=name, shown=name, scale=1.0, column=column, axis=name, example="1.5", suffixes={"": "1"})


def spoken(value: float, name: str) -> str:
    """An amount as messages about a budget name it: "500 ms", "1.5e+13 FLOPs", "$20 per million videos"."""
    return f"{value:.4g} FLOPs" if name == FLOPS else said(value, name)


def said(value: float, name: str) -> str:
    """An amount in the unit that tables show: "500 ms", "15 TFLOPs", "$20 per million videos".

    Example:
        >>> said(0.5, "s")
        '500 ms'
    """
    found = unit(name, value)
    figure = f"{value / found.scale:.4g}"
    return f"${figure} per million videos" if name == DOLLARS else f"{figure} {found.shown}"


def read_amount(text: str, name: str, what: str) -> float:
    """An amount that a person wrote, in the unit `name`.

    FLOPs need no unit behind the number; everything else does, so that 15e12 is never taken for seconds.

    Args:
        text: such as "15T", "500 ms", "$20", "24GB".
        name: the unit it has to be in.
        what: how messages call it, such as "--budget".

    Raises:
        InputError: it is no amount, or one in another unit.

    Example:
        >>> read_amount("500ms", "s", "--budget")
        0.5
    """
    wanted = unit(name)
    write = f"write one such as {wanted.example}"
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise InputError(f"{what}: {text!r} is no number with a unit; {write}")
    suffix = found["dollar"] + (found["suffix"] or "").strip()
    scale = _scale(suffix, wanted)
    if scale is None:
        counted = FLOPS if name == FLOPS else wanted.shown
        raise InputError(f"{what}: {text!r} {_other(suffix)}, but what it bounds is counted in {counted}; {write}")
    # 2.8 * 1e9 is not 2.8e9 to the last bit; in decimals it is.
    try:
        value = float(Decimal(found["sign"] + found["number"].replace("_", "")) * Decimal(scale))
    except ArithmeticError:
        value = math.inf
    if not math.isfinite(value):
        raise InputError(f"{what}: {text!r} is too large a number; {write}")
    return value


def guessed(text: str, names: Sequence[str]) -> tuple[float, str] | None:
    """(number, unit) that a text most likely means, in the first of some units it can be read in; None where in none.

    Example:
        >>> guessed("24GB", (SECONDS, BYTES))
        (24000000000.0, 'bytes')
    """
    for name in names:
        try:
            return read_amount(text, name, "it"), name
        except InputError:
            continue
    return None


def number_text(value: Any) -> str:
    """A number as one would type it in Python: 800000, 0.3, 2.4e10.

    Example:
        >>> number_text(24e9)
        '2.4e10'
    """
    return f"{value:.15g}" if 1e-4 <= abs(value) < 1e7 else f"{value:.6g}".replace("e+0", "e").replace("e+", "e")


def _scale(suffix: str, of: Unit) -> str | None:
    return of.suffixes.get(suffix, of.suffixes.get(suffix.lower()))


def _other(suffix: str) -> str:
    """What a suffix that does not fit is instead."""
    if not suffix:
        return "has no unit"
    for name, words in ((SECONDS, "is a time"), (DOLLARS, "is an amount of money"), (BYTES, "is a size of memory"),
                        (FLOPS, "is a number of FLOPs"), (GPU_SECONDS, "is GPU time")):
        if _scale(suffix, _UNITS[name]) is not None:
            return words
    return f"has the unknown unit {suffix!r}"
