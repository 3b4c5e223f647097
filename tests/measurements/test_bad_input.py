"""Every way a table can be wrong ends in one clear line that names what was seen and where."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vidscale.errors import InputError
from vidscale.measurements import list_datasets, read_measurements

GOOD = "lm_params,frames,tokens_per_frame,data_size,task,error\n1e9,4,16,1e6,a,0.5\n2e9,8,16,1e6,a,0.4\n"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def _write(content: str | bytes, name: str = "runs.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return _write


def refused(source: object, *words: str, **how: object) -> str:
    """Read, expect one clear line that holds all the words, and return it."""
    with pytest.raises(InputError) as caught:
        read_measurements(source, **how)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    for word in words:
        assert word in message, message
    return message


def with_cell(column: str, value: str) -> str:
    """GOOD with another value in the second data row, file line 3."""
    header, first, second = GOOD.splitlines()
    cells = dict(zip(header.split(","), second.split(","))) | {column: value}
    return "\n".join([header, first, ",".join(cells.values())]) + "\n"


def outcome(path: Path) -> str:
    """The message of an InputError, or "" where the file can be read; anything else goes through."""
    try:
        read_measurements(path)
    except InputError as error:
        return str(error)
    return ""


# --- the file ----------------------------------------------------------------------------------------------


def test_a_missing_file(tmp_path: Path) -> None:
    refused(tmp_path / "none.csv", "none.csv", "no such file")


def test_a_name_that_is_neither_a_file_nor_a_dataset() -> None:
    refused("li2025", "li2025", *(info.name for info in list_datasets()))
    refused("", "neither a file")


@pytest.mark.parametrize("name", ["x" * 5000 + ".csv", "x" * 5000, "\0.csv", "\0"])
def test_a_name_no_file_can_have(name: str) -> None:
    refused(name)


def test_a_directory(tmp_path: Path) -> None:
    refused(tmp_path, "is a directory", ".csv")


def test_something_that_is_no_source() -> None:
    refused(42, "int", "DataFrame")


def test_an_unknown_ending(write: Write) -> None:
    refused(write(GOOD, "runs.xlsx"), ".xlsx", ".csv, .jsonl, .parquet")


@pytest.mark.parametrize("name", ["runs.csv", "runs.jsonl", "runs.parquet"])
def test_an_empty_file(write: Write, name: str) -> None:
    refused(write("", name), "is empty")
    refused(write(" \n\n", name), "is empty")


def test_a_header_without_rows(write: Write) -> None:
    refused(write(GOOD.splitlines()[0]), "no rows")
    refused(write(GOOD.splitlines()[0] + "\r\n\r\n"), "no rows")
    refused(pd.DataFrame({"error": []}), "no rows")


def test_a_parquet_file_without_rows(tmp_path: Path) -> None:
    pd.DataFrame({"error": np.array([])}).to_parquet(tmp_path / "none.parquet")
    refused(tmp_path / "none.parquet", "no rows")


def test_binary_content(write: Write) -> None:
    refused(write(bytes(range(256)) * 4), "NUL")
    refused(write(bytes(range(256)) * 4, "runs.jsonl"), "NUL")
    refused(write(b"\x89PNG\r\n" * 9, "runs.parquet"), "not a Parquet file")
    refused(write(b"PAR1" + b"x" * 99 + b"PAR1", "runs.parquet"), "damaged Parquet file")
    refused(write(b"PAR1" + b"x" * 99), "Parquet file", ".parquet")


def test_another_encoding(write: Write) -> None:
    refused(write(GOOD.encode("utf-16")), "UTF-16", "UTF-8")
    latin = GOOD.replace(",a,0.4", ",caf\u00e9,0.4").encode("latin-1")
    refused(write(latin), "line 3", "0xe9", "UTF-8")


@pytest.mark.parametrize(("mark", "called"), [(";", "semicolons"), ("\t", "tabs")])
def test_another_separator(write: Write, mark: str, called: str) -> None:
    refused(write(GOOD.replace(",", mark)), called, "commas")


def test_ragged_rows(write: Write) -> None:
    refused(write(GOOD + "3e9,8,16,1e6,a,0.4,9\n"), "line 4", "7 cells", "6")
    refused(write(GOOD + "\n3e9,8,16\n"), "line 5", "3 cells", "6")


def test_a_quote_that_never_closes(write: Write) -> None:
    refused(write(GOOD + '3e9,8,16,1e6,"a,0.4\n'), "quote")


def test_repeated_columns(write: Write, tmp_path: Path) -> None:
    refused(write(GOOD.replace("data_size", "frames")), "two columns called 'frames'")
    refused(write('{"error": 0.5, "error": 0.6}\n', "runs.jsonl"), "line 1", "two columns called 'error'")
    twice = pd.DataFrame([[0.1, 0.2], [0.3, 0.4]], columns=["error", "error"])
    refused(twice, "two columns called 'error'")
    levels = pd.DataFrame([[1.0]], columns=pd.MultiIndex.from_tuples([("a", "error")]))
    refused(levels, "several levels")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"error": 0.5}\n{"error": \n', ("line 2", "not JSON")),
        ("[1, 2]\n", ("JSON array",)),
        ("3\n4\n", ("line 1", "'3'", "JSON object")),
        ('{"error": 0.5} {"error": 0.4}\n', ("line 1", "not JSON")),
        ("{}\n{}\n", ("no columns",)),
        ('{"error": 0.5, "lm_params": {"value": 7}}\n{"error": 0.4}\n', ("line 1", "lm_params", "not a number")),
    ],
)
def test_json_lines_that_are_none(write: Write, content: str, words: tuple[str, ...]) -> None:
    refused(write(content, "runs.jsonl"), *words)


# --- the columns -------------------------------------------------------------------------------------------


def test_no_error_column(write: Write) -> None:
    path = write(GOOD.replace(",error", ",acc"))
    refused(path, "no column error", "frames", "acc", "--map error=COLUMN", "--metric score")
    refused(write(GOOD.replace(",error", ",score")), "--metric score", "column score")
    refused(write(GOOD), "no column score", "--metric error", metric="score")


def test_a_mapping_that_does_not_fit(write: Write) -> None:
    path = write(GOOD)
    refused(path, "'loss'", "there are lm_params, frames", mapping={"error": "loss"})
    refused(path, "'err'", "lm_params, frames", mapping={"err": "error"})
    refused(path, "mapped twice", mapping={"error": "error", "frames": "error"})


def test_a_metric_that_is_unknown(write: Write) -> None:
    refused(write(GOOD), "'accuracy'", "error", "score", metric="accuracy")


@pytest.mark.parametrize(
    ("units", "words"),
    [
        ({"lm_params": "G"}, ("'G'", "1, k, K, M, B")),
        ({"data_size": "B"}, ("'B'", "1, k, K, M")),
        ({"error": "per mille"}, ("'per mille'", "fraction, percent")),
        ({"frames": "1"}, ("'frames'", "lm_params", "data_size")),
    ],
)
def test_a_unit_that_is_unknown(write: Write, units: dict[str, str], words: tuple[str, ...]) -> None:
    refused(write(GOOD), *words, units=units)


def test_a_task_that_is_unknown(write: Write) -> None:
    refused(write(GOOD), "'b'", "the tasks are a", tasks=["b"])
    refused(write(GOOD), "no task", tasks=[])
    refused(write(GOOD), "'b'", chance={"b": 0.25})


# --- the cells ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["lm_params", "frames", "tokens_per_frame", "data_size"])
@pytest.mark.parametrize("value", ["0", "-4", "inf", "-inf", "nan", "", "many", "True", "1+2j", "1e999"])
def test_a_factor_that_is_no_positive_number(write: Write, column: str, value: str) -> None:
    refused(write(with_cell(column, value)), "line 3", f"column {column}")


@pytest.mark.parametrize("value", ["-0.1", "inf", "nan", "", "n/a", "half", "true", "1.2", "40"])
def test_an_error_that_is_no_fraction(write: Write, value: str) -> None:
    refused(write(with_cell("error", value)), "line 3", "column error")


def test_messages_say_what_to_do(write: Write) -> None:
    refused(write(with_cell("error", "40")), "the error is 40", "0 to 1", "--unit error=percent")
    refused(write(with_cell("lm_params", "7.5")), "7.5", "--unit lm_params=B")
    refused(write(with_cell("data_size", "0.25")), "0.25", "--unit data_size=M")
    refused(write(with_cell("data_size", "0.25")), "in Python units={'data_size': 'M'}")
    refused(write(GOOD.replace(",error", ",loss")), "(in Python mapping={'error': 'COLUMN'})", "metric='score'")
    refused(write(GOOD), "unit B", "between 1000 and 1e+14", units={"lm_params": "B"})
    refused(write(GOOD), "percent", "no value exceeds 1", units={"error": "percent"})
    refused(write(with_cell("error", "140")), "140", "0 to 100", units={"error": "percent"})
    refused(write(with_cell("error", "nan")), "missing", "fill it in or remove the row")


def test_whole_numbers(write: Write) -> None:
    refused(write(with_cell("frames", "8.5")), "line 3", "column frames", "8.5", "whole number")
    refused(write(with_cell("tokens_per_frame", "0.5")), "line 3", "tokens_per_frame")
    assert read_measurements(write(with_cell("tokens_per_frame", "16.5"))).varying[-1] == "tokens_per_frame"


@pytest.mark.parametrize("value", ["0", "-1", "2.5", "some"])
def test_n_eval_that_counts_nothing(write: Write, value: str) -> None:
    lines = GOOD.splitlines()
    text = "\n".join([lines[0] + ",n_eval", lines[1] + ",100", lines[2] + "," + value])
    refused(write(text), "line 3", "n_eval")


def test_a_seed_or_run_id_in_some_rows_only(write: Write) -> None:
    lines = GOOD.splitlines()
    refused(write(f"{lines[0]},seed\n{lines[1]},1\n{lines[2]},\n"), "line 3", "seed", "missing")
    refused(write(f"{lines[0]},run_id\n{lines[1]},x\n{lines[2]},\n"), "line 3", "run_id", "blank")
    refused(write(with_cell("task", " ")), "line 3", "column task", "blank")


def test_a_perfect_score_needs_n_eval(write: Write) -> None:
    refused(write(with_cell("error", "0")), "line 3", "error is 0", "n_eval")
    scores = with_cell("error", "1").replace(",error", ",score")
    refused(write(scores), "line 3", "score is 1", "n_eval", metric="score")


def test_blank_lines_and_quoted_line_breaks_do_not_shift_line_numbers(write: Write) -> None:
    header, first, second = GOOD.splitlines()
    text = f'\n{header},note\n\n{first},"two\nlines"\n\n{second.replace("0.4", "x")},\n'
    refused(write(text), "line 7", "column error", "'x'")
    lines = '\n{"error": 0.5, "frames": 4}\n\n{"error": 7, "frames": 8}\n'
    refused(write(lines, "runs.jsonl"), "line 4", "column error")


def test_rows_of_frames_and_parquet_count_from_0(tmp_path: Path) -> None:
    frame = pd.DataFrame({"error": [0.5, 7.0], "frames": [4, 8]}, index=[10, 11])
    frame.to_parquet(tmp_path / "runs.parquet")
    refused(frame, "row 1 (from 0)", "column error")
    refused(tmp_path / "runs.parquet", "row 1 (from 0)", "column error")


def test_a_renamed_column_is_named_both_ways(write: Write) -> None:
    path = write(with_cell("error", "7").replace(",error", ",wer"))
    refused(path, "column wer (read as error)", mapping={"error": "wer"})


@pytest.mark.parametrize(
    "junk",
    [[True, False], [1 + 2j, 3 + 0j], [object(), object()], [[1], [2]], [b"a", b"b"], ["x", None],
     pd.to_datetime(["2024-01-01", "2024-01-02"]), [None, None], pd.Categorical(["a", "b"])],
)
def test_junk_in_a_frame(junk: object) -> None:
    refused(pd.DataFrame({"error": junk, "frames": [4, 8]}), "column error")
    if not isinstance(junk, list) or junk != [None, None]:
        refused(pd.DataFrame({"error": [0.4, 0.5], "frames": junk}), "column frames")


# --- rows together -----------------------------------------------------------------------------------------


def test_repeats_that_disagree(write: Write) -> None:
    again = "2e9,8,16,1e6,a,0.45\n"
    refused(write(GOOD + again), "line 3 and line 4", "0.4 and 0.45", "add a column seed or run_id")
    seeded = "\n".join(f"{line},{'seed' if k == 0 else 0}" for k, line in enumerate((GOOD + again).splitlines()))
    refused(write(seeded), "line 3 and line 4", "different values of seed")
    counted = pd.DataFrame({"error": [0.4, 0.5, 0.5], "frames": [4, 8, 8], "n_eval": [100, 100, 200]})
    refused(counted, "row 1 (from 0) and row 2 (from 0)", "n_eval 100 and 200")


def test_one_row(write: Write) -> None:
    refused(write("\n".join(GOOD.splitlines()[:2])), "one row")
    refused(write("\n".join([*GOOD.splitlines()[:2], GOOD.splitlines()[1]])), "one row")


def test_nothing_varies(write: Write) -> None:
    lines = GOOD.splitlines()
    refused(write(f"{lines[0]}\n{lines[1]}\n{lines[1].replace(',a,', ',b,')}\n"), "varies")
    refused(pd.DataFrame({"error": [0.4, 0.5], "run_id": ["x", "y"]}), "varies")


def test_chance_that_varies_within_a_task(write: Write) -> None:
    lines = GOOD.splitlines()
    torn = f"{lines[0]},chance\n{lines[1]},0.25\n{lines[2]},0.2\n"
    refused(write(torn), "'a'", "0.2", "0.25", "one accuracy per task")
    refused(write(f"{lines[0]},chance\n{lines[1]},0.25\n{lines[2]},25\n"), "line 3", "chance is 25")
    refused(write(GOOD), "chance of task 'a' is 1.0", chance={"a": 1.0})
    refused(write(GOOD), "chance of task 'a' is 'x'", chance={"a": "x"})


def test_a_bundled_dataset_takes_no_declarations() -> None:
    refused("li2024", "declares its own", mapping={"error": "score"})
    refused("paper-design", "declares its own", metric="score")


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=300), st.text(max_size=200).map(str.encode)), prefix=st.sampled_from(
    [b"", b"error,frames\n", b'{"error": 0.5, "frames": 4}\n', b"PAR1"]))
def test_random_bytes_never_raise_anything_else(tmp_path: Path, ending: str, content: bytes, prefix: bytes) -> None:
    path = tmp_path / f"any{ending}"
    path.write_bytes(prefix + content)
    assert "\n" not in outcome(path)


@pytest.mark.parametrize("where", range(0, 1600, 97))
def test_a_damaged_parquet_file_never_raises_anything_else(tmp_path: Path, where: int) -> None:
    path = tmp_path / "runs.parquet"
    pd.DataFrame({"error": [0.4, 0.5], "frames": [4, 8], "task": ["a", "a"]}).to_parquet(path)
    data = bytearray(path.read_bytes())
    data[where % len(data)] ^= 0x5A
    path.write_bytes(bytes(data))
    assert "\n" not in outcome(path)


def test_a_factor_that_was_not_found_is_named_where_it_makes_runs_look_the_same(write: Write) -> None:
    apart = "lm_params,frames,{},data_size,task,error\n1e9,4,16,1e6,a,0.5\n1e9,4,36,1e6,a,0.4\n"
    refused(write(apart.format("token_per_frame")), "line 2 and line 3", "no column tokens_per_frame",
            "--map tokens_per_frame=token_per_frame")
    refused(write(apart.format("resolution")), "no column tokens_per_frame", "add it")


def test_a_column_nearly_called_like_a_missing_one_is_asked_about_and_not_read(write: Write) -> None:
    table = read_measurements(write(GOOD.replace("task", "tasks").replace("tokens_per_frame", "Tokens per frame")))
    assert table.tasks == ("task",)
    assert any("--map tokens_per_frame=Tokens per frame" in note for note in table.notes)
    assert any("--map task=tasks" in note for note in table.notes)
    assert not any("is it the column" in note for note in read_measurements(write(GOOD)).notes)


# --- the encoder -------------------------------------------------------------------------------------------


def test_a_table_is_of_one_encoder_or_of_none(write: Write) -> None:
    head, *rows = GOOD.splitlines()

    def table(columns: str, *cells: str) -> Path:
        return write("\n".join([f"{head},{columns}", *(f"{row},{own}" for row, own in zip(rows, cells))]) + "\n")

    both = "encoder_params,encoder_tokens"
    refused(table(both, "1e6,64", "2e6,64"), "line 3", "encoder_params", "2e+06", "one vision encoder")
    refused(table(both, "1e6,0", "1e6,0"), "line 2", "encoder_tokens", "at least 1")
    refused(table(both, "1e6,64", "1e6,"), "line 3", "encoder_tokens", "missing")
    refused(table(both, "1e6,so400m", "1e6,so400m"), "line 2", "encoder_tokens", "so400m")
    refused(table("encoder_params", "1e6", "1e6"), "no encoder_tokens", "both")


@pytest.mark.parametrize(("value", "write_it"), [(0.25, "write 25 for a quarter"), (0.2, "write 20 for a share")])
def test_a_chance_meant_as_a_fraction_beside_errors_in_percent(write: Write, value: float, write_it: str) -> None:
    """Taken for per cent it would be a hundredth of itself, and nobody would hear of it."""
    task = read_measurements(write(GOOD)).tasks[0]
    percent = pd.read_csv(write(GOOD)).assign(error=lambda f: 100 * f.error)
    units = {"error": "percent"}
    said = ("the measured column is in per cent and chance is too", write_it)
    refused(percent, f"chance of task {task!r} is {value:g}", *said, units=units, chance={task: value})
    refused(percent.assign(chance=value), "column chance", f"chance is {value:g}", *said, units=units)
    assert read_measurements(percent, units=units, chance={task: 100 * value}).chance[task] == pytest.approx(value)
    assert read_measurements(percent, units=units, chance={task: 0}).chance[task] == 0
    assert read_measurements(percent, units=units, chance={task: 1}).chance[task] == 0.01


def test_a_chance_that_is_no_fraction_or_no_number(write: Write) -> None:
    task = read_measurements(write(GOOD)).tasks[0]
    refused(write(GOOD), "chance", "is 25;", "below 1", "Write 0.25", chance={task: 25})
    refused(write(GOOD), "chance", "'a quarter'", "an accuracy, such as 0.25", chance={task: "a quarter"})
