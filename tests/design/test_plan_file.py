"""Plans: what they cost, and that a file gives back what was written and refuses what contradicts itself."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidscale.design import (
    RUN_COMMAND,
    PlanCost,
    RunSpec,
    SweepPlan,
    grid_design,
    isoflop_design,
    join_designs,
    parse_plan,
    plan_text,
    read_plan,
    spell_command,
    star_design,
)
from vidscale.errors import InputError
from vidscale.space import ScalingFactors, published_lattice


def plan(**given) -> SweepPlan:
    return join_designs([star_design(data_sizes=[1e6])], **given)


def back(text: str, folder: Path = Path()) -> SweepPlan:
    return parse_plan(tomllib.loads(text), folder)


def test_a_grid_is_the_product_of_its_levels():
    design = grid_design()
    assert len(design) == 3 * 5 * 7 * 3
    assert len({run.run_id for run in design.runs}) == len(design)
    assert design.notes == ()


def test_a_grid_leaves_out_what_is_too_dear_and_says_so():
    design = grid_design(dearest=15e12, data_sizes=[1e6], seeds=iter([0, 1]))
    costs = PlanCost().inference_flops(design.runs)
    assert costs.max() <= 15e12
    kept = int((PlanCost().model().cost(published_lattice().points) <= 15e12).sum())
    assert len(design) == 2 * kept
    assert f"{105 - kept} of 105" in design.notes[0]
    with pytest.raises(InputError, match=r"the cheapest costs 2\.674e"):
        grid_design(dearest=1e12)


def test_training_counts_the_passes_of_what_is_trained_and_of_what_is_frozen():
    """7.5B at (32, 196): encoder 21.13536, LM 94.08 TFLOPs a clip."""
    run = RunSpec(factors=ScalingFactors(lm_params=7.5e9, frames=32, tokens_per_frame=196), data_size=1e6, sweep="star")
    assert PlanCost().training_flops([run])[0] == pytest.approx(3 * 115.21536e12 * 1e6)
    assert PlanCost(frozen=("encoder",)).training_flops([run])[0] == pytest.approx((21.13536 + 3 * 94.08) * 1e18)
    assert PlanCost(frozen=("lm",)).training_flops([run])[0] == pytest.approx((3 * 21.13536 + 2 * 94.08) * 1e18)
    # Only the projector learns; its gradients come through the language model.
    assert PlanCost(frozen=("lm", "encoder")).training_flops([run])[0] == pytest.approx((21.13536 + 2 * 94.08) * 1e18)


def test_runs_of_two_designs_are_planned_once():
    joined = join_designs([star_design(data_sizes=[1e6]), grid_design(data_sizes=[1e6])])
    assert len(joined) == 105
    assert joined.name == "star-grid"
    assert any("13 runs of grid are also runs of star" in note for note in joined.notes)


def test_a_plan_file_reads_back_the_same(tmp_path):
    whole = join_designs([star_design(seeds=[0, 1]), isoflop_design(extension={"frames": [2]}), grid_design()],
                         cost=PlanCost(encoder_params=1.5e8, encoder_tokens=729, frozen=("encoder",)),
                         recipe=tmp_path / "recipes" / "a.toml", command=["train", "--at={folder}", 'a "b" \\ ü'])
    (tmp_path / "plan.toml").write_text(plan_text(whole, tmp_path), encoding="utf-8")
    assert read_plan(tmp_path / "plan.toml") == whole
    assert plan_text(read_plan(tmp_path / "plan.toml"), tmp_path) == plan_text(whole, tmp_path)
    assert 'recipe = "recipes/a.toml"' in plan_text(whole, tmp_path)


@settings(max_examples=50, deadline=None)
@given(st.floats(1e3, 1e12), st.integers(1, 512), st.floats(1, 1e3), st.floats(1, 1e9), st.integers(0, 2**40),
       st.text("abcXYZ-_. äöü'\"", min_size=1, max_size=8))
def test_any_run_survives_its_file(n, t, v, d, seed, sweep):
    run = RunSpec(factors=ScalingFactors.of([n, t, v]), data_size=d, sweep=sweep, seed=seed)
    one = SweepPlan(name=sweep, runs=(run,), notes=(sweep,))
    found = back(plan_text(one, Path()))
    # A name holds 15 digits of each number, and so does the file all of them.
    assert found.runs == one.runs
    assert found.name == sweep


def test_runs_may_be_removed_moved_and_left_without_costs():
    lines = plan_text(plan(), Path()).splitlines()
    first = next(k for k, line in enumerate(lines) if line.startswith("[runs]")) + 1
    short = [lines[first + 3].partition(", inference_flops")[0] + " }", lines[first]]
    found = back("\n".join([*lines[:first], *short]))
    assert [run.run_id for run in found.runs] == [plan().runs[3].run_id, plan().runs[0].run_id]


@pytest.mark.parametrize(("old", "new", "said"), [
    ('schema = "vidscale plan"', 'schema = "other"', "schema is 'other'"),
    ("schema_version = 1", "schema_version = 2", "reads 1"),
    ("[cost]", "[price]", "unknown key 'price'"),
    ("frozen = []", 'frozen = ["head"]', "frozen part 'head'"),
    ("encoder_tokens = 768", "encoder_tokens = -1", r"encoder_tokens is -1"),
    ("encoder_tokens = 768", "encoder_tokens = 576", "inference_flops is"),
    ("encoder_tokens = 768", "tokens = 768", "unknown key 'tokens'"),
    ('"{folder}"', '"{place}"', r"\{place\}"),
    (', "{folder}"', "", r"does not name \{folder\}"),
    ("frames =  4", "frames = 6", "would be called star-N7500000000-T6"),
    ("data_size = 1e6", "data_size = 0", "positive"),
    ("seed = 0", "seed = 0.5", "whole number"),
    ("sweep =", "sweeps =", "lacks sweep"),
])
def test_a_plan_that_contradicts_itself_is_refused(old, new, said):
    text = plan_text(plan(), Path())
    assert old in text
    with pytest.raises(InputError, match=said):
        back(text.replace(old, new))


def test_files_that_are_no_plan(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_plan(tmp_path / "absent.toml")
    (tmp_path / "x.toml").write_text("a = ")
    with pytest.raises(InputError, match="not valid TOML"):
        read_plan(tmp_path / "x.toml")
    text = plan_text(plan(), Path())
    line = text.splitlines()[-1]
    (tmp_path / "x.toml").write_text(text + line + "\n")
    with pytest.raises(InputError, match="not valid TOML"):  # a run twice is a key twice
        read_plan(tmp_path / "x.toml")
    with pytest.raises(InputError, match="no runs"):
        back(text.partition("\n[runs]")[0])


def test_a_command_is_spelled_for_its_run():
    assert spell_command(RUN_COMMAND, python="/py", folder="/a/{python}", run_id="r") == [
        "/py", "-m", "vidscale", "run", "/a/{python}"]
    assert spell_command(["{run_id}={folder}"], python="p", folder="f", run_id="r") == ["r=f"]


def test_points_have_the_data_size_last():
    points = plan().points()
    assert points.shape == (13, 4)
    assert np.all(points[:, 3] == 1e6)
