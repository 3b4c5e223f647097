"""Everything that the findings rest on, computed from a table once.

Not a study: only what the statements need is fitted, the lead target's laws with their noise draws, so that it takes
tens of seconds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidscale.cost import PaperCost
from vidscale.errors import InputError
from vidscale.findings.cells import Cells, SeedNoise, TaskState, cells_of, task_state
from vidscale.findings.choices import (
    ComputeValue,
    FittedLaw,
    LawStep,
    PolicyGain,
    compute_values,
    law_steps,
    policy_gains,
)
from vidscale.findings.factors import (
    LawPreference,
    Preference,
    Returns,
    law_preference,
    preference,
    preferences,
    returns,
)
from vidscale.findings.joint import (
    BestAgainstMean,
    BestAtData,
    BudgetStep,
    Interaction,
    best_against_mean,
    best_by_data,
    budget_steps,
    groups,
    interaction,
)
from vidscale.findings.movement import Move, moves
from vidscale.findings.verdict import LEVEL
from vidscale.fit import FitSettings
from vidscale.forms import PAPER_FORMS, Posynomial, load_form
from vidscale.measurements import MeasurementTable, Observations, observations
from vidscale.space import FACTORS, FACTORS_AND_DATA, Lattice
from vidscale.study import (
    ElasticityReport,
    Model,
    default_budgets,
    elasticity_reports,
    holdout_plan,
    make_model,
)
from vidscale.validate import Comparison, FullFits, compare, fit_runs, redraw_noise, runs_of
from vidscale.validate.bootstrap import noise_of

Floats = NDArray[np.float64]

#: The form whose elasticities the paper publishes.
PUBLISHED_FORM = "add-interact"


@dataclass(frozen=True, kw_only=True)
class FindingSettings:
    """Everything that decides the numbers.

    Attributes:
        encoder: (encoder_params, encoder_tokens); None takes the data's own, else the paper's.
        joint: the declared form with a term in two factors, as a form or a file; None for none.
        level: probability of every interval.
        draws: noise draws behind intervals from laws.
        folds: of the cross-validation.
        starts, seed: of every fit.
    """

    encoder: tuple[float, float] | None = None
    joint: Posynomial | str | Path | None = None
    level: float = LEVEL
    draws: int = 200
    folds: int = 10
    starts: int = 32
    seed: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What the findings rest on.

    Attributes:
        table, obs, settings: what was asked.
        cost: what an inference costs, FLOPs.
        lead: the average over tasks, or the only task.
        comparison: the paper's forms on held-out runs, all targets.
        beside: the joint form against PUBLISHED_FORM on the same rows; None without a joint form.
        form: the paper's form that predicts held-out runs best.
        laws: the lead's laws by form: `form`, PUBLISHED_FORM and the joint form, where they could be fitted.
        joint_form: name of the joint form, None where there is none.
        noise: between trainings, of the lead.
        states: of every task.
        moves: what each factor, the data size and all together move the lead by.
        returns: by (target, factor).
        preference: of the lead; preferences: of the tasks, at a level at which all hold together; by_law: of the lead
            by the law of `form`.
        steps: isoFLOP gains by target; law_steps: of the lead by the joint form's law, by `form`'s where there is none.
        interaction: by target.
        policies, blind: gains over naive policies, and of the best measured runs over the mean ones.
        best_at: the best measured configurations by budget and data size.
        values: worth of compute.
        elasticities: by form.
        budgets, data_size: at which laws were asked.
    """

    table: MeasurementTable
    obs: Observations
    settings: FindingSettings
    cost: PaperCost
    lead: str
    comparison: Comparison
    beside: Comparison | None
    form: str
    laws: Mapping[str, FittedLaw]
    joint_form: str | None
    noise: SeedNoise
    states: tuple[TaskState, ...]
    moves: tuple[Move, ...]
    returns: Mapping[tuple[str, str], Returns]
    preference: Preference | None
    preferences: tuple[Preference, ...]
    by_law: LawPreference | None
    steps: Mapping[str, tuple[BudgetStep, ...]]
    law_steps: tuple[LawStep, ...]
    interaction: Mapping[str, Interaction]
    policies: tuple[PolicyGain, ...]
    blind: tuple[BestAgainstMean, ...]
    best_at: tuple[BestAtData, ...]
    values: tuple[ComputeValue, ...]
    elasticities: Mapping[str, tuple[ElasticityReport, ...]]
    budgets: Floats
    data_size: float

    def state(self, task: str) -> TaskState:
        """The state of one task."""
        return next(each for each in self.states if each.task == task)


