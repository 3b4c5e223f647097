"""Workers on a Ray cluster. Every node needs vidscale and sees the sweep's folder under the same path."""

from collections.abc import Mapping
from typing import Any

from vidscale.errors import InputError
from vidscale.runs.attempt import Result, Task, attempt_unless_interrupted

#: Options of a task that a sweep may set, and what they are read as.
OPTIONS: Mapping[str, type] = {"address": str, "num_cpus": float, "num_gpus": float, "memory": float}


class RayLauncher:
    """Carries out attempts as Ray tasks.

    Ray retries nothing by itself: whether an attempt whose worker died is made again, the queue decides.

    Args:
        options: "address" of a cluster ("auto" for the one this machine belongs to; without it Ray starts one here),
            and what each run needs of it: num_cpus (1), num_gpus (0), memory in bytes.

    Raises:
        InputError: Ray is not installed, does not answer, or an option is unknown.
    """

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        try:
            import ray  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise InputError("--executor ray needs Ray; install vidscale[cluster]") from None
        given = read_options(dict(options or {}), OPTIONS, "ray")
        address = given.pop("address", None)
        self._ray, self._began = ray, not ray.is_initialized()
        if self._began:
            try:
                ray.init(address=address, log_to_driver=False, logging_level="error")
            except ConnectionError as problem:
                raise InputError(f"Ray does not answer at {address}: {problem}") from None
        self._attempt: Any = ray.remote(max_retries=0, scheduling_strategy="SPREAD", **given)(
            attempt_unless_interrupted)
        self._pending: list[Any] = []

    def submit(self, task: Task) -> Any:
        pending = self._attempt.remote(task)
        self._pending.append(pending)
        return pending

    def ready(self, pending: Any) -> bool:
        return bool(self._ray.wait([pending], timeout=0)[0])

    def result(self, pending: Any) -> Result:
        self._pending.remove(pending)
        return self._ray.get(pending)

    def stop(self) -> None:
        for pending in self._pending:
            self._ray.cancel(pending)

    def close(self) -> None:
        if self._began:
            self._ray.shutdown()


def read_options(given: Mapping[str, str], known: Mapping[str, type], launcher: str) -> dict[str, Any]:
    """Options of a launcher, from text to what it takes.

    Raises:
        InputError: an unknown name, or a value of the wrong kind.
    """
    found = {}
    for name, value in given.items():
        if name not in known:
            raise InputError(f"--option {name} is unknown to the {launcher} executor; known are {', '.join(known)}")
        try:
            found[name] = known[name](value)
        except ValueError:
            raise InputError(f"--option {name}={value}: give a {known[name].__name__}") from None
    return found
