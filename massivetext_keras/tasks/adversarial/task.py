"""A generator of texts that learns from texts, then against a discriminator."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.architecture.shapes import preset
from massivetext_keras.architecture.sources import is_shape
from massivetext_keras.configs import AdversarialConfig, RecurrentConfig
from massivetext_keras.kernels.random import hashed, keys_from
from massivetext_keras.models.recurrent import Recurrent
from massivetext_keras.optimization.optimizers import make_optimizer
from massivetext_keras.optimization.trackers import mean
from massivetext_keras.reading.texts import read_documents
from massivetext_keras.saving.weights import (
    assign,
    named_weights,
    read_tensors,
    save_weights,
)
from massivetext_keras.support.files import expanded, read_json, write_json
from massivetext_keras.support.values import choose
from massivetext_keras.tasks.adversarial import sampling
from massivetext_keras.tasks.adversarial.discriminator import Discriminator
from massivetext_keras.tasks.adversarial.rows import (
    batches,
    checked_rows,
    marks_of,
    rows_of,
    word_tokenizer,
)
from massivetext_keras.tasks.language_model.task import CausalLM
from massivetext_keras.text.strings import Texts, as_texts
from massivetext_keras.tokenizers import Tokenizer

ADVERSARIAL = "adversarial.json"
DISCRIMINATOR = "discriminator.safetensors"
_CLIP = 5.0  # of the generator's gradients, as in SeqGAN's program
_ROUNDS = 10  # of what `fit` shows as one epoch


class Phase(NamedTuple):
    """A part of training.

    Attributes:
        update: a batch -> what `fit` shows.
        data: batches without end.
        steps: of an epoch.
        epochs: how many.
    """

    update: Callable[[tf.Tensor], dict[str, tf.Tensor]]
    data: tf.data.Dataset
    steps: int
    epochs: int


class AdversarialTextGenerator(keras.Model):
    """A recurrent language model trained against a discriminator, by policy gradients
    (SeqGAN: Yu et al., 2017) or relaxed samples (after RelGAN: Nie et al., 2019).

    Its `generator` is a `CausalLM`, with all verbs and the export of one, and a preset
    folder is one of that task, too.

    Args:
        config: shape of the generator (None: SeqGAN's, `seqgan`).
        tokenizer: strings to ids (None: `fit` learns one of the whole words of its
            texts, at most as many as the config's vocabulary_size; or gets ids).
        how: how it learns.
        **changes: fields of both, such as `method="gumbel_softmax"`, `rounds=50` and
            `hidden_size=64`.

    Raises:
        ValueError: a name is unknown, or a value is out of its range.

    Example:
        >>> texts = ["a cat sat", "a dog ran", "the cat ran"] * 8
        >>> model = AdversarialTextGenerator(
        ...     length=5, pretrain_epochs=1, discriminator_epochs=0, rounds=0
        ... )
        >>> history = model.fit(texts, verbose=0)
        >>> len(model.generate(3, seed=1))
        3
    """

    def __init__(
        self,
        config: ModelConfig | None = None,
        tokenizer: Tokenizer | None = None,
        how: AdversarialConfig | None = None,
        **changes: Any,
    ):
        super().__init__(name="adversarial_text_generator")
        shape, learning = _divided(changes)
        made = (config or preset("seqgan")).replace(**shape)
        self.how = (how or AdversarialConfig()).replace(**learning)
        if not isinstance(made, RecurrentConfig):
            raise ValueError(
                f"the generator is a recurrent model, such as the shapes seqgan and "
                f"lstm_small, not of stack={made.stack!r}"
            )
        self.config = made
        if self.how.length >= self.config.max_length:
            raise ValueError(
                f"length={self.how.length} needs a max_length above it, not "
                f"{self.config.max_length}"
            )
        self.generator: CausalLM | None = None
        self.discriminator: Discriminator | None = None
        if tokenizer is not None:
            self._make(tokenizer)
        self._trackers: dict[str, keras.metrics.Metric] = {
            name: mean(name, better)
            for name, better in (
                ("generator_loss", "down"),
                ("discriminator_loss", "down"),
                ("discriminator_accuracy", "down"),
                ("reward", "up"),
                ("nll", "down"),
            )
        }
        self._update: Any = None  # that of a `Phase`, while it learns
        self.compile()

    def compile(self, **kwargs) -> None:
        """The rates are those of `how`; `kwargs` of `keras.Model.compile`."""
        super().compile(optimizer=None, loss=None, jit_compile=False, **kwargs)

    def _make(
        self, tokenizer: Tokenizer | None = None, generator: CausalLM | None = None
    ) -> None:
        """The networks and their optimizers."""
        how = self.how
        if tokenizer is not None:
            size = tokenizer.vocabulary_size
            self.config = self.config.replace(vocabulary_size=size)
        self.marks = marks_of(tokenizer)
        if generator is None:
            generation = {"max_new_tokens": how.length}
            generator = CausalLM(self.config, tokenizer, generation=generation)
        self.generator = generator
        self.discriminator = Discriminator(self.config.vocabulary_size, how)
        self.completing = Recurrent(self.config, name="completing")
        self.completing.trainable = False
        self.optimizers = {
            "likelihood": _adam(how.learning_rate, _CLIP),
            "rounds": _adam(how.adversarial_rate, _CLIP),
            "discriminator": _adam(how.discriminator_rate, None),
        }
        for name, optimizer in self.optimizers.items():
            learns = self.discriminator if name == "discriminator" else self.generator
            optimizer.build(learns.trainable_variables)
        counter = {"shape": (), "initializer": "zeros", "trainable": False}
        self._step = self.add_weight(name="step", dtype="int32", **counter)
        self._round = self.add_weight(name="round", dtype="int32", **counter)
        self.built = True

    @property
    def tokenizer(self) -> Tokenizer | None:
        """That of the generator."""
        return None if self.generator is None else self.generator.tokenizer

    def adapt(self, texts: Any) -> np.ndarray:
        """Texts as rows of ids; learns the vocabulary and makes the networks, if there
        are none yet.

        Args:
            texts: as for `fit`.

        Returns:
            int32 [texts, length].

        Raises:
            ValueError: there is nothing to learn from.
        """
        found = _texts_or_ids(texts)
        if isinstance(found, np.ndarray):
            size = self.config.vocabulary_size
            rows = checked_rows(found, size, self.how.length)
            if self.generator is None:
                self._make()
            return rows
        if self.generator is None:
            self._make(
                word_tokenizer(
                    found,
                    self.config.vocabulary_size,
                    self.how.min_count,
                    self.how.lowercase,
                )
            )
        return rows_of(found, self._known().need_tokenizer(), self.how.length)

    def fit(
        self,
        texts: Any,
        validation_data: Any = None,
        *,
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        verbose: Any = "auto",
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Learns by maximum likelihood, then the discriminator, then both in rounds, as
        `how` says; called again, it does so from where it is.

        An epoch is a pass over the texts, in the end ten rounds.

        Args:
            texts: an iterable of texts, a tf.data.Dataset of them; files: a string that
                names one, a pattern or a folder, or paths, whose lines are the texts;
                or ids, int [texts, length].
            validation_data: the same, whose nats per token (`val_nll`) each epoch
                shows.
            callbacks: such as `keras.callbacks.TensorBoard`.
            verbose, **kwargs: of `keras.Model.fit`, such as `validation_freq`.

        Raises:
            ValueError: there is nothing to learn from.
        """
        rows = self.adapt(texts)
        if validation_data is not None:
            held_out = self.adapt(validation_data)
            size = min(256, len(held_out))
            validation_data = tf.data.Dataset.from_tensor_slices(held_out).batch(size)
        history, done = keras.callbacks.History(), 0
        history.set_model(self)
        history.on_train_begin()
        merged: dict[str, list] = {}
        for phase in self._phases(rows):
            if self._update != phase.update:
                self._update = phase.update
                self.make_train_function(force=True)
            found = super().fit(
                phase.data,
                steps_per_epoch=phase.steps,
                initial_epoch=done,
                epochs=done + phase.epochs,
                validation_data=validation_data,
                callbacks=list(callbacks or ()),
                verbose=verbose,
                shuffle=False,
                **kwargs,
            )
            done += phase.epochs
            history.epoch += found.epoch
            for name, values in found.history.items():
                merged.setdefault(name, []).extend(values)
            if self.stop_training:
                break
        history.history = merged
        self.history = history
        return history

    def _phases(self, rows: np.ndarray) -> Iterable[Phase]:
        how = self.how
        size = min(how.batch_size, len(rows))
        data, steps = batches(rows, size, how.seed), len(rows) // size
        if how.pretrain_epochs:
            yield Phase(self._likelihood, data, steps, how.pretrain_epochs)
        if how.discriminator_epochs:
            yield Phase(self._telling, data, steps, how.discriminator_epochs)
        if not how.rounds:
            return
        for own, other in self._pairs():
            own.assign(other)
        self._round.assign(0)
        data = data.batch(how.discriminator_steps)
        epochs, rest = divmod(how.rounds, _ROUNDS)
        for steps, count in ((_ROUNDS, epochs), (rest, 1)):
            if steps and count:
                yield Phase(self._one_round, data, steps, count)

    def _pairs(self) -> Iterable[tuple[keras.Variable, keras.Variable]]:
        """Weights of the network that completes, and the generator's."""
        own, others = self.completing.variables, self._known().backbone.variables
        return zip(own, others, strict=True)

    def train_step(self, batch: tf.Tensor) -> dict[str, tf.Tensor]:
        """An update of the phase that `fit` is in."""
        self._step.assign_add(1)
        shown = self._update(batch)
        for name, value in shown.items():
            self._trackers[name].update_state(value)
        return {name: self._trackers[name].result() for name in shown}

    def test_step(self, batch: tf.Tensor) -> dict[str, tf.Tensor]:
        """Nats of the tokens of texts by the generator."""
        inside = self.marks.inside(batch)
        count = tf.reduce_sum(inside)
        nll = self._weighted_nll(batch, inside, training=False) / count
        self._trackers["nll"].update_state(nll, sample_weight=count)
        return {"nll": self._trackers["nll"].result()}

    @property
    def metrics(self) -> list:
        return [*self._trackers.values()]

    def _seed(self, purpose: int, *more: tf.Tensor) -> tf.Tensor:
        """int32 [2]: another one for each update and purpose."""
        seed = tf.stack([tf.constant(self.how.seed % 2**31), purpose])
        for number in (tf.convert_to_tensor(self._step), *more):
            seed = tf.random.experimental.stateless_fold_in(seed, number)
        return seed

    def _weighted_nll(
        self, ids: tf.Tensor, weights: tf.Tensor, training: bool
    ) -> tf.Tensor:
        """`sampling.weighted_nll` by the generator."""
        model = self._known().backbone
        return sampling.weighted_nll(model, self.marks, ids, weights, training)

    def _likelihood(self, real: tf.Tensor) -> dict[str, tf.Tensor]:
        inside = self.marks.inside(real)
        keys = hashed(self.how.seed % 2**31, self._step)
        with keys_from(keys), tf.GradientTape() as tape:
            loss = self._weighted_nll(real, inside, training=True)
            loss /= tf.reduce_sum(inside)
        self._apply("likelihood", tape, loss)
        return {"generator_loss": loss}

    def _apply(self, name: str, tape: tf.GradientTape, loss: tf.Tensor) -> None:
        learns = self._critic() if name == "discriminator" else self._known()
        variables = learns.trainable_variables
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        self.optimizers[name].apply(gradients, variables)

    def _telling(self, real: tf.Tensor) -> dict[str, tf.Tensor]:
        """An update of the discriminator."""
        loss, accuracy = self._tell(real, tf.constant(0))
        return {"discriminator_loss": loss, "discriminator_accuracy": accuracy}

    def _tell(self, real: tf.Tensor, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The same, of several in an update of `fit` that of a number; its loss, and
        the share of texts and samples that it tells right."""
        relative = self.how.method == "gumbel_softmax"
        fake = tf.stop_gradient(self._samples(real, self._seed(1, number), relative))
        with tf.GradientTape() as tape:
            if relative:
                of_real = self._critic()(real, training=True)
                of_fake = self._critic()(fake, training=True)
                loss = tf.reduce_mean(tf.nn.softplus(of_fake - of_real))
            else:
                both = tf.concat([real, fake], axis=0)
                of_real, of_fake = tf.split(self._critic()(both, training=True), 2)
                losses = tf.nn.softplus(-of_real) + tf.nn.softplus(of_fake)
                loss = tf.reduce_mean(losses) / 2.0 + self._critic().decay()
        self._apply("discriminator", tape, loss)
        border = of_fake if relative else 0.0
        right = [tf.cast(of_real > border, tf.float32)]
        if not relative:
            right.append(tf.cast(of_fake < 0.0, tf.float32))
        return loss, tf.reduce_mean(tf.stack(right))

    def _samples(self, real: tf.Tensor, seed: tf.Tensor, relaxed: bool) -> tf.Tensor:
        """As many as there are texts: ids, or probabilities of them."""
        model, (batch, length) = self._known().backbone, real.shape
        if not relaxed:
            return sampling.sample(model, self.marks, batch, length, seed)
        share = tf.cast(self._round, tf.float32) / max(self.how.rounds, 1)
        inverse = tf.exp(share * math.log(self.how.inverse_temperature))
        return sampling.relaxed(model, self.marks, batch, length, inverse, seed)

    def _one_round(self, some: tf.Tensor) -> dict[str, tf.Tensor]:
        """An update of the generator, and some of the discriminator; [updates, batch,
        length]."""
        self._round.assign_add(1)
        by_method = {
            "policy_gradient": self._by_reward,
            "gumbel_softmax": self._by_slope,
        }
        shown = by_method[self.how.method](some[0])

        def tell(number, *_):
            loss, accuracy = self._tell(some[number], number + 1)
            with tf.control_dependencies([loss, accuracy]):
                return number + 1, loss, accuracy

        zero = tf.constant(0.0)
        _, loss, accuracy = tf.while_loop(
            lambda number, *_: number < self.how.discriminator_steps,
            tell,
            (tf.constant(0), zero, zero),
            parallel_iterations=1,
        )
        return {
            **shown,
            "discriminator_loss": loss,
            "discriminator_accuracy": accuracy,
        }

    def _by_reward(self, real: tf.Tensor) -> dict[str, tf.Tensor]:
        """The policy gradient (Williams, 1992) with rewards of completed texts."""
        how = self.how
        ids = self._samples(real, self._seed(2), relaxed=False)
        worth = sampling.rewards(
            self.completing,
            self.marks,
            lambda full: tf.sigmoid(self._critic()(full, training=False)),
            ids,
            how.rollouts,
            self._seed(3),
        )
        inside = self.marks.inside(ids)
        gain = sampling.above_others(worth, inside) if how.baseline else worth
        with tf.GradientTape() as tape:
            loss = self._weighted_nll(ids, gain * inside, training=False)
            loss /= tf.cast(tf.shape(ids)[0], tf.float32)
        self._apply("rounds", tape, loss)
        for own, other in self._pairs():
            old = tf.convert_to_tensor(own)
            own.assign(old + (1.0 - how.rollout_momentum) * (other - old))
        return {"generator_loss": loss, "reward": tf.reduce_mean(worth[:, -1])}

    def _by_slope(self, real: tf.Tensor) -> dict[str, tf.Tensor]:
        """The gradient of the discriminator through relaxed samples."""
        of_real = self._critic()(real, training=False)
        with tf.GradientTape() as tape:
            fake = self._samples(real, self._seed(2), relaxed=True)
            of_fake = self._critic()(fake, training=False)
            loss = tf.reduce_mean(tf.nn.softplus(of_real - of_fake))
        self._apply("rounds", tape, loss)
        return {"generator_loss": loss, "reward": tf.reduce_mean(tf.sigmoid(of_fake))}

    def _critic(self) -> Discriminator:
        self._known()
        return self.discriminator  # type: ignore[return-value]  # made with the generator

    def _known(self) -> CausalLM:
        if self.generator is None:
            raise RuntimeError(
                "there are no networks yet: fit them, or give a tokenizer"
            )
        return self.generator

    def nll(self, texts: Any) -> float:
        """Nats per token of texts, or of ids, by the generator; ends are tokens.

        Raises:
            ValueError: there is no text.
        """
        rows = self.adapt(texts)
        data = tf.data.Dataset.from_tensor_slices(rows).batch(min(256, len(rows)))
        return float(self.evaluate(data, verbose=0, return_dict=True)["nll"])

    def generate(self, n: int = 1, **choice: Any) -> list[str]:
        """New texts.

        Args:
            n: how many.
            **choice: of `CausalLM.generate`, such as `temperature` and `seed`.

        Raises:
            ValueError: n is not positive, or there is no tokenizer.
        """
        if n < 1:
            raise ValueError(f"n must be positive, got {n}")
        lm = self._known()
        choice.setdefault("max_new_tokens", self.how.length)
        written: Any = lm.generate([""] * n, **choice)
        return written

    def sample(self, n: int, seed: int = 0, temperature: float = 1.0) -> np.ndarray:
        """New texts as ids, int32 [n, length].

        Args:
            n: how many.
            seed: the same gives the same ones.
            temperature: divides the logits.

        Raises:
            ValueError: n or the temperature is not positive.
        """
        if n < 1 or not temperature > 0:
            raise ValueError(
                f"n and temperature must be positive, got {n} and {temperature}"
            )
        model, length, size = self._known().backbone, self.how.length, 512
        parts = []
        for i in range(0, n, size):
            key = tf.constant([seed % 2**31, i])
            heat = tf.constant(temperature, tf.float32)
            parts.append(self._sampler(model, size, length, key, heat).numpy())
        return np.concatenate(parts)[:n]

    @functools.cached_property
    def _sampler(self) -> Callable:
        def draw(model, size, length, key, heat):
            return sampling.sample(model, self.marks, size, length, key, heat)

        return tf.function(draw, autograph=False)

    def score(self, texts: Texts) -> float | list[float]:
        """See `CausalLM.score`."""
        return self._known().score(texts)

    def export(self, path: str | Path, overwrite: bool = False) -> None:
        """Writes the generator as a SavedModel that takes strings and gives strings;
        see `Task.export`."""
        self._known().export(path, overwrite)

    def save_preset(self, folder: str | Path) -> None:
        """Writes the generator as a preset of `CausalLM`, and beside it the
        discriminator and how they learnt; `from_preset` reads them all."""
        lm, folder = self._known(), expanded(folder)
        lm.save_preset(folder)
        save_weights(named_weights(self.discriminator), folder / DISCRIMINATOR)
        write_json(folder / ADVERSARIAL, self.how.to_dict())

    @classmethod
    def from_preset(
        cls, source: str, tokenizer: Tokenizer | None = None, **changes: Any
    ) -> AdversarialTextGenerator:
        """A shape's name with random weights, or what `save_preset` wrote.

        Args:
            source: such as "seqgan" or "lstm_small", or a folder.
            tokenizer: of a shape (None: `fit` learns one).
            **changes: fields of `AdversarialConfig`; of a shape also its own.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a name is unknown, or the folder is another task's, or damaged.
        """
        if is_shape(source):
            return cls(preset(source), tokenizer, **changes)
        folder = expanded(source)
        if not (folder / ADVERSARIAL).exists() and (folder / "config.json").exists():
            raise ValueError(
                f"{folder} has no {ADVERSARIAL}: it is no AdversarialTextGenerator's"
            )
        generator = CausalLM.from_preset(str(source))
        how = AdversarialConfig.from_dict(read_json(folder / ADVERSARIAL))
        shape, learning = _divided(changes)
        if shape:
            raise ValueError(
                f"{', '.join(shape)} of {folder} cannot change: its weights have them"
            )
        found = cls(generator.config, how=how.replace(**learning))
        found._make(generator.tokenizer, generator)
        tensors = read_tensors(folder / DISCRIMINATOR)
        assign(named_weights(found.discriminator), tensors)
        return found


def _adam(rate: float, clip_norm: float | None) -> keras.Optimizer:
    return make_optimizer("adam", rate, beta_2=0.999, clip_norm=clip_norm)


def _divided(changes: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields of the shape, and fields of how it learns.

    Raises:
        UnknownName: one is in neither.
    """
    shape = RecurrentConfig.__dataclass_fields__
    learning = AdversarialConfig.__dataclass_fields__
    for name in changes:
        choose("option of AdversarialTextGenerator", name, {**shape, **learning})
    return (
        {k: v for k, v in changes.items() if k not in learning},
        {k: v for k, v in changes.items() if k in learning},
    )


def _texts_or_ids(texts: Any) -> list[str] | np.ndarray:
    """A list of texts, lines of files, or an array of ids."""
    is_files = isinstance(texts, Sequence) and all(isinstance(x, Path) for x in texts)
    if isinstance(texts, str | Path) or (is_files and texts):
        documents = read_documents(texts)
        return [
            line for text in documents for line in text.splitlines() if line.strip()
        ]
    if isinstance(texts, tf.data.Dataset):
        texts = list(texts.as_numpy_iterator())
        if texts and isinstance(texts[0], np.ndarray):
            return np.stack(texts)
    if isinstance(texts, tf.Tensor):
        texts = texts.numpy()
    if isinstance(texts, np.ndarray) and texts.dtype.kind not in "OSU":
        return texts
    return as_texts("text", texts)[0]
