"""Why, and what could be wrong with it, in sentences made from the numbers."""

from collections.abc import Mapping, Sequence

import numpy as np

from vidscale.cost.deployment import encoder_note, not_convex
from vidscale.cost.units import said
from vidscale.measurements.observations import WEIGHTED
from vidscale.recommend.answerer import Answerer, Asked
from vidscale.recommend.recommendation import (
    Bottleneck,
    Command,
    ErrorEstimate,
    NearTie,
    NextBudget,
    Risk,
    ValueOfCompute,
)
from vidscale.recommend.wording import NAMES, chance, configuration, error, factor, percent
from vidscale.space import FACTORS, LM_PARAMS
from vidscale.study import FrontierPoint, Model, TargetModel

#: A choice that fewer draws than this agree on is called uncertain.
AGREED = 0.5
#: A parameter this close to its bound, as a share of the bound's width, sits at it.
AT_BOUND = 1e-6


def reasons(asked: Asked, point: FrontierPoint, chosen: ErrorEstimate, ties: Sequence[NearTie], bottleneck: Bottleneck,
            value: ValueOfCompute, then: NextBudget) -> tuple[str, ...]:
    """Why this configuration."""
    affordable = int(np.count_nonzero(asked.prices <= asked.budget * (1 + 1e-12)))
    unit = asked.cost.unit
    out = [f"of the {affordable} of {len(asked.lattice)} configurations that {said(asked.budget, unit)} buys and that "
           f"meet every limit, {configuration(point.configuration)} predicts the least error, {error(chosen)}"]
    out.append(f"it costs {said(point.cost, unit)}, {percent(point.cost / asked.budget)} of the budget; "
               f"{percent(point.encoder_share)} of that is the vision encoder")
    out.append(_sureness(point, ties, asked.question.tolerance))
    out += [bottleneck.sentence, value.sentence, then.sentence]
    return tuple(out)


def _sureness(point: FrontierPoint, ties: Sequence[NearTie], tolerance: float) -> str:
    agreed = f"{chance(point.probability_best)} of the noise draws choose it too"
    if not point.tie_count:
        unsure = ", but that others are really worse is not sure" if point.probability_best < AGREED else ""
        return f"{agreed}; no other is predicted within {percent(tolerance)} of its error{unsure}"
    cheap = min(ties, key=lambda tie: tie.cost)
    less = 1 - cheap.cost / point.cost
    saving = f"; of them {configuration(cheap.configuration)} costs {percent(less)} less" if less > 0.005 else ""
    others = "1 other comes" if point.tie_count == 1 else f"{point.tie_count} others come"
    return f"{agreed}, and {others} within the tolerance{saving}"


def value_sentence(asked: Asked, point: FrontierPoint) -> str:
    """What a little more budget is worth, or why that is not known."""
    c = point.continuous
    if c is None:
        why = "the bagged median is no posynomial" if asked.question.predictor != "point" else (
            not_convex(asked.cost) or "the budget is below the smallest configuration of the box")
        return f"what a little more budget is worth is not known: {why}"
    if c.slack:
        return "at the continuous optimum the budget does not bind: more of it buys nothing"
    return (f"at the continuous optimum 1 % more budget lowers the error by {c.multiplier:.2g} %; an encoder cheaper "
            f"by 1 % would be worth {c.encoder:.2g} %, a language model cheaper by 1 % {c.lm:.2g} %")


def risks(answerer: Answerer, asked: Asked, point: FrontierPoint, ready: Mapping[str, Command]) -> tuple[Risk, ...]:
    """Everything that gives reason to be careful."""
    found = [Risk(kind="outside-domain", sentence=f"{each}: the law is used beyond what was measured")
             for each in point.outside]
    found += [*_at_bound(asked, point), *_choice(asked, point), *_law(asked, point), *_money(answerer, asked, point)]
    found += [Risk(kind="not-servable", sentence=f"{name} {command.version}: {need}")
              for name, command in ready.items() for need in command.needs]
    return tuple(found)


