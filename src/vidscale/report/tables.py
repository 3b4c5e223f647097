"""Tables of results as rows of text, and as Markdown.

The summary file and the command line print the same tables, made here. Every title names the table of measurements,
and says *synthetic* where its rows were generated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vidscale.cost.constraints import base_cost, limit_sentence
from vidscale.cost.deployment import not_convex
from vidscale.cost.units import FLOPS, Unit, unit
from vidscale.measurements import AVERAGE, WEIGHTED
from vidscale.report.numbers import NONE, amount, chance, examples, interval, params, percent, plain, still, with_unit
from vidscale.space import FACTORS, ScalingFactors

if TYPE_CHECKING:
    from vidscale.fit import Fit, Interval
    from vidscale.study import CurrentReport, ElasticityReport, FrontierPoint, FrontierReport, Study
    from vidscale.validate import Comparison, Score

#: How kinds of held-out scores are shortened in headers.
KINDS: Mapping[str, str] = {"cross-validation": "CV", "extrapolation": "extrapolation"}


@dataclass(frozen=True, kw_only=True)
class Column:
    """A header, its unit ("" for none), and whether its cells are words rather than numbers."""

    name: str
    unit: str = ""
    words: bool = False

    @property
    def header(self) -> str:
        """Name with unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table ready to print.

    Attributes:
        title: what it shows, of which measurements.
        columns: headers.
        rows: cells as text, already rounded, one tuple per row.
        notes: what must be read with it, one sentence each.
        keys: number of leading columns that tell its rows apart.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    keys: int = 1


def label(name: str, synthetic: bool) -> str:
    """The name of a measurements table as every title shows it."""
    return f"{name} (synthetic)" if synthetic else name


def study_label(study: "Study") -> str:
    """The label of a study's table."""
    return label(study.table.name, study.table.synthetic)


# --- forms compared ---------------------------------------------------------------------------------------


def comparison_table(study: "Study", target: str | None = None) -> Table:
    """Every form on the held-out rows of one target, the lead one by default."""
    return compare_table(study.comparison, title=study_label(study), target=target or study.model.lead,
                         chosen=study.form)


def compare_table(comparison: "Comparison", *, title: str, target: str, chosen: str) -> Table:
    """As `comparison_table`, without a study; `title` is the label of the measurements."""
    kinds = [k for k in KINDS if any(s.kind == k and s.target == target for s in comparison.scores)]
    columns = [Column(name="form", words=True), Column(name="parameters")]
    for kind in kinds:
        short = KINDS[kind]
        columns += [Column(name=f"{short} MSE", unit="pp²"), Column(name=f"{short} E", unit="%"),
                    Column(name=f"{short} R²"), Column(name=f"{short} MSE above best ± s.e.", unit="pp²")]
    rows = []
    for name, full in comparison.fits.items():
        cells = [f"{name} (chosen)" if name == chosen else name, str(full.runs.layout.free)]
        for kind in kinds:
            cells += _score_cells(comparison.score(name, target, kind))
        rows.append(tuple(cells))
    plan = comparison.plan
    said = [("cross-validation", plan.cv_sentence), ("extrapolation", plan.split_sentence)]
    notes = [f"{kind}: {sentence}" for kind, sentence in said if sentence]
    notes += ["pp² is percentage points²; E is the mean of |predicted − measured| / measured"] if kinds else []
    return Table(title=f"Forms on held-out runs, {target}: {title}", columns=tuple(columns), rows=tuple(rows),
                 notes=tuple(notes))


def _score_cells(score: "Score | None") -> list[str]:
    if score is None:
        return [NONE] * 4
    if score.excess == 0:
        above = "best"
    elif score.excess_se is None:
        above = plain(score.excess)
    else:
        above = f"{plain(score.excess, 2)} ± {plain(score.excess_se, 2)}"
    return [plain(score.mse), plain(score.e_percent), f"{score.r2:.3f}" if score.r2 == score.r2 else NONE, above]


