"""Exports answer strings without this package, as the model does."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.generation.texts import TextGenerator
from massivetext_keras.generation.writers import Writers
from massivetext_keras.saving.export import (
    Probe,
    compare,
    without_grappler,
    write_saved_model,
)
from massivetext_keras.tasks import CausalLM, MaskedLM
from tests.saving.test_warm_up import logs_in
from tests.tasks.tiny import TINY, byte_lm, encoder_task

pytestmark = pytest.mark.usefixtures("grappler")

SERVER = """
import json, sys
import tensorflow as tf
import tensorflow_text

request = json.load(sys.stdin)
prompts = tf.constant(request["prompts"])
types = {"temperature": tf.float32, "top_p": tf.float32}


def answers_of(folder):
    signatures, answers = tf.saved_model.load(folder).signatures, {}
    for name in request["names"]:
        answers[name] = []
        for options in request["options"]:
            options = {k: tf.constant(v, types.get(k)) for k, v in options.items()}
            texts = signatures[name](prompt=prompts, **options)["text"].numpy()
            answers[name].append([text.decode() for text in texts])
    if "generate_compiled" in request["names"]:
        default = signatures["serving_default"](prompt=prompts)["text"].numpy()
        answers["default"] = [text.decode() for text in default]
        said = {k: tf.constant(request[k]) for k in ("roles", "texts")}
        replies = signatures["chat"](**said, **options)["text"].numpy()
        answers["chat"] = [text.decode() for text in replies]
    score = signatures["score"](text=prompts)["log_probability"]
    return {**answers, "score": score.numpy().tolist()}


answers = [answers_of(folder) for folder in request["folders"]]
assert not [m for m in sys.modules if m.split(".")[0] == "massivetext_keras"]
print(json.dumps(answers))
"""
PROMPTS = ["Once upon a time", "", "中文 😀", "Once upon a time"]
OPTIONS = [
    {"max_new_tokens": 9, "temperature": 0.0, "top_k": 0, "top_p": 1.0, "seed": 0},
    {"max_new_tokens": 9, "temperature": 1.2, "top_k": 50, "top_p": 0.9, "seed": 5},
    {"max_new_tokens": 9, "temperature": 0.8, "top_k": 0, "top_p": 1.0, "seed": 6},
]
ROLES = [["system", "user", "assistant", "user"], ["user", "", "", ""]] * 2
SAID = [["Be.", "Hi", "Ho", "中文 😀"], ["Once upon a time", "", "", "unseen"]] * 2


ALL = "generate", "generate_compiled"


def serve(*folders, names=ALL) -> list[dict]:
    """What a process that does not know this package gets from exports; of `ALL` their
    default and replies too."""
    request = {"prompts": PROMPTS, "options": OPTIONS, "roles": ROLES, "texts": SAID}
    request["names"] = names
    request["folders"] = [str(folder) for folder in folders]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    answer = subprocess.run(
        [sys.executable, "-c", SERVER],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        cwd=folders[0],
        env=environment,
    )
    assert answer.returncode == 0, answer.stderr
    assert "topological" not in answer.stderr  # Grappler sorted every graph
    return json.loads(answer.stdout.splitlines()[-1])


def plain_text_generator(
    self, stop=(), penalize=False, banned=(), stop_ids=()
) -> TextGenerator:
    """Of the model itself, which answers without XLA; exports do both."""
    return self.plain_text_generator(stop, stop_ids)


def check(lm, answers, monkeypatch):
    monkeypatch.setattr(Writers, "text_generator", plain_text_generator)
    texts = [lm.generate(PROMPTS, **options) for options in OPTIONS]
    assert answers["generate"] == texts
    np.testing.assert_allclose(answers["score"], lm.score(PROMPTS), rtol=1e-5)
    assert texts[1][0] != texts[1][3]
    if "generate_compiled" not in answers:
        return
    assert answers["generate_compiled"] == texts
    default = min(64, lm.config.max_length - 1)
    greedy = lm.generate(PROMPTS, max_new_tokens=default, temperature=0.0)
    assert answers["default"] == greedy
    talks = [
        [
            {"role": role, "content": text}
            for role, text in zip(*turns, strict=True)
            if role
        ]
        for turns in zip(ROLES, SAID, strict=True)
    ]
    assert answers["chat"] == lm.chat(talks, **OPTIONS[-1])


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A model and one of mixed precision, in which a letter is banned, and the folders
    of their exports; the default of the latter is not compiled."""
    place = tmp_path_factory.mktemp("exports")
    lms = [
        byte_lm(dtype=dtype, max_length=40, banned=banned)
        for dtype, banned in (("float32", ()), ("mixed_bfloat16", ":"))
    ]
    folders = [place / lm.backbone.compute_dtype for lm in lms]
    for lm, folder in zip(lms, folders, strict=True):
        lm.export(folder, xla=lm is lms[0])
    return lms, folders


