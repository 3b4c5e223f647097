"""Checks of one field each, for JSON that may come from a stranger. Every one raises InputError and names the field."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vidscale.errors import InputError

#: Limits far above what any study writes.
MAX_LIST, MAX_TEXT = 1_000_000, 10_000


def checked_object(value: Any, where: str) -> dict[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise InputError(f"{where} is {short(value)}; an object is expected")
    return value


def only(table: Mapping[str, Any], names: Sequence[str], where: str) -> None:
    """Raise InputError unless the keys are exactly these."""
    for name in names:
        if name not in table:
            raise InputError(f"{where}: {name!r} is missing")
    for name in table:
        if name not in names:
            raise InputError(f"{where}: {short(name)} is unknown; allowed are {', '.join(names)}")


def checked_list(value: Any, where: str, most: int) -> list[Any]:
    """A list of bounded length."""
    if not isinstance(value, list) or len(value) > most:
        raise InputError(f"{where} is {short(value)}; a list of at most {most} entries is expected")
    return value


def numbers(value: Any, where: str, count: int | None) -> list[float]:
    """A list of finite numbers, of a given length or any (None)."""
    values = checked_list(value, where, MAX_LIST if count is None else count)
    if count is not None and len(values) != count:
        raise InputError(f"{where} is {short(value)}; {count} numbers are expected")
    return [number(v, where) for v in values]


def number(value: Any, where: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{where} holds {short(value)}; a number is expected")
    try:
        found = float(value)
    except OverflowError:
        found = float("inf")
    if not np.isfinite(found):
        raise InputError(f"{where} holds a number that is not finite")
    return found


def flag(value: Any, where: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise InputError(f"{where} is {short(value)}; true or false is expected")
    return value


def string(value: Any, where: str) -> str:
    """A text of bounded length that can be encoded."""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise InputError(f"{where} is {short(value)}; a text of at most {MAX_TEXT} characters is expected")
    if any("\ud800" <= c <= "\udfff" for c in value):
        raise InputError(f"{where} holds half a character (a lone surrogate)")
    return value


def short(value: Any) -> str:
    """A value as one short line of plain characters."""
    if isinstance(value, list | dict):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)} entries"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**30:
        return "a very large number"
    return ascii(value)[:80]
