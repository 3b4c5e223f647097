"""Profile files: whole round trips, and one clear line for files that are none."""

import json

import pytest

from vidscale.cost.profile import (
    MOST_POINTS,
    SCHEMA,
    dump_profile,
    load_profile,
    prior_profile,
    profile_for,
    shipped_profile,
)
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
    ({"points": [{"what": "matmul", "rows": 1, "inputs": 2, "seconds": 1.0}]}, "has outputs null; allowed"),
    ({"points": [{"what": "matmul", "rows": -1, "inputs": 2, "outputs": 2, "seconds": 1.0}]}, "rows -1; allowed are"),
    ({"points": [{"what": "decode", "model": "gpt", "batch": 1, "context": 2, "seconds": 1.0}]}, "model .gpt.; allo"),
    ({"points": [{"what": "matmul", "rows": 1, "inputs": 2, "outputs": 2, "seconds": "1"}]}, "seconds .1."),
    ({"points": [{"what": "dance"}]}, "of kind .dance.; allowed are matmul"),
    ({"points": 3}, "no complete profile"),
    ({"points": []}, "too few points for a calibration .0 of matmul"),
    ({"points": [{**p, "seconds": p["seconds"] / 1000} for p in load_profile("h200").points]}, "in another unit"),
    ({"sheet": {}}, "no complete profile"),
])
def test_a_file_that_is_no_profile_is_named_with_what_is_wrong(tmp_path, change, said):
    path = tmp_path / "own.json"
    path.write_text(json.dumps(held(**change)))
    with pytest.raises(InputError, match=said) as caught:
        load_profile(path)
    assert "\n" not in str(caught.value)


BAD_NUMBERS = [10**17, 0, -1, True, "x", None, [], {}]


@pytest.mark.parametrize("what", ["matmul", "attention", "pointwise", "tower", "prefill", "decode"])
def test_every_field_of_a_point_is_checked_before_anything_is_computed(tmp_path, what):
    point = next(dict(p) for p in load_profile("H200").points if p["what"] == what)
    measured = {"seconds", "low", "high", "replays"}
    for key in set(point) - measured:
        for bad in BAD_NUMBERS:
            if key == "causal" and bad is True:
                continue
            refused(tmp_path, held(points=[{**point, key: bad}]), "point 0")
        refused(tmp_path, held(points=[{k: v for k, v in point.items() if k != key}]), "point 0")


@pytest.mark.parametrize("key", ["bf16_flops", "bandwidth", "memory", "watts", "price_per_hour", "name", "source"])
def test_every_figure_of_the_sheet_is_checked(tmp_path, key):
    for bad in [1e300, -1, True, None, [], {}, *(["x"] if key not in ("name", "source") else ["a\nb", "x" * 2000])]:
        refused(tmp_path, held(sheet={**held()["sheet"], key: bad}), "own.json")


@pytest.mark.parametrize(("text", "said"), [
    ("[" * 100_000, "is no profile"), ('{"schema": ' + "9" * 400 + "}", "a whole number of 400 digits"),
    ('{"schema": NaN}', "holds NaN, which is no finite"), ('{"schema": 1e999}', "holds 1e999, which is no finite"),
])
def test_a_hostile_file_is_refused_in_one_line(tmp_path, text, said):
    path = tmp_path / "own.json"
    path.write_text(text)
    with pytest.raises(InputError, match=said) as caught:
        load_profile(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_too_many_points_are_refused(tmp_path):
    point = {"what": "matmul", "rows": 1, "inputs": 2, "outputs": 2, "seconds": 1.0}
    refused(tmp_path, held(points=[point] * (MOST_POINTS + 1)), "points; a profile has at most")


def refused(tmp_path, content, said):
    path = tmp_path / "own.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=said) as caught:
        load_profile(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


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
