"""The bundled tables: the published one as published, the synthetic one as generated, the measured one as made."""

import hashlib
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vidscale.errors import InputError
from vidscale.measurements import dataset, dataset_info, list_datasets, observations, read_measurements, select
from vidscale.measurements.datasets import dataset_path
from vidscale.measurements.synthetic import paper_design_csv, paper_design_laws

PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "li2024_vlm.csv"


def test_every_dataset_reads_as_its_metadata_say() -> None:
    assert [info.name for info in list_datasets()] == ["li2024", "paper-design", "shapes-h200"]
    for info in list_datasets():
        table = dataset(info.name)
        assert len(table) == info.rows
        assert table.synthetic is info.synthetic
        assert table.name == info.name
        assert table.encoder == info.encoder
        assert ("synthetic" in info.title.lower()) == info.synthetic
        assert info.source
        assert info.licence
    with pytest.raises(InputError, match=r"'chinchilla'.*li2024, paper-design, shapes-h200"):
        dataset_info("chinchilla")


def test_li2024_is_28_cells_of_an_image_model() -> None:
    table = dataset("li2024")
    assert table.varying == ("lm_params", "tokens_per_frame")
    assert table.constant == {"frames": 1.0, "data_size": None}
    assert table.tasks == ("vlm_average",)
    assert table.encoder == (0.304e9, 577.0)
    assert not table.synthetic
    best = table.rows.loc[table.rows["error"].idxmin()]
    assert (best["lm_params"], best["tokens_per_frame"]) == (7e9, 576)
    assert best["error"] == pytest.approx(1 - 0.5354)


def test_li2024_is_what_was_published() -> None:
    if not PUBLISHED.exists():
        pytest.skip("the folder of published data is not beside this checkout")
    theirs = read_measurements(pd.read_csv(PUBLISHED), metric="score").rows
    ours = dataset("li2024").rows
    for name in ("lm_params", "tokens_per_frame", "error"):
        np.testing.assert_array_equal(theirs[name], ours[name])


def test_paper_design_is_generated_byte_for_byte() -> None:
    assert dataset_path("paper-design").read_bytes() == paper_design_csv().encode()


def test_paper_design_has_the_shape_of_the_paper_and_says_it_is_made_up() -> None:
    table = dataset("paper-design")
    assert table.synthetic
    assert table.rows["synthetic"].all()
    assert len(table.tasks) == 8
    assert table.varying == ("lm_params", "frames", "tokens_per_frame", "data_size")
    seen = observations(table)
    assert len(seen) == 99
    assert select("sweep=star", seen.columns).sum() == 39
    assert select("sweep=isoflop", seen.columns).sum() == 49
    assert select("sweep=isoflop-extension", seen.columns).sum() == 11
    assert set(table.rows["n_eval"]) == {3000}


def test_paper_design_scatters_about_its_laws_as_binomial_counts_do() -> None:
    rows = dataset("paper-design").rows
    scores = []
    for task, law in paper_design_laws().items():
        own = rows[rows["task"] == task]
        truth = law.error(own[["lm_params", "frames", "tokens_per_frame"]].to_numpy(), own["data_size"].to_numpy())
        assert truth.min() > 0.05
        assert truth.max() < 1 - law.chance
        scores.append((own["error"].to_numpy() - truth) / np.sqrt(truth * (1 - truth) / 3000))
    z = np.concatenate(scores)
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert abs(z.std() - 1) < 4 / np.sqrt(2 * z.size)


def test_made_up_tasks_differ_in_what_they_want() -> None:
    laws = paper_design_laws()
    centre, more_frames, more_tokens = (np.array([x]) for x in ([7.5e9, 8, 49.0], [7.5e9, 32, 49.0], [7.5e9, 8, 196.0]))
    gain = {
        task: [law.error(centre, 2e6)[0] - law.error(other, 2e6)[0] for other in (more_frames, more_tokens)]
        for task, law in laws.items()
    }
    assert gain["long_video"][0] > gain["long_video"][1]
    assert gain["fine_detail"][1] > gain["fine_detail"][0]


