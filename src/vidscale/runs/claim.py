"""Whose turn a run is: at most one process at a time carries out a run, whatever dies when.

    claim.lock       locked (flock) by whoever supervises the run, and inherited by the process that carries it out:
                     it is free only when both are gone, so a run that outlived its supervisor is not started again
    claim-0001.json  the first attempt: who, since when, how it ended; its time of change is the heartbeat

An attempt is opened by linking the next number into place, which one process at most can do, on network file systems
too. Where the file system locks across hosts, the lock decides. Where it does not, an open attempt of another host
counts as alive until its heartbeat is older than STALE_S; an attempt that finds a later one beside it has been given
up on and stops.
"""

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidscale.runs.state import READ_ONLY

LOCK, ATTEMPT = "claim.lock", "claim-{:04d}.json"

#: Seconds between heartbeats, and how old the last one of another host may be.
HEARTBEAT_S, STALE_S = 10.0, 180.0

#: What an attempt says whose file is damaged, and what kinds its entries are of where they are no texts.
_BLANK: Mapping[str, Any] = {"host": "", "process": 0, "born": "", "began": 0.0}
_KINDS: Mapping[str, Any] = {"process": int, "began": (int, float), "ended": (int, float, type(None)),
                             "forgiven": bool}

#: Attempts are padded to this, so that on a full disk their end can be written over their beginning.
_BYTES = 1024

_UNSUPPORTED = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt at a run, as its file says it.

    Attributes:
        number: from 1.
        host, process, born: of the supervisor; `born` tells a process from a later one of the same number.
        began, ended: seconds since 1970; began is 0 where its file is damaged, ended is None while it is open.
        outcome: how it ended: "done", "failed", "interrupted", or "" while it is open.
        message: one sentence.
        forgiven: whether a failure no longer counts because somebody asked for another try.
        beat: when the supervisor last was alive, by the clock of the file system.
    """

    number: int
    host: str
    process: int
    born: str
    began: float
    ended: float | None = None
    outcome: str = ""
    message: str = ""
    forgiven: bool = False
    beat: float = 0.0

    @property
    def open(self) -> bool:
        """Whether its end was never written."""
        return self.ended is None

    def supervised(self) -> bool:
        """Whether its supervisor is a living process of this host."""
        return self.host == socket.gethostname() and birth(self.process) == self.born != ""

    def outlived(self) -> bool:
        """Whether it goes on although its supervisor, a process of this host, died; for attempts that are held."""
        return self.host == socket.gethostname() and not self.supervised()


class Claim:
    """The right to carry out a run, until `end` is called or the process dies."""

    def __init__(self, folder: Path, number: int, lock: int | None) -> None:
        self.folder, self.number, self.lock = folder, number, lock
        self._place = folder / ATTEMPT.format(number)
        self._beaten = time.monotonic()

    def beat(self) -> bool:
        """Say that the supervisor lives, every HEARTBEAT_S at most; False where the run was taken over."""
        if time.monotonic() - self._beaten < HEARTBEAT_S:
            return True
        self._beaten = time.monotonic()
        with suppress(OSError):
            os.utime(self._place)
        return not (self.folder / ATTEMPT.format(self.number + 1)).exists()

    def end(self, outcome: str, message: str = "") -> None:
        """Record how the attempt ended and let go of the run."""
        with suppress(OSError, ValueError):  # without its end an attempt counts as interrupted
            _amend(self._place, {"ended": time.time(), "outcome": outcome, "message": message[:300]})
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None


def claim(folder: Path, *, stale_s: float = STALE_S) -> Claim | None:
    """Take up a run; None where somebody is at it.

    Raises:
        OSError: the folder cannot be written.
    """
    lock = _flock(folder)
    if lock is None:
        return None
    try:
        number = _open_attempt(folder, supported=lock >= 0, stale_s=stale_s)
    except BaseException:
        _close(lock)
        raise
    if number is None:
        _close(lock)
        return None
    return Claim(folder, number, lock if lock >= 0 else None)


def held(folder: Path, *, stale_s: float = STALE_S) -> Attempt | None:
    """The attempt somebody is making at a run, None where nobody is."""
    made = attempts(folder)
    if not made or not made[-1].open:
        return None
    lock = _asked(folder)
    if lock is None:
        return made[-1]
    _close(lock)
    return made[-1] if _alive(made[-1], _now(folder), supported=lock >= 0, stale_s=stale_s) else None


def attempts(folder: Path) -> tuple[Attempt, ...]:
    """Every attempt at a run, first to last; one whose file is damaged counts as open and dead."""
    found = []
    for number in range(1, _latest(folder) + 1):
        place = folder / ATTEMPT.format(number)
        try:
            content, beat = _content(place), place.stat().st_mtime
        except (OSError, ValueError, RecursionError):
            content, beat = {}, 0.0
        found.append(Attempt(**{**_BLANK, **content, "number": number, "beat": beat}))
    return tuple(found)


def failures(folder: Path) -> int:
    """Attempts at a run that failed and are not forgiven."""
    return sum(each.outcome == "failed" and not each.forgiven for each in attempts(folder))


def forgive(folder: Path) -> None:
    """Let no earlier failure of a run count."""
    for each in attempts(folder):
        if each.outcome == "failed" and not each.forgiven:
            _amend(folder / ATTEMPT.format(each.number), {"forgiven": True})


def birth(process: int) -> str:
    """When a process of this host began, in ticks since boot with the boot's own name; "" where there is none."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else f"{boot[:8]}-{fields[19]}"


