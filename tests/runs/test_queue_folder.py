"""Folders of sweeps: made whole, added to, never mixed up; their rows joined."""

import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest
from queue_support import make_bench

from vidscale.design import read_plan
from vidscale.errors import InputError
from vidscale.measurements import read_measurements
from vidscale.runs.attempt import Ending, Task, attempt, give_up
from vidscale.runs.claim import attempts, claim, held
from vidscale.runs.collect import collect, write_table
from vidscale.runs.failures import FailureReason
from vidscale.runs.folder import Standing, open_sweep, prepare, retry, run_folder, statuses
from vidscale.runs.state import locked


def test_folders_are_made_once_and_never_changed(tmp_path):
    bench = make_bench(tmp_path)
    assert prepare(bench.plan, bench.out) == 7
    before = {place: place.stat().st_mtime_ns for place in bench.out.rglob("run.json")}
    assert len(before) == 7
    assert prepare(bench.plan, bench.out) == 0
    assert {place: place.stat().st_mtime_ns for place in bench.out.rglob("run.json")} == before
    assert open_sweep(bench.out) == bench.plan
    assert bench.standings() == {Standing.PLANNED: 7}


def test_a_plan_may_grow_and_not_shrink(tmp_path):
    bench = make_bench(tmp_path, 14)
    less = replace(bench.plan, runs=bench.plan.runs[:7])
    prepare(less, bench.out)
    assert prepare(bench.plan, bench.out) == 7
    with pytest.raises(InputError, match="holds 7 runs that plan"):
        prepare(less, bench.out)
    assert read_plan(bench.out / "plan.toml") == bench.plan


def test_a_draft_of_a_dead_process_is_made_anew(tmp_path):
    bench = make_bench(tmp_path)
    draft = bench.out / "runs" / f".{bench.plan.runs[0].run_id}"
    draft.mkdir(parents=True)
    (draft / "run.json").write_text("{")
    assert prepare(bench.plan, bench.out) == 7
    assert not draft.exists()


def test_another_recipe_is_another_sweep(tmp_path):
    bench = make_bench(tmp_path)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("rate = 1\n")
    plan = replace(bench.plan, recipe=recipe)
    prepare(plan, bench.out)
    recipe.write_text("rate = 2\n")
    with pytest.raises(InputError, match="changed since the run was planned in more than"):
        prepare(plan, bench.out)


@pytest.mark.parametrize("what", ["file", "strangers"])
def test_a_place_that_is_taken_is_refused(tmp_path, what):
    bench = make_bench(tmp_path)
    if what == "file":
        bench.out.write_text("mine")
    else:
        bench.out.mkdir()
        (bench.out / "precious.txt").write_text("mine")
    with pytest.raises(InputError, match=r"is a file|holds files"):
        prepare(bench.plan, bench.out)
    assert len(list(bench.root.rglob("run.json"))) == 0


def test_labels_that_cannot_name_a_folder_are_refused(tmp_path):
    bench = make_bench(tmp_path)
    run = replace(bench.plan.runs[0], sweep="../x")
    with pytest.raises(InputError, match="cannot name a folder"):
        prepare(replace(bench.plan, runs=(run,)), bench.out)


def task_of(bench, number=0) -> Task:
    spec = bench.plan.runs[number]
    return Task(folder=run_folder(bench.out, spec).resolve(), spec=spec, command=bench.plan.command)


def test_an_attempt_is_idempotent(tmp_path):
    bench = make_bench(tmp_path)
    prepare(bench.plan, bench.out)
    assert attempt(task_of(bench)).ending is Ending.DONE
    assert attempt(task_of(bench)).ending is Ending.DONE
    assert bench.count("start") == bench.count("finish") == 1


