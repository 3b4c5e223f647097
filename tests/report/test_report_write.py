"""The folder a study writes: complete, readable, the same bytes every time."""

import csv
import io
import json

import pytest

from vidscale.errors import InputError
from vidscale.report import write_study
from vidscale.report.sheets import sheet
from vidscale.report.write import FIGURES
from vidscale.study.store import load_model

SHEETS = ("comparison", "frontier", "policies", "fitted", "parameters")


def rows(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


@pytest.fixture(scope="module")
def folder(paper_study, tmp_path_factory):
    path = tmp_path_factory.mktemp("paper")
    write_study(paper_study, path)
    return path


def test_every_file_is_there(paper_study, folder):
    names = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert names == {"fit.json", "study.json", "summary.md", "report.html", "elasticity.csv",
                     *(f"{n}.csv" for n in SHEETS), *(f"figures/{n}.png" for n in FIGURES)}


def test_same_study_same_bytes(li_study, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        written = write_study(li_study, tmp_path / name)
        assert len(written) == len(set(written))
    for path in written:
        assert path.read_bytes() == (tmp_path / "one" / path.relative_to(tmp_path / "two")).read_bytes(), path.name


def test_no_elasticity_no_elasticity_files(li_study, tmp_path):
    write_study(li_study, tmp_path)
    assert not (tmp_path / "elasticity.csv").exists()
    assert not (tmp_path / "figures" / "elasticity.png").exists()
    assert not (tmp_path / "figures" / "isoflop.png").exists()


def test_fit_json_predicts_as_the_study(paper_study, folder):
    model = load_model(folder / "fit.json")
    for target in model.targets:
        x = [[1e9, 8, 49, 1e6], [7.5e9, 32, 196, 2e6]]
        assert (model.error(target, x) == paper_study.model.error(target, x)).all()


def test_study_json(paper_study, folder):
    def refuse(name):
        raise AssertionError(name)

    content = json.loads((folder / "study.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert content["schema"] == "vidscale-study"
    assert content["data_hash"] == paper_study.table.data_hash
    assert content["seed"] == 0
    assert content["settings"]["draws"] == 6
    assert content["settings"]["forms"] == ["mult", "add-interact-s"]
    assert content["table"]["synthetic"] is True
    assert [fit["target"] for fit in content["fits"]] == list(paper_study.model.targets)
    assert all(fit["certificate"]["share_at_best"] > 0 for fit in content["fits"])
    assert content["fits"][0]["profile_intervals"]
    assert content["notes"]


def test_sheets_have_their_rows(paper_study, folder):
    report = paper_study.frontier
    assert len(rows(folder / "frontier.csv")) == len(report.points)
    assert len(rows(folder / "comparison.csv")) == len(paper_study.comparison.scores)
    assert len(rows(folder / "fitted.csv")) == 9 * 99
    assert len(rows(folder / "parameters.csv")) == 9 * (6 + 13)
    assert len(rows(folder / "elasticity.csv")) == sum(len(r.factors) for r in paper_study.elasticities)
    assert len(rows(folder / "policies.csv")) == sum(
        len(o.index) for found in report.policies.values() for o in found.outcomes)
    for path in folder.glob("*.csv"):
        text = path.read_bytes()
        assert b"\r" not in text
        assert b"nan" not in text
        assert b"inf," not in text


def test_numbers_keep_their_digits(paper_study, folder):
    for row, p in zip(rows(folder / "frontier.csv"), paper_study.frontier.points, strict=True):
        assert float(row["error"]) == p.error
        assert float(row["continuous_gap"]) == p.continuous.gap
        assert row["near_tie_list"].count(" error ") == len(p.ties)
    first = rows(folder / "fitted.csv")[0]
    assert float(first["measured"]) - float(first["fitted"]) == float(first["residual"])
    assert float(first["new_low"]) < float(first["fitted"]) < float(first["new_high"])


def test_awkward_names_bagged_and_current(plain_study, tmp_path):
    write_study(plain_study, tmp_path)
    found = rows(tmp_path / "frontier.csv")
    assert {row["target"] for row in found} == {"average", "a|b", "=c, `d`"}
    assert all(row["continuous_error"] == "" for row in found)
    content = json.loads((tmp_path / "study.json").read_text(encoding="utf-8"))
    assert content["current"][0]["configuration"]["frames"] == 10


def test_folders_that_will_not_do(li_study, tmp_path):
    (tmp_path / "file").write_text("x")
    cases = ((tmp_path / "none", "create it first"), (tmp_path / "file", "is no folder"), (tmp_path, "not empty"))
    for path, said in cases:
        with pytest.raises(InputError, match=said):
            write_study(li_study, path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_progress_is_told(li_study, tmp_path):
    told = []
    write_study(li_study, tmp_path, tick=told.append)
    assert len(told) == 1 + len(FIGURES) + 2 * len(li_study.model.targets)


def test_cells():
    text = sheet(("a", "b"), [(None, float("nan")), (True, 0.1), (3, 'x, "y"')]).decode()
    assert text == 'a,b\n,\ntrue,0.1\n3,"x, ""y"""\n'
