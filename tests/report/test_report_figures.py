"""Figures: every axis labelled with its unit, synthetic said, no warning, nothing left in matplotlib's settings."""

import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.image import imread

from vidscale.report.fit_figures import comparison_figure, factor_figure, fitted_figure, isoflop_figure
from vidscale.report.frontier_figures import elasticity_figure, error_figure, paths_figure
from vidscale.report.measured import isoflop_groups
from vidscale.report.style import png, spread_levels
from vidscale.report.write import FIGURES


@pytest.mark.parametrize("name", list(FIGURES))
@pytest.mark.parametrize("which", ["paper_study", "li_study", "plain_study"])
def test_figure(request, which, name):
    study = request.getfixturevalue(which)
    before = dict(mpl.rcParams)
    figure = FIGURES[name](study)
    assert dict(mpl.rcParams) == before
    if figure is None:
        assert (which, name) in {("li_study", "isoflop"), ("li_study", "elasticity"), ("plain_study", "isoflop")}
        return
    assert ("synthetic" in figure.get_suptitle()) == (which == "paper_study")
    assert study.table.name in figure.get_suptitle()
    shown = [axes for axes in figure.axes if axes.axison]
    assert shown
    for axes in shown:
        assert axes.has_data()
    labels = " ".join(axes.get_xlabel() + axes.get_ylabel() for axes in shown)
    assert "%" in labels or "TFLOPs" in labels or "percentage points" in labels
    picture = imread(io.BytesIO(png(figure)))
    height, width = picture.shape[:2]
    assert 950 <= width <= 1050
    assert 300 <= height <= 1300
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    assert np.all(border[:, :3] == 1.0)  # nothing is cut off at an edge


def test_texts_do_not_overlap(paper_study, li_study):
    """Titles, axis labels and legends of one figure keep clear of each other."""
    for study in (paper_study, li_study):
        for draw in FIGURES.values():
            figure = draw(study)
            if figure is None:
                continue
            png(figure)
            boxes = []
            for axes in figure.axes:
                for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
                    if text.get_text():
                        boxes.append(text.get_window_extent())
            boxes += [legend.get_window_extent() for legend in figure.legends]
            boxes += [axes.get_window_extent() for axes in figure.axes if axes.axison]
            for i, one in enumerate(boxes):
                for two in boxes[i + 1 :]:
                    width = min(one.x1, two.x1) - max(one.x0, two.x0)
                    height = min(one.y1, two.y1) - max(one.y0, two.y0)
                    assert not (width > 1 and height > 1), (draw.__name__, one, two)


def test_same_figure_same_bytes_whatever_the_users_style(li_study):
    one = png(fitted_figure(li_study))
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.dpi": 20}):
        two = png(fitted_figure(li_study))
    assert one == two
    assert b"Software" not in one
    assert b"matplotlib" not in one.lower()


def test_units(paper_study):
    labels = {axes.get_xlabel() for axes in isoflop_figure(paper_study).axes}
    assert labels == {"language model (B parameters)", "frames per video", "visual tokens per frame"}
    swept = {axes.get_xlabel() for axes in factor_figure(paper_study).axes}
    assert swept == {*labels, "finetuning examples (thousands)"}
    assert error_figure(paper_study).axes[0].get_xlabel() == "inference budget (TFLOPs per video)"
    assert paths_figure(paper_study).axes[-1].get_xlabel() == "inference budget (TFLOPs per video)"
    assert comparison_figure(paper_study).axes[0].get_ylabel() == "MSE (percentage points²)"


def test_elasticity_names_its_estimators_in_full(paper_study):
    figure = elasticity_figure(paper_study)
    said = " ".join(" ".join(text.get_text().split()) for text in figure.legends[0].get_texts())
    for report in paper_study.elasticities:
        assert report.estimator in said


def test_isoflop_groups_follow_the_design(paper_study):
    groups = isoflop_groups(paper_study)
    assert [g.budget for g in groups] == [2e12, 5e12, 15e12, 30e12]
    assert [len(g.runs) for g in groups] == [11, 13, 20, 16]


def test_levels_shown_keep_the_ends():
    levels = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 100])
    shown = spread_levels(levels, 5)
    assert shown[0] == 1
    assert shown[-1] == 100
    assert len(shown) <= 6
    assert spread_levels(np.array([3.0]), 5).tolist() == [3.0]
