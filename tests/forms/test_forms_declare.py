"""Forms declared in TOML, and how forms are written."""

import tomllib
from pathlib import Path

import pytest

from vidscale.errors import InputError
from vidscale.forms import CATALOGUE, form, latex, load_form, parse_form, text

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

DECLARATION = """
name = "add-joint"
factors = ["lm_params", "frames", "tokens_per_frame", "data_size"]

[[terms]]
coefficient = "gamma"
exponents = { frames = "-g_T", tokens_per_frame = "-2*g_T", data_size = -0.5 }

[[terms]]
coefficient = "epsilon"

[bounds]
g_T = [0, 2]
epsilon = [0, 0.5]
"""


def parse(content, **changes):
    return parse_form({**tomllib.loads(content), **changes})


class TestParse:
    def test_a_declaration(self):
        shape = parse(DECLARATION)
        assert shape.name == "add-joint"
        assert shape.parameters == ("gamma", "epsilon", "g_T")
        assert shape.exponent_bounds("g_T") == (0.0, 2.0)
        assert shape.bounds["epsilon"] == (0.0, 0.5)
        assert shape.source == "declared by the user"
        p = {"gamma": 2.0, "epsilon": 0.1, "g_T": 0.25}
        assert shape.evaluate(p, [[1e9, 4.0, 16.0, 4.0]]) == pytest.approx([2 * 4**-0.25 * 16**-0.5 * 4**-0.5 + 0.1])

    def test_factors_default_to_those_used_in_the_packages_order(self):
        content = tomllib.loads(DECLARATION)
        del content["factors"]
        assert parse_form(content).factors == ("frames", "tokens_per_frame", "data_size")

    def test_other_factors_must_be_declared(self):
        term = {"coefficient": "a", "exponents": {"width": "-p"}}
        assert parse_form({"name": "w", "factors": ["width"], "terms": [term]}).factors == ("width",)
        with pytest.raises(InputError, match="unknown factor 'width'"):
            parse_form({"name": "w", "terms": [term]})

    def test_the_example(self):
        shape = load_form(EXAMPLES / "joint.toml")
        assert shape.name == "add-interact-joint"
        assert shape.coefficients == (*form("add-interact").coefficients, "gamma")
        assert shape.exponent_bounds("g_V") == (0.0, 2.0)
        assert shape.factors == form("add-interact").factors

    def test_extends_keeps_the_note_of_its_base(self):
        shape = parse_form({"name": "more", "extends": "add-interact-s",
                            "terms": [{"coefficient": "gamma", "exponents": {"frames": "-g"}}]})
        assert shape.note == form("add-interact-s").note
        own = parse_form({"name": "more", "extends": "add-interact-s", "note": "mine",
                          "terms": [{"coefficient": "gamma", "exponents": {"frames": "-g"}}]})
        assert own.note == "mine"

    def test_extends_may_share_an_exponent_of_its_base(self):
        shape = parse_form({"name": "more", "extends": "add",
                            "terms": [{"coefficient": "gamma", "exponents": {"frames": "-a_T", "data_size": "-d"}}]})
        assert len(shape.parameters) == len(form("add").parameters) + 1

    @pytest.mark.parametrize("name", CATALOGUE)
    def test_every_form_of_the_catalogue_can_be_written_as_a_declaration(self, name):
        shape = form(name)
        again = parse_form({
            "name": shape.name, "factors": list(shape.factors), "source": shape.source, "note": shape.note,
            "terms": [{"coefficient": t.coefficient, "exponents": {f: str(e) for f, e in t.exponents.items()}}
                      for t in shape.terms]})
        assert again == shape
        assert again.same_shape(shape)


