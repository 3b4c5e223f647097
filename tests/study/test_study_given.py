"""A study asked for from Python: its table by name or path, its settings refused when they are made."""

import numpy as np
import pytest

from vidscale.errors import InputError
from vidscale.forms import form
from vidscale.space import ScalingFactors
from vidscale.study import StudySettings, run_study
from vidscale.study.store import load_model, save_model

QUICK = {"forms": "li", "draws": 4, "starts": 2, "folds": 0, "split": "none"}


def test_a_bundled_tables_name_is_a_table():
    study = run_study("li2024", StudySettings(**QUICK))
    assert study.table.name == "li2024"
    assert study.form == "li"


@pytest.mark.parametrize(("table", "said"), [("li2023", "neither a file nor a bundled dataset"),
                                             ("nothing.csv", "there is no such file"), (7, "the source is a int")])
def test_what_is_no_table(table, said):
    with pytest.raises(InputError, match=said):
        run_study(table)


def test_settings_in_place_of_settings():
    with pytest.raises(InputError, match="give a StudySettings"):
        run_study("li2024", {"draws": 4})  # type: ignore[arg-type]


def test_one_of_something_stands_for_several():
    made = StudySettings(forms="add", budgets=15e12, data_sizes=np.array([1e6, 2e6]), encoder=[0.4e9, 729],
                         current={"lm_params": 1e9, "frames": 8, "tokens_per_frame": 49})
    assert (made.forms, made.budgets, made.data_sizes, made.encoder) == (("add",), (15e12,), (1e6, 2e6), (0.4e9, 729))
    assert made.current == ScalingFactors(lm_params=1e9, frames=8, tokens_per_frame=49)
    assert StudySettings(forms=form("add")).forms == (form("add"),)
    assert StudySettings(forms=["add", "mult"]).forms == ("add", "mult")


@pytest.mark.parametrize(("setting", "given", "said"), [
    ("folds", -1, "folds is -1; allowed are whole numbers from 0"), ("folds", 2.5, "whole numbers"),
    ("folds", "3", "folds is '3'"), ("draws", 1, "whole numbers from 2"), ("starts", 0, "whole numbers from 1"),
    ("seed", -1, "whole numbers from 0"), ("forms", 3, "give names such as"), ("level", 1.0, "between 0 and 1"),
    ("level", "90%", "a probability"), ("predictor", "median", "unknown predictor"),
    ("lattice", None, "unknown lattice"), ("loss", "mse", "unknown loss"),
    ("tolerance", 1, "a fraction"), ("n_eval", 0, "at least 1 question"),
    ("delta", 0, "positive"), ("budgets", "15T", "numbers in the unit of the cost"), ("budgets", ("15T",), "'15T'"),
    ("data_sizes", "1M", "finetuning examples"), ("encoder", 0.4e9, "encoder_params, encoder_tokens"),
    ("weights", ["reading"], "numbers by name"), ("fixed", {"frames": "8"}, "fixed: frames is '8'"),
    ("pins", "epsilon=0", "numbers by name"), ("current", (1, 2), "three factors"),
])
def test_a_setting_that_cannot_be_used_is_refused_when_made(setting, given, said):
    with pytest.raises(InputError) as caught:
        StudySettings(**{setting: given})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_studys_folder_is_its_fit(tmp_path):
    study = run_study("li2024", StudySettings(**QUICK))
    (tmp_path / "st").mkdir()
    save_model(study.model, tmp_path / "st" / "fit.json")
    point = np.array([[7e9, 1.0, 36.0, 1.0]])
    want = load_model(tmp_path / "st" / "fit.json").error(study.model.lead, point)
    assert load_model(tmp_path / "st").error(study.model.lead, point) == want
    assert load_model(str(tmp_path / "st")).error(study.model.lead, point) == want


def test_a_folder_without_a_fit(tmp_path):
    with pytest.raises(InputError, match=r"the folder has no fit\.json; give a folder that a study was written to"):
        load_model(tmp_path)
    with pytest.raises(InputError, match="give the path"):
        load_model(7)  # type: ignore[arg-type]
