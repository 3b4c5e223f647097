"""Moving shapes: training, slices that resume, and files, in miniature."""

import dataclasses
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import torch

from vidscale.errors import InputError
from vidscale.measurements import read_measurements
from vidscale.runs.shapes.archive import Results, read_archives, write_archive
from vidscale.runs.shapes.commands import load_study, main
from vidscale.runs.shapes.config import Further, Training
from vidscale.runs.shapes.model import LmShape, TowerShape
from vidscale.runs.shapes.plan import Timing, clips_of, study_runs
from vidscale.runs.shapes.questions import SLOTS, TASKS, WORDS
from vidscale.runs.shapes.slices import SliceSettings, run_slice
from vidscale.runs.shapes.train import (
    EVALUATE,
    FINETUNE,
    SEED_STRIDE,
    clips,
    digest,
    evaluate,
    finetune,
    load_base,
    rounded,
    train_base,
    train_tower,
)
from vidscale.runs.shapes.work import Bench, Order, attempt

ROOT = Path(__file__).resolve().parents[2]
TINY = str(ROOT / "recipes/shapes_h200.py") + ":shapes_tiny"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def study():
    return load_study(TINY)


@pytest.fixture(scope="module")
def parts(study):
    """Tower and base of the miniature study."""
    tower, _, _ = train_tower(study, CPU)
    base, _, _ = train_base(study, tower, study.ladder[0], CPU)
    return tower, base


def test_losses_fall(study):
    """The tower learns its labels; the language model then fits a handful of clips by heart."""
    quick = Training(examples=768, batch=64, learning_rate=3e-3)
    by_heart = dataclasses.replace(study, tower=TowerShape(layers=1, hidden=64, mlp=128), tower_training=quick,
                                   finetuning=Training(examples=None, batch=16, learning_rate=3e-3))
    tower, _, done = train_tower(by_heart, CPU)
    assert done.losses[-1] < 0.8 * done.losses[0]
    torch.manual_seed(0)
    lm = LmShape(name="small", layers=2, hidden=64, mlp=128)
    from vidscale.runs.shapes.model import VideoLm

    model = VideoLm(by_heart.tower, lm)
    trained = finetune(by_heart, tower, model, CPU, frames=2, tokens=4, examples=16 * 20, seed=0)
    assert trained.steps == 20
    assert trained.losses[-1] < 0.75 * trained.losses[0]


def test_clips_are_never_shared_between_uses(study):
    seen = [clips(study, stream, first, 64, CPU)[1].states.tolist()
            for stream, first in ((FINETUNE, 0), (FINETUNE, SEED_STRIDE), (EVALUATE, 0))]
    assert len({state for states in seen for state in states}) == 3 * 64


