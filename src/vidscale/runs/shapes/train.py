"""The study's three stages and its evaluation: tower on dense labels, base on generic questions, finetuning on n clips.

A base's projector is first trained alone, as LLaVA's is (`alignment`).

A step starts from the numbers of its clips: scenes, frames, features and questions are made on the device, so the host
only counts. No step waits for the device, which lets a whole step be recorded once as a CUDA graph and replayed.
"""

import hashlib
import math
import time
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidscale.runs.failures import NanLossError
from vidscale.runs.pooling import pool_to_grid
from vidscale.runs.shapes.alignment import target_tables, targets
from vidscale.runs.shapes.config import Study, Training
from vidscale.runs.shapes.draws import Draws, mix_int
from vidscale.runs.shapes.model import DenseHeads, LmShape, Tower, VideoLm
from vidscale.runs.shapes.model import seen as seen_rotation
from vidscale.runs.shapes.questions import GENERIC, SLOTS, TASKS, Questions, evaluated_questions, generic_questions
from vidscale.runs.shapes.render import IGNORED, LABELS, patch_labels, patches, render, sampled_frames
from vidscale.runs.shapes.scene import FRAMES, GRID, Scene, draw_scenes

#: Streams of clips; no clip is in two of them. Every seed of a run has its own part of FINETUNE.
TOWER, BASE, FINETUNE, EVALUATE = 0, 1, 2, 3
SEED_STRIDE = 10**9

#: How a step runs on a GPU: operation by operation, replayed as a CUDA graph, the same with compiled layers, or
#: compiled as a whole.
MODES: tuple[str, ...] = ("eager", "recorded", "fused", "compiled")
_REPLAYED = ("recorded", "fused")
_EAGER_STEPS = 3
_LOOK_EVERY = 100

#: Weight of labels that most patches lack, in the tower's loss.
_RARE = {"shape": 5.0, "colour": 5.0, "across": 5.0, "down": 5.0}

Weights = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a stage did.

    Attributes:
        steps: optimiser steps.
        seconds: wall time, the first step's preparations included.
        step_seconds: wall time of a step, the first few left out.
        losses: mean loss of each tenth of the steps.
        by_task: the same for each task, template or label.
        mode: how its steps ran.
    """

    steps: int
    seconds: float
    step_seconds: float
    losses: tuple[float, ...]
    mode: str
    by_task: dict[str, tuple[float, ...]]


def arithmetic(device: torch.device) -> AbstractContextManager[object]:
    """16-bit products on a GPU; 32-bit everything on a CPU. No cache of cast weights: a recorded step must cast."""
    if device.type == "cuda":
        return torch.autocast("cuda", torch.bfloat16, cache_enabled=False)
    return nullcontext()


def clips(study: Study, stream: int, first: int | Tensor, count: int, device: torch.device) -> tuple[Scene, Draws]:
    """Clips number first … first+count-1 of a stream."""
    indices = torch.arange(count, device=device) + first
    draws = Draws.of(indices, seed=study.data_seed, stream=stream)
    return draw_scenes(draws), draws


def features(tower: Tower, scene: Scene, frames: int) -> Tensor:
    """The frozen tower's features of the sampled frames, shape (clips, frames, 64, hidden)."""
    with torch.no_grad(), arithmetic(scene.tiles.device):
        return tower(patches(render(scene, sampled_frames(frames, scene.tiles.device))))


class _Steps:
    """Optimiser steps of one training: each from the number of its first example."""

    def __init__(self, parameters: list[nn.Parameter], training: Training, hidden: int, steps: int,
                 device: torch.device) -> None:
        self.training, self.steps, self.device = training, steps, device
        self.peak = training.rate(hidden)
        on_gpu = device.type == "cuda"
        # A tensor, so that a recorded step reads the rate of the day.
        self.rate: Tensor = torch.tensor(0.0, device=device)
        decayed = [p for p in parameters if p.ndim > 1]
        others = [p for p in parameters if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": training.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.parameters = parameters
        self.optimiser = torch.optim.AdamW([group for group in groups if group["params"]], lr=self.rate,
                                           betas=(0.9, 0.98), capturable=on_gpu, fused=on_gpu)

    def set_rate(self, step: int) -> None:
        warm = max(1, round(self.training.warm_up * self.steps))
        falling = 0.5 + 0.5 * math.cos(math.pi * min(1.0, max(0.0, (step - warm) / max(1, self.steps - warm))))
        rise = min(1.0, (step + 1) / warm)
        self.rate.fill_(self.peak * rise * (self.training.final_rate + (1 - self.training.final_rate) * falling))

    def step(self, losses: Iterator[Tensor]) -> Tensor:
        """One step on the sum of these parts' losses, each a vector over tasks; returns the vector of all parts."""
        self.optimiser.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.device)
        for loss in losses:
            loss.sum().backward()
            total = total + loss.detach()
        nn.utils.clip_grad_norm_(self.parameters, self.training.max_gradient_norm)
        self.optimiser.step()
        return total


