"""Chinchilla's 245 digitised rows: the published fit is an early stop, and the true optimum is known.

Data and published fit: Besiroglu et al. 2024, "Chinchilla Scaling: A replication attempt" (arXiv 2404.10102).
"""

import numpy as np
import pytest

from vidscale.fit import FitSettings, FitStatus, fit, solve
from vidscale.forms import form

HUBER = FitSettings(loss="log-huber", delta=1e-3)
OPTIMUM = {"A": 477.83, "B": 2143.42, "E": 1.81722, "alpha": 0.34731, "beta": 0.36717}
PRINTED = {"A": 482.01, "B": 2085.43, "E": 1.8169, "alpha": 0.3478, "beta": 0.3659}
#: Bootstrap standard errors Besiroglu et al. report for their resampled rows.
STANDARD_ERRORS = {"A": 123.0, "B": 1281.0, "E": 0.0255, "alpha": 0.0152, "beta": 0.0205}


@pytest.fixture(scope="module")
def huber_fit(chinchilla_240):
    return fit(form("chinchilla"), *chinchilla_240, settings=HUBER)


def huber_sum(parameters, x, loss, delta=1e-3):
    r = np.abs(np.log(form("chinchilla").evaluate(parameters, x)) - np.log(loss))
    return float(np.where(r <= delta, r**2 / 2, delta * (r - delta / 2)).sum())


def test_the_objective_is_the_true_optimum(huber_fit):
    assert huber_fit.rows == 240
    assert huber_fit.loss_sum <= 0.00101828
    assert huber_fit.loss_sum == pytest.approx(0.0010182740178, rel=1e-9)
    assert huber_fit.status is FitStatus.CERTAIN


def test_the_parameters_are_the_true_optimum_to_three_digits_and_more(huber_fit):
    for name, value in OPTIMUM.items():
        assert huber_fit.parameters[name] == pytest.approx(value, rel=1e-4), name


def test_the_loss_sum_is_the_loss_of_the_parameters_it_comes_with(huber_fit, chinchilla_240):
    assert huber_sum(huber_fit.parameters, *chinchilla_240) == pytest.approx(huber_fit.loss_sum, rel=1e-10)


def test_the_printed_parameters_have_a_higher_loss(huber_fit, chinchilla_240):
    printed = huber_sum(PRINTED, *chinchilla_240)
    assert printed == pytest.approx(0.00101864, rel=2e-3)
    assert huber_fit.loss_sum < printed


def test_all_rows_move_the_data_exponent(chinchilla):
    found = fit(form("chinchilla"), *chinchilla, settings=HUBER)
    assert found.rows == 245
    assert found.parameters["beta"] == pytest.approx(0.453, abs=5e-4)
    assert found.parameters["E"] == pytest.approx(1.891, abs=5e-4)


def test_squared_log_error(chinchilla_240):
    found = fit(form("chinchilla"), *chinchilla_240)
    assert found.objective == pytest.approx(4.775786247e-05, rel=1e-9)
    assert found.parameters["alpha"] == pytest.approx(0.3603, abs=5e-5)
    assert found.parameters["beta"] == pytest.approx(0.4059, abs=5e-5)
    assert found.parameters["E"] == pytest.approx(1.8646, abs=5e-5)
    assert found.certificate.share_at_best == 1.0


def test_tokens_in_billions_change_the_coefficients_only(huber_fit, chinchilla_240):
    x, loss = chinchilla_240
    found = fit(form("chinchilla"), x / np.array([1e6, 1e9]), loss, settings=HUBER)
    assert found.loss_sum == pytest.approx(huber_fit.loss_sum, rel=1e-12)
    assert found.parameters["alpha"] == pytest.approx(huber_fit.parameters["alpha"], rel=1e-7)
    assert found.parameters["B"] * 1e9 ** found.parameters["beta"] == pytest.approx(huber_fit.parameters["B"], rel=1e-5)


def test_bootstrap_standard_errors(huber_fit, chinchilla_240):
    x, loss = chinchilla_240
    draws = 1500
    weights = np.random.default_rng(0).multinomial(len(x), np.full(len(x), 1 / len(x)), size=draws).astype(float)
    warm = np.repeat(huber_fit.theta[None, None], draws, axis=0)
    found = solve(huber_fit.layout, x, np.log(loss)[None], weights, np.zeros(draws, dtype=np.int64), HUBER,
                  warm=warm, fresh=1, keep=1)
    assert found.converged.all()
    spread = huber_fit.layout.to_natural(found.theta).std(axis=0, ddof=1)
    for name, value in zip(huber_fit.form.parameters, spread, strict=True):
        assert value == pytest.approx(STANDARD_ERRORS[name], rel=0.15), name
