"""Part (a), the report: SciPy's time scaled from the sample, and objectives side by side."""

from dataclasses import dataclass

import numpy as np
from machine import THREADS
from numpy.typing import NDArray
from render import number, seconds, table
from scipy_side import MODES, STARTS, Done
from study_speed import DRAWS, FOLDS, KINDS, Problem, Sample, objective

from vidscale.forms import PAPER_FORMS, form
from vidscale.measurements import Observations

Floats = NDArray[np.float64]

#: Fits of one form and target, by kind.
COUNT = {"full": 1, "fold": FOLDS, "extrapolation": 1, "bootstrap": DRAWS}
#: A relative excess above this is worse.
WORSE = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """Everything measured: the engine's study (wall and processor seconds), SciPy's jobs, the sampled problems.

    `second` holds the objective of each problem from many cold starts of the engine itself.
    """

    obs: Observations
    sample: Sample
    seconds: float
    cpu: float
    first: float
    compiled: bool
    problems: list[Problem]
    second: Floats
    done: list[Done]

    @property
    def fits(self) -> int:
        """Fits in the whole study."""
        return len(self.obs.targets) * len(PAPER_FORMS) * sum(COUNT.values())


def report(outcome: Outcome) -> tuple[dict[str, object], str]:
    """Numbers for latest.json, and the text."""
    speed, speed_lines = _speed(outcome)
    quality, quality_lines = _objectives(outcome)
    return speed | quality, "\n".join([*speed_lines, "", *quality_lines])


def _scaled(outcome: Outcome, mode: str, clock: str) -> dict[str, float]:
    """Seconds SciPy would take for the whole study in THREADS processes, by form; clock is "wall" or "cpu".

    Seconds per start are averaged over the starts of a form and kind, then scaled: × 500 starts × targets × fits of
    that kind ÷ processes. Perfect balance between the processes is assumed, which favours SciPy.
    """
    total = {}
    for name in PAPER_FORMS:
        total[name] = 0.0
        for kind, count in COUNT.items():
            jobs = [d for d in outcome.done
                    if d.mode == mode and d.form == name and outcome.problems[d.key].kind == kind]
            per_start = sum(getattr(d, clock) for d in jobs) / sum(d.starts for d in jobs)
            total[name] += per_start * STARTS * len(outcome.obs.targets) * count / THREADS
    return total


def _speed(outcome: Outcome) -> tuple[dict[str, object], list[str]]:
    ours, done, fits = outcome.seconds, outcome.done, outcome.fits
    whole = {mode: _scaled(outcome, mode, "wall") for mode in MODES}
    total = {mode: sum(by.values()) for mode, by in whole.items()}
    by_cpu = {mode: sum(_scaled(outcome, mode, "cpu").values()) * THREADS / outcome.cpu for mode in MODES}
    fastest = min(total, key=lambda mode: total[mode])
    rows = [["vidscale", seconds(ours), f"{1000 * ours * THREADS / fits:.2f} ms", "", "", "1×", "1×", "measured"]]
    for mode in MODES:
        jobs = [d for d in done if d.mode == mode]
        starts = sum(d.starts for d in jobs)
        rows.append([f"SciPy {mode}", seconds(total[mode]), seconds(total[mode] * THREADS / fits),
                     f"{1000 * sum(d.wall for d in jobs) / starts:.1f} ms",
                     f"{sum(d.evaluations for d in jobs) / starts:.0f}", f"{total[mode] / ours:,.0f}×",
                     f"{by_cpu[mode]:,.0f}×", f"scaled from {starts:,} starts on {len(jobs)} fits"])
    busy = sum(d.cpu for d in done) / sum(d.wall for d in done)
    lines = [
        f"{fits:,} fits: {len(outcome.obs.targets)} targets × {len(PAPER_FORMS)} forms × (full fit + {FOLDS}-fold "
        f"cross-validation + extrapolation + {DRAWS} bootstraps over runs)",
        f"{THREADS} threads against {THREADS} processes; the engine's study is the median of {outcome.sample.repeats}",
        f"first call {seconds(outcome.first)} (kernels {'compiled' if outcome.compiled else 'loaded from the cache'}), "
        "not counted below", "",
        *table(["", "study", "a fit, one core", "a start", "calls", "ratio", "by processor time", "how"], rows), "",
        *(f"SciPy {mode}: {text}" for mode, text in MODES.items()),
        f"A SciPy fit has {STARTS} starts. Seconds per start were measured in {THREADS} processes at once, by form and "
        "kind of fit,",
        f"then × {STARTS} × number of fits ÷ {THREADS}. The headline ratio takes SciPy {fastest}, the fastest of the "
        "three.",
        f"SciPy's processes had a core for {100 * busy:.0f} % of their time"
        + ("" if busy > 0.9 else ": THE MACHINE WAS BUSY; repeat the run, or read the ratio by processor time"), "",
        *_by_form(done, whole),
    ]
    return {
        "study_speedup": total[fastest] / ours, "study_headline_mode": fastest,
        "study_speedup_by_mode": {mode: value / ours for mode, value in total.items()},
        "study_speedup_by_processor_time": by_cpu, "study_seconds": ours, "study_scipy_seconds": total,
        "study_first_call_seconds": outcome.first, "study_first_call_compiled": outcome.compiled, "study_fits": fits,
        "study_scipy_core_share": busy,
    }, lines


