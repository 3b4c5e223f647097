"""Good tables: every format, spelling and unit gives the same measurements."""

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vidscale.measurements import (
    COLUMNS,
    SCHEMA_VERSION,
    MeasurementTable,
    describe_schema,
    read_measurements,
    template_csv,
)

ROWS = [
    {"lm_params": 1e9, "frames": 4, "tokens_per_frame": 16, "task": "a", "error": 0.5, "gpu": "H100"},
    {"lm_params": 1e9, "frames": 4, "tokens_per_frame": 16, "task": "b", "error": 0.6, "gpu": "H100"},
    {"lm_params": 7.5e9, "frames": 8, "tokens_per_frame": 16, "task": "a", "error": 0.4, "gpu": "H100"},
    {"lm_params": 7.5e9, "frames": 8, "tokens_per_frame": 16, "task": "b", "error": 0.3, "gpu": "H100"},
]


def frame(**changes: object) -> pd.DataFrame:
    return pd.DataFrame(ROWS).assign(**changes)


def save(table: pd.DataFrame, folder: Path) -> list[Path]:
    """The same table as CSV, JSONL and Parquet."""
    paths = [folder / f"runs{ending}" for ending in (".csv", ".jsonl", ".parquet")]
    table.to_csv(paths[0], index=False)
    records = [
        {k: None if v is None or v != v else v for k, v in zip(table.columns, row)}
        for row in table.astype(object).itertuples(index=False)
    ]
    paths[1].write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    table.to_parquet(paths[2])
    return paths


def same(one: MeasurementTable, other: MeasurementTable) -> None:
    pd.testing.assert_frame_equal(one.rows, other.rows)
    assert one.data_hash == other.data_hash
    assert dict(one.chance) == dict(other.chance)
    assert one.constant == other.constant


# --- schema ------------------------------------------------------------------------------------------------


def test_the_template_is_a_header_of_documented_columns() -> None:
    names = template_csv().strip().split(",")
    described = describe_schema()
    assert SCHEMA_VERSION == 1
    assert [row["name"] for row in described] == [column.name for column in COLUMNS]
    assert set(names) <= {row["name"] for row in described}
    assert all(all(row.values()) for row in described)


def test_a_filled_template_reads_with_its_optional_columns_blank(tmp_path: Path) -> None:
    rows = "1e9,4,16,,,,,,0.5,,,,\n2e9,4,16,,,,,,0.4,,,,\n"
    (tmp_path / "mine.csv").write_text(template_csv() + rows, encoding="utf-8")
    table = read_measurements(tmp_path / "mine.csv")
    assert table.name == "mine"
    assert table.varying == ("lm_params",)
    assert table.constant == {"frames": 4.0, "tokens_per_frame": 16.0, "data_size": None}
    assert table.tasks == ("task",)
    assert "seed" not in table.rows


# --- formats -----------------------------------------------------------------------------------------------

