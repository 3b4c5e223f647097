"""A form is data: evaluation, parameters, bounds, restriction, and every way a declaration can be wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidscale.errors import InputError
from vidscale.forms import CATALOGUE, PAPER_FORMS, Exponent, Posynomial, Term, form


def declare(factors, terms, name="f", **options):
    made = [Term(coefficient=c, exponents={k: Exponent.parse(e) for k, e in powers.items()}) for c, powers in terms]
    return Posynomial(name=name, factors=tuple(factors), terms=tuple(made), **options)


X = np.array([[1e9, 4.0, 16, 2.5e5], [7.5e9, 32, 196, 1e6], [2.8e9, 8, 49, 2e6]])


class TestCatalogue:
    def test_names(self):
        assert tuple(CATALOGUE) == ("mult", "add", "add-interact-s", "add-interact", "chinchilla", "li")
        assert set(PAPER_FORMS) < set(CATALOGUE)
        assert all(form(name).name == name for name in CATALOGUE)

    @pytest.mark.parametrize(("name", "terms", "parameters"), [
        ("mult", 2, 6), ("add", 5, 9), ("add-interact-s", 8, 13), ("add-interact", 8, 15), ("chinchilla", 3, 5),
        ("li", 2, 4)])
    def test_sizes(self, name, terms, parameters):
        assert len(form(name).terms) == terms
        assert len(form(name).parameters) == parameters

    def test_the_reading_of_add_interact_s_is_said(self):
        assert "our reading" in form("add-interact-s").note
        assert "b" in form("add-interact-s").exponent_names

    def test_decays_and_free_exponents(self):
        assert form("add-interact").exponent_bounds("a_N") == (0.0, 3.0)
        assert form("add-interact").exponent_bounds("d") == (0.0, 3.0)
        assert form("add-interact").exponent_bounds("b_V") == (-3.0, 3.0)

    def test_an_unknown_name_lists_the_catalogue(self):
        with pytest.raises(InputError, match=r"'cubic'.*mult, add, add-interact-s, add-interact, chinchilla, li"):
            form("cubic")


class TestEvaluate:
    def test_mult_as_published(self):
        p = {"alpha": 6.0, "epsilon": 0.12, "a_N": 0.06, "a_T": 0.1, "a_V": 0.07, "d": 0.05}
        N, T, V, n = X.T
        expected = 6.0 * N**-0.06 * T**-0.1 * V**-0.07 * n**-0.05 + 0.12
        assert form("mult").evaluate(p, X) == pytest.approx(expected, rel=1e-13)

    def test_add_interact_as_published(self):
        rng = np.random.default_rng(0)
        p = {name: float(rng.uniform(0.1, 0.6)) for name in form("add-interact").parameters}
        x = np.exp(rng.uniform(0, 2, (7, 4)))
        expected = p["xi"] * x[:, 3] ** -p["d"] + p["epsilon"]
        for k, s in enumerate("NTV"):
            expected += p[f"alpha_{s}"] * x[:, k] ** -p[f"a_{s}"]
            expected += p[f"beta_{s}"] * x[:, k] ** p[f"b_{s}"] * x[:, 3] ** -p["d"]
        assert form("add-interact").evaluate(p, x) == pytest.approx(expected, rel=1e-13)

    def test_one_row_may_be_flat(self):
        p = {"A": 0.5, "D": 0.1, "alpha": 0.2, "beta": 0.1}
        assert form("li").evaluate(p, [1.0, 1.0]) == pytest.approx([0.6])

    def test_a_coefficient_of_0_is_a_term_that_is_gone(self):
        p = {"A": 0.0, "D": 0.1, "alpha": 0.2, "beta": 0.1}
        assert form("li").evaluate(p, [[2.0, 3.0]]) == pytest.approx([0.1])
        assert form("li").term_values(p, [[2.0, 3.0]])[0, 0] == 0.0

    def test_terms_add_up(self):
        p = {"A": 0.5, "D": 0.1, "alpha": 0.2, "beta": 0.1}
        values = form("li").term_values(p, X[:, [0, 2]])
        assert values.shape == (3, 2)
        assert values.sum(axis=1) == pytest.approx(form("li").evaluate(p, X[:, [0, 2]]))

    def test_numbers_multiples_and_shared_exponents(self):
        shape = declare("uv", [("a", {"u": -0.5}), ("b", {"u": "-2*g", "v": "g"}), ("c", {"v": "-0.5*h"})])
        assert shape.parameters == ("a", "b", "c", "g", "h")
        p = {"a": 1.0, "b": 2.0, "c": 3.0, "g": 0.3, "h": 0.8}
        expected = 4.0**-0.5 + 2 * 4.0**-0.6 * 9**0.3 + 3 * 9**-0.4
        assert shape.evaluate(p, [[4.0, 9.0]]) == pytest.approx([expected], rel=1e-13)

    def test_a_wrong_number_of_columns(self):
        with pytest.raises(InputError, match=r"2 factors \(lm_params, tokens_per_frame\); the array has 4 columns"):
            form("li").evaluate({"A": 0.5, "D": 0.1, "alpha": 0.2, "beta": 0.1}, X)


@st.composite
def decaying(draw):
    """(form, parameters, x): every exponent a decay."""
    factors = ("u", "v", "w")
    powers = st.dictionaries(st.sampled_from(factors), st.sampled_from(["-p", "-2*q", "-r", -0.5, "-q"]))
    terms = [(f"c{j}", draw(powers)) for j in range(draw(st.integers(1, 5)))]
    shape = declare(factors, terms)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return shape, {name: float(rng.uniform(0, 2)) for name in shape.parameters}, np.exp(rng.normal(0, 2, (6, 3)))


@settings(max_examples=60, deadline=None)
@given(case=decaying(), factor=st.integers(0, 2), grow=st.floats(1, 10))
def test_decays_never_rise_in_any_factor(case, factor, grow):
    shape, parameters, x = case
    larger = x.copy()
    larger[:, factor] *= grow
    before, after = shape.evaluate(parameters, x), shape.evaluate(parameters, larger)
    assert np.all(after <= before * (1 + 1e-12))
    assert all(shape.exponent_bounds(name) == (0.0, 3.0) for name in shape.exponent_names)


@settings(max_examples=40, deadline=None)
@given(case=decaying(), scale=st.floats(0.1, 10), grow=st.floats(0.1, 10))
def test_homogeneity(case, scale, grow):
    """Coefficients scale the law; a factor's unit is a power in each coefficient."""
    shape, parameters, x = case
    base = shape.evaluate(parameters, x)
    scaled = {n: v * scale if n in shape.coefficients else v for n, v in parameters.items()}
    assert shape.evaluate(scaled, x) == pytest.approx(scale * base, rel=1e-11)
    units = np.array([grow, 1.0, 1.0])
    powers = shape.exponent_matrix(parameters)
    moved = dict(parameters)
    for j, name in enumerate(shape.coefficients):
        moved[name] = parameters[name] * float(np.prod(units ** powers[j]))
    assert shape.evaluate(moved, x / units) == pytest.approx(base, rel=1e-10)


