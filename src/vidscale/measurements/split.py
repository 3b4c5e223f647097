"""Split rules: which runs are fitted and which are predicted, said in words like "sweep=star".

A rule is clauses joined by "and"; each compares a column with a value. It is parsed, never evaluated, so a rule
from a web form can do nothing but select.
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vidscale.errors import InputError

Flags = NDArray[np.bool_]

#: Operators, longer ones first so that "<=" is not read as "<".
OPERATORS: tuple[str, ...] = ("!=", "<=", ">=", "=", "<", ">")

_CLAUSE = re.compile(r"\s*([^\s=!<>]+)\s*(!=|<=|>=|==|=|<|>)\s*(.*?)\s*", re.DOTALL)
_AND = re.compile(r"\s+and(?:\s+|$)", re.IGNORECASE)
_ORDER: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

#: Two numbers this close are equal: 0.1 + 0.2 in a file is meant to be 0.3.
_RELATIVE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Clause:
    """One comparison: a column, one of OPERATORS, and a value as written."""

    column: str
    operator: str
    value: str


@dataclass(frozen=True, kw_only=True)
class SplitRule:
    """Clauses that all have to hold, and the text they were parsed from."""

    text: str
    clauses: tuple[Clause, ...]


def parse_rule(text: str) -> SplitRule:
    """Parse a rule such as "sweep=star" or "data_size<=1e6 and lm_params>2e9".

    Args:
        text: clauses COLUMN OPERATOR VALUE joined by "and"; operators = != < <= > >=; a value is a number or a text,
            which may stand in quotes.

    Raises:
        InputError: a clause cannot be read.

    Example:
        >>> parse_rule("sweep=star").clauses
        (Clause(column='sweep', operator='=', value='star'),)
    """
    clauses = tuple(_clause(part, text) for part in _AND.split(text.strip()))
    return SplitRule(text=text.strip(), clauses=clauses)


def select(rule: SplitRule | str, columns: pd.DataFrame) -> Flags:
    """Which runs a rule holds for.

    Args:
        rule: a rule or its text.
        columns: `Observations.columns`.

    Returns:
        Shape (runs,).

    Raises:
        InputError: the rule cannot be read, names an unknown column, compares text with a number, or leaves
            one side of the split empty.
    """
    rule = parse_rule(rule) if isinstance(rule, str) else rule
    mask = np.ones(len(columns), dtype=bool)
    for clause in rule.clauses:
        mask &= _holds(clause, columns)
    if mask.all() or not mask.any():
        held = "every run" if mask.any() else "no run"
        raise InputError(
            f"rule {rule.text!r} holds for {held}, so one side of the split is empty; {_seen(rule, columns)}"
        )
    return mask


def _clause(part: str, text: str) -> Clause:
    found = _CLAUSE.fullmatch(part)
    if not found or not found[3] or found[3][0] in "=<>!":
        raise InputError(
            f"rule {text!r}: {part.strip()!r} is not COLUMN OPERATOR VALUE; "
            f"operators are {' '.join(OPERATORS)}, clauses are joined by 'and', for example sweep=star"
        )
    column, sign, value = found.groups()
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return Clause(column=column, operator="=" if sign == "==" else sign, value=value[1:-1] if quoted else value)


def _holds(clause: Clause, columns: pd.DataFrame) -> Flags:
    if clause.column not in columns:
        known = ", ".join(str(name) for name in columns.columns)
        raise InputError(f"a rule names the column {clause.column!r}; the columns it can name are {known}")
    values = columns[clause.column]
    if pd.api.types.is_numeric_dtype(values.dtype):
        return _number_holds(clause, values.to_numpy(dtype=np.float64))
    if clause.operator not in ("=", "!="):
        raise InputError(f"column {clause.column} holds text; compare it with = or !=, not {clause.operator}")
    same = np.asarray(values == clause.value, dtype=bool)
    return same if clause.operator == "=" else ~same


def _number_holds(clause: Clause, values: NDArray[np.float64]) -> Flags:
    try:
        bound = float(clause.value)
    except ValueError:
        bound = float("nan")
    if np.isnan(bound):
        raise InputError(f"column {clause.column} holds numbers; {clause.value!r} is none, write one such as 1e6")
    same = np.isclose(values, bound, rtol=_RELATIVE, atol=0.0)
    if clause.operator in ("=", "!="):
        return same if clause.operator == "=" else ~same
    return (_ORDER[clause.operator](values, bound) & ~same) | (same & clause.operator.endswith("="))


def _seen(rule: SplitRule, columns: pd.DataFrame) -> str:
    """The values the rule's columns have, for the message of an empty side."""
    told = []
    for name in dict.fromkeys(clause.column for clause in rule.clauses):
        values = sorted(columns[name].dropna().unique())
        shown = ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in values[:8])
        told.append(f"{name} is one of {shown}" if len(values) <= 8 else f"{name} has values such as {shown}")
    return "; ".join(told)