def _at_bound(asked: Asked, point: FrontierPoint) -> list[Risk]:
    out = []
    for name in FACTORS:
        levels, value = asked.lattice.levels[name], getattr(point.configuration, name)
        if levels.size > 1 and value in (levels[0], levels[-1]):
            end = "largest" if value == levels[-1] else "smallest"
            out.append(Risk(kind="at-bound", sentence=f"{factor(name, value)}: the {end} that may be chosen; "
                                                      "the best may lie beyond it"))
    return out


def _choice(asked: Asked, point: FrontierPoint) -> list[Risk]:
    out = []
    if point.tie_count:
        out.append(Risk(kind="near-tie", sentence=(
            f"{point.tie_count} other configuration{'s predict' if point.tie_count > 1 else ' predicts'} an error "
            f"within {percent(asked.question.tolerance)}: choose among them by what is not in the cost")))
    if point.probability_best < AGREED:
        out.append(Risk(kind="uncertain-choice", sentence=(
            f"only {chance(point.probability_best)} of the noise draws choose this very configuration")))
    return out


def _law(asked: Asked, point: FrontierPoint) -> list[Risk]:
    model, target = asked.model, asked.model.target(asked.target)
    out = []
    if model.synthetic:
        out.append(Risk(kind="synthetic", sentence=f"{model.table} is synthetic: these numbers show the method, not "
                                                   "video models"))
    said_of_fit = target.noise.sentence()
    if said_of_fit:
        out.append(Risk(kind="misfit", sentence=said_of_fit))
    out += [Risk(kind="law", sentence=each) for each in _parameters(model, target)]
    still = [NAMES[f] for f in FACTORS if f not in model.form.factors and asked.lattice.levels[f].size > 1]
    if still:
        out.append(Risk(kind="unmeasured", sentence=f"{', '.join(still)} did not vary in the measurements: its effect "
                                                    "on the error is unknown"))
    if asked.target == WEIGHTED and asked.question.weights:
        out.append(Risk(kind="weighted", sentence="the weighted target adds up laws of single tasks; noise that tasks "
                                                  "of one run share is taken at its largest in a new measurement"))
    return out


def _parameters(model: Model, target: TargetModel) -> list[str]:
    """Sentences on exponents at a bound and on terms that are gone, whose exponents mean nothing."""
    out, alive, gone = [], set(), []
    for term in model.form.terms:
        if target.parameters.get(term.coefficient) == 0:
            gone.append(term.coefficient)
        else:
            alive |= {power.parameter for power in term.exponents.values()}
    if gone:
        out.append(f"the best fit has no {'terms' if len(gone) > 1 else 'term'} of {', '.join(gone)}; how large "
                   f"{'they' if len(gone) > 1 else 'it'} may still be, the profile intervals of the study say")
    for name in model.form.exponent_names:
        if name not in alive or name not in target.parameters:
            continue
        (low, high), value = model.form.exponent_bounds(name), target.parameters[name]
        slack = AT_BOUND * (high - low)
        if not low + slack < value < high - slack:
            end = "lower" if value <= low + slack else "upper"
            out.append(f"exponent {name} of the law is at its {end} bound, {value:.4g}")
    return out


def _money(answerer: Answerer, asked: Asked, point: FrontierPoint) -> list[Risk]:
    out, profile = [], answerer.profile(asked.settings)
    if asked.timed and profile is not None and not profile.calibrated:
        out.append(Risk(kind="uncalibrated", sentence=f"times of {profile.gpu} follow from its data sheet: measure "
                                                      "them with vidscale calibrate"))
    vlm = answerer.vlm(asked.settings, point.configuration.lm_params)
    strange = encoder_note(asked.cost, asked.lattice.points, answerer.encoder or asked.model.encoder)
    out += [Risk(kind="other-encoder", sentence=strange)] if strange else []
    if set(asked.settings.kinds) - {"flops", "lm-only"} and (vlm is None or vlm.lm.interpolated):
        out.append(Risk(kind="stand-in-model", sentence=(
            f"no model of {asked.settings.model} has {LM_PARAMS} {point.configuration.lm_params:.4g}: its shape is a "
            "stand-in, so its cost is an estimate")))
    return out
