"""Rules from outside the package: by an entry point, by their place, and by neither."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from massivetext_keras.corpus.engines.local import LocalEngine
from massivetext_keras.corpus.pipeline import STAGES, build
from massivetext_keras.corpus.recipes import Recipe, load_recipe
from massivetext_keras.corpus.rules import RULES, rule
from tests.corpus.small_corpus import documents, write_jsonl
from tests.outside import installed

MODULE = """
from massivetext_keras.corpus import Batch, Check, rule
from massivetext_keras.support.arguments import Count


@rule
def shouts(batch: Batch, *, most: Count = 3) -> list[Check]:
    counts = [text.count("!") for text in batch.texts]
    return [Check("marks", counts, at_most=most)]


@rule(name="signed")
def ends_in_a_name(batch: Batch, *, name: str = "Ada") -> list[Check]:
    batch.rewrite([f"{text} {name}" for text in batch.texts])
    return []


def plain(batch: Batch, *, most: Count = 1) -> list[Check]:
    return [Check("words", [len(text.split()) for text in batch.texts], at_most=most)]


def wrong(batch, most=3):
    return []
"""
TEXTS = ["Good.", "Good!!", "Good!!!!"]


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """The name of an installed module with rules, one of them declared."""
    folder, points = (
        tmp_path_factory.mktemp("site"),
        {"massivetext_keras.rules:shouts": "shouts"},
    )
    folder = tmp_path_factory.mktemp("site")
    with installed(folder, "rules_from_outside", MODULE, points) as name:
        yield name


def test_an_entry_point_is_a_name_like_any_other(outside, tmp_path):
    assert "shouts" in list(RULES) and RULES.is_outside("shouts")
    recipe = Recipe("mine").override("shouts={}", "shouts.most=1")
    assert [step.arguments for step in recipe.bound()] == [{"most": 1}]
    with pytest.raises(ValueError, match="unknown step 'shout': did you mean 'shouts'"):
        Recipe("mine", {"shout": {}})
    with pytest.raises(ValueError, match="shouts.most: -1 is not 0 or more"):
        recipe.override("shouts.most=-1")
    with pytest.raises(ValueError, match="argument of shouts 'mots': did you mean"):
        recipe.override("shouts.mots=1")


def test_a_place_is_imported(outside, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"steps": {f"{outside}:plain": {"most": 2}}}))
    recipe = load_recipe(path).override("plain.most=4", f"{outside}:shouts={{}}")
    assert recipe.names() == ["plain", "shouts"]
    assert recipe.override(f"{outside}:plain.most=5").steps[f"{outside}:plain"] == {
        "most": 5
    }
    assert Recipe.from_dict(recipe.spelled_out()).spelled_out() == recipe.spelled_out()
    with pytest.raises(ValueError, match="the step 'plain' is there twice"):
        Recipe("mine", {"plain": {}, f"{outside}:plain": {}})


def test_workers_know_rules_from_outside(outside, tmp_path):
    raw = write_jsonl(tmp_path / "raw/a.jsonl", TEXTS)
    recipe = Recipe("mine", {f"{outside}:ends_in_a_name": {}, "shouts": {"most": 2}})
    with LocalEngine(2) as engine:
        manifest = build(raw, tmp_path / "corpus", recipe, engine, test_fraction=0)
    assert sorted(row["text"] for row in documents(tmp_path / "corpus")) == [
        "Good!! Ada",
        "Good. Ada",
    ]
    assert {key: counts["documents"] for key, counts in manifest.dropped.items()} == {
        "shouts.marks": 1
    }
    # what the rules are is a part of what the corpus is
    assert list(manifest.build["files"]) == [outside] and list(
        manifest.recipe["steps"]
    ) == [f"{outside}:ends_in_a_name", "shouts"]


def test_what_is_no_rule_is_refused_with_the_reason(outside):
    for name, message in {
        f"{outside}:wrong": "wrong: its arguments are .*, and most has no \\* before",
        f"{outside}:plian": f"{outside} has no such function; did you mean 'plain'?",
        "no_such_module:f": "No module named 'no_such_module'",
    }.items():
        with pytest.raises((ValueError, TypeError), match=message):
            Recipe("mine", {name: {}})
    with pytest.raises(ValueError, match="two rules are named 'c4_lines'"):
        rule(name="c4_lines")(lambda batch: [])


def test_a_rule_of_a_script_is_refused_before_the_build(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", TEXTS)
    script = tmp_path / "script.py"
    script.write_text(
        MODULE
        + "from massivetext_keras.corpus import build, Recipe\n"
        + f"build({str(tmp_path)!r}, {str(tmp_path / 'c')!r}, "
        + "Recipe('mine', {'shouts': {}}))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == (
        "ValueError: the rule 'shouts' is defined in a script, which workers cannot "
        "import: move it to a module of its own"
    )


def test_a_stage_of_ones_own(tmp_path):
    raw = write_jsonl(tmp_path / "raw/a.jsonl", ["One.", "One.", "Two."])
    seen = []

    def counted(so_far):
        seen.append(len(so_far.cleaned))
        return so_far

    stages = [*STAGES[:3], counted, *STAGES[3:]]
    with LocalEngine(1) as engine:
        arguments = raw, tmp_path / "c", Recipe("mine"), engine
        manifest = build(*arguments, test_fraction=0, stages=stages)
    assert seen == [1] and manifest.documents == {"read": 3, "kept": 2}
    assert manifest.build["stages"][3].endswith("<locals>.counted")
    assert len(manifest.build["stages"]) == 7
