"""What a GPU was measured to do: raw points, and the times of operations that follow from them.

A profile holds the points of `vidscale calibrate`, nothing fitted: curves are drawn through them when it is opened, so
a better way to draw them needs no new measurement. Without measurements there is the data sheet (`prior_profile`): a
roofline with the efficiencies named below, and every answer says that it is not calibrated.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from vidscale.cost.curves import Curve, Floats, Surface, blended
from vidscale.cost.hardware import Gpu, gpu
from vidscale.cost.operations import Attention, MatMul, Pointwise
from vidscale.errors import InputError
from vidscale.space.catalogue import LANGUAGE_MODELS, VISION_TOWERS
from vidscale.space.json_fields import shown

SCHEMA = "vidscale-profile-1"
#: Limits on what is read, far above what any calibration writes.
LARGEST_FILE, MOST_POINTS, LARGEST_SIZE, LONGEST_SECONDS, MOST_WATTS = 64_000_000, 20_000, 1e9, 1e6, 1e6
#: Points that a profile has at least, and how far beyond the data sheet a measured product may be (boost clocks).
FEWEST = {"matmul": 20, "attention": 8, "pointwise": 7}
FASTEST = 1.25
Point = Mapping[str, Any]

#: Shares of the data sheet's rates that large operations reach, and seconds that the smallest kernel takes: what the
#: shipped H200 measurement shows, rounded. They stand in where a GPU was not measured.
MATMUL_SHARE, ATTENTION_SHARE, MEMORY_SHARE, KERNEL_S = 0.70, 0.40, 0.80, 2.5e-6
#: A bf16 matrix whose sides are no multiples of 8 keeps tensor cores from reading 16 bytes at a time. On an H200 such
#: products (Qwen2.5-VL's vision MLP, 1280 × 3420) took 3.4 times as long as aligned ones of the same size.
ALIGNMENT, UNALIGNED = 8, 3.4
#: Bytes per number of the result that each pointwise operation moves, and kernels that it takes, in plain PyTorch.
#: layer_norm stands for vision towers, whose residual stream the transposed patch embedding leaves with channels apart
#: in memory: it bears the copies and the scattered reads of two norms and two sums (docs/cost.md).
POINTWISE: Mapping[str, tuple[float, float]] = {
    "rms_norm": (5, 2), "layer_norm": (45, 3), "rotary": (30, 5), "swiglu": (10, 2), "gelu": (4.5, 1), "add": (6, 1),
    "copy": (5, 1)}


@dataclass(frozen=True, kw_only=True, eq=False)
class Profile:
    """A GPU's measured times, or the data sheet's promise of them.

    Attributes:
        gpu: name of the GPU as the hardware table has it.
        sheet: its data sheet.
        calibrated: whether points were measured on it.
        points: the raw measurements; see `vidscale.cost.calibration.points` for their keys.
        provenance: software, date, what was run, how long it took.
        watts: mean board power measured in each phase ("tower", "prefill", "decode"), where it was.
    """

    gpu: str
    sheet: Gpu
    calibrated: bool
    points: tuple[Point, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    watts: Mapping[str, float] = field(default_factory=dict)

    # Times of operations, one occurrence each, shape (rows,).

    def matmul_seconds(self, op: MatMul) -> Floats:
        """One product: the curve measured for this weight matrix, else that of matrices near it in size.

        A stand-in matrix lends its share of the roofline at the same number of rows, not its time.
        """
        known = self._matmul.get((op.inputs, op.outputs))
        if known is not None:
            return known(op.rows)
        if not self._matmul:
            share = MATMUL_SHARE if _aligned(op.inputs, op.outputs) else MATMUL_SHARE / UNALIGNED
            return self._matmul_roofline(op.rows, op.inputs, op.outputs, share, MEMORY_SHARE) + KERNEL_S
        near, weights = self._neighbours(op.inputs, op.outputs)
        share = blended([self._matmul_shares[shape] for shape in near], weights, np.log(op.rows))
        seconds = self._floor + self._matmul_roofline(op.rows, op.inputs, op.outputs) * np.exp(share)
        if _aligned(op.inputs, op.outputs) or not _aligned(*near[0]):
            return seconds
        return np.maximum(seconds, 2.0 * op.rows * op.inputs * op.outputs * UNALIGNED
                          / (MATMUL_SHARE * self.sheet.bf16_flops))

    def attention_seconds(self, op: Attention) -> Floats:
        """One attention over all sequences and heads."""
        kind = attention_kind(op.causal, op.queries)
        tables = {key: table for key, table in self._attention.items() if key[0] == kind}
        if not tables:
            return self._attention_roofline(op)
        length = op.keys if kind == "step" else op.queries

        def of_size(head_dim: float) -> Floats:
            """By the table of that head size whose heads share keys most like these do."""
            key = min((k for k in tables if k[3] == head_dim), key=lambda k: abs(
                math.log(k[1] / k[2] / op.heads * op.kv_heads)))
            sequences = np.maximum(op.sequences * op.heads / key[1], 1e-9)
            few = np.minimum(sequences, 1.0)  # fewer sequences than one: the kernel's floor, not less
            return tables[key](np.maximum(sequences, 1.0), length) * np.maximum(few, 0.5)

        sizes = sorted({key[3] for key in tables})
        low = max((size for size in sizes if size <= op.head_dim), default=sizes[0])
        high = min((size for size in sizes if size >= op.head_dim), default=sizes[-1])
        if low == high:
            return of_size(low) * op.head_dim / low
        share = math.log(op.head_dim / low) / math.log(high / low)
        return of_size(low) ** (1 - share) * of_size(high) ** share

    def pointwise_seconds(self, op: Pointwise) -> Floats:
        """One pointwise operation."""
        curve = self._pointwise.get(op.kind)
        if curve is not None:
            return curve(op.rows * op.width)
        moved, kernels = POINTWISE[op.kind]
        return op.rows * op.width * moved / (MEMORY_SHARE * self.sheet.bandwidth) + kernels * KERNEL_S

    def _matmul_roofline(
        self, rows: Floats, inputs: float, outputs: float, compute: float = 1.0, traffic: float = 1.0
    ) -> Floats:
        flops = 2.0 * rows * inputs * outputs
        moved = 2.0 * (inputs * outputs + rows * (inputs + outputs))
        return np.maximum(flops / (compute * self.sheet.bf16_flops), moved / (traffic * self.sheet.bandwidth))

    def _attention_roofline(self, op: Attention) -> Floats:
        flops = op.flops / op.count
        moved = 4.0 * op.sequences * op.head_dim * (op.kv_heads * op.keys + op.heads * op.queries)
        return np.maximum(flops / (ATTENTION_SHARE * self.sheet.bf16_flops),
                          moved / (MEMORY_SHARE * self.sheet.bandwidth)) + 2 * KERNEL_S

    # Curves through the points.

    @cached_property
    def _matmul(self) -> dict[tuple[float, float], Curve]:
        times: dict[tuple[float, float], dict[float, float]] = {}
        for p in self._of("matmul"):
            times.setdefault((p["inputs"], p["outputs"]), {})[p["rows"]] = p["seconds"]
        return {shape: Curve.through(each) for shape, each in times.items()}

    @cached_property
    def _matmul_shares(self) -> dict[tuple[float, float], Curve]:
        """Measured time above the floor over roofline time, by rows: what a matrix of no measured size borrows."""
        return {(k, n): Curve(c.size, (c.seconds - self._floor) / self._matmul_roofline(c.size, k, n), 0.0)
                for (k, n), c in self._matmul.items()}

    @cached_property
    def _floor(self) -> float:
        """What launching and ending a product takes, whatever its size: most of the fastest one measured."""
        return 0.8 * min(float(c.seconds.min()) for c in self._matmul.values())

    def _neighbours(self, inputs: float, outputs: float) -> tuple[list[tuple[float, float]], list[float]]:
        """The three measured matrices nearest in size, of the same alignment where there are any, with weights."""
        same = [shape for shape in self._matmul if _aligned(*shape) == _aligned(inputs, outputs)]
        distance = {shape: math.hypot(math.log(shape[0] / inputs), math.log(shape[1] / outputs))
                    for shape in same or self._matmul}
        near = sorted(distance, key=distance.__getitem__)[:3]
        closeness = [1 / (distance[shape] + 0.05) ** 2 for shape in near]
        return near, [c / sum(closeness) for c in closeness]

    @cached_property
    def _attention(self) -> dict[tuple[str, float, float, float], Surface]:
        times: dict[tuple[str, float, float, float], dict[tuple[float, float], float]] = {}
        for p in self._of("attention"):
            kind = attention_kind(p["causal"], p["queries"])
            key = (kind, p["heads"], p["kv_heads"], p["head_dim"])
            times.setdefault(key, {})[p["sequences"], p["keys"]] = p["seconds"]
        slope = {"causal": 2.0, "full": 2.0, "step": 1.0}
        return {key: Surface.through(each, (1.0, slope[key[0]])) for key, each in times.items()}

    @cached_property
    def _pointwise(self) -> dict[str, Curve]:
        times: dict[str, dict[float, list[float]]] = {}
        for p in self._of("pointwise"):
            times.setdefault(p["kind"], {}).setdefault(p["rows"] * p["width"], []).append(p["seconds"])
        return {kind: Curve.through({n: float(np.median(s)) for n, s in each.items()}) for kind, each in times.items()}

    def _of(self, what: str) -> Iterable[Point]:
        return (p for p in self.points if p["what"] == what and p.get("seconds"))


def _aligned(inputs: float, outputs: float) -> bool:
    """Both sides are multiples of 8; sides of an interpolated model hold fractions and count as aligned."""
    return all(side % ALIGNMENT == 0 or side != int(side) for side in (inputs, outputs))


def attention_kind(causal: bool, queries: Any) -> str:
    """"causal" for a prompt, "step" for one new token, "full" for a vision tower."""
    if causal:
        return "causal"
    return "step" if np.all(np.asarray(queries) == 1) else "full"


def prior_profile(on: Gpu | str) -> Profile:
    """The data sheet of a GPU that was not measured, with shares that large operations usually reach."""
    sheet = gpu(on) if isinstance(on, str) else on
    return Profile(gpu=sheet.name, sheet=sheet, calibrated=False)


def shipped_profile(on: Gpu | str) -> Profile | None:
    """The measured profile that comes with the package for this GPU, None where there is none."""
    sheet = gpu(on) if isinstance(on, str) else on
    found = files("vidscale.cost") / "data" / f"profile-{sheet.name.lower()}.json"
    return _profile(json.loads(found.read_text()), found.name, sheet) if found.is_file() else None


def profile_for(on: Gpu | str) -> Profile:
    """The shipped profile of a GPU, else its data sheet's promise."""
    return shipped_profile(on) or prior_profile(on)


