"""Teaches a small language model to reply, and talks with it.

It reads some English (600 updates), then learns 2,168 English and Chinese
conversations, 12 times, with the loss on replies alone; 324 are held out, all of a
first message.
Result: 4.42 nats per token of the replies held out, 2.45 bits per byte; unigrams of
the replies have 6.28 (3.48), trigrams 4.64 (2.57). So small a model knows a few
answers ("My computer is slow.": "Make sure it’s connected and check the drivers.",
without "connected": "Make sure it’s not in and check the drivers.") and no facts.
Time: 13 minutes on 2 cores of an AMD EPYC (Zen 5, bfloat16) shared with other jobs,
with `--data='chat/english/*.yml,chat/chinese/*.yml' --text=lm/wikitext2_valid.raw.txt`.
"""

import time

import keras
import numpy as np
from absl import app, flags

import massivetext_keras as mtk

flags.DEFINE_list("data", None, "chat/english/*.yml,chat/chinese/*.yml")
flags.DEFINE_list("text", None, "to learn the language from, before: lm/*.txt")
flags.DEFINE_integer("text_steps", 600, "updates on it")
flags.DEFINE_float("epochs", 12, "over the conversations")
flags.DEFINE_string("run_dir", "runs/chat", "the trained preset")
FLAGS = flags.FLAGS
MARKS = ("<|im_start|>", "<|im_end|>")


def reply_ids(lm, talks):
    """All tokens of replies, one after another."""
    batches = lm.example_batches(talks, training=False).validation()
    return np.concatenate([y.numpy()[w.numpy() > 0] for _, y, w in batches])


def main(_):
    mtk.training.set_precision("auto")
    keras.utils.set_random_seed(0)
    talks = mtk.tasks.CausalLM.read_examples(FLAGS.data)
    train, test = mtk.tasks.split_examples(talks, 0.1, key=lambda x: x.texts[0])
    texts = [text for talk in train for text in talk.texts]
    tokenizer = mtk.tokenizers.SentencePieceTokenizer.train(
        texts=texts, vocabulary_size=2500, user_defined_symbols=MARKS
    )
    shape = {"num_layers": 4, "hidden_size": 192, "num_heads": 4, "dropout": 0.2}
    shape |= {"intermediate_size": 768, "max_length": 256, "chat_template": "chatml"}
    lm = mtk.tasks.CausalLM.from_preset("gpt_mini", tokenizer, **shape)
    begin = time.time()
    if FLAGS.text:
        steps = FLAGS.text_steps
        lm.compile(mtk.training.adamw(2e-3, steps // 10, steps))
        lm.fit(lm.datasets(FLAGS.text, batch_size=16)[0], steps_per_epoch=steps)
    how = {"batch_tokens": 4096, "weight_decay": 0.1}
    measures = mtk.training.fine_tune(lm, train, test, FLAGS.epochs, 1e-3, **how)
    print(f"trained in {(time.time() - begin) / 60:.0f} minutes")
    lm.save_preset(FLAGS.run_dir)
    print(f"{len(test)} conversations held out: {measures}")
    ids = [reply_ids(lm, talks) for talks in (train, test)]
    for name, found in mtk.ngram.ngram_baselines(*ids, tokenizer.token_bytes()).items():
        print(f"{name}s of replies: {found}")
    questions = [
        "My computer is slow.",
        "你好",
        *(talk.texts[0] for talk in test[::40]),
    ]
    replies = lm.chat(questions, temperature=0.0)
    for question, reply in zip(questions, replies, strict=True):
        print(f"> {question}\n{reply}")
    word = max(replies[0].split(), key=len)
    print(f"without {word!r}: {lm.chat(questions[0], temperature=0.0, banned=word)}")


if __name__ == "__main__":
    app.run(main)
