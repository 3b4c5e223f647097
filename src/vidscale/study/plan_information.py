"""What a plan can tell, before anything is spent.

The answer depends on the law that will turn out to be true, so it is worked out for many laws (typical ones, or those
of an earlier fit) and given as a median and a range. For each law two things are done:

* The Jacobian of log f at the planned runs, in log coefficients and exponents. Its rank says how many parameters the
  plan can tell apart at all, noise or not.
* The sweep is played through: errors are drawn with the noise that n_eval questions and repeated training would
  give, the form is fitted to them, and the frontier and elasticities are read off, over and over. How far the answers
  scatter is how wide their intervals will be.

It does not say whether the form is right, and a law unlike all of these may be harder to learn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vidscale.cost import CostModel
from vidscale.design import SweepPlan
from vidscale.errors import InputError
from vidscale.fit import FitSettings, Layout, layout, solve
from vidscale.fit.certificate import WEAK_EXPONENT, WEAK_LOG_COEFFICIENT, jacobian
from vidscale.forms import Laws, Posynomial, load_form
from vidscale.frontier import budget_grid, continuous_elasticity, data_grid, lattice_error, search
from vidscale.space import DATA_SIZE, FACTORS, FACTORS_AND_DATA, Lattice, ScalingFactors, measured_lattice
from vidscale.study.frontier import default_budgets
from vidscale.study.typical_laws import laws_of_parameters, typical_laws
from vidscale.validate import check_level, quantiles

Floats = NDArray[np.float64]

#: Singular values of the scaled Jacobian below this share of the largest count as zero.
RANK_TOLERANCE = 1e-9
#: A parameter that a direction without effect moves by more than this is not determined.
MOVES = 1e-4
#: Share that a parameter must have of the direction known least to be named as part of it.
LOADING = 0.2
#: Grid of budgets and data sizes that elasticities are averaged over.
ELASTICITY_GRID = (12, 6)
#: Runs suggested.
SUGGESTED = 3


@dataclass(frozen=True, kw_only=True)
class InformationSettings:
    """What is assumed when a plan is judged.

    Args:
        form: the form that will be fitted.
        laws: typical laws to try.
        draws: sweeps played through per law.
        n_eval: questions each error will be measured on.
        run_noise: standard deviation of log error between trainings that differ in their seed alone.
        level: probability of the intervals.
        budgets: inference budgets the frontier is asked for; None spreads six over the plan's configurations.
        seed: of the laws and the noise.

    Raises:
        InputError: a number out of range.
    """

    form: str | Posynomial = "add-interact"
    laws: int = 8
    draws: int = 24
    n_eval: float = 3000.0
    run_noise: float = 0.01
    level: float = 0.9
    budgets: tuple[float, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_level(self.level)
        if self.laws < 1 or self.draws < 2:
            raise InputError(f"{self.laws} laws with {self.draws} draws each; allowed are at least 1 and 2")
        if not (self.n_eval >= 1 and 0 <= self.run_noise < 1):
            raise InputError(f"n_eval is {self.n_eval:g} and the run noise {self.run_noise:g}; allowed are at least 1 "
                             "question, and a standard deviation of log error from 0 to 1")


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A quantity over laws.

    Attributes:
        median, low, high: of the laws' values; low and high are the least and the largest.
    """

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float] | Floats) -> "Spread":
        """The spread of some values."""
        found = np.asarray(values, dtype=np.float64)
        return cls(median=float(np.median(found)), low=float(found.min()), high=float(found.max()))


@dataclass(frozen=True, kw_only=True)
class ParameterInformation:
    """One exponent: what is typical of it, and how well the plan would pin it down.

    Attributes:
        name: of the parameter.
        value: over laws.
        half_width: of its interval, over laws; an interval can be no wider than the form's bounds.
        weak: share of laws under which it stays hardly identified (linearised standard error above 0.5).
    """

    name: str
    value: Spread
    half_width: Spread
    weak: float


