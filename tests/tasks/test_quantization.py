"""Tasks with matrices in fewer bits: answers, presets, exports, adapters."""

from __future__ import annotations

import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from safetensors import safe_open

from massivetext_keras.architecture.storage import FORMS, Storage
from massivetext_keras.layers.stored import StoredMatrix, matrix_of
from massivetext_keras.tasks import CausalLM, TextClassifier, task_class
from massivetext_keras.tokenizers import ByteTokenizer
from tests.tasks.every import TASKS, one_batch
from tests.tasks.tiny import TINY, byte_lm, encoder_task

IDS = {"token_ids": np.arange(12, dtype="int32").reshape(2, 6)}


def floats_of(task) -> dict[str, np.ndarray]:
    return {
        k: matrix_of(layer).numpy() for k, layer in task.quantization.matrices().items()
    }


def answers(task, name: str) -> list[np.ndarray]:
    given = tf.nest.flatten(task(one_batch(name)[0]))
    return [x.numpy() for x in given if x.dtype.is_floating]


@pytest.mark.parametrize("name", TASKS)
def test_every_task_answers_as_with_the_matrices_that_are_meant(name):
    """Written back as floats, what is stored gives the same answers."""
    task = TASKS[name]()
    before = floats_of(task)
    assert len(before) >= 5
    storages = task.quantize("int8")
    assert storages.keys() == before.keys()
    assert set(storages.values()) == {Storage("int8")}
    stored = answers(task, name)
    for path, matrix in floats_of(task).items():
        rows = -1 if path.endswith("embeddings") else 0
        largest = np.abs(before[path]).max(axis=rows, keepdims=True)
        assert (np.abs(matrix - before[path]) <= largest / 127 * 0.501).all()
    task.dequantize()
    assert not task.quantization.storages()
    for one, other in zip(stored, answers(task, name), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_a_preset_comes_back_bit_for_bit(tmp_path, form):
    lm = byte_lm()
    lm.quantize(form)
    lm.save_preset(tmp_path)
    again = CausalLM.from_preset(tmp_path)
    assert again.quantization.storages() == lm.quantization.storages()
    for (name, one), other in zip(
        lm.named_weights().items(), again.named_weights().values(), strict=True
    ):
        assert one.dtype == other.dtype, name
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=name)
    np.testing.assert_array_equal(again(IDS), lm(IDS))


def test_the_file_of_a_preset_holds_whole_numbers(tmp_path):
    lm = byte_lm()
    lm.save_preset(tmp_path / "float32")
    lm.quantize("int8")
    lm.save_preset(tmp_path / "int8")
    header = json.loads((tmp_path / "int8/config.json").read_text())
    (group,) = header["quantization"]["storages"]
    assert group["form"] == "int8" and "tokens/embeddings" in group["weights"]
    with safe_open(tmp_path / "int8/model.safetensors", "np") as file:
        kinds = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
    assert kinds["tokens/embeddings/codes"] == "I8"
    assert kinds["stack/block_0/attention/qkv/kernel/codes"] == "I8"
    assert kinds["stack/block_0/attention/qkv/bias"] == "F32"
    sizes = [
        (tmp_path / form / "model.safetensors").stat().st_size
        for form in ("int8", "float32")
    ]
    assert sizes[0] < 0.5 * sizes[1]  # rows of 16 numbers have a scale of 4 bytes


def test_another_task_reads_the_backbone_and_has_a_new_head(tmp_path):
    task = encoder_task(TextClassifier, labels=("no", "yes"))
    task.quantize("int4", group_size=8)
    task.save_preset(tmp_path)
    other = task_class("", "TokenClassifier").from_preset(tmp_path, labels=("PER",))
    stored = task.quantization.storages()
    assert stored.pop("head/transform/kernel") == Storage("int4", 8)
    assert other.quantization.storages() == stored
    given = {"token_ids": np.array([[3, 5, 6, 4]], "int32")}
    np.testing.assert_array_equal(other.backbone(given), task.backbone(given))


def test_a_shorter_context_keeps_the_first_positions(tmp_path):
    task = encoder_task(TextClassifier, labels=("no", "yes"))
    task.quantize("int8")
    task.save_preset(tmp_path)
    short = TextClassifier.from_preset(tmp_path, max_length=20)
    given = {"token_ids": np.array([[3, 5, 6, 4]], "int32")}
    np.testing.assert_allclose(short(given), task(given), rtol=1e-5)