def task_table(comparison: "Comparison", *, title: str, kind: str) -> Table:
    """MSE, E and R² of every form on every task, for one kind of held-out rows."""
    forms = list(comparison.fits)
    targets = list(dict.fromkeys(s.target for s in comparison.scores if s.kind == kind))
    columns = [Column(name="task", words=True)]
    for name in forms:
        columns += [Column(name=f"{name} MSE", unit="pp²"), Column(name=f"{name} E", unit="%"),
                    Column(name=f"{name} R²")]
    rows = []
    for target in targets:
        cells = [target]
        for name in forms:
            cells += _score_cells(comparison.score(name, target, kind))[:3]
        rows.append(tuple(cells))
    return Table(title=f"{kind.capitalize()} by task: {title}", columns=tuple(columns), rows=tuple(rows))


# --- one fit ----------------------------------------------------------------------------------------------


def parameter_table(fit: "Fit", profiles: "Mapping[str, Interval]", *, title: str) -> Table:
    """Parameters of one fit with 95 % profile intervals, rounded to their uncertainty."""
    certificate = fit.certificate
    rows = []
    for name, value in fit.parameters.items():
        found = profiles.get(name)
        shown, span = interval(value, found.low, found.high) if found else (plain(value, 3), NONE)
        remarks = []
        if name in fit.layout.pins:
            remarks.append("pinned")
        if name in certificate.gone:
            remarks.append("term gone")
        remarks += [s.removeprefix(f"{name} is ") for s in certificate.at_bound if s.startswith(f"{name} ")]
        if name in certificate.weak:
            remarks.append("hardly identified")
        if found and (found.low_is_bound or found.high_is_bound):
            ends = [end for end, flag in (("lower", found.low_is_bound), ("upper", found.high_is_bound)) if flag]
            remarks.append(f"{' and '.join(ends)} end is the bound of the form")
        rows.append((name, shown, span, "; ".join(remarks)))
    columns = (Column(name="parameter", words=True), Column(name="value"), Column(name="95 % profile interval"),
               Column(name="remark", words=True))
    kept, cells = _spoken(columns, rows)
    return Table(title=f"{fit.form.name}, parameters for {fit.target}: {title}", columns=kept, rows=cells)


def certificate_lines(fit: "Fit") -> list[str]:
    """What a fit says about itself, one sentence a line."""
    return [fit.status.value, *fit.certificate.sentences()]


def fits_table(fits: "Sequence[Fit]", *, title: str) -> Table:
    """Every target's fit in one line: objective, agreement of starts, what is gone or at a bound."""
    columns = (Column(name="task", words=True), Column(name="runs"), Column(name="mean loss"),
               Column(name="starts at the best", unit="%"), Column(name="status", words=True),
               Column(name="gone terms", words=True), Column(name="at a bound", words=True),
               Column(name="hardly identified", words=True))
    first = fits[0].settings
    rows = tuple((f.target, str(f.rows), plain(f.objective), percent(f.certificate.share_at_best),
                  f.status.name.lower(), ", ".join(f.certificate.gone) or NONE,
                  "; ".join(f.certificate.at_bound) or NONE, ", ".join(f.certificate.weak) or NONE) for f in fits)
    return Table(title=f"{fits[0].form.name}, fits of all tasks: {title}", columns=columns, rows=rows,
                 notes=(f"loss {first.loss}, {first.starts} starts, seed {first.seed}",))


# --- frontier ---------------------------------------------------------------------------------------------


def shown_unit(report: "FrontierReport") -> Unit:
    """The unit that every cost of a frontier is shown in."""
    return unit(report.unit, max((p.budget for p in report.points), default=None))


