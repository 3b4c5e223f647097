"""Raw cells to numbers, whole numbers, text and flags, with the row and column of the first that is none.

All of it is vectorised; only the offending cell of a message is looked at singly.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vidscale.errors import InputError
from vidscale.measurements.load import RawTable

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: How a missing number is written in text; a blank cell is the plain way.
MISSING_WORDS: tuple[str, ...] = ("", "nan", "na", "n/a", "null", "none", "<na>")

_TRUE, _FALSE = ("true", "1", "yes", "1.0"), ("false", "0", "no", "0.0", "")


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """One raw column, with what an error message about it has to say.

    Attributes:
        values: the cells as read.
        label: the column's name in messages; a renamed column gives both names.
        where: row number to words.
    """

    values: pd.Series
    label: str
    where: Callable[[int], str]

    def fail(self, row: int, saw: str, allowed: str) -> InputError:
        """The error for one cell: where, what was seen, what is allowed and what to do."""
        return InputError(f"{self.where(row)}, column {self.label}: {saw}; {allowed}")

    def first(self, bad: Flags) -> int | None:
        """Number of the first row marked bad, or None."""
        return int(np.argmax(bad)) if bad.any() else None


def column(raw: RawTable, name: str, canonical: str) -> Cells:
    """The raw column `name`, which the schema calls `canonical`."""
    label = name if name == canonical else f"{name} (read as {canonical})"
    return Cells(values=pd.Series(raw.cells[name]), label=label, where=raw.where)


def blank(values: pd.Series) -> bool:
    """True where no cell of the column says anything."""
    if bool(values.isna().all()):
        return True
    return not _numeric(values) and bool((_stripped(values) == "").all())


def numbers(cells: Cells, *, blanks: bool = False) -> Floats:
    """The column as float64, shape (rows,).

    Args:
        cells: the raw column.
        blanks: a missing cell becomes NaN if true, and is an error if not.

    Raises:
        InputError: a cell is text, true/false, infinite, or missing where it may not be.
    """
    found, missing = _parsed(cells)
    row = cells.first(np.isinf(found))
    if row is not None:
        raise cells.fail(row, f"the value is {found[row]}", "a finite number is needed")
    row = None if blanks else cells.first(missing)
    if row is not None:
        raise cells.fail(row, "the value is missing (blank or NaN)", "fill it in or remove the row")
    return found


def whole(cells: Cells, *, least: int, blanks: bool = False) -> Floats:
    """The column as whole numbers ≥ least, kept in float64 so that NaN can stand for a blank."""
    found = numbers(cells, blanks=blanks)
    row = cells.first(~np.isnan(found) & ((found != np.floor(found)) | (found < least)))
    if row is not None:
        raise cells.fail(row, f"the value is {found[row]:g}", f"allowed is a whole number of at least {least}")
    return found


def text(cells: Cells, *, blanks: bool = False) -> pd.Series:
    """The column as stripped text; a missing cell is "" if blanks are allowed, and an error if not."""
    found = _stripped(cells.values)
    row = None if blanks else cells.first(np.asarray(found == "", dtype=bool))
    if row is not None:
        raise cells.fail(row, "the text is blank", "fill it in, in every row, or remove the column")
    return found


def flags(cells: Cells) -> Flags:
    """The column as booleans; a blank is false."""
    found = _stripped(cells.values).str.lower()
    true = np.asarray(found.isin(_TRUE), dtype=bool)
    row = cells.first(~(true | np.asarray(found.isin(_FALSE), dtype=bool)))
    if row is not None:
        raise cells.fail(row, f"the value is {found.iloc[row]!r}", "allowed is true or false")
    return true


def _numeric(values: pd.Series) -> bool:
    kind = values.dtype
    return pd.api.types.is_numeric_dtype(kind) and not (
        pd.api.types.is_bool_dtype(kind) or pd.api.types.is_complex_dtype(kind)
    )


def _parsed(cells: Cells) -> tuple[Floats, Flags]:
    """Numbers with NaN where a cell is missing, and where that is."""
    values = cells.values
    if _numeric(values):
        found = np.asarray(values.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan))
        return found, np.isnan(found)
    words = _stripped(values)
    found = pd.Series(pd.to_numeric(words, errors="coerce")).astype(np.float64).to_numpy()
    odd = np.isnan(found)
    missing = odd & np.asarray(words.str.lower().isin(MISSING_WORDS), dtype=bool) if odd.any() else odd
    row = cells.first(odd & ~missing)
    if row is not None:
        raise cells.fail(row, f"{words.iloc[row][:40]!r} is not a number", "a plain number such as 0.42 is needed")
    return found, missing


def _stripped(values: pd.Series) -> pd.Series:
    """Cells as text without outer blanks; missing cells as ""."""
    kind = values.dtype
    if isinstance(kind, pd.CategoricalDtype):
        values = values.astype(object)
    words = values.where(values.notna(), "") if values.dtype == object else values.astype("string").fillna("")
    return words.astype(str).str.strip()
