"""Moving shapes: questions, and the ideal observer that says what the frames allow."""

import itertools
from math import comb

import numpy as np
import pytest
import torch

from vidscale.runs.shapes import observer as o
from vidscale.runs.shapes import questions as q
from vidscale.runs.shapes.draws import Draws
from vidscale.runs.shapes.render import sampled_frames, showing
from vidscale.runs.shapes.scene import Scene, draw_scenes

CPU = torch.device("cpu")


def batch(count: int, first: int = 0) -> tuple[Scene, Draws]:
    draws = Draws.of(torch.arange(first, first + count), seed=3, stream=0)
    return draw_scenes(draws), draws


def test_no_template_is_in_both_mixes():
    scene, draws = batch(20)
    first = [ask(scene, draws).words.flatten(0, 1) for ask in (q.evaluated_questions, q.generic_questions)]
    at = [(words != q.NOTHING).int().argmax(dim=1, keepdim=True) for words in first]
    used = [set(words.gather(1, place)[:, 0].tolist()) for words, place in zip(first, at, strict=True)]
    assert not used[0] & used[1]
    assert {q.WORDS[token] for token in used[0]} == {task.template for task in q.TASKS}
    assert {q.WORDS[token] for token in used[1]} == set(q.GENERIC)
    assert not {task.template for task in q.TASKS} & set(q.GENERIC)
    assert len(set(q.WORDS)) == len(q.WORDS)


@pytest.mark.parametrize("ask", [q.evaluated_questions, q.generic_questions])
def test_questions_have_their_form_and_depend_on_their_clip_alone(ask):
    scene, draws = batch(50, 1000)
    asked = ask(scene, draws)
    assert asked.words.shape == (50, q.QUESTIONS, q.QUESTION_WORDS)
    one = ask(*batch(1, 1017))
    assert torch.equal(one.words[0], asked.words[17])
    assert torch.equal(one.answers[0], asked.answers[17])


def test_options_are_equally_likely_and_hold_every_answer():
    scene, draws = batch(20_000)
    asked = q.evaluated_questions(scene, draws)
    tasks = {task.name: task for task in q.TASKS}
    assert set(q.SLOTS) == set(tasks)
    for slot, name in enumerate(q.SLOTS):
        task = tasks[name]
        counts = torch.bincount(asked.answers[:, slot] - task.first_option, minlength=task.choices)
        assert len(counts) == task.choices
        expected = 20_000 * task.chance
        assert ((counts - expected) ** 2 / expected).sum() < task.choices + 4.5 * (2 * task.choices) ** 0.5


def test_answers_are_right_in_words():
    """One clip read word by word against its scene."""
    scene, draws = batch(400)
    asked = q.evaluated_questions(scene, draws)
    for clip in range(0, 400, 7):
        for slot in range(q.QUESTIONS):
            words = [word for word in q.spell(asked.words[clip, slot]).split() if word != "."]
            template, first, second = [*words, "", ""][:3]
            answer = q.spell(asked.answers[clip, slot : slot + 1])
            assert answer == in_words(scene, clip, template, first, second)


def in_words(scene: Scene, clip: int, template: str, first: str, second: str) -> str:
    shapes = ("disc", "square", "triangle", "cross")
    if template == "how-many":
        return str(int((scene.blink_start[clip] < 64).sum()))
    if template == "which-kind":
        return ("fence", "stripes", "diamond", "saltire")[scene.sign[clip]]
    if template == "nth":
        return q.FLASH_COLOURS[scene.flash_colour[clip, ("first", "second", "third", "fourth").index(first)]]
    if template == "where-was":
        flash = scene.flash_colour[clip].tolist().index(q.FLASH_COLOURS.index(first))
        return f"tile-{scene.spots[clip, flash] + 1}"
    if template == "colour-of-tile":
        return q.DIM_COLOURS[scene.tiles[clip, int(first.split("-")[1]) - 1]]
    if template == "glyph-at":
        row, column = (int(word.split("-")[1]) - 1 for word in (first, second))
        return ("plus", "ring", "slash", "bars")[scene.glyphs[clip, row * 8 + column]]
    mover = scene.shape[clip].tolist().index(shapes.index(first))
    if template == "direction-of":
        compass = ("east", "north", "west", "south")
        return compass[scene.direction[clip, mover]]
    if template == "speed-of":
        speed = int(scene.speed[clip, mover])
        return "crawling" if speed <= 2 else "slow" if speed <= 5 else "brisk" if speed <= 9 else "fast"
    x, y = scene.start[clip, mover].tolist()
    return f"{'top' if y < 32 else 'bottom'}-{'left' if x < 32 else 'right'}"


