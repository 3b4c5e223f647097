"""Runs of the moving-shapes study made again through the file path, beside the study's own rows.

The study renders its clips on the device, asks 24 questions about a clip at once, and trains a model written for that.
Here the same runs go through `vidscale run`: tower, base and projector as checkpoint folders that transformers loads,
clips as mp4 files that are decoded, one question per entry of a LLaVA-style JSON. Clips, questions, their order and all
settings of the optimiser are the study's, so that what differs is arithmetic, and the path that it takes.

    python benchmarks/shapes_from_files.py --archive shapes-h200.tar.gz --folder FOLDER RUN_ID…

Prints one JSON line per run: accuracy by task from files and in the table, and their difference
- in standard errors of two independent samples of questions (`standard_errors`), and
- in units of what two seeds differ by (`of_seed_noise`): √2 × the standard deviation over seeds, pooled over the
  repeats of the same configuration and of the study's centre at the same data size, with the sampling error added
  where fewer clips are evaluated than in the table. It is null where the seeds do not differ.
All runs work side by side, spread over the GPUs that are there.
"""

import argparse
import csv
import json
import math
import os
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, variance
from typing import Any

import torch

from vidscale.design import RunSpec
from vidscale.errors import InputError
from vidscale.runs.recipe import (
    DataRecipe,
    EvaluationRecipe,
    LanguageModelFolder,
    ModelRecipe,
    Recipe,
    TrainingRecipe,
    recipe_toml,
)
from vidscale.runs.shapes import files
from vidscale.runs.shapes.archive import read_archives
from vidscale.runs.shapes.commands import RECIPE, load_study
from vidscale.runs.shapes.config import Study
from vidscale.runs.shapes.plan import clips_of, study_runs
from vidscale.runs.shapes.questions import QUESTION_WORDS, SLOTS, TASKS
from vidscale.runs.state import ROWS_FILE, plan_run
from vidscale.runs.train import data_order

CENTRE = "star-N2239872-T{frames}-V16-n153600-s0"
RUNS = (CENTRE.format(frames=16), CENTRE.format(frames=4), "star-N345408-T16-V16-n153600-s0")
#: Clips that a writing process makes at a time.
PART = 64
#: Most activations of one forward pass, in tokens × hidden × layers; they take about 100 bytes each when trained.
MICRO_VALUES = 2e8


def write_part(study: Study, folder: Path, first: int, count: int, seed: int | None) -> Path:
    """Some clips of a stream and the entries about them; seed None for those of the evaluation."""
    torch.set_num_threads(1)
    if seed is None:
        return files.write_evaluation(study, folder, count=count, first=first)
    return files.write_examples(study, folder, count=count, seed=seed, first=first)


def write_clips(study: Study, folder: Path, count: int, seed: int | None, pool: ProcessPoolExecutor) -> list[Future]:
    """The parts of one data file, under way."""
    return [pool.submit(write_part, study, folder / f"{first:07d}", first, min(PART, count - first), seed)
            for first in range(0, count, PART)]


def joined(parts: Sequence[Path], videos: Path) -> list[dict[str, Any]]:
    """The entries of all parts in order, video paths relative to `videos`."""
    entries = []
    for part in parts:
        place = part.parent.relative_to(videos)
        entries += [{**entry, "id": f"{place}/{entry['id']}", "video": f"{place}/{entry['video']}"}
                    for entry in json.loads(part.read_bytes())]
    return entries


