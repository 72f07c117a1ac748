"""Learns to write titles for Chinese abstracts, from nothing but 900 of them.

A small Transformer over characters first learns to copy, from every sentence of the
abstracts on its first 25 characters, then from the titles. 100 pairs are held out.
Result: TODO
"""

import re
import time

import keras
import numpy as np
from absl import app, flags

import massivetext_keras as mtk
from massivetext_keras.data import TextPair
from massivetext_keras.evaluation import written_scores

flags.DEFINE_string("data", None, "summ/csl_title_zh.tsv, or summ/dialogsum_dev.jsonl")
flags.DEFINE_string("columns", "source=1,target=2", "source=dialogue,target=summary")
flags.DEFINE_string("language", "zh", "of the texts; en is cut into pieces of words")
flags.DEFINE_integer("lead", 25, "characters of the baseline, and of what is copied")
flags.DEFINE_integer("max_length", 256, "tokens of a text")
flags.DEFINE_list("epochs", "6,12", "over the sentences, and over the pairs")
flags.DEFINE_string("run_dir", "runs/summarize", "the trained preset")
FLAGS = flags.FLAGS
MEASURES = ("rouge1", "rouge2", "rougeL")


def read():
    """Pairs to learn from, and those held out."""
    columns = dict(pair.split("=") for pair in FLAGS.columns.split(","))
    columns = {k: int(v) if v.isdecimal() else v for k, v in columns.items()}
    pairs = mtk.tasks.Seq2SeqLM.read_examples(FLAGS.data, columns=columns)
    return mtk.tasks.split_examples(pairs, 0.1)


def rests(pair):
    """The source from each of its sentences on, and its first characters."""
    starts = [
        0,
        *(found.end() for found in re.finditer(r"[。.;；?!\n]\s*", pair.source)),
    ]
    texts = [pair.source[start:] for start in starts]
    return [TextPair(x, x[: FLAGS.lead]) for x in texts if len(x) > 2 * FLAGS.lead]


def target_ids(lm, pairs):
    """All tokens of the targets, one after another."""
    batches = lm.example_batches(pairs, training=False).validation()
    return np.concatenate([y.numpy()[w.numpy() > 0] for _, y, w in batches])


def main(_):
    mtk.training.set_precision("auto")
    keras.utils.set_random_seed(0)
    train, test = read()
    texts = [text for pair in train for text in pair]
    if FLAGS.language == "zh":
        tokenizer = mtk.tokenizers.CharacterTokenizer.train(texts=texts)
    else:
        cls = mtk.tokenizers.SentencePieceTokenizer
        tokenizer = cls.train(texts=texts, vocabulary_size=2000)
    shape = {"num_layers": 3, "hidden_size": 128, "num_heads": 4, "dropout": 0.2}
    shape |= {"intermediate_size": 512, "max_length": FLAGS.max_length}
    shape |= {"norm_position": "pre", "language": FLAGS.language, "measures": MEASURES}
    lm = mtk.tasks.Seq2SeqLM.from_preset("transformer_base", tokenizer, **shape)
    begin = time.time()
    how = {"batch_tokens": 4096, "weight_decay": 0.1, "label_smoothing": 0.1}
    copies = [copy for pair in train for copy in rests(pair)]
    epochs = map(float, FLAGS.epochs)
    mtk.training.fine_tune(lm, copies, None, next(epochs), 2e-3, **how)
    found = mtk.training.fine_tune(lm, train, test, next(epochs), 1e-3, **how)
    print(f"trained in {(time.time() - begin) / 60:.0f} minutes")
    lm.save_preset(FLAGS.run_dir)
    sources, targets = zip(*test, strict=True)
    leads = [source[: FLAGS.lead] for source in sources]
    beams = lm.summarize(sources, max_new_tokens=64, num_beams=4)
    ids = [target_ids(lm, pairs) for pairs in (train, test)]
    print(mtk.ngram.ngram_baselines(*ids, tokenizer.token_bytes()))
    print("greedy", found)
    for name, written in (("lead", leads), ("beams", beams)):
        print(name, written_scores(written, targets, FLAGS.language, MEASURES))
    for source, target, title in list(zip(sources, targets, beams, strict=True))[:5]:
        print(f"{source[:60]}…\n  {target}\n  {title}")


if __name__ == "__main__":
    app.run(main)