# --- files ------------------------------------------------------------------------------------------------


def _flock(folder: Path) -> int | None:
    """A locked descriptor; −1 where the file system knows no locks; None where somebody else holds it."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        os.close(lock)
        if isinstance(problem, BlockingIOError):
            return None
        if problem.errno in _UNSUPPORTED:
            return -1
        raise
    return lock


def _asked(folder: Path) -> int | None:
    """As `_flock`, of a folder that may be only readable, where a lock that is not there is free."""
    try:
        return _flock(folder)
    except OSError as problem:
        if problem.errno not in READ_ONLY:
            raise
    try:
        lock = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        os.close(lock)
        return None if isinstance(problem, BlockingIOError) else -1
    return lock


def _close(lock: int) -> None:
    if lock >= 0:
        os.close(lock)


def _open_attempt(folder: Path, *, supported: bool, stale_s: float) -> int | None:
    """Write the next attempt; its number, or None where another is alive or was quicker."""
    number = _latest(folder) + 1
    me = {"host": socket.gethostname(), "process": os.getpid(), "born": birth(os.getpid()), "began": time.time()}
    draft = folder / f".claim-{me['host']}-{me['process']}-{time.monotonic_ns()}"
    try:
        draft.write_bytes(_padded(me))
        now = draft.stat().st_mtime
        last = attempts(folder)[-1] if number > 1 else None
        if last is not None and last.open and _alive(last, now, supported=supported, stale_s=stale_s):
            return None
        os.link(draft, folder / ATTEMPT.format(number))
        if last is not None and last.open:
            _give_up(folder / ATTEMPT.format(last.number), now)
    except FileExistsError:
        return None
    finally:
        draft.unlink(missing_ok=True)
    return number


def _give_up(place: Path, now: float) -> None:
    with suppress(OSError, ValueError):  # its file may be damaged, and the record is all that is lost
        _amend(place, {"ended": now, "outcome": "interrupted", "message": "its supervisor and its process died"})


def _alive(attempt: Attempt, now: float, *, supported: bool, stale_s: float) -> bool:
    """Whether an open attempt may still be going on, asked by one who finds its lock free or unsupported."""
    if attempt.host == socket.gethostname():
        return not supported and attempt.supervised()
    return attempt.host != "" and now - attempt.beat < stale_s


def _now(folder: Path) -> float:
    """The time by the file system's own clock, which is the one that heartbeats are told by."""
    draft = folder / f".clock-{socket.gethostname()}-{os.getpid()}-{time.monotonic_ns()}"
    try:
        draft.touch()
        return draft.stat().st_mtime
    except OSError:
        return time.time()
    finally:
        with suppress(OSError):  # where nothing can be made, nothing can be removed
            draft.unlink(missing_ok=True)


def _latest(folder: Path) -> int:
    numbers = [name[6:-5] for name in os.listdir(folder) if name.startswith("claim-") and name.endswith(".json")]
    return max((int(number) for number in numbers if number.isdigit()), default=0)


def _content(place: Path) -> dict[str, Any]:
    content = json.loads(place.read_bytes())
    if not isinstance(content, dict):
        raise ValueError(f"{place} holds no object")
    known = set(Attempt.__dataclass_fields__) - {"number", "beat"}
    kept = {name: value for name, value in content.items() if name in known}
    for name, value in kept.items():
        wanted = _KINDS.get(name, str)
        if not isinstance(value, wanted):
            raise ValueError(f"{place}: {name} is {value!r}")
    return kept


def _amend(place: Path, change: Mapping[str, Any]) -> None:
    """Change an attempt where it lies, which needs no room; a reader may see it half written, and reads again."""
    content = _padded({**_content(place), **change})
    with open(place, "r+b") as file:
        file.write(content)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def _padded(content: Mapping[str, Any]) -> bytes:
    text = json.dumps(content).encode()
    return text + b" " * max(0, _BYTES - 1 - len(text)) + b"\n"
