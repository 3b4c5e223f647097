"""Sweeps of stand-in runs, as real processes, and what they left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vidscale.design import SweepPlan, join_designs, plan_text, star_design
from vidscale.runs.collect import collect
from vidscale.runs.folder import Standing, open_sweep, prepare, statuses
from vidscale.runs.local import LocalLauncher
from vidscale.runs.queue import SweepResult, SweepSettings, sweep
from vidscale.space import Lattice, published_lattice

STANDIN = Path(__file__).with_name("standin.py")
STEPS = 4


@dataclass
class Bench:
    """A folder with a plan of stand-in runs and the log of their deeds."""

    root: Path
    plan: SweepPlan

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def log(self) -> Path:
        return self.root / "log"

    def lines(self) -> list[list[str]]:
        return [line.split() for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def deeds(self) -> Counter:
        return Counter((what, name) for what, name, _ in self.lines())

    def count(self, what: str) -> int:
        return sum(line[0] == what for line in self.lines())

    def standings(self) -> Counter:
        return Counter(each.standing for each in statuses(open_sweep(self.out), self.out))

    def start(self, *options: str) -> subprocess.Popen:
        """A sweep as a process of its own."""
        return subprocess.Popen([sys.executable, "-m", "vidscale.cli", "sweep", str(self.root / "plan.toml"), "--out",
                                 str(self.out), *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def sweep(self, *options: str, expect: int = 0) -> str:
        started = self.start(*options)
        said, _ = started.communicate(timeout=120)
        assert started.returncode == expect, (started.returncode, said)
        return said

    def sweep_here(self, workers: int = 2, retries: int = 1) -> SweepResult:
        """A sweep in this process, whose runs are processes all the same."""
        prepare(self.plan, self.out)
        return sweep(self.plan, self.out, LocalLauncher(workers), SweepSettings(workers=workers, retries=retries))

    def working(self) -> list[int]:
        """Processes of runs that are going on now."""
        begun = {int(pid) for what, _, pid in self.lines() if what == "start"}
        ended = {int(pid) for what, _, pid in self.lines() if what == "finish"}
        return [pid for pid in begun - ended if alive(pid)]

    def table(self) -> str:
        """What the finished runs measured, without what differs from folder to folder."""
        return collect([self.out]).rows.drop(columns=["recipe_hash"]).to_csv(index=False)

    def check(self, kills: int = 0) -> None:
        """Nothing lost, nothing doubled: every run done once, and no more work repeated than kills explain."""
        assert self.standings() == {Standing.DONE: len(self.plan)}
        assert self.count("DOUBLE") == 0
        assert self.count("AGAIN") == 0
        deeds = self.deeds()
        assert max(deeds["finish", run.run_id] for run in self.plan.runs) == 1
        assert self.count("finish") >= len(self.plan) - kills
        assert len(self.plan) <= self.count("start") <= len(self.plan) + kills
        # A kill between a step and its line in the log loses the line, one before its checkpoint repeats the step.
        steps = sum(self.count(f"step-{k}") for k in range(1, STEPS + 1))
        assert abs(steps - len(self.plan) * STEPS) <= kills


def make_bench(root: Path, runs: int = 7, pace: float = 0.0, behaviours: dict[str, str] | None = None) -> Bench:
    """A star of 7, 14 … runs; behaviours by number of the run."""
    lattice = Lattice(name="small", levels={**published_lattice().levels, "frames": np.array([8.0, 16, 32]),
                                            "tokens_per_frame": np.array([16.0, 49, 196])})
    sizes = [2.5e5, 5e5, 1e6, 2e6, 4e6][: runs // 7]
    wrong = root / "behaviours.json"
    plan = join_designs([star_design(lattice=lattice, data_sizes=sizes)],
                        command=["{python}", str(STANDIN), "{folder}", str(root / "log"), str(wrong)])
    names = {plan.runs[int(number)].run_id: behaviour for number, behaviour in (behaviours or {}).items()}
    root.mkdir(parents=True, exist_ok=True)
    wrong.write_text(json.dumps({"pace": pace, **names}))
    (root / "plan.toml").write_text(plan_text(plan, root))
    assert len(plan) == runs
    return Bench(root=root, plan=plan)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def kill(pid: int) -> bool:
    """SIGKILL; whether there was anything to kill."""
    if not alive(pid):
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def until(condition, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
