"""Recipes: what is written is read back, and every slip is named in one line."""

from dataclasses import replace

import pytest

from vidscale.errors import InputError
from vidscale.runs import load_recipe, recipe_toml
from vidscale.runs.recipe import (
    DataRecipe,
    EvaluationRecipe,
    LanguageModelFolder,
    ModelRecipe,
    Recipe,
    TrainingRecipe,
)


def a_recipe(folder):
    models = (LanguageModelFolder(lm_params=1e9, folder=folder / "lm-1b"),
              LanguageModelFolder(lm_params=2.8e9, folder=folder.parent / "lm-3b"))
    return Recipe(model=ModelRecipe(vision_tower=folder / "siglip", language_models=models, trained=("projector",)),
                  data=DataRecipe(train=folder / "train.json", evaluation=folder / 'odd "name".json', videos=folder),
                  training=TrainingRecipe(tower_learning_rate=2e-6, activation_checkpointing=True),
                  evaluation=EvaluationRecipe(limit=5))


def test_round_trip(tmp_path):
    recipe = a_recipe(tmp_path.resolve())
    place = tmp_path / "recipe.toml"
    place.write_text(recipe_toml(recipe, tmp_path))
    assert load_recipe(place) == recipe
    assert '"siglip"' in place.read_text()


def test_a_recipe_moves_with_its_folder(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "r.toml").write_text(recipe_toml(a_recipe((tmp_path / "a").resolve()), tmp_path / "a"))
    assert load_recipe(tmp_path / "b" / "r.toml").model.vision_tower == (tmp_path / "b" / "siglip").resolve()


def test_every_example_is_seen_once(tmp_path):
    recipe = replace(a_recipe(tmp_path), training=TrainingRecipe(batch=8))
    assert [recipe.steps(n) for n in (1, 8, 9, 1e6)] == [1, 1, 2, 125_000]
    with pytest.raises(InputError, match="a whole number of examples"):
        recipe.steps(10.5)


def test_language_models_are_found_by_size(tmp_path):
    recipe = a_recipe(tmp_path)
    assert recipe.language_model(1.0000001e9).folder.name == "lm-1b"
    with pytest.raises(InputError, match=r"no language model of lm_params 7e\+09; it has 1e\+09, 2\.8e\+09: .*"
                                         r"--lm-params 1e\+09,2\.8e\+09"):
        recipe.language_model(7e9)


@pytest.mark.parametrize(("old", "new", "said"), [
    ('damaged = "refuse"', 'damaged = "skip"', "data.damaged is 'skip'"),
    ("batch = 8", "batch = 0", "training.batch is 0; allowed is a whole number from 1"),
    ("batch = 8", "batch = 8.5", "training.batch is 8.5; it must be a whole number"),
    ("batch = 8", "batch = true", "training.batch is True; it must be a whole number"),
    ("batch = 8", "bacth = 8", "unknown setting training.bacth"),
    ('precision = "bf16"', 'precision = "fp8"', "training.precision is 'fp8'; allowed are fp32, bf16"),
    ('trained = ["projector"]', 'trained = ["head"]', "allowed are one or more of projector, lm, tower"),
    ('trained = ["projector"]', 'trained = []', "allowed are one or more of"),
    ("tower_layer = -2", "tower_layer = 3", "layers are counted from the end"),
    ("learning_rate = 2e-05", "learning_rate = -1.0", "training.learning_rate is -1.0"),
    ("learning_rate = 2e-05", "learning_rate = nan", "training.learning_rate is nan"),
    ("warm_up = 0.03", "warm_up = 1.0", "training.warm_up is 1.0"),
    ("final_rate = 0.0", "final_rate = 1.5", "training.final_rate is 1.5; allowed is a fraction from 0 to 1"),
    ("lm_params = 2800000000.0", "lm_params = 1e9", "they must be positive and differ"),
    ('videos = "."', "", "data.videos is missing"),
    ('schema = "vidscale-recipe"', 'schema = "other"', "is no recipe"),
    ("[data]", "[data", "cannot be read"),
])
def test_slips_are_named(tmp_path, old, new, said):
    text = recipe_toml(a_recipe(tmp_path.resolve()), tmp_path)
    assert old in text
    place = tmp_path / "recipe.toml"
    place.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        load_recipe(place)
    assert said in str(caught.value)
    assert str(place) in str(caught.value)


def test_a_missing_recipe(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml is missing"):
        load_recipe(tmp_path / "none.toml")
