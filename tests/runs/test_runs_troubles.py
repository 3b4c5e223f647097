"""Runs that go wrong late or oddly: no measurement comes of it, and the line that says why can be acted on."""

import json
import shutil
import subprocess

import pandas as pd
import pytest

from vidscale.errors import InputError
from vidscale.runs import CorruptFileError, FailureReason, RunState, read_outcome, read_run
from vidscale.runs.conversations import Question, Speller, read_examples, read_questions
from vidscale.runs.failures import LASTING, reason_of, sentence_of
from vidscale.runs.recipe import result_hash
from vidscale.runs.run import execute
from vidscale.runs.state import file_hash
from vidscale.runs.tiny import make_tokenizer


def edit(place, old, new) -> None:
    text = place.read_text()
    assert old in text
    place.write_text(text.replace(old, new))


def test_scores_that_are_no_numbers_are_no_measurement(plan):
    """One step whose own loss is finite and whose weights are not: only the evaluation can see it."""
    folder = plan(n=8, batch=8, learning_rate=1e30, max_gradient_norm=0.0, warm_up=0.0)
    outcome = execute(folder)
    assert (outcome.state, outcome.reason, outcome.step) == (RunState.FAILED, FailureReason.NAN_LOSS, 1)
    assert "log-likelihoods nan" in outcome.message
    assert "vidscale retry SWEEP --recipe" in outcome.message
    assert not (folder / "rows.csv").exists()


def test_settings_that_leave_the_result_may_change_on_the_way(plan, monkeypatch):
    import torch

    from vidscale.runs import train

    def fail(*arguments):
        raise torch.OutOfMemoryError("CUDA out of memory")

    folder, straight = plan(n=16), plan("straight", n=16)
    with monkeypatch.context() as broken:
        broken.setattr(train, "_step", fail)
        outcome = execute(folder)
    assert outcome.reason is FailureReason.OUT_OF_MEMORY
    assert "smaller micro_batch" in outcome.message
    recipe, before = folder.parent / "run.toml", read_run(folder)
    edit(recipe, "micro_batch = 8", "# less memory\nmicro_batch = 2")
    edit(recipe, "activation_checkpointing = false", "activation_checkpointing = true")
    assert execute(folder).state is RunState.DONE
    after = read_run(folder)
    assert after.recipe_hash == file_hash(recipe) != before.recipe_hash
    assert after.identity == before.identity
    assert execute(straight).state is RunState.DONE
    errors = [pd.read_csv(place / "rows.csv")["error"].tolist() for place in (folder, straight)]
    assert errors[0] == errors[1]


def test_a_checkpoint_outlives_such_a_change(plan, monkeypatch):
    from vidscale.runs import train

    steps, true_step = iter(range(100)), train._step

    def fail(*arguments):
        if next(steps) == 2:
            raise MemoryError("no memory")
        return true_step(*arguments)

    folder = plan(n=16, batch=4, micro_batch=4)
    with monkeypatch.context() as broken:
        broken.setattr(train, "_step", fail)
        assert execute(folder).step == 2
    edit(folder.parent / "run.toml", "micro_batch = 4", "micro_batch = 1")
    said = []
    assert execute(folder, said.append).state is RunState.DONE
    assert [text.partition(",")[0] for text in said] == ["step 2 of 4", "step 3 of 4", "step 4 of 4"]


@pytest.mark.parametrize(("one", "other", "same"), [
    ("a = 1\n", "a = 1  # why\n", True),
    ("[training]\nbatch = 8\nmicro_batch = 8\n", "[training]\nmicro_batch = 1\nbatch = 8\n", True),
    ("[training]\nbatch = 8\n", "[training]\nbatch = 4\n", False),
    ("[data]\nworkers = 2\n", "", True),
    ("[evaluation]\nbatch = 2\nlimit = 3\n", "[evaluation]\nlimit = 3\n", True),
    ("[evaluation]\nlimit = 4\n", "[evaluation]\nlimit = 3\n", False),
    ("no toml", "no toml ", False),
    ("training = 3", "training = 4", False),
])
def test_what_of_a_recipe_decides_the_result(one, other, same):
    assert (result_hash(one.encode()) == result_hash(other.encode())) is same


