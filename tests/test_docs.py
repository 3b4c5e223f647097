"""README and docs keep what they show: blocks run, the reference is the command line's own, the site builds whole."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from doc_blocks import ELSEWHERE, ROOT, Reader, blocks, pages, wide_terminal

DOCS = ROOT / "docs"
BUILT = importlib.util.find_spec("sphinx") is not None and importlib.util.find_spec("furo") is not None

_SETS_UP = "sets up an environment; .ci/run does it"
_OWN_TABLE = "needs a table of the reader's own; docs/guides/table.md runs it on a bundled one"
#: (page, first line of the command or block) → why it is not run.
NOT_RUN: dict[tuple[str, str], str] = {
    ("README.md", "make demo"): _SETS_UP,
    ("README.md", "pip install ."): _SETS_UP,
    ("README.md", "vidscale study runs.csv --out my-study"): _OWN_TABLE,
    ("README.md", "vidscale serve my-study"): "serves until it is stopped; tests/serve starts it",
    ("README.md", "lm_params,frames,tokens_per_frame,data_size,task,error,n_eval,sweep"):
        "one row for illustration; no law can be fitted to it",
    ("README.md", "vidscale study runs.csv --map error=acc --metric score --unit error=percent --unit lm_params=B"):
        _OWN_TABLE,
    ("README.md", "pip install '.[train]'"): _SETS_UP,
    ("README.md", "vidscale plan star isoflop --recipe recipe.toml --out plan.toml"):
        "needs a recipe with real models; docs/guides/plan.md runs plan, sweep and collect on tiny ones",
    ("README.md", "vidscale sweep plan.toml --out sweep --workers 4"): "as above",
    ("README.md", "vidscale status sweep"): "as above",
    ("README.md", "vidscale collect sweep --out runs.csv"): "as above",
    ("README.md", "src/vidscale/"): "the tree of the source; test_tree_of_the_readme_is_the_sources holds it",
    ("docs/guides/table.md", "vidscale import results --from lmms-eval --out runs.csv --set tokens_per_frame=196 "
                             "--model org__vlm:lm_params=7.6e9"):
        "needs another tool's results; tests/cli/test_import_verb.py runs it on a fixture",
    ("docs/guides/plan.md", "pip install 'vidscale[train]'"): _SETS_UP,
    ("docs/explorer.md", "pip install 'vidscale[serve]'"): _SETS_UP,
    ("docs/explorer.md", "vidscale serve my-study"): "serves until it is stopped; tests/serve starts it",
}


@pytest.mark.parametrize("page", pages())
def test_every_block_of_a_page_runs(page, tmp_path, monkeypatch):
    """In order, in one folder, on a terminal 116 columns wide."""
    for name, value in wide_terminal().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    reader = Reader(not_run=NOT_RUN)
    reader.follow(page)
    assert reader.passed == {key for key in NOT_RUN if key[0] == page}


def test_reasons_are_reasons():
    assert {page for page, _ in NOT_RUN} <= set(pages())
    assert all(len(reason) > 5 for reason in (*NOT_RUN.values(), *ELSEWHERE.values()))


def test_something_is_run():
    found = [block for page in pages() for block in blocks(page)]
    assert sum(block.language == "console" for block in found) >= 12
    assert sum(block.language == "python" for block in found) >= 6


def load(script: str):
    spec = importlib.util.spec_from_file_location(script, DOCS / f"{script}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_the_command_lines_own():
    assert load("make_cli").page() == (DOCS / "cli.md").read_text("utf-8"), "run python docs/make_cli.py"


def rooms() -> set[str]:
    """The folders of the package."""
    return {path.parent.name for path in (ROOT / "src" / "vidscale").glob("*/__init__.py")}


def test_every_room_has_a_page():
    documented = rooms() - {"cli"}
    listed = re.findall(r"^(\w+)$", (DOCS / "api" / "index.md").read_text("utf-8"), flags=re.MULTILINE)
    assert {path.stem for path in (DOCS / "api").glob("*.md")} == {*documented, "errors", "index"}
    assert sorted(listed) == sorted({*documented, "errors"})


def test_verbs_and_options_in_prose_exist():
    from typer.main import get_command

    from vidscale.cli.app import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    seen = set()
    for page in pages():
        text = (ROOT / page).read_text("utf-8")
        for verb, rest in re.findall(r"vidscale ([a-z]+)([^`\n]*)", "\n".join(re.findall(r"`[^`\n]+`", text))):
            if verb in commands:
                seen.add(verb)
                known = {name for p in commands[verb].params for name in (*p.opts, *p.secondary_opts)} | {"--help"}
                assert set(re.findall(r"--[a-z-]+", rest)) <= known, (page, verb, rest)
    assert seen >= {"study", "fit", "frontier", "predict", "compare", "elasticity", "cost", "template", "calibrate"}


def test_links_lead_somewhere():
    for page in [*pages(), *ELSEWHERE]:
        path = ROOT / page
        if not path.exists():
            continue
        for link in re.findall(r"\]\(([^)#:\s]+)(?:#[\w-]+)?\)", path.read_text("utf-8")):
            assert (path.parent / link).exists(), f"{page}: {link}"


def test_tree_of_the_readme_is_the_sources():
    listed = re.findall(r"^  (\w+)/ ", (ROOT / "README.md").read_text("utf-8"), flags=re.MULTILINE)
    assert sorted(listed) == sorted(rooms())


def test_contributing_names_every_room_in_the_order_of_the_import_contract():
    listed = re.search(r"A folder is a stage: (.*?)\.", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), flags=re.DOTALL)
    layers = re.search(r"layers =\n((?:    .*\n)+)", (ROOT / ".importlinter").read_text("utf-8"))
    assert listed
    assert layers
    contract = [name for line in layers[1].split() if (name := line.removeprefix("vidscale.")) in rooms()]
    assert re.findall(r"`(\w+)`", listed[1]) == contract[::-1]


@pytest.mark.slow
@pytest.mark.skipif(not BUILT, reason="needs vidscale[docs]")
def test_the_site_builds_without_a_warning_and_fetches_nothing(tmp_path):
    """As make docs, which .ci/run does; twenty seconds."""
    site = tmp_path / "site"
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q", "-E", "-d",
               str(tmp_path / "doctrees"), str(DOCS), str(site)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    names = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    assert names >= {"index.html", "guides/table.html", "cli.html", "api/frontier.html", "method.html"}
    for path in site.rglob("*"):
        if path.suffix in (".html", ".css"):
            assert not outside(path), path


def outside(path: Path) -> list[str]:
    """What a page would load from another machine: scripts, styles, images, fonts; links to read do not count."""
    text = path.read_text("utf-8")
    loaded = re.findall(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?((?:https?:)?//[^\"'> ]+)", text)
    for link in re.findall(r"<link\b[^>]*>", text):
        if not re.search(r"rel=[\"'](?:canonical|next|prev|author)", link):
            loaded += re.findall(r"href=[\"']((?:https?:)?//[^\"']+)", link)
    return loaded + re.findall(r"(?:@import|url\()\s*[\"']?((?:https?:)?//[^\"')]+)", text)
