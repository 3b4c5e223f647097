"""The other verbs of the library over HTTP: predict, frontier, elasticity, cost. Answers are those of --json.

What a question may make the machine do is bounded here, whatever it looks like: configurations times data sizes times
targets times draws, intervals times draws, and the sizes of lists.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from vidscale.cost import PAPER_ENCODER_PARAMS, PAPER_ENCODER_TOKENS, PaperCost
from vidscale.cost.constraints import excluded, exclusions, limit_sentence
from vidscale.cost.deployment import DEFAULT_MODEL, CostSettings, cost_notes, gpu_of, models_of, profile_of
from vidscale.cost.quote import Request, quote
from vidscale.errors import InputError
from vidscale.frontier import check_budgets
from vidscale.recommend import Answerer, Question, Recommendation, Staircase, recommend, staircase
from vidscale.recommend.question import cost_settings_of
from vidscale.report import plain
from vidscale.report.cost_listing import SCHEMA, formula_row, quote_dict
from vidscale.report.predictions import predictions
from vidscale.serve.bodies import Amounts, CostFields, Count, Factors, Lattices, Name, Positive, Strict, check_names
from vidscale.serve.documents import document
from vidscale.space import FACTORS, ScalingFactors
from vidscale.study import (
    CurrentReport,
    ElasticityReport,
    FrontierPoint,
    Model,
    current_report,
    default_budgets,
    elasticity_reports,
    frontier_data_sizes,
    frontier_report,
    no_continuous,
)

#: Laws evaluated for one answer; a few hundred milliseconds on one core.
MOST_WORK = 5e7
#: Predictions times draws that intervals are made from for one answer: seconds, since noise is drawn for each of them.
MOST_INTERVALS = 1e6
#: Configurations that an elasticity is asked of: it walks 300 budgets and 100 data sizes besides.
MOST_ELASTIC = 10_000

DataSize = Annotated[float, Field(ge=1, le=1e15, allow_inf_nan=False)]
Level = Annotated[float, Field(gt=0, lt=1, description="Probability of the intervals.")]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1, description="Seed of a new measurement's noise.")]
Tasks = Annotated[list[Name], Field(max_length=64, description="Which targets; empty for all.")]
Questions = Annotated[float | None, Field(ge=1, le=1e15, allow_inf_nan=False,
                                          description="Questions of a new measurement; null as in the data.")]
Fixed = Annotated[dict[Name, Positive], Field(max_length=3, description="Factor → the one value it may have.")]
Predictor = Annotated[str, Field(pattern="^(point|bagged)$", description="point or bagged.")]


class Point(Strict):
    """A configuration; what the errors do not depend on may be left out."""

    lm_params: Annotated[float | None, Field(ge=1e3, le=1e14, allow_inf_nan=False)] = None
    frames: Annotated[float | None, Field(ge=1, le=1e9, allow_inf_nan=False)] = None
    tokens_per_frame: Annotated[float | None, Field(ge=1, le=1e9, allow_inf_nan=False)] = None
    data_size: Annotated[DataSize | None, Field(description="Finetuning examples.")] = None


class Limited(CostFields):
    """A cost with limits."""

    memory_limit_bytes: Annotated[Positive | None, Field(description="Most GPU memory of a batch of requests.")] = None
    limits: Amounts = Field(default_factory=dict, description="Other kind of cost → the most of it.")

    def settings(self, stored: CostSettings | None) -> CostSettings:
        """The cost, laid over the one that the study was made for."""
        check_names(self, stored)
        given = {name: getattr(self, name) for name in Limited.model_fields}
        return cost_settings_of(Question(**given), stored)


class PredictBody(Limited):
    """Configurations whose errors are wanted."""

    points: Annotated[list[Point], Field(min_length=1, max_length=1000, description="The configurations.")]
    tasks: Tasks = Field(default_factory=list)
    predictor: Predictor = "point"
    level: Level = 0.9
    n_eval: Questions = None
    seed: Seed = 0


class FrontierBody(Limited):
    """Budgets whose best configurations are wanted."""

    budgets: Annotated[list[Positive], Field(max_length=100, description="In the unit of the cost; empty for six over "
                                                                         "the lattice.")] = Field(default_factory=list)
    data_sizes: list[DataSize] = Field(default_factory=list, max_length=20,
                                       description="Finetuning examples; empty for the measured ones.")
    tasks: Tasks = Field(default_factory=list)
    lattice: Annotated[Lattices, Field(description="What may be chosen.")] = "measured"
    fixed: Fixed = Field(default_factory=dict)
    current: Annotated[Factors | None, Field(description="The configuration in use now.")] = None
    tolerance: Annotated[float, Field(ge=0, lt=1, description="Relative excess over the best error that counts as a "
                                                              "near-tie.")] = 0.01
    predictor: Predictor = "point"
    level: Level = 0.9
    n_eval: Questions = None
    seed: Seed = 0


class ElasticityBody(Limited):
    """How the optimum moves with data is wanted."""

    task: Annotated[Name | None, Field(description="The target; null for the lead.")] = None
    lattice: Annotated[Lattices, Field(description="What may be chosen, at most 10,000 configurations.")] = "measured"
    fixed: Fixed = Field(default_factory=dict)
    level: Level = 0.9


class CostBody(Strict):
    """Configurations whose costs are wanted, by formula or, with a model, a GPU or a request, in full."""

    configurations: Annotated[list[Factors], Field(min_length=1, max_length=100, description="The configurations.")]
    model: Annotated[Name | None, Field(description="What lm_params stands for.")] = None
    gpu: Annotated[Name | None, Field(description="The GPU.")] = None
    price: Annotated[Positive | None, Field(description="Dollars per GPU-hour.")] = None
    batch: Annotated[Count | None, Field(ge=1, description="Requests served together.")] = None
    text_tokens: Annotated[Count | None, Field(ge=0, description="Prompt tokens beside the visual ones.")] = None
    output_tokens: Annotated[Count | None, Field(ge=1, description="Tokens of the answer.")] = None
    encoder_params: Annotated[float, Field(ge=1e3, le=1e14, description="For the formula: parameters of the vision "
                                                                        "encoder.")] = PAPER_ENCODER_PARAMS
    encoder_tokens: Annotated[float, Field(ge=1, le=1e9, description="For the formula: tokens the encoder sees per "
                                                                     "frame.")] = PAPER_ENCODER_TOKENS


# --- answers ----------------------------------------------------------------------------------------------


class Open(BaseModel):
    """An answer that may say more than is listed."""

    model_config = ConfigDict(extra="allow")


class ModelSummary(Open):
    """What the laws were fitted to."""

    table: str
    synthetic: bool
    data_hash: str
    form: str
    targets: list[str]


class PredictedPoint(Open):
    """A configuration's predicted error for one target."""

    target: str
    error: float
    mean_low: float
    mean_high: float
    new_low: float
    new_high: float
    level: float
    n_eval: float | None
    outside: list[str]
    cost: float | None
    limits_broken: list[str]


