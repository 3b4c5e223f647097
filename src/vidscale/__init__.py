"""vidscale: inference compute-optimal video vision-language models.

The library has the verbs of the command line::

    table = vidscale.read_measurements("runs.csv")          # checked measurements
    study = vidscale.run_study(table)                       # vidscale study
    study.frontier.points                                   # vidscale frontier
    study.elasticities                                      # vidscale elasticity
    study.comparison.scores                                 # vidscale compare
    study.model.predict("average", [[7.5e9, 32, 196, 1e6]]) # vidscale predict
    recommend(study.model, vidscale.Question(budget=15e12)) # vidscale recommend; from vidscale.recommend
    vidscale.cost_of(vidscale.CostSettings(kind="latency", gpu="h200"))   # the cost of --cost latency --gpu h200

Names are loaded when first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from vidscale.cost import (
        CostModel,
        CostSettings,
        ExactCost,
        LmOnlyCost,
        PaperCost,
        cost_of,
        exact_flops,
        load_profile,
        request_time,
    )
    from vidscale.errors import InputError
    from vidscale.fit import Fit, FitSettings, profile, reference_fit
    from vidscale.forms import CATALOGUE, Laws, Posynomial, Term, load_form
    from vidscale.measurements import MeasurementTable, observations, read_measurements
    from vidscale.recommend import Answerer, Question, Recommendation
    from vidscale.report import write_study
    from vidscale.space import (
        Lattice,
        ScalingFactors,
        dense_lattice,
        deployable_lattice,
        published_lattice,
        read_config,
        video_vlm,
    )
    from vidscale.study import Model, Study, StudySettings, elasticity_reports, frontier_report, run_study
    from vidscale.study.store import load_model, save_model
    from vidscale.validate import compare, plan_holdout

_HOMES = {
    "cost": ("CostModel", "CostSettings", "ExactCost", "LmOnlyCost", "PaperCost", "cost_of", "exact_flops",
             "load_profile", "request_time"),
    "errors": ("InputError",),
    "fit": ("Fit", "FitSettings", "profile", "reference_fit"),
    "forms": ("CATALOGUE", "Laws", "Posynomial", "Term", "load_form"),
    "measurements": ("MeasurementTable", "observations", "read_measurements"),
    "recommend": ("Answerer", "Question", "Recommendation"),
    "report": ("write_study",),
    "space": ("Lattice", "ScalingFactors", "dense_lattice", "deployable_lattice", "published_lattice", "read_config",
              "video_vlm"),
    "study": ("Model", "Study", "StudySettings", "elasticity_reports", "frontier_report", "run_study"),
    "study.store": ("load_model", "save_model"),
    "validate": ("compare", "plan_holdout"),
}
_OWNER = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "CATALOGUE",
    "Answerer",
    "CostModel",
    "CostSettings",
    "ExactCost",
    "Fit",
    "FitSettings",
    "InputError",
    "Lattice",
    "Laws",
    "LmOnlyCost",
    "MeasurementTable",
    "Model",
    "PaperCost",
    "Posynomial",
    "Question",
    "Recommendation",
    "ScalingFactors",
    "Study",
    "StudySettings",
    "Term",
    "compare",
    "cost_of",
    "dense_lattice",
    "deployable_lattice",
    "elasticity_reports",
    "exact_flops",
    "frontier_report",
    "load_form",
    "load_model",
    "load_profile",
    "observations",
    "plan_holdout",
    "profile",
    "published_lattice",
    "read_config",
    "read_measurements",
    "reference_fit",
    "request_time",
    "run_study",
    "save_model",
    "video_vlm",
    "write_study",
]


def __getattr__(name: str) -> Any:
    if name in _OWNER:
        return getattr(import_module(f"vidscale.{_OWNER[name]}"), name)
    raise AttributeError(f"module 'vidscale' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
