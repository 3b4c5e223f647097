"""Finetuning: one pass over n examples, in an order that the seed fixes.

A step takes `batch` examples. They are spread over the processes, run in micro-batches, and their gradients added: the
loss is the sum over the answers' tokens divided by how many the whole step has, so micro-batches and processes do not
change it. Clips are decoded ahead by threads; examples about one clip that follow each other share it, decoded and
encoded once. What interrupts training is looked for between steps.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, repeat
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vidscale.errors import InputError
from vidscale.runs.checkpoint import Progress, load_checkpoint, save_checkpoint
from vidscale.runs.conversations import Batch, Example, Speller, Tokens, collate
from vidscale.runs.distributed import Team, layers_of, shard
from vidscale.runs.failures import STEADIER, NanLossError, RunInterrupted
from vidscale.runs.flops import TrainingFlops, training_flops
from vidscale.runs.model import VideoLanguageModel, before, summed_loss
from vidscale.runs.recipe import TrainingRecipe

S = TypeVar("S")
T = TypeVar("T")

#: Clips that each decoding thread may be ahead of training.
AHEAD = 4


@dataclass(frozen=True, kw_only=True)
class Clips:
    """Where clips come from.

    Attributes:
        load: a video's path to a tensor (x_T, 3, side, side), dtype uint8.
        frames: x_T.
        workers: threads that load ahead.
    """

    load: Callable[[Path], Tensor]
    frames: int
    workers: int = 2


def data_order(available: int, n: int, seed: int) -> list[int]:
    """Which examples a run sees, in order: the first n of a shuffle that depends on the seed only.

    So the examples of a smaller n are among those of a larger one, and each is seen once.

    Raises:
        InputError: there are fewer than n.
    """
    if n > available:
        raise InputError(f"data_size is {n} and the training data hold {available} examples, each of which may be seen "
                         "once; plan smaller runs or add data")
    return np.random.default_rng(seed).permutation(available)[:n].tolist()


def learning_rate_factor(step: int, steps: int, warm_up: float, final_rate: float = 0.0) -> float:
    """The rate of a step as a fraction of its peak: a linear rise, then a cosine down to `final_rate`.

    Args:
        step: from 0.
        steps: of the whole run.
        warm_up: fraction of them over which the rate rises.
        final_rate: as a fraction of the peak.
    """
    rising = math.ceil(warm_up * steps)
    if step < rising:
        return (step + 1) / rising
    falling = 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))
    return final_rate + (1 - final_rate) * falling


def freeze(model: VideoLanguageModel, trained: Sequence[str]) -> None:
    """Let only these parts change: "tower", "projector", "lm"."""
    for name in ("tower", "projector", "lm"):
        getattr(model, name).requires_grad_(name in trained)


def make_optimiser(model: VideoLanguageModel, recipe: TrainingRecipe) -> torch.optim.AdamW:
    """AdamW with a peak rate per part and weight decay on matrices only; a group's peak rate is its "peak"."""
    peaks = {"projector": recipe.projector_learning_rate, "tower": recipe.tower_learning_rate}
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            own = peaks.get(name.split(".")[0])
            peak = recipe.learning_rate if own is None else own
            groups.setdefault((peak, recipe.weight_decay if parameter.ndim >= 2 else 0.0), []).append(parameter)
    settings = [{"params": p, "peak": peak, "weight_decay": decay} for (peak, decay), p in groups.items()]
    return torch.optim.AdamW(settings, lr=recipe.learning_rate, betas=(recipe.beta_1, recipe.beta_2),
                             fused=all(p.is_cuda for own in groups.values() for p in own))


def checkpoint_activations(model: VideoLanguageModel) -> None:
    """Have every transformer layer that is trained compute its activations again in the backward pass."""
    for layer in layers_of(model):
        if any(p.requires_grad for p in layer.parameters()):
            layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)


