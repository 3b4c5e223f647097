"""Commands of the moving-shapes study: plan, probe, slice, collect, write, export.

Plain argparse, since the machine that runs the study may have nothing but numpy and torch.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from vidscale.errors import InputError
from vidscale.runs.shapes.archive import WEIGHT_BYTES
from vidscale.runs.shapes.config import Study
from vidscale.runs.shapes.plan import Timing, describe, study_runs
from vidscale.runs.shapes.scene import GRID
from vidscale.runs.shapes.train import MODES

RECIPE = "recipes/shapes_h200.py:shapes_h200"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 2 for input that cannot be used, 141 where the reader of a pipe went away (as `head` does)."""
    given = _parser().parse_args(arguments)
    try:
        given.command(given, load_study(given.recipe))
        sys.stdout.flush()
    except InputError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Python flushes once more on its way out; that must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return 0


def load_study(recipe: str) -> Study:
    """The study that a function in a file returns.

    Args:
        recipe: "path/of/file.py:function".

    Raises:
        InputError: there is no such file or function.
    """
    place, _, function = recipe.partition(":")
    spec = spec_from_file_location("shapes_recipe", place)
    if spec is None or spec.loader is None or not Path(place).is_file():
        raise InputError(f"the recipe file {place} is missing; give --recipe path/of/file.py:function")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    if not callable(getattr(module, function, None)):
        raise InputError(f"{place} has no function {function!r}; give --recipe path/of/file.py:function")
    return getattr(module, function)()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vidscale.runs.shapes", description=__doc__)
    parser.add_argument("--recipe", default=RECIPE, help=f"file and function of the study (default {RECIPE})")
    commands = parser.add_subparsers(required=True)

    plan = commands.add_parser("plan", help="print the plan: runs, costs, encoder shares, expected time")
    plan.add_argument("--timing", type=Path, help="a probe's JSON; its measured times replace the built-in ones")
    plan.add_argument("--runs", action="store_true", help="list every run")
    plan.set_defaults(command=_plan)

    probe = commands.add_parser("probe", help="measure a device: what is learned, step times, packing")
    probe.add_argument("--out", type=Path, required=True, help="folder for probe.json")
    probe.add_argument("--base", default="2.3M")
    probe.add_argument("--finetuned", default="16x16,2x64,32x4", help="FRAMESxTOKENS, by commas")
    probe.add_argument("--clips", type=int, default=51_200)
    probe.add_argument("--packed", default="1,2,4,8")
    probe.add_argument("--packed-at", default="4.7M:16x16", help="LM:FRAMESxTOKENS")
    probe.add_argument("--timed", default=None, help="LM:FRAMESxTOKENS by commas; default: nine from 0.1M to 25M")
    probe.add_argument("--steps", type=int, default=25)
    probe.add_argument("--modes", default="eager,recorded,compiled")
    probe.add_argument("--rates", default="", help="peak learning rates of finetuning, by commas; default the recipe's")
    probe.add_argument("--base-rates", default="", help="the same for the base; the best one goes on")
    probe.add_argument("--device", default="cuda")
    probe.add_argument("--time-limit", type=float, default=270.0)
    probe.set_defaults(command=_probe)

    part = commands.add_parser("slice", help="make as many runs as fit into a time limit")
    part.add_argument("--out", type=Path, required=True, help="folder for the archive")
    part.add_argument("--resume", type=Path, nargs="*", default=[], help="archives of earlier slices")
    part.add_argument("--sizes", default="", help="language models, by commas; default all")
    part.add_argument("--match", default="", help="only runs whose id contains this")
    part.add_argument("--time-limit", type=float, default=540.0)
    part.add_argument("--workers", type=int, default=4)
    part.add_argument("--most-runs", type=int)
    part.add_argument("--gpus", type=int, default=1, help="the workers are spread over so many")
    part.add_argument("--weight-mib", type=int, default=WEIGHT_BYTES // 2**20, help="most weights in the archive")
    part.add_argument("--mode", default="eager", choices=MODES)
    part.add_argument("--device", default="cuda")
    part.add_argument("--timing", type=Path, help="a probe's JSON")
    part.set_defaults(command=_slice)

    collect = commands.add_parser("collect", help="join archives into one table")
    collect.add_argument("archives", type=Path, nargs="+")
    collect.add_argument("--out", type=Path, required=True, help="the table, a .csv file")
    collect.set_defaults(command=_collect)

    write = commands.add_parser("write", help="write clips as mp4 with conversations and questions as JSON (needs av)")
    write.add_argument("--out", type=Path, required=True)
    write.add_argument("--train", type=int, default=0, help="finetuning clips")
    write.add_argument("--evaluation", type=int, default=0, help="evaluation clips")
    write.add_argument("--seed", type=int, default=0, help="whose run's finetuning clips")
    write.set_defaults(command=_write)

    export = commands.add_parser("export", help="write tower and bases as checkpoint folders (needs transformers)")
    export.add_argument("archive", type=Path)
    export.add_argument("--out", type=Path, required=True)
    export.set_defaults(command=_export)
    return parser


def _timing(place: Path | None) -> Timing:
    if place is None:
        return Timing()
    try:
        return Timing(**json.loads(place.read_text())["timing"])
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise InputError(f"{place} holds no timing of a probe: {problem}") from None


def _plan(given: argparse.Namespace, study: Study) -> None:
    timing = _timing(given.timing)
    print(describe(study, timing))
    for run in study_runs(study) if given.runs else ():
        print(f"{run.run_id}  {timing.run(study, run):.1f} s")


def _pair(text: str) -> tuple[int, int]:
    """FRAMESxTOKENS."""
    try:
        frames, tokens = (int(part) for part in text.split("x"))
    except ValueError:
        raise InputError(f"{text!r} is no FRAMESxTOKENS; write two whole numbers, such as 16x16") from None
    side = math.isqrt(max(tokens, 0))
    if frames < 1 or not 1 <= side <= GRID or side * side != tokens:
        raise InputError(f"{text!r}: allowed are 1 or more frames and the squares 1, 4, … {GRID * GRID} as tokens")
    return frames, tokens


def _place(study: Study, text: str) -> tuple[str, int, int]:
    """LM:FRAMESxTOKENS of a study's ladder; LM,FRAMES,TOKENS is read too."""
    name, found, at = text.partition(":")
    if not found and text.count(",") == 2:
        name, frames, tokens = text.split(",")
        at = f"{frames}x{tokens}"
    return study.lm(name).name, *_pair(at)


def _numbers(text: str, kind: type[int] | type[float], option: str) -> tuple[float, ...]:
    """Numbers above 0, by commas."""
    try:
        found = tuple(kind(each) for each in text.split(",") if each)
    except ValueError:
        found = (0,)
    if not all(0 < each < math.inf for each in found):
        raise InputError(f"{option} is {text!r}; allowed are numbers above 0 with commas between them")
    return found


def _probe(given: argparse.Namespace, study: Study) -> None:
    from vidscale.runs.shapes.probe import TIMED, ProbeSettings, probe
    study.lm(given.base)
    timed = TIMED
    if given.timed is not None:
        timed = tuple(_place(study, each) for each in given.timed.split(",") if each)
    modes = tuple(given.modes.split(","))
    if not set(modes) <= set(MODES):
        raise InputError(f"--modes is {given.modes!r}; allowed are {', '.join(MODES)} with commas between them")
    for option, value in (("--clips", given.clips), ("--steps", given.steps), ("--time-limit", given.time_limit)):
        _numbers(str(value), float, option)
    if given.clips % study.finetuning.batch:
        raise InputError(f"--clips is {given.clips}; allowed are multiples of a batch, {study.finetuning.batch}")
    probe(study, ProbeSettings(
        base=given.base, finetuned=tuple(_pair(each) for each in given.finetuned.split(",") if each),
        clips=given.clips, packed=tuple(int(each) for each in _numbers(given.packed, int, "--packed")), timed=timed,
        packed_at=_place(study, given.packed_at), steps=given.steps, modes=modes,
        rates=_numbers(given.rates, float, "--rates"), base_rates=_numbers(given.base_rates, float, "--base-rates"),
        device=given.device, time_limit_s=given.time_limit), given.out / "probe.json", _say)


def _slice(given: argparse.Namespace, study: Study) -> None:
    from vidscale.runs.shapes.slices import SliceSettings, run_slice

    settings = SliceSettings(
        sizes=tuple(each for each in given.sizes.split(",") if each), match=given.match, workers=given.workers,
        time_limit_s=given.time_limit, device=given.device, mode=given.mode, most_runs=given.most_runs,
        gpus=given.gpus, weight_bytes=given.weight_mib * 2**20,
        timing=_timing(given.timing))
    run_slice(study, settings, given.out / f"{study.name}.tar.gz", given.resume, _say)


def _collect(given: argparse.Namespace, study: Study) -> None:
    from vidscale.runs.shapes.archive import read_archives, rows_csv

    results = read_archives(given.archives, study)
    # Costs of a table are those of its own encoder.
    encoder = {"encoder_params": study.tower.params, "encoder_tokens": GRID * GRID}
    given.out.write_text(rows_csv([{**row, **encoder} for row in results.rows]), encoding="utf-8")
    planned = {run.run_id for run in study_runs(study)}
    _say(f"{len(results.done)} of {len(planned)} runs, {len(results.rows)} rows, in {given.out}")


def _write(given: argparse.Namespace, study: Study) -> None:
    from vidscale.runs.shapes.files import write_evaluation, write_examples

    if given.train:
        _say(str(write_examples(study, given.out, count=given.train, seed=given.seed)))
    if given.evaluation:
        _say(str(write_evaluation(study, given.out, count=given.evaluation)))


def _export(given: argparse.Namespace, study: Study) -> None:
    from vidscale.runs.shapes.archive import read_archives
    from vidscale.runs.shapes.files import export_base, export_tower

    results = read_archives([given.archive], study)
    if results.tower is None:
        raise InputError(f"{given.archive} holds no tower")
    export_tower(study, results.tower, given.out / "tower")
    for name, weights in results.bases.items():
        export_base(study, name, weights, given.out / f"lm-{name}")
    _say(f"tower and {len(results.bases)} bases in {given.out}")


def _say(line: str) -> None:
    print(line, flush=True)
