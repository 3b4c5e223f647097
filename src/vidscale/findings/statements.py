"""The paper's statements, each with its verdict: rules from `Evidence` to `Finding`, one function a statement."""

from dataclasses import dataclass

from scipy import stats

from vidscale.cost.units import FLOPS, said
from vidscale.findings import published
from vidscale.findings.choices import IGNORES_ENCODER
from vidscale.findings.gather import PUBLISHED_FORM, Evidence
from vidscale.findings.verdict import Estimate, Verdict, agreed, differ, judge
from vidscale.space import FACTORS
from vidscale.validate import Score


@dataclass(frozen=True, kw_only=True)
class Part:
    """One number behind a verdict.

    Attributes:
        name: what it is, in words.
        verdict: on this part.
        estimate: the number, positive where the statement holds; None where the table cannot give one.
        unit: "points" (percentage points of error; the estimate is a fraction), "%" (relative; a fraction), "pp²", "".
        short: its name in a summary; "" for parts that a summary leaves out.
    """

    name: str
    verdict: Verdict
    estimate: Estimate | None
    unit: str = ""
    short: str = ""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A statement and what the table says of it.

    Attributes:
        key: short name.
        statement: as a sentence that can be true or false.
        published: what the paper reports; "" where it makes no such statement.
        verdict: on the statement as a whole.
        rule: how the verdict follows from the parts.
        parts: what it rests on.
    """

    key: str
    statement: str
    published: str
    verdict: Verdict
    rule: str
    parts: tuple[Part, ...]


def findings(e: Evidence) -> tuple[Finding, ...]:
    """Every statement in the order of the page."""
    return (interacting_forms(e), diminishing(e), joint_scaling(e), factors_interact(e), frames_over_tokens(e),
            tasks_differ(e), data_moves_optimum(e), beats_naive(e), encoder_matters(e), encoder_over_tokens(e),
            lifetime())


def _part(name: str, estimate: Estimate | None, unit: str = "", short: str = "") -> Part:
    return Part(name=name, verdict=judge(estimate), estimate=estimate, unit=unit, short=short)


def _flops(value: float) -> str:
    return said(float(f"{value:.3g}"), FLOPS)


def interacting_forms(e: Evidence) -> Finding:
    """Forms with an interaction of factors and data predict held-out runs better than add."""
    parts = []
    for kind in ("cross-validation", "extrapolation"):
        scores = {s.form: s for s in e.comparison.scores if (s.target, s.kind) == (e.lead, kind)}
        if scores:
            parts.append(_part(f"MSE of add above the better interacting form's, {kind}",
                               _ahead(scores, e.settings.level), "pp²", kind))
    return Finding(key="forms",
                   statement="forms in which factors and data interact predict unseen runs better than add",
                   published="extrapolation MSE 0.94 against 2.04, CV 0.20 against 0.56",
                   verdict=agreed([p.verdict for p in parts]),
                   rule="by cross-validation and, where there is a split, by extrapolation alike; paired difference "
                        "over held-out configurations, normal interval, which leaves out that one noisy set of rows "
                        "was fitted", parts=tuple(parts))


def _ahead(scores: dict[str, Score], level: float) -> Estimate | None:
    """By how much the better interacting form is ahead of add; None where neither is the best of all forms."""
    interacting = [scores[name] for name in ("add-interact", "add-interact-s") if name in scores]
    if not interacting or "add" not in scores:
        return None
    better, add = min(interacting, key=lambda s: s.mse), scores["add"]
    z = float(stats.norm.ppf((1 + level) / 2))
    if better.excess_se is None and add.excess_se is not None:
        return Estimate(value=add.excess, low=add.excess - z * add.excess_se, high=add.excess + z * add.excess_se,
                        level=level)
    if add.excess_se is None and better.excess_se is not None:
        return Estimate(value=-better.excess, low=-better.excess - z * better.excess_se,
                        high=-better.excess + z * better.excess_se, level=level)
    return None


def diminishing(e: Evidence) -> Finding:
    """Returns diminish in each factor."""
    parts = []
    for factor in FACTORS:
        found = e.returns.get((e.lead, factor))
        parts += [_part(f"{factor}: gain per doubling of the first step less that of the last",
                        found.fall if found else None, "points", factor),
                  _part(f"{factor}: gain per doubling of the lower half of the range less that of the upper",
                        found.halves if found else None, "points", f"{factor}, halves")]
    return Finding(key="diminishing", statement="each factor alone has diminishing returns",
                   published="in all three factors, at task-dependent rates",
                   verdict=agreed([p.verdict for p in parts]),
                   rule="all three factors, from the first step to the last and from the lower half to the upper "
                        "alike; raw rows of the star, averaged over its data sizes",
                   parts=tuple(parts))


def joint_scaling(e: Evidence) -> Finding:
    """A larger budget brings a large model more than a small one."""
    parts = [_part(f"gain of the model of {step.lm_params[1]:.3g} parameters less that of {step.lm_params[0]:.3g}, "
                   f"{_flops(step.budgets[0])} to {_flops(step.budgets[1])}", step.difference, "points",
                   f"to {_flops(step.budgets[1])}") for step in e.steps[e.lead]]
    return Finding(key="joint", statement="from one budget to the next a large model gains more than a small one",
                   published="from 15 to 30 TFLOPs a 1B model gains almost nothing, a 7.5B model much",
                   verdict=parts[-1].verdict if parts else Verdict.CANNOT_TELL,
                   rule="the step between the two largest budgets, as published; least measured error at each budget, "
                        "corrected for the luck of the best run", parts=tuple(parts))


def factors_interact(e: Evidence) -> Finding:
    """Beyond that: what more video brings depends on the model."""
    found = e.interaction.get(e.lead)
    part = _part("more gain per doubling of the visual tokens for each doubling of the model",
                 found.gain if found else None, "points", "per doubling of both")
    return Finding(key="interaction", statement="a larger model gains more from the same additional video",
                   published="none of the four forms has a term in model and video, and a star cannot see one",
                   verdict=part.verdict, rule="one slope beyond free effects of every model and every (frames, tokens "
                   "per frame) at each data size; 0 for every law that is a sum of the two", parts=(part,))


def frames_over_tokens(e: Evidence) -> Finding:
    """Doubling frames pays more than doubling tokens per frame."""
    near, law = e.preference, e.by_law
    parts = (_part("around the star's centre, raw rows", near.difference if near else None, "points", "at the centre"),
             _part("over the whole measured ranges, raw rows", near.whole if near else None, "points", "whole ranges"),
             _part("mean over the lattice, by the law", law.difference if law else None, "points", "by the law"))
    return Finding(key="frames", statement="doubling the frames pays more than doubling the tokens per frame",
                   published="frames usually pay more", verdict=agreed([parts[0].verdict, parts[1].verdict]),
                   rule="both raw differences alike; the law is shown beside them", parts=parts)


def tasks_differ(e: Evidence) -> Finding:
    """One task wants frames, another tokens per frame."""
    told = [p for p in e.preferences if e.state(p.target).informative]
    parts = tuple(_part(f"{p.target}: gain of twice the frames less that of twice the tokens per frame", p.difference,
                        "points", p.target) for p in told)
    return Finding(key="tasks", statement="one task wants frames where another wants tokens per frame",
                   published="LongVideoBench wants frames, PerceptionTest tokens per frame",
                   verdict=differ([p.verdict for p in parts]) if parts else Verdict.CANNOT_TELL,
                   rule="two tasks with opposite signs; intervals hold for all tasks together (Bonferroni); tasks that "
                        "never leave chance or are solved are left out", parts=parts)


def data_moves_optimum(e: Evidence) -> Finding:
    """More data: smaller model, more frames, more tokens per frame."""
    parts = []
    for factor in FACTORS:
        sign = -1.0 if published.ELASTICITY[factor] < 0 else 1.0
        for report in e.elasticities.get(PUBLISHED_FORM, ()):
            for each in (f for f in report.factors if f.factor == factor):
                known = each.low is not None and each.high is not None
                span = Estimate(value=each.value, low=each.low or 0.0, high=each.high or 0.0, level=report.level)
                moved = (span if sign > 0 else -span) if known else None
                parts.append(_part(f"{factor}, {report.kind}: elasticity, {'as it is' if sign > 0 else 'sign turned'}",
                                   moved, "", f"{'' if sign > 0 else '−'}{factor} ({report.kind})"))
    return Finding(key="data", statement="with more data the optimum has a smaller model, more frames and more tokens "
                   "per frame", published="mean elasticities " + ", ".join(
                       f"{name} {value:+.2f}" for name, value in published.ELASTICITY.items()),
                   verdict=agreed([p.verdict for p in parts]),
                   rule=f"all three factors by both estimators alike, form {PUBLISHED_FORM} as published",
                   parts=tuple(parts))


def beats_naive(e: Evidence) -> Finding:
    """The frontier gains accuracy over naive policies at equal FLOPs."""
    parts = [_part(f"over {p.policy}, by the law", p.gain, "%", p.policy) for p in e.policies
             if p.policy != IGNORES_ENCODER]
    raw = [_part(f"best run over the mean run at {_flops(b.budget)}, raw rows", b.gain, "%") for b in e.blind]
    low, high = published.GAIN
    return Finding(key="naive", statement="compute-optimal configurations beat naive ones at equal FLOPs",
                   published=f"by {low:g} to {high:g} %", verdict=agreed([p.verdict for p in parts]),
                   rule="every naive policy alike; raw rows are shown beside the law", parts=(*parts, *raw))


def encoder_matters(e: Evidence) -> Finding:
    """Leaving the encoder out of the cost loses accuracy."""
    found = next((p for p in e.policies if p.policy == IGNORES_ENCODER), None)
    part = _part("relative fall of the error when the encoder is counted", found.reduction if found else None, "%",
                 "error reduction")
    return Finding(key="encoder", statement="planning as if the encoder were free loses accuracy at equal true cost",
                   published="ignoring the encoder misleads", verdict=part.verdict,
                   rule="the frontier by LM cost, followed as far as the true budget allows, against the true frontier",
                   parts=(part,))


def encoder_over_tokens(e: Evidence) -> Finding:
    """Making the encoder cheaper is worth more than making LM tokens cheaper."""
    parts = tuple(_part(f"worth of a cheaper encoder less that of cheaper LM tokens at {_flops(v.budget)}",
                        v.difference, "", f"at {_flops(v.budget)}") for v in e.values if not v.slack)
    return Finding(key="cheaper", statement="making the encoder cheaper is worth more than making LM tokens cheaper",
                   published="improving the vision model's efficiency is worth more",
                   verdict=agreed([p.verdict for p in parts]), rule="all budgets that bind alike", parts=parts)


def lifetime() -> Finding:
    """A month of inference against the finetuning."""
    return Finding(key="lifetime", statement="a month of inference can cost hundreds of times the finetuning",
                   published=f"up to {published.LIFETIME:g} times", verdict=Verdict.ARITHMETIC,
                   rule="a ratio of declared volumes", parts=())


def wants(e: Evidence, task: str) -> str:
    """Which factor of the video a task wants, in words."""
    state = e.state(task)
    if not state.informative:
        return f"{Verdict.CANNOT_TELL} ({state.remark})"
    found = next((p for p in e.preferences if p.target == task), None)
    return found.wants if found else f"{Verdict.CANNOT_TELL} (no star)"


