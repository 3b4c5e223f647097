"""Part (c): peak memory of the study in a fresh process, and what compiling costs the first time.

Run as a script this is that process: it prints its peaks as JSON.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import say, settle_threads


def peak_mib() -> float:
    """Largest resident size of this process so far; the kernel counts in KiB, macOS in bytes.

    Linux keeps what `ru_maxrss` was before the process became this program, that is, its parent's size.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        return next(float(line.split()[1]) for line in status.read_text().splitlines() if "VmHWM" in line) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def measure(quick: bool) -> tuple[dict[str, object], str]:
    """Numbers for latest.json, and the report."""
    from render import seconds

    say("memory: the study in a fresh process")
    warm = _child("fits" if quick else "all")
    lines = [f"after import {warm['import']:.0f} MiB; after all fits of part (a) {warm['fits']:.0f} MiB"]
    found: dict[str, object] = {"peak_memory_mib": warm["fits"], "peak_memory_import_mib": warm["import"]}
    if not quick:
        lines += [f"after the whole analysis of paper-design too (both bootstraps, frontier, elasticities; "
                  f"{seconds(warm['study_seconds'])}): {warm['study']:.0f} MiB"]
        found |= {"peak_memory_mib": max(warm["fits"], warm["study"]), "peak_memory_fits_mib": warm["fits"],
                  "whole_study_seconds": warm["study_seconds"]}
        say("memory: the same with an empty cache of compiled kernels")
        with tempfile.TemporaryDirectory() as empty:
            cold = _child("small", NUMBA_CACHE_DIR=empty)
        lines += [f"the very first run compiles the kernels: {seconds(cold['small_seconds'])} once against "
                  f"{seconds(warm['small_seconds'])} from the cache, peak {cold['small']:.0f} MiB"]
        found |= {"compile_seconds": cold["small_seconds"] - warm["small_seconds"],
                  "peak_memory_compiling_mib": cold["small"]}
    return found, "\n".join(lines)


def _child(what: str, **environment: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, str(Path(__file__).resolve()), what], env={**os.environ, **environment},
                          stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)


def _main(what: str) -> None:
    settle_threads()
    import study_speed

    from vidscale.measurements import read_measurements
    from vidscale.study import run_study

    peaks = {"import": peak_mib()}
    peaks["small_seconds"], _ = study_speed.warm_up()
    peaks["small"] = peak_mib()
    if what != "small":
        study_speed.run_all(*study_speed.data())
        peaks["fits"] = peak_mib()
    if what == "all":
        clock = time.perf_counter()
        run_study(read_measurements("paper-design"))
        peaks |= {"study": peak_mib(), "study_seconds": time.perf_counter() - clock}
    print(json.dumps(peaks))


if __name__ == "__main__":
    _main(sys.argv[1])
