"""Tasks out of Hugging Face folders and into them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from safetensors.numpy import save_file

from massivetext_keras import tasks, tokenizers
from massivetext_keras.architecture.shapes import PRESETS
from massivetext_keras.huggingface.models import load as load_huggingface
from massivetext_keras.saving import read_tensors
from tests.huggingface.fixtures import FIXTURES, HEADS, NAMES, expected, real

BY_HEAD = {
    "masked_lm": tasks.MaskedLM,
    "pretraining": tasks.MaskedLM,
    "discriminator": tasks.ReplacedTokenDetector,
}
BY_STACK = {
    "decoder": tasks.CausalLM,
    "encoder": tasks.TextEmbedder,
    "encoder_decoder": tasks.Seq2SeqLM,
}


def task_of(name: str) -> type[tasks.CausalLM]:
    config, _ = load_huggingface(FIXTURES / name)
    return BY_HEAD[HEADS[name]] if name in HEADS else BY_STACK[config.stack]


def real_inputs(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: value for name, value in arrays.items() if value.dtype == "int32"}


def results(task, arrays: dict[str, np.ndarray]) -> np.ndarray:
    inputs = real_inputs(arrays)
    if isinstance(task, tasks.TextEmbedder):
        return task.backbone(inputs).numpy()
    return task(inputs).numpy()


@pytest.mark.parametrize("name", NAMES)
def test_a_task_reads_writes_and_reads_again(tmp_path, name):
    kind, arrays = task_of(name), expected(name)
    task = kind.from_preset(f"hf:{FIXTURES / name}")
    key = {tasks.TextEmbedder: "hidden", tasks.ReplacedTokenDetector: "scores"}
    key = key.get(kind, "logits")
    found, places = results(task, arrays), real(arrays, key)
    np.testing.assert_allclose(found[places], arrays[key][places], rtol=0, atol=1e-4)
    task.save_preset(tmp_path, format="huggingface")
    again = kind.from_preset(f"hf:{tmp_path}")
    np.testing.assert_allclose(results(again, arrays), found, rtol=0, atol=1e-5)
    assert again.chosen() == task.chosen()


def test_how_a_model_writes_comes_along(tmp_path):
    config = PRESETS["opus_mt_en_de"].replace(
        vocabulary_size=259, num_layers=1, hidden_size=8, num_heads=2
    )
    options = {"start_id": 2, "first_id": 7, "last_id": 2, "never_ids": (5, (9, 4))}
    tokenizer = tokenizers.ByteTokenizer(add_eos=True)
    lm = tasks.Seq2SeqLM(config, tokenizer, **options)
    lm.save_preset(tmp_path, format="huggingface")
    again = tasks.Seq2SeqLM.from_preset(f"hf:{tmp_path}")
    assert options.items() <= again.chosen().items()
    assert again.tokenizer.fingerprint == tokenizer.fingerprint


def test_a_folder_for_another_task_is_refused():
    for kind, name, message in [
        (tasks.CausalLM, "bert_base", "CausalLM needs stack='decoder'"),
        (tasks.MaskedLM, "gpt2_tied", "MaskedLM needs stack='encoder'"),
        (tasks.Seq2SeqLM, "llama_base", "Seq2SeqLM needs stack='encoder_decoder'"),
    ]:
        with pytest.raises(ValueError, match=message):
            kind.from_preset(f"hf:{FIXTURES / name}")


def with_classifier(folder, name: str, prefix: str, head: dict, **values):
    """A folder as transformers writes a classifier: the tiny model and a head."""
    source = FIXTURES / name
    bare = read_tensors(source)
    tensors = {prefix + k: bare[k] for k in bare if not k.startswith("pooler")}
    if prefix == "bert.":
        tensors |= {prefix + k: bare[k] for k in bare if k.startswith("pooler")}
    save_file(tensors | head, folder / "model.safetensors")
    config = json.loads((source / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


@pytest.mark.parametrize("name", ["bert_base", "roberta_base"])
def test_classifiers(tmp_path, name):
    random, arrays = np.random.default_rng(0), expected(name)

    def matrix(*shape):
        return random.normal(size=shape).astype("float32")

    if name == "bert_base":
        kind, prefix, last = "BertForSequenceClassification", "bert.", "classifier"
        head, pooled = {}, arrays["pooled"]
    else:
        kind, prefix = "RobertaForSequenceClassification", "roberta."
        last, first = "classifier.out_proj", "classifier.dense"
        head = {f"{first}.weight": matrix(18, 18), f"{first}.bias": matrix(18)}
        states = arrays["hidden"][:, 0] @ head[f"{first}.weight"].T
        pooled = np.tanh(states + head[f"{first}.bias"])
    head |= {f"{last}.weight": matrix(3, 18), f"{last}.bias": matrix(3)}
    logits = pooled @ head[f"{last}.weight"].T + head[f"{last}.bias"]
    labels = {"0": "no", "2": "yes", "1": "maybe"}
    with_classifier(tmp_path, name, prefix, head, architectures=[kind], id2label=labels)
    assert tasks.task_class(f"hf:{tmp_path}") is tasks.TextClassifier
    task = tasks.TextClassifier.from_preset(f"hf:{tmp_path}")
    assert task.labels == ("no", "maybe", "yes") and task.problem == "single_label"
    inputs = real_inputs(arrays)
    rows = real(arrays, "pooled")
    np.testing.assert_allclose(task(inputs)[rows], logits[rows], rtol=0, atol=1e-4)
    task.save_preset(tmp_path / "again", format="huggingface")
    again = tasks.TextClassifier.from_preset(f"hf:{tmp_path / 'again'}")
    np.testing.assert_allclose(again(inputs), task(inputs), rtol=0, atol=1e-5)
    assert again.chosen() == task.chosen()
    config = json.loads((tmp_path / "again" / "config.json").read_text())
    assert config["architectures"] == [kind]
    written = read_tensors(tmp_path / "again")
    assert dict(written.shapes) == dict(read_tensors(tmp_path).shapes)
    with pytest.raises(
        ValueError, match="no class of Hugging Face has the head 'mean'"
    ):
        mean = tasks.TextClassifier(task.config, labels=task.labels, head="mean")
        mean.save_preset(tmp_path / "mean", format="huggingface")
    embedder = tasks.TextEmbedder.from_preset(f"hf:{tmp_path}")  # passes the head over
    hidden, rows = embedder.backbone(inputs).numpy(), real(arrays, "hidden")
    np.testing.assert_allclose(hidden[rows], arrays["hidden"][rows], rtol=0, atol=1e-4)


@pytest.mark.parametrize("values", [{"num_labels": 3}, {"id2label": None}, {}])
def test_labels_without_names(tmp_path, values):
    kind = "BertForSequenceClassification"
    head = {"classifier.weight": np.ones([3, 18], "float32")}
    head |= {"classifier.bias": np.ones([3], "float32")}
    with_classifier(
        tmp_path, "bert_base", "bert.", head, architectures=[kind], **values
    )
    if "num_labels" not in values:
        with pytest.raises(
            ValueError, match="tells 3 classes, and config.json has 2 l"
        ):
            tasks.TextClassifier.from_preset(f"hf:{tmp_path}")
        return
    task = tasks.TextClassifier.from_preset(f"hf:{tmp_path}")
    assert task.labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    kernel = task.named_weights()["head/classes/kernel"].numpy()
    assert kernel.tolist() == np.ones([18, 3]).tolist()


def relu(x):
    return np.maximum(x, 0.0)


def gelu(x):
    return x * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0))) / 2.0


@pytest.mark.parametrize(
    ("name", "kind", "first", "last", "head", "function"),
    [
        ("distilbert", "DistilBert", "pre_classifier", "classifier", "relu", relu),
        (
            "electra_generator",
            "Electra",
            "classifier.dense",
            "classifier.out_proj",
            "gelu",
            gelu,
        ),
    ],
)
def test_classifiers_with_other_functions(
    tmp_path, name, kind, first, last, head, function
):
    random, bare = np.random.default_rng(0), read_tensors(FIXTURES / name)
    kind, prefix = f"{kind}ForSequenceClassification", f"{kind.lower()}."
    tensors = {key: bare[key] for key in bare if key.startswith(prefix)}
    size = tasks.MaskedLM.from_preset(f"hf:{FIXTURES / name}").config.hidden_size
    shapes = {f"{first}.weight": (size, size), f"{first}.bias": (size,)}
    shapes |= {f"{last}.weight": (2, size), f"{last}.bias": (2,)}
    own = {k: random.normal(size=x).astype("float32") for k, x in shapes.items()}
    save_file(tensors | own, tmp_path / "model.safetensors")
    config = json.loads((FIXTURES / name / "config.json").read_text())
    (tmp_path / "config.json").write_text(
        json.dumps(config | {"architectures": [kind]})
    )
    task = tasks.TextClassifier.from_preset(f"hf:{tmp_path}")
    assert task.head == f"pooled_{head}" and task.labels == ("LABEL_0", "LABEL_1")
    inputs = real_inputs(expected(name))
    states = task.backbone(inputs).numpy()[:, 0]
    states = function(states @ own[f"{first}.weight"].T + own[f"{first}.bias"])
    logits = states @ own[f"{last}.weight"].T + own[f"{last}.bias"]
    np.testing.assert_allclose(task(inputs), logits, rtol=0, atol=1e-4)
    task.save_preset(tmp_path / "again", format="huggingface")
    again = tasks.TextClassifier.from_preset(f"hf:{tmp_path / 'again'}")
    np.testing.assert_allclose(again(inputs), task(inputs), rtol=0, atol=1e-5)
    other = tasks.TextClassifier(task.config, labels=task.labels)
    with pytest.raises(
        ValueError, match=f"{kind} has the head 'pooled_{head}', not 'p"
    ):
        other.save_preset(tmp_path / "other", format="huggingface")


@pytest.mark.parametrize("name", ["bert_base", "roberta_base"])
def test_taggers(tmp_path, name, caplog):
    random, arrays = np.random.default_rng(0), expected(name)
    kind, prefix = {
        "bert_base": ("BertForTokenClassification", "bert."),
        "roberta_base": ("RobertaForTokenClassification", "roberta."),
    }[name]
    tags = ["B-PER", "I-LOC", "O", "I-PER"]  # in no order, and without a B-LOC
    kernel = random.normal(size=(4, 18)).astype("float32")
    bias = random.normal(size=4).astype("float32")
    head = {"classifier.weight": kernel, "classifier.bias": bias}
    values = {"id2label": dict(enumerate(tags))}
    with_classifier(tmp_path, name, prefix, head, architectures=[kind], **values)
    assert tasks.task_class(f"hf:{tmp_path}") is tasks.TokenClassifier
    task = tasks.TokenClassifier.from_preset(f"hf:{tmp_path}")
    assert task.labels == ("PER", "LOC") and task.scheme == "BIO"
    inputs, rows = real_inputs(arrays), real(arrays, "hidden")
    wanted = (arrays["hidden"] @ kernel.T + bias)[rows]
    found = task(inputs).numpy()[rows]
    order = [task.tag_set.ids[tag] for tag in tags]
    np.testing.assert_allclose(found[..., order], wanted, rtol=0, atol=1e-4)
    assert (found[..., task.tag_set.ids["B-LOC"]] < wanted.min(axis=-1)).all()
    task.save_preset(tmp_path / "again", format="huggingface")
    again = tasks.TokenClassifier.from_preset(f"hf:{tmp_path / 'again'}")
    np.testing.assert_allclose(again(inputs), task(inputs), rtol=0, atol=1e-5)
    assert again.chosen() == task.chosen()
    config = json.loads((tmp_path / "again" / "config.json").read_text())
    assert config["architectures"] == [kind]
    assert config["id2label"] == dict(
        zip("01234", ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], strict=True)
    )
    # the same names are no classes of texts, and what is no tag is no head
    caplog.clear()
    texts = tasks.TextClassifier.from_preset(f"hf:{tmp_path}", labels=["a", "b"])
    assert texts.labels == ("a", "b") and "no 'head' for this TextCl" in caplog.text
    parts = {"id2label": {"0": "NOUN", "1": "VERB", "2": "X\nY", "3": "O-"}}
    with_classifier(tmp_path, name, prefix, head, architectures=[kind], **parts)
    with pytest.raises(ValueError, match="labels must be some, each once"):
        tasks.TokenClassifier.from_preset(f"hf:{tmp_path}")
    assert "id2label has no tags such as O, B-X and I-X" in caplog.text
    crf = tasks.TokenClassifier(task.config, labels=["PER"], crf=True)
    with pytest.raises(ValueError, match="no class of Hugging Face has a chain of tag"):
        crf.save_preset(tmp_path / "crf", format="huggingface")
