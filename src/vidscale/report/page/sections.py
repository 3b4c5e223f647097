"""The page's sections: the answer first, then what it rests on, then how far to trust it.

Each takes a study and the page's data and returns HTML; a section with nothing to show says why.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vidscale.cost.constraints import base_cost, limit_sentence
from vidscale.cost.deployment import not_convex
from vidscale.cost.units import FLOPS
from vidscale.forms import text
from vidscale.report.measured import isoflop_groups, isoflop_sizes, separable
from vidscale.report.numbers import amount, examples, with_unit
from vidscale.report.other_forms import other_form_lines
from vidscale.report.page.answer_data import sizes_of
from vidscale.report.page.markup import (
    bullets,
    choice,
    esc,
    formula,
    name,
    paragraphs,
    plot,
    selection,
    sentence,
    table_html,
)
from vidscale.report.page.words import (
    answer_table,
    findings,
    fixed_words,
    mean_gains,
    remarks,
    sureness_meaning,
    task_table,
)
from vidscale.report.regret import regret_table
from vidscale.report.sentences import asked_sentence, every_note, gain_sentence, largest_size_points, target_words
from vidscale.report.tables import (
    Table,
    comparison_table,
    continuous_table,
    current_table,
    elasticity_table,
    fits_table,
    frontier_table,
    parameter_table,
    policy_table,
    shown_unit,
    study_label,
)

if TYPE_CHECKING:
    from vidscale.study import Study

Data = Mapping[str, Any]

#: Why the bagged predictor has no continuous optimum.
NO_POSYNOMIAL = "the bagged predictor is no posynomial"


def _level(study: "Study") -> str:
    return f"{100 * study.settings.level:.4g}\u00a0%"


def _target_words(study: "Study") -> str:
    """Where the script names the task that is shown."""
    return f'<span class="the-target">{esc(target_words(study, study.model.lead))}</span>'


def _size_words(study: "Study", size: float | None) -> str:
    """Where the script names the data size that is shown."""
    return "" if size is None else f' at <span class="the-size">{examples(size)}</span> finetuning examples'


def answer(study: "Study", data: Data) -> str:
    """The recommendation by budget, how sure it is, and what was found."""
    report, lead, size = study.frontier, study.model.lead, largest_size_points(study)[0].data_size
    table = table_html(answer_table(study, lead, size), key="answer", notes=False,
                       caption="The configuration of least predicted error at each budget")
    limits = limit_sentence(report.limits, report.excluded)
    said = findings(study, mean_gains(data["frontier"][0]["policies"][data["sizes"].index(size)]))
    return "".join([
        f"<p>For {_target_words(study)}{_size_words(study, size)}, the configuration of least predicted error at each "
        "inference budget:</p>", table,
        paragraphs(sentence(f"The interval is for the true mean error and holds it with {_level(study)} probability as "
                            "far as the form of the law is right"),
                   sentence(sureness_meaning(study)), sentence(fixed_words(study)),
                   sentence(f"Limits, of {len(report.lattice)} configurations: {limits}") if limits else ""),
        f"<h3>In short</h3><p>For {esc(target_words(study, lead))}"
        f"{f', at {examples(size)} finetuning examples' if size is not None else ''}:</p>",
        bullets([sentence(each) for each in said], "findings"),
        f'<p class="aside">{esc(asked_sentence(study, target_words(study, lead)))}</p>'])


def paths(study: "Study", data: Data) -> str:
    """The path of the optimum and its error."""
    count = sum(axis["varies"] for key, axis in data["axes"].items() if key != "data_size")
    convex = data["frontier"][0]["path"] is not None
    why = not_convex(study.frontier.cost_model)
    kinds = [("steps", "available choices"), ("free", "continuous optimum")]
    controls = choice("path-kind", "show", kinds, "free") if convex else ""
    absent = "" if convex else sentence(f"There is no continuous optimum to draw: {why or NO_POSYNOMIAL}; the search "
                                        "of the lattice is exact")
    reading = (f"Continuous optimum: factors need not be measured levels; bands hold {_level(study)} of the noise "
               "draws. " if convex else "") + (
        f"Available choices: the best of {len(study.frontier.lattice)} configurations "
        f"({study.frontier.lattice.name}); dots mark the study's budgets, small rings the near-ties there.")
    parts = []
    if count:
        parts.append(plot("paths", "Where the budget should go",
                          f"How the best language model, frames and tokens per frame grow with the budget. {absent}",
                          controls=controls, reading=esc(reading)))
    else:
        parts.append("<p>No factor can be chosen: every one has a single level, so there is no path to draw.</p>")
    parts.append(plot("error", "What error to expect",
                      f"Predicted error of the best choice at every budget, with {_level(study)} intervals for the "
                      "true mean.", reading="A step is where a better configuration becomes affordable."))
    return "".join(parts)


def tasks(study: "Study") -> str:
    """Every task's choice at one budget."""
    if len(study.model.targets) < 2:
        return ""
    points = largest_size_points(study)
    middle, shown = points[len(points) // 2], shown_unit(study.frontier)
    options = [(str(i), f"{amount(p.budget, shown)} {shown.shown}") for i, p in enumerate(points)]
    return "".join([
        "<h3>Do tasks want different things?</h3>",
        "<p>Each task's own best choice at one budget. Where they differ, the average hides a compromise.</p>",
        selection("task-budget", "at the budget", options, str(len(points) // 2)),
        table_html(task_table(study, middle.budget, middle.data_size), key="tasks", notes=False,
                   caption="Best choice by task at one budget and data size")])


def current(study: "Study") -> str:
    """The configuration in use against the frontier."""
    if not study.current:
        return ""
    table = current_table(study.current, title=study_label(study), target=study.model.lead,
                          cost_unit=study.frontier.unit)
    return "<h3>Compared with what runs now</h3>" + table_html(table, key="current",
                                                               caption="The configuration in use against the frontier")


def details(study: "Study") -> str:
    """Every recommendation with all its columns."""
    table = frontier_table(study.frontier, title=study_label(study), target=study.model.lead)
    return ('<details class="more"><summary>Every recommendation: all data sizes, both intervals, encoder share'
            f'</summary>{table_html(table, key="frontier", caption="Every recommendation")}</details>')


def gain(study: "Study") -> str:
    """The frontier against naive allocation, against planning by FLOPs, and what more compute is worth."""
    report, lead = study.frontier, study.model.lead
    size = largest_size_points(study)[0].data_size
    equal = "FLOPs" if report.unit == FLOPS else base_cost(report.cost_model).name
    parts = []
    if len(report.lattice) > 1:
        found = report.policies[lead, size]
        table = _policies(study, lead, size)
        parts += [
            paragraphs(esc(gain_sentence(study, found))),
            plot("gain", "Gain over naive allocation", f"Relative gain in accuracy of the best choice over each naive "
                 f"policy at equal {esc(equal)}, mean over the budgets that the policy serves, with {_level(study)} "
                 "intervals.", legend=False,
                 reading="The interval holds both choices fixed and asks every noise draw for their errors."),
            plot("policies", "Naive policies by budget", "Predicted error of what each policy buys; the frontier is "
                 "the thick line.", reading="A policy without a mark at a budget can afford nothing there."),
            table_html(table, key="policies", caption="Naive policies against the frontier")]
    else:
        parts.append("<p>There is one configuration only, so there is nothing to compare.</p>")
    if report.regret:
        table = regret_table(report, title=study_label(study), target=lead, data_size=size)
        parts += ["<h3>Planned by FLOPs instead</h3>",
                  f"<p>What someone who counts FLOPs would pick, and what that costs in {esc(shown_unit(report).axis)}."
                  "</p>", table_html(table, key="regret", caption="Planning by FLOPs against the frontier")]
    parts += [_compute(study)]
    return "".join(parts)


def _policies(study: "Study", target: str, size: float | None) -> Table:
    """The table of naive policies with one note a rule."""
    table = policy_table(study.frontier, title=study_label(study), target=target, data_size=size)
    rules = [f"{o.policy}: {o.sentence}" for o in study.frontier.policies[target, size].outcomes]
    return replace(table, notes=(table.notes[0], *rules))


def _compute(study: "Study") -> str:
    points = [p for p in largest_size_points(study) if p.continuous is not None]
    if not points:
        why = not_convex(study.frontier.cost_model) or NO_POSYNOMIAL
        return "<h3>What more compute is worth</h3>" + paragraphs(sentence(
            f"Not known at the margin: {why}, so there is no continuous optimum with a marginal value. Compare the "
            "errors of neighbouring budgets instead"))
    table = continuous_table(replace(study.frontier, points=tuple(points)), title=study_label(study),
                             target=study.model.lead)
    return plot("worth", "What more compute is worth", "Per cent of error that one per cent more budget buys, with "
                f"{_level(study)} bands. Where a line ends the budget no longer binds: more buys nothing within the "
                "measured ranges.", reading="Of the continuous optimum; both axes are logarithmic.") + table_html(
        table, key="compute", caption="Continuous optimum and the marginal value of compute")


def evidence(study: "Study", data: Data) -> str:
    """Fitted against measured, curves along one factor, isoFLOP curves, contours of equal performance."""
    first = data["evidence"][0]
    parts = [plot("fitted", "Does the law describe the runs?", "Every run's measured error against what the law says; "
                  "on the diagonal they agree.",
                  reading=esc(f"Bars in the plot of measured − law: {_level(study)} interval for a new measurement. "
                              "About that share of the marks should lie within their bars."))]
    if first["lines"]:
        parts.append(plot("lines", "One factor at a time", "Runs that differ in one factor only, with the law through "
                          f"them and its {_level(study)} band for the true mean.",
                          legend=False, reading="Dots are measured, lines fitted to all runs at once."))
    else:
        parts.append("<h3>One factor at a time</h3><p>No two runs differ in one factor alone, so there are no such "
                     "curves.</p>")
    if first["isoflop"]:
        at = isoflop_sizes(isoflop_groups(study))
        parts.append(plot("isoflop", "IsoFLOP curves", f"Runs of about equal cost{f' at {at}' if at else ''}: which "
                          "size of a factor is best at that cost. Strong marks are the best run at their level.",
                          reading="Lines: the least error the law allows at that cost, other factors free. Always in "
                                  "FLOPs, by which such sweeps are planned."))
    else:
        parts.append("<h3>IsoFLOP curves</h3><p>The table has no isoFLOP sweep (runs of about equal cost, labelled "
                     "isoflop in the column sweep), so there are none.</p>")
    return "".join(parts)


def contours(study: "Study", data: Data) -> str:
    """Contours of equal predicted error."""
    pairs = data["pairs"]
    if not pairs:
        return "<p>Fewer than two factors vary in the fitted law, so there are no contours of equal error.</p>"
    sized = study.model.data_varies
    why = "" if sized else ("<p>The data size does not vary in these runs, so nothing can be said about it: the "
                            "contours span two factors instead.</p>")
    buys = "how much of a factor makes up for less finetuning data, and the reverse" if sized else \
        "what one factor buys in place of the other"
    says = f"Along a line the predicted error is the same: {buys}."
    holds = [(str(i), f"the choice at {hold['budget']}: {' × '.join(hold['held'])}")
             for i, hold in enumerate(data["evidence"][0]["contours"])]
    held = selection("hold", "other factors as in", holds, "0") if len(data["factors"]) > 2 or not sized else ""
    return why + plot("contours", "Contours of equal error", says, legend=False, controls=held,
                      reading=esc(f"Numbers on the lines: predicted error in %. Hovering shows its {_level(study)} "
                                  "interval. Crosses: where runs were measured (their other factors differ)."))


def moves(study: "Study") -> str:
    """How the optimum moves with finetuning data."""
    if not study.elasticities:
        return paragraphs(sentence(study.no_elasticity or "no elasticity"))
    table = elasticity_table(study.elasticities, title=study_label(study), target=study.model.lead)
    always = (f"<strong>In form {name(study.form)} the optimum does not depend on the data size: these zeros are a "
              "property of the form, not a finding.</strong>") if separable(study) else ""
    return paragraphs(always) + plot(
        "elasticity", "Elasticity of the optimum in data size", "Per cent change of each optimal factor per per cent "
        f"more finetuning data, averaged over budgets and data sizes, with {_level(study)} intervals.",
        reading="The value depends on the estimator, so each is named in full below the table.") + table_html(
        table, key="elasticity", caption="Elasticity of the optimum by estimator")


def law(study: "Study", data: Data) -> str:
    """Which form was chosen and why, its formula and parameters, and the others."""
    fit = study.full.fit(study.model.lead)
    why = "It was asked for" if study.reason == "asked for" else "It was chosen for how it predicts"
    kinds = {score[1] for score in data["evidence"][0]["scores"]}
    parts = [f"<p>Form <strong>{name(study.form)}</strong>: {sentence(study.reason)} {why}; that does not show that it "
             "is the true form.</p>"]
    if kinds:
        parts += [plot("forms", "Forms on held-out runs", "Mean squared error on runs that the form was not fitted to; "
                       "lower is better.", legend=False,
                       reading="The filled diamond is the chosen form. Beside each mark: how far it lies above the "
                               "best, ± the standard error of that difference."),
                  table_html(comparison_table(study), key="comparison", caption="Forms on held-out runs")]
    else:
        parts.append("<p>Nothing was held out, so the forms cannot be compared by how they predict.</p>")
    parts += [f"<h3>The fitted law</h3><p>Fitted to {esc(target_words(study, study.model.lead))}, all runs; f is the "
              "error as a fraction, x<sub>N</sub> parameters of the language model, x<sub>T</sub> frames, "
              "x<sub>V</sub> tokens per frame, n finetuning examples:</p>",
              f'<p class="formula">f = {formula(text(fit.form, fit.parameters))}</p>',
              table_html(parameter_table(fit, study.profiles, title=study_label(study)), key="parameters",
                         caption="Parameters with 95 % profile intervals")]
    if study.other_profiles:
        parts += ["<h3>The other forms, fitted to the same runs</h3>",
                  bullets([formula(line) for line in other_form_lines(study)], "formulas")]
    return "".join(parts)


def trust(study: "Study") -> str:
    """The certificate in plain words, every other task's, notes, and what the intervals mean."""
    fit = study.full.fit(study.model.lead)
    cards = "".join(f'<li class="{each.kind}"><strong>{sentence(each.what)}</strong> {esc(each.meaning)}</li>'
                    for each in remarks(fit))
    parts = [f"<h3>What the fit says about itself</h3><p>The fit to {esc(target_words(study, study.model.lead))}:</p>"
             f'<ul class="remarks">{cards}</ul>']
    if len(study.full.fits) > 1:
        parts.append('<details class="more"><summary>The same for every task</summary>'
                     + table_html(fits_table(study.full.fits, title=study_label(study)), key="fits",
                                  caption="Fits of all tasks") + "</details>")
    level = _level(study)
    parts += [
        "<h3>What the intervals mean</h3>",
        bullets([
            f"<strong>True mean, {esc(level)}</strong>: where the error of endlessly repeated training and evaluation "
            "should lie. Made by refitting the law to redrawn noise.",
            f"<strong>New measurement, {esc(level)}</strong>: where the next run's score should fall; wider by the "
            "noise of one run and of a finite number of questions.",
            "<strong>Best in … % of draws</strong>: the share of noise draws in which this very configuration is the "
            "best affordable one.",
            "<strong>95 % profile interval</strong>: where a parameter may lie without the fit becoming notably "
            "worse."]),
        "<h3>Notes</h3>", bullets([sentence(note) for note in every_note(study)])]
    return "".join(parts)


def variants(study: "Study", data: Data) -> dict[str, Any]:
    """Every table that changes with the task, the data size or the budget shown: [target][size] or [target]."""
    report, targets = study.frontier, list(study.model.targets)
    sizes = sizes_of(study)
    budgets = [p.budget for p in largest_size_points(study)]
    title = study_label(study)

    def each(make: Any) -> list[Any]:
        return [[make(target, size) for size in sizes] for target in targets]

    found: dict[str, Any] = {
        "answer": each(lambda target, size: answer_table(study, target, size)),
        "tasks": [[task_table(study, budget, size) for size in sizes] for budget in budgets],
        "frontier": [frontier_table(report, title=title, target=t) for t in targets],
        "comparison": [comparison_table(study, t) for t in targets]}
    if len(report.lattice) > 1:
        found["policies"] = each(lambda t, n: _policies(study, t, n))
    if report.regret:
        found["regret"] = each(lambda t, n: regret_table(report, title=title, target=t, data_size=n))
    if study.elasticities:
        found["elasticity"] = [elasticity_table(study.elasticities, title=title, target=t) for t in targets]
    if any(p.continuous is not None for p in report.points):
        found["compute"] = each(lambda t, n: continuous_table(
            replace(report, points=tuple(p for p in report.points if p.data_size == n)), title=title, target=t))
    return found


def lead_words(study: "Study") -> list[str]:
    """Every target as sentences name it."""
    return [target_words(study, target) for target in study.model.targets]


def budget_words(study: "Study") -> list[str]:
    """The study's budgets with their unit."""
    return [with_unit(p.budget, study.frontier.unit) for p in largest_size_points(study)]
