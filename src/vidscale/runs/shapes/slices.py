"""A slice of the study: as many whole runs as fit into a time limit, several at once on each device of a machine.

Worker processes take one order at a time. Long orders go first, so that the end is not one long run alone; a base goes
before the runs that start from it; a worker keeps to one language model while it can, since what it compiled serves
that one. Whether an order still fits is judged by `Timing`, corrected by what this slice's orders took. The archive is
written anew every few seconds, so being cut off costs little more than the runs in flight.
"""

import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from vidscale.errors import InputError
from vidscale.runs.shapes.archive import BASE, TOWER, WEIGHT_BYTES, Results, read_archives, write_archive
from vidscale.runs.shapes.config import Study
from vidscale.runs.shapes.plan import Timing, study_runs
from vidscale.runs.shapes.work import Order, serve

#: Kept free at the end for writing and for handing back.
RESERVE_S = 12.0
#: A run lost with its worker this often is not tried again in this slice.
_MOST_DEATHS = 2
#: Seconds between two writings of the archive, which holds megabytes of weights.
_WRITE_EVERY_S = 15.0


@dataclass(frozen=True, kw_only=True)
class SliceSettings:
    """What to do and how.

    Attributes:
        sizes: language models whose runs are wanted; empty for all.
        match: keep only runs whose id contains this.
        time_limit_s: of the whole slice.
        workers: runs at once.
        device: such as "cuda" or "cpu".
        gpus: devices of the machine; the workers are spread over them.
        weight_bytes: most bytes of weights in the archive.
        mode: how finetuning steps run, see `train.MODES`.
        most_runs: at most so many runs; None for no limit.
        timing: expected durations of orders that have the device to themselves.
    """

    sizes: tuple[str, ...] = ()
    match: str = ""
    time_limit_s: float = 540.0
    workers: int = 4
    device: str = "cuda"
    gpus: int = 1
    weight_bytes: int = WEIGHT_BYTES
    mode: str = "eager"
    most_runs: int | None = None
    timing: Timing = field(default_factory=Timing)


@dataclass(kw_only=True, eq=False)
class _Worker:
    process: BaseProcess
    connection: Connection
    gpu: int
    lm: str = ""
    order: Order | None = None
    since: float = 0.0


@dataclass(kw_only=True)
class _Pace:
    """How much longer orders take than expected, mostly because they share the device."""

    guess: float
    taken: float = 0.0
    expected: float = 0.0

    def learn(self, taken: float, expected: float) -> None:
        self.taken, self.expected = self.taken + taken, self.expected + expected

    @property
    def factor(self) -> float:
        # The guess counts like half a minute of orders, so that one odd order decides nothing.
        return (30.0 * self.guess + self.taken) / (30.0 + self.expected)


def run_slice(study: Study, settings: SliceSettings, out: Path, resume: Iterable[Path] = (),
              say: Callable[[str], None] = print) -> Results:
    """Make runs until the plan is done or the time is up.

    Args:
        study: the recipe.
        settings: what to do and how.
        out: the archive to write.
        resume: archives of earlier slices; their rows go into the new one.
        say: takes lines of progress.

    Raises:
        InputError: an archive does not fit, or a setting names no run.
    """
    began = time.monotonic()
    results = read_archives(resume, study)
    wanted = _wanted(study, settings, results)
    folder = Path(tempfile.mkdtemp(prefix="shapes-"))
    try:
        _put_weights(folder, results)
        slice_ = _Slice(study, settings, out, results, wanted, folder, began, say)
        slice_.run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return results


def _wanted(study: Study, settings: SliceSettings, results: Results) -> list[Order]:
    names = settings.sizes or tuple(lm.name for lm in study.ladder)
    params = {study.lm(name).params for name in names}
    runs = [run for run in study_runs(study) if run.factors.lm_params in params and settings.match in run.run_id]
    if not runs:
        raise InputError(f"no planned run is of size {', '.join(names)} and matches {settings.match!r}")
    left = [run for run in runs if run.run_id not in results.done]
    left.sort(key=lambda run: -settings.timing.run(study, run))
    return [Order(kind="run", name=run.run_id, run=run) for run in left][: settings.most_runs]


def _put_weights(folder: Path, results: Results) -> None:
    if results.tower:
        torch.save(results.tower, folder / TOWER)
    for name, base in results.bases.items():
        torch.save(base, folder / BASE.format(name))


