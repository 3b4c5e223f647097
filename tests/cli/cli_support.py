"""Settings and helpers of the command-line tests."""

import json
import os
from pathlib import Path

import numpy as np

from vidscale.design import join_designs, plan_text, star_design
from vidscale.runs import FailureReason, RunOutcome, RunState
from vidscale.runs.folder import prepare, run_folder
from vidscale.runs.local import LocalLauncher
from vidscale.runs.queue import sweep
from vidscale.runs.state import write_outcome
from vidscale.space import Lattice

STANDIN = Path(__file__).parents[1] / "runs" / "standin.py"

#: Small settings: the command line is tested here, not the statistics.
QUICK = ("--forms", "mult,add", "--draws", "8", "--starts", "4", "--folds", "3", "--quiet")
QUICK_FIT = ("--form", "add", "--draws", "8", "--starts", "4", "--quiet")


def everything(folder) -> list[str]:
    """Every file and folder below, hidden ones too."""
    return sorted(os.path.relpath(os.path.join(here, name), folder)
                  for here, folders, files in os.walk(folder) for name in (*folders, *files))


def small_plan():
    """Seven runs that train nothing."""
    lattice = Lattice(name="small", levels={"lm_params": np.array([1e9, 2.8e9, 7.5e9]), "frames": np.array([8.0, 32]),
                                            "tokens_per_frame": np.array([16.0, 49, 100, 196])})
    return join_designs([star_design(lattice=lattice, data_sizes=[1e6])],
                        command=["{python}", str(STANDIN), "{folder}", str(Path.cwd() / "log")])


def write_plan() -> None:
    """A plan as star.toml."""
    Path("star.toml").write_text(plan_text(small_plan(), Path.cwd()))


def make_sweep() -> None:
    """A finished sweep as star."""
    prepare(small_plan(), Path("star"))
    sweep(small_plan(), Path("star"), LocalLauncher(1))


def make_failed_sweep() -> None:
    """A sweep as star in which one run failed, and another recipe."""
    make_sweep()
    spec = small_plan().runs[0]
    folder = run_folder(Path("star"), spec)
    (folder / "rows.csv").unlink()
    write_outcome(folder, RunOutcome(run_id=spec.run_id, state=RunState.FAILED, reason=FailureReason.NAN_LOSS))
    Path("slower.toml").write_text("rate = 0.1\n")


def make_results() -> None:
    """Results of lmms-eval on one model with three numbers of frames."""
    folder = Path("results") / "org__vlm"
    folder.mkdir(parents=True)
    for frames, score in ((8, 51.2), (16, 55.9), (32, 58.4)):
        content = {"results": {"videomme": {"alias": "videomme", "videomme_perception_score,none": score}},
                   "config": {"model_args": f"pretrained=org/vlm,max_frames_num={frames}", "limit": None},
                   "n-samples": {"videomme": {"original": 2700, "effective": 2700}}}
        (folder / f"20260102_0{frames:02}405_results.json").write_text(json.dumps(content))
