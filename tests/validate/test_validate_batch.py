"""Many fits in one batch: replicates merged exactly, bootstraps, noise, intervals, held-out predictions."""

from dataclasses import replace

import numba
import numpy as np
import pytest

from vidscale.errors import InputError
from vidscale.fit import FitSettings, fit
from vidscale.forms import Laws, form
from vidscale.validate import (
    Noise,
    check_level,
    cross_validate,
    estimate_noise,
    extrapolate,
    fit_runs,
    laws_of,
    mean_interval,
    noise_of,
    plan_holdout,
    predict,
    quantiles,
    redraw_noise,
    resample_runs,
    run_resamples,
    runs_of,
    solve_weights,
)
from vidscale.validate.noise import _sampling

FAST = FitSettings(starts=8, resample_starts=2)


@pytest.fixture(scope="module")
def replicated(star, measured, observe):
    """Three seeds of every star run, two targets, 2000 questions each."""
    x = np.repeat(star, 3, axis=0)
    return observe(x, measured(x, n_eval=2000, seed=1, targets=2), 2000)


@pytest.fixture(scope="module")
def full(star, isoflop, measured, observe):
    """Full fits of `add` to two targets of the star and isoFLOP sweeps, 2000 questions each."""
    x = np.vstack([star, isoflop])
    runs, notes = runs_of(form("add"), observe(x, measured(x, n_eval=2000, seed=2, targets=2), 2000), settings=FAST,
                          data_hash="abc")
    assert notes == ()
    return fit_runs(runs)


class TestReplicates:
    def test_merged_replicates_give_the_fit_to_all_rows(self, replicated):
        runs, _ = runs_of(form("add"), replicated, settings=FAST)
        assert runs.grouped
        assert runs.group_x.shape == (39, 4)
        merged = fit_runs(runs)
        for t, name in enumerate(replicated.targets):
            plain = fit(form("add"), replicated.x, replicated.error[:, t], settings=FAST)
            found = merged.fit(name)
            assert found.objective == pytest.approx(plain.objective, rel=1e-9)
            assert found.loss_sum == pytest.approx(plain.loss_sum, rel=1e-9)
            assert found.rows == plain.rows == 117
            assert found.predict(replicated.x) == pytest.approx(plain.predict(replicated.x), rel=1e-7)
            for parameter in form("add").parameters:
                assert found.parameters[parameter] == pytest.approx(plain.parameters[parameter], rel=1e-5)

    def test_uneven_replicates_and_missing_cells(self, replicated, observe):
        rng = np.random.default_rng(0)
        keep = np.sort(rng.choice(117, 90, replace=False))
        error = replicated.error[keep].copy()
        error[::7, 0] = np.nan
        obs = observe(replicated.x[keep], error, 2000)
        found = fit_runs(runs_of(form("mult"), obs, settings=FAST)[0])
        for t, name in enumerate(obs.targets):
            used = np.isfinite(obs.error[:, t])
            plain = fit(form("mult"), obs.x[used], obs.error[used, t], settings=FAST)
            assert found.fit(name).objective == pytest.approx(plain.objective, rel=1e-9)
            assert found.fit(name).rows == used.sum()

    def test_the_huber_loss_keeps_rows_apart(self, replicated):
        settings = FitSettings(starts=4, loss="log-huber", delta=0.01)
        runs, _ = runs_of(form("mult"), replicated, settings=settings, targets=["tasks"])
        assert not runs.grouped
        assert runs.targets == ("tasks",)
        plain = fit(form("mult"), replicated.x, replicated.error[:, 1], settings=settings)
        assert fit_runs(runs).fits[0].theta.tobytes() == plain.theta.tobytes()

    def test_weights_of_replicates_add_up(self, replicated):
        runs, _ = runs_of(form("add"), replicated, settings=FAST)
        weights = np.random.default_rng(0).integers(0, 3, (4, len(replicated))).astype(float)
        y, w = runs.rows(weights, 0)
        assert w.sum(axis=1) == pytest.approx(weights.sum(axis=1))
        target = np.log(replicated.error[:, 0])
        found = solve_weights(runs, weights)
        for b in range(4):
            plain = fit(form("add"), replicated.x, replicated.error[:, 0], weights=weights[b], settings=FAST)
            total = found.objective[b] + runs.within(weights, 0)[b]
            assert total == pytest.approx(plain.objective * weights[b].sum(), rel=1e-8)
            assert (w[b] * y[b]).sum() == pytest.approx((weights[b] * target).sum())

    def test_data_hash_and_targets_travel(self, full):
        assert all(f.data_hash == "abc" for f in full.fits)
        assert [f.target for f in full.fits] == list(full.runs.targets)
        with pytest.raises(InputError, match="unknown target 'other'; fitted are average, tasks"):
            full.fit("other")

    def test_too_few_rows(self, star, measured, observe):
        few = star[:6]
        with pytest.raises(InputError, match="6 distinct rows"):
            fit_runs(runs_of(form("add"), observe(few, measured(few)), settings=FAST)[0])


