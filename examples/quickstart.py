"""The whole way, on text that every Python carries: its own documentation.

Trains a vocabulary and a small GPT for MINUTES, compares it with Kneser-Ney n-grams on
the same split, draws the loss, exports, and lets a process that knows only tensorflow
and tensorflow_text write.

Result: 2.051 bits per byte on 32 documents held out, where the n-grams have 2.928,
2.242 and 2.113. Time: five minutes of training, 3,390 updates, on 2 cores of an AMD
EPYC (Zen 5, bfloat16).
"""

import shutil
import subprocess
import sys
import time

import keras
from absl import app, flags

import massivetext_keras as mtk
from massivetext_keras.evaluation import bits_per_byte
from massivetext_keras.models import KneserNey

flags.DEFINE_float("minutes", 5, "of training")
flags.DEFINE_string("run_dir", "runs/quickstart", "logs, preset, picture and export")
FLAGS = flags.FLAGS

BATCH, LENGTH, EVALUATIONS = 8, 128, 10
SERVE = """
import sys, tensorflow as tf, tensorflow_text
generate = (model := tf.saved_model.load(sys.argv[1])).signatures["serving_default"]
for text in generate(prompt=tf.constant(sys.argv[2:]))["text"].numpy():
    print("-" * 72, text.decode(), sep="\\n")
"""


def fit(lm, tokens, steps, **options):
    """Trains for about so many steps, in epochs with an evaluation after each."""
    lm.compile(mtk.training.adamw(3e-3, warmup_steps=steps // 10, total_steps=steps))
    batches = mtk.data.training_batches(tokens, BATCH, LENGTH)
    parts = min(EVALUATIONS, steps // 10)
    return lm.fit(batches, epochs=parts, steps_per_epoch=steps // parts, **options)


class Clock(keras.callbacks.Callback):
    """Times the steps."""

    def __init__(self):
        super().__init__()
        self.times = []

    def on_train_batch_end(self, batch, logs=None):
        self.times.append(time.perf_counter())


def main(_):
    run_dir = FLAGS.run_dir
    for old in ("train", "validation"):
        shutil.rmtree(f"{run_dir}/{old}", ignore_errors=True)
    precision = mtk.training.set_precision("auto")
    keras.utils.set_random_seed(0)
    documents = mtk.corpus.python_documentation()
    train_texts, valid_texts = mtk.corpus.split_documents(documents, 0.05)
    print(f"{len(documents)} documents, {sum(map(len, documents)):,} characters")
    tokenizer = mtk.tokenizers.SentencePieceTokenizer.train(
        texts=train_texts, vocabulary_size=4096
    )
    train = mtk.data.encode_documents(tokenizer, train_texts, progress=True)
    valid = mtk.data.encode_documents(tokenizer, valid_texts)
    size = sum(len(text.encode()) for text in valid_texts)
    results = {}
    for order, name in enumerate(("unigram", "bigram", "trigram"), start=1):
        model = KneserNey(order, vocabulary_size=tokenizer.vocabulary_size).fit(train)
        nats = -model.log_probs(valid)[1:].sum()
        results[name] = nats / (len(valid) - 1), bits_per_byte(nats, size)

    # What is seen more than ten times would be learnt by heart.
    dropout = 0.1 if FLAGS.minutes > 10 else 0.0
    lm = mtk.tasks.CausalLM.from_preset(
        "gpt_nano", tokenizer, max_length=LENGTH, dropout=dropout
    )
    print(f"{lm.count_params():,} parameters in {precision}; measuring the speed")
    fit(lm, train, 20, verbose=0, callbacks=[clock := Clock()])
    seconds = (clock.times[-1] - clock.times[-10]) / 9
    steps = max(20, int(FLAGS.minutes * 60 / seconds))
    validation = mtk.data.validation_batches(valid, BATCH, LENGTH)
    board = mtk.training.TensorBoard(run_dir, sample_every=steps // 4)
    fit(lm, train, steps, validation_data=validation, callbacks=[board])
    final = lm.evaluate(validation, return_dict=True, verbose=0)
    results["GPT"] = final["loss"], final["bits_per_byte"]
    print(f"\n{'validation':12}{'nats per token':>16}{'bits per byte':>16}")
    for name, (nats, bits) in results.items():
        print(f"{name:12}{nats:16.4f}{bits:16.4f}")

    baselines = {name: bits for name, (_, bits) in results.items() if name != "GPT"}
    mtk.training.draw_curves(run_dir, f"{run_dir}/loss.png", baselines=baselines)
    lm.save_preset(run_dir)
    lm.export(f"{run_dir}/served", overwrite=True)
    prompts = ["Return a copy of the string", "class "]
    served = [sys.executable, "-c", SERVE, f"{run_dir}/served", *prompts]
    subprocess.run(served, check=True)
    print(f"\nsee {run_dir}/loss.png and: tensorboard --logdir={run_dir}")


if __name__ == "__main__":
    app.run(main)
