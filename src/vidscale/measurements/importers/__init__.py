"""Results that other tools wrote, as a table of measurements: lmms-eval, Weights & Biases, MLflow."""

from pathlib import Path

from vidscale.measurements.importers.gather import Imported, write_rows
from vidscale.measurements.importers.lmms_eval import TASK_METRICS, import_lmms_eval
from vidscale.measurements.importers.mapping import (
    LMMS_EVAL,
    MLFLOW,
    SOURCES,
    WANDB,
    ImportMapping,
    TaskMetric,
    mapping_text,
    merged,
    read_mapping,
)
from vidscale.measurements.importers.mlflow import import_mlflow
from vidscale.measurements.importers.wandb import import_wandb

_IMPORTERS = {LMMS_EVAL: import_lmms_eval, WANDB: import_wandb, MLFLOW: import_mlflow}


def import_results(source: Path, mapping: ImportMapping) -> Imported:
    """Results of another tool as measurements.

    Args:
        source: the file or folder that the tool named in the mapping wrote.
        mapping: what its names and values mean.

    Returns:
        The table, the mapping with everything that was used, and what was left out.

    Raises:
        InputError: the source cannot be read, or does not fit what was declared; the message names file and key.
    """
    return _IMPORTERS[mapping.source](source, mapping)


__all__ = ["SOURCES", "TASK_METRICS", "ImportMapping", "Imported", "TaskMetric", "import_lmms_eval", "import_mlflow",
           "import_results", "import_wandb", "mapping_text", "merged", "read_mapping", "write_rows"]
