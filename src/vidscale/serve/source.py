"""The study that is served, and the new one when its file changes.

A deployment whose data grow writes its study again into the same folder; whoever polls then gets answers from the new
fit without a restart. A file that cannot be read keeps the old study in place and is reported by /health.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from vidscale.cost.deployment import CostSettings
from vidscale.errors import InputError
from vidscale.recommend import Answerer
from vidscale.study import Model
from vidscale.study.store import load_model

#: The file is looked at no more often than this.
SECONDS = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Served:
    """One study in service.

    Attributes:
        answerer: answers questions about it.
        number: counts the studies that were read, from 1.
        problem: why a newer file could not be read, None where there is none.
    """

    answerer: Answerer
    number: int
    problem: str | None = None

    @property
    def model(self) -> Model:
        """Its laws."""
        return self.answerer.model


class StudySource:
    """Where the study comes from.

    Args:
        model: the study at the start.
        path: its fit file, to be read again when it changes; None for a model that has no file.
        cost: the cost that questions are laid over; None takes the study's own.
        encoder: of the paper's formula; None takes the data's own, else the paper's.
        clock: seconds that never go back.
    """

    def __init__(self, model: Model, *, path: Path | None = None, cost: CostSettings | None = None,
                 encoder: tuple[float, float] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.path, self.cost, self.encoder, self.clock = path, cost, encoder, clock
        self._lock = Lock()
        self._served = Served(answerer=self._answerer(model), number=1)
        self._seen = self._stamp()
        self._looked = clock()

    @classmethod
    def open(cls, path: Path, **more) -> "StudySource":
        """The study of a fit file.

        Raises:
            InputError: as for `load_model`.
        """
        return cls(load_model(path), path=path, **more)

    def due(self) -> bool:
        """Whether it is time to look at the file again."""
        return self.path is not None and self.clock() - self._looked >= SECONDS

    @property
    def served(self) -> Served:
        """The study in service, as it was when the file was last looked at."""
        return self._served

    def current(self) -> Served:
        """The study in service, after a look at the file if one is due. Reading a new file takes a moment."""
        if self.due() and self._lock.acquire(blocking=False):
            try:
                self._looked = self.clock()
                self._look()
            finally:
                self._lock.release()
        return self._served

    def _look(self) -> None:
        assert self.path is not None
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        old = self._served
        try:
            model = load_model(self.path)
        except InputError as problem:
            self._served = Served(answerer=old.answerer, number=old.number, problem=str(problem))
            return
        self._served = Served(answerer=self._answerer(model), number=old.number + 1)

    def _answerer(self, model: Model) -> Answerer:
        return Answerer(model, cost=self.cost, encoder=self.encoder)

    def _stamp(self) -> tuple[int, int, int] | None:
        """What changes when the file is written again; None where it is not there."""
        if self.path is None:
            return None
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