def arithmetic(device: torch.device, precision: str) -> Any:
    """The context of a forward pass: bf16 arithmetic on 32-bit weights, or nothing."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def prepare(model: VideoLanguageModel, recipe: TrainingRecipe, trained: Sequence[str], members: Team) -> None:
    """Freeze, place and, for several processes, shard the model."""
    freeze(model, trained)
    if recipe.precision == "bf16" and "tower" not in trained:
        model.tower.to(torch.bfloat16)  # nothing accumulates in frozen weights
    if recipe.activation_checkpointing:
        checkpoint_activations(model)
    model.to(members.device)
    if members.size > 1:
        shard(model, members, recipe.precision == "bf16")


def finetune(model: VideoLanguageModel, examples: Sequence[Example], speller: Speller, clips: Clips,
             recipe: TrainingRecipe, *, seed: int, folder: Path | None, identity: str, members: Team,
             report: Callable[[Progress, list[str]], None] = lambda progress, notes: None,
             stop: Callable[[], bool] = lambda: False) -> Progress:
    """Train on all examples, from the last checkpoint on.

    Args:
        model: as `prepare` leaves it.
        examples: what to see, in order, once.
        speller, clips: how to make tokens and frames of them.
        recipe: how to train.
        seed: of what is random in a step.
        folder: of the checkpoints; None for none.
        identity: what a checkpoint must belong to.
        members: the processes.
        report: called after every step, and with notes when training is taken up again.
        stop: asked between steps; true ends training with a checkpoint.

    Returns:
        How far it is: at the last step.

    Raises:
        NanLossError: the loss or gradient is not finite; the weights are still those of the step before.
        RunInterrupted: `stop` said so.
        InputError: an example cannot be read.
    """
    optimiser, cost = make_optimiser(model, recipe), training_flops(model)
    progress, notes = (Progress(), []) if folder is None else load_checkpoint(folder, model, optimiser, identity)
    report(progress, notes)
    steps = math.ceil(len(examples) / recipe.batch)
    plan = [examples[i * recipe.batch:(i + 1) * recipe.batch] for i in range(progress.step, steps)]
    saved, model_time = time.monotonic(), time.monotonic()
    model.train()
    # A rank that fails alone would leave the others waiting; its exit makes the launcher end them.
    with _batches(plan, speller, clips, recipe.micro_batch, members) as batches:
        for batch in plan:
            torch.manual_seed(hash((seed, progress.step, members.rank)))
            factor = learning_rate_factor(progress.step, steps, recipe.warm_up, recipe.final_rate)
            done = _step(model, optimiser, batches, len(batch), factor, recipe, cost, clips.frames, members)
            now = time.monotonic()
            progress = replace(progress, step=progress.step + 1, loss=done.loss, tokens=progress.tokens + done.tokens,
                               train_time_s=progress.train_time_s + now - model_time,
                               trained_flops=progress.trained_flops + done.flops,
                               peak_memory=max(progress.peak_memory, peak_memory(members.device)))
            model_time = now
            report(progress, [])
            stopping = members.any(stop())
            due = members.any(now - saved >= 60 * recipe.checkpoint_minutes)
            if folder is not None and (stopping or due or progress.step == steps):
                save_checkpoint(folder, model, optimiser, progress, identity, members)
                saved = model_time = time.monotonic()
            if stopping:
                raise RunInterrupted(f"interrupted after step {progress.step} of {steps}; run again to go on there")
    return progress


@dataclass(frozen=True, kw_only=True)
class _Micro:
    """A micro-batch, and how many predicted tokens the whole step has over all processes' own part."""

    batch: Batch
    lengths: list[int]
    clips: int
    step_predicted: int


@dataclass(frozen=True, kw_only=True)
class _StepDone:
    loss: float
    tokens: int
    flops: float


def _step(model: VideoLanguageModel, optimiser: torch.optim.Optimizer, batches: Iterator[_Micro], size: int,
          factor: float, recipe: TrainingRecipe, cost: TrainingFlops, frames: int, members: Team) -> _StepDone:
    """One optimiser step."""
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * factor
    optimiser.zero_grad(set_to_none=True)
    loss, tokens, flops, predicted = 0.0, 0, 0.0, 0.0
    for number in range(_micro_batches(size, recipe.micro_batch, members)):
        micro = next(batches)
        if number == 0:
            predicted = members.total(micro.step_predicted)
        batch = micro.batch.to(members.device)
        with arithmetic(members.device, recipe.precision):
            logits = model(batch.frames, batch.ids, batch.clip, before(batch.predicted))
            # Gradients are averaged over the processes, and the loss is a sum over them.
            part = summed_loss(logits, batch.ids[batch.predicted]) * (members.size / predicted)
        part.backward()
        loss += part.item() / members.size
        tokens += sum(micro.lengths)
        flops += cost.step(micro.clips, frames, micro.lengths, len(logits))
    _update(model, optimiser, members.total(loss), recipe)
    return _StepDone(loss=members.total(loss), tokens=int(members.total(tokens)), flops=members.total(flops))


