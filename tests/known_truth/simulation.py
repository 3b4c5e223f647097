"""Measure what vidscale says against worlds whose truth is known.

For each world: a sweep in the paper's design with 3,000 questions a run is drawn, add-interact is fitted, and the
recommendation, both 90 % intervals, the probability of being best and the elasticities are held against the truth.
Run as a script it prints and writes the recorded result.
"""

import json
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from truths import BUDGETS, DATA_SIZES, OUTSIDE, World, design_points, random_law

from vidscale.cost import PaperCost
from vidscale.forms import form
from vidscale.frontier import lattice_cost, naive_policies, probability_best, search_values
from vidscale.measurements import observations, read_measurements
from vidscale.space import FACTORS_AND_DATA, published_lattice
from vidscale.study import StudySettings, bootstrap_model, elasticity_reports, fit_one
from vidscale.study.elasticity import _join
from vidscale.study.frontier import _winners
from vidscale.study.model import TargetModel
from vidscale.validate import Noise

QUESTIONS = 3000
RECORDED = Path(__file__).parent.parent / "recorded" / "known_truth.json"


def simulate(world: World, seed: int, *, draws: int = 100, elasticities: bool = True) -> dict:
    """One sweep of one world: regret, coverage, probability of being best, elasticities."""
    rng = np.random.default_rng([seed, 21])
    x = design_points()
    truth = world.error(x)
    table = pd.DataFrame(x, columns=list(FACTORS_AND_DATA))
    table["error"] = np.maximum(rng.binomial(QUESTIONS, truth), 1) / QUESTIONS
    table["n_eval"] = QUESTIONS
    measured = read_measurements(table, name=world.name)
    settings = StudySettings(draws=draws, seed=seed)
    obs = observations(measured)
    full, _ = fit_one(measured, obs, form("add-interact"), settings)
    model = bootstrap_model(measured, obs, full, settings)
    lattice, cost_model = published_lattice(), PaperCost()
    cost = lattice_cost(lattice, cost_model)
    grid = np.stack([world.error(np.column_stack([lattice.points, np.full(len(lattice), n)])) for n in DATA_SIZES])
    best = search_values(grid, cost, BUDGETS)
    result: dict = {"world": world.name}
    chosen = {}
    for predictor in ("point", "bagged"):
        values = np.stack([model.error("task", np.column_stack([lattice.points, np.full(len(lattice), n)]), predictor)
                           for n in DATA_SIZES])
        chosen[predictor] = search_values(values, cost, BUDGETS).index
        result[f"regret_{predictor}"] = _regret(grid, chosen[predictor], best.error)
    for policy in naive_policies():
        index = policy.choose(np.ones(len(lattice)), lattice, cost_model, BUDGETS)
        if policy.planned_cost is None and (index >= 0).all():
            result.setdefault("policies", {})[policy.name] = _regret(grid, np.tile(index, (len(grid), 1)), best.error)
    affordable = cost[None, :] <= BUDGETS[:, None] * (1 + 1e-12)
    result.setdefault("policies", {})["any affordable, at random"] = float(np.mean(
        [[grid[i, affordable[b]].mean() / best.error[i, b] - 1 for b in range(len(BUDGETS))]
         for i in range(len(grid))]))
    winners = _winners(model, "task", lattice, cost_model, BUDGETS, DATA_SIZES, seed)
    stated = probability_best(winners, chosen["point"])
    result["stated_probability"] = stated.ravel().tolist()
    result["was_best"] = (chosen["point"] == best.index).ravel().tolist()
    frontier = np.concatenate([np.column_stack([lattice.points[chosen["point"][i]], np.full(len(BUDGETS), n)])
                               for i, n in enumerate(DATA_SIZES)])
    doubled = x * np.array([1, 1, 1, 2])
    for name, rows in (("design", x), ("frontier", frontier), ("twice_n", doubled)):
        said = model.predict("task", rows, level=0.9, n_eval=QUESTIONS)
        true = world.error(rows)
        new = rng.binomial(QUESTIONS, true) / QUESTIONS
        result[f"mean_{name}"] = float(np.mean((said.mean_low <= true) & (true <= said.mean_high)))
        result[f"new_{name}"] = float(np.mean((said.new_low <= new) & (new <= said.new_high)))
    if elasticities and world.law is not None:
        found = elasticity_reports(model, lattice, cost_model)
        truths = elasticity_reports(_truth_model(model, world), lattice, cost_model)
        result["elasticities"] = [
            {"estimator": _short(said.estimator), "factor": f.factor, "truth": t.value, "value": f.value,
             "low": f.low, "high": f.high, "covered": bool(f.low - 1e-12 <= t.value <= f.high + 1e-12)}
            for said, true in zip(found, truths, strict=True) for f, t in zip(said.factors, true.factors, strict=True)]
    return result


