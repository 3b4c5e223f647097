"""A few minutes on a device before the recipe is fixed: what is learned, how long steps take, how well runs pack.

Each part runs in processes of its own, so that one that fails is a line in the result and not the end.
"""

import dataclasses
import json
import math
import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vidscale.runs.shapes.config import Study
from vidscale.runs.shapes.observer import ceilings
from vidscale.runs.shapes.plan import Timing
from vidscale.runs.shapes.questions import QUESTION_WORDS, QUESTIONS, TASKS, evaluated_questions
from vidscale.runs.shapes.train import (
    EVALUATE,
    TOWER,
    VideoLm,
    clips,
    evaluate,
    features,
    finetune,
    load_base,
    load_tower,
)
from vidscale.runs.shapes.work import Bench, Order, attempt

#: (language model, frames, tokens) whose steps are timed.
TIMED: tuple[tuple[str, int, int], ...] = (
    ("0.1M", 4, 4), ("0.3M", 32, 64), ("0.8M", 16, 16), ("2.3M", 16, 16), ("4.7M", 16, 16), ("4.7M", 32, 36),
    ("4.7M", 4, 64), ("10M", 32, 16), ("25M", 16, 16))

Result = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProbeSettings:
    """What to probe.

    Attributes:
        base: the language model that is pretrained and finetuned.
        finetuned: (frames, tokens) it is finetuned at.
        clips: that each of them sees.
        packed: numbers of processes that are tried at once.
        packed_at: (language model, frames, tokens) of all of them.
        steps: steps timed.
        modes: ways to run a step that are timed, the first of which also trains; "compiled" only at packed_at.
        time_limit_s: no part starts that is expected to end later than this.
        rates: peak learning rates of finetuning, each tried at every configuration; empty for the recipe's.
        base_rates: the same for the base; finetuning starts from the one with the lowest loss.
    """

    base: str
    finetuned: tuple[tuple[int, int], ...]
    clips: int
    packed: tuple[int, ...]
    packed_at: tuple[str, int, int]
    timed: tuple[tuple[str, int, int], ...] = TIMED
    steps: int = 25
    modes: tuple[str, ...] = ("eager", "recorded", "compiled")
    device: str = "cuda"
    time_limit_s: float = 270.0
    rates: tuple[float, ...] = ()
    base_rates: tuple[float, ...] = ()


def expected_seconds(study: Study, settings: ProbeSettings, timing: Timing) -> dict[str, float]:
    """Seconds that training takes, part by part, with recorded steps; each part's process starts in about 5 s."""
    lm, steps = study.lm(settings.base), math.ceil(settings.clips / study.finetuning.batch)
    parts = {"tower": 5.0 + timing.tower(study)}
    parts |= {_base_part(settings, rate): 10.0 + timing.base(study, lm) for rate in _base_rates(study, settings)}
    for frames, tokens in settings.finetuned:
        step = timing.step(study, lm, frames=frames, tokens=tokens, batch=study.finetuning.batch)
        parts |= {_run_part(settings, frames, tokens, rate): 15.0 + step * steps for rate in _rates(study, settings)}
    return parts


def _rates(study: Study, settings: ProbeSettings) -> tuple[float, ...]:
    return settings.rates or (study.finetuning.learning_rate,)


def _base_rates(study: Study, settings: ProbeSettings) -> tuple[float, ...]:
    return settings.base_rates or (study.base_training.learning_rate,)


def _base_part(settings: ProbeSettings, rate: float) -> str:
    return f"base {settings.base} rate={rate:g}"


def _run_part(settings: ProbeSettings, frames: int, tokens: int, rate: float) -> str:
    return f"finetuned {settings.base} T={frames} V={tokens} rate={rate:g}"


