"""`vidscale serve` as a process of its own, for the parts that ask it."""

import contextlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from machine import say

#: What a part says where the server cannot be started.
NEEDS = "not measured: needs vidscale[serve]"


def installed() -> bool:
    """Whether the libraries of the server are there."""
    return all(find_spec(name) is not None for name in ("fastapi", "uvicorn"))


@contextlib.contextmanager
def served() -> Iterator[tuple[int, int]]:
    """Port and process number of a server of `paper-design` with its default number of draws.

    Raises:
        RuntimeError: the server gave no address.
    """
    here = [sys.executable, "-m", "vidscale"]
    with tempfile.TemporaryDirectory() as folder:
        fit = Path(folder) / "fit.json"
        say("fitting paper-design")
        subprocess.run([*here, "fit", "paper-design", "--form", "add-interact", "--out", str(fit), "--quiet"],
                       check=True, stdout=subprocess.DEVNULL)
        process = subprocess.Popen([*here, "serve", str(fit), "--port", "0", "--no-open", "--quiet"],
                                   stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            found = re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())
            if found is None:
                raise RuntimeError("the server gave no address")
            yield int(found[1]), process.pid
        finally:
            process.terminate()
            process.wait(20)
