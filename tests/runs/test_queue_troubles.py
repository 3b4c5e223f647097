"""Sweeps in which something goes wrong that is not a run's fault, or that somebody has to mend: what is said can be
done, and then the sweep goes on."""

import json
import os
import shutil
import subprocess
from dataclasses import replace

import pytest
from queue_support import make_bench

from vidscale.errors import InputError
from vidscale.report.plan_listing import status_dict, status_tables
from vidscale.runs import claim as claims
from vidscale.runs.attempt import Ending, Task, attempt
from vidscale.runs.collect import collect, damaged
from vidscale.runs.failures import FailureReason
from vidscale.runs.folder import Standing, check_recipes, prepare, retry, run_folder, status_of, statuses

RECIPE = "[training]\nlearning_rate = 1e-3\nmicro_batch = 8\n"


def folder_of(bench, number=0):
    return run_folder(bench.out, bench.plan.runs[number])


def task_of(bench, number=0) -> Task:
    spec = bench.plan.runs[number]
    return Task(folder=folder_of(bench, number).resolve(), spec=spec, command=bench.plan.command)


def with_recipe(bench, text=RECIPE):
    (bench.root / "recipe.toml").write_text(text)
    bench.plan = replace(bench.plan, recipe=bench.root / "recipe.toml")
    return bench.root / "recipe.toml"


# --- no room --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("retries", [0, 1])
def test_a_full_disk_uses_up_no_try(tmp_path, retries):
    """Found full as often as one likes, the same sweep goes on once there is room."""
    bench = make_bench(tmp_path, behaviours={"0": "disk-full"})
    tries = [bench.sweep_here(workers=1, retries=retries) for _ in range(3)]
    for ended in tries:
        assert ended.stopped.startswith("the disk is full, says ")
        assert ended.stopped.count("the disk is full") == 1
        assert [each.ending for each in ended.ended] == [Ending.NO_ROOM]
    assert tries[-1].statuses[0].reason is FailureReason.DISK_FULL
    assert tries[-1].statuses[0].failures == 0
    (tmp_path / "behaviours.json").write_text(json.dumps({"pace": 0.0}))
    again = bench.sweep_here(workers=1, retries=retries)
    assert (again.stopped, again.count(Standing.DONE)) == ("", 7)


def no_room(error):
    def fail(*arguments, **settings):
        raise OSError(error, os.strerror(error))

    return fail


def test_no_room_for_a_claim_is_said_once(tmp_path, monkeypatch):
    import errno

    from vidscale.runs import attempt as module

    bench = make_bench(tmp_path)
    with monkeypatch.context() as full:
        full.setattr(module, "claim", no_room(errno.EDQUOT))
        ended = bench.sweep_here(workers=1)
    assert ended.stopped.startswith("the disk is full: ")
    assert ended.stopped.count("the disk is full") == 1
    assert ended.count(Standing.PLANNED) == 7
    assert bench.sweep_here(workers=1).count(Standing.DONE) == 7


# --- folders that cannot be written ---------------------------------------------------------------------------


@pytest.fixture
def read_only():
    """read_only(folder) has a folder that may only be read, for root too."""
    mounted = []

    def make(folder):
        if shutil.which("mount") is None or subprocess.run(["mount", "--bind", folder, folder], capture_output=True,
                                                           check=False).returncode:
            pytest.skip("nothing can be mounted here")
        mounted.append(folder)
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)

    yield make
    for folder in mounted:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_folder_that_cannot_be_written_fails_its_run_alone(tmp_path, read_only, workers):
    bench = make_bench(tmp_path)
    prepare(bench.plan, bench.out)
    read_only(folder_of(bench, 2))
    ended = bench.sweep_here(workers=workers)
    assert ended.stopped == ""
    assert (ended.count(Standing.DONE), ended.count(Standing.FAILED)) == (6, 1)
    assert ended.statuses[2].reason is FailureReason.ERROR
    assert "cannot write in" in ended.statuses[2].outcome.message
    assert "Read-only file system" in ended.statuses[2].outcome.message


