"""The folder of a sweep: a plan, and a folder for each of its runs.

    plan.toml          the plan, as it was given
    runs/NAME/         one run: see `vidscale.runs.state` for run.json, state.json and rows.csv, and
      claim-0001.json  `vidscale.runs.claim` for who is at it
      log.txt          what its command printed

All that is known of a sweep lies in these files, so any process that sees them can take part, and every process may
die. A run's folder appears complete or not at all.
"""

import fcntl
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from vidscale.design import RunSpec, SweepPlan, plan_text, read_plan
from vidscale.errors import InputError
from vidscale.runs.claim import Attempt, attempts, failures, forgive, held
from vidscale.runs.failures import CorruptFileError, FailureReason
from vidscale.runs.state import (
    ROWS_FILE,
    RUN_FILE,
    STATE_FILE,
    RunOutcome,
    RunState,
    check_run,
    is_locked,
    plan_run,
    read_outcome,
    replace_file,
    write_outcome,
)

PLAN_FILE, RUNS_FOLDER, LOG_FILE = "plan.toml", "runs", "log.txt"

#: Stands in for the recipe of a plan that names none.
_NO_RECIPE = "# The plan names no recipe.\n"


class Standing(StrEnum):
    """Where a run of a sweep stands, claims considered."""

    PLANNED = "planned"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """One run of a sweep as its folder shows it.

    Attributes:
        spec: the run.
        folder: its folder.
        standing: where it stands. A run that nobody is at although it began is INTERRUPTED: it will be resumed.
        outcome: what state.json says.
        attempt: the last attempt, None before the first.
        failures: attempts that failed and count.
    """

    spec: RunSpec
    folder: Path
    standing: Standing
    outcome: RunOutcome
    attempt: Attempt | None
    failures: int

    @property
    def reason(self) -> FailureReason | None:
        """The category of failure of a failed run."""
        return self.outcome.reason if self.standing is Standing.FAILED else None


def run_folder(out: Path, spec: RunSpec) -> Path:
    """Where a run of a sweep lives."""
    return out / RUNS_FOLDER / spec.run_id


def prepare(plan: SweepPlan, out: Path) -> int:
    """Make the folder of a sweep, or add to it the runs it lacks; every run that is there stays as it is.

    Args:
        plan: the plan. It may hold more runs than the folder, not fewer.
        out: the folder.

    Returns:
        How many runs are new.

    Raises:
        InputError: the folder belongs to another plan or recipe, holds something else, or cannot be written.
    """
    _check_names(plan)
    try:
        _check_place(out)
        (out / RUNS_FOLDER).mkdir(parents=True, exist_ok=True)
        with _alone(out):
            _check_same(plan, out)
            recipe = _recipe(plan, out)
            _put(out / PLAN_FILE, plan_text(plan, out.resolve()).encode())
            return sum(_make_run(out, spec, recipe) for spec in plan.runs)
    except OSError as problem:
        raise InputError(f"cannot prepare {out}: {problem.strerror or problem}") from None


def open_sweep(out: Path) -> SweepPlan:
    """The plan of a sweep's folder.

    Raises:
        InputError: it is none.
    """
    if not (out / PLAN_FILE).is_file():
        raise InputError(f"{out} is no sweep: it holds no {PLAN_FILE}; `vidscale sweep` makes one")
    return read_plan(out / PLAN_FILE)


def statuses(plan: SweepPlan, out: Path) -> tuple[RunStatus, ...]:
    """How every run of a sweep stands, in the order of the plan."""
    return tuple(status_of(spec, run_folder(out, spec)) for spec in plan.runs)


def status_of(spec: RunSpec, folder: Path) -> RunStatus:
    """How one run stands."""
    if not folder.is_dir():
        outcome = RunOutcome(run_id=spec.run_id, state=RunState.PLANNED)
        return RunStatus(spec=spec, folder=folder, standing=Standing.PLANNED, outcome=outcome, attempt=None, failures=0)
    try:
        outcome, made = outcome_of(spec, folder), attempts(folder)
        return RunStatus(spec=spec, folder=folder, standing=_standing(folder, outcome, made), outcome=outcome,
                         attempt=made[-1] if made else None, failures=failures(folder))
    except OSError as problem:
        outcome = RunOutcome(run_id=spec.run_id, state=RunState.FAILED, reason=FailureReason.ERROR,
                             message=f"{folder} cannot be read: {problem.strerror or problem}")
        return RunStatus(spec=spec, folder=folder, standing=Standing.FAILED, outcome=outcome, attempt=None, failures=0)


def outcome_of(spec: RunSpec, folder: Path) -> RunOutcome:
    """What state.json says; a damaged one, which only a full disk leaves behind, counts as none."""
    try:
        return read_outcome(folder)
    except CorruptFileError as problem:
        return RunOutcome(run_id=spec.run_id, state=RunState.PLANNED, notes=(str(problem),))
    except InputError as problem:
        return RunOutcome(run_id=spec.run_id, state=RunState.FAILED, reason=FailureReason.ERROR, message=str(problem))


