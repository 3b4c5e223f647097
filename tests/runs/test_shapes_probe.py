"""Moving shapes: the probe's report, losses by task, the projector's start, and a command line that fails in a line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vidscale.runs.pooling import pool_to_grid
from vidscale.runs.shapes.commands import load_study, main
from vidscale.runs.shapes.model import Tower, VideoLm
from vidscale.runs.shapes.plan import Timing
from vidscale.runs.shapes.probe import ProbeSettings, expected_seconds
from vidscale.runs.shapes.questions import GENERIC, SLOTS, TASKS
from vidscale.runs.shapes.train import EVALUATE, clips, features, initialise_projector

ROOT = Path(__file__).resolve().parents[2]
FILE = str(ROOT / "recipes/shapes_h200.py")
TINY = FILE + ":shapes_tiny"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def study():
    return load_study(TINY)


def test_probe_reports_each_task_along_training_at_each_rate(tmp_path, capsys):
    assert main(["--recipe", TINY, "probe", "--out", str(tmp_path), "--base", "8k", "--finetuned", "1x1",
                 "--clips", "32", "--packed", "", "--timed", "", "--packed-at", "8k:1x1", "--modes", "eager",
                 "--device", "cpu", "--rates", "1e-3,2e-3", "--base-rates", "1e-3"]) == 0
    found = json.loads((tmp_path / "probe.json").read_text())
    base = found["base 8k rate=0.001"]
    assert set(base["by_task"]) == set(GENERIC)
    for rate in ("0.001", "0.002"):
        run = found[f"finetuned 8k T=1 V=1 rate={rate}"]
        assert set(run["by_task"]) == {task.name for task in TASKS}
        # The loss is the mean over questions, of which a task has several.
        means = [sum(SLOTS.count(name) * own[tenth] for name, own in run["by_task"].items()) / len(SLOTS)
                 for tenth in (0, 1)]
        assert means == pytest.approx(run["losses"], abs=2e-3)
    said = capsys.readouterr().out
    assert said.startswith("expected: ")
    assert "loss  glyph" in said


def test_expected_time_of_a_probe_is_the_sum_of_its_steps(study):
    settings = ProbeSettings(base="8k", finetuned=((1, 4), (2, 4)), clips=160, packed=(), packed_at=("8k", 1, 1),
                             rates=(1e-3, 2e-3), base_rates=(1e-3, 2e-3, 3e-3))
    slow = Timing(operation_seconds=1.0, frame_seconds=0.0, value_seconds=0.0, flops_per_second=1e30)
    parts = expected_seconds(study, settings, slow)
    assert len(parts) == 1 + 3 + 4
    assert parts["finetuned 8k T=1 V=4 rate=0.001"] == pytest.approx(15 + 10 * (3 + 1))


@torch.no_grad()
def test_a_fresh_projector_keeps_tokens_apart(study):
    """Seen on other clips: visual tokens differ as much as words do, and little is common to all of them."""
    torch.manual_seed(0)
    tower = Tower(study.tower).eval()
    model = VideoLm(study.tower, study.ladder[0])

    def spread_and_common() -> tuple[float, float]:
        seen = features(tower, clips(study, EVALUATE, 0, 16, CPU)[0], 4)
        tokens = torch.cat([model.projector(pool_to_grid(seen, k)).flatten(0, -2) for k in (1, 2)])
        return float(tokens.std(dim=0).mean()), float(tokens.mean(dim=0).square().mean().sqrt())

    spread, common = spread_and_common()
    assert spread < common  # torch's own initial values
    initialise_projector(study, tower, model, CPU)
    spread, common = spread_and_common()
    words = float(model.decoder.embed.weight.std())
    assert 0.4 * words < spread < 2.5 * words
    assert common < 0.6 * spread


@pytest.mark.parametrize("given", [
    ["--packed-at", "8k:2xq"], ["--packed-at", "8k:2x5"], ["--packed-at", "8k"], ["--packed-at", "7B:2x4"],
    ["--timed", "8k"], ["--finetuned", "0x4"], ["--packed", "a"], ["--rates", "1e-3,-1"], ["--base-rates", "nan"],
    ["--modes", "fast"], ["--clips", "17"], ["--clips", "0"], ["--base", "7B"],
])
def test_bad_input_is_one_line(given, tmp_path, capsys):
    good = ["--base", "8k", "--packed-at", "8k:2x4", "--clips", "32"]
    assert main(["--recipe", TINY, "probe", "--out", str(tmp_path), *good, *given]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_reader_that_goes_away_is_no_fault():
    ran = subprocess.run(
        ["bash", "-c", f"set -o pipefail; '{sys.executable}' -m vidscale.runs.shapes --recipe '{FILE}:shapes_h200' "
                       "plan --runs | head -1 >/dev/null; echo ${PIPESTATUS[0]}"],
        capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert ran.stderr == ""
    assert ran.stdout.strip() in ("0", "141")