def load_profile(source: str | Path) -> Profile:
    """A profile file that `vidscale calibrate` wrote, or the profile of a GPU by name.

    Raises:
        InputError: no such file or GPU, another schema, or a file that is no profile.
    """
    path = Path(source)
    if path.suffix.lower() != ".json":
        return profile_for(str(source))
    if not path.is_file():
        raise InputError(f"there is no profile {str(source)!r}; give a file that `vidscale calibrate` wrote, or the "
                         "name of a GPU")
    if path.stat().st_size > LARGEST_FILE:
        raise InputError(f"{source} has {path.stat().st_size:,} bytes; a profile has fewer than {LARGEST_FILE:,}")
    try:
        held = json.loads(path.read_text("utf-8"), parse_constant=_finite, parse_float=_finite, parse_int=_whole)
    except (OSError, ValueError, RecursionError) as error:
        said = str(getattr(error, "strerror", None) or error).splitlines()[0][:200]
        raise InputError(f"{source} is no profile: {said}; run `vidscale calibrate` again") from None
    return _profile(held, str(source))


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"it holds {text[:20]}, which is no finite number")
    return value


def _whole(text: str) -> int:
    if len(text) > 18:
        raise ValueError(f"it holds a whole number of {len(text)} digits")
    return int(text)


def dump_profile(profile: Profile) -> str:
    """The profile as the text of its file."""
    held = {"schema": SCHEMA, "gpu": profile.gpu, "sheet": _sheet_dict(profile.sheet),
            "provenance": dict(profile.provenance), "watts": dict(profile.watts)}
    head = json.dumps(held, indent=1)[:-2]
    return f'{head},\n "points": {points_text(profile.points).rstrip()}\n}}\n'


