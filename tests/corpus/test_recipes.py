"""Recipes as values."""

from __future__ import annotations

import hashlib
import json

import fsspec
import pytest

from massivetext_keras.corpus.recipes import RECIPES, Recipe, load_recipe
from massivetext_keras.corpus.rules import RULES


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_json_and_comes_back(name):
    recipe = load_recipe(name)
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    spelled = json.loads(json.dumps(recipe.spelled_out()))
    assert spelled["name"] == name
    # Spelled out, as in a manifest, or not, it is done the same way.
    assert Recipe.from_dict(spelled).spelled_out() == recipe.spelled_out()


def test_every_step_can_be_called_with_its_defaults():
    given = {"word_blocklist": {"words": "words.txt"}}  # what has no default
    own = [k for k, rule in RULES.items() if rule.__module__.startswith("massivetext")]
    bound = Recipe(steps={name: given.get(name, {}) for name in own}).bound()
    assert [step.name for step in bound] == own and len(own) > 10


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


# What is given, and what is said of it.
REFUSED = {
    "gopher_quality.min_words=fifty": "'fifty' is not a whole number",
    'gopher_quality.min_words="50"': "'50' is not a whole number: did you mean 50?",
    "gopher_quality.min_words=49.6": "49.6 is not a whole number: did you mean 50?",
    "gopher_quality.min_words=-3": "-3 is not 0 or more: did you mean 0?",
    "gopher_quality.min_words=NaN": "nan is not a whole number",
    "gopher_quality.min_words=true": "True is not a whole number: did you mean 1?",
    "gopher_quality.min_words=200000": "200000 is more than max_words, 100000",
    "gopher_quality.max_bullet_lines=90": "90 is not from 0 to 1: did you mean 0.9?",
    "gopher_quality.max_symbols=Infinity": "inf is not a number",
    "find_duplicates.jaccard=80": "80 is not from 0 to 1: did you mean 0.8?",
    "find_duplicates.jaccard=-0.5": "-0.5 is not from 0 to 1: did you mean 0?",
    "find_duplicates.fuzzy=no": "'no' is not true or false: did you mean 'false'?",
    "find_repeats.run=1": "1 is not 2 or more: did you mean 2?",
    "minhash_bands.rows=0": "0 is not from 1 to 1000: did you mean 1?",
    "read.max_document_bytes=10XB": "'10XB' is no size: give bytes, or such as 800MB",
    "read.max_document_bytes=0": "0 is not 1 byte or more",
    "read.max_ratio=0.5": "0.5 is not 1 or more: did you mean 1?",
    "read.format=json": "unknown 'json': did you mean 'jsonl'?",
    "read.encoding=utf8x": "unknown 'utf8x': did you mean 'utf8'?",
    "read.encoding=hex": "unknown 'hex': known: ",
    "read.text_field=7": "7 is not a text",
    'identify.languages=["en","german"]': "unknown 'german': did you mean 'de'?",
    'identify.languages=["EN"]': "unknown 'EN': did you mean 'en'?",
    'identify.languages=["eng"]': "unknown 'eng': did you mean 'en'?",
    'identify.languages=["中文"]': "unknown '中文': did you mean 'zh'?",
    'identify.languages=["xx"]': "unknown 'xx': known: af, als, am,",
    "identify.languages=en": "'en' is not a list: did you mean [\"en\"]?",
    "identify.min_score=65": "65 is not from 0 to 1: did you mean 0.65?",
    "normalize.form=nfkc": "unknown 'nfkc': did you mean 'NFKC'?",
    "normalize.mojibake=1": "1 is not true or false: did you mean 'true'?",
    "extract.extractor=trafilaturra": "did you mean 'trafilatura'?",
    "personal_data.action=Drop": "unknown 'Drop': did you mean 'drop'?",
    'personal_data.kinds=["mail"]': "unknown 'mail': did you mean 'email'?",
    "contamination.files=a.txt": "'a.txt' is not a list: did you mean [\"a.txt\"]?",
    'gopher_quality.stop_words={"english":["the"]}': "did you mean 'en'?",
    'gopher_quality.stop_words={"en":"the"}': "'the' is not a list",
    'gopher_repetition.max_top_ngrams={"two":0.2}': "'two' is not a number of words",
    'gopher_repetition.max_top_ngrams={"2":20}': "did you mean 0.2?",
    "gopher_repetition.max_top_ngrams=0.2": "0.2 is not an object",
    "url_blocklist={}": None,
    "word_blocklist={}": "word_blocklist.words: is missing, and has no default",
    "statistics.max_perplexity=low": "'low' is not a number",
    "read.max_document_bytes=10MB": None,
    "gopher_quality.max_words=null": None,
    "gopher_quality.min_words=50.0": None,
    "find_duplicates.jaccard=1": None,
    'gopher_quality.stop_words={"pt-BR":["que"]}': None,
}


