"""Against KerasHub: the same logits, ids and files, from there and back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from massivetext_keras.kerashub.h5 import read_h5
from massivetext_keras.tasks.masked_lm.task import MaskedLM
from massivetext_keras.tasks.registry import task_class
from tests.kerashub.fixtures import (
    CASES,
    LENGTH,
    TEXTS,
    ids_of,
    inputs_for,
    logits_of,
    make,
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("kerashub")


@pytest.fixture(scope="module", params=CASES)
def pair(request, home):
    """A task of KerasHub, ours that is read from its preset, and the folder."""
    theirs, folder = make(request.param), home / request.param
    theirs.save_to_preset(folder)
    source = f"kerashub:{folder}"
    ours = task_class(source).from_preset(source)
    return theirs, ours, folder


def compare(theirs, ours) -> None:
    arrays = inputs_for(theirs)
    wanted = logits_of(theirs, arrays)
    found = ours(arrays).numpy()
    assert wanted.std() > 0.05
    if found.ndim == 3:  # of padding nothing is read
        mask = arrays.get("padding_mask", arrays.get("decoder_padding_mask")) == 1
        wanted, found = wanted[mask], found[mask]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=5e-5)


def test_logits_are_those_of_kerashub(pair):
    theirs, ours, _ = pair
    assert type(theirs).__name__.endswith(type(ours).__name__)
    compare(theirs, ours)


def test_ids_are_those_of_kerashub(pair):
    theirs, ours, _ = pair
    preprocessor, tokenizer = theirs.preprocessor, ours.tokenizer
    rows = tokenizer(TEXTS).to_list()
    assert rows == [ids_of(preprocessor.tokenizer, text) for text in TEXTS]
    row = rows[0][:8]
    text = tokenizer.detokenize(row).numpy().decode()
    begins = [tokenizer.bos_id] * tokenizer.add_bos
    ends = [tokenizer.eos_id] * tokenizer.add_eos
    assert ours.config.max_length >= LENGTH
    if ours.config.stack == "encoder":
        read = preprocessor([text])
        read = read[0] if isinstance(read, tuple) else read
        (ids,), (mask,) = np.asarray(read["token_ids"]), read["padding_mask"]
        if isinstance(ours, MaskedLM):  # some are hidden
            hidden = ids == tokenizer.mask_id
            ids = np.where(hidden, [*begins, *row, *ends, *ids][: len(ids)], ids)
    elif ours.config.stack == "decoder":
        read = preprocessor.generate_preprocess([text], sequence_length=LENGTH)
        (ids,), (mask,), ends = read["token_ids"], read["padding_mask"], []
    else:
        read = preprocessor.generate_preprocess([text])
        (ids,), (mask,) = read["encoder_token_ids"], read["encoder_padding_mask"]
        first = [x for x in (ours.start_id, ours.first_id) if x is not None]
        there = np.asarray(read["decoder_token_ids"])[0, : len(first) + 1]
        assert there.tolist() == [*first, preprocessor.tokenizer.pad_token_id]
    wanted = [*begins, *ids_of(preprocessor.tokenizer, text), *ends]
    assert np.asarray(ids)[np.asarray(mask) == 1].tolist() == wanted


def test_kerashub_reads_what_we_write(pair, home):
    theirs, ours, folder = pair
    again = home / f"{folder.name} again"
    ours.save_preset(again, format="kerashub")
    read = type(theirs).from_preset(str(again))
    compare(read, ours)
    tokenizer = read.preprocessor.tokenizer
    assert [ids_of(tokenizer, text) for text in TEXTS] == ours.tokenizer(
        TEXTS
    ).to_list()
    for name in ("config.json", "tokenizer.json"):
        before, after = (json.loads((x / name).read_text()) for x in (folder, again))
        assert before["registered_name"] == after["registered_name"]
        for key in after["config"].keys() & before["config"].keys() - {"name"}:
            one, other = (x["config"][key] for x in (before, after))
            if isinstance(one, list):
                one, other = sorted(one), sorted(other)
            assert one == other, key
    one, other = (read_h5(x / "model.weights.h5") for x in (folder, again))
    assert one.shapes == other.shapes
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])
    source = f"kerashub:{again}"
    assert task_class(source).from_preset(source).config == ours.config