def probe(study: Study, settings: ProbeSettings, out: Path, say: Callable[[str], None] = print) -> Result:
    """Everything, as far as the time goes; `out` is written after every part."""
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="shapes-probe-"))
    found: Result = {"study": study.name, "digest": study.digest, "settings": dataclasses.asdict(settings)}

    expected = expected_seconds(study, settings, Timing())
    say(f"expected: {sum(expected.values()):.0f} s of training, before step times and packing; limit "
        f"{settings.time_limit_s:.0f} s")
    for name, seconds in expected.items():
        say(f"  {seconds:5.0f} s  {name}")

    def part(name: str, work: Callable[..., Result], *given: Any) -> Result:
        if time.monotonic() - began + expected.get(name, 0.0) > settings.time_limit_s:
            result: Result = {"skipped": "no time"}
        else:
            result = _apart(work, study, settings, folder, *given)
        found[name] = {**result, "at_s": round(time.monotonic() - began, 1)}
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(found, indent=1))
        said = {key: value for key, value in result.items() if key not in ("losses", "trace")}
        by_task: dict[str, list[float]] = said.pop("by_task", {})
        say(f"{time.monotonic() - began:5.0f} s  {name}: {json.dumps(said)}")
        for task, losses in by_task.items():
            say(f"    loss  {task:<16} " + " ".join(f"{loss:6.3f}" for loss in losses))
        return result

    try:
        part("tower", _train, Order(kind="tower", name="tower"))
        if settings.timed:
            for mode in settings.modes:
                part("steps" if mode == settings.modes[0] else f"steps, {mode}", _times, mode)
        kept, best, least = folder / f"base-{settings.base}.pt", folder / "best.pt", math.inf
        for rate in _base_rates(study, settings) if settings.finetuned else ():
            made = part(_base_part(settings, rate), _base, rate)
            if made.get("state") == "done" and made["losses"][-1] < least:
                least = made["losses"][-1]
                kept.replace(best)
        if best.exists():
            best.replace(kept)
        for frames, tokens in settings.finetuned if math.isfinite(least) else ():
            for rate in _rates(study, settings):
                part(_run_part(settings, frames, tokens, rate), _finetuned, frames, tokens, rate)
        for count in settings.packed:
            found[f"packed {count}"] = _packed(study, settings, folder, count, settings.modes[0])
            say(f"{time.monotonic() - began:5.0f} s  packed {count}: {json.dumps(found[f'packed {count}'])}")
            if time.monotonic() - began > settings.time_limit_s:
                break
        timing = fit_timing(study, found.get("steps", {}).get("step_ms", {}))
        found["timing"] = dataclasses.asdict(timing)
        say(f"timing: {json.dumps(found['timing'])}")
        out.write_text(json.dumps(found, indent=1))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return found


