"""Profile intervals against a brute-force scan, at bounds, and against textbook intervals."""

import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq, least_squares

from vidscale.errors import InputError
from vidscale.fit import FitSettings, Interval, fit, profile
from vidscale.forms import CATALOGUE, Exponent, Posynomial, Term

POWER = Posynomial(name="power", factors=("u",), terms=(
    Term(coefficient="a", exponents={"u": Exponent.parse("-p")}), Term(coefficient="e")))
U = np.geomspace(1, 300, 24)[:, None]


@pytest.fixture(scope="module")
def power():
    """(fit, error): a power law with a constant, 24 rows, 1 % noise."""
    noise = 0.01 * np.random.default_rng(0).standard_normal(len(U))
    error = POWER.evaluate({"a": 0.4, "e": 0.2, "p": 0.6}, U) * np.exp(noise)
    return fit(POWER, U, error), error


def scan(name, value, error, start):
    """The sum of squared log residuals with one parameter held, the other two fitted by SciPy."""
    names = [n for n in POWER.parameters if n != name]

    def residuals(free):
        return np.log(POWER.evaluate({name: value, **dict(zip(names, free, strict=True))}, U)) - np.log(error)

    bounds = ([0.0] * 2, [50.0] * 2)
    found = least_squares(residuals, [start[n] for n in names], bounds=bounds, xtol=1e-14, ftol=1e-14, gtol=1e-14)
    return 2 * found.cost


@pytest.mark.parametrize("name", POWER.parameters)
@pytest.mark.parametrize("level", [0.68, 0.95])
def test_the_ends_are_where_a_brute_force_scan_crosses_the_limit(power, name, level):
    found, error = power
    interval = profile(found, U, error, parameters=[name], level=level)[name]
    best, limit = found.parameters[name], stats.chi2.ppf(level, 1)

    def excess(value):
        return len(U) * np.log(scan(name, value, error, found.parameters) / found.loss_sum) - limit

    width = max(interval.high - best, best - interval.low)
    low = brentq(excess, best - 2 * width, best - 1e-3 * width, xtol=1e-10)
    high = brentq(excess, best + 1e-3 * width, best + 2 * width, xtol=1e-10)
    assert interval.low == pytest.approx(low, abs=1e-3 * (best - low))
    assert interval.high == pytest.approx(high, abs=1e-3 * (high - best))
    assert interval.level == level
    assert not interval.low_is_bound
    assert not interval.high_is_bound


@pytest.mark.parametrize("loss", ["log-mse", "log-huber"])
@pytest.mark.parametrize("name", CATALOGUE)
def test_the_estimate_lies_inside(known, name, loss):
    shape, _, x, error = known(name, noise=0.01)
    found = fit(shape, x, error, settings=FitSettings(starts=8, loss=loss, delta=0.01))
    some = [n for n in ("alpha_N", "b_T", "d", "epsilon") if n in shape.parameters] if len(shape.terms) > 5 else None
    intervals = profile(found, x, error, parameters=some)
    assert intervals
    for parameter, interval in intervals.items():
        estimate = found.parameters[parameter]
        assert interval.low <= estimate * (1 + 1e-9), parameter
        assert interval.high >= estimate * (1 - 1e-9), parameter
        assert interval.low < interval.high, parameter


def test_gone_terms_have_no_interval_unless_they_are_constants(known):
    shape, _, x, error = known("add-interact-s", noise=0.01)
    found = fit(shape, x, error)
    intervals = profile(found, x, error)
    for name in found.certificate.gone:
        moving = any(e.parameter for e in shape.terms[shape.coefficients.index(name)].exponents.values())
        assert (name in intervals) is not moving


def test_higher_levels_are_wider(power):
    found, error = power
    ends = [profile(found, U, error, parameters=["p"], level=level)["p"] for level in (0.5, 0.8, 0.95, 0.99)]
    assert all(a.low > b.low and a.high < b.high for a, b in itertools.pairwise(ends))


@pytest.fixture(scope="module")
def bent():
    """(fit, error): errors that fall faster and faster in logs, where no constant can help."""
    noise = 0.01 * np.random.default_rng(3).standard_normal(len(U))
    error = 0.4 * U[:, 0] ** -0.1 * np.exp(-0.003 * np.log(U[:, 0]) ** 2 + noise)
    return fit(POWER, U, error), error


def test_a_constant_at_0_has_0_as_a_bound(bent):
    found, error = bent
    assert found.parameters["e"] == 0.0
    assert found.certificate.gone == ("e",)
    interval = profile(found, U, error, parameters=["e"])["e"]
    assert interval.low == 0.0
    assert interval.low_is_bound
    assert not interval.high_is_bound
    assert str(interval).startswith("[0 (bound), ")


def test_the_other_end_is_where_the_scan_crosses(bent):
    found, error = bent
    interval = profile(found, U, error, parameters=["e"])["e"]
    limit = stats.chi2.ppf(0.95, 1)

    def excess(value):
        start = {"a": 0.4 - 0.8 * value, "p": 0.15, "e": 0.0}
        return len(U) * np.log(scan("e", value, error, start) / found.loss_sum) - limit

    assert interval.high == pytest.approx(brentq(excess, 1e-6, 0.3), rel=2e-3)


