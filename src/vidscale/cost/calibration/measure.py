"""From points to timings on the GPU at hand."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F

from vidscale.cost.calibration.points import Point
from vidscale.cost.calibration.reference import Bridge, Decoder, Place, Tower, request, rotary
from vidscale.cost.calibration.timing import measure
from vidscale.space import catalogue

#: Weights are streamed from memory in a real model. Repeating one product would find them in the cache, so products
#: rotate among copies of this many bytes together: several times the largest cache.
ROTATED_BYTES = 3e8
SHORTEST_GRAPH_S = 3e-4


def place() -> Place:
    """The first CUDA device in bf16, or the CPU in float32 for trying the code."""
    if torch.cuda.is_available():
        return Place(device=torch.device("cuda"), dtype=torch.bfloat16)
    return Place(device=torch.device("cpu"), dtype=torch.float32)


def _time(point: Point, work: Callable[[], object], inner: int, budget_s: float = 0.02) -> Point:
    timing = measure(work, inner=inner, budget_s=budget_s)
    return {**point, "seconds": timing.seconds, "low": timing.low, "high": timing.high, "replays": timing.replays}


def _repeats(guess_s: float) -> int:
    return max(2, min(200, math.ceil(SHORTEST_GRAPH_S / guess_s)))


def time_matmul(point: Point, at: Place) -> Point:
    m, k, n = point["rows"], point["inputs"], point["outputs"]
    guess = max(4e-6, 2 * m * k * n / 6e14, 2 * k * n / 3e12)
    copies = max(2, min(96, math.ceil(ROTATED_BYTES / (2 * k * n))))
    inner = max(_repeats(guess), copies if guess < 5e-5 else 2)
    weights = [at.weight(n, k) for _ in range(min(copies, inner))]
    x, out = at.activation(m, k), torch.empty(m, n, device=at.device, dtype=at.dtype)

    def work() -> None:
        for i in range(inner):
            torch.mm(x, weights[i % len(weights)].t(), out=out)

    return _time(point, work, inner)


def time_attention(point: Point, at: Place) -> Point:
    b, s, c, h, kv, size = (point[key] for key in ("sequences", "queries", "keys", "heads", "kv_heads", "head_dim"))
    cached = 4 * b * kv * c * size
    guess = max(5e-6, 4 * b * h * size * s * c / 4e14, cached / 3e12)
    copies = max(1, min(32, math.ceil(ROTATED_BYTES / cached))) if s == 1 else 1
    inner = max(_repeats(guess), copies)
    q = at.activation(b, s, h, size).transpose(1, 2)
    keys = [at.activation(b, c, kv, size).transpose(1, 2) for _ in range(copies)]
    values = [at.activation(b, c, kv, size).transpose(1, 2) for _ in range(copies)]
    if s == 1:
        keys, values = [x.contiguous() for x in keys], [x.contiguous() for x in values]

    def work() -> None:
        for i in range(inner):
            F.scaled_dot_product_attention(q, keys[i % copies], values[i % copies], is_causal=point["causal"],
                                           enable_gqa=h != kv)

    return _time(point, work, inner)


def time_pointwise(point: Point, at: Place) -> Point:
    m, w = point["rows"], point["width"]
    x, y = at.activation(m, w), at.activation(m, w)
    ones = torch.ones(w, device=at.device, dtype=at.dtype)
    head = 128 if w % 128 == 0 else w
    turned = x.view(1, m, -1, head).transpose(1, 2)
    cos, sin = at.activation(m, head), at.activation(m, head)
    work_of: dict[str, Callable[[], object]] = {
        "rms_norm": lambda: F.rms_norm(x, (w,), ones, 1e-5),
        "layer_norm": lambda: F.layer_norm(x, (w,), ones, ones),
        "rotary": lambda: rotary(turned, cos, sin),
        "swiglu": lambda: F.silu(x) * y,
        "gelu": lambda: F.gelu(x, approximate="tanh"),
        "add": lambda: x + y,
        "copy": lambda: turned.clone(memory_format=torch.contiguous_format),
    }
    once = work_of[point["kind"]]
    inner = _repeats(max(3e-6, 6 * m * w / 2e12))

    def work() -> None:
        for _ in range(inner):
            once()

    return _time(point, work, inner, 0.01)


class Models:
    """The models of a measurement, one language model in memory at a time."""

    def __init__(self, at: Place) -> None:
        self.at, self.kept = at, {}

    def decoder(self, name: str) -> Decoder:
        if name not in self.kept:
            for other in [key for key, model in self.kept.items() if isinstance(model, Decoder)]:
                del self.kept[other]
            self.kept[name] = Decoder(catalogue.language_model(name), self.at)
        return self.kept[name]

    def tower(self, name: str, layers: int) -> Tower:
        key = f"{name}/{layers}"
        if key not in self.kept:
            whole = catalogue.vision_tower(name)
            self.kept[key] = Tower(replace(whole, skipped_layers=whole.layers - layers), self.at)
        return self.kept[key]


def time_tower(point: Point, models: Models) -> Point:
    tower = models.tower(point["model"], point["layers"])
    pixels = tower.frames(point["frames"])
    return _time(point, lambda: tower(pixels), 1, 0.05)


def time_prefill(point: Point, models: Models) -> Point:
    decoder = models.decoder(point["model"])
    x = models.at.activation(point["batch"], point["tokens"], int(decoder.lm.hidden))
    return _time(point, lambda: decoder.prefill(x), 1, 0.05)


def time_decode(point: Point, models: Models) -> Point:
    decoder = models.decoder(point["model"])
    x = models.at.activation(point["batch"], 1, int(decoder.lm.hidden))
    cache = decoder.cache(point["batch"], point["context"])
    return _time(point, lambda: decoder.decode(x, cache, point["context"]), 1, 0.03)


def time_request(point: Point, models: Models) -> Point:
    decoder = models.decoder(point["model"])
    tower = models.tower(point["tower"], point["tower_layers"])
    bridge = Bridge(tower.tower, decoder.lm, models.at)
    sizes = {key: point[key] for key in ("frames", "tokens_per_frame", "text_tokens", "output_tokens", "batch")}
    return _time(point, request(tower, bridge, decoder, **sizes), 1, 0.05)


def measured(points: Iterable[Point], at: Place | None = None) -> Iterator[Point]:
    """Each point with its timing, in the order given.

    A point that does not fit in memory comes back with `seconds` None and the reason under `failed`.
    """
    at = at or place()
    models = Models(at)
    of_operation = {"matmul": time_matmul, "attention": time_attention, "pointwise": time_pointwise}
    of_model = {"tower": time_tower, "prefill": time_prefill, "decode": time_decode, "request": time_request}
    for point in points:
        try:
            if point["what"] in of_operation:
                yield of_operation[point["what"]](point, at)
            else:
                yield of_model[point["what"]](point, models)
        except torch.OutOfMemoryError:
            yield {**point, "seconds": None, "failed": "out of memory"}
        if at.device.type == "cuda" and torch.cuda.memory_reserved() > 0.6 * torch.cuda.mem_get_info()[1]:
            torch.cuda.empty_cache()
