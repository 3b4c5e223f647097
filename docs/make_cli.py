"""Writes docs/cli.md, the reference of every verb, from the command line itself.

    python docs/make_cli.py          rewrite the page
    python docs/make_cli.py --check  exit 1 if the page says something else
"""

import inspect
import re
import sys
from pathlib import Path
from typing import Any

from typer.main import get_command

from vidscale.cli.app import VERBS, app
from vidscale.report.tables import Column, Table, to_markdown

PAGE = Path(__file__).parent / "cli.md"
EXAMPLES = ("Example:", "Examples:")


def words(text: str) -> str:
    """Text as one line; what Markdown or HTML would read is spelled so that it is shown."""
    line = re.sub(r"(?<![\w`-])(--?[a-z][a-z-]*)(?![\w`-])", r"`\1`", " ".join(text.split()))
    for mark in ("\\", "<", ">", "*", "_", "[", "]"):
        line = line.replace(mark, f"\\{mark}")
    return line


def code(text: str) -> str:
    return f"`{' '.join(text.split())}`"


def parts(verb: Any) -> tuple[list[str], list[str]]:
    """Paragraphs and example commands of a verb's help."""
    paragraphs: list[list[str]] = [[]]
    examples: list[str] = []
    inside = False
    for line in (inspect.getdoc(verb) or "").splitlines():
        if line.strip() in EXAMPLES:
            inside = True
        elif inside:
            examples += [line.strip()] if line.strip() else []
        elif line.strip() and line.strip() != "\b":
            paragraphs[-1].append(line.strip())
        elif paragraphs[-1]:
            paragraphs.append([])
    return [" ".join(each) for each in paragraphs if each], examples


def rows(context: Any, command: Any) -> list[tuple[str, str]]:
    """Arguments, then options, as (how it is written, what it says)."""
    found = []
    for parameter in sorted(command.params, key=lambda p: p.param_type_name != "argument"):
        record = parameter.get_help_record(context)
        if record is not None:
            found.append((code(record[0]), words(record[1])))
    return found


def section(name: str, command: Any, verb: Any) -> str:
    context = command.make_context(name, [], resilient_parsing=True)
    context.info_name = f"vidscale {name}"
    paragraphs, examples = parts(verb)
    usage = " ".join(command.collect_usage_pieces(context))
    table = Table(title="", columns=(Column(name="", words=True), Column(name="meaning", words=True)),
                  rows=tuple(rows(context, command)))
    shown = ["```text", f"vidscale {name} {usage}", *(["", *examples] if examples else []), "```", ""]
    said = (f"{words(each)}\n" for each in paragraphs)
    return "\n".join([f"## {name}\n", *said, *shown, to_markdown(table, title=False)])


def page() -> str:
    """The whole page."""
    group: Any = get_command(app)
    head = ("# Command line\n\nWritten by `docs/make_cli.py` from the command line itself. Every verb takes `--json` "
            "for the same data, prints tables on standard output and progress and notes on standard error, and ends "
            "with 2 and one line where its input cannot be used.\n")
    # Commands are registered in the order of VERBS.
    pairs = zip(group.commands.items(), VERBS, strict=True)
    return "\n".join([head, *(section(name, command, verb) for (name, command), verb in pairs)])


def main() -> int:
    new = page()
    if "--check" in sys.argv:
        return int(PAGE.read_text("utf-8") != new)
    PAGE.write_text(new, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
