"""A tracker's table of runs as text, by the package's own reader of tables."""

from pathlib import Path

import pandas as pd

from vidscale.errors import InputError
from vidscale.measurements.importers.tracked import Run
from vidscale.measurements.load import load_file


def read_rows(source: Path, most: int) -> list[Run]:
    """The rows of a .csv, .jsonl or .parquet file, cells as text.

    Raises:
        InputError: the file is larger than `most` bytes, or is no table.
    """
    try:
        size = source.stat().st_size if source.is_file() else 0
    except (OSError, ValueError):
        size = 0  # the reader says what is wrong with it
    if size > most:
        raise InputError(f"{source} is larger than {most} bytes; export fewer runs or columns")
    raw = load_file(source)
    names = list(raw.cells.columns)
    return [Run(where=f"{source} row {number} (from 0)", cells=dict(zip(names, (_text(cell) for cell in cells))))
            for number, cells in enumerate(raw.cells.itertuples(index=False, name=None))]


def _text(cell: object) -> str:
    return "" if cell is None or cell is pd.NA or cell != cell else str(cell).strip()
