"""From a question to a recommendation.

Everything is found by the functions that the study uses: the frontier's point with its intervals, near-ties and
probability (`frontier_report`), the comparison with what runs now (`current_report`), the exact search. What is added
is what would change the choice: the next step of budget, twice the data, each factor alone.
"""

import numpy as np

from vidscale.cost.units import said
from vidscale.errors import InputError
from vidscale.frontier import search_values, steps_of
from vidscale.recommend.answerer import Answerer, Asked
from vidscale.recommend.assumed import assumed
from vidscale.recommend.commands import STOCK_TOKENS, Stock, commands
from vidscale.recommend.cost_detail import cost_detail, named
from vidscale.recommend.question import Question
from vidscale.recommend.reasons import reasons, risks, value_sentence
from vidscale.recommend.recommendation import (
    Bottleneck,
    Comparison,
    CostDetail,
    ErrorEstimate,
    NearTie,
    NextBudget,
    NextData,
    OneStep,
    Recommendation,
    ValueOfCompute,
)
from vidscale.recommend.wording import NAMES, chance, configuration, error, factor, fall, percent, size
from vidscale.space import FACTORS, FACTORS_AND_DATA, ScalingFactors
from vidscale.study import FrontierPoint, Model, current_report, frontier_report

#: Errors closer than this are one: two ways to evaluate a law differ in the last digits.
SAME = 1e-12


def recommend(model: Model | Answerer, question: Question | None = None) -> Recommendation:
    """The configuration to deploy, how sure that is, and what would change it.

    Args:
        model: fitted laws (`load_model`, `run_study(...).model`), or an `Answerer` of them, which keeps what several
            questions share.
        question: what is asked; by default the average task, the most data measured, a budget in the middle.

    Raises:
        InputError: something in the question is unknown, impossible or buys nothing.

    Example:
        >>> from vidscale.study.store import load_model                               # doctest: +SKIP
        >>> recommend(load_model("my-study/fit.json"), Question(budget=15e12))        # doctest: +SKIP
    """
    answerer = model if isinstance(model, Answerer) else Answerer(model)
    with answerer.lock:
        return _answer(answerer, answerer.ask(question or Question()))


def _answer(answerer: Answerer, asked: Asked) -> Recommendation:
    q = asked.question
    report = frontier_report(
        asked.model, asked.lattice, asked.cost, np.array([asked.budget]), np.array([asked.data_size]),
        targets=[asked.target], predictor=q.predictor, level=q.level, tolerance=q.tolerance, n_eval=q.n_eval,
        seed=q.seed, naive=False)
    point = report.points[0]
    best = point.configuration
    if point.error > 1:
        raise InputError(_beyond(asked))
    values = asked.values(asked.data_size)
    chosen = ErrorEstimate(value=point.error, mean_low=point.mean_low, mean_high=point.mean_high,
                           new_low=point.new_low, new_high=point.new_high, level=q.level, n_eval=point.n_eval)
    cost = cost_detail(answerer, asked, point)
    ties = tuple(NearTie(configuration=named(answerer, asked, tie.configuration), error=tie.error, cost=tie.cost)
                 for tie in point.ties)
    bottleneck = _bottleneck(asked, best, point.error, cost)
    value = _value(asked, point)
    budget, data = _next_budget(answerer, asked, values, point), _next_data(answerer, asked, point)
    comparison = None if q.current is None else _compare(answerer, asked, point)
    ready = commands(asked, named(answerer, asked, best), cost, answerer.vlm(asked.settings, best.lm_params),
                     _stock(answerer, asked, values, point), answerer.encoder or asked.model.encoder)
    found = Recommendation(
        question=q, table=asked.model.table, synthetic=asked.model.synthetic, data_hash=asked.model.data_hash,
        target=asked.target, configuration=named(answerer, asked, best), cost=cost, error=chosen,
        budget_range=_range(asked),
        probability_best=point.probability_best, near_ties=ties, tie_count=point.tie_count, value_of_compute=value,
        next_budget=budget, next_data=data, bottleneck=bottleneck, comparison=comparison,
        why=reasons(asked, point, chosen, ties, bottleneck, value, budget),
        risks=(*assumed(asked), *risks(answerer, asked, point, ready)), commands=ready, notes=report.notes)
    return found


def _stock(answerer: Answerer, asked: Asked, values: np.ndarray, point: FrontierPoint) -> Stock | None:
    """The best affordable configuration with as many tokens per frame as stock vLLM gives; None where that is best."""
    vlm = answerer.vlm(asked.settings, point.configuration.lm_params)
    tokens = None if vlm is None else STOCK_TOKENS.get(vlm.family)
    if tokens is None or tokens == point.configuration.tokens_per_frame:
        return None
    prices = np.where(asked.lattice.points[:, 2] == tokens, asked.prices, np.inf)
    if not np.any(prices <= asked.budget):
        return Stock(sentence=f"nothing that the budget buys has the {tokens} tokens per frame that stock vLLM serves")
    found = search_values(values, prices, np.array([asked.budget]))
    x = named(answerer, asked, asked.lattice.configuration(int(found.index[0, 0])))
    more = percent(float(found.error[0, 0]) / point.error - 1)
    return Stock(configuration=x, vlm=answerer.vlm(asked.settings, x.lm_params), sentence=(
        f"of what stock vLLM serves as it is, {tokens} tokens per frame, {configuration(x)} is the best that the "
        f"budget buys, with {more} more error; --allow tokens_per_frame={tokens} tells all about it"))


