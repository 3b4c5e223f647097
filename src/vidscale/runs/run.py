"""One run from its folder to its measurements, as one command that may be given any number of times.

A run that is done stays as it is; one that was killed goes on from its last checkpoint; one that failed is tried
again. Whatever goes wrong becomes a recorded state with its reason. Nothing that another command reads is ever half
written.
"""

import csv
import hashlib
import io
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidscale.design import RunSpec
from vidscale.errors import InputError
from vidscale.runs.failures import CorruptFileError, MissingFileError, RunInterrupted, reason_of, sentence_of
from vidscale.runs.provenance import commit, hardware
from vidscale.runs.recipe import Recipe, examples, load_recipe
from vidscale.runs.state import (
    CHECKPOINT_FOLDER,
    ROWS_FILE,
    RunOutcome,
    RunState,
    current_run,
    file_hash,
    locked,
    read_outcome,
    read_run,
    replace_file,
    write_outcome,
)

if TYPE_CHECKING:
    from vidscale.runs.checkpoint import Progress
    from vidscale.runs.conversations import Example, Question
    from vidscale.runs.distributed import Team
    from vidscale.runs.evaluate import TaskScore
    from vidscale.runs.train import Clips

#: Seconds between two records of how far training is.
HEARTBEAT_S = 5.0

#: Seconds to wait for a process that only looked whether the folder is in use.
LOCK_PATIENCE_S = 1.0

#: The file with the trained weights, where the recipe keeps them.
MODEL_FILE = "model.safetensors"

Say = Callable[[str], None]


def execute(folder: Path, say: Say = lambda text: None, threads: int | None = None) -> RunOutcome:
    """Carry out the run in a folder, or whatever of it is left to do.

    Args:
        folder: holds run.json; see `vidscale.runs.state`.
        say: takes a line of text now and then.
        threads: of arithmetic on the CPU; by default as many as torch likes.

    Returns:
        How the run stands: done, or failed with its reason. A failure is returned, not raised.

    Raises:
        InputError: the folder holds no run or cannot be written, or another process works on it.
    """
    folder = Path(folder)
    read_run(folder)
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    if int(os.environ.get("RANK", "0")):
        return _attempt(folder, say)
    if _is_done(folder) and not (folder / CHECKPOINT_FOLDER).exists():
        return read_outcome(folder)  # which takes no more than reading
    with _held(folder):
        if _is_done(folder):
            _forget(folder / CHECKPOINT_FOLDER)  # where the process was killed between its last two acts
            return read_outcome(folder)
        before, notes = _taken_up(folder)
        try:
            _tidy(folder)
            write_outcome(folder, replace(before, state=RunState.RUNNING, reason=None, message="starting", notes=notes,
                                          attempts=before.attempts + 1))
        except OSError as problem:
            raise InputError(f"cannot write in {folder}: {problem.strerror}") from None
        return _attempt(folder, say)


def _is_done(folder: Path) -> bool:
    return _taken_up(folder)[0].state is RunState.DONE and (folder / ROWS_FILE).exists()


