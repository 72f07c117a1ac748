"""What a folder of KerasHub may have, and what is wrong with one."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

import massivetext_keras as mtk
from massivetext_keras.architecture import shapes
from massivetext_keras.cli.planning import config_of
from massivetext_keras.kerashub.h5 import read_h5
from massivetext_keras.tasks import (
    CausalLM,
    MaskedLM,
    Seq2SeqLM,
    TextClassifier,
    TextEmbedder,
)
from massivetext_keras.tasks.registry import task_class
from massivetext_keras.tokenizers import ByteTokenizer, WordPieceTokenizer
from tests.kerashub.fixtures import (
    _LEARNED,
    TEXTS,
    backbone_of,
    byte_pair,
    hub,
    ids_of,
    inputs_for,
    logits_of,
    make,
    randomize,
    word_piece,
)

HUGGING_FACE = Path(__file__).parents[1] / "fixtures" / "huggingface"


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    """A task of KerasHub and its folder, which no test changes."""
    folder = tmp_path_factory.mktemp("gpt2") / "gpt2_tiny"
    task = make("gpt2")
    task.save_to_preset(folder)
    return task, folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bert") / "bert_tiny"
    task = make("bert")
    task.save_to_preset(folder)
    return task, folder


@pytest.fixture
def copy(gpt2, tmp_path):
    """A folder to spoil."""
    return Path(shutil.copytree(gpt2[1], tmp_path / "gpt2_tiny"))


def change(file: Path, **values) -> None:
    """Sets arguments of the object in a JSON file."""
    described = json.loads(file.read_text())
    described["config"] |= values
    file.write_text(json.dumps(described))


def read(folder: Path, cls=CausalLM, **options):
    return cls.from_preset(f"kerashub:{folder}", **options)


def test_the_package_does_not_import_kerashub():
    sources = Path(mtk.__file__).parent.rglob("*.py")
    found = [x for x in sources if "import keras_hub" in x.read_text()]
    assert found == []


def test_the_command_line_takes_a_folder(gpt2):
    assert config_of(f"kerashub:{gpt2[1]}").num_layers == 2


def test_a_folder_that_is_not_there(gpt2, tmp_path):
    beside = gpt2[1].parent
    with pytest.raises(FileNotFoundError, match="did you mean '.*gpt2_tiny'"):
        read(beside / "gpt2_tinny")
    with pytest.raises(FileNotFoundError, match="config.json is missing; did you mean"):
        read(beside)
    with pytest.raises(FileNotFoundError, match="config.json is missing$"):
        read(tmp_path)


def test_folders_of_others(gpt2, tmp_path):
    with pytest.raises(ValueError, match="not a config of KerasHub.* as 'hf:"):
        read(HUGGING_FACE / "gpt2_tied")
    read(gpt2[1]).save_preset(tmp_path)
    with pytest.raises(ValueError, match="not a config of KerasHub; a preset of ours"):
        read(tmp_path)
    with pytest.raises(ValueError, match="a preset of KerasHub is read as 'kerashub:"):
        CausalLM.from_preset(str(gpt2[1]))


def test_a_class_that_is_not_read(copy):
    described = json.loads((copy / "config.json").read_text())
    described["class_name"] = "GPT3Backbone"
    (copy / "config.json").write_text(json.dumps(described))
    with pytest.raises(ValueError, match="'GPT3Backbone' is not read: .*GPT2Backbone"):
        read(copy)


def test_fields_that_would_change_numbers(copy):
    change(copy / "config.json", use_alibi=True)
    with pytest.raises(ValueError, match="config.json: use_alibi=True is no field"):
        read(copy)
    change(copy / "config.json", use_alibi=None)
    assert read(copy).config.num_layers == 2


def test_weights_that_do_not_fit(copy):
    with h5py.File(copy / "model.weights.h5", "a") as file:
        name = "layers/position_embedding/vars/0"
        rows = file[name][:-1]
        del file[name], file["layers/layer_normalization/vars/1"]
        file[name] = rows
        file["layers/dense/vars/0"] = rows
    lines = r"missing: layers/layer_normalization/vars/1 \(16,\)\n"
    lines += r"  left over: layers/dense/vars/0 \(23, 16\)\n"
    lines += r"  wrong shape: layers/position_embedding/vars/0 is \(23, 16\), wanted"
    with pytest.raises(ValueError, match=lines):
        read(copy)
    (copy / "model.weights.h5").write_bytes(b"no HDF5")
    with pytest.raises(ValueError, match="model.weights.h5: not readable HDF5"):
        read(copy)
    (copy / "model.weights.h5").unlink()
    with pytest.raises(FileNotFoundError, match="neither model.weights.h5 nor model.w"):
        read(copy)
    (copy / "style.lora.h5").touch()
    with pytest.raises(FileNotFoundError, match="style.lora.h5 has adapters alone"):
        read(copy)


def test_numbers_that_are_no_floats(copy):
    with h5py.File(copy / "model.weights.h5", "a") as file:
        name = "layers/position_embedding/vars/0"
        codes = file[name][:].astype(np.int8)
        del file[name]
        file[name] = codes
    with pytest.raises(
        ValueError, match="position_embedding/vars/0 holds int8, not fl"
    ):
        read(copy)


def test_a_quantised_task_is_written_as_the_floats_that_it_means(gpt2, tmp_path):
    lm = CausalLM.from_preset(f"kerashub:{gpt2[1]}")
    lm.quantize("int8")
    lm.save_preset(tmp_path, format="kerashub")
    again = CausalLM.from_preset(f"kerashub:{tmp_path}")
    assert lm.quantization.storages() and not again.quantization.storages()
    ids = {"token_ids": np.array([[3, 5, 6, 4]], "int32")}
    np.testing.assert_allclose(again(ids), lm(ids), rtol=1e-4, atol=1e-4)


def test_a_quantized_preset(tmp_path):
    theirs = make("gpt2")
    theirs.backbone.quantize("int8")
    theirs.save_to_preset(tmp_path)
    with pytest.raises(ValueError, match="dtype=DTypePolicyMap is quantized: save the"):
        read(tmp_path)


def test_adapters_are_part_of_what_kerashub_saves(tmp_path):
    theirs = make("gpt2")
    theirs.backbone.enable_lora(2)
    randomize(theirs)
    theirs.save_to_preset(tmp_path)
    arrays = inputs_for(theirs)
    mask = arrays["padding_mask"] == 1
    found = read(tmp_path)(arrays).numpy()[mask]
    np.testing.assert_allclose(found, logits_of(theirs, arrays)[mask], atol=5e-5)


def test_shards_and_half_precision(gpt2, tmp_path):
    theirs, _ = gpt2
    backbone = hub.GPT2Backbone(**_own_sizes(theirs), dtype="bfloat16")
    backbone.set_weights(theirs.backbone.get_weights())
    backbone.save_to_preset(tmp_path, max_shard_size=1.2e-5)
    assert len([*tmp_path.glob("model_*.weights.h5")]) > 1
    tensors = read_h5(tmp_path / "model.weights.json")
    whole = read_h5(gpt2[1] / "model.weights.h5")
    assert tensors.shapes == whole.shapes
    for name in whole:
        assert tensors[name].dtype == "bfloat16"
        np.testing.assert_array_equal(
            tensors[name], whole[name].astype(tensors[name].dtype)
        )
    assert read(tmp_path).config.hidden_size == 16
    (tmp_path / "model_00001.weights.h5").unlink()
    with pytest.raises(FileNotFoundError, match="model.weights.json names it"):
        read(tmp_path)


def _own_sizes(task) -> dict:
    words = task.backbone.vocabulary_size
    return {"vocabulary_size": words, **_LEARNED}


def test_a_tied_output_layer_is_known_by_the_weights(tmp_path):
    sizes = {"num_layers": 1, "hidden_dim": 16, "intermediate_dim": 32}
    sizes |= {"num_query_heads": 4, "num_key_value_heads": 2}
    tied = {**sizes, "tie_word_embeddings": True}
    backbone = backbone_of("Llama3", 50, tied)
    randomize(backbone)
    backbone.save_to_preset(tmp_path / "one")
    ours = read(tmp_path / "one")
    assert ours.config.tied_embeddings
    ours.save_preset(tmp_path / "two", format="kerashub")
    again = hub.Llama3Backbone.from_preset(str(tmp_path / "two"))
    for one, other in zip(backbone.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_encoder_without_tasks(tmp_path):
    backbone = backbone_of("Electra", 50, {**_LEARNED, "embedding_dim": 8})
    randomize(backbone)
    backbone.save_to_preset(tmp_path / "one")
    ours = read(tmp_path / "one", TextEmbedder)
    arrays = {
        "token_ids": np.arange(20, dtype=np.int32).reshape(2, 10),
        "segment_ids": np.ones([2, 10], np.int32),
        "padding_mask": np.ones([2, 10], np.int32),
    }
    wanted = backbone(arrays)["sequence_output"]
    np.testing.assert_allclose(ours.backbone(arrays), wanted, atol=2e-5)
    ours.save_preset(tmp_path / "two", format="kerashub")
    assert not (tmp_path / "two" / "task.json").exists()
    again = hub.ElectraBackbone.from_preset(str(tmp_path / "two"))
    np.testing.assert_array_equal(again(arrays)["sequence_output"], wanted)


def test_labels(bert, tmp_path):
    theirs, folder = bert
    assert read(folder, TextClassifier).labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    names = ["bad", "fair", "good"]
    ours = read(folder, TextClassifier, labels=names)
    assert ours.labels == tuple(names)
    arrays = inputs_for(theirs)
    np.testing.assert_allclose(ours(arrays), logits_of(theirs, arrays), atol=5e-5)
    ours.save_preset(tmp_path, format="kerashub")
    assert (tmp_path / "task.weights.h5").exists()
    assert read(tmp_path, TextClassifier).labels == tuple(names)
    reordered = read(tmp_path, TextClassifier, labels=names[::-1])
    np.testing.assert_allclose(reordered(arrays), logits_of(theirs, arrays), atol=5e-5)
    other = read(folder, TextClassifier, labels=["no", "yes"])
    assert other(arrays).shape == (3, 2)


def test_what_a_classifier_tells(bert, tmp_path):
    folder = Path(shutil.copytree(bert[1], tmp_path / "one"))
    change(folder / "task.json", activation="sigmoid")
    ours = read(folder, TextClassifier)
    assert ours.problem == "multi_label"
    ours.save_preset(tmp_path / "two", format="kerashub")
    again = hub.TextClassifier.from_preset(str(tmp_path / "two"))
    assert again.activation.__name__ == "sigmoid"
    change(folder / "task.json", activation="tanh")
    with pytest.raises(ValueError, match='task.json: activation="tanh" is not support'):
        read(folder, TextClassifier)


def test_an_encoder_for_another_task(bert, caplog):
    _, folder = bert
    ours = read(folder, MaskedLM)
    assert ours.head_fields == {"activation": "gelu", "norm_epsilon": 1e-5}
    assert "has no 'head' for this MaskedLM" in caplog.text


def test_a_task_without_its_weights(bert, tmp_path, caplog):
    folder = Path(shutil.copytree(bert[1], tmp_path / "one"))
    (folder / "task.weights.h5").unlink()
    with caplog.at_level(logging.WARNING):
        ours = read(folder, TextClassifier, labels=["a", "b"])
    assert "task.weights.h5 is missing: the head is new" in caplog.text
    assert ours.labels == ("a", "b")


def test_old_names_of_classes(bert, tmp_path):
    folder = Path(shutil.copytree(bert[1], tmp_path / "one"))
    for name in ("task.json", "config.json", "tokenizer.json"):
        text = (folder / name).read_text().replace("keras_hub", "keras_nlp")
        text = text.replace('"BertTextClassifier"', '"BertClassifier"')
        (folder / name).write_text(text)
    assert task_class(f"kerashub:{folder}") is TextClassifier
    read(folder, TextClassifier)


def test_a_tokenizer_that_is_not_read(gpt2, copy, caplog):
    change(copy / "tokenizer.json", add_prefix_space=True)
    assert read(copy).tokenizer("The").numpy().tolist() != (
        read(gpt2[1]).tokenizer("The").numpy().tolist()
    )
    described = json.loads((copy / "tokenizer.json").read_text())
    described["class_name"] = "GTP2Tokenizer"
    (copy / "tokenizer.json").write_text(json.dumps(described))
    assert read(copy).tokenizer is None
    assert "tokenizer 'GTP2': did you mean 'GPT2'?" in caplog.text
    with pytest.raises(ValueError, match="the model works on ids only: .*'GTP2'"):
        read(copy).generate("a")


@pytest.mark.parametrize(
    "settings", [{"lowercase": False}, {"strip_accents": True}, {"lowercase": True}]
)
def test_case_and_accents(tmp_path, settings):
    theirs = word_piece("Bert", **settings)
    theirs.save_to_preset(tmp_path)
    ours, ends = mtk.kerashub.read_tokenizer(tmp_path)
    texts = [*TEXTS, "(GRÜSSE), schöne Straßen?"]
    assert ours(texts).to_list() == [ids_of(theirs, text) for text in texts]
    assert ends == (ours.eos_id,)
    assert ours.tokenize_with_offsets(texts)[0].to_list() == ours(texts).to_list()
    loaded = WordPieceTokenizer.from_config(ours.get_config())
    assert loaded(texts).to_list() == ours(texts).to_list()


def test_settings_of_a_tokenizer_that_are_not_read(tmp_path):
    word_piece("Bert", split=False).save_to_preset(tmp_path)
    with pytest.raises(ValueError, match="tokenizer.json: split=false is not support"):
        mtk.kerashub.read_tokenizer(tmp_path)


def test_what_ends_a_text_of_llama3(tmp_path):
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"]
    theirs = byte_pair("Llama3", [*special, "<|start_header_id|>", "<|end_header_id|>"])
    theirs.save_to_preset(tmp_path)
    tokenizer, ends = mtk.kerashub.read_tokenizer(tmp_path)
    assert ends == (theirs.end_token_id, theirs.end_token2_id)
    assert tokenizer.bos_id == theirs.start_token_id
    assert set(tokenizer.special_ids) == {*theirs.special_token_ids}


_SMALL = {"vocabulary_size": 40, "num_layers": 2, "hidden_size": 16, "num_heads": 4}
_SMALL |= {"intermediate_size": 32, "max_length": 24}


@pytest.mark.parametrize(
    ("name", "cls", "changes"),
    [
        ("roberta_base", TextEmbedder, {"pooler": False}),
        ("bart_base", Seq2SeqLM, {"logit_bias": True}),
        ("t5_small", Seq2SeqLM, {"head_size": 6, "logit_scale": 16**-0.5}),
        ("llama3_8b", CausalLM, {"num_key_value_heads": 2, "tied_embeddings": True}),
    ],
)
def test_shapes_of_ours_become_presets(tmp_path, name, cls, changes):
    """Positions that no token has, one segment, a bias of zeros: they go without a
    trace."""
    ours = cls(shapes.preset(name).replace(**_SMALL, **changes))
    random = np.random.default_rng(0)
    for path, weight in ours.named_weights().items():
        if path != "logit_bias":
            weight.assign(random.normal(path.endswith("gain"), 0.3, weight.shape))
    ours.save_preset(tmp_path, format="kerashub")
    theirs = hub.Backbone.from_preset(str(tmp_path))
    arrays = {key: np.ones([2, 9], np.int32) for key in theirs.input}
    for key in [key for key in arrays if key.endswith("token_ids")]:
        arrays[key] = random.integers(2, 40, [2, 9]).astype(np.int32)
    wanted = theirs(arrays)
    if isinstance(wanted, dict):
        wanted = wanted["decoder_sequence_output"]
    np.testing.assert_allclose(ours.backbone(arrays), wanted, atol=5e-5)
    again = read(tmp_path, cls)
    np.testing.assert_allclose(again.backbone(arrays), wanted, atol=5e-5)


def test_models_that_kerashub_has_not(tmp_path, caplog):
    source = f"hf:{HUGGING_FACE / 'bert_masked_lm'}"
    ours = MaskedLM.from_preset(source)
    with pytest.raises(
        ValueError, match="BertBackbone, has activation='gelu_tanh' ins"
    ):
        ours.save_preset(tmp_path, format="kerashub")
    ours = MaskedLM.from_preset(source, activation="gelu_tanh")
    ours.tokenizer = None
    fields = "{'activation': 'gelu', 'norm_epsilon': 1e-05}"
    with pytest.raises(
        ValueError, match=f"MaskedLM of KerasHub has head_fields={fields}"
    ):
        ours.save_preset(tmp_path, format="kerashub")
    fields = {"activation": "gelu", "norm_epsilon": 1e-5}
    ours = MaskedLM.from_preset(source, activation="gelu_tanh", head_fields=fields)
    ours.tokenizer = None
    assert not tmp_path.joinpath("config.json").exists()
    ours.save_preset(tmp_path, format="kerashub")
    assert "KerasHub has a pooler here and the model none" in caplog.text
    assert hub.MaskedLM.from_preset(str(tmp_path), preprocessor=None) is not None
    with pytest.raises(
        ValueError, match="BertForMaskedLM has no place for head_fields"
    ):
        ours.save_preset(tmp_path, format="huggingface")


def test_tokenizers_that_kerashub_has_not(gpt2, tmp_path, caplog):
    ours = read(gpt2[1])
    config = ours.config
    other = CausalLM(config, ByteTokenizer())
    with pytest.raises(ValueError, match="has a BytePairTokenizer|is a BytePairTok"):
        other.save_preset(tmp_path, format="kerashub")
    pad = mtk.tokenizers.BytePairTokenizer.train(texts=TEXTS, vocabulary_size=280)
    lm = CausalLM(config.replace(num_layers=1), pad, generation={"top_k": 3})
    tmp_path.joinpath("task.weights.h5").touch()  # of another model
    lm.save_preset(tmp_path, format="kerashub")
    assert not tmp_path.joinpath("task.weights.h5").exists()
    assert "KerasHub has no place for generation" in caplog.text
    theirs = hub.CausalLM.from_preset(str(tmp_path))
    assert ids_of(theirs.preprocessor.tokenizer, TEXTS[0]) == (
        pad(TEXTS[0]).numpy().tolist()
    )
    named = mtk.tokenizers.BytePairTokenizer(
        pad._vocabulary.ids, [], bos_token="<|pad|>", eos_token="<|endoftext|>"
    )
    with pytest.raises(
        ValueError, match="has the bos_token '<.endoftext.>', the model"
    ):
        CausalLM(config, named).save_preset(tmp_path, format="kerashub")


def test_heads_that_kerashub_has_not(bert, tmp_path):
    config = read(bert[1], TextClassifier).config
    tagger = mtk.tasks.TokenClassifier(config, labels=["X"])
    with pytest.raises(
        ValueError, match="BertBackbone of KerasHub holds this model, an"
    ):
        tagger.save_preset(tmp_path, format="kerashub")
    mean = TextClassifier(config, labels=["a", "b"], head="mean")
    with pytest.raises(ValueError, match="no class of KerasHub has the head 'mean'"):
        mean.save_preset(tmp_path, format="kerashub")
    embedder = TextEmbedder(config, pooling="last")
    with pytest.raises(ValueError, match="TextEmbedder of KerasHub has no pooling='la"):
        embedder.save_preset(tmp_path, format="kerashub")
    assert [*tmp_path.iterdir()] == []
