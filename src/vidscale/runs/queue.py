"""The queue: hand the runs of a prepared sweep to a launcher until every one is done or has failed for good.

The queue keeps nothing that matters in memory. Killed at any point and started again, or started twice, it reads the
folders and goes on: runs that are done are left alone, interrupted ones are resumed, runs that another process is at
are waited for and taken over when it dies.
"""

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from vidscale.design import RunSpec, SweepPlan
from vidscale.runs.attempt import Ending, Result, Task, give_up
from vidscale.runs.claim import held
from vidscale.runs.failures import DISK_FULL, FILE_LIMIT, LASTING, FailureReason
from vidscale.runs.folder import RunStatus, Standing, run_folder, status_of, statuses
from vidscale.runs.state import RunState

#: Seconds between looks at running attempts, and at runs that others are at.
LOOK_S, LOOK_ELSEWHERE_S = 0.05, 1.0


class Launcher(Protocol):
    """Something that carries out attempts elsewhere than in this thread; see `vidscale.runs.attempt.attempt`."""

    def submit(self, task: Task) -> Any:
        """Start an attempt, and return something to ask about it."""
        ...

    def ready(self, pending: Any) -> bool:
        """Whether an attempt has ended, well or not."""
        ...

    def result(self, pending: Any) -> Result:
        """What came of it. Raises where the launcher lost it: its worker or its node died."""
        ...

    def stop(self) -> None:
        """Ask everything that is running to end, leaving it resumable."""
        ...

    def close(self) -> None:
        """Let go of whatever was taken up."""
        ...


@dataclass(frozen=True, kw_only=True)
class SweepSettings:
    """How a sweep is run.

    Args:
        workers: attempts at a time.
        retries: further tries of a run that failed for a reason another try may mend.
        environment: variables set for every command.
        devices: accelerators, one of which each worker is given in turn (CUDA_VISIBLE_DEVICES); none for no choice.
        least_room: bytes the disk must have free for a run to be started.
        grace_s: seconds between asking a command to end and killing it.
    """

    workers: int = 1
    retries: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    least_room: int = 1 << 20
    grace_s: float = 20.0


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """How a sweep ended.

    Attributes:
        statuses: every run, in the order of the plan.
        ended: how each attempt of this sweep ended, in order.
        stopped: why runs were left that could have been started; "" where none were.
    """

    statuses: tuple[RunStatus, ...]
    ended: tuple[Result, ...]
    stopped: str = ""

    def count(self, standing: Standing) -> int:
        """Runs that stand so."""
        return sum(each.standing is standing for each in self.statuses)


Tick = Callable[[str], Any]


def sweep(
    plan: SweepPlan, out: Path, launcher: Launcher, settings: SweepSettings | None = None, *,
    stop: threading.Event | None = None, tick: Tick = lambda text: None,
) -> SweepResult:
    """Carry out the runs of a prepared sweep.

    Args:
        plan: the plan that `prepare` made the folder from.
        out: the folder.
        launcher: what carries out attempts; it is closed at the end.
        settings: workers, retries and the like.
        stop: set it, and what is running is asked to end and nothing new is started.
        tick: called with a line of text for each run that is settled.

    Returns:
        How it went. A failed run raises nothing; it is a state with a reason.
    """
    state = _Sweep(plan=plan, out=out, launcher=launcher, settings=settings or SweepSettings(),
                   stop=stop or threading.Event(), tick=tick)
    try:
        stopped = state.work()
    finally:
        launcher.close()
    found = tuple(_as_failed(each, state.unrecorded.get(each.spec.run_id)) for each in statuses(plan, out))
    return SweepResult(statuses=found, ended=tuple(state.ended), stopped=stopped)


def _as_failed(status: RunStatus, result: Result | None) -> RunStatus:
    """The status of a run whose failure could not be written down, as if it had been."""
    if result is None or status.standing not in (Standing.PLANNED, Standing.INTERRUPTED):
        return status
    outcome = replace(status.outcome, state=RunState.FAILED, reason=FailureReason(result.reason),
                      message=result.message)
    return replace(status, standing=Standing.FAILED, outcome=outcome)


