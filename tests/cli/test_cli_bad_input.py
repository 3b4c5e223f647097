"""Bad input: one clear line, exit code 2, nothing written."""

import os
import shutil

import pytest
from cli_support import QUICK, QUICK_FIT, everything


def spoil(frame, **changes):
    """The table with one cell changed in each named column."""
    spoiled = frame.astype(dict.fromkeys(changes, object))
    for name, value in changes.items():
        spoiled.loc[5, name] = value
    return spoiled


CELLS = [
    ({"error": "nan"}, "line 7, column error"),
    ({"error": 1.2}, "the error is 1.2"),
    ({"error": -0.1}, "the error is -0.1"),
    ({"lm_params": -1e9}, "column lm_params"),
    ({"lm_params": 0}, "column lm_params"),
    ({"frames": 0}, "column frames"),
    ({"tokens_per_frame": -4}, "column tokens_per_frame"),
    ({"data_size": 0}, "column data_size"),
    ({"frames": "many"}, "many"),
    ({"error": "low"}, "low"),
    ({"error": 0, "n_eval": ""}, "n_eval"),
]


@pytest.mark.parametrize("verb", ["study", "fit", "compare"])
@pytest.mark.parametrize(("changes", "said"), CELLS, ids=[str(c) for c, _ in CELLS])
def test_a_bad_cell_is_named(run, table, frame, tmp_path, verb, changes, said):
    spoil(frame, **changes).to_csv(table, index=False)
    before = everything(tmp_path)
    assert said in run(verb, table, *QUICK).refused()
    assert everything(tmp_path) == before


def _bytes(content):
    return lambda frame, path: path.write_bytes(content)


def _frame(change):
    return lambda frame, path: change(frame).to_csv(path, index=False)


def _disagree(frame):
    twice = frame.copy()
    twice.loc[len(twice)] = twice.loc[5]
    twice.loc[len(twice) - 1, "error"] = 0.9
    return twice


FILES = {
    "missing column": (_frame(lambda f: f.drop(columns="error")), "there is no column error"),
    "score where an error is declared": (_frame(lambda f: f.assign(error=100 * (1 - f.error))), "--unit error=percent"),
    "duplicates that disagree": (_frame(_disagree), "are the same run and task"),
    "one row": (_frame(lambda f: f.head(1)), "one row"),
    "nothing varies": (_frame(lambda f: f.head(2)), "varies"),
    "empty file": (_bytes(b""), "is empty"),
    "header only": (_bytes(b"lm_params,frames,error\n"), "no rows"),
    "binary file": (_bytes(bytes(range(256)) * 9), "small.csv"),
    "wrong encoding": (_bytes("lm_params,error,note\n1e9,0.5,é\n2e9,0.4,é\n".encode("latin-1")), "not UTF-8"),
    "semicolons": (_bytes(b"lm_params;error\n1e9;0.5\n"), "commas"),
    "parquet under another name": (_bytes(b"PAR1" + bytes(90)), ".parquet"),
}


@pytest.mark.parametrize("what", FILES)
def test_a_bad_file_is_refused(run, table, frame, tmp_path, what):
    write, said = FILES[what]
    write(frame, tmp_path / table)
    before = everything(tmp_path)
    assert said in run("study", table, *QUICK).refused()
    assert everything(tmp_path) == before


OPTIONS = [
    (("--unit", "lm_params=parsec"), "parsec"),
    (("--metric", "wer"), "wer"),
    (("--map", "error"), "NAME=VALUE"),
    (("--map", "error=loss"), "there is no column 'loss'"),
    (("--chance", "ordering=half"), "half"),
    (("--chance", "nothing=0.2"), "there is no task 'nothing'"),
    (("--weight", "nothing=2"), "nothing"),
    (("--task", "nothing"), "there is no task 'nothing'"),
    (("--form", "cubic"), "unknown form 'cubic'"),
    (("--forms", "add,cubic"), "unknown form 'cubic'"),
    (("--forms", ","), "--forms is empty"),
    (("--form", "absent.toml"), "absent.toml"),
    (("--split", "sweep"), "rule"),
    (("--split", "colour=red"), "colour"),
    (("--level", "1.5"), "level"),
    (("--loss", "absolute"), "absolute"),
    (("--pin", "omega=1"), "omega"),
    (("--budget", "1e9"), "costs"),
    (("--budget", "plenty"), "plenty"),
    (("--budget", "-1"), "positive"),
    (("--data-size", "-5"), "positive"),
    (("--lattice", "crystal"), "crystal"),
    (("--fix", "colour=3"), "colour"),
    (("--fix", "frames=-3"), "positive"),
    (("--current", "frames=8"), "lacks lm_params, tokens_per_frame"),
    (("--predictor", "oracle"), "oracle"),
    (("--near", "2"), "--near"),
    (("--n-eval", "0"), "--n-eval"),
    (("--encoder-params", "-1"), "encoder_params"),
    (("--draws", "few"), "--draws"),
    (("--starts", "0"), "--starts"),
    (("--no-such-option",), "No such option"),
]


