"""The shared design tokens: both dark blocks agree, and every colour reaches its contrast."""

import re
from importlib.resources import files

import pytest

TOKENS = (files("vidscale.report") / "assets" / "tokens.css").read_text("utf-8")
#: Contrast that WCAG 2.2 AA asks of text (1.4.3) and of lines and marks (1.4.11).
TEXT, MARK = 4.5, 3.0


def _block(selector: str) -> dict[str, str]:
    found = re.search(re.escape(selector) + r"\s*\{([^}]*)\}", TOKENS)
    assert found, selector
    body = re.sub(r"/\*.*?\*/", "", found[1], flags=re.S)
    parts = (line.partition(":") for line in body.split(";"))
    return {name.strip(): value.strip() for name, _, value in parts if value}


LIGHT = _block(":root")
DARK = LIGHT | _block(':root[data-theme="dark"]')


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    """Contrast ratio of two colours by WCAG 2."""
    high, low = sorted((_luminance(one), _luminance(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_black_and_white():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


def test_both_dark_blocks_hold_the_same_values():
    assert _block(':root[data-theme="dark"]') == _block(':root:not([data-theme="light"])')


@pytest.mark.parametrize("tokens", [LIGHT, DARK], ids=["light", "dark"])
def test_text_reaches_its_contrast(tokens):
    pairs = [(text, under) for text in ("--text", "--text-muted", "--link") for under in
             ("--bg", "--surface", "--surface-2")]
    pairs += [("--accent-text", "--accent"), ("--text", "--accent-soft"), ("--link", "--accent-soft")]
    pairs += [(f"--{kind}-text", f"--{kind}-bg") for kind in ("warn", "good", "bad")]
    low = {pair: round(contrast(*(tokens[name] for name in pair)), 2) for pair in pairs}
    assert not {pair: found for pair, found in low.items() if found < TEXT}


@pytest.mark.parametrize("tokens", [LIGHT, DARK], ids=["light", "dark"])
def test_lines_and_marks_reach_theirs(tokens):
    marks = [name for name in tokens if re.match(r"--(series|seq)-\d", name)]
    assert len(marks) == 12
    marks += ["--axis", "--neutral-mark", "--border-strong", "--focus", "--accent", "--warn-line", "--good-line",
              "--bad-line"]
    low = {(name, under): round(contrast(tokens[name], tokens[under]), 2) for name in marks
           for under in ("--bg", "--surface")}
    assert not {pair: found for pair, found in low.items() if found < MARK}
