"""A study file from a stranger is data and nothing else: nothing in the package can run what a file holds."""

import ast
import json
import pickle
from pathlib import Path

import pytest

import vidscale
from vidscale.errors import InputError
from vidscale.serve import StudySource
from vidscale.study.store import MAX_BYTES, load_model

#: What turns bytes into behaviour.
RUNNERS = {"eval", "exec", "compile", "__import__"}
MODULES = {"pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "jsonpickle"}
#: Names that such modules would be called by.
LOADERS = {("yaml", "load"), ("yaml", "unsafe_load"), ("np", "load"), ("numpy", "load"), ("pd", "read_pickle")}

SOURCES = sorted(Path(vidscale.__file__).parent.rglob("*.py"))


def test_the_package_has_nothing_that_runs_a_file():
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [each.name for each in node.names] + [getattr(node, "module", None) or ""]
                found += [(path.name, name) for name in names if name.split(".")[0] in MODULES]
            if isinstance(node, ast.Call):
                called = node.func
                if isinstance(called, ast.Name) and called.id in RUNNERS:
                    found.append((path.name, called.id))
                if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and (
                        called.value.id, called.attr) in LOADERS:
                    found.append((path.name, called.attr))
    assert found == []


def test_torch_files_are_read_as_weights_alone():
    """What training keeps is read with weights_only, which unpickles tensors and plain values and no code."""
    calls = [node for path in SOURCES for node in ast.walk(ast.parse(path.read_text()))
             if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "load"
             and isinstance(node.func.value, ast.Name) and node.func.value.id == "torch"]
    for call in calls:
        given = {word.arg: word.value for word in call.keywords}
        assert isinstance(given.get("weights_only"), ast.Constant)
        assert given["weights_only"].value is True  # pyright: ignore[reportAttributeAccessIssue]


class Bomb:
    """Something whose unpickling would be noticed."""

    def __reduce__(self):
        return (Path.write_text, (Path("bomb.txt"), "gone off"))


def test_a_pickle_in_the_place_of_a_study_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "fit.json"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match="not JSON"):
        StudySource.open(path)
    assert not (tmp_path / "bomb.txt").exists()


def change(content, *path, value):
    """A copy of a study with one field changed."""
    copy = json.loads(json.dumps(content))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return copy


HOSTILE = {
    "a form that is code": (("form", "terms", 0, "coefficient"), "__import__('os').system('true')"),
    "an exponent that is code": (("form", "terms", 0, "exponents", "lm_params"), "__import__('os')"),
    "a law without numbers": (("targets", "average", "law", "exponents"), [["a"]]),
    "a law beyond numbers": (("targets", "average", "law", "log_coefficients"), [[1e308] * 5]),
    "levels that fall": (("levels", "frames"), [32, 4]),
    "too many levels": (("levels", "frames"), list(range(1, 1_000_002))),
    "a factor of its own": (("levels", "wishes"), [1, 2]),
    "an encoder of nothing": (("encoder",), [0, 0]),
    "a name of a megabyte": (("table",), "a" * 2**20),
    "half a character": (("table",), "\ud800"),
    "a flag that is a number": (("synthetic",), 1),
    "noise of minus one": (("targets", "average", "noise", "run_variance"), -1),
    "a field of its own": (("extra",), {}),
    "a newer version": (("version",), 99),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_field_is_refused_in_one_line(known_fit, tmp_path, name):
    path, value = HOSTILE[name]
    file = tmp_path / "fit.json"
    file.write_text(json.dumps(change(json.loads(known_fit.read_text()), *path, value=value)))
    with pytest.raises(InputError) as problem:
        load_model(file)
    assert len(str(problem.value).splitlines()) == 1
    assert len(str(problem.value)) < 1000


def test_sizes_are_bounded_before_anything_is_read(tmp_path):
    path = tmp_path / "fit.json"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(InputError, match="at most 64 MiB"):
        load_model(path)


def test_a_saved_cost_cannot_make_a_server_read_other_files(known_fit, tmp_path):
    """A study may name a GPU file or a profile of its own: what is no such file is refused in one line."""
    content = json.loads(known_fit.read_text())
    secret = tmp_path / "secret.toml"
    secret.write_text("password = 'hunter2'\n")
    content |= {"version": 2, "cost": {
        "kind": "latency", "model": "llava-llama3", "gpu": str(secret), "profile": None, "price": None, "batch": 1,
        "text_tokens": 0, "output_tokens": 1, "limits": [], "encoder": None}}
    file = tmp_path / "fit.json"
    file.write_text(json.dumps(content))
    from vidscale.recommend import Answerer, Question, recommend

    with pytest.raises(InputError) as problem:
        recommend(Answerer(load_model(file)), Question())
    assert "hunter2" not in str(problem.value)
