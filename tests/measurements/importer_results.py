"""Results as lmms-eval, Weights & Biases and MLflow write them, made by hand from a known law."""

import json

SIZES = {"org__small": 1e9, "org__middle": 2.8e9, "org__large": 7.5e9}
FRAMES = (4, 8, 16)
TOKENS = 196
DATA = 1e6


def score(size: float, frames: int, shift: float = 0.0) -> float:
    """An accuracy as a fraction, to four digits."""
    return round(1 - (30 * size**-0.3 + 0.2 * frames**-0.7 + 0.1 + shift), 4)


def lmms_content(size: float, frames: int, **changes) -> dict:
    """One results file: a task in percent, one as a fraction, and a group without a score of its own."""
    content = {
        "results": {
            "videomme": {"alias": "videomme", "videomme_perception_score,none": round(100 * score(size, frames), 2),
                         "videomme_perception_score_stderr,none": "N/A"},
            "egoschema_subset": {"alias": "egoschema_subset", "submission,none": None, "submission_stderr,none": [],
                                 "score,none": score(size, frames, 0.02), "score_stderr,none": 0.021},
            "mvbench": {" ": " ", "alias": "mvbench"},
            "mvbench_moving_count": {"alias": " - mvbench_moving_count", "mvbench_accuracy,none":
                                     round(100 * score(size, frames, 0.05), 2), "mvbench_accuracy_stderr,none": "N/A"},
        },
        "group_subtasks": {"mvbench": ["mvbench_moving_count"], "videomme": [], "egoschema_subset": []},
        "configs": {"videomme": {"task": "videomme"}},
        "versions": {"videomme": "Yaml", "egoschema_subset": 0.0},
        "n-samples": {"videomme": {"original": 2700, "effective": 2700},
                      "egoschema_subset": {"original": 500, "effective": 500},
                      "mvbench_moving_count": {"original": 200, "effective": 200}},
        "config": {"model": "llava_vid",
                   "model_args": f"pretrained=org/vlm,conv_template=qwen_1_5,max_frames_num={frames}",
                   "batch_size": "1", "limit": None, "random_seed": 0},
        "git_hash": "0f1e2d3", "date": "20260102_030405", "model_name": "org/vlm",
    }
    return {**content, **changes}


def write_lmms(root, sizes=None, frames=FRAMES, **changes) -> None:
    """An output folder of lmms-eval, a file for each model and number of frames."""
    for model, size in (sizes or SIZES).items():
        (root / model).mkdir(parents=True)
        for number, count in enumerate(frames):
            place = root / model / f"20260102_0{number}0405_results.json"
            place.write_text(json.dumps(lmms_content(size, count, **changes), indent=2))
            (root / model / f"20260102_0{number}0405_samples_videomme.jsonl").write_text("no JSON, and not read\n")


def tracked_runs() -> list[dict]:
    """Runs as W&B's API gives them."""
    runs = []
    for model, size in SIZES.items():
        for frames in FRAMES:
            runs.append({"id": f"{model[5:]}-{frames}", "name": model, "state": "finished",
                         "config": {"lm_params": size / 1e9, "frames": {"desc": None, "value": frames},
                                    "data": {"size": DATA}, "lr": 1e-5},
                         "summary": {"videomme/acc": score(size, frames), "loss": 1.25, "_step": 1000}})
    return runs


def write_mlruns(root) -> None:
    """A file store of MLflow; the last step of a metric counts."""
    experiment = root / "123"
    experiment.mkdir(parents=True)
    (experiment / "meta.yaml").write_text("artifact_location: x\nexperiment_id: '123'\nname: sweep\n")
    for run in tracked_runs():
        folder = experiment / run["id"]
        for kind in ("params", "metrics/videomme", "tags", "artifacts"):
            (folder / kind).mkdir(parents=True)
        (folder / "meta.yaml").write_text(
            f"experiment_id: '123'\nlifecycle_stage: active\nrun_id: {run['id']}\nstatus: 3\n")
        (folder / "params" / "lm_params").write_text(str(run["config"]["lm_params"] * 1e9))
        (folder / "params" / "frames").write_text(str(run["config"]["frames"]["value"]))
        (folder / "tags" / "mlflow.source.git.commit").write_text("abc123")
        value = run["summary"]["videomme/acc"]
        (folder / "metrics" / "videomme" / "acc").write_text(f"1700000002000 {value} 20\n1700000001000 0.01 10\n")
