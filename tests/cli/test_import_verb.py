"""`vidscale import`: one command to a table that the other verbs read, one line where it cannot be."""

import json
import sys
from pathlib import Path

import pytest
from cli_support import QUICK, everything

sys.path.insert(0, str(Path(__file__).parents[1] / "measurements"))
from importer_results import lmms_content, tracked_runs, write_lmms, write_mlruns

SETTINGS = ("--set", "tokens_per_frame=196,data_size=1M", "--model", "org__small:lm_params=1B", "--model",
            "org__middle:lm_params=2.8B", "--model", "org__large:lm_params=7.5B")
LMMS = ("import", "out", "--from", "lmms-eval", "--out", "runs.csv", *SETTINGS)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_lmms(tmp_path / "out")
    return tmp_path


def test_from_lmms_eval_to_a_comparison(run, folder):
    said = run(*LMMS)
    assert said.code == 0, said.err
    assert said.out.splitlines() == [
        "runs.csv: 27 rows, tasks egoschema_subset, mvbench_moving_count, videomme",
        "runs.mapping.toml: what was declared"]
    text = (folder / "runs.csv").read_text()
    assert text.startswith("lm_params,frames,tokens_per_frame,data_size,run_id,task,error,n_eval,")
    assert "\n1000000000,4,196,1000000,org__small,egoschema_subset," in text
    compared = run("compare", "runs.csv", "--task", "videomme", "--json", *QUICK)
    assert compared.code == 0, compared.err
    scores = json.loads(compared.out)["comparison"]["scores"]
    assert max(score["r2"] for score in scores if score["r2"] is not None) > 0.9


def test_the_next_import_is_one_command(run, folder):
    first = json.loads(run(*LMMS, "--json").out)
    again = run("import", "out", "--from", "lmms-eval", "--out", "again.parquet", "--mapping",
                "runs.mapping.toml", "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["data_hash"] == first["data_hash"]
    assert (folder / "again.mapping.toml").read_text() == (folder / "runs.mapping.toml").read_text()


def test_an_existing_table_is_replaced_only_when_forced(run, folder):
    assert run(*LMMS, "--quiet").code == 0
    before = (folder / "runs.csv").read_text()
    (folder / "out" / "org__large" / "20260102_000405_results.json").unlink()
    assert "runs.csv exists; name a new file, or add --force" in run(*LMMS).refused()
    assert (folder / "runs.csv").read_text() == before
    assert run(*LMMS, "--force", "--quiet").code == 0
    assert len((folder / "runs.csv").read_text().splitlines()) == 25


def test_wandb_and_mlflow(run, folder):
    (folder / "runs.json").write_text(json.dumps(tracked_runs()))
    write_mlruns(folder / "mlruns")
    shared = ("--set", "tokens_per_frame=196,data_size=1M", "--questions", "videomme=2700", "--json")
    first = run("import", "runs.json", "--from", "wandb", "--out", "a.csv", "--unit", "lm_params=B", "--task-metric",
                "videomme=summary.videomme/acc:0-1", *shared)
    second = run("import", "mlruns", "--from", "mlflow", "--out", "b.csv", "--task-metric",
                 "videomme=metrics.videomme/acc:0-1", *shared)
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert json.loads(first.out)["data_hash"] == json.loads(second.out)["data_hash"]
    assert json.loads(first.out)["varying"] == ["lm_params", "frames"]


def test_a_sample_limit_writes_nothing(run, folder):
    content = lmms_content(1e9, 32)
    content["config"]["limit"] = 8
    (folder / "out" / "org__small" / "9_results.json").write_text(json.dumps(content))
    before = everything(folder)
    said = run(*LMMS).refused()
    assert "9_results.json: config.limit is '8'" in said
    assert everything(folder) == before


@pytest.mark.parametrize(("options", "said"), [
    (("--out", "runs.txt"), "allowed are .csv, .parquet"),
    (("--from", "excel"), "the source is 'excel'"),
    (("--task-metric", "a=b"), "write a=METRIC:0-1"),
    (("--task-metric", "a=b:0-10"), "the scale of b is '0-10'"),
    (("--questions", "a=3"), "for a task that --task-metric declares"),
    (("--set", "speed=3"), "'speed' cannot be declared"),
    (("--set", "lm_params=7.5"), "write 7.5e9 or 7.5B"),
    (("--set", ","), "declares nothing"),
    (("--set", "seed=0.5"), "needed is a whole number from 0"),
    (("--model", "org__small"), "write NAME:lm_params=7.6e9"),
    (("--map", "error=x"), "'error' cannot be mapped"),
    (("--unit", "lm_params=T"), "unit 'T' of lm_params"),
    (("--mapping", "none.toml"), "cannot read none.toml"),
    (("--task", "nothing"), "holds no result"),
])
def test_options_that_cannot_be_are_refused(run, folder, options, said):
    before = everything(folder)
    assert said in run(*LMMS, *options).refused()
    assert everything(folder) == before
