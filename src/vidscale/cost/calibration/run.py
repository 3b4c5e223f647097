"""The whole calibration: measure, draw the curves, judge them on points they have not seen, write the profile."""

import platform
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from vidscale.cost.calibration.accuracy import Accuracy, accuracy
from vidscale.cost.calibration.measure import Models, measured, place
from vidscale.cost.calibration.plan import Plan, standard_plan
from vidscale.cost.calibration.points import Point
from vidscale.cost.calibration.reference import Place
from vidscale.cost.calibration.timing import captured
from vidscale.cost.hardware import Gpu, gpu_of_device
from vidscale.cost.profile import Profile, prior_profile
from vidscale.errors import InputError

Tick = Callable[[str], None]
POWER_S = 1.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """A measured profile and how well it predicts.

    Attributes:
        profile: the curves' points, with the held-out ones in its provenance's figures only.
        held_out: the points it was judged on, measured.
        accuracy: errors on them with the profile, by kind and over all.
        uncalibrated: the same with the data sheet alone.
    """

    profile: Profile
    held_out: tuple[Point, ...]
    accuracy: tuple[Accuracy, ...]
    uncalibrated: tuple[Accuracy, ...]


def calibrate(
    sheet: Gpu | None = None, *, plan: Plan | None = None, at: Place | None = None, tick: Tick = lambda text: None
) -> Calibration:
    """Measure the GPU at hand and say how good the measurement is.

    Args:
        sheet: the GPU's data sheet; by default found by the device's name.
        plan: what to measure; by default `standard_plan`, about a minute on a data-centre GPU and half as much again
            for the points that judge it.
        at: device and dtype; by default the first CUDA device in bf16.
        tick: called with a line of text as work goes on.

    Raises:
        InputError: no CUDA device, or one that the hardware table lacks and no sheet is given.
    """
    if at is None:
        if not torch.cuda.is_available():
            raise InputError("no CUDA device was found; run `vidscale calibrate` on the machine with the GPU, or leave "
                             "--profile out to use data-sheet priors")
        at = place()
    plan = plan or standard_plan()
    sheet = sheet or gpu_of_device(torch.cuda.get_device_name(0))
    start = time.perf_counter()
    points = _measure(plan.calibration, at, tick, "calibration")
    took = time.perf_counter() - start
    tick("held-out shapes")
    held = _measure(plan.held_out, at, tick, "held out")
    watts = board_power(plan.calibration, at) if at.device.type == "cuda" else {}
    profile = Profile(gpu=sheet.name, sheet=sheet, calibrated=True, points=points, watts=watts,
                      provenance={**software(at), "calibration_seconds": round(took, 1)})
    judged = accuracy(held, profile)
    provenance = {**profile.provenance, "held_out": [each.as_dict() for each in judged]}
    profile = Profile(gpu=sheet.name, sheet=sheet, calibrated=True, points=points, watts=watts, provenance=provenance)
    return Calibration(profile=profile, held_out=held, accuracy=judged,
                       uncalibrated=accuracy(held, prior_profile(sheet)))


def _measure(points: Iterable[Point], at: Place, tick: Tick, what: str) -> tuple[Point, ...]:
    points, out, said = list(points), [], 0.0
    for i, point in enumerate(measured(points, at)):
        out.append({key: _short(value) for key, value in point.items()})
        if time.perf_counter() - said > 5:
            said = time.perf_counter()
            tick(f"{what}: {i + 1} of {len(points)} points")
    return tuple(out)


def _short(value: Any) -> Any:
    """Times to five digits: more is noise, and profiles are read by people."""
    return float(f"{value:.5g}") if isinstance(value, float) else value


def software(at: Place) -> dict[str, Any]:
    """What was measured with what."""
    out: dict[str, Any] = {"date": time.strftime("%Y-%m-%d"), "python": platform.python_version(),
                           "torch": torch.__version__, "dtype": str(at.dtype).removeprefix("torch."),
                           "method": "CUDA graphs, scaled-dot-product attention, random weights, median of replays"}
    if at.device.type == "cuda":
        properties = torch.cuda.get_device_properties(0)
        out |= {"device": properties.name, "memory": properties.total_memory, "cuda": torch.version.cuda,
                "processors": properties.multi_processor_count}
    return out


def board_power(points: Iterable[Point], at: Place) -> Mapping[str, float]:
    """Mean board power in watts of the largest model's phases under steady load; empty without NVML."""
    try:
        import pynvml  # type: ignore[import-not-found]

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except Exception:  # no driver, no module, or a GPU without an energy counter: all mean "not measured"
        return {}
    towers = [p for p in points if p["what"] == "tower"]
    lms = [p["model"] for p in points if p["what"] == "prefill"]
    if not towers or not lms:
        return {}
    models = Models(at)
    tower, decoder = models.tower(towers[0]["model"], towers[0]["layers"]), models.decoder(lms[-1])
    hidden = int(decoder.lm.hidden)
    pixels, prompt, token = tower.frames(32), at.activation(1, 1568, hidden), at.activation(1, 1, hidden)
    cache = decoder.cache(1, 1600)
    work: dict[str, Callable[[], object]] = {
        "tower": lambda: tower(pixels), "prefill": lambda: decoder.prefill(prompt),
        "decode": lambda: decoder.decode(token, cache, 1600)}
    return {phase: _watts(do, lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3)
            for phase, do in work.items()}


def _watts(work: Callable[[], object], joules: Callable[[], float]) -> float:
    graph = captured(work)
    for _ in range(5):
        graph.replay()
    torch.cuda.synchronize()
    before, start = joules(), time.perf_counter()
    while time.perf_counter() - start < POWER_S:
        for _ in range(5):
            graph.replay()
        torch.cuda.synchronize()
    return round((joules() - before) / (time.perf_counter() - start), 1)
