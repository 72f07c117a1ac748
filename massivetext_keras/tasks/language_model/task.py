"""Causal language modelling: predict the next token, score texts, write texts."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Unpack, overload

import numpy as np
import tensorflow as tf

from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.generation.checks import checked as checked_number
from massivetext_keras.generation.constraints import ids_or_sequences
from massivetext_keras.generation.sampling import SamplingTensors
from massivetext_keras.generation.scoring import log_probabilities
from massivetext_keras.generation.settings import (
    SAMPLING,
    Beams,
    Numbers,
    Sampling,
    Settings,
    checked_own,
    settle,
    values_of,
)
from massivetext_keras.generation.texts import (
    Completion,
    checked_end_ids,
    earlier_copies,
    ids_that_end,
    prompt_ids,
    ragged_ids,
    warn_of_long,
)
from massivetext_keras.generation.writers import Writers
from massivetext_keras.kernels.cross_entropy import logits_losses
from massivetext_keras.models.gpt import GPT
from massivetext_keras.models.recurrent import Recurrent
from massivetext_keras.optimization.trackers import mean
from massivetext_keras.runtimes.portable import Head
from massivetext_keras.support.arguments import Count, Positive
from massivetext_keras.support.threads import forget_what_was_made, made_once
from massivetext_keras.tasks.base import FORMATS, Task
from massivetext_keras.tasks.language_model.chat import (
    Assistant,
    Messages,
    conversations_of,
)
from massivetext_keras.tasks.language_model.completing import (
    ASKED,
    asked_check,
    asked_defaults,
    completed,
    filtered,
)
from massivetext_keras.tasks.language_model.datasets import LanguageModelData
from massivetext_keras.tasks.language_model.moderation import (
    FILTERED,
    REFUSAL,
    Moderation,
    allowed,
    cleared,
)
from massivetext_keras.tasks.language_model.states import CarriedStates
from massivetext_keras.tasks.language_model.streaming import Streaming
from massivetext_keras.tasks.served import (
    FLOAT,
    INTEGER,
    STRING,
    STRINGS,
    Check,
    graph_of,
    served,
)
from massivetext_keras.tasks.source import HuggingFaceFolder, PresetFolder, Source
from massivetext_keras.text.conversations import (
    ROLES,
    as_rows,
    chat_ids,
    conversation_of,
)
from massivetext_keras.text.examples import Conversation
from massivetext_keras.text.framing import utf8
from massivetext_keras.text.strings import Texts, as_texts

logger = logging.getLogger(__name__)

_NEW_TOKENS = 64  # of a request that does not say
_CHOICE = {
    "max_new_tokens": INTEGER,
    "temperature": FLOAT,
    "top_k": INTEGER,
    "top_p": FLOAT,
    "seed": INTEGER,
}
# What `generate` takes besides, one by one; `stream` samples.
_NUMBERS = (*SAMPLING, "num_beams", "length_penalty", "early_stopping")
_SAMPLED = ("stop", *SAMPLING)
# What an export is checked with: an empty text, several scripts, several lengths.
_PROMPTS = ["", "Once upon a time", "Über", "中文 text\n\n", "a" * 50]
_CONVERSATIONS = [
    Conversation(("Be brief.", "Hi", "Hi!", "你好 😀"), (*ROLES, "user")),
    Conversation(("Über\n\n",), ("user",)),
    Conversation(("a" * 9, "b" * 50), ("user", "assistant")),
    Conversation(("</s><|im_end|>",), ("user",)),
]
# What Python calls whitespace among ASCII, at the beginning.
_BLANKS = r"\A[ \t\n\r\v\f]+"


class CausalLM(Task):
    """A language model that reads from left to right: a Transformer (Radford et al.,
    2019), or a recurrent network (Mikolov et al., 2010).

    Args:
        config: shape of the model: a `RecurrentConfig`, or a `TransformerConfig` whose
            `stack` is "decoder" or "prefix".
        tokenizer: strings to ids; without one, `generate_ids` takes ids.
        chat_template: how `chat` puts messages into one text: a name or strings, see
            `data.ChatTemplate`, or a template in Jinja as at Hugging Face, see
            `data.JinjaTemplate` (None: "plain").
        banned: phrases that are never written, in any upper or lower case.
        never_ids: tokens, and sequences of tokens, that are never written.
        generation: arguments of `generate` where a caller gives none, such as
            {"temperature": 0.7}.
        end_ids: ids that end a text (None: the tokenizer's `eos_id`).
        moderation: judges prompts and texts, see `tasks.Moderation` (None: all may
            pass).

    >>> from massivetext_keras.configs import TransformerConfig
    >>> config = TransformerConfig(
    ...     vocabulary_size=50,
    ...     num_layers=1,
    ...     hidden_size=8,
    ...     num_heads=2,
    ...     intermediate_size=16,
    ...     max_length=32,
    ... )
    >>> lm = CausalLM(config)
    >>> lm({"token_ids": [[1, 2, 3]]}).shape
    TensorShape([1, 3, 50])
    >>> lm.generate_ids([[1, 2, 3]], max_new_tokens=4).shape
    TensorShape([1, None])
    """

    backbone_class = (GPT, Recurrent)
    data_class = LanguageModelData
    writes = ("max_new_tokens", "stop", *_NUMBERS)
    options = (
        "chat_template",
        "banned",
        "never_ids",
        "generation",
        "end_ids",
        "moderation",
    )

    def __init__(
        self,
        config: ModelConfig,
        tokenizer=None,
        chat_template: str | Mapping[str, Any] | None = None,
        banned: str | Sequence[str] = (),
        never_ids: Sequence[int | Sequence[int]] = (),
        generation: Mapping[str, Any] | None = None,
        end_ids: Sequence[int] | None = None,
        moderation: Moderation | Mapping[str, Any] | None = None,
        **kwargs,
    ):
        super().__init__(config, tokenizer, **kwargs)
        self.moderation = Moderation.of(moderation)
        self.never_ids = ids_or_sequences(never_ids)
        self.generation = checked_own(generation, self.writes)
        self.end_ids = checked_end_ids(end_ids, config.vocabulary_size)
        self.assistant = Assistant(self, chat_template)
        self.banned = tuple(as_texts("banned phrase", banned)[0])
        self.writers.banned_phrases()  # says now what cannot be kept
        self._label_bytes: Any = None
        self.carried: CarriedStates | None = None
        sizes = None if tokenizer is None else tokenizer.token_bytes()
        if sizes is not None:
            sizes += [0] * (config.vocabulary_size - len(sizes))
            self._label_bytes = tf.constant(sizes, tf.float32)
            self.bits_tracker = mean("bits_per_byte", "down")

    def compile(self, *args, carry_rows: int | None = None, **kwargs):
        """As `TrainingStep.compile`.

        Args:
            *args, **kwargs: see there.
            carry_rows: rows of the batches of `objective="stream"`, each of which goes
                on from the states of a recurrent model that the one before ended with;
                checkpoints hold them (None: rows begin without any).

        Raises:
            ValueError: the model has no states to carry, or what is asked for does not
                go together with them.
        """
        if carry_rows is not None:
            self._check_carried(carry_rows, kwargs.get("micro_batches", 1))
            if kwargs.get("adversarial") is not None:
                raise ValueError("adversarial: carry_rows would read a batch twice")
            if self.carried is None or self.carried.rows != carry_rows:
                self.carried = CarriedStates(self.backbone, carry_rows, name="carried")
        super().compile(*args, **kwargs)
        self._compiled_with["carry_rows"] = carry_rows

    @property
    def carries_states(self) -> bool:
        """Whether its model has states that batches can go on from."""
        return self.backbone.carries_states

    def _check_carried(self, rows: int, micro_batches: int) -> None:
        replicas = self.distribute_strategy.num_replicas_in_sync
        if not self.carries_states:
            raise ValueError(f"carry_rows={rows}: a {self.config.stack} has no states")
        if rows < 1 or micro_batches > 1 or replicas > 1:
            raise ValueError(
                f"carry_rows={rows}: states are carried for 1 row or more, of whole "
                f"batches on one device, not of {micro_batches} micro_batches on "
                f"{replicas}"
            )

    def portable_head(self):
        begins = []
        if self.tokenizer is not None and self.tokenizer.add_bos:
            begins = [self.tokenizer.bos_id]
        settings = {"begins_with": begins, "stop_ids": list(ids_that_end(self))}
        return Head("language_model", settings)

    def call(self, inputs, training: bool | None = None) -> tf.Tensor:
        """Features of the backbone -> float32 logits [batch, length, vocabulary]."""
        return self.backbone.logits(self.backbone(inputs, training=training))

    def summed_loss(self, features, labels, weights, training):
        if type(self).call is not CausalLM.call:
            output = self(features, training=training)
            return self.losses_of(output, features, labels, weights)
        if isinstance(features, Mapping) and "continues" in features:
            if self.carried is None:
                raise ValueError("objective 'stream' needs compile(carry_rows=…)")
            hidden = self.carried.read(self.backbone, features, training)
        else:
            hidden = self.backbone(features, training=training)
        loss, rows = self.backbone.summed_loss(hidden, labels, weights)
        return [loss], rows

    def losses_of(self, output, features, labels, weights):
        return logits_losses(output, labels, weights)

    def label_bytes(self, labels: tf.Tensor) -> tf.Tensor | None:
        """UTF-8 bytes behind each label, float32, or None if not known."""
        if self._label_bytes is None:
            return None
        return tf.gather(self._label_bytes, labels)

    @overload
    def generate(
        self,
        prompts: str,
        max_new_tokens: Count | None = None,
        *,
        stop: str | Sequence[str] | None = None,
        banned: str | Sequence[str] = (),
        num_samples: None = None,
        include_prompt: bool = True,
        parse_special: bool = False,
        details: Literal[False] = False,
        sampling: Sampling | None = None,
        beams: Beams | None = None,
        **numbers: Unpack[Numbers],
    ) -> str: ...
    @overload
    def generate(
        self,
        prompts: Texts,
        max_new_tokens: Count | None = None,
        *,
        stop: str | Sequence[str] | None = None,
        banned: str | Sequence[str] = (),
        num_samples: Positive | None = None,
        include_prompt: bool = True,
        parse_special: bool = False,
        details: bool = False,
        sampling: Sampling | None = None,
        beams: Beams | None = None,
        **numbers: Unpack[Numbers],
    ) -> Completion | list: ...
    def generate(
        self,
        prompts: Texts,
        max_new_tokens: Count | None = None,
        *,
        stop: str | Sequence[str] | None = None,
        banned: str | Sequence[str] = (),
        num_samples: Positive | None = None,
        include_prompt: bool = True,
        parse_special: bool = False,
        details: bool = False,
        sampling: Sampling | None = None,
        beams: Beams | None = None,
        **numbers: Unpack[Numbers],
    ) -> str | Completion | list:
        """Continues texts, all at once, until each ends or has enough tokens.

        A text depends on its prompt, the arguments and the seed, not on the other
        prompts; equal prompts get different samples. Texts and scores are computed in
        float32, whatever the precision of training. What is not given is as the task's
        `generation` says, and else as below. What its `moderation` does not let pass is
        the refusal, without the prompt; of a `Completion` the reason is
        "content_filter" then.

        Args:
            prompts: one text or several. One that is too long keeps its end.
            max_new_tokens: tokens to write at the most (None: 64).
            stop: strings that end the text: it is cut at the earliest place where one
                begins in what is new.
            banned: phrases that are never written, whatever their case, beside the
                task's own; also none that the prompt begins.
            num_samples: texts per prompt (None: one, not in a list); of beams the best.
            include_prompt: whether the texts begin with their prompts.
            parse_special: whether names of special tokens in a prompt are those tokens;
                in what other people typed they should be characters.
            details: whether each text is a `Completion`, with why it ended, counts of
                tokens and log-probabilities; of beams there is none.
            sampling: how tokens are chosen.
            beams: how the best text is searched for, with two beams or more.
            **numbers: fields of `Sampling` and `Beams` one by one: `temperature=0.7,
                top_k=50, top_p=0.9, min_p, repetition_penalty, min_new_tokens, seed`,
                or `num_beams=4, length_penalty, early_stopping`.

        Returns:
            A text for a text, a list for a list; with `num_samples` a list of that many
            for each prompt.

        Raises:
            TypeError: an argument is unknown.
            ValueError: an argument is out of range, or there is no tokenizer.
        """
        given = {"max_new_tokens": max_new_tokens, "stop": stop, **numbers}
        how = self._settled(given, sampling, beams)
        count = _checked_count(num_samples, how.beams.num_beams)
        if how.beams.num_beams > 1 and details:
            raise ValueError("beams give no details: give one or the other")
        prompts, one = as_texts("prompt", prompts)
        if not prompts:
            return []
        ids, limit = self._read(prompts, how.max_new_tokens, parse_special)
        writers, penalize = self.writers, how.sampling.penalizes
        passed = allowed(self.moderation, [[prompt] for prompt in prompts])
        some = [prompts[i] for i in passed]
        found: Sequence[str | Completion]
        if not passed:
            found = []
        elif how.beams.num_beams > 1:
            writer = writers.beam_texts(how.beams.num_beams, how.stop, penalize, banned)
            rules = how.beams.rules(how.sampling)
            best = writer.write(some, tf.gather(ids, passed), limit, rules)
            found = [text for texts in best for text in texts[:count]]
        else:
            sampler = writers.text_generator(how.stop, penalize, banned)
            repeated = [prompt for prompt in some for _ in range(count)]
            asked = tf.gather(ids, np.repeat(passed, count)), limit
            drawn = how.sampling.tensors()
            written = sampler.write(repeated, *asked, drawn, scored=details)
            found = written if details else [row.text for row in written]
        rows: list[list] = [[None] * count for _ in prompts]
        clear = iter(cleared(self.moderation, found))
        for i in passed:
            rows[i] = [next(clear) for _ in range(count)]
        texts: list[Any] = [
            [self._shown(prompt * include_prompt, text, details) for text in some]
            for prompt, some in zip(prompts, rows, strict=True)
        ]
        if num_samples is None:
            texts = [text for (text,) in texts]
        return texts[0] if one else texts

    @property
    def _refusal(self) -> str:
        return REFUSAL if self.moderation is None else self.moderation.refusal

    def _shown(
        self, head: str, text: str | Completion | None, details: bool
    ) -> str | Completion:
        """A text behind what stands before it; of one that may not pass the refusal."""
        if text is None:
            refusal = self._refusal
            return Completion(refusal, FILTERED, 0, (), ()) if details else refusal
        if not head:
            return text
        if isinstance(text, Completion):
            return text._replace(text=head + text.text)
        return head + text

    def stream(
        self,
        prompt: str,
        max_new_tokens: int | None = None,
        *,
        stop: Texts | None = None,
        banned: Texts = (),
        include_prompt: bool = True,
        parse_special: bool = False,
        sampling: Sampling | None = None,
        **numbers: Unpack[Numbers],
    ) -> Iterator[str]:
        """`generate` of one prompt, piece by piece.

        The pieces join to the text of `generate` with the same arguments. A piece never
        ends within a character, nor within what may become a stop string.
        """
        given = {"max_new_tokens": max_new_tokens, "stop": stop, **numbers}
        how = self._settled(given, sampling, taken=_SAMPLED)
        writer = self.writers.text_generator(how.stop, how.sampling.penalizes, banned)
        (prompt,), _ = as_texts("prompt", [prompt])
        ids, limit = self._read([prompt], how.max_new_tokens, parse_special)
        pieces = writer.stream(ids, limit, how.sampling.tensors())
        head = [prompt] if include_prompt and prompt else []
        yield from self._moderated_stream([prompt], head, pieces)

    def _moderated_stream(
        self, asked: Sequence[str], head: list[str], pieces: Iterator[str]
    ) -> Iterator[str]:
        """Pieces of a text behind its head, as they may be sent."""
        judge = self.moderation
        if judge is not None and judge.before and any(judge.refused(asked)):
            yield judge.refusal
            return
        yield from head
        yield from pieces if judge is None else judge.held(pieces)

    def generate_ids(
        self,
        ids,
        max_new_tokens: int | None = None,
        *,
        stop_ids: Sequence[int] | None = None,
        sampling: Sampling | None = None,
        beams: Beams | None = None,
        **numbers: Unpack[Numbers],
    ) -> tf.RaggedTensor:
        """Continues rows of token ids, with the arguments of `generate`; where nobody
        gives a temperature, it is 0.

        Args:
            ids: int32 [batch, length] or a RaggedTensor, no row empty.
            max_new_tokens: tokens to write at the most (None: 64).
            stop_ids: ids that end a row and belong to it (None: those that end a
                text of `generate`).

        Returns:
            int32 RaggedTensor, the prompts included.

        Raises:
            ValueError: an argument is out of range, a row is empty, or prompt and new
                tokens together exceed the context.
        """
        given = {"max_new_tokens": max_new_tokens, **numbers}
        how = self._settled(given, sampling, beams, _NUMBERS, temperature=0.0)
        ids, context = ragged_ids(ids), self.config.max_length
        lengths = ids.row_lengths().numpy()
        longest = int(lengths.max(initial=0))
        if 0 in lengths:
            raise ValueError("generate_ids cannot continue an empty row: give it an id")
        self.check_new_tokens(how.max_new_tokens)
        if longest + how.max_new_tokens > context:
            raise ValueError(
                f"{longest} ids and {how.max_new_tokens} new tokens exceed the context "
                f"of {context} tokens"
            )
        if not how.max_new_tokens:
            return ids
        stop_ids = ids_that_end(self) if stop_ids is None else tuple(stop_ids)
        banned, limit = self.writers.banned_phrases(), tf.constant(how.max_new_tokens)
        num_beams, penalize = how.beams.num_beams, how.sampling.penalizes
        if num_beams > 1:
            searcher = self.writers.searcher(num_beams, stop_ids, penalize)
            rules = how.beams.rules(how.sampling)
            new, _ = searcher.begin(ids, limit, rules, (), banned)
            return tf.concat([ids, new[::num_beams]], axis=1)
        ends = banned, tf.constant(stop_ids, tf.int32, [len(stop_ids)])
        decoder = self.writers.decoder(penalize)
        return decoder.extend(ids, limit, how.sampling.tensors(), *ends)

    def _settled(
        self,
        given: Mapping[str, Any],
        sampling: Sampling | None = None,
        beams: Beams | None = None,
        taken: tuple[str, ...] = ("stop", *_NUMBERS),
        **usual: Any,
    ) -> Settings:
        usual, own = {"max_new_tokens": _NEW_TOKENS, **usual}, self.generation
        context = self.config.max_length
        return settle(given, own, taken, usual, context, sampling, beams)

    @property
    def template(self):
        """How conversations become text: a `ChatTemplate` or a `JinjaTemplate`."""
        return self.assistant.template

    @property
    def chat_template(self) -> str | dict[str, Any]:
        """See `Assistant.source`."""
        return self.assistant.source

    def set_chat_template(self, value: str | Mapping[str, Any] | None) -> None:
        """Takes another template for `chat`; None is "plain", which nobody chose."""
        self.assistant = Assistant(self, value)

    def chat_stop_ids(self) -> tuple[int, ...]:
        """See `Assistant.stop_ids`."""
        return self.assistant.stop_ids()

    def chat_stop_strings(self) -> tuple[str, ...]:
        """See `Assistant.stop_strings`."""
        return self.assistant.stop_strings()

    def chat(
        self,
        messages: Messages | Sequence[Messages],
        max_new_tokens: Count | None = None,
        *,
        banned: Texts = (),
        sampling: Sampling | None = None,
        **numbers: Unpack[Numbers],
    ) -> str | list[str]:
        """Replies to conversations.

        Args:
            messages: one conversation or several: dicts with "role" ("system", "user"
                or "assistant") and "content", a `Conversation`, or a text of the
                user's. One that is too long loses its oldest turns, but for those of
                the system.
            max_new_tokens: tokens of a reply at the most (None: 64).

        The other arguments are those of `generate`.

        Returns:
            A reply for a conversation, a list for a list.

        Raises:
            ValueError: a role is unknown, a conversation empty, an argument out of
                range, or there is no tokenizer.
        """
        given = {"max_new_tokens": max_new_tokens, **numbers}
        how = self._settled(given, sampling, taken=SAMPLING)
        talks, one = conversations_of(messages)
        if not talks:
            return []
        passed = allowed(self.moderation, [talk.texts for talk in talks])
        some = [talks[i] for i in passed]
        found = self.assistant.replies(some, how, banned) if some else []
        clear = dict(zip(passed, cleared(self.moderation, found), strict=True))
        shown = map(clear.get, range(len(talks)))
        replies = [self._refusal if text is None else text for text in shown]
        return replies[0] if one else replies

    def chat_stream(
        self,
        messages: Messages,
        max_new_tokens: int | None = None,
        *,
        banned: Texts = (),
        sampling: Sampling | None = None,
        **numbers: Unpack[Numbers],
    ) -> Iterator[str]:
        """`chat` of one conversation, piece by piece; the pieces join to the reply."""
        given = {"max_new_tokens": max_new_tokens, **numbers}
        how = self._settled(given, sampling, taken=SAMPLING)
        talk = conversation_of(messages)
        pieces = self.assistant.stream(talk, how, banned)
        yield from self._moderated_stream(talk.texts, [], pieces)

    @property
    def moderation(self) -> Moderation | None:
        """What judges prompts and texts, None where all may pass."""
        return self._moderation

    @moderation.setter
    def moderation(self, value: Moderation | None) -> None:
        before = vars(self).get("_moderation")
        if any(x is not None and x.in_graph for x in (before, value)):
            forget_what_was_made(self)  # such as graphs that have another classifier
        self._moderation = value

    def save_preset(self, folder: str | Path, format: str = FORMATS[0]) -> None:
        if self.moderation is not None:
            if format != FORMATS[0]:
                raise ValueError(
                    f"moderation: the format {format!r} has none: set task.moderation "
                    "to None"
                )
            self.moderation.save(folder)
        super().save_preset(folder, format)

    def check_export(self, format: str, options: Mapping[str, Any]) -> None:
        if self.banned and format != "savedmodel":
            logger.warning("the format %r keeps no banned phrases", format)
        if self.moderation is None:
            return
        if format != "savedmodel" or options.get("streaming"):
            what = "a stream" if format == "savedmodel" else f"the format {format!r}"
            raise ValueError(
                f"moderation: {what} cannot be held back: set task.moderation to None, "
                "and moderate where texts are served"
            )
        self.moderation.check_in_graph()

    def held_by_export(self) -> list[Any]:
        return [] if self.moderation is None else self.moderation.held_by_export()

    def chosen(self) -> dict[str, Any]:
        values = super().chosen()
        if not self.assistant.is_chosen:
            del values["chat_template"]
        if self.moderation is None:
            del values["moderation"]
        else:
            values["moderation"] = self.moderation.to_dict()
        return values

    def as_chosen(self, name: str, value: Any) -> Any:
        if name == "chat_template" and value is not None:
            return Assistant(self, value).source
        return super().as_chosen(name, value)

    def huggingface_options(self) -> dict[str, Any]:
        values = self.chosen()
        if "chat_template" in values:
            values["chat_template"] = self.assistant.jinja
        return values

    def loaded_from(self, source: Source) -> None:
        if self.moderation is not None and isinstance(source, PresetFolder):
            self.moderation = self.moderation.loaded(source.name)
        if isinstance(source, HuggingFaceFolder) and not self.assistant.is_chosen:
            self.assistant.missing = (
                f"{source.name} has no chat template: messages are written as User: … "
                'Assistant: …; from_preset(…, chat_template="chatml") takes another one'
            )

    def score(self, texts: Texts) -> float | list[float]:
        """Log-probability of texts, in nats, of all their tokens together.

        The first token is conditioned on the token that documents begin with. A text
        longer than the context is scored in consecutive windows.
        """
        texts, one = as_texts("text", texts)
        if not texts:
            return []
        scores = self.score_graph([*map(utf8, texts)])["log_probability"]
        scores = scores.numpy().tolist()
        return scores[0] if one else scores

    @served(
        "generate",
        prompt=STRING,
        **_CHOICE,
        defaults=lambda task: task.served_defaults(),
        checks=lambda task: [({"prompt": _PROMPTS, **task.few()}, None)],
        loops=True,
    )
    def generate_graph(self, prompt, max_new_tokens, *choice, compiled) -> dict:
        """`generate` (prompt, max_new_tokens, temperature, top_k, top_p, seed -> text),
        the prompt included."""
        stop = self.generation.get("stop", ())
        if compiled:
            writer = self.writers.text_generator(stop, self._own.penalizes)
        else:
            writer = self.writers.plain_text_generator(stop)
        ids, copies = prompt_ids(self.tokenizer, prompt), earlier_copies(prompt)
        how = self.checked_limit(max_new_tokens), self._chosen(*choice)
        found = writer.continued(ids, copies, *how)
        text = self._moderated_rows(prompt, found.text, prompt + found.text)
        return {"text": text, "_lead": found.lead}

    def _moderated_rows(
        self, asked: tf.Tensor, written: tf.Tensor, text: tf.Tensor
    ) -> tf.Tensor:
        """In a graph: texts, with the refusal in place of those that may not pass."""
        if self.moderation is None:
            return text
        refused = self.moderation.refused_in_graph(asked, written)
        return tf.where(refused, self.moderation.refusal, text)

    @served("serving_default", prompt=STRING, checks=lambda task: [], loops=True)
    def default_graph(self, prompt, compiled) -> dict[str, tf.Tensor]:
        """The most probable text of `generate`."""
        # Zero, but no constant: Grappler cannot sort a graph where it sees that a
        # branch with a loop in it is never taken, and says so on stderr.
        temperature = tf.cast(tf.size(prompt) < 0, tf.float32)
        generate = graph_of(self, CausalLM.generate_graph, compiled)
        return {"text": generate(prompt, temperature=temperature)["text"]}

    @served(
        "chat",
        roles=STRINGS,
        texts=STRINGS,
        **_CHOICE,
        defaults=lambda task: task.served_defaults(),
        checks=lambda task: task._chat_checks(),
        when=lambda task: task.serves_chat(),
    )
    def chat_graph(self, roles, texts, max_new_tokens, *choice) -> dict:
        """`chat` (roles and texts [batch, turns], padded with "", and what `generate`
        has -> text)."""
        limit, sampling = self.checked_limit(max_new_tokens), self._chosen(*choice)
        ids, copies = self._conversations(roles, texts, limit)
        ends = self.chat_stop_strings(), self.chat_stop_ids()
        writer = self.writers.plain_text_generator(*ends)
        found = writer.continued(ids, copies, limit, sampling)
        text = tf.strings.regex_replace(found.text, _BLANKS, "")
        text = self._moderated_rows(texts, text, text)
        return {"text": text, "_lead": found.lead}

    def _conversations(
        self, roles: tf.Tensor, texts: tf.Tensor, max_new_tokens: tf.Tensor
    ) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """The ids that replies follow, and how many earlier rows are the same."""
        known = tf.reduce_any(roles[..., None] == tf.constant([*ROLES, ""]), axis=-1)
        roles = checked_number(
            roles, known, f"roles must be {', '.join(ROLES)}, or empty"
        )
        template = self.assistant.graph_template
        if template is None:
            raise ValueError("the chat template has no form that a graph can use")
        room = self.config.max_length - max_new_tokens
        found = chat_ids(self.tokenizer, template, roles, texts, room)
        whole = tf.strings.reduce_join(template.pieces(roles, texts), axis=1)
        return found.token_ids, earlier_copies(whole)

    @served(
        "complete",
        prompt=STRING,
        **ASKED,
        defaults=lambda task: asked_defaults(task),
        checks=lambda task: [({"prompt": _PROMPTS, **asked_check(task)}, None)],
    )
    def complete_graph(self, prompt, *asked) -> dict[str, tf.Tensor]:
        """`generate` with `details`, for stop strings and banned phrases that come with
        the request; see `completing.completed`. The prompt is not in the text."""
        ids, copies = prompt_ids(self.tokenizer, prompt), earlier_copies(prompt)
        return filtered(self.moderation, prompt, completed(self, ids, copies, asked))

    @served(
        "complete_chat",
        roles=STRINGS,
        texts=STRINGS,
        **ASKED,
        defaults=lambda task: asked_defaults(task, stop=()),
        checks=lambda task: task._chat_checks(asked_check(task)),
        when=lambda task: task.assistant.graph_template is not None,
    )
    def complete_chat_graph(self, roles, texts, *asked) -> dict[str, tf.Tensor]:
        """`chat` with what `complete` has."""
        limit = self.checked_limit(asked[list(ASKED).index("max_new_tokens")])
        ids, copies = self._conversations(roles, texts, limit)
        ends = self.chat_stop_strings(), self.chat_stop_ids()
        found = completed(self, ids, copies, asked, *ends)
        text = tf.strings.regex_replace(found["text"], _BLANKS, "")
        return filtered(self.moderation, texts, {**found, "text": text})

    @served("count", text=STRING)
    def count_graph(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """How many tokens texts have as prompts (text -> tokens)."""
        lengths = prompt_ids(self.tokenizer, text).row_lengths()
        return {"tokens": tf.cast(lengths, tf.int32)}

    @served("score", text=STRING)
    def score_graph(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score` (text -> log_probability)."""
        return {"log_probability": log_probabilities(self, text)}

    def streaming(self, xla: bool = True) -> Streaming:
        return Streaming(self, xla)

    def serves_chat(self) -> bool:
        """Whether an export can have `chat`; says why where it cannot."""
        if self.assistant.graph_template is not None:
            return True
        logger.warning(
            "the export has no signature `chat`: %s; chat_template=… may give a "
            "template of strings",
            self.template.unseparated,
        )
        return False

    def served_defaults(self) -> dict[str, Any]:
        """What a request leaves out is as the task's `generation` says."""
        most = self.generation.get("max_new_tokens", _NEW_TOKENS)
        most = min(most, self.config.max_length - 1)
        return {**self._own.to_dict(), "max_new_tokens": most}

    @property
    def own_numbers(self) -> dict[str, Any]:
        """What a request to an export does not say of the sampling."""
        return self._own.to_dict()

    @property
    def _own(self) -> Sampling:
        return values_of({"seed": 0, **self.generation})[0]

    def _chosen(self, *choice: tf.Tensor) -> SamplingTensors:
        given = dict(zip(list(_CHOICE)[1:], choice, strict=True))
        return self._own.tensors()._replace(**given).checked()

    def checked_limit(self, count: tf.Tensor) -> tf.Tensor:
        """`max_new_tokens` of a request to a graph."""
        context = self.config.max_length
        wanted = f"max_new_tokens must be at least 0 and below the context of {context}"
        return checked_number(count, (count >= 0) & (count < context), wanted)

    def few(self) -> dict[str, Any]:
        """The numbers that an export is checked with."""
        greedy = {"temperature": 0.0, "top_k": 0, "top_p": 1.0, "seed": 0}
        return {"max_new_tokens": min(8, self.config.max_length - 1), **greedy}

    def _chat_checks(self, how: Mapping[str, Any] | None = None) -> list[Check]:
        talks = [talk for talk in _CONVERSATIONS if self.template.writes(talk)]
        if not talks:
            return []
        roles, texts = (x.numpy() for x in as_rows(talks))
        return [({"roles": roles, "texts": texts, **(how or self.few())}, None)]

    @property
    @made_once
    def writers(self) -> Writers:
        """What writes texts and ids, and keeps phrases from being written."""
        return Writers(self)

    def check_new_tokens(self, max_new_tokens: int) -> None:
        """Refuses more new tokens than the context holds beside one of a prompt.

        Raises:
            ValueError: says how many there may be.
        """
        context = self.config.max_length
        if not 0 <= max_new_tokens < context:
            raise ValueError(
                f"max_new_tokens must be at least 0 and below the context of {context} "
                f"tokens, got {max_new_tokens}"
            )

    def _read(
        self, prompts: Sequence[str], max_new_tokens: int, parse_special: bool
    ) -> tuple[tf.RaggedTensor, int]:
        """Prompts as ids; one that is too long is warned about."""
        tokenizer = self.need_tokenizer()
        self.check_new_tokens(max_new_tokens)
        context = self.config.max_length
        room = context - max_new_tokens
        ids = prompt_ids(tokenizer, prompts, parse_special)
        but = (
            f"with {max_new_tokens} new ones the context of {context} has room for its "
            f"last {room}"
        )
        warn_of_long("prompt", ids.row_lengths().numpy(), room, but)
        return ids, max_new_tokens


def _checked_count(num_samples: int | None, num_beams: int) -> int:
    """How many texts of a prompt there are."""
    count = 1 if num_samples is None else num_samples
    if count < 1:
        raise ValueError(f"num_samples must be positive, got {count}")
    if 1 < num_beams < count:
        raise ValueError(f"num_samples {count} is more than num_beams {num_beams}")
    return count