def test_a_full_file_limit_says_so():
    problem = OSError(27, "File too large")
    assert reason_of(problem) is FailureReason.DISK_FULL
    assert sentence_of(problem).startswith("a file may not become that large here (ulimit -f): File too large; raise")
    assert "No space left (/there); make room" in sentence_of(OSError(28, "No space left", "/there"))
    assert reason_of(OSError(122, "Disk quota exceeded")) is FailureReason.DISK_FULL
    assert reason_of(PermissionError(13, "Permission denied")) is FailureReason.ERROR


@pytest.mark.parametrize("changes", [{"tokens": 5}, {"n": 10_000}, {"evaluation": {"limit": None}, "tokens": 25}])
def test_what_no_second_try_mends_is_told_apart(plan, changes):
    outcome = execute(plan(**changes))
    assert outcome.reason is FailureReason.BAD_INPUT
    assert outcome.reason in LASTING


@pytest.mark.parametrize("content", [b"", b"  ", b"garbage", b"{}", b"[]", b"[" * 100_000, b"\xff\xfe"])
def test_a_damaged_state_counts_as_none(plan, content):
    folder = plan(n=8)
    (folder / "state.json").write_bytes(content)
    with pytest.raises(CorruptFileError):
        read_outcome(folder)
    outcome = execute(folder)
    assert outcome.state is RunState.DONE
    assert "is taken up again" in outcome.notes[0]


@pytest.mark.parametrize("content", [b"", b"garbage", b"{}", b"[" * 100_000])
def test_a_damaged_run_is_named_in_one_line(plan, content):
    folder = plan(n=8)
    (folder / "run.json").write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"run\.json .*`vidscale sweep` of its plan writes it again") as said:
        execute(folder)
    assert "\n" not in str(said.value)


@pytest.mark.parametrize(("name", "value"), [("seed", 2**63), ("seed", 1.5), ("seed", "x"), ("sweep", 3),
                                             ("data_size", None), ("frames", "many")])
def test_a_run_of_odd_values_is_refused(plan, name, value):
    folder = plan(n=8)
    content = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**content, name: value}))
    with pytest.raises(CorruptFileError, match=name):
        read_run(folder)


def test_the_largest_seed_runs(plan):
    assert execute(plan(n=8, seed=2**63 - 1)).state is RunState.DONE


def test_mended_data_are_other_data_for_a_checkpoint(plan, tiny, tmp_path, monkeypatch):
    from vidscale.runs import train

    steps, true_step = iter(range(100)), train._step

    def fail(*arguments):
        if next(steps) == 1:
            raise MemoryError("no memory")
        return true_step(*arguments)

    data = tmp_path / "train.json"
    data.write_text((tiny / "train.json").read_text())
    folder = plan(n=16, batch=4, data={"train": data})
    with monkeypatch.context() as broken:
        broken.setattr(train, "_step", fail)
        assert execute(folder).step == 1
    data.write_text(data.read_text() + " ")
    outcome = execute(folder)
    assert "or the data files changed; remove " in outcome.message
    shutil.rmtree(folder / "checkpoint")
    assert execute(folder).state is RunState.DONE


def test_a_done_run_of_a_place_that_may_only_be_read_is_done(plan, tmp_path):
    folder = plan(n=8)
    done = execute(folder)
    assert done.state is RunState.DONE
    if subprocess.run(["mount", "--bind", folder, folder], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        assert subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=False).returncode == 0
        (folder.parent / "elsewhere").mkdir()
        assert execute(folder) == done
    finally:
        subprocess.run(["umount", folder], check=True)
    (folder / "rows.csv").unlink()
    (folder / "lock").unlink()
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        with pytest.raises(InputError, match="cannot write in"):
            execute(folder)
    finally:
        subprocess.run(["umount", folder], check=True)


# --- data ---------------------------------------------------------------------------------------------------

QUESTION = {"id": "7", "video": "a.mp4", "question": "What ?", "options": ["red", "green"], "answer": 0, "task": "t"}


@pytest.mark.parametrize("changes", [{"video": "\ud800.mp4"}, {"video": "caf\udce9.mp4"}, {"question": "\udfff ?"},
                                     {"options": ["red", "\ud800"]}, {"task": "\ud800"}])
def test_half_a_character_is_named_with_its_entry(tmp_path, changes):
    place = tmp_path / "eval.json"
    place.write_text(json.dumps([QUESTION, {**QUESTION, **changes}]))
    with pytest.raises(InputError, match=r"eval\.json, entry 1.*half of a surrogate pair") as said:
        read_questions(place, tmp_path)
    assert str(said.value).isascii()