class _Slice:
    """The scheduler of one slice."""

    def __init__(self, study: Study, settings: SliceSettings, out: Path, results: Results, wanted: list[Order],
                 folder: Path, began: float, say: Callable[[str], None]) -> None:
        self.study, self.settings, self.out, self.results = study, settings, out, results
        self.folder, self.began, self.say = folder, began, say
        self.left = wanted
        names = {study.lm_of(order.run.factors.lm_params).name for order in wanted if order.run}
        missing = [lm for lm in study.ladder if lm.name in names and lm.name not in results.bases]
        self.bases = [Order(kind="base", name=lm.name) for lm in reversed(missing)]
        self.workers: list[_Worker] = []
        self.pace = _Pace(guess=max(1.0, settings.workers / settings.gpus / 2.5))
        self.written = 0.0
        self.deaths: dict[str, int] = {}
        self.made = 0

    def run(self) -> None:
        """Everything that fits."""
        total, settings = len(self.left), self.settings
        self.say(f"{self.study.name} {self.study.digest}: {total} runs wanted, {len(self.results.done)} done before, "
                 f"{settings.workers} at once on {settings.gpus} {settings.device}, mode {settings.mode}")
        try:
            if self.left and self.results.tower is None:
                self._start_workers(1)
                self._give(self.workers[0], Order(kind="tower", name="tower"))
                self._collect()
            if self.left and self.results.tower is not None:
                self._start_workers(self.settings.workers)
                self._work()
        finally:
            self._stop()
            self.results.log.append({"kind": "slice", "name": self.study.name, "state": "done", "gpus": settings.gpus,
                                     "workers": settings.workers, "runs": self.made,
                                     "wall_time_s": round(self._elapsed(), 1)})
            self._write()
        self.say(f"{self.made} of {total} runs made in {self._elapsed():.0f} s; {len(self.left)} left, pace "
                 f"{self.pace.factor:.2f}")

    def _work(self) -> None:
        while True:
            for worker in self.workers:
                if worker.order is None and (order := self._next(worker)) is not None:
                    self._give(worker, order)
            if all(worker.order is None for worker in self.workers):
                return
            if not self._collect():
                self.say("time is up: " + ", ".join(w.order.name for w in self.workers if w.order) + " cut off")
                return

    def _next(self, worker: _Worker) -> Order | None:
        """The longest order that is ready and fits, of the worker's own language model if there is one."""
        for orders in (self.bases, self.left):
            ready = [order for order in orders if self._ready(order) and self._fits(order)]
            if ready:
                order = next((order for order in ready if self._lm(order) == worker.lm), ready[0])
                orders.remove(order)
                return order
        return None

    def _lm(self, order: Order) -> str:
        """The language model that an order trains; none for the tower."""
        if order.run is not None:
            return self.study.lm_of(order.run.factors.lm_params).name
        return order.name if order.kind == "base" else ""

    def _ready(self, order: Order) -> bool:
        return order.run is None or self._lm(order) in self.results.bases

    def _fits(self, order: Order) -> bool:
        return self._elapsed() + self.pace.factor * self._expected(order) < self.settings.time_limit_s - RESERVE_S

    def _expected(self, order: Order) -> float:
        timing = self.settings.timing
        if order.run is not None:
            return timing.run(self.study, order.run)
        return timing.base(self.study, self.study.lm(order.name)) if order.kind == "base" else timing.tower(self.study)

    def _collect(self) -> bool:
        """Wait for results and record them; False once the time is up."""
        busy = {worker.connection: worker for worker in self.workers if worker.order}
        remaining = self.settings.time_limit_s - RESERVE_S / 2 - self._elapsed()
        ready = wait(list(busy), timeout=max(0.0, remaining))
        for connection in ready:
            worker = busy[connection]  # type: ignore[index]
            order, taken = worker.order, time.monotonic() - worker.since
            assert order is not None
            try:
                result = worker.connection.recv()
                worker.order = None
            except (EOFError, OSError):
                result = self._bury(worker, order)
            self._record(order, result, taken)
        if ready and self._elapsed() - self.written > _WRITE_EVERY_S:
            self._write()
        return bool(ready)

    def _write(self) -> None:
        write_archive(self.out, self.study, self.results, weight_bytes=self.settings.weight_bytes)
        self.written = self._elapsed()

    def _record(self, order: Order, result: dict[str, Any], taken: float) -> None:
        rows = result.pop("rows", [])
        self.results.rows += rows
        self.results.log.append({**result, "slice_s": round(self._elapsed(), 1)})
        if result["state"] != "done":
            self.say(f"{self._elapsed():6.0f} s  {order.name} failed: {result['message']}")
            return
        if order.kind == "tower":
            self.results.tower = torch.load(self.folder / TOWER, weights_only=True)
        else:
            # The first order of a worker also pays for its start, which is no matter of pace.
            self.pace.learn(max(0.0, taken), self._expected(order))
        if order.kind == "base":
            self.results.bases[order.name] = torch.load(self.folder / BASE.format(order.name), weights_only=True)
        self.made += order.kind == "run"
        self.say(f"{self._elapsed():6.0f} s  {order.kind} {order.name}: accuracy {result['accuracy']}, "
                 f"{result['wall_time_s']:.0f} s, {result['step_ms']:.1f} ms a step")

    def _bury(self, worker: _Worker, order: Order) -> dict[str, Any]:
        """A worker that died with its order: the order goes back in line, a new worker takes its place."""
        worker.process.join(timeout=5)
        self.deaths[order.name] = self.deaths.get(order.name, 0) + 1
        if self.deaths[order.name] < _MOST_DEATHS:
            (self.bases if order.kind == "base" else self.left).insert(0, order)
        self.workers.remove(worker)
        self._start_workers(len(self.workers) + 1)
        return {"kind": order.kind, "name": order.name, "state": "failed", "reason": "interrupted",
                "message": f"its worker ended with exit code {worker.process.exitcode}"}

    def _start_workers(self, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        while len(self.workers) < count:
            gpu = min(range(self.settings.gpus), key=lambda i: sum(worker.gpu == i for worker in self.workers))
            ours, theirs = context.Pipe()
            process = context.Process(target=serve, daemon=True, args=(
                theirs, self.study, self.folder, self.settings.device, self.settings.mode, gpu))
            process.start()
            theirs.close()
            self.workers.append(_Worker(process=process, connection=ours, gpu=gpu))

    def _give(self, worker: _Worker, order: Order) -> None:
        worker.order, worker.since, worker.lm = order, time.monotonic(), self._lm(order) or worker.lm
        with suppress(OSError):  # a worker that is gone is found when its result is awaited
            worker.connection.send(order)

    def _stop(self) -> None:
        """Idle workers are told to end; busy ones are ended."""
        for worker in self.workers:
            if worker.order is None:
                with suppress(OSError):
                    worker.connection.send(None)
            else:
                worker.process.terminate()
        for worker in self.workers:
            worker.process.join(timeout=5)
            if worker.process.is_alive():
                worker.process.kill()
            worker.connection.close()

    def _elapsed(self) -> float:
        return time.monotonic() - self.began