@dataclass(frozen=True, kw_only=True)
class FrontierInformation:
    """The choice at one budget.

    Attributes:
        budget: FLOPs per inference.
        same: probability of choosing the truly best configuration, over laws.
        regret: relative excess of the chosen configuration's true error over the best one, mean over draws.
        error: half-width of the interval of log error predicted at the choice.
    """

    budget: float
    same: Spread
    regret: Spread
    error: Spread


@dataclass(frozen=True, kw_only=True)
class ElasticityInformation:
    """The mean elasticity of one factor of the continuous optimum: true value, and half-width of its interval."""

    factor: str
    value: Spread
    half_width: Spread


@dataclass(frozen=True, kw_only=True)
class Addition:
    """A run worth adding.

    Attributes:
        factors, data_size: the run.
        gain: by how much it, and those before it, lessen the variance of all parameters together, 0 to 1, median
            over laws. Variances are counted in units of what makes a parameter hardly identified.
        training_flops: what it costs.
        repeat: whether the plan has it already, so that this is another seed of it.
    """

    factors: ScalingFactors
    data_size: float
    repeat: bool
    gain: float
    training_flops: float


@dataclass(frozen=True, kw_only=True)
class PlanInformation:
    """What a plan can tell.

    Attributes:
        form: as far as the plan can tell it: without factors that do not vary.
        settings: what was assumed.
        laws: how many laws were tried, and where they come from.
        source: in words.
        runs, distinct, parameters: planned runs, distinct ones, and free parameters of the form.
        rank: of the Jacobian, over laws.
        condition: its condition number with columns of one length, over laws.
        confounded: parameters that cannot be told apart under at least half of the laws, however small the noise.
        weak: parameters that stay hardly identified under at least half of the laws, exponents and coefficients.
        hardest: the parameters of the combination that is known least.
        exponents, frontier, elasticities: expected widths; elasticities are empty where the data size does not vary.
        additions: runs worth adding, the most telling first.
        notes: what a reader must know, one sentence each.
    """

    form: Posynomial
    settings: InformationSettings
    laws: int
    source: str
    runs: int
    distinct: int
    parameters: int
    rank: Spread
    condition: Spread
    confounded: tuple[str, ...]
    weak: tuple[str, ...]
    hardest: tuple[str, ...]
    exponents: tuple[ParameterInformation, ...]
    frontier: tuple[FrontierInformation, ...]
    elasticities: tuple[ElasticityInformation, ...]
    additions: tuple[Addition, ...]
    notes: tuple[str, ...]


def plan_information(
    plan: SweepPlan, settings: InformationSettings | None = None, *,
    parameters: Sequence[Mapping[str, float]] | None = None, source: str = "typical laws", tick=lambda text: None,
) -> PlanInformation:
    """Say what a plan can tell.

    Args:
        plan: the plan.
        settings: the form, and the noise that is assumed.
        parameters: laws to judge by, in natural units, such as those of an earlier fit; None draws typical ones.
        source: where the laws come from, in words.
        tick: called with a line of text as work goes on.

    Raises:
        InputError: none of the form's factors varies, or no law fits the plan.
    """
    settings = settings or InformationSettings()
    asked = settings.form if isinstance(settings.form, Posynomial) else load_form(settings.form)
    points = plan.points()
    varying = [name for k, name in enumerate(FACTORS_AND_DATA) if np.ptp(points[:, k]) > 0]
    form, notes = asked.restrict(varying)
    if parameters is not None and form is not asked:
        raise InputError(f"the plan does not vary {', '.join(f for f in asked.factors if f not in varying)}, which the "
                         "laws depend on; judge it by typical laws instead")
    x = points[:, [FACTORS_AND_DATA.index(name) for name in form.factors]]
    lay = layout(form, x)
    theta = typical_laws(lay, x, settings.laws, settings.seed) if parameters is None else laws_of_parameters(
        lay, parameters)
    tick(f"{len(theta)} laws: Jacobian")
    told = [_linear(lay, x, law, settings) for law in theta]
    tick(f"{len(theta)} × {settings.draws} sweeps played through")
    estimates = _play(lay, x, theta, settings)
    lattice = measured_lattice(points[:, :3], "planned levels")
    frontier, elasticities = _answers(plan, lay, theta, estimates, lattice, settings)
    tick("runs worth adding")
    distinct = len(np.unique(x, axis=0))
    return PlanInformation(
        form=form, settings=settings, laws=len(theta), source=source, runs=len(plan), distinct=distinct,
        parameters=lay.size, rank=Spread.of([t.rank for t in told]), condition=Spread.of([t.condition for t in told]),
        confounded=_often(form, [t.confounded for t in told]), weak=_often(form, [t.weak for t in told]),
        hardest=_often(form, [t.hardest for t in told]), exponents=_exponents(lay, theta, estimates, told, settings),
        frontier=frontier, elasticities=elasticities,
        additions=_additions(plan, lay, theta, told, lattice, settings), notes=_notes(lay, distinct, notes))