def test_a_folder_that_cannot_be_written_is_shown_and_not_reset(tmp_path, read_only):
    bench = make_bench(tmp_path, behaviours={"0": "out-of-memory"})
    found = bench.sweep_here(retries=0).statuses
    read_only(folder_of(bench, 0))
    assert statuses(bench.plan, bench.out)[0].standing is Standing.FAILED
    with pytest.raises(InputError, match="cannot write in"):
        retry(found)


@pytest.mark.parametrize("lives", [True, False])
def test_attempts_in_a_folder_that_may_only_be_read_are_seen(tmp_path, read_only, lives):
    bench = make_bench(tmp_path)
    prepare(bench.plan, bench.out)
    mine = claims.claim(folder_of(bench))
    assert mine is not None
    assert mine.lock is not None
    if not lives:
        os.close(mine.lock)
    read_only(folder_of(bench))
    standing = status_of(bench.plan.runs[0], folder_of(bench)).standing
    assert standing is (Standing.RUNNING if lives else Standing.INTERRUPTED)
    if lives:
        os.close(mine.lock)


def test_a_command_whose_folder_turns_unwritable_ends_in_a_failure(tmp_path, monkeypatch):
    from vidscale.runs import attempt as module

    bench = make_bench(tmp_path)
    prepare(bench.plan, bench.out)
    monkeypatch.setattr(module, "write_outcome", no_room(13))
    result = attempt(task_of(bench))
    assert (result.ending, result.recorded) == (Ending.FAILED, False)
    assert "Permission denied" in result.message
    assert claims.held(folder_of(bench)) is None


# --- damaged files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"garbage", b"{}", b"[" * 100_000])
@pytest.mark.parametrize("name", ["run.json", "state.json"])
def test_a_damaged_file_of_a_run_stops_nothing(tmp_path, name, content):
    bench = make_bench(tmp_path)
    prepare(bench.plan, bench.out)
    (folder_of(bench, 3) / name).write_bytes(content)
    assert len(statuses(bench.plan, bench.out)) == 7
    assert bench.sweep_here().count(Standing.DONE) == 7
    assert collect([bench.out]).missing == ()


def test_a_run_damaged_during_the_sweep_fails_with_what_to_do(tmp_path):
    bench = make_bench(tmp_path)
    prepare(bench.plan, bench.out)
    (folder_of(bench) / "run.json").write_bytes(b"")
    result = attempt(task_of(bench))
    assert result.reason == "corrupt-file"
    assert "`vidscale sweep` of its plan writes it again" in result.message
    assert len(retry(statuses(bench.plan, bench.out))) == 1
    assert bench.sweep_here().count(Standing.DONE) == 7


def test_a_done_run_that_nobody_can_name_is_collected_as_missing_and_made_again(tmp_path):
    bench = make_bench(tmp_path)
    bench.sweep_here()
    (folder_of(bench, 3) / "run.json").write_bytes(b"")
    assert bench.sweep_here().count(Standing.DONE) == 7
    ((name, why),) = collect([bench.out]).missing
    assert name == bench.plan.runs[3].run_id
    assert f"`vidscale retry {bench.out} --run {name}`" in why
    found = statuses(bench.plan, bench.out)
    assert damaged(bench.plan, bench.out, found) == (name,)
    assert len(retry(found, [name])) == 1
    bench.sweep_here()
    assert collect([bench.out]).missing == ()


@pytest.mark.parametrize("content", [b"", b"\xff", b"task,error\n", b"error\n0.5\n", b'task,error\n"x,0.5\n'])
def test_damaged_rows_are_made_again_as_advised(tmp_path, content):
    bench = make_bench(tmp_path)
    bench.sweep_here()
    name = bench.plan.runs[0].run_id
    (folder_of(bench) / "rows.csv").write_bytes(content)
    with pytest.raises(InputError, match=f"`vidscale retry {bench.out} --run {name}` has the next sweep make"):
        collect([bench.out])
    found = statuses(bench.plan, bench.out)
    assert retry(found) == ()
    assert [each.spec.run_id for each in retry(found, damaged(bench.plan, bench.out, found))] == [name]
    assert bench.standings() == {Standing.DONE: 6, Standing.PLANNED: 1}
    assert [each.run_id for each in bench.sweep_here().ended] == [name]
    assert collect([bench.out]).runs == 7


