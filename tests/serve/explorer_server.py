"""A real `vidscale serve` on a free loopback port, and what tests of its page read from it."""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Seconds that an answer may take on a busy machine.
ANSWER = 120

SETTLED = """() => document.body.dataset.settled === 'true'
    && ['answered', 'refused'].includes(document.getElementById('answer').dataset.state)"""


class Server:
    """One `vidscale serve` process; `stop` and `start` again on the same port."""

    def __init__(self, study: Path) -> None:
        self.study, self.port, self.address = study, 0, ""
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> "Server":
        command = [sys.executable, "-m", "vidscale", "serve", str(self.study), "--port", str(self.port), "--no-open",
                   "--quiet"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        assert found, f"no address from {' '.join(command)}: {line!r}"
        self.address, self.port = found[0], int(found[1])
        return self

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None


@contextlib.contextmanager
def serving(study: Path) -> Iterator[Server]:
    """A server of that study until the block ends."""
    server = Server(study)
    try:
        yield server.start()
    finally:
        server.stop()


def settle(page: Any, milliseconds: int = ANSWER * 1000) -> None:
    """Wait until answer, controls and address are one."""
    page.wait_for_function(SETTLED, timeout=milliseconds)


def plotted(page: Any) -> None:
    """Wait until the plots show the budget of the answer."""
    page.wait_for_function("() => document.getElementById('plots').dataset.drawn !== undefined", timeout=ANSWER * 1000)


def fields(page: Any) -> dict[str, tuple[str, str]]:
    """Field → (text on the page, exact value beside it), of the first element of each name."""
    out: dict[str, tuple[str, str]] = {}
    for name, text, value in _shown(page):
        out.setdefault(name, (text, value))
    return out


def listed(page: Any, name: str) -> list[tuple[str, str]]:
    """(text, exact value) of every element of one name, in order."""
    return [(text, value) for found, text, value in _shown(page) if found == name]


def _shown(page: Any) -> list[list[str]]:
    return page.evaluate("""() => [...document.querySelectorAll('[data-field]')]
        .map((node) => [node.dataset.field, node.textContent, node.value])""")