def _taken_up(folder: Path) -> tuple[RunOutcome, tuple[str, ...]]:
    """How far a run is, and a note where its state is damaged and so counts as none."""
    try:
        return read_outcome(folder), ()
    except CorruptFileError as problem:
        return RunOutcome(run_id=read_run(folder).spec.run_id, state=RunState.PLANNED), (str(problem),)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold the folder for this process."""
    until = time.monotonic() + LOCK_PATIENCE_S
    while True:
        with ExitStack() as stack:
            try:
                mine = stack.enter_context(locked(folder))
            except OSError as problem:
                raise InputError(f"cannot write in {folder}: {problem.strerror or problem}; choose a place that can be "
                                 "written, or mend its permissions") from None
            if mine:
                yield
                return
        if time.monotonic() > until:
            raise InputError(f"another process is working on {folder}; wait for it, or end it first")
        time.sleep(0.05)


def _attempt(folder: Path, say: Say) -> RunOutcome:
    """The work, with every failure turned into a state."""
    started = time.monotonic()
    journal = _Journal(folder=folder, say=say, leads=int(os.environ.get("RANK", "0")) == 0)
    try:
        with _stopping() as stop:
            _work(folder, journal, stop)
        return journal.outcome
    except Exception as problem:
        return journal.failed(problem, time.monotonic() - started)


class _Journal:
    """Where a run writes how it stands; only the leading process does, except for a failure of its own."""

    def __init__(self, folder: Path, say: Say, leads: bool) -> None:
        self.folder, self.say, self.leads = folder, say, leads
        self.outcome = read_outcome(folder)
        self.written = 0.0

    def note(self, **changes: Any) -> None:
        """Record a change at once."""
        self.outcome = replace(self.outcome, **changes)
        if self.leads:
            self.outcome = write_outcome(self.folder, self.outcome)
        self.written = time.monotonic()

    def pulse(self, **changes: Any) -> None:
        """Record a change if it is time to."""
        if time.monotonic() - self.written >= HEARTBEAT_S:
            self.note(**changes)
        else:
            self.outcome = replace(self.outcome, **changes)

    def failed(self, problem: Exception, seconds: float) -> RunOutcome:
        """Record a failure; where another process of the run did so already, that one was first and stays."""
        with suppress(InputError):
            said = read_outcome(self.folder)
            if said.state is RunState.FAILED:
                return said
        if os.environ.get("VIDSCALE_TRACEBACK"):
            self.say(traceback.format_exc())
        self.outcome = replace(self.outcome, state=RunState.FAILED, reason=reason_of(problem),
                               message=sentence_of(problem)[:1000])
        with suppress(OSError):  # whoever called is told in any case
            self.outcome = write_outcome(self.folder, self.outcome)
        return self.outcome


@contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
    """Turn the first SIGTERM or SIGINT into a request that is looked for between steps; a second one ends at once."""
    asked: list[int] = []

    def note(number: int, frame: Any) -> None:
        if asked:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        asked.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    old = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@dataclass(frozen=True, kw_only=True)
class _Job:
    """A run's inputs, read and checked."""

    folder: Path
    spec: RunSpec
    recipe: Recipe
    recipe_hash: str
    identity_hash: str
    data_hash: str
    train: "Sequence[Example]"
    questions: "Sequence[Question]"

    @property
    def identity(self) -> str:
        """What a checkpoint must belong to."""
        return f"{self.spec.run_id} {self.identity_hash} {self.data_hash}"


def _prepared(folder: Path) -> _Job:
    """Read everything that can be wrong before anything is computed."""
    from vidscale.runs.conversations import read_examples, read_questions
    from vidscale.runs.train import data_order

    recipe = load_recipe(read_run(folder).recipe)
    planned = current_run(folder)
    data, spec = recipe.data, planned.spec
    every = read_examples(data.train, data.videos)
    train = [every[i] for i in data_order(len(every), examples(spec.data_size), spec.seed)]
    questions = read_questions(data.evaluation, data.videos, recipe.evaluation.limit)
    for each in (*train, *questions):
        if not each.video.is_file():
            raise MissingFileError(f"the video {each.video} of example {each.id} is missing")
    both = hashlib.sha256((file_hash(data.train) + file_hash(data.evaluation)).encode()).hexdigest()
    return _Job(folder=folder, spec=spec, recipe=recipe, recipe_hash=planned.recipe_hash,
                identity_hash=planned.identity, data_hash=both, train=train, questions=questions)


def _work(folder: Path, journal: _Journal, stop: Callable[[], bool]) -> None:
    """Build, finetune, evaluate, record."""
    from vidscale.runs.distributed import team
    from vidscale.runs.evaluate import evaluate, task_scores
    from vidscale.runs.model import load_model
    from vidscale.runs.train import finetune, prepare

    started, before = time.monotonic(), journal.outcome.wall_time_s
    job = _prepared(folder)
    recipe, spec, training = job.recipe, job.spec, job.recipe.training
    steps = recipe.steps(spec.data_size)
    journal.note(steps=steps, message="loading the model")

    def halt() -> None:
        if stop():
            raise RunInterrupted("interrupted; run again to go on")

    def report(progress: "Progress", notes: list[str]) -> None:
        loss = f", loss {progress.loss:.4f}" if progress.step else ""
        # The first record says that training began; after that one every few seconds is enough.
        record = journal.pulse if journal.outcome.message.startswith("training") else journal.note
        record(step=progress.step, message=f"training{loss}", wall_time_s=before + time.monotonic() - started,
               notes=(*journal.outcome.notes, *notes))
        if progress.step:
            journal.say(f"step {progress.step} of {steps}{loss}")

    language = recipe.language_model(spec.factors.lm_params)
    model, tokenizer = load_model(
        tower=recipe.model.vision_tower, lm=language.folder,
        tokens_per_frame=int(spec.factors.tokens_per_frame), tower_layer=recipe.model.tower_layer,
        pooling=recipe.model.pooling, projector=language.projector or recipe.model.projector,
        attention=recipe.model.attention, seed=spec.seed)
    encoder = recipe.encoder()  # a tower that cannot be priced is found before training, not after it
    with team() as members:
        clips, speller = _inputs(job, model, tokenizer)
        for question in job.questions:  # those that cannot be asked are found before training, not after it
            speller.candidates(question, recipe.evaluation.answer)
        prepare(model, training, recipe.model.trained, members)
        halt()
        progress = finetune(model, job.train, speller, clips, training, seed=spec.seed,
                            folder=folder / CHECKPOINT_FOLDER, identity=job.identity, members=members, report=report,
                            stop=stop)
        journal.note(step=progress.step, message="evaluating", wall_time_s=before + time.monotonic() - started)
        answers = evaluate(model, job.questions, speller, clips, recipe.evaluation, precision=training.precision,
                           members=members, stop=halt)
        if training.keep_checkpoint:
            _keep(folder, model, members)
        wall = before + time.monotonic() - started
        rows = _rows(job, task_scores(job.questions, answers), progress, members, wall, encoder)
        if members.leads:
            replace_file(folder / ROWS_FILE, _as_csv(rows).encode())
    mean = sum(row["error"] for row in rows) / len(rows)
    journal.note(state=RunState.DONE, reason=None, wall_time_s=wall,
                 message=f"done: mean error {mean:.4f} over {len(rows)} tasks")
    if journal.leads:
        _forget(folder / CHECKPOINT_FOLDER)


