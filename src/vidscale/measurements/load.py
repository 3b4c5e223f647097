"""Files to raw cells: everything that can be wrong with a file before its columns mean anything.

CSV cells arrive as text, JSONL and Parquet cells with the types they were written in; `cells.py` makes numbers
and text of both by the same rules, so the three formats give the same table. Rows are only ever visited one by
one to find the line number of a fault that vectorised parsing has already found.
"""

import csv
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from vidscale.errors import InputError

#: File endings that can be read.
ENDINGS: tuple[str, ...] = (".csv", ".jsonl", ".parquet")

_PARQUET_MAGIC = b"PAR1"
_BLOCK_BYTES = 1 << 24


@dataclass(frozen=True, kw_only=True, eq=False)
class RawTable:
    """Cells as a file or DataFrame holds them.

    Attributes:
        cells: one row per data row, any types, index 0, 1, ...
        where: turns a row number of `cells` into words: "line 7" of a text file, "row 5" (from 0) otherwise.
        notes: what was left out.
    """

    cells: pd.DataFrame
    where: Callable[[int], str]
    notes: tuple[str, ...] = ()


def load_frame(frame: pd.DataFrame) -> RawTable:
    """Cells of a DataFrame; its index is ignored, and messages count its rows from 0."""
    if frame.columns.nlevels > 1:
        raise InputError("the DataFrame has several levels of column names; flatten them to one")
    names = [str(name) for name in frame.columns]
    _check_names(names, "the DataFrame")
    return RawTable(cells=frame.set_axis(names, axis=1).reset_index(drop=True), where=_row)


def load_file(path: Path) -> RawTable:
    """Cells of a .csv, .jsonl or .parquet file.

    Raises:
        InputError: the file cannot be read, or is not what its ending says; the message says where.
    """
    if os.path.isdir(path):
        raise InputError(f"{path} is a directory; give one {', '.join(ENDINGS)} file")
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"{path}: the ending {path.suffix!r} is unknown; allowed are {', '.join(ENDINGS)}")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; check the path") from None
    except (OSError, ValueError) as error:
        named = f"{str(path)[:200]!r}"
        raise InputError(f"{named} cannot be opened ({_reason(error)}); check its path and permissions") from None
    if not data.strip():
        raise InputError(f"{path} is empty; expected a table, see the template for its columns")
    reader = {".csv": _load_csv, ".jsonl": _load_jsonl, ".parquet": _load_parquet}[path.suffix.lower()]
    return reader(data, str(path))


def _row(index: int) -> str:
    return f"row {index} (from 0)"


