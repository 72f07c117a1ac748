"""Learns word vectors and compares them with people's judgements of likeness.

`--data=lm/brown.txt --pairs=vec/wordsim353.tsv`: rho 0.260 (Spearman) on 274 pairs of
WordSim353 whose words the Brown corpus has five times, in 130 s on 2 cores of an Intel
Xeon (AVX-512) shared with other jobs; gensim 4.4 with the same settings 0.245 ± 0.007
of three seeds (`benchmarks/word_vectors.py`).
"""

import time

from absl import app, flags
from scipy.stats import spearmanr

import massivetext_keras as mtk

flags.DEFINE_string("data", None, "text: files, globs and folders", required=True)
flags.DEFINE_string("pairs", None, "word TAB word TAB judgement", required=True)
flags.DEFINE_enum("method", "skipgram", ["skipgram", "cbow", "glove"], "how")
flags.DEFINE_integer("epochs", 5, "passes over the text")
flags.DEFINE_string("run_dir", None, "folder for the vectors (default: none)")
FLAGS = flags.FLAGS


def main(_):
    vectors = mtk.tasks.WordVectors(method=FLAGS.method, lowercase=True)
    begin = time.perf_counter()
    vectors.fit(FLAGS.data, epochs=FLAGS.epochs, progress=True)
    seconds = time.perf_counter() - begin
    judged, found = [], []
    with open(FLAGS.pairs) as file:
        for line in file:
            one, other, judgement = line.lower().split("\t")[:3]
            if {one, other} <= set(vectors.words):
                judged.append(float(judgement))
                found.append(vectors.similarity(one, other))
    rho = spearmanr(judged, found).statistic
    print(f"{len(vectors.words):,} words in {seconds:.0f} s")
    print(f"Spearman's rho of {len(judged)} pairs: {rho:.3f}")
    for word in ("water", "money", "president"):
        print(word, "-", ", ".join(near for near, _ in vectors.similar(word, 5)))
    if FLAGS.run_dir:
        vectors.save_preset(FLAGS.run_dir)


if __name__ == "__main__":
    app.run(main)
