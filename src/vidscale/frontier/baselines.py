"""What people do without a frontier, and what it costs them.

A policy is a rule fixed before looking at data that turns a budget into a configuration of a lattice. Wang et al.,
ACL 2025, report 5–15 % for compute-optimal over naive allocation without defining either; here every policy carries
the sentence that defines it, and the gain is the relative gain in predicted mean accuracy.

One policy does look at data: `ignore_encoder` takes the frontier a team would get if it thought the vision encoder
free, and then has to pay for the encoder.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidscale.cost import CostModel, LmOnlyCost
from vidscale.errors import InputError
from vidscale.frontier.discrete import Search, search_values, steps_of
from vidscale.frontier.inputs import COST_TOLERANCE, check_budgets, lattice_cost
from vidscale.space import FACTORS, FRAMES, LM_PARAMS, TOKENS_PER_FRAME, Lattice, ScalingFactors

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: (predicted errors, lattice, true costs, budgets) -> row of the lattice for each budget, −1 where the rule has none.
Rule = Callable[[Floats, Lattice, Floats, Floats], Ints]


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A rule for spending a budget.

    Attributes:
        name: what tables call it.
        sentence: the rule in full.
        rule: predicted errors (points,), lattice, costs (points,), budgets -> rows of `lattice.points` (budgets,),
            −1 where the rule gives nothing affordable. Naive rules ignore the predicted errors.
        planned_cost: the cost model the rule believes in, where it is not the true one.
    """

    name: str
    sentence: str
    rule: Rule
    planned_cost: CostModel | None = None

    def choose(self, values: ArrayLike, lattice: Lattice, cost_model: CostModel, budgets: ArrayLike) -> Ints:
        """Rows of `lattice.points`, one for each budget; −1 where the rule gives nothing affordable."""
        limits = np.atleast_1d(np.asarray(budgets, dtype=np.float64))
        return self.rule(np.asarray(values, dtype=np.float64), lattice, lattice_cost(lattice, cost_model), limits)


@dataclass(frozen=True, kw_only=True, eq=False)
class PolicyOutcome:
    """How a policy fares against the optimum of the same predictor, lattice and budgets.

    Arrays have shape (budgets,); their entries are nan where `index` is −1, and those budgets are in no mean.

    Attributes:
        policy: its name.
        sentence: its rule.
        index: the row of the lattice it picks, −1 where it can afford nothing.
        error: predicted error of that configuration, at most that of guessing where it is known.
        gain: relative gain in mean accuracy of the optimum over it, (acc* − acc) / acc; nan also where the policy's
            predicted error is 1 or more, so that it has no accuracy to gain on.
        error_reduction: (err − err*) / err.
        mean_gain, mean_error_reduction: means where defined; None where no budget is.
        infeasible: number of budgets at which the policy can afford nothing.
        without_accuracy: number of budgets at which its predicted error is 1 or more.
        overshoot: for a policy that plans with another cost model, the true cost of what it would pick under its own
            model at the same nominal budget, over that budget; nan where its own model affords nothing. None for
            other policies and where the two cost models differ in unit.
    """

    policy: str
    sentence: str
    index: Ints
    error: Floats
    gain: Floats
    error_reduction: Floats
    mean_gain: float | None
    mean_error_reduction: float | None
    infeasible: int
    without_accuracy: int
    overshoot: Floats | None


@dataclass(frozen=True, kw_only=True, eq=False)
class PolicyComparison:
    """The optimum at each budget and the outcome of each policy beside it.

    Attributes:
        lattice, cost: names of what could be chosen and of the price list.
        budgets: shape (budgets,).
        optimum: a Search of shape (budgets,).
        outcomes: one for each policy, in the order given.
    """

    lattice: str
    cost: str
    budgets: Floats
    optimum: Search
    outcomes: tuple[PolicyOutcome, ...]