def _notes(lay: Layout, distinct: int, notes: Sequence[str]) -> tuple[str, ...]:
    said = list(notes)
    if distinct < lay.size:
        said.append(f"{distinct} distinct runs cannot carry {lay.size} parameters: a fit of {lay.form.name} to them "
                    "will be refused")
    return tuple(said)


# --- the Jacobian -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class _Told:
    """What the Jacobian of one law says; `covariance` is regularised so that it exists, shape (P, P)."""

    rank: int
    condition: float
    confounded: frozenset[str]
    weak: frozenset[str]
    hardest: frozenset[str]
    covariance: Floats


def _scales(lay: Layout) -> Floats:
    """For each parameter the standard error at which it counts as hardly identified, shape (P,)."""
    terms = len(lay.form.terms)
    return np.where(np.arange(lay.size) < terms, WEAK_LOG_COEFFICIENT, WEAK_EXPONENT)


def _linear(lay: Layout, x: Floats, theta: Floats, settings: InformationSettings) -> _Told:
    J, values = jacobian(lay, x, theta)
    lengths = np.linalg.norm(J, axis=0)
    s, Vt = np.linalg.svd(J / np.where(lengths > 0, lengths, 1.0), full_matrices=True)[1:]
    s = np.concatenate([s, np.zeros(lay.size - s.size)])
    rank = int((s > RANK_TOLERANCE * s[0]).sum())
    names = np.array(lay.form.parameters)
    null = np.linalg.norm(Vt[rank:], axis=0)
    scales = _scales(lay)
    sd = np.sqrt(_variance(values.sum(axis=1), settings))
    information = (J / sd[:, None]).T @ (J / sd[:, None])
    covariance: Floats = np.linalg.inv(information + np.diag(scales**-2)).astype(np.float64)
    # In units of the scales the regularisation is the identity: a direction of variance near 1 was not measured.
    spread, direction = np.linalg.eigh(covariance / np.outer(scales, scales))
    weak = np.sqrt(np.diag(covariance)) / scales
    return _Told(rank=rank, condition=float(s[0] / s[-1]) if s[-1] > 0 else float("inf"),
                 confounded=frozenset(names[null > MOVES].tolist()),
                 weak=frozenset(names[weak > np.sqrt(0.5)].tolist()),
                 hardest=frozenset(names[np.abs(direction[:, int(np.argmax(spread))]) > LOADING].tolist()),
                 covariance=covariance)


def _variance(error: Floats, settings: InformationSettings) -> Floats:
    """Variance of log error: question sampling, of one right answer at least, and repeated training."""
    right = np.maximum(1 - error, 1 / settings.n_eval)
    return right / (error * settings.n_eval) + settings.run_noise**2


def _often(form: Posynomial, found: Sequence[frozenset[str]]) -> tuple[str, ...]:
    """Names that occur in at least half of the sets, in the form's order."""
    return tuple(name for name in form.parameters if 2 * sum(name in each for each in found) >= len(found))


