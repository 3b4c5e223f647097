"""fit.json: back to the bit, and one clear line for whatever else a file may hold."""

import copy
import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidscale.errors import InputError
from vidscale.forms import Exponent, Laws, Posynomial, Term
from vidscale.study import Model, TargetModel
from vidscale.study.store import content_model, load_model, model_content, save_model
from vidscale.validate import Noise

RNG = np.random.default_rng(0)


def small_model(draws: int = 3, scale: float = -1.0) -> Model:
    """A model made by hand: a gone term in one draw, an exponent shared with a multiple of it, a fixed exponent."""
    form = Posynomial(name="häßlich \"form\"", factors=("lm_params", "tokens_per_frame"), terms=(
        Term(coefficient="A", exponents={"lm_params": Exponent(parameter="g", scale=scale)}),
        Term(coefficient="B", exponents={"tokens_per_frame": Exponent(parameter="g", scale=-1 / 3),
                                         "lm_params": Exponent.parse("-0.1")}),
        Term(coefficient="E")), bounds={"g": (0.0, 1.5), "E": (0.0, 0.5)}, note="two\nlines")

    def laws(count: int) -> Laws:
        parameters = [{"A": 3 * RNG.random(), "B": RNG.random(), "E": 0.1, "g": RNG.random() / 7} for _ in range(count)]
        parameters[-1]["A"] = 0.0
        return Laws.of(form, parameters)

    target = TargetModel(parameters={"A": 1 / 3, "B": 0.2, "E": 0.1, "g": 0.1}, law=laws(1), noise_laws=laws(draws),
                         run_laws=laws(draws), chance=0.25,
                         noise=Noise(run_variance=1e-5 / 3, counted=True, freedom=7.0, n_eval=2999.5))
    other = TargetModel(parameters=target.parameters, law=laws(1), noise_laws=laws(draws), run_laws=laws(draws),
                        noise=Noise(run_variance=0.0, counted=False, freedom=1.0))
    return Model(table="t", synthetic=True, data_hash="0" * 64, form=form, targets={"a task": target, "b": other},
                 levels={"lm_params": np.array([1e9, 7e9]), "frames": np.array([1.0]),
                         "tokens_per_frame": np.array([1.0, 4.0, 1 / 0.003])}, encoder=(0.3e9, 577.0))


def same(one: Model, two: Model) -> bool:
    for name in one.targets:
        a, b = one.targets[name], two.targets[name]
        for part in ("law", "noise_laws", "run_laws"):
            for array in ("log_coefficients", "exponents"):
                if not np.array_equal(getattr(getattr(a, part), array), getattr(getattr(b, part), array)):
                    return False
        if (a.parameters, a.noise, a.chance) != (b.parameters, b.noise, b.chance):
            return False
    plain = ("table", "synthetic", "data_hash", "form", "encoder")
    return all((all(np.array_equal(one.levels[f], two.levels[f]) for f in one.levels),
                all(getattr(one, name) == getattr(two, name) for name in plain),
                list(one.levels) == list(two.levels), list(one.targets) == list(two.targets)))


@pytest.mark.parametrize("scale", [-1.0, 1.0, 0.7, -1e-5, 1 / 3])
def test_round_trip_by_hand(tmp_path, scale):
    model = small_model(scale=scale)
    save_model(model, tmp_path / "fit.json")
    again = load_model(tmp_path / "fit.json")
    assert same(model, again)
    x = np.exp(RNG.normal(size=(50, 4)) + np.array([20, 1, 3, 10]))
    for target in model.targets:
        for predictor in ("point", "bagged"):
            assert np.array_equal(model.error(target, x, predictor), again.error(target, x, predictor))
        one, two = (m.predict(target, x, n_eval=500, seed=1) for m in (model, again))
        assert np.array_equal(one.mean_low, two.mean_low)
        assert np.array_equal(one.new_high, two.new_high)


def test_round_trip_of_a_study(tmp_path, study_of, grid):
    study = study_of(grid(frames=(8,), tasks=("a", "b")), form="examples/joint.toml")
    save_model(study.model, tmp_path / "fit.json")
    assert same(study.model, load_model(tmp_path / "fit.json"))