def _run(steps: _Steps, loss_parts: Callable[[Tensor, int], Iterator[Tensor]], first: int, mode: str,
         names: Sequence[str], *, layout: Callable[[int], Hashable] = lambda step: None, share: float = 1.0) -> Trained:
    """All steps of a training.

    Args:
        steps: the optimiser.
        loss_parts: from the number of the step's first example (a tensor) and the step, its losses part by part.
        first: number of the first example of all.
        mode: one of MODES; what is compiled is the caller's business.
        names: of the losses in a vector; those of one name are averaged in `by_task`.
        layout: what tells one kind of step from another; each kind is recorded on its second use.
        share: by which a name's own loss goes into the sum.
    """
    at = torch.zeros((), dtype=torch.int64, device=steps.device)
    losses = torch.zeros(steps.steps, len(names), device=steps.device)
    recorded: dict[Hashable, tuple[torch.cuda.CUDAGraph, Tensor]] = {}
    used: set[Hashable] = set()
    began = marked = time.perf_counter()
    for step in range(steps.steps):
        at.fill_(first + step * steps.training.batch)
        steps.set_rate(step)
        kind = layout(step)
        if mode not in _REPLAYED:
            losses[step] = steps.step(loss_parts(at, step))
        elif step < _EAGER_STEPS or kind not in used:
            losses[step] = _aside(lambda step=step: steps.step(loss_parts(at, step)))
        else:
            if kind not in recorded:
                recorded[kind] = _record(lambda step=step: steps.step(loss_parts(at, step)), steps, recorded.values())
            graph, replayed = recorded[kind]
            graph.replay()  # recording a step does not run it
            losses[step] = replayed
        used.add(kind)
        if step == min(_EAGER_STEPS, steps.steps - 1) or step % _LOOK_EVERY == 0:
            _check(losses, step)
        if step == _EAGER_STEPS:
            marked = time.perf_counter()
    _check(losses, steps.steps - 1)
    ended = time.perf_counter()
    timed = steps.steps - _EAGER_STEPS - 1
    tenths = [part.mean(dim=0) for part in losses.tensor_split(min(10, steps.steps))]
    columns = {name: [i for i, own in enumerate(names) if own == name] for name in dict.fromkeys(names)}
    return Trained(steps=steps.steps, seconds=ended - began, mode=mode,
                   step_seconds=(ended - marked) / timed if timed > 0 else (ended - began) / steps.steps,
                   losses=tuple(float(part.sum()) for part in tenths),
                   by_task={name: tuple(float(part[own].mean()) / share for part in tenths)
                            for name, own in columns.items()})


def _record(work: Callable[[], Tensor], steps: _Steps,
            others: Collection[tuple[torch.cuda.CUDAGraph, Tensor]]) -> tuple[torch.cuda.CUDAGraph, Tensor]:
    """A step as a graph and the losses it fills; graphs share memory, since one runs at a time and is read at once."""
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    pool = next((other.pool() for other, _ in others), None)
    steps.optimiser.zero_grad(set_to_none=True)
    with torch.cuda.graph(graph, pool=pool):
        replayed = work()
    return graph, replayed


