"""The report page as text: self-contained, escaped, the study's own numbers, an account of what is absent."""

import base64
import hashlib
import json
import math
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from vidscale.report.numbers import amount
from vidscale.report.page import report_page
from vidscale.report.page.answer_data import answer_data
from vidscale.report.page.assemble import asset
from vidscale.report.page.compact import compact
from vidscale.report.page.markup import formula, sentence
from vidscale.report.page.words import answer_table, sureness, warnings
from vidscale.report.plain import study_dict
from vidscale.report.tables import shown_unit
from vidscale.space import FACTORS_AND_DATA
from vidscale.validate import mean_interval, predict

STUDIES = ("paper", "li", "plain", "hostile", "many", "latency", "small")
_pages: dict[str, str] = {}


@pytest.fixture(params=STUDIES)
def study(request):
    return request.getfixturevalue(f"{request.param}_study")


def page_of(study):
    """A study's page, made once."""
    key = study.table.name + study.frontier.cost
    if key not in _pages:
        _pages[key] = report_page(study, versions={"numpy": "2"}, files_beside=["study.json"])
    return _pages[key]


class Reader(HTMLParser):
    """Every tag in order, and the text of scripts."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.scripts, self.headings, self._into = [], [], [], None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self._into = tag

    def handle_data(self, data):
        if self._into == "script":
            self.scripts[-1] += data

    def handle_endtag(self, tag):
        self._into = None


def data_of(page):
    return json.loads(Reader(page).scripts[0])


def test_nothing_is_asked_for(study):
    page = page_of(study)
    read = Reader(page)
    for tag, attrs in read.tags:
        assert "src" not in attrs, tag
        for name in ("href", "action", "srcset", "style", "onclick", "onload", "onerror"):
            value = attrs.get(name, "#")
            assert value.startswith(("#", "data:,")), (tag, name, value)
    styles = re.search(r"<style>(.*?)</style>", page, re.S)[1]
    assert "url(" not in styles
    assert "@import" not in styles
    assert len(page.encode()) < 6e6


def test_policy_names_the_two_scripts_and_nothing_else(study):
    page = page_of(study)
    read = Reader(page)
    policy = next(attrs["content"] for tag, attrs in read.tags
                  if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy")
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert set(directives) == {"default-src", "script-src", "style-src", "img-src", "base-uri", "form-action"}
    assert len(read.scripts) == 3
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
              for text in read.scripts[1:]]
    assert directives["script-src"].split() == hashes


def test_hostile_names_are_text_only(hostile_study):
    page = page_of(hostile_study)
    assert page.count("<script") == 3
    assert "<img src=x" not in page
    assert "javascript:alert" not in Reader(page).tags.__repr__()
    data = data_of(page)
    assert data["targets"][1:] == sorted(" ".join(task.split()) for task in hostile_study.table.tasks)
    block = re.search(r'id="page-data">(.*?)</script>', page, re.S)[1]
    assert "<" not in block
    assert "\u2028" not in block


def test_headings_are_in_order(study):
    levels = Reader(page_of(study)).headings
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_points_equal_study_json(study):
    data, held = data_of(page_of(study)), study_dict(study)["frontier"]
    scale = shown_unit(study.frontier).scale
    points = iter(sorted(held["points"], key=lambda p: (list(study.model.targets).index(p["target"]),
                                                        p["data_size"] or 0, p["budget"])))
    for target, found in zip(study.model.targets, data["frontier"], strict=True):
        for size, row in zip(data["sizes"], found["points"], strict=True):
            for point in row:
                true = next(points)
                assert (true["target"], true["data_size"]) == (target, size)
                assert point["budget"] * scale == pytest.approx(true["budget"], rel=1e-4)
                assert point["cost"] * scale == pytest.approx(true["cost"], rel=1e-4)
                assert data["configurations"][point["c"]] == list(true["configuration"].values())
                names = ("error", "mean_low", "mean_high", "new_low", "new_high")
                assert point["error"] == pytest.approx([100 * true[name] for name in names], rel=1e-4)
                assert point["best"] == pytest.approx(true["probability_best"], rel=1e-4)
                assert point["tie_count"] == true["tie_count"]
                assert [data["configurations"][c] for c in point["ties"]] == [
                    list(tie["configuration"].values()) for tie in true["ties"]]
    assert next(points, None) is None


def test_policies_equal_study_json_and_intervals_hold_the_gain(study):
    data, held = data_of(page_of(study)), iter(study_dict(study)["frontier"]["policies"])
    for found in data["frontier"]:
        for policies in found["policies"]:
            for policy, true in zip(policies, next(held)["outcomes"], strict=True):
                assert policy["policy"] == true["policy"]
                for gain, value in zip(policy["gain"], true["accuracy_gain"], strict=True):
                    assert gain[0] == (None if value is None else pytest.approx(100 * value, rel=1e-4))
                    if None not in gain:
                        assert gain[1] <= gain[0] <= gain[2]
                if true["mean_accuracy_gain"] is not None:
                    assert policy["mean"][0] == pytest.approx(100 * true["mean_accuracy_gain"], rel=1e-4)


def test_runs_scores_and_elasticities_equal_the_study(study):
    data = data_of(page_of(study))
    for t, (target, found) in enumerate(zip(study.model.targets, data["evidence"], strict=True)):
        measured = [None if math.isnan(v) else pytest.approx(100 * v, rel=1e-4)
                    for v in study.obs.error[:, study.obs.targets.index(target)]]
        assert [row[0] for row in found["fitted"]] == measured
        scores = [s for s in study.comparison.scores if s.target == target]
        assert [row[:2] for row in found["scores"]] == [[s.form, s.kind] for s in scores]
        assert [row[2] for row in found["scores"]] == pytest.approx([s.mse for s in scores], rel=1e-4)
        values = [e.value for r in study.elasticities if r.target == target for e in r.factors]
        assert [row[3] for row in found["elasticity"]] == pytest.approx(values, rel=1e-4, abs=1e-9)
        assert len(data["tables"]["answer"][t]) == len(data["sizes"])


def test_curves_are_the_law(paper_study):
    data, model = data_of(page_of(paper_study)), paper_study.model
    contour = data["evidence"][2]["contours"][0]
    target = list(model.targets)[2]
    point = next(p for p in paper_study.frontier.points if p.target == target and p.data_size == 2e6
                 and amount(p.budget, shown_unit(paper_study.frontier)) == contour["budget"].split(" ")[0])
    for pair, drawn in zip(data["pairs"], contour["plots"], strict=True):
        row = np.array([*point.configuration, 2e6])
        row[FACTORS_AND_DATA.index(pair[0])], row[FACTORS_AND_DATA.index(pair[1])] = drawn["x"][3], drawn["y"][5]
        said = model.predict(target, row[None])
        for name, value in (("z", said.error), ("low", said.mean_low), ("high", said.mean_high)):
            assert drawn[name][5][3] == pytest.approx(100 * float(value[0]), rel=2e-3)
    path = data["frontier"][0]["path"]
    for i, size in enumerate(data["sizes"]):
        for p in data["frontier"][0]["points"][i]:
            b = data["curve"].index(p["budget"])
            k = path["factors"].index("frames")
            assert path["x"][i][k][b] == pytest.approx(p["free"][1], rel=1e-3), size
            assert path["low"][i][k][b] <= path["x"][i][k][b] <= path["high"][i][k][b]
            true = next(q for q in paper_study.frontier.points if (q.target, q.data_size) == ("average", size)
                        and compact(q.budget / 1e12) == p["budget"])
            value, low, high = path["worth"][i][b]
            assert value == pytest.approx(true.continuous.multiplier, rel=1e-2, abs=1e-9)
            assert low <= value <= high


def test_mean_interval_is_that_of_predict(paper_study, li_study):
    for study in (paper_study, li_study):
        fitted = study.model.target(study.model.lead)
        rows = np.array([[1e9, 2, 16, 2e6], [7e9, 8, 49, 5e5]])
        laws = fitted.noise_laws.over(FACTORS_AND_DATA)
        both = predict(laws, fitted.noise, rows, np.ones(2))
        low, high = mean_interval(laws, fitted.noise, rows)
        assert np.array_equal(low, both.mean_low)
        assert np.array_equal(high, both.mean_high)


def test_what_is_absent_is_said(li_study, latency_study, small_study):
    li, latency, small = (page_of(each) for each in (li_study, latency_study, small_study))
    for said in ("No elasticity: data_size does not vary", "The table has no isoFLOP sweep",
                 "The data size does not vary in these runs", "Held fixed: frames 1."):
        assert said in li, said
    for said in ("There is no continuous optimum to draw: latency cost is no posynomial", "ms per request",
                 "Not known at the margin", "Planned by FLOPs instead", "memory &lt;= 18 GB", "Nothing was held out"):
        assert said in latency, said
    assert "how sure a choice is cannot be known" in small.lower()


def test_synthetic_is_said_first(paper_study, li_study):
    page = page_of(paper_study)
    assert "Synthetic data: these numbers were generated" in page
    assert page.index("Synthetic data") < page.index('id="answer"')
    assert "Synthetic data" not in page_of(li_study)


def test_provenance_and_notes_are_all_there(study):
    page = page_of(study)
    assert study.table.data_hash in page
    assert f"seed {study.settings.seed}" in page.lower()
    text = re.sub(r"\s+", " ", page.replace("\u00a0", " "))
    for note in study.notes:
        words = " ".join(note.split())
        escaped = sentence(words).replace("\u00a0", " ")
        assert re.sub(r"\s+", " ", escaped) in text, note


def test_sureness(paper_study, small_study):
    point = paper_study.frontier.points[0]
    assert sureness(paper_study, point).split(",")[0] in ("clear", "likely", "open")
    assert sureness(small_study, small_study.frontier.points[0]).startswith("not known")
    assert any("no more configurations than parameters" in said for said in warnings(small_study))
    assert answer_table(small_study, "mvbench", 1e6).rows[0][6].startswith("not known")


def test_same_study_same_page(plain_study):
    again = report_page(plain_study, versions={"numpy": "2"}, files_beside=["study.json"])
    assert again == page_of(plain_study)


def test_progress_is_told(li_study):
    told = []
    answer_data(li_study, told.append)
    assert told == ["page: frontier, vlm_average"]


def test_compact_numbers():
    assert compact([1.23456789, 2.0, float("inf"), True, "a", None]) == [1.2346, 2, None, True, "a", None]
    assert compact({"a": np.array([1e-7])}) == {"a": [1e-07]}


def test_sentences_and_formulas():
    assert sentence("converged; all is 90 % well") == "Converged; all is 90\u00a0% well."
    assert sentence("lm_params <= 3") == "lm_params &lt;= 3."
    assert sentence("from -0.1 to 1e-7, x-2") == "From −0.1 to 1e-7, x-2."
    assert formula("8.05e+04·x_N^(-0.5) + 6e-07·n^(d)") == (
        "8.05×10<sup>4</sup>·x<sub>N</sub><sup>−0.5</sup> + 6×10<sup>−7</sup>·n<sup>d</sup>")


def test_recorded_opening_is_within_the_promise():
    """Seconds to the first plots in headless Chromium, and bytes, of the largest bundled study (benchmarks part i)."""
    recorded = json.loads((Path(__file__).parent.parent / "recorded" / "report_open.json").read_text("utf-8"))
    assert recorded["report_paper_design_bytes"] <= 6e6
    assert recorded["report_paper_design_open_seconds"] < 2
    assert recorded["report_paper_design_openings"] >= 5


def test_options_of_commands_are_kept_whole():
    assert sentence("change it (--encoder-params, --near 1) -- or not") == (
        'Change it (<span class="option">--encoder-params</span>, <span class="option">--near</span> 1) -- or not.')
    assert ".option { white-space: nowrap; }" in asset("page", "report.css")
