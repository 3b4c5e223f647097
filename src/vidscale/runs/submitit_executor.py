"""Workers as Slurm jobs, by way of submitit: one job a run. The nodes see the sweep's folder under the same path."""

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vidscale.errors import InputError
from vidscale.runs.attempt import Result, Task, attempt_unless_interrupted

#: Where submitit keeps its own files, below the sweep's folder.
FOLDER = "jobs"

#: A run may take as long as the partition lets it, unless told otherwise: a day, in minutes.
TIMEOUT_MIN = 24 * 60

#: Seconds between looks at Slurm's queue.
LOOK_S = 10.0


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
        self._watch = _Watch() if self._executor.cluster == "slurm" else None

    def submit(self, task: Task) -> Any:
        pending = self._executor.submit(attempt_unless_interrupted, task)
        self._pending.append(pending)
        if self._watch is not None:
            self._watch.submitted()
        return pending

    def ready(self, pending: Any) -> bool:
        if pending.paths.result_pickle.exists():
            return True
        return pending.done() if self._watch is None else self._watch.gone(pending.job_id)

    def result(self, pending: Any) -> Result:
        self._pending.remove(pending)
        if self._watch is not None and not pending.paths.result_pickle.exists():
            raise RuntimeError(f"Slurm ended job {pending.job_id} early; its log is {pending.paths.stderr}")
        return pending.result()

    def stop(self) -> None:
        for pending in self._pending:
            pending.cancel()

    def close(self) -> None:
        """Nothing: jobs are the cluster's, and end by themselves."""


class _Watch:
    """Which jobs Slurm no longer knows as waiting or running.

    submitit asks Slurm's accounting, which small clusters do not keep, and without it would wait for a cancelled job
    for ever. A job counts as gone once two looks in a row miss it, so that its result has time to appear.
    """

    def __init__(self) -> None:
        self._looked = 0.0
        self._seen: list[set[str]] = []

    def gone(self, job: str) -> bool:
        if time.monotonic() - self._looked > LOOK_S:
            self._looked = time.monotonic()
            said = subprocess.run(["squeue", "--noheader", "--format=%A"], capture_output=True, text=True, check=False)
            if said.returncode == 0:
                self._seen = [*self._seen[-1:], set(said.stdout.split())]
        return len(self._seen) == 2 and not any(job in seen for seen in self._seen)

    def submitted(self) -> None:
        """Forget what was seen before a job was there to be seen."""
        self._seen = []


def _plain(value: str) -> Any:
    """A whole number or a number where the text is one."""
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value
