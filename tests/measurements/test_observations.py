"""Runs as arrays: what is one run, what is a replicate, and the noise of an average."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidscale.errors import InputError
from vidscale.measurements import dataset, effective_count, observations, read_measurements


def table(**changes: object) -> pd.DataFrame:
    """Two configurations, the second run twice, three tasks."""
    rows = [
        {"lm_params": n, "frames": 8, "data_size": 1e6, "seed": s, "task": task, "error": e, "n_eval": 1000, "sweep": w}
        for n, s, w in [(1e9, 0, "star"), (7e9, 0, "star"), (7e9, 1, "isoflop")]
        for task, e in [("a", 0.5), ("b", 0.3), ("c", 0.1)]
    ]
    return pd.DataFrame(rows).assign(**changes)


def test_a_run_is_a_row_and_its_tasks_are_columns() -> None:
    seen = observations(read_measurements(table()))
    assert seen.factors == ("lm_params",)
    assert seen.x.tolist() == [[1e9], [7e9], [7e9]]
    assert seen.fixed == {"frames": 8.0, "tokens_per_frame": None, "data_size": 1e6}
    assert seen.targets == ("average", "a", "b", "c")
    np.testing.assert_allclose(seen.error, [[0.3, 0.5, 0.3, 0.1]] * 3)
    assert seen.config.tolist() == [0, 1, 1]
    assert len(seen) == len(set(seen.run_ids)) == 3
    assert seen.columns.columns.tolist() == ["lm_params", "frames", "tokens_per_frame", "data_size", "sweep", "seed"]
    assert seen.target("b") == 2


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(InputError, match=r"'d'.*average, a, b, c"):
        observations(read_measurements(table())).target("d")


def test_a_run_that_lacks_a_task_has_no_average() -> None:
    seen = observations(read_measurements(table().iloc[1:]))
    assert np.isnan(seen.error[0, [0, 1]]).all()
    assert not np.isnan(seen.error[1:]).any()
    two = observations(read_measurements(table().iloc[1:]), weights={"b": 1, "c": 1})
    assert two.targets[0] == "weighted"
    np.testing.assert_allclose(two.error[:, 0], 0.2)


def test_weights_are_normalised_and_checked() -> None:
    read = read_measurements(table(), chance={"a": 0.2, "b": 0.4})
    seen = observations(read, weights={"a": 6, "b": 2})
    np.testing.assert_allclose(seen.error[:, 0], 0.75 * 0.5 + 0.25 * 0.3)
    assert seen.chance["weighted"] == pytest.approx(0.25)
    assert "average" not in observations(read).chance
    for weights, words in [({"d": 1}, "'d'"), ({"a": -1}, "-1"), ({"a": float("nan")}, "nan"), ({"a": 0}, "every")]:
        with pytest.raises(InputError, match=words):
            observations(read, weights=weights)


def test_one_task_or_no_average_wanted() -> None:
    assert observations(read_measurements(table()), average=False).targets == ("a", "b", "c")
    assert observations(read_measurements(table(), tasks=["b"])).targets == ("b",)


def test_a_task_called_average_is_refused() -> None:
    named = read_measurements(table().replace({"task": {"a": "average"}}))
    with pytest.raises(InputError, match="'average'"):
        observations(named)
    assert observations(named, average=False).targets == ("average", "b", "c")


def test_run_ids_of_the_table_are_kept_where_they_are_distinct() -> None:
    names = np.repeat(["x", "y", "z"], 3)
    assert observations(read_measurements(table(run_id=names))).run_ids == ("x", "z", "y")
    assert len(set(observations(read_measurements(table(run_id="x"))).run_ids)) == 3


def test_the_average_knows_nothing_of_its_noise_where_a_count_is_missing() -> None:
    assert np.isnan(observations(read_measurements(table(n_eval=np.nan))).n_eval).all()
    some = observations(read_measurements(table(n_eval=[None] + [10] * 8)))
    assert np.isnan(some.n_eval[0, 0])
    assert not np.isnan(some.n_eval[1:, 0]).any()


@given(st.integers(1, 8), st.floats(0.01, 0.99), st.integers(1, 10**6))
def test_equal_tasks_pool_their_questions(tasks: int, p: float, n: int) -> None:
    share = np.full(tasks, 1 / tasks)
    pooled = effective_count(np.full((1, tasks), p), np.full((1, tasks), float(n)), share)
    assert pooled[0] == pytest.approx(tasks * n, rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(0.05, 0.95), st.integers(50, 500), st.floats(0.1, 1)), min_size=1, max_size=4))
def test_the_effective_count_has_the_variance_of_the_average(tasks: list[tuple[float, int, float]]) -> None:
    p, n, w = (np.array(values, dtype=float) for values in zip(*tasks))
    w /= w.sum()
    count = effective_count(p[None], n[None], w)[0]
    mean = p @ w
    assert mean * (1 - mean) / count == pytest.approx(np.sum(w**2 * p * (1 - p) / n), rel=1e-9)


def test_the_order_of_input_rows_does_not_change_the_runs() -> None:
    one = observations(dataset("paper-design"))
    rows = dataset("paper-design").rows.sample(frac=1, random_state=3)
    other = observations(read_measurements(rows))
    assert one.run_ids == other.run_ids
    np.testing.assert_array_equal(one.error, other.error)
    np.testing.assert_array_equal(one.config, other.config)