@pytest.mark.parametrize("name", ["CausalLM", "TextClassifier"])
def test_keras_files_and_copies_have_it(tmp_path, name):
    task = TASKS[name]()
    task.quantize("int8")
    wanted = answers(task, name)
    copy = type(task).from_config(task.get_config())
    assert copy.quantization.storages() == task.quantization.storages()
    task.save(tmp_path / "task.keras")
    again = keras.saving.load_model(tmp_path / "task.keras")
    for one, other in zip(answers(again, name), wanted, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("form", ["int8", "int4"])
def test_an_export_keeps_whole_numbers_in_file_and_memory(tmp_path, form):
    task = encoder_task(
        TextClassifier, labels=("no", "yes"), hidden_size=64, intermediate_size=256
    )
    task.export(tmp_path / "float32")
    task.quantize(form)
    task.export(tmp_path / form)

    def size(folder):
        return sum(x.stat().st_size for x in (folder / "variables").iterdir())

    assert size(tmp_path / form) < 0.4 * size(tmp_path / "float32")
    loaded = tf.saved_model.load(str(tmp_path / form))
    variables = loaded.signatures["classify"].graph.variables
    total = sum(np.prod(x.shape) * x.dtype.size for x in variables)
    codes = [x for x in variables if x.dtype in (tf.int8, tf.uint8)]
    assert len(codes) == len(task.quantization.storages())
    assert all(x.dtype in (tf.int8, tf.uint8) or x.shape.rank < 3 for x in variables)
    assert total < 0.4 * 4 * task_numbers(task)
    largest = max(int(np.prod(x.shape)) for x in variables if x.dtype.is_floating)
    assert largest < 64 * 64


def task_numbers(task) -> int:
    layers = task.quantization.matrices().values()
    return sum(int(np.prod(matrix_of(layer).shape)) for layer in layers)


def test_texts_are_written_with_whole_numbers():
    lm = byte_lm(position="rotary", tied_embeddings=False)
    lm.quantize("int8")
    stored = lm.generate(["ab", "c"], max_new_tokens=8, temperature=0.0)
    lm.dequantize()
    assert lm.generate(["ab", "c"], max_new_tokens=8, temperature=0.0) == stored


def test_experts_and_recurrent_kernels_are_stored_and_routers_are_not():
    lm = CausalLM(TINY.replace(num_experts=2, gated=True, activation="silu"))
    storages = lm.quantize("int8")
    assert any("feed_forward/up" in path for path in storages)
    assert not any("router" in path for path in storages)
    lm(IDS)
    recurrent = CausalLM.from_preset("lstm_small", ByteTokenizer(), hidden_size=32)
    assert any("recurrent_kernel" in path for path in recurrent.quantize("int8"))


def test_adapters_are_trained_beside_whole_numbers(tmp_path):
    """QLoRA: what is stored stays bit for bit; the preset answers as the task."""
    task = encoder_task(TextClassifier, labels=("no", "yes"))
    task.quantize("int4", group_size=8)
    task.add_adapters("attention", rank=2)
    codes = {
        k: w.numpy() for k, w in task.named_weights().items() if k.endswith("/codes")
    }
    task.compile("sgd")
    features, labels, weights = one_batch("TextClassifier")
    before = task.test_on_batch(features, labels, weights)
    for _ in range(5):
        task.train_on_batch(features, labels, weights)
    assert task.test_on_batch(features, labels, weights) != before
    for name, array in codes.items():
        np.testing.assert_array_equal(task.named_weights()[name].numpy(), array)
    with pytest.raises(ValueError, match="is beside a kernel of few bits: dequantize"):
        task.merge_adapters()
    wanted = task.classify(["the cat", "the mat"])
    task.save_adapters(tmp_path / "adapters")
    task.save_preset(tmp_path / "preset")
    again = TextClassifier.from_preset(tmp_path / "preset")
    kept = again.quantization.storages()
    assert kept and not any("attention" in path for path in kept)
    np.testing.assert_allclose(again(features), task(features), rtol=1e-4, atol=1e-5)
    task.export(tmp_path / "export")
    loaded = tf.saved_model.load(str(tmp_path / "export"))
    found = loaded.signatures["classify"](text=tf.constant(["the cat", "the mat"]))
    assert found["labels"].shape[0] == len(wanted)


def test_half_a_file_is_refused(tmp_path):
    lm = byte_lm()
    lm.quantize("int8")
    lm.save_preset(tmp_path)
    path = tmp_path / "config.json"
    header = json.loads(path.read_text())
    header["quantization"]["storages"][0]["weights"].remove("tokens/embeddings")
    path.write_text(json.dumps(header))
    with pytest.raises(ValueError, match="missing: tokens/embeddings"):
        CausalLM.from_preset(tmp_path)
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lm: lm.quantize("int9"), "unknown form 'int9': did you mean 'int8'"),
        (lambda lm: lm.quantize("int4", texts=["", "  "]), "texts: there is none"),
        (lambda lm: lm.quantize("int8", texts=["a"]), "texts are to calibrate 'int4'"),
        (lambda lm: lm.quantize("int4", texts=["a"], method="gpt"), "method 'gpt'"),
        (lambda lm: lm.quantize("int4", group_size=1), "group_size must be"),
        (lambda lm: lm.dequantize(), "is stored in float32"),
    ],
)
def test_bad_input_is_one_line(change, message):
    lm = byte_lm()
    with pytest.raises(ValueError, match=message) as caught:
        change(lm)
    assert "\n" not in str(caught.value)
    assert not lm.quantization.storages()


def test_what_is_stored_is_not_stored_again():
    lm = byte_lm()
    lm.quantize("int8")
    with pytest.raises(
        ValueError, match="stored in int8 already: quantize\\('int4'\\)"
    ):
        lm.quantize("int4")
    other = byte_lm()
    other.add_adapters()
    with pytest.raises(ValueError, match="merge_adapters and remove_adapters before"):
        other.quantize("int8")


def test_a_stored_matrix_is_a_tensor_where_one_is_asked_for():
    matrix = StoredMatrix(Storage("int8"), (2, 3), by_inputs=True)
    matrix.build()
    matrix.take([[1.0, -2.0, 0.5], [0.25, 2.0, 0.5]])
    wanted = np.array([[127, -127, 127], [32, 127, 127]]) * [
        1 / 127,
        2 / 127,
        0.5 / 127,
    ]
    np.testing.assert_allclose(tf.convert_to_tensor(matrix), wanted, rtol=1e-6)
    np.testing.assert_allclose(matrix.times(tf.eye(2)), wanted, rtol=1e-6)
