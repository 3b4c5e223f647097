"""Profile files: whole round trips, and one clear line for files that are none."""

import json

import pytest

from vidscale.cost.profile import SCHEMA, dump_profile, load_profile, prior_profile, profile_for, shipped_profile
from vidscale.errors import InputError


def held(**change):
    profile = load_profile("H200")
    return {**json.loads(dump_profile(profile)), **change}


def test_a_profile_comes_back_as_it_was(tmp_path):
    profile = load_profile("h200")
    path = tmp_path / "own.json"
    path.write_text(dump_profile(profile))
    again = load_profile(path)
    assert again.calibrated
    assert (again.gpu, again.points, again.watts) == (profile.gpu, profile.points, profile.watts)
    assert dict(again.provenance) == dict(profile.provenance)


def test_a_measured_gpu_gets_its_profile_and_another_its_data_sheet():
    assert profile_for("h200").calibrated
    assert profile_for("h200").provenance["device"] == "NVIDIA H200"
    assert not profile_for("l4").calibrated
    assert shipped_profile("l4") is None
    assert not prior_profile("h200").calibrated


@pytest.mark.parametrize(("change", "said"), [
    ({"schema": "vidscale-profile-0"}, f"schema 'vidscale-profile-0'; this version reads '{SCHEMA}'"),
    ({"points": [{"what": "matmul", "rows": 1, "inputs": 2, "seconds": 1.0}]}, r"point 0 \(matmul\) has outputs None"),
    ({"points": [{"what": "matmul", "rows": -1, "inputs": 2, "outputs": 2, "seconds": 1.0}]}, "rows -1; allowed is"),
    ({"points": [{"what": "decode", "model": "gpt", "batch": 1, "context": 2, "seconds": 1.0}]}, "model 'gpt', whose"),
    ({"points": [{"what": "matmul", "rows": 1, "inputs": 2, "outputs": 2, "seconds": "1"}]}, "seconds '1'"),
    ({"points": [{"what": "dance"}]}, "of kind 'dance'; allowed are matmul"),
    ({"points": 3}, "no complete profile"),
    ({"sheet": {}}, "no complete profile"),
])
def test_a_file_that_is_no_profile_is_named_with_what_is_wrong(tmp_path, change, said):
    path = tmp_path / "own.json"
    path.write_text(json.dumps(held(**change)))
    with pytest.raises(InputError, match=said) as caught:
        load_profile(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '"H200"', "\x00\x01"])
def test_a_file_that_is_something_else_is_refused(tmp_path, text):
    path = tmp_path / "own.json"
    path.write_text(text)
    with pytest.raises(InputError, match="run `vidscale calibrate` again"):
        load_profile(path)


def test_missing_files_and_unknown_gpus_are_refused(tmp_path):
    with pytest.raises(InputError, match="there is no profile"):
        load_profile(tmp_path / "none.json")
    with pytest.raises(InputError, match="unknown GPU 'abacus'"):
        load_profile("abacus")
