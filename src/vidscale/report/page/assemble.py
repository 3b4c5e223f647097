"""The page as one file: style, data, script and text, under a policy that forbids every request.

The same study gives the same bytes. Scripts run by their hash only, so nothing that a table's name smuggles in can.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import vidscale
from vidscale.cost.deployment import CostSettings
from vidscale.report.page import sections
from vidscale.report.page.answer_data import answer_data, axes_of
from vidscale.report.page.compact import one_line, table_data
from vidscale.report.page.evidence_data import evidence_data
from vidscale.report.page.markup import bullets, choice, esc, name, selection, sentence
from vidscale.report.page.words import warnings
from vidscale.report.sentences import SYNTHETIC, cost_sentence, settings_sentence
from vidscale.report.tables import Table

if TYPE_CHECKING:
    from vidscale.study import Study

#: The page's own scripts, in the order they run.
SCRIPTS = ("base.js", "answer.js", "evidence.js", "start.js")
FILES = {
    "report.html": "this page",
    "summary.md": "the same answer as text",
    "fit.json": "the fitted laws and their draws; vidscale predict, frontier and elasticity read it",
    "study.json": "every number here with all its digits, settings included",
    "frontier.csv": "the recommendation for every task, data size and budget",
    "fitted.csv": "every measured error beside the fitted one",
}


def report_page(study: "Study", *, versions: dict[str, Any] | None = None, files_beside: Sequence[str] = (),
                tick=lambda text: None) -> str:
    """The report of a study as HTML.

    Args:
        study: the study.
        versions: packages whose version can move a last digit.
        files_beside: names of the files that lie beside the page.
        tick: called with a line of text as work goes on.
    """
    data = {"axes": axes_of(study), **answer_data(study, tick), **evidence_data(study, tick)}
    text = _body(study, data, versions or {}, files_beside)
    data["targets"] = [one_line(target) for target in study.model.targets]
    data["target_words"] = sections.lead_words(study)
    data["budget_words"] = sections.budget_words(study)
    data["chosen_form"], data["level"] = study.form, f"{100 * study.settings.level:.4g}\u00a0%"
    data["tables"] = _tables(sections.variants(study, data))
    return _document(study, text, data)


def _tables(found: Any) -> Any:
    if isinstance(found, Table):
        return table_data(found)
    if isinstance(found, dict):
        return {key: _tables(item) for key, item in found.items()}
    return [_tables(item) for item in found]


def asset(*parts: str) -> str:
    """A file that comes with the package, as text."""
    return files("vidscale.report").joinpath(*parts).read_text("utf-8")


def _document(study: "Study", text: str, data: dict[str, Any]) -> str:
    plotly, own = asset("assets", "plotly-cartesian.min.js"), "\n".join(asset("page", part) for part in SCRIPTS)
    own = f'"use strict";\n(() => {{\n{own}\n}})();'
    style = asset("assets", "tokens.css") + asset("page", "report.css")
    policy = ("default-src 'none'; script-src " + " ".join(_hash(script) for script in (plotly, own))
              + "; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'")
    title = f"{one_line(study.table.name)}: which configuration for which budget"
    return "\n".join([
        "<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta name="generator" content="vidscale {esc(vidscale.__version__)}">',
        '<meta name="referrer" content="no-referrer">', f"<title>{esc(title)}</title>",
        '<link rel="icon" href="data:,">', f"<style>{style}</style>", "</head>", "<body>", text,
        f'<script type="application/json" id="page-data">{embedded(data)}</script>',
        f"<script>{plotly}</script>", f"<script>{own}</script>", "</body>", "</html>", ""])


def embedded(data: Any) -> str:
    """JSON that may stand inside a script element: no text in it can end the element or open a comment."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


# --- body -----------------------------------------------------------------------------------------------------


