"""From what a verb was given to what it works on: a table, settings, a fitted model."""

import math
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidscale.cli.options import Asking, Choosing, Costing, Fitting, Predicting, Reading
from vidscale.errors import InputError

if TYPE_CHECKING:
    from vidscale.cost import CostModel
    from vidscale.cost.deployment import CostSettings
    from vidscale.measurements import MeasurementTable, Observations
    from vidscale.space import Lattice
    from vidscale.study import Model, StudySettings
    from vidscale.validate import FullFits


def read_table(source: str, reading: Reading, tasks: Sequence[str] = ()) -> "MeasurementTable":
    """The table, read as declared."""
    from vidscale.cli.words import numbers, pairs
    from vidscale.measurements import read_measurements

    return read_measurements(
        source, mapping=pairs(reading.mapping, "--map"), metric=reading.metric, units=pairs(reading.unit, "--unit"),
        chance=numbers(reading.chance, "--chance"), tasks=list(tasks) or None)


def study_settings(
    fitting: Fitting, *, choosing: Choosing | None = None, costing: Costing | None = None,
    asking: Asking | None = None, predicting: Predicting | None = None, table: "MeasurementTable | None" = None,
    stored: "CostSettings | None" = None,
) -> "StudySettings":
    """Options as the settings of a study; what a verb does not ask for keeps its default.

    Args:
        fitting, choosing, costing, asking, predicting: the options.
        table: whose own encoder counts where none is asked for.
        stored: the cost of a saved study, over which cost options are laid.
    """
    from vidscale.cli.words import budget, configuration, factor_value, factors, number, numbers
    from vidscale.cost.units import FLOPS
    from vidscale.space import FACTORS
    from vidscale.study import StudySettings

    given: dict[str, Any] = {name: getattr(fitting, name) for name in (
        "form", "split", "folds", "draws", "loss", "delta", "starts", "seed")}
    given |= {"weights": numbers(fitting.weight, "--weight") or None, "pins": numbers(fitting.pin, "--pin") or None}
    if fitting.forms is not None:
        given["forms"] = tuple(name.strip() for name in fitting.forms.split(",") if name.strip())
        if not given["forms"]:
            raise InputError("--forms is empty; write names separated by commas, such as add,add-interact")
    if choosing is not None:
        fixed = [factors(text, "--fix", FACTORS) for text in choosing.fix]
        given |= {"lattice": choosing.lattice, "fixed": {k: v for part in fixed for k, v in part.items()} or None}
    unit = FLOPS
    if costing is not None:
        given |= {"cost": cost_settings(costing, stored),
                  "encoder": encoder(costing, table.encoder if table is not None else None)}
        unit = given["cost"].unit
    if asking is not None:
        given |= {"budgets": tuple(budget(text, unit) for text in asking.budget) or None,
                  "data_sizes": tuple(factor_value("data_size", number(text, "--data-size"), "--data-size")
                                      for text in asking.data_size) or None,
                  "current": configuration(asking.current, "--current") if asking.current else None,
                  "tolerance": near_tie(asking.near)}
    if predicting is not None:
        if predicting.n_eval is not None and not 1 <= predicting.n_eval < math.inf:
            raise InputError(f"--n-eval is {predicting.n_eval!r}; a measurement has at least 1 question")
        given |= {"predictor": predicting.predictor, "level": predicting.level, "n_eval": predicting.n_eval}
    settings = StudySettings(**given)
    check_settings(settings)
    return settings


def near_tie(near: float) -> float:
    """The excess that counts as a near-tie, as --near gives it."""
    if not 0 <= near < 1:
        raise InputError(f"--near is {near!r}; allowed is a fraction in [0, 1), such as 0.01")
    return near


