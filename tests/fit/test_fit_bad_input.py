"""Arrays and settings that cannot be fitted end in one line that names what was seen."""

import numpy as np
import pytest

from vidscale.errors import InputError
from vidscale.fit import FitSettings, fit, profile
from vidscale.forms import form

X = np.stack([np.repeat([1.0, 2, 4, 8], 4), np.tile([1.0, 3, 9, 27], 4)], axis=1)
ERROR = 0.5 * X[:, 0] ** -0.2 * X[:, 1] ** -0.1 + 0.1


def refused(*words, x=X, error=ERROR, shape="li", **how):
    with pytest.raises(InputError) as caught:
        fit(form(shape), x, error, **how)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message
    return message


def with_value(array, value):
    changed = array.copy()
    changed[3] = value
    return changed


@pytest.mark.parametrize("value", [0.0, -0.2, np.nan, np.inf, -np.inf])
def test_errors_must_be_positive_and_finite(value):
    refused("error", repr(np.float64(value)), "row 3", "positive finite", error=with_value(ERROR, value))


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_factors_must_be_positive_and_finite(value):
    x = X.copy()
    x[5, 1] = value
    refused("tokens_per_frame", "row 5", "positive finite", x=x)


@pytest.mark.parametrize("x", [X[:, :1], X[:-1], np.hstack([X, X])])
def test_shapes_must_agree(x):
    refused("shape (rows, 2)", str(x.shape), "(16,)", x=x)


def test_weights_have_one_value_a_row():
    refused("weights (3,)", weights=np.ones(3))


@pytest.mark.parametrize("weights", [np.zeros(16), -np.ones(16), with_value(np.ones(16), np.nan),
                                     with_value(np.ones(16), np.inf), with_value(np.ones(16), -1.0)])
def test_weights_must_be_usable(weights):
    refused("weights", ">= 0", "not all zero", weights=weights)


def test_fewer_rows_than_parameters_names_forms_that_fit():
    x = np.array([[1e9, 4.0, 16, 1e6], [2e9, 4, 16, 1e6], [1e9, 8, 16, 1e6], [1e9, 4, 64, 1e6], [1e9, 4, 16, 2e6],
                  [2e9, 8, 16, 1e6], [2e9, 8, 64, 2e6]])
    message = refused("add-interact", "15 free parameters", "7 distinct rows", "mult (6)", "pin parameters",
                      x=x, error=np.full(7, 0.3), shape="add-interact")
    assert "add (9)" not in message
    assert "add-interact-s" not in message


def test_repeated_rows_are_not_more_rows():
    refused("4 free parameters", "3 distinct rows", x=np.repeat(X[:3], 5, axis=0), error=np.full(15, 0.3))


def test_rows_of_weight_0_are_not_rows():
    weights = np.zeros(16)
    weights[:3] = 1
    refused("3 distinct rows", weights=weights)


def test_too_few_rows_for_any_form():
    refused("1 distinct rows", "add rows or pin parameters", x=X[:1], error=ERROR[:1])


def test_pinning_makes_up_for_rows():
    found = fit(form("li"), X[[0, 1, 4]], ERROR[[0, 1, 4]], pins={"D": 0.1})
    assert found.objective < 1e-16


@pytest.mark.parametrize(("how", "words"), [
    ({"loss": "mse"}, ("'mse'", "log-mse, log-huber")),
    ({"starts": 0}, ("starts=0", ">= 1")),
    ({"resample_starts": -1}, ("resample_starts=-1", ">= 0")),
    ({"delta": 0.0}, ("0.0", "positive")),
    ({"delta": float("nan")}, ("nan", "positive")),
])
def test_settings(how, words):
    with pytest.raises(InputError) as caught:
        FitSettings(**how)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, 95, float("nan")])
def test_levels_of_profiles(level):
    with pytest.raises(InputError, match="level is"):
        profile(fit(form("li"), X, ERROR), X, ERROR, level=level)


def test_profiles_of_unknown_parameters():
    with pytest.raises(InputError, match="unknown parameter 'gamma'"):
        profile(fit(form("li"), X, ERROR), X, ERROR, parameters=["gamma"])


def test_profiles_need_degrees_of_freedom():
    x, error = X[[0, 1, 4, 5]], ERROR[[0, 1, 4, 5]]
    with pytest.raises(InputError, match="no degrees of freedom for 4 free parameters"):
        profile(fit(form("li"), x, error), x, error)