@pytest.mark.parametrize("content", [b"", b"[]", b"[" * 100_000, b'{"began": "long ago", "host": 3}'])
def test_a_damaged_claim_shows_no_time(tmp_path, content):
    bench = make_bench(tmp_path)
    prepare(bench.plan, bench.out)
    (folder_of(bench) / "claim-0001.json").write_bytes(content)
    found = statuses(bench.plan, bench.out)
    assert found[0].standing is Standing.INTERRUPTED
    row = status_tables(bench.plan, found)[1].rows[0]
    assert row[4:6] == ("–", "–") or set(row[4:6]) == {row[4]}
    assert not any(character.isdigit() for character in row[4])
    plain = status_dict(bench.plan, found)["runs"][0]
    assert plain["began"] is plain["host"] is plain["process"] is None
    assert bench.sweep_here().count(Standing.DONE) == 7


# --- recipes and data that change -----------------------------------------------------------------------------


def test_a_recipe_may_change_in_how_and_not_in_what(tmp_path):
    bench = make_bench(tmp_path, behaviours={"0": "out-of-memory"})
    recipe = with_recipe(bench)
    assert bench.sweep_here(retries=0).count(Standing.DONE) == 6
    recipe.write_text("# less memory\n" + RECIPE.replace("micro_batch = 8", "micro_batch = 1"))
    check_recipes(bench.plan, bench.out)
    retry(statuses(bench.plan, bench.out))
    (tmp_path / "behaviours.json").write_text(json.dumps({"pace": 0.0}))
    assert bench.sweep_here(retries=0).count(Standing.DONE) == 7
    found = collect([bench.out])
    assert len(set(found.rows["recipe_hash"])) == 2
    (note,) = found.notes
    assert "2 versions of one recipe (column recipe_hash), which differ in nothing that decides a result" in note
    recipe.write_text(RECIPE.replace("1e-3", "1e-4"))
    for refuse in (check_recipes, prepare):
        with pytest.raises(InputError, match=r"changed since the run was planned in more .*restore it, or: `vidscale "):
            refuse(bench.plan, bench.out)


def test_a_recipe_that_changes_during_the_sweep_fails_the_runs_to_come(tmp_path):
    bench = make_bench(tmp_path)
    recipe = with_recipe(bench)
    prepare(bench.plan, bench.out)
    recipe.write_text(RECIPE.replace("1e-3", "1e-4"))
    result = attempt(task_of(bench))
    assert (result.ending, result.reason) == (Ending.FAILED, "bad-input")
    assert status_of(bench.plan.runs[0], folder_of(bench)).standing is Standing.FAILED


def test_failed_runs_of_another_recipe_are_collected_with_the_others(tmp_path):
    bench = make_bench(tmp_path, behaviours={"0": "nan-loss"})
    with_recipe(bench)
    bench.sweep_here()
    slower = tmp_path / "slower.toml"
    slower.write_text(RECIPE.replace("1e-3", "1e-4"))
    (tmp_path / "behaviours.json").write_text(json.dumps({"pace": 0.0}))
    rest = replace(bench, plan=replace(bench.plan, runs=bench.plan.runs[:1], recipe=slower), root=tmp_path / "rest")
    rest.sweep_here()
    found = collect([bench.out, rest.out])
    assert (found.runs, found.missing) == (7, ())
    assert any("2 recipes" in note for note in found.notes)


def test_data_that_changed_between_runs_are_pointed_out(tmp_path):
    import pandas as pd

    bench = make_bench(tmp_path)
    bench.sweep_here()
    for number in range(7):
        place = folder_of(bench, number) / "rows.csv"
        pd.read_csv(place).assign(data_hash=f"{min(number, 1):016x}").to_csv(place, index=False)
    (note,) = collect([bench.out]).notes
    assert "2 different states of the data files, which changed between runs (column data_hash)" in note


def test_bad_input_is_tried_once(tmp_path):
    bench = make_bench(tmp_path, behaviours={"0": "bad-input", "1": "error"})
    found = bench.sweep_here(retries=2).statuses
    assert [each.failures for each in found[:3]] == [1, 3, 0]