def gather(table: MeasurementTable, settings: FindingSettings | None = None, *,
           tick: Callable[[str], None] = lambda text: None) -> Evidence:
    """Compute the evidence.

    Args:
        table: checked measurements with all three factors and the data size varying.
        settings: what decides the numbers.
        tick: called with a line of text as work goes on.

    Raises:
        InputError: a factor does not vary, or no form can be fitted.
    """
    settings = settings or FindingSettings()
    missing = [factor for factor in FACTORS_AND_DATA if factor not in table.varying]
    if missing:
        raise InputError(f"{', '.join(missing)} does not vary in table {table.name!r}; the findings speak of all three "
                         "factors and the data size, give a table in which each takes two values or more")
    obs = observations(table)
    lead, tasks = obs.targets[0], table.tasks
    plan = holdout_plan(obs, "auto", settings.folds, settings.seed)
    joint = _joint(settings.joint)
    forms = [load_form(name) for name in PAPER_FORMS]
    fit_settings = FitSettings(starts=settings.starts, seed=settings.seed)
    comparison = compare(forms, obs, plan, settings=fit_settings, data_hash=table.data_hash, tick=tick)
    form = _best(comparison, lead)
    beside = None
    if joint and PUBLISHED_FORM in comparison.fits:
        beside = compare([load_form(PUBLISHED_FORM), joint], obs, plan, settings=fit_settings,
                         data_hash=table.data_hash, tick=tick)
    fits = {**(beside.fits if beside else {}), **comparison.fits}
    laws, models = _laws(table, obs, fits, [form, PUBLISHED_FORM, *([joint.name] if joint else [])], settings, tick)
    own = models[form]
    lattice, cost = own.measured_lattice(), own.cost()
    if settings.encoder is not None:
        cost = PaperCost(encoder_params=settings.encoder[0], encoder_tokens=settings.encoder[1])
    size = float(own.data_sizes[-1])
    tick("raw rows")
    noise = dict(zip(comparison.fits[form].runs.targets, noise_of(comparison.fits[form]), strict=True))
    cells = {t: cells_of(obs, t, relative_variance=noise[t].run_variance) for t in obs.targets}
    budgets = _budgets(cells[lead], cost, lattice)
    joint_form = joint.name if joint and joint.name in laws else None
    found = {(t, f): returns(cells[t], f, settings.level) for t in obs.targets for f in FACTORS}
    tick("choices")
    return Evidence(
        table=table, obs=obs, settings=settings, cost=cost, lead=lead, comparison=comparison, beside=beside, form=form,
        laws=laws, joint_form=joint_form, noise=cells[lead].noise,
        states=tuple(task_state(cells[t]) for t in tasks),
        moves=tuple(moves(cells[lead], cost, settings.level)),
        returns={key: each for key, each in found.items() if each is not None},
        preference=preference(cells[lead], settings.level),
        preferences=tuple(preferences([cells[t] for t in tasks], settings.level)),
        by_law=law_preference(laws[form].law, laws[form].draws, lattice, size, settings.level),
        steps={t: tuple(budget_steps(cells[t], cost, settings.level, settings.seed)) for t in obs.targets},
        law_steps=tuple(law_steps(laws[joint_form or form], lattice, cost, budgets.tolist(), size, settings.level)),
        interaction={t: each for t in obs.targets if (each := interaction(cells[t], settings.level)) is not None},
        policies=tuple(policy_gains(laws[form], lattice, cost, budgets, size, settings.level, cells[lead].chance)),
        blind=tuple(best_against_mean(cells[lead], cost, settings.level, settings.seed)),
        best_at=tuple(best_by_data(cells[lead], cost, settings.level)),
        values=tuple(compute_values(laws[form], lattice, cost, budgets, size, settings.level)),
        elasticities=_elasticities(models, lattice, cost, lead, settings, tick), budgets=budgets, data_size=size)


def _joint(given: Posynomial | str | Path | None) -> Posynomial | None:
    return given if given is None or isinstance(given, Posynomial) else load_form(str(given))


def _best(comparison: Comparison, lead: str) -> str:
    """The paper's form that predicts held-out runs of the lead best: by extrapolation where there is a split."""
    for kind in ("extrapolation", "cross-validation"):
        scores = [s for s in comparison.scores if (s.target, s.kind) == (lead, kind) and s.form in PAPER_FORMS]
        if scores:
            return min(scores, key=lambda s: s.mse).form
    return comparison.best(lead)[0]


def _laws(table: MeasurementTable, obs: Observations, fits: Mapping[str, FullFits], names: Sequence[str],
          settings: FindingSettings, tick: Callable[[str], None]) -> tuple[dict[str, FittedLaw], dict[str, Model]]:
    """The lead target's laws with noise draws, and models that hold nothing but them."""
    lead, laws, models = obs.targets[0], {}, {}
    for name in dict.fromkeys(names):
        if name not in fits:
            continue
        tick(f"{name}: {settings.draws} redraws of noise")
        full = _lead_only(table, obs, fits[name], lead)
        noise = redraw_noise(full, settings.draws, settings.seed)
        # Nothing here uses the bagged predictor, so its draws stand in for themselves.
        models[name] = make_model(table, full, noise, noise, obs.chance)
        target = models[name].target(lead)
        laws[name] = FittedLaw(form=name, target=lead, law=target.law.over(FACTORS_AND_DATA),
                               draws=target.noise_laws.over(FACTORS_AND_DATA))
    return laws, models


def _lead_only(table: MeasurementTable, obs: Observations, fits: FullFits, lead: str) -> FullFits:
    runs, _ = runs_of(fits.runs.form, obs, targets=[lead], settings=fits.runs.settings, data_hash=table.data_hash)
    return fit_runs(runs)


def _budgets(cells: Cells, cost: PaperCost, lattice: Lattice) -> Floats:
    """The table's own isoFLOP budgets where it has them, else six over the lattice."""
    found = groups(cells, cost)
    least = float(cost.cost(lattice.points).min())
    own = np.array([g.budget for g in found if g.budget >= least])
    return own if own.size >= 2 else default_budgets(lattice, cost)


def _elasticities(models: Mapping[str, Model], lattice: Lattice, cost: PaperCost, lead: str, settings: FindingSettings,
                  tick: Callable[[str], None]) -> dict[str, tuple[ElasticityReport, ...]]:
    return {name: elasticity_reports(model, lattice, cost, targets=[lead], level=settings.level, dense=False, tick=tick)
            for name, model in models.items()}
