"""docs/RESULTS.md: statements on tables of known truth, and a page that regenerates to the same text."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shapes_like import ENCODER, lifelike, power, table_of
from vidscale.errors import InputError
from vidscale.findings import FindingSettings, Verdict, findings, gather, wants
from vidscale.measurements import dataset, read_measurements
from vidscale.report.results_page import page

ROOT = Path(__file__).parents[1]
PAGE, SCRIPT = ROOT / "docs" / "RESULTS.md", ROOT / "docs" / "make_results.py"
FEW = FindingSettings(encoder=ENCODER, draws=40, folds=3, starts=8)


def verdicts(evidence):
    return {each.key: each.verdict for each in findings(evidence)}


@pytest.fixture(scope="module")
def life():
    """Nine tasks that want different things, one at chance and one solved."""
    table = read_measurements(table_of(lifelike()), name="made-up")
    return gather(table, FindingSettings(encoder=ENCODER, draws=40, folds=3, starts=8,
                                         joint=ROOT / "examples" / "joint.toml"))


@pytest.fixture(scope="module")
def additive():
    """A sum of one term per factor and one in the data: no interaction of anything."""
    return gather(read_measurements(table_of({"count": power(0.4, 0.9, 0.7, 0.4, scale=0.05)}, noise=0.01)), FEW)


@pytest.fixture(scope="module")
def moved():
    """More frames and tokens hurt where data are few, larger models help there: data must move the optimum."""
    def law(n, t, v, size):
        few = size**-0.5
        return 0.04 * (n**-0.3 + t**-0.6 + v**-0.6) + 0.03 * few * (n**-0.4 + t**0.5 + v**0.5) + 0.05
    return gather(read_measurements(table_of({"count": law}, noise=0.004, n_eval=40_000)), FEW)


def test_an_additive_law(additive):
    found = verdicts(additive)
    assert found["diminishing"] is Verdict.SHOWN
    assert found["interaction"] is Verdict.CANNOT_TELL
    assert found["data"] in (Verdict.CANNOT_TELL, Verdict.REFUTED)
    assert found["forms"] in (Verdict.CANNOT_TELL, Verdict.REFUTED)
    assert found["tasks"] is Verdict.CANNOT_TELL
    assert found["lifetime"] is Verdict.ARITHMETIC


def test_data_that_move_the_optimum(moved):
    found = {each.key: each for each in findings(moved)}
    assert found["forms"].verdict is Verdict.SHOWN
    continuous = [p.verdict for p in found["data"].parts if "continuous" in p.name]
    assert continuous == [Verdict.SHOWN] * 3
    assert found["data"].verdict in (Verdict.SHOWN, Verdict.CANNOT_TELL)


def test_tasks_of_a_lifelike_table(life):
    found = verdicts(life)
    assert found["diminishing"] is Verdict.SHOWN
    assert found["tasks"] is Verdict.SHOWN
    assert found["naive"] is Verdict.SHOWN
    assert found["encoder"] is Verdict.SHOWN
    assert found["cheaper"] is Verdict.MIXED
    assert wants(life, "order") == "frames"
    assert wants(life, "glyph") == "tokens per frame"
    assert wants(life, "needle") == "cannot tell (never leaves chance)"
    assert wants(life, "position") == "cannot tell (solved by most runs)"
    told = next(each for each in findings(life) if each.key == "tasks").parts
    assert not {"needle", "position"} & {p.short for p in told}


def test_the_page_holds_every_statement(life):
    text = page(life)
    assert page(life) == text
    for each in findings(life):
        assert f"| {each.statement} |" in text
        assert f"**{each.statement[0].upper()}{each.statement[1:]}: {each.verdict}.**" in text
        if each.verdict in (Verdict.CANNOT_TELL, Verdict.MIXED):
            assert f"- Whether {each.statement}: {each.verdict}" in text
    for theirs in ("(1.21)", "(6.73)", "+0.79", "-0.22", "5 to 15 %", "340", "100,000 A100-hours"):
        assert theirs in text
    assert "- What task needle wants where it is used: it never leaves chance" in text
    assert "| average | 18.8 |" in text
    assert "107.9k" in text
    assert "GFLOPs" in text
    assert "TFLOPs |" not in text
    assert "commit: `0123abc`" in text
    assert not re.search(r"\bnan\b|\binf\b|None|Estimate", text)


def test_rows_without_provenance_or_repeats():
    frame = table_of({"count": power(0.3, 0.6, 0.4, 0.3, scale=0.08), "glyph": power(0.3, 0.2, 0.6, 0.3, scale=0.08)})
    frame = frame.loc[frame["seed"] == 0, ["lm_params", "frames", "tokens_per_frame", "data_size", "sweep", "task",
                                           "error"]]
    text = page(gather(read_measurements(frame), FEW))
    assert "from residuals of the fit" in text
    assert "no run is repeated" in text
    assert "3 forward passes an example" in text
    assert not re.search(r"\bnan\b|None", text)


def test_a_table_that_lacks_a_factor_is_refused():
    with pytest.raises(InputError, match=r"frames, data_size does not vary in table 'li2024'.*all three factors"):
        gather(dataset("li2024"))


def test_the_command_refuses_in_one_line(tmp_path):
    run = subprocess.run([sys.executable, str(SCRIPT), "nothing-of-that-name", "--out", str(tmp_path / "page.md")],
                         capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr.startswith("error: ")
    assert run.stderr.count("\n") == 1
    assert not (tmp_path / "page.md").exists()


def test_the_page_is_as_it_comes_out_now():
    """Twenty seconds: the page is generated afresh."""
    spec = importlib.util.spec_from_file_location("make_results", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.results(module.TABLE) == PAGE.read_text("utf-8"), "run make results"