def _beyond(asked: Asked) -> str:
    """What to say where the law predicts more error than there can be, and so nothing."""
    sizes = asked.model.data_sizes
    measured = f"; measured are {size(sizes[0])} to {size(sizes[-1])} finetuning examples, ask nearer to that" if len(
        sizes) else "; ask nearer to what was measured"
    where = f" at {size(asked.data_size)} finetuning examples" if asked.model.data_varies else ""
    return (f"the law predicts an error above 100 % for everything that {said(asked.budget, asked.cost.unit)} buys"
            f"{where}{measured}")


def _range(asked: Asked) -> tuple[float, float]:
    prices = asked.prices[np.isfinite(asked.prices)]
    return float(prices.min()), float(prices.max())


def _value(asked: Asked, point: FrontierPoint) -> ValueOfCompute:
    c = point.continuous
    sentence = value_sentence(asked, point)
    if c is None:
        return ValueOfCompute(multiplier=None, sentence=sentence)
    return ValueOfCompute(multiplier=c.multiplier, encoder=c.encoder, lm=c.lm, slack=c.slack, at_bound=c.at_bound,
                          configuration=c.configuration, error=c.error, gap=c.gap, status=c.status, sentence=sentence)


def _next_budget(answerer: Answerer, asked: Asked, values: np.ndarray, point: FrontierPoint) -> NextBudget:
    """The next step of the frontier's staircase above the budget."""
    steps = steps_of(values, asked.prices)
    above = np.flatnonzero((steps.cost > asked.budget) & (steps.error < point.error * (1 - SAME)))
    if not above.size:
        return NextBudget(budget=None, configuration=None, error=None, gain=None,
                          sentence="no more budget helps: nothing that may be chosen predicts less error")
    x = asked.lattice.configuration(int(steps.index[above[0]]))
    budget, then = float(steps.cost[above[0]]), asked.estimate(x, asked.data_size)
    gain = 1 - then.value / point.error
    named_x = named(answerer, asked, x)
    more = budget / asked.budget - 1
    return NextBudget(budget=budget, configuration=named_x, error=then, gain=gain, sentence=(
        f"the next step is {said(budget, asked.cost.unit)}, {percent(more)} above the budget: "
        f"{configuration(named_x)}, which lowers the error by {fall(point.error, then.value)} to {error(then)}"))


def _next_data(answerer: Answerer, asked: Asked, point: FrontierPoint) -> NextData:
    """The best configuration at twice the data and the same budget."""
    if not asked.model.data_varies:
        return NextData(data_size=None, configuration=None, error=None, gain=None, outside=(),
                        sentence="nothing is known about more data: the data size does not vary in the measurements")
    more = 2 * asked.data_size
    found = search_values(asked.values(more), asked.prices, np.array([asked.budget]))
    x = asked.lattice.configuration(int(found.index[0, 0]))
    then = asked.estimate(x, more)
    gain = 1 - then.value / point.error
    outside = asked.model.outside(np.array([*x, more]))
    moves = "the same configuration stays best" if x == point.configuration else (
        f"the choice moves to {configuration(named(answerer, asked, x))}")
    return NextData(data_size=more, configuration=named(answerer, asked, x), error=then, gain=gain, outside=outside,
                    sentence=f"twice the data ({size(more)} examples) lowers the error by "
                             f"{fall(point.error, then.value)} to {error(then)}, and {moves}"
                             f"{'; that is beyond what was measured' if outside else ''}")


def _bottleneck(asked: Asked, best: ScalingFactors, value: float, cost: CostDetail) -> Bottleneck:
    """Which factor the law says holds the error up, what may be done about it, and which part costs most."""
    doublings, steps = _doublings(asked, best, value), _steps(asked, best, value)
    part, share = _dominant(cost)
    spent = f"{percent(share)} of the cost goes to the {part}"
    most = max(doublings, key=doublings.__getitem__, default=None)
    if most is None or doublings[most] <= SAME:
        return Bottleneck(factor=None, doublings=doublings, steps=steps, dominant_part=part, share=share, sentence=(
            f"no single factor holds the error up: more of none of them alone lowers it; {spent}"))
    others = ", ".join(f"{NAMES[name]} {percent(gain)}" for name, gain in doublings.items() if name != most)
    said_of_it = (f"the {NAMES[most]} hold{'s' if most == FACTORS[0] else ''} the error up most: twice as much of it "
                  f"alone would lower it by {percent(doublings[most])}{f' ({others})' if others else ''}")
    return Bottleneck(factor=most, doublings=doublings, steps=steps, dominant_part=part, share=share,
                      sentence=f"{said_of_it}; {_may_be_raised(asked, most, steps)}; {spent}")