class TestLaws:
    def test_laws_of_many_parameters_are_the_laws_one_by_one(self, full):
        natural = [f.parameters for f in full.fits]
        theta = np.stack([f.theta for f in full.fits])
        both, one = laws_of(full.runs, theta), Laws.of(full.runs.form, natural)
        assert both.error(full.runs.x) == pytest.approx(one.error(full.runs.x), rel=1e-12)

    def test_plain_and_shared_exponents(self, star, measured, observe):
        shape = form("add-interact-s")
        runs, _ = runs_of(shape, observe(star, measured(star)), settings=FAST)
        rng = np.random.default_rng(0)
        theta = rng.uniform(0.1, 0.5, (3, len(shape.parameters)))
        values = laws_of(runs, theta).error(star)
        for row, natural in zip(values, runs.layout.to_natural(theta), strict=True):
            parameters = dict(zip(shape.parameters, natural.tolist(), strict=True))
            assert row == pytest.approx(shape.evaluate(parameters, star), rel=1e-12)


class TestBootstraps:
    @pytest.mark.parametrize("draw", [resample_runs, redraw_noise])
    def test_shapes_and_determinism(self, full, draw):
        first, second = draw(full, 12, seed=3), draw(full, 12, seed=3)
        assert first.theta.shape == (2, 12, 9)
        assert first.objective.shape == (2, 12)
        assert first.converged == pytest.approx([1, 1], abs=0.1)
        assert first.theta.tobytes() == second.theta.tobytes()
        assert first.theta.tobytes() != draw(full, 12, seed=4).theta.tobytes()
        assert len(first.laws("tasks")) == 12
        with pytest.raises(InputError, match="unknown target"):
            first.laws("other")
        with pytest.raises(InputError, match="1 draws; a bootstrap takes at least 2"):
            draw(full, 1)

    @pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one core: there is no second thread to compare")
    @pytest.mark.parametrize("draw", [resample_runs, redraw_noise])
    def test_threads_do_not_matter(self, full, draw):
        before = numba.get_num_threads()
        try:
            numba.set_num_threads(1)
            alone = draw(full, 10)
            numba.set_num_threads(2)
            together = draw(full, 10)
        finally:
            numba.set_num_threads(before)
        assert alone.theta.tobytes() == together.theta.tobytes()

    def test_kinds(self, full):
        assert resample_runs(full, 2).kind == "runs"
        assert redraw_noise(full, 2).kind == "noise"

    def test_redrawn_errors_spread_around_the_fit(self, full):
        x = full.runs.x
        values = redraw_noise(full, 40).laws("average").log_error(x)
        offset = values.mean(axis=0) - np.log(full.fit("average").predict(x))
        assert np.abs(offset).max() < 3 * values.std(axis=0).max() / np.sqrt(40) + 0.003
        assert np.all(values.std(axis=0) > 0)

    def test_no_draw_is_worse_than_the_full_fit_on_its_own_weights(self, full):
        """Every resample is warm-started at the full fit's optima, so it can only improve on them."""
        runs, draws = full.runs, resample_runs(full, 10, seed=0)
        weights = run_resamples(runs.x, 10, 0)
        r2 = (np.log(full.fit("average").predict(runs.x)) - np.log(runs.error[:, 0])) ** 2
        assert np.all(draws.objective[0] <= weights @ r2 * (1 + 1e-9))

    def test_merged_replicates_have_the_variance_of_their_mean(self, replicated, star):
        merged = fit_runs(runs_of(form("mult"), replicated, settings=FAST, targets=["average"])[0])
        single = redraw_noise(merged, 30).laws("average").log_error(star).std(axis=0)
        shape, x = form("mult"), replicated.x
        f = fit(shape, x, replicated.error[:, 0], settings=FAST)
        noise = estimate_noise(f, x, replicated.error[:, 0], replicated.n_eval[:, 0])
        sd = np.sqrt(noise.log_variance(f.predict(x), 2000))
        rng = np.random.default_rng(0)
        plain = [np.log(fit(shape, x, np.minimum(f.predict(x) * np.exp(sd * rng.standard_normal(len(x))), 1),
                            settings=FitSettings(starts=2)).predict(star)) for _ in range(30)]
        assert single.mean() == pytest.approx(np.std(plain, axis=0).mean(), rel=0.35)


