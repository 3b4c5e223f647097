"""Tiny checkpoints, clips and questions, made once."""

from dataclasses import replace

import pytest

from vidscale.design import RunSpec
from vidscale.space import ScalingFactors


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A folder of tiny inputs; tests read it and plan runs elsewhere."""
    from vidscale.runs.tiny import make_tiny_inputs

    out = tmp_path_factory.mktemp("inputs") / "tiny"
    make_tiny_inputs(out, clips=8, questions=4)
    return out


@pytest.fixture
def plan(tiny, tmp_path):
    """plan(n=…, changes of the training recipe) makes a run folder and returns it."""
    from vidscale.runs import load_recipe, plan_run, recipe_toml

    def make(name="run", *, n=16, frames=3, tokens=4, seed=0, data=None, evaluation=None, **training):
        recipe = load_recipe(tiny / "recipe.toml")
        settings = {"checkpoint_minutes": 0.0, **training}
        recipe = replace(recipe, training=replace(recipe.training, **settings),
                         data=replace(recipe.data, **(data or {})),
                         evaluation=replace(recipe.evaluation, **(evaluation or {})))
        place = tmp_path / f"{name}.toml"
        place.write_text(recipe_toml(recipe, tmp_path))
        factors = ScalingFactors(lm_params=recipe.model.language_models[0].lm_params, frames=frames,
                                 tokens_per_frame=tokens)
        plan_run(tmp_path / name, RunSpec(factors=factors, data_size=n, sweep="test", seed=seed), place)
        return tmp_path / name

    return make
