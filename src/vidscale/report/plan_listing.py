"""Plans and sweeps as tables: what is to be paid for, what it can tell, and how far it is."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vidscale.cost.units import FLOPS, unit
from vidscale.report.numbers import NONE, amount, examples, plain
from vidscale.report.tables import FACTOR_COLUMNS, Column, Table, factor_cells

if TYPE_CHECKING:
    from vidscale.design import SweepPlan
    from vidscale.runs.folder import RunStatus
    from vidscale.study.plan_information import PlanInformation, Spread


# --- how far a sweep is -----------------------------------------------------------------------------------


def count_standings(found: "Sequence[RunStatus]") -> dict[str, int]:
    """How many runs stand how, every standing named."""
    from vidscale.runs.folder import Standing

    return {each.value: sum(status.standing is each for status in found) for each in Standing}


def status_tables(plan: "SweepPlan", found: "Sequence[RunStatus]", *, every_run: bool = False) -> list[Table]:
    """Counts, then the runs that somebody is at and those that failed, or every run."""
    counts = count_standings(found)
    training = plan.cost.training_flops(plan.runs)
    rows = tuple((name, str(count), plain(100 * sum(
        float(cost) for cost, status in zip(training, found) if status.standing.value == name) / float(training.sum())))
        for name, count in counts.items())
    columns = (Column(name="state", words=True), Column(name="runs"), Column(name="of the FLOPs", unit="%"))
    parts = [Table(title=f"Sweep {plan.name}: {len(plan)} runs", columns=columns, rows=rows)]
    shown = [each for each in found if every_run or each.standing.value in ("running", "failed", "interrupted")]
    if shown:
        columns = (Column(name="run", words=True), Column(name="state", words=True), Column(name="tries"),
                   Column(name="step"), Column(name="began", unit="min ago"), Column(name="where", words=True),
                   Column(name="why", words=True))
        parts.append(Table(title="Runs", columns=columns, rows=tuple(_status_row(each) for each in shown)))
    return parts


def _status_row(status: "RunStatus") -> tuple[str, ...]:
    made, outcome = status.attempt, status.outcome
    since = NONE if made is None or not made.began else plain((time.time() - made.began) / 60, 2)
    where = NONE if made is None or not made.host else f"{made.host}, process {made.process}"
    steps = f"{outcome.step} of {outcome.steps}" if outcome.steps else NONE
    why = f"{outcome.reason.value}: {outcome.message}" if outcome.reason else outcome.message
    return (status.spec.run_id, status.standing.value, str(made.number if made else 0), steps, since, where, why)


def status_dict(plan: "SweepPlan", found: "Sequence[RunStatus]") -> dict[str, Any]:
    """The same as plain data, every run."""
    return {"plan": plan.name, "counts": count_standings(found), "runs": [_status_plain(each) for each in found]}


def _status_plain(status: "RunStatus") -> dict[str, Any]:
    made = status.attempt
    return {"run_id": status.spec.run_id, "state": status.standing.value,
            "reason": status.reason.value if status.reason else None, "message": status.outcome.message,
            "step": status.outcome.step, "steps": status.outcome.steps, "attempts": made.number if made else 0,
            "failures": status.failures, "host": (made.host or None) if made else None,
            "process": (made.process or None) if made else None, "began": (made.began or None) if made else None,
            "ended": made.ended if made else None}


# --- what a plan costs ------------------------------------------------------------------------------------

#: Groups of runs that a terminal shows at most.
MOST_GROUPS = 40


def plan_table(plan: "SweepPlan") -> Table:
    """The plan by sweep and data size: how many runs, and what they cost."""
    training, inference = plan.cost.training_flops(plan.runs), plan.cost.inference_flops(plan.runs)
    of = unit(FLOPS, float(inference.max()))
    groups: dict[tuple[str, float], list[int]] = {}
    for number, run in enumerate(plan.runs):
        groups.setdefault((run.sweep, run.data_size), []).append(number)
    rows = []
    for (sweep, size), which in groups.items():
        costs = [float(inference[k]) for k in which]
        rows.append((sweep, examples(size), str(len(which)),
                     f"{plain(min(costs) / of.scale)} – {plain(max(costs) / of.scale)}",
                     _flops(sum(float(training[k]) for k in which))))
    rows.append(("all", "", str(len(plan)), f"{plain(float(inference.min()) / of.scale)} – "
                 f"{plain(float(inference.max()) / of.scale)}", _flops(float(training.sum()))))
    columns = (Column(name="sweep", words=True), Column(name="data size"), Column(name="runs"),
               Column(name="cost of an inference", unit=of.shown), Column(name="training", unit="FLOPs"))
    frozen = f"; {' and '.join(plan.cost.frozen)} frozen" if plan.cost.frozen else ""
    notes = ("training: 3 forward passes per example and trained part, 1 of a frozen encoder, 2 of a frozen LM"
             + frozen + "; text tokens and evaluation are not counted",)
    return Table(title=f"Plan {plan.name}", columns=columns, rows=tuple(rows), notes=notes, keys=2)


def runs_table(plan: "SweepPlan") -> Table:
    """Every run with its costs."""
    inference_flops = plan.cost.inference_flops(plan.runs)
    of = unit(FLOPS, float(inference_flops.max()))
    columns = (Column(name="run", words=True), *FACTOR_COLUMNS, Column(name="data size"), Column(name="seed"),
               Column(name="inference", unit=of.shown), Column(name="training", unit="FLOPs"))
    costs = zip(inference_flops, plan.cost.training_flops(plan.runs))
    rows = tuple((run.run_id, *factor_cells(run.factors), examples(run.data_size), str(run.seed),
                  amount(float(inference), of), _flops(float(training)))
                 for run, (inference, training) in zip(plan.runs, costs))
    return Table(title=f"Runs of plan {plan.name}", columns=columns, rows=rows)


def plan_dict(plan: "SweepPlan") -> dict[str, Any]:
    """A plan as plain data."""
    training, inference = plan.cost.training_flops(plan.runs), plan.cost.inference_flops(plan.runs)
    runs = [{"run_id": run.run_id, "sweep": run.sweep, "seed": run.seed, **run.factors.as_dict(),
             "data_size": run.data_size, "inference_flops": float(i), "training_flops": float(t)}
            for run, i, t in zip(plan.runs, inference, training)]
    return {"plan": plan.name, "command": list(plan.command), "recipe": str(plan.recipe) if plan.recipe else None,
            "frozen": list(plan.cost.frozen), "encoder_params": plan.cost.encoder_params,
            "encoder_tokens": plan.cost.encoder_tokens, "training_flops": float(training.sum()), "runs": runs,
            "notes": list(plan.notes)}


def _flops(value: float) -> str:
    return f"{value:.3g}".replace("e+", "e")


# --- what a plan can tell ---------------------------------------------------------------------------------


def information_tables(found: "PlanInformation") -> list[Table]:
    """Expected widths of exponents, choice and elasticities, and what to add."""
    level = f"{100 * found.settings.level:.4g} %"
    parts = [_exponent_table(found, level), _choice_table(found, level)]
    if found.elasticities:
        rows = tuple((each.factor, _median(each.value), _range(each.value), _median(each.half_width),
                      _range(each.half_width)) for each in found.elasticities)
        columns = (Column(name="factor", words=True), Column(name="elasticity"), Column(name="over laws"),
                   Column(name=f"± {level}"), Column(name="over laws"))
        parts.append(Table(title="Expected elasticities of the continuous optimum in data size", columns=columns,
                           rows=rows))
    columns = (*FACTOR_COLUMNS, Column(name="data size"), Column(name="training", unit="FLOPs"),
               Column(name="less unknown", unit="%"), Column(name="remark", words=True))
    rows = tuple((*factor_cells(each.factors), examples(each.data_size), _flops(each.training_flops),
                  plain(100 * each.gain, 2), "another seed of a planned run" if each.repeat else "")
                 for each in found.additions)
    parts.append(Table(title="Runs worth adding, the most telling first", columns=columns, rows=rows, notes=(
        "less unknown: by how much the runs down to this one lessen the variance of all parameters together",)))
    return parts


def information_lines(found: "PlanInformation") -> list[str]:
    """What the tables rest on, and what the plan cannot tell, one sentence a line."""
    s, rank = found.settings, found.rank
    said = [f"assumed: {found.laws} laws ({found.source}), {plain(s.n_eval, 4)} questions per error, "
            f"{100 * s.run_noise:g} % between trainings, {s.draws} sweeps played through for each law",
            f"the Jacobian of {found.form.name} has rank {_median(rank)} for {found.parameters} parameters over "
            f"{found.distinct} distinct runs ({_condition(found)})"]
    if rank.low < rank.high:
        said[-1] += f"; {rank.low:g} to {rank.high:g} over laws"
    if found.confounded:
        said.append(f"cannot be told apart, however little noise there is: {', '.join(found.confounded)}")
    if found.weak:
        said.append(f"will hardly be identified: {', '.join(found.weak)}; known least: {', '.join(found.hardest)} "
                    "together")
    else:
        said.append(f"every parameter will be identified; known least: {', '.join(found.hardest)} together")
    return [*said, *found.notes]


def _condition(found: "PlanInformation") -> str:
    value = found.condition.median
    return f"condition number {plain(value, 2)}" if value < 1e15 else "singular"


def _exponent_table(found: "PlanInformation", level: str) -> Table:
    rows = []
    for each in found.exponents:
        low, high = found.form.exponent_bounds(each.name)
        bounded = each.half_width.median >= 0.45 * (high - low)
        rows.append((each.name, _median(each.value), _range(each.value), _median(each.half_width),
                     _range(each.half_width), plain(100 * each.weak, 2),
                     "nothing will be known but its bounds" if bounded else ""))
    columns = (Column(name="exponent", words=True), Column(name="true value"), Column(name="over laws"),
               Column(name=f"± {level}"), Column(name="over laws"), Column(name="hardly identified", unit="% of laws"),
               Column(name="remark", words=True))
    kept = columns if any(row[-1] for row in rows) else columns[:-1]
    return Table(title=f"Expected exponents of {found.form.name}", columns=kept,
                 rows=tuple(row[: len(kept)] for row in rows),
                 notes=("± half-width of the interval; median over laws, then least and largest",))


def _choice_table(found: "PlanInformation", level: str) -> Table:
    of = unit(FLOPS, max((each.budget for each in found.frontier), default=None))
    rows = tuple((plain(each.budget / of.scale), _percent(each.same), _span(each.same), _percent(each.regret),
                  _span(each.regret), _percent(each.error)) for each in found.frontier)
    columns = (Column(name="budget", unit=of.shown), Column(name="same choice", unit="%"), Column(name="over laws"),
               Column(name="error lost", unit="%"), Column(name="over laws"), Column(name=f"± {level} of its error",
                                                                                     unit="%"))
    notes = ("same choice: how often the truly best configuration is chosen; error lost: relative excess of the chosen "
             "one's true error",)
    return Table(title="Expected choice among the planned levels, largest data size", columns=columns, rows=rows,
                 notes=notes)


def _median(spread: "Spread") -> str:
    return plain(_clean(spread.median), 2)


def _range(spread: "Spread") -> str:
    return f"{plain(_clean(spread.low), 2)} – {plain(_clean(spread.high), 2)}"


def _percent(spread: "Spread") -> str:
    return plain(100 * spread.median, 2)


def _span(spread: "Spread") -> str:
    return f"{plain(100 * spread.low, 2)} – {plain(100 * spread.high, 2)}"


def _clean(value: float) -> float:
    """A value without rounding noise."""
    return 0.0 if abs(value) < 1e-9 else value


def information_dict(found: "PlanInformation") -> dict[str, Any]:
    """The same as plain data."""
    from dataclasses import asdict

    settings = {name: value for name, value in asdict(found.settings).items() if name != "form"}
    content = {name: value for name, value in asdict(found).items() if name not in ("form", "settings")}
    return {"form": found.form.name, "assumed": settings, **content}
