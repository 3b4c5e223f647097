"""Moving shapes from mp4 files through the file path: the same losses, step by step, and the same answers."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vidscale.runs.shapes.archive import Results, write_archive
from vidscale.runs.shapes.commands import load_study
from vidscale.runs.shapes.model import Tower, VideoLm
from vidscale.runs.shapes.plan import study_runs
from vidscale.runs.shapes.questions import SLOTS
from vidscale.runs.shapes.train import evaluate, finetune, load_base, load_tower, rounded

pytest.importorskip("av")
pytest.importorskip("transformers")
ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
STEPS, BATCH, EVALUATED = 6, 2, 4


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import shapes_from_files

        yield shapes_from_files
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


@pytest.fixture(scope="module")
def study():
    """Six steps of two clips; the rate is large enough for them to change the weights a good deal."""
    tiny = load_study(f"{ROOT}/recipes/shapes_h200.py:shapes_tiny")
    training = replace(tiny.finetuning, batch=BATCH, warm_up=0.3, learning_rate=5e-3)
    n = STEPS * BATCH * len(SLOTS)
    return replace(tiny, finetuning=training, eval_clips=EVALUATED, repeats=(),
                   star=replace(tiny.star, data_sizes=(n,)), isoflop=replace(tiny.isoflop, data_size=n))


@pytest.fixture(scope="module")
def run(study):
    return next(run for run in study_runs(study) if run.run_id.endswith("T2-V4-n288-s0"))


@pytest.fixture(scope="module")
def weights(study):
    torch.manual_seed(0)
    return rounded(Tower(study.tower)), rounded(VideoLm(study.tower, study.lm("8k")))


@pytest.fixture(scope="module")
def folder(script, study, run, weights, tmp_path_factory):
    """What the script prepares: an archive's models and clips as files, and a planned run."""
    folder = tmp_path_factory.mktemp("files")
    tower, base = weights
    write_archive(folder / "study.tar.gz", study, Results(tower=tower, bases={"8k": base}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(script, "PART", 5)
        patch.setattr(script, "ProcessPoolExecutor", InThisProcess)
        script.prepare(study, [run], folder / "study.tar.gz", folder, EVALUATED, 1, 1)
    return folder


class InThisProcess:
    """Stands in for a pool of processes."""

    def __init__(self, *given, **named):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        pass

    def submit(self, work, *given):
        from concurrent.futures import Future

        done = Future()
        done.set_result(work(*given))
        return done


def test_losses_and_answers_are_those_of_the_study(study, run, weights, folder):
    from vidscale.runs import RunState
    from vidscale.runs.run import execute

    frames, tokens = int(run.factors.frames), int(run.factors.tokens_per_frame)
    tower = load_tower(study, weights[0], CPU)
    model = load_base(study, study.lm("8k"), weights[1], CPU)
    own = finetune(study, tower, model, CPU, frames=frames, tokens=tokens, examples=STEPS * BATCH, seed=0).losses
    assert len(own) == STEPS
    assert max(own) - min(own) > 0.1
    scores = {each.task: each.error for each in evaluate(study, tower, model, CPU, frames=frames, tokens=tokens)}

    found = []

    def listen(text):
        if text.startswith("step"):
            found.append(float(text.rpartition(" ")[2]))

    outcome = execute(folder / run.run_id, listen)
    assert outcome.state is RunState.DONE, outcome.message
    assert found == pytest.approx(own, abs=2e-4)
    header, *rows = (folder / run.run_id / "rows.csv").read_text().splitlines()
    places = {name: i for i, name in enumerate(header.split(","))}
    errors = {row.split(",")[places["task"]]: float(row.split(",")[places["error"]]) for row in rows}
    assert errors == pytest.approx(scores)