def _inputs(job: _Job, model: Any, tokenizer: Any) -> "tuple[Clips, Any]":
    """How this run makes frames and tokens."""
    import torch

    from vidscale.runs.conversations import Speller
    from vidscale.runs.train import Clips
    from vidscale.runs.video import read_frames, resize_frames

    frames, side = int(job.spec.factors.frames), model.tower.image_size
    if frames != job.spec.factors.frames:
        raise InputError(f"frames is {job.spec.factors.frames:g}; allowed is a whole number")
    data = job.recipe.data

    def load(path: Path) -> Any:
        return resize_frames(torch.from_numpy(read_frames(path, frames, conceal=data.damaged == "conceal")), side)

    clips = Clips(load=load, frames=frames, workers=data.workers)
    speller = Speller(tokenizer, job.recipe.data.template, frames * model.side**2,
                      getattr(model.lm.config, "max_position_embeddings", None))
    return clips, speller


def _rows(job: _Job, scores: "Sequence[TaskScore]", progress: "Progress", members: "Team",
          wall: float, encoder: tuple[float, float]) -> list[dict[str, Any]]:
    """The measurements: a row per task, in the columns of the schema, then where they come from."""
    from vidscale.runs.flops import peak_flops
    from vidscale.runs.video import FRAME_RULE

    machine = hardware(members.device, members.size)
    peak = peak_flops(machine.device) if members.device.type == "cuda" else None
    seconds = max(progress.train_time_s, 1e-9)
    utilisation = "" if peak is None else round(progress.trained_flops / seconds / (peak * members.size), 4)
    whence = {
        "commit": commit(), "hardware": machine.text, "precision": job.recipe.training.precision,
        "wall_time_s": round(wall, 3), "train_time_s": round(progress.train_time_s, 3),
        "trained_flops": progress.trained_flops, "tokens_per_s": round(progress.tokens / seconds),
        "mfu": utilisation, "peak_memory": progress.peak_memory,
        "train_loss": progress.loss, "frame_rule": FRAME_RULE, "pooling": job.recipe.model.pooling,
        "recipe_hash": job.recipe_hash[:16], "data_hash": job.data_hash[:16],
    }
    encoder_params, encoder_tokens = encoder
    own = {**job.spec.factors.as_dict(), "data_size": job.spec.data_size, "sweep": job.spec.sweep,
           "seed": job.spec.seed, "run_id": job.spec.run_id}
    return [{**own, "task": score.task, "error": score.error, "n_eval": score.n_eval, "chance": score.chance,
             "encoder_params": encoder_params, "encoder_tokens": encoder_tokens, **whence}
            for score in scores]


def _as_csv(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _keep(folder: Path, model: Any, members: "Team") -> None:
    """Write the trained weights for later use; every process has to call, the leading one writes."""
    from safetensors.torch import save

    from vidscale.runs.checkpoint import trained_weights
    from vidscale.runs.distributed import whole

    weights = {name: whole(p).contiguous() for name, p in trained_weights(model)}
    if members.leads:
        replace_file(folder / MODEL_FILE, save(weights))


def _tidy(folder: Path) -> None:
    """Remove what a killed process left half written."""
    for place in folder.glob(".*.*"):
        if place.name.startswith(tuple(f".{name}." for name in (ROWS_FILE, MODEL_FILE, "state.json", "run.json"))):
            place.unlink(missing_ok=True)


def _forget(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