def cost_settings(costing: Costing, stored: "CostSettings | None" = None) -> "CostSettings":
    """The cost that options ask for, over that of a saved study.

    A cost by formula keeps nothing of the saved one: no GPU and no request is in it. Another GPU has another profile
    and another price.

    Raises:
        InputError: an option is no amount of what it should be, or changes nothing.
    """
    from vidscale.cli.words import number
    from vidscale.cost.constraints import parse_limit
    from vidscale.cost.deployment import TIMED, CostSettings

    options = {"kind": costing.cost, **{name: getattr(costing, name) for name in (
        "gpu", "profile", "model", "batch", "text_tokens", "output_tokens")}}
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if costing.price is not None:
        given["price"] = number(costing.price.strip().removeprefix("$"), "--price")
    if costing.limit:
        given["limits"] = tuple(parse_limit(text) for text in costing.limit)
    start = CostSettings() if stored is None or given.get("kind") in ("flops", "lm-only") else stored
    if "gpu" in given or "profile" in given:
        start = replace(start, gpu=None, profile=None, price=None)
    settings = replace(start, **given)
    kinds = set(settings.kinds)
    uses = {"model": kinds - {"flops", "lm-only"}, "text_tokens": kinds - {"flops", "lm-only"},
            "output_tokens": kinds - {"flops", "lm-only"}, "batch": kinds & {*TIMED, "memory"},
            "price": kinds & {"dollars"}}
    for name, found in uses.items():
        if name in given and not found:
            other = "dollars" if name == "price" else "latency"
            raise InputError(f"--{name.replace('_', '-')} changes nothing under --cost {settings.kind}; add --cost "
                             f"{other} or a limit that depends on it, or leave it out")
    return settings


def check_settings(settings: "StudySettings") -> None:
    """Raise InputError for settings that can be seen to be unusable before any work."""
    from vidscale.study import resolve_forms

    settings.fit_settings()
    resolve_forms(settings.forms)
    if settings.form is not None:
        resolve_forms([settings.form])


def check_question(model: "Model", settings: "StudySettings") -> "tuple[Lattice, CostModel, Any, Any]":
    """(lattice, cost, budgets, data sizes) that settings ask for, checked against what the model can answer.

    A model that only has its table's name, levels and encoder is enough, so this can be asked before any fit.
    """
    import numpy as np

    from vidscale.cost.constraints import base_cost
    from vidscale.frontier import check_budgets
    from vidscale.study import cost_model, default_budgets, frontier_data_sizes, make_lattice

    lattice = make_lattice(model, settings.lattice, settings.fixed)
    cost = cost_model(model, settings.encoder, settings.cost)
    budgets = default_budgets(lattice, cost)
    if settings.budgets:
        budgets = check_budgets(np.asarray(settings.budgets), lattice, cost)
    sizes = frontier_data_sizes(model, settings.data_sizes)
    if settings.current is not None:  # a cost says which configurations it cannot be of
        base_cost(cost).cost(np.array([list(settings.current)], dtype=np.float64))
    return lattice, cost, budgets, sizes


def check_table(
    table: "MeasurementTable", settings: "StudySettings", tasks: Sequence[str] = (), choosing: bool = True
) -> None:
    """Raise InputError for a question that the table cannot answer, before anything is fitted.

    Without `choosing` nothing is asked of a lattice.
    """
    import numpy as np

    from vidscale.forms import form
    from vidscale.measurements import observations
    from vidscale.space import FACTORS_AND_DATA
    from vidscale.study import Model, holdout_plan

    obs = observations(table, weights=settings.weights)
    for name in tasks:
        if name not in obs.targets:
            raise InputError(f"unknown task {name!r}; the table has {', '.join(obs.targets)}")
    holdout_plan(obs, settings.split, settings.folds, settings.seed)
    if not choosing:
        return
    values = {f: table.rows[f].to_numpy(dtype=np.float64) for f in FACTORS_AND_DATA}
    levels = {f: np.unique(v) for f, v in values.items() if np.isfinite(v).all()}
    bare = Model(table=table.name, synthetic=table.synthetic, data_hash="", form=form("add-interact"), targets={},
                 levels=levels, encoder=table.encoder)
    check_question(bare, settings)