@pytest.mark.slow
def test_another_process_gives_what_the_models_give(exported, monkeypatch):
    lms, folders = exported
    found = serve(*folders)
    for lm, answers in zip(lms, found, strict=True):
        check(lm, answers, monkeypatch)
    texts = ["".join(map("".join, answers["generate_compiled"])) for answers in found]
    assert ":" in texts[0] and ":" not in texts[1]
    assert [lm.backbone.compute_dtype for lm in lms] == ["float32", "bfloat16"]


@pytest.mark.slow
def test_real_stories_in_another_process(data_dir, tmp_path, monkeypatch):
    lm = CausalLM.from_preset(f"hf:{data_dir}/weights/stories260K")
    lm.export(tmp_path / "1", xla=False)
    check(lm, *serve(tmp_path / "1", names=["generate"]), monkeypatch)


BAD = {
    "max_new_tokens": (-1, 40, 2**31 - 1),
    "temperature": (-1.0, float("nan"), float("inf")),
    "top_k": (-5,),
    "top_p": (0.0, -0.1, 1.5, float("nan")),
}


@pytest.fixture(scope="module")
def served(exported):
    """The first export, whose graphs are run as they are: other tests rewrite them."""
    with without_grappler():
        yield tf.saved_model.load(str(exported[1][0]))


@pytest.mark.slow
def test_numbers_out_of_range_are_refused_by_name(served):
    right = {k: tf.constant(v) for k, v in OPTIONS[0].items()}
    turns = {"roles": tf.constant([["user"]]), "texts": tf.constant([["Hi"]])}
    prompt = {"prompt": tf.constant(["Once", ""])}
    for name in ("generate", "generate_compiled", "chat"):
        signature, asked = served.signatures[name], turns if name == "chat" else prompt
        for argument, values in BAD.items():
            for value in values:
                bad = tf.constant(value, right[argument].dtype)
                with pytest.raises(tf.errors.InvalidArgumentError) as error:
                    signature(**asked, **{**right, argument: bad})
                assert f"{argument} must be" in str(error.value)
        nothing = signature(**asked, **{**right, "max_new_tokens": tf.constant(0)})
        wanted = [b""] if name == "chat" else [b"Once", b""]
        assert nothing["text"].numpy().tolist() == wanted
    turns["roles"] = tf.constant([["usr"]])
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="roles must be system, us"
    ):
        served.signatures["chat"](**turns, **right)


@pytest.mark.slow
def test_the_default_is_compiled_unless_nobody_wants_it(exported):
    lm = exported[0][0]

    def compiled(xla: bool) -> bool:
        default = lm.signatures(xla)["serving_default"].get_concrete_function()
        functions = default.graph.as_graph_def().library.function
        return any(function.attr["_XlaMustCompile"].b for function in functions)

    assert [compiled(xla) for xla in (True, False)] == [True, False]


@pytest.mark.slow
def test_the_command_that_the_readme_gives_works(exported):
    folder = exported[1][1]
    text = (folder / "README.md").read_text()
    command = text.split("```")[3].strip().replace("{folder}", str(folder))
    command = command.replace("python", sys.executable, 1)
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "a text" in done.stdout
    assert "import tensorflow as tf, tensorflow_text" in text


@pytest.mark.slow
def test_the_config_says_what_the_export_takes(exported):
    lm, folder = (several[0] for several in exported)
    config = json.loads((folder / "config.json").read_text())
    assert (config["task"], config["model"]) == ("CausalLM", lm.config.to_dict())
    assert config["tokenizer"] == lm.tokenizer.fingerprint
    assert config["made_with"]["tensorflow"] == tf.__version__
    names = ["prompt", "max_new_tokens", "temperature", "top_k", "top_p", "seed"]
    asked = ["stop", "max_new_tokens", "temperature", "top_k", "top_p", "min_p"]
    asked += ["repetition_penalty", "seed", "min_new_tokens"]
    asked += ["banned_table", "banned_kinds"]
    told = ["finish_reason", "log_probabilities", "new_tokens", "prompt_tokens"]
    told += ["text", "token_ids"]
    assert config["signatures"] == {
        "serving_default": {"inputs": ["prompt"], "outputs": ["text"]},
        "generate": {"inputs": names, "outputs": ["text"]},
        "generate_compiled": {"inputs": names, "outputs": ["text"]},
        "chat": {"inputs": ["roles", "texts", *names[1:]], "outputs": ["text"]},
        "complete": {"inputs": ["prompt", *asked], "outputs": told},
        "complete_chat": {"inputs": ["roles", "texts", *asked], "outputs": told},
        "count": {"inputs": ["text"], "outputs": ["tokens"]},
        "score": {"inputs": ["text"], "outputs": ["log_probability"]},
    }


