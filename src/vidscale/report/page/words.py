"""The findings and the warnings of a study in words, for the top of the page and for those who must decide.

Everything returned is plain text.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vidscale.fit import FitStatus
from vidscale.report.measured import separable
from vidscale.report.numbers import amount, examples, interval, params, plain, still, with_unit
from vidscale.report.sentences import (
    compute_sentences,
    gain_sentence,
    largest_size_points,
    regret_sentence,
    unspent_sentence,
)
from vidscale.report.tables import Column, Table, factor_cells, shown_unit
from vidscale.space import FACTORS, LM_PARAMS

if TYPE_CHECKING:
    from vidscale.fit import Fit
    from vidscale.study import ElasticityReport, FrontierPoint, Study

#: From which share of draws a choice is called clear, and likely.
CLEAR, LIKELY = 0.9, 0.5
HEADS = {"lm_params": "language model", "frames": "frames", "tokens_per_frame": "tokens per frame"}


def sureness(study: "Study", point: "FrontierPoint") -> str:
    """How sure a choice is: "clear", "likely" or "open", with its near-ties; "not known" where no draw can tell."""
    p, ties = point.probability_best, point.tie_count
    word = "clear" if p >= CLEAR else "likely" if p >= LIKELY else "open"
    word = "not known" if saturated(study, point.target) else word
    return word + (f", {ties} near-tie{'s' if ties > 1 else ''}" if ties else "")


def sureness_meaning(study: "Study") -> str:
    """What the words mean."""
    tie = (f" A near-tie is another affordable configuration predicted within {100 * study.frontier.tolerance:g} % of "
           "the best error: it will do as well.")
    if saturated(study, study.model.lead):
        return ("How sure a choice is cannot be known here: the law has as many parameters as there are "
                "configurations, so nothing is left over to judge it by." + tie)
    return (f"Clear: the same choice is best in at least {100 * CLEAR:g} % of {study.settings.draws} noise draws; "
            f"likely: in {100 * LIKELY:g} to {100 * CLEAR:g} %; open: in fewer." + tie)


def saturated(study: "Study", target: str) -> bool:
    """Whether a target has no more configurations than its law parameters: it passes through every one."""
    runs = study.full.runs
    present = runs.measured[:, runs.targets.index(target)]
    return len({tuple(row) for row in runs.x[present].tolist()}) <= study.full.fit(target).layout.free


def answer_table(study: "Study", target: str, size: float | None) -> Table:
    """The recommendation at every budget for one target and data size."""
    report, shown = study.frontier, shown_unit(study.frontier)
    level = f"{100 * report.level:.4g} %"
    columns = (Column(name="budget", unit=shown.shown), *(Column(name=HEADS[f]) for f in FACTORS),
               Column(name="error", unit="%"), Column(name=f"{level} interval", unit="%"),
               Column(name="how sure", words=True), Column(name="it costs", unit=shown.shown))
    rows = []
    for p in report.points:
        if p.target == target and p.data_size == size:
            error, span = interval(p.error, p.mean_low, p.mean_high, 100)
            rows.append((amount(p.budget, shown), *factor_cells(p.configuration), error, span, sureness(study, p),
                         amount(p.cost, shown)))
    return Table(title="", columns=columns, rows=tuple(rows))


def task_table(study: "Study", budget: float, size: float | None) -> Table:
    """Every target's choice at one budget and data size."""
    level = f"{100 * study.frontier.level:.4g} %"
    columns = (Column(name="task", words=True), *(Column(name=HEADS[f]) for f in FACTORS),
               Column(name="error", unit="%"), Column(name=f"{level} interval", unit="%"),
               Column(name="how sure", words=True))
    rows = []
    for p in study.frontier.points:
        if p.budget == budget and p.data_size == size:
            error, span = interval(p.error, p.mean_low, p.mean_high, 100)
            rows.append((p.target, *factor_cells(p.configuration), error, span, sureness(study, p)))
    return Table(title="", columns=columns, rows=tuple(rows))


# --- findings -------------------------------------------------------------------------------------------------


