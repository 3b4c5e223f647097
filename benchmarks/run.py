"""`make bench`: every part side by side in one run, a report on stdout, numbers in latest.json."""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import machine

HERE = Path(__file__).resolve().parent
PARTS = "abcdefghi"


def main() -> int:
    """Run the parts asked for."""
    asked = _arguments()
    machine.settle_threads()  # before any part imports NumPy or Numba
    import chinchilla_speed
    import cost_speed
    import explorer_latency
    import frontier_speed
    import growth
    import memory_use
    import report_open
    import serve_load
    import study_speed

    parts = {
        "a": ("The whole study against SciPy L-BFGS-B",
              lambda: study_speed.measure(study_speed.QUICK if asked.quick else study_speed.Sample())),
        "b": ("Chinchilla by log-Huber against 4,500 initialisations", lambda: chinchilla_speed.measure(asked.quick)),
        "c": ("Peak memory", lambda: memory_use.measure(asked.quick)),
        "d": ("Frontier", lambda: frontier_speed.measure(asked.quick)),
        "e": ("How time grows", lambda: growth.measure(asked.quick)),
        "f": ("Costs of configurations", lambda: cost_speed.measure(asked.quick)),
        "g": ("The server under load", lambda: serve_load.measure(asked.quick)),
        "h": ("How fast the explorer answers", lambda: explorer_latency.measure(asked.quick)),
        "i": ("The report page: written, and opened in a browser", lambda: report_open.measure(asked.quick)),
    }
    start = time.perf_counter()
    facts = machine.describe()
    numbers: dict[str, object] = {"quick": asked.quick, "machine": facts}
    print("vidscale benchmarks" + (" (quick: a smoke run, too small a sample to quote)" if asked.quick else ""))
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    for letter in asked.parts:
        title, measure = parts[letter]
        found, report = measure()
        numbers |= found
        print(f"\n({letter}) {title}\n\n{report}", flush=True)
    numbers["bench_seconds"] = time.perf_counter() - start
    print(f"\n{_headline(numbers)}\nwhole benchmark: {numbers['bench_seconds']:.0f} s")
    out = asked.out or (None if asked.quick or len(asked.parts) < len(parts) else HERE / "latest.json")
    if out:
        _write(out, numbers)
        print(f"written: {out.name}")
    else:
        print("latest.json left as it was: only a full run writes it (or --out PATH)")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run: small samples, nothing written")
    parser.add_argument("--parts", default=PARTS, help="which parts, for example ad (default: all)")
    parser.add_argument("--out", type=Path, help="write the numbers here instead of latest.json")
    asked = parser.parse_args()
    if not asked.parts or set(asked.parts) - set(PARTS):
        parser.error(f"--parts {asked.parts!r}: the parts are {', '.join(PARTS)}")
    return asked


def _headline(numbers: dict[str, object]) -> str:
    names = ("study_speedup", "study_objective_not_worse_share", "study_objective_worst_excess", "chinchilla_speedup",
             "chinchilla_objective", "frontier_seconds", "peak_memory_mib", "serve_requests_per_second",
             "serve_alone_p99_ms", "explorer_move_p50_ms", "explorer_move_p99_ms")
    return "\n".join(f"{name} = {numbers[name]:.10g}" for name in names if name in numbers)


def _write(path: Path, numbers: dict[str, object]) -> None:
    """Whole or not at all: written beside its place, then moved there."""
    handle, temporary = tempfile.mkstemp(dir=path.resolve().parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(numbers, file, indent=2, ensure_ascii=False, allow_nan=False)
            file.write("\n")
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


if __name__ == "__main__":
    sys.exit(main())
