"""A study of small models reads in millions and GFLOPs, one of large ones as before."""

import numpy as np

from vidscale.report.numbers import amount, with_unit
from vidscale.report.style import axis_label, level_name
from vidscale.report.summary import summary
from vidscale.report.tables import frontier_table, shown_unit


def test_axes_follow_their_levels():
    assert axis_label("lm_params", np.array([1e9, 7.5e9])) == ("language model (B parameters)", 1e9)
    assert axis_label("lm_params", np.array([1e5, 2.5e7])) == ("language model (M parameters)", 1e6)
    assert axis_label("data_size", np.array([2.5e5, 2e6])) == ("finetuning examples (thousands)", 1e3)
    assert axis_label("data_size", np.array([307_200, 2_457_600.0])) == ("finetuning examples (millions)", 1e6)


def test_one_of_a_level_is_no_plural():
    assert [level_name("frames", v) for v in (1, 2)] == ["1 frame", "2 frames"]
    assert [level_name("tokens_per_frame", v) for v in (1, 16)] == ["1 token per frame", "16 tokens per frame"]


def test_one_amount_names_its_unit():
    assert with_unit(1.35e10) == "13.5 GFLOPs"
    assert with_unit(15e12) == "15 TFLOPs"
    assert amount(1.35e10) == "0.0135"


def test_a_table_has_one_unit(paper_study):
    report = paper_study.frontier
    assert shown_unit(report).shown == "TFLOPs"
    table = frontier_table(report, title="", target=paper_study.model.lead)
    assert [c.unit for c in table.columns if c.name in ("budget", "cost")] == ["TFLOPs"] * 2
    assert "TFLOPs" in summary(paper_study)