def points_text(points: Iterable[Point]) -> str:
    """Raw points as JSON, one a line."""
    lines = ",\n".join(f"  {json.dumps(dict(point))}" for point in points)
    return f"[\n{lines}\n]\n"


def _sheet_dict(sheet: Gpu) -> dict[str, Any]:
    return {f.name: getattr(sheet, f.name) for f in fields(sheet)}


_KEYS: dict[str, tuple[str, ...]] = {
    "matmul": ("rows", "inputs", "outputs"),
    "attention": ("sequences", "queries", "keys", "heads", "kv_heads", "head_dim"),
    "pointwise": ("rows", "width"),
    "tower": ("layers", "frames"),
    "prefill": ("batch", "tokens"),
    "decode": ("batch", "context"),
    "request": ("frames", "tokens_per_frame", "text_tokens", "output_tokens", "batch"),
}

_CHOICES: dict[str, dict[str, Iterable[str | bool]]] = {
    "attention": {"causal": (True, False)}, "pointwise": {"kind": POINTWISE}, "tower": {"model": VISION_TOWERS},
    "prefill": {"model": LANGUAGE_MODELS}, "decode": {"model": LANGUAGE_MODELS}, "request": {"model": LANGUAGE_MODELS},
}


def _profile(held: Any, source: str, sheet: Gpu | None = None) -> Profile:
    """The profile in a parsed file, every value checked: the file may come from anyone."""
    if not isinstance(held, dict) or held.get("schema") != SCHEMA:
        seen = repr(held.get("schema") if isinstance(held, dict) else type(held).__name__)[:60]
        raise InputError(f"{source} has profile schema {seen}; this version reads {SCHEMA!r}: run `vidscale "
                         "calibrate` again")
    try:
        own = sheet or _sheet(held["sheet"], source)
        if len(held["points"]) > MOST_POINTS:
            raise InputError(f"{source} has {len(held['points']):,} points; a profile has at most {MOST_POINTS:,}")
        points = tuple(_point(p, i, source) for i, p in enumerate(held["points"]))
        _check_whole(points, own, source)
        watts = {str(k): _number(v, f"{source}: watts of {shown(k)}", 0, MOST_WATTS)
                 for k, v in held.get("watts", {}).items()}
        return Profile(gpu=own.name, sheet=own, calibrated=True, points=points, watts=watts,
                       provenance=dict(held.get("provenance", {})))
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{source} is no complete profile ({type(error).__name__}: {str(error)[:200]}); run `vidscale "
                         "calibrate` again") from None