class PredictAnswer(Open):
    """As `vidscale predict --json`."""

    model: ModelSummary
    predictor: str
    level: float
    cost: str
    unit: str
    predictions: list[PredictedPoint]
    notes: list[str]


class FrontierPart(Open):
    """The frontier: points by target, data size and budget; naive policies at the same budgets."""

    lattice: dict[str, Any]
    cost: str
    unit: str
    predictor: str
    level: float
    near_tie_tolerance: float
    points: list[document(FrontierPoint)]  # pyright: ignore[reportInvalidTypeForm]
    policies: list[dict[str, Any]]
    notes: list[str]


class FrontierAnswer(Open):
    """As `vidscale frontier --json`."""

    model: ModelSummary
    frontier: FrontierPart
    current: list[document(CurrentReport)]  # pyright: ignore[reportInvalidTypeForm]
    notes: list[str]


class ElasticityPart(Open):
    """Elasticities by estimator."""

    reason: str | None
    reports: list[document(ElasticityReport)]  # pyright: ignore[reportInvalidTypeForm]


class ElasticityAnswer(Open):
    """As `vidscale elasticity --json`."""

    model: ModelSummary
    elasticity: ElasticityPart
    notes: list[str]


class CostAnswer(Open):
    """As `vidscale cost --json`: `configurations` by formula, or `quotes` in full."""

    encoder_params: float
    encoder_tokens: float
    configurations: list[dict[str, Any]] | None = None
    quotes: list[dict[str, Any]] | None = None
    notes: list[str] | None = None


# --- work -------------------------------------------------------------------------------------------------


def recommended(answerer: Answerer, question: Question) -> Recommendation:
    """As `vidscale recommend --json`."""
    with answerer.lock:
        asked = answerer.ask(question)
        check_work(len(asked.lattice) * len(asked.model.target(asked.target).noise_laws))
        return recommend(answerer, question)


def stairs(answerer: Answerer, question: Question) -> Staircase:
    """Every budget at which the choice changes."""
    with answerer.lock:
        asked = answerer.ask(question)
        check_work(len(asked.lattice) * len(asked.model.target(asked.target).run_laws))
        return staircase(answerer, question)


def predict(answerer: Answerer, body: PredictBody) -> dict[str, Any]:
    """As `vidscale predict --json`."""
    model = answerer.model
    points = [point.model_dump(exclude_none=True) for point in body.points]
    with answerer.lock:
        check_work(len(points) * _draws(model, body.tasks or list(model.targets)), MOST_INTERVALS)
        cost = answerer.cost(body.settings(answerer.stored))
        found, notes = predictions(model, points, cost, targets=body.tasks or None, predictor=body.predictor,
                                   level=body.level, n_eval=body.n_eval, seed=body.seed)
    return {"model": plain.model_dict(model), "predictor": body.predictor, "level": body.level, "cost": cost.name,
            "unit": cost.unit, "predictions": found, "notes": list(notes)}


