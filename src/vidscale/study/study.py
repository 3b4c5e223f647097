"""The whole analysis: compare forms, fit the best one, bootstrap it, and read off frontier and elasticities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vidscale.cost import CostModel
from vidscale.cost.deployment import CostSettings, cost_of
from vidscale.errors import InputError
from vidscale.fit import Interval, profile
from vidscale.forms import PAPER_FORMS, Posynomial, load_form
from vidscale.given import shortly
from vidscale.measurements import MeasurementTable, Observations, observations, parse_rule, read_measurements, select
from vidscale.measurements.read import Source
from vidscale.space import DATA_SIZE, Lattice, dense_lattice, deployable_lattice, published_lattice
from vidscale.study.elasticity import ElasticityReport, elasticity_reports, no_continuous, no_elasticity
from vidscale.study.frontier import CurrentReport, FrontierReport, current_report, default_budgets, frontier_report
from vidscale.study.model import Model, make_model
from vidscale.study.settings import LATTICES, StudySettings
from vidscale.study.table_notes import table_notes
from vidscale.validate import (
    Comparison,
    FullFits,
    Plan,
    compare,
    fit_runs,
    plan_holdout,
    redraw_noise,
    resample_runs,
    runs_of,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """The answer with everything it rests on.

    Attributes:
        table, obs: the measurements, as rows and as runs.
        settings: what was asked.
        comparison: every form on held-out runs.
        form, reason: the deployed form's name and why it was chosen.
        full: its fits to all runs.
        profiles: 95 % profile intervals of the lead target's parameters, deployed form.
        other_profiles: the same for every other form that was fitted, by form name.
        model: its laws and their draws.
        frontier: the recommendations.
        current: the configuration in use against them; empty where none was given.
        elasticities: by target and estimator; empty where the data size does not vary.
        no_elasticity: why there are none.
        notes: what a reader must know, one sentence each.
    """

    table: MeasurementTable
    obs: Observations
    settings: StudySettings
    comparison: Comparison
    form: str
    reason: str
    full: FullFits
    profiles: Mapping[str, Interval]
    other_profiles: Mapping[str, Mapping[str, Interval]]
    model: Model
    frontier: FrontierReport
    current: tuple[CurrentReport, ...]
    elasticities: tuple[ElasticityReport, ...]
    no_elasticity: str | None
    notes: tuple[str, ...]


def run_study(
    table: MeasurementTable | Source, settings: StudySettings | None = None, *, tick=lambda text: None
) -> Study:
    """Do the whole analysis of a table.

    Args:
        table: checked measurements (`read_measurements`), or what that reads without a declaration: the name of a
            bundled dataset, the path of a file, or a DataFrame.
        settings: what is asked.
        tick: called with a line of text as work goes on.

    Raises:
        InputError: anything about the table or the settings that cannot be used; the message says what to do.
    """
    settings = settings or StudySettings()
    if not isinstance(settings, StudySettings):
        raise InputError(f"settings is {shortly(settings)}; give a StudySettings, such as StudySettings(draws=100)")
    if not isinstance(table, MeasurementTable):
        table = read_measurements(table)
    obs = observations(table, weights=settings.weights)
    if not obs.factors:
        raise InputError(f"no factor varies in table {table.name!r}: all {len(obs)} runs have one configuration; "
                         "add runs that differ in lm_params, frames, tokens_per_frame or data_size")
    comparison, chosen, reason, full = choose_form(table, obs, settings, tick)
    model = bootstrap_model(table, obs, full, settings, tick)
    fixed = dict(settings.fixed or {})
    lattice = make_lattice(model, settings.lattice, fixed)
    cost = cost_model(model, settings.encoder, settings.cost)
    if settings.cost != CostSettings():
        model = replace(model, cost_settings=settings.cost)
    budgets = np.asarray(settings.budgets) if settings.budgets else default_budgets(lattice, cost)
    sizes = frontier_data_sizes(model, settings.data_sizes)
    profiles = {}
    for name, fits in comparison.fits.items():
        tick(f"{name}: profile intervals")
        profiles[name] = profile_lead(fits)
    report = frontier_report(model, lattice, cost, budgets, sizes, predictor=settings.predictor, level=settings.level,
                             tolerance=settings.tolerance, n_eval=settings.n_eval, current=settings.current,
                             planner=cost_model(model, settings.encoder), seed=settings.seed, tick=tick)
    current = ()
    if settings.current is not None:
        current = current_report(model, lattice, cost, settings.current, sizes, predictor=settings.predictor)
    reason_none = no_elasticity(model)
    elasticities = ()
    if reason_none is None:
        elasticities = elasticity_reports(model, lattice, cost, level=settings.level, tick=tick)
    return Study(table=table, obs=obs, settings=settings, comparison=comparison, form=chosen, reason=reason, full=full,
                 profiles=profiles.pop(chosen), other_profiles=profiles, model=model, frontier=report,
                 current=current, elasticities=elasticities, no_elasticity=reason_none,
                 notes=_notes(table, obs, comparison, model, full, report, elasticities))


def resolve_forms(forms: Sequence[str | Posynomial]) -> list[Posynomial]:
    """Forms from names, paths or forms.

    Raises:
        InputError: an unknown name, a bad file, or two forms of one name.
    """
    found = [form if isinstance(form, Posynomial) else load_form(form) for form in forms]
    if not found:
        raise InputError("no form is given; name at least one, such as add-interact")
    names = [form.name for form in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"two forms are called {twice[0]!r}; give each its own name")
    return found


def default_forms(obs: Observations) -> tuple[str, ...]:
    """The paper's four forms; Li et al.'s before them where its factors vary and the data size does not."""
    if DATA_SIZE not in obs.factors and {"lm_params", "tokens_per_frame"} <= set(obs.factors):
        return ("li", *PAPER_FORMS)
    return PAPER_FORMS


def holdout_plan(obs: Observations, split: str, folds: int, seed: int) -> Plan:
    """What is held out: the declared split, and folds on its training side."""
    train, rule = None, ""
    if split == "auto":
        labels = set(obs.columns["sweep"].dropna()) if "sweep" in obs.columns else set()
        rule = "sweep=star" if "star" in labels and len(labels) > 1 else ""
    elif split != "none":
        rule = parse_rule(split).text
    if rule:
        train = select(rule, obs.columns)
    inside = obs.config if train is None else obs.config[train]
    most = len(np.unique(inside))
    count = min(folds, most) if most >= 2 else 0
    return plan_holdout(obs.x, obs.config, count=count, train=train, rule=rule, seed=seed)


def choose_form(
    table: MeasurementTable, obs: Observations, settings: StudySettings, tick=lambda text: None
) -> tuple[Comparison, str, str, FullFits]:
    """Compare the forms and pick the one to deploy: (comparison, name, reason, its fits)."""
    forms = resolve_forms(default_forms(obs) if settings.forms == PAPER_FORMS else settings.forms)
    if settings.form is not None and settings.form not in [form.name for form in forms]:
        forms += resolve_forms([settings.form])
    _check_pins(forms, settings.pins)
    plan = holdout_plan(obs, settings.split, settings.folds, settings.seed)
    comparison = compare(forms, obs, plan, pins=settings.pins, settings=settings.fit_settings(),
                         data_hash=table.data_hash, tick=tick)
    if settings.form is None:
        chosen, reason = comparison.best(obs.targets[0])
    else:
        chosen, reason = resolve_forms([settings.form])[0].name, "asked for"
        chosen = comparison.same.get(chosen, chosen)
        if chosen not in comparison.fits:
            raise InputError(comparison.failed[chosen])
    return comparison, chosen, reason, comparison.fits[chosen]


def _check_pins(forms: Sequence[Posynomial], pins: Mapping[str, float] | None) -> None:
    for name in pins or {}:
        if not any(name in form.parameters for form in forms):
            known = sorted({p for form in forms for p in form.parameters})
            raise InputError(f"cannot pin {name!r}: no form has it; the parameters are {', '.join(known)}")


def fit_one(
    table: MeasurementTable, obs: Observations, form: Posynomial, settings: StudySettings
) -> tuple[FullFits, tuple[str, ...]]:
    """The fits of one form to every target, and notes on dropped terms."""
    _check_pins([form], settings.pins)
    runs, notes = runs_of(form, obs, pins=settings.pins, settings=settings.fit_settings(), data_hash=table.data_hash)
    return fit_runs(runs), notes


def bootstrap_model(
    table: MeasurementTable, obs: Observations, full: FullFits, settings: StudySettings, tick=lambda text: None
) -> Model:
    """Both bootstraps of the deployed form, gathered with its fits."""
    tick(f"{full.runs.form.name}: {settings.draws} resamples of runs")
    runs = resample_runs(full, settings.draws, settings.seed)
    tick(f"{full.runs.form.name}: {settings.draws} redraws of noise")
    noise = redraw_noise(full, settings.draws, settings.seed)
    return make_model(table, full, noise, runs, obs.chance)


def profile_lead(full: FullFits) -> dict[str, Interval]:
    """95 % profile intervals of the first target's parameters; empty where no degrees of freedom are left."""
    runs, fit = full.runs, full.fits[0]
    present = runs.measured[:, 0]
    if present.sum() <= runs.layout.free:
        return {}
    y, w = runs.rows(np.ones((1, len(runs.x))), 0)
    used = w[0] > 0
    return profile(fit, runs.group_x[used], np.exp(y[0][used]), weights=w[0][used], merged=runs.merged(0))


