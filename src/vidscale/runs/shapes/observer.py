"""An ideal observer: the best that anyone can answer from the sampled frames alone.

It sees every sampled frame without error and knows how clips are made (also how long the clip's events last), so what
it gets wrong is not in the frames: no model can do better on average than `Answers.probability`. It holds for any
number of tokens per frame; how much pooling loses is an empirical matter.

Events are placed uniformly over all placements with a frame or more between them, so what unseen ones may have done is
a matter of counting placements that cover the sampled frames exactly as observed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import comb

import numpy as np
from numpy.typing import NDArray

from vidscale.runs.shapes.questions import SLOTS, TASKS, Questions
from vidscale.runs.shapes.render import sampled_frames, showing
from vidscale.runs.shapes.scene import (
    BLINKS,
    DIRECTIONS,
    FLASHES,
    FRAMES,
    MOVERS,
    SIDE,
    SIGNS,
    SPEED_CLASSES,
    SUBPIXELS,
    TILES,
    Scene,
    centres,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_UNSEEN, _IMPOSSIBLE = -1, -2


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What the ideal observer answers; shape (clips, 24).

    Attributes:
        words: token of its answer.
        probability: that it is right, given what it saw.
    """

    words: Ints
    probability: Floats

    def ceiling(self, task: str) -> float:
        """Mean probability over the questions of a task: the highest accuracy to be expected."""
        return float(self.probability[:, [slot for slot, name in enumerate(SLOTS) if name == task]].mean())


def best_answers(scene: Scene, questions: Questions, frames: int) -> Answers:
    """The ideal observer's answers to the evaluated questions from `frames` sampled frames."""
    sampled = sampled_frames(frames, scene.tiles.device)
    seen = showing(scene, sampled).cpu().numpy()
    words = questions.answers.cpu().numpy().copy()
    probability = np.ones(words.shape)
    at = centres(scene, sampled).cpu().numpy()
    subjects = questions.subjects.cpu().numpy()
    own = {name: getattr(scene, name).cpu().numpy() for name in (
        "blink_length", "flash_length", "flash_colour", "spots")}
    first = {task.name: task.first_option for task in TASKS}
    numbers = tuple(sampled.tolist())
    for clip in range(len(scene)):
        motion = [_motion(at[clip, :, mover], numbers) for mover in range(MOVERS)]
        for slot, task in enumerate(SLOTS):
            subject = int(subjects[clip, slot])
            if task == "count":
                belief = _count(seen[clip, :, FLASHES + 1:], int(own["blink_length"][clip]), numbers)
            elif task == "order":
                belief = _order(seen[clip, :, :FLASHES], own["flash_colour"][clip], int(own["flash_length"][clip]),
                                numbers, subject)
            elif task == "where":
                belief = _where(seen[clip], own["spots"][clip], subject)
            elif task == "needle":
                belief = _one_of(SIGNS, int(words[clip, slot]) - first[task], bool(seen[clip, :, FLASHES].any()))
            elif task in ("direction", "speed"):
                belief = motion[subject].sum(axis=1 if task == "direction" else 0)
            else:
                continue  # what stands still is seen in frame 0
            words[clip, slot] = first[task] + int(belief.argmax())
            probability[clip, slot] = belief.max()
    return Answers(words=words, probability=probability)


@dataclass(frozen=True, kw_only=True)
class _Line:
    """Placements of events of one length that look as observed.

    Attributes:
        length: frames that an event lasts.
        kind: for each possible first frame 0 … 63 what an event there would be: the number of a seen event, _UNSEEN,
            or _IMPOSSIBLE because it would have shown otherwise.
        seen: how many events were seen.
    """

    length: int
    kind: tuple[int, ...]
    seen: int

    @classmethod
    def of(cls, length: int, sampled: Sequence[int], groups: Sequence[tuple[int, ...]]) -> "_Line":
        """From the sampled frames that each seen event was seen in, in order of time."""
        kinds = []
        for start in range(FRAMES):
            shown = tuple(frame for frame in sampled if start <= frame < start + length)
            fits = 1 <= start <= FRAMES - length
            known = groups.index(shown) if shown in groups else _IMPOSSIBLE
            kinds.append((known if shown else _UNSEEN) if fits else _IMPOSSIBLE)
        return cls(length=length, kind=tuple(kinds), seen=len(groups))

    @cached_property
    def _after(self) -> dict[tuple[int, int, int], int]:
        return {}

    def ways(self, start: int, more: int, seen: int) -> int:
        """Placements of `more` further events from frame `start` on, when `seen` of the seen ones are placed."""
        if start >= FRAMES:
            return int(more == 0 and seen == self.seen)
        key = (start, more, seen)
        if key not in self._after:
            total = self.ways(start + 1, more, seen)
            if more and self.kind[start] in (_UNSEEN, seen):
                total += self.ways(start + self.length + 1, more - 1, seen + (self.kind[start] == seen))
            self._after[key] = total
        return self._after[key]

    def ranks(self, events: int) -> Floats:
        """Probability that the j-th of `events` is the i-th seen one, shape (events, seen)."""
        weight = np.zeros((events, self.seen))
        reached = {(1, 0, 0): 1}  # frame, events placed, seen ones placed: placements that lead there
        for start in range(1, FRAMES):
            kind = self.kind[start]
            for (_, placed, seen), leading in [item for item in reached.items() if item[0][0] == start]:
                _add(reached, (start + 1, placed, seen), leading)
                if placed < events and kind in (_UNSEEN, seen):
                    then = (start + self.length + 1, placed + 1, seen + (kind == seen))
                    _add(reached, then, leading)
                    if kind == seen:
                        weight[placed, seen] += leading * self.ways(then[0], events - placed - 1, seen + 1)
        return weight / self.ways(1, events, 0)