def findings(study: "Study", mean_gains: list[tuple[str, list[float | None]]]) -> list[str]:
    """What the study found, most important first; `mean_gains` are the policies' (name, [gain, low, high]) in per
    cent."""
    points = largest_size_points(study)
    report = study.frontier
    said = [_growth(study, points), _sure(study, points)]
    found = report.policies.get((study.model.lead, points[0].data_size))
    gained = gain_sentence(study, found) if found is not None else ""
    said += [gained + _spans(mean_gains, report.level)] if gained else []
    regret = report.regret.get((study.model.lead, points[0].data_size))
    said += [regret_sentence(regret)] if regret is not None else []
    said += compute_sentences(study, [p for p in points if p.continuous is not None])
    said += [_data(study, points), *_moves(study)]
    left = unspent_sentence(study, points)
    said += [left] if left else []
    return [each for each in said if each]


def _growth(study: "Study", points: "list[FrontierPoint]") -> str:
    first, last = points[0], points[-1]
    unit = study.frontier.unit

    def error(p: "FrontierPoint") -> str:
        value, span = interval(p.error, p.mean_low, p.mean_high, 100)
        return f"{value} % {span}"

    if len(points) == 1:
        return f"At {with_unit(first.budget, unit)}: {_choice(first)}, predicted error {error(first)}."
    if first.configuration == last.configuration:
        return f"The choice is the same at every budget: {_choice(first)}, predicted error {error(first)}."
    return (f"From {with_unit(first.budget, unit)} to {with_unit(last.budget, unit)} the best choice grows from "
            f"{_choice(first)} to {_choice(last)}; the predicted error falls from {error(first)} to {error(last)}.")


def _choice(p: "FrontierPoint") -> str:
    n, t, v = factor_cells(p.configuration)
    return f"a {n} model, {t} frame{'' if t == '1' else 's'}, {v} token{'' if v == '1' else 's'} per frame"


def _sure(study: "Study", points: "list[FrontierPoint]") -> str:
    clear = sum(p.probability_best >= CLEAR for p in points)
    unsure = [p for p in points if p.probability_best < LIKELY]
    tied = sum(p.tie_count > 0 for p in points)
    if saturated(study, study.model.lead):
        return ""
    said = f"The choice is clear at {clear or 'none'} of {len(points)} budgets"
    if unsure:
        shown = shown_unit(study.frontier)
        said += f", open at {', '.join(amount(p.budget, shown) for p in unsure)} {shown.shown}"
    return said + (f"; at {tied} of {len(points)} another configuration does practically as well." if tied
                   else "; nowhere does another configuration do practically as well.")


def _spans(mean_gains: list[tuple[str, list[float | None]]], level: float) -> str:
    """The least and the most gain with their intervals."""
    known = [(policy, each) for policy, each in mean_gains if all(v is not None for v in each)]
    if not known:
        return ""
    ends = sorted(known, key=lambda item: item[1][0] or 0.0)
    said = []
    for policy, (gain, low, high) in dict.fromkeys((p, (e[0], e[1], e[2])) for p, e in (ends[-1], ends[0])):
        value, span = interval(gain, low, high)
        said.append(f"over {policy} {value} % {span}")
    return f" With {100 * level:.4g} % intervals: {'; '.join(said)}."


