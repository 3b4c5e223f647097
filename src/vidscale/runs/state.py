"""The folder of one run: what it is asked to do (run.json) and how far it is (state.json).

    run.json    which run this is, and its recipe by path and hash; written by whoever plans, and again by whoever
                carries the run out where the recipe changed meanwhile in how it computes, not in what
    state.json  the state, with a sentence; replaced whole at every change and every few seconds of training
    lock        held while a process works on the folder; a dead process holds nothing
    checkpoint/ where training goes on
    rows.csv    the measurements, once the run is done

A process that is killed leaves the state "running". Whether anybody still runs it is what `is_locked` tells.
"""

import errno
import fcntl
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from vidscale.design import RunSpec
from vidscale.errors import InputError
from vidscale.runs.failures import OTHER_RECIPE, CorruptFileError, FailureReason, MissingFileError
from vidscale.runs.recipe import HOW_ONLY_WORDS, result_hash
from vidscale.space import FACTORS, ScalingFactors

RUN_FILE, STATE_FILE, ROWS_FILE, LOCK_FILE, CHECKPOINT_FOLDER = (
    "run.json", "state.json", "rows.csv", "lock", "checkpoint"
)
RUN_SCHEMA, STATE_SCHEMA, VERSION = "vidscale-run", "vidscale-run-state", 1

#: Errors of a place that may be read and not written.
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)

#: state.json is padded to this, so that on a full disk it can still be overwritten in place.
STATE_BYTES = 4096


class RunState(StrEnum):
    """Where a run stands."""

    PLANNED = "planned"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """How a run stands, as state.json says it.

    Attributes:
        run_id: name of the run.
        state: where it stands.
        reason: the category of failure; None unless failed.
        message: one sentence.
        step, steps: optimiser steps taken, and how many there are; 0 where not known yet.
        attempts: how many times a process took the run up.
        process, host: which process worked on it last, and where.
        updated: when this was written, seconds since 1970.
        wall_time_s: seconds spent training and evaluating, over all attempts.
        notes: what happened on the way, such as a damaged checkpoint that was passed over.
    """

    run_id: str
    state: RunState
    reason: FailureReason | None = None
    message: str = ""
    step: int = 0
    steps: int = 0
    attempts: int = 0
    process: int = 0
    host: str = ""
    updated: float = 0.0
    wall_time_s: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """What run.json holds.

    Attributes:
        spec: the run.
        recipe: the recipe file.
        recipe_hash: SHA-256 of that file when the run was planned, or was carried out last.
        result_hash: SHA-256 of what decides the result in it, see `vidscale.runs.recipe.result_hash`; "" in the folder
            of a version that did not write it.
    """

    spec: RunSpec
    recipe: Path
    recipe_hash: str
    result_hash: str = ""

    @property
    def identity(self) -> str:
        """The recipe by what decides the result, as far as that is known."""
        return self.result_hash or self.recipe_hash


def plan_run(folder: Path, spec: RunSpec, recipe: Path) -> None:
    """Make the folder of a run, with its run.json; the same run planned again changes nothing.

    Args:
        folder: made where it is missing.
        spec: the run.
        recipe: an existing recipe file; its path is kept relative to the folder, so both can move together.

    Raises:
        InputError: the folder already holds another run, or the recipe is missing or decides another result now.
        CorruptFileError: its run.json is damaged.
    """
    if (folder / RUN_FILE).exists():
        check_run(folder, spec, recipe)
        return
    folder.mkdir(parents=True, exist_ok=True)
    _write_run(folder, PlannedRun(spec=spec, recipe=recipe, recipe_hash=file_hash(recipe),
                                  result_hash=result_hash(recipe.read_bytes())))


def check_run(folder: Path, spec: RunSpec, recipe: Path) -> None:
    """Refuse a folder that is not for this run with this recipe; arguments and errors as of `plan_run`."""
    found = read_run(folder)
    if found.spec != spec or os.path.realpath(found.recipe) != os.path.realpath(recipe):
        raise InputError(f"{folder / RUN_FILE} already describes another run, or one of another recipe file; plan into "
                         "a new folder")
    _as_it_is_now(folder, found)


def current_run(folder: Path) -> PlannedRun:
    """The run in a folder, its recipe as it is now; for whoever holds the folder, since run.json is kept up with it.

    Raises:
        InputError: there is no run.json that can be used, or the recipe decides another result now.
    """
    found = read_run(folder)
    now = _as_it_is_now(folder, found)
    if now != found:
        _write_run(folder, now)
    return now


def _as_it_is_now(folder: Path, planned: PlannedRun) -> PlannedRun:
    now = file_hash(planned.recipe)
    if now == planned.recipe_hash:
        return planned
    if result_hash(planned.recipe.read_bytes()) != planned.result_hash:
        raise InputError(f"the recipe {os.path.normpath(planned.recipe)} changed since the run was planned in more "
                         f"than what leaves results as they are ({HOW_ONLY_WORDS}); restore it, or: {OTHER_RECIPE}")
    return replace(planned, recipe_hash=now)


def _write_run(folder: Path, run: PlannedRun) -> None:
    spec = run.spec
    content = {
        "schema": RUN_SCHEMA, "version": VERSION, "run_id": spec.run_id, **spec.factors.as_dict(),
        "data_size": spec.data_size, "sweep": spec.sweep, "seed": spec.seed,
        "recipe": os.path.relpath(run.recipe, folder), "recipe_hash": run.recipe_hash, "result_hash": run.result_hash,
    }
    replace_file(folder / RUN_FILE, (json.dumps(content, indent=1) + "\n").encode())


