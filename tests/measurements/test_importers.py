"""Results of other tools become the table they stand for, or are refused in one line that says where."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from importer_results import DATA, FRAMES, SIZES, TOKENS, lmms_content, score, tracked_runs, write_lmms, write_mlruns

from vidscale.errors import InputError
from vidscale.measurements import observations, read_measurements
from vidscale.measurements.importers import (
    TASK_METRICS,
    ImportMapping,
    TaskMetric,
    import_results,
    mapping_text,
    merged,
    read_mapping,
    write_rows,
)

MODELS = {model: {"lm_params": size} for model, size in SIZES.items()}
LMMS = ImportMapping(source="lmms-eval", every={"tokens_per_frame": TOKENS, "data_size": DATA}, models=MODELS)
VIDEOMME = {"videomme": TaskMetric(metric="summary.videomme/acc", scale="0-1", n_eval=2700)}
WANDB = ImportMapping(source="wandb", tasks=VIDEOMME, columns={"data_size": "config.data.size"},
                      units={"lm_params": "B"}, every={"tokens_per_frame": TOKENS})


def expected(shift=0.0):
    return {(size, frames): 1 - score(size, frames, shift) for size in SIZES.values() for frames in FRAMES}


def measured(table, task):
    rows = table.rows[table.rows.task == task]
    return {(n, t): e for n, t, e in zip(rows.lm_params, rows.frames, rows.error)}


def refused(source, mapping):
    with pytest.raises(InputError) as caught:
        import_results(source, mapping)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


# --- lmms-eval ---------------------------------------------------------------------------------------------


def test_lmms_eval_folder_becomes_the_table_it_stands_for(tmp_path):
    write_lmms(tmp_path / "out")
    found = import_results(tmp_path / "out", LMMS)
    table = found.table
    assert table.tasks == ("egoschema_subset", "mvbench_moving_count", "videomme")
    assert len(table) == 27
    for task, shift in (("videomme", 0), ("egoschema_subset", 0.02), ("mvbench_moving_count", 0.05)):
        assert measured(table, task) == pytest.approx(expected(shift), abs=1e-9)
    by_task = table.rows.groupby("task").n_eval.unique()
    assert {task: list(n) for task, n in by_task.items()} == {
        "egoschema_subset": [500], "mvbench_moving_count": [200], "videomme": [2700]}
    first = table.rows[table.rows.task == "egoschema_subset"].iloc[0]
    assert (first.run_id, first.git_hash, first.metric) == ("org__small", "0f1e2d3", "score,none")
    assert first.stderr == "0.021"
    assert "max_frames_num=4" in first.model_args
    assert found.mapping.tasks["videomme"] == TaskMetric(metric="videomme_perception_score", scale="0-100")


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_the_written_table_reads_back_equal(tmp_path, ending):
    write_lmms(tmp_path / "out")
    table = import_results(tmp_path / "out", LMMS).table
    place = tmp_path / f"runs{ending}"
    write_rows(table, place)
    again = read_measurements(place)
    assert again.data_hash == table.data_hash
    assert set(table.rows.columns) == set(again.rows.columns)
    assert observations(again).targets


def test_one_file_or_one_model_can_be_given(tmp_path):
    write_lmms(tmp_path / "out")
    one = sorted((tmp_path / "out" / "org__small").glob("*.json"))[0]
    assert "none of lm_params, frames, tokens_per_frame, data_size varies" in refused(one, LMMS)
    assert len(import_results(tmp_path / "out" / "org__small", LMMS).table) == 9


def test_a_group_with_a_score_stands_for_its_parts(tmp_path):
    content = lmms_content(1e9, 4)
    content["results"]["mvbench"]["mvbench_accuracy,none"] = 51.5
    _two(tmp_path, content)
    found = import_results(tmp_path, LMMS)
    assert found.table.tasks == ("egoschema_subset", "mvbench", "videomme")
    row = found.table.rows[found.table.rows.task == "mvbench"].iloc[0]
    assert (row.error, row.n_eval) == (0.485, 200)
    assert any("the group has its own score" in note for note in found.notes)
    only = ImportMapping(source="lmms-eval", every=LMMS.every, models=MODELS, only=("mvbench_moving_count",))
    assert import_results(tmp_path, only).table.tasks == ("mvbench_moving_count",)


def test_longvideobench_comes_with_its_note(tmp_path):
    content = lmms_content(1e9, 4, results={"longvideobench_val_v": {"lvb_acc,none": 0.51}})
    content["n-samples"] = {"longvideobench_val_v": {"original": 1337, "effective": 1337}}
    _two(tmp_path, content)
    found = import_results(tmp_path, LMMS)
    assert float(found.table.rows.error.iloc[0]) == 0.49
    assert any("guesses at random" in note for note in found.notes)


def test_every_known_task_has_a_scale_that_can_be_read():
    for names, scale in TASK_METRICS.values():
        assert all(TaskMetric(metric=name, scale=scale) for name in names)
    assert TASK_METRICS["mlvu_dev"] == (("mlvu_percetion_score", "mlvu_perception_score"), "0-100")


def _one(root, content):
    (root / "org__small").mkdir()
    (root / "org__small" / "1_results.json").write_text(content if isinstance(content, str) else json.dumps(content))


def _two(root, content, other="max_frames_num=64"):
    """The same with another number of frames beside it, because one run is no table."""
    _one(root, content)
    again = {**content, "config": {**content["config"], "model_args": other}}
    (root / "org__small" / "2_results.json").write_text(json.dumps(again))


def _results(**metrics):
    return {"results": {"videomme": {f"{name},none": value for name, value in metrics.items()}}}


def _config(**changes):
    return {"config": {**lmms_content(1e9, 4)["config"], **changes}}


SPOILED = {
    "limit": (_config(limit=8), "config.limit is '8'"),
    "share": (_config(limit=0.5), "without --limit"),
    "fewer samples": ({"n-samples": {"videomme": {"original": 2700, "effective": 8}}}, "only 8 of 2700 samples"),
    "bad count": ({"n-samples": {"videomme": {"effective": "many"}}}, "n-samples.videomme.effective is 'many'"),
    "huge count": ({"n-samples": {"videomme": {"effective": 10**400}}}, "expected a whole number"),
    "unknown task": ({"results": {"mystery": {"acc,none": 0.5}}}, "--task-metric mystery=METRIC:0-1"),
    "no metric": (_results(accuracy=0.5), "has no metric 'videomme_perception_score'; there are accuracy,none"),
    "two filters": ({"results": {"videomme": {"videomme_perception_score,none": 50,
                                              "videomme_perception_score,strict": 40}}}, "say which one counts"),
    "text": (_results(videomme_perception_score="N/A"), "is 'N/A', no number"),
    "true": (_results(videomme_perception_score=True), "no number"),
    "not a number": (_results(videomme_perception_score=float("nan")), "no number"),
    "huge": (_results(videomme_perception_score=10**400), "no number"),
    "above": (_results(videomme_perception_score=101), "allowed is 0 to 100"),
    "below": (_results(videomme_perception_score=-1), "allowed is 0 to 100"),
    "a fraction": (_results(videomme_perception_score=0.6), "no result of task videomme exceeds 1"),
    "no object": ({"results": {"videomme": 3}}, "expected an object of metrics"),
    "no results": ({"results": []}, "has no object 'results'"),
    "no config": ({"config": None}, "has no object 'config'"),
    "empty": ({"results": {}}, "holds no result"),
    "frames twice": (_config(model_args="num_frames=8,max_frames_num=16"), "--map frames=max_frames_num"),
    "argument twice": (_config(model_args="num_frames=8,num_frames=9"), "num_frames as '8' and '9'"),
    "no frames": (_config(model_args="pretrained=org/vlm"), "does not say frames of model org__small"),
    "frames no number": (_config(model_args="num_frames=many"), "'many' is not a number"),
    "frames negative": (_config(model_args="num_frames=-4"), "whole number of at least 1"),
    "arguments of a kind": (_config(model_args=[1]), "expected a text such as"),
}


@pytest.mark.parametrize("what", SPOILED)
def test_a_result_that_cannot_be_used_is_refused(tmp_path, what):
    changes, said = SPOILED[what]
    _one(tmp_path, lmms_content(1e9, 4, **changes))
    message = refused(tmp_path, LMMS)
    assert said in message
    assert str(tmp_path) in message


@pytest.mark.parametrize(("content", "said"), [
    ("", "no valid JSON"), ("[1, 2]", "has no object"), ("{", "no valid JSON"), ("[" * 100_000, "no valid JSON"),
    ('{"a": ' + "9" * 5000 + "}", "no valid JSON")])
def test_a_file_that_is_no_result_is_refused(tmp_path, content, said):
    _one(tmp_path, content)
    assert said in refused(tmp_path, LMMS)


def test_a_file_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("vidscale.measurements.importers.lmms_eval.MAX_BYTES", 100)
    _one(tmp_path, lmms_content(1e9, 4))
    assert "larger than 100 bytes" in refused(tmp_path, LMMS)


def test_folders_without_results_are_refused(tmp_path):
    assert "holds no file that ends in _results.json" in refused(tmp_path, LMMS)
    assert "no such file or folder" in refused(tmp_path / "nowhere", LMMS)


def test_the_same_result_twice_is_refused_with_both_files(tmp_path):
    _one(tmp_path, lmms_content(1e9, 4))
    again = tmp_path / "org__small" / "2_results.json"
    again.write_text(json.dumps(lmms_content(1e9, 4)))
    message = refused(tmp_path, LMMS)
    assert "1_results.json" in message
    assert "2_results.json" in message


def test_a_declaration_that_the_file_contradicts_is_refused(tmp_path):
    _one(tmp_path, lmms_content(1e9, 4))
    assert "frames is 4 there and declared as 8" in refused(
        tmp_path, merged(LMMS, ImportMapping(source="lmms-eval", every={"frames": 8})))
    assert "does not say lm_params of model org__small" in refused(
        tmp_path, ImportMapping(source="lmms-eval", every={"tokens_per_frame": 196}))
    assert "model 'org__smal' is declared, but there are org__small" in refused(
        tmp_path, ImportMapping(source="lmms-eval", every={"lm_params": 1e9, "tokens_per_frame": 196},
                                models={"org__smal": {"data_size": 1e5}}))
    assert "no 'token_num' to read as tokens_per_frame" in refused(
        tmp_path, ImportMapping(source="lmms-eval", columns={"tokens_per_frame": "token_num"}, models=MODELS))


def test_a_factor_that_some_results_lack_is_refused(tmp_path):
    write_lmms(tmp_path / "out")
    some = ImportMapping(source="lmms-eval", every={"tokens_per_frame": 196},
                         models={**MODELS, "org__large": {"lm_params": 7.5e9, "data_size": 1e6}})
    assert "data_size is missing, although other results have it" in refused(tmp_path / "out", some)


def test_model_arguments_can_be_mapped_with_a_unit(tmp_path):
    _two(tmp_path, lmms_content(1e9, 4, **_config(model_args="size=1.5,n=12,pool=49")), "size=1.5,n=64,pool=49")
    mapping = ImportMapping(source="lmms-eval", units={"lm_params": "B"},
                            columns={"lm_params": "size", "frames": "n", "tokens_per_frame": "pool"})
    row = import_results(tmp_path, mapping).table.rows.iloc[0]
    assert (row.lm_params, row.frames, row.tokens_per_frame) == (1.5e9, 12, 49)


# --- trackers ----------------------------------------------------------------------------------------------


def wandb_csv(place, change=None):
    frame = pd.json_normalize(tracked_runs()).drop(columns="config.frames.desc")
    frame = frame.rename(columns={"config.frames.value": "config.frames"})
    (frame if change is None else change(frame)).to_csv(place, index=False)
    return place


def test_wandb_csv_and_json_give_one_table(tmp_path):
    place = tmp_path / "runs.json"
    place.write_text(json.dumps(tracked_runs()))
    tables = [import_results(source, WANDB).table for source in (wandb_csv(tmp_path / "runs.csv"), place)]
    for table in tables:
        assert measured(table, "videomme") == pytest.approx(expected(), abs=1e-9)
        assert set(table.rows.run_id) == {run["id"] for run in tracked_runs()}
        assert set(table.rows.data_size) == {DATA}
        assert {"config.lr", "name", "state"} <= set(table.rows.columns)
        assert "summary.loss" not in table.rows
        assert set(table.rows.n_eval) == {2700}
    assert tables[0].data_hash == tables[1].data_hash


def test_runs_that_are_not_finished_and_blank_results_are_left_out(tmp_path):
    def change(frame):
        frame.loc[0, "state"] = "crashed"
        frame.loc[1, "summary.videomme/acc"] = np.nan
        return frame

    found = import_results(wandb_csv(tmp_path / "runs.csv", change), WANDB)
    assert len(found.table) == 7
    assert "1 of 9 runs are not finished, and were left out" in found.notes
    assert "1 results are blank, and were left out" in found.notes


def test_mlflow_store_and_csv_give_one_table(tmp_path):
    write_mlruns(tmp_path / "mlruns")
    tasks = {"videomme": TaskMetric(metric="metrics.videomme/acc", scale="0-1")}
    mapping = ImportMapping(source="mlflow", tasks=tasks, every={"tokens_per_frame": TOKENS})
    stored = import_results(tmp_path / "mlruns", mapping).table
    assert measured(stored, "videomme") == pytest.approx(expected(), abs=1e-9)
    assert set(stored.rows["tags.mlflow.source.git.commit"]) == {"abc123"}
    pd.DataFrame([{"run_id": run["id"], "experiment_id": 123, "status": "FINISHED",
                   "metrics.videomme/acc": run["summary"]["videomme/acc"], "metrics.loss": 1.0,
                   "params.lm_params": run["config"]["lm_params"] * 1e9,
                   "params.frames": run["config"]["frames"]["value"]} for run in tracked_runs()]
                 ).to_csv(tmp_path / "runs.csv", index=False)
    assert import_results(tmp_path / "runs.csv", mapping).table.data_hash == stored.data_hash


def test_a_damaged_store_is_refused(tmp_path):
    write_mlruns(tmp_path / "mlruns")
    tasks = {"videomme": TaskMetric(metric="metrics.videomme/acc", scale="0-1")}
    mapping = ImportMapping(source="mlflow", tasks=tasks)
    metric = tmp_path / "mlruns" / "123" / "small-4" / "metrics" / "videomme" / "acc"
    metric.write_text("soon\n")
    assert "line 1 is 'soon'; expected timestamp, value and step" in refused(tmp_path / "mlruns", mapping)
    metric.write_bytes(b"\xff\xfe")
    assert "no UTF-8" in refused(tmp_path / "mlruns", mapping)
    (tmp_path / "empty").mkdir()
    assert "holds no run" in refused(tmp_path / "empty", mapping)


def test_a_link_in_a_store_is_not_followed(tmp_path):
    write_mlruns(tmp_path / "mlruns")
    secret = tmp_path / "secret"
    secret.write_text("private")
    (tmp_path / "mlruns" / "123" / "small-4" / "params" / "note").symlink_to(secret)
    tasks = {"videomme": TaskMetric(metric="metrics.videomme/acc", scale="0-1")}
    found = import_results(tmp_path / "mlruns", ImportMapping(source="mlflow", tasks=tasks))
    assert "params.note" not in found.table.rows


BAD_RUNS = {
    "text": (lambda f: f.assign(**{"summary.videomme/acc": "high"}), "row 0 (from 0), column summary.videomme/acc"),
    "percent": (lambda f: f.assign(**{"summary.videomme/acc": 61.0}), "on the scale 0-1 allowed is 0 to 1"),
    "infinite": (lambda f: f.assign(**{"summary.videomme/acc": "inf"}), "is no number"),
    "no column": (lambda f: f.drop(columns="summary.videomme/acc"), "no column 'summary.videomme/acc'"),
    "size": (lambda f: f.assign(**{"config.lm_params": 7.5e9}), "column lm_params"),
    "two columns": (lambda f: f.assign(frames=3), "the columns config.frames and frames; say which is frames"),
    "twice": (lambda f: f.assign(id="one", **{"config.frames": 4}), "are the same model, configuration and task"),
    "partly": (lambda f: f.assign(**{"config.frames": [4] + [None] * (len(f) - 1)}), "frames is missing"),
}


@pytest.mark.parametrize("what", BAD_RUNS)
def test_runs_that_cannot_be_used_are_refused(tmp_path, what):
    change, said = BAD_RUNS[what]
    message = refused(wandb_csv(tmp_path / "runs.csv", change), WANDB)
    assert said in message
    assert "runs.csv" in message


def test_trackers_need_a_declared_result(tmp_path):
    message = refused(wandb_csv(tmp_path / "runs.csv"), ImportMapping(source="wandb"))
    assert "--task-metric TASK=COLUMN:0-1" in message
    assert "summary.videomme/acc" in message


@pytest.mark.parametrize(("content", "said"), [("{}", "no list of runs"), ("[1]", "no list of runs"),
                                               ("[" + '{"a":' * 30 + "1" + "}" * 30 + "]", "nests objects"),
                                               ("not", "no valid JSON"), ("[]", "no column")])
def test_json_that_is_no_export_is_refused(tmp_path, content, said):
    place = tmp_path / "runs.json"
    place.write_text(content)
    assert said in refused(place, WANDB)


# --- the mapping -------------------------------------------------------------------------------------------

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(str.strip)
counts = st.floats(1e-3, 1e15).filter(lambda x: x > 0)


@given(columns=st.dictionaries(st.sampled_from(["lm_params", "frames", "n_eval", "run_id"]), words),
       tasks=st.dictionaries(words, st.builds(TaskMetric, metric=words, scale=st.sampled_from(["0-1", "0-100"]),
                                              holds=st.sampled_from(["score", "error"]),
                                              n_eval=st.none() | st.integers(1, 10**6))),
       models=st.dictionaries(words, st.dictionaries(st.sampled_from(["lm_params", "data_size"]), counts, min_size=1)),
       only=st.lists(words, max_size=3))
def test_a_mapping_reads_back_equal(tmp_path_factory, columns, tasks, models, only):
    mapping = ImportMapping(source="wandb", columns=columns, units={"lm_params": "B"}, tasks=tasks,
                            every={"seed": 3, "sweep": "star"}, models=models, only=tuple(only))
    place = tmp_path_factory.getbasetemp() / "mapping.toml"
    place.write_text(mapping_text(mapping), encoding="utf-8")
    assert read_mapping(place) == mapping


HEAD = 'schema = "vidscale-import"\nschema_version = 1\nsource = "wandb"\n'


@pytest.mark.parametrize(("text", "said"), [
    ("x =", "not valid TOML"), ('schema = "other"', "schema is 'other'"), (HEAD + "more = 1", "'more' cannot be a key"),
    (HEAD.replace("wandb", "excel"), "the source is 'excel'"), (HEAD + "only = 3", "only is 3"),
    (HEAD + "columns = 3", "needed is a table"), (HEAD + "[columns]\nerror = 'x'", "'error' cannot be mapped"),
    (HEAD + "[columns]\nframes = 3", "mapped to 3"), (HEAD + "[units]\nframes = 'B'", "unit 'B' of frames"),
    (HEAD + "[units]\nlm_params = ['B']", "unit ['B']"), (HEAD + "[every]\nframes = -3", "frames is declared as -3"),
    (HEAD + "[every]\nframes = true", "declared as True"), (HEAD + "[every]\nlm_params = nan", "declared as nan"),
    (HEAD + "[every]\nlm_params = 1" + "0" * 400, "declared as 1000"), (HEAD + "[every]\nseed = 0.5", "seed"),
    (HEAD + "[tasks.a]\nmetric = 'm'", "has no scale"), (HEAD + "[tasks.a]\nmetric = 'm'\nscale = '0-10'", "'0-10'"),
    (HEAD + "[tasks.a]\nmetric = 'm'\nscale = [1]", "the scale of m"), (HEAD + "[tasks]\na = 1", "needed is a table"),
    (HEAD + "[tasks.a]\nmetric = 'm'\nscale = '0-1'\nn_eval = 0", "n_eval of m is 0"),
    (HEAD + "[tasks.a]\nmetric = 'm'\nscale = '0-1'\ncode = 'x'", "'code' cannot be a key of task a"),
])
def test_a_mapping_that_is_none_is_refused(tmp_path, text, said):
    place = tmp_path / "mapping.toml"
    place.write_text(text)
    with pytest.raises(InputError) as caught:
        read_mapping(place)
    assert said in str(caught.value)
    assert str(place) in str(caught.value)


def test_what_is_said_later_goes_first():
    first = ImportMapping(source="wandb", tasks=VIDEOMME, models={"a": {"lm_params": 1e9, "seed": 1}})
    second = ImportMapping(source="wandb", models={"a": {"lm_params": 2e9}}, only=("videomme",))
    both = merged(first, second)
    assert both.models == {"a": {"lm_params": 2e9, "seed": 1}}
    assert both.tasks == VIDEOMME
    assert both.only == ("videomme",)
    with pytest.raises(InputError, match="for wandb and the import is --from mlflow"):
        merged(first, ImportMapping(source="mlflow"))


def test_an_encoder_can_be_mapped_and_declared(tmp_path):
    """Columns of the encoder are read by name, mapped or declared, so that costs are of the runs' own."""
    for extra, declared in (({"encoder_params": "1e6", "encoder_tokens": "64"}, {}),
                            ({}, {"every": {"encoder_params": 1e6, "encoder_tokens": 64.0}}),
                            ({"vit": "1e6", "seen": "64"}, {"columns": {"encoder_params": "vit",
                                                                         "encoder_tokens": "seen"}})):
        rows = [{"Name": f"r{k}", "lm_params": n, "frames": 8, "tokens_per_frame": 16, "eval/colour": e, **extra}
                for k, (n, e) in enumerate((("1e9", 0.4), ("2e9", 0.3)))]
        pd.DataFrame(rows).to_csv(tmp_path / "wb.csv", index=False)
        mapping = ImportMapping(source="wandb", tasks={"colour": TaskMetric(metric="eval/colour", scale="0-1",
                                                                            holds="error", n_eval=50)}, **declared)
        assert import_results(tmp_path / "wb.csv", mapping).table.encoder == (1e6, 64.0)
