"""Pins, bounds, shared and numeric exponents, and what a certificate says of terms that are gone."""

import numpy as np
import pytest

from vidscale.errors import InputError
from vidscale.fit import FitSettings, FitStatus, fit
from vidscale.forms import Exponent, Posynomial, Term, form


def declare(factors, terms, **options):
    made = [Term(coefficient=c, exponents={f: Exponent.parse(e) for f, e in powers.items()}) for c, powers in terms]
    return Posynomial(name="declared", factors=tuple(factors), terms=tuple(made), **options)


@pytest.fixture
def grid():
    """Two factors on a 5 × 6 grid, shape (30, 2)."""
    u, v = np.meshgrid([1.0, 2, 4, 8, 16], [1.0, 3, 9, 27, 81, 243])
    return np.stack([u.ravel(), v.ravel()], axis=1)


def noisy(error, seed=0, size=0.01):
    return error * np.exp(size * np.random.default_rng(seed).standard_normal(len(error)))


def test_a_pinned_exponent_stays_and_the_rest_is_best(grid):
    shape = form("li")
    truth = {"A": 0.5, "D": 0.1, "alpha": 0.3, "beta": 0.2}
    error = noisy(shape.evaluate(truth, grid))
    free, held = fit(shape, grid, error), fit(shape, grid, error, pins={"alpha": 0.3})
    assert held.parameters["alpha"] == 0.3
    assert held.objective >= free.objective
    again = fit(shape, grid, error, pins={"alpha": free.parameters["alpha"]})
    assert again.objective == pytest.approx(free.objective, rel=1e-9)
    assert held.layout.free == 3


def test_a_pinned_constant_is_in_natural_units(grid):
    error = noisy(form("li").evaluate({"A": 0.5, "D": 0.1, "alpha": 0.3, "beta": 0.2}, grid))
    held = fit(form("li"), grid, error, pins={"D": 0.15})
    assert held.parameters["D"] == pytest.approx(0.15, rel=1e-14)
    none = fit(form("li"), grid, error, pins={"D": 0.0})
    assert none.parameters["D"] == 0.0
    assert "D" not in none.certificate.gone


def test_a_pinned_coefficient_of_a_term_with_plain_numbers(grid):
    shape = declare(("u", "v"), [("a", {"u": -0.5}), ("b", {"v": "-q"}), ("e", {})])
    error = noisy(shape.evaluate({"a": 0.3, "b": 0.2, "e": 0.1, "q": 0.4}, grid))
    held = fit(shape, grid, error, pins={"a": 0.25})
    assert held.parameters["a"] == pytest.approx(0.25, rel=1e-12)


def test_all_but_one_parameter_pinned(grid):
    error = form("li").evaluate({"A": 0.5, "D": 0.1, "alpha": 0.3, "beta": 0.2}, grid)
    found = fit(form("li"), grid, error, pins={"D": 0.1, "alpha": 0.3, "beta": 0.2})
    assert found.parameters["A"] == pytest.approx(0.5, rel=1e-9)


def test_bounds_hold_and_are_said(grid):
    shape = declare(("u", "v"), [("a", {"u": "-p"}), ("b", {"v": "-q"}), ("e", {})], bounds={"p": (0.0, 0.2)})
    truth = {"a": 0.3, "b": 0.2, "e": 0.1, "p": 0.6, "q": 0.4}
    found = fit(shape, grid, shape.evaluate(truth, grid))
    assert found.parameters["p"] == pytest.approx(0.2, rel=1e-12)
    assert found.certificate.at_bound == ("p is at its upper bound 0.2",)
    assert "p is at its upper bound 0.2" in found.certificate.sentences()
    assert np.isinf(found.certificate.standard_errors["p"])
    wide = declare(("u", "v"), [("a", {"u": "-p"}), ("b", {"v": "-q"}), ("e", {})])
    assert fit(wide, grid, wide.evaluate(truth, grid)).objective < found.objective


