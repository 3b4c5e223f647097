"""Workers as Slurm jobs, by way of submitit: one job a run. The nodes see the sweep's folder under the same path."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vidscale.errors import InputError
from vidscale.runs.attempt import Result, Task, attempt

#: Where submitit keeps its own files, below the sweep's folder.
FOLDER = "jobs"

#: A run may take as long as the partition lets it, unless told otherwise: a day, in minutes.
TIMEOUT_MIN = 24 * 60


class SubmititLauncher:
    """Carries out attempts as Slurm jobs, or as processes here with cluster=local.

    Args:
        out: the sweep's folder.
        options: "cluster" (slurm, local), and whatever submitit's `update_parameters` takes: timeout_min,
            gpus_per_node, cpus_per_task, mem_gb, slurm_partition, slurm_account, ...

    Raises:
        InputError: submitit is not installed, there is no Slurm, or an option is unknown.
    """

    def __init__(self, out: Path, options: Mapping[str, str] | None = None) -> None:
        try:
            import submitit  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise InputError("--executor slurm needs submitit; install vidscale[cluster]") from None
        given: dict[str, Any] = {name: _plain(value) for name, value in (options or {}).items()}
        try:
            self._executor = submitit.AutoExecutor(folder=out / FOLDER, cluster=given.pop("cluster", "slurm"))
            self._executor.update_parameters(**{"name": "vidscale", "timeout_min": TIMEOUT_MIN, **given})
        except (NameError, ValueError, RuntimeError) as problem:
            raise InputError(f"submitit refuses: {problem}") from None
        self._pending: list[Any] = []

    def submit(self, task: Task) -> Any:
        pending = self._executor.submit(attempt, task)
        self._pending.append(pending)
        return pending

    def ready(self, pending: Any) -> bool:
        return pending.done()

    def result(self, pending: Any) -> Result:
        self._pending.remove(pending)
        return pending.result()

    def stop(self) -> None:
        for pending in self._pending:
            pending.cancel()

    def close(self) -> None:
        """Nothing: jobs are the cluster's, and end by themselves."""


def _plain(value: str) -> Any:
    """A whole number or a number where the text is one."""
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value