@pytest.mark.parametrize(("options", "said"), OPTIONS, ids=[" ".join(o) for o, _ in OPTIONS])
def test_a_bad_option_is_refused_before_the_work(run, table, tmp_path, options, said):
    before = everything(tmp_path)
    assert said in run("study", table, "--quiet", *options).refused()
    assert everything(tmp_path) == before


def test_too_few_rows_say_which_form_could_still_be_fitted(run, table, frame):
    few = frame[(frame.task == "ordering")].head(8)
    few.to_csv(table, index=False)
    said = run("fit", table, "--form", "add-interact", "--quiet").refused()
    assert "free parameters" in said
    assert "could still be fitted" in said or "pin parameters" in said


@pytest.mark.parametrize("source", ["absent.csv", "absent", ".", "notes.txt", "broken.json", "absent.json"])
@pytest.mark.parametrize("verb", ["frontier", "elasticity", "predict"])
def test_a_source_that_is_none(run, table, tmp_path, verb, source):
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "broken.json").write_text("{")
    extra = ("--at", "lm_params=1e9,frames=8,tokens_per_frame=16,data_size=1e6") if verb == "predict" else ()
    run(verb, source, *extra).refused()


@pytest.mark.parametrize(("out", "said"), [
    ("small.csv", "is a file"), ("small.csv/deeper", "is a file"), (".", "holds the folder you are in"),
    ("/dev/null/x", "cannot write"), ("/proc/x", "cannot write"), ("full", "--force"),
])
def test_a_folder_that_cannot_be_written_is_found_out_first(run, table, tmp_path, out, said):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious.txt").write_text("mine")
    before = everything(tmp_path)
    assert said in run("study", table, "--out", out).refused()
    assert everything(tmp_path) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_without_permission(run, table, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    assert "Permission denied" in run("study", table, "--out", "locked/study").refused()


@pytest.mark.parametrize(("out", "said"), [
    ("small.csv", "is the table itself"), (".", "is a folder"), ("small.csv/fit.json", "is a file"),
])
def test_a_file_that_cannot_be_written_is_found_out_first(run, table, tmp_path, out, said):
    content = (tmp_path / table).read_bytes()
    assert said in run("fit", table, "--out", out, *QUICK_FIT).refused()
    assert (tmp_path / table).read_bytes() == content


def test_template_never_replaces_a_file(run, table, tmp_path):
    content = (tmp_path / table).read_bytes()
    assert "exists" in run("template", "--out", table).refused()
    assert (tmp_path / table).read_bytes() == content


def test_no_elasticity_is_an_error_of_its_verb_only(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "no elasticity: data_size does not vary" in run("elasticity", "li2024").refused()


@pytest.mark.parametrize(("arguments", "said"), [
    (("predict", "li2024", "--quiet"), "nothing to predict"),
    (("predict", "li2024", "--at", "lm_params=1e9", "--quiet"), "lacks tokens_per_frame"),
    (("predict", "li2024", "--at", "lm_params=1e9,colour=3", "--quiet"), "unknown factor 'colour'"),
    (("predict", "li2024", "--at", "lm_params=1e9,lm_params=2e9", "--quiet"), "given twice"),
    (("cost",), "nothing to cost"),
    (("cost", "--at", "lm_params=1e9"), "lacks frames, tokens_per_frame"),
    (("cost", "--at", "lm_params=0,frames=1,tokens_per_frame=1"), "positive"),
    (("forms", "cubic"), "unknown form"),
    (("datasets", "nothing"), "no bundled dataset"),
    (("datasets", "--out", "x.csv"), "needs the name"),
    (("nonsense",), "No such command"),
    (("study",), "Missing argument"),
    (("study", "one", "two"), "unexpected extra argument"),
    (("frontier", "li2024", "--budget", "1e3", "--quiet"), "cheapest configuration"),
    (("frontier", "li2024", "--task", "nothing", "--quiet"), "unknown task"),
])
def test_other_refusals(run, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert said in run(*arguments).refused()
    assert everything(tmp_path) == []


def test_options_of_a_table_are_refused_for_a_saved_fit(run, table):
    assert run("fit", table, "--out", "fit.json", *QUICK_FIT).code == 0
    assert "already fitted" in run("frontier", "fit.json", "--form", "add").refused()
    assert "unknown task" in run("frontier", "fit.json", "--task", "nothing").refused()
    shutil.copy("fit.json", "other.JSON")
    assert run("frontier", "other.JSON", "--budget", "20T", "--quiet").code == 0


POINTS = [(b"lm_params\n1e9\n", "lacks"), (b"colour\n3\n", "no column"), (b"", "is empty"),
          (b"lm_params,tokens_per_frame\n1e9,-4\n", "positive"), (b"lm_params,tokens_per_frame\n1e9,x\n", "x")]


@pytest.mark.parametrize(("content", "said"), POINTS)
def test_bad_points(run, tmp_path, monkeypatch, content, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "points.csv").write_bytes(content)
    assert said in run("predict", "li2024", "--points", "points.csv", "--quiet").refused()