class TestExponents:
    @pytest.mark.parametrize(("text", "parameter", "scale"), [
        ("-a_N", "a_N", -1.0), ("b", "b", 1.0), ("+b", "b", 1.0), ("2*g", "g", 2.0), ("-0.5*q", "q", -0.5),
        (" - 2 * g ", "g", -2.0), ("-0.5", None, -0.5), ("2", None, 2.0), (-1, None, -1.0), (0.25, None, 0.25),
        ("1e-1", None, 0.1)])
    def test_parse(self, text, parameter, scale):
        assert Exponent.parse(text) == Exponent(parameter=parameter, scale=scale)

    @pytest.mark.parametrize("text", ["-a_N", "b", "2*g", "-0.5*q", "-0.5", "2"])
    def test_round_trip(self, text):
        assert str(Exponent.parse(text)) == text
        assert Exponent.parse(str(Exponent.parse(text))) == Exponent.parse(text)

    @pytest.mark.parametrize("text", ["", "-", "2*", "a b", "a-b", "2**g", "--a", "*g", "a/2", "nan*g", [1], None, True,
                                      float("nan"), float("inf")])
    def test_what_is_not_understood(self, text):
        with pytest.raises(InputError, match="is not understood; write a number, a parameter name"):
            Exponent.parse(text)


