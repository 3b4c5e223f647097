"""Files: whole or not at all, the same bytes every time, quiet ends."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from cli_support import QUICK, QUICK_FIT, everything

from vidscale.cli import files
from vidscale.errors import InputError

COMMAND = (sys.executable, "-m", "vidscale.cli")


def contents(folder) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in everything(folder) if (folder / name).is_file()}


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_threads(run, table, tmp_path):
    for out, threads in (("first", "2"), ("second", "2"), ("alone", "1")):
        assert run("study", table, "--out", out, "--threads", threads, *QUICK).code == 0
    first = contents(tmp_path / "first")
    assert first
    assert contents(tmp_path / "second") == first
    assert contents(tmp_path / "alone") == first


def test_an_earlier_study_is_replaced_and_strangers_stay(run, table, frame, tmp_path):
    assert run("study", table, "--out", "answer", *QUICK).code == 0
    assert (tmp_path / "answer" / "elasticity.csv").is_file()
    (tmp_path / "answer" / "notes.txt").write_text("mine")
    one_size = frame[frame.data_size == 1e6]
    one_size.to_csv(table, index=False)
    assert run("study", table, "--out", "answer", *QUICK).code == 0
    assert not (tmp_path / "answer" / "elasticity.csv").exists()
    assert (tmp_path / "answer" / "notes.txt").read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["answer", "small.csv"]


def test_force_puts_a_study_among_other_files(run, table, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious.txt").write_text("mine")
    (tmp_path / "full" / "study.json").write_text("{}")
    assert run("study", table, "--out", "full", *QUICK).code == 2
    assert run("study", table, "--out", "full", "--force", *QUICK).code == 0
    assert (tmp_path / "full" / "precious.txt").read_text() == "mine"
    assert json.loads((tmp_path / "full" / "study.json").read_bytes())["form"] == "add"
    assert sorted(os.listdir(tmp_path)) == ["full", "small.csv"]


def test_a_folder_that_fails_half_way_leaves_nothing(tmp_path):
    def fill(place):
        (place / "one.txt").write_text("1")
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError):
        files.write_folder(tmp_path / "new", fill)
    assert everything(tmp_path) == []


def test_a_file_that_fails_leaves_the_old_one(tmp_path, monkeypatch):
    (tmp_path / "x").write_text("old")

    def full(*names):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(ValueError, match="No space left"):
        files.write_file(tmp_path / "x", "new")
    assert (tmp_path / "x").read_text() == "old"
    assert everything(tmp_path) == ["x"]


def test_a_signal_waits_until_a_result_is_in_place(tmp_path, monkeypatch):
    seen = []
    swap = files._swap

    def interrupted_swap(*arguments):
        signal.raise_signal(signal.SIGUSR1)
        assert seen == []
        swap(*arguments)

    monkeypatch.setattr(files, "_swap", interrupted_swap)
    before = signal.signal(signal.SIGUSR1, lambda number, frame: files.postpone(number) or seen.append(
        everything(tmp_path / "new")))
    try:
        files.write_folder(tmp_path / "new", lambda place: [place / "one.txt"] * (place / "one.txt").write_text("1"))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == [["one.txt"]]
    assert everything(tmp_path) == ["new", "new/one.txt"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_files(table, tmp_path, number):
    before = everything(tmp_path)
    with subprocess.Popen([*COMMAND, "study", "paper-design", "--out", "answer", "--draws", "2000"],
                          cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        assert started.stderr is not None
        started.stderr.readline()  # the work has begun
        time.sleep(0.5)
        started.send_signal(number)
        out, err = started.communicate(timeout=60)
    assert started.returncode == 130
    assert out == ""
    assert err.splitlines()[-1] == "interrupted: nothing was written"
    assert "Traceback" not in err
    assert everything(tmp_path) == before


def test_a_reader_that_goes_away_is_no_fault(tmp_path):
    with subprocess.Popen([*COMMAND, "template", "--describe"], cwd=tmp_path, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        assert started.stderr is not None
        started.stdout.close()
        assert started.stderr.read() == ""


def test_a_refusal_in_a_process_of_its_own(tmp_path):
    (tmp_path / "bad.csv").write_text("lm_params,error\n1e9,0.5\n2e9,NaN\n")
    done = subprocess.run([*COMMAND, "study", "bad.csv"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert everything(tmp_path) == ["bad.csv"]


def test_the_command_starts_without_what_it_does_not_need():
    code = ("import sys; from vidscale.cli import main; main(['--help']); "
            "print([m for m in ('numpy', 'numba', 'pandas', 'scipy', 'matplotlib', 'pyarrow') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_notes_go_to_stderr_and_quiet_stops_them(run, table):
    loud = run("fit", table, *QUICK_FIT[:-1])
    assert "profile intervals" in loud.err
    silent = run("fit", table, *QUICK_FIT)
    assert silent.err == ""
    assert silent.out == loud.out


@pytest.mark.slow
def test_a_million_rows(tmp_path):
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid([1e9, 2.8e9, 7.5e9], [4, 8, 12, 16, 32], [4, 16, 25, 36, 49, 100, 196],
                                [2.5e5, 5e5, 1e6, 2e6], indexing="ij"), axis=-1).reshape(-1, 4)
    rows = np.repeat(grid, 2381, axis=0)
    frame = pd.DataFrame(rows, columns=["lm_params", "frames", "tokens_per_frame", "data_size"])
    frame["seed"] = np.tile(np.arange(2381), len(grid))
    n, t, v, d = rows.T
    error = 30 * n**-0.3 + 0.2 * t**-0.7 + 0.3 * v**-0.6 + 20 * d**-0.4 + 0.1
    frame["error"] = np.round(error * np.exp(0.02 * rng.standard_normal(len(frame))), 6)
    assert len(frame) > 999_000
    frame.to_csv(tmp_path / "million.csv", index=False)
    began = time.monotonic()
    done = subprocess.run([*COMMAND, "study", "million.csv", "--out", "answer"], cwd=tmp_path, capture_output=True,
                          text=True)
    print(f"study of {len(frame)} rows: {time.monotonic() - began:.0f} s")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "answer" / "summary.md").is_file()


def test_missing_folders_above_are_made_at_the_end(tmp_path):
    files.put_file(tmp_path / "a" / "b" / "x.json", lambda place: place.write_text("x"))
    assert (tmp_path / "a" / "b" / "x.json").read_text() == "x"

    def fail(place):
        raise InputError("no")

    with pytest.raises(InputError):
        files.put_file(tmp_path / "c" / "y.json", fail)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a"]