def _regret(grid: np.ndarray, chosen: np.ndarray, best: np.ndarray) -> float:
    """Mean relative excess of the true error at the choice over the true optimum."""
    return float(np.mean(np.take_along_axis(grid, chosen, axis=1) / best - 1))


def _truth_model(model, world: World):
    """The model with the true law in place of its fit (and in place of two draws, which nobody reads)."""
    from dataclasses import replace

    law = world.law
    target = TargetModel(parameters={}, law=law, noise_laws=_join(law, law), run_laws=law,
                         noise=Noise(run_variance=0.0, counted=True, freedom=1))
    return replace(model, targets={"task": target})


def _short(estimator: str) -> str:
    if estimator.startswith("continuous"):
        return "continuous"
    return "lattice, dense" if "dense" in estimator else "lattice, published"


def summarise(results: Sequence[dict]) -> dict:
    """The figures that are promised, from many simulated sweeps (worlds × repeats)."""
    worlds: dict[str, list[dict]] = {}
    for result in results:
        worlds.setdefault(result["world"], []).append(result)

    def per_world(key: str) -> np.ndarray:
        return np.array([np.mean([r[key] for r in rs]) for rs in worlds.values()])

    out: dict = {"worlds": len(worlds), "sweeps": len(results)}
    for predictor in ("point", "bagged"):
        regret = per_world(f"regret_{predictor}")
        out[f"regret_{predictor}"] = {"mean": regret.mean(), "worst": regret.max(),
                                      "share_within_1_percent": float(np.mean(regret <= 0.01))}
    names = results[0]["policies"]
    out["regret_of_policies_without_data"] = {n: float(np.mean([r["policies"][n] for r in results])) for n in names}
    for interval in ("mean", "new"):
        for place in ("design", "frontier", "twice_n"):
            cover = per_world(f"{interval}_{place}")
            out[f"coverage_{interval}_{place}"] = {"average": cover.mean(), "lowest_decile": np.quantile(cover, 0.1)}
    stated = np.concatenate([r["stated_probability"] for r in results])
    was = np.concatenate([r["was_best"] for r in results])
    edges = [0.0, 0.5, 0.8, 0.95, 1.0 + 1e-9]
    out["probability_best"] = [
        {"stated": f"{low:.2f}-{min(high, 1):.2f}", "points": int(inside.sum()),
         "mean_stated": float(stated[inside].mean()),
         "came_true": float(was[inside].mean())}
        for low, high in pairwise(edges) if (inside := (stated >= low) & (stated < high)).any()]
    if "elasticities" in results[0]:
        cases = [e for r in results for e in r["elasticities"]]
        out["elasticity_coverage"] = {
            name: float(np.mean([c["covered"] for c in cases if c["estimator"] == name]))
            for name in dict.fromkeys(c["estimator"] for c in cases)}
        out["elasticity_coverage_all"] = float(np.mean([c["covered"] for c in cases]))
    return json.loads(json.dumps(out, default=float))


