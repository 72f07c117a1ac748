"""What a task of KerasHub is besides its backbone: options, and how Keras writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.huggingface.families.family import Head, known
from massivetext_keras.kerashub.families.family import Backbone
from massivetext_keras.kerashub.objects import PREPROCESSOR, hub_object
from massivetext_keras.tokenizers.base import Tokenizer

# Name of a task, there and here -> what its module is called.
MODULES = {
    "CausalLM": "causal_lm",
    "MaskedLM": "masked_lm",
    "Seq2SeqLM": "seq_2_seq_lm",
    "TextClassifier": "text_classifier",
    "TextEmbedder": "text_embedder",
}
# Names of classes before version 0.19.
_OLDER = {"Classifier": "TextClassifier"}
# Activation of a classifier -> what it tells; the first is written.
_PROBLEMS = {
    "linear": "single_label",
    "sigmoid": "multi_label",
    "softmax": "single_label",
}
_POOLINGS = ("mean", "cls", "max")
_HEAD_EPSILON = 1e-5  # of the norm in every head of a masked language model
_LONGEST = 1024  # that KerasHub pads texts to where nobody says


def task_named(class_name: Any, architecture: str) -> str | None:
    """The task of a class, None of one that there is no task for.

    >>> task_named("BertTextClassifier", "Bert"), task_named("BertClassifier", "Bert")
    ('TextClassifier', 'TextClassifier')
    """
    name = str(class_name).removeprefix(architecture)
    name = _OLDER.get(name, name)
    return name if name in MODULES else None


def fields_of_head(head: Head, config: TransformerConfig) -> dict[str, Any]:
    """Of the head of a masked language model, what is otherwise than in the encoder."""
    own = {
        "activation": head.activation or config.activation,
        "norm_epsilon": _HEAD_EPSILON,
    }
    return {name: x for name, x in own.items() if getattr(config, name) != x}


def classification_head(head: Head) -> str:
    """Our name of a classifier's head."""
    return "pooled_relu" if head.activation == "relu" else "pooled"


def classifier_options(
    values: Mapping[str, Any], head: Head, classes: int
) -> dict[str, Any]:
    """The options of a classifier. KerasHub knows no names of classes; a single one is
    a number.

    Args:
        values: arguments of the task.
        head: of its family.
        classes: that it tells.

    Raises:
        ValueError: its activation is unknown.
    """
    problem = known("activation", values.get("activation") or "linear", _PROBLEMS)
    if classes == 1 and problem == "single_label":
        problem = "regression"
    names = tuple(f"LABEL_{i}" for i in range(classes))
    return {
        "labels": () if problem == "regression" else names,
        "problem": problem,
        "head": classification_head(head),
        "head_dropout": values.get("dropout"),
    }


def embedder_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an embedder.

    Raises:
        ValueError: its pooling is unknown.
    """
    pooling = values.get("pooling_mode", "mean")
    return {
        "pooling": known("pooling_mode", pooling, {x: x for x in _POOLINGS}),
        "unit_length": bool(values.get("normalize", True)),
    }


def task_values(
    task: str, options: Mapping[str, Any], head: Head | None, config: TransformerConfig
) -> dict[str, Any]:
    """The arguments of a task beside backbone and preprocessor.

    Args:
        task: a key of `MODULES`.
        options: of ours.
        head: of its family, or None.
        config: of the backbone.

    Raises:
        ValueError: KerasHub has no argument for an option.
    """
    if task == "TextEmbedder":
        if (pooling := options["pooling"]) not in _POOLINGS:
            raise ValueError(
                f"TextEmbedder of KerasHub has no pooling={pooling!r}; known: "
                + ", ".join(_POOLINGS)
            )
        return {"pooling_mode": pooling, "normalize": options["unit_length"]}
    if head is None:
        return {}
    if task == "MaskedLM":
        there, own = fields_of_head(head, config), options.get("head_fields") or {}
        differing = {k: v for k, v in own.items() if getattr(config, k) != v}
        if differing != there:
            raise ValueError(
                f"MaskedLM of KerasHub has head_fields={there}, not {differing}: "
                f"from_preset(…, head_fields={there}) takes them"
            )
    if task != "TextClassifier":
        return {}
    wanted, name = options.get("head"), classification_head(head)
    if wanted not in (None, name):
        raise ValueError(
            f"this classifier of KerasHub has head={name!r}, not {wanted!r}"
        )
    problem = options.get("problem", "single_label")
    activations = {problem: name for name, problem in reversed(_PROBLEMS.items())}
    rate = options.get("head_dropout")
    return {
        "num_classes": len(options.get("labels") or ()) or 1,
        # a regression has no labels
        "activation": activations.get(problem, "linear"),
        "dropout": config.dropout if rate is None else rate,
    }


def preprocessor_object(
    task: str,
    family: str,
    architecture: str,
    tokenizer: Tokenizer,
    described: Mapping[str, Any],
    config: TransformerConfig,
    sequence_length: int | None = None,
) -> dict[str, Any]:
    """A preprocessor as Keras writes it.

    Args:
        task: a key of `MODULES`.
        family: of `families.table.FAMILIES`.
        architecture: what the names of its classes begin with.
        tokenizer: ours.
        described: the object of KerasHub that it is.
        config: of the backbone.
        sequence_length: tokens of a text that are read (None: as many as KerasHub
            reads, and the model can).
    """
    length = sequence_length or min(config.max_length, _LONGEST)
    values: dict[str, Any] = {"sequence_length": length}
    if task == "CausalLM":
        values |= {"add_start_token": tokenizer.add_bos, "add_end_token": True}
    if task == "Seq2SeqLM":
        values = dict.fromkeys(
            ("encoder_sequence_length", "decoder_sequence_length"), length
        )
    name, module = f"{architecture}{task}Preprocessor", f"{MODULES[task]}_preprocessor"
    return hub_object(
        family,
        name,
        module,
        {"tokenizer": described, "config_file": PREPROCESSOR, **values},
    )


def start_options(family: Backbone, tokenizer: Tokenizer) -> dict[str, Any]:
    """What the decoder of an encoder-decoder begins with: BART's with the end of a
    text and then its beginning, T5's with padding."""
    if family.architecture == "Bart":
        return {"start_id": tokenizer.eos_id, "first_id": tokenizer.bos_id}
    return {"start_id": tokenizer.pad_id}
