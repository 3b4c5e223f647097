"""What must not change a fit: units, the order of rows, copies of them, and the number of cores."""

import itertools

import numba
import numpy as np
import pytest

from vidscale.fit import FitSettings, distinct_optima, fit, layout, solve
from vidscale.forms import CATALOGUE
from vidscale.space import FACTORS_AND_DATA

UNITS = dict(zip(FACTORS_AND_DATA, (1e9, 2.0, 3.0, 1e6), strict=True))


@pytest.fixture(params=CATALOGUE)
def measured(request, known):
    shape, _, x, error = known(request.param, noise=0.01)
    return shape, x, error


def solve_all(lay, x, error, how=None, **options):
    """One problem: every row once."""
    return solve(lay, x, np.log(error)[None], np.ones((1, len(x))), np.zeros(1, dtype=np.int64), how or FitSettings(),
                 **options)


def agree(left, right, rel=1e-9):
    assert left.objective == pytest.approx(right.objective, rel=rel)
    assert left.certificate.gone == right.certificate.gone
    for name in left.form.parameters:
        user = name in left.form.coefficients or any(
            t.coefficient not in left.certificate.gone for t in left.form.terms
            if any(e.parameter == name for e in t.exponents.values()))
        if user:  # the exponent of a term that is gone means nothing
            assert left.parameters[name] == pytest.approx(right.parameters[name], rel=1e-5), name


def test_units_change_coefficients_only(measured):
    shape, x, error = measured
    units = np.array([UNITS[f] for f in shape.factors])
    plain, scaled = fit(shape, x, error), fit(shape, x / units, error)
    assert scaled.objective == pytest.approx(plain.objective, rel=1e-9)
    assert scaled.predict(x / units) == pytest.approx(plain.predict(x), rel=1e-8)
    powers = shape.exponent_matrix(plain.parameters)
    for j, name in enumerate(shape.coefficients):
        expected = plain.parameters[name] * np.prod(units ** powers[j])
        assert scaled.parameters[name] == pytest.approx(expected, rel=1e-4), name
        if expected > 0:
            for parameter in {e.parameter for e in shape.terms[j].exponents.values()}:
                assert scaled.parameters[parameter] == pytest.approx(plain.parameters[parameter], rel=1e-5)


def test_the_order_of_rows_does_not_matter(measured):
    shape, x, error = measured
    order = np.random.default_rng(0).permutation(len(x))
    plain, mixed = fit(shape, x, error), fit(shape, x[order], error[order])
    assert mixed.predict(x) == pytest.approx(plain.predict(x), rel=1e-8)
    agree(plain, mixed)


def test_every_row_twice_is_every_row_once(measured):
    shape, x, error = measured
    once, twice = fit(shape, x, error), fit(shape, np.tile(x, (2, 1)), np.tile(error, 2))
    agree(once, twice)
    assert twice.loss_sum == pytest.approx(2 * once.loss_sum, rel=1e-9)


@pytest.mark.parametrize("loss", ["log-mse", "log-huber"])
def test_a_weight_of_2_is_a_row_twice_and_of_0_a_row_gone(measured, loss):
    shape, x, error = measured
    settings = FitSettings(loss=loss, delta=0.01)
    weights = np.random.default_rng(1).integers(0, 3, len(x)).astype(float)
    rows = np.repeat(np.arange(len(x)), weights.astype(int))
    weighted = fit(shape, x, error, weights=weights, settings=settings)
    copied = fit(shape, x[rows], error[rows], settings=settings)
    assert weighted.predict(x) == pytest.approx(copied.predict(x), rel=1e-7)
    assert weighted.objective == pytest.approx(copied.objective, rel=1e-9)
    assert weighted.rows == int((weights > 0).sum())
    assert copied.rows == len(rows)


def test_the_error_of_a_row_with_weight_0_does_not_matter(known):
    shape, _, x, error = known("li", noise=0.01)
    weights = np.ones(len(x))
    weights[:5] = 0
    changed = error.copy()
    changed[:5] = 1e3
    plain, other = fit(shape, x, error, weights=weights), fit(shape, x, changed, weights=weights)
    assert other.theta.tobytes() == plain.theta.tobytes()


def test_a_common_weight_does_not_matter(measured):
    shape, x, error = measured
    agree(fit(shape, x, error), fit(shape, x, error, weights=np.full(len(x), 7.5)))


def test_the_size_of_errors_moves_coefficients_alone(known):
    shape, _, x, error = known("chinchilla", noise=0.01)
    plain, larger = fit(shape, x, error), fit(shape, x, 10 * error)
    assert larger.objective == pytest.approx(plain.objective, rel=1e-9)
    assert larger.parameters["beta"] == pytest.approx(plain.parameters["beta"], rel=1e-6)
    assert larger.parameters["B"] == pytest.approx(10 * plain.parameters["B"], rel=1e-5)