def _aside(work: Callable[[], Tensor]) -> Tensor:
    """Work on a stream of its own, as recording wants it for the steps before."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        result = work()
    torch.cuda.current_stream().wait_stream(stream)
    return result


def _check(losses: Tensor, step: int) -> None:
    """Waits for the device, so that time is true, and refuses to train on a loss that is no number."""
    if not bool(torch.isfinite(losses[: step + 1]).all()):
        raise NanLossError(f"the loss is no finite number by step {step}")


def train_tower(study: Study, device: torch.device, *, mode: str = "eager") -> tuple[Tower, dict[str, float], Trained]:
    """Pretrain the vision tower on dense labels of single frames.

    Returns:
        The tower; its accuracy on frames of the evaluation clips, by label; and what was done.
    """
    torch.manual_seed(study.data_seed)
    tower, heads = Tower(study.tower).to(device), DenseHeads(study.tower.hidden).to(device)
    training = study.tower_training
    assert training.examples is not None
    steps = _Steps([*tower.parameters(), *heads.parameters()], training, study.tower.hidden,
                   math.ceil(training.examples / training.batch), device)
    each = 4 if training.batch % 4 == 0 else 1  # frames taken of a clip

    def loss_parts(at: Tensor, step: int) -> Iterator[Tensor]:
        scene, draws = clips(study, TOWER, at, training.batch // each, device)
        frames = draws.below(FRAMES, 2000, each)[0]
        with arithmetic(device):
            guesses = heads(tower(patches(render(scene, frames))))
        labels = patch_labels(scene, frames)
        yield torch.stack([F.cross_entropy(guesses[name].float().flatten(0, 2), labels[name].flatten(),
                                           ignore_index=IGNORED) * _RARE.get(name, 1.0) for name in LABELS])

    done = _run(steps, loss_parts, 0, mode, tuple(LABELS))
    tower.requires_grad_(False).eval()
    return tower, _dense_accuracy(study, tower, heads, device), done


@torch.no_grad()
def _dense_accuracy(study: Study, tower: Tower, heads: DenseHeads, device: torch.device) -> dict[str, float]:
    """Share of patches labelled rightly; for what most patches lack, of those that have it."""
    scene, _ = clips(study, EVALUATE, 0, min(256, study.eval_clips), device)
    frames = sampled_frames(8, device)
    with arithmetic(device):
        guesses = heads(tower(patches(render(scene, frames))))
    accuracy = {}
    for name, label in patch_labels(scene, frames).items():
        counted = label != IGNORED if name in ("tile", "glyph", "place", "time") else label > 0
        accuracy[name] = float((guesses[name].argmax(-1) == label)[counted].float().mean())
    return accuracy


def train_base(study: Study, tower: Tower, lm: LmShape, device: torch.device, *,
               mode: str = "eager") -> tuple[VideoLm, float, Trained]:
    """Pretrain a base language model and its projector on generic questions, cycling through the study's base_mix.

    Returns:
        The model, its mean accuracy on generic questions, and what was done.
    """
    torch.manual_seed(study.data_seed + lm.params)
    model = VideoLm(study.tower, lm).to(device)
    training = study.base_training
    assert training.examples is not None
    steps = _Steps(list(model.parameters()), training, lm.hidden, math.ceil(training.examples / training.batch), device)
    mix = study.base_mix
    initialise_projector(study, tower, model, device)
    align_projector(study, tower, model, device, mode=mode)
    if mode == "fused":
        fuse(model)

    def configuration(step: int) -> tuple[int, int]:
        return mix[mix_int(step) % len(mix)]

    def loss_parts(at: Tensor, step: int) -> Iterator[Tensor]:
        frames, tokens = configuration(step)
        yield from _answer_losses(study, tower, model, lm, BASE, at, training.batch, frames, tokens, generic_questions)

    done = _run(steps, loss_parts, 0, mode, GENERIC, layout=configuration, share=1 / len(GENERIC))
    return model, _generic_accuracy(study, tower, model, device), done


@torch.no_grad()
def initialise_projector(study: Study, tower: Tower, model: VideoLm, device: torch.device) -> None:
    """Scale and centre a fresh projector so that visual tokens differ from each other as words do.

    With torch's own initial values they hardly differ at all: biases outweigh what is left of the features after
    pooling. Here both linear layers take features of mean 0 and unit variance over the tokens of the base's mix, and
    the outcome has the standard deviation of the word embeddings. The function stays LLaVA's: linear, GELU, linear.
    """
    scene, _ = clips(study, BASE, SEED_STRIDE, 32, device)
    seen = features(tower, scene, 8).float()
    x = torch.cat([pool_to_grid(seen, math.isqrt(tokens)).flatten(0, -2) for tokens in
                   sorted({tokens for _, tokens in study.base_mix})])
    wanted = float(model.decoder.embed.weight.std())
    for layer, std in ((model.projector.first, 1.0), (model.projector.second, wanted)):
        nn.init.normal_(layer.weight)
        mean = x.mean(dim=0)
        layer.weight *= std / ((x - mean) @ layer.weight.T).std().clamp(min=1e-6)
        layer.bias.copy_(-(layer.weight @ mean))
        x = F.gelu(layer(x))


def align_projector(study: Study, tower: Tower, model: VideoLm, device: torch.device, *,
                    mode: str = "eager") -> Trained:
    """Train the projector alone, so that visual tokens lie near the words for what they show.

    Patches and pooled tokens are equally many steps; the loss is the squared distance as a fraction of that of zero.
    """
    training, each = study.alignment, 4
    assert training.examples is not None
    steps = _Steps(list(model.projector.parameters()), training, model.decoder.shape.hidden,
                   math.ceil(training.examples / training.batch), device)
    embedding = model.decoder.embed.weight.detach()
    tables = target_tables(embedding @ seen_rotation(embedding.shape[1]).T.to(device))
    sides = sorted({math.isqrt(tokens) for _, tokens in study.base_mix} | {GRID})

    def side(step: int) -> int:
        return sides[step % len(sides)]

    def loss_parts(at: Tensor, step: int) -> Iterator[Tensor]:
        scene, draws = clips(study, BASE, at, training.batch // each, device)
        frames = draws.below(FRAMES, 2000, each)[0]
        with torch.no_grad(), arithmetic(device):
            seen = tower(patches(render(scene, frames)))
        wanted = pool_to_grid(targets(patch_labels(scene, frames), tables), side(step))
        with arithmetic(device):
            found = model.projector(pool_to_grid(seen, side(step)))
        yield (F.mse_loss(found.float(), wanted) / wanted.square().mean())[None]

    return _run(steps, loss_parts, SEED_STRIDE, mode, ("distance",), layout=side)


def finetune(study: Study, tower: Tower, model: VideoLm, device: torch.device, *, frames: int, tokens: int,
             examples: int, seed: int, mode: str = "eager") -> Trained:
    """Finetune a base in place on the evaluated questions about `examples` clips, each seen once."""
    training, shape = study.finetuning, model.decoder.shape
    steps = _Steps(list(model.parameters()), training, shape.hidden, math.ceil(examples / training.batch), device)
    run = torch.compile(model) if mode == "compiled" else model
    if mode == "fused":
        fuse(model)
    first = seed * SEED_STRIDE

    def loss_parts(at: Tensor, step: int) -> Iterator[Tensor]:
        count = min(training.batch, examples - step * training.batch)
        yield from _answer_losses(study, tower, run, shape, FINETUNE, at, count, frames, tokens, evaluated_questions)

    if mode in _REPLAYED and examples % training.batch:
        raise ValueError(f"recorded steps are all alike: {examples} examples are no multiple of {training.batch}")
    return _run(steps, loss_parts, first, mode, SLOTS, share=1 / len(SLOTS))


def fuse(model: VideoLm) -> None:
    """Have the decoder's layers compiled when first used: most of a step is memory traffic between small operations.

    Layers of one width share what is compiled, whatever the number of frames and tokens (dynamic shapes).
    """
    import torch._inductor.config as inductor
    import torch.fx.experimental._config as shapes

    torch._dynamo.config.recompile_limit = 64
    inductor.triton.coalesce_tiling_analysis = False  # fails on dynamic shapes in torch 2.11
    # Sizes that are equal when compiled would be taken for the same size ever after: 1,024 video tokens, for one.
    shapes.use_duck_shape = False
    for layer in model.decoder.layers:
        layer.compile(dynamic=True)


def _answer_losses(study: Study, tower: Tower, model: Callable[..., Tensor], shape: LmShape, stream: int, at: Tensor,
                   count: int, frames: int, tokens: int,
                   ask: Callable[[Scene, Draws], Questions]) -> Iterator[Tensor]:
    """Cross-entropy of a batch's answers by question, in parts that fit into memory; all of it adds up to the mean."""
    device = at.device
    k = math.isqrt(tokens)
    part = _part(study, shape, count, frames * tokens)
    for start in range(0, count, part):
        own = min(part, count - start)
        scene, draws = clips(study, stream, at + start, own, device)
        asked = ask(scene, draws)
        seen = features(tower, scene, frames)
        with arithmetic(device):
            logits = model(seen, asked.words, k)
        each = F.cross_entropy(logits.float().flatten(0, 1), asked.answers.flatten(), reduction="none")
        yield each.view(own, -1).sum(dim=0) / (count * asked.answers.shape[1])


