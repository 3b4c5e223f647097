"""Claims: one at a time, dead owners recovered, with and without locks of the file system."""

import errno
import fcntl
import multiprocessing
import os
import socket
import time

import pytest

from vidscale.runs.claim import ATTEMPT, attempts, birth, claim, failures, forgive, held


def grab(folder, barrier, wins):
    barrier.wait()
    mine = claim(folder)
    if mine is not None:
        wins.put(os.getpid())
        time.sleep(0.3)
        mine.end("done")


@pytest.mark.parametrize("locks", [True, False])
def test_of_many_processes_one_gets_the_run(tmp_path, locks, monkeypatch):
    if not locks:
        without_locks(monkeypatch)
    context = multiprocessing.get_context("fork")
    barrier, wins = context.Barrier(6), context.Queue()
    crowd = [context.Process(target=grab, args=(tmp_path, barrier, wins)) for _ in range(6)]
    for each in crowd:
        each.start()
    for each in crowd:
        each.join(20)
    assert wins.get(timeout=5)
    time.sleep(0.05)
    assert wins.empty()
    assert [each.outcome for each in attempts(tmp_path)] == ["done"]


def without_locks(monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)


def test_a_claim_is_seen_until_it_ends(tmp_path):
    assert held(tmp_path) is None
    mine = claim(tmp_path)
    assert mine is not None
    assert claim(tmp_path) is None
    seen = held(tmp_path)
    assert seen is not None
    assert (seen.host, seen.process, seen.number) == (socket.gethostname(), os.getpid(), 1)
    assert seen.supervised()
    assert not seen.outlived()
    mine.end("failed", "why")
    assert held(tmp_path) is None
    again = claim(tmp_path)
    assert again is not None
    assert again.number == 2
    again.end("done")
    assert [(each.outcome, each.message) for each in attempts(tmp_path)] == [("failed", "why"), ("done", "")]


def grab_and_die(folder):
    assert claim(folder) is not None
    os._exit(0)


@pytest.mark.parametrize("locks", [True, False])
def test_a_dead_process_holds_nothing(tmp_path, locks, monkeypatch):
    if not locks:
        without_locks(monkeypatch)
    died = multiprocessing.get_context("fork").Process(target=grab_and_die, args=(tmp_path,))
    died.start()
    died.join(20)
    assert attempts(tmp_path)[0].open
    assert held(tmp_path) is None
    mine = claim(tmp_path)
    assert mine is not None
    assert attempts(tmp_path)[0].outcome == "interrupted"
    mine.end("done")


@pytest.mark.parametrize("locks", [True, False])
def test_another_host_is_alive_while_its_heart_beats(tmp_path, locks, monkeypatch):
    if not locks:
        without_locks(monkeypatch)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(socket, "gethostname", lambda: "far-away")
        theirs = claim(tmp_path)
        assert theirs is not None
        if theirs.lock is not None:
            os.close(theirs.lock)  # the far host's lock is not seen here
            theirs.lock = None
    assert claim(tmp_path) is None
    assert held(tmp_path) is not None
    assert not held(tmp_path).supervised()
    long_ago = time.time() - 1000
    os.utime(tmp_path / ATTEMPT.format(1), (long_ago, long_ago))
    mine = claim(tmp_path)
    assert mine is not None
    theirs._beaten -= 1000
    assert not theirs.beat()  # it was given up on, and learns it
    mine._beaten -= 1000
    assert mine.beat()
    mine.end("done")


def test_failures_count_until_they_are_forgiven(tmp_path):
    for outcome in ("failed", "interrupted", "failed"):
        mine = claim(tmp_path)
        assert mine is not None
        mine.end(outcome)
    assert failures(tmp_path) == 2
    forgive(tmp_path)
    assert failures(tmp_path) == 0
    assert [each.outcome for each in attempts(tmp_path)] == ["failed", "interrupted", "failed"]


def test_a_damaged_attempt_holds_nothing(tmp_path):
    mine = claim(tmp_path)
    assert mine is not None
    mine.end("done")
    (tmp_path / ATTEMPT.format(1)).write_bytes(b"{")
    assert held(tmp_path) is None
    again = claim(tmp_path)
    assert again is not None
    assert again.number == 2
    again.end("done")


def test_processes_are_told_apart():
    assert birth(os.getpid()) != ""
    assert birth(os.getpid()) != birth(1)
    assert birth(2**22 + 1) == ""