def make_lattice(model: Model, kind: str, fixed: Mapping[str, float] | None = None) -> Lattice:
    """The lattice by name, with factors held as asked.

    Raises:
        InputError: an unknown name, or a factor the table lacks and nobody holds.
    """
    if kind not in LATTICES:
        raise InputError(f"unknown lattice {kind!r}; allowed are {', '.join(LATTICES)}")
    fixed = dict(fixed or {})
    measured = model.measured_lattice(fixed)
    if kind == "measured":
        return measured
    if kind == "dense":
        return dense_lattice(*measured.bounds())
    lattice = published_lattice() if kind == "published" else deployable_lattice()
    # A factor the data say nothing about is held at its measured value: its effect is unknown.
    held = {f: float(v[0]) for f, v in measured.levels.items() if v.size == 1 and f not in fixed}
    return lattice.fix({**held, **fixed})


def cost_model(
    model: Model, encoder: tuple[float, float] | None = None, settings: CostSettings | None = None
) -> CostModel:
    """The cost asked for, the paper's FLOPs by default, with the encoder asked for, the data's own, or the paper's."""
    return cost_of(settings or CostSettings(), encoder or model.encoder)


def frontier_data_sizes(model: Model, wanted: Sequence[float] | None = None) -> Floats:
    """Data sizes to answer for: those asked for, else the measured ones, thinned to four."""
    if wanted:
        sizes = np.asarray(wanted, dtype=np.float64)
        bad = sizes[~(np.isfinite(sizes) & (sizes > 0))]
        if bad.size:
            raise InputError(f"{DATA_SIZE} is {bad[0]:g}; allowed are positive finite numbers")
        return sizes
    sizes = model.data_sizes
    if sizes.size <= 4:
        return sizes
    return sizes[np.unique(np.round(np.linspace(0, sizes.size - 1, 4)).astype(int))]