def _check_whole(points: Sequence[Point], sheet: Gpu, source: str) -> None:
    """Refuse points that are too few to draw curves through, or faster than the GPU can be."""
    timed = [p for p in points if p.get("seconds")]
    counts = {what: sum(p["what"] == what for p in timed) for what in FEWEST}
    short = [f"{counts[what]} of {what}" for what, least in FEWEST.items() if counts[what] < least]
    if short:
        least = ", ".join(f"{n} of {what}" for what, n in FEWEST.items())
        raise InputError(f"{source} has too few points for a calibration ({', '.join(short)}; at least {least}); run "
                         "`vidscale calibrate` again")
    products = (p for p in timed if p["what"] == "matmul")
    rate = max(2.0 * p["rows"] * p["inputs"] * p["outputs"] / p["seconds"] for p in products)
    if rate > FASTEST * sheet.bf16_flops:
        raise InputError(f"{source} has a matrix product at {rate / 1e12:.4g} TFLOP/s, the data sheet of {sheet.name} "
                         f"says {sheet.bf16_flops / 1e12:g}: seconds in another unit, or another GPU; run `vidscale "
                         "calibrate` again")


def _sheet(held: Any, source: str) -> Gpu:
    try:
        return Gpu(**{**held, "aliases": tuple(held.get("aliases", ()))})
    except InputError as error:
        raise InputError(f"{source}: {error}") from None


def _point(point: Any, number: int, source: str) -> Point:
    what = point.get("what") if isinstance(point, dict) else None
    if not isinstance(what, str) or what not in _KEYS:
        raise InputError(f"{source}: point {number} is of kind {shown(what)}; allowed are {', '.join(_KEYS)}")
    where = f"{source}: point {number} ({what})"
    for key in _KEYS[what]:
        _number(point.get(key), f"{where} has {key}", 0, LARGEST_SIZE, zero=key == "text_tokens")
    if point.get("seconds") is not None:
        _number(point["seconds"], f"{where} has seconds", 0, LONGEST_SECONDS)
    for key, known in _CHOICES.get(what, {}).items():
        value = point.get(key)
        if not isinstance(value, str | bool) or value not in known:
            raise InputError(f"{where} has {key} {shown(value)}; allowed are {', '.join(map(str, known))}")
    return point


def _number(value: Any, what: str, low: float, high: float, *, zero: bool = False) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not good or not (low < value <= high or (zero and value == 0)):
        raise InputError(f"{what} {shown(value)}; allowed are numbers above {low:g} up to {high:g}"
                         f"{', and 0' if zero else ''}")
    return float(value)
