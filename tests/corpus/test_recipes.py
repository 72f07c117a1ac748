"""Recipes as values."""

from __future__ import annotations

import json

import pytest

from massivetext_keras.corpus.recipes import RECIPES, STEPS, Recipe, load_recipe


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_json_and_comes_back(name):
    recipe = load_recipe(name)
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    spelled = json.loads(json.dumps(recipe.spelled_out()))
    assert spelled["name"] == name
    # Spelled out or not, it is done the same way.
    del spelled["find_duplicates"]["ngram"]
    assert Recipe.from_dict(spelled).spelled_out() == recipe.spelled_out()


def test_every_step_can_be_called_with_its_defaults():
    bound = Recipe(steps={name: {} for name in STEPS}).bound()
    assert [step.name for step in bound] == list(STEPS)


def test_massivetext_has_the_papers_thresholds():
    spelled = load_recipe("massivetext").spelled_out()
    assert spelled["steps"]["gopher_quality"]["min_words"] == 50
    assert spelled["minhash_bands"] == {"ngram": 13, "bands": 20, "rows": 6}
    assert spelled["find_duplicates"]["jaccard"] == 0.8


def test_override_changes_adds_and_leaves_out():
    recipe = load_recipe("curated").override(
        "gopher_quality={}",
        "gopher_quality.min_words=5",
        "contamination=null",
        "minhash_bands.ngram=5",
        "read.text_field=body",
    )
    assert recipe.steps["gopher_quality"] == {"min_words": 5}
    assert "contamination" not in recipe.steps
    assert recipe.stage("find_duplicates")["ngram"] == 5
    assert recipe.stage("read")["text_field"] == "body"
    assert load_recipe("curated").steps.keys() >= {"contamination"}


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("gopher_qualty.min_words=5", "unknown step 'gopher_qualty': did you mean"),
        ("gopher_quality.min_word=5", "argument of gopher_quality 'min_word': did you"),
        ("gopher_quality.min_words", "not of the form"),
        ("fineweb_quality.x=1", "the recipe has no step fineweb_quality; add"),
        ("find_duplicates.ngram=5", "set minhash_bands.ngram"),
    ],
)
def test_what_cannot_be_set_says_why(assignment, message):
    with pytest.raises((ValueError, TypeError), match=message):
        load_recipe("massivetext").override(assignment)


def test_a_recipe_file(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text('{"name": "mine", "steps": {"normalize": {}}}')
    assert load_recipe(path).steps == {"normalize": {}}
    path.write_text('{"nam": "mine"}')
    with pytest.raises(ValueError, match=r"mine.json: .*'nam': did you mean 'name'"):
        load_recipe(path)


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(ValueError, match="a file: 'masivetext'; did you mean 'massi"):
        load_recipe("masivetext")


def test_files_that_steps_read_are_told(tmp_path):
    path = tmp_path / "items.txt"
    path.write_text("an item")
    recipe = load_recipe("curated").override(f'contamination.files=["{path}", "no"]')
    assert list(recipe.files()) == [str(path)]
    before = recipe.files()
    path.write_text("another item")
    assert recipe.files() != before
