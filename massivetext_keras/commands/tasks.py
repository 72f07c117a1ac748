"""The verbs of tasks that learn from examples, and their flags."""

from __future__ import annotations

from massivetext_keras import verbs
from massivetext_keras.commands.flags import (
    CHECKPOINT_EVERY,
    CONFIG,
    DATA,
    PRESET,
    REQUIRED,
    RESUME,
    RUN_DIR,
    SEED,
    STRATEGY,
    TASK,
    TOKENIZER,
    Flag,
    Verb,
)
from massivetext_keras.experiment import FINE_TUNING

_EXAMPLES = (
    Flag(
        "format",
        None,
        "of the examples: tsv, csv, jsonl, json, squad, parquet, text, yaml, parallel, "
        "conll or conllu (default: by the suffix)",
    ),
    Flag(
        "columns",
        None,
        "where the fields are, as text=sentence,label=class, or numbers from 0 in a "
        "table without a head: text=1,label=0",
    ),
    Flag("encoding", "utf-8", "of the files"),
    Flag(
        "strict", False, "end with the first bad line; otherwise they are counted", bool
    ),
)

_OPTION = Flag(
    "option",
    [],
    "of the task, as head=convolution or crf=true; may repeat",
    list,
)

_RUN = (
    TASK._replace(
        default=REQUIRED,
        help="TextClassifier, TokenClassifier, QuestionAnswerer, Seq2SeqLM or CausalLM",
    ),
    PRESET,
    DATA._replace(help="examples: files, globs and folders, by commas"),
    Flag("validation", None, "more of them, to measure on (default: some of --data)"),
    *_EXAMPLES,
    _OPTION,
    TOKENIZER._replace(
        default=None, help=f"{TOKENIZER.help} (default: that of the preset)"
    ),
    Flag("epochs", 3.0, "how often each example is seen", float, above=0),
    Flag(
        "batch_size",
        FINE_TUNING.data.batch_size,
        "rows, over all replicas",
        int,
        least=1,
    ),
    Flag(
        "learning_rate", FINE_TUNING.optimizer.learning_rate, "the peak", float, above=0
    ),
    Flag(
        "sequence_length", None, "tokens of a row (default: the context)", int, least=1
    ),
    Flag(
        "validation_fraction",
        FINE_TUNING.data.validation_fraction,
        "share of the texts held out, where there is no --validation",
        float,
        least=0,
        below=1,
    ),
    Flag("keep_best", None, "measure whose best weights are kept (default: the last)"),
    Flag(
        "adapters",
        None,
        "train adapters alone, and the head: beside products whose path this pattern "
        "is found in, as attention|feed_forward",
    ),
    Flag("rank", 8, "of adapters", int, least=1),
    SEED,
    STRATEGY,
    CONFIG,
    Flag("set", [], "any setting, as optimizer.layer_decay=0.9; may repeat", list),
)

_FINETUNE = (
    *_RUN,
    RUN_DIR,
    CHECKPOINT_EVERY,
    RESUME,
    Flag(
        "folds",
        None,
        "cross-validate with so many parts of --data instead; the folder gets a report",
        int,
        least=2,
    ),
)

_EVALUATE = (
    PRESET,
    DATA._replace(
        help="examples: files, by commas; of a CausalLM text, or conversations in YAML "
        "or, with --format, in other files"
    ),
    TASK,
    Flag("batch_size", 16, "rows of a batch of text", int, least=1),
    Flag(
        "sequence_length", None, "tokens of a row (default: the context)", int, least=1
    ),
    *_EXAMPLES,
    _OPTION,
    Flag("json", False, "measures of examples as a line of JSON", bool),
    Flag("report", None, "folder for a page about the answers to examples"),
    Flag("samples", 200, "resamples, for the intervals of the page", int, least=1),
)

_PREDICT = (
    PRESET,
    TASK,
    Flag("input", REQUIRED, "examples, or lines of text: files, by commas"),
    Flag("output", REQUIRED, "file of JSON lines"),
    *_EXAMPLES,
    _OPTION,
    Flag("overwrite", False, "replace the file", bool),
)

_COMPARE = (
    Flag("first", REQUIRED, "file of `predict`"),
    Flag("second", REQUIRED, "file of `predict`, on the same examples"),
    Flag(
        "measure",
        None,
        "which of the scores (default: the first), or of the measures of --preset",
    ),
    PRESET._replace(
        default=None,
        help="whose task measures resamples as a whole, for what is no mean over "
        "examples, such as the F1 of entities or BLEU",
    ),
    TASK,
    _OPTION,
    Flag(
        "samples",
        1000,
        "resamples; of plain scores ten times as many exchanges",
        int,
        least=1,
    ),
    Flag("seed", 0, "of the draws", int),
    Flag("json", False, "a line of JSON", bool),
    Flag("report", None, "folder for a page about it"),
)

_TUNE = (
    *_RUN,
    Flag(
        "space",
        [],
        "a setting and its values, as optimizer.learning_rate=log:1e-5:1e-3, "
        "model.dropout=0,0.1, option.head=mean,pooled, epochs=int:1:5; may repeat",
        list,
    ),
    Flag("method", "random", "of search", ("random", "grid", "hyperband")),
    Flag("trials", None, "at the most (default: 20 random ones, or all)", int, least=1),
    Flag("measure", None, "that decides (default: the task's first)"),
    Flag("minimize", False, "it is better when it is lower", bool),
    Flag("output", REQUIRED, "folder of the trials and a page about them"),
)

VERBS = {
    "finetune": Verb(
        "train a task on examples: labels, spans, answers, texts",
        "Examples are tables (TSV, CSV, Parquet), JSON, CoNLL columns, CoNLL-U, SQuAD, "
        "parallel files or conversations in YAML. Their fields are text, label, second "
        "(TextClassifier); text, entities, predicate, or words and tags "
        "(TokenClassifier); context, question, answers (QuestionAnswerer); source, "
        "target (Seq2SeqLM); messages, or prompt and reply (CausalLM). A bad line is "
        "counted and left out. "
        "After each epoch the measures of the task's field are printed. The same "
        "command goes on where a stopped run was; the folder is a preset in the end.",
        _FINETUNE,
        verbs.finetune,
    ),
    "evaluate": Verb(
        "measure a model on text or examples",
        "Of a language model on text: nats per token, perplexity and bits per byte. Of "
        "a task on examples, as `finetune` takes them: the measures of its field; "
        "conversations are examples of a language model.",
        _EVALUATE,
        verbs.evaluate,
    ),
    "predict": Verb(
        "answer a file of examples",
        "Each line of the output has the fields of an example, the task's "
        "`prediction`, and its `scores` where the example says what it should be. A "
        "stopped call goes on with the same command; the file appears when it is "
        "whole.",
        _PREDICT,
        verbs.predict,
    ),
    "compare": Verb(
        "say whether one run is better than another",
        "Takes two files of `predict`. p is that of approximate randomization: how "
        "often runs that are equally good differ at least as much. The interval of the "
        "difference is that of the paired bootstrap.",
        _COMPARE,
        verbs.compare,
        ("first", "second"),
    ),
    "tune": Verb(
        "search for the settings with which `finetune` does best",
        "Each trial is a line of trials.jsonl; a failed one ends nothing, and the same "
        "command goes on where a stopped search was. Hyperband gives many settings one "
        "epoch and the best of them three times as many, up to --epochs.",
        _TUNE,
        verbs.tune,
    ),
}
