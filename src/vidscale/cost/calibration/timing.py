"""Timing GPU work: captured once as a CUDA graph, replayed, median of the replays."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Seconds of one execution.

    Attributes:
        seconds: median over replays.
        low, high: fastest and slowest replay.
        replays: how many.
    """

    seconds: float
    low: float
    high: float
    replays: int


def measure(
    work: Callable[[], object], *, inner: int = 1, budget_s: float = 0.03, at_least: int = 3, at_most: int = 50
) -> Timing:
    """Time `work`, which holds `inner` executions of what is to be timed.

    On a CUDA device the work is captured as a graph, so that launching it from Python costs nothing, as in any server
    worth the name. On a CPU it is simply called: that is for testing the code, not for profiles.

    Args:
        work: what to run; it must be free of host synchronisation and reuse its buffers.
        inner: executions that one call holds.
        budget_s: time to spend on replays.
        at_least, at_most: bounds on their number.
    """
    if not torch.cuda.is_available():
        return _measure_on_host(work, inner, at_least)
    graph = captured(work)
    once = _replay(graph, 1)[0]
    _replay(graph, 1)
    replays = int(min(max(budget_s / max(once, 1e-6), at_least), at_most))
    times = sorted(t / inner for t in _replay(graph, replays))
    del graph
    return Timing(seconds=times[len(times) // 2], low=times[0], high=times[-1], replays=replays)


def captured(work: Callable[[], object]) -> "torch.cuda.CUDAGraph":
    """The work as a CUDA graph, after one run outside it that sets up libraries and picks kernels."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side), torch.inference_mode():
        work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.inference_mode(), torch.cuda.graph(graph):
        work()
    return graph


def _replay(graph: "torch.cuda.CUDAGraph", count: int) -> list[float]:
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(count + 1)]
    marks[0].record()
    for mark in marks[1:]:
        graph.replay()
        mark.record()
    torch.cuda.synchronize()
    return [a.elapsed_time(b) / 1e3 for a, b in pairwise(marks)]


def _measure_on_host(work: Callable[[], object], inner: int, count: int) -> Timing:
    with torch.inference_mode():
        work()
        times = []
        for _ in range(count):
            start = time.perf_counter()
            work()
            times.append((time.perf_counter() - start) / inner)
    times.sort()
    return Timing(seconds=times[len(times) // 2], low=times[0], high=times[-1], replays=count)