def _update(model: nn.Module, optimiser: torch.optim.Optimizer, loss: float, recipe: TrainingRecipe) -> None:
    """Change the weights, unless that would spoil them."""
    limit = recipe.max_gradient_norm or math.inf
    norm: Any = nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], limit)
    norm = float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)
    if not math.isfinite(loss) or not math.isfinite(norm):
        what = f"the loss is {loss}" if not math.isfinite(loss) else f"the gradient's norm is {norm}"
        raise NanLossError(f"{what}; {STEADIER}")
    optimiser.step()


def _micro_batches(size: int, micro_batch: int, members: Team) -> int:
    """Micro-batches of a step, the same in every process."""
    return -(-(size // -members.size) // -micro_batch)


@contextmanager
def _batches(plan: Sequence[Sequence[Example]], speller: Speller, clips: Clips, micro_batch: int,
             members: Team) -> Iterator[Iterator[_Micro]]:
    """All micro-batches of this process, made ahead of their use."""
    shares = [members.share(batch) for batch in plan]
    # None stands in where the last batch does not spread evenly: the work of some example, nothing to predict.
    with ThreadPoolExecutor(clips.workers, thread_name_prefix="decode") as threads:
        wanted = ((example or plan[0][0]).video for share in shares for example in share)
        loaded = load_ahead(threads, clips, wanted)
        try:
            yield _assembled(shares, plan[0][0] if plan else None, speller, loaded, micro_batch)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


def _assembled(shares: Sequence[Sequence[Example | None]], stand_in: Any, speller: Speller, loaded: Iterator[Tensor],
               micro_batch: int) -> Iterator[_Micro]:
    for share in shares:
        spelled = [speller.example(example) if example else _nothing(speller.example(stand_in)) for example in share]
        predicted = sum(sum(each.predicted) for each in spelled)
        for start in range(0, len(share), micro_batch):
            part = spelled[start:start + micro_batch]
            frames, which = distinct([next(loaded) for _ in part])
            given = zip(part, which, share[start:start + micro_batch], strict=True)
            real = [(len(each.ids), clip) for each, clip, example in given if example]
            yield _Micro(batch=collate(frames, part, which), lengths=[length for length, _ in real],
                         clips=len({clip for _, clip in real}), step_predicted=predicted)


def _nothing(tokens: Tokens) -> Tokens:
    return replace(tokens, predicted=[False] * len(tokens.ids))


def ahead(threads: Executor, work: Callable[[S], T], items: Iterable[S], depth: int) -> Iterator[T]:
    """Results of `work` in order, at most `depth` items ahead; an item's failure is raised when its turn comes."""
    waiting: deque[Future[T]] = deque()
    for item in items:
        waiting.append(threads.submit(work, item))
        if len(waiting) > depth:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def load_ahead(threads: Executor, clips: Clips, videos: Iterable[Path]) -> Iterator[Tensor]:
    """The clip of every video in turn, loaded ahead; a video that comes several times in a row is loaded once.

    Such repeats are the same tensor, which `distinct` goes by.
    """
    runs = [(video, sum(1 for _ in own)) for video, own in groupby(videos)]
    loaded = ahead(threads, clips.load, (video for video, _ in runs), AHEAD * clips.workers)
    for (_, times), clip in zip(runs, loaded, strict=True):
        yield from repeat(clip, times)


def distinct(clips: Sequence[Tensor]) -> tuple[list[Tensor], list[int]]:
    """Clips without the repeats that follow each other, and for each one given, which of those it is."""
    kept: list[Tensor] = []
    which: list[int] = []
    for clip in clips:
        if not kept or clip is not kept[-1]:
            kept.append(clip)
        which.append(len(kept) - 1)
    return kept, which


def peak_memory(device: torch.device) -> int:
    """Most bytes held so far: of device memory, or of the process where there is no accelerator."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