def frontier_table(
    report: "FrontierReport", *, title: str, target: str, data_sizes: Sequence[float] | None = None
) -> Table:
    """The recommended configuration at every data size and budget for one target."""
    points = [p for p in report.points if p.target == target and (data_sizes is None or p.data_size in data_sizes)]
    sized = any(p.data_size is not None for p in points)
    level = f"{100 * report.level:.4g} %"
    shown = shown_unit(report)
    columns = [*([Column(name="data size")] if sized else []), Column(name="budget", unit=shown.shown), *FACTOR_COLUMNS,
               Column(name="cost", unit=shown.shown), Column(name="encoder", unit="% of cost"),
               Column(name="error", unit="%"), Column(name=f"{level} true mean", unit="%"),
               Column(name=f"{level} new measurement", unit="%"), Column(name="P(best)", unit="%"),
               Column(name="near-ties"), Column(name="remark", words=True)]
    rows = []
    for p in points:
        error, mean = interval(p.error, p.mean_low, p.mean_high, 100)
        _, new = interval(p.error, p.new_low, p.new_high, 100)
        rows.append((*([examples(p.data_size)] if sized else []), amount(p.budget, shown),
                     *factor_cells(p.configuration), amount(p.cost, shown), percent(p.encoder_share), error, mean,
                     new, chance(p.probability_best), str(p.tie_count),
                     "outside what was measured" if p.outside else ""))
    kept, cells = _spoken(columns, rows)
    return Table(title=f"Frontier, {target}: {title}", columns=kept, rows=cells, keys=1 + sized,
                 notes=(*frontier_notes(report, points), *_outside(points)))


def _spoken(columns: Sequence[Column], rows: Sequence[tuple[str, ...]]) -> tuple[tuple[Column, ...], tuple[Any, ...]]:
    """Columns and rows without a last column of remarks that has none."""
    if any(row[-1] for row in rows):
        return tuple(columns), tuple(rows)
    return tuple(columns[:-1]), tuple(row[:-1] for row in rows)


FACTOR_COLUMNS = (Column(name="lm_params"), Column(name="frames"), Column(name="tokens_per_frame"))


def factor_cells(x: ScalingFactors) -> tuple[str, str, str]:
    """A configuration as three cells."""
    return params(x.lm_params), plain(x.frames, 4), plain(x.tokens_per_frame, 4)


def factor_text(x: ScalingFactors) -> str:
    """A configuration in words."""
    return "lm_params {}, frames {}, tokens_per_frame {}".format(*factor_cells(x))


def frontier_notes(report: "FrontierReport", points: "Sequence[FrontierPoint]") -> list[str]:
    """What names a frontier: predictor, lattice, cost, and what its columns mean."""
    counts = {p.n_eval for p in points}
    one = len(counts) == 1 and None not in counts
    mean = {p.target for p in points} & {AVERAGE, WEIGHTED}
    asked = f"of {counts.pop():.0f} questions{' in effect' if mean else ''}" if one else "like those of the data"
    limits = limit_sentence(report.limits, report.excluded)
    return [
        f"{report.predictor} predictor; lattice {report.lattice.name!r}, {len(report.lattice)} configurations; "
        f"{report.cost} cost",
        *([f"limits, of {len(report.lattice)} configurations: {limits}"] if limits else []),
        *([f"{not_convex(report.cost_model)}: searched exactly on the lattice, no convex optimum, no certificate"]
          if not_convex(report.cost_model) else []),
        f"a new measurement is one {asked}",
        "P(best): share of noise draws in which this very configuration is the best affordable one; "
        f"near-ties: others within {100 * report.tolerance:g} % of its error",
    ]


def _outside(points: "Sequence[FrontierPoint]") -> list[str]:
    return list(dict.fromkeys(sentence for p in points for sentence in p.outside))