def _part(study: Study, shape: LmShape, count: int, video_tokens: int) -> int:
    """Clips per forward pass: all, or the largest halving that stays within the study's limit."""
    part = count
    while part > 1 and part * (video_tokens + 48) * shape.hidden * shape.layers > study.micro_values:
        part = math.ceil(part / 2)
    return part


@dataclass(frozen=True, kw_only=True)
class TaskScore:
    """Right answers to one task's questions."""

    task: str
    right: int
    asked: int

    @property
    def error(self) -> float:
        return 1.0 - self.right / self.asked


@torch.no_grad()
def evaluate(study: Study, tower: Tower, model: VideoLm, device: torch.device, *, frames: int,
             tokens: int) -> list[TaskScore]:
    """Multiple choice on the study's evaluation clips, the same for every run: the likeliest option is the answer."""
    right = torch.zeros(len(SLOTS), dtype=torch.int64, device=device)
    by_name = {task.name: task for task in TASKS}
    batch = _part(study, model.decoder.shape, 512, frames * tokens)
    for first in range(0, study.eval_clips, batch):
        scene, draws = clips(study, EVALUATE, first, min(batch, study.eval_clips - first), device)
        asked = evaluated_questions(scene, draws)
        with arithmetic(device):
            logits = model(features(tower, scene, frames), asked.words, math.isqrt(tokens))
        for slot, name in enumerate(SLOTS):
            low = by_name[name].first_option
            guess = low + logits[:, slot, low : low + by_name[name].choices].argmax(dim=-1)
            right[slot] += (guess == asked.answers[:, slot]).sum()
    counts = right.tolist()
    return [TaskScore(task=task.name, right=sum(counts[slot] for slot, name in enumerate(SLOTS) if name == task.name),
                      asked=study.eval_clips * SLOTS.count(task.name)) for task in TASKS]


