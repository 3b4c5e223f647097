"""Batches of laws evaluate to what their forms evaluate to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidscale.errors import InputError
from vidscale.forms import CATALOGUE, Laws, form, weighted_sum
from vidscale.space import FACTORS_AND_DATA


def some(name, count=3, seed=0):
    """(laws, parameters, x): a batch of random laws of one form and rows to evaluate them at."""
    rng = np.random.default_rng(seed)
    shape = form(name)
    parameters = [{n: float(rng.uniform(0.05, 0.8)) for n in shape.parameters} for _ in range(count)]
    return Laws.of(shape, parameters), parameters, np.exp(rng.uniform(0, 4, (8, len(shape.factors))))


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_batch_is_its_laws(name):
    laws, parameters, x = some(name)
    assert len(laws) == 3
    assert laws.factors == form(name).factors
    assert laws.error(x).shape == (3, 8)
    for law, values in zip(laws.error(x), parameters, strict=True):
        assert law == pytest.approx(form(name).evaluate(values, x), rel=1e-12)
    assert np.exp(laws.log_error(x)) == pytest.approx(laws.error(x), rel=1e-12)


def test_one_row_may_be_flat():
    laws, parameters, x = some("li")
    assert laws.error(x[0])[:, 0] == pytest.approx([form("li").evaluate(p, x[0])[0] for p in parameters])


def test_terms_that_are_gone():
    values = {"A": 0.5, "D": 0.0, "alpha": 0.2, "beta": 0.1}
    laws = Laws.of(form("li"), [values])
    assert np.isneginf(laws.log_coefficients[0, 1])
    x = np.array([[1e9, 196.0]])
    assert laws.error(x)[0] == pytest.approx(form("li").evaluate(values, x), rel=1e-12)
    assert np.isfinite(laws.log_error(x)).all()


def test_very_small_and_very_large_laws_do_not_overflow_in_log():
    laws = Laws(factors=("u",), log_coefficients=np.array([[900.0, -900.0], [-900.0, -950.0]]),
                exponents=np.zeros((2, 2, 1)))
    assert laws.log_error([[1.0]])[:, 0] == pytest.approx([900.0, -900.0])


def test_parts_of_a_batch():
    laws, _, x = some("add", count=5)
    whole = laws.error(x)
    assert laws[2].error(x) == pytest.approx(whole[[2]])
    assert laws[-1].error(x) == pytest.approx(whole[[4]])
    assert laws[np.int64(3)].error(x) == pytest.approx(whole[[3]])
    assert laws[1:3].error(x) == pytest.approx(whole[1:3])
    assert laws[np.array([4, 0, 0])].error(x) == pytest.approx(whole[[4, 0, 0]])


def test_a_loop_over_a_batch_ends():
    laws, _, _ = some("li", count=3)
    assert [len(law) for law in laws] == [1, 1, 1]
    with pytest.raises(IndexError):
        laws[3]
    with pytest.raises(IndexError):
        laws[-4]


def test_over_more_factors():
    laws, _, x = some("li")
    wide = laws.over(FACTORS_AND_DATA)
    assert wide.factors == FACTORS_AND_DATA
    rows = np.ones((8, 4))
    rows[:, [0, 2]] = x
    rows[:, [1, 3]] = np.random.default_rng(1).uniform(1, 100, (8, 2))
    assert wide.error(rows) == pytest.approx(laws.error(x), rel=1e-12)
    assert wide.over(FACTORS_AND_DATA).exponents == pytest.approx(wide.exponents)


def test_over_another_order():
    laws, _, x = some("li")
    turned = laws.over(("tokens_per_frame", "lm_params"))
    assert turned.error(x[:, ::-1]) == pytest.approx(laws.error(x), rel=1e-12)


def test_over_fewer_factors_is_refused():
    laws, _, _ = some("li")
    with pytest.raises(InputError, match="depends on tokens_per_frame, which is not among lm_params, frames"):
        laws.over(("lm_params", "frames"))


@settings(max_examples=30, deadline=None)
@given(weights=st.lists(st.floats(0, 10), min_size=2, max_size=2).filter(lambda w: sum(w) > 1e-3),
       seed=st.integers(0, 1000))
def test_a_weighted_sum_is_the_weighted_mean(weights, seed):
    one, _, x = some("add", seed=seed)
    other, _, _ = some("mult", seed=seed + 1)
    w = np.array(weights) / sum(weights)
    both = weighted_sum([one, other], weights)
    assert len(both) == 3
    assert both.error(x) == pytest.approx(w[0] * one.error(x) + w[1] * other.error(x), rel=1e-10)


def test_a_weighted_sum_of_one_law_twice_is_that_law():
    laws, _, x = some("add-interact")
    assert weighted_sum([laws, laws], [1, 3]).error(x) == pytest.approx(laws.error(x), rel=1e-12)
    assert weighted_sum([laws], [7]).error(x) == pytest.approx(laws.error(x), rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(name=st.sampled_from(sorted(CATALOGUE)), scale=st.floats(0.01, 100), seed=st.integers(0, 1000))
def test_homogeneity_of_laws(name, scale, seed):
    """Adding log s to all log coefficients scales the law; so does moving a factor's unit into them."""
    laws, _, x = some(name, seed=seed)
    larger = Laws(factors=laws.factors, exponents=laws.exponents,
                  log_coefficients=laws.log_coefficients + np.log(scale))
    assert larger.error(x) == pytest.approx(scale * laws.error(x), rel=1e-10)
    moved = Laws(factors=laws.factors, exponents=laws.exponents,
                 log_coefficients=laws.log_coefficients - laws.exponents[:, :, 0] * np.log(scale))
    x_scaled = x.copy()
    x_scaled[:, 0] *= scale
    assert moved.error(x_scaled) == pytest.approx(laws.error(x), rel=1e-10)


@pytest.mark.parametrize("weights", [[1], [1, 2, 3], [0, 0], [-1, 2], [np.nan, 1], [np.inf, 1]])
def test_weights_that_are_no_weights(weights):
    laws, _, _ = some("li")
    with pytest.raises(InputError, match="give 2 numbers >= 0, not all zero"):
        weighted_sum([laws, laws], weights)


def test_laws_that_do_not_go_together():
    li, _, _ = some("li")
    chinchilla, _, _ = some("chinchilla")
    with pytest.raises(InputError, match="over the same factors"):
        weighted_sum([li, chinchilla], [1, 1])
    with pytest.raises(InputError, match="equally many"):
        weighted_sum([li, li[0]], [1, 1])
