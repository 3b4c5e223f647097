"""The server under load: requests per second, how long the recommend call takes, and memory over 50,000 requests.

The server is `vidscale serve` in a process of its own, the client this one: plain sockets kept open, a new question
every time (so that no answer is a repeated one), loopback only. Both share the machine's cores.
"""

import argparse
import asyncio
import json
import os
import random
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import machine
import serving

#: Requests in a row at the start, each waiting for the one before: what a slider's move takes.
ALONE = 1000
#: Requests at a time and in all, and after how many memory is read.
AT_ONCE, REQUESTS, STEP = 8, 50_000, 5_000
#: The same question again and again: an answer that is kept.
REPEATED = 5_000


@dataclass
class Load:
    """What one run of requests gave."""

    seconds: list[float] = field(default_factory=list)
    wrong: int = 0
    wall: float = 0.0
    memory: list[tuple[int, float]] = field(default_factory=list)

    def quantile(self, q: float) -> float:
        """A quantile of the answer times in milliseconds."""
        ordered = sorted(self.seconds)
        return 1e3 * ordered[min(int(q * len(ordered)), len(ordered) - 1)]


def question(draw: random.Random) -> dict[str, Any]:
    """A question that can be answered: any cost, budget, data size, a task or weights, sometimes what runs now."""
    kind = draw.choice(["flops", "flops", "latency", "dollars", "flops-exact"])
    low, high = {"flops": (3e12, 1e14), "flops-exact": (2e13, 2e14), "latency": (0.06, 0.4), "dollars": (60, 400)}[kind]
    found: dict[str, Any] = {"cost": kind, "budget": low * (high / low) ** draw.random(),
                             "data_size": 2.5e5 * 8 ** draw.random()}
    if kind in ("latency", "dollars"):
        found |= {"gpu": "H200", "output_tokens": 8}
    if draw.random() < 0.3:
        found["weights"] = {"counting": draw.random() + 0.1, "long_video": draw.random() + 0.1}
    if draw.random() < 0.3:
        found["current"] = {"lm_params": 7.5e9, "frames": 8, "tokens_per_frame": 196}
    return found


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, body: bytes) -> int:
    """One request on an open connection; the status of the answer."""
    writer.write(b"POST /api/v1/recommend HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
                 b"Content-Length: %d\r\n\r\n%s" % (port, len(body), body))
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    assert length is not None
    await reader.readexactly(int(length[1]))
    return int(head[9:12])


async def load(port: int, count: int, at_once: int, draw: random.Random, *, same: bool = False, process: int = 0
               ) -> Load:
    """Send so many requests over so many connections."""
    out, left, done = Load(), iter(range(count)), 0
    kept = json.dumps(question(draw)).encode()
    start = time.perf_counter()

    async def worker() -> None:
        nonlocal done
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
        for _ in left:
            body = kept if same else json.dumps(question(draw)).encode()
            sent = time.perf_counter()
            status = await asyncio.wait_for(ask(reader, writer, port, body), 60)
            out.seconds.append(time.perf_counter() - sent)
            out.wrong += status != 200
            done += 1
            if process and done % STEP == 0:
                out.memory.append((done, resident(process)))
                machine.say(f"{done} requests, {out.memory[-1][1]:.1f} MiB resident")
        writer.close()

    await asyncio.gather(*(worker() for _ in range(at_once)))
    out.wall = time.perf_counter() - start
    return out


def resident(process: int) -> float:
    """Resident memory of a process in MiB; nan where /proc does not say."""
    try:
        text = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return float("nan")
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    return int(found[1]) / 1024 if found else float("nan")


def processor_seconds(process: int) -> float:
    """Processor time that a process has used, its threads together; nan where /proc does not say."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return float("nan")
    own, system = text.rpartition(")")[2].split()[11:13]
    return (int(own) + int(system)) / os.sysconf("SC_CLK_TCK")


def measure(quick: bool = False) -> tuple[dict[str, object], str]:
    """Fit the bundled table, serve it, and load it."""
    alone, requests, repeated = (100, 1000, 500) if quick else (ALONE, REQUESTS, REPEATED)
    if not serving.installed():
        return {}, serving.NEEDS
    with serving.served() as (port, process):
        return _loaded(port, process, alone, requests, repeated)


def _loaded(port: int, process: int, alone: int, requests: int, repeated: int) -> tuple[dict[str, object], str]:
    draw = random.Random(0)
    asyncio.run(load(port, 50, 1, draw))  # kernels are loaded, caches of profiles filled
    first = asyncio.run(load(port, alone, 1, draw))
    before, used = resident(process), processor_seconds(process)
    machine.say(f"one at a time: p50 {first.quantile(0.5):.1f} ms, p99 {first.quantile(0.99):.1f} ms")
    busy = asyncio.run(load(port, requests, AT_ONCE, draw, process=process))
    used = 1e3 * (processor_seconds(process) - used) / requests
    again = asyncio.run(load(port, repeated, AT_ONCE, draw, same=True))
    numbers: dict[str, object] = {
        "serve_requests": requests, "serve_at_once": AT_ONCE,
        "serve_errors": first.wrong + busy.wrong + again.wrong,
        "serve_alone_p50_ms": first.quantile(0.5), "serve_alone_p99_ms": first.quantile(0.99),
        "serve_requests_per_second": requests / busy.wall, "serve_p50_ms": busy.quantile(0.5),
        "serve_p99_ms": busy.quantile(0.99), "serve_processor_ms": used,
        "serve_repeated_requests_per_second": repeated / again.wall,
        "serve_repeated_p50_ms": again.quantile(0.5), "serve_repeated_p99_ms": again.quantile(0.99),
        "serve_load_average": os.getloadavg()[2], "serve_memory_before_mib": before,
        "serve_memory_mib": {str(count): value for count, value in busy.memory},
    }
    lines = [f"a new question each time, one after another: p50 {first.quantile(0.5):.1f} ms, p99 "
             f"{first.quantile(0.99):.1f} ms ({alone} requests)",
             f"{AT_ONCE} at a time: {requests / busy.wall:.0f} requests/s, p50 {busy.quantile(0.5):.1f} ms, p99 "
             f"{busy.quantile(0.99):.1f} ms ({requests} requests); {used:.1f} ms of processor time an answer",
             f"the same question again: {repeated / again.wall:.0f} requests/s, p50 {again.quantile(0.5):.1f} ms, p99 "
             f"{again.quantile(0.99):.1f} ms ({repeated} requests)",
             f"load average of the last 15 minutes: {os.getloadavg()[2]:.1f}",
             f"answers other than 200: {numbers['serve_errors']}",
             f"resident memory: {before:.1f} MiB before, then "
             + ", ".join(f"{value:.1f} at {count}" for count, value in busy.memory)]
    return numbers, "\n".join(lines)


def main() -> int:
    """This part alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a thousand requests")
    parser.add_argument("--out", type=Path, help="write the numbers here")
    asked = parser.parse_args()
    machine.settle_threads()
    numbers, report = measure(asked.quick)
    print(report)
    if asked.out:
        asked.out.write_text(json.dumps({"machine": machine.describe(), **numbers}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
