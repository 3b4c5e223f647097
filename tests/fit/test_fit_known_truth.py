"""A law without noise gives its parameters back; with noise no fit is worse than the truth."""

import numpy as np
import pytest

from vidscale.fit import FitSettings, FitStatus, fit
from vidscale.forms import CATALOGUE, Posynomial, Term, form, load_form
from vidscale.forms.posynomial import Exponent


def log_mse(shape, parameters, x, error):
    return float(np.mean((np.log(shape.evaluate(parameters, x)) - np.log(error)) ** 2))


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("loss", ["log-mse", "log-huber"])
def test_a_law_without_noise_gives_its_parameters_back(known, name, loss):
    shape, truth, x, error = known(name)
    found = fit(shape, x, error, settings=FitSettings(loss=loss))
    assert set(found.parameters) == set(truth)
    for parameter, value in truth.items():
        assert found.parameters[parameter] == pytest.approx(value, rel=1e-5), parameter
    assert found.objective < 1e-16
    assert found.certificate.gone == ()
    assert found.certificate.at_bound == ()


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_law_without_noise_is_certain(known, name):
    """Starts that all fit exactly agree, although their objectives of 1e-32 and 1e-31 differ by a factor of 10."""
    shape, _, x, error = known(name)
    found = fit(shape, x, error)
    assert found.status is FitStatus.CERTAIN
    assert found.certificate.share_at_best >= 0.3


@pytest.mark.parametrize("name", CATALOGUE)
def test_no_fit_is_worse_than_the_truth(known, name):
    for seed in range(3):
        shape, truth, x, error = known(name, noise=0.02, seed=seed)
        found = fit(shape, x, error)
        assert found.objective <= log_mse(shape, truth, x, error)
        assert found.objective == pytest.approx(log_mse(shape, found.parameters, x, error), rel=1e-10)
        assert found.loss_sum == pytest.approx(found.objective * len(x), rel=1e-12)
        assert found.predict(x) == pytest.approx(shape.evaluate(found.parameters, x))
        assert found.laws().error(x)[0] == pytest.approx(found.predict(x), rel=1e-12)


def test_more_noise_moves_the_prediction_more_but_not_away(known):
    shape, _, x, clean = known("add-interact")
    distance = []
    for noise in (1e-4, 1e-3, 1e-2):
        _, _, _, error = known("add-interact", noise=noise)
        distance.append(float(np.abs(np.log(fit(shape, x, error).predict(x) / clean)).max()))
    assert distance[0] < distance[1] < distance[2] < 0.03


def test_a_declared_cross_term_is_found(design):
    """The catalogue's largest form plus one term in two factors: 17 parameters from 99 rows without noise."""
    gamma = Term(coefficient="gamma", exponents={"frames": Exponent.parse("-g_T"),
                                                 "tokens_per_frame": Exponent.parse("-g_V")})
    shape = Posynomial(name="add-joint", factors=form("add").factors, terms=(*form("add").terms, gamma))
    truth = {"alpha_N": 0.2 * 1e9**0.3, "alpha_T": 0.3, "alpha_V": 0.25, "xi": 0.1 * 1e6**0.4, "epsilon": 0.15,
             "gamma": 0.6, "a_N": 0.3, "a_T": 0.7, "a_V": 0.5, "d": 0.4, "g_T": 0.3, "g_V": 0.25}
    found = fit(shape, design, shape.evaluate(truth, design))
    for parameter, value in truth.items():
        assert found.parameters[parameter] == pytest.approx(value, rel=1e-5), parameter


def test_a_catalogue_form_without_a_varying_factor_is_fitted_restricted(design, known):
    _, truth, _, _ = known("add")
    shape, notes = form("add").restrict(("frames", "tokens_per_frame"))
    assert len(notes) == 2
    x = design[:, [1, 2]]
    found = fit(shape, x, shape.evaluate(truth, x))
    for parameter in shape.parameters:
        assert found.parameters[parameter] == pytest.approx(truth[parameter], rel=1e-5), parameter


@pytest.mark.parametrize("loss", ["log-mse", "log-huber"])
def test_thirty_two_starts_find_what_128_find(known, loss):
    for seed in range(2):
        shape, _, x, error = known("add-interact", noise=0.02, seed=seed)
        few = fit(shape, x, error, settings=FitSettings(loss=loss, delta=0.01))
        many = fit(shape, x, error, settings=FitSettings(loss=loss, delta=0.01, starts=128, seed=9))
        assert few.objective <= many.objective * (1 + 1e-9)


def test_load_form_and_fit_agree_on_the_catalogue(known):
    _, _, x, error = known("li", noise=0.01)
    assert fit(load_form("li"), x, error).parameters == fit(form("li"), x, error).parameters
