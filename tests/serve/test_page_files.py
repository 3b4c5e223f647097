"""The page's files: all of them served, no markup from data, no policy that would have to be loosened."""

import re
from importlib.resources import files

from vidscale.serve.app import ASSETS, PAGE_FILES

FORBIDDEN = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function")
PAGE = files("vidscale.serve") / "page"


def test_every_file_of_the_page_is_served_and_nothing_else(client):
    assert {one.name for one in PAGE.iterdir()} == {"index.html", *PAGE_FILES}
    for address, (_, _, kind) in ASSETS.items():
        got = client.get(address)
        assert got.status_code == 200, address
        assert got.headers["content-type"] == kind
        assert "unsafe" not in got.headers["content-security-policy"]
    assert client.get("/assets/index.html").status_code == 404
    assert client.get("/assets/../app.py").status_code == 404


def test_imports_and_links_name_files_that_are_there():
    for name in PAGE_FILES:
        if name.endswith(".js"):
            for target in re.findall(r'^import .* from "\./(.+)";$', (PAGE / name).read_text(), re.MULTILINE):
                assert target in PAGE_FILES, f"{name} imports {target}"
    for target in re.findall(r'(?:href|src)="(/assets/[^"]+)"', (PAGE / "index.html").read_text()):
        assert target in ASSETS


def test_no_text_becomes_markup_or_code():
    for name in PAGE_FILES:
        text = (PAGE / name).read_text()
        assert not FORBIDDEN.search(text), name
        assert "https://" not in text.replace("http://www.w3.org", "")
    html = (PAGE / "index.html").read_text()
    assert not re.search(r"<style|style=|\son[a-z]+=|<script(?![^>]*src=)", html)


def test_lines_are_short():
    for name in (*PAGE_FILES, "index.html"):
        if name.endswith((".js", ".css", ".html")):
            long = [n for n, line in enumerate((PAGE / name).read_text().splitlines(), 1) if len(line) > 120]
            assert long == [], name


def test_the_style_sheet_for_plots_holds_rules_of_the_bundle():
    bundle = (files("vidscale.report") / "assets" / "plotly-cartesian.min.js").read_text()
    # The bundle leaves its style element out where it finds this id and class.
    assert "plotly.js-style-" in bundle
    assert ".no-inline-styles" in bundle
    assert 'id="plotly.js-style-global" class="no-inline-styles"' in (PAGE / "index.html").read_text()
    for rule in re.findall(r"\.plotly (\.[\w-]+)", (PAGE / "plot.css").read_text()):
        assert rule.lstrip(".") in bundle