def test_a_run_that_somebody_is_at_is_left_alone(tmp_path):
    bench = make_bench(tmp_path)
    prepare(bench.plan, bench.out)
    mine = claim(task_of(bench).folder)
    assert mine is not None
    assert attempt(task_of(bench)).ending is Ending.HELD
    assert not give_up(bench.plan.runs[0], task_of(bench).folder, "no")
    mine.end("interrupted")
    with locked(task_of(bench).folder) as yes:  # as `vidscale run` by hand would
        assert yes
        assert attempt(task_of(bench)).ending is Ending.HELD
        assert bench.standings()[Standing.RUNNING] == 1
    assert bench.lines() == []
    assert give_up(bench.plan.runs[0], task_of(bench).folder, "it kept dying")
    (found, *_) = statuses(bench.plan, bench.out)
    assert (found.standing, found.reason, found.outcome.message) == (Standing.FAILED, FailureReason.KILLED,
                                                                     "it kept dying")


def test_a_command_that_is_not_there_is_a_named_failure(tmp_path):
    bench = make_bench(tmp_path)
    plan = replace(bench.plan, command=("no-such-program", "{folder}"))
    prepare(plan, bench.out)
    found = attempt(replace(task_of(bench), command=plan.command))
    assert found.ending is Ending.FAILED
    assert "no-such-program" in found.message


def test_an_earlier_failure_is_not_taken_for_the_word_of_a_later_try(tmp_path):
    bench = make_bench(tmp_path, behaviours={"0": "out-of-memory"})
    prepare(bench.plan, bench.out)
    assert attempt(task_of(bench)).reason == "out-of-memory"
    assert attempt(replace(task_of(bench), command=("false", "{folder}"))).reason == "error"


def test_retry_gives_failed_runs_another_chance(tmp_path):
    bench = make_bench(tmp_path, behaviours={"0": "once-nan-loss", "1": "nan-loss"})
    result = bench.sweep_here(retries=3)
    assert result.count(Standing.FAILED) == 2
    assert len(retry(result.statuses[:1])) == 1
    assert bench.standings() == {Standing.DONE: 5, Standing.FAILED: 1, Standing.PLANNED: 1}
    again = bench.sweep_here()
    assert [each.ending for each in again.ended] == [Ending.DONE]
    assert retry(again.statuses[2:]) == ()


def test_a_damaged_state_is_taken_up_again(tmp_path):
    bench = make_bench(tmp_path)
    prepare(bench.plan, bench.out)
    (task_of(bench).folder / "state.json").write_bytes(b'{"schema"')
    assert bench.standings() == {Standing.PLANNED: 7}
    assert bench.sweep_here().count(Standing.DONE) == 7


def test_workers_share_out_devices(tmp_path):
    from vidscale.runs.local import LocalLauncher
    from vidscale.runs.queue import SweepSettings, sweep

    bench = make_bench(tmp_path)
    say = f"echo $CUDA_VISIBLE_DEVICES >> {bench.root}/seen; sleep 0.1; exit 1"
    plan = replace(bench.plan, command=("sh", "-c", say, "{folder}"))
    prepare(plan, bench.out)
    sweep(plan, bench.out, LocalLauncher(2), SweepSettings(workers=2, retries=0, devices=("3", "5")))
    seen = (bench.root / "seen").read_text().split()
    assert len(seen) == 7
    assert set(seen) == {"3", "5"}


# --- rows --------------------------------------------------------------------------------------------------


@pytest.fixture
def done(tmp_path):
    bench = make_bench(tmp_path)
    bench.sweep_here()
    return bench


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_collected_rows_are_measurements(done, tmp_path, ending):
    found = collect([done.out])
    assert found.runs == 7
    assert found.missing == ()
    write_table(found.rows, tmp_path / f"table{ending}")
    table = read_measurements(tmp_path / f"table{ending}")
    assert len(table) == 14
    assert table.tasks == ("ordering", "reading")
    assert set(table.rows["plan"]) == {"star"}
    assert set(table.rows["run_id"]) == {run.run_id for run in done.plan.runs}
    assert all(len(cell) == 16 for cell in table.rows["recipe_hash"])


