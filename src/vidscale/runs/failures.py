"""Why a run failed, as a category that a queue can act on and a sentence that a person can.

A sentence says what to do next, and what it says can be done: settings that leave the result as it is may be changed
in the recipe; a change of any other makes other runs, which need a plan of their own.
"""

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
    BAD_INPUT = "bad-input"
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


#: A full disk, a used-up quota, and a file larger than a process may write (ulimit -f).
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

#: How sentences about a lack of room begin.
DISK_FULL, FILE_LIMIT = "the disk is full", "a file may not become that large here (ulimit -f)"

#: Failures that another try cannot mend unless something is changed first.
LASTING = frozenset({FailureReason.MISSING_FILE, FailureReason.CORRUPT_FILE, FailureReason.NAN_LOSS,
                     FailureReason.BAD_INPUT})

#: How runs get another recipe than the one that they were planned with.
OTHER_RECIPE = ("`vidscale retry SWEEP --recipe NEW.toml --out REST.toml` plans the failed runs with another recipe, "
                "for a folder of their own, and `vidscale collect` joins both folders")

#: What to do where training or evaluation gives no finite numbers.
STEADIER = f"lower the learning rate, lengthen warm_up or train in fp32: {OTHER_RECIPE}"


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
    if isinstance(problem, InputError):
        return FailureReason.BAD_INPUT
    return FailureReason.ERROR


def _device_memory(problem: BaseException) -> bool:
    """Whether an accelerator ran out of memory; told by name, so that torch need not be imported."""
    return any(kind.__name__ == "OutOfMemoryError" for kind in type(problem).__mro__)


def sentence_of(problem: BaseException) -> str:
    """What went wrong in one line, for people."""
    reason = reason_of(problem)
    said = " ".join(str(problem).encode(errors="backslashreplace").decode().split())
    if reason is FailureReason.OUT_OF_MEMORY:
        return (f"out of memory: {said[:300]}; use a smaller micro_batch, or activation_checkpointing = true, in the "
                "recipe, which leaves the result as it is, then `vidscale retry` and the same sweep, or run again")
    if reason is FailureReason.DISK_FULL and isinstance(problem, OSError):
        where = f" ({problem.filename})" if problem.filename else ""
        limited = problem.errno == errno.EFBIG
        return (f"{FILE_LIMIT if limited else DISK_FULL}: {problem.strerror or said}{where}; "
                f"{'raise the limit' if limited else 'make room'} and run again, training goes on from the last "
                "checkpoint")
    if reason is FailureReason.INTERRUPTED:
        return said or "interrupted"
    if isinstance(problem, (InputError, NanLossError)):
        return said
    return f"{type(problem).__name__}: {said}"