def test_same_model_same_bytes_and_nothing_left_beside(tmp_path):
    model = small_model()
    for name in ("a.json", "b.json", "a.json"):
        save_model(model, tmp_path / name)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["a.json", "b.json"]


def test_unwritable_folder(tmp_path):
    with pytest.raises(InputError, match="cannot write"):
        save_model(small_model(), tmp_path / "missing" / "fit.json")
    assert os.listdir(tmp_path) == []


def refused(path, said):
    with pytest.raises(InputError, match=said) as raised:
        load_model(path)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 600
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(("raw", "said"), [
    (b"", "not JSON"),
    (b"hello", "not JSON"),
    (b"\xff\xfe\x00", "not JSON"),
    (b"\x00" * 100, "not JSON"),
    (b"[" * 100_000, "not JSON"),
    (b'{"schema": "vidscale-fit", "version": ' + b"9" * 5000 + b"}", "not JSON"),
    (b'{"schema": "vidscale-fit", "version": NaN}', "NaN"),
    (b'{"schema": "vidscale-fit", "version": 1, "version": 1}', "twice"),
    (b"[]", "object"),
    (b"1", "object"),
    (b"{}", "no vidscale fit"),
    (b'{"schema": "vidscale-study"}', "no vidscale fit"),
    (b'{"schema": "vidscale-fit"}', "version"),
    (b'{"schema": "vidscale-fit", "version": true}', "version"),
    (b'{"schema": "vidscale-fit", "version": 3}', "update vidscale"),
    (b'{"schema": "vidscale-fit", "version": 1}', "'table' is missing"),
])
def test_files_that_are_no_fit(tmp_path, raw, said):
    (tmp_path / "fit.json").write_bytes(raw)
    refused(tmp_path / "fit.json", said)


def test_paths_that_are_no_file(tmp_path):
    refused(tmp_path / "none.json", "No such file")
    refused(tmp_path, "the folder has no fit.json")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "no plain file")
    with open(tmp_path / "big.json", "wb") as file:
        file.truncate(65 * 2**20)
    refused(tmp_path / "big.json", "at most 64 MiB")


def changed(path: str, value):
    """The content of a good file with one thing changed; `path` is dotted, "-" at the end deletes."""
    content = json.loads(json.dumps(model_content(small_model())))
    *parents, last = path.split(".")
    place = content
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place[key]
    if value is ...:
        del place[last]
    elif isinstance(place, list):
        place[int(last)] = value
    else:
        place[last] = value
    return content


LAW = "targets.a task.law"
DRAWS = "targets.a task.noise_draws"