def campaign(
    laws: int, repeats: int, outside: int, *, draws: int = 100, tick: Callable[[str], None] = lambda t: None
) -> dict:
    """Simulate `laws` random laws × `repeats` sweeps, and `outside` worlds of each kind outside the family."""
    results = []
    for law in range(laws):
        world = random_law(law)
        results += [simulate(world, 1000 * repeat + law, draws=draws) for repeat in range(repeats)]
        tick(f"law {law + 1} of {laws}")
    report = {"questions": QUESTIONS, "draws": draws, "level": 0.9, "inside": summarise(results)}
    for name, make in OUTSIDE.items():
        tick(name)
        report[name] = summarise([simulate(make(k), 77 * k, draws=draws, elasticities=False) for k in range(outside)])
    return report


PAGE = Path(__file__).parent.parent.parent / "docs" / "known-truth.md"

INTRODUCTION = """# Held against known truth

For each world a sweep in the paper's design (star and isoFLOP, 88 runs) with {questions:,} questions a run is drawn,
then add-interact is fitted and everything vidscale says is compared with the truth: {inside} sweeps of {worlds} random
add-interact laws, and {outside} worlds of each kind outside the family. Intervals are nominal {level:.0%} intervals
from {draws} redraws. Regret is the relative excess of the true error at the recommended configuration over the true
optimum, averaged over the published budgets that buy something (5, 15, 30 TFLOPs) and four data sizes. How to
regenerate: `python tests/known_truth/simulation.py`. Worlds are defined in `tests/known_truth/truths.py`.
"""


def render(found: dict) -> str:
    """The recorded campaign as a page."""
    kinds = {"inside": "random add-interact laws", **{k: k for k in OUTSIDE}}
    parts = [INTRODUCTION.format(questions=found["questions"], inside=found["inside"]["sweeps"],
                                 worlds=found["inside"]["worlds"], outside=found["bottleneck"]["worlds"],
                                 level=found["level"], draws=found["draws"])]
    rows = []
    for kind, name in kinds.items():
        regret = found[kind]["regret_point"]
        blind = found[kind]["regret_of_policies_without_data"]
        best = min(blind, key=lambda policy: blind[policy])
        rows.append([name, f"{regret['mean']:.2%}", f"{regret['worst']:.2%}", f"{regret['share_within_1_percent']:.0%}",
                     f"{found[kind]['regret_bagged']['mean']:.2%}", f"{blind[best]:.1%} ({best})",
                     f"{blind['any affordable, at random']:.0%}"])
    parts.append("## Regret\n\n" + _markdown(
        ["world", "mean", "worst world", "worlds within 1 %", "mean, bagged", "best policy without data",
         "any affordable, at random"], rows))
    rows = []
    for kind, name in kinds.items():
        for interval, label in (("mean", "true mean"), ("new", "new measurement")):
            cells = [f"{c['average']:.0%} ({c['lowest_decile']:.0%})" for place in ("design", "frontier", "twice_n")
                     for c in [found[kind][f"coverage_{interval}_{place}"]]]
            rows.append([name, label, *cells])
    parts.append("## Coverage, average over worlds (lowest decile of worlds)\n\n" + _markdown(
        ["world", "interval for", "design points", "recommended points", "twice the data"], rows))
    rows = [[kinds[kind], c["stated"], str(c["points"]), f"{c['mean_stated']:.0%}", f"{c['came_true']:.0%}"]
            for kind in kinds for c in found[kind]["probability_best"]]
    parts.append("## Probability of being best, stated and come true\n\n" + _markdown(
        ["world", "stated", "points", "mean stated", "was truly best"], rows))
    rows = [[name, f"{share:.0%}"] for name, share in found["inside"]["elasticity_coverage"].items()]
    parts.append("## Mean elasticities: law × factor cases whose interval covers\n\n" + _markdown(
        ["estimator", "covered"], rows))
    parts.append("What this does not show: that any real video model follows one of these laws.\n")
    return "\n".join(parts)


def _markdown(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


if __name__ == "__main__":
    counts = [int(a) for a in sys.argv[1:4]] or [40, 3, 20]
    found = campaign(*counts, tick=lambda text: print(text, file=sys.stderr, flush=True))
    text = json.dumps(found, indent=1) + "\n"
    print(text)
    if len(sys.argv) < 5:
        RECORDED.write_text(text, encoding="utf-8")
        PAGE.write_text(render(found), encoding="utf-8")
