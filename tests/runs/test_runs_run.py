"""A whole run as one command: done once, gone on with after any end, every failure a state with its reason."""

import json
import os
import signal
import subprocess
import sys

import pandas as pd
import pytest
import torch

from vidscale.errors import InputError
from vidscale.measurements import read_measurements
from vidscale.runs import FailureReason, RunState, is_locked, load_recipe, read_outcome, read_run
from vidscale.runs.run import execute
from vidscale.runs.state import locked

#: Columns that differ between two runs of the same thing.
TIMES = ["wall_time_s", "train_time_s", "tokens_per_s", "peak_memory"]


def rows(folder):
    return pd.read_csv(folder / "rows.csv")


#: Carries out a run and kills itself, as nobody can foresee, when a step is said to be done.
KILLED = """
import os, signal, sys
from pathlib import Path
from vidscale.runs.run import execute
execute(Path(sys.argv[1]), lambda text: text.startswith("step 3 ") and os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.fixture
def signalled(monkeypatch):
    """signalled(number, step) has this process get a signal in the middle of a step."""
    from vidscale.runs import train

    true_step = train._step

    def at(number, step):
        left = iter(range(1, 1000))

        def then(*arguments):
            if next(left) == step:
                os.kill(os.getpid(), number)
            return true_step(*arguments)

        monkeypatch.setattr(train, "_step", then)

    yield at
    monkeypatch.undo()


def failed(folder):
    outcome = execute(folder)
    assert outcome.state is RunState.FAILED
    assert outcome == read_outcome(folder)
    assert not (folder / "rows.csv").exists()
    assert "\n" not in outcome.message
    return outcome


def test_a_run_gives_measurements_once(plan):
    folder = plan(n=10, frames=3, tokens=4, seed=5)
    outcome = execute(folder)
    assert (outcome.state, outcome.step, outcome.steps, outcome.attempts) == (RunState.DONE, 2, 2, 1)
    found = rows(folder)
    assert found.task.tolist() == ["colour", "place", "count"]
    assert set(found.n_eval) == {4}
    settings = found[["frames", "tokens_per_frame", "data_size", "seed"]].drop_duplicates()
    assert settings.to_numpy().tolist() == [[3, 4, 10, 5]]
    assert (found.trained_flops > 0).all()
    encoder = load_recipe(read_run(folder).recipe).encoder()
    assert set(zip(found.encoder_params, found.encoder_tokens, strict=True)) == {encoder}
    assert found.commit.str.len().min() >= 5
    assert not (folder / "checkpoint").exists()
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert execute(folder) == outcome
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == times


def test_the_same_run_gives_the_same_rows(plan, tmp_path):
    first, again, other = plan("a", seed=1), plan("b", seed=1), plan("c", seed=2, frames=2)
    for folder in (first, again, other):
        assert execute(folder).state is RunState.DONE
    hashes = ["recipe_hash"]
    pd.testing.assert_frame_equal(rows(first).drop(columns=TIMES + hashes), rows(again).drop(columns=TIMES + hashes))
    assert rows(first).train_loss[0] != rows(other).train_loss[0]
    together = tmp_path / "together.csv"
    pd.concat([rows(first), rows(other)]).to_csv(together, index=False)
    assert len(read_measurements(together).rows) == 6


def test_killed_it_goes_on_to_the_same_rows(plan):
    straight, killed = plan("straight", n=24, batch=4), plan("killed", n=24, batch=4)
    execute(straight)
    ran = subprocess.run([sys.executable, "-c", KILLED, str(killed)], capture_output=True, text=True)
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    assert read_outcome(killed).state is RunState.RUNNING
    assert not is_locked(killed)
    assert not (killed / "rows.csv").exists()
    steps = []
    outcome = execute(killed, steps.append)
    assert (outcome.state, outcome.attempts) == (RunState.DONE, 2)
    assert [text.partition(",")[0] for text in steps] == [f"step {step} of 6" for step in (2, 3, 4, 5, 6)]
    pd.testing.assert_frame_equal(rows(straight).drop(columns=[*TIMES, "recipe_hash"]),
                                  rows(killed).drop(columns=[*TIMES, "recipe_hash"]))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_it_saves_and_says_so(plan, signalled, monkeypatch, capsys, number):
    from vidscale.cli import main

    folder = plan(n=12, batch=4, checkpoint_minutes=10.0)
    signalled(number, step=2)
    assert main(["run", str(folder)]) == 130
    assert "interrupted after step 2 of 3; run again to go on there" in capsys.readouterr().out
    outcome = read_outcome(folder)
    assert (outcome.state, outcome.reason, outcome.step) == (RunState.FAILED, FailureReason.INTERRUPTED, 2)
    assert [p.name for p in (folder / "checkpoint").glob("*.pt")] == ["step-00000002.pt"]
    assert main(["run", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["attempts"] == 2


def test_one_process_at_a_time(plan):
    folder = plan()
    with locked(folder) as mine:
        assert mine
        with pytest.raises(InputError, match="another process is working on"):
            execute(folder)
    held = []
    assert execute(folder, lambda text: held.append(is_locked(folder))).state is RunState.DONE
    assert held
    assert all(held)


def test_a_missing_video_is_found_before_training(plan, tiny, tmp_path):
    entries = json.loads((tiny / "train.json").read_text())
    entries[5]["video"] = "nowhere.mp4"
    (tmp_path / "train.json").write_text(json.dumps(entries))
    outcome = failed(plan(n=len(entries), data={"train": tmp_path / "train.json"}))
    assert outcome.reason is FailureReason.MISSING_FILE
    assert "nowhere.mp4 of example" in outcome.message
    assert outcome.step == 0


def test_a_corrupt_video_ends_the_run_and_mended_it_goes_on(plan, tiny, tmp_path):
    clips = tmp_path / "clips"
    clips.mkdir()
    for clip in (tiny / "clips").iterdir():
        (clips / clip.name).write_bytes(clip.read_bytes())
    whole = (clips / "0003.mp4").read_bytes()
    (clips / "0003.mp4").write_bytes(whole[:len(whole) // 2])
    folder = plan(n=24, batch=2, micro_batch=2, data={"videos": clips})
    outcome = failed(folder)
    assert outcome.reason is FailureReason.CORRUPT_FILE
    assert "0003.mp4" in outcome.message
    reached = outcome.step
    (clips / "0003.mp4").write_bytes(whole)
    outcome = execute(folder)
    assert (outcome.state, outcome.step, outcome.attempts) == (RunState.DONE, 12, 2)
    assert reached < 12


@pytest.mark.parametrize(("problem", "reason", "said"), [
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), FailureReason.OUT_OF_MEMORY,
     "use a smaller micro_batch"),
    (OSError(28, "No space left on device"), FailureReason.DISK_FULL, "the disk is full"),
    (RuntimeError("something else"), FailureReason.ERROR, "RuntimeError: something else"),
])
def test_failures_are_told_apart(plan, monkeypatch, problem, reason, said):
    from vidscale.runs import train

    def fail(*arguments):
        raise problem

    monkeypatch.setattr(train, "_step", fail)
    outcome = failed(plan())
    assert outcome.reason is reason
    assert said in outcome.message


def test_a_loss_that_is_no_number_is_its_own_reason(plan):
    outcome = failed(plan(n=24, batch=4, learning_rate=1e30, max_gradient_norm=0.0, warm_up=0.0))
    assert outcome.reason is FailureReason.NAN_LOSS


def test_a_damaged_checkpoint_is_passed_over_and_noted(plan, signalled):
    folder = plan(n=12, batch=4)
    signalled(signal.SIGTERM, step=2)
    assert failed(folder).reason is FailureReason.INTERRUPTED
    last = folder / "checkpoint" / "step-00000002.pt"
    last.write_bytes(last.read_bytes()[:-200])
    outcome = execute(folder)
    assert outcome.state is RunState.DONE
    assert outcome.notes == ("checkpoint step-00000002.pt is damaged (its hash is not the recorded one) and was passed "
                             "over",)


@pytest.mark.parametrize(("break_it", "said"), [
    (lambda recipe: recipe.write_text("x = 1"), "is no recipe"),
    (lambda recipe: recipe.write_text(recipe.read_text().replace("batch = 8", "batch = 4")),
     "changed since the run was planned"),
    (lambda recipe: recipe.unlink(), "is missing"),
])
def test_bad_recipes_are_recorded(plan, break_it, said):
    folder = plan()
    break_it(folder.parent / "run.toml")
    assert said in failed(folder).message


@pytest.mark.parametrize(("changes", "said"), [
    ({"tokens": 5}, "allowed are squares"),
    ({"tokens": 25}, "can be pooled to 1×1 … 4×4"),
    ({"n": 10_000}, "hold 24 examples"),
    ({"frames": 600}, "the language model takes 2048"),
])
def test_runs_that_cannot_be_are_recorded(plan, changes, said):
    assert said in failed(plan(**changes)).message


def test_a_folder_without_a_run(tmp_path):
    with pytest.raises(InputError, match=r"holds no run\.json"):
        execute(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(InputError, match="is no vidscale-run file"):
        execute(tmp_path)


def test_kept_weights_are_the_trained_ones(plan):
    from safetensors.torch import load_file

    folder = plan(keep_checkpoint=True)
    execute(folder)
    weights = load_file(folder / "model.safetensors")
    assert {name.split(".")[0] for name in weights} == {"projector", "lm"}


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_that_is_really_full(plan, tmp_path):
    """On a file system of its own, too small for the first checkpoint; with room, the run goes on."""
    folder = plan(n=8)
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", small], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        (small / "run").mkdir()
        content = json.loads((folder / "run.json").read_text())
        (small / "run" / "run.json").write_text(json.dumps({**content, "recipe": str(tmp_path / "run.toml")}))
        outcome = failed(small / "run")
        assert outcome.reason is FailureReason.DISK_FULL
        assert subprocess.run(["mount", "-o", "remount,size=20m", small], capture_output=True).returncode == 0
        assert execute(small / "run").state is RunState.DONE
    finally:
        subprocess.run(["umount", small], check=True)