def _reason(error: Exception) -> str:
    """The first line of a library's message, without the file name it repeats."""
    lines = str(getattr(error, "strerror", None) or error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__


def _check_names(names: list[str], what: str) -> None:
    repeated = next((name for k, name in enumerate(names) if name in names[:k]), None)
    if repeated is not None:
        raise InputError(f"{what} has two columns called {repeated!r}; rename or remove one")
    odd = next((name for name in names if not name.isprintable()), None)
    if odd is not None:
        raise InputError(f"{what} has a column called {odd[:40]!r}; a column name is one line of plain text, rename it")


def _decoded(data: bytes, name: str) -> str:
    """UTF-8 text without a byte-order mark; anything else is refused with the line it was seen in."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{name} is encoded as UTF-16; save it as UTF-8")
    if data.startswith(_PARQUET_MAGIC):
        raise InputError(f"{name} is a Parquet file; give it the ending .parquet")
    if b"\x00" in data:
        raise InputError(f"{name} is not a text file (it holds NUL bytes); expected UTF-8 text")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{name} line {line}: byte 0x{data[error.start]:02x} is not UTF-8 (perhaps Latin-1); save it as UTF-8"
        ) from None


# --- CSV ---------------------------------------------------------------------------------------------------


def _load_csv(data: bytes, name: str) -> RawTable:
    text = _decoded(data, name)
    if text.count('"') % 2:
        raise InputError(f"{name} has an odd number of double quotes, so one cell never ends; close or remove it")
    header, header_lines = _header(text, name)
    names = [title or f"\x00{k}" for k, title in enumerate(header)]
    table = _parsed_csv(text, name, names, header_lines)
    unnamed = [title for title in names if title.startswith("\x00")]
    notes = (f"{len(unnamed)} column(s) without a name were left out",) if unnamed else ()
    if table.num_rows == 0:
        raise InputError(f"{name} has a header but no rows; add one row per run and task")
    cells = table.drop_columns(unnamed).to_pandas()
    return RawTable(cells=cells, where=lambda row: f"line {_csv_line(text, row)}", notes=notes)


def _records(text: str) -> Any:
    return csv.reader(io.StringIO(text, newline=""))


def _header(text: str, name: str) -> tuple[list[str], int]:
    """Column names, and how many physical lines come before the first data row."""
    reader = _records(text)
    try:
        header = [title.strip() for title in next((record for record in reader if record), [])]
    except csv.Error as error:
        raise InputError(f"{name} is not a CSV file ({_reason(error)}); expected a comma-separated table") from None
    for mark, called in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and mark in header[0]:
            raise InputError(f"{name} line 1 separates its columns by {called}; save the file with commas")
    _check_names([title for title in header if title], name)
    return header, reader.line_num


def _parsed_csv(text: str, name: str, names: list[str], header_lines: int) -> pa.Table:
    try:
        return pyarrow.csv.read_csv(
            pa.py_buffer(text.encode()),
            read_options=pyarrow.csv.ReadOptions(
                column_names=names, skip_rows=header_lines, block_size=_BLOCK_BYTES
            ),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values='"' in text),
            convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    except pa.ArrowException as error:
        if text.count("\n") + text.count("\r") <= header_lines:
            raise InputError(f"{name} has a header but no rows; add one row per run and task") from None
        raise InputError(_csv_fault(text, name, len(names), error)) from None


def _csv_fault(text: str, name: str, width: int, error: Exception) -> str:
    """Say which line a CSV file broke at."""
    reader = _records(text)
    try:
        for record in reader:
            if record and len(record) != width:
                return (
                    f"{name} line {reader.line_num} has {len(record)} cells, the header has {width}; "
                    "every row needs one cell per column (quote text that holds a comma)"
                )
    except csv.Error as fault:
        return f"{name} line {reader.line_num} is not CSV ({_reason(fault)}); expected comma-separated cells"
    return f"{name} is not a CSV file ({_reason(error)}); expected a comma-separated table"


def _csv_line(text: str, row: int) -> int:
    """File line of a data row; blank lines count as lines and not as rows, as in an editor."""
    reader = _records(text)
    seen = -1
    for record in reader:
        if record:
            seen += 1
            if seen == row + 1:
                break
    return reader.line_num


# --- JSON lines --------------------------------------------------------------------------------------------


def _load_jsonl(data: bytes, name: str) -> RawTable:
    text = _decoded(data, name)
    if text.lstrip().startswith("["):
        raise InputError(f"{name} line 1 starts a JSON array; expected one JSON object per line")
    try:
        cells = _fast_jsonl(text.encode(), len(_filled_lines(text)))
    except (pa.ArrowException, _Unsuited):
        cells = _slow_jsonl(text, name)
    if cells.columns.size == 0 or len(cells) == 0:
        raise InputError(f"{name} has no columns; expected one JSON object per line")
    return RawTable(cells=cells, where=lambda row: f"line {_filled_lines(text)[row]}")


class _Unsuited(Exception):
    """The vectorised reader would change a cell; read it plainly instead."""


def _fast_jsonl(data: bytes, lines: int) -> pd.DataFrame:
    options = pyarrow.json.ReadOptions(block_size=_BLOCK_BYTES)
    table = pyarrow.json.read_json(pa.py_buffer(data), read_options=options)
    # Arrow turns text that looks like a date into one, forgets how nested values were written, and reads
    # objects that share a line or run over several.
    altered = any(pa.types.is_temporal(kind) or pa.types.is_nested(kind) for kind in table.schema.types)
    if altered or table.num_rows != lines:
        raise _Unsuited
    _check_names(table.column_names, "a JSON line")
    return table.to_pandas(integer_object_nulls=True)


def _slow_jsonl(text: str, name: str) -> pd.DataFrame:
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            rows.append(_json_object(line, f"{name} line {number}"))
    return pd.DataFrame(rows, dtype=object)


def _json_object(line: str, where: str) -> dict[str, Any]:
    try:
        pairs = json.loads(line, object_pairs_hook=_pairs)
    except (ValueError, RecursionError) as error:
        saw = error.msg if isinstance(error, json.JSONDecodeError) else _reason(error)
        raise InputError(f"{where} is not JSON ({saw}); expected one JSON object per line") from None
    if not isinstance(pairs, _Pairs):
        raise InputError(f"{where} holds {line.strip()[:40]!r}; expected a JSON object such as {{\"error\": 0.4}}")
    _check_names([key for key, _ in pairs], where)
    return {key: _flat(value) for key, value in pairs}


class _Pairs(list[tuple[str, Any]]):
    """A JSON object before repeated keys are lost."""


def _pairs(pairs: list[tuple[str, Any]]) -> _Pairs:
    return _Pairs(pairs)


def _flat(value: Any) -> Any:
    """A scalar as it is; a nested value as JSON text, so that provenance is kept and not interpreted."""
    return json.dumps(_plain(value)) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, _Pairs):
        return {key: _plain(item) for key, item in value}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _filled_lines(text: str) -> list[int]:
    """File lines that hold a row."""
    return [number for number, line in enumerate(text.split("\n"), start=1) if line.strip()]


# --- Parquet -----------------------------------------------------------------------------------------------


def _load_parquet(data: bytes, name: str) -> RawTable:
    if not data.startswith(_PARQUET_MAGIC):
        raise InputError(f"{name} is not a Parquet file; check its ending, allowed are {', '.join(ENDINGS)}")
    try:
        table = pyarrow.parquet.read_table(pa.BufferReader(data))
        table.validate(full=True)
        _check_names(table.column_names, name)
        cells = table.to_pandas(ignore_metadata=True, integer_object_nulls=True)
    except InputError:
        raise
    except Exception as error:  # a damaged file fails in many ways inside the decoder
        raise InputError(f"{name} is a damaged Parquet file ({_reason(error)}); write it again") from None
    if len(cells) == 0:
        raise InputError(f"{name} has columns but no rows; add one row per run and task")
    return RawTable(cells=cells, where=_row)