class TestDeclarations:
    @pytest.mark.parametrize(("make", "message"), [
        (lambda: declare("u", []), "has no terms"),
        (lambda: declare("uu", [("a", {})]), "repeats a factor"),
        (lambda: declare("u", [("2a", {})]), "'2a' is no name"),
        (lambda: declare("u", [("a", {}), ("a", {"u": "-p"})]), r"term 2: coefficient 'a' is used twice"),
        (lambda: declare("u", [("a", {"v": "-p"})]), r"term 1: unknown factor 'v'; the form's factors are u"),
        (lambda: declare("u", [("a", {"u": "-a"})]), "'a' names a coefficient and an exponent"),
        (lambda: declare("u", [("a", {"u": "-p"})], bounds={"z": (0, 1)}), "parameter 'z'; the parameters are a, p"),
        (lambda: declare("u", [("a", {"u": "-p"})], bounds={"p": (1, 1)}), "lower must be below upper"),
        (lambda: declare("u", [("a", {"u": "-p"})], bounds={"p": (2, 1)}), "lower must be below upper"),
        (lambda: declare("u", [("a", {"u": "-p"})], bounds={"p": (float("nan"), 1)}), "lower must be below upper"),
        (lambda: declare("u", [("a", {"u": "-p"})], bounds={"p": (0, float("inf"))}), "give finite numbers"),
        (lambda: declare("u", [("a", {"u": "-p"})], bounds={"a": (0, 1)}), "multiplies a power that is fitted"),
        (lambda: declare("u", [("a", {})], bounds={"a": (-1, 1)}), "must be >= 0"),
    ])
    def test_errors(self, make, message):
        with pytest.raises(InputError, match=message):
            make()

    def test_bounds_of_a_coefficient_with_plain_numbers(self):
        assert declare("u", [("a", {"u": -0.5})], bounds={"a": (0, 1)}).bounds["a"] == (0, 1)

    def test_a_sign_used_both_ways_is_free(self):
        shape = declare("uv", [("a", {"u": "-p"}), ("b", {"v": "p"})])
        assert shape.exponent_bounds("p") == (-3.0, 3.0)
        assert declare("uv", [("a", {"u": "-p"}), ("b", {"v": "-2*p"})]).exponent_bounds("p") == (0.0, 3.0)

    def test_forms_are_frozen(self):
        with pytest.raises(AttributeError):
            form("li").name = "other"


