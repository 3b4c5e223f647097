"""summary.md: the answer on a page or two, with what it rests on and how far it can be trusted."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import vidscale
from vidscale.cost.constraints import limit_sentence
from vidscale.cost.deployment import CostSettings, not_convex
from vidscale.forms import text
from vidscale.report.measured import separable
from vidscale.report.numbers import chance, examples, interval, with_unit
from vidscale.report.other_forms import other_form_lines
from vidscale.report.regret import regret_table
from vidscale.report.sentences import (
    SYNTHETIC,
    asked_sentence,
    compute_sentences,
    cost_sentence,
    every_note,
    gain_sentence,
    largest_size_points,
    regret_sentence,
    settings_sentence,
    target_words,
    unspent_sentence,
    unsure_sentence,
)
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
    study_label,
    to_markdown,
)

if TYPE_CHECKING:
    from vidscale.study import Study

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
    "report.html": "the same answer as a page to look at and to send: one file, needs no network",
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
    return target_words(study, study.model.lead, "task `{}`")


def _asked(study: "Study") -> str:
    table, report = study.table, study.frontier
    said = [f"# {_line(study_label(study))}: which configuration for which budget\n"]
    if table.synthetic:
        said.append(f"**{SYNTHETIC}**\n")
    said.append(asked_sentence(study, _lead(study)))
    if report.limits:
        said.append(f"\nLimits, of {len(report.lattice)} configurations: "
                    f"{limit_sentence(report.limits, report.excluded)}.")
    why = not_convex(report.cost_model)
    if why:
        said.append(f"\nThe search is exact on this lattice. {why[0].upper()}{why[1:]}: there is no continuous "
                    "optimum, no certificate of convexity, and elasticities come from the lattice alone.")
    return "\n".join(said)


def _answer(study: "Study", figures: Sequence[str]) -> str:
    points = largest_size_points(study)
    size = points[0].data_size
    where = f" at {examples(size)} finetuning examples" if size is not None else ""
    table = frontier_table(study.frontier, title=study_label(study), target=study.model.lead,
                           data_sizes=None if size is None else [size])
    said = [f"## Answer\n\nFor {_lead(study)}{where}, the configuration of least predicted error at each budget:\n"]
    said += [to_markdown(table, title=False)]
    said += [f"- {sentence}" for sentence in (unspent_sentence(study, points), unsure_sentence(study, points))
             if sentence]
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
    lead = largest_size_points(study)
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
    points = [p for p in largest_size_points(study) if p.continuous is not None]
    if not points:
        return ""
    table = continuous_table(replace(study.frontier, points=tuple(points)), title=study_label(study),
                             target=study.model.lead)
    said = ["## What more compute is worth\n"]
    said += [f"{sentence}\n" for sentence in compute_sentences(study, points)]
    return "\n".join([*said, to_markdown(table, title=False)])


def _policies(study: "Study") -> str:
    report, size = study.frontier, largest_size_points(study)[0].data_size
    found = report.policies.get((study.model.lead, size))
    if found is None:
        return ""
    said = ["## Against naive policies\n"]
    gain = gain_sentence(study, found)
    said += [f"{gain}\n"] if gain else []
    table = policy_table(report, title=study_label(study), target=study.model.lead, data_size=size)
    return "\n".join([*said, to_markdown(table, title=False)])


def _regret(study: "Study") -> str:
    """What planning by FLOPs loses, where something else is paid."""
    report, size = study.frontier, largest_size_points(study)[0].data_size
    found = report.regret.get((study.model.lead, size))
    if found is None:
        return ""
    said = ["## Planned by FLOPs instead\n", regret_sentence(found)]
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
    return "\n".join(["## Notes and warnings\n", *(f"- {' '.join(note.split())}" for note in every_note(study))])


def _files(files: Sequence[str]) -> str:
    listed = [f"- `{name}`: {FILES[name]}" for name in files if name in FILES]
    images = [name for name in files if name.startswith("figures/")]
    if images:
        listed.append(f"- `figures/`: {', '.join(name.removeprefix('figures/') for name in images)}")
    return "\n".join(["## Files\n", *listed]) if listed else ""


def _provenance(study: "Study") -> str:
    return "\n".join([
        "## Provenance\n",
        f"- vidscale {vidscale.__version__}; table {_line(study.table.name)}, data hash `{study.table.data_hash}`",
        f"- {_line(settings_sentence(study))}",
        *([f"- {_line(cost_sentence(study))}"] if study.settings.cost != CostSettings() else []),
        "- the same table, settings and version give the same files; all settings are in study.json",
    ])