def _doublings(asked: Asked, best: ScalingFactors, value: float) -> dict[str, float]:
    """Relative fall of the error by twice as much of each factor alone: equal steps, which levels are not."""
    found = {}
    for k, name in enumerate(FACTORS):
        if name in asked.model.form.factors:
            row = np.array([[*best, asked.data_size]])
            row[0, k] *= 2
            found[name] = 1 - float(asked.model.error(asked.target, row, asked.question.predictor)[0]) / value
    return found


def _steps(asked: Asked, best: ScalingFactors, value: float) -> tuple[OneStep, ...]:
    """The next level of each factor that has one to choose."""
    steps, shape = [], asked.lattice.shape
    here = [int(np.argmin(np.abs(asked.lattice.levels[f] - getattr(best, f)))) for f in FACTORS]
    for k, name in enumerate(FACTORS):
        if here[k] + 1 == shape[k] or name not in asked.model.form.factors:
            continue
        place = int(np.ravel_multi_index([i + (f == name) for f, i in zip(FACTORS, here, strict=True)], shape))
        row = np.array([[*asked.lattice.points[place], asked.data_size]])
        then, price = float(asked.model.error(asked.target, row, asked.question.predictor)[0]), asked.prices[place]
        steps.append(OneStep(factor=name, value=float(row[0, k]), error=then, gain=1 - then / value,
                             cost=float(price) if np.isfinite(price) else None))
    return tuple(steps)


def _may_be_raised(asked: Asked, most: str, steps: tuple[OneStep, ...]) -> str:
    """What of it may be chosen; of the other factors, where that one is at its largest."""
    helpful = [step for step in steps if step.gain > SAME]
    own = next((step for step in helpful if step.factor == most), None)
    best = own or max(helpful, key=lambda step: step.gain, default=None)
    largest = "" if own else "it is the largest that may be chosen, and "
    if best is None:
        return f"{largest}no other that helps may be raised"
    price = "which a limit forbids" if best.cost is None else f"at {said(best.cost, asked.cost.unit)}"
    return f"{largest}{factor(best.factor, best.value)} alone would lower it by {percent(best.gain)}, {price}"


def _dominant(cost: CostDetail) -> tuple[str, float]:
    """Encoder or language model, by their shares of the cost that is paid."""
    return ("vision encoder", cost.encoder_share) if cost.encoder_share > 0.5 else ("language model",
                                                                                     1 - cost.encoder_share)


def _compare(answerer: Answerer, asked: Asked, point: FrontierPoint) -> Comparison:
    q = asked.question
    assert q.current is not None
    found = current_report(asked.model, asked.lattice, asked.cost, q.current, np.array([asked.data_size]),
                           targets=[asked.target], predictor=q.predictor)[0]
    now = asked.estimate(q.current, asked.data_size)
    gain = 1 - point.error / found.error
    same = q.current == point.configuration
    better = None if same else _probability_better(asked, point.configuration, q.current)
    cheaper = None if found.cheaper is None else named(answerer, asked, found.cheaper)
    unit = asked.cost.unit
    parts = [f"what runs now ({configuration(named(answerer, asked, q.current))}) costs {said(found.cost, unit)} and "
             f"predicts {error(now)}"]
    if same:
        parts.append("it is the recommended configuration")
    elif better is not None:
        parts.append(f"the recommended one costs {said(point.cost, unit)} and has {percent(abs(gain))} "
                     f"{'less' if gain >= 0 else 'more'} error; it is the better one with a probability of "
                     f"{chance(better)} by the noise draws")
    if found.error_reduction > 0:
        parts.append(f"at its own cost {configuration(named(answerer, asked, found.same_budget))} would lower the "
                     f"error by {percent(found.error_reduction)}")
    if cheaper is not None and found.cheaper_cost is not None:
        parts.append(f"{configuration(cheaper)} predicts no more error for {said(found.cheaper_cost, unit)}")
    return Comparison(
        configuration=named(answerer, asked, q.current), cost=found.cost, error=now, probability_better=better,
        recommended_gain=gain, same_budget=named(answerer, asked, found.same_budget),
        same_budget_error=found.same_budget_error, gain=found.error_reduction,
        accuracy_gain=found.accuracy_gain if np.isfinite(found.accuracy_gain) else None, cheaper=cheaper,
        cheaper_cost=found.cheaper_cost, outside=found.outside, sentence="; ".join(parts))


def _probability_better(asked: Asked, one: ScalingFactors, other: ScalingFactors) -> float:
    """Probability by the noise draws that one configuration's error is less than another's.

    Where the form was found not to fit, each has an error of its own of that size, and the difference of two such is
    normal with twice the variance.
    """
    from scipy.special import ndtr

    target = asked.model.target(asked.target)
    rows = np.array([[*one, asked.data_size], [*other, asked.data_size]])
    first, second = target.noise_laws.over(FACTORS_AND_DATA).log_error(rows).T
    gap = second - first
    sd = np.sqrt(2 * target.noise.misfit_variance)
    if sd == 0:
        return float(np.mean(gap > 0))
    return float(ndtr(gap / sd).mean())