def continuous_table(report: "FrontierReport", *, title: str, target: str) -> Table:
    """The continuous optimum of the point fit and the marginal value of compute, at every data size and budget."""
    points = [p for p in report.points if p.target == target and p.continuous is not None]
    sized = any(p.data_size is not None for p in points)
    shown = shown_unit(report)
    columns = [*([Column(name="data size")] if sized else []), Column(name="budget", unit=shown.shown), *FACTOR_COLUMNS,
               Column(name="error", unit="%"), Column(name="value of compute"), Column(name="of it encoder"),
               Column(name="of it LM"), Column(name="status", words=True)]
    rows = []
    for p in points:
        c = p.continuous
        assert c is not None
        n, t, v = c.configuration
        bounds = [b for b in c.at_bound if report.lattice.levels[b.split(" ")[0]].size > 1]
        state = c.status.partition(":")[0] if abs(c.gap) <= 1e-6 else c.status
        rows.append((*([examples(p.data_size)] if sized else []), amount(p.budget, shown), params(n), plain(t),
                     plain(v), percent(c.error, 4), plain(c.multiplier), plain(c.encoder), plain(c.lm),
                     "; ".join([state, *(["budget slack"] if c.slack else []), *bounds])))
    gap = max((abs(p.continuous.gap) for p in points if p.continuous is not None), default=0.0)
    notes = ("the optimum of the point fit when factors need not be levels of the lattice; no other point could gain "
             f"more than {plain(gap, 1)} in log error (duality gap)",
             "value of compute: −d log error / d log budget, the % of error that 1 % of budget buys, split into what a "
             "cheaper encoder and a cheaper LM are worth")
    return Table(title=f"Continuous optimum, {target}: {title}", columns=tuple(columns), rows=tuple(rows), notes=notes,
                 keys=1 + sized)


def policy_table(
    report: "FrontierReport", *, title: str, target: str, data_size: float | None = None
) -> Table:
    """Naive policies against the frontier at the same budgets, at one data size (the largest by default)."""
    sizes = [size for name, size in report.policies if name == target]
    size = data_size if data_size in sizes else sizes[-1]
    found = report.policies[target, size]
    rows = []
    for o in found.outcomes:
        over = [v for v in o.overshoot if v == v] if o.overshoot is not None else []
        true = f"{plain(sum(over) / len(over))} × budget" if over else NONE
        rows.append((o.policy, f"{len(found.budgets) - o.infeasible} of {len(found.budgets)}", percent(o.mean_gain),
                     percent(o.mean_error_reduction), true))
    columns = (Column(name="policy", words=True), Column(name="budgets served"), Column(name="accuracy gain", unit="%"),
               Column(name="error reduction", unit="%"), Column(name="true cost of its own plan"))
    where = f", data size {examples(size)}" if size is not None else ""
    equal = "FLOPs" if report.unit == FLOPS else base_cost(report.cost_model).name
    notes = (f"gain and reduction: of the frontier over the policy at equal {equal}, mean over the budgets it serves; "
             "errors above that of guessing count as that",
             "rules. " + ". ".join(f"{o.policy}: {o.sentence}" for o in found.outcomes))
    return Table(title=f"Frontier against naive policies, {target}{where}: {title}", columns=columns, rows=tuple(rows),
                 notes=notes)


def current_table(
    reports: "Sequence[CurrentReport]", *, title: str, target: str | None = None, cost_unit: str = FLOPS
) -> Table:
    """The configuration in use against the frontier."""
    chosen = [r for r in reports if target is None or r.target == target]
    shown = unit(cost_unit, max((r.cost for r in chosen), default=None))
    columns = (Column(name="task", words=True), Column(name="data size"), Column(name="error now", unit="%"),
               Column(name="best at the same cost", words=True), Column(name="its error", unit="%"),
               Column(name="accuracy gain", unit="%"), Column(name="error reduction", unit="%"),
               Column(name="cheapest as good", words=True), Column(name="its cost", unit=shown.shown))
    rows = tuple((r.target, examples(r.data_size), percent(r.error, 4), factor_text(r.same_budget),
                  percent(r.same_budget_error, 4), percent(r.accuracy_gain), percent(r.error_reduction),
                  factor_text(r.cheaper) if r.cheaper else "none is cheaper", amount(r.cheaper_cost, shown))
                 for r in chosen)
    first = chosen[0]
    notes = (f"now: {factor_text(first.configuration)}, {with_unit(first.cost, cost_unit)}",
             *dict.fromkeys(s for r in chosen for s in r.outside))
    return Table(title=f"Configuration in use: {title}", columns=columns, rows=rows, notes=notes, keys=2)


# --- elasticities -----------------------------------------------------------------------------------------


