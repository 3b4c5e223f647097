"""What the option parser refuses, said as every other refusal is: what was seen, what is allowed, the next step."""

import re
from collections import Counter
from typing import Any

from typer.core import TyperCommand

from vidscale.errors import InputError


class Verb(TyperCommand):
    """A verb that takes one value of an option of which other verbs take several, and says so.

    The parser would keep the last of two budgets without a word. Options that take one value everywhere may be
    overridden by a later one, as elsewhere.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The parser's own, after a look at what is given how often."""
        if not ctx.resilient_parsing and ctx.parent is not None:
            verbs = ctx.parent.command.commands
            several = {option.name for verb in verbs.values() for option in verb.params
                       if getattr(option, "multiple", False)}
            _, _, order = self.make_parser(ctx).parse_args(args=list(args))
            for given, count in Counter(order).items():
                option: Any = given
                if count > 1 and not getattr(option, "multiple", False) and option.name in several:
                    times = "twice" if count == 2 else f"{count} times"
                    raise InputError(f"{_name(option)} is given {times}, and vidscale {self.name} takes one value; "
                                     "leave all but one out")
        return super().parse_args(ctx, args)


def refusal(problem: Any) -> str:
    """One line for what the option parser raised.

    Args:
        problem: its exception, which formats itself; what could not be converted has the option and, where the parser
            knows it, the converter's complaint.
    """
    option = getattr(problem, "param", None)
    seen, kind, bound = _complaint(problem)
    if option is None or kind is None:
        return problem.format_message()
    what = f"{_name(option)} {seen!r}" if seen is not None else _name(option)
    metavar = getattr(option, "metavar", None)
    taken = f" ({metavar})" if metavar and metavar.isalpha() else ""
    if kind == "bound":
        return f"{what} is out of range; {bound}"
    number = "whole number" if kind == "int" else "number"
    return f"{what} is no {number}{taken}; write one such as {_example(seen, kind, option)}"


def _name(option: Any) -> str:
    return max(option.opts, key=len) if getattr(option, "param_type_name", "option") == "option" else option.name


def _complaint(problem: Any) -> tuple[str | None, str | None, str]:
    """(what was written, "int", "float", "bound" or None, the allowed range) of a value that could not be converted."""
    cause = problem.__cause__
    if callable(getattr(cause, "errors", None)):
        first = cause.errors()[0]
        kind = str(first.get("type", ""))
        seen = None if first.get("input") is None else str(first["input"])
        limits = {"greater_than_equal": ("ge", "at least"), "greater_than": ("gt", "more than"),
                  "less_than_equal": ("le", "at most"), "less_than": ("lt", "less than")}
        if kind in limits:
            key, words = limits[kind]
            return seen, "bound", f"allowed is {words} {first['ctx'][key]:g}"
        for name in ("int", "float"):
            if kind.startswith(f"{name}_"):
                return seen, name, ""
        return seen, None, ""
    found = re.search(r"^'?(.*?)'? is not a valid (integer|float)", str(getattr(problem, "message", "")))
    if found is None:
        return None, None, ""
    return found[1], "int" if found[2] == "integer" else "float", ""


def _example(seen: str | None, kind: str, option: Any) -> str:
    """A number close to what was written, or else the default."""
    number = re.match(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", (seen or "").strip().replace(",", ""))
    usual = getattr(option, "default", None)
    value = float(number[0]) if number is not None else float(usual) if isinstance(usual, int | float) else 8.0
    if kind == "int" and abs(value) < 1e15:
        return str(round(value))
    return f"{value:g}"