def test_a_lower_bound_of_an_exponent(grid):
    shape = declare(("u", "v"), [("a", {"u": "-p", "v": "-q"})], bounds={"q": (0.3, 1.0)})
    found = fit(shape, grid, noisy(0.5 * grid[:, 0] ** -0.4 * grid[:, 1] ** -0.1))
    assert found.parameters["q"] == pytest.approx(0.3, rel=1e-12)
    assert found.certificate.at_bound == ("q is at its lower bound 0.3",)


def test_a_bounded_coefficient(grid):
    shape = declare(("u", "v"), [("a", {"u": "-p", "v": "-q"}), ("e", {})], bounds={"e": (0.2, 0.5)})
    error = noisy(0.5 * grid[:, 0] ** -0.4 * grid[:, 1] ** -0.1 + 0.05)
    found = fit(shape, grid, error)
    assert found.parameters["e"] == pytest.approx(0.2, rel=1e-12)
    assert found.certificate.at_bound == ("e is at its lower bound 0.2",)


def test_an_increasing_law_leaves_decay_rates_at_0(grid):
    found = fit(form("li"), grid, noisy(0.2 * grid[:, 0] ** 0.2 * grid[:, 1] ** -0.1))
    assert found.parameters["alpha"] == 0.0
    assert "alpha is at its lower bound 0" in found.certificate.at_bound


def test_a_shared_exponent_is_one_number(grid):
    shape = declare(("u", "v"), [("a", {"u": "-p"}), ("b", {"v": "-p"}), ("e", {})])
    truth = {"a": 0.3, "b": 0.2, "e": 0.1, "p": 0.45}
    found = fit(shape, grid, shape.evaluate(truth, grid))
    for name, value in truth.items():
        assert found.parameters[name] == pytest.approx(value, rel=1e-6), name
    separate = declare(("u", "v"), [("a", {"u": "-p"}), ("b", {"v": "-q"}), ("e", {})])
    error = noisy(shape.evaluate(truth, grid))
    assert fit(separate, grid, error).objective <= fit(shape, grid, error).objective * (1 + 1e-9)


def test_numbers_and_multiples_as_exponents(grid):
    shape = declare(("u", "v"), [("a", {"u": -0.5}), ("b", {"v": "-g"}), ("c", {"u": "-2*g", "v": "g"}), ("e", {})])
    truth = {"a": 0.3, "b": 0.2, "c": 0.01, "e": 0.1, "g": 0.35}
    found = fit(shape, grid, shape.evaluate(truth, grid))
    for name, value in truth.items():
        assert found.parameters[name] == pytest.approx(value, rel=1e-6), name


def test_a_form_without_exponents_to_fit(grid):
    shape = declare(("u", "v"), [("a", {"u": -0.5}), ("b", {"v": -1}), ("e", {})])
    found = fit(shape, grid, shape.evaluate({"a": 0.3, "b": 0.2, "e": 0.1}, grid))
    assert [found.parameters[n] for n in "abe"] == pytest.approx([0.3, 0.2, 0.1], rel=1e-9)


def test_a_form_of_a_single_constant(grid):
    shape = declare(("u", "v"), [("e", {})])
    error = noisy(np.full(len(grid), 0.3))
    assert fit(shape, grid, error).parameters["e"] == pytest.approx(np.exp(np.log(error).mean()), rel=1e-9)


def test_a_term_the_data_do_not_want_is_exactly_0_and_reported(grid):
    shape = declare(("u", "v"), [("a", {"u": "-p"}), ("b", {"v": "-q"}), ("e", {})])
    error = noisy(0.5 * grid[:, 0] ** -0.4, size=0.02, seed=3)
    found = fit(shape, grid, error)
    for name in found.certificate.gone:
        assert found.parameters[name] == 0.0
    concave = 0.5 * grid[:, 0] ** -0.4 * np.exp(-0.1 * np.log(grid[:, 0]) ** 2)
    steep = fit(shape, grid, concave)
    assert set(steep.certificate.gone) == {"b", "e"}
    assert steep.parameters["b"] == 0.0
    assert steep.parameters["e"] == 0.0
    assert "q" in steep.certificate.weak
    assert "at their bound 0, so their terms are gone: b, e" in steep.certificate.sentences()
    assert np.isneginf(steep.laws().log_coefficients[0, [1, 2]]).all()
    assert steep.laws().error(grid)[0] == pytest.approx(steep.predict(grid))


