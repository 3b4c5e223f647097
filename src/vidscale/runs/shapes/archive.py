"""What a slice hands on: one archive with every row so far, the weights that later runs must share, and a log.

    rows.csv       one row per run and task, columns as in the measurements table, with provenance
    runs.jsonl     one line per attempt: state, times, losses, reason of failure
    study.json     the recipe's settings and digest, hashes of the tower and bases
    tower.pt       the tower's weights, 16 bits
    base-*.pt      bases, smallest first, as far as they fit; one that does not is made again, and its hash differs
"""

import csv
import dataclasses
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from vidscale.errors import InputError
from vidscale.runs.shapes.config import Study
from vidscale.runs.shapes.train import Weights, digest

ROWS, LOG, STUDY, TOWER, BASE = "rows.csv", "runs.jsonl", "study.json", "tower.pt", "base-{}.pt"

#: Most bytes of weights in an archive; a file handed on may have 16 MiB.
WEIGHT_BYTES = 14 * 2**20


@dataclass(kw_only=True)
class Results:
    """All that is known of a study so far; it grows while a slice runs.

    Attributes:
        rows: one per run and task.
        log: one entry per attempt.
        tower: the tower's weights, once there is one.
        bases: weights of base models, by language model.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    tower: Weights | None = None
    bases: dict[str, Weights] = field(default_factory=dict)

    @property
    def done(self) -> set[str]:
        """Runs that have rows."""
        return {row["run_id"] for row in self.rows}


def read_archives(places: Iterable[Path], study: Study) -> Results:
    """Join archives of one study; what is in several of them counts once.

    An archive may be of a recipe that plans other runs, as long as it makes each as this one does: what a study has
    been made of can be added to, and rows keep the digest of the recipe that they were made by.

    Raises:
        InputError: an archive cannot be read, is of a recipe that makes runs differently, was made with another tower,
            or contradicts another.
    """
    joined = Results()
    seen: dict[tuple[str, str], str] = {}
    for place in places:
        own = _read(place, study)
        if joined.tower and own.tower and digest(joined.tower) != digest(own.tower):
            raise InputError(f"{place} was made with another tower than the archives before it; their runs cannot be "
                             "compared")
        joined.tower = joined.tower or own.tower
        joined.bases |= {name: base for name, base in own.bases.items() if name not in joined.bases}
        for row in own.rows:
            key = (row["run_id"], row["task"])
            if key not in seen:
                seen[key] = row["error"]
                joined.rows.append(row)
            elif seen[key] != row["error"]:
                raise InputError(f"{place}: run {key[0]} was made twice, with different results; give one archive")
        joined.log += [entry for entry in own.log if entry not in joined.log]
    return joined


def _read(place: Path, study: Study) -> Results:
    try:
        with tarfile.open(place) as archive:
            files = {member.name: archive.extractfile(member).read()  # type: ignore[union-attr]
                     for member in archive.getmembers() if member.isfile()}
    except (OSError, tarfile.TarError, EOFError) as problem:
        raise InputError(f"the archive {place} cannot be read: {problem}") from None
    if STUDY not in files or ROWS not in files:
        raise InputError(f"{place} is no archive of a study: it lacks {STUDY} or {ROWS}")
    about = json.loads(files[STUDY])
    if about["digest"] != study.digest and not study.makes_alike(about["settings"]):
        raise InputError(f"{place} is of recipe {about['name']} {about['digest']}, which makes runs differently from "
                         f"{study.name} {study.digest}; a study keeps to one recipe")
    weights = {name: torch.load(io.BytesIO(content), weights_only=True) for name, content in files.items()
               if name.endswith(".pt")}
    bases = {name: weights[BASE.format(name)] for name in about["bases"] if BASE.format(name) in weights}
    return Results(rows=list(csv.DictReader(io.StringIO(files[ROWS].decode()))),
                   log=[json.loads(line) for line in files.get(LOG, b"").decode().splitlines()],
                   tower=weights.get(TOWER), bases=bases)


def write_archive(place: Path, study: Study, results: Results, *, weight_bytes: int = WEIGHT_BYTES) -> None:
    """The archive, whole or not at all."""
    about = {"name": study.name, "digest": study.digest, "settings": dataclasses.asdict(study),
             "tower": digest(results.tower) if results.tower else None,
             "bases": {name: digest(base) for name, base in results.bases.items()}}
    files: dict[str, bytes] = {
        ROWS: rows_csv(results.rows).encode(),
        LOG: "".join(json.dumps(entry) + "\n" for entry in results.log).encode(),
        STUDY: json.dumps(about, indent=1).encode(),
    }
    room = weight_bytes
    kept = ([(TOWER, results.tower)] if results.tower else []) + sorted(
        ((BASE.format(name), base) for name, base in results.bases.items()), key=lambda item: _size(item[1]))
    for name, weights in kept:
        room -= _size(weights)
        if room >= 0:
            held = io.BytesIO()
            torch.save(weights, held)
            files[name] = held.getvalue()
    place.parent.mkdir(parents=True, exist_ok=True)
    unfinished = place.with_name(f".{place.name}.part")
    with tarfile.open(unfinished, "w:gz", compresslevel=3) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    unfinished.replace(place)


def _size(weights: Weights) -> int:
    return sum(weight.numel() * 2 for weight in weights.values())


def rows_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as CSV text, columns in the order of the first row, then any others."""
    rows = list(rows)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