class TestRefused:
    @pytest.mark.parametrize(("changes", "message"), [
        ({"colour": "red"}, "unknown key 'colour'; allowed are bounds, extends, factors, name, note, source, terms"),
        ({"name": ""}, "name is ''; give the form a name"),
        ({"name": 3}, "name is 3"),
        ({"terms": []}, "terms are missing"),
        ({"terms": {"a": 1}}, "terms are missing"),
        ({"terms": ["a"]}, "terms are missing"),
        ({"terms": [{"coefficient": "a", "power": 1}]}, "term 1: unknown key 'power'"),
        ({"terms": [{"exponents": {}}]}, "term 1: coefficient is None; give it a name"),
        ({"terms": [{"coefficient": 2}]}, "term 1: coefficient is 2"),
        ({"terms": [{"coefficient": "a", "exponents": "-p"}]}, "term 1: exponents are '-p'; write"),
        ({"terms": [{"coefficient": "a", "exponents": {"frames": "a b"}}]}, "exponent 'a b' is not understood"),
        ({"terms": [{"coefficient": "a", "exponents": {"frames": True}}]}, "exponent True is not understood"),
        ({"factors": "frames"}, "factors are 'frames'; give a list of names"),
        ({"factors": [1]}, r"factors are \[1\]; give a list of names"),
        ({"bounds": [0, 1]}, r"bounds are \[0, 1\]; write a \[bounds\] table"),
        ({"bounds": {"g_T": 2}}, r"bounds of g_T are 2; write two numbers"),
        ({"bounds": {"g_T": [0]}}, r"bounds of g_T are \[0\]"),
        ({"bounds": {"g_T": ["a", "b"]}}, "bounds of g_T are"),
        ({"bounds": {"zeta": [0, 1]}}, "unknown parameter 'zeta'"),
        ({"extends": "cubic"}, "unknown form 'cubic'"),
    ])
    def test_contents(self, changes, message):
        with pytest.raises(InputError, match=message):
            parse(DECLARATION, **changes)

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(InputError, match=r"form file .*none\.toml: No such file.*; give the path"):
            load_form(tmp_path / "none.toml")

    @pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe\x00", b"[[terms]\n"])
    def test_a_file_that_is_no_toml(self, tmp_path, content):
        (tmp_path / "bad.toml").write_bytes(content)
        with pytest.raises(InputError, match=r"bad\.toml is not valid TOML"):
            load_form(tmp_path / "bad.toml")

    def test_a_file_that_is_no_form_names_itself(self, tmp_path):
        (tmp_path / "bad.toml").write_text('name = "x"\n', encoding="utf-8")
        with pytest.raises(InputError, match=r"form file .*bad\.toml: terms are missing"):
            load_form(tmp_path / "bad.toml")

    def test_a_directory(self, tmp_path):
        (tmp_path / "dir.toml").mkdir()
        with pytest.raises(InputError, match="Is a directory"):
            load_form(tmp_path / "dir.toml")

    def test_an_unknown_name(self):
        with pytest.raises(InputError, match=r"unknown form 'quadratic'.*a path to a \.toml file"):
            load_form("quadratic")


class TestRender:
    def test_names(self):
        assert text(form("li")) == "A·x_N^(-α)·x_V^(-β) + D"
        assert latex(form("li")) == r"A\, x_N^{-\alpha}\, x_V^{-\beta} + D"
        assert text(form("mult")) == "α·x_N^(-a_N)·x_T^(-a_T)·x_V^(-a_V)·n^(-d) + ε"
        assert latex(form("chinchilla")) == r"A\, x_N^{-\alpha} + B\, n^{-\beta} + E"

    def test_every_parameter_shows(self):
        for name in CATALOGUE:
            shape = form(name)
            written = text(shape)
            assert written.count(" + ") == len(shape.terms) - 1
            assert latex(shape).count("{") == latex(shape).count("}")

    def test_values(self):
        values = {"A": 0.59145, "D": 0.0, "alpha": 0.0712765, "beta": 0.015385}
        assert text(form("li"), values) == "0.5915·x_N^(-0.0713)·x_V^(-0.0154) + 0"
        assert latex(form("li"), values) == r"0.5915\, x_N^{-0.0713}\, x_V^{-0.0154} + 0"

    def test_large_coefficients(self):
        values = {"A": 4.76e9, "B": 2e-7, "E": 1.8, "alpha": 0.3, "beta": 0.4}
        assert latex(form("chinchilla"), values).startswith(r"4.76\times 10^{9}\, x_N^{-0.3}")
        assert r"2\times 10^{-7}" in latex(form("chinchilla"), values)

    def test_multiples_numbers_and_other_factors(self):
        shape = parse_form({"name": "w", "factors": ["batch_size", "frames"], "terms": [
            {"coefficient": "gamma_1", "exponents": {"batch_size": "-2*g", "frames": 0.5}}]})
        assert text(shape) == "γ_1·batch_size^(-2g)·x_T^(0.5)"
        assert latex(shape) == r"\gamma_{1}\, \mathrm{batch\_size}^{-2g}\, x_T^{0.5}"
        assert text(shape, {"gamma_1": 2.0, "g": 0.25}) == "2·batch_size^(-0.5)·x_T^(0.5)"