@pytest.fixture(scope="module")
def answered():
    scene, draws = batch(300)
    asked = q.evaluated_questions(scene, draws)
    return scene, asked, {frames: o.best_answers(scene, asked, frames) for frames in (1, 2, 8, 32, 64)}


def test_with_every_frame_the_observer_is_always_right(answered):
    _, asked, answers = answered
    assert np.array_equal(answers[64].words, asked.answers.numpy())
    assert answers[64].probability.min() == pytest.approx(1.0)


def test_with_one_frame_it_guesses_what_needs_time(answered):
    _, _, answers = answered
    for task in q.TASKS:
        expected = 1.0 if task.name in ("position", "tile", "glyph") else task.chance
        assert answers[1].ceiling(task.name) == pytest.approx(expected)


def test_ceilings_rise_with_frames_and_are_what_it_scores(answered):
    _, asked, answers = answered
    for task in q.TASKS:
        slots = [i for i, name in enumerate(q.SLOTS) if name == task.name]
        ceilings = [answers[frames].ceiling(task.name) for frames in (1, 2, 8, 32, 64)]
        assert ceilings == sorted(ceilings)
        for found in answers.values():
            right = (found.words == asked.answers.numpy())[:, slots]
            spread = np.sqrt((found.probability * (1 - found.probability))[:, slots].mean() / right.size)
            assert abs(right.mean() - found.ceiling(task.name)) <= 4.5 * spread + 1e-9


def test_needle_ceiling_follows_from_which_frames_are_seen():
    """Seen with the probability that a sampled frame lies in the sign's; else one of four."""
    frames = 8
    sampled = set(sampled_frames(frames, CPU).tolist())
    seen = [np.mean([any(f in sampled for f in range(start, start + length)) for start in range(1, 65 - length)])
            for length in (1, 2, 4, 8)]
    scene, draws = batch(4000, 50_000)
    shown = showing(scene, torch.tensor(sorted(sampled)))[:, :, 4].any(dim=1).double()
    assert shown.mean().item() == pytest.approx(np.mean(seen), abs=0.03)
    scene = scene.at(slice(0, 400))
    answers = o.best_answers(scene, q.evaluated_questions(scene, Draws(states=draws.states[:400])), frames)
    part = shown[:400].mean().item()
    assert answers.ceiling("needle") == pytest.approx(part + (1 - part) / 4)


@pytest.mark.parametrize(("length", "sampled", "groups"), [
    (2, (0, 20, 40, 63), ((20,),)), (4, (0, 9, 18, 27, 36, 45, 54, 63), ((9,), (27,))), (1, (0, 63), ()),
    (8, (0, 4, 8, 30, 63), ((4, 8), (30,)))])
def test_placements_are_counted_as_by_trying_all(length, sampled, groups):
    events = 3
    line = o._Line.of(length, sampled, groups)
    ranks, ways = np.zeros((events, len(groups))), 0
    for starts in itertools.combinations(range(1, 65 - length), events):
        if any(b - a <= length for a, b in itertools.pairwise(starts)):
            continue
        shown = [tuple(f for f in sampled if start <= f < start + length) for start in starts]
        if tuple(group for group in shown if group) == groups:
            ways += 1
            for rank, group in enumerate(shown):
                if group:
                    ranks[rank, groups.index(group)] += 1
    assert line.ways(1, events, 0) == ways
    assert line.ranks(events) == pytest.approx(ranks / ways)


def test_all_placements_are_as_many_as_the_formula_says():
    for length, count in ((1, 7), (2, 4), (4, 7), (8, 4)):
        assert o._Line.of(length, (), ()).ways(1, count, 0) == comb(64 - count * length, count)
