"""The code blocks of README and docs: read from Markdown, and run page by page in a folder of their own.

A `console` block holds commands after "$ " and, where it shows any, their output: every shown line has to come in that
order, a line "…" standing for any others. A `python` block is run in the page's own namespace; a `text` block right
after it is what it prints. A block after `<!-- file: NAME -->` is written to that file first. What is not run is in
NOT_RUN with the reason.
"""

import contextlib
import io
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vidscale.cli import main

ROOT = Path(__file__).parents[1]
#: Pages whose blocks are covered elsewhere, with where.
ELSEWHERE = {
    "docs/cli.md": "written from the command line itself; tests/cli/test_cli_verbs.py runs every documented example",
    "docs/RESULTS.md": "written by make results and held to it by tests/test_results_page.py; it has no code",
}
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def pages() -> list[str]:
    """README and every page of the site, by path from the root."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    names = [path.relative_to(ROOT).as_posix() for path in found]
    return [name for name in names if name not in ELSEWHERE]


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block: where it starts, its language, its lines, and what the comment before it says."""

    page: str
    line: int
    language: str
    text: str
    comment: str = ""

    @property
    def file(self) -> str:
        """The file that the block is to be written to; "" for none."""
        found = re.fullmatch(r"file: (\S+)", self.comment)
        return found[1] if found else ""


def blocks(page: str) -> list[Block]:
    """Every fenced block of a page, in order."""
    found, lines = [], (ROOT / page).read_text("utf-8").splitlines()
    number = 0
    while number < len(lines):
        opened = re.fullmatch(r"(\s*)(`{3,}|:{3,})(\S.*|)", lines[number])
        if not opened:
            number += 1
            continue
        opened_at = number + 1
        indent, fence, language = opened[1], opened[2], opened[3].strip()
        end = number + 1
        while end < len(lines) and lines[end].strip() != fence:
            end += 1
        above = opened_at - 2
        while above >= 0 and not lines[above].strip():
            above -= 1
        said = re.fullmatch(r"<!--\s*(.*?)\s*-->", lines[above].strip()) if above >= 0 else None
        text = "\n".join(line.removeprefix(indent) for line in lines[opened_at:end])
        number = end + 1
        if language.startswith("{"):  # a directive lays the page out; it is no code
            continue
        found.append(Block(page=page, line=opened_at, language=language, text=text, comment=said[1] if said else ""))
    return found


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command of a console block and the output that the page shows; None where it shows none."""

    text: str
    output: tuple[str, ...] | None


def commands(block: Block) -> list[Command]:
    """The commands of a console block."""
    found: list[tuple[str, list[str]]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found and found[-1][0].endswith("\\"):
            found[-1] = (found[-1][0][:-1] + line.strip(), [])
        else:
            assert found, f"{block.page}:{block.line} shows output before any command"
            found[-1][1].append(line)
    return [Command(text=" ".join(shlex.split(text, comments=True, posix=False)),
                    output=tuple(lines) if any(line.strip() for line in lines) else None) for text, lines in found]


class _Terminal(io.StringIO):
    """Standard output as a terminal 116 columns wide."""

    def isatty(self) -> bool:
        return True


def run_command(text: str) -> str:
    """What a vidscale command prints; it must succeed."""
    out, err = _Terminal(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(shlex.split(text)[1:])
    assert code == 0, f"{text}: exit code {code}\n{err.getvalue()}"
    return ANSI.sub("", out.getvalue())


def assert_shown(shown: tuple[str, ...], said: str, where: str) -> None:
    """Every shown line is among what was said, in this order, without gaps but at "…"."""
    actual, at, gap = [line.rstrip() for line in said.splitlines()], 0, False
    for line in (each.rstrip() for each in shown):
        if line.strip() == "…":
            gap = True
            continue
        while gap and at < len(actual) and actual[at] != line:
            at += 1
        got = actual[at] if at < len(actual) else "the end of the output"
        assert got == line, f"{where} shows\n  {line}\nbut what comes there is\n  {got}\nof\n{said[:3000]}"
        at, gap = at + 1, False


@dataclass
class Reader:
    """Somebody who follows a page from top to bottom in an empty folder.

    Attributes:
        not_run: commands and blocks to pass over, by page and first line.
        passed: those that were.
        ran: how many blocks and commands were run.
    """

    not_run: dict[tuple[str, str], str]
    passed: set[tuple[str, str]] = field(default_factory=set)
    ran: int = 0

    def follow(self, page: str) -> None:
        """Run a page's blocks; the working folder is the reader's."""
        names: dict[str, Any] = {"__name__": "__main__"}
        printed: str | None = None
        for block in blocks(page):
            where = f"{page}:{block.line}"
            if self._skips(page, block.text.splitlines()[0] if block.text else ""):
                printed = None
            elif block.file:
                Path(block.file).write_text(block.text + "\n", "utf-8")
                self.ran, printed = self.ran + 1, None
            elif block.language == "console":
                self._console(page, block)
                printed = None
            elif block.language == "python":
                out = io.StringIO()
                with contextlib.redirect_stdout(out):
                    exec(compile(block.text, where, "exec"), names)
                self.ran, printed = self.ran + 1, out.getvalue()
            elif block.language == "text" and printed is not None:
                assert_shown(tuple(block.text.splitlines()), printed, where)
                self.ran, printed = self.ran + 1, None
            else:
                raise AssertionError(f"{where}: a {block.language or 'nameless'} block is neither run nor listed in "
                                     "NOT_RUN of tests/test_docs.py with a reason")

    def _console(self, page: str, block: Block) -> None:
        for command in commands(block):
            if self._skips(page, command.text):
                continue
            assert command.text.startswith("vidscale "), (
                f"{page}:{block.line}: {command.text!r} is no vidscale command; list it in NOT_RUN with a reason")
            said = run_command(command.text)
            self.ran += 1
            if command.output is not None:
                assert_shown(command.output, said, f"{page}:{block.line}")

    def _skips(self, page: str, first: str) -> bool:
        if (page, first) in self.not_run:
            self.passed.add((page, first))
            return True
        return False


def wide_terminal() -> dict[str, str]:
    """Environment of a terminal 116 columns wide that shows no colours."""
    return {"COLUMNS": "116", "LINES": "50", "NO_COLOR": "1", "TERM": "xterm"}
