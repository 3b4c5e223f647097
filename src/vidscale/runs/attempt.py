"""One attempt at one run: claim it, carry out its command, write down how that went.

This is all a launcher has to call, wherever it calls it. Calling it again for a run that is done does nothing; for a
run somebody is at, it says so; for a run that was interrupted, it goes on.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from vidscale.design import RunSpec, spell_command
from vidscale.errors import InputError
from vidscale.runs.claim import Claim, claim
from vidscale.runs.failures import DISK_FULL, FailureReason, reason_of, sentence_of
from vidscale.runs.folder import LOG_FILE, outcome_of
from vidscale.runs.state import ROWS_FILE, RunOutcome, RunState, current_run, is_locked, write_outcome

#: Seconds between looks at a running command.
LOOK_S = 0.1

#: Bytes free below which a disk is full: less than a few blocks.
FULL = 1 << 16

#: How much of the end of a log is searched for the last word of a command.
_TAIL = 4096

#: Set for every command where the caller set nothing: idle threads that spin cost a packed machine most of its time.
QUIET_THREADS = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


class Ending(StrEnum):
    """How an attempt ended, for the queue."""

    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    HELD = "held"
    #: It counts as no try: with room again, the run goes on.
    NO_ROOM = "no room"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of an attempt.

    Attributes:
        run_id: the run.
        ending: how it ended. HELD: somebody else is at the run. NO_ROOM: there was no room to write.
        reason: the category of failure, as text; "" unless it failed.
        message: one sentence.
        recorded: whether a failure stands in the run's folder; false where that cannot be written.
    """

    run_id: str
    ending: Ending
    reason: str = ""
    message: str = ""
    recorded: bool = True


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a launcher is given: everything an attempt needs, as plain data.

    Attributes:
        folder: the run's folder, absolute.
        spec: the run.
        command: words of the command, names in braces and all.
        environment: variables set for it.
        grace_s: seconds between asking a command to stop and killing it.
    """

    folder: Path
    spec: RunSpec
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    grace_s: float = 20.0


def attempt(task: Task, stop: threading.Event | None = None) -> Result:
    """Carry out one run, unless it is done or somebody is at it.

    Args:
        task: the run.
        stop: when set, the command is asked to end, and the run stays resumable.

    Returns:
        How it went. Nothing a command does raises, and neither does a folder that cannot be written.
    """
    if stop is not None and stop.is_set():
        return _result(task, Ending.INTERRUPTED)
    try:
        mine = None if is_locked(task.folder) else claim(task.folder)
    except OSError as problem:
        return _unwritable(task, problem)
    if mine is None:
        return _result(task, Ending.HELD)
    result = _result(task, Ending.INTERRUPTED, message="the sweep was stopped")
    try:
        result = _carry_out(task, mine, stop)
    except OSError as problem:
        result = _unwritable(task, problem)
    finally:
        mine.end(result.ending.value, result.message)
    return result


def attempt_unless_interrupted(task: Task) -> Result:
    """`attempt`, for launchers that stop a task by raising an exception in it wherever it happens to be.

    The work is done in a thread, which no such exception can reach: this one takes it, and has the command ended.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(1) as thread:
        pending = thread.submit(attempt, task, stop)
        try:
            while not pending.done():
                wait([pending], timeout=1.0)
        except BaseException:
            stop.set()
            raise
        return pending.result()


def give_up(spec: RunSpec, folder: Path, message: str) -> bool:
    """Record a run as failed whose workers keep dying; False where somebody is still at it."""
    mine = claim(folder)
    if mine is None:
        return False
    said = outcome_of(spec, folder)
    if said.state is not RunState.DONE:
        write_outcome(folder, replace(said, state=RunState.FAILED, reason=FailureReason.KILLED, message=message))
    mine.end("failed", message)
    return True


def _carry_out(task: Task, mine: Claim, stop: threading.Event | None) -> Result:
    before = outcome_of(task.spec, task.folder)
    if before.state is RunState.DONE and (task.folder / ROWS_FILE).is_file():
        return _result(task, Ending.DONE)
    try:
        current_run(task.folder)
    except InputError as problem:
        return _fail(task, reason_of(problem), str(problem))
    # What an earlier attempt said must not be taken for the word of this one.
    write_outcome(task.folder, replace(before, state=RunState.PLANNED, reason=None, message=""))
    try:
        status, asked = _run_command(task, mine, stop)
    except OSError as problem:
        if reason_of(problem) is FailureReason.DISK_FULL:
            return _fail(task, FailureReason.DISK_FULL, sentence_of(problem))
        return _fail(task, FailureReason.ERROR, f"the command cannot be started: {problem}")
    return _judge(task, status, asked)


