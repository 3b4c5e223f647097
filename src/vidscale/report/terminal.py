"""Tables on a terminal: nothing is cut, whatever its width."""

from collections.abc import Sequence
from typing import Any

from vidscale.report.tables import Column, Table

#: Between two columns: padding on the left one, and the frame's own blank.
GAP = 2


def to_rich(table: Table, width: int = 10_000) -> Any:
    """Title, table and notes for a console of some width; a table that is wider is continued below itself."""
    from rich import box
    from rich.console import Group
    from rich.table import Table as RichTable
    from rich.text import Text

    cells = [[row[k] for row in table.rows] for k in range(len(table.columns))]
    need = [_narrowest(column, cells[k]) + GAP for k, column in enumerate(table.columns)]
    full = [max(map(len, [column.header, *cells[k]])) + GAP for k, column in enumerate(table.columns)]
    parts: list[Any] = []
    for columns in _blocks(need, table.keys, width):
        # Title and notes stand outside the table, whose width would wrap them.
        shown = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        widths = _widths([need[k] for k in columns], [full[k] for k in columns], width)
        for k, given in zip(columns, widths, strict=True):
            column = table.columns[k]
            shown.add_column(Text(column.header), justify="left" if column.words else "right", overflow="fold",
                             width=given - GAP)
        for row in table.rows:
            shown.add_row(*(Text(row[k]) for k in columns))
        parts += [Text(), shown]
    title, notes = Text(table.title, style="bold"), [Text(note, style="dim") for note in table.notes]
    return Group(title, *parts, Text(), *notes) if notes else Group(title, *parts)


def _widths(need: Sequence[int], full: Sequence[int], width: int) -> list[int]:
    """Widths between what each column needs and what it would like, at most `width` together where that can be."""
    left = max(width - sum(need), 0)
    widths = []
    for least, most in zip(need, full, strict=True):
        more = min(max(most - least, 0), left)
        left -= more
        widths.append(least + more)
    return widths


def _blocks(need: Sequence[int], keys: int, width: int) -> list[list[int]]:
    """Columns in blocks that fit a width, those that name a row in each."""
    names = list(range(keys))
    blocks, left = [list(names)], width - sum(need[:keys])
    for k in range(keys, len(need)):
        if need[k] > left and len(blocks[-1]) > keys:
            blocks.append(list(names))
            left = width - sum(need[:keys])
        blocks[-1].append(k)
        left -= need[k]
    return blocks


def _narrowest(column: Column, cells: Sequence[str]) -> int:
    """The width below which a number or a word of a column would break."""
    parts = [part for cell in cells for part in (cell.split() if column.words else [cell])]
    least = max((len(part) for part in [*column.header.split(), *parts]), default=0)
    widest = max((len(cell) for cell in cells), default=0)
    return max(least, min(widest, 24)) if column.words else least
