"""Workers on this machine: a thread watches each command."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

from vidscale.runs.attempt import Result, Task, attempt


class LocalLauncher:
    """Carries out attempts as processes of this machine.

    Args:
        workers: attempts at a time.
    """

    def __init__(self, workers: int) -> None:
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="attempt")
        self._stop = threading.Event()

    def submit(self, task: Task) -> Future[Result]:
        return self._threads.submit(attempt, task, self._stop)

    def ready(self, pending: Future[Result]) -> bool:
        return pending.done()

    def result(self, pending: Future[Result]) -> Result:
        return pending.result()

    def stop(self) -> None:
        self._stop.set()

    def close(self) -> None:
        self._stop.set()
        self._threads.shutdown(wait=True)
