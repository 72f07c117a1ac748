"""A model that can hardly but write what is banned, and what it writes by each way."""

from __future__ import annotations

import tensorflow as tf

from massivetext_keras.tasks import CausalLM
from massivetext_keras.tasks.language_model.streaming import written
from massivetext_keras.tokenizers import ByteTokenizer
from tests.tasks.tiny import byte_lm

LETTERS = "abc"
# Of three letters in any order hardly a text has none of these.
BANNED = ["AB", "ca", "bb", "aa", "CC", "bc"]
TALK = [{"role": "user", "content": "ab?"}, {"role": "assistant", "content": "bbb"}]
TALK += [{"role": "user", "content": "c"}]
PROMPTS = ["xa", "", "ab"]
NEW = 16
GREEDY = {"temperature": 0.0, "top_k": 0, "top_p": 1.0, "seed": 0}


def eager_lm(banned=(), **options) -> CausalLM:
    """Writes a, b and c alone, at random."""
    lm = byte_lm(seed=2, banned=banned, logit_bias=True, **options)
    bias = [-40.0] * lm.config.vocabulary_size
    for i in ByteTokenizer()(LETTERS).numpy():
        bias[i] = 40.0
    lm.backbone.logit_bias.assign(bias)
    return lm


def text_of(found) -> list[str]:
    """All texts in what a way gave."""
    if isinstance(found, str):
        return [found]
    if hasattr(found, "finish_reason"):
        return [found.text]
    return [text for one in found for text in text_of(one)]


def python_ways(lm) -> dict[str, list[str]]:
    """Texts that are new, by the verb that wrote them."""
    ids, how = lm.tokenizer(PROMPTS[2]).numpy()[None], {"include_prompt": False}
    sampled = {"temperature": 1.0, "seed": 3}
    rows = {
        "generate_ids": lm.generate_ids(ids, NEW),
        "generate_ids, sampled": lm.generate_ids(ids, NEW, **sampled),
        "generate_ids, beams": lm.generate_ids(ids, NEW, num_beams=3),
    }
    found = {
        "generate": lm.generate("x", NEW, temperature=0, **how),
        "generate, many": lm.generate(PROMPTS, NEW, **sampled, **how),
        "generate, prompts": lm.generate("x", NEW, **sampled)[1:],
        "generate, samples": lm.generate("x", NEW, num_samples=4, **sampled, **how),
        "generate, details": lm.generate(PROMPTS, NEW, details=True, **sampled, **how),
        "generate, stop": lm.generate(PROMPTS, NEW, stop="zz", **sampled, **how),
        "generate, penalty": lm.generate(PROMPTS, NEW, repetition_penalty=1.1, **how),
        "generate, beams": lm.generate(PROMPTS, NEW, num_beams=3, **how),
        "generate, best": lm.generate("x", NEW, num_beams=3, num_samples=2, **how),
        "stream": "".join(lm.stream("x", NEW, **sampled, **how)),
        "chat": lm.chat("ab", NEW, **sampled),
        "chat, many": lm.chat([TALK, TALK[:1]], NEW, temperature=0),
        "chat_stream": "".join(lm.chat_stream(TALK, NEW, **sampled)),
    }
    for name, some in rows.items():
        new = tf.ragged.constant(some.to_list())[:, ids.shape[1] :]
        found[name] = [x.decode() for x in lm.tokenizer.detokenize(new).numpy()]
    return {name: text_of(texts) for name, texts in found.items()}


def export_ways(signatures) -> dict[str, list[str]]:
    """The same of an export, by its signature."""
    prompt = tf.constant(["x", "xc", "x"])
    talk = {
        "roles": tf.constant([["user", "assistant", "user"]]),
        "texts": tf.constant([[turn["content"] for turn in TALK]]),
    }
    new = tf.constant(NEW)
    how = {name: tf.constant(x) for name, x in {**GREEDY, "temperature": 1.0}.items()}
    how["max_new_tokens"] = new
    found = {
        "serving_default": signatures["serving_default"](prompt=prompt),
        "generate": signatures["generate"](prompt=prompt, **how),
        "chat": signatures["chat"](**talk, **how),
    }
    for name, given in (("complete", {"prompt": prompt}), ("complete_chat", talk)):
        defaults = signatures[name].structured_input_signature[1]
        more = {
            "stop": tf.constant([], tf.string),
            "banned_table": tf.zeros([0, 0], tf.int32),
            "banned_kinds": tf.zeros([0], tf.int32),
            "repetition_penalty": tf.constant(1.0),
            "min_p": tf.constant(0.0),
            "min_new_tokens": tf.constant(0),
        }
        asked = {k: x for k, x in {**more, **how, **given}.items() if k in defaults}
        found[name] = signatures[name](**asked)
    texts = {k: [x.decode() for x in y["text"].numpy()] for k, y in found.items()}
    for name in ("serving_default", "generate"):
        texts[name] = [x[len("x") :] for x in texts[name]]
    if "slots_open" in signatures:
        roles = {k: x[0] for k, x in talk.items()}
        asked = [("slots_fill", {"prompt": "x"}), ("slots_chat", roles)]
        texts["slots"] = written(signatures, asked, new, 64)
    return texts


def banned_in(text: str) -> list[str]:
    """The phrases that a text has."""
    return [phrase for phrase in BANNED if phrase.lower() in text.lower()]