def test_shapes_h200_is_what_the_sweep_wrote() -> None:
    """Every planned run is there once, by the recipe that planned it first, from one tower and one base a size."""
    from vidscale.runs.shapes.commands import load_study
    from vidscale.runs.shapes.plan import study_runs

    root = Path(__file__).parents[2]
    first, study = (load_study(f"{root / 'recipes' / 'shapes_h200.py'}:{name}") for name in (
        "shapes_h200", "shapes_h200_further"))
    assert (first.digest, study.digest) == ("cefead2033bc", "e0ca2304706a")  # what the sweeps were made by
    rows = dataset("shapes-h200").rows
    assert len(rows) == dataset_info("shapes-h200").rows
    assert not rows.duplicated(["run_id", "task"]).any()
    assert set(rows["run_id"]) == {run.run_id for run in study_runs(study)}
    before = {run.run_id for run in study_runs(first)}
    assert (rows["recipe"] == rows["run_id"].isin(before).map({True: first.digest, False: study.digest})).all()
    assert (rows.groupby("recipe")[["commit", "source_sha256"]].nunique() == 1).all(axis=None)
    assert rows["tower"].nunique() == 1
    assert (rows.groupby("lm_params")["base"].nunique() == 1).all()
    assert dataset_info("shapes-h200").encoder == (study.tower.params, 64.0)
    assert read_measurements(dataset_path("shapes-h200")).encoder == (study.tower.params, 64.0)  # of a copy, too
    assert rows["hardware"].str.contains("H100").all()


@pytest.mark.parametrize("recipe", ["cefead2033bc", "e0ca2304706a"])
def test_shapes_h200_comes_from_the_commit_that_it_names(recipe: str) -> None:
    """The digest of the source in each row (`work.source_digest`) is that of the files in the row's commit."""
    root, runs = Path(__file__).parents[2], "src/vidscale/runs"
    rows = dataset("shapes-h200").rows
    rows = rows[rows["recipe"] == recipe]
    (commit,), (digest,) = set(rows["commit"]), set(rows["source_sha256"])

    def git(*asked: str) -> bytes:
        try:
            ran = subprocess.run(["git", "-C", str(root), *asked], capture_output=True, timeout=60)
        except OSError:
            pytest.skip("there is no git here")
        if ran.returncode:
            pytest.skip(f"this copy of the source has no commit {commit}")
        return ran.stdout

    listed = git("ls-tree", "--name-only", commit, f"{runs}/shapes/").decode().split()
    places = [place for place in listed if place.endswith(".py")] + [f"{runs}/pooling.py", f"{runs}/video.py"]
    found = hashlib.sha256()
    for place in sorted(places):
        found.update(Path(place).name.encode() + git("show", f"{commit}:{place}"))
    assert found.hexdigest()[:16] == digest


def test_shapes_h200_spans_what_the_study_asks() -> None:
    """The largest configuration beats the smallest by more than 25 points; each factor and n moves the mean."""
    rows = dataset("shapes-h200").rows
    keys = ["lm_params", "frames", "tokens_per_frame", "data_size"]
    mean = 1.0 - rows.groupby(keys)["error"].mean()
    assert mean[(2239872, 32, 64, 1228800)] - mean[(109312, 8, 1, 1228800)] > 0.25
    seeds = rows.groupby([*keys, "seed"])["error"].mean().groupby(keys)
    noise = seeds.std()[seeds.count() == 4].max()
    ends = {"lm_params": ((109312, 16, 16), (6014592, 16, 16)), "frames": ((2239872, 1, 16), (2239872, 32, 16)),
            "tokens_per_frame": ((2239872, 16, 1), (2239872, 16, 64))}
    for low, high in ends.values():
        assert mean[(*high, 614400)] - mean[(*low, 614400)] > 10 * noise
    assert mean[(2239872, 16, 16, 614400)] - mean[(2239872, 16, 16, 153600)] > 10 * noise
