"""Checkpoints of a run: written whole or not at all, known by their hash, the one before kept.

    checkpoint/step-00000040.pt    weights that are trained, the optimiser's state, how far training is
    checkpoint/step-00000040.json  the SHA-256 of that file; written after it, so a file without one is unfinished

Randomness needs no place in it: every step seeds itself from the run's seed and its own number. Neither does the
position in the data: it is the step's number.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vidscale.errors import InputError
from vidscale.runs.distributed import Team, like, whole
from vidscale.runs.failures import DiskFullError
from vidscale.runs.state import file_hash, replace_file

#: How many are kept: the last one, and one should that be damaged.
KEPT = 2


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far training is.

    Attributes:
        step: optimiser steps taken.
        train_time_s: seconds spent in them, over all attempts.
        tokens: tokens seen, visual ones included, padding not.
        trained_flops: FLOPs done, see `vidscale.runs.flops`.
        loss: mean loss per predicted token over the last step, nats.
        peak_memory: most bytes of device memory that one process held.
    """

    step: int = 0
    train_time_s: float = 0.0
    tokens: int = 0
    trained_flops: float = 0.0
    loss: float = 0.0
    peak_memory: int = 0


def save_checkpoint(folder: Path, model: Any, optimiser: Any, progress: Progress, identity: str, members: Team) -> None:
    """Write a checkpoint, then remove all but the last two.

    Args:
        folder: the checkpoint folder.
        model, optimiser: what is trained; every process has to call, rank 0 writes.
        progress: how far it is.
        identity: what the checkpoint belongs to; another run's is not loaded.
        members: the processes.

    Raises:
        DiskFullError: there is no room; what was there stays.
    """
    content = {"identity": identity, "progress": asdict(progress), "weights": _weights(model, members),
               "optimiser": _moments(model, optimiser, members)}
    if members.leads:
        _write(folder, progress.step, content)


def load_checkpoint(folder: Path, model: Any, optimiser: Any, identity: str) -> tuple[Progress, list[str]]:
    """Go back to the newest checkpoint that is whole.

    Returns:
        How far it is (step 0 where there is none), and a note for every damaged checkpoint passed over.

    Raises:
        InputError: the checkpoint belongs to another run or recipe, or to other data.
    """
    notes: list[str] = []
    for place in _newest_first(folder):
        if not _is_whole(place):
            notes.append(f"checkpoint {place.name} is damaged (its hash is not the recorded one) and was passed over")
            continue
        content = torch.load(place, map_location="cpu", weights_only=True, mmap=True)
        if content["identity"] != identity:
            raise InputError(f"{place} belongs to another run or recipe, or the data files changed; remove "
                             f"{folder} to start this run afresh")
        _restore(model, optimiser, content)
        return Progress(**content["progress"]), notes
    return Progress(), notes


def trained_weights(model: Any) -> Iterator[tuple[str, Tensor]]:
    """Names and parameters that are trained, each once even where it is shared."""
    return ((name, p) for name, p in model.named_parameters() if p.requires_grad)


def _weights(model: Any, members: Team) -> dict[str, Tensor]:
    gathered = ((name, whole(p)) for name, p in trained_weights(model))
    return {name: p for name, p in gathered if members.leads}


def _moments(model: Any, optimiser: Any, members: Team) -> dict[str, dict[str, Tensor]]:
    found: dict[str, dict[str, Tensor]] = {}
    for name, p in trained_weights(model):
        gathered = {key: whole(value) for key, value in optimiser.state.get(p, {}).items()}
        if members.leads:
            found[name] = gathered
    return found


def _restore(model: Any, optimiser: Any, content: dict[str, Any]) -> None:
    with torch.no_grad():
        for name, p in trained_weights(model):
            p.copy_(like(content["weights"][name], p))
    fused = bool(optimiser.defaults.get("fused"))
    for name, p in trained_weights(model):
        # The step count is one number, not spread; a fused optimiser wants it on the device.
        optimiser.state[p] = {key: (value.to(p.device if fused else "cpu", copy=True) if value.dim() == 0
                                    else like(value, p))
                              for key, value in content["optimiser"][name].items()}


def _write(folder: Path, step: int, content: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _tidy(folder)
    place = folder / f"step-{step:08d}.pt"
    partial = folder / f".{place.name}.partial"
    try:
        with open(partial, "wb") as file:
            sink: Any = _HashingFile(file)
            try:
                torch.save(content, sink)
            except RuntimeError as problem:
                # torch reports a failed write in words of its own; the system's reason is what the user needs.
                raise sink.problem or problem from None
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, place)
        record = {"sha256": sink.digest.hexdigest(), "bytes": place.stat().st_size, "step": step}
        replace_file(place.with_suffix(".json"), (json.dumps(record) + "\n").encode())
    except OSError as problem:
        partial.unlink(missing_ok=True)
        if problem.errno == DiskFullError("").errno:
            free = shutil.disk_usage(folder).free
            raise DiskFullError(f"checkpoint {place} cannot be written, {free / 2**20:.0f} MiB are free") from None
        raise
    for old in _newest_first(folder)[KEPT:]:
        old.with_suffix(".json").unlink(missing_ok=True)
        old.unlink(missing_ok=True)


class _HashingFile:
    """A file that is hashed while it is written, and remembers why a write failed."""

    def __init__(self, file: Any) -> None:
        self.file, self.digest, self.problem = file, hashlib.sha256(), None

    def write(self, data: Any) -> int:
        try:
            written = self.file.write(data)
        except OSError as problem:
            self.problem = problem
            raise
        self.digest.update(data)
        return written

    def flush(self) -> None:
        self.file.flush()


def _newest_first(folder: Path) -> list[Path]:
    """Checkpoints that were finished, whether or not they are still whole."""
    return sorted((place for place in folder.glob("step-*.pt") if place.with_suffix(".json").exists()), reverse=True)


def _is_whole(place: Path) -> bool:
    try:
        record = json.loads(place.with_suffix(".json").read_bytes())
        return place.stat().st_size == record["bytes"] and file_hash(place) == record["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _tidy(folder: Path) -> None:
    """Remove what a killed process left half written."""
    for place in folder.glob(".*"):
        place.unlink(missing_ok=True)
    for place in folder.glob("step-*.pt"):
        if not place.with_suffix(".json").exists():
            place.unlink(missing_ok=True)
