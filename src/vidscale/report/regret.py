"""What planning by FLOPs loses where time or money is paid: the table."""

from typing import TYPE_CHECKING

from vidscale.cost.units import FLOPS, unit
from vidscale.report.numbers import amount, examples, percent
from vidscale.report.tables import Column, Table, factor_cells, shown_unit

if TYPE_CHECKING:
    from vidscale.study import FrontierReport


def regret_table(report: "FrontierReport", *, title: str, target: str, data_size: float | None = None) -> Table:
    """The frontier beside what a planner who counts FLOPs would pick, at one data size (the largest by default)."""
    sizes = [size for name, size in report.regret if name == target]
    size = data_size if data_size in sizes else sizes[-1]
    found, shown = report.regret[target, size], shown_unit(report)
    counted = unit(FLOPS, float(found.flops.max()))
    rows = []
    for b, budget in enumerate(found.budgets.tolist()):
        best, planned, kept = (int(index[b]) for index in (found.best, found.planned, found.kept))
        rows.append((
            amount(budget, shown), _choice(report, best), percent(found.best_error[b], 4),
            amount(found.flops[b], counted),
            "the same" if planned == best else _choice(report, planned), amount(found.planned_cost[b], shown),
            percent(found.planned_error[b], 4), "yes" if found.allowed[b] else "no",
            "the same" if kept == best else _choice(report, kept), percent(found.kept_error[b], 4),
            percent(found.loss[b])))
    columns = (Column(name="budget", unit=shown.shown), Column(name="best", words=True),
               Column(name="error of best", unit="%"), Column(name="FLOPs of best", unit=counted.shown[0]),
               Column(name="planned", words=True),
               Column(name="cost of planned", unit=shown.shown), Column(name="error of planned", unit="%"),
               Column(name="allowed", words=True), Column(name="kept", words=True),
               Column(name="error of kept", unit="%"), Column(name="more than best", unit="%"))
    where = f", data size {examples(size)}" if size is not None else ""
    notes = (f"best: the frontier by {report.cost} cost; planned: the least error at no more FLOPs than the best one "
             f"({found.planner} formula), whatever it costs to run; allowed: within the budget and all limits",
             "kept: the frontier by FLOPs, followed to its last configuration that is allowed; more than best: its "
             "relative excess error; configurations are lm_params × frames × tokens_per_frame")
    return Table(title=f"Planned by FLOPs instead, {target}{where}: {title}", columns=columns, rows=tuple(rows),
                 notes=notes)


def _choice(report: "FrontierReport", row: int) -> str:
    """A configuration of the report's lattice in one cell."""
    return " × ".join(factor_cells(report.lattice.configuration(row))) if row >= 0 else "none"