@torch.no_grad()
def _generic_accuracy(study: Study, tower: Tower, model: VideoLm, device: torch.device) -> float:
    """Mean over the generic questions about some evaluation clips, over all words, at the mix's configurations."""
    found = []
    for frames, tokens in study.base_mix:
        scene, draws = clips(study, EVALUATE, 0, min(256, study.eval_clips), device)
        asked = generic_questions(scene, draws)
        with arithmetic(device):
            logits = model(features(tower, scene, frames), asked.words, math.isqrt(tokens))
        found.append(float((logits.argmax(-1) == asked.answers).float().mean()))
    return sum(found) / len(found)


def rounded(module: nn.Module) -> Weights:
    """A module's weights in 16 bits, which is what is kept, hashed and started from."""
    return {name: weight.detach().to("cpu", torch.bfloat16) for name, weight in module.state_dict().items()}


def digest(weights: Weights) -> str:
    """Short hash of weights by name and bits."""
    found = hashlib.sha256()
    for name in sorted(weights):
        found.update(name.encode())
        found.update(weights[name].contiguous().view(torch.int16).numpy().tobytes())
    return found.hexdigest()[:12]


def load(module: nn.Module, weights: Weights, device: torch.device) -> None:
    """Put kept weights into a module and the module on a device."""
    module.load_state_dict({name: weight.float() for name, weight in weights.items()})
    module.to(device)


def load_tower(study: Study, weights: Weights, device: torch.device) -> Tower:
    """The frozen tower from kept weights."""
    tower = Tower(study.tower)
    load(tower, weights, device)
    return tower.requires_grad_(False).eval()


def load_base(study: Study, lm: LmShape, weights: Weights, device: torch.device) -> VideoLm:
    """A base model from kept weights, ready to be finetuned."""
    model = VideoLm(study.tower, lm)
    load(model, weights, device)
    return model