# --- sweeps played through --------------------------------------------------------------------------------


def _play(lay: Layout, x: Floats, theta: Floats, settings: InformationSettings) -> Floats:
    """Fits to drawn sweeps, centred parameters, shape (laws, draws, P)."""
    rng = np.random.default_rng([settings.seed, 22])
    natural = [dict(zip(lay.form.parameters, row)) for row in lay.to_natural(theta)]
    error = np.array([lay.form.evaluate(law, x) for law in natural])
    spread = np.sqrt(_variance(error, settings))[:, None, :]
    drawn = np.log(error)[:, None, :] + spread * rng.standard_normal((len(theta), settings.draws, len(x)))
    columns = drawn.reshape(-1, len(x))
    count = len(columns)
    truth = np.repeat(theta, settings.draws, axis=0)[:, None, :]
    found = solve(lay, x, columns, np.ones((count, len(x))), np.arange(count), FitSettings(seed=settings.seed),
                  warm=np.ascontiguousarray(truth), fresh=4, keep=2)
    return found.theta.reshape(len(theta), settings.draws, lay.size)


def _laws(lay: Layout, theta: Floats) -> Laws:
    """Centred parameters, shape (rows, P), as laws over every factor."""
    rows = [dict(zip(lay.form.parameters, row)) for row in lay.to_natural(theta)]
    return Laws.of(lay.form, rows).over(FACTORS_AND_DATA)


def _half_width(values: Floats, level: float) -> Floats:
    """Half-width of the interval of draws along axis 0."""
    low, high = quantiles(values, level)
    return (high - low) / 2


def _exponents(
    lay: Layout, theta: Floats, estimates: Floats, told: Sequence[_Told], settings: InformationSettings
) -> tuple[ParameterInformation, ...]:
    found, terms = [], len(lay.form.terms)
    for p, name in enumerate(lay.form.exponent_names, start=terms):
        low, high = lay.form.exponent_bounds(name)
        # Along a direction that changes nothing a fit stays where it began, which says nothing.
        widths = [(high - low) / 2 if name in each.confounded else float(_half_width(draws[:, p], settings.level))
                  for each, draws in zip(told, estimates)]
        found.append(ParameterInformation(name=name, value=Spread.of(theta[:, p]), half_width=Spread.of(widths),
                                          weak=float(np.mean([name in each.weak for each in told]))))
    return tuple(found)


def _answers(
    plan: SweepPlan, lay: Layout, theta: Floats, estimates: Floats, lattice: Lattice, settings: InformationSettings
) -> tuple[tuple[FrontierInformation, ...], tuple[ElasticityInformation, ...]]:
    cost = plan.cost.model()
    budgets = np.asarray(settings.budgets) if settings.budgets else default_budgets(lattice, cost)
    sizes = plan.points()[:, 3]
    truths = _laws(lay, theta)
    fitted = [_laws(lay, draws) for draws in estimates]
    frontier = _frontier(truths, fitted, lattice, cost, budgets, float(sizes.max()), settings.level)
    moves = [k for k, name in enumerate(FACTORS) if lattice.levels[name].size > 1]
    if DATA_SIZE not in lay.form.factors or not moves:
        return frontier, ()
    grid = budget_grid(lattice, cost, ELASTICITY_GRID[0]), data_grid(float(sizes.min()), float(sizes.max()),
                                                                     ELASTICITY_GRID[1])
    true = continuous_elasticity(truths, cost, lattice.bounds(), *grid).mean
    widths = np.array([_half_width(_known(continuous_elasticity(each, cost, lattice.bounds(), *grid).mean),
                                   settings.level) for each in fitted])
    return frontier, tuple(ElasticityInformation(factor=FACTORS[k], value=Spread.of(true[:, k]),
                                                 half_width=Spread.of(widths[:, k])) for k in moves)


