"""One training run of a video VLM: build, finetune, evaluate, record; and the queue of many.

Importing this package loads no torch; the modules that need it (model, video, conversations, train, evaluate) are
imported when a run starts.
"""

from vidscale.runs.failures import CorruptFileError, FailureReason, MissingFileError, NanLossError
from vidscale.runs.recipe import Recipe, load_recipe, recipe_toml
from vidscale.runs.state import PlannedRun, RunOutcome, RunState, is_locked, plan_run, read_outcome, read_run

__all__ = [
    "CorruptFileError",
    "FailureReason",
    "MissingFileError",
    "NanLossError",
    "PlannedRun",
    "Recipe",
    "RunOutcome",
    "RunState",
    "is_locked",
    "load_recipe",
    "plan_run",
    "read_outcome",
    "read_run",
    "recipe_toml",
]
