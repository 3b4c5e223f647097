"""Training: what it must not depend on, going on bit for bit, and learning something."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vidscale.errors import InputError
from vidscale.runs import NanLossError
from vidscale.runs.checkpoint import load_checkpoint, save_checkpoint
from vidscale.runs.conversations import Example, Question, Speller, letter_prompt
from vidscale.runs.distributed import Team, layers_of
from vidscale.runs.evaluate import evaluate, task_scores
from vidscale.runs.failures import DiskFullError, RunInterrupted, reason_of
from vidscale.runs.model import load_model
from vidscale.runs.recipe import EvaluationRecipe, TrainingRecipe
from vidscale.runs.tiny import ASKED, COLOURS, PLACES, Scene, scene_frames
from vidscale.runs.train import Clips, ahead, data_order, finetune, learning_rate_factor, make_optimiser, prepare
from vidscale.runs.video import resize_frames, sample_indices

ALONE = Team(rank=0, size=1, device=torch.device("cpu"))
RECIPE = TrainingRecipe(batch=4, micro_batch=4, learning_rate=3e-3, precision="fp32", checkpoint_minutes=0)
FRAMES = 2


def scene(number):
    return Scene(colour=list(COLOURS)[number % 4], place=list(PLACES)[number // 4 % 4], count=1)


def load(path):
    """A clip out of its number, without a file."""
    frames = scene_frames(scene(int(path.stem)), int(path.stem))
    return resize_frames(torch.from_numpy(frames[sample_indices(12, FRAMES)]), 32)


CLIPS = Clips(load=load, frames=FRAMES, workers=1)


def example(number):
    answer = "ABCD"[number % 4]
    asked = letter_prompt(ASKED["colour"], tuple(COLOURS))
    return Example(id=str(number), video=Path(f"{number}.mp4"), turns=((asked, answer),))


def question(number):
    return Question(id=str(number), video=Path(f"{number}.mp4"), question=ASKED["colour"], options=tuple(COLOURS),
                    answer=number % 4, task="colour")


@pytest.fixture
def build(tiny):
    def make(recipe=RECIPE, lm="llama-16", trained=("projector", "lm")):
        model, tokenizer = load_model(tower=tiny / "checkpoints" / "siglip", lm=tiny / "checkpoints" / lm,
                                      tokens_per_frame=4)
        prepare(model, recipe, trained, ALONE)
        return model, Speller(tokenizer, "plain", FRAMES * 4)

    return make


def train(built, folder, *, recipe=RECIPE, numbers=range(16), identity="run", **more):
    model, speller = built
    return finetune(model, [example(n) for n in numbers], speller, CLIPS, recipe, seed=0, folder=folder,
                    identity=identity, members=ALONE, **more)


def weights(built):
    return {name: p.detach().clone() for name, p in built[0].named_parameters()}


def stop_after(steps):
    left = iter([False] * (steps - 1) + [True])
    return lambda: next(left)


def test_each_example_once_and_smaller_runs_inside_larger_ones():
    large, small = data_order(100, 80, seed=3), data_order(100, 30, seed=3)
    assert len(set(large)) == 80
    assert large[:30] == small
    assert data_order(100, 80, seed=4) != large
    with pytest.raises(InputError, match="data_size is 101 and the training data hold 100 examples"):
        data_order(100, 101, seed=0)


def test_the_rate_rises_then_falls_to_nothing():
    factors = [learning_rate_factor(step, 100, 0.1) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9] == max(factors) == 1.0
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[-1] < 0.001
    assert learning_rate_factor(0, 1, 0.0) == 1.0
    kept = [learning_rate_factor(step, 100, 0.1, final_rate=0.2) for step in range(101)]
    assert kept[:10] == factors[:10]
    assert kept[55] == pytest.approx(0.6)
    assert kept[100] == pytest.approx(0.2)


def test_rates_and_decay_by_part(build):
    recipe = replace(RECIPE, projector_learning_rate=1e-2, tower_learning_rate=1e-5, weight_decay=0.1)
    model, _ = build(recipe, trained=("projector", "lm", "tower"))
    named = {id(p): name for name, p in model.named_parameters()}
    for group in make_optimiser(model, recipe).param_groups:
        parts = {named[id(p)].split(".")[0] for p in group["params"]}
        assert {"projector": 1e-2, "tower": 1e-5, "lm": 3e-3}[parts.pop()] == group["peak"]
        assert not parts
        assert {p.ndim >= 2 for p in group["params"]} == {group["weight_decay"] == 0.1}


def test_examples_about_one_clip_share_it(build, tmp_path):
    """Decoded and encoded once, across micro-batches, and the weights become what they do without that."""
    results, asked = [], []
    for prefix in ("", "0"):  # every second example's path is spelled differently, so that nothing is shared

        def counted(path):
            asked.append(path)
            return load(path)

        built = build()
        shared = [replace(example(n // 4), id=str(n), video=Path(f"{prefix * (n % 2)}{n // 4}.mp4")) for n in range(16)]
        done = finetune(built[0], shared, built[1], Clips(load=counted, frames=FRAMES, workers=1),
                        replace(RECIPE, batch=8, micro_batch=3), seed=0, folder=None, identity="run", members=ALONE)
        results.append((weights(built), done, len(asked)))
        asked.clear()
    assert [loads for _, _, loads in results] == [4, 16]
    assert results[0][1].loss == pytest.approx(results[1][1].loss, rel=1e-4)
    assert results[0][1].trained_flops < results[1][1].trained_flops
    for name, value in results[0][0].items():
        torch.testing.assert_close(results[1][0][name], value, rtol=1e-3, atol=1e-5)


def test_micro_batches_do_not_change_the_result(build, tmp_path):
    """Also where the last batch is smaller and answers differ in length."""
    results = []
    for size in (1, 3, 4):
        built = build()
        done = train(built, tmp_path / str(size), recipe=replace(RECIPE, micro_batch=size), numbers=range(10))
        results.append((weights(built), done))
    for other, done in results[1:]:
        assert done.tokens == results[0][1].tokens
        assert done.trained_flops == pytest.approx(results[0][1].trained_flops)
        assert done.loss == pytest.approx(results[0][1].loss, rel=1e-4)
        for name, value in results[0][0].items():
            torch.testing.assert_close(other[name], value, rtol=1e-3, atol=1e-5)


def test_training_goes_on_bit_for_bit(build, tmp_path):
    whole, halves = build(), build()
    straight = train(whole, tmp_path / "a")
    with pytest.raises(RunInterrupted, match="after step 2 of 4"):
        train(halves, tmp_path / "b", stop=stop_after(2))
    fresh = build()
    steps = []
    resumed = train(fresh, tmp_path / "b", report=lambda progress, notes: steps.append(progress.step))
    assert steps == [2, 3, 4]
    assert all(torch.equal(a, b) for a, b in zip(weights(whole).values(), weights(fresh).values(), strict=True))
    assert (resumed.loss, resumed.tokens, resumed.trained_flops) == (straight.loss, straight.tokens,
                                                                    straight.trained_flops)


def test_frozen_parts_stay(build, tmp_path):
    built = build()
    before = weights(built)
    train(built, tmp_path, numbers=range(4))
    changed = {name.split(".")[0] for name, p in weights(built).items() if not torch.equal(p, before[name])}
    assert changed == {"projector", "lm"}


@pytest.mark.parametrize("damage", ["cut", "flipped", "unfinished", "no hash"])
def test_a_damaged_checkpoint_is_passed_over_and_said(build, tmp_path, damage):
    straight = build()
    train(straight, tmp_path / "a")
    with pytest.raises(RunInterrupted):
        train(build(), tmp_path / "b", stop=stop_after(3))
    last = tmp_path / "b" / "step-00000003.pt"
    assert sorted(p.name for p in last.parent.iterdir()) == [
        f"step-0000000{step}.{kind}" for step in (2, 3) for kind in ("json", "pt")]
    data = bytearray(last.read_bytes())
    if damage == "cut":
        last.write_bytes(data[:len(data) // 2])
    elif damage == "flipped":
        data[len(data) // 2] ^= 1
        last.write_bytes(data)
    elif damage == "unfinished":
        last.with_suffix(".json").unlink()
    else:
        last.with_suffix(".json").write_text("{}")
    fresh, said = build(), []
    train(fresh, tmp_path / "b", report=lambda progress, notes: said.append((progress.step, notes)))
    assert [step for step, _ in said] == [2, 3, 4]
    assert all("step-00000003.pt is damaged" in note for note in said[0][1])
    assert len(said[0][1]) == (damage != "unfinished")
    assert all(torch.equal(a, b) for a, b in zip(weights(straight).values(), weights(fresh).values(), strict=True))


def test_another_runs_checkpoint_is_refused(build, tmp_path):
    with pytest.raises(RunInterrupted):
        train(build(), tmp_path, stop=stop_after(1))
    with pytest.raises(InputError, match="belongs to another run or recipe"):
        train(build(), tmp_path, identity="other")


def test_a_full_disk_keeps_the_checkpoint_before(build, tmp_path, monkeypatch):
    model, _ = build()
    optimiser = make_optimiser(model, RECIPE)
    done = train((model, build()[1]), tmp_path / "a", numbers=range(4))
    save_checkpoint(tmp_path / "c", model, optimiser, done, "run", ALONE)

    from vidscale.runs import checkpoint

    class Full(checkpoint._HashingFile):
        def write(self, data):
            if self.file.tell() > 1000:
                self.problem = OSError(28, "No space left on device")
                raise self.problem
            return super().write(data)

    monkeypatch.setattr(checkpoint, "_HashingFile", Full)
    with pytest.raises(DiskFullError, match="MiB are free") as caught:
        save_checkpoint(tmp_path / "c", model, optimiser, replace(done, step=2), "run", ALONE)
    assert reason_of(caught.value) == "disk-full"
    assert [p.name for p in sorted((tmp_path / "c").iterdir())] == ["step-00000001.json", "step-00000001.pt"]
    assert load_checkpoint(tmp_path / "c", model, optimiser, "run")[0] == done


def test_a_loss_that_is_no_number_stops_training_before_the_weights_are_spoilt(build, tmp_path):
    built = build()
    with torch.no_grad():
        built[0].lm.lm_head.weight[0, 0] = torch.inf
    before = weights(built)
    with pytest.raises(NanLossError, match=r"the loss is (nan|inf); lower the learning rate"):
        train(built, tmp_path)
    assert all(torch.equal(p, before[name]) for name, p in weights(built).items())


def test_something_is_learned(build, tmp_path):
    """From random weights, which colour a square has: from chance to nearly always right."""
    recipe = replace(RECIPE, batch=16, micro_batch=16, learning_rate=1e-2, checkpoint_minutes=99.0)
    built = build(recipe, lm="llama-32")
    questions = [question(1000 + n) for n in range(32)]

    def error():
        answers = evaluate(built[0], questions, built[1], CLIPS, EvaluationRecipe(batch=32), precision="fp32",
                           members=ALONE)
        score, = task_scores(questions, answers)
        assert (score.n_eval, score.chance) == (32, 0.25)
        return score.error

    assert error() >= 0.5
    done = train(built, tmp_path, recipe=recipe, numbers=range(960))
    assert done.loss < 0.3
    assert error() <= 0.1


def test_text_and_letter_answers_agree_with_the_model(build):
    """Scores are what the model says of each option when it is asked one option at a time."""
    model, speller = build()
    model.eval()
    questions = [question(n) for n in range(5)]
    for kind in ("letter", "text"):
        asked = EvaluationRecipe(answer=kind, batch=2)
        together = evaluate(model, questions, speller, CLIPS, asked, precision="fp32", members=ALONE)
        for number, answer in enumerate(together):
            prompt = speller.candidates(questions[number], kind)[0].ids
            for option, score in zip(speller.options(questions[number], kind), answer.scores, strict=True):
                ids = torch.tensor([prompt + option])
                wanted = torch.zeros_like(ids, dtype=torch.bool)
                wanted[0, len(prompt) - 1] = True
                with torch.no_grad():
                    likely = model(load(questions[number].video)[None], ids, torch.tensor([0]), wanted).log_softmax(-1)
                assert score == pytest.approx(float(likely[0, option[0]]), abs=1e-4)
            assert answer.chosen == answer.scores.index(max(answer.scores))
            assert answer.correct == (answer.chosen == questions[number].answer)


def test_options_of_different_length_are_compared_per_token(build):
    model, speller = build()
    uneven = replace(question(0), question="Where is the square?", options=("top left", "red", "blue"))
    answer, = evaluate(model, [uneven], speller, CLIPS, EvaluationRecipe(answer="text"), precision="fp32",
                       members=ALONE)
    assert [sum(each.predicted) for each in speller.candidates(uneven, "text")] == [2, 1, 1]
    assert max(answer.scores) - min(answer.scores) < 2.5


def test_bf16_trains_and_keeps_weights_in_32_bits(build, tmp_path):
    recipe = replace(RECIPE, precision="bf16", activation_checkpointing=True)
    built = build(recipe)
    train(built, tmp_path, recipe=recipe, numbers=range(8))
    kinds = {name.split(".")[0]: p.dtype for name, p in built[0].named_parameters()}
    assert kinds == {"tower": torch.bfloat16, "projector": torch.float32, "lm": torch.float32}


def test_a_failure_of_a_clip_is_raised_when_its_turn_comes(build, tmp_path):
    def broken(path):
        if path.stem == "9":
            raise InputError("the video 9.mp4 is odd")
        return load(path)

    model, speller = build()
    steps = []
    with pytest.raises(InputError, match=r"9\.mp4 is odd"):
        finetune(model, [example(n) for n in range(16)], speller, replace(CLIPS, load=broken, workers=2), RECIPE,
                 seed=0, folder=tmp_path, identity="run", members=ALONE,
                 report=lambda p, notes: steps.append(p.step))
    assert steps == [0, 1, 2]


def test_reading_ahead_is_bounded_and_in_order():
    from concurrent.futures import ThreadPoolExecutor

    taken = []
    with ThreadPoolExecutor(2) as threads:
        items = (taken.append(i) or i for i in range(100))
        results = ahead(threads, lambda i: i * i, items, 5)
        assert next(results) == 0
        assert len(taken) == 6
        assert list(results) == [i * i for i in range(1, 100)]


def test_layers_are_found(build):
    assert len(layers_of(build()[0])) == 2 + 2


def test_the_record_of_a_checkpoint_is_plain(build, tmp_path):
    with pytest.raises(RunInterrupted):
        train(build(), tmp_path, stop=stop_after(1))
    record = json.loads((tmp_path / "step-00000001.json").read_text())
    assert record["bytes"] == (tmp_path / "step-00000001.pt").stat().st_size
    assert len(record["sha256"]) == 64