def _body(study: "Study", data: dict[str, Any], versions: dict[str, Any], beside: Sequence[str]) -> str:
    parts = [
        ("answer", "The answer", sections.answer(study, data) + sections.paths(study, data) + sections.tasks(study)
         + sections.current(study) + sections.details(study)),
        ("gain", "What it gains", sections.gain(study)),
        ("evidence", "What it rests on", sections.evidence(study, data)),
        ("contours", "What makes up for what", sections.contours(study, data)),
        ("moves", "How the optimum moves with data", sections.moves(study)),
        ("law", "The law", sections.law(study, data)),
        ("trust", "How far to trust it", sections.trust(study)),
        ("provenance", "Where it comes from", _provenance(study, versions, beside)),
    ]
    links = "".join(f'<li><a href="#{key}">{esc(title)}</a></li>' for key, title, _ in parts)
    whole = "".join(f'<section id="{key}" aria-labelledby="{key}-head"><h2 id="{key}-head">{esc(title)}</h2>{inside}'
                    "</section>" for key, title, inside in parts)
    return (f'<a class="skip" href="#answer">Skip to the answer</a>{_header(study)}{_bar(study, data)}'
            f'<div class="page"><nav class="contents" aria-label="Contents"><ol>{links}</ol></nav>'
            f"<main>{_before(study)}<noscript><p class=\"callout warn\">The plots need JavaScript; the tables and all "
            f"text do not. The same plots lie as pictures in the folder figures.</p></noscript>{whole}</main></div>"
            '<footer><p>Made by vidscale. This file needs no network and sends nothing anywhere.</p></footer>')


def _header(study: "Study") -> str:
    tag = ' <span class="tag">synthetic</span>' if study.table.synthetic else ""
    runs = f"{len(study.obs)} runs, {len(study.table)} measurements, {len(study.table.tasks)} task" \
           f"{'s' if len(study.table.tasks) > 1 else ''}"
    return (f'<header><p class="brand">vidscale report</p><h1>{name(study.table.name)}{tag}</h1>'
            f'<p class="subtitle">Which configuration for which budget · {esc(runs)} · form {name(study.form)}</p>'
            '</header>')


def _bar(study: "Study", data: dict[str, Any]) -> str:
    """What is shown everywhere below: task, data sizes; and the page's look."""
    targets = [(str(i), target) for i, target in enumerate(study.model.targets)]
    task = selection("target", "Task", targets, "0") if len(targets) > 1 else ""
    sizes = choice("size", "Finetuning examples", [(str(i), esc(each)) for i, each in enumerate(data["size_names"])],
                   str(len(data["sizes"]) - 1 if None in data["sizes"] else _largest(data["sizes"])))
    sizes = sizes if len(data["sizes"]) > 1 else ""
    return (f'<div class="bar" role="region" aria-label="What is shown"><div class="bar-inside">{task}{sizes}'
            '<div class="look"><button type="button" id="theme">Theme: system</button>'
            '<button type="button" id="print">Print</button></div></div></div>')


def _largest(sizes: list[float]) -> int:
    return max(range(len(sizes)), key=lambda i: sizes[i])


def _before(study: "Study") -> str:
    """What must be known before anything is used."""
    parts = [f'<p class="callout warn"><strong>{esc(SYNTHETIC)}</strong></p>'] if study.table.synthetic else []
    found = warnings(study)
    if found:
        parts.append('<div class="callout warn" role="note"><p><strong>Before you use this</strong></p>'
                     f'{bullets([sentence(each) for each in found])}<p>More under <a href="#trust">how far to trust '
                     "it</a>.</p></div>")
    return "".join(parts)


def _provenance(study: "Study", versions: dict[str, Any], beside: Sequence[str]) -> str:
    rows = [("Table", name(study.table.name)), ("Data hash", f"<code>{esc(study.table.data_hash)}</code>"),
            ("vidscale", esc(vidscale.__version__)),
            ("Packages", esc(", ".join(f"{each} {found}" for each, found in versions.items() if found))),
            ("Settings", sentence(settings_sentence(study))),
            ("Cost", sentence(cost_sentence(study)) if study.settings.cost != CostSettings()
             else sentence(f"{study.frontier.cost} formula, {study.frontier.unit} per video")),
            ("Predictor", esc(study.frontier.predictor)),
            ("Choices", esc(f"{study.frontier.lattice.name}, {len(study.frontier.lattice)} configurations"))]
    listed = "".join(f"<dt>{esc(term)}</dt><dd>{said}</dd>" for term, said in rows if said)
    known = [f"<code>{esc(each)}</code>: {esc(FILES[each])}" for each in beside if each in FILES]
    return (f"<dl>{listed}</dl><p>The same table, settings and version give the same file, byte for byte.</p>"
            + (f"<h3>Files beside this page</h3>{bullets(known)}" if known else "")
            + "<h3>Method</h3><p>Wang et al., <cite>Inference Compute-Optimal Video Vision Language Models</cite>, ACL "
              "2025 (arXiv 2505.18855), as vidscale implements it.</p>")
