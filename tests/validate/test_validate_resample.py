"""Resamples and folds: no level lost, replicates together, one seed one answer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidscale.errors import InputError
from vidscale.validate import folds, run_resamples, strata


def levels(x, at_least=2):
    """(factor, mask of its runs) of every level at least so many runs have."""
    masks = [x[:, k] == v for k in range(x.shape[1]) for v in np.unique(x[:, k])]
    return [m for m in masks if m.sum() >= at_least]


def configurations(x):
    return np.unique(x, axis=0, return_inverse=True)[1].reshape(-1)


@pytest.fixture(params=["star", "isoflop", "both"])
def design(request, star, isoflop):
    return {"star": star, "isoflop": isoflop, "both": np.vstack([star, isoflop])}[request.param]


class TestStrata:
    def test_the_star_has_its_rare_levels_as_strata(self, star):
        """12 levels of one factor off the centre in three runs each; the centre's runs differ in data size alone."""
        assert sorted(np.bincount(strata(star)).tolist()) == [1] * 3 + [3] * 12

    def test_a_run_belongs_to_its_rarest_level(self, design):
        label = strata(design)
        assert sorted(set(label.tolist())) == list(range(label.max() + 1))
        for number in range(label.max() + 1):
            members = design[label == number]
            assert any(len(np.unique(members[:, k])) == 1 for k in range(design.shape[1]))

    def test_equal_runs_share_a_stratum(self, star):
        doubled = np.repeat(star, 2, axis=0)
        label = strata(doubled)
        assert np.array_equal(label[::2], label[1::2])


class TestResamples:
    def test_every_draw_has_as_many_runs_as_there_are(self, design):
        weights = run_resamples(design, 50, 0)
        assert weights.shape == (50, len(design))
        assert np.all(weights.sum(axis=1) == len(design))
        assert np.all((weights >= 0) & (weights == np.round(weights)))

    def test_every_stratum_keeps_its_size(self, design):
        label = strata(design)
        counts = np.bincount(label)
        weights = run_resamples(design, 50, 0)
        for number in np.flatnonzero(counts > 1):
            assert np.all(weights[:, label == number].sum(axis=1) == counts[number])
        pooled = counts[label] == 1
        assert np.all(weights[:, pooled].sum(axis=1) == pooled.sum())

    def test_no_level_of_the_published_sweeps_is_lost(self, design):
        weights = run_resamples(design, 500, 0)
        for mask in levels(design):
            assert np.all(weights[:, mask].sum(axis=1) > 0)

    def test_a_plain_resample_of_the_star_does_lose_levels(self, star):
        rng = np.random.default_rng(0)
        plain = rng.multinomial(39, np.full(39, 1 / 39), size=2000)
        lost = np.any([plain[:, m].sum(axis=1) == 0 for m in levels(star)], axis=0)
        assert lost.mean() == pytest.approx(0.43, abs=0.04)

    @settings(max_examples=40, deadline=None)
    @given(seed=st.integers(0, 10_000), runs=st.integers(4, 40))
    def test_what_is_guaranteed_for_any_runs(self, seed, runs):
        """A level that is the rarest of two runs or more is never lost."""
        rng = np.random.default_rng(seed)
        x = np.stack([rng.integers(1, size, runs) for size in (4, 6, 8)], axis=1).astype(float)
        label = strata(x)
        weights = run_resamples(x, 20, seed)
        assert np.all(weights.sum(axis=1) == runs)
        for number, count in enumerate(np.bincount(label)):
            if count > 1:
                assert np.all(weights[:, label == number].sum(axis=1) == count)

    def test_one_seed_one_answer(self, star):
        assert run_resamples(star, 20, 3).tobytes() == run_resamples(star, 20, 3).tobytes()
        assert run_resamples(star, 20, 3).tobytes() != run_resamples(star, 20, 4).tobytes()

    def test_draws_differ(self, star):
        assert len(np.unique(run_resamples(star, 100, 0), axis=0)) == 100


class TestFolds:
    @pytest.mark.parametrize("count", [2, 3, 5, 10])
    def test_balanced(self, design, count):
        fold = folds(design, configurations(design), count, 0)
        sizes = np.bincount(fold, minlength=count)
        assert len(sizes) == count
        assert sizes.max() - sizes.min() <= 1

    @pytest.mark.parametrize("count", [2, 5, 10])
    def test_replicates_stay_together(self, star, count):
        x = np.tile(star, (3, 1))
        config = configurations(x)
        fold = folds(x, config, count, 1)
        for number in range(config.max() + 1):
            assert len(np.unique(fold[config == number])) == 1
        sizes = np.bincount(fold, minlength=count)
        assert sizes.max() - sizes.min() <= 3

    @pytest.mark.parametrize("count", [2, 3, 5, 10])
    def test_no_level_of_the_published_sweeps_is_held_out_whole(self, design, count):
        config = configurations(design)
        for seed in range(10):
            fold = folds(design, config, count, seed)
            for mask in levels(design):
                if mask.all() or len(np.unique(config[mask])) < 2:
                    continue
                assert len(np.unique(fold[mask])) > 1

    def test_every_stratum_is_dealt_out_evenly(self, star):
        fold, label = folds(star, configurations(star), 3, 0), strata(star)
        for number in np.flatnonzero(np.bincount(label) == 3):
            assert len(np.unique(fold[label == number])) == 3

    def test_one_seed_one_answer(self, star):
        config = configurations(star)
        assert np.array_equal(folds(star, config, 5, 3), folds(star, config, 5, 3))
        assert not np.array_equal(folds(star, config, 5, 3), folds(star, config, 5, 4))

    def test_as_many_folds_as_configurations(self, star):
        assert sorted(folds(star, configurations(star), 39, 0)) == list(range(39))

    def test_too_few_or_too_many(self, star):
        with pytest.raises(InputError, match="1 folds; cross-validation takes at least 2"):
            folds(star, configurations(star), 1, 0)
        with pytest.raises(InputError, match="40 folds but only 39 distinct configurations; use at most 39"):
            folds(np.tile(star, (2, 1)), configurations(np.tile(star, (2, 1))), 40, 0)
