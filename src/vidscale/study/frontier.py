"""The frontier as an answer: for each task, data size and budget a configuration and how sure it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vidscale.cost import CostModel
from vidscale.cost.constraints import Exclusion, base_cost, broken_limits, excluded, exclusions, limit_sentence
from vidscale.cost.deployment import cost_notes, encoder_note, not_convex
from vidscale.errors import InputError
from vidscale.frontier import (
    Continuum,
    FlopsRegret,
    Policy,
    PolicyComparison,
    Status,
    bagged_error,
    check_budgets,
    compare_policies,
    fixed_visual_tokens,
    flops_regret,
    ignore_encoder,
    largest_lm,
    lattice_cost,
    lattice_error,
    minimise,
    near_ties,
    probability_best,
    scale_one,
    search,
    search_values,
)
from vidscale.space import DATA_SIZE, FACTORS, FACTORS_AND_DATA, Lattice, ScalingFactors
from vidscale.study.model import Model, check_predictor

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class NearTie:
    """A configuration that predicts almost the best error."""

    configuration: ScalingFactors
    error: float
    cost: float


@dataclass(frozen=True, kw_only=True)
class ContinuousOptimum:
    """The optimum of the point fit when factors need not be lattice levels.

    Attributes:
        configuration: the optimal factors, not rounded.
        error: predicted error there.
        multiplier: d log f* / d log c with its sign turned: per cent of error that one per cent of budget buys.
        encoder, lm: the multiplier's split: what making that part one per cent cheaper is worth.
        gap: duality gap in log error, an upper bound on what a better point could gain.
        status: a sentence.
        slack: the budget does not bind.
        at_bound: factors that sit at an end of the box.
    """

    configuration: ScalingFactors
    error: float
    multiplier: float
    encoder: float
    lm: float
    gap: float
    status: str
    slack: bool
    at_bound: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FrontierPoint:
    """The recommended configuration for one task, data size and budget.

    Attributes:
        target: task.
        data_size: finetuning examples; None where the law does not depend on them.
        budget: most that may be spent, in the cost model's unit.
        configuration: the choice.
        cost: what it costs; never above the budget.
        encoder_share: the vision encoder's share of that.
        error: predicted error by the named predictor.
        mean_low, mean_high: interval for the true mean error.
        new_low, new_high: interval for a new measurement of n_eval questions.
        n_eval: questions of that measurement; None where unknown.
        probability_best: share of noise draws in which this very configuration is the best affordable one.
        ties: other configurations within the tolerance of the best error, best first (at most 10).
        tie_count: how many there are.
        outside: sentences on factors beyond what was measured; empty inside.
        continuous: the continuous optimum, None for costs or predictors that are not posynomial.
    """

    target: str
    data_size: float | None
    budget: float
    configuration: ScalingFactors
    cost: float
    encoder_share: float
    error: float
    mean_low: float
    mean_high: float
    new_low: float
    new_high: float
    n_eval: float | None
    probability_best: float
    ties: tuple[NearTie, ...]
    tie_count: int
    outside: tuple[str, ...]
    continuous: ContinuousOptimum | None


@dataclass(frozen=True, kw_only=True, eq=False)
class FrontierReport:
    """Frontier points with everything that names them.

    Attributes:
        points: by target, data size, budget.
        lattice: what could be chosen, with its number of configurations.
        cost: name of the cost model; unit beside it; cost_model itself.
        predictor: "point" or "bagged".
        level: probability of the intervals.
        tolerance: relative excess over the best error that counts as a near-tie.
        policies: naive baselines at the same budgets, by (target, data size).
        notes: what a reader must know.
        limits: how many configurations of the lattice each limit excludes; excluded: how many they exclude together.
        regret: what planning by FLOPs loses, by (target, data size); empty where the cost is the paper's FLOPs.
    """

    points: tuple[FrontierPoint, ...]
    lattice: Lattice
    cost: str
    unit: str
    cost_model: CostModel
    predictor: str
    level: float
    tolerance: float
    policies: Mapping[tuple[str, float | None], PolicyComparison]
    notes: tuple[str, ...]
    limits: tuple[Exclusion, ...] = ()
    excluded: int = 0
    regret: Mapping[tuple[str, float | None], FlopsRegret] = field(default_factory=dict)


def default_budgets(lattice: Lattice, cost_model: CostModel, count: int = 6) -> Floats:
    """Budgets evenly spaced in log between the cheapest and the dearest configuration, two digits each.

    Rounded up, so that the first one buys something.
    """
    cost = lattice_cost(lattice, cost_model)
    cost = cost[np.isfinite(cost)]
    raw = np.geomspace(cost.min(), cost.max(), count)
    step = 10.0 ** (np.floor(np.log10(raw)) - 1)
    return np.unique(np.ceil(raw / step * (1 - 1e-12)) * step)


def lattice_values(model: Model, target: str, lattice: Lattice, data_sizes: Floats, predictor: str) -> Floats:
    """Predicted error of every configuration, shape (data sizes, points)."""
    check_predictor(predictor)
    fitted = model.target(target)
    if predictor == "point":
        return lattice_error(fitted.law.over(FACTORS_AND_DATA), lattice, data_sizes)[0]
    return bagged_error(fitted.run_laws.over(FACTORS_AND_DATA), lattice, data_sizes)


def on_lattice(lattice: Lattice, x: ScalingFactors) -> bool:
    """Whether a configuration is one of a lattice, to about nine digits."""
    return all(np.any(np.abs(lattice.levels[f] - v) <= 1e-9 * v) for f, v in x.as_dict().items())


def policies_for(lattice: Lattice, current: ScalingFactors | None = None) -> tuple[Policy, ...]:
    """The naive policies that make sense on a lattice: none that scales a factor which has one level.

    They scale from the configuration in use where it is one of the lattice, else from the cheapest one; the visual
    tokens to keep are those in use in any case.
    """
    inside = current is not None and on_lattice(lattice, current)
    one = tuple(scale_one(f, current if inside else None) for f in FACTORS if lattice.levels[f].size > 1)
    return (*one, fixed_visual_tokens(current), largest_lm(), ignore_encoder())


def frontier_report(
    model: Model, lattice: Lattice, cost_model: CostModel, budgets: Floats, data_sizes: Floats, *,
    targets: Sequence[str] | None = None, predictor: str = "point", level: float = 0.9, tolerance: float = 0.01,
    n_eval: float | None = None, current: ScalingFactors | None = None, planner: CostModel | None = None, seed: int = 0,
    naive: bool = True, tick=lambda text: None,
) -> FrontierReport:
    """The frontier of every target at every data size and budget.

    Args:
        model: fitted laws.
        lattice: what may be chosen.
        cost_model: what it costs, in any unit and with any limits.
        budgets: in the cost's unit, shape (budgets,), each enough for at least one configuration.
        data_sizes: finetuning examples, shape (data sizes,); ignored where the laws do not depend on them.
        targets: which tasks; all by default.
        predictor: "point" (the fit to all runs) or "bagged" (median over resampled runs).
        level: probability of the intervals.
        tolerance: relative excess over the best error that counts as a near-tie.
        n_eval: questions of the new measurement the second interval speaks of.
        current: the configuration in use, from which naive policies scale.
        planner: how someone who counts FLOPs counts them; by default the paper's formula with the data's own encoder.
        seed: seed of the new measurement's noise.
        naive: whether to set naive policies and planning by FLOPs beside the points.
        tick: called with a line of text as work goes on.

    Raises:
        InputError: a budget that buys nothing, an unknown target or predictor, unusable data sizes.
    """
    check_predictor(predictor)
    budgets = check_budgets(budgets, lattice, cost_model)
    if not 0 <= tolerance < 1:
        raise InputError(f"near-tie tolerance is {tolerance!r}; allowed is a fraction in [0, 1), such as 0.01")
    sizes = np.asarray(data_sizes, dtype=np.float64) if model.data_varies else model.data_sizes[:1]
    cost = lattice_cost(lattice, cost_model)
    share = cost_model.encoder_share(lattice.points)
    points: list[FrontierPoint] = []
    policies: dict[tuple[str, float | None], PolicyComparison] = {}
    regret: dict[tuple[str, float | None], FlopsRegret] = {}
    counts_flops = base_cost(cost_model).terms() is not None
    convex = predictor == "point" and cost_model.terms() is not None
    for target in targets or list(model.targets):
        tick(f"frontier: {target}")
        fitted = model.target(target)
        values = lattice_values(model, target, lattice, sizes, predictor)
        chosen = search_values(values, cost, budgets)
        winners = _winners(model, target, lattice, cost_model, budgets, sizes, seed)
        probability = probability_best(winners, chosen.index)
        continuum = None
        if convex:
            continuum = minimise(fitted.law.over(FACTORS_AND_DATA), cost_model, lattice.bounds(), budgets, sizes)
        for i, size in enumerate(sizes):
            named = float(size) if model.data_varies else None
            if naive:
                policies[target, named] = compare_policies(values[i], lattice, cost_model, budgets,
                                                         policies_for(lattice, current), 1 - (fitted.chance or 0.0))
            if naive and not counts_flops:
                regret[target, named] = flops_regret(values[i], lattice, cost_model, planner or model.cost(), budgets)
            rows = np.column_stack([lattice.points[chosen.index[i]], np.full(len(budgets), size)])
            said = model.predict(target, rows, predictor=predictor, level=level, n_eval=n_eval, seed=seed)
            for b, budget in enumerate(budgets):
                best = int(chosen.index[i, b])
                close = near_ties(values[i], cost, float(budget), tolerance)
                others = [int(p) for p in close.index if p != best]
                points.append(FrontierPoint(
                    target=target, data_size=named, budget=float(budget), configuration=lattice.configuration(best),
                    cost=float(cost[best]), encoder_share=float(share[best]), error=float(chosen.error[i, b]),
                    mean_low=float(said.mean_low[b]), mean_high=float(said.mean_high[b]),
                    new_low=float(said.new_low[b]), new_high=float(said.new_high[b]), n_eval=said.n_eval,
                    probability_best=float(probability[i, b]),
                    ties=tuple(NearTie(configuration=lattice.configuration(p), error=float(values[i, p]),
                                       cost=float(cost[p])) for p in others[:10]),
                    tie_count=len(others), outside=model.outside(rows[b]),
                    continuous=None if continuum is None else _continuous(continuum, i, b)))
    limits, without = exclusions(cost_model, lattice.points), excluded(cost_model, lattice.points)
    notes = [*_notes(model, lattice, convex, predictor, cost_model), *_said_of(points)]
    notes += [f"limits, of {len(lattice)} configurations: {limit_sentence(limits, without)}"] if limits else []
    if current is not None and not on_lattice(lattice, current):
        notes.append(f"the configuration in use is none of lattice {lattice.name!r}: policies that scale one factor "
                     "start from its cheapest configuration instead")
    return FrontierReport(points=tuple(points), lattice=lattice, cost=cost_model.name, unit=cost_model.unit,
                          cost_model=cost_model, predictor=predictor, level=level, tolerance=tolerance,
                          policies=policies, notes=tuple(notes), limits=limits, excluded=without, regret=regret)


def _winners(
    model: Model, target: str, lattice: Lattice, cost_model: CostModel, budgets: Floats, sizes: Floats, seed: int
) -> NDArray[np.int64]:
    """The best configuration of every noise draw, shape (draws, data sizes, budgets).

    Where the form was found not to fit, each configuration also gets an error of its own of that size: a
    configuration is the best one only if it survives that.
    """
    fitted = model.target(target)
    laws = fitted.noise_laws.over(FACTORS_AND_DATA)
    if fitted.noise.misfit_variance == 0:
        return search(laws, lattice, cost_model, budgets, sizes).index
    cost = lattice_cost(lattice, cost_model)
    sd = np.sqrt(fitted.noise.misfit_variance)
    out = np.empty((len(laws), len(sizes), len(budgets)), dtype=np.int64)
    for d in range(len(laws)):
        rng = np.random.default_rng([seed, 5, d])
        own = np.exp(sd * rng.standard_normal(len(lattice)))
        out[d] = search_values(lattice_error(laws[d], lattice, sizes)[0] * own, cost, budgets).index
    return out


def _continuous(found: Continuum, i: int, b: int) -> ContinuousOptimum | None:
    if found.status[0, i, b] == Status.INFEASIBLE:
        return None
    names = ("lm_params", "frames", "tokens_per_frame")
    bound = tuple(f"{name} at its {side}" for k, name in enumerate(names)
                  for side, flags in (("smallest", found.at_lower), ("largest", found.at_upper))
                  if flags[0, i, b, k])
    return ContinuousOptimum(
        configuration=ScalingFactors.of(found.x[0, i, b]), error=float(np.exp(found.log_error[0, i, b])),
        multiplier=float(found.multiplier[0, i, b]), encoder=float(found.multiplier_of("encoder")[0, i, b]),
        lm=float(found.multiplier_of("lm")[0, i, b]), gap=float(found.gap[0, i, b]),
        status=Status(int(found.status[0, i, b])).sentence, slack=bool(found.budget_slack[0, i, b]), at_bound=bound)


def _said_of(points: Sequence[FrontierPoint]) -> list[str]:
    """What recommendations themselves give reason to say."""
    over = sum(p.error > 1 for p in points)
    return [f"{over} of {len(points)} recommendations predict an error above 100 %: no error can be that high, the law "
            "is used beyond what it can describe"] if over else []


def _notes(model: Model, lattice: Lattice, convex: bool, predictor: str, cost_model: CostModel) -> tuple[str, ...]:
    strange = encoder_note(cost_model, lattice.points, model.encoder)
    said = [*cost_notes(cost_model, lattice.points), *([strange] if strange else [])]
    if model.synthetic:
        said.append(f"{model.table} is synthetic: these numbers show the method, not video models")
    if not convex:
        why = "the bagged median is no posynomial" if predictor != "point" else not_convex(cost_model)
        said.append(f"no convex optimum and no certificate: {why}; the lattice search is exact")
    if not model.data_varies:
        said.append(f"{DATA_SIZE} does not vary: nothing is said about it")
    return tuple(said)


@dataclass(frozen=True, kw_only=True)
class CurrentReport:
    """What runs now, against the frontier.

    Attributes:
        configuration: in use now.
        cost: what it costs.
        error: predicted.
        same_budget: the best configuration that costs no more and meets every limit; the one in use where it is that.
        accuracy_gain: relative gain in accuracy of that one over the one in use.
        error_reduction: relative reduction of error.
        cheaper: the cheapest configuration that predicts no more error, and its cost; None where none is cheaper.
        outside: sentences on factors beyond what was measured, and on limits that the one in use breaks.
    """

    target: str
    data_size: float | None
    configuration: ScalingFactors
    cost: float
    error: float
    same_budget: ScalingFactors
    same_budget_error: float
    accuracy_gain: float
    error_reduction: float
    cheaper: ScalingFactors | None
    cheaper_cost: float | None
    outside: tuple[str, ...]


def current_report(
    model: Model, lattice: Lattice, cost_model: CostModel, current: ScalingFactors, data_sizes: Floats, *,
    targets: Sequence[str] | None = None, predictor: str = "point",
) -> tuple[CurrentReport, ...]:
    """Compare the configuration in use with the frontier at the same cost; arguments as for `frontier_report`."""
    point = np.array([list(current)], dtype=np.float64)
    spent = float(base_cost(cost_model).cost(point)[0])
    breaks = tuple(f"the configuration in use breaks {said}" for said in broken_limits(cost_model, point)[0])
    cost = lattice_cost(lattice, cost_model)
    sizes = np.asarray(data_sizes, dtype=np.float64) if model.data_varies else model.data_sizes[:1]
    out = []
    for target in targets or list(model.targets):
        values = lattice_values(model, target, lattice, sizes, predictor)
        for i, size in enumerate(sizes):
            row = np.append(point[0], size)
            error = float(model.error(target, row[None], predictor)[0])
            found = search_values(values[i], cost, np.array([spent]))
            best = int(found.index.reshape(-1)[0])
            # Two ways to evaluate one law differ in the last digits: that is no gain.
            # What breaks a limit is no choice: the best that breaks none stands against it, better or not.
            gains = best >= 0 and (bool(breaks) or bool(values[i, best] < error * (1 - 1e-12)))
            better = float(values[i, best]) if gains else error
            chosen = lattice.configuration(best) if gains else current
            enough = np.flatnonzero((values[i] <= error * (1 + 1e-12)) & (cost < spent * (1 - 1e-12)))
            cheap = int(enough[np.argmin(cost[enough])]) if enough.size else -1
            out.append(CurrentReport(
                target=target, data_size=float(size) if model.data_varies else None, configuration=current, cost=spent,
                error=error, same_budget=chosen, same_budget_error=better,
                accuracy_gain=(error - better) / (1 - error) if error < 1 else float("inf"),
                error_reduction=(error - better) / error,
                cheaper=lattice.configuration(cheap) if cheap >= 0 else None,
                cheaper_cost=float(cost[cheap]) if cheap >= 0 else None, outside=(*model.outside(row), *breaks)))
    return tuple(out)