def test_slices_are_joined_and_doubles_refused(tmp_path):
    bench = make_bench(tmp_path, 14)
    slices = [replace(bench.plan, runs=bench.plan.runs[:7]), replace(bench.plan, runs=bench.plan.runs[7:])]
    for number, part in enumerate(slices):
        prepare(part, tmp_path / f"slice-{number}")
        for spec in part.runs:
            attempt(Task(folder=run_folder(tmp_path / f"slice-{number}", spec).resolve(), spec=spec,
                         command=part.command))
    joined = collect([tmp_path / "slice-0", tmp_path / "slice-1"])
    assert joined.runs == 14
    prepare(bench.plan, tmp_path / "empty")
    assert collect([tmp_path / "slice-0", tmp_path / "slice-1", tmp_path / "empty"]).missing == ()
    with pytest.raises(InputError, match=r"is done in .*slice-0 and in .*slice-0"):
        collect([tmp_path / "slice-0", tmp_path / "slice-0"])


def test_runs_without_rows_are_named(tmp_path):
    bench = make_bench(tmp_path, behaviours={"2": "nan-loss"})
    bench.sweep_here()
    found = collect([bench.out])
    assert found.runs == 6
    assert found.missing == ((bench.plan.runs[2].run_id, "failed: nan-loss: as asked: nan-loss"),)
    assert "1 planned runs have no rows" in found.notes[0]
    prepare(bench.plan, tmp_path / "new")
    with pytest.raises(InputError, match="no run is done"):
        collect([tmp_path / "new"])


def spoil(done, change) -> None:
    place = run_folder(done.out, done.plan.runs[0]) / "rows.csv"
    rows = pd.read_csv(place)
    change(rows).to_csv(place, index=False)


@pytest.mark.parametrize(("change", "said"), [
    (lambda rows: pd.concat([rows, rows.head(1)]), "task 'ordering' twice"),
    (lambda rows: rows.assign(frames=5), "frames is 5, but the run was planned at 32"),
    (lambda rows: rows.assign(lm_params="many"), "lm_params is many"),
    (lambda rows: rows.assign(seed=9), "seed is not '0'"),
    (lambda rows: rows.assign(run_id="other"), "run_id is not"),
    (lambda rows: rows.assign(recipe_hash="other"), "recipe_hash is not"),
    (lambda rows: rows.head(0), "has no rows"),
    (lambda rows: rows.drop(columns="task"), "no column task"),
])
def test_rows_that_contradict_their_run_are_refused(done, change, said):
    spoil(done, change)
    with pytest.raises(InputError, match=said):
        collect([done.out])


def test_a_run_may_leave_out_what_its_folder_says(done):
    spoil(done, lambda rows: rows[["task", "error"]])
    rows = collect([done.out]).rows
    assert list(rows["frames"][:2]) == ["32", "32"]
    assert list(rows["run_id"][:2]) == [done.plan.runs[0].run_id] * 2


def test_mixed_recipes_are_pointed_out(done):
    place = run_folder(done.out, done.plan.runs[0]) / "run.json"
    content = json.loads(place.read_text())
    place.write_text(json.dumps({**content, "recipe_hash": "0" * 64, "result_hash": "0" * 64}))
    assert any("2 recipes" in note for note in collect([done.out]).notes)


def test_standing_files_do_not_disturb(done):
    os.makedirs(done.out / "runs" / ".draft")
    (done.out / "notes.txt").write_text("mine")
    assert prepare(done.plan, done.out) == 0


INTERRUPTED = """
import os, pickle, signal, sys, threading

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may have it ignored
from vidscale.runs.attempt import attempt_unless_interrupted

task = pickle.load(open(sys.argv[1], "rb"))
try:
    threading.Timer(float(sys.argv[2]), os.kill, (os.getpid(), signal.SIGINT)).start()
    attempt_unless_interrupted(task)
except KeyboardInterrupt:
    sys.exit(42)
"""


@pytest.mark.parametrize("delay", [0.005, 0.02, 0.1])
def test_an_attempt_interrupted_anywhere_leaves_no_process_and_no_claim(tmp_path, delay):
    bench = make_bench(tmp_path, pace=1.0)
    prepare(bench.plan, bench.out)
    (tmp_path / "task").write_bytes(pickle.dumps(replace(task_of(bench), grace_s=0.5)))
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, str(tmp_path / "task"), str(delay)], check=False)
    assert done.returncode == 42
    assert bench.working() == []
    assert held(task_of(bench).folder) is None
    assert bench.standings()[Standing.FAILED] == 0
    assert [each.outcome for each in attempts(task_of(bench).folder)] in (["interrupted"], [])