def check_recipes(plan: SweepPlan, out: Path) -> None:
    """Refuse a sweep whose runs, for a recipe that changed, `prepare` would refuse; a damaged run.json it would not.

    Raises:
        InputError: as in `prepare`.
    """
    recipe = out.resolve() / "recipe.toml" if plan.recipe is None else plan.recipe.resolve()
    for spec in plan.runs:
        folder = run_folder(out, spec).resolve()
        if (folder / RUN_FILE).exists():
            with suppress(CorruptFileError):
                check_run(folder, spec, recipe)


def retry(statuses_: tuple[RunStatus, ...], damaged: Collection[str] = ()) -> tuple[RunStatus, ...]:
    """Give runs another try.

    Args:
        statuses_: of the runs; those that failed are reset.
        damaged: names of runs among them that are reset although they are done, since their rows are of no use; the
            rows go.

    Returns:
        Those that were reset, which are the ones nobody is at.

    Raises:
        InputError: a folder cannot be written.
    """
    reset = []
    for each in statuses_:
        spoilt = each.standing is Standing.DONE and each.spec.run_id in damaged
        if not (spoilt or each.standing is Standing.FAILED) or held(each.folder) is not None:
            continue
        try:
            forgive(each.folder)
            write_outcome(each.folder, replace(each.outcome, state=RunState.PLANNED, reason=None, message=""))
            if spoilt:
                (each.folder / ROWS_FILE).unlink(missing_ok=True)
        except OSError as problem:
            raise InputError(f"cannot write in {each.folder}: {problem.strerror or problem}") from None
        reset.append(each)
    return tuple(reset)


def _standing(folder: Path, outcome: RunOutcome, made: tuple[Attempt, ...]) -> Standing:
    if outcome.state is RunState.DONE and (folder / ROWS_FILE).is_file():
        return Standing.DONE
    if (made and made[-1].open and held(folder) is not None) or is_locked(folder):
        return Standing.RUNNING
    if outcome.state is RunState.FAILED and outcome.reason is not FailureReason.INTERRUPTED:
        return Standing.FAILED
    # An attempt that came to an end, and a run that is planned all the same: it was given another try.
    fresh = outcome.state is RunState.PLANNED and (not made or made[-1].outcome in ("failed", "done", "no room"))
    return Standing.PLANNED if fresh else Standing.INTERRUPTED


# --- making it --------------------------------------------------------------------------------------------


def _check_names(plan: SweepPlan) -> None:
    for spec in plan.runs:
        if "/" in spec.run_id or spec.run_id.startswith(".") or not spec.run_id.isprintable():
            raise InputError(f"run {spec.run_id!r} cannot name a folder; use letters, digits and - in sweep labels")


def _check_place(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; name a folder with --out")
    if out.is_dir() and any(out.iterdir()) and not (out / RUNS_FOLDER).is_dir():
        raise InputError(f"{out} holds files that are no sweep; name another folder with --out")


def _check_same(plan: SweepPlan, out: Path) -> None:
    """The folder's own runs must all be in the plan."""
    known = {spec.run_id for spec in plan.runs}
    strangers = sorted(name.name for name in (out / RUNS_FOLDER).iterdir()
                       if not name.name.startswith(".") and name.name not in known)
    if strangers:
        raise InputError(f"{out} holds {len(strangers)} runs that plan {plan.name!r} does not, such as {strangers[0]}; "
                         "give the plan it was made from, or name another folder with --out")


def _put(place: Path, content: bytes) -> None:
    if not place.is_file() or place.read_bytes() != content:  # going on with a sweep needs no room
        replace_file(place, content)


def _recipe(plan: SweepPlan, out: Path) -> Path:
    if plan.recipe is not None:
        return plan.recipe.resolve()
    place = out.resolve() / "recipe.toml"
    _put(place, _NO_RECIPE.encode())
    return place


def _make_run(out: Path, spec: RunSpec, recipe: Path) -> bool:
    """Make a run's folder whole, or see that the one there is for the same run; whether it is new."""
    final = run_folder(out, spec).resolve()
    if final.is_dir():
        try:
            plan_run(final, spec, recipe)
        except CorruptFileError:
            if status_of(spec, final).standing is not Standing.DONE:  # rows of a recipe that nobody knows stay so
                with suppress(OSError):  # whoever attempts the run will say what is wrong with its folder
                    (final / RUN_FILE).unlink()
                    plan_run(final, spec, recipe)
        return False
    draft = final.parent / f".{spec.run_id}"
    shutil.rmtree(draft, ignore_errors=True)
    plan_run(draft, spec, recipe)
    write_outcome(draft, RunOutcome(run_id=spec.run_id, state=RunState.PLANNED))
    os.rename(draft, final)
    return True


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Wait until nobody else prepares this folder. A draft found meanwhile is a dead process's."""
    with open(out / ".prepare.lock", "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


__all__ = ["LOG_FILE", "PLAN_FILE", "RUNS_FOLDER", "RUN_FILE", "STATE_FILE", "RunStatus", "Standing", "check_recipes",
           "open_sweep", "outcome_of", "prepare", "retry", "run_folder", "status_of", "statuses"]