class TestNoise:
    def test_binomial_errors_have_no_run_noise(self, star, isoflop, measured, observe):
        x = np.vstack([star, isoflop])
        found = []
        for seed in range(8):
            runs, _ = runs_of(form("add"), observe(x, measured(x, n_eval=1500, seed=seed), 1500), settings=FAST)
            noise = noise_of(fit_runs(runs))[0]
            assert noise.counted
            found.append(noise.run_variance)
        sampling = 1 / 1500
        assert np.mean(found) < 0.3 * sampling

    def test_run_noise_is_recovered(self, star, isoflop, measured, observe):
        x = np.vstack([star, isoflop])
        found = []
        for seed in range(8):
            error = measured(x, n_eval=20_000, run_noise=0.03, seed=seed)
            runs, _ = runs_of(form("add"), observe(x, error, 20_000), settings=FAST)
            found.append(noise_of(fit_runs(runs))[0].run_variance)
        assert np.sqrt(np.mean(found)) == pytest.approx(0.03, rel=0.12)

    def test_unknown_counts_leave_everything_to_the_runs(self, star, isoflop, measured, observe):
        x = np.vstack([star, isoflop])
        runs, _ = runs_of(form("add"), observe(x, measured(x, run_noise=0.03, seed=1)), settings=FAST)
        noise = noise_of(fit_runs(runs))[0]
        assert not noise.counted
        assert np.sqrt(noise.run_variance) == pytest.approx(0.03, rel=0.25)
        assert noise.log_variance(np.array([0.5]), 100) == pytest.approx(noise.run_variance)

    def test_freedom_counts_what_the_data_determine(self, star, measured):
        error = measured(star, n_eval=2000, seed=0)[:, 0]
        found = fit(form("add"), star, error, settings=FAST)
        noise = estimate_noise(found, star, error, np.full(39, 2000.0))
        gone = set(found.certificate.gone)
        live = [c for c in found.form.coefficients if c not in gone]
        assert 39 - 9 <= noise.freedom <= 39 - len(live)

    def test_variance_of_a_log_error(self):
        noise = Noise(run_variance=1e-4, counted=True, freedom=10)
        assert noise.log_variance(np.array([0.2]), 400)[0] == pytest.approx(0.8 / (0.2 * 400) + 1e-4)
        assert noise.log_variance(np.array([0.2]), np.nan)[0] == pytest.approx(1e-4)
        assert noise.log_variance(np.array([1.0]), 400)[0] == pytest.approx(1e-4)


class TestIntervals:
    @pytest.fixture(scope="class")
    @staticmethod
    def draws(full):
        fits = redraw_noise(full, 60)
        return fits.laws("average"), fits.noise[0]

    def test_the_mean_is_narrower_than_a_new_measurement(self, full, draws):
        x = full.runs.x
        found = predict(*draws, x, full.fit("average").predict(x), level=0.9, n_eval=500)
        assert (found.new_high - found.new_low).mean() > (found.mean_high - found.mean_low).mean()
        assert found.new_low.mean() < found.mean_low.mean()
        assert found.new_high.mean() > found.mean_high.mean()
        assert np.all(found.mean_low < found.mean_high)
        assert np.mean((found.error >= found.mean_low) & (found.error <= found.mean_high)) > 0.9
        assert (found.level, found.n_eval) == (0.9, 500)

    def test_more_questions_narrow_a_new_measurement_only(self, full, draws):
        x, error = full.runs.x, full.fit("average").predict(full.runs.x)
        few, many = (predict(*draws, x, error, n_eval=n) for n in (100, 10_000))
        assert np.all(many.new_high - many.new_low < few.new_high - few.new_low)
        assert np.array_equal(few.mean_low, many.mean_low)
        assert np.all(few.new_high <= 1)

    def test_a_row_has_the_same_interval_whatever_else_is_asked(self, full, draws):
        x, error = full.runs.x, full.fit("average").predict(full.runs.x)
        laws, noise = draws
        noise = replace(noise, misfit_variance=0.01)
        whole, alone = predict(laws, noise, x, error), predict(laws, noise, x[7:8], error[7:8])
        for name in ("mean_low", "mean_high", "new_low", "new_high"):
            assert getattr(alone, name)[0] == getattr(whole, name)[7]

    def test_no_interval_goes_beyond_an_error_of_one(self, full, draws):
        far = np.array([[1e3, 1.0, 1.0, 1.0]])  # where every draw predicts more than that
        laws, noise = draws
        assert laws.error(far).min() > 1
        for lack in (0.0, 0.04):
            found = predict(laws, replace(noise, misfit_variance=lack), far, np.array([1.2]), n_eval=200)
            assert found.mean_high[0] == 1
            assert found.mean_low[0] <= 1
            assert mean_interval(laws, replace(noise, misfit_variance=lack), far) == (found.mean_low, found.mean_high)

    def test_the_width_is_that_of_the_binomial(self, full, draws):
        x, error = full.runs.x, full.fit("average").predict(full.runs.x)
        found = predict(*draws, x, error, n_eval=200, level=0.9)
        sd = np.sqrt((1 - error) / (error * 200))
        assert np.log(found.new_high / found.new_low).mean() == pytest.approx(2 * 1.645 * sd.mean(), rel=0.15)

    def test_the_default_is_typical_of_the_data(self, full, draws):
        assert predict(*draws, full.runs.x, full.runs.error[:, 0]).n_eval == 2000

    def test_a_new_measurement_is_covered(self, full, draws, law, measured):
        x = full.runs.x
        found = predict(*draws, x, full.fit("average").predict(x), level=0.9)
        inside = [np.mean((new >= found.new_low) & (new <= found.new_high))
                  for new in (measured(x, n_eval=2000, seed=s)[:, 0] for s in range(100, 110))]
        assert np.mean(inside) == pytest.approx(0.9, abs=0.06)

    def test_higher_levels_are_wider(self, full, draws):
        x, error = full.runs.x, full.runs.error[:, 0]
        found = [predict(*draws, x, error, level=level) for level in (0.5, 0.8, 0.95)]
        widths = [float((p.mean_high - p.mean_low).mean()) for p in found]
        assert widths == sorted(widths)

    def test_one_seed_one_answer(self, full, draws):
        x, error = full.runs.x, full.runs.error[:, 0]
        assert np.array_equal(predict(*draws, x, error, seed=1).new_low, predict(*draws, x, error, seed=1).new_low)

    def test_quantiles(self):
        values = np.arange(1.0, 100.0)[:, None]
        low, high = quantiles(values, 0.9)
        assert (low[0], high[0]) == pytest.approx((5.0, 95.0))

    @pytest.mark.parametrize("level", [0, 1, -0.1, 90, float("nan")])
    def test_levels(self, full, draws, level):
        with pytest.raises(InputError, match="level is"):
            check_level(level)
        with pytest.raises(InputError, match="level is"):
            predict(*draws, full.runs.x, full.runs.error[:, 0], level=level)

    def test_counts_below_1(self, full, draws):
        with pytest.raises(InputError, match="n_eval is 0; a measurement has at least 1 question"):
            predict(*draws, full.runs.x, full.runs.error[:, 0], n_eval=0)


