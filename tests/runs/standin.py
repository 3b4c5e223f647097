"""A run that trains nothing: honours the contract of a run folder with the standard library alone.

    python standin.py FOLDER LOG [BEHAVIOURS.json]

It works in steps and goes on from the last one. Every deed is a line of LOG, outside the run's folder, so a run that
is carried out twice is seen: DOUBLE where another process was at it, AGAIN where it was already done.

BEHAVIOURS: run id → what goes wrong, or "pace": seconds per step.
"""

import csv
import fcntl
import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

STEPS = 4
TASKS = ("ordering", "reading")


def main(folder: Path, log: Path, behaviours: dict) -> int:
    run = json.loads((folder / "run.json").read_text())
    name = run["run_id"]
    behaviour, pace = behaviours.get(name, ""), behaviours.get("pace", 0.0)
    gate = os.open(log.with_suffix(f".{name}"), os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        note(log, "DOUBLE", name)
    if json.loads((folder / "state.json").read_text())["state"] == "done":
        note(log, "AGAIN", name)
    note(log, "start", name)
    state(folder, name, "running")
    place = folder / "progress"
    step = int(place.read_text()) if place.exists() else 0
    while step < STEPS:
        time.sleep(pace)
        step += 1
        whole(place, str(step))
        note(log, f"step-{step}", name)
        if step >= 2 and behaviour.startswith("once-"):
            mark = log.with_suffix(f".{name}.once")
            behaviour = "" if mark.exists() else behaviour.removeprefix("once-")
            mark.touch()
        if step >= 2 and behaviour:
            return misbehave(folder, name, behaviour)
    rows(folder, run)
    state(folder, name, "done")
    note(log, "finish", name)
    return 0


def misbehave(folder: Path, name: str, behaviour: str) -> int:
    if behaviour.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, behaviour))
        time.sleep(60)
    if behaviour == "silent":
        print("something went wrong deep inside", file=sys.stderr)
        return 3
    if behaviour == "no-rows":
        state(folder, name, "done")
        return 0
    if behaviour == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)
    if behaviour == "fill":
        with open(folder / "ballast", "wb") as file:
            while True:
                file.write(b"x" * 4096)
                file.flush()
    state(folder, name, "failed", reason=behaviour, message=f"as asked: {behaviour}")
    return 1


def rows(folder: Path, run: dict) -> None:
    n, t, v, d = run["lm_params"], run["frames"], run["tokens_per_frame"], run["data_size"]
    lines = []
    for number, task in enumerate(TASKS):
        noise = int.from_bytes(hashlib.sha256(f"{run['run_id']}{task}".encode()).digest()[:4]) / 2**32 - 0.5
        error = 30 * n**-0.3 + 0.2 * t**-0.7 + 0.3 * v**-0.6 + 20 * d**-0.4 + 0.1 + 0.05 * number + 0.01 * noise
        lines.append({"run_id": run["run_id"], "sweep": run["sweep"], "seed": run["seed"], "lm_params": n, "frames": t,
                      "tokens_per_frame": v, "data_size": d, "task": task, "error": round(error, 6), "n_eval": 3000,
                      "commit": "abc"})
    draft = folder / "rows.csv.new"
    with open(draft, "w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    os.replace(draft, folder / "rows.csv")


def state(folder: Path, name: str, what: str, reason: str | None = None, message: str = "") -> None:
    whole(folder / "state.json", json.dumps({"schema": "vidscale-run-state", "version": 1, "run_id": name,
                                             "state": what, "reason": reason, "message": message, "notes": []}))


def whole(place: Path, text: str) -> None:
    draft = place.with_name(f"{place.name}.{os.getpid()}")
    draft.write_text(text)
    os.replace(draft, place)


def note(log: Path, what: str, name: str) -> None:
    with open(log, "ab") as file:
        file.write(f"{what} {name} {os.getpid()}\n".encode())


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[3]).read_text()) if len(sys.argv) > 3 else {}
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), given))
