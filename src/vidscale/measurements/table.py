"""The measurements table: checked, canonical rows, and a hash of what they say."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vidscale.errors import InputError
from vidscale.measurements.schema import (
    CHANCE,
    ERROR,
    N_EVAL,
    NAMES,
    RUN_KEY,
    SCHEMA_VERSION,
    TASK,
)
from vidscale.space import FACTORS_AND_DATA

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class MeasurementTable:
    """One row per run × task, in canonical names, units and order.

    Made by `read_measurements`, which checks what this type takes for granted.

    Attributes:
        name: what output calls the table.
        rows: columns lm_params, frames, tokens_per_frame, data_size (NaN throughout where the input had no such
            column), task, error (fraction), n_eval (NaN where unknown) and adjusted always; sweep, seed, run_id,
            chance, encoder_params, encoder_tokens and synthetic where the input had them; then provenance as text,
            by column name. Sorted by factors, data size, sweep, seed, run_id and task; index 0, 1, ...
        synthetic: True where any row was generated; whatever prints a result of this table has to say so.
        chance: accuracy of guessing, by task, for the tasks where it is known.
        notes: what was dropped, adjusted or looks odd, one sentence each.
        encoder: (encoder_params, encoder_tokens) the data say their vision encoder has; None where they do not.
    """

    name: str
    rows: pd.DataFrame
    synthetic: bool = False
    chance: Mapping[str, float]
    notes: tuple[str, ...] = ()
    encoder: tuple[float, float] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """Task names, sorted."""
        return tuple(sorted(self.rows[TASK].unique()))

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """The factors, data size among them, that take more than one value, in the package's order."""
        return tuple(f for f in FACTORS_AND_DATA if f not in self.constant)

    @cached_property
    def constant(self) -> dict[str, float | None]:
        """The factors that do not vary: their one value, or None where the input had no such column."""
        held: dict[str, float | None] = {}
        for factor in FACTORS_AND_DATA:
            values = self.rows[factor].to_numpy(dtype=np.float64)
            if np.isnan(values).all():
                held[factor] = None
            elif values.min() == values.max():
                held[factor] = float(values[0])
        return held

    @cached_property
    def data_hash(self) -> str:
        """SHA-256 of what was measured: factors, data size, sweep, seed, run_id, task, error, n_eval, chance.

        Equal for equal measurements whatever the file format, the order of rows and columns, or the provenance
        beside them; a fit that carries it can be traced to its data.
        """
        digest = hashlib.sha256(f"vidscale measurements {SCHEMA_VERSION}".encode())
        for name in (*RUN_KEY, TASK, ERROR, N_EVAL):
            if name in self.rows.columns:
                digest.update(f"|{name}:".encode() + _bytes(pd.Series(self.rows[name])))
        digest.update(json.dumps(sorted(self.chance.items())).encode())
        return digest.hexdigest()


def _bytes(values: pd.Series) -> bytes:
    if pd.api.types.is_numeric_dtype(values.dtype):
        numbers = values.to_numpy(dtype="<f8")
        # One bit pattern stands for "unknown", because a NaN can be written in many.
        return np.where(np.isnan(numbers), np.nan, numbers).astype("<f8").tobytes()
    return json.dumps(values.tolist()).encode()


def canonical_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns in schema order, then provenance by name."""
    known = [name for name in NAMES if name in rows.columns]
    return rows.reindex(columns=known + sorted(set(rows.columns) - set(known)))


def key_codes(rows: pd.DataFrame, names: tuple[str, ...]) -> Ints:
    """Rank of each cell within its column, shape (rows, columns present); equal cells share a rank.

    Sorting and comparing these integers is sorting and comparing the cells, at a fraction of the time.
    """
    codes = []
    for name in names:
        if name not in rows.columns:
            continue
        # A missing factor ranks last, as one level, so that it never splits a run.
        codes.append(pd.factorize(rows[name], sort=True, use_na_sentinel=False)[0])
    return np.stack(codes, axis=1).astype(np.int64)


def chance_by_task(rows: pd.DataFrame) -> dict[str, float]:
    """Task → accuracy of guessing, for the tasks that state one value of it.

    Raises:
        InputError: a task states two values.
    """
    if CHANCE not in rows.columns:
        return {}
    found: dict[str, float] = {}
    for task, stated in rows.groupby(TASK, sort=True)[CHANCE]:
        values = np.unique(stated.dropna().to_numpy(dtype=np.float64))
        if values.size > 1:
            raise InputError(
                f"column chance: task {task!r} has {values[0]:g} in one row and {values[-1]:g} in another; "
                "guessing has one accuracy per task, make them equal"
            )
        if values.size:
            found[str(task)] = float(values[0])
    return found