def _apart(work: Callable[..., Result], *given: Any) -> Result:
    """A function's result from a process of its own, or what went wrong there."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_answer, args=(theirs, work, given), daemon=True)
    process.start()
    theirs.close()
    try:
        return ours.recv()
    except EOFError:
        process.join(timeout=5)
        return {"failed": f"the process ended with exit code {process.exitcode}"}
    finally:
        process.join(timeout=10)
        ours.close()


def _answer(connection: Connection, work: Callable[..., Result], given: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    try:
        result = work(*given)
    except Exception as problem:  # reported; the probe goes on
        result = {"failed": f"{type(problem).__name__}: {' '.join(str(problem).split())[:600]}"}
    connection.send(result)


def _train(study: Study, settings: ProbeSettings, folder: Path, order: Order) -> Result:
    return attempt(Bench(study, folder, settings.device, settings.modes[0]), order)


def _base(study: Study, settings: ProbeSettings, folder: Path, rate: float) -> Result:
    own = dataclasses.replace(study, base_training=dataclasses.replace(study.base_training, learning_rate=rate))
    return _train(own, settings, folder, Order(kind="base", name=settings.base))


def _finetuned(study: Study, settings: ProbeSettings, folder: Path, frames: int, tokens: int, rate: float) -> Result:
    """Accuracy per task after finetuning beside the most that the frames allow, and each task's loss on the way.

    Every clip is seen once, so the loss of a tenth of the steps is one on unseen clips.
    """
    study = dataclasses.replace(study, finetuning=dataclasses.replace(study.finetuning, learning_rate=rate))
    bench, device = Bench(study, folder, settings.device, settings.modes[0]), torch.device(settings.device)
    tower = load_tower(study, bench.weights("tower"), device)
    model = load_base(study, study.lm(settings.base), bench.weights(f"base-{settings.base}"), device)
    before = evaluate(study, tower, model, device, frames=frames, tokens=tokens)
    done = finetune(study, tower, model, device, frames=frames, tokens=tokens, examples=settings.clips, seed=0,
                    mode=settings.modes[0])
    after = evaluate(study, tower, model, device, frames=frames, tokens=tokens)
    scene, draws = clips(study, EVALUATE, 0, 200, torch.device("cpu"))
    most = ceilings(scene, evaluated_questions(scene, draws), frames)
    tasks = {task.name: [round(x, 3) for x in (task.chance, 1 - b.error, 1 - a.error, most[task.name])]
             for task, b, a in zip(TASKS, before, after, strict=True)}
    return {"chance, before, after, ceiling": tasks, "mean": round(float(np.mean([1 - s.error for s in after])), 4),
            "seconds": round(done.seconds, 1), "step_ms": round(1000 * done.step_seconds, 2), "losses": done.losses,
            "by_task": {name: [round(loss, 3) for loss in own] for name, own in done.by_task.items()}}


def _step_ms(study: Study, device: torch.device, folder: Path, at: tuple[str, int, int], mode: str,
             steps: int) -> float:
    name, frames, tokens = at
    tower = load_tower(study, torch.load(folder / "tower.pt", weights_only=True), device)
    model = VideoLm(study.tower, study.lm(name)).to(device)
    done = finetune(study, tower, model, device, frames=frames, tokens=tokens,
                    examples=(steps + 4) * study.finetuning.batch, seed=0, mode=mode)
    return round(1000 * done.step_seconds, 3)


def _times(study: Study, settings: ProbeSettings, folder: Path, mode: str) -> Result:
    """Milliseconds of a step at each configuration, and of making its features alone."""
    device = torch.device(settings.device)
    at = settings.timed if mode != "compiled" else (settings.packed_at,)
    began = time.perf_counter()
    result: Result = {"step_ms": {" ".join(map(str, each)): _step_ms(study, device, folder, each, mode, settings.steps)
                                  for each in at}}
    if mode == settings.modes[0]:
        result["features_ms"] = {frames: _features_ms(study, device, folder, frames) for frames in (4, 32)}
    if device.type == "cuda":
        result["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
    return {**result, "seconds": round(time.perf_counter() - began, 1)}


def _features_ms(study: Study, device: torch.device, folder: Path, frames: int) -> float:
    tower = load_tower(study, torch.load(folder / "tower.pt", weights_only=True), device)
    began = 0.0
    for turn in range(8):
        if turn == 3:
            _wait(device)
            began = time.perf_counter()
        scene, _ = clips(study, TOWER, turn * 1000, study.finetuning.batch, device)
        features(tower, scene, frames)
    _wait(device)
    return round(1000 * (time.perf_counter() - began) / 5, 3)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _packed(study: Study, settings: ProbeSettings, folder: Path, count: int, mode: str) -> Result:
    """Clips per second of so many processes at once, all of them timed while all are running."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(count)
    pipes, processes = [], []
    for _ in range(count):
        ours, theirs = context.Pipe()
        process = context.Process(target=_answer, daemon=True, args=(
            theirs, _together, (study, settings, folder, mode, barrier)))
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    results = []
    for pipe in pipes:
        try:
            results.append(pipe.recv())
        except EOFError:
            results.append({"failed": "the process ended"})
    for process in processes:
        process.join(timeout=10)
    failed = [result["failed"] for result in results if "failed" in result]
    if failed:
        return {"failed": failed[0]}
    steps = [result["step_ms"] for result in results]
    return {"step_ms": steps, "clips_per_s": round(sum(1000 * study.finetuning.batch / ms for ms in steps))}


def _together(study: Study, settings: ProbeSettings, folder: Path, mode: str, barrier: Any) -> Result:
    device = torch.device(settings.device)
    _step_ms(study, device, folder, settings.packed_at, mode, 3)
    barrier.wait(timeout=120)
    return {"step_ms": _step_ms(study, device, folder, settings.packed_at, mode, 4 * settings.steps)}


def fit_timing(study: Study, step_ms: dict[str, float]) -> Timing:
    """`Timing` from measured steps: least squares on relative errors, no part below 0."""
    if len(step_ms) < 4:
        return Timing()
    batch, columns, target = study.finetuning.batch, [], []
    for at, ms in step_ms.items():
        name, frames, tokens = at.split()
        lm, length = study.lm(name), int(frames) * int(tokens) + QUESTIONS * QUESTION_WORDS
        columns.append([3 + lm.layers, int(frames) * batch, length * batch * lm.hidden * lm.layers,
                        6.0 * lm.params * length * batch])
        target.append(ms / 1000)
    matrix = np.array(columns) / np.array(target)[:, None]
    scale = np.abs(matrix).max(axis=0)
    kept = list(range(4))
    while True:
        found = np.linalg.lstsq(matrix[:, kept] / scale[kept], np.ones(len(target)), rcond=None)[0] / scale[kept]
        if (found > 0).all() or len(kept) == 1:
            break
        kept.pop(int(np.argmin(found * scale[kept])))
    full = np.zeros(4)
    full[kept] = np.maximum(found, 0.0)
    return Timing(operation_seconds=float(full[0]), frame_seconds=float(full[1]), value_seconds=float(full[2]),
                  flops_per_second=float(1 / full[3]) if full[3] > 0 else 1e18)
