"""Numbers and tables for people."""

from collections.abc import Sequence


def seconds(value: float) -> str:
    """A duration with three digits and the unit that fits."""
    if value < 1:
        return f"{1000 * value:.3g} ms"
    if value < 600:
        return f"{value:.3g} s"
    return f"{value / 60:.3g} min" if value < 36000 else f"{value / 3600:.3g} h"


def number(value: float) -> str:
    """A small relative difference, with its sign."""
    return f"{value:+.1e}" if abs(value) < 1e-3 else f"{100 * value:+.2f} %"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table: first column to the left, the others to the right."""
    cells = [list(head), *(list(row) for row in rows)]
    widths = [max(len(row[c]) for row in cells) for c in range(len(head))]
    lines = ["  ".join(text.ljust(w) if c == 0 else text.rjust(w) for c, (text, w) in enumerate(zip(row, widths)))
             for row in cells]
    return [lines[0], "  ".join("-" * w for w in widths), *lines[1:]]
