"""Weights of any Keras model in and out of safetensors."""

from __future__ import annotations

import json
import os
import re

import keras
import ml_dtypes
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from massivetext_keras.architecture.shapes import preset
from massivetext_keras.models.gpt import GPT
from massivetext_keras.saving import weights


def small_model(**kwargs) -> keras.Sequential:
    layers = [
        keras.Input([3]),
        keras.layers.Dense(2, name="dense"),
        keras.layers.Dropout(0.5),
        keras.layers.BatchNormalization(name="norm"),
    ]
    return keras.Sequential(layers, **kwargs)


def values_of(model: keras.Model) -> dict[str, np.ndarray]:
    named = weights.named_weights(model)
    return {name: keras.ops.convert_to_tensor(v).numpy() for name, v in named.items()}


def randomize(model: keras.Model, seed: int) -> None:
    generator = np.random.default_rng(seed)
    for variable in weights.named_weights(model).values():
        variable.assign(generator.normal(size=variable.shape))


def test_names_are_paths_without_the_models_own_name_seeds_and_metrics():
    model = small_model(name="any")
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(np.ones([4, 3]), np.ones([4, 2]), verbose=0)
    assert list(weights.named_weights(model)) == [
        "dense/kernel",
        "dense/bias",
        "norm/gamma",
        "norm/beta",
        "norm/moving_mean",
        "norm/moving_variance",
    ]


def test_two_weights_of_one_name_are_refused():
    class Pair(keras.Model):
        def __init__(self):
            super().__init__(name="pair")
            self.first = keras.layers.Dense(2, name="a")
            self.second = keras.layers.Dense(2, name="a")

        def call(self, x):
            return self.second(self.first(x))

    model = Pair()
    model(np.ones([1, 2]))
    with pytest.raises(ValueError, match="weights of 'pair' have the path 'a/kernel'"):
        weights.named_weights(model)


def test_saved_weights_come_back_in_another_model(tmp_path):
    config = preset("gpt_nano").replace(
        num_layers=1, hidden_size=8, num_heads=2, intermediate_size=12
    )
    first, second = GPT(config), GPT(config, name="other")
    randomize(first, 0)
    file = weights.save_weights(first, tmp_path / "new" / "folder")
    assert file == tmp_path / "new" / "folder" / "model.safetensors"
    tensors = weights.read_tensors(file.parent)
    assert tensors.shapes["stack/block_0/attention/qkv/kernel"] == (8, 24)
    weights.assign(second, tensors)
    expected, found = values_of(first), values_of(second)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
    ids = np.array([[3, 1, 4, 1, 5]])
    np.testing.assert_array_equal(first(ids), second(ids))


def test_the_file_is_plain_safetensors(tmp_path):
    model = small_model()
    file = weights.save_weights(model, tmp_path / "any.safetensors")
    with safe_open(file, "np") as stored:
        assert stored.metadata() == {"format": "massivetext_keras"}
        kernel = stored.get_tensor("dense/kernel")
    np.testing.assert_array_equal(kernel, model.layers[0].kernel)
    other = tmp_path / "other"
    other.touch()
    assert file.stat().st_mode == other.stat().st_mode


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    model = small_model()
    file = weights.save_weights(model, tmp_path)
    before = file.read_bytes()

    def fail(*_):
        raise OSError("no space")

    randomize(model, 1)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        weights.save_weights(model, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert file.read_bytes() == before


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_every_float_is_read_as_it_is_stored(tmp_path, dtype):
    values = np.array([[1.5, -0.25], [384.0, 2.0**-9]], dtype)
    save_file({"a": values}, tmp_path / "x.safetensors")
    read = weights.read_tensors(tmp_path / "x.safetensors")["a"]
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, values)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_bfloat16_reaches_weights_of_any_precision(tmp_path, dtype):
    model = keras.Sequential(
        [keras.Input([1]), keras.layers.Dense(2, use_bias=False, name="d", dtype=dtype)]
    )
    kernel = np.array([[1.5, -0.25]], ml_dtypes.bfloat16)
    save_file({"d/kernel": kernel}, tmp_path / "model.safetensors")
    weights.assign(model, weights.read_tensors(tmp_path))
    variable = model.layers[0].kernel
    assert variable.dtype == dtype
    assert keras.ops.convert_to_tensor(variable).numpy().tolist() == [[1.5, -0.25]]