def test_an_exponent_at_its_upper_bound():
    shape = Posynomial(name="steep", factors=("u",), terms=POWER.terms, bounds={"p": (0.0, 0.5)})
    error = POWER.evaluate({"a": 0.4, "e": 0.2, "p": 0.6}, U)
    error = error * np.exp(0.02 * np.random.default_rng(0).standard_normal(len(U)))
    found = fit(shape, U, error)
    assert found.parameters["p"] == pytest.approx(0.5)
    interval = profile(found, U, error, parameters=["p"])["p"]
    assert interval.high == pytest.approx(0.5)
    assert interval.high_is_bound
    assert not interval.low_is_bound
    assert str(interval).endswith("0.5 (bound)]")


def test_a_parameter_the_data_do_not_bound_reaches_both_walls():
    """Two values of u: any exponent is as good as any other once the constant makes up for it."""
    x = np.tile([[1.0], [1.01]], (6, 1))
    error = 0.3 * np.exp(0.05 * np.random.default_rng(0).standard_normal(12))
    shape = Posynomial(name="flat", factors=("u",), terms=(POWER.terms[0],))
    found = fit(shape, x, error)
    interval = profile(found, x, error, parameters=["p"])["p"]
    assert (interval.low, interval.high) == (0.0, pytest.approx(3.0))
    assert interval.low_is_bound
    assert interval.high_is_bound


def test_pinned_parameters_are_left_out(power):
    _, error = power
    held = fit(POWER, U, error, pins={"e": 0.2})
    assert set(profile(held, U, error)) == {"a", "p"}
    free = fit(POWER, U, error)
    narrow, wide = profile(held, U, error)["p"], profile(free, U, error)["p"]
    assert narrow.high - narrow.low < wide.high - wide.low


def test_a_straight_line_has_its_likelihood_interval():
    """For a form of one term the profile is Student's statistic in closed form: t² = (n-2)(exp(χ²/n) - 1)."""
    shape = Posynomial(name="line", factors=("u",), terms=(POWER.terms[0],))
    rng = np.random.default_rng(0)
    error = 0.4 * U[:, 0] ** -0.3 * np.exp(0.05 * rng.standard_normal(len(U)))
    found = fit(shape, U, error)
    n = len(U)
    t = np.sqrt((n - 2) * np.expm1(stats.chi2.ppf(0.95, 1) / n))
    half = t * found.certificate.standard_errors["p"]
    interval = profile(found, U, error, parameters=["p"])["p"]
    assert interval.high - found.parameters["p"] == pytest.approx(half, rel=1e-3)
    assert found.parameters["p"] - interval.low == pytest.approx(half, rel=1e-3)
    # The coefficient is profiled in logs of natural units, where the interval of a line is symmetric as well.
    a = profile(found, U, error, parameters=["a"])["a"]
    assert np.log(a.high / found.parameters["a"]) == pytest.approx(np.log(found.parameters["a"] / a.low), rel=1e-3)


def test_huber_intervals_are_those_of_least_squares_where_no_row_is_far_out(power):
    _, error = power
    square = fit(POWER, U, error)
    huber = fit(POWER, U, error, settings=FitSettings(loss="log-huber", delta=1.0))
    assert huber.parameters["p"] == pytest.approx(square.parameters["p"], rel=1e-6)
    one, other = profile(square, U, error)["p"], profile(huber, U, error)["p"]
    assert other.high - other.low == pytest.approx(one.high - one.low, rel=0.1)


def test_profiles_do_not_depend_on_units(known):
    shape, _, x, error = known("li", noise=0.01)
    plain = profile(fit(shape, x, error), x, error)
    scaled = profile(fit(shape, x / np.array([1e9, 1.0]), error), x / np.array([1e9, 1.0]), error)
    for name in ("alpha", "beta", "D"):
        assert scaled[name].low == pytest.approx(plain[name].low, rel=1e-3)
        assert scaled[name].high == pytest.approx(plain[name].high, rel=1e-3)


def test_an_interval_prints_its_walls():
    assert str(Interval(low=0.1234, high=2.0, level=0.95)) == "[0.123, 2]"
    walled = Interval(low=0.0, high=3.0, level=0.95, low_is_bound=True, high_is_bound=True)
    assert str(walled) == "[0 (bound), 3 (bound)]"


def test_coverage_of_known_truth():
    """Over 60 noisy copies of one law the 90 % interval of p holds the truth about 90 % of the time."""
    inside = 0
    clean = POWER.evaluate({"a": 0.4, "e": 0.2, "p": 0.6}, U)
    for seed in range(60):
        error = clean * np.exp(0.02 * np.random.default_rng([7, seed]).standard_normal(len(U)))
        found = fit(POWER, U, error, settings=FitSettings(starts=4))
        interval = profile(found, U, error, parameters=["p"], level=0.9)["p"]
        inside += interval.low <= 0.6 <= interval.high
    assert 46 <= inside <= 60


def test_the_wrong_rows_are_refused(power):
    found, error = power
    with pytest.raises(InputError, match="takes x of shape"):
        profile(found, U[:, [0, 0]], error)
