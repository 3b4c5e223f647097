"""Numbers and tables as compact JSON: rounded to the digits that a plot or its hover shows, each thing once."""

import math
from typing import Any

from vidscale.report.tables import Table

#: Significant digits of a plotted number; study.json keeps all.
DIGITS = 5


def compact(value: Any, digits: int = DIGITS) -> Any:
    """Any nest of arrays, lists, dicts and numbers with floats rounded; what is not finite becomes None.

    Example:
        >>> compact([0.123456789, 3.0, float("nan")])
        [0.12346, 3, None]
    """
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if hasattr(value, "tolist"):
        return compact(value.tolist(), digits)
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        near = float(f"{value:.{digits}g}")
        return int(near) if near == int(near) and abs(near) < 1e15 else near
    if isinstance(value, dict):
        return {key: compact(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [compact(item, digits) for item in value]
    return value


def percents(value: Any) -> Any:
    """Fractions, an array or a number, as compact per cents."""
    return compact(value * 100)


def one_line(name: str) -> str:
    """A name from a table as one line of text."""
    return " ".join(name.split())


def table_data(table: Table) -> dict[str, Any]:
    """A table for the page's script: headers with a flag for words, rows of text, notes."""
    return {"columns": [[column.header, int(column.words)] for column in table.columns],
            "rows": [list(row) for row in table.rows], "notes": list(table.notes)}
