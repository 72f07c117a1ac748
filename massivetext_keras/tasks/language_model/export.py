"""What an exported causal language model answers, and how it is checked."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from massivetext_keras.generation.checks import checked
from massivetext_keras.generation.sampling import Sampling
from massivetext_keras.generation.scoring import log_probabilities
from massivetext_keras.generation.texts import TextGenerator, earlier_copies, prompt_ids
from massivetext_keras.saving.export import Probe, signature
from massivetext_keras.support.rounding import ROUNDING
from massivetext_keras.tasks.own_defaults import made_of
from massivetext_keras.text.conversations import ROLES, as_rows, chat_ids
from massivetext_keras.text.examples import Conversation

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
_SURE = 3 * ROUNDING
# What Python calls whitespace among ASCII, at the beginning.
_BLANKS = r"\A[ \t\n\r\v\f]+"
_DEFAULT_NEW_TOKENS = 64


def signatures(task, xla: bool) -> dict[str, Callable]:
    """The signatures of a `CausalLM` by name.

    Args:
        task: a `CausalLM`.
        xla: whether the loop of `serving_default` is an XLA program.
    """
    prompt = tf.TensorSpec([None], tf.string, "prompt")
    tokens, spec = tf.TensorSpec([], tf.int32, "max_new_tokens"), Sampling.spec()
    scalars = [tokens, spec.temperature, spec.top_k, spec.top_p, spec.seed]
    own = task.generation
    usual = made_of(own, Sampling.make, seed=0)
    tokenizer, context = task.need_tokenizer(), task.config.max_length
    # A server fills in what a request leaves out.
    room = min(own.get("max_new_tokens", _DEFAULT_NEW_TOKENS), context - 1)
    room = tf.constant(room)
    defaults = [room, usual.temperature, usual.top_k, usual.top_p, usual.seed]

    def sampling(temperature, top_k, top_p, seed) -> Sampling:
        asked_for = {"top_k": top_k, "top_p": top_p, "seed": seed}
        return usual._replace(temperature=temperature, **asked_for).checked()

    def limited(count) -> tf.Tensor:
        wanted = f"max_new_tokens must be at least 0 and below the context of {context}"
        return checked(count, (count >= 0) & (count < context), wanted)

    def continued(texts: TextGenerator, ids, rows, limit, choice) -> tf.Tensor:
        most = tf.maximum(limit, 1)  # one is always written
        new, _ = texts.graphs.continuations(
            ids, rows, most, choice, texts.banned, texts.stop
        )
        return tf.where(limit > 0, new, "")

    def sampled(compiled: bool):
        texts = usual_generator(task, compiled=compiled)

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
            new = continued(texts, ids, rows, limited(max_new_tokens), choice)
            return {"text": tf.strings.join([prompt, new])}

        return signature(generate, prompt, *scalars)

    plain, compiled = sampled(compiled=False), sampled(compiled=True)
    ends = task.chat_stop_strings(), penalizes(task), (), task.chat_stop_ids()
    replies = task.writers.text_generator(*ends, compiled=False)
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
        known = tf.reduce_any(roles[..., None] == tf.constant([*ROLES, ""]), axis=-1)
        roles = checked(roles, known, f"roles must be {', '.join(ROLES)}, or empty")
        limit = limited(max_new_tokens)
        found = chat_ids(tokenizer, template, roles, texts, context - limit)
        whole = tf.strings.reduce_join(template.pieces(roles, texts), axis=1)
        choice = sampling(temperature, top_k, top_p, seed)
        rows = earlier_copies(whole)
        text = continued(replies, found.token_ids, rows, limit, choice)
        return {"text": tf.strings.regex_replace(text, _BLANKS, "")}

    def greedy(prompt):
        # Zero, but no constant: Grappler cannot sort a graph where it sees that a
        # branch with a loop in it is never taken, and says so on stderr.
        temperature = tf.cast(tf.size(prompt) < 0, tf.float32)
        generate = compiled if xla else plain
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
        "generate": plain,
        "generate_compiled": compiled,
        **chats,
        "score": signature(score, tf.TensorSpec([None], tf.string, "text")),
    }


def usual_generator(task, compiled: bool = True) -> TextGenerator:
    """What writes the texts of a task where nobody says otherwise."""
    stop = task.generation.get("stop", ())
    return task.writers.text_generator(stop, penalizes(task), compiled=compiled)


def penalizes(task) -> bool:
    """Whether a task itself discourages repetitions."""
    return "repetition_penalty" in task.generation


def probes(task) -> list[Probe]:
    """Questions to the export of a `CausalLM`, with the model's own answers.

    Where two tokens are equally probable but for rounding, any text may follow: such
    prompts are not asked.
    """
    tokens = min(_PROBE_TOKENS, task.config.max_length - 1)
    asked_for = {"temperature": 0.0, "top_k": 0, "top_p": 1.0, "seed": 0}
    greedy = {"max_new_tokens": tokens, **asked_for}
    sampling = made_of(task.generation, Sampling.make, **asked_for)
    ids = prompt_ids(task.need_tokenizer(), _PROBES)
    generator = usual_generator(task)
    new, lead = generator.write_surely(_PROBES, ids, tokens, sampling)
    sure = lead > _SURE
    prompts, new = (np.array(x, object)[sure].tolist() for x in (_PROBES, new))
    texts = [prompt + text for prompt, text in zip(prompts, new, strict=True)]

    chats = []
    talks = [talk for talk in _CONVERSATIONS if task.template.writes(talk)]
    if talks and task.graph_template() is not None:
        replies, lead = task.sure_replies(talks, tokens, sampling, penalizes(task))
        roles, said = (x.numpy()[lead > _SURE] for x in as_rows(talks))
        replies = np.array(replies, object)[lead > _SURE].tolist()
        asked = {"roles": roles, "texts": said, **greedy}
        chats = [Probe("chat", asked, {"text": replies})]
    found = [
        *[
            Probe(name, {"prompt": prompts, **greedy}, {"text": texts})
            for name in ("generate", "generate_compiled")
        ],
        *chats,
        Probe("score", {"text": _PROBES}, {"log_probability": task.score(_PROBES)}),
    ]
    return [probe for probe in found if [*probe.outputs.values()][0]]
