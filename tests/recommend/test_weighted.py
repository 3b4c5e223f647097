"""Several tasks as one target: its law, its intervals, and what they leave out."""

from dataclasses import replace

import numpy as np
import pytest

from vidscale.errors import InputError
from vidscale.recommend import weighted_model
from vidscale.recommend.weighted import task_shares
from vidscale.space import FACTORS_AND_DATA
from vidscale.validate import Noise

ROWS = np.array([[2.8e9, 8, 49, 1e6], [7.5e9, 32, 196, 2.5e5]])
TASKS = ("long <b>video</b>", "ordering", "reading")


def test_resampled_runs_are_added_up_by_their_number(known_model):
    weights = {"ordering": 1.0, "reading": 3.0}
    made = weighted_model(known_model, weights).targets["weighted"]
    for batch in ("law", "run_laws"):
        parts = [getattr(known_model.targets[task], batch).over(FACTORS_AND_DATA).error(ROWS) for task in weights]
        assert getattr(made, batch).over(FACTORS_AND_DATA).error(ROWS) == pytest.approx(
            0.25 * parts[0] + 0.75 * parts[1], rel=1e-12)


def test_redrawn_noise_is_added_up_by_rank(known_model):
    """Nothing cancels between tasks: the widest that adding up draws can be, as far as draws keep their order."""
    weights = {"ordering": 1.0, "reading": 3.0}
    made = weighted_model(known_model, weights).targets["weighted"].noise_laws.over(FACTORS_AND_DATA).error(ROWS)
    parts = [known_model.targets[task].noise_laws.over(FACTORS_AND_DATA).error(ROWS) for task in weights]
    assert made.mean(axis=0) == pytest.approx(0.25 * parts[0].mean(axis=0) + 0.75 * parts[1].mean(axis=0), rel=1e-12)
    spread = [0.25 * parts[0].std(axis=0), 0.75 * parts[1].std(axis=0)]
    assert np.all(made.std(axis=0) <= sum(spread) * (1 + 1e-9))
    assert np.all(made.std(axis=0) > 0.8 * np.hypot(*spread))
    assert np.mean(made.std(axis=0) / np.hypot(*spread)) > 1


def test_equal_weights_agree_with_the_average_that_was_fitted(known_model):
    """The average's own law was fitted to averaged errors: another estimate of the same thing."""
    ours = weighted_model(known_model, dict.fromkeys(TASKS, 1.0)).predict("weighted", ROWS)
    own = known_model.predict("average", ROWS)
    assert ours.error == pytest.approx(own.error, rel=0.01)
    for low, high in (("mean_low", "mean_high"), ("new_low", "new_high")):
        width = (getattr(ours, high) - getattr(ours, low)) / (getattr(own, high) - getattr(own, low))
        assert np.all((width > 0.5) & (width < 2.0)), width


def test_noise_that_tasks_share_is_taken_at_its_largest(known_model):
    shared = Noise(run_variance=0.01, counted=True, freedom=10, n_eval=1000.0, misfit_variance=0.004, fit_p=0.01)
    targets = {name: replace(target, noise=shared) for name, target in known_model.targets.items()}
    made = weighted_model(replace(known_model, targets=targets), dict.fromkeys(TASKS, 1.0)).targets["weighted"].noise
    assert made.run_variance == pytest.approx(0.01)
    assert made.misfit_variance == pytest.approx(0.004)
    assert made.fit_p == 0.01
    assert made.n_eval == pytest.approx(3000, rel=0.05)  # three times the questions, as many independent samples
    unknown = replace(shared, n_eval=None, counted=False)
    targets = {name: replace(target, noise=unknown) for name, target in known_model.targets.items()}
    made = weighted_model(replace(known_model, targets=targets), dict.fromkeys(TASKS, 1.0)).targets["weighted"].noise
    assert made.n_eval is None
    assert not made.counted


def test_only_the_ratio_of_weights_counts(known_model):
    assert task_shares(known_model, {"ordering": 2e-300, "reading": 2e-300}) == {"ordering": 0.5, "reading": 0.5}
    assert task_shares(known_model, {"ordering": 1e300, "reading": 3e300}) == {"ordering": 0.25, "reading": 0.75}
    assert list(task_shares(known_model, {"reading": 1, "ordering": 0})) == ["reading"]


@pytest.mark.parametrize("weights", [{}, {"ordering": 0.0}, {"ordering": -1.0}, {"ordering": float("nan")},
                                     {"ordering": float("inf")}, {"average": 1.0}, {"nothing": 1.0}])
def test_weights_that_are_none(known_model, weights):
    with pytest.raises(InputError):
        weighted_model(known_model, weights)
