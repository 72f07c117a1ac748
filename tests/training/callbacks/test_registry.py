"""Callbacks that a config names: with their arguments, or refused by their place."""

from __future__ import annotations

import keras
import pytest

from massivetext_keras.support.values import UnknownName
from massivetext_keras.training.callbacks.registry import (
    CALLBACKS,
    check_callbacks,
    named_callbacks,
)
from tests.outside import installed

STOP = "keras.callbacks:EarlyStopping"
OUTSIDE = """
import keras


class Loose(keras.callbacks.Callback):
    def __init__(self, *rest, every, **more):
        super().__init__()


class Counting(keras.callbacks.Callback):
    made = []

    def __init__(self, every, *, words=()):
        super().__init__()
        if every < 1:
            raise ValueError("every is at least 1")
        self.every, self.words = every, words
        self.made.append(self)


def count(every):
    return Counting(every)
"""


@pytest.fixture
def outside(tmp_path):
    points = {"massivetext_keras.callbacks:counting": "Counting"}
    with installed(tmp_path, "callbacks_from_outside", OUTSIDE, points) as name:
        yield name


def test_names_and_objects_are_made_in_order(outside):
    counting = {"name": "counting", "every": 2, "words": ["a"]}
    entries = [STOP, counting, {"name": STOP, "patience": 3, "monitor": "loss"}]
    first, second, third = named_callbacks(entries)
    assert (first.patience, first.monitor) == (0, "val_loss")
    assert (second.every, second.words) == (2, ["a"])
    assert (third.patience, third.monitor) == (3, "loss")
    assert type(third) is keras.callbacks.EarlyStopping
    assert counting == {"name": "counting", "every": 2, "words": ["a"]}
    assert "counting" in list(CALLBACKS) and "EarlyStopping" not in CALLBACKS


def test_a_check_makes_none(outside):
    [(place, cls, arguments)] = check_callbacks([{"name": "counting", "every": 0}])
    made = len(cls.made)
    assert (place, cls.__name__, arguments) == (
        *("train.callbacks[0]", "Counting"),
        {"every": 0},
    )
    message = r"^train.callbacks\[0\]: Counting: every is at least 1$"
    with pytest.raises(ValueError, match=message):
        named_callbacks([{"name": "counting", "every": 0}])
    assert len(cls.made) == made


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("keras.callbacks:EarlyStoping", "no such class; did you mean 'EarlyStopping'"),
        ("countin", "unknown callback 'countin': did you mean 'counting'?"),
        ("keras.losses:Loss", "'keras.losses:Loss' is no keras.callbacks.Callback"),
        ("{}:count", "'{}:count' is no keras.callbacks.Callback"),
        ({"patience": 3}, "\"name\" is missing, or no text, in {{'patience': 3}}"),
        ({"name": 3}, "\"name\" is missing, or no text, in {{'name': 3}}"),
        (3, "3 is neither a name nor an object with one"),
        (
            {"name": STOP, "patiense": 3},
            "unknown argument of EarlyStopping 'patiense': did you mean 'patience'?",
        ),
        (
            {"name": "keras.callbacks:History", "patience": 3},
            "History takes no arguments, got 'patience'",
        ),
        ("counting", "Counting needs an argument 'every'"),
        ({"name": "{}:Loose", "limt": 3}, "Loose needs an argument 'every'"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(outside, entry, message):
    if isinstance(entry, str):
        entry = entry.format(outside)
    if isinstance(entry, dict) and isinstance(entry.get("name"), str):
        entry = {**entry, "name": entry["name"].format(outside)}
    with pytest.raises(UnknownName) as caught:
        check_callbacks([STOP, entry])
    line = str(caught.value)
    assert line.startswith("train.callbacks[1]: ") and "\n" not in line
    assert message.format(outside) in line
