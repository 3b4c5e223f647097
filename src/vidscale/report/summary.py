"""summary.md: the answer on a page or two, with what it rests on and how far it can be trusted."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

import vidscale
from vidscale.cost.constraints import base_cost, limit_sentence
from vidscale.cost.deployment import CostSettings, not_convex
from vidscale.cost.units import FLOPS, unit
from vidscale.forms import text
from vidscale.measurements import AVERAGE, WEIGHTED
from vidscale.report.measured import costs, separable
from vidscale.report.numbers import amount, chance, examples, interval, percent, plain, with_unit
from vidscale.report.other_forms import other_form_lines
from vidscale.report.regret import regret_table
from vidscale.report.tables import (
    Column,
    Table,
    certificate_lines,
    comparison_table,
    continuous_table,
    current_table,
    elasticity_table,
    factor_cells,
    frontier_table,
    parameter_table,
    policy_table,
    shown_unit,
    study_label,
    to_markdown,
)

if TYPE_CHECKING:
    from vidscale.study import FrontierPoint, Study

#: Figure → what it shows.
CAPTIONS = {
    "frontier-paths": "Compute-optimal factors against budget",
    "frontier-error": "Predicted error along the frontier, and of naive policies",
    "comparison": "Forms on held-out runs",
    "fitted": "Fitted against measured error",
    "isoflop": "IsoFLOP curves",
    "factors": "Error against one factor, the others held",
    "elasticity": "Elasticity of the optimum in finetuning data",
}
FILES = {
    "fit.json": "the fitted laws and their draws; `vidscale predict`, `frontier` and `elasticity` read it",
    "study.json": "everything here as JSON, settings included",
    "comparison.csv": "scores of every form on held-out runs",
    "frontier.csv": "the recommendation for every task, data size and budget",
    "policies.csv": "naive policies at the same budgets",
    "flops_regret.csv": "what a planner who counts FLOPs would pick, and what that costs",
    "elasticity.csv": "elasticities by task and estimator",
    "fitted.csv": "every measured error beside the fitted one",
    "parameters.csv": "parameters of every form and task",
}


def summary(study: "Study", *, figures: Sequence[str] = (), files: Sequence[str] = ()) -> str:
    """The summary as Markdown.

    Args:
        study: the study.
        figures: names of the figures under figures/, to be embedded.
        files: names of all files written beside it, to be listed.
    """
    parts = [_asked(study), _answer(study, figures), _current(study), _tasks(study), _form(study, figures),
             _compute(study), _policies(study), _regret(study), _elasticity(study, figures), _notes(study),
             _files(files), _provenance(study)]
    whole = "\n".join(part.rstrip() + "\n" for part in parts if part)
    return re.sub(r"\n{3,}", "\n\n", whole).replace(".png)\n\n![", ".png)\n![")


def _image(name: str, figures: Sequence[str]) -> str:
    return f"\n![{CAPTIONS[name]}](figures/{name}.png)\n" if name in figures else ""


def _line(name: str) -> str:
    """A name from a table as one line of text."""
    return " ".join(name.split()).replace("`", "'")


def _lead(study: "Study") -> str:
    """The lead target in words."""
    lead = study.model.lead
    if lead == AVERAGE and len(study.table.tasks) > 1:
        return f"the average of {len(study.table.tasks)} tasks"
    if lead == WEIGHTED and lead not in study.table.tasks:
        return "the weighted mean of tasks"
    return f"task `{_line(lead)}`"


def _asked(study: "Study") -> str:
    table, report = study.table, study.frontier
    said = [f"# {_line(study_label(study))}: which configuration for which budget\n"]
    if table.synthetic:
        said.append("**Synthetic data: these numbers were generated from a declared law. They show the method and say "
                    "nothing about real video models, nor about which form of the law is true.**\n")
    varying = ", ".join(study.obs.factors)
    said.append(f"Asked: the configuration of least error for {_lead(study)} at each inference budget, from "
                f"{len(study.obs)} runs ({len(table)} measurements) in which {varying} vary. Choices: lattice "
                f"{report.lattice.name!r}, {len(report.lattice)} configurations; {report.cost} cost, "
                f"{_counted(report.unit)}; {report.predictor} predictor.")
    if report.limits:
        said.append(f"\nLimits, of {len(report.lattice)} configurations: "
                    f"{limit_sentence(report.limits, report.excluded)}.")
    why = not_convex(report.cost_model)
    if why:
        said.append(f"\nThe search is exact on this lattice. {why[0].upper()}{why[1:]}: there is no continuous "
                    "optimum, no certificate of convexity, and elasticities come from the lattice alone.")
    return "\n".join(said)


def _counted(name: str) -> str:
    """What a cost is counted in."""
    return "FLOPs per video, vision encoder included" if name == FLOPS else f"in {unit(name).axis}"


def _largest(study: "Study") -> "list[FrontierPoint]":
    """The lead target's points at the largest data size."""
    points = [p for p in study.frontier.points if p.target == study.model.lead]
    sizes = [p.data_size for p in points if p.data_size is not None]
    return [p for p in points if not sizes or p.data_size == max(sizes)]


