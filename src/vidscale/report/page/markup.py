"""HTML from text that may say anything: everything is escaped here, and names keep their own direction."""

import html
import re
from collections.abc import Sequence

from vidscale.report.page.compact import one_line
from vidscale.report.tables import Table

#: The column whose cells are coloured by their first word.
SURE = "how sure"
#: Characters a row above which a table is printed in smaller type; base.js has the same.
WIDE = 95
#: Characters up to which a column of words keeps every cell on one line; base.js has the same.
BRIEF = 24
#: Tables of which every row becomes a block in a narrow window; base.js has the same.
STACKED = ("answer", "tasks")
#: A command's option, which no line may break.
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")


def esc(text: object) -> str:
    """Text as it may stand between tags and in quoted attributes.

    Example:
        >>> esc("</script>")
        '&lt;/script&gt;'
    """
    return html.escape(str(text), quote=True)


def name(text: str) -> str:
    """A name from the data: on one line, and isolated, so that a right-to-left one does not turn its sentence round."""
    return f"<bdi>{esc(one_line(text))}</bdi>"


def paragraphs(*sentences: str) -> str:
    """One paragraph a sentence, the empty ones left out; they are HTML already."""
    return "".join(f"<p>{each}</p>" for each in sentences if each)


def bullets(sentences: Sequence[str], kind: str = "") -> str:
    """A list; its entries are HTML already."""
    kept = [f"<li>{each}</li>" for each in sentences if each]
    return f'<ul class="{kind}">{"".join(kept)}</ul>' if kept else ""


def sentence(text: str) -> str:
    """Plain text as a sentence: escaped, a capital first, a full stop last."""
    text = one_line(text)
    if not text:
        return ""
    # A name such as lm_params keeps its letters.
    first = text.split(" ", 1)[0].rstrip(",;:")
    if first.isascii() and first.isalpha() and first.islower():
        text = text[0].upper() + text[1:]
    return prose(typeset(text if text[-1] in ".!?" else text + "."))


def prose(text: str) -> str:
    """Plain text as HTML, options of commands kept whole.

    Example:
        >>> prose("--budget, in FLOPs")
        '<span class="option">--budget</span>, in FLOPs'
    """
    return OPTION.sub(lambda found: f'<span class="option">{found[0]}</span>', esc(text))


def typeset(text: str) -> str:
    """Minus signs before numbers, and per cent signs that stay with theirs."""
    return re.sub(r"(?<![\w.)])-(?=[\d.])", "−", text).replace(" %", "\u00a0%")


def table_html(table: Table, *, key: str, caption: str, notes: bool = True) -> str:
    """A table in a box that scrolls sideways and can be reached by keyboard.

    Args:
        table: what to show.
        key: its id; the page's script finds it by that.
        caption: what it shows, plain text, in the table and as the box's name.
        notes: whether its notes are listed below.
    """
    wide = " wide" if _length(table) > WIDE else ""
    stacks = key in STACKED
    kinds = [_kind(table, k) for k in range(len(table.columns))]
    heads = "".join(f'<th scope="col"{_role("columnheader", stacks)}{kind}>{esc(column.header)}</th>'
                    for column, kind in zip(table.columns, kinds, strict=True))
    body = "".join(_row(row, table, kinds, stacks) for row in table.rows)
    said = bullets([prose(note) for note in table.notes], "notes") if notes else ""
    group = _role("rowgroup", stacks)
    return (f'<div class="table" id="table-{esc(key)}"><div class="scroll{wide}{" stacks" if stacks else ""}" '
            f'role="region" tabindex="0" aria-label="{esc(caption)}"><table{_role("table", stacks)}>'
            f'<caption>{esc(caption)}</caption><thead{group}><tr{_role("row", stacks)}>{heads}</tr></thead>'
            f'<tbody{group}>{body}</tbody></table></div><div class="table-notes">{said}</div></div>')


def _length(table: Table) -> int:
    """Characters of a row as long as its longest cells and the longest words of its heads."""
    return sum(max([len(word) for word in column.header.split(" ")] + [len(row[k]) for row in table.rows])
               for k, column in enumerate(table.columns))


