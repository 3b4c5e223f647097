"""Real processes, killed at random moments: nothing is lost, nothing is done twice, every failure has its name."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from queue_support import Bench, alive, kill, make_bench, until

from vidscale.runs.folder import Standing

RECORDED = Path(__file__).parents[1] / "recorded" / "queue_faults.json"


def torment(bench: Bench, kills: int, seed: int, workers: int = 2) -> dict[str, int]:
    """Run a sweep to its end while killing it and its workers; returns how often each was killed."""
    chance, done = random.Random(seed), {"sweep": 0, "worker": 0, "all at once": 0}
    started = bench.start("--workers", str(workers), "--retries", "1000", "--quiet")
    try:
        while sum(done.values()) < kills:
            time.sleep(chance.uniform(0.02, 0.4))
            what = chance.choice(["sweep", "worker", "worker", "all at once"])
            if what in ("worker", "all at once"):
                victims = bench.working()
                hit = kill(chance.choice(victims)) if victims else False
                done[what] += hit and what == "worker"
            if what in ("sweep", "all at once") and bench.working():
                done[what] += kill(started.pid)
            if started.poll() is not None and bench.out.exists() and finished(bench):
                break
            if started.poll() is not None:
                started.communicate()
                started = bench.start("--workers", str(workers), "--retries", "1000", "--quiet")
        started.communicate(timeout=120)
        if started.returncode != 0:
            bench.sweep("--workers", str(workers), "--retries", "1000", "--quiet")
    finally:
        started.kill()
    return done


def finished(bench: Bench) -> bool:
    return bench.standings() == {Standing.DONE: len(bench.plan)}


def undisturbed(tmp_path: Path, runs: int) -> str:
    calm = make_bench(tmp_path / "calm", runs)
    calm.sweep_here()
    calm.check()
    return calm.table()


def test_kills_at_random_moments(tmp_path):
    bench = make_bench(tmp_path / "kills", 14, pace=0.03)
    done = torment(bench, kills=4, seed=1)
    assert sum(done.values()) >= 1
    bench.check(kills=2 * sum(done.values()))
    assert bench.table() == undisturbed(tmp_path, 14)


@pytest.mark.slow
def test_many_kills_at_random_moments(tmp_path):
    """At least 40 kills over several sweeps; the counts are recorded."""
    total = {"sweep": 0, "worker": 0, "all at once": 0}
    calm, sweeps = undisturbed(tmp_path, 35), 0
    while sum(total.values()) < 40:
        bench = make_bench(tmp_path / f"kills-{sweeps}", 35, pace=0.05)
        done = torment(bench, kills=12, seed=100 + sweeps, workers=3)
        bench.check(kills=2 * sum(done.values()))
        assert bench.table() == calm
        total = {name: total[name] + count for name, count in done.items()}
        sweeps += 1
    found = {"sweeps": sweeps, "runs_each": 35, "kills": total, "kills_in_all": sum(total.values()), "lost": 0,
             "doubled": 0}
    RECORDED.write_text(json.dumps(found, indent=1) + "\n")


def test_recorded_kills():
    recorded = json.loads(RECORDED.read_text())
    assert recorded["kills_in_all"] >= 20
    assert recorded["lost"] == recorded["doubled"] == 0


def test_two_sweeps_on_one_folder(tmp_path):
    bench = make_bench(tmp_path, 14, pace=0.02)
    both = [bench.start("--workers", "2", "--quiet") for _ in range(2)]
    for started in both:
        said, _ = started.communicate(timeout=60)
        assert started.returncode == 0, said
    bench.check()


def test_a_second_sweep_takes_over_from_one_that_is_killed(tmp_path):
    bench = make_bench(tmp_path, 7, pace=0.1)
    first = bench.start("--workers", "2", "--quiet")
    until(lambda: bench.count("start") >= 2)
    second = bench.start("--workers", "1", "--quiet")
    time.sleep(1.0)
    first.kill()
    orphans = bench.working()
    first.communicate()
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 0, said
    assert not any(alive(pid) for pid in orphans)
    bench.check()


def test_a_run_that_outlives_its_sweep_is_waited_for(tmp_path):
    bench = make_bench(tmp_path, 7, pace=0.15)
    first = bench.start("--workers", "1", "--quiet")
    until(lambda: bench.count("step-1") >= 1)
    first.kill()
    first.communicate()
    assert len(bench.working()) == 1
    bench.sweep("--workers", "4", "--quiet")
    bench.check()


FAILURES = {"0": "SIGSEGV", "1": "out-of-memory", "2": "nan-loss", "3": "corrupt-file", "4": "silent", "5": "no-rows"}


def test_every_failure_is_named_and_the_sweep_goes_on(tmp_path):
    bench = make_bench(tmp_path, 7, behaviours=FAILURES)
    found = bench.sweep_here(retries=1).statuses
    assert [each.reason and each.reason.value for each in found] == [
        "killed", "out-of-memory", "nan-loss", "corrupt-file", "error", "error", None]
    said = [each.outcome.message for each in found]
    assert "SIGSEGV" in said[0]
    assert "exit code 3" in said[4]
    assert "something went wrong deep inside" in said[4]
    assert "no rows.csv" in said[5]
    assert found[6].standing is Standing.DONE
    # What another try cannot mend is not tried again.
    assert [each.attempt and each.attempt.number for each in found] == [2, 2, 1, 1, 2, 2, 1]


def test_a_failure_that_passes_costs_one_retry(tmp_path):
    bench = make_bench(tmp_path, 7, behaviours={"0": "once-SIGKILL", "3": "once-out-of-memory"})
    bench.sweep_here()
    bench.check(kills=2)


def test_an_interrupted_sweep_ends_its_runs_and_resumes(tmp_path):
    bench = make_bench(tmp_path, 7, pace=0.1, behaviours={"0": "once-deaf"})
    started = bench.start("--workers", "2", "--grace", "0.3")
    until(lambda: bench.count("step-2") >= 2)
    started.send_signal(signal.SIGINT)
    said, _ = started.communicate(timeout=30)
    assert started.returncode == 130, said
    assert "the sweep was stopped" in said
    assert bench.working() == []
    assert bench.standings()[Standing.FAILED] == 0
    assert bench.standings()[Standing.INTERRUPTED] >= 1
    bench.sweep("--workers", "2", "--quiet")
    bench.check(kills=4)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    if shutil.which("mount") is None or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m", "none", place], capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_stops_the_sweep_and_costs_nothing(tmp_path, small_disk):
    bench = make_bench(tmp_path, 7, behaviours={"1": "once-fill"})
    os.symlink(small_disk, bench.out)
    (small_disk / "runs").mkdir()
    ended = bench.sweep_here(workers=1)
    assert "the disk is full" in ended.stopped
    found = ended.statuses
    assert [each.standing.value for each in found[:2]] == ["done", "failed"]
    assert found[1].reason is not None
    assert found[1].reason.value == "disk-full"
    assert {each.standing.value for each in found[2:]} == {"planned"}
    assert "the disk is full" in bench.sweep_here(workers=1).stopped
    assert bench.count("start") == 2
    (found[1].folder / "ballast").unlink()
    assert bench.sweep_here(workers=1).stopped == ""
    bench.check(kills=1)