@pytest.mark.parametrize(("path", "value", "said"), [
    ("table", 3, "table"),
    ("table", "x" * 20_000, "table"),
    ("table", "\ud800", "surrogate"),
    ("table", ..., "missing"),
    ("extra", 1, "unknown"),
    ("synthetic", 1, "synthetic"),
    ("data_hash", None, "data_hash"),
    ("encoder", [1.0], "encoder"),
    ("encoder", [0, 1], "encoder"),
    ("encoder", ["a", 1], "encoder"),
    ("form", [], "form"),
    ("form.name", ..., "'name' is missing"),
    ("form.factors", ["lm_params", "colour"], "form.factors"),
    ("form.factors", ["lm_params", "lm_params"], "repeats"),
    ("form.terms", [], "no terms"),
    ("form.terms", {}, "form.terms"),
    ("form.terms.0.coefficient", "2", "no name"),
    ("form.terms.0.exponents", {"lm_params": "**"}, "not understood"),
    ("form.terms.0.exponents", {"lm_params": 2}, "exponent"),
    ("form.terms.0", 7, "term 1"),
    ("form.bounds", {"g": [1, 0]}, "lower must be below"),
    ("form.bounds", {"g": [1]}, "2 numbers"),
    ("levels", {}, "fewer than two"),
    ("levels.lm_params", [2e9, 1e9], "rising"),
    ("levels.lm_params", [0, 1], "positive"),
    ("levels.lm_params", [1e9], "fewer than two"),
    ("levels.colour", [1.0], "unknown factor"),
    ("levels.frames", [], "frames"),
    ("levels.lm_params", ["1", "2"], "number"),
    ("levels.lm_params", [1e9, 10**400], "not finite"),
    ("targets", {}, "targets has 0"),
    ("targets", [], "targets"),
    ("targets.a task", None, "a task"),
    ("targets.a task.parameters.g", ..., "'g' is missing"),
    ("targets.a task.parameters.h", 1.0, "unknown"),
    ("targets.a task.parameters.g", True, "a number is expected"),
    ("targets.a task.chance", 1.0, "chance"),
    ("targets.a task.noise.run_variance", -1.0, "run_variance"),
    ("targets.a task.noise.freedom", 0, "freedom"),
    ("targets.a task.noise.counted", 1, "counted"),
    ("targets.a task.noise.n_eval", 0, "n_eval"),
    ("targets.a task.noise.freedom", None, "freedom"),
    (f"{LAW}.columns", ["-g"], "columns"),
    (f"{LAW}.exponents", [[1.0]], "list of 2 numbers"),
    (f"{LAW}.exponents", [], "0 of exponents"),
    (f"{LAW}.log_coefficients", [[0.0, 0.0]], "list of 3 numbers"),
    (f"{LAW}.log_coefficients", [[0.0, None, "x"]], "number"),
    (f"{LAW}.log_coefficients", [[None, None, None]], "no usable"),
    (f"{LAW}.log_coefficients", [[1e300, 0.0, 0.0]], "no usable"),
    (f"{LAW}.exponents", [[None, 0.0]], "number"),
    (f"{DRAWS}.exponents", [[0.1, 0.1]], "rows of log_coefficients"),
    (f"{DRAWS}.log_coefficients", 3, "list"),
    (f"{DRAWS}.exponents.1", [1e200, 1e200], "row 1 gives no usable"),
])
def test_one_wrong_field(tmp_path, path, value, said):
    (tmp_path / "fit.json").write_text(json.dumps(changed(path, value)), encoding="utf-8")
    refused(tmp_path / "fit.json", said)


SNIPPETS = [b"1e999", b"-", b"null", b"NaN", b'"', b"[", b"}", b"0", b"e9", b"\xff"]
GOOD = json.dumps(model_content(small_model(draws=2))).encode()


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_mutated_bytes_are_refused_or_still_a_model(tmp_path_factory, data):
    raw = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        kind = data.draw(st.sampled_from(["flip", "cut", "insert", "swap"]))
        if kind == "flip":
            raw[at] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del raw[at : at + data.draw(st.integers(1, 40))]
        elif kind == "insert":
            raw[at:at] = data.draw(st.sampled_from(SNIPPETS))
        else:
            other = data.draw(st.integers(0, len(raw) - 1))
            raw[at], raw[other] = raw[other], raw[at]
        if not raw:
            break
    path = tmp_path_factory.getbasetemp() / "mutated.json"
    path.write_bytes(bytes(raw))
    usable_or_refused(path)


words = st.text(max_size=5)
values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | words,
                      lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
                      max_leaves=5)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_fields_replaced_by_anything_are_refused_or_still_a_model(tmp_path_factory, data):
    content = copy.deepcopy(json.loads(GOOD))
    place, steps = content, 0
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        steps += 1
        deeper = isinstance(place[key], dict | list) and len(place[key]) > 0
        if not deeper or (steps > 1 and data.draw(st.booleans())):
            break
        place = place[key]
    place[key] = data.draw(values)
    path = tmp_path_factory.getbasetemp() / "replaced.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    usable_or_refused(path)


def usable_or_refused(path):
    try:
        model = load_model(path)
    except InputError:
        return
    assert same(model, content_model(json.loads(json.dumps(model_content(model)))))
    corner = np.array([[model.levels[f][0] if f in model.levels else 1.0
                        for f in ("lm_params", "frames", "tokens_per_frame", "data_size")]])
    for target in model.targets:
        assert np.isfinite(model.error(target, corner)).all()
        model.predict(target, corner)
