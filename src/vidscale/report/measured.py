"""Measured runs beside what the law says of them: what figures and files share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidscale.design.isoflop import budgets_of, most_common
from vidscale.measurements.schema import SWEEP
from vidscale.report.numbers import examples
from vidscale.space import DATA_SIZE, FACTORS_AND_DATA
from vidscale.study import cost_model
from vidscale.validate import mean_interval

if TYPE_CHECKING:
    from vidscale.cost import CostModel
    from vidscale.study import Study

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Rows predicted at a time; bounds memory (rows × draws × noise draws).
CHUNK = 500


def run_rows(study: "Study") -> Floats:
    """(lm_params, frames, tokens_per_frame, data_size) of every run; 1 for a factor that the table lacks, on which no
    law depends."""
    values = study.obs.columns[list(FACTORS_AND_DATA)].to_numpy(dtype=np.float64)
    return np.where(np.isfinite(values), values, 1.0)


def sweep_labels(study: "Study") -> NDArray[np.str_]:
    """The sweep of every run; "runs" where the table does not say."""
    if SWEEP not in study.obs.columns:
        return np.full(len(study.obs), "runs")
    labels = study.obs.columns[SWEEP]
    return np.array([str(v) if v == v and v not in (None, "") else "runs" for v in labels.tolist()])


def costs(study: "Study") -> "CostModel":
    """The cost model the frontier was searched under."""
    return study.frontier.cost_model


def true_mean(study: "Study", target: str, rows: Floats) -> tuple[Floats, Floats]:
    """The interval for the true mean at rows (lm_params, frames, tokens_per_frame, data_size), shape (rows,) each."""
    found = study.model.target(target)
    return mean_interval(found.noise_laws.over(FACTORS_AND_DATA), found.noise, rows, level=study.settings.level,
                         seed=study.settings.seed)


def planned_costs(study: "Study") -> "CostModel":
    """The FLOPs by which isoFLOP sweeps are planned: the study's own cost where it counts them, else the paper's."""
    own = costs(study)
    return own if own.terms() is not None else cost_model(study.model, study.settings.encoder)


def separable(study: "Study") -> bool:
    """Whether the data size acts on all terms with a factor alike, so that it cannot move the optimum."""
    terms = [t for t in study.full.runs.form.terms if set(t.exponents) - {DATA_SIZE}]
    return len({str(t.exponents.get(DATA_SIZE)) for t in terms}) <= 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """One target at every run, shape (runs,) each; measured is NaN where the run lacks it."""

    measured: Floats
    fitted: Floats
    mean_low: Floats
    mean_high: Floats
    new_low: Floats
    new_high: Floats


def fitted(study: "Study", target: str) -> Fitted:
    """What was measured and what the chosen predictor says, with both intervals."""
    rows, place = np.unique(run_rows(study), axis=0, return_inverse=True)
    settings = study.settings
    parts = []
    for start in range(0, len(rows), CHUNK):
        said = study.model.predict(target, rows[start : start + CHUNK], predictor=settings.predictor,
                                   level=settings.level, n_eval=settings.n_eval, seed=settings.seed)
        parts.append(np.stack([said.error, said.mean_low, said.mean_high, said.new_low, said.new_high]))
    error, *ends = np.concatenate(parts, axis=1)[:, place.reshape(-1)]
    measured = study.obs.error[:, study.obs.target(target)]
    return Fitted(measured=measured, fitted=error, mean_low=ends[0], mean_high=ends[1], new_low=ends[2],
                  new_high=ends[3])


@dataclass(frozen=True, kw_only=True, eq=False)
class Isoflop:
    """Runs of about equal cost and equal data size.

    Attributes:
        budget: what they cost about, FLOPs.
        data_size: finetuning examples; None where the law does not depend on them.
        runs: row numbers of the runs.
    """

    budget: float
    data_size: float | None
    runs: Ints


def isoflop_sizes(groups: "Sequence[Isoflop]") -> str:
    """At what data size the sweeps are: "1M examples"; empty where it does not vary."""
    sizes = sorted({group.data_size for group in groups if group.data_size is not None})
    return f"{' and '.join(examples(size) for size in sizes)} examples" if sizes else ""


def isoflop_groups(study: "Study") -> list[Isoflop]:
    """The isoFLOP sweeps of a table, cheapest first; empty where it has none.

    Runs belong to one if their sweep label starts with "isoflop". They are put with the paper's budgets where all lie
    within the design's tolerance of one, else split where costs leave a gap (`budgets_of`). Of several data sizes the
    one with most configurations is taken, the largest of equals.
    """
    labels, rows = sweep_labels(study), run_rows(study)
    runs = np.flatnonzero([label.lower().startswith("isoflop") for label in labels])
    if not runs.size:
        return []
    cost = planned_costs(study).cost(rows[runs, :3])
    budget = budgets_of(cost)
    found = []
    size = rows[runs, FACTORS_AND_DATA.index(DATA_SIZE)]
    for value in np.unique(budget):
        inside = budget == value
        configurations = np.unique(rows[runs[inside]], axis=0)
        commonest = most_common(configurations[:, FACTORS_AND_DATA.index(DATA_SIZE)])
        members = runs[inside & (size == commonest)]
        if len(members) >= 3:
            found.append(Isoflop(budget=float(value), runs=members,
                                 data_size=float(commonest) if study.model.data_varies else None))
    return found
