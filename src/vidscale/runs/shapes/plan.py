"""The study's plan: a star, isoFLOP sweeps and repeats, what each run costs, and how long it should take."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vidscale.cost.paper import PaperCost
from vidscale.design.isoflop import isoflop_design
from vidscale.design.spec import RunSpec
from vidscale.design.star import star_design
from vidscale.errors import InputError
from vidscale.runs.shapes.config import Study
from vidscale.runs.shapes.model import LmShape, training_flops
from vidscale.runs.shapes.questions import QUESTION_WORDS, QUESTIONS
from vidscale.runs.shapes.scene import GRID
from vidscale.space import FRAMES, LM_PARAMS, TOKENS_PER_FRAME, Lattice, ScalingFactors


def inference_cost(study: Study) -> PaperCost:
    """What a clip costs at inference by the paper's formula, with the study's own tower."""
    return PaperCost(encoder_params=study.tower.params, encoder_tokens=GRID * GRID)


def lattice(study: Study) -> Lattice:
    """All configurations that the study's levels make."""
    levels = {LM_PARAMS: [lm.params for lm in study.ladder], FRAMES: study.frames, TOKENS_PER_FRAME: study.tokens}
    return Lattice(name=study.name, levels={name: np.array(values, dtype=float) for name, values in levels.items()})


def study_runs(study: Study) -> tuple[RunSpec, ...]:
    """Every run of the study, no two alike.

    Raises:
        InputError: a repeat is not of a planned run.
    """
    own = lattice(study)
    runs = [
        *star_design(centre=_factors(study, study.star.centre), lattice=own, data_sizes=study.star.data_sizes).runs,
        *isoflop_design(budgets=study.isoflop.budgets, tolerance=study.isoflop.tolerance, lattice=own,
                        data_size=study.isoflop.data_size, cost=inference_cost(study)).runs,
    ]
    planned = {run.run_id for run in runs}
    for repeats in study.repeats:
        for configuration in repeats.configurations:
            for size in repeats.data_sizes:
                again = [RunSpec(factors=_factors(study, configuration), data_size=float(size), sweep=repeats.sweep,
                                 seed=seed) for seed in (0, *repeats.seeds)]
                if again[0].run_id not in planned:
                    raise InputError(f"the study repeats {again[0].run_id}, which is not planned; repeat a planned run")
                runs += again[1:]
    return (*runs, *_further(study, runs))


def _further(study: Study, before: Sequence[RunSpec]) -> list[RunSpec]:
    """Runs of the sweeps that were added, without those that are planned already under another name."""
    own, runs = lattice(study), list(before)
    for added in study.further:
        for size in added.data_sizes:
            designed = isoflop_design(budgets=added.budgets, tolerance=added.tolerance, lattice=own,
                                      data_size=size, cost=inference_cost(study), seeds=added.seeds).runs
            known = {_what(run) for run in runs}
            runs += [run for run in designed if _what(run) not in known]
    return runs[len(before):]


def _what(run: RunSpec) -> tuple[float, ...]:
    """What a run is, whichever sweep it is in."""
    return (*run.factors, run.data_size, run.seed)


def _factors(study: Study, configuration: tuple[str, int, int]) -> ScalingFactors:
    name, frames, tokens = configuration
    return ScalingFactors(lm_params=float(study.lm(name).params), frames=frames, tokens_per_frame=tokens)


def clips_of(run: RunSpec) -> int:
    """Clips that a run sees: its examples by twelve."""
    return round(run.data_size) // QUESTIONS


