"""`massivetext chat` on a pipe."""

from __future__ import annotations

import io
import json

import pytest

from massivetext_keras import cli
from massivetext_keras.cli.generation import converse

ARGUMENTS = {"max_new_tokens": 6, "temperature": 0.7}


@pytest.fixture
def talk(lm, capsys):
    """Says lines and gives the replies, each of which is one line here."""

    def call(*lines, opening=(), **how) -> str:
        capsys.readouterr()
        said = io.StringIO("".join(f"{line}\n" for line in lines))
        converse(lm, said, opening, **{**ARGUMENTS, **how})
        return capsys.readouterr().out

    return call


def test_replies_are_those_of_the_conversation(talk, lm):
    messages = [{"role": "system", "content": "Be."}]
    out = talk("Hi", "", "what?", seed=3, opening=messages)
    wanted = []
    for seed, text in ((3, "Hi"), (4, "what?")):
        messages.append({"role": "user", "content": text})
        wanted.append(lm.chat(messages, seed=seed, **ARGUMENTS))
        messages.append({"role": "assistant", "content": wanted[-1]})
    assert out == "".join(f"{reply}\n" for reply in wanted)


def test_commands(talk):
    one = talk("Hi", temperature=0)
    both = talk("Hi", "/reset", "Hi", "/quit", "Hi", temperature=0)
    assert both == one * 2
    assert talk("/rest", temperature=0) == ""


def test_flags_say_how_it_talks(good, finished, lm, monkeypatch):
    how = {**ARGUMENTS, "temperature": 0}
    free = lm.chat([{"role": "user", "content": "Hi"}], **how)
    letter = next(c for c in free if c.isprintable())
    monkeypatch.setattr("sys.stdin", io.StringIO("Hi\n"))
    flags = ("--max_new_tokens=6", "--temperature=0", f"--banned={letter}")
    out = good("chat", f"--preset={finished.folder}", *flags, "--system=Be.")
    messages = [{"role": "system", "content": "Be."}, {"role": "user", "content": "Hi"}]
    assert out == lm.chat(messages, **how, banned=letter) + "\n"
    assert letter not in out


def test_bytes_that_are_no_text_end_nothing(good, finished, monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(b"H\xe4\nHi\n"), "utf-8")
    monkeypatch.setattr("sys.stdin", stdin)
    flags = (f"--preset={finished.folder}", "--max_new_tokens=0")
    assert good("chat", *flags) == "\n\n"


class Interrupted:
    """A task in whose every reply control-C is pressed, and what it heard."""

    def __init__(self):
        self.heard = []

    def chat_stream(self, messages, **_):
        self.heard.append(list(messages))
        yield "Well, "
        raise KeyboardInterrupt


class Terminal(io.StringIO):
    """Where a person types, and at the end of the text presses control-C."""

    def isatty(self):
        return True

    def readline(self):
        if line := super().readline():
            return line
        raise KeyboardInterrupt


def test_control_c_ends_a_reply_and_then_the_talk(capsys):
    task = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        converse(task, Terminal("a\nb\n"))
    assert capsys.readouterr().out == "Well, \nWell, \n"
    said = [(x["role"], x["content"]) for x in task.heard[1]]
    assert said == [("user", "a"), ("assistant", "Well, "), ("user", "b")]
    with pytest.raises(KeyboardInterrupt):  # where nobody sits, it ends at once
        converse(task, io.StringIO("a\nb\n"))
    assert len(task.heard) == 3


def test_control_c_exits_with_130(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.VERBS, "stop", cli.Verb("stop", interrupted))
    assert cli.run(["stop"]) == 130
    assert capsys.readouterr().err == "massivetext: interrupted\n"


def test_conversations_are_examples_of_a_language_model(
    good, bad, finished, tmp_path, lm
):
    talk = {"prompt": "Hi", "reply": "Well."}
    (tmp_path / "a.jsonl").write_text(json.dumps(talk))
    (tmp_path / "a.yml").write_text("conversations:\n- - Hi\n  - Well.\n")
    preset, loss = f"--preset={finished.folder}", None
    for flags in (("a.jsonl", "--format=jsonl"), ("a.yml",), ("a.yml", "--json")):
        out = good("evaluate", preset, f"--data={tmp_path / flags[0]}", *flags[1:])
        if "--json" in flags:
            found = json.loads(out)["loss"]
        else:
            found = float(next(x for x in out.split("\n") if "loss" in x).split()[1])
        assert loss is None or found == pytest.approx(loss, abs=1e-4)
        loss = found
    code, line = bad("evaluate", preset, f"--data={tmp_path / 'a.jsonl'}")
    assert code == 1 and line.endswith("of conversations say the --format")


def test_a_wrong_flag_is_named(bad, finished):
    code, line = bad("chat", f"--preset={finished.folder}", "--sytem=x")
    assert code == 2 and "--sytem: did you mean 'system'" in line