def _add(counts: dict[tuple[int, int, int], int], key: tuple[int, int, int], more: int) -> None:
    counts[key] = counts.get(key, 0) + more


def _groups(seen: NDArray[np.bool_], sampled: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """The sampled frames in which each event was seen, those of unseen events left out, in order of time."""
    shown = (tuple(sampled[int(i)] for i in np.flatnonzero(column)) for column in seen.T)
    return tuple(group for group in shown if group)


def _count(seen: NDArray[np.bool_], length: int, sampled: tuple[int, ...]) -> Floats:
    """How likely each number of blinks is, shape (8,)."""
    return _count_belief(length, sampled, _groups(seen, sampled))


@lru_cache(maxsize=100_000)
def _count_belief(length: int, sampled: tuple[int, ...], groups: tuple[tuple[int, ...], ...]) -> Floats:
    line = _Line.of(length, sampled, groups)
    weights = [line.ways(1, count, 0) / comb(FRAMES - count * length, count) for count in range(BLINKS + 1)]
    return np.array(weights) / sum(weights)


def _order(seen: NDArray[np.bool_], colours: Ints, length: int, sampled: tuple[int, ...], nth: int) -> Floats:
    """How likely each colour is to be that of the nth flash, shape (4,)."""
    belief = np.zeros(FLASHES)
    visible = seen.any(axis=0)
    ranks = _rank_belief(length, sampled, _groups(seen, sampled))[nth]
    belief[colours[visible]] = ranks
    if not visible.all():
        belief[colours[~visible]] = (1.0 - ranks.sum()) / (~visible).sum()
    return belief


@lru_cache(maxsize=100_000)
def _rank_belief(length: int, sampled: tuple[int, ...], groups: tuple[tuple[int, ...], ...]) -> Floats:
    return _Line.of(length, sampled, groups).ranks(FLASHES)


def _where(seen: NDArray[np.bool_], spots: Ints, which: int) -> Floats:
    """How likely each tile is to be the flash's, shape (16,): any that no event was seen on, if it was not seen."""
    visible = np.any(seen, axis=0)
    if visible[which]:
        return _one_of(TILES * TILES, int(spots[which]), True)
    belief = np.ones(TILES * TILES)
    belief[spots[visible]] = 0.0
    return belief / belief.sum()


def _one_of(choices: int, answer: int, known: bool) -> Floats:
    return np.eye(choices)[answer] if known else np.full(choices, 1.0 / choices)


def _motion(at: Ints, sampled: tuple[int, ...]) -> Floats:
    """How likely each direction and class of speed is from a mover's centres, shape (8, 4)."""
    moved, weights, owner = _hypotheses(sampled)
    fits = np.all((at[None, None] - at[0] - moved) % SIDE == 0, axis=(2, 3)) * weights
    belief = np.stack([fits[:, owner == speed].sum(axis=1) for speed in range(len(SPEED_CLASSES))], axis=1)
    return belief / belief.sum()


@lru_cache(maxsize=64)
def _hypotheses(sampled: tuple[int, ...]) -> tuple[Ints, Floats, Ints]:
    """Way made at each sampled frame for each direction and speed, the speeds' probabilities and their classes."""
    speeds = np.concatenate([np.arange(low, high + 1) for low, high in SPEED_CLASSES])
    owner = np.concatenate([np.full(high - low + 1, i) for i, (low, high) in enumerate(SPEED_CLASSES)])
    steps = np.array(DIRECTIONS)[:, None, None, :] * speeds[None, :, None, None] * np.array(sampled)[:, None]
    moved = (steps + 128 * SUBPIXELS) // (256 * SUBPIXELS)
    return moved, 1.0 / np.bincount(owner)[owner], owner


def ceilings(scene: Scene, questions: Questions, frames: int) -> dict[str, float]:
    """Highest expected accuracy of each task from so many frames."""
    answers = best_answers(scene, questions, frames)
    return {task.name: answers.ceiling(task.name) for task in TASKS}