def flops_of(study: Study, run: RunSpec) -> float:
    """Training FLOPs of a run."""
    lm, factors = study.lm_of(run.factors.lm_params), run.factors
    return clips_of(run) * training_flops(study.tower, lm, frames=int(factors.frames),
                                          tokens=int(factors.tokens_per_frame), questions=QUESTIONS)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long recorded steps take on one device that does nothing else; `probe` measures it.

    The values are those of one H200, least squares on the relative errors of eleven configurations, 0.1M × 4 × 4 to
    25M × 32 × 64 with 128 clips (LOG.md, 2026-11-24); they are met within 8 %. Operation by operation steps take
    about 1.3 to 5 times as long.

    Attributes:
        operation_seconds: of one step's fixed part, per layer of the language model (launches, small kernels).
        frame_seconds: to render a frame and run the tower on it.
        value_seconds: per token, hidden unit and layer of a training step (traffic).
        flops_per_second: of the language model's training products.
    """

    operation_seconds: float = 3.7e-4
    frame_seconds: float = 2.85e-6
    value_seconds: float = 1.75e-10
    flops_per_second: float = 3.75e14

    def step(self, study: Study, lm: LmShape, *, frames: int, tokens: int, batch: int) -> float:
        """Seconds of one training step."""
        length = frames * tokens + QUESTIONS * QUESTION_WORDS
        products = 6.0 * lm.params * length * batch / self.flops_per_second
        traffic = self.value_seconds * length * batch * lm.hidden * lm.layers
        return self.operation_seconds * (3 + lm.layers) + self.frame_seconds * frames * batch + products + traffic

    def run(self, study: Study, run: RunSpec) -> float:
        """Seconds of a run, its start and evaluation included."""
        lm, factors = study.lm_of(run.factors.lm_params), run.factors
        step = self.step(study, lm, frames=int(factors.frames), tokens=int(factors.tokens_per_frame),
                         batch=study.finetuning.batch)
        steps = clips_of(run) / study.finetuning.batch + study.eval_clips / study.finetuning.batch / 3
        return 2.0 + step * steps

    def base(self, study: Study, lm: LmShape) -> float:
        """Seconds to pretrain a base."""
        training = study.base_training
        assert training.examples is not None
        steps = [self.step(study, lm, frames=t, tokens=v, batch=training.batch) for t, v in study.base_mix]
        return 2.0 + training.examples / training.batch * sum(steps) / len(steps)

    def tower(self, study: Study) -> float:
        """Seconds to pretrain the tower, its labels included."""
        return 5.0 + 6 * self.frame_seconds * (study.tower_training.examples or 0) + 20.0


def describe(study: Study, timing: Timing) -> str:
    """The plan for people: counts, costs, encoder shares, time."""
    runs = study_runs(study)
    cost, points = inference_cost(study), np.array([list(run.factors) for run in runs])
    share = cost.encoder_share(points)
    bases = sum(timing.base(study, lm) for lm in study.ladder)
    total = sum(timing.run(study, run) for run in runs)
    lines = [
        f"{study.name} (recipe {study.digest}): {len(runs)} runs, x_M {study.tower.params:,}, x_W {GRID * GRID}",
        f"inference cost {cost.cost(points).min():.3g} to {cost.cost(points).max():.3g} FLOPs a clip; encoder share "
        f"{share.min():.0%} to {share.max():.0%}, median {np.median(share):.0%}",
        f"training {sum(flops_of(study, run) for run in runs):.3g} FLOPs",
        f"expected, one at a time: tower {timing.tower(study):.0f} s, bases {bases:.0f} s, runs {total:.0f} s; "
        f"together {(timing.tower(study) + bases + total) / 60:.0f} minutes before packing",
    ]
    for lm in study.ladder:
        own = [run for run in runs if study.lm_of(run.factors.lm_params) is lm]
        seconds = sum(timing.run(study, run) for run in own)
        lines.append(f"  {lm.name:>5}  x_N {lm.params:>11,}  {len(own):>3} runs  base {timing.base(study, lm):4.0f} s  "
                     f"runs {seconds:5.0f} s")
    for sweep in dict.fromkeys(run.sweep for run in runs):
        own = [run for run in runs if run.sweep == sweep]
        sizes = sorted({run.data_size for run in own})
        lines.append(f"  {sweep}: {len(own)} runs, n {', '.join(f'{size:,.0f}' for size in sizes)}, "
                     f"{sum(run.seed > 0 for run in own)} of them repeats")
    return "\n".join(lines)