def test_half_a_character_in_training_data_fails_the_run(plan, tiny, tmp_path):
    entries = json.loads((tiny / "train.json").read_text())
    entries[2]["video"] = "caf\udce9.mp4"
    (tmp_path / "train.json").write_text(json.dumps(entries))
    outcome = execute(plan(n=8, data={"train": tmp_path / "train.json"}))
    assert outcome.reason is FailureReason.BAD_INPUT
    assert "entry 2" in outcome.message
    assert outcome.message.isascii()


def test_data_nested_too_deeply(tmp_path):
    (tmp_path / "train.json").write_text("[" * 100_000)
    with pytest.raises(CorruptFileError, match=r"train\.json is nested too deeply"):
        read_examples(tmp_path / "train.json", tmp_path)


def asked(*options) -> Question:
    return Question(id="7", video=None, question="What ?", options=options, answer=0, task="t")  # type: ignore[arg-type]


def test_options_that_the_tokenizer_cannot_tell_apart_are_refused():
    speller = Speller(make_tokenizer(["What ? red green A B C"]), "plain", 2)
    assert len(speller.options(asked("red", "green"), "text")) == 2
    with pytest.raises(InputError, match="question 7: options 'violet' and 'azure' are spelled with the same tokens"):
        speller.options(asked("red", "violet", "azure"), "text")
    with pytest.raises(InputError, match="option ' ' is spelled with no token"):
        speller.options(asked("red", " "), "text")
    with pytest.raises(InputError, match=r"options 'D' and 'E' are spelled.*evaluation\.answer is text"):
        speller.options(asked("a", "b", "c", "d", "e"), "letter")


def test_such_options_are_found_before_training(plan, tiny, tmp_path):
    entries = json.loads((tiny / "eval.json").read_text())
    entries[-1]["options"][:2] = ["violet", "azure"]
    entries[-1]["answer"] = 0
    (tmp_path / "eval.json").write_text(json.dumps(entries))
    outcome = execute(plan(n=8, data={"evaluation": tmp_path / "eval.json"}, evaluation={"answer": "text"}))
    assert (outcome.reason, outcome.step) == (FailureReason.BAD_INPUT, 0)
    assert "cannot tell it from others" in outcome.message


def test_too_long_a_text_is_told_from_too_many_frames():
    words = make_tokenizer(["What ? red green"])
    with pytest.raises(InputError, match="use fewer frames"):
        Speller(words, "plain", 300, longest=100).candidates(asked("red", "green"), "text")
    with pytest.raises(InputError, match="takes 100: shorten the text"):
        Speller(words, "plain", 16, longest=100).candidates(asked("red", "green " * 200), "text")


# --- inputs to try things on ----------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """small_disk(options) mounts a file system of its own, or mounts it anew."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options):
        new = ["-o", f"{'remount,' if place.is_mount() else ''}{options}"]
        if subprocess.run(["mount", "-t", "tmpfs", *new, "none", place], capture_output=True, check=False).returncode:
            pytest.skip("a small file system cannot be mounted here")
        return place

    yield mount
    if place.is_mount():
        subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.parametrize(("options", "said"), [("size=16k", "No space left"), ("size=100k", "No space left"),
                                               ("size=300k", "No space left"), ("ro", "Read-only file system")])
def test_an_example_is_whole_or_not_there(small_disk, capsys, options, said):
    from vidscale.cli import main

    place = small_disk(options)
    assert main(["example", str(place / "tiny"), "--clips", "4", "--questions", "2"]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1
    assert list(place.iterdir()) == []


def test_an_example_goes_into_an_empty_folder_and_into_no_other(tmp_path, monkeypatch, capsys):
    from vidscale.cli import main

    (tmp_path / "tiny").mkdir()
    arguments = ["example", str(tmp_path / "tiny"), "--clips", "1", "--questions", "1"]
    assert main(arguments) == 0
    assert str(tmp_path / "tiny" / "run") in capsys.readouterr().out
    assert {place.name for place in tmp_path.iterdir()} == {"tiny"}
    assert read_run(tmp_path / "tiny" / "run").recipe.resolve() == tmp_path / "tiny" / "recipe.toml"
    assert main(arguments) == 2
    monkeypatch.chdir(tmp_path / "tiny" / "run")
    assert main(["example", "."]) == 2
    assert "is not an empty folder" in capsys.readouterr().err