def read_run(folder: Path) -> PlannedRun:
    """The run that a folder is for.

    Raises:
        InputError: there is no run.json.
        CorruptFileError: it is damaged.
    """
    place = folder / RUN_FILE
    if not place.is_file():
        raise MissingFileError(f"{folder} is no run: it holds no {RUN_FILE}; plan runs with `vidscale plan`, or try "
                               "`vidscale example tiny`")
    content = _json_object(place, RUN_SCHEMA)
    try:
        if type(content["seed"]) is not int or not isinstance(content["sweep"], str):
            raise ValueError(f"seed is {content['seed']!r} and sweep {content['sweep']!r}; a whole number and a text "
                             "are wanted")
        if type(content["data_size"]) not in (int, float):
            raise ValueError(f"data_size is {content['data_size']!r}; a number is wanted")
        spec = RunSpec(factors=ScalingFactors.of([content[name] for name in FACTORS]), data_size=content["data_size"],
                       sweep=content["sweep"], seed=content["seed"])
        return PlannedRun(spec=spec, recipe=folder / content["recipe"], recipe_hash=str(content["recipe_hash"]),
                          result_hash=str(content.get("result_hash", "")))
    except KeyError as problem:
        raise CorruptFileError(f"{place} lacks {problem.args[0]}; {_REPAIR[RUN_SCHEMA]}") from None
    except (TypeError, ValueError) as problem:
        raise CorruptFileError(f"{place}: {problem}; {_REPAIR[RUN_SCHEMA]}") from None


def read_outcome(folder: Path) -> RunOutcome:
    """How the run in a folder stands; "planned" where nobody took it up yet."""
    place = folder / STATE_FILE
    if not place.exists():
        return RunOutcome(run_id=read_run(folder).spec.run_id, state=RunState.PLANNED)
    content = {k: v for k, v in _json_object(place, STATE_SCHEMA).items() if k not in ("schema", "version")}
    try:
        reason = None if content["reason"] is None else FailureReason(content["reason"])
        for name in ("step", "steps", "attempts", "wall_time_s"):
            if not isinstance(content.get(name, 0), int | float):
                raise ValueError(f"{name} is {content[name]!r}")
        return RunOutcome(**{**content, "state": RunState(content["state"]), "reason": reason,
                             "message": str(content.get("message", "")).encode(errors="backslashreplace").decode(),
                             "notes": tuple(content["notes"])})
    except (KeyError, TypeError, ValueError) as problem:
        raise CorruptFileError(f"{place} is damaged ({problem}); {_REPAIR[STATE_SCHEMA]}") from None


def write_outcome(folder: Path, outcome: RunOutcome) -> RunOutcome:
    """Replace state.json; on a full disk the old one, padded to a block, is overwritten where it lies."""
    outcome = replace(outcome, process=os.getpid(), host=socket.gethostname(), updated=time.time())
    content = json.dumps({"schema": STATE_SCHEMA, "version": VERSION, **asdict(outcome)}, indent=1).encode()
    content += b" " * max(0, STATE_BYTES - 1 - len(content)) + b"\n"
    place = folder / STATE_FILE
    try:
        replace_file(place, content)
    except OSError:
        if not place.exists():
            raise
        with open(place, "r+b") as file:
            file.write(content)
            file.truncate()
    return outcome


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Hold a run's folder; yields False where another process holds it. The system frees it when a process dies.

    Raises:
        OSError: the folder cannot be written.
    """
    with _lock_file(folder / LOCK_FILE) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _lock_file(place: Path) -> Any:
    try:
        return open(place, "ab")
    except OSError as problem:  # one that may only be read can still be asked who holds it
        if problem.errno in READ_ONLY and place.exists():
            return open(place, "rb")
        raise


def is_locked(folder: Path) -> bool:
    """Whether a living process works on the folder."""
    if not (folder / LOCK_FILE).exists():
        return False
    with locked(folder) as mine:
        return not mine


def replace_file(place: Path, content: bytes) -> None:
    """Write a file through a temporary one beside it, so that whoever reads it finds the old or the new, whole."""
    with NamedTemporaryFile(dir=place.parent, prefix=f".{place.name}.", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)
            os.replace(file.name, place)
        except BaseException:
            os.unlink(file.name)
            raise


def file_hash(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    if not path.is_file():
        raise MissingFileError(f"{path} is missing")
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


#: What to do about a damaged file.
_REPAIR = {RUN_SCHEMA: "the next `vidscale sweep` of its plan writes it again",
           STATE_SCHEMA: "the run is taken up again as if it had none"}


def _json_object(place: Path, schema: str) -> dict[str, Any]:
    try:
        text = place.read_bytes()
        if not text.strip():
            raise ValueError("it is empty")
        content = json.loads(text)
    except (OSError, ValueError, RecursionError) as problem:
        raise CorruptFileError(f"{place} cannot be read: {problem}; {_REPAIR[schema]}") from None
    if not isinstance(content, dict) or content.get("schema") != schema:
        raise CorruptFileError(f"{place} is no {schema} file; {_REPAIR[schema]}")
    if content.get("version") != VERSION:
        raise InputError(f"{place} is of version {content.get('version')!r}; this vidscale reads {VERSION}")
    return content