class TestRestrict:
    def test_everything_varies(self):
        shape, notes = form("add").restrict(form("add").factors)
        assert shape is form("add")
        assert notes == ()

    def test_add_without_frames_and_data(self):
        shape, notes = form("add").restrict(("lm_params", "tokens_per_frame"))
        assert shape.factors == ("lm_params", "tokens_per_frame")
        assert shape.coefficients == ("alpha_N", "alpha_V", "epsilon")
        assert notes == ("add: alpha_T cannot be told from epsilon because frames does not vary",
                         "add: xi cannot be told from epsilon because data_size does not vary")

    def test_interactions_without_data_fall_on_the_decays(self):
        shape, notes = form("add-interact").restrict(("lm_params", "frames", "tokens_per_frame"))
        assert shape.coefficients == ("alpha_N", "alpha_T", "alpha_V", "epsilon")
        assert len(notes) == 4
        assert all("data_size does not vary" in note for note in notes)
        assert shape.same_shape(form("add").restrict(shape.factors)[0])

    def test_mult_only_loses_factors(self):
        shape, notes = form("mult").restrict(("lm_params", "tokens_per_frame"))
        assert notes == ()
        assert shape.same_shape(form("li"))
        assert not shape.same_shape(form("add").restrict(shape.factors)[0])

    def test_bounds_of_what_is_left_stay(self):
        shape = declare("uv", [("a", {"u": "-p"}), ("b", {"v": "-q"}), ("e", {})], bounds={"p": (0, 1), "q": (0, 2)})
        left, _ = shape.restrict(("u",))
        assert dict(left.bounds) == {"p": (0, 1)}
        assert left.parameters == ("a", "e", "p")

    def test_the_order_of_the_forms_factors_stays(self):
        shape, _ = form("mult").restrict(("data_size", "frames", "lm_params"))
        assert shape.factors == ("lm_params", "frames", "data_size")

    def test_nothing_varies(self):
        with pytest.raises(InputError, match=r"uses lm_params, tokens_per_frame; none of them varies"):
            form("li").restrict(("frames",))

    @pytest.mark.parametrize("name", CATALOGUE)
    def test_a_restricted_law_is_the_law_at_fixed_values(self, name):
        """Whatever is held fixed, the restricted form can express the law: dropped terms go into those that stay."""
        shape = form(name)
        kept = shape.factors[:1]
        left, notes = shape.restrict(kept)
        assert set(left.factors) == set(kept)
        assert len(left.terms) + len(notes) == len(shape.terms)
        assert set(left.parameters) <= set(shape.parameters)


class TestSameShape:
    def test_names_do_not_matter(self):
        one = declare("uv", [("a", {"u": "-p"}), ("b", {"v": "-q"}), ("e", {})])
        other = declare("uv", [("x", {"u": "-y"}), ("z", {"v": "-w"}), ("c", {})], name="g")
        assert one.same_shape(other)

    def test_the_order_of_terms_does_not_matter(self):
        one = declare("uv", [("a", {"u": "-p"}), ("b", {"v": "-q"}), ("e", {})])
        other = declare("uv", [("e", {}), ("b", {"v": "-q"}), ("a", {"u": "-p"})])
        assert one.same_shape(other)
        assert other.same_shape(one)

    @pytest.mark.parametrize("other", [
        declare("uv", [("a", {"u": "-p"}), ("b", {"v": "-p"}), ("e", {})]),
        declare("uv", [("a", {"u": "-p"}), ("b", {"v": "q"}), ("e", {})]),
        declare("uv", [("a", {"u": "-p"}), ("b", {"v": "-2*q"}), ("e", {})]),
        declare("uv", [("a", {"u": "-p"}), ("b", {"v": -1}), ("e", {})]),
        declare("uv", [("a", {"u": "-p"}), ("b", {"v": "-q"})]),
        declare("uv", [("a", {"u": "-p"}), ("b", {"v": "-q"}), ("e", {})], bounds={"p": (0, 1)}),
        declare("uv", [("a", {"u": "-p"}), ("b", {"v": "-q"}), ("e", {})], bounds={"e": (0.1, 1)}),
        declare("uw", [("a", {"u": "-p"}), ("b", {"w": "-q"}), ("e", {})]),
    ])
    def test_what_matters(self, other):
        one = declare("uv", [("a", {"u": "-p"}), ("b", {"v": "-q"}), ("e", {})])
        assert not one.same_shape(other)
        assert not other.same_shape(one)

    def test_the_catalogue_has_no_twins(self):
        names = list(CATALOGUE)
        for i, left in enumerate(names):
            assert form(left).same_shape(form(left))
            assert not any(form(left).same_shape(form(right)) for right in names[i + 1 :])