def _known(means: Floats) -> Floats:
    """Draws whose optimum has a derivative anywhere."""
    kept = means[np.isfinite(means).all(axis=1)]
    return kept if len(kept) else np.zeros((1, 3))


def _frontier(
    truths: Laws, fitted: Sequence[Laws], lattice: Lattice, cost: CostModel, budgets: Floats, size: float, level: float
) -> tuple[FrontierInformation, ...]:
    best = search(truths, lattice, cost, budgets, [size])
    values = lattice_error(truths, lattice, [size])[:, 0]
    same, regret, width = (np.empty((len(fitted), budgets.size)) for _ in range(3))
    for law, draws in enumerate(fitted):
        chosen = search(draws, lattice, cost, budgets, [size])
        index = chosen.index[:, 0]
        if np.any(index < 0):
            raise InputError(f"budget {budgets.min():.4g} {cost.unit} buys no planned configuration; raise it")
        same[law] = (index == best.index[law, 0]).mean(axis=0)
        regret[law] = (values[law][index] / best.error[law, 0] - 1).mean(axis=0)
        width[law] = _half_width(np.log(chosen.error[:, 0]), level)
    return tuple(FrontierInformation(budget=float(budget), same=Spread.of(same[:, b]), regret=Spread.of(regret[:, b]),
                                     error=Spread.of(width[:, b])) for b, budget in enumerate(budgets))


# --- what to add ------------------------------------------------------------------------------------------


def _additions(
    plan: SweepPlan, lay: Layout, theta: Floats, told: Sequence[_Told], lattice: Lattice, settings: InformationSettings
) -> tuple[Addition, ...]:
    """Runs that would lessen the parameters' variance most, picked one after another.

    Candidates are the planned levels, all combined, at the planned data sizes and, where the law depends on it, at
    half the least and twice the largest.
    """
    sizes = np.unique(plan.points()[:, 3])
    if DATA_SIZE in lay.form.factors:
        sizes = np.unique([sizes[0] / 2, *sizes, sizes[-1] * 2])
    rows = np.array([[*point, size] for size in sizes for point in lattice.points])
    x = rows[:, [FACTORS_AND_DATA.index(name) for name in lay.form.factors]]
    scales = _scales(lay)
    slopes, covariances = [], []
    for law, each in zip(theta, told):
        J, values = jacobian(lay, x, law)
        sd = np.sqrt(_variance(values.sum(axis=1), settings))
        slopes.append(J / sd[:, None])
        covariances.append(each.covariance)
    before = np.array([np.sum(np.diag(c) / scales**2) for c in covariances])
    planned = {tuple(row) for row in plan.points()}
    picked = []
    for _ in range(SUGGESTED):
        gains = np.array([_reduction(c, j, scales) for c, j in zip(covariances, slopes)]) / before[:, None]
        pick = int(np.argmax(np.median(gains, axis=0)))
        covariances = [_updated(c, j[pick]) for c, j in zip(covariances, slopes)]
        after = np.array([np.sum(np.diag(c) / scales**2) for c in covariances])
        run = replace(plan.runs[0], factors=ScalingFactors.of(rows[pick, :3]), data_size=float(rows[pick, 3]))
        picked.append(Addition(factors=run.factors, data_size=run.data_size,
                               repeat=tuple(rows[pick]) in planned, gain=float(np.median(1 - after / before)),
                               training_flops=float(plan.cost.training_flops([run])[0])))
    return tuple(picked)


def _reduction(covariance: Floats, slopes: Floats, scales: Floats) -> Floats:
    """How much one more run lessens Σ variance / scale², for each candidate (rows of slopes, noise of 1)."""
    moved = slopes @ covariance
    return np.sum((moved / scales) ** 2, axis=1) / (1 + np.sum(moved * slopes, axis=1))


def _updated(covariance: Floats, slope: Floats) -> Floats:
    moved = covariance @ slope
    return covariance - np.outer(moved, moved) / (1 + slope @ moved)