def encoder(costing: Costing, own: tuple[float, float] | None) -> tuple[float, float] | None:
    """(encoder_params, encoder_tokens) where asked for; what is not given is the data's own, else the paper's."""
    from vidscale.cli.words import number, outside
    from vidscale.cost import PAPER_ENCODER_PARAMS, PAPER_ENCODER_TOKENS

    if costing.encoder_params is None and costing.encoder_tokens is None:
        return None
    found = list(own or (PAPER_ENCODER_PARAMS, PAPER_ENCODER_TOKENS))
    # An encoder has parameters and tokens as a language model and a frame have them, and so the same ranges.
    asked = (("encoder_params", costing.encoder_params, "lm_params"),
             ("encoder_tokens", costing.encoder_tokens, "tokens_per_frame"))
    for place, (name, text, like) in enumerate(asked):
        if text is None:
            continue
        option = f"--{name.replace('_', '-')}"
        found[place] = number(text, option)
        wrong = outside(like, found[place])
        if wrong:
            raise InputError(f"{option}: {name} is {found[place]:g}{wrong}")
    return found[0], found[1]


def saved_fit(source: str) -> Path | None:
    """The fit file that a source names: a .json file, or the one in a study's folder; None for a table."""
    path = Path(source)
    if path.suffix.lower() == ".json":
        return path
    if path.is_dir():
        if not (path / "fit.json").is_file():
            raise InputError(f"folder {source} has no fit.json; give a folder that `vidscale study` wrote")
        return path / "fit.json"
    return None


def load_saved(source: str, reading: Reading, fitting: Fitting, tasks: Sequence[str]) -> "Model | None":
    """The model that a fit file or a study's folder holds; None where the source is a table.

    Raises:
        InputError: the file is no fit, options would have to fit it again, or a task is unknown.
    """
    saved = saved_fit(source)
    return None if saved is None else _loaded(saved, reading, fitting, tasks)


def open_model(
    source: str, saved: "Model | None", reading: Reading, fitting: Fitting, settings: "StudySettings",
    tasks: Sequence[str], tick: Any, check: Any = None, choosing: bool = True,
) -> "tuple[Model, tuple[str, ...]]":
    """The model a source holds, or the one fitted to the table it names, and notes on it.

    Args:
        source: fit file, study folder or table.
        saved: what `load_saved` gave for it.
        reading, fitting: the options for a table.
        settings: the same, as settings.
        tasks: the targets that will be asked about.
        tick: called with a line of text as work goes on.
        check: called with the table before it is fitted, to refuse early what cannot be answered.
        choosing: whether a lattice will be asked about.
    """
    if saved is not None:
        return saved, ()
    from vidscale.measurements import observations
    from vidscale.study import bootstrap_model

    table = read_table(source, reading)
    check_table(table, settings, tasks, choosing)
    if check is not None:
        check(table)
    obs = observations(table, weights=settings.weights)
    full, reason, notes = fit_chosen(table, obs, settings, tick)
    model = bootstrap_model(table, obs, full, settings, tick)
    return model, (*table.notes, f"form {full.runs.form.name}: {reason}", *notes)


def fit_chosen(
    table: "MeasurementTable", obs: "Observations", settings: "StudySettings", tick: Any
) -> "tuple[FullFits, str, tuple[str, ...]]":
    """The form asked for, or else the one that predicts held-out runs best: (its fits, why this form, notes)."""
    from vidscale.study import choose_form, fit_one, resolve_forms

    if settings.form is None:
        comparison, _, reason, full = choose_form(table, obs, settings, tick)
        return full, reason, comparison.notes
    wanted = resolve_forms([settings.form])[0]
    tick(f"{wanted.name}: full fits")
    full, notes = fit_one(table, obs, wanted, settings)
    return full, "asked for", notes


def _loaded(saved: Path, reading: Reading, fitting: Fitting, tasks: Sequence[str]) -> "Model":
    from vidscale.study.store import load_model

    for group in (reading, fitting):
        for option in fields(group):
            blank = getattr(type(group)(), option.name)
            if getattr(group, option.name) != blank and option.name != "seed":
                name = option.name.replace("mapping", "map").replace("_", "-")
                raise InputError(f"--{name} decides how a table is read or fitted; {saved} is already fitted, leave it "
                                 "out")
    model = load_model(saved)
    for name in tasks:
        model.target(name)
    return model
