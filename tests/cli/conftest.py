"""A small table of a known law, and the command line run in this process."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from vidscale.cli import main


def law(lm_params, frames, tokens, data_size):
    return 30 * lm_params**-0.3 + 0.2 * frames**-0.7 + 0.3 * tokens**-0.6 + 20 * data_size**-0.4 + 0.1


def small_frame() -> pd.DataFrame:
    """Two tasks, 54 runs."""
    rng = np.random.default_rng(7)
    rows = []
    for n in (1e9, 2.8e9, 7.5e9):
        for t in (4, 8, 16):
            for v in (16, 49, 196):
                for d in (2.5e5, 1e6):
                    for task, shift in (("ordering", 0.0), ("reading", 0.05)):
                        error = (law(n, t, v, d) + shift) * np.exp(0.01 * rng.standard_normal())
                        rows.append({"lm_params": n, "frames": t, "tokens_per_frame": v, "data_size": d, "task": task,
                                     "error": round(float(error), 5), "n_eval": 3000})
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    return small_frame()


@pytest.fixture
def table(frame, tmp_path, monkeypatch):
    """The small table as small.csv in a folder of its own, which is also the working folder."""
    monkeypatch.chdir(tmp_path)
    frame.to_csv("small.csv", index=False)
    return "small.csv"


@dataclass
class Outcome:
    code: int
    out: str
    err: str

    def refused(self) -> str:
        """The message of a refusal: exit code 2, one line on stderr, nothing on stdout."""
        assert self.code == 2, (self.code, self.out, self.err)
        assert self.out == ""
        lines = self.err.splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith("error: ")
        assert "Traceback" not in self.err
        return lines[0]


@pytest.fixture
def run(capsys):
    """Run the command line in this process."""
    def call(*arguments: str) -> Outcome:
        code = main([str(a) for a in arguments])
        caught = capsys.readouterr()
        return Outcome(code, caught.out, caught.err)

    return call
