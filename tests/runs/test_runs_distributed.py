"""Several processes train the model that one does: the same loss, FLOPs and answers, weights sharded by FSDP."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from vidscale.runs import FailureReason, RunState, read_outcome
from vidscale.runs.distributed import Team
from vidscale.runs.run import execute

SCRIPT = Path(__file__).with_name("two_processes.py")


def torchrun(folder, processes=2, **environment):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}",
               str(SCRIPT), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=300)


def compare(alone, together, tolerance):
    one, two = pd.read_csv(alone / "rows.csv"), pd.read_csv(together / "rows.csv")
    assert two.hardware.str.startswith("2 x ").all()
    assert (one.trained_flops == two.trained_flops).all()
    assert two.train_loss.to_numpy() == pytest.approx(one.train_loss.to_numpy(), rel=tolerance)
    return one, two


def test_shares_have_one_length():
    parts = [Team(rank=rank, size=3, device=torch.device("cpu")).share(list("abcdefg")) for rank in range(3)]
    assert parts == [["a", "d", "g"], ["b", "e", None], ["c", "f", None]]


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("bf16", 2e-2)])
def test_two_processes_equal_one(plan, precision, tolerance):
    """With a last batch that does not spread evenly, and activations computed twice."""
    settings = {"n": 19, "batch": 8, "micro_batch": 3, "activation_checkpointing": True, "weight_decay": 0.01,
                "precision": precision}
    alone, together = plan("alone", **settings), plan("together", **settings)
    assert execute(alone).state is RunState.DONE
    ran = torchrun(together, CUDA_VISIBLE_DEVICES="")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    one, two = compare(alone, together, tolerance)
    if precision == "fp32":
        assert one.error.tolist() == two.error.tolist()


@pytest.mark.slow
def test_a_checkpoint_of_one_process_is_taken_up_by_two(plan, monkeypatch):
    """And the other way round: what is stored does not depend on how many processes there are."""
    import signal

    from vidscale.runs import train

    alone, together = plan("alone", n=24, batch=4), plan("together", n=24, batch=4)
    execute(alone)
    true_step, left = train._step, iter(range(1, 100))

    def then(*arguments):
        if next(left) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return true_step(*arguments)

    monkeypatch.setattr(train, "_step", then)
    assert execute(together).reason is FailureReason.INTERRUPTED
    ran = torchrun(together, CUDA_VISIBLE_DEVICES="")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert read_outcome(together).attempts == 2
    compare(alone, together, 1e-4)


@pytest.mark.slow
def test_a_failure_of_one_process_is_the_runs(plan, tiny, tmp_path):
    clips = tmp_path / "clips"
    clips.mkdir()
    for clip in (tiny / "clips").iterdir():
        (clips / clip.name).write_bytes(clip.read_bytes())
    (clips / "0003.mp4").write_bytes(b"no video")
    folder = plan(n=24, batch=2, micro_batch=1, data={"videos": clips})
    assert torchrun(folder, CUDA_VISIBLE_DEVICES="").returncode != 0
    outcome = read_outcome(folder)
    assert (outcome.state, outcome.reason) == (RunState.FAILED, FailureReason.CORRUPT_FILE)
    assert "0003.mp4" in outcome.message


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_two_gpus_equal_one(plan, precision):
    settings = {"n": 24, "batch": 8, "micro_batch": 4, "precision": precision}
    alone, together = plan("alone", **settings), plan("together", **settings)
    assert execute(alone).state is RunState.DONE
    ran = torchrun(together)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    compare(alone, together, 1e-3 if precision == "fp32" else 3e-2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_one_gpu(plan):
    folder = plan(n=24, batch=8, precision="bf16", activation_checkpointing=True)
    assert execute(folder).state is RunState.DONE
    assert (pd.read_csv(folder / "rows.csv").mfu > 0).all()