def _data(study: "Study", points: "list[FrontierPoint]") -> str:
    """What more data does to the error at the middle budget."""
    middle = points[len(points) // 2]
    same = sorted((p for p in study.frontier.points if p.target == middle.target and p.budget == middle.budget),
                  key=lambda p: p.data_size or 0.0)
    if middle.data_size is None or len(same) < 2:
        return ""
    first, last = same[0], same[-1]
    ends = [interval(p.error, p.mean_low, p.mean_high, 100) for p in (first, last)]
    return (f"Data: at {with_unit(middle.budget, study.frontier.unit)} going from {examples(first.data_size)} to "
            f"{examples(last.data_size)} finetuning examples takes the predicted error from {' % '.join(ends[0])} to "
            f"{' % '.join(ends[1])}.")


def _moves(study: "Study") -> list[str]:
    """How the optimum moves with data, by the last estimator, which depends least on the lattice."""
    reports = [r for r in study.elasticities if r.target == study.model.lead]
    if not reports:
        return []
    if separable(study):
        return [f"In form {study.form} the optimum cannot depend on the data size: that is a property of the form, not "
                "a finding."]
    return [_moved(reports[-1])]


def _moved(report: "ElasticityReport") -> str:
    said = []
    for e in report.factors:
        low, high = (None if end is None else still(end) for end in (e.low, e.high))
        said.append(f"{HEADS[e.factor]} {' % '.join(interval(still(e.value), low, high))}")
    return (f"With 1 % more data the optimum moves by: {'; '.join(said)} ({100 * report.level:.4g} % intervals, "
            f"{report.kind} estimator).")


def mean_gains(policies: list[dict[str, Any]]) -> list[tuple[str, list[float | None]]]:
    """(policy, [gain, low, high]) from the page's data of one target and size."""
    return [(each["policy"], list(each["mean"])) for each in policies]


# --- warnings -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Remark:
    """One thing a fit says about itself: `kind` is "good", "warn" or "bad"; what it is and what that means."""

    kind: str
    what: str
    meaning: str


def remarks(fit: "Fit") -> list[Remark]:
    """A fit's certificate in plain words."""
    found, status = fit.certificate, fit.status
    kind = {FitStatus.CERTAIN: "good", FitStatus.DISPUTED: "warn"}.get(status, "bad")
    meaning = {
        FitStatus.CERTAIN: "Searches from different starting points end in the same place: a better fit of this form "
                           "to these runs is very unlikely to exist.",
        FitStatus.DISPUTED: "Few searches end in the best place found; a better one may exist. Repeat with more "
                            "--starts before relying on it.",
    }.get(status, "Do not use these numbers for a decision; repeat with more --starts or a simpler form.")
    said = [Remark(kind=kind, what=f"{status.value} ({found.share_at_best:.0%} of starts, relative gradient "
                                   f"{found.gradient:.1e}, condition number {found.condition:.1e})", meaning=meaning)]
    if found.gone:
        said.append(Remark(kind="warn", what=f"at their bound 0, so their terms are gone: {', '.join(found.gone)}",
                           meaning="The runs show no sign of these terms. A floor that is gone (epsilon) means that "
                                   "no limit to improvement was seen, not that there is none: do not extrapolate."))
    said += [Remark(kind="warn", what=each, meaning="The best value lies at the edge of what the form allows: the "
                                                    "data would go further. Intervals on this side are cut off.")
             for each in found.at_bound]
    if found.weak:
        said.append(Remark(kind="warn", what=f"hardly identified by the data: {', '.join(found.weak)}",
                           meaning="Never read these values alone. Predictions within the measured ranges depend on "
                                   "them little; their intervals below and those of the predictions include it."))
    return said


def warnings(study: "Study") -> list[str]:
    """What a reader must know before using the answer; empty where nothing stands out."""
    said, lead = [], study.full.fit(study.model.lead)
    if lead.status is not FitStatus.CERTAIN:
        said.append(f"The fit: {lead.status.value}.")
    points = [p for p in study.frontier.points if p.target == study.model.lead]
    outside = list(dict.fromkeys(s for p in points for s in p.outside))
    if outside:
        said.append(f"Some recommendations lie outside what was measured: {'; '.join(outside)}.")
    unsure = sum(p.probability_best < LIKELY for p in points)
    if unsure:
        said.append(f"{unsure} of {len(points)} recommendations are open: the best choice changes with the noise of "
                    "the measurements. Where such a one has near-ties, these will do as well.")
    above = sum(p.error > 1 for p in points)
    if above:
        said.append(f"{above} of {len(points)} recommendations predict an error above 100 %: the law is used beyond "
                    "what it can describe.")
    misfit = study.model.target(study.model.lead).noise.sentence()
    if misfit:
        said.append(f"The form does not describe the runs to within their noise: {misfit}.")
    if saturated(study, study.model.lead):
        said.append("There are no more configurations than parameters: the law passes through every measurement, and "
                    "the intervals say little.")
    if not study.comparison.scores:
        said.append("Nothing was held out: how well the form predicts new runs is not known.")
    return said


def fixed_words(study: "Study") -> str:
    """Which factors no choice moves, in words; empty where all are free."""
    held = [f for f in FACTORS if study.frontier.lattice.levels[f].size == 1]
    values = [(f, float(study.frontier.lattice.levels[f][0])) for f in held]
    said = [f"{HEADS[f]} {params(v) if f == LM_PARAMS else plain(v, 4)}" for f, v in values]
    return f"Held fixed: {', '.join(said)}." if said else ""
