"""The same plan on Ray, by submitit and on Slurm gives the same table as local workers."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from queue_support import make_bench, until

from vidscale.errors import InputError
from vidscale.runs.folder import Standing, prepare
from vidscale.runs.queue import SweepSettings, sweep

RECORDED = Path(__file__).parents[1] / "recorded" / "cluster.json"


def record(name: str, found: dict) -> None:
    before = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    RECORDED.write_text(json.dumps({**before, name: found}, indent=1, sort_keys=True) + "\n")


def calm_table(tmp_path, runs: int = 14) -> str:
    calm = make_bench(tmp_path / "calm", runs)
    calm.sweep_here()
    return calm.table()


@pytest.fixture
def cluster():
    """A Ray cluster of two nodes on this machine."""
    pytest.importorskip("ray")
    import ray
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = made.add_node(num_cpus=2)
    made.wait_for_nodes()
    ray.init(address=made.address, log_to_driver=False, logging_level="error",
             runtime_env={"env_vars": {"PYTHONPATH": str(Path(__file__).parent)}})
    yield made, second
    ray.shutdown()
    made.shutdown()


# Ray's own processes and sockets outlive its shutdown a little; that is no fault of ours.
QUIET = pytest.mark.filterwarnings("ignore")


@QUIET
@pytest.mark.cluster
def test_two_ray_nodes_give_the_table_of_local_workers(tmp_path, cluster):
    from vidscale.runs.ray_executor import RayLauncher

    bench = make_bench(tmp_path / "ray", 14, pace=0.1)
    prepare(bench.plan, bench.out)
    began = time.monotonic()
    done = sweep(bench.plan, bench.out, RayLauncher(), SweepSettings(workers=3))
    bench.check()
    assert done.count(Standing.DONE) == 14
    assert bench.table() == calm_table(tmp_path)
    record("ray", {"version": version("ray"), "nodes": 2, "runs": 14, "same_table_as_local": True,
                   "seconds": round(time.monotonic() - began, 1)})


@QUIET
@pytest.mark.cluster
def test_a_dead_ray_worker_and_a_dead_node_cost_a_retry_each(tmp_path, cluster):
    from vidscale.runs.ray_executor import RayLauncher

    made, second = cluster
    bench = make_bench(tmp_path / "ray", 14, pace=0.3)
    prepare(bench.plan, bench.out)
    said = []

    def torment() -> None:
        until(lambda: parents(bench.working()))
        os.kill(parents(bench.working())[0], signal.SIGKILL)
        until(lambda: bench.count("finish") >= 5)
        made.remove_node(second, allow_graceful=False)

    with meanwhile(torment):
        done = sweep(bench.plan, bench.out, RayLauncher(), SweepSettings(workers=3, retries=1), tick=said.append)
    lost = [line for line in said if "lost its worker" in line]
    assert 1 <= len(lost) <= 3
    bench.check(kills=3)
    assert done.count(Standing.DONE) == 14
    assert bench.table() == calm_table(tmp_path)
    record("ray, a worker and a node killed", {"lost_attempts": len(lost), "starts": bench.count("start"), "runs": 14,
                                               "doubled": 0, "same_table_as_local": True})


@contextmanager
def meanwhile(work: Callable[[], None]) -> Iterator[None]:
    """Do something in another thread; its failure is ours."""
    with ThreadPoolExecutor(1) as threads:
        started = threads.submit(work)
        yield
        started.result()


def parents(processes: list[int]) -> list[int]:
    found = []
    for pid in processes:
        try:
            found.append(int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]))
        except OSError:
            continue
    return [pid for pid in found if pid > 1]


@QUIET
@pytest.mark.cluster
def test_a_stopped_ray_sweep_leaves_no_process(tmp_path, cluster):
    from vidscale.runs.ray_executor import RayLauncher

    bench = make_bench(tmp_path / "ray", 7, pace=0.4)
    prepare(bench.plan, bench.out)
    stop = threading.Event()

    def torment() -> None:
        until(lambda: bench.count("step-1") >= 2)
        stop.set()

    with meanwhile(torment):
        done = sweep(bench.plan, bench.out, RayLauncher(), SweepSettings(workers=3, grace_s=1), stop=stop)
    assert done.stopped == "the sweep was stopped"
    until(lambda: not bench.working())
    assert done.count(Standing.FAILED) == 0
    bench.sweep_here()
    bench.check(kills=6)


@QUIET
@pytest.mark.cluster
def test_submitit_here_gives_the_table_of_local_workers(tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    from vidscale.runs.submitit_executor import SubmititLauncher

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    bench = make_bench(tmp_path / "jobs", 7, pace=0.05)
    prepare(bench.plan, bench.out)
    began = time.monotonic()
    launcher = SubmititLauncher(bench.out, {"cluster": "local", "timeout_min": "5"})
    sweep(bench.plan, bench.out, launcher, SweepSettings(workers=2))
    bench.check()
    assert bench.table() == calm_table(tmp_path, 7)
    record("submitit, local executor", {"version": version("submitit"), "runs": 7, "same_table_as_local": True,
                                        "seconds": round(time.monotonic() - began, 1)})


@QUIET
@pytest.mark.cluster
def test_a_killed_submitit_job_costs_a_retry(tmp_path):
    pytest.importorskip("submitit")
    from vidscale.runs.submitit_executor import SubmititLauncher

    bench = make_bench(tmp_path / "jobs", 7, pace=0.2)
    prepare(bench.plan, bench.out)
    said, launcher = [], SubmititLauncher(bench.out, {"cluster": "local", "timeout_min": "5"})

    def torment() -> None:
        until(lambda: parents(bench.working()))
        os.kill(parents(bench.working())[0], signal.SIGKILL)

    with meanwhile(torment):
        sweep(bench.plan, bench.out, launcher, SweepSettings(workers=2), tick=said.append)
    assert any("lost its worker" in line for line in said)
    bench.check(kills=2)


@pytest.fixture
def slurm():
    pytest.importorskip("submitit")
    if shutil.which("sbatch") is None or subprocess.run(["sinfo"], capture_output=True, check=False).returncode:
        pytest.skip("there is no Slurm here")
    return subprocess.run(["sinfo", "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]


@QUIET
@pytest.mark.cluster
def test_slurm_gives_the_table_of_local_workers(tmp_path, slurm):
    bench = make_bench(tmp_path / "slurm", 7, pace=0.05)
    began = time.monotonic()
    bench.sweep("--workers", "2", "--executor", "slurm", "--option", "timeout_min=5", "--quiet")
    bench.check()
    assert bench.table() == calm_table(tmp_path, 7)
    record("slurm", {"version": slurm, "nodes": 1, "runs": 7, "same_table_as_local": True,
                     "seconds": round(time.monotonic() - began, 1)})


@QUIET
@pytest.mark.cluster
def test_a_killed_slurm_job_costs_a_retry(tmp_path, slurm):
    from vidscale.runs.submitit_executor import SubmititLauncher

    bench = make_bench(tmp_path / "slurm", 7, pace=0.8)
    prepare(bench.plan, bench.out)
    said = []

    def torment() -> None:
        until(lambda: bench.count("start") == 2)
        jobs = subprocess.run(["squeue", "-h", "-t", "R", "-o", "%A"], capture_output=True, text=True, check=True)
        subprocess.run(["scancel", "--signal=KILL", "--full", jobs.stdout.split()[0]], check=True)

    with meanwhile(torment):
        sweep(bench.plan, bench.out, SubmititLauncher(bench.out, {"timeout_min": "5"}), SweepSettings(workers=2),
              tick=said.append)
    # Slurm may reach the run first, whose end its supervisor then still records, or the supervisor.
    assert any("lost its worker" in line or "it was ended by SIG" in line for line in said), said
    bench.check(kills=2)
    record("slurm, a job killed", {"version": slurm, "runs": 7, "starts": bench.count("start"), "doubled": 0})


def version(package: str) -> str:
    from importlib.metadata import version as of

    return of(package)


def test_recorded_results_of_clusters():
    recorded = json.loads(RECORDED.read_text())
    assert recorded["ray"]["same_table_as_local"]
    assert recorded["ray, a worker and a node killed"]["doubled"] == 0
    assert recorded["submitit, local executor"]["same_table_as_local"]


@pytest.mark.skipif("ray" in sys.modules, reason="Ray is installed")
@pytest.mark.parametrize("kind", ["ray", "slurm"])
def test_without_the_extra_it_is_named(tmp_path, monkeypatch, kind):
    from vidscale.runs.ray_executor import RayLauncher
    from vidscale.runs.submitit_executor import SubmititLauncher

    for name in ("ray", "submitit"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=r"vidscale\[cluster\]"):
        RayLauncher() if kind == "ray" else SubmititLauncher(tmp_path)


def test_unknown_options_are_refused():
    from vidscale.runs.ray_executor import OPTIONS, read_options

    assert read_options({"num_gpus": "0.5"}, OPTIONS, "ray") == {"num_gpus": 0.5}
    with pytest.raises(InputError, match="unknown to the ray executor"):
        read_options({"gpus": "1"}, OPTIONS, "ray")
    with pytest.raises(InputError, match="give a float"):
        read_options({"num_gpus": "one"}, OPTIONS, "ray")
