"""Commands of the moving-shapes study: plan, probe, slice, collect, write, export.

Plain argparse, since the machine that runs the study may have nothing but numpy and torch.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from vidscale.errors import InputError
from vidscale.runs.shapes.config import Study
from vidscale.runs.shapes.plan import Timing, describe, study_runs

RECIPE = "recipes/shapes_h200.py:shapes_h200"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 2 for input that cannot be used."""
    given = _parser().parse_args(arguments)
    try:
        given.command(given, load_study(given.recipe))
    except InputError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
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
    probe.add_argument("--packed-at", default="4.7M,16,16")
    probe.add_argument("--timed", default=None, help="LM:FRAMESxTOKENS by commas; default: nine from 0.1M to 25M")
    probe.add_argument("--steps", type=int, default=25)
    probe.add_argument("--modes", default="eager,recorded,compiled")
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
    part.add_argument("--mode", default="eager", choices=("eager", "recorded", "compiled"))
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
    try:
        frames, tokens = (int(part) for part in text.split("x"))
    except ValueError:
        raise InputError(f"{text!r} is no FRAMESxTOKENS, such as 16x16") from None
    return frames, tokens


def _probe(given: argparse.Namespace, study: Study) -> None:
    from vidscale.runs.shapes.probe import TIMED, ProbeSettings, probe

    name, frames, tokens = given.packed_at.split(",")
    timed = TIMED
    if given.timed is not None:
        timed = tuple((own, *_pair(at)) for own, at in (each.split(":") for each in given.timed.split(",")))
    probe(study, ProbeSettings(
        base=given.base, finetuned=tuple(_pair(each) for each in given.finetuned.split(",") if each),
        clips=given.clips, packed=tuple(int(each) for each in given.packed.split(",") if each), timed=timed,
        packed_at=(name, int(frames), int(tokens)), steps=given.steps, modes=tuple(given.modes.split(",")),
        device=given.device, time_limit_s=given.time_limit), given.out / "probe.json", _say)


def _slice(given: argparse.Namespace, study: Study) -> None:
    from vidscale.runs.shapes.slices import SliceSettings, run_slice

    settings = SliceSettings(
        sizes=tuple(each for each in given.sizes.split(",") if each), match=given.match, workers=given.workers,
        time_limit_s=given.time_limit, device=given.device, mode=given.mode, most_runs=given.most_runs,
        timing=_timing(given.timing))
    run_slice(study, settings, given.out / f"{study.name}.tar.gz", given.resume, _say)


def _collect(given: argparse.Namespace, study: Study) -> None:
    from vidscale.runs.shapes.archive import read_archives, rows_csv

    results = read_archives(given.archives, study)
    given.out.write_text(rows_csv(results.rows), encoding="utf-8")
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
