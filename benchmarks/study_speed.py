"""Part (a): the whole study of paper-design, against SciPy on a sample of the same problems.

A study is 9 targets × 4 forms × (full fit + 10 folds + 1 extrapolation + 100 bootstraps over runs), 4,032 fits.
"""

import time
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy_side
from machine import say, timed
from numpy.typing import NDArray
from scipy_side import STARTS, Done, Job

from vidscale.fit import FitSettings, kernel, solve
from vidscale.forms import PAPER_FORMS, form
from vidscale.measurements import Observations, observations, read_measurements
from vidscale.study import holdout_plan
from vidscale.validate import (
    BootstrapFits,
    FullFits,
    HeldOut,
    Plan,
    cross_validate,
    extrapolate,
    fit_runs,
    laws_of,
    resample_runs,
    run_resamples,
    runs_of,
    solve_weights,
)
from vidscale.validate.holdout import FRESH, KEEP

Floats = NDArray[np.float64]

DRAWS, FOLDS, SEED = 100, 10, 0
KINDS = ("full", "fold", "extrapolation", "bootstrap")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """How much of the study SciPy is given.

    Attributes:
        per_kind: problems of each form, in the order of KINDS (objectives are compared on all of them).
        timed: of those, how many per form get all starts, at least one of every kind first.
        starts: starts of a timed problem.
        tight: per form, how many timed problems get all starts at tight tolerances too.
        few, few_tight: starts of the other problems (scaled, tight).
        second_look: cold starts of the engine's own second look at every sampled problem.
        repeats: how often the engine's study is timed.
    """

    per_kind: tuple[int, int, int, int] = (3, 6, 3, 16)
    timed: int = 4
    starts: int = STARTS
    tight: int = 1
    few: int = 40
    few_tight: int = 12
    second_look: int = 256
    repeats: int = 3


