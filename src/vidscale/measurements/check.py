"""Values that are numbers and still cannot be right: ranges, wrong declarations, rows that disagree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vidscale.errors import InputError
from vidscale.measurements.cells import Cells, numbers, whole
from vidscale.measurements.declarations import declaration
from vidscale.measurements.likeness import asked_for, nearly
from vidscale.measurements.load import RawTable
from vidscale.measurements.schema import (
    DATA_SIZE,
    ERROR,
    FRAMES,
    LM_PARAMS,
    N_EVAL,
    NAMES,
    PERCENT,
    RUN_ID,
    RUN_KEY,
    SCORE,
    SEED,
    TASK,
    TOKENS_PER_FRAME,
    UNITS,
)
from vidscale.measurements.table import key_codes
from vidscale.space import FACTORS_AND_DATA

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Bound:
    """Least and largest value a factor can plausibly have, and what to do about one outside."""

    least: float
    most: float
    advice: str


# The outer bounds catch a unit declared where the file already holds plain counts, and the reverse.
_BOUNDS: Mapping[str, Bound] = {
    LM_PARAMS: Bound(least=1e3, most=1e14,
                     advice=f"in billions declare the unit: {declaration('unit', LM_PARAMS, 'B')}"),
    TOKENS_PER_FRAME: Bound(least=1.0, most=1e9, advice="check the column"),
    DATA_SIZE: Bound(least=1.0, most=1e15,
                     advice=f"in millions declare the unit: {declaration('unit', DATA_SIZE, 'M')}"),
}


def factor(cells: Cells, name: str, unit: str) -> Floats:
    """One factor column in plain counts, shape (rows,).

    Args:
        cells: the raw column.
        name: lm_params, frames, tokens_per_frame or data_size.
        unit: the unit it is declared in, a key of UNITS[name]; "1" where none applies.

    Raises:
        InputError: a cell is no number, or one the factor cannot have.
    """
    if name == FRAMES:
        return whole(cells, least=1)
    bound = _BOUNDS[name]
    scale = UNITS[name][unit] if name in UNITS else 1.0
    values = numbers(cells) * scale
    row = cells.first((values < bound.least) | (values > bound.most))
    if row is None:
        return values
    declared = f" (unit {unit})" if unit != "1" else ""
    allowed = f"{name} lies between {bound.least:g} and {bound.most:g}"
    raise cells.fail(row, f"the value is {values[row] / scale:g}{declared}", f"{allowed}; {bound.advice}")


def error_of(cells: Cells, metric: str, unit: str) -> Floats:
    """The measured column as an error in [0, 1], shape (rows,).

    Raises:
        InputError: a value cannot be a `metric` in this `unit`; the message names the declaration to change.
    """
    top = UNITS[ERROR][unit]
    values = numbers(cells)
    row = cells.first((values < 0) | (values > top))
    if row is not None:
        hint = f"; in percent declare it: {declaration('unit', metric, PERCENT)}" if 1 < values[row] <= 100 else ""
        raise cells.fail(row, f"the {metric} is {values[row]:g}", f"allowed as a {unit} is 0 to {top:g}{hint}")
    if unit == PERCENT and values.max() <= 1:
        raise cells.fail(
            int(np.argmax(values)),
            f"the largest {metric} is {values.max():g}",
            "declared as percent, yet no value exceeds 1; as a fraction declare "
            f"{declaration('unit', metric, 'fraction')}",
        )
    fraction = values / top
    return 1.0 - fraction if metric == SCORE else fraction


def lift_zeros(raw: RawTable, error: Floats, n_eval: Floats, metric: str) -> tuple[Floats, Flags]:
    """Errors without zeros, and where one was.

    No error seen in n questions does not make the true error 0, and its logarithm has to exist: it becomes
    (0 + ½) / (n + 1), the estimate of a binomial share under half a question either way.

    Raises:
        InputError: an error is 0 where n_eval is unknown.
    """
    zero = error == 0
    stuck = zero & np.isnan(n_eval)
    if stuck.any():
        saw = "the score is 1 (an error of 0)" if metric == SCORE else "the error is 0"
        raise InputError(
            f"{raw.where(int(np.argmax(stuck)))}, column {metric}: {saw} and n_eval is unknown; "
            f"add a column n_eval (questions asked), or check that the column holds {metric}s"
        )
    return np.where(zero, 0.5 / (np.where(np.isnan(n_eval), 1.0, n_eval) + 1.0), error), zero


def chance_of(cells: Cells, unit: str) -> Floats:
    """The chance column as a fraction, NaN where blank, shape (rows,).

    Args:
        cells: the raw column.
        unit: the unit of the measured column, "fraction" or "percent", which chance is in too.

    Raises:
        InputError: a value that no chance can have in that unit, or that is meant in the other.
    """
    values = numbers(cells, blanks=True)
    meant = (values > 0) & (values < 1) if unit == PERCENT else np.zeros(len(values), dtype=bool)
    row = cells.first((values < 0) | (values >= UNITS[ERROR][unit]) | meant)
    if row is not None:
        raise cells.fail(row, f"chance is {values[row]:g}", str(chance_fault(float(values[row]), unit)))
    return values / UNITS[ERROR][unit]


def chance_fault(value: float, unit: str) -> str | None:
    """What is allowed in place of a chance that cannot be meant in the unit of the measured column; None where it can.

    Below 1 beside errors in per cent most likely a fraction was meant, which would be taken for a hundredth of itself
    without a word.

    Example:
        >>> chance_fault(0.25, "percent")
        'the measured column is in per cent and chance is too: write 25 for a quarter'
    """
    top = UNITS[ERROR][unit]
    if unit == PERCENT and 0 < value < 1:
        quarter = "a quarter" if value == 0.25 else f"a share of {value:g}"
        return f"the measured column is in per cent and chance is too: write {100 * value:g} for {quarter}"
    if 0 <= value < top:
        return None
    meant = f"; in per cent beside fractions? Write {value / 100:g}" if unit != PERCENT and 1 < value < 100 else ""
    return f"allowed as a {unit} is at least 0 and below {top:g}{meant}"


def encoder_of(given: Sequence[Cells]) -> tuple[float, float]:
    """(encoder_params, encoder_tokens) of a table, from its two columns.

    Raises:
        InputError: a value below 1, or more than one: a law is of one vision encoder.
    """
    found = []
    for cells in given:
        values = numbers(cells)
        row = cells.first((values < 1) | ~np.isclose(values, values[0], rtol=1e-9, atol=0.0))
        if row is not None:
            seen = f"the value is {values[row]:g}" + (f" and was {values[0]:g}" if values[row] >= 1 else "")
            raise cells.fail(row, seen, "allowed is one value of at least 1 in all rows: a law is of one vision "
                                        "encoder, so keep the rows of one")
        found.append(float(values[0]))
    params, tokens = found
    return params, tokens


def sorted_once(raw: RawTable, rows: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Rows in canonical order, each run × task once, and how many identical repeats were dropped.

    Args:
        raw: says which line a row came from.
        rows: checked rows whose index numbers the rows of `raw`.

    Raises:
        InputError: two rows of one run and task disagree on the error or on n_eval.
    """
    codes = key_codes(rows, (*RUN_KEY, TASK))
    order = np.lexsort(codes.T[::-1])
    rows, codes = rows.iloc[order], codes[order]
    repeat = np.r_[False, (codes[1:] == codes[:-1]).all(axis=1)]
    if not repeat.any():
        return rows, 0
    measured = rows[[ERROR, N_EVAL]].to_numpy(dtype=np.float64)
    # A value beside a blank is a disagreement too: which of the two is kept would depend on the order of the rows.
    unknown = np.isnan(measured)
    same = np.r_[True, ((measured[1:] == measured[:-1]) | (unknown[1:] & unknown[:-1])).all(axis=1)]
    torn = repeat & ~same
    if torn.any():
        raise InputError(_disagreement(raw, rows, int(np.argmax(torn))))
    return rows.loc[~repeat], int(repeat.sum())