def elasticity_table(reports: "Sequence[ElasticityReport]", *, title: str, target: str) -> Table:
    """Mean elasticities of one target's optimum by every estimator."""
    chosen = [r for r in reports if r.target == target]
    level = f"{100 * chosen[0].level:.4g} %" if chosen else ""
    columns = (Column(name="estimator"), Column(name="factor", words=True), Column(name="elasticity"),
               Column(name=f"{level} interval"), Column(name="moves", unit="% of points"),
               Column(name="at smallest", unit="% of points"), Column(name="at largest", unit="% of points"),
               Column(name="budget slack", unit="% of points"))
    rows = []
    for number, r in enumerate(chosen, start=1):
        for f in r.factors:
            low, high = (None if end is None else still(end) for end in (f.low, f.high))
            value, span = interval(still(f.value), low, high)
            rows.append((f"({number}) {r.kind}", f.factor, value, span, percent(f.share_moved, 2),
                         percent(f.share_at_lower, 2), percent(f.share_at_upper, 2), percent(r.share_slack, 2)))
    notes = tuple(f"({number}) {r.estimator}" for number, r in enumerate(chosen, start=1))
    if chosen and not any(still(end or 0.0) for r in chosen for f in r.factors for end in (f.value, f.low, f.high)):
        notes += ("every 0 is a property of the form, not a finding: by it the optimum does not depend on the data "
                  "size",)
    if chosen and all(r.kind == "lattice" for r in chosen):
        notes += ("no continuous derivative: this cost is no posynomial and has no convex optimum",)
    return Table(title=f"Elasticity of the optimum in data size, {target}: {title}", columns=columns, rows=tuple(rows),
                 notes=notes, keys=2)


# --- predictions ------------------------------------------------------------------------------------------


def prediction_table(
    rows: Sequence[Mapping[str, Any]], *, title: str, predictor: str, cost: str, cost_unit: str
) -> Table:
    """Predicted errors with both intervals and costs, from `prediction_dict` rows; `cost` is the cost's name."""
    level = f"{100 * rows[0]['level']:.4g} %"
    sized = any("data_size" in row for row in rows)
    shown = unit(cost_unit, max(row["cost"] for row in rows))
    columns = (Column(name="task", words=True), *FACTOR_COLUMNS, *([Column(name="data size")] if sized else []),
               Column(name="error", unit="%"), Column(name=f"{level} true mean", unit="%"),
               Column(name=f"{level} new measurement", unit="%"), Column(name="questions"),
               Column(name="cost", unit=shown.shown))
    cells = []
    for row in rows:
        error, mean = interval(row["error"], row["mean_low"], row["mean_high"], 100)
        _, new = interval(row["error"], row["new_low"], row["new_high"], 100)
        cells.append((row["target"], params(row.get("lm_params")), plain(row.get("frames"), 4),
                      plain(row.get("tokens_per_frame"), 4), *([examples(row.get("data_size"))] if sized else []),
                      error, mean, new, plain(row["n_eval"], 4), amount(row["cost"], shown)))
    notes = (f"{predictor} predictor; {cost} cost",
             *dict.fromkeys(s for row in rows for s in row["outside"]),
             *dict.fromkeys(f"{factor_text(ScalingFactors.of([row[f] for f in FACTORS]))} breaks {s}"
                            for row in rows for s in row["limits_broken"]))
    return Table(title=f"Predicted error: {title}", columns=columns, rows=tuple(cells), notes=notes, keys=4 + sized)


# --- shown ------------------------------------------------------------------------------------------------


def to_markdown(table: Table, *, title: bool = True) -> str:
    """A Markdown table with its title in bold above and its notes as a list below."""
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    marks = [":--" if column.words else "--:" for column in table.columns]
    parts = [f"**{table.title}**\n"] if title else []
    parts += [line([c.header for c in table.columns]), line(marks), *(line(row) for row in table.rows)]
    if table.notes:
        parts += ["", *(f"- {note}" for note in table.notes)]
    return "\n".join(parts) + "\n"