QUICK = Sample(per_kind=(1, 1, 1, 2), starts=8, few=4, few_tight=1, second_look=32, repeats=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """What the engine did for one form."""

    full: FullFits
    folds: HeldOut
    extrapolation: HeldOut
    bootstrap: BootstrapFits


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """One sampled fit: which, its run weights, and what the engine's study found for it."""

    key: int
    form: str
    target: int
    kind: str
    draw: int
    weights: Floats
    parameters: Floats

    def name(self, targets: tuple[str, ...]) -> str:
        """What to call it in a report."""
        return f"{self.form}, {targets[self.target]}, {self.kind} {self.draw}"


def data() -> tuple[Observations, Plan]:
    """The runs of paper-design and what is held out."""
    obs = observations(read_measurements("paper-design"))
    return obs, holdout_plan(obs, "auto", FOLDS, SEED)


def run_all(obs: Observations, plan: Plan, draws: int = DRAWS) -> dict[str, Part]:
    """The study as a user's comparison of forms runs it, with a bootstrap of every form."""
    done = {}
    for name in PAPER_FORMS:
        runs, _ = runs_of(form(name), obs, settings=FitSettings(seed=SEED))
        full = fit_runs(runs)
        done[name] = Part(full=full, folds=cross_validate(full, plan), extrapolation=extrapolate(full, plan),
                          bootstrap=resample_runs(full, draws, SEED))
    return done


def warm_up() -> tuple[float, bool]:
    """One small call of everything; its seconds, and whether kernels had to be compiled."""
    obs, plan = data()
    took, _ = timed(lambda: run_all(obs, plan, draws=2))
    misses = sum(sum(f.stats.cache_misses.values()) for f in (kernel.search_starts, kernel.polish))
    return took, misses > 0


def measure(sample: Sample) -> tuple[dict[str, object], str]:
    """Numbers for latest.json, and the report."""
    from study_report import Outcome, report

    obs, plan = data()
    say("study: first call")
    first, compiled = warm_up()
    say(f"study: {sample.repeats} × all fits with the engine")
    cpu = time.process_time()
    ours, parts = timed(lambda: run_all(obs, plan), sample.repeats)
    cpu = (time.process_time() - cpu) / sample.repeats
    problems = _draw(obs, plan, parts, sample)
    say(f"study: the engine's second look at {len(problems)} problems, {sample.second_look} starts each")
    second = _second_look(obs, parts, problems, sample.second_look)
    done = _scipy(_jobs(obs, problems, sample))
    return report(Outcome(obs=obs, sample=sample, seconds=ours, cpu=cpu, first=first, compiled=compiled,
                          problems=problems, second=second, done=done))


def _scipy(jobs: list[Job]) -> list[Done]:
    done = []
    with scipy_side.processes() as pool:
        for at, one in enumerate(pool.imap_unordered(scipy_side.solve, jobs, chunksize=1), start=1):
            done.append(one)
            if at % max(1, len(jobs) // 10) == 0 or at == len(jobs):
                say(f"study: SciPy, {at} of {len(jobs)} jobs")
    return done


def _draw(obs: Observations, plan: Plan, parts: dict[str, Part], sample: Sample) -> list[Problem]:
    """Problems of every form and kind: targets in turn, folds and bootstraps at random."""
    rng = np.random.default_rng(20250)
    resamples = run_resamples(obs.x, DRAWS, SEED)
    problems: list[Problem] = []
    for f, (name, part) in enumerate(parts.items()):
        theta, weights = _solutions(part, plan, resamples)
        turn = f
        for kind, wanted in zip(KINDS, sample.per_kind, strict=True):
            draws = rng.permutation(len(weights[kind]))
            for i in range(wanted):
                target, draw = turn % len(obs.targets), int(draws[i % len(draws)])
                turn += 1
                natural = part.full.runs.layout.to_natural(theta[kind][target, draw])
                problems.append(Problem(key=len(problems), form=name, target=target, kind=kind, draw=draw,
                                        weights=weights[kind][draw], parameters=natural))
    return problems


def _solutions(part: Part, plan: Plan, resamples: Floats) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """θ by kind, shape (targets, fits, P), and run weights by kind, shape (fits, runs).

    A HeldOut keeps predictions, not parameters, so held-out fits are done once more with the same call; the result
    must predict the same, else the comparison would speak of other fits than the study's.
    """
    assert plan.folds is not None
    assert plan.train is not None
    runs = part.full.runs
    count = int(plan.folds.max()) + 1
    weights = {
        "full": np.ones((1, len(runs.x))),
        "fold": np.array([(plan.folds != k) & (plan.folds >= 0) for k in range(count)], dtype=float),
        "extrapolation": plan.train[None].astype(float),
        "bootstrap": resamples,
    }
    theta = {"full": np.array([fit.theta for fit in part.full.fits])[:, None], "bootstrap": part.bootstrap.theta}
    for kind, held in (("fold", part.folds), ("extrapolation", part.extrapolation)):
        found = solve_weights(runs, weights[kind], fresh=FRESH, keep=KEEP)
        theta[kind] = found.theta.reshape(len(runs.targets), len(weights[kind]), -1)
        for t in range(len(runs.targets)):
            predicted = laws_of(runs, theta[kind][t]).error(runs.x)
            for k, row in enumerate(predicted):
                out = plan.folds == k if kind == "fold" else ~plan.train
                if not np.allclose(row[out], held.error[out, t], rtol=1e-12, atol=0):
                    raise RuntimeError(f"{kind} {k} of {runs.form.name} is not the study's fit: "
                                       "cross-validation now fits with other settings than this benchmark")
    return theta, weights


def _second_look(obs: Observations, parts: dict[str, Part], problems: list[Problem], starts: int) -> Floats:
    """Objective of every problem from many cold starts of the engine itself."""
    best = np.empty(len(problems))
    log_error = np.log(obs.error.T)
    for name, part in parts.items():
        mine = [p for p in problems if p.form == name]
        runs = part.full.runs
        found = solve(runs.layout, runs.x, log_error, np.array([p.weights for p in mine]),
                      np.array([p.target for p in mine], dtype=np.int64), FitSettings(seed=977), fresh=starts)
        for p, theta in zip(mine, found.theta, strict=True):
            best[p.key] = objective(obs, p, runs.layout.to_natural(theta))
    return best


def objective(obs: Observations, problem: Problem, parameters: Floats) -> float:
    """Weighted mean squared log residual of parameters in natural units: one yardstick for both sides."""
    law = form(problem.form)
    used = problem.weights > 0
    values = dict(zip(law.parameters, parameters.tolist(), strict=True))
    residual = np.log(law.evaluate(values, obs.x[used])) - np.log(obs.error[used, problem.target])
    return float(np.average(residual**2, weights=problem.weights[used]))


def _jobs(obs: Observations, problems: list[Problem], sample: Sample) -> list[Job]:
    """Timed problems first, in all modes; tight ones, the longest, at the head of the queue."""
    jobs = []
    for name in PAPER_FORMS:
        mine = [p for p in problems if p.form == name]
        # One of every kind, a bootstrap first: 100 of a form's 112 fits are bootstraps.
        heads = [next(p for p in mine if p.kind == kind) for kind in reversed(KINDS)]
        chosen = (heads + [p for p in mine if p not in heads and p.kind == "bootstrap"])[: sample.timed]
        for p in mine:
            is_timed = p in chosen
            make = partial(Job, key=p.key, form=name, x=obs.x, error=obs.error[:, p.target], weights=p.weights,
                           seed=1000 + p.key)
            full_tight = is_timed and chosen.index(p) < sample.tight
            jobs.append(make(starts=sample.starts if full_tight else sample.few_tight, mode="tight"))
            jobs.append(make(starts=sample.starts if is_timed else sample.few, mode="scaled"))
            if is_timed:
                jobs.append(make(starts=sample.starts, mode="plain"))
    weight = {"plain": 1, "scaled": 4, "tight": 15}
    return sorted(jobs, key=lambda job: -job.starts * weight[job.mode])