def _by_form(done: list[Done], whole: dict[str, dict[str, float]]) -> list[str]:
    rows = []
    for name in PAPER_FORMS:
        row = [name]
        for mode in MODES:
            jobs = [d for d in done if d.form == name and d.mode == mode]
            starts = sum(d.starts for d in jobs)
            row += [f"{1000 * sum(d.wall for d in jobs) / starts:.1f} ms", f"{starts:,}", seconds(whole[mode][name])]
        rows.append(row)
    return table(["form", *(part for mode in MODES for part in (f"{mode}: a start", "starts", "study"))], rows)


def _objectives(outcome: Outcome) -> tuple[dict[str, object], list[str]]:
    problems, sample, targets = outcome.problems, outcome.sample, outcome.obs.targets
    mine = np.array([objective(outcome.obs, p, p.parameters) for p in problems])
    theirs = _scipy_objectives(outcome)
    best = np.minimum.reduce(list(theirs.values()))
    excess, own = mine / best - 1, mine / outcome.second - 1
    rows = []
    for kind in (*KINDS, "all"):
        at = np.array([kind in (p.kind, "all") for p in problems])
        rows.append([kind, str(at.sum()), f"{100 * np.mean(excess[at] <= WORSE):.1f} %", number(excess[at].max()),
                     number(np.median(excess[at])), number(excess[at].min()),
                     f"{100 * np.mean(own[at] <= WORSE):.1f} %", number(own[at].max())])
    lines = [
        f"Objectives of {len(problems)} sampled fits; SciPy's is the lowest of its modes. {sample.timed} fits of each "
        f"form got {sample.starts} starts plain",
        f"and scaled, {sample.tight} of them {sample.starts} tight ones too; every other one got {sample.few} starts "
        f"scaled and {sample.few_tight} tight.", "",
        *table(["fits", "sampled", "ours ≤ SciPy (1+1e-6)", "worst excess", "median", "lowest",
                f"≤ own {sample.second_look} starts", "worst"], rows)]
    for mode, values in theirs.items():
        at = np.isfinite(values)
        above = values[at] / mine[at] - 1
        lines.append(f"SciPy {mode} alone, {at.sum()} fits: its best lies above ours by {number(np.median(above))} "
                     f"(median), {number(above.max())} (most)")
    worse = [_record(p, targets, mine, best, outcome.second) for p in problems if excess[p.key] > WORSE]
    missed = [_record(p, targets, mine, best, outcome.second) for p in problems if own[p.key] > WORSE]
    lines += [f"WORSE than SciPy: {_line(one)}" for one in worse]
    lines += [f"above the engine's own {sample.second_look} starts: {_line(one)}" for one in missed]
    return {
        "study_objective_not_worse_share": float(np.mean(excess <= WORSE)),
        "study_objective_worst_excess": float(excess.max()), "study_sampled_fits": len(problems),
        "study_own_many_starts_share": float(np.mean(own <= WORSE)), "study_own_many_starts_worst": float(own.max()),
        "study_worse_than_scipy": worse, "study_worse_than_own": missed,
    }, lines


def _scipy_objectives(outcome: Outcome) -> dict[str, Floats]:
    """SciPy's objective of every problem by mode, infinite where it was not tried."""
    theirs = {mode: np.full(len(outcome.problems), np.inf) for mode in MODES}
    for d in outcome.done:
        names = form(d.form).parameters
        theirs[d.mode][d.key] = objective(outcome.obs, outcome.problems[d.key],
                                          np.array([d.parameters[name] for name in names]))
    return theirs


def _record(p: Problem, targets: tuple[str, ...], mine: Floats, best: Floats, second: Floats) -> dict[str, object]:
    """A problem by what regenerates it: form, target, kind and draw (bootstraps: row `draw` of run_resamples)."""
    return {"form": p.form, "target": targets[p.target], "kind": p.kind, "draw": p.draw, "ours": float(mine[p.key]),
            "scipy": float(best[p.key]), "own_many_starts": float(second[p.key])}


def _line(one: dict[str, object]) -> str:
    return (f"{one['form']}, {one['target']}, {one['kind']} {one['draw']}: {one['ours']:.9e}, "
            f"SciPy {one['scipy']:.9e}, own many starts {one['own_many_starts']:.9e}")
