"""Li et al. 2024 (arXiv 2411.03312): 28 cells, a constant at its bound 0, and an exponent that trades with it."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from vidscale.fit import FitSettings, fit, profile, solve
from vidscale.forms import form


@pytest.fixture(scope="module")
def li_fit(li2024):
    return fit(form("li"), *li2024)


def test_log_error(li_fit):
    assert li_fit.rows == 28
    assert li_fit.objective == pytest.approx(4.77e-5, abs=5e-8)
    assert li_fit.parameters["A"] == pytest.approx(0.5915, abs=5e-5)
    assert li_fit.parameters["alpha"] == pytest.approx(0.0713, abs=5e-5)
    assert li_fit.parameters["beta"] == pytest.approx(0.0154, abs=5e-5)


def test_the_constant_is_exactly_0_and_said_to_be(li_fit):
    assert li_fit.parameters["D"] == 0.0
    assert li_fit.certificate.gone == ("D",)


def test_profile_of_the_constant(li_fit, li2024):
    interval = profile(li_fit, *li2024, parameters=["D"])["D"]
    assert interval.low == 0.0
    assert interval.low_is_bound
    assert not interval.high_is_bound
    assert interval.high == pytest.approx(0.12, abs=0.01)
    assert "(bound)" in str(interval)


def test_the_exponent_trades_with_the_constant(li_fit, li2024):
    held = fit(form("li"), *li2024, pins={"D": 0.3})
    assert held.parameters["D"] == pytest.approx(0.3, rel=1e-12)
    assert held.parameters["alpha"] == pytest.approx(0.16, abs=0.005)
    assert held.objective > li_fit.objective
    alpha = profile(li_fit, *li2024, parameters=["alpha"])["alpha"]
    # The interval follows the valley upwards and hardly reaches below.
    assert alpha.high - li_fit.parameters["alpha"] > 3 * (li_fit.parameters["alpha"] - alpha.low)


def test_add_fits_better_than_mult(li_fit, li2024):
    names = ("lm_params", "tokens_per_frame")
    mult, _ = form("mult").restrict(names)
    assert mult.same_shape(form("li"))
    add, notes = form("add").restrict(names)
    assert len(notes) == 2
    found = fit(add, *li2024)
    assert found.objective == pytest.approx(4.01e-5, abs=5e-8)
    assert found.objective < li_fit.objective
    assert fit(mult, *li2024).objective == pytest.approx(li_fit.objective, rel=1e-9)


def test_bootstrap_intervals(li_fit, li2024):
    x, error = li2024
    draws = 2000
    weights = np.random.default_rng(0).multinomial(28, np.full(28, 1 / 28), size=draws).astype(float)
    found = solve(li_fit.layout, x, np.log(error)[None], weights, np.zeros(draws, dtype=np.int64), FitSettings(),
                  fresh=4, keep=2)
    natural = li_fit.layout.to_natural(found.theta)
    low, high = np.quantile(natural[:, [2, 3]], [0.025, 0.975], axis=0)
    assert li_fit.form.parameters[2:] == ("alpha", "beta")
    assert low == pytest.approx([0.069, 0.014], abs=6e-4)
    assert high == pytest.approx([0.074, 0.017], abs=6e-4)


def test_least_squares_on_the_error_itself_agrees_that_there_is_no_constant(li2024):
    """Not our loss: SciPy fits it, and its numbers are the published ones with D at its bound."""
    x, error = li2024

    def law(x, A, alpha, beta, D):
        return A * x[0] ** -alpha * x[1] ** -beta + D

    found, _ = curve_fit(law, x.T, error, p0=[0.5, 0.1, 0.05, 0.05], bounds=([0, 0, 0, 0], [2, 1, 1, 1]),
                         xtol=1e-14, ftol=1e-14, gtol=1e-14)
    residual = law(x.T, *found) - error
    assert found[3] == pytest.approx(0.0, abs=1e-4)
    assert residual @ residual == pytest.approx(3.794e-4, rel=5e-4)
    assert found[:3] == pytest.approx([0.5908, 0.0709, 0.0151], abs=1.5e-4)
    assert 1 - residual @ residual / ((error - error.mean()) ** 2).sum() == pytest.approx(0.992, abs=5e-4)


def test_the_printed_exponents_are_worse(li2024):
    x, error = li2024
    columns = np.stack([x[:, 0] ** -0.077 * x[:, 1] ** -0.015, np.ones(len(x))], axis=1)
    best, *_ = np.linalg.lstsq(columns, error)
    residual = columns @ best - error
    assert residual @ residual == pytest.approx(4.374e-4, rel=2e-3)