def _notes(
    table: MeasurementTable, obs: Observations, comparison: Comparison, model: Model, full: FullFits,
    report: FrontierReport, elasticities: Sequence[ElasticityReport],
) -> tuple[str, ...]:
    notes = list(table.notes)
    notes += table_notes(table, obs, full)
    if len(table.tasks) > 1 and obs.targets[0] in table.tasks:
        notes.append(f"no average: no run has all {len(table.tasks)} tasks (rows of one run share seed and run_id)")
    notes += [f"{name} coincides with {twin} here" for name, twin in comparison.same.items()]
    notes += [f"{name} was not fitted: {why}" for name, why in comparison.failed.items()]
    notes += [f"{full.runs.form.name}: {full.runs.form.note}"] if full.runs.form.note else []
    notes += comparison.notes
    for fit in full.fits:
        configurations = len(np.unique(full.runs.x[full.runs.measured[:, full.runs.targets.index(fit.target)]], axis=0))
        if configurations <= fit.layout.free:
            notes.append(f"{fit.target}: {full.runs.form.name} has as many parameters as there are configurations "
                         f"({configurations}); it passes through every one, and the intervals say little")
    for name, target in model.targets.items():
        said = target.noise.sentence()
        notes += [f"{name}: {said}"] if said else []
    notes += report.notes
    only = no_continuous(report.cost_model) if elasticities else None
    notes += [only] if only else []
    return tuple(dict.fromkeys(notes))