def test_a_parameter_the_data_hardly_say_anything_about_is_weak(known):
    shape, _, x, error = known("chinchilla", noise=0.01)
    found = fit(shape, x, error)
    assert found.certificate.weak
    for name in found.certificate.weak:
        assert found.certificate.standard_errors[name] > 0.5
    assert any("hardly identified" in s for s in found.certificate.sentences())


def test_standard_errors_are_those_of_linear_regression():
    """A form of one term is a straight line in logs, where the standard errors are textbook ones."""
    shape = declare(("u",), [("a", {"u": "-p"})])
    rng = np.random.default_rng(0)
    log_u = rng.normal(0, 1, 25)
    y = -1 - 0.3 * log_u + 0.05 * rng.standard_normal(25)
    found = fit(shape, np.exp(log_u)[:, None], np.exp(y))
    columns = np.stack([np.ones(25), -log_u], axis=1)
    best, ss, *_ = np.linalg.lstsq(columns, y)
    covariance = np.linalg.inv(columns.T @ columns) * ss[0] / 23
    assert found.parameters["p"] == pytest.approx(best[1], rel=1e-7)
    assert found.objective == pytest.approx(ss[0] / 25, rel=1e-9)
    errors = [found.certificate.standard_errors[n] for n in ("a", "p")]
    assert errors == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-6)
    assert found.certificate.condition == pytest.approx(1.0, abs=1e-6)


def test_certificate_and_status_of_a_plain_fit(known):
    shape, _, x, error = known("add", noise=0.01)
    found = fit(shape, x, error, target="videomme", data_hash="abc")
    assert found.status is FitStatus.CERTAIN
    assert 0.3 <= found.certificate.share_at_best <= 1
    assert found.certificate.gradient < 1e-4
    assert found.certificate.condition >= 1
    assert found.start_objectives.shape == (32,)
    assert np.all(np.diff(found.start_objectives) >= 0)
    assert found.start_objectives[0] >= found.objective * (1 - 1e-9)
    assert found.rows == len(x)
    assert (found.target, found.data_hash) == ("videomme", "abc")
    assert all(isinstance(s, str) and s for s in found.certificate.sentences())


def test_a_fit_cut_short_says_so(known):
    shape, _, x, error = known("add-interact", noise=0.02)
    found = fit(shape, x, error, settings=FitSettings(starts=1, max_iterations=1))
    assert found.status is FitStatus.STUCK
    assert "did not converge" in found.status.value


def test_disputed_when_few_starts_agree(known):
    for seed in range(8):
        shape, _, x, error = known("add-interact", noise=0.02, seed=seed)
        found = fit(shape, x, error)
        assert 0 < found.certificate.share_at_best <= 1
        expected = FitStatus.CERTAIN if found.certificate.share_at_best >= 0.3 else FitStatus.DISPUTED
        assert found.status is expected


@pytest.mark.parametrize(("name", "value"), [("zeta", 1.0), ("alpha", np.nan), ("alpha", np.inf), ("D", -0.1),
                                             ("A", 0.5)])
def test_pins_that_cannot_be(grid, name, value):
    with pytest.raises(InputError, match=f"cannot pin '?{name}"):
        fit(form("li"), grid, np.full(len(grid), 0.3), pins={name: value})


def test_the_message_about_a_pinned_coefficient_names_the_exponents_in_the_way(grid):
    with pytest.raises(InputError, match=r"exponent \(alpha, beta\) is fitted"):
        fit(form("li"), grid, np.full(len(grid), 0.3), pins={"A": 0.5})