@pytest.mark.parametrize("assignment", REFUSED)
def test_a_value_is_checked_before_any_document(assignment):
    message, recipe = REFUSED[assignment], load_recipe("massivetext")
    if message is None:
        recipe.override(assignment)
        return
    with pytest.raises(ValueError) as caught:
        recipe.override(assignment)
    told = str(caught.value)
    assert told.startswith(assignment.partition("=")[0]) and message in told
    assert "\n" not in told


def test_a_recipe_file_is_checked_too(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text('{"steps": {"gopher_quality": {"max_bullet_lines": 90}}}')
    with pytest.raises(ValueError) as caught:
        load_recipe(path)
    assert str(caught.value) == (
        f"{path}: gopher_quality.max_bullet_lines: 90 is not from 0 to 1: did you mean "
        "0.9?"
    )


def test_a_recipe_file_that_is_damaged_is_named_once(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text("{")
    with pytest.raises(ValueError, match="not JSON") as caught:
        load_recipe(path)
    assert str(caught.value).count("mine.json") == 1


def test_values_are_what_the_steps_take():
    recipe = load_recipe("massivetext").override(
        "read.max_document_bytes=10MiB", "find_duplicates.jaccard=1"
    )
    assert recipe.read == {"max_document_bytes": 10 << 20}
    assert repr(recipe.find_duplicates) == "{'jaccard': 1.0}"


def test_defaults_are_values_that_could_be_given():
    for name in RECIPES:
        spelled = load_recipe(name).spelled_out()
        assert Recipe.from_dict(spelled).spelled_out() == spelled


class TestFiles:
    def recipe(self, *assignments):
        return load_recipe("curated").override(*assignments)

    def test_patterns_and_folders_stand_for_what_is_in_them(self, tmp_path):
        for name in ("ev/a.txt", "ev/b.txt", "ev/more/c.jsonl", "ev/picture.png"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text("an item")
        flat = self.recipe(f'contamination.files=["{tmp_path}/ev/*.txt"]').files()
        assert list(flat) == [f"{tmp_path}/ev/a.txt", f"{tmp_path}/ev/b.txt"]
        assert set(flat.values()) == {hashlib.sha256(b"an item").hexdigest()}
        deep = self.recipe(f'contamination.files=["{tmp_path}/ev"]')
        before = deep.files()
        assert list(before) == [*flat, f"{tmp_path}/ev/more/c.jsonl"]
        (tmp_path / "ev/more/c.jsonl").write_text("another item")
        assert deep.files() != before

    def test_all_kinds_of_lists(self, tmp_path):
        for name in ("a.txt", "b.txt", "c.npz"):
            (tmp_path / name).write_text(name)
        a, b, c = (str(tmp_path / name) for name in ("a.txt", "b.txt", "c.npz"))
        for assignments, files in (
            (["url_blocklist={}", f"url_blocklist.domains={a}"], [a]),
            ([f'url_blocklist={{"urls":"{a}","soft_words":"{b}"}}'], [a, b]),
            ([f'word_blocklist={{"words":"{tmp_path}/*.txt"}}'], [a, b]),
            ([f'word_blocklist={{"words":{{"en":"{a}","de":"{b}"}}}}'], [a, b]),
            ([f"statistics.ngram_model={c}"], [c]),
            ([f'statistics.ngram_model={{"en":"{c}"}}'], [c]),
        ):
            assert sorted(self.recipe(*assignments).files()) == files

    def test_urls(self):
        system = fsspec.filesystem("memory")
        system.pipe_file("/items/a.txt", b"an item")
        recipe = self.recipe('contamination.files=["memory://items/*.txt"]')
        before = recipe.files()
        assert before == {
            "memory:///items/a.txt": hashlib.sha256(b"an item").hexdigest()
        }
        system.pipe_file("/items/a.txt", b"another")
        assert recipe.files().keys() == before.keys() and recipe.files() != before
        system.rm("/items", recursive=True)

    def test_what_is_not_there_is_said_before_any_document(self, tmp_path):
        (tmp_path / "items.txt").write_text("an item")
        near = self.recipe(f'contamination.files=["{tmp_path}/item.txt"]')
        with pytest.raises(FileNotFoundError) as caught:
            near.files()
        assert str(caught.value) == (
            f"contamination.files: no file matches '{tmp_path}/item.txt'; did you mean "
            f"'{tmp_path}/items.txt'?"
        )
