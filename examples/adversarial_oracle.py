"""SeqGAN's synthetic experiment: how likely an oracle finds what generators write.

The oracle is an LSTM with weights of N(0, 1); generators learn from 10,000 of its texts
of 20 tokens, and write as many. The number is nats per token by the oracle: less is
better.

With 300 tokens, 2,000 texts of 10, `--filters=0.1 --rollouts=4 --pretrain_epochs=30
--rounds=50 --relaxed_rounds=100`: the oracle's own texts 3.211, random ones 8.382,
maximum likelihood 5.059 (at temperature 0.8: 4.302), the policy gradient 4.467, relaxed
samples 4.668, in 3 minutes on 2 cores of an AMD EPYC shared with other jobs. At the
sizes of the defaults, which are the paper's, maximum likelihood has 9.131 (9.038 is
published), 40 rounds of the policy gradient 9.140 (8.736), and 500 relaxed ones 9.127:
see docs/classics.md.
"""

import time
from pathlib import Path

import keras
import numpy as np
from absl import app, flags

import massivetext_keras as mtk
from massivetext_keras.tasks import AdversarialTextGenerator
from massivetext_keras.tasks.adversarial.oracle import Oracle

flags.DEFINE_integer("vocabulary_size", 5000, "tokens that there are")
flags.DEFINE_integer("length", 20, "tokens of a text")
flags.DEFINE_integer("texts", 10000, "to learn from, and to be judged by")
flags.DEFINE_integer("hidden_size", 32, "of the oracle and of the generators")
flags.DEFINE_integer("batch_size", 64, "texts of an update")
flags.DEFINE_integer("pretrain_epochs", 120, "passes of maximum likelihood")
flags.DEFINE_integer("discriminator_epochs", 10, "passes of the discriminator alone")
flags.DEFINE_integer("rounds", 100, "of the policy gradient")
flags.DEFINE_integer("relaxed_rounds", 500, "of the Gumbel-softmax variant")
flags.DEFINE_integer("discriminator_steps", 15, "in a round of the policy gradient")
flags.DEFINE_integer("relaxed_discriminator_steps", 5, "in a round of the other")
flags.DEFINE_integer("rollouts", 16, "completions of a beginning")
flags.DEFINE_float("inverse_temperature", 5.0, "that relaxed samples end with")
flags.DEFINE_float("filters", 1.0, "share of the paper's filters")
flags.DEFINE_float("discriminator_rate", 1e-3, "of the discriminator")
flags.DEFINE_float("adversarial_rate", 3e-3, "of the generator in the rounds")
flags.DEFINE_integer("seed", 0, "of the oracle, and of all else")
flags.DEFINE_multi_enum(
    "method",
    ["policy_gradient", "gumbel_softmax"],
    ["policy_gradient", "gumbel_softmax"],
    "what goes on from maximum likelihood",
)
flags.DEFINE_string("run_dir", None, "folder of presets and logs", required=True)
FLAGS = flags.FLAGS


class OracleScore(keras.callbacks.Callback):
    """Tells the oracle's number of what the generator writes, as `oracle_nll`."""

    def __init__(self, oracle: Oracle, every: int):
        super().__init__()
        self.oracle, self.every = oracle, every

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every == 0:
            found = self.oracle.nll(self.model.sample(2000, seed=epoch))
            logs["oracle_nll"] = found
            print(f"epoch {epoch + 1}: oracle_nll {found:.3f}", flush=True)


def learn(model, oracle, name, every, texts, held_out):
    """Fits, and gives the seconds."""
    begin = time.perf_counter()
    logs = keras.callbacks.TensorBoard(
        f"{FLAGS.run_dir}/logs/{name}", write_graph=False
    )
    watched = [OracleScore(oracle, every), logs]
    model.fit(texts, held_out, callbacks=watched, verbose=2, validation_freq=every)
    model.save_preset(f"{FLAGS.run_dir}/{name}")
    return time.perf_counter() - begin


def main(_):
    keras.utils.set_random_seed(FLAGS.seed)
    size = {"vocabulary_size": FLAGS.vocabulary_size, "hidden_size": FLAGS.hidden_size}
    config = mtk.architecture.shapes.preset("seqgan").replace(**size)
    oracle = Oracle(config, FLAGS.length, FLAGS.seed)
    texts = oracle.sample(FLAGS.texts, seed=1)
    held_out = oracle.sample(2000, seed=2)
    chance = np.random.default_rng(0)
    table = {
        "the oracle itself": oracle.nll(oracle.sample(FLAGS.texts, seed=3)),
        "random tokens": oracle.nll(
            chance.integers(0, size["vocabulary_size"], texts.shape)
        ),
    }
    seconds = {}
    folder = Path(FLAGS.run_dir) / "maximum_likelihood"
    paper = mtk.configs.AdversarialConfig()
    how = {
        "filters": tuple(max(round(n * FLAGS.filters), 1) for n in paper.filters),
        "length": FLAGS.length,
        "batch_size": FLAGS.batch_size,
        "rollouts": FLAGS.rollouts,
        "inverse_temperature": FLAGS.inverse_temperature,
        "discriminator_rate": FLAGS.discriminator_rate,
        "seed": FLAGS.seed,
    }
    if not folder.exists():
        model = AdversarialTextGenerator(
            config,
            **how,
            pretrain_epochs=FLAGS.pretrain_epochs,
            discriminator_epochs=0,
            rounds=0,
        )
        seconds[folder.name] = learn(model, oracle, folder.name, 10, texts, held_out)
    for method in ("maximum_likelihood", *FLAGS.method):
        if method != "maximum_likelihood":
            relaxed = method == "gumbel_softmax"
            model = AdversarialTextGenerator.from_preset(
                str(folder),
                **how,
                method=method,
                pretrain_epochs=0,
                discriminator_epochs=0 if relaxed else FLAGS.discriminator_epochs,
                rounds=FLAGS.relaxed_rounds if relaxed else FLAGS.rounds,
                discriminator_steps=FLAGS.relaxed_discriminator_steps
                if relaxed
                else FLAGS.discriminator_steps,
                adversarial_rate=FLAGS.adversarial_rate,
            )
            seconds[method] = learn(model, oracle, method, 1, texts, held_out)
        else:
            model = AdversarialTextGenerator.from_preset(str(folder), **how)
        for temperature in (1.0, 0.8, 0.6):
            ids = model.sample(FLAGS.texts, seed=5, temperature=temperature)
            table[f"{method}, temperature {temperature}"] = oracle.nll(ids)
        print(f"{method}: held-out texts {model.nll(held_out):.3f} nats per token")
    for name, value in table.items():
        print(f"{name:40} {value:.3f}")
    for name, value in seconds.items():
        print(f"{name:40} {value:.0f} s")


if __name__ == "__main__":
    app.run(main)