def in_order(entries: Sequence[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """Entries placed so that a run, which shuffles them by its seed, sees them in the order given."""
    placed: list[Any] = [None] * len(entries)
    for position, entry in zip(data_order(len(entries), len(entries), seed), entries, strict=True):
        placed[position] = entry
    return placed


def file_recipe(study: Study, run: RunSpec, models: Path, data: DataRecipe, precision: Any) -> Recipe:
    """The study's settings as a recipe of the file path."""
    lm, training = study.lm_of(run.factors.lm_params), study.finetuning
    batch = files.batch_of_entries(study)
    length = int(run.factors.frames * run.factors.tokens_per_frame) + QUESTION_WORDS + 1
    micro = training.batch
    while micro > 1 and micro * len(SLOTS) * length * lm.hidden * lm.layers > MICRO_VALUES:
        micro = math.ceil(micro / 2)
    folder = models / f"lm-{lm.name}"
    language = LanguageModelFolder(lm_params=float(lm.params), folder=folder,
                                   projector=folder / "projector.safetensors")
    return Recipe(
        model=ModelRecipe(vision_tower=models / "tower", language_models=(language,), tower_layer=-1),
        data=data,
        training=TrainingRecipe(
            batch=batch, micro_batch=micro * len(SLOTS), learning_rate=training.rate(lm.hidden),
            warm_up=training.warm_up, final_rate=training.final_rate, weight_decay=training.weight_decay, beta_2=0.98,
            max_gradient_norm=training.max_gradient_norm, precision=precision, checkpoint_minutes=60.0),
        evaluation=EvaluationRecipe(answer="text", batch=micro * len(SLOTS)))


def prepare(study: Study, runs: Sequence[RunSpec], archive: Path, folder: Path, evaluation: int, writers: int,
            workers: int) -> dict[str, float]:
    """Write everything that the runs need, and plan them; returns seconds by part."""
    began = time.monotonic()
    results = read_archives([archive], study)
    if results.tower is None:
        raise InputError(f"{archive} holds no tower; give the archive of a finished study")
    videos, models = folder / "videos", folder / "models"
    wanted: dict[int, int] = {}
    for run in runs:
        wanted[run.seed] = max(wanted.get(run.seed, 0), clips_of(run))
    seconds = {"archive": time.monotonic() - began}
    # Forked before anything else starts threads, and not to load torch again in every process.
    with ProcessPoolExecutor(writers, mp_context=get_context("fork")) as pool:
        trained = {seed: write_clips(study, videos / f"train-{seed}", count, seed, pool)
                   for seed, count in wanted.items()}
        evaluated = write_clips(study, videos / "evaluation", evaluation, None, pool)
        files.export_tower(study, results.tower, models / "tower")
        for name in {study.lm_of(run.factors.lm_params).name for run in runs}:
            files.export_base(study, name, results.bases[name], models / f"lm-{name}")
        seconds["export"] = time.monotonic() - began
        entries = {seed: joined([part.result() for part in parts], videos) for seed, parts in trained.items()}
        questions = joined([part.result() for part in evaluated], videos)
    seconds["write"] = time.monotonic() - began
    (folder / "evaluation.json").write_text(json.dumps(questions))
    precision = "bf16" if torch.cuda.is_available() else "fp32"
    for seed, size in {(run.seed, round(run.data_size)) for run in runs}:
        own = in_order(entries[seed][:size], seed)
        (folder / f"train-{seed}-{size}.json").write_text(json.dumps(own))
    for run in runs:
        data = DataRecipe(train=folder / f"train-{run.seed}-{round(run.data_size)}.json",
                          evaluation=folder / "evaluation.json", videos=videos, template="bare", workers=workers)
        place = folder / f"{run.run_id}.toml"
        place.write_text(recipe_toml(file_recipe(study, run, models, data, precision), folder))
        plan_run(folder / run.run_id, run, place)
    seconds["plan"] = time.monotonic() - began
    return {name: round(value, 1) for name, value in seconds.items()}


def spread(runs: Sequence[RunSpec], gpus: int) -> list[int]:
    """Which GPU each run is for: the longest first, each to where least is to do."""
    load, chosen = [0.0] * max(1, gpus), [0] * len(runs)
    cost = [run.data_size * run.factors.frames * (40 + run.factors.tokens_per_frame) for run in runs]
    for i in sorted(range(len(runs)), key=lambda i: -cost[i]):
        chosen[i] = load.index(min(load))
        load[chosen[i]] += cost[i]
    return chosen


def carry_out(runs: Sequence[RunSpec], folder: Path) -> Iterator[tuple[RunSpec, int, float, str]]:
    """`vidscale run` for all of them side by side; gives exit code, seconds and what it said of each as it ends."""
    gpus = torch.cuda.device_count()
    began = time.monotonic()
    going: list[subprocess.Popen[bytes]] = []
    for run, gpu in zip(runs, spread(runs, gpus), strict=True):
        environment = {**os.environ, "OMP_NUM_THREADS": "1"} | ({"CUDA_VISIBLE_DEVICES": str(gpu)} if gpus else {})
        with (folder / f"{run.run_id}.log").open("w") as said:
            going.append(subprocess.Popen([sys.executable, "-m", "vidscale", "run", str(folder / run.run_id)],
                                          env=environment, stdout=said, stderr=subprocess.STDOUT))
    waiting = dict(zip(runs, going, strict=True))
    while waiting:
        time.sleep(0.1)
        for run, process in list(waiting.items()):
            if process.poll() is not None:
                del waiting[run]
                yield run, process.returncode, time.monotonic() - began, (folder / f"{run.run_id}.log").read_text()


class Table:
    """The study's own rows."""

    def __init__(self, study: Study, rows: Sequence[dict[str, Any]]) -> None:
        self.study = study
        self.accuracy: dict[str, dict[str, float]] = defaultdict(dict)
        self.clips = study.eval_clips
        self.loss = {row["run_id"]: float(row["train_loss"]) for row in rows}
        for row in rows:
            self.accuracy[row["run_id"]][row["task"]] = 1 - float(row["error"])

    def seed_noise(self, run: RunSpec) -> dict[str, float]:
        """Standard deviation over seeds of this run and the centre: of each task's accuracy, and of their mean."""
        name, frames, tokens = self.study.star.centre
        centre = f"star-N{self.study.lm(name).params}-T{frames}-V{tokens}-n{round(run.data_size)}"
        groups = [[own | {"mean": mean(own.values())} for name, own in self.accuracy.items()
                   if name.rpartition("-s")[0] == start] for start in {centre, run.run_id.rpartition("-s")[0]}]
        repeated = [group for group in groups if len(group) > 1]
        free = sum(len(group) - 1 for group in repeated)
        pooled: dict[str, float] = {}
        for task in repeated[0][0] if repeated else ():
            squares = sum((len(group) - 1) * variance(own[task] for own in group) for group in repeated)
            pooled[task] = math.sqrt(squares / free)
        return pooled


def compare(run: RunSpec, rows: Sequence[dict[str, str]], table: Table) -> dict[str, Any]:
    """A run from files beside the study's."""
    own, noise = table.accuracy[run.run_id], table.seed_noise(run)
    found = {row["task"]: 1 - float(row["error"]) for row in rows}
    asked = {row["task"]: int(row["n_eval"]) for row in rows}
    errors, of_noise = {}, {}
    for task, count in Counter(SLOTS).items():
        both = (found[task] * asked[task] + own[task] * count * table.clips) / (asked[task] + count * table.clips)
        spread_out = both * (1 - both)
        error = math.sqrt(spread_out * (1 / asked[task] + 1 / (count * table.clips)))
        errors[task] = _ratio(found[task] - own[task], error)
        fewer = spread_out * max(0.0, 1 / asked[task] - 1 / (count * table.clips))
        if noise:
            of_noise[task] = _ratio(found[task] - own[task], math.sqrt(2 * noise[task]**2 + fewer))
    difference = mean(found.values()) - mean(own[task] for task in found)
    result = {
        "run_id": run.run_id, "clips": asked["count"], "accuracy_files": _short(found), "accuracy_table": _short(own),
        "standard_errors": errors, "of_seed_noise": of_noise, "mean_files": round(mean(found.values()), 4),
        "mean_table": round(mean(own[task] for task in found), 4), "mean_difference": round(difference, 4)}
    if noise:
        result["seed_sd_of_mean"] = round(noise["mean"], 4)
        result["mean_of_seed_noise"] = _ratio(difference, math.sqrt(2) * noise["mean"])
    return result


def _ratio(difference: float, unit: float) -> float | None:
    return round(difference / unit, 2) if unit else None


def _short(values: dict[str, float]) -> dict[str, float]:
    return {task.name: round(values[task.name], 4) for task in TASKS}


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the runs and compare them; 1 where one failed, 2 for input that cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", metavar="RUN_ID", default=list(RUNS), help=f"default: {' '.join(RUNS)}")
    parser.add_argument("--archive", type=Path, required=True, help="of the finished study, with tower and bases")
    parser.add_argument("--folder", type=Path, required=True, help="for clips, checkpoints and runs: about 400 MB")
    parser.add_argument("--recipe", default=RECIPE, help="file and function of the study")
    parser.add_argument("--evaluation", type=int, help="the first so many evaluation clips; default: all")
    parser.add_argument("--writers", type=int, default=len(os.sched_getaffinity(0)), help="processes that write clips")
    parser.add_argument("--workers", type=int, default=6, help="threads of a run that decode clips")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        study = load_study(given.recipe)
        planned = {run.run_id: run for run in study_runs(study)}
        unknown = [name for name in given.runs if name not in planned]
        if unknown:
            raise InputError(f"the study {study.name} has no run {unknown[0]}; `python -m vidscale.runs.shapes plan "
                             "--runs` lists them")
        runs = [planned[name] for name in given.runs]
        evaluation = study.eval_clips if given.evaluation is None else min(given.evaluation, study.eval_clips)
        given.folder.mkdir(parents=True, exist_ok=True)
        folder = given.folder.resolve()
        seconds = prepare(study, runs, given.archive, folder, evaluation, given.writers, given.workers)
        print(f"written and planned after {seconds['plan']} s", file=sys.stderr, flush=True)
        table = Table(study, read_archives([given.archive], study).rows)
    except InputError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    failed = False
    for run, code, took, said in carry_out(runs, folder):
        if code:
            failed = True
            print(json.dumps({"run_id": run.run_id, "exit": code, "said": said[-2000:]}), flush=True)
            continue
        with (folder / run.run_id / ROWS_FILE).open(newline="") as place:
            rows = list(csv.DictReader(place))
        first = rows[0]
        print(json.dumps({
            **compare(run, rows, table), "last_loss_files": round(float(first["train_loss"]), 4),
            "last_tenth_loss_table": table.loss[run.run_id], "seconds": {**seconds, "run": round(took, 1)},
            "train_s": float(first["train_time_s"]), "precision": first["precision"], "hardware": first["hardware"],
            "commit": first["commit"], "recipe": study.digest}), flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