@dataclass(kw_only=True)
class _Sweep:
    """What one call of `sweep` has in hand; none of it is needed to go on after a crash."""

    plan: SweepPlan
    out: Path
    launcher: Launcher
    settings: SweepSettings
    stop: threading.Event
    tick: Tick
    open: dict[str, RunSpec] = field(default_factory=dict)
    running: dict[str, tuple[int, Any]] = field(default_factory=dict)
    elsewhere: dict[str, float] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    unrecorded: dict[str, Result] = field(default_factory=dict)
    settled: int = 0
    orphans: int = 0
    ended: list[Result] = field(default_factory=list)
    counted: float = 0.0
    why: str = ""

    def work(self) -> str:
        self.open = {spec.run_id: spec for spec in self.plan.runs}
        for each in statuses(self.plan, self.out):
            if self._final(each):
                self._settle(each.spec.run_id, None)
        while self.open:
            self._gather()
            if self.stop.is_set() or self.why:
                if self.stop.is_set():
                    self.why = self.why or "the sweep was stopped"
                    self.launcher.stop()
                if not self.running:
                    break
            else:
                self._fill()
            time.sleep(LOOK_S)
        return self.why if self.open else ""

    def _fill(self) -> None:
        """Start what can be started."""
        now = time.monotonic()
        for run_id, spec in list(self.open.items()):
            if len(self.running) + self.orphans >= self.settings.workers:
                self._count_orphans(now)
                return
            if run_id in self.running or now < self.elsewhere.get(run_id, 0.0):
                continue
            status = status_of(spec, run_folder(self.out, spec))
            if self._final(status):
                self._settle(run_id, _said(status))
            elif status.standing is Standing.RUNNING:
                self._wait_for(run_id)
            else:
                if self._no_room():
                    return
                slot = min(set(range(self.settings.workers)) - {taken for taken, _ in self.running.values()})
                self.running[run_id] = slot, self.launcher.submit(self._task(spec, slot))
        self._count_orphans(now)

    def _gather(self) -> None:
        """Take in what has ended."""
        for run_id, (_, pending) in list(self.running.items()):
            if not self.launcher.ready(pending):
                continue
            del self.running[run_id]
            try:
                result = self.launcher.result(pending)
            except Exception as problem:
                result = self._was_lost(run_id, problem)
            self.ended.append(result)
            if result.ending is Ending.HELD:
                self._wait_for(run_id)
            elif result.ending is Ending.NO_ROOM:
                said = result.message
                self.why = said if said.startswith((DISK_FULL, FILE_LIMIT)) else f"{DISK_FULL}, says {run_id}: {said}"
            elif not result.recorded:
                self.unrecorded[run_id] = result
                self._settle(run_id, f"{run_id} failed: {result.reason}: {result.message}")
                continue
            status = status_of(self.open[run_id], run_folder(self.out, self.open[run_id]))
            if result.ending in (Ending.DONE, Ending.FAILED):
                if self._final(status):
                    self._settle(run_id, _said(status))
                elif result.ending is Ending.FAILED:
                    self.tick(f"{run_id} failed and will be tried again: {result.reason}: {result.message}")

    def _was_lost(self, run_id: str, problem: Exception) -> Result:
        """The launcher lost an attempt: its worker or its node died. What the run left behind decides."""
        said = " ".join(f"{type(problem).__name__}: {problem}".split())[:300]
        self.lost[run_id] = self.lost.get(run_id, 0) + 1
        if self.lost[run_id] > self.settings.retries and not self.stop.is_set():
            message = f"its worker died {self.lost[run_id]} times; the last time: {said}"
            if give_up(self.open[run_id], run_folder(self.out, self.open[run_id]), message):
                return Result(run_id=run_id, ending=Ending.FAILED, reason=FailureReason.KILLED, message=message)
        self.tick(f"{run_id} lost its worker, and goes on: {said}")
        return Result(run_id=run_id, ending=Ending.INTERRUPTED, message=said)

    def _final(self, status: RunStatus) -> bool:
        """Whether nothing more is to be done about a run."""
        if status.standing is Standing.FAILED and status.reason is not FailureReason.DISK_FULL:
            return status.reason in LASTING or status.failures > self.settings.retries
        return status.standing is Standing.DONE

    def _settle(self, run_id: str, said: str | None) -> None:
        del self.open[run_id]
        self.elsewhere.pop(run_id, None)
        self.settled += 1
        if said is not None:
            self.tick(f"{self.settled} of {len(self.plan)}: {said}")

    def _wait_for(self, run_id: str) -> None:
        """Somebody else is at a run: look again in a while."""
        self.elsewhere[run_id] = time.monotonic() + LOOK_ELSEWHERE_S

    def _count_orphans(self, now: float) -> None:
        """Runs whose supervisor died while they live on still take a worker's place."""
        if not self.elsewhere or now < self.counted:
            return
        self.counted = now + LOOK_ELSEWHERE_S
        found = [held(run_folder(self.out, self.open[run_id])) for run_id in self.elsewhere if run_id in self.open]
        self.orphans = sum(each is not None and each.outlived() for each in found)

    def _no_room(self) -> bool:
        free = shutil.disk_usage(self.out).free
        if free < self.settings.least_room:
            self.why = (f"{DISK_FULL}: {self.out} has {free / 2**20:.2f} MiB left; make room and start the sweep "
                        "again")
        return bool(self.why)

    def _task(self, spec: RunSpec, slot: int) -> Task:
        environment = dict(self.settings.environment)
        if self.settings.devices:
            environment["CUDA_VISIBLE_DEVICES"] = self.settings.devices[slot % len(self.settings.devices)]
        return Task(folder=run_folder(self.out, spec).resolve(), spec=spec, command=self.plan.command,
                    environment=environment, grace_s=self.settings.grace_s)


def _said(status: RunStatus) -> str:
    if status.standing is Standing.DONE:
        return f"{status.spec.run_id} done"
    return f"{status.spec.run_id} failed: {status.reason or 'error'}: {status.outcome.message}"