def test_one_seed_one_answer_to_the_last_bit(measured):
    shape, x, error = measured
    first, second = fit(shape, x, error), fit(shape, x, error)
    assert first.theta.tobytes() == second.theta.tobytes()
    assert first.start_objectives.tobytes() == second.start_objectives.tobytes()
    other = fit(shape, x, error, settings=FitSettings(seed=1))
    assert other.objective == pytest.approx(first.objective, rel=1e-9)


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one core: there is no second thread to compare")
def test_one_thread_and_two_give_the_same_bytes(measured):
    shape, x, error = measured
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        alone = fit(shape, x, error)
        numba.set_num_threads(2)
        together = fit(shape, x, error)
    finally:
        numba.set_num_threads(before)
    assert alone.theta.tobytes() == together.theta.tobytes()
    assert alone.start_objectives.tobytes() == together.start_objectives.tobytes()
    assert alone.objective == together.objective


def test_a_batch_is_its_problems_one_by_one(known):
    """Many weightings and targets in one call give the bytes each would give alone."""
    shape, _, x, error = known("add", noise=0.01)
    _, _, _, other = known("add", noise=0.01, seed=5)
    lay, settings = layout(shape, x), FitSettings(starts=8)
    log_error = np.log(np.stack([error, other]))
    weights = np.random.default_rng(2).integers(0, 3, (6, len(x))).astype(float)
    target = np.array([0, 1, 0, 1, 0, 1])
    batch = solve(lay, x, log_error, weights, target, settings)
    for b in range(6):
        alone = solve(lay, x, log_error, weights[b : b + 1], target[b : b + 1], settings)
        assert alone.theta[0].tobytes() == batch.theta[b].tobytes()
        assert alone.objective[0] == batch.objective[b]


def test_warm_starts_at_the_optimum_stay_there(known):
    shape, _, x, error = known("add-interact", noise=0.02)
    full = fit(shape, x, error)
    warm = solve_all(full.layout, x, error, warm=full.theta[None, None], fresh=0)
    assert warm.objective[0] == pytest.approx(full.objective * len(x), rel=1e-10)


def test_missing_errors_under_weight_0_are_allowed_in_a_batch(known):
    shape, _, x, error = known("li", noise=0.01)
    weights = np.ones((1, len(x)))
    weights[0, 3] = 0
    log_error = np.log(error)[None].copy()
    log_error[0, 3] = np.nan
    found = solve(layout(shape, x), x, log_error, weights, np.zeros(1, dtype=np.int64), FitSettings())
    alone = fit(shape, x, error, weights=weights[0])
    assert found.objective[0] == pytest.approx(alone.objective * (len(x) - 1), rel=1e-9)


def test_distinct_optima_begin_with_the_best_and_differ(known):
    for seed in range(4):
        shape, _, x, error = known("add-interact", noise=0.02, seed=seed)
        lay = layout(shape, x)
        found = solve_all(lay, x, error, FitSettings(starts=64))
        optima = distinct_optima(found, 4)
        assert optima.shape == (1, 4, len(shape.parameters))
        natural = [dict(zip(shape.parameters, lay.to_natural(t).tolist(), strict=True)) for t in optima[0]]
        values = [float(np.sum((np.log(shape.evaluate(p, x)) - np.log(error)) ** 2)) for p in natural]
        assert values[0] == pytest.approx(found.objective[0], rel=1e-9)
        distinct = [v for v in values if v > values[0] * (1 + 1e-7)]
        assert all(b > a for a, b in itertools.pairwise([values[0], *distinct]))


def test_distinct_optima_repeat_the_best_where_there_is_but_one(known):
    shape, _, x, error = known("li", noise=0.01)
    found = solve_all(layout(shape, x), x, error)
    optima = distinct_optima(found, 3)
    assert np.array_equal(optima[0, 1], found.theta[0])
    assert np.array_equal(optima[0, 2], found.theta[0])



def test_the_best_optimum_comes_first_although_no_start_ended_there(known):
    """Few starts: the other sign of a weak exponent, tried at the end, gives the best fit of all."""
    better = 0
    for seed in (2, 28):
        shape, _, x, error = known("add-interact", noise=0.02, seed=seed)
        found = solve_all(layout(shape, x), x, error, FitSettings(starts=6))
        assert np.array_equal(distinct_optima(found, 3)[0, 0], found.theta[0])
        better += found.objective[0] < found.candidate_objectives.min() * (1 - 1e-7)
    assert better