def _answer(study: "Study", figures: Sequence[str]) -> str:
    points = _largest(study)
    size = points[0].data_size
    where = f" at {examples(size)} finetuning examples" if size is not None else ""
    table = frontier_table(study.frontier, title=study_label(study), target=study.model.lead,
                           data_sizes=None if size is None else [size])
    said = [f"## Answer\n\nFor {_lead(study)}{where}, the configuration of least predicted error at each budget:\n"]
    said += [to_markdown(table, title=False)]
    shown = shown_unit(study.frontier)
    unspent = [p for p in points if p.cost < 0.8 * p.budget]
    if unspent:
        said.append("- less than 80 % is spent at " + ", ".join(amount(p.budget, shown) for p in unspent)
                    + f" {shown.shown}: no dearer configuration that these budgets afford is predicted to do better")
    sure = [p for p in points if p.probability_best < 0.5]
    if sure:
        said.append("- the choice is unsure at " + ", ".join(amount(p.budget, shown) for p in sure)
                    + f" {shown.shown}: it is the best one in fewer than half of the draws; see its near-ties in "
                    "frontier.csv")
    said += [_image("frontier-paths", figures), _image("frontier-error", figures)]
    return "\n".join(said)


def _current(study: "Study") -> str:
    if not study.current:
        return ""
    table = current_table(study.current, title=study_label(study), target=study.model.lead,
                          cost_unit=study.frontier.unit)
    return f"## The configuration in use\n\n{to_markdown(table, title=False)}"


