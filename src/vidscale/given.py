"""What somebody gives in Python: numbers of whatever numeric type, one or several, and never a text taken for one."""

from collections.abc import Iterable, Mapping
from typing import Any

from vidscale.errors import InputError


def number_given(value: Any, name: str, write: str) -> float:
    """A number.

    Args:
        value: what was given.
        name: what it is called.
        write: what it is a number of and how one is written, to end the message with.

    Raises:
        InputError: it is a text, a truth value or anything else that is no number.

    Example:
        >>> number_given(3, "frames", "write one such as 32")
        3.0
    """
    if not isinstance(value, str | bytes | bool) and hasattr(value, "__float__") and not getattr(value, "shape", ()):
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            pass
    raise InputError(f"{name} is {shortly(value)}; {write}")


def numbers_given(values: Any, name: str, write: str) -> tuple[float, ...]:
    """Several numbers; one alone stands for a sequence of one.

    Raises:
        InputError: as for `number_given`, of any of them.
    """
    alone = isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable)
    if alone or getattr(values, "shape", None) == ():
        values = (values,)
    return tuple(number_given(value, name, write) for value in values)


def table_given(values: Any, name: str, write: str) -> Mapping[str, float]:
    """Numbers by name.

    Raises:
        InputError: it is no mapping, or `number_given` refuses one of its values.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{name} is {shortly(values)}; {write}")
    for key, value in values.items():
        number_given(value, f"{name}: {key}", write)
    return values


def whole_given(value: Any, name: str, least: int) -> int:
    """A whole number of at least `least`.

    Raises:
        InputError: it is none.
    """
    allowed = f"allowed are whole numbers from {least}"
    found = number_given(value, name, allowed)
    if not (found.is_integer() and found >= least):
        raise InputError(f"{name} is {value!r}; {allowed}")
    return int(value)


def text_given(value: Any, name: str, write: str) -> str:
    """A text.

    Raises:
        InputError: it is none.
    """
    if not isinstance(value, str):
        raise InputError(f"{name} is {shortly(value)}; {write}")
    return value


def shortly(value: Any) -> str:
    """A value as one short line."""
    return " ".join(repr(value).split())[:80]
