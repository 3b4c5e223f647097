"""A recommendation shown: in a terminal nothing is obeyed, in a notebook nothing is run or fetched."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from vidscale.recommend import Question, recommend
from vidscale.space import ScalingFactors

NOW = ScalingFactors(lm_params=2.8e9, frames=8, tokens_per_frame=100)
EVIL = "<script>alert(1)</script>\x1b[31m\n& \"'"


@pytest.fixture(scope="module")
def found(known_model):
    return recommend(known_model, Question(budget=12e12, current=NOW, task="long <b>video</b>"))


class Tags(HTMLParser):
    """Tags and attributes of a page, and whether they close."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], set()

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen |= {tag, *(name for name, _ in attrs)}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html_is_whole_escaped_and_fetches_nothing(found):
    for one in (found, replace(found, table=EVIL, target=EVIL, notes=(EVIL,), why=(EVIL,))):
        shown = one._repr_html_()
        tags = Tags()
        tags.feed(shown)
        assert tags.open == []
        assert tags.seen <= {"div", "h4", "table", "tr", "th", "td", "details", "summary", "ul", "li", "class", "style",
                             "open"}
        assert "<script" not in shown
        assert "<b>video" not in shown
        assert not re.search(r"https?:|url\(|src=|on\w+=", shown)
    assert "long &lt;b&gt;video&lt;/b&gt;" in found._repr_html_()


def test_text_has_every_part_and_no_control_characters(found):
    shown = repr(found)
    assert shown.startswith("Recommendation, long <b>video</b> at 1M finetuning examples: known")
    for title in ("Why", "What would change it", "Against what runs now", "Risks", "vllm 0.33.0", "sglang 0.5.23",
                  "Notes"):
        assert f"\n\n{title}\n" in shown
    evil = repr(replace(found, table=EVIL, notes=(EVIL,)))
    assert "\x1b" not in evil
    assert len(evil.splitlines()) == len(shown.splitlines()) - len(found.notes) + 1


def test_numbers_in_sentences_are_the_answers(found):
    text = " ".join(found.why)
    assert f"{100 * found.error.value:.2f}"[:4] in text
    assert found.next_budget.sentence in found.why
    assert found.bottleneck.sentence in found.why
