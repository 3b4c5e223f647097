"""Columns whose names nearly are canonical ones: said, never taken for them."""

from collections.abc import Collection
from difflib import get_close_matches

from vidscale.measurements.declarations import declaration

#: How alike two names have to be, as difflib measures it: one letter too few or too many in a name of four or more.
ALIKE = 0.8


def nearly(name: str, columns: Collection[str], known: Collection[str]) -> str | None:
    """The column most like a canonical name, among those that no canonical name has; None where none is like it.

    Case, hyphens and spaces do not count.

    Example:
        >>> nearly("tokens_per_frame", ["Token per frame", "task"], ["tokens_per_frame", "task"])
        'Token per frame'
    """
    plain = {column.lower().replace(" ", "_").replace("-", "_"): column for column in columns if column not in known}
    found = get_close_matches(name, list(plain), n=1, cutoff=ALIKE)
    return plain[found[0]] if found else None


def asked_for(name: str, column: str) -> str:
    """The question that a column like a canonical name raises, with what declares it."""
    return f"is it the column {column}? Then declare it: {declaration('map', name, column)}"
