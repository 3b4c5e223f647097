"""What a page needs to draw itself: what was measured, what may be asked, and where from."""

from dataclasses import dataclass, replace

import numpy as np

from vidscale.cost.deployment import KINDS, TIMED, CostSettings
from vidscale.cost.hardware import gpus
from vidscale.cost.profile import profile_for
from vidscale.cost.units import unit
from vidscale.errors import InputError
from vidscale.forms import latex, text
from vidscale.frontier import lattice_cost
from vidscale.recommend import Question, tasks_of
from vidscale.recommend.answerer import Answerer
from vidscale.recommend.wording import size
from vidscale.space import DATA_SIZE, FACTORS, LADDERS, LM_PARAMS
from vidscale.study import LATTICES, PREDICTORS
from vidscale.study.frontier import default_budgets

#: What people call the costs.
LABELS = {"flops": "FLOPs, the paper's formula", "lm-only": "FLOPs without the vision encoder",
          "flops-exact": "FLOPs, whole models", "ttft": "time to the first token", "latency": "time to the last token",
          "gpu-seconds": "GPU time per video", "dollars": "dollars per million videos"}
#: The GPU that budgets are suggested for where the study names none.
USUAL_GPU = "H200"


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task that can be asked about.

    Attributes:
        name: as in the measurements.
        chance: accuracy of guessing, None where unknown.
        lead: whether it is the target that is answered for by default.
        mean: whether it is the mean over tasks, which takes no weight.
    """

    name: str
    chance: float | None
    lead: bool
    mean: bool


@dataclass(frozen=True, kw_only=True)
class Level:
    """A measured level of a factor.

    Attributes:
        value: the level.
        label: as people write it.
        name: the published language model of that size, None for other factors and sizes.
    """

    value: float
    label: str
    name: str | None


@dataclass(frozen=True, kw_only=True)
class CostKind:
    """A cost that budgets may be in.

    Attributes:
        kind: its name in questions.
        label: as people call it.
        unit: of budgets.
        shown_unit: the unit that people read.
        scale: what a budget is divided by to be shown in it.
        needs_gpu: whether a GPU has to be named.
        gpu: the GPU that the range below is of; None where none is needed.
        low: the cheapest configuration of the measured lattice; None where that is not known.
        high: the dearest.
        suggested: a budget in the middle.
    """

    kind: str
    label: str
    unit: str
    shown_unit: str
    scale: float
    needs_gpu: bool
    gpu: str | None
    low: float | None
    high: float | None
    suggested: float | None


@dataclass(frozen=True, kw_only=True)
class GpuChoice:
    """A GPU that may be named.

    Attributes:
        name: its name.
        memory_bytes: its memory.
        price_per_hour: a usual price in dollars.
        calibrated: whether times come from measurements on it, not from its data sheet.
    """

    name: str
    memory_bytes: float
    price_per_hour: float
    calibrated: bool


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where the numbers are from.

    Attributes:
        table: name of the measurements.
        data_hash: their hash.
        version: of vidscale, that answers.
        seed: of intervals, unless a question names another.
        studies_read: how many versions of the study this server has read, from 1.
    """

    table: str
    data_hash: str
    version: str
    seed: int
    studies_read: int


@dataclass(frozen=True, kw_only=True)
class StudyAnswer:
    """The study that is served.

    Attributes:
        table: name of the measurements.
        synthetic: whether they were generated.
        form: name of the error form.
        formula: the form as text.
        formula_latex: the form as LaTeX.
        tasks: what can be asked about; the lead first.
        levels: factor → its measured levels.
        missing: factors that the measurements lack; a question has to give one value of each.
        data_sizes: measured numbers of finetuning examples; empty where they do not vary.
        data_range: least and most finetuning examples that may be asked about; None where they do not vary.
        costs: what budgets may be in.
        gpus: what may be named.
        models: families that lm_params may stand for.
        lattices: what may be chosen from.
        predictors: how errors may be predicted.
        defaults: a full question.
        notes: what must be read with every answer.
        provenance: where the numbers are from.
    """

    table: str
    synthetic: bool
    form: str
    formula: str
    formula_latex: str
    tasks: tuple[Task, ...]
    levels: dict[str, tuple[Level, ...]]
    missing: tuple[str, ...]
    data_sizes: tuple[float, ...]
    data_range: tuple[float, ...] | None
    costs: tuple[CostKind, ...]
    gpus: tuple[GpuChoice, ...]
    models: tuple[str, ...]
    lattices: tuple[str, ...]
    predictors: tuple[str, ...]
    defaults: Question
    notes: tuple[str, ...]
    provenance: Provenance