class TestHoldout:
    def test_extrapolation_is_the_fit_to_the_other_side(self, full):
        runs = full.runs
        train = runs.x[:, 3] <= 1e6
        plan = plan_holdout(runs.x, runs.config, count=0, train=train, rule="data_size<=1e6")
        held = extrapolate(full, plan)
        assert np.isnan(held.error[train]).all()
        alone = fit(form("add"), runs.x[train], runs.error[train, 0])
        assert held.error[~train, 0] == pytest.approx(alone.predict(runs.x[~train]), rel=1e-5)
        assert "39 runs with data_size<=1e6, predicting the other 60" in held.sentence

    def test_cross_validation_never_sees_the_run(self, full):
        runs = full.runs
        plan = plan_holdout(runs.x, runs.config, count=5, seed=1)
        held = cross_validate(full, plan)
        assert np.isfinite(held.error).all()
        assert held.parts == 5
        for k in range(2):
            out = plan.folds == k
            alone = fit(form("add"), runs.x[~out], runs.error[~out, 1])
            assert held.error[out, 1] == pytest.approx(alone.predict(runs.x[out]), rel=1e-4)

    def test_cross_validation_stays_on_the_training_side(self, full):
        runs = full.runs
        train = runs.x[:, 3] <= 1e6
        plan = plan_holdout(runs.x, runs.config, count=3, train=train, rule="data_size<=1e6")
        assert np.all((plan.folds >= 0) == train)
        assert np.array_equal(np.isfinite(cross_validate(full, plan).error[:, 0]), train)

    def test_held_out_errors_of_a_known_law_are_those_of_its_noise(self, full, law):
        runs = full.runs
        held = cross_validate(full, plan_holdout(runs.x, runs.config, count=5))
        shape, truth = law
        residual = np.log(held.error[:, 0]) - np.log(shape.evaluate(truth, runs.x))
        assert np.sqrt(np.mean(residual**2)) < 0.03

    def test_a_split_that_splits_nothing(self, full):
        runs = full.runs
        for train in (np.ones(len(runs.x), dtype=bool), np.zeros(len(runs.x), dtype=bool)):
            with pytest.raises(InputError, match="puts all 99 runs on one side"):
                plan_holdout(runs.x, runs.config, train=train, rule="frames<=99")


def test_a_law_that_predicts_an_error_above_one_leaves_some_sampling_noise():
    """A fitted error of 1 or more has a variance above 0, so that the test of fit can divide by it."""
    found = _sampling(np.array([0.5, 0.999, 1.0, 1.3]), np.full(4, 100.0))
    assert found[0] == pytest.approx(0.5 / (0.5 * 100))
    assert (found > 0).all()
    assert (np.diff(found) < 0).all()