def _row(row: Sequence[str], table: Table, kinds: Sequence[str], stacks: bool) -> str:
    cells = []
    for k, (text, column, kind) in enumerate(zip(row, table.columns, kinds, strict=True)):
        of = f' data-head="{esc(column.header)}"' if stacks else ""
        shown = name(text) if column.words else esc(text)
        if column.name == SURE:
            shown = f'<span class="sure {esc(re.split("[ ,]", text)[0])}">{esc(text)}</span>'
        cells.append(f'<th scope="row"{_role("rowheader", stacks)}{kind}{of}>{shown}</th>' if k == 0
                     else f"<td{_role('cell', stacks)}{kind}{of}>{shown}</td>")
    return f"<tr{_role('row', stacks)}>{''.join(cells)}</tr>"


def _role(role: str, stacks: bool) -> str:
    """What an element is to assistive technology where its look stops being a table's."""
    return f' role="{role}"' if stacks else ""


def _kind(table: Table, k: int) -> str:
    """The class of a column: words or numbers, and words so short that they need no second line."""
    if not table.columns[k].words:
        return ""
    brief = all(len(one_line(row[k])) <= BRIEF for row in table.rows)
    return f' class="words{" brief" if brief else ""}"'


def formula(text: str) -> str:
    """A formula in plain text (`vidscale.forms.text`) with real indices and powers.

    Example:
        >>> formula("2·x_N^(-0.5)")
        '2·x<sub>N</sub><sup>−0.5</sup>'
    """
    safe = esc(text)
    safe = re.sub(r"(\d)e([+-]?)0*(\d+)", lambda found: f"{found[1]}×10<sup>{found[2].replace('-', '−').strip('+')}"
                                                        f"{found[3]}</sup>", safe)
    safe = re.sub(r"\^\(([^()]*)\)", lambda found: f"<sup>{found[1].replace('-', '−')}</sup>", safe)
    return re.sub(r"\b([A-Za-zα-ω])_([A-Za-z])\b(?!\w)", r"\1<sub>\2</sub>", safe)


def plot(key: str, title: str, says: str, *, legend: bool = True, controls: str = "", reading: str = "") -> str:
    """The place of a plot: heading, what to see, controls, legend, panels, how to read it, its numbers as a table.

    Args:
        key: its name in the page's script, which fills it.
        title: heading, plain text.
        says: one or two sentences, HTML.
        legend: whether all panels share one.
        controls: form controls of its own, HTML.
        reading: how to read it, HTML.
    """
    tools = f'<div class="tools">{controls}</div>' if controls else ""
    return (f'<figure class="plot" id="plot-{esc(key)}" data-plot="{esc(key)}"><div class="keep"><h3>{esc(title)}</h3>'
            f'<p class="says">{says}</p>{tools}{"<ul class=legend></ul>" if legend else ""}'
            f'<div class="panels"></div><figcaption>{reading}</figcaption></div>'
            '<details class="numbers"><summary>Numbers of this plot</summary><div class="numbers-table"></div>'
            "</details></figure>")


def choice(key: str, label: str, options: Sequence[tuple[str, str]], chosen: str) -> str:
    """Radio buttons in a row: (value, HTML label) each."""
    buttons = "".join(
        f'<label><input type="radio" name="{esc(key)}" value="{esc(value)}"{" checked" if value == chosen else ""}>'
        f"<span>{text}</span></label>" for value, text in options)
    return f'<fieldset class="choice" data-choice="{esc(key)}"><legend>{esc(label)}</legend>{buttons}</fieldset>'


def selection(key: str, label: str, options: Sequence[tuple[str, str]], chosen: str) -> str:
    """A drop-down: (value, plain text) each."""
    listed = "".join(f'<option value="{esc(value)}"{" selected" if value == chosen else ""}>{esc(one_line(text))}'
                     "</option>" for value, text in options)
    return (f'<label class="selection"><span>{esc(label)}</span>'
            f'<select id="{esc(key)}" data-choice="{esc(key)}">{listed}</select></label>')