def describe(answerer: Answerer, number: int) -> StudyAnswer:
    """The study for a page; it takes a moment, once a study."""
    from vidscale import __version__

    model = answerer.model
    tasks, lead = tasks_of(model), model.lead
    defaults, problem = Question(), None
    with answerer.lock:
        try:
            defaults = answerer.ask(defaults).question
        except InputError as found:
            problem = str(found)
        costs = tuple(_cost(answerer, kind) for kind in KINDS)
        levels = {name: tuple(_level(answerer, name, float(v)) for v in values)
                  for name, values in model.levels.items() if name != DATA_SIZE}
    sizes = tuple(model.data_sizes.tolist()) if model.data_varies else ()
    synthetic = f"{model.table} is synthetic: these numbers show the method, not video models"
    return StudyAnswer(
        table=model.table, synthetic=model.synthetic, form=model.form.name, formula=text(model.form),
        formula_latex=latex(model.form),
        tasks=tuple(Task(name=name, chance=target.chance, lead=name == lead, mean=name not in tasks)
                    for name, target in model.targets.items()),
        levels=levels, missing=tuple(f for f in FACTORS if f not in model.levels), data_sizes=sizes,
        data_range=(max(1.0, sizes[0] / 100), min(1e15, sizes[-1] * 100)) if sizes else None, costs=costs,
        gpus=tuple(GpuChoice(name=one.name, memory_bytes=one.memory, price_per_hour=one.price_per_hour,
                             calibrated=profile_for(one).calibrated) for one in gpus()),
        models=tuple(LADDERS), lattices=LATTICES, predictors=PREDICTORS, defaults=defaults,
        notes=(*([synthetic] if model.synthetic else []), *([problem] if problem else [])),
        provenance=Provenance(table=model.table, data_hash=model.data_hash, version=__version__, seed=defaults.seed,
                              studies_read=number))


def _level(answerer: Answerer, name: str, value: float) -> Level:
    vlm = answerer.vlm(answerer.stored or CostSettings(), value) if name == LM_PARAMS else None
    known = vlm.lm.name if vlm is not None and not vlm.lm.interpolated else None
    return Level(value=value, label=size(value), name=known)


def _cost(answerer: Answerer, kind: str) -> CostKind:
    """A cost with the range of budgets over the measured lattice, where it can be said."""
    stored = answerer.stored or CostSettings()
    timed = kind in TIMED
    on = (stored.gpu or USUAL_GPU) if timed else None
    settings = CostSettings(kind=kind) if kind in ("flops", "lm-only") else replace(
        stored, kind=kind, gpu=on if stored.profile is None else stored.gpu, limits=())
    shown = unit(KINDS[kind])
    low = high = suggested = None
    try:
        lattice = answerer.lattice(Question())
        cost = answerer.cost(settings)
        prices = lattice_cost(lattice, cost)
        prices, usual = prices[np.isfinite(prices)], default_budgets(lattice, cost)
        low, high, suggested = float(prices.min()), float(prices.max()), float(usual[len(usual) // 2])
    except InputError:  # a factor is missing, or no configuration fits
        pass
    return CostKind(kind=kind, label=LABELS[kind], unit=KINDS[kind], shown_unit=shown.shown, scale=shown.scale,
                    needs_gpu=timed, gpu=on, low=low, high=high, suggested=suggested)