def scale_one(factor: str, current: ScalingFactors | None = None) -> Policy:
    """Spend the whole budget on one factor: its largest affordable level, the others at a base configuration.

    Args:
        factor: lm_params, frames or tokens_per_frame.
        current: the base; by default the cheapest configuration of the lattice.

    Raises:
        InputError: the factor is unknown; when used, a held base level is no level of the lattice.
    """
    if factor not in FACTORS:
        raise InputError(f"unknown factor {factor!r}; the factors are {', '.join(FACTORS)}")
    column = FACTORS.index(factor)

    def rule(values: Floats, lattice: Lattice, cost: Floats, budgets: Floats) -> Ints:
        base = lattice.points[int(np.argmin(cost))] if current is None else np.array([*current])
        line = np.ones(len(lattice), dtype=np.bool_)
        for k, name in enumerate(FACTORS):
            if k != column:
                line &= lattice.points[:, k] == _level(lattice, name, base[k])
        return _first_affordable(np.flatnonzero(line)[::-1], cost, budgets)

    where = "the cheapest configuration" if current is None else _text(current)
    return Policy(name=f"{factor} only", rule=rule,
                  sentence=f"the largest affordable {factor}, everything else as in {where}")


def fixed_visual_tokens(current: ScalingFactors | None = None) -> Policy:
    """Keep frames × tokens per frame as it is and buy the largest language model that leaves affordable.

    Args:
        current: whose product to keep; by default the lattice's middle levels (the upper of two). Where no pair of
            levels has that product, the pairs nearest to it in ratio are used. Ties go to more frames.
    """

    def rule(values: Floats, lattice: Lattice, cost: Floats, budgets: Floats) -> Ints:
        if current is None:
            frames, tokens = (lattice.levels[f][lattice.levels[f].size // 2] for f in (FRAMES, TOKENS_PER_FRAME))
        else:
            frames, tokens = current.frames, current.tokens_per_frame
        away = np.abs(np.log(lattice.points[:, 1] * lattice.points[:, 2] / (frames * tokens)))
        near = np.flatnonzero(away <= away.min() + 1e-9)
        points = lattice.points[near]
        return _first_affordable(near[np.lexsort((-points[:, 1], -points[:, 0]))], cost, budgets)

    where = "the lattice's middle levels" if current is None else _text(current)
    return Policy(name="fixed visual tokens", rule=rule,
                  sentence=f"frames × tokens_per_frame nearest to that of {where}, then the largest affordable "
                           "lm_params; ties to more frames")


def largest_lm() -> Policy:
    """The largest language model that fits at all, then the dearest affordable video input."""

    def rule(values: Floats, lattice: Lattice, cost: Floats, budgets: Floats) -> Ints:
        points = lattice.points
        return _first_affordable(np.lexsort((-points[:, 1], -cost, -points[:, 0])), cost, budgets)

    return Policy(name="largest LM", rule=rule,
                  sentence="the largest lm_params for which anything is affordable, then the dearest affordable "
                           "frames and tokens_per_frame; ties to more frames")


def ignore_encoder() -> Policy:
    """The frontier as if the vision encoder were free, bought at true prices."""

    def rule(values: Floats, lattice: Lattice, cost: Floats, budgets: Floats) -> Ints:
        steps = steps_of(values, lattice_cost(lattice, LmOnlyCost()))
        return _first_affordable(steps.index[::-1], cost, budgets)

    return Policy(name="ignore encoder", rule=rule, planned_cost=LmOnlyCost(),
                  sentence="the frontier under the LM-only cost, followed to its last configuration whose true cost "
                           "is affordable")


def naive_policies(current: ScalingFactors | None = None) -> tuple[Policy, ...]:
    """All policies of this module, from the configuration in use if one is given."""
    one = tuple(scale_one(factor, current) for factor in (LM_PARAMS, FRAMES, TOKENS_PER_FRAME))
    return (*one, fixed_visual_tokens(current), largest_lm(), ignore_encoder())


def compare_policies(
    values: ArrayLike, lattice: Lattice, cost_model: CostModel, budgets: ArrayLike, policies: Sequence[Policy],
    ceiling: float = np.inf,
) -> PolicyComparison:
    """Each policy beside the optimum, budget by budget.

    Args:
        values: predicted errors of the lattice's configurations, shape (points,).
        lattice: what may be chosen.
        cost_model: what it truly costs.
        budgets: shape (budgets,), each at least the cheapest configuration's cost.
        policies: the policies, see `naive_policies`.
        ceiling: an error above this counts as this, for a power law knows no chance: give the error of guessing.

    Raises:
        InputError: a budget buys nothing, or values have another shape or sign.
    """
    limits, predicted = check_budgets(budgets, lattice, cost_model), np.asarray(values, dtype=np.float64)
    if predicted.shape != (len(lattice),) or not np.all(predicted > 0):
        raise InputError(f"values have shape {predicted.shape}; give one positive predicted error for each of the "
                         f"{len(lattice)} configurations of lattice {lattice.name!r}")
    found = search_values(predicted, lattice_cost(lattice, cost_model), limits)
    optimum = Search(index=found.index[0], error=found.error[0])
    outcomes = tuple(_outcome(policy, predicted, lattice, cost_model, limits, optimum, ceiling) for policy in policies)
    return PolicyComparison(lattice=lattice.name, cost=cost_model.name, budgets=limits, optimum=optimum,
                            outcomes=outcomes)


def _outcome(policy: Policy, values: Floats, lattice: Lattice, cost_model: CostModel, budgets: Floats,
             optimum: Search, ceiling: float) -> PolicyOutcome:
    index = policy.choose(values, lattice, cost_model, budgets)
    feasible = index >= 0
    error = np.where(feasible, np.minimum(values[index], ceiling), np.nan)
    best = np.minimum(optimum.error, ceiling)
    has_accuracy = feasible & (error < 1)
    accuracy = np.where(has_accuracy, 1 - error, np.nan)
    gain = (error - best) / accuracy
    reduction = (error - best) / error
    return PolicyOutcome(
        policy=policy.name, sentence=policy.sentence, index=index, error=error, gain=gain, error_reduction=reduction,
        mean_gain=_mean(gain[has_accuracy]), mean_error_reduction=_mean(reduction[feasible]),
        infeasible=int((~feasible).sum()), without_accuracy=int((feasible & ~has_accuracy).sum()),
        overshoot=_overshoot(policy, values, lattice, cost_model, budgets),
    )


def _overshoot(
    policy: Policy, values: Floats, lattice: Lattice, cost_model: CostModel, budgets: Floats
) -> Floats | None:
    planned = policy.planned_cost
    if planned is None or planned.unit != cost_model.unit:
        return None
    picked = search_values(values, lattice_cost(lattice, planned), budgets).index[0]
    return np.where(picked >= 0, lattice_cost(lattice, cost_model)[picked] / budgets, np.nan)


def _first_affordable(candidates: Ints, cost: Floats, budgets: Floats) -> Ints:
    """For each budget the first affordable of the candidates, listed in order of preference; −1 if none is."""
    fits = cost[candidates][None, :] <= budgets[:, None] * (1 + COST_TOLERANCE)
    fits &= np.isfinite(cost[candidates])
    return np.where(fits.any(axis=1), candidates[fits.argmax(axis=1)], -1).astype(np.int64)


def _level(lattice: Lattice, factor: str, value: float) -> float:
    """The lattice's own number for a level given to about nine digits."""
    levels = lattice.levels[factor]
    nearest = levels[np.argmin(np.abs(levels - value))]
    if abs(nearest - value) > 1e-9 * value:
        raise InputError(f"{factor}={value:g} is no level of lattice {lattice.name!r}, whose nearest is {nearest:g}; "
                         "use one of its levels, or add this one")
    return float(nearest)


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if values.size else None


def _text(factors: ScalingFactors) -> str:
    return ", ".join(f"{name}={value:g}" for name, value in factors.as_dict().items())