_LETTERS = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs"])
_NAMES = st.text(_LETTERS, min_size=1, max_size=5)


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Runs × tasks with distinct runs, some columns there and some not."""
    tasks = draw(st.lists(_NAMES, min_size=1, max_size=3, unique=True))
    runs = draw(st.integers(2, 6))
    rows = [
        {
            "lm_params": draw(st.floats(1e3, 1e14)),
            "frames": 1 + k,
            "data_size": draw(st.floats(1, 1e15)),
            "seed": draw(st.integers(0, 3)),
            "task": task,
            "error": draw(st.floats(1e-6, 1)),
            "n_eval": draw(st.one_of(st.none(), st.integers(1, 10**6))),
            "chance": 0.1 * tasks.index(task),
            "commit": draw(st.sampled_from(["0123", "1e5", "2024-01-01", "a,b", 'say "x"', "line\nbreak"])),
            "rate": draw(st.sampled_from([1e-5, 0.5, 3.0])),
            "tuned": draw(st.booleans()),
        }
        for k in range(runs)
        for task in tasks
    ]
    dropped = draw(st.sets(st.sampled_from(["lm_params", "data_size", "seed", "n_eval", "chance", "commit", "tuned"])))
    return pd.DataFrame(rows).drop(columns=list(dropped))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables())
def test_csv_jsonl_parquet_and_frame_give_the_same_table(tmp_path: Path, table: pd.DataFrame) -> None:
    first = read_measurements(table)
    for path in save(table, tmp_path):
        same(first, read_measurements(path))


@settings(max_examples=40, deadline=None)
@given(table=tables(), order=st.randoms(use_true_random=False))
def test_the_order_of_rows_and_columns_does_not_matter(table: pd.DataFrame, order: object) -> None:
    rows, columns = list(range(len(table))), list(table.columns)
    order.shuffle(rows)  # type: ignore[attr-defined]
    order.shuffle(columns)  # type: ignore[attr-defined]
    same(read_measurements(table), read_measurements(table.iloc[rows][columns]))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables())
def test_a_canonical_table_written_out_reads_as_itself(tmp_path: Path, table: pd.DataFrame) -> None:
    first = read_measurements(table)
    for path in save(first.rows, tmp_path):
        same(first, read_measurements(path))


def test_the_hash_follows_what_was_measured_and_nothing_else() -> None:
    base = read_measurements(frame()).data_hash
    assert read_measurements(frame(gpu="A100"), name="other").data_hash == base
    assert read_measurements(frame().drop(columns="gpu")).data_hash == base
    changed: list[dict[str, object]] = [
        {"error": [0.5, 0.6, 0.4, 0.31]}, {"frames": [4, 4, 9, 9]}, {"seed": 1}, {"n_eval": 9}, {"task": list("abcd")},
    ]
    hashes = {read_measurements(frame(**change)).data_hash for change in changed}
    hashes.add(read_measurements(frame(), chance={"a": 0.25}).data_hash)
    assert len(hashes | {base}) == len(changed) + 2


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    text = frame().to_csv(index=False)
    path = tmp_path / "runs.csv"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    same(read_measurements(frame()), read_measurements(path))


def test_an_index_column_without_a_name_is_left_out_and_noted(tmp_path: Path) -> None:
    frame().to_csv(tmp_path / "runs.csv")
    table = read_measurements(str(tmp_path / "runs.csv"))
    same(read_measurements(frame()), table)
    assert "without a name" in table.notes[0]


# --- declarations ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "how"),
    [
        ({"lm_params": [1, 1, 7.5, 7.5]}, {"units": {"lm_params": "B"}}),
        ({"lm_params": [1000, 1000, 7500, 7500]}, {"units": {"lm_params": "M"}}),
        ({"lm_params": [1e6, 1e6, 7.5e6, 7.5e6]}, {"units": {"lm_params": "k"}}),
        ({"error": [50, 60, 40, 30]}, {"units": {"error": "percent"}}),
        ({"error": [0.5, 0.4, 0.6, 0.7]}, {"metric": "score", "mapping": {"error": "error"}}),
        ({"score": [0.5, 0.4, 0.6, 0.7]}, {"metric": "score"}),
        ({"score": [50, 40, 60, 70]}, {"metric": "score", "units": {"score": "percent"}}),
        ({"acc": [50, 40, 60, 70]}, {"metric": "score", "mapping": {"score": "acc"}, "units": {"error": "percent"}}),
        ({"lm_params": ["1e9", " 1000000000 ", "7.5E9", "7500000000.0"]}, {}),
    ],
)
def test_units_metric_and_mapping(changed: dict, how: dict) -> None:
    found = read_measurements(frame(**changed), **how)
    expected = read_measurements(frame())
    np.testing.assert_allclose(found.rows["error"], expected.rows["error"], rtol=1e-12)
    np.testing.assert_allclose(found.rows["lm_params"], expected.rows["lm_params"], rtol=1e-12)


def test_a_column_another_is_read_in_place_of_is_left_out_and_noted() -> None:
    table = read_measurements(frame(wer=[0.1, 0.2, 0.3, 0.4]), mapping={"error": "wer"})
    assert sorted(table.rows["error"]) == [0.1, 0.2, 0.3, 0.4]
    assert "column error was left out, wer is read in its place" in table.notes


def test_chance_is_an_accuracy_in_the_unit_of_the_metric() -> None:
    percent = frame(error=[50, 60, 40, 30], chance=[20, 25, 20, 25])
    table = read_measurements(percent, units={"error": "percent"})
    assert table.chance == {"a": 0.2, "b": 0.25}
    given = read_measurements(percent, units={"error": "percent"}, chance={"a": 50})
    assert given.chance == {"a": 0.5, "b": 0.25}
    assert read_measurements(frame()).chance == {}
    assert any("worse than guessing" in note for note in read_measurements(frame(), chance={"b": 0.5}).notes)


def test_tasks_can_be_chosen_and_the_faults_of_others_ignored() -> None:
    table = read_measurements(frame(error=[0.5, 7, 0.4, 7]), tasks=["a"])
    assert table.tasks == ("a",)
    assert "2 of 4 rows" in table.notes[0]


# --- rows --------------------------------------------------------------------------------------------------


def test_an_error_of_0_is_lifted_where_n_eval_is_known() -> None:
    table = read_measurements(frame(error=[0.5, 0.6, 0.4, 0.0], n_eval=[99, None, 99, 99]))
    lifted = table.rows[table.rows["adjusted"]]
    assert lifted["error"].tolist() == [0.5 / 100]
    assert any("error(s) of 0" in note for note in table.notes)
    perfect = read_measurements(frame(score=[0.5, 0.4, 0.6, 1.0], n_eval=99), metric="score")
    assert perfect.rows["error"].min() == 0.5 / 100


def test_identical_repeats_are_dropped_with_a_note() -> None:
    table = read_measurements(pd.concat([frame(), frame().iloc[[1, 2]]]))
    assert len(table) == 4
    assert "2 row(s) repeated" in table.notes[0]
    assert table.data_hash == read_measurements(frame()).data_hash


def test_rows_that_differ_in_seed_run_id_or_sweep_are_replicates() -> None:
    for name, values in {"seed": [1, 2], "run_id": ["x", "y"], "sweep": ["star", "isoflop"]}.items():
        twice = pd.concat([frame(**{name: values[0]}), frame(**{name: values[1], "error": 0.2})])
        assert len(read_measurements(twice)) == 8


def test_generated_rows_stay_labelled(tmp_path: Path) -> None:
    table = read_measurements(frame(synthetic=[True, False, False, False]))
    assert table.synthetic
    for path in save(table.rows, tmp_path):
        assert read_measurements(path).synthetic
    assert not read_measurements(frame()).synthetic


def test_a_table_says_which_encoder_its_runs_had(tmp_path: Path) -> None:
    table = read_measurements(frame(encoder_params=826e3, encoder_tokens=64))
    assert table.encoder == (826e3, 64.0)
    for path in save(table.rows, tmp_path):
        assert read_measurements(path).encoder == table.encoder
    assert read_measurements(frame()).encoder is None
    assert table.data_hash == read_measurements(frame()).data_hash


def test_what_does_not_vary_is_said() -> None:
    notes = read_measurements(frame()).notes
    assert any(note.startswith("tokens_per_frame is 16 in every row") for note in notes)
    assert any(note.startswith("there is no column data_size") for note in notes)
    assert any("declare its unit" in note for note in read_measurements(frame(data_size=2)).notes)


def test_rows_are_canonical_columns_then_provenance() -> None:
    rows = read_measurements(frame(another="x", seed=3)).rows
    assert rows.columns.tolist() == [
        "lm_params", "frames", "tokens_per_frame", "data_size", "seed", "task", "error", "n_eval", "adjusted",
        "another", "gpu",
    ]
    assert rows["seed"].dtype == np.int64
    assert rows["data_size"].isna().all()


@pytest.mark.slow
def test_a_million_rows_read_in_seconds(tmp_path: Path) -> None:
    rows = 1_000_000
    r = np.random.default_rng(0)
    table = pd.DataFrame({
        "frames": np.repeat(r.integers(1, 65, rows // 8), 8), "seed": np.arange(rows) // 8,
        "task": np.tile(list("abcdefgh"), rows // 8), "error": r.uniform(0.1, 0.9, rows), "n_eval": 3000,
    })
    table.to_csv(tmp_path / "big.csv", index=False)
    started = time.perf_counter()
    found = read_measurements(tmp_path / "big.csv")
    assert time.perf_counter() - started < 15
    assert found.data_hash == read_measurements(table).data_hash