def frontier(answerer: Answerer, body: FrontierBody) -> dict[str, Any]:
    """As `vidscale frontier --json`."""
    model, settings = answerer.model, body.settings(answerer.stored)
    with answerer.lock:
        lattice, cost = answerer.held_lattice(body.lattice, body.fixed), answerer.cost(settings)
        sizes = frontier_data_sizes(model, body.data_sizes)
        targets = body.tasks or list(model.targets)
        draws = (sizes.size if model.data_varies else 1) * _draws(model, targets)
        check_work(len(lattice) * draws)
        asked = np.array(body.budgets)
        budgets = check_budgets(asked, lattice, cost) if asked.size else default_budgets(lattice, cost)
        check_work(len(budgets) * draws, MOST_INTERVALS)
        now = None if body.current is None else ScalingFactors.of(getattr(body.current, f) for f in FACTORS)
        report = frontier_report(model, lattice, cost, budgets, sizes, targets=targets, predictor=body.predictor,
                                 level=body.level, tolerance=body.tolerance, n_eval=body.n_eval, current=now,
                                 planner=answerer.planner(), seed=body.seed)
        current = () if now is None else current_report(model, lattice, cost, now, sizes, targets=targets,
                                                        predictor=body.predictor)
    return {"model": plain.model_dict(model), "frontier": plain.frontier_dict(report),
            "current": plain.current_dict(current), "notes": list(report.notes)}


def elasticity(answerer: Answerer, body: ElasticityBody) -> dict[str, Any]:
    """As `vidscale elasticity --json` for one task."""
    model, settings = answerer.model, body.settings(answerer.stored)
    with answerer.lock:
        lattice, cost = answerer.held_lattice(body.lattice, body.fixed), answerer.cost(settings)
        if len(lattice) > MOST_ELASTIC:
            raise InputError(f"an elasticity over {len(lattice)} configurations is not served; ask for one over at "
                             f"most {MOST_ELASTIC}, or run vidscale elasticity")
        target = body.task or model.lead
        check_work(len(lattice) * len(model.target(target).noise_laws))
        found = elasticity_reports(model, lattice, cost, targets=[target], level=body.level)
        limits = limit_sentence(exclusions(cost, lattice.points), excluded(cost, lattice.points))
        only = no_continuous(cost)
        notes = [*(cost_notes(cost, lattice.points) if only else ()), *([only] if only else []),
                 *([f"limits, of {len(lattice)} configurations: {limits}"] if limits else [])]
    return {"model": plain.model_dict(model), "elasticity": plain.elasticity_dict(found), "notes": notes}


def cost(answerer: Answerer, body: CostBody) -> dict[str, Any]:
    """As `vidscale cost --json`."""
    check_names(CostFields(gpu=body.gpu, model=body.model), None)
    formula = PaperCost(encoder_params=body.encoder_params, encoder_tokens=body.encoder_tokens)
    points = [ScalingFactors.of(getattr(each, f) for f in FACTORS) for each in body.configurations]
    head = {"encoder_params": formula.encoder_params, "encoder_tokens": formula.encoder_tokens}
    given = {name: getattr(body, name) for name in ("batch", "text_tokens", "output_tokens")
             if getattr(body, name) is not None}
    if not given and body.model is None and body.gpu is None and body.price is None:
        return {"cost": formula.name, "unit": formula.unit, **head,
                "configurations": [formula_row(formula, x) for x in points]}
    return {"schema": SCHEMA, **head, **_quotes(body, points, given, formula)}


def _quotes(body: CostBody, points: Sequence[ScalingFactors], given: dict[str, Any], formula: PaperCost
            ) -> dict[str, Any]:
    models = models_of(body.model or DEFAULT_MODEL)
    profile = None if body.gpu is None else profile_of(None, gpu_of(body.gpu))
    quotes = [quote(models.vlm(x.lm_params), Request(**x.as_dict(), **given), profile=profile,
                    price_per_hour=body.price, formula=formula) for x in points]
    odd = models.notes([q.lm_params for q in quotes]) if len(models.vlms) > 1 else ""
    return {"quotes": [quote_dict(each) for each in quotes], "notes": [odd] if odd else []}


def _draws(model: Model, targets: Sequence[str]) -> int:
    """Noise draws of some targets together."""
    return sum(len(model.target(name).noise_laws) for name in targets)


def check_work(count: float, most: float = MOST_WORK) -> None:
    """Raise InputError for a question that would keep the server busy for long."""
    if count > most:
        what = "evaluations of laws" if most == MOST_WORK else "draws behind intervals"
        raise InputError(f"that takes {count:.2g} {what}, at most {most:.2g} are done for one answer; ask for fewer "
                         "budgets, data sizes, tasks or configurations, or run the command line")


