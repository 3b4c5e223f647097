"""The folder of one run: what it is asked to do (run.json) and how far it is (state.json).

    run.json    which run this is, and its recipe by path and hash; written once, by whoever plans
    state.json  the state, with a sentence; replaced whole at every change and every few seconds of training
    lock        held while a process works on the folder; a dead process holds nothing
    checkpoint/ where training goes on
    rows.csv    the measurements, once the run is done

A process that is killed leaves the state "running". Whether anybody still runs it is what `is_locked` tells.
"""

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
from vidscale.runs.failures import CorruptFileError, FailureReason, MissingFileError
from vidscale.space import FACTORS, ScalingFactors

RUN_FILE, STATE_FILE, ROWS_FILE, LOCK_FILE, CHECKPOINT_FOLDER = (
    "run.json", "state.json", "rows.csv", "lock", "checkpoint"
)
RUN_SCHEMA, STATE_SCHEMA, VERSION = "vidscale-run", "vidscale-run-state", 1

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
        recipe_hash: SHA-256 of that file when the run was planned.
    """

    spec: RunSpec
    recipe: Path
    recipe_hash: str


def plan_run(folder: Path, spec: RunSpec, recipe: Path) -> None:
    """Make the folder of a run, with its run.json; the same run planned again changes nothing.

    Args:
        folder: made where it is missing.
        spec: the run.
        recipe: an existing recipe file; its path is kept relative to the folder, so both can move together.

    Raises:
        InputError: the folder already holds another run, or the recipe is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "schema": RUN_SCHEMA, "version": VERSION, "run_id": spec.run_id, **spec.factors.as_dict(),
        "data_size": spec.data_size, "sweep": spec.sweep, "seed": spec.seed,
        "recipe": os.path.relpath(recipe, folder), "recipe_hash": file_hash(recipe),
    }
    place = folder / RUN_FILE
    if place.exists():
        if _json_object(place, RUN_SCHEMA) != content:
            raise InputError(f"{place} already describes another run, or its recipe changed; plan into a new folder")
        return
    replace_file(place, (json.dumps(content, indent=1) + "\n").encode())


def read_run(folder: Path) -> PlannedRun:
    """The run that a folder is for.

    Raises:
        InputError: there is no run.json or it cannot be used.
    """
    place = folder / RUN_FILE
    if not place.is_file():
        raise MissingFileError(f"{folder} is no run: it holds no {RUN_FILE}; plan runs with `vidscale plan`, or try "
                               "`vidscale example tiny`")
    content = _json_object(place, RUN_SCHEMA)
    try:
        spec = RunSpec(factors=ScalingFactors.of([content[name] for name in FACTORS]), data_size=content["data_size"],
                       sweep=content["sweep"], seed=content["seed"])
        return PlannedRun(spec=spec, recipe=folder / content["recipe"], recipe_hash=content["recipe_hash"])
    except KeyError as problem:
        raise InputError(f"{place} lacks {problem.args[0]}; plan the run again") from None
    except (TypeError, ValueError) as problem:
        raise InputError(f"{place}: {problem}") from None


def read_outcome(folder: Path) -> RunOutcome:
    """How the run in a folder stands; "planned" where nobody took it up yet."""
    place = folder / STATE_FILE
    if not place.exists():
        return RunOutcome(run_id=read_run(folder).spec.run_id, state=RunState.PLANNED)
    content = {k: v for k, v in _json_object(place, STATE_SCHEMA).items() if k not in ("schema", "version")}
    try:
        reason = None if content["reason"] is None else FailureReason(content["reason"])
        return RunOutcome(**{**content, "state": RunState(content["state"]), "reason": reason,
                             "notes": tuple(content["notes"])})
    except (KeyError, TypeError, ValueError) as problem:
        raise CorruptFileError(f"{place} is damaged ({problem}); remove it, and the run is taken up again") from None


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
    """Hold a run's folder; yields False where another process holds it. The system frees it when a process dies."""
    with open(folder / LOCK_FILE, "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


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


def _json_object(place: Path, schema: str) -> dict[str, Any]:
    try:
        content = json.loads(place.read_bytes())
    except (OSError, ValueError) as problem:
        raise CorruptFileError(f"{place} cannot be read: {problem}") from None
    if not isinstance(content, dict) or (content.get("schema"), content.get("version")) != (schema, VERSION):
        raise InputError(f"{place} is no {schema} file of version {VERSION}")
    return content