def _unwritable(task: Task, problem: OSError) -> Result:
    """The run's folder cannot be written: a disk without room concerns all runs, anything else this one."""
    if reason_of(problem) is FailureReason.DISK_FULL:
        return _result(task, Ending.NO_ROOM, FailureReason.DISK_FULL, sentence_of(problem))
    result = _result(task, Ending.FAILED, FailureReason.ERROR, f"cannot write in {task.folder}: "
                     f"{problem.strerror or problem}; mend that, and start the sweep again")
    return replace(result, recorded=False)


def _run_command(task: Task, mine: Claim, stop: threading.Event | None) -> tuple[int, bool]:
    """(exit status, whether it was told to end). The command inherits the lock, so it outlives nobody unseen."""
    words = spell_command(task.command, python=sys.executable, folder=str(task.folder), run_id=task.spec.run_id)
    environment = {**QUIET_THREADS, **os.environ, **task.environment}
    inherited = () if mine.lock is None else (mine.lock,)
    with open(task.folder / LOG_FILE, "ab") as log:
        started = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                   env=environment, pass_fds=inherited, start_new_session=True)
    try:
        while True:
            try:
                return started.wait(LOOK_S), False
            except subprocess.TimeoutExpired:
                if (stop is not None and stop.is_set()) or not mine.beat():
                    return _end(started, task.grace_s), True
    except BaseException:  # nobody would be left to watch the command
        _end(started, task.grace_s)
        raise


def _end(started: subprocess.Popen[bytes], grace_s: float) -> int:
    """Ask a command and all it started to end, and kill what does not."""
    until = time.monotonic() + grace_s
    _signal(started, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        started.wait(max(until - time.monotonic(), 0))
    _signal(started, signal.SIGKILL)
    return started.wait()


def _signal(started: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(started.pid, number)


def _judge(task: Task, status: int, asked: bool) -> Result:
    """What an ended command amounts to: its own word where it left one, else the way it ended."""
    said = outcome_of(task.spec, task.folder)
    if said.state is RunState.DONE:
        if (task.folder / ROWS_FILE).is_file():
            return _result(task, Ending.DONE)
        return _fail(task, FailureReason.ERROR, f"it says it is done, but wrote no {ROWS_FILE}")
    if asked or (said.state is RunState.FAILED and said.reason is FailureReason.INTERRUPTED):
        return _result(task, Ending.INTERRUPTED, message="the run was stopped, and will be resumed")
    if said.state is RunState.FAILED:
        return _result(task, _ending(said.reason), said.reason, said.message)
    if is_locked(task.folder):
        return _result(task, Ending.HELD)
    if shutil.disk_usage(task.folder).free < FULL:
        return _fail(task, FailureReason.DISK_FULL, f"{DISK_FULL}, and it ended without a word; make room and run "
                     "again")
    if status < 0:
        return _fail(task, FailureReason.KILLED, _killed(-status))
    return _fail(task, FailureReason.ERROR, f"it ended with exit code {status} and left no word of why; "
                 f"{LOG_FILE} ends: {_last_line(task.folder) or '(nothing)'}")


def _killed(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    hint = "; the system does that when memory runs out" if number == signal.SIGKILL else ""
    return f"it was ended by {name}{hint}"


def _last_line(folder: Path) -> str:
    try:
        with open(folder / LOG_FILE, "rb") as log:
            log.seek(max(os.fstat(log.fileno()).st_size - _TAIL, 0))
            lines = log.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((" ".join(line.split())[:200] for line in reversed(lines) if line.strip()), "")


def _fail(task: Task, reason: FailureReason, message: str) -> Result:
    said: RunOutcome = outcome_of(task.spec, task.folder)
    result = _result(task, _ending(reason), reason, message)
    try:
        write_outcome(task.folder, replace(said, state=RunState.FAILED, reason=reason, message=message))
    except OSError:
        return replace(result, recorded=False)
    return result


def _ending(reason: FailureReason | None) -> Ending:
    return Ending.NO_ROOM if reason is FailureReason.DISK_FULL else Ending.FAILED


def _result(task: Task, ending: Ending, reason: FailureReason | None = None, message: str = "") -> Result:
    return Result(run_id=task.spec.run_id, ending=ending, reason=reason.value if reason else "", message=message)
