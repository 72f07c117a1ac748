"""What an exported causal language model answers, and how it is checked."""

from __future__ import annotations

import logging
from collections.abc import Callable

import tensorflow as tf

from massivetext_keras.data.conversations import (
    ROLES,
    as_rows,
    chat_ids,
)
from massivetext_keras.data.examples import Conversation
from massivetext_keras.export import Probe, signature
from massivetext_keras.generation.constraints import Constraints
from massivetext_keras.generation.decoding import Decoder
from massivetext_keras.generation.sampling import Sampling
from massivetext_keras.tasks.text_generation import (
    TextGenerator,
    earlier_copies,
    ids_that_end,
    prompt_ids,
    sampling_spec,
    stop_strings,
)
from massivetext_keras.tasks.text_scoring import log_probabilities

logger = logging.getLogger(__name__)

# Checked on: an empty text, several scripts, several lengths.
_PROBES = ["", "Once upon a time", "Über", "中文 text\n\n", "a" * 50]
_CONVERSATIONS = [
    Conversation(("Be brief.", "Hi", "Hi!", "你好 😀"), (*ROLES, "user")),
    Conversation(("Über\n\n",), ("user",)),
    Conversation(("a" * 9, "b" * 50), ("user", "assistant")),
    Conversation(("</s><|im_end|>",), ("user",)),
]
_PROBE_TOKENS = 8
# What Python calls whitespace among ASCII, at the beginning.
_BLANKS = r"\A[ \t\n\r\v\f]+"
_DEFAULT_NEW_TOKENS = 64
_SAMPLING = (
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repetition_penalty",
    "min_new_tokens",
)


def signatures(task) -> dict[str, Callable]:
    """The signatures of a `CausalLM` by name."""
    prompt = tf.TensorSpec([None], tf.string, "prompt")
    tokens, spec = tf.TensorSpec([], tf.int32, "max_new_tokens"), sampling_spec()
    scalars = [tokens, spec.temperature, spec.top_k, spec.top_p, spec.seed]
    # A server fills in what a request leaves out.
    own = task.generation
    usual = Sampling.make(**{k: own[k] for k in _SAMPLING if k in own}, seed=0)
    own_stop = stop_strings(own.get("stop", ()))
    longest = tf.constant(own.get("max_new_tokens", _DEFAULT_NEW_TOKENS))
    defaults = [longest, usual.temperature, usual.top_k, usual.top_p, usual.seed]
    tokenizer, context = task.need_tokenizer(), task.config.max_length
    banned = task.banned_phrases()

    def generator(compiled: bool, stop_ids=(), stop=own_stop) -> TextGenerator:
        stop_ids = tuple(dict.fromkeys((*ids_that_end(task), *stop_ids)))
        decoder = Decoder(
            task.backbone,
            stop_ids,
            "repetition_penalty" in own,
            compiled,
            Constraints(task.never_ids),
            banned,
        )
        return TextGenerator(tokenizer, decoder, stop)

    def sampling(temperature, top_k, top_p, seed) -> Sampling:
        asked_for = {"top_k": top_k, "top_p": top_p, "seed": seed}
        return usual._replace(temperature=temperature, **asked_for)

    def limited(max_new_tokens) -> tf.Tensor:
        return tf.clip_by_value(max_new_tokens, 1, context - 1)

    def sampled(compiled: bool):
        texts = generator(compiled)

        def generate(
            prompt,
            max_new_tokens=defaults[0],
            temperature=defaults[1],
            top_k=defaults[2],
            top_p=defaults[3],
            seed=defaults[4],
        ):
            ids, rows = prompt_ids(tokenizer, prompt), earlier_copies(prompt)
            choice = sampling(temperature, top_k, top_p, seed)
            new = texts.continuations(ids, rows, limited(max_new_tokens), choice)
            return {"text": tf.strings.join([prompt, new])}

        return signature(generate, prompt, *scalars)

    generate = sampled(compiled=False)
    replies = generator(False, task.chat_stop_ids(), task.chat_stop_strings())
    template = task.graph_template()

    def chat(
        roles,
        texts,
        max_new_tokens=defaults[0],
        temperature=defaults[1],
        top_k=defaults[2],
        top_p=defaults[3],
        seed=defaults[4],
    ):
        limit = limited(max_new_tokens)
        found = chat_ids(tokenizer, template, roles, texts, context - limit)
        whole = tf.strings.reduce_join(template.pieces(roles, texts), axis=1)
        choice = sampling(temperature, top_k, top_p, seed)
        rows = earlier_copies(whole)
        text = replies.continuations(found.token_ids, rows, limit, choice)
        return {"text": tf.strings.regex_replace(text, _BLANKS, "")}

    def greedy(prompt):
        # Zero, but no constant: Grappler cannot sort a graph where it sees that a
        # branch with a loop in it is never taken, and says so on stderr.
        temperature = tf.cast(tf.size(prompt) < 0, tf.float32)
        return generate(prompt, defaults[0], temperature, *defaults[2:])

    def score(text):
        return {"log_probability": log_probabilities(task, text)}

    turns = (
        tf.TensorSpec([None, None], tf.string, name) for name in ("roles", "texts")
    )
    if template is None:
        logger.warning(
            "the export has no signature `chat`: %s; chat_template=… may give a "
            "template of strings",
            task.template.unseparated,
        )
    chats = {} if template is None else {"chat": signature(chat, *turns, *scalars)}
    return {
        "serving_default": signature(greedy, prompt),
        "generate": generate,
        "generate_compiled": sampled(compiled=True),
        **chats,
        "score": signature(score, tf.TensorSpec([None], tf.string, "text")),
    }


def probes(task) -> list[Probe]:
    """Questions to the export of a `CausalLM`, with the model's own answers."""
    tokens = min(_PROBE_TOKENS, task.config.max_length - 1)
    greedy = {"max_new_tokens": tokens, "temperature": 0.0}
    texts = task.generate(_PROBES, **greedy)
    sampling = {"top_k": 0, "top_p": 1.0, "seed": 0}
    chats = []
    talks = [talk for talk in _CONVERSATIONS if task.template.writes(talk)]
    if talks and task.graph_template() is not None:
        roles, said = as_rows(talks)
        asked = {"roles": roles, "texts": said, **greedy, **sampling}
        chats = [Probe("chat", asked, {"text": task.chat(talks, **greedy)})]
    greedy |= sampling
    return [
        *[
            Probe(name, {"prompt": _PROBES, **greedy}, {"text": texts})
            for name in ("generate", "generate_compiled")
        ],
        *chats,
        Probe("score", {"text": _PROBES}, {"log_probability": task.score(_PROBES)}),
    ]
