"""One unit of work on one device: pretrain the tower, pretrain a base, or make a run; and a process that does many."""

import hashlib
import os
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from vidscale.design.spec import RunSpec
from vidscale.runs.failures import reason_of, sentence_of
from vidscale.runs.provenance import commit
from vidscale.runs.shapes.config import Study
from vidscale.runs.shapes.plan import clips_of, flops_of
from vidscale.runs.shapes.questions import TASKS
from vidscale.runs.shapes.train import (
    Trained,
    Weights,
    digest,
    evaluate,
    finetune,
    load_base,
    load_tower,
    rounded,
    train_base,
    train_tower,
)
from vidscale.runs.video import FRAME_RULE


@dataclass(frozen=True, kw_only=True)
class Order:
    """One unit of work.

    Attributes:
        kind: "tower", "base" or "run".
        name: the language model of a base; the id of a run.
        run: the run, where it is one.
    """

    kind: str
    name: str
    run: RunSpec | None = None


class Bench:
    """Where orders are carried out: a device and a folder that holds the weights.

    Args:
        study: the recipe.
        folder: holds tower.pt and base-*.pt, written here or beforehand.
        device: such as "cuda" or "cpu".
        mode: how finetuning steps run, see `train.MODES`.
    """

    def __init__(self, study: Study, folder: Path, device: str, mode: str) -> None:
        self.study, self.folder, self.device, self.mode = study, folder, torch.device(device), mode
        self._kept: dict[str, Weights] = {}

    def carry_out(self, order: Order) -> dict[str, Any]:
        """The order's result: what goes into the log, with the rows of a run under "rows"."""
        began = time.time()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        result = {"tower": self._tower, "base": self._base, "run": self._run}[order.kind](order)
        if self.device.type == "cuda":
            result["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
        return {"kind": order.kind, "name": order.name, "state": "done", "wall_time_s": round(time.time() - began, 3),
                **result}

    def weights(self, name: str) -> Weights:
        """Kept weights, by file name without its ending."""
        if name not in self._kept:
            self._kept[name] = torch.load(self.folder / f"{name}.pt", weights_only=True)
        return self._kept[name]

    def _keep(self, name: str, module: torch.nn.Module) -> str:
        self._kept[name] = rounded(module)
        unfinished = self.folder / f".{name}.pt.part"
        torch.save(self._kept[name], unfinished)
        unfinished.replace(self.folder / f"{name}.pt")
        return digest(self._kept[name])

    @property
    def _training_mode(self) -> str:
        """Tower and bases are made once, so compiling them would not pay."""
        return "eager" if self.mode == "compiled" else self.mode

    def _tower(self, order: Order) -> dict[str, Any]:
        tower, accuracy, trained = train_tower(self.study, self.device, mode=self._training_mode)
        return {"accuracy": _rounded(accuracy), "hash": self._keep("tower", tower), **_times(trained)}

    def _base(self, order: Order) -> dict[str, Any]:
        tower = load_tower(self.study, self.weights("tower"), self.device)
        model, accuracy, trained = train_base(self.study, tower, self.study.lm(order.name), self.device,
                                              mode=self._training_mode)
        return {"accuracy": round(accuracy, 4), "hash": self._keep(f"base-{order.name}", model), **_times(trained)}

    def _run(self, order: Order) -> dict[str, Any]:
        assert order.run is not None
        run, study = order.run, self.study
        lm, frames, tokens = study.lm_of(run.factors.lm_params), int(run.factors.frames), int(
            run.factors.tokens_per_frame)
        tower = load_tower(study, self.weights("tower"), self.device)
        base = self.weights(f"base-{lm.name}")
        model = load_base(study, lm, base, self.device)
        began = time.time()
        trained = finetune(study, tower, model, self.device, frames=frames, tokens=tokens, examples=clips_of(run),
                           seed=run.seed, mode=self.mode)
        scores = evaluate(study, tower, model, self.device, frames=frames, tokens=tokens)
        chance = {task.name: task.chance for task in TASKS}
        made = {
            "commit": commit(), "source_sha256": source_digest(), "study": study.name, "recipe": study.digest,
            "hardware": _hardware(self.device), "precision": "bf16" if self.device.type == "cuda" else "fp32",
            "wall_time_s": round(time.time() - began, 2), "train_time_s": round(trained.seconds, 2),
            "trained_flops": f"{flops_of(study, run):.6g}", "train_loss": round(trained.losses[-1], 4),
            "tower": digest(self.weights("tower")), "base": digest(base), "mode": trained.mode,
            "frame_rule": FRAME_RULE, "pooling": "average",
        }
        rows = [{
            "lm_params": lm.params, "frames": frames, "tokens_per_frame": tokens, "data_size": round(run.data_size),
            "sweep": run.sweep, "seed": run.seed, "run_id": run.run_id, "task": score.task,
            "error": repr(score.error), "n_eval": score.asked, "chance": chance[score.task], **made,
        } for score in scores]
        mean = sum(1 - score.error for score in scores) / len(scores)
        return {"rows": rows, "accuracy": round(mean, 4), **_times(trained)}


def _times(trained: Trained) -> dict[str, Any]:
    return {"steps": trained.steps, "train_time_s": round(trained.seconds, 3),
            "step_ms": round(1000 * trained.step_seconds, 3), "losses": [round(loss, 4) for loss in trained.losses],
            "by_task": {name: [round(loss, 4) for loss in own] for name, own in trained.by_task.items()},
            "mode": trained.mode}


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}


def _hardware(device: torch.device) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    return f"1 x {name}, torch {torch.__version__}"


def source_digest() -> str:
    """Hash of the source that makes a run, for trees that come without their history."""
    here = Path(__file__).resolve().parent
    found = hashlib.sha256()
    for place in sorted([*here.glob("*.py"), here.parent / "pooling.py", here.parent / "video.py"]):
        found.update(place.name.encode() + place.read_bytes())
    return found.hexdigest()[:16]


def attempt(bench: Bench, order: Order) -> dict[str, Any]:
    """Carry an order out; a failure becomes a result with its reason."""
    try:
        return bench.carry_out(order)
    except Exception as problem:  # recorded, and the slice goes on
        trace = traceback.format_exc(limit=-3)
        failed = {"kind": order.kind, "name": order.name, "state": "failed", "reason": str(reason_of(problem)),
                  "message": sentence_of(problem), "trace": trace}
        if bench.device.type == "cuda":
            torch.cuda.empty_cache()
        return failed


def serve(connection: Connection, study: Study, folder: Path, device: str, mode: str, gpu: int = 0) -> None:
    """A worker process on one of the machine's GPUs: orders in, results out, until None comes or nobody asks."""
    if device == "cuda":  # the only device this process will know; nothing has asked CUDA for any yet
        allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
        os.environ["CUDA_VISIBLE_DEVICES"] = allowed.split(",")[gpu] if allowed else str(gpu)
    torch.set_num_threads(1)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    bench = Bench(study, folder, device, mode)
    while True:
        try:
            order = connection.recv()
        except (EOFError, KeyboardInterrupt):
            return
        if order is None:
            return
        connection.send(attempt(bench, order))