def _tasks(study: "Study") -> str:
    """Every task's choice at one budget: tasks may want different things."""
    if len(study.model.targets) < 2:
        return ""
    lead = _largest(study)
    chosen = lead[len(lead) // 2]
    rows = []
    for p in study.frontier.points:
        if p.budget == chosen.budget and p.data_size == chosen.data_size:
            error, span = interval(p.error, p.mean_low, p.mean_high, 100)
            rows.append((_line(p.target), *factor_cells(p.configuration), error, span,
                         chance(p.probability_best), str(p.tie_count)))
    names = ("lm_params", "frames", "tokens_per_frame", "error (%)",
             f"{100 * study.frontier.level:.4g} % true mean (%)", "P(best) (%)", "near-ties")
    table = Table(title="", columns=(Column(name="task", words=True), *(Column(name=name) for name in names)),
                  rows=tuple(rows))
    size = f" and {examples(chosen.data_size)} examples" if chosen.data_size is not None else ""
    return "\n".join([f"## By task, at {with_unit(chosen.budget, study.frontier.unit)}{size}\n",
                      to_markdown(table, title=False)])


def _form(study: "Study", figures: Sequence[str]) -> str:
    fit = study.full.fit(study.model.lead)
    why = "It was asked for" if study.reason == "asked for" else "It was chosen for how it predicts"
    said = [f"## The law\n\nForm **{_line(study.form)}**: {study.reason}. {why}; that does not show that it is the "
            "true form.\n"]
    if study.comparison.scores:
        said.append(to_markdown(comparison_table(study), title=False))
    said.append(_image("comparison", figures))
    said.append(f"Fitted to {_lead(study)}, all runs:\n\n    f = {text(fit.form, fit.parameters)}\n")
    said.append(to_markdown(parameter_table(fit, study.profiles, title=study_label(study)), title=False))
    said.append("What the fit says about itself:\n")
    said += [f"- {line}" for line in certificate_lines(fit)]
    if study.other_profiles:
        said.append("\nThe other forms, fitted to the same runs:\n")
        said += [f"- {line}" for line in other_form_lines(study)]
    said.append(_image("fitted", figures) + _image("isoflop", figures) + _image("factors", figures))
    return "\n".join(said)


def _compute(study: "Study") -> str:
    points = [p for p in _largest(study) if p.continuous is not None]
    if not points:
        return ""
    table = continuous_table(replace(study.frontier, points=tuple(points)), title=study_label(study),
                             target=study.model.lead)
    said = ["## What more compute is worth\n"]
    bound = [p for p in points if p.continuous is not None and not p.continuous.slack]
    if bound:
        middle = bound[len(bound) // 2]
        c = middle.continuous
        assert c is not None
        more = "the encoder" if c.encoder > c.lm else "the LM"
        said.append(f"At {with_unit(middle.budget, study.frontier.unit)} one per cent more budget lowers the predicted "
                    f"error by {plain(c.multiplier, 2)} %. Making the encoder one per cent cheaper is worth "
                    f"{plain(c.encoder, 2)} %, making the LM one per cent cheaper {plain(c.lm, 2)} %: "
                    f"{more} matters more there.\n")
    slack = [p for p in points if p.continuous is not None and p.continuous.slack]
    if slack:
        # Where a budget does not bind, the optimum is the same for every larger one; its own cost is where that begins.
        least = slack[0].continuous
        assert least is not None
        saturated = float(costs(study).cost(np.array([list(least.configuration)]))[0])
        said.append(f"From {with_unit(saturated, study.frontier.unit)} on the budget does not bind: by this fit "
                    "nothing within the measured ranges is gained by spending more.\n")
    return "\n".join([*said, to_markdown(table, title=False)])


def _policies(study: "Study") -> str:
    report, size = study.frontier, _largest(study)[0].data_size
    found = report.policies.get((study.model.lead, size))
    if found is None:
        return ""
    known = [o for o in found.outcomes if o.mean_gain is not None]
    said = ["## Against naive policies\n"]
    if known and len(study.frontier.lattice) > 1:
        gains = [o.mean_gain for o in known if o.mean_gain is not None]
        equal = "FLOPs" if report.unit == FLOPS else base_cost(report.cost_model).name
        said.append(f"At equal {equal} the frontier's mean accuracy is higher by {percent(min(gains), 2)} % to "
                    f"{percent(max(gains), 2)} %, depending on the policy (relative gain, predicted).\n")
    table = policy_table(report, title=study_label(study), target=study.model.lead, data_size=size)
    return "\n".join([*said, to_markdown(table, title=False)])


def _regret(study: "Study") -> str:
    """What planning by FLOPs loses, where something else is paid."""
    report, size = study.frontier, _largest(study)[0].data_size
    found = report.regret.get((study.model.lead, size))
    if found is None:
        return ""
    other, count = int((found.planned != found.best).sum()), len(found.budgets)
    said = ["## Planned by FLOPs instead\n", f"At {other} of {count} budgets a planner who counts FLOPs picks another "
            f"configuration at the same FLOPs; {int((~found.allowed).sum())} of those picks cost more than the budget "
            "or break a limit."]
    known = found.loss[found.kept >= 0]
    if known.size:
        said[-1] += (" Following the FLOPs frontier as far as the budget allows costs up to "
                     f"{percent(known.max(), 2)} % more error (relative, predicted).")
    table = regret_table(report, title=study_label(study), target=study.model.lead, data_size=size)
    return "\n".join([*said, "", to_markdown(table, title=False)])


def _elasticity(study: "Study", figures: Sequence[str]) -> str:
    head = "## How the optimum moves with more finetuning data\n"
    if not study.elasticities:
        return f"{head}\n{study.no_elasticity or 'no elasticity'}"
    table = elasticity_table(study.elasticities, title=study_label(study), target=study.model.lead)
    if separable(study):
        head += (f"\n**In form {_line(study.form)} the optimum does not depend on the data size: these zeros are a "
                 "property of the form, not a finding.**\n")
    return "\n".join([head, "Per cent change of each optimal factor per per cent more data, averaged over budgets and "
                      "data sizes. The value depends on the estimator, which is therefore named in full.\n",
                      to_markdown(table, title=False), _image("elasticity", figures)])


def _notes(study: "Study") -> str:
    notes = list(study.notes)
    outside = [p for p in study.frontier.points if p.outside]
    if outside:
        notes.append(f"{len(outside)} of {len(study.frontier.points)} recommendations lie outside what was measured: "
                     + "; ".join(dict.fromkeys(s for p in outside for s in p.outside)))
    if study.table.synthetic:
        notes.append("the data are synthetic: which form predicts them best comes from the law that generated them, "
                     "and says nothing about which form real models follow")
    notes.append("intervals carry the noise of the measurements as the law sees it; an error in the form itself they "
                 "carry only as far as the residuals show it")
    return "\n".join(["## Notes and warnings\n", *(f"- {' '.join(note.split())}" for note in notes)])


def _files(files: Sequence[str]) -> str:
    listed = [f"- `{name}`: {FILES[name]}" for name in files if name in FILES]
    images = [name for name in files if name.startswith("figures/")]
    if images:
        listed.append(f"- `figures/`: {', '.join(name.removeprefix('figures/') for name in images)}")
    return "\n".join(["## Files\n", *listed]) if listed else ""


def _provenance(study: "Study") -> str:
    s = study.settings
    return "\n".join([
        "## Provenance\n",
        f"- vidscale {vidscale.__version__}; table {_line(study.table.name)}, data hash `{study.table.data_hash}`",
        f"- seed {s.seed}; {s.starts} starts a fit, loss {s.loss}; {s.draws} draws of each bootstrap, {s.folds} folds, "
        f"split {s.split}; intervals {100 * s.level:.4g} %; near-tie within {100 * s.tolerance:g} %",
        *([_cost_line(study)] if s.cost != CostSettings() else []),
        "- the same table, settings and version give the same files; all settings are in study.json",
    ])


def _cost_line(study: "Study") -> str:
    """The settings of a cost other than the paper's FLOPs."""
    cost = study.settings.cost
    said = [f"cost {cost.kind}", f"model {cost.model}"]
    said += [f"{name} {value}" for name, value in (("GPU", cost.gpu), ("profile", cost.profile)) if value]
    said += [f"${cost.price:g} per GPU-hour"] if cost.price is not None else []
    said += [f"batch {cost.batch}, {cost.text_tokens} text tokens, {cost.output_tokens} output tokens"]
    said += [f"limit {limit.text}" for limit in cost.limits]
    return f"- {'; '.join(_line(part) for part in said)}"