def test_integers_are_no_weights(tmp_path):
    file = tmp_path / "x.safetensors"
    save_file({"a": np.arange(3, dtype=np.int8)}, file)
    tensors = weights.read_tensors(file)
    with pytest.raises(ValueError, match="x.safetensors: a holds I8, not one of F64"):
        tensors["a"]


def shards(folder) -> None:
    save_file({"a": np.zeros(1)}, folder / "1.safetensors")
    save_file({"b": np.ones([2, 3])}, folder / "2.safetensors")
    names = {"a": "1.safetensors", "b": "2.safetensors"}
    index = {"metadata": {}, "weight_map": names}
    (folder / weights.INDEX).write_text(json.dumps(index))


def test_shards_are_one_mapping(tmp_path):
    shards(tmp_path)
    tensors = weights.read_tensors(tmp_path)
    assert tensors.shapes == {"a": (1,), "b": (2, 3)}
    assert tensors["b"].tolist() == [[1.0] * 3] * 2
    assert "c" not in tensors and tensors.get("c") is None


def test_a_missing_shard_is_named(tmp_path):
    shards(tmp_path)
    (tmp_path / "2.safetensors").unlink()
    message = f"{tmp_path / '2.safetensors'}: the shard is missing"
    with pytest.raises(FileNotFoundError, match=re.escape(message)):
        weights.read_tensors(tmp_path)


def test_a_shard_without_its_tensor_is_named(tmp_path):
    shards(tmp_path)
    save_file({"c": np.zeros(1)}, tmp_path / "2.safetensors")
    message = f"{tmp_path / '2.safetensors'}: b is missing"
    with pytest.raises(ValueError, match=re.escape(message)):
        weights.read_tensors(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"weight_map": 1}', "{}"])
def test_a_damaged_index_is_named(tmp_path, text):
    (tmp_path / weights.INDEX).write_text(text)
    with pytest.raises(ValueError, match="index.json: not an index with a weight_map"):
        weights.read_tensors(tmp_path)


@pytest.mark.parametrize("kept", [0, 5, 40, -1])
def test_a_truncated_file_is_named(tmp_path, kept):
    file = weights.save_weights(small_model(), tmp_path)
    file.write_bytes(file.read_bytes()[:kept])
    message = f"{file}: not readable safetensors ("
    with pytest.raises(ValueError, match=re.escape(message)):
        weights.read_tensors(tmp_path)


def test_a_pointer_to_weights_is_named(tmp_path):
    file = tmp_path / weights.FILE
    file.write_text("version https://git-lfs.github.com/spec/v1\nsize 7\n")
    with pytest.raises(
        ValueError, match="safetensors \\(a pointer of Git LFS: `git lfs"
    ):
        weights.read_tensors(tmp_path)


def test_a_folder_without_weights_says_what_it_has(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nor .*index.json is here$"):
        weights.read_tensors(tmp_path)
    with pytest.raises(FileNotFoundError, match="x.safetensors: no such file"):
        weights.read_tensors(tmp_path / "x.safetensors")
    (tmp_path / "other.safetensors").touch()
    with pytest.raises(FileNotFoundError, match="; there is other.safetensors$"):
        weights.read_tensors(tmp_path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pkl"])
def test_pickles_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x04")
    why = "only safetensors are read: a pickle can run code"
    with pytest.raises(FileNotFoundError, match=f"there is {name}, pickles, which can"):
        weights.read_tensors(tmp_path)
    with pytest.raises(ValueError, match=f"{name}: {why}$"):
        weights.read_tensors(tmp_path / name)


def test_what_does_not_fit_is_listed_and_nothing_assigned():
    model = small_model(name="any")
    tensors = {name: value + 1 for name, value in values_of(model).items()}
    before = values_of(model)
    tensors["dense/kernel"] = tensors["dense/kernel"].T
    del tensors["norm/beta"]
    tensors["extra"] = np.zeros([4])
    with pytest.raises(ValueError) as caught:
        weights.assign(model, tensors)
    assert str(caught.value).split("\n") == [
        "the weights do not fit the model 'any':",
        "  missing: norm/beta (2,)",
        "  left over: extra (4,)",
        "  wrong shape: dense/kernel is (2, 3), wanted (3, 2)",
    ]
    for name, value in values_of(model).items():
        np.testing.assert_array_equal(value, before[name])


def test_a_long_list_is_cut():
    with pytest.raises(ValueError) as caught:
        weights.check_shapes({}, {f"x{i}": (i,) for i in range(13)}, "no")
    lines = str(caught.value).split("\n")
    assert lines[10:] == ["  left over: x9 (9,)", "  and 3 more"]
