"""Why a run failed, as a category that a queue can act on and a sentence that a person can."""

import errno
from enum import StrEnum

from vidscale.errors import InputError


class FailureReason(StrEnum):
    """The categories of failure that a run records."""

    OUT_OF_MEMORY = "out-of-memory"
    MISSING_FILE = "missing-file"
    CORRUPT_FILE = "corrupt-file"
    NAN_LOSS = "nan-loss"
    DISK_FULL = "disk-full"
    INTERRUPTED = "interrupted"
    KILLED = "killed"
    ERROR = "error"


class MissingFileError(InputError):
    """A file that the run needs is not there."""


class CorruptFileError(InputError):
    """A file is there but does not hold what it should."""


class NanLossError(ArithmeticError):
    """The loss or the gradient is no finite number; training on would only spread it."""


class DiskFullError(OSError):
    """No room to write."""

    def __init__(self, message: str) -> None:
        super().__init__(errno.ENOSPC, message)


class RunInterrupted(Exception):
    """The process was asked to end; what was done so far is saved."""


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def reason_of(problem: BaseException) -> FailureReason:
    """The category of what went wrong."""
    if isinstance(problem, MemoryError) or _device_memory(problem):
        return FailureReason.OUT_OF_MEMORY
    if isinstance(problem, (MissingFileError, FileNotFoundError)):
        return FailureReason.MISSING_FILE
    if isinstance(problem, CorruptFileError):
        return FailureReason.CORRUPT_FILE
    if isinstance(problem, NanLossError):
        return FailureReason.NAN_LOSS
    if isinstance(problem, OSError) and problem.errno in _NO_ROOM:
        return FailureReason.DISK_FULL
    if isinstance(problem, (RunInterrupted, KeyboardInterrupt)):
        return FailureReason.INTERRUPTED
    return FailureReason.ERROR


def _device_memory(problem: BaseException) -> bool:
    """Whether an accelerator ran out of memory; told by name, so that torch need not be imported."""
    return any(kind.__name__ == "OutOfMemoryError" for kind in type(problem).__mro__)


def sentence_of(problem: BaseException) -> str:
    """What went wrong in one line, for people."""
    reason = reason_of(problem)
    said = " ".join(str(problem).split())
    if reason is FailureReason.OUT_OF_MEMORY:
        return f"out of memory: {said[:300]}; use a smaller micro_batch, or activation_checkpointing = true"
    if reason is FailureReason.DISK_FULL:
        return f"the disk is full: {said}; make room and run again, training goes on from the last checkpoint"
    if reason is FailureReason.INTERRUPTED:
        return said or "interrupted"
    if isinstance(problem, (InputError, NanLossError)):
        return said
    return f"{type(problem).__name__}: {said}"