def _disagreement(raw: RawTable, rows: pd.DataFrame, at: int) -> str:
    first, second = sorted((int(rows.index[at - 1]), int(rows.index[at])))
    what = ERROR if rows.at[first, ERROR] != rows.at[second, ERROR] else N_EVAL
    values = [float(rows.at[label, what]) for label in (first, second)]
    seen = ("blank" if np.isnan(value) else f"{value:.6g}" for value in values)
    named = [name for name in (SEED, RUN_ID) if name in rows.columns]
    # A factor that was not found makes different runs look the same, which says more than that they disagree.
    absent = [name for name in FACTORS_AND_DATA if np.isnan(rows[name].to_numpy(dtype=np.float64)).all()]
    if absent:
        like = nearly(absent[0], list(raw.cells.columns), NAMES)
        step = f"there is no column {absent[0]}: " + (
            asked_for(absent[0], like) if like else "add it if the runs differ in it, else a column seed or run_id"
        )
    elif named:
        step = f"keep one of them, or give the repeats different values of {' or '.join(named)}"
    else:
        step = "if they are repeats of one configuration add a column seed or run_id that tells them apart"
    return (
        f"{raw.where(first)} and {raw.where(second)} are the same run and task "
        f"({TASK} {rows.at[first, TASK]!r}) with {what} {' and '.join(seen)}; {step}"
    )
