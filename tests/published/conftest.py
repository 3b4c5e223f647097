"""Other people's measurements, read where they lie: beside the repository, never inside it."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def _shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"the published data are not here: no {name} in ../shared/data beside the repository")
    return path


@pytest.fixture(scope="session")
def chinchilla():
    """(x, loss): parameters and tokens of all 245 digitised rows (Besiroglu et al. 2024)."""
    with _shared("chinchilla_epoch.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    params = np.array([float(row["Model Size"]) for row in rows])
    flops = np.array([float(row["Training FLOP"]) for row in rows])
    return np.stack([params, flops / (6 * params)], axis=1), np.array([float(row["loss"]) for row in rows])


@pytest.fixture(scope="session")
def chinchilla_240(chinchilla):
    """(x, loss) without the five highest losses, as Besiroglu et al. fit it."""
    x, loss = chinchilla
    keep = np.sort(np.argsort(loss, kind="stable")[:-5])
    return x[keep], loss[keep]


@pytest.fixture(scope="session")
def gemstones():
    """A reader of one file: columns by name, and the final loss (McLeish et al. 2025)."""

    def read(name: str, columns: tuple[str, ...]):
        lines = _shared(f"gemstones/{name}").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        return (np.array([[float(row[c]) for c in columns] for row in rows]),
                np.array([row["final_loss"] for row in rows]))

    return read


@pytest.fixture(scope="session")
def li2024():
    """(x, error): LM size in billions, visual tokens; 1 - score (Li et al. 2024, arXiv 2411.03312)."""
    with _shared("li2024_vlm.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    x = np.array([[float(row["lm_params"]) / 1e9, float(row["tokens_per_frame"])] for row in rows])
    return x, 1 - np.array([float(row["score"]) for row in rows])