def test_n_counts_examples_seen_once(study, parts, monkeypatch):
    """A run of n examples sees n / 24 clips, each once, from the first of its seed on."""
    import vidscale.runs.shapes.train as train

    numbers = []
    original = train.Draws.of.__func__

    def noted(cls, indices, *, seed, stream):
        if stream == FINETUNE:
            numbers.extend(indices.tolist())
        return original(cls, indices, seed=seed, stream=stream)

    monkeypatch.setattr(train.Draws, "of", classmethod(noted))
    run = next(run for run in study_runs(study) if run.seed == 1)
    model = load_base(study, study.ladder[0], rounded(parts[1]), CPU)
    finetune(study, parts[0], model, CPU, frames=1, tokens=1, examples=clips_of(run), seed=run.seed)
    assert numbers == list(range(SEED_STRIDE, SEED_STRIDE + round(run.data_size) // len(SLOTS)))


def test_parts_of_a_batch_add_up(study, parts):
    """A batch split to fit into memory trains as the whole one does."""
    states = []
    for limit in (1e12, 1e4):
        own = dataclasses.replace(study, micro_values=limit)
        model = load_base(study, study.ladder[0], rounded(parts[1]), CPU)
        finetune(own, parts[0], model, CPU, frames=2, tokens=4, examples=32, seed=0)
        states.append(model.state_dict())
    for name, weight in states[0].items():
        torch.testing.assert_close(weight, states[1][name], rtol=1e-3, atol=1e-5)


def test_evaluation_counts_right_options(study, parts):
    """A model that is told the answers scores 1; one that always says the first option scores chance."""
    class Told(torch.nn.Module):
        def __init__(self, told):
            super().__init__()
            self.told, self.decoder, self.at = told, parts[1].decoder, 0

        def forward(self, features, words, k):
            from vidscale.runs.shapes.questions import evaluated_questions

            logits = torch.zeros(*words.shape[:2], len(WORDS))
            if self.told:
                answers = evaluated_questions(*clips(study, EVALUATE, self.at, len(words), CPU)).answers
                logits.scatter_(2, answers[..., None], 1.0)
            self.at += len(words)
            return logits

    assert all(score.error == 0 for score in evaluate(study, parts[0], Told(True), CPU, frames=1, tokens=1))
    for score, task in zip(evaluate(study, parts[0], Told(False), CPU, frames=1, tokens=1), TASKS, strict=True):
        assert score.asked == study.eval_clips * SLOTS.count(task.name)
        assert abs(1 - score.error - task.chance) < 4.5 * (task.chance / score.asked) ** 0.5


def settings(**changed):
    return SliceSettings(**{"device": "cpu", "time_limit_s": 600, "workers": 1, **changed})


@pytest.fixture(scope="module")
def slices(study, tmp_path_factory):
    """Two slices, the second going on from the first's archive; the first's worker is killed once."""
    out = tmp_path_factory.mktemp("slices")

    def kill_once(line):
        if "base 8k" in line:
            [worker] = multiprocessing.active_children()
            os.kill(worker.pid, signal.SIGKILL)

    first = run_slice(study, settings(most_runs=3, sizes=("8k",)), out / "1.tar.gz", say=kill_once)
    second = run_slice(study, settings(most_runs=2, workers=2, gpus=2), out / "2.tar.gz", [out / "1.tar.gz"],
                       say=lambda line: None)
    return out, first, second


def test_slices_make_whole_runs_and_go_on_where_the_last_ended(study, slices):
    out, first, second = slices
    assert len(first.done) == 3
    assert len(second.done) == 5
    assert first.done < second.done
    assert {entry["kind"] for entry in second.log} == {"tower", "base", "run", "slice"}
    assert [entry["name"] for entry in second.log if entry["kind"] == "base"] == ["8k", "25k"]
    read = read_archives([out / "1.tar.gz", out / "2.tar.gz"], study)
    assert read.done == second.done
    assert len(read.rows) == 5 * len(TASKS)
    assert digest(read.tower) == read.rows[0]["tower"]
    assert {row["base"] for row in read.rows} == {digest(base) for base in read.bases.values()}


def test_a_study_that_is_made_can_be_added_to(study, slices):
    """Rows keep the recipe that they were made by; tower and bases are those of before."""
    out, _, second = slices
    more = dataclasses.replace(study, further=(Further(budgets=(4e6,), tolerance=0.2, data_sizes=(768, 1536)),))
    assert more.digest != study.digest
    before, planned = study_runs(study), study_runs(more)
    assert planned[: len(before)] == before
    added = planned[len(before):]
    assert {run.data_size for run in added} == {768.0}
    assert len({(*run.factors, run.data_size, run.seed) for run in planned}) == len(planned)
    found = run_slice(more, settings(most_runs=1, match="n768", sizes=("8k",)), out / "3.tar.gz", [out / "2.tar.gz"],
                      say=lambda line: None)
    recipes = {row["run_id"]: row["recipe"] for row in found.rows}
    assert {recipes[name] for name in second.done} == {study.digest}
    assert [recipe for name, recipe in recipes.items() if name not in second.done] == [more.digest]
    assert digest(found.tower) == digest(second.tower)
    assert {row["base"] for row in found.rows} == {row["base"] for row in second.rows}
    with pytest.raises(InputError, match="makes runs differently"):
        read_archives([out / "3.tar.gz"], dataclasses.replace(study, data_seed=study.data_seed + 1))


def test_a_worker_that_dies_costs_one_attempt(slices):
    _, first, _ = slices
    failed = [entry for entry in first.log if entry["state"] == "failed"]
    assert [entry["reason"] for entry in failed] == ["interrupted"]
    assert "-9" in failed[0]["message"]
    assert failed[0]["name"] in first.done


@pytest.mark.parametrize(("before", "seen"), [(None, "1"), ("4,7", "7")])
def test_a_worker_sees_its_own_gpu_only(study, tmp_path, monkeypatch, before, seen):
    from vidscale.runs.shapes.work import serve

    class Gone:
        def recv(self):
            raise EOFError

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", before or "")
    serve(Gone(), study, tmp_path, "cuda", "eager", 1)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == seen


def test_rows_are_measurements(study, slices, tmp_path):
    out, _, _ = slices
    assert main(["--recipe", TINY, "collect", str(out / "2.tar.gz"), "--out", str(tmp_path / "t.csv")]) == 0
    table = read_measurements(tmp_path / "t.csv")
    assert len(table) == 5 * len(TASKS)
    assert set(table.tasks) == {task.name for task in TASKS}
    assert table.encoder == (study.tower.params, 64.0)
    assert {"commit", "hardware", "wall_time_s", "trained_flops", "tower", "base", "recipe"} <= set(
        (tmp_path / "t.csv").read_text().splitlines()[0].split(","))


def test_a_run_is_the_same_when_made_again(study, slices, tmp_path):
    _, first, _ = slices
    run = next(run for run in study_runs(study) if run.run_id == first.rows[0]["run_id"])
    torch.save(first.tower, tmp_path / "tower.pt")
    torch.save(first.bases["8k"], tmp_path / "base-8k.pt")
    again = Bench(study, tmp_path, "cpu", "eager").carry_out(Order(kind="run", name=run.run_id, run=run))
    errors = {row["task"]: row["error"] for row in first.rows if row["run_id"] == run.run_id}
    assert {row["task"]: row["error"] for row in again["rows"]} == errors


def test_a_failed_order_is_recorded_with_its_reason(study, tmp_path):
    run = study_runs(study)[0]
    result = attempt(Bench(study, tmp_path, "cpu", "eager"), Order(kind="run", name=run.run_id, run=run))
    assert result["state"] == "failed"
    assert result["reason"] == "missing-file"


def test_nothing_is_started_that_does_not_fit(study, slices, tmp_path):
    out, _, second = slices
    slow = settings(timing=Timing(operation_seconds=100.0))
    left = run_slice(study, slow, tmp_path / "3.tar.gz", [out / "2.tar.gz"], say=lambda line: None)
    assert left.done == second.done


def test_archives_of_other_studies_are_refused(study, slices, tmp_path):
    out, _, second = slices
    other = dataclasses.replace(study, data_seed=99)
    with pytest.raises(InputError, match="keeps to one recipe"):
        read_archives([out / "1.tar.gz"], other)
    with pytest.raises(InputError, match="cannot be read"):
        read_archives([Path(__file__)], study)
    tower = {name: weight + 1 for name, weight in second.tower.items()}
    write_archive(tmp_path / "t.tar.gz", study, Results(tower=tower))
    with pytest.raises(InputError, match="another tower"):
        read_archives([out / "1.tar.gz", tmp_path / "t.tar.gz"], study)
    twice = [{**row, "error": "0.5"} for row in second.rows[:1]]
    write_archive(tmp_path / "d.tar.gz", study, Results(rows=twice, tower=second.tower))
    with pytest.raises(InputError, match="made twice"):
        read_archives([out / "2.tar.gz", tmp_path / "d.tar.gz"], study)


def test_archive_stays_within_what_may_be_handed_on(study, tmp_path):
    bases = {name: {"w": torch.randn(millions * 2**20).bfloat16()} for name, millions in (("big", 8), ("small", 1))}
    write_archive(tmp_path / "a.tar.gz", study, Results(bases=bases))
    assert (tmp_path / "a.tar.gz").stat().st_size < 16 * 2**20
    with tarfile.open(tmp_path / "a.tar.gz") as archive:
        names, about = archive.getnames(), json.load(archive.extractfile("study.json"))
    assert "base-small.pt" in names
    assert "base-big.pt" not in names
    assert set(about["bases"]) == {"big", "small"}


def test_bad_recipes_are_refused(study, capsys):
    star = dataclasses.replace(study.star, data_sizes=(100,))
    with pytest.raises(InputError, match="no multiple"):
        dataclasses.replace(study, star=star)
    with pytest.raises(InputError, match="squares"):
        dataclasses.replace(study, tokens=(5,))
    assert main(["--recipe", "nowhere.py:f", "plan"]) == 2
    assert main(["--recipe", TINY, "slice", "--out", "x", "--sizes", "7B"]) == 2
    assert capsys.readouterr().err.count("error:") == 2


def test_needs_numpy_and_torch_only(tmp_path):
    """A machine with no more than those: everything else fails to import."""
    blocked = ("av", "pandas", "scipy", "numba", "transformers", "safetensors", "typer", "rich", "matplotlib",
               "pyarrow", "pydantic", "accelerate", "tokenizers", "submitit", "ray")
    program = tmp_path / "bare.py"
    program.write_text(
        "import sys\n"
        "class Bare:\n    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {blocked}:\n"
        "            raise ImportError('not on this machine: ' + name)\n"
        "sys.meta_path.insert(0, Bare())\n"
        "from vidscale.runs.shapes.commands import main\n"
        "import vidscale.runs.shapes.slices, vidscale.runs.shapes.probe, vidscale.runs.shapes.files\n"
        f"sys.exit(main(['--recipe', {TINY!r}, 'plan', '--runs']))\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    ran = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, env=environment, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert "isoflop" in ran.stdout


def test_files_hold_the_same_examples_and_models(study, slices, tmp_path):
    """Clips as mp4 lose nothing, and the file path's model gives the same answers from them."""
    pytest.importorskip("av")
    from vidscale.runs.conversations import Speller, collate, read_examples, read_questions
    from vidscale.runs.model import load_model
    from vidscale.runs.shapes.files import export_base, export_tower, write_evaluation, write_examples
    from vidscale.runs.shapes.questions import evaluated_questions
    from vidscale.runs.shapes.render import render, sampled_frames
    from vidscale.runs.shapes.train import features, load_tower
    from vidscale.runs.video import read_frames

    _, _, made = slices
    examples = read_examples(write_examples(study, tmp_path, count=2, seed=1), tmp_path)
    questions = read_questions(write_evaluation(study, tmp_path, count=2), tmp_path)
    assert len(examples) == len(questions) == 2 * len(SLOTS)
    scene, draws = clips(study, EVALUATE, 0, 2, CPU)
    own = render(scene, sampled_frames(3, CPU))
    read = torch.from_numpy(read_frames(questions[len(SLOTS)].video, 3))
    assert torch.equal(read, own[1])
    first = render(clips(study, FINETUNE, SEED_STRIDE, 1, CPU)[0], sampled_frames(2, CPU))
    assert torch.equal(torch.from_numpy(read_frames(examples[0].video, 2)), first[0])

    export_tower(study, made.tower, tmp_path / "tower")
    export_base(study, "8k", made.bases["8k"], tmp_path / "lm")
    theirs, tokenizer = load_model(tower=tmp_path / "tower", lm=tmp_path / "lm", tokens_per_frame=4, tower_layer=-1,
                                   pooling="average", projector=tmp_path / "lm" / "projector.safetensors")
    speller = Speller(tokenizer, "plain", 3 * 4)
    ours = load_base(study, study.lm("8k"), made.bases["8k"], CPU)
    with torch.no_grad():
        logits = ours(features(load_tower(study, made.tower, CPU), scene, 3), evaluated_questions(scene, draws).words,
                      2)
        for number in (0, 7, 25, 47):
            question = questions[number]
            [spelled] = speller.candidates(question, "text")
            batch = collate([read_frames_chw(question.video, 3)], [spelled], [0])
            wanted = torch.zeros_like(batch.predicted)
            wanted[0, -1] = True
            found = theirs.eval()(batch.frames, batch.ids, batch.clip, wanted)[0]
            torch.testing.assert_close(found, logits[number // len(SLOTS), number % len(SLOTS)], rtol=1e-3, atol=1e-4)
            task = next(task for task in TASKS if task.name == question.task)
            tokens = [option[0] for option in speller.options(question, "text")]
            assert tokens == list(range(task.first_option, task.first_option + task.choices))


def read_frames_chw(place, count):
    from vidscale.runs.video import read_frames

    return torch.from_numpy(read_frames(place, count)).permute(0, 3, 1, 2)


def test_example_files_ask_one_question_each(study, tmp_path):
    pytest.importorskip("av")
    from vidscale.runs.shapes.files import write_examples

    entries = json.loads(write_examples(study, tmp_path, count=1).read_text())
    assert len(entries) == len(SLOTS)
    assert len({entry["id"] for entry in entries}) == len(entries)
    assert all(len(entry["conversations"]) == 2 for entry in entries)


def test_files_of_a_stream_are_written_in_parts(study, tmp_path):
    pytest.importorskip("av")
    from vidscale.runs.shapes.files import write_evaluation, write_examples

    for write, name in ((write_examples, "train"), (write_evaluation, "eval")):
        whole = json.loads(write(study, tmp_path / "whole", count=3).read_text())
        part = json.loads(write(study, tmp_path / "part", count=1, first=2).read_text())
        own = [{key: value for key, value in entry.items() if key not in ("id", "video")} for entry in part]
        assert own == [{key: entry[key] for key in own[0]} for entry in whole[2 * len(SLOTS):]]
        written = tmp_path / "part" / name / "0000000.mp4"
        assert written.read_bytes() == (tmp_path / "whole" / name / "0000002.mp4").read_bytes()