def test_serving_warms_an_export_up_with_what_it_answers_without_xla(exported, served):
    folder = exported[1][0]
    logs = logs_in(folder)
    asked = [log.predict_log.request for log in logs]
    names = {request.model_spec.signature_name for request in asked}
    also = {"complete", "complete_chat", "count"}
    assert names == {"generate", "chat", "score", *also}
    for request in asked:
        inputs = {k: tf.constant(tf.make_ndarray(v)) for k, v in request.inputs.items()}
        served.signatures[request.model_spec.signature_name](**inputs)


def test_the_readme_asks_what_the_task_can_answer(tmp_path):
    encoder_task(MaskedLM).export(tmp_path / "1")
    text = (tmp_path / "1" / "README.md").read_text()
    assert 'text=tf.constant(["a [MASK] text"])' in text
    assert """--input_exprs='text=["a [MASK] text"]'""" in text


def test_an_answer_among_those_that_are_as_good_is_right():
    def rank(x):
        return {"names": tf.constant([["b", "a"]]), "odds": tf.stack([x, x])}

    either = frozenset("ab")
    signatures = {"rank": tf.function(rank)}

    def asked(names, odds):
        outputs = {"names": [names], "odds": odds}
        compare(signatures, [Probe("rank", {"x": 2.0}, outputs)])

    asked([either, either], [2.0, 2.0001])
    asked(["b", either], [frozenset([3.0, 2.0]), 2.0])
    for names, odds in (
        (["a", either], [2.0, 2.0]),
        ([either, frozenset("c")], [2.0, 2.0]),
        ([either, either], [2.0, 2.01]),
        ([either, either], [2.0, frozenset([1.0, 3.0])]),
        ([either], [2.0, 2.0]),
    ):
        with pytest.raises(RuntimeError, match="the export's rank"):
            asked(names, odds)


class Doubler(tf.Module):
    def __init__(self, factor: float):
        super().__init__()
        self.factor = tf.Variable(factor)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def double(self, x):
        return {"y": x * self.factor}


def write(folder, factor: float = 2.0, **options):
    """Writes a small SavedModel; the check fails unless it doubles."""
    module = Doubler(factor)

    def doubles(signatures):
        if float(signatures["double"](x=tf.constant([3.0]))["y"][0]) != 6.0:
            raise RuntimeError("it does not double")

    signatures = {"double": module.double}
    write_saved_model(folder, module, signatures, {"a": 1}, doubles, **options)


def contents(folder) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_full_folder_is_refused_or_replaced(tmp_path):
    (tmp_path / "1").mkdir()
    write(tmp_path / "1")
    (tmp_path / "1" / "stale").write_text("old")
    before = contents(tmp_path)
    with pytest.raises(FileExistsError, match="is not empty.*overwrite"):
        write(tmp_path / "1")
    assert contents(tmp_path) == before
    write(tmp_path / "1", overwrite=True)
    assert not (tmp_path / "1" / "stale").exists()
    config = json.loads((tmp_path / "1" / "config.json").read_text())
    assert config["a"] == 1
    assert config["signatures"] == {"double": {"inputs": ["x"], "outputs": ["y"]}}
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_a_failing_check_leaves_the_old_export_alone(tmp_path):
    with pytest.raises(RuntimeError, match="does not double"):
        write(tmp_path / "1", factor=3.0)
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / "1")
    before = contents(tmp_path)
    with pytest.raises(RuntimeError, match="does not double"):
        write(tmp_path / "1", factor=3.0, overwrite=True)
    assert contents(tmp_path) == before


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "1").write_text("text")
    with pytest.raises(FileExistsError, match="is a file"):
        write(tmp_path / "1", overwrite=True)
    assert (tmp_path / "1").read_text() == "text"
    with pytest.raises(FileExistsError, match="is a file"):  # before all else
        CausalLM(TINY).export(tmp_path / "1")


def test_the_folder_is_readable_as_others_are(tmp_path):
    (tmp_path / "other").mkdir()
    write(tmp_path / "1")
    assert (tmp_path / "1").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_ids_alone_cannot_be_exported(tmp_path):
    with pytest.raises(ValueError, match="without a tokenizer"):
        CausalLM(TINY).export(tmp_path / "1")
    assert list(tmp_path.iterdir()) == []
