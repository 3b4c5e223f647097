"""Options to values: "lm_params=7.5e9,frames=32", "15T", "task=0.25"."""

import math
import re
from collections.abc import Sequence

from vidscale.cost.units import read_amount
from vidscale.cost.units import unit as unit_of
from vidscale.errors import InputError
from vidscale.space.factors import (
    DATA_SIZE,
    FACTORS,
    FACTORS_AND_DATA,
    FRAMES,
    LM_PARAMS,
    TOKENS_PER_FRAME,
    ScalingFactors,
)

#: Least and largest value of a factor, as in a table of measurements; what lies outside is a slip of the unit.
RANGES: dict[str, tuple[float, float]] = {LM_PARAMS: (1e3, 1e14), FRAMES: (1.0, 1e9), TOKENS_PER_FRAME: (1.0, 1e9),
                                          DATA_SIZE: (1.0, 1e15)}

_SCALES = {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}


def number(text: str, what: str) -> float:
    """A number such as 7.5e9, 7.5B, 250k or 15T.

    Raises:
        InputError: it is none.
    """
    body = text.strip()
    scale = _SCALES.get(body[-1:], 1.0)
    try:
        value = float(body[:-1].strip() if body[-1:] in _SCALES else body)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{what}: {text!r} is no number; write one such as 7.5e9, 7.5B or 250k")
    # 2.8 * 1e9 is not 2.8e9 to the last bit; the text is.
    digits = body[:-1].strip()
    return float(f"{digits}e{round(math.log10(scale))}") if scale > 1 and _simple(digits) else value * scale


def _simple(text: str) -> bool:
    return not any(letter in text for letter in "eE_")


def pair(text: str, option: str) -> tuple[str, str]:
    """NAME=VALUE, both without the blanks around them."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip() or not value.strip():
        raise InputError(f"{option} {text!r}: write NAME=VALUE")
    return name.strip(), value.strip()


def pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """Several NAME=VALUE options as a dict; a name given twice is refused."""
    found: dict[str, str] = {}
    for text in texts:
        name, value = pair(text, option)
        if name in found:
            raise InputError(f"{option} {name} is given twice: {found[name]!r} and {value!r}")
        found[name] = value
    return found


def numbers(texts: Sequence[str], option: str) -> dict[str, float]:
    """Several NAME=NUMBER options as a dict."""
    return {name: number(value, f"{option} {name}") for name, value in pairs(texts, option).items()}


def factors(text: str, option: str, known: Sequence[str] = FACTORS_AND_DATA) -> dict[str, float]:
    """Factors from "lm_params=7.5e9,frames=32", each one of `known` and within its range."""
    found = numbers([part for part in text.split(",") if part.strip()], option)
    for name, value in found.items():
        if name not in known:
            raise InputError(f"{option}: unknown factor {name!r}; allowed are {', '.join(known)}")
        factor_value(name, value, option)
    if not found:
        raise InputError(f"{option} is empty; write {known[0]}=7.5e9,frames=32 and so on")
    return found


def factor_value(name: str, value: float, option: str) -> float:
    """The value of a factor, if it is one the factor can have.

    Raises:
        InputError: it is not positive, or outside the range that a table of measurements allows.
    """
    wrong = outside(name, value)
    if wrong:
        raise InputError(f"{option}: {name} is {value:g}{wrong}")
    return value


def outside(name: str, value: float) -> str:
    """What is wrong with a factor's value and what to write, to follow the value; empty where nothing is."""
    low, high = RANGES[name]
    if not value > 0:
        return "; allowed are positive numbers"
    if name == LM_PARAMS and value < low:
        return f": that is {value:g} parameters; write {value:g}e9 or {value:g}B"
    if not low <= value <= high:
        return f"; allowed are numbers from {low:g} to {high:g}"
    if name == FRAMES and value != int(value):
        return "; allowed are whole numbers from 1"
    return ""


def budget(text: str, unit: str, option: str = "--budget", *, several: bool = True) -> float:
    """A budget in the unit of its cost, such as 15e12, 500ms or $20.

    Args:
        text: what was written.
        unit: of the cost.
        option: where.
        several: whether the option may be repeated.

    Raises:
        InputError: it is none, is not positive, or is two in one option.
    """
    if "," in text:
        raise InputError(f"{option} {text!r} holds a comma; {_without_comma(text.strip(), option, several)}")
    value = read_amount(text, unit, option)
    if value <= 0:
        example = unit_of(unit).example
        raise InputError(f"{option} {text!r} is not positive; allowed are positive amounts, such as {example}")
    return value


def _without_comma(text: str, option: str, several: bool) -> str:
    """What to write in place of an amount with commas: thousands, a decimal comma, or several amounts."""
    found = re.fullmatch(r"(?P<dollar>\$?)(?P<figure>\d+(,\d+)+)(?P<rest>[^,]*)", text)
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if found is not None and re.fullmatch(r"[1-9]\d{0,2}(,\d{3})+", found["figure"]):
        said = f"for thousands write {option} {text.replace(',', '')}"
        if several and not any(part.startswith("0") for part in parts):
            each = " ".join(f"{option} {found['dollar']}{part}{found['rest']}" for part in found["figure"].split(","))
            return f"{said}, for several amounts {each}"
        return said
    if found is not None and found["figure"].count(",") == 1:
        return f"decimals have a point, so write {option} {text.replace(',', '.')}"
    if not several:
        return f"give one amount, such as {option} {parts[0] if parts else text}"
    return f"give one amount an option and repeat it: {' '.join(f'{option} {part}' for part in parts)}"


def configuration(text: str, option: str) -> ScalingFactors:
    """A whole configuration: all three factors."""
    found = factors(text, option, FACTORS)
    missing = [name for name in FACTORS if name not in found]
    if missing:
        raise InputError(f"{option} lacks {', '.join(missing)}; write lm_params=7.5e9,frames=32,tokens_per_frame=196")
    return ScalingFactors.of([found[name] for name in FACTORS])
