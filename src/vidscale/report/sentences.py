"""What a study says in sentences: summary.md and the page say the same.

Every function returns plain text, without markup; names of tables and tasks stand in it as they are.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vidscale.cost.constraints import base_cost
from vidscale.cost.units import FLOPS, unit
from vidscale.measurements import AVERAGE, WEIGHTED
from vidscale.report.measured import costs
from vidscale.report.numbers import amount, percent, plain, with_unit
from vidscale.report.tables import shown_unit

if TYPE_CHECKING:
    from vidscale.frontier import FlopsRegret, PolicyComparison
    from vidscale.study import FrontierPoint, Study

#: What a study of generated rows must say first.
SYNTHETIC = ("Synthetic data: these numbers were generated from a declared law. They show the method and say nothing "
             "about real video models, nor about which form of the law is true.")


def target_words(study: "Study", target: str, task: str = "task {}") -> str:
    """A target in words: "the average of 8 tasks", or `task` with its name."""
    if target == AVERAGE and len(study.table.tasks) > 1:
        return f"the average of {len(study.table.tasks)} tasks"
    if target == WEIGHTED and target not in study.table.tasks:
        return "the weighted mean of tasks"
    return task.format(" ".join(target.split()).replace("`", "'"))


def asked_sentence(study: "Study", lead: str) -> str:
    """What was asked, of what, among which choices; `lead` is the first target in words."""
    report, varying = study.frontier, ", ".join(study.obs.factors)
    counted = "FLOPs per video, vision encoder included" if report.unit == FLOPS else f"in {unit(report.unit).axis}"
    return (f"Asked: the configuration of least error for {lead} at each inference budget, from {len(study.obs)} runs "
            f"({len(study.table)} measurements) in which {varying} vary. Choices: lattice {report.lattice.name!r}, "
            f"{len(report.lattice)} configurations; {report.cost} cost, {counted}; {report.predictor} predictor.")


def largest_size_points(study: "Study", target: str | None = None) -> "list[FrontierPoint]":
    """One target's points (the lead one's by default) at the largest data size."""
    points = [p for p in study.frontier.points if p.target == (target or study.model.lead)]
    sizes = [p.data_size for p in points if p.data_size is not None]
    return [p for p in points if not sizes or p.data_size == max(sizes)]


def unspent_sentence(study: "Study", points: "Sequence[FrontierPoint]") -> str:
    """At which budgets money is left over; empty where at none."""
    left = [p for p in points if p.cost < 0.8 * p.budget]
    return "" if not left else (f"less than 80 % is spent at {_budgets(study, left)}: no dearer configuration that "
                                "these budgets afford is predicted to do better")


def unsure_sentence(study: "Study", points: "Sequence[FrontierPoint]") -> str:
    """At which budgets the choice is open; empty where at none."""
    unsure = [p for p in points if p.probability_best < 0.5]
    return "" if not unsure else (f"the choice is unsure at {_budgets(study, unsure)}: it is the best one in fewer "
                                  "than half of the draws; see its near-ties in frontier.csv")


def _budgets(study: "Study", points: "Sequence[FrontierPoint]") -> str:
    shown = shown_unit(study.frontier)
    return f"{', '.join(amount(p.budget, shown) for p in points)} {shown.shown}"


def compute_sentences(study: "Study", points: "Sequence[FrontierPoint]") -> list[str]:
    """What more compute is worth in the middle, and where it is worth nothing any more."""
    said = []
    bound = [p for p in points if p.continuous is not None and not p.continuous.slack]
    if bound:
        middle = bound[len(bound) // 2]
        c = middle.continuous
        assert c is not None
        more = "the encoder" if c.encoder > c.lm else "the LM"
        said.append(f"At {with_unit(middle.budget, study.frontier.unit)} one per cent more budget lowers the predicted "
                    f"error by {plain(c.multiplier, 2)} %. Making the encoder one per cent cheaper is worth "
                    f"{plain(c.encoder, 2)} %, making the LM one per cent cheaper {plain(c.lm, 2)} %: "
                    f"{more} matters more there.")
    slack = [p for p in points if p.continuous is not None and p.continuous.slack]
    if slack:
        # Where a budget does not bind, the optimum is the same for every larger one; its own cost is where that begins.
        least = slack[0].continuous
        assert least is not None
        saturated = float(costs(study).cost(np.array([list(least.configuration)]))[0])
        said.append(f"From {with_unit(saturated, study.frontier.unit)} on the budget does not bind: by this fit "
                    "nothing within the measured ranges is gained by spending more.")
    return said


def gain_sentence(study: "Study", found: "PolicyComparison") -> str:
    """The frontier's gain over naive policies, least and most; empty where there is nothing to compare."""
    report = study.frontier
    gains = [o.mean_gain for o in found.outcomes if o.mean_gain is not None]
    if not gains or len(report.lattice) <= 1:
        return ""
    equal = "FLOPs" if report.unit == FLOPS else base_cost(report.cost_model).name
    return (f"At equal {equal} the frontier's mean accuracy is higher by {percent(min(gains), 2)} % to "
            f"{percent(max(gains), 2)} %, depending on the policy (relative gain, predicted).")


def regret_sentence(found: "FlopsRegret") -> str:
    """What planning by FLOPs loses where something else is paid."""
    other, count = int((found.planned != found.best).sum()), len(found.budgets)
    said = (f"At {other} of {count} budgets a planner who counts FLOPs picks another configuration at the same FLOPs; "
            f"{int((~found.allowed).sum())} of those picks cost more than the budget or break a limit.")
    known = found.loss[found.kept >= 0]
    if known.size:
        said += (" Following the FLOPs frontier as far as the budget allows costs up to "
                 f"{percent(known.max(), 2)} % more error (relative, predicted).")
    return said


def every_note(study: "Study") -> list[str]:
    """All a reader must know: the study's notes, and what holds of its recommendations and intervals."""
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
    return notes


def settings_sentence(study: "Study") -> str:
    """The settings that decide the numbers."""
    s = study.settings
    return (f"seed {s.seed}; {s.starts} starts a fit, loss {s.loss}; {s.draws} draws of each bootstrap, {s.folds} "
            f"folds, split {s.split}; intervals {100 * s.level:.4g} %; near-tie within {100 * s.tolerance:g} %")


def cost_sentence(study: "Study") -> str:
    """The settings of a cost other than the paper's FLOPs."""
    cost = study.settings.cost
    said = [f"cost {cost.kind}", f"model {cost.model}"]
    said += [f"{name} {value}" for name, value in (("GPU", cost.gpu), ("profile", cost.profile)) if value]
    said += [f"${cost.price:g} per GPU-hour"] if cost.price is not None else []
    said += [f"batch {cost.batch}, {cost.text_tokens} text tokens, {cost.output_tokens} output tokens"]
    said += [f"limit {limit.text}" for limit in cost.limits]
    return "; ".join(said)
