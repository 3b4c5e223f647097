"""A recommendation for people: text for a terminal, HTML for a notebook.

Task and table names come from files that anybody may have written, so everything is escaped; the HTML fetches nothing
and runs nothing.
"""

from collections.abc import Iterable
from html import escape

from vidscale.cost.units import said
from vidscale.measurements import AVERAGE, WEIGHTED
from vidscale.recommend.recommendation import Command, Recommendation
from vidscale.recommend.wording import chance, configuration, decimals, error, size

Row = tuple[str, str]


def title(found: Recommendation) -> str:
    """What was asked: "Recommendation, average at 1M examples: paper-design (synthetic)"."""
    data = "" if found.question.data_size is None else f" at {size(found.question.data_size)} finetuning examples"
    table = f"{found.table} (synthetic)" if found.synthetic else found.table
    return f"Recommendation, {found.target}{data}: {table}"


def summary(found: Recommendation) -> list[Row]:
    """The answer in a few labelled lines."""
    c, e = found.cost, found.error
    budget = found.question.budget
    places = decimals((e.mean_high - e.mean_low) * 50)
    effect = " in effect" if found.target in (AVERAGE, WEIGHTED) else ""
    questions = "" if e.n_eval is None else f" of {e.n_eval:.0f} questions{effect}"
    out = [("configuration", configuration(found.configuration)),
           ("predicted error", error(e)),
           ("a new measurement" + questions, f"{100 * e.new_low:.{places}f} to {100 * e.new_high:.{places}f} %"),
           ("cost", said(c.value, c.unit) + ("" if budget is None else f" of {said(budget, c.unit)}")),
           ("probability of being the best", chance(found.probability_best)),
           ("near-ties", str(found.tie_count))]
    if c.seconds is not None and c.first_token_s is not None:
        out.append((f"on {c.gpu}", f"first token {said(c.first_token_s, 's')}, last {said(c.seconds, 's')}"))
    if c.memory_bytes is not None:
        out.append(("memory", f"{said(c.memory_bytes, 'bytes')} ({c.model})"))
    if c.dollars is not None:
        out.append(("price", f"${c.dollars:.4g} per million videos"))
    return out


def sections(found: Recommendation) -> list[tuple[str, list[str]]]:
    """Titled lists of sentences."""
    out = [("Why", list(found.why)), ("What would change it", [found.next_budget.sentence, found.next_data.sentence])]
    out[0] = ("Why", [each for each in found.why if each != found.next_budget.sentence])
    if found.comparison is not None:
        out.append(("Against what runs now", [found.comparison.sentence, *found.comparison.outside]))
    out.append(("Risks", [f"{risk.kind}: {risk.sentence}" for risk in found.risks]))
    for command in found.commands.values():
        head = f"{command.engine} {command.version}"
        what = [] if command.servable else ["not this configuration as it is:"]
        out.append((head, [*what, *command.needs, *([command.command] if command.command else []),
                           *command.notes, *_instead(command)]))
    out.append(("Notes", list(found.notes)))
    return [(name, lines) for name, lines in out if lines]


def _instead(command: Command) -> list[str]:
    if command.instead is None or command.instead_command is None:
        return []
    return [f"{configuration(command.instead)} as it is:", command.instead_command]


def near_ties(found: Recommendation) -> list[tuple[str, str, str]]:
    """(configuration, error, cost) of each near-tie."""
    return [(configuration(tie.configuration), f"{100 * tie.error:.2f} %", said(tie.cost, found.cost.unit))
            for tie in found.near_ties]


def text(found: Recommendation) -> str:
    """The recommendation as lines of plain text."""
    rows = summary(found)
    width = max(len(label) for label, _ in rows)
    lines = [title(found), "", *(f"  {label:<{width}}  {value}" for label, value in rows)]
    ties = near_ties(found)
    if ties:
        wide = max(len(each[0]) for each in ties)
        lines += ["", "Near-ties", *(f"  {x:<{wide}}  {e:>8}  {c}" for x, e, c in ties)]
    for name, sentences in sections(found):
        lines += ["", name, *(f"  {_capital(each)}" for each in sentences)]
    return "\n".join(_plain(line) for line in lines)


def html(found: Recommendation) -> str:
    """The recommendation as a piece of HTML that stands by itself."""
    rows = "".join(_row("th", [label])[:-5] + _row("td", [value])[4:] for label, value in summary(found))
    ties = "".join(_row("td", cells) for cells in near_ties(found))
    head = _row("th", ["near-tie", "error", "cost"])
    parts = [f"<h4>{escape(title(found))}</h4><table>{rows}</table>", f"<table>{head}{ties}</table>" if ties else ""]
    for name, sentences in sections(found):
        parts.append(f"<details{' open' if name in ('Why', 'Risks') else ''}><summary>{escape(name)}</summary>"
                     f"<ul>{_items(sentences)}</ul></details>")
    return f"<div class='vidscale-recommendation'>{''.join(parts)}</div>"


def _row(tag: str, cells: Iterable[str]) -> str:
    style = "text-align:left;padding-right:1em"
    return "<tr>" + "".join(f"<{tag} style='{style}'>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def _items(sentences: Iterable[str]) -> str:
    return "".join(f"<li>{escape(_capital(each))}</li>" for each in sentences)


def _capital(sentence: str) -> str:
    """A sentence with a capital, unless it starts with a command or a name."""
    first = sentence.split(" ", 1)[0]
    if not first.isalpha() or first in ("vllm", "python", "sglang"):
        return sentence
    return sentence[:1].upper() + sentence[1:]


def _plain(line: str) -> str:
    """A line without control characters, which a terminal would obey."""
    return "".join(c if c.isprintable() else "�" for c in line)


